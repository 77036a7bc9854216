//! Template parameters: what a document leaves open, one value per tenant.
//!
//! A document in `policies/iam/` is a template for one kind of role. `{bpnl}` in it stands for a text that is known only
//! per tenant or per request. The value is always taken literally: a `*` in it matches a `*`, a `${…}` in it is no variable.
//! IAM's own variables, `${aws:PrincipalTag/bpnl}`, are another thing: AWS fills those from the request.

use std::borrow::Cow;

use super::error::Problem;
use super::json::{Node, Value};

/// Which braces mean something in a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    /// `${…}` is a variable: only with `Version` 2012-10-17; before that it is plain text.
    pub(super) variables: bool,
    /// `{…}` is a template parameter; in a document already deployed it is plain text.
    pub(super) parameters: bool,
    /// The document is a session policy, whose parameters have values of their own.
    pub(super) session: bool,
}

/// A piece of a text in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Text(&'t str),
    /// What stands between `${` and `}`.
    Variable(&'t str),
    /// What stands between `{` and `}`.
    Parameter(&'t str),
}

/// Splits a text at its variables and parameters.
pub(super) fn lex(text: &str, dialect: Dialect) -> Result<Vec<Token<'_>>, Problem> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '$']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        push_text(&mut tokens, before);
        if let Some(inside) = from.strip_prefix("${") {
            let closed = inside.split_once('}');
            match (closed, dialect.variables) {
                (Some((name, tail)), true) => {
                    tokens.push(Token::Variable(name));
                    rest = tail;
                }
                (None, true) => return Err(unclosed(text)),
                (Some((_, tail)), false) => rest = take(&mut tokens, from, from.len() - tail.len()),
                (None, false) => rest = take(&mut tokens, from, 2),
            }
        } else if let (Some(inside), true) = (from.strip_prefix('{'), dialect.parameters) {
            let (name, tail) = inside.split_once('}').ok_or_else(|| unclosed(text))?;
            if !is_parameter_name(name) {
                let help = "a parameter is lower-case letters, digits and `_` in single braces, such as `{bpnl}`";
                return Err(Problem::invalid(name, "the name of a template parameter", help));
            }
            tokens.push(Token::Parameter(name));
            rest = tail;
        } else {
            rest = take(&mut tokens, from, 1);
        }
    }
    push_text(&mut tokens, rest);
    Ok(tokens)
}

fn push_text<'t>(tokens: &mut Vec<Token<'t>>, text: &'t str) {
    if !text.is_empty() {
        tokens.push(Token::Text(text));
    }
}

/// Takes the first `length` bytes of `from` as text and gives the rest.
fn take<'t>(tokens: &mut Vec<Token<'t>>, from: &'t str, length: usize) -> &'t str {
    let (text, rest) = from.split_at_checked(length).unwrap_or((from, ""));
    push_text(tokens, text);
    rest
}

fn unclosed(text: &str) -> Problem {
    Problem::invalid(text, "a complete pattern", "close the brace with `}`")
}

fn is_parameter_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Values for template parameters: a small map, searched in order.
///
/// ```
/// use tidegate::iam::Params;
/// let params = Params::new().with("bpnl", "BPNL000000000DWF").with("region", "eu-central-1");
/// assert_eq!(params.get("region"), Some("eu-central-1"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Params<'p> {
    values: Vec<(&'p str, Cow<'p, str>)>,
    /// The values in session policies, where they are not those above.
    session: Vec<(&'p str, Cow<'p, str>)>,
}

impl<'p> Params<'p> {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a parameter, replacing an earlier value.
    #[must_use]
    pub fn with(mut self, name: &'p str, value: impl Into<Cow<'p, str>>) -> Self {
        self.values.retain(|(known, _)| *known != name);
        self.values.push((name, value.into()));
        self
    }

    /// Sets the values that hold in session policies; what they leave open is as everywhere else. Whoever makes a session writes its
    /// policy, and may fill in another tenant than that of the role.
    #[must_use]
    pub fn within_session(self, session: &Params<'p>) -> Self {
        let session = session.values.clone();
        Self { session, ..self }
    }

    /// The names of the parameters that are set, in the order they were set.
    pub fn names(&self) -> impl Iterator<Item = &'p str> {
        self.values.iter().map(|(name, _)| *name)
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        find(&self.values, name)
    }

    /// The value of a parameter in a session policy, or in any other document.
    pub(super) fn get_in(&self, session: bool, name: &str) -> Option<&str> {
        let own = if session { find(&self.session, name) } else { None };
        own.or_else(|| self.get(name))
    }
}

fn find<'v>(values: &'v [(&str, Cow<'_, str>)], name: &str) -> Option<&'v str> {
    let found = values.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| value.as_ref())
}

/// Why a template cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The template names a parameter that has no value.
    #[error("the template parameter `{{{0}}}` has no value; give it one")]
    Unknown(String),
    /// The value would not be taken literally by AWS, or would break the JSON.
    #[error(
        "the value of template parameter `{{{0}}}` holds a wildcard, brace, `$`, quote, backslash or control character"
    )]
    Unsafe(String),
}

/// A piece of a document's JSON: text to be copied, or a parameter to be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Text(String),
    Parameter(Box<str>),
}

/// The document's JSON without white space, cut at its parameters.
pub(super) fn chunks(root: &Node, dialect: Dialect) -> Result<Vec<Chunk>, Problem> {
    let mut writer = Writer {
        chunks: Vec::new(),
        dialect,
    };
    writer.node(root)?;
    Ok(writer.chunks)
}

/// Fills the parameters in.
pub(super) fn render(chunks: &[Chunk], params: &Params<'_>, session: bool) -> Result<String, RenderError> {
    let mut out = String::new();
    for chunk in chunks {
        match chunk {
            Chunk::Text(text) => out.push_str(text),
            Chunk::Parameter(name) => {
                let value = params
                    .get_in(session, name)
                    .ok_or_else(|| RenderError::Unknown(name.to_string()))?;
                if value.contains(|c: char| "*?${}\"\\".contains(c) || c.is_control()) {
                    return Err(RenderError::Unsafe(name.to_string()));
                }
                out.push_str(value);
            }
        }
    }
    Ok(out)
}

struct Writer {
    chunks: Vec<Chunk>,
    dialect: Dialect,
}

impl Writer {
    fn raw(&mut self, text: &str) {
        match self.chunks.last_mut() {
            Some(Chunk::Text(last)) => last.push_str(text),
            _ => self.chunks.push(Chunk::Text(text.to_owned())),
        }
    }

    /// Writes text as the inside of a JSON string.
    fn escaped(&mut self, text: &str) {
        let quoted = serde_json::Value::from(text).to_string();
        self.raw(
            quoted
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .unwrap_or_default(),
        );
    }

    fn node(&mut self, node: &Node) -> Result<(), Problem> {
        match &node.value {
            Value::Null => self.raw("null"),
            Value::Bool(value) => self.raw(if *value { "true" } else { "false" }),
            Value::Number(text) => self.raw(text),
            Value::String(text) => self.text(text)?,
            Value::Array(nodes) => self.list("[", "]", nodes, Self::node)?,
            Value::Object(members) => self.list("{", "}", members, |writer, member| {
                writer.raw("\"");
                writer.escaped(&member.key);
                writer.raw("\":");
                writer.node(&member.node)
            })?,
        }
        Ok(())
    }

    fn list<T>(
        &mut self,
        open: &str,
        close: &str,
        items: &[T],
        write: impl Fn(&mut Self, &T) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.raw(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            write(self, item)?;
        }
        self.raw(close);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Problem> {
        self.raw("\"");
        for token in lex(text, self.dialect)? {
            match token {
                Token::Text(text) => self.escaped(text),
                Token::Variable(inside) => {
                    self.raw("${");
                    self.escaped(inside);
                    self.raw("}");
                }
                Token::Parameter(name) => self.chunks.push(Chunk::Parameter(name.into())),
            }
        }
        self.raw("\"");
        Ok(())
    }
}

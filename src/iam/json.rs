//! A JSON reader that remembers where everything stood, so that a mistake in a policy can be pointed at.
//!
//! `serde_json` checks the syntax first (and bounds the nesting); what is read here is therefore known to be JSON. A repeated
//! key is refused: AWS refuses it too, and a reader that kept either of the two would hide a statement from the reviewer.

use std::collections::HashSet;
use std::ops::Range;

use super::error::{Fault, Problem};

/// The longest document read, in bytes. AWS's own limits are lower for every kind of policy a customer writes (KMS key
/// policies: 32 KiB), but AWS keeps longer ones of its own, and white space does not count.
const MAX_BYTES: usize = 1024 * 1024;

/// A value and the bytes it was read from.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

impl Node {
    /// The text of a string, and of a number or boolean as written: AWS takes `true` and `5` for `"true"` and `"5"`.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) | Value::Number(text) => Some(text),
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// A JSON value; numbers keep the spelling they came in.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

/// A key of an object with its value.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) node: Node,
}

/// Reads a whole document.
pub(super) fn read(text: &str) -> Result<Node, Fault> {
    read_within(text, MAX_BYTES)
}

/// Reads a text of at most `limit` bytes.
pub(super) fn read_within(text: &str, limit: usize) -> Result<Node, Fault> {
    if text.len() > limit {
        return Err(Fault::new(Problem::TooLarge { limit }, 0..0));
    }
    // Reading into a `Value` bounds the nesting at 128, which the recursion below relies on.
    if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
        let at = offset(text, error.line(), error.column());
        return Err(Fault::new(Problem::Syntax(error.to_string()), at..at));
    }
    Reader { text, at: 0 }.node()
}

/// Line and column of a byte, both from 1, the column in characters.
pub(super) fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..text.floor_char_boundary(byte)).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// The byte at a line and column as `serde_json` counts them: from 1, columns in bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    text.floor_char_boundary((start + column.saturating_sub(1)).min(text.len()))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| byte.is_ascii_whitespace());
    }

    /// Steps over `byte` (and white space before it) if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        let next = self.peek() == Some(byte);
        if next {
            self.at += 1;
        }
        next
    }

    fn node(&mut self) -> Result<Node, Fault> {
        self.skip_space();
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object()?,
            Some(b'[') => self.array()?,
            Some(b'"') => Value::String(self.string()?),
            _ => self.scalar()?,
        };
        Ok(Node {
            span: start..self.at,
            value,
        })
    }

    fn object(&mut self) -> Result<Value, Fault> {
        self.at += 1;
        let mut members: Vec<Member> = Vec::new();
        let mut seen = HashSet::new();
        while !self.eat(b'}') {
            self.eat(b',');
            self.skip_space();
            let start = self.at;
            let key = self.string()?;
            let key_span = start..self.at;
            if !seen.insert(key.clone()) {
                return Err(Fault::new(Problem::DuplicateKey(key), key_span));
            }
            self.eat(b':');
            let node = self.node()?;
            members.push(Member { key, key_span, node });
        }
        Ok(Value::Object(members))
    }

    fn array(&mut self) -> Result<Value, Fault> {
        self.at += 1;
        let mut nodes = Vec::new();
        while !self.eat(b']') {
            self.eat(b',');
            nodes.push(self.node()?);
        }
        Ok(Value::Array(nodes))
    }

    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.decode(start)
    }

    fn scalar(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        self.skip_while(|byte| !byte.is_ascii_whitespace() && !b",]}".contains(&byte));
        match self.text.get(start..self.at) {
            Some("null") => Ok(Value::Null),
            Some("true") => Ok(Value::Bool(true)),
            Some("false") => Ok(Value::Bool(false)),
            Some(number) if !number.is_empty() => Ok(Value::Number(number.to_owned())),
            _ => Err(self.unreadable(start)),
        }
    }

    fn decode(&self, start: usize) -> Result<String, Fault> {
        let raw = self.text.get(start..self.at).ok_or_else(|| self.unreadable(start))?;
        serde_json::from_str(raw).map_err(|_| self.unreadable(start))
    }

    /// Cannot happen after the syntax check, but an error is better than a loop or a panic.
    fn unreadable(&self, start: usize) -> Fault {
        let start = self.text.floor_char_boundary(start.min(self.text.len()));
        Fault::new(Problem::Syntax("not JSON".to_owned()), start..start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_exactly_the_text_of_each_value() {
        let text = " {\"a\" : [1, \"x\\\"y\", {} ], \"b\":null}\n";
        let Value::Object(members) = read(text).unwrap().value else {
            panic!("not an object")
        };
        assert_eq!(text.get(members[0].key_span.clone()).unwrap(), "\"a\"");
        assert_eq!(text.get(members[0].node.span.clone()).unwrap(), "[1, \"x\\\"y\", {} ]");
        assert_eq!(text.get(members[1].node.span.clone()).unwrap(), "null");
        let Value::Array(items) = &members[0].node.value else {
            panic!("not an array")
        };
        assert!(matches!(&items[1].value, Value::String(text) if text == "x\"y"));
    }

    #[test]
    fn a_repeated_key_is_refused_where_it_repeats() {
        let text = r#"{"a": 1, "\u0061": 2}"#;
        let fault = read(text).unwrap_err();
        assert!(matches!(&fault.problem, Problem::DuplicateKey(key) if key == "a"));
        assert_eq!(text.get(fault.span).unwrap(), r#""\u0061""#);
    }

    #[test]
    fn hostile_nesting_and_size_are_errors() {
        assert!(read(&"[".repeat(10_000)).is_err());
        assert!(read(&" ".repeat(MAX_BYTES + 1)).is_err());
        assert!(read("").is_err());
    }
}

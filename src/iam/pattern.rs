//! Texts with wildcards, variables and template parameters, compiled once and matched many times.
//!
//! `*` stands for any characters, `/` and `:` among them, and `?` for exactly one (IAM User Guide, "Resource"). What a
//! variable or parameter stands for is compared literally and never read again as a pattern. A variable without a
//! value makes the whole pattern match nothing (IAM User Guide, "Policy variables with no value"), and so does a
//! parameter without one.
//!
//! `arn:aws:s3:::pcf/{bpnl}/*.json` is compiled into a head `arn:aws:s3:::pcf/{bpnl}/` and a tail `.json`; what stands
//! between two stars is searched for. See [`matching`] for why no pattern, however hostile, makes that slow.

mod matching;

use super::error::Problem;
use super::template::{Dialect, Token, lex};

/// A compiled text.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// What stands before the first star; all of it where there is none.
    head: Box<[Part]>,
    stars: Option<Stars>,
}

/// What follows the first star of a pattern.
#[derive(Clone, Debug)]
struct Stars {
    /// What stands between one star and the next, never empty.
    between: Box<[Box<[Part]>]>,
    /// What stands after the last star.
    tail: Box<[Part]>,
}

/// A piece of a pattern without stars.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    /// `?`
    One,
    Variable {
        key: Box<str>,
        default: Option<Box<str>>,
    },
    Parameter {
        name: Box<str>,
        /// Whether it stands in a session policy.
        session: bool,
    },
}

impl Pattern {
    /// Compiles `text`; without `wildcards`, `*` and `?` are plain characters.
    pub(super) fn compile(text: &str, dialect: Dialect, wildcards: bool) -> Result<Self, Problem> {
        let mut builder = Builder::default();
        for token in lex(text, dialect)? {
            match token {
                Token::Text(text) if wildcards => builder.push_wild(text),
                Token::Text(text) => builder.push_literal(text),
                Token::Variable(inside) => builder.push_variable(inside)?,
                Token::Parameter(name) => builder.push_part(Part::Parameter {
                    name: name.into(),
                    session: dialect.session,
                }),
            }
        }
        Ok(builder.finish())
    }

    /// The text of a pattern without wildcards, variables and parameters.
    pub(super) fn literal(&self) -> Option<&str> {
        match (&*self.head, &self.stars) {
            ([], None) => Some(""),
            ([Part::Literal(text)], None) => Some(text),
            _ => None,
        }
    }

    /// Whether the pattern is one variable or parameter and nothing else.
    pub(super) fn is_placeholder(&self) -> bool {
        self.stars.is_none() && matches!(&*self.head, [Part::Variable { .. } | Part::Parameter { .. }])
    }
}

/// Collects the parts of a pattern and cuts them at its stars.
#[derive(Default)]
struct Builder {
    /// What stood before each star so far.
    closed: Vec<Box<[Part]>>,
    /// What has come since the last star.
    open: Vec<Part>,
    /// Plain text at the end of `open`, not a part yet.
    text: String,
}

impl Builder {
    fn push_literal(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn push_part(&mut self, part: Part) {
        self.close_text();
        self.open.push(part);
    }

    fn close_text(&mut self) {
        if !self.text.is_empty() {
            self.open.push(Part::Literal(std::mem::take(&mut self.text).into()));
        }
    }

    fn close_parts(&mut self) -> Box<[Part]> {
        self.close_text();
        std::mem::take(&mut self.open).into()
    }

    fn push_wild(&mut self, text: &str) {
        for piece in text.split_inclusive(['*', '?']) {
            if let Some(before) = piece.strip_suffix('*') {
                self.push_literal(before);
                let parts = self.close_parts();
                // A second star in a row says nothing new.
                if self.closed.is_empty() || !parts.is_empty() {
                    self.closed.push(parts);
                }
            } else if let Some(before) = piece.strip_suffix('?') {
                self.push_literal(before);
                self.push_part(Part::One);
            } else {
                self.push_literal(piece);
            }
        }
    }

    /// The inside of `${…}`: `*`, `?` or `$` for that character, or a condition key with an optional default in quotes.
    fn push_variable(&mut self, inside: &str) -> Result<(), Problem> {
        if matches!(inside, "*" | "?" | "$") {
            self.push_literal(inside);
            return Ok(());
        }
        let (key, default) = match inside.split_once(',') {
            None => (inside.trim(), None),
            Some((key, quoted)) => {
                let default = quoted
                    .trim()
                    .strip_prefix('\'')
                    .and_then(|rest| rest.strip_suffix('\''));
                let default = default.filter(|text| !text.contains(['\'', '{', '$', '*', '?']));
                (key.trim(), Some(default.ok_or_else(|| bad_variable(inside))?.into()))
            }
        };
        if !is_condition_key(key) {
            return Err(bad_variable(inside));
        }
        self.push_part(Part::Variable {
            key: key.into(),
            default,
        });
        Ok(())
    }

    fn finish(mut self) -> Pattern {
        let last = self.close_parts();
        let mut closed = self.closed.into_iter();
        match closed.next() {
            None => Pattern {
                head: last,
                stars: None,
            },
            Some(head) => Pattern {
                head,
                stars: Some(Stars {
                    between: closed.collect(),
                    tail: last,
                }),
            },
        }
    }
}

fn bad_variable(inside: &str) -> Problem {
    let help = "write `${aws:PrincipalTag/tenant}`, `${aws:username, 'nobody'}`, `${*}`, `${?}` or `${$}`";
    Problem::invalid(inside, "a policy variable", help)
}

/// `prefix:name`, without anything that means something in a pattern.
pub(super) fn is_condition_key(text: &str) -> bool {
    let sound = |c: char| !c.is_control() && !"*?${}'\",".contains(c);
    text.split_once(':')
        .is_some_and(|(prefix, name)| !prefix.is_empty() && !name.is_empty())
        && text.chars().all(sound)
        && text.trim() == text
}

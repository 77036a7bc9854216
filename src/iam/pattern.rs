//! Texts with wildcards, variables and template parameters, compiled once and matched many times.
//!
//! `*` stands for any characters, `/` and `:` among them, and `?` for exactly one (IAM User Guide, "Resource"). What a
//! variable or parameter stands for is compared literally and never read again as a pattern. A variable without a
//! value makes the whole pattern match nothing (IAM User Guide, "Policy variables with no value"), and so does a
//! parameter without one.

use super::context::Scope;
use super::error::Problem;
use super::template::{Dialect, Token, lex};

/// A compiled text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Box<[Part]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    /// `?`
    One,
    /// `*`
    Many,
    Variable {
        key: Box<str>,
        default: Option<Box<str>>,
    },
    Parameter(Box<str>),
}

/// A part with its variable or parameter filled in.
#[derive(Clone, Copy)]
enum Piece<'p> {
    Literal(&'p str),
    One,
    Many,
}

/// How letters are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Exact,
    /// ASCII letters of either case are the same; AWS does not say what it does beyond ASCII.
    Ignored,
}

impl Pattern {
    /// Compiles `text`; without `wildcards`, `*` and `?` are plain characters.
    pub(super) fn compile(text: &str, dialect: Dialect, wildcards: bool) -> Result<Self, Problem> {
        let mut parts = Vec::new();
        for token in lex(text, dialect)? {
            match token {
                Token::Text(text) if wildcards => push_wild(&mut parts, text),
                Token::Text(text) => push_literal(&mut parts, text),
                Token::Variable(inside) => push_variable(&mut parts, inside)?,
                Token::Parameter(name) => parts.push(Part::Parameter(name.into())),
            }
        }
        Ok(Self { parts: parts.into() })
    }

    /// The text of a pattern without wildcards, variables and parameters.
    pub(super) fn literal(&self) -> Option<&str> {
        match &*self.parts {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether the pattern is one variable or parameter and nothing else.
    pub(super) fn is_placeholder(&self) -> bool {
        matches!(&*self.parts, [Part::Variable { .. } | Part::Parameter(_)])
    }

    /// Whether the pattern matches all of `text`.
    pub(super) fn matches<'d>(&'d self, text: &str, case: Case, scope: &Scope<'_, 'd>) -> bool {
        if !self.parts.iter().all(|part| part.piece(scope).is_some()) {
            return false;
        }
        glob(|index| self.parts.get(index)?.piece(scope), text, case)
    }
}

impl Part {
    fn piece<'p, 'd: 'p>(&'d self, scope: &Scope<'p, 'd>) -> Option<Piece<'p>> {
        match self {
            Self::Variable { key, default } => scope.variable(key).or(default.as_deref()).map(Piece::Literal),
            Self::Parameter(name) => scope.parameter(name).map(Piece::Literal),
            Self::Literal(text) => Some(Piece::Literal(text)),
            Self::One => Some(Piece::One),
            Self::Many => Some(Piece::Many),
        }
    }
}

fn push_literal(parts: &mut Vec<Part>, text: &str) {
    if text.is_empty() {
        return;
    }
    match parts.last_mut() {
        Some(Part::Literal(last)) => *last = format!("{last}{text}").into(),
        _ => parts.push(Part::Literal(text.into())),
    }
}

fn push_wild(parts: &mut Vec<Part>, text: &str) {
    for piece in text.split_inclusive(['*', '?']) {
        if let Some(before) = piece.strip_suffix('*') {
            push_literal(parts, before);
            // A second star in a row says nothing new.
            if parts.last() != Some(&Part::Many) {
                parts.push(Part::Many);
            }
        } else if let Some(before) = piece.strip_suffix('?') {
            push_literal(parts, before);
            parts.push(Part::One);
        } else {
            push_literal(parts, piece);
        }
    }
}

/// The inside of `${…}`: `*`, `?` or `$` for that character, or a condition key with an optional default in quotes.
fn push_variable(parts: &mut Vec<Part>, inside: &str) -> Result<(), Problem> {
    if matches!(inside, "*" | "?" | "$") {
        push_literal(parts, inside);
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
    parts.push(Part::Variable {
        key: key.into(),
        default,
    });
    Ok(())
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

/// Matches the whole of `text`. Only the last star ever needs another try: an earlier one that took less than it could
/// leaves at least as much for the rest. Hence time is bounded by the product of the two lengths.
fn glob<'p>(piece: impl Fn(usize) -> Option<Piece<'p>>, text: &str, case: Case) -> bool {
    let (mut index, mut rest) = (0, text);
    let mut last_star: Option<(usize, &str)> = None;
    loop {
        let stepped = match piece(index) {
            None if rest.is_empty() => return true,
            None => None,
            Some(Piece::Many) if piece(index + 1).is_none() => return true,
            Some(Piece::Many) => {
                last_star = Some((index + 1, rest));
                Some(rest)
            }
            Some(Piece::One) => skip_char(rest),
            Some(Piece::Literal(literal)) => strip(rest, literal, case),
        };
        if let Some(tail) = stepped {
            (index, rest) = (index + 1, tail);
            continue;
        }
        let Some((after, Some(from))) = last_star.map(|(after, from)| (after, skip_char(from))) else {
            return false;
        };
        last_star = Some((after, from));
        (index, rest) = (after, from);
    }
}

fn skip_char(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

fn strip<'t>(text: &'t str, literal: &str, case: Case) -> Option<&'t str> {
    match case {
        Case::Exact => text.strip_prefix(literal),
        Case::Ignored => {
            let (head, tail) = text.split_at_checked(literal.len())?;
            head.eq_ignore_ascii_case(literal).then_some(tail)
        }
    }
}

//! Matching a compiled pattern.
//!
//! The head must open the text and the tail must close it. What stands between two stars is then looked for from left to
//! right, and the first place it is found is taken: a later one could only leave less for the rest. So nothing is tried
//! twice, and `*a*a*a…` costs one pass over the text. Plain text is searched for in time linear in the text (`memmem`); a
//! piece with `?` between two stars is tried at each place in turn, which is bounded by its length times that of the text.

use memchr::{memchr, memmem};

use super::{Part, Pattern};
use crate::iam::context::Scope;

/// How many places that begin right are tried before a search is prepared.
const TRIES: usize = 8;

impl Pattern {
    /// Whether the pattern matches all of `text`, letter by letter.
    pub(in crate::iam) fn matches<'d>(&'d self, text: &str, scope: &Scope<'_, 'd>) -> bool {
        self.leftover(text, scope).is_some()
    }

    /// Whether the pattern equals `text` but for the case of ASCII letters; AWS does not say what it does beyond ASCII.
    /// For patterns compiled without wildcards.
    pub(in crate::iam) fn equals_ignoring_case<'d>(&'d self, text: &str, scope: &Scope<'_, 'd>) -> bool {
        let step = |rest, part: &'d Part| {
            let (head, tail) = str::split_at_checked(rest, part.value(scope)?.len())?;
            head.eq_ignore_ascii_case(part.value(scope)?).then_some(tail)
        };
        self.stars.is_none() && self.head.iter().try_fold(text, step).is_some_and(str::is_empty)
    }

    /// What the last star stands for, if the pattern matches.
    fn leftover<'t, 'd>(&'d self, text: &'t str, scope: &Scope<'_, 'd>) -> Option<&'t str> {
        let rest = strip_front(&self.head, text, scope)?;
        let Some(stars) = &self.stars else {
            return rest.is_empty().then_some(rest);
        };
        let rest = strip_back(&stars.tail, rest, scope)?;
        let mut between = stars.between.iter();
        between.try_fold(rest, |rest, parts| after_first(parts, rest, scope))
    }
}

impl Part {
    /// The text the part stands for; none for `?` and for a variable or parameter without a value.
    fn value<'p, 'd: 'p>(&'d self, scope: &Scope<'p, 'd>) -> Option<&'p str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Variable { key, default } => scope.variable(key).or(default.as_deref()),
            Self::Parameter { name, session } => scope.parameter(name, *session),
            Self::One => None,
        }
    }
}

fn strip_front<'t, 'd>(parts: &'d [Part], text: &'t str, scope: &Scope<'_, 'd>) -> Option<&'t str> {
    parts.iter().try_fold(text, |rest, part| match part {
        Part::One => without_first(rest),
        _ => rest.strip_prefix(part.value(scope)?),
    })
}

fn strip_back<'t, 'd>(parts: &'d [Part], text: &'t str, scope: &Scope<'_, 'd>) -> Option<&'t str> {
    parts.iter().rev().try_fold(text, |rest, part| match part {
        Part::One => {
            let mut chars = rest.chars();
            chars.next_back().map(|_| chars.as_str())
        }
        _ => rest.strip_suffix(part.value(scope)?),
    })
}

/// What follows the first place where `parts` stand in `text`.
fn after_first<'t, 'd>(parts: &'d [Part], text: &'t str, scope: &Scope<'_, 'd>) -> Option<&'t str> {
    if let [part] = parts
        && *part != Part::One
    {
        return after(part.value(scope)?, text);
    }
    if !parts.contains(&Part::One) {
        let needle: String = parts.iter().map(|part| part.value(scope)).collect::<Option<_>>()?;
        return after(&needle, text);
    }
    let shortest: usize = parts
        .iter()
        .map(|part| match part {
            Part::One => Some(1),
            _ => Some(part.value(scope)?.len()),
        })
        .sum::<Option<_>>()?;
    let mut from = text;
    while from.len() >= shortest {
        if let Some(rest) = strip_front(parts, from, scope) {
            return Some(rest);
        }
        from = without_first(from)?;
    }
    None
}

/// What follows the first place of `needle` in `text`.
fn after<'t>(needle: &str, text: &'t str) -> Option<&'t str> {
    let Some(first) = needle.as_bytes().first() else {
        return Some(text);
    };
    // What is looked for is mostly near, and preparing a search costs more than a few tries.
    let mut from = 0;
    for _ in 0..TRIES {
        let at = from + memchr(*first, text.as_bytes().get(from..)?)?;
        if let Some(rest) = text.get(at..)?.strip_prefix(needle) {
            return Some(rest);
        }
        from = at + 1;
    }
    let at = from + memmem::find(text.as_bytes().get(from..)?, needle.as_bytes())?;
    text.get(at + needle.len()..)
}

fn without_first(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

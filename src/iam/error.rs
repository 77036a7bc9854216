//! Why a policy document cannot be used, pointing at the place.

use std::fmt;
use std::ops::Range;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// What is wrong with a document. The texts in the variants are quoted from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is not JSON.
    #[error("the document is not JSON: {0}")]
    Syntax(String),
    /// The text is longer than any policy may be.
    #[error("the document is longer than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// An object holds the same key twice.
    #[error("`{0}` stands twice in the same object")]
    DuplicateKey(String),
    /// An element the policy language does not have, or not for this kind of document.
    #[error("unknown element `{element}`")]
    UnknownElement {
        /// The element as written.
        element: String,
        /// What may stand there, for the help line.
        known: String,
    },
    /// An element that this kind of document must have.
    #[error("the statement lacks {0}")]
    Missing(&'static str),
    /// Two elements of which only one may stand in a statement.
    #[error("the statement has both {0}")]
    Both(&'static str),
    /// An element that this kind of document may not have.
    #[error("{0}")]
    Forbidden(&'static str),
    /// A value of the wrong JSON type, or an empty list.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A value outside the closed list or form for its place.
    #[error("`{text}` is not {what}")]
    Invalid {
        /// The value as written.
        text: String,
        /// What it should have been.
        what: &'static str,
        /// How to mend it.
        help: &'static str,
    },
    /// Two statements of one document share a Sid.
    #[error("the Sid `{0}` stands on two statements")]
    DuplicateSid(String),
}

impl Problem {
    pub(super) fn invalid(text: &str, what: &'static str, help: &'static str) -> Self {
        let text = text.chars().take(120).flat_map(char::escape_debug).collect();
        Self::Invalid { text, what, help }
    }

    fn help(&self) -> String {
        match self {
            Self::Syntax(_) => "mend the syntax at the place shown".into(),
            Self::TooLarge { .. } => "split the policy; AWS's own limits are lower still".into(),
            Self::DuplicateKey(_) => "merge the two, for example into one list of values".into(),
            Self::UnknownElement { known, .. } => format!("known here: {known}"),
            Self::Missing(_) => "add it; this kind of policy means nothing without".into(),
            Self::Both(_) => "keep one of the two".into(),
            Self::Forbidden(_) => "remove it, or load the document as the kind it is".into(),
            Self::Expected(_) => "see the IAM JSON policy grammar".into(),
            Self::Invalid { help, .. } => (*help).into(),
            Self::DuplicateSid(_) => "give each statement its own Sid; decisions are reported by it".into(),
        }
    }
}

/// A problem and the bytes of the document it is about.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) problem: Problem,
    pub(super) span: Range<usize>,
}

impl Fault {
    pub(super) fn new(problem: Problem, span: Range<usize>) -> Self {
        Self { problem, span }
    }
}

/// A document that cannot be loaded: the problem, its place in the source text and how to mend it.
///
/// Everything outside the subset of the policy language that is evaluated exactly is such an error. It is never "does
/// not match": a `Deny` that does not match opens what it was written to close.
#[derive(Clone)]
pub struct DocumentError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    name: String,
    problem: Problem,
    source: NamedSource<String>,
    span: Range<usize>,
}

impl DocumentError {
    pub(super) fn new(name: &str, text: &str, fault: Fault) -> Self {
        Self(Box::new(Inner {
            name: name.to_owned(),
            problem: fault.problem,
            source: NamedSource::new(name, text.to_owned()).with_language("JSON"),
            span: fault.span,
        }))
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// The bytes of the document it is about.
    pub fn span(&self) -> Range<usize> {
        self.0.span.clone()
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IAM document `{}`: {}", self.0.name, self.0.problem)
    }
}

impl fmt::Debug for DocumentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self} at bytes {:?}", self.0.span)
    }
}

impl std::error::Error for DocumentError {}

impl Diagnostic for DocumentError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("tidegate::iam::document"))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.0.problem.help()))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.0.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_with_span(Some("here".to_owned()), self.0.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

//! Why a bundle does not load: every problem at once, each with its file and, where known, the place in it.

use std::fmt;

use miette::Diagnostic;

use super::source::SourceError;
use crate::ids::Digest;

/// One thing that is wrong with a bundle.
#[derive(Debug)]
pub struct Problem {
    /// The file it is in.
    pub file: String,
    /// What is wrong, with a label on the place where there is one.
    pub report: miette::Report,
}

/// A bundle that does not load.
#[derive(Debug)]
pub struct BundleError {
    /// Where the bundle came from.
    pub origin: String,
    /// What its digest would be, where its files could be read.
    pub digest: Option<Digest>,
    /// What is wrong; never empty.
    pub problems: Vec<Problem>,
}

/// A problem without a place of its own.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub(super) struct Plain {
    pub(super) message: String,
    #[help]
    pub(super) help: Option<String>,
}

impl Problem {
    pub(super) fn plain(file: &str, message: impl Into<String>, help: Option<&str>) -> Self {
        let plain = Plain {
            message: message.into(),
            help: help.map(str::to_owned),
        };
        Self {
            file: file.to_owned(),
            report: miette::Report::new(plain),
        }
    }

    pub(super) fn labelled(file: &str, text: &str, diagnostic: impl Diagnostic + Send + Sync + 'static) -> Self {
        let source = miette::NamedSource::new(file, text.to_owned());
        Self {
            file: file.to_owned(),
            report: miette::Report::new(diagnostic).with_source_code(source),
        }
    }
}

impl BundleError {
    pub(super) fn from_source(origin: &str, error: &SourceError) -> Self {
        let help = Some("a bundle is a directory with `policies/` and `schema/tidegate.cedarschema`");
        Self {
            origin: origin.to_owned(),
            digest: None,
            problems: vec![Problem::plain(origin, error.to_string(), help)],
        }
    }

    /// The problems with their labels, for a terminal.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&format!("{}:\n{:?}\n", problem.file, problem.report));
        }
        text
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the bundle `{}` does not load", self.origin)?;
        for problem in &self.problems {
            write!(formatter, "; {}: {}", problem.file, problem.report)?;
        }
        Ok(())
    }
}

impl std::error::Error for BundleError {}

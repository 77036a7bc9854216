//! What the commands share that ask a corpus of a bundle.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{BundleArgs, Exit, Failure};
use crate::assemble::BundleSource;
use crate::bundle::Bundle;
use crate::parity::{self, Corpus, Style};

/// Which bundle, and how to print what comes out.
#[derive(Args, Debug)]
pub(super) struct CorpusArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For the test page of a build server
    Junit,
    /// For tools of code review (SARIF 2.1.0)
    Sarif,
    /// For a comment on a change
    Markdown,
}

impl CorpusArgs {
    /// Loads the bundle and the corpus that stands beside it.
    pub(super) fn load(&self) -> Result<(Bundle, Corpus), Failure> {
        let source = self.bundle.source();
        let bundle = source.load().map_err(Failure::invalid)?;
        let root = match source {
            BundleSource::Directory(root) => root.join("fixtures"),
            BundleSource::BuiltIn => PathBuf::from("fixtures"),
        };
        if !root.is_dir() {
            let message = format!(
                "nothing to check: `{}` is not there; `--bundle DIR` names a directory with a corpus",
                root.display()
            );
            return Err(Failure {
                exit: Exit::Nothing,
                message,
            });
        }
        let corpus = parity::load(&root).map_err(Failure::invalid)?;
        Ok((bundle, corpus))
    }

    /// The format asked for.
    pub(super) fn format(&self) -> parity::Format {
        match self.format {
            Format::Text => parity::Format::Text,
            Format::Json => parity::Format::Json,
            Format::Junit => parity::Format::Junit,
            Format::Sarif => parity::Format::Sarif,
            Format::Markdown => parity::Format::Markdown,
        }
    }
}

/// How standard output is read: as wide as the terminal, and coloured there unless `NO_COLOR` is set (no-color.org).
pub(super) fn style() -> Style {
    let file = Style::default();
    if !std::io::stdout().is_terminal() {
        return file;
    }
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    Style {
        width: width.unwrap_or(file.width),
        colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

//! `tidegate check`: the corpus on both layers, side by side.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{BundleArgs, Exit, Failure, Outcome, print};
use crate::assemble::BundleSource;
use crate::parity;

/// What `check` takes.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Which layer to hold to the corpus
    #[arg(long, value_enum, default_value_t = Layer::Both)]
    layer: Layer,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Which layer to hold to the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layer {
    /// What Cedar says
    Cedar,
    /// What AWS would say
    Iam,
    /// Both, and where they may disagree
    Both,
}

/// How the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For the test page of a build server
    Junit,
    /// For a comment on a change
    Markdown,
}

pub(super) fn run(args: &CheckArgs) -> Outcome {
    let source = args.bundle.source();
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
    let layer = match args.layer {
        Layer::Cedar => parity::Layer::Cedar,
        Layer::Iam => parity::Layer::Iam,
        Layer::Both => parity::Layer::Both,
    };
    let report = parity::run_layer(&bundle, &corpus, layer);
    print(&report.render(match args.format {
        Format::Text => parity::Format::Text,
        Format::Json => parity::Format::Json,
        Format::Junit => parity::Format::Junit,
        Format::Markdown => parity::Format::Markdown,
    }));
    Ok(match (report.is_empty(), report.holds()) {
        (true, _) => Exit::Nothing,
        (false, true) => Exit::Holds,
        (false, false) => Exit::Finding,
    })
}

//! `tidegate check`: the corpus on both layers, side by side.

use clap::{Args, ValueEnum};

use super::corpus::{CorpusArgs, style};
use super::{Exit, Outcome, print};
use crate::parity;

/// What `check` takes.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Which layer to hold to the corpus
    #[arg(long, value_enum, default_value_t = Layer::Both)]
    layer: Layer,
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

pub(super) fn run(args: &CheckArgs) -> Outcome {
    let (bundle, corpus) = args.corpus.load()?;
    let layer = match args.layer {
        Layer::Cedar => parity::Layer::Cedar,
        Layer::Iam => parity::Layer::Iam,
        Layer::Both => parity::Layer::Both,
    };
    let report = parity::run_layer(&bundle, &corpus, layer);
    print(&report.render_for(args.corpus.format(), style()));
    Ok(match (report.is_empty(), report.holds()) {
        (true, _) => Exit::Nothing,
        (false, true) => Exit::Holds,
        (false, false) => Exit::Finding,
    })
}

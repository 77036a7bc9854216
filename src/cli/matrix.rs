//! `tidegate matrix`: who may do what, in every world of the corpus, by both layers.

use clap::Args;

use super::corpus::{CorpusArgs, style};
use super::{Exit, Failure, Outcome, print};
use crate::parity;

/// What `matrix` takes.
#[derive(Args, Debug)]
pub(super) struct MatrixArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Show only this world of the corpus; what must be covered is still held to all of them
    #[arg(long, value_name = "WORLD")]
    world: Option<String>,
}

pub(super) fn run(args: &MatrixArgs) -> Outcome {
    let (bundle, corpus) = args.corpus.load()?;
    if let Some(world) = &args.world
        && !corpus.worlds.contains_key(world)
    {
        let known: Vec<_> = corpus.worlds.keys().map(String::as_str).collect();
        let world = world.escape_debug();
        return Err(Failure::invalid(match known.as_slice() {
            [] => format!("there is no world `{world}`; the corpus has none at all"),
            known => format!("there is no world `{world}`; known are `{}`", known.join("`, `")),
        }));
    }
    let survey = parity::survey(&bundle, &corpus);
    let survey = match &args.world {
        Some(world) => survey.only(world),
        None => survey,
    };
    print(&survey.render_for(args.corpus.format(), style()));
    Ok(match (survey.is_empty(), survey.holds()) {
        (true, _) => Exit::Nothing,
        (false, true) => Exit::Holds,
        (false, false) => Exit::Finding,
    })
}

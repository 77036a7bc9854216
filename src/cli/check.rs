//! `tidegate check`: the corpus on both layers, side by side.

use clap::Args;

use super::{BundleArgs, Exit, Outcome};

/// What `check` takes.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    bundle: BundleArgs,
}

pub(super) fn run(args: &CheckArgs) -> Outcome {
    args.bundle.load()?;
    Ok(Exit::Nothing)
}

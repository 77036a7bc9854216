//! `tidegate validate`: does the bundle load, and what is in it.

use clap::Args;

use super::{BundleArgs, Exit, Failure, Outcome, bundle, print};

/// What `validate` takes.
#[derive(Args, Debug)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    bundle: BundleArgs,
}

pub(super) fn run(args: &ValidateArgs) -> Outcome {
    let source = args.bundle.source();
    let loaded = match source.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            return Err(Failure {
                exit: Exit::Finding,
                message: error.to_string(),
            });
        }
    };
    let environments = loaded.index.sizes().count();
    let most = loaded.index.sizes().map(|(_, size)| size).max().unwrap_or_default();
    print(&format!(
        "{}: {}\n{} policies, {} IAM documents, {environments} kinds of request, at most {most} policies for one",
        bundle::name(&source),
        loaded.digest,
        loaded.cards.len(),
        loaded.account.documents().len(),
    ));
    Ok(Exit::Holds)
}

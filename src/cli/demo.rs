//! stub
use clap::Args;

use super::{Exit, Outcome};

/// What `demo` takes.
#[derive(Args, Debug)]
pub struct DemoArgs {}

pub(super) fn run(_: &DemoArgs) -> Outcome {
    Ok(Exit::Holds)
}

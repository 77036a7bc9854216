//! The `tidegate` command: parse, dispatch, exit code.

use std::process::ExitCode;

use tidegate::cli::{Cli, parse, run};

/// A decision makes and drops many small values; this allocator does that in less time than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    parse::<Cli>().map_or_else(|exit| exit, |cli| run(cli).into())
}

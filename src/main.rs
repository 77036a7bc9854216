//! The `tidegate` command: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use tidegate::cli::{Cli, run};

/// A decision makes and drops many small values; this allocator does that in less time than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and succeed; a command line that does not parse is invalid input.
            let code = if error.use_stderr() { 3 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    run(cli).into()
}

//! The `tidegate` command: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use tidegate::cli::{Cli, run};

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

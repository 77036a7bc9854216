//! `tidegate contract compile|explain`: a contract as Cedar, and in plain words.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Exit, Failure, Outcome, print};
use crate::contract::{Terms, render_table};

/// What `contract` does.
#[derive(Debug, Subcommand)]
pub(super) enum ContractCommand {
    /// Print the Cedar a contract compiles to
    Compile {
        /// The ODRL policy, offer or agreement
        file: PathBuf,
    },
    /// Print each constraint with its class and reason
    Explain {
        /// The ODRL policy, offer or agreement
        file: PathBuf,
    },
}

pub(super) fn run(command: &ContractCommand) -> Outcome {
    match command {
        ContractCommand::Compile { file } => {
            let terms = read(file)?;
            print(terms.cedar_text());
        }
        ContractCommand::Explain { file } => {
            let terms = read(file)?;
            print(&render_table(&terms));
        }
    }
    Ok(Exit::Holds)
}

fn read(file: &Path) -> Result<Terms, Failure> {
    let failed = |problem: String| Failure::invalid(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    Terms::from_odrl(&text).map_err(|error| failed(error.to_string()))
}

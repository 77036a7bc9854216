//! `tidegate ledger verify`: integrity, offline, from the data directory alone.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Exit, Failure, Format, Outcome, block_on, print};
use crate::ledger::LedgerError;
use crate::ledger::verify::{Trust, verify_with};

/// What `ledger` does.
#[derive(Debug, Subcommand)]
pub(super) enum LedgerCommand {
    /// Check every record, its order, its links, its bodies and the signed checkpoints
    Verify {
        /// The data directory
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// A checkpoint kept from before, as a file; the log must still contain what it names (may be repeated)
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
        /// A public key to trust, as `dev.json` and `--format json` (`verifierKey`) spell it (may be repeated)
        #[arg(long, value_name = "KEY")]
        key: Vec<String>,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub(super) fn run(command: &LedgerCommand) -> Outcome {
    let LedgerCommand::Verify {
        directory,
        checkpoint,
        key,
        format,
    } = command;
    let mut trust = Trust::default();
    for path in checkpoint {
        let text = std::fs::read_to_string(path);
        trust
            .checkpoints
            .push(text.map_err(|error| Failure::invalid(format!("{}: {error}", path.display())))?);
    }
    for text in key {
        trust.keys.push(
            text.parse()
                .map_err(|error| Failure::invalid(format!("`{text}`: {error}")))?,
        );
    }
    let bar = super::replay::spinner("records read");
    let report = block_on(verify_with(directory, &trust, |progress| {
        bar.set_position(progress.read)
    }))?;
    bar.finish_and_clear();
    let report = report.map_err(|error| unreadable(&error))?;
    match format {
        Format::Json => print(&report.to_json().map_err(Failure::failed)?),
        Format::Text => print(&report.to_string()),
    }
    Ok(match (report.ok, report.records()) {
        (false, _) => Exit::Finding,
        (true, 0) => Exit::Nothing,
        (true, _) => Exit::Holds,
    })
}

/// A ledger that is not there is invalid input; one that is there and damaged is a finding.
pub(super) fn unreadable(error: &LedgerError) -> Failure {
    let exit = match error {
        LedgerError::Absent { .. } | LedgerError::Note(_) | LedgerError::Key { .. } => Exit::Invalid,
        LedgerError::Io { .. } => Exit::Failed,
        _ => Exit::Finding,
    };
    Failure {
        exit,
        message: error.to_string(),
    }
}

//! `tidegate ledger …`: integrity, proofs and evidence, without the service.

mod erase;
mod export;
mod follow;
mod inclusion;
mod rotate;
mod segments;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use secrecy::SecretString;

use super::{DatabaseArgs, Exit, Failure, Format, Outcome, block_on, print, print_json};
use crate::ledger::LedgerError;
use crate::ledger::note::VerifierKey;
use crate::ledger::published::Published;
use crate::ledger::quorum::Quorum;

/// What `ledger` does.
#[derive(Debug, Subcommand)]
pub(super) enum LedgerCommand {
    /// Check every record, its order, the tree over it, its bodies and the signed checkpoints
    Verify(verify::VerifyArgs),
    /// Prove that a record is in its log, with nothing but the log's key
    Inclusion(inclusion::InclusionArgs),
    /// Take logs out, with all an auditor needs to check them elsewhere
    Export(export::ExportArgs),
    /// Watch a log: keep its checkpoints, and say so when it does not go on from the last
    Follow(follow::FollowArgs),
    /// Write what is signed by the hour, in columns (Parquet), for replay
    Segments(segments::SegmentsArgs),
    /// Erase what is private in months that are over; the records stay and verify
    Erase(erase::EraseArgs),
    /// Change the keys of all logs: the old ones name the new ones, which sign from then on
    RotateKey(rotate::RotateArgs),
}

/// Where a log is published.
#[derive(Args, Debug)]
struct PlaceArgs {
    /// A directory or a URL, such as https://tidegate.example/ledger/BPNL000000000DWF
    #[arg(value_name = "URL|DIR", default_value = ".")]
    place: String,
    /// A file with the bearer token of someone who may read the log, for a URL
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl PlaceArgs {
    fn directory(&self) -> Option<&Path> {
        let url = self.place.starts_with("https://") || self.place.starts_with("http://");
        (!url).then(|| Path::new(&self.place))
    }

    fn published(&self) -> Result<Published, Failure> {
        if let Some(directory) = self.directory() {
            return Ok(Published::directory(directory.to_owned()));
        }
        let token = self.token_file.as_ref().map(|path| {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| Failure::invalid(format!("{}: {error}", path.display())))?;
            Ok(SecretString::from(text.trim().to_owned()))
        });
        Published::url(&self.place, token.transpose()?).map_err(|error| unreadable(&error))
    }
}

/// Witnesses who must have cosigned.
#[derive(Args, Debug)]
struct WitnessArgs {
    /// The public key of a witness that must have cosigned (may be repeated)
    #[arg(long, value_name = "KEY")]
    witness: Vec<String>,
    /// How many of them must have [default: all]
    #[arg(long, value_name = "N", requires = "witness")]
    witness_quorum: Option<usize>,
}

impl WitnessArgs {
    fn quorum(&self) -> Result<Option<Quorum>, Failure> {
        if self.witness.is_empty() {
            return Ok(None);
        }
        let keys = self.witness.iter().map(|text| key(text)).collect::<Result<_, _>>()?;
        let quorum = Quorum::new(keys, self.witness_quorum);
        quorum.map(Some).map_err(Failure::invalid)
    }
}

fn key(text: &str) -> Result<VerifierKey, Failure> {
    text.parse().map_err(|error| {
        // The name alone, if that is what it is: it may be a secret that was given by mistake.
        let name = text.split_once('+').map(|(name, _)| name.escape_debug());
        Failure::invalid(match name {
            Some(name) => format!("the key of `{name}`: {error}"),
            None => format!("a key: {error}"),
        })
    })
}

pub(super) fn run(command: &LedgerCommand) -> Outcome {
    match command {
        LedgerCommand::Verify(args) => verify::run(args),
        LedgerCommand::Inclusion(args) => inclusion::run(args),
        LedgerCommand::Export(args) => export::run(args),
        LedgerCommand::Follow(args) => follow::run(args),
        LedgerCommand::Segments(args) => segments::run(args),
        LedgerCommand::Erase(args) => erase::run(args),
        LedgerCommand::RotateKey(args) => rotate::run(args),
    }
}

/// A ledger that is not there is invalid input; one that is there and damaged is a finding.
pub(super) fn unreadable(error: &LedgerError) -> Failure {
    let exit = match error {
        LedgerError::Absent { .. }
        | LedgerError::Note(_)
        | LedgerError::Key { .. }
        | LedgerError::NoLog { .. }
        | LedgerError::NotOver(_)
        | LedgerError::Locked { .. }
        | LedgerError::Changing
        | LedgerError::Standby { .. }
        | LedgerError::Evidence { .. }
        | LedgerError::Unpublished { .. } => Exit::Invalid,
        LedgerError::NothingKept { .. } => Exit::Nothing,
        LedgerError::Io { .. } | LedgerError::Fetch { .. } => Exit::Failed,
        error if error.is_unreached() => Exit::Failed,
        _ => Exit::Finding,
    };
    Failure {
        exit,
        message: error.to_string(),
    }
}

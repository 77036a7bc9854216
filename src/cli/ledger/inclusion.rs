//! `tidegate ledger inclusion`: a proof for one record.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{DatabaseArgs, Exit, Failure, Format, Outcome, block_on, print, print_json, unreadable};
use crate::cli::replay::spinner;
use crate::ids::{Digest, RecordId};
use crate::ledger::LogId;
use crate::ledger::note::VerifierKey;
use crate::ledger::proof::Inclusion;
use crate::ledger::read::{Cursor, Reader};
use crate::ledger::succession::KeyHistory;

/// What `ledger inclusion` takes.
#[derive(Args, Debug)]
pub(in crate::cli) struct InclusionArgs {
    /// The record: its id, as `tidegate-record` gives it, or its place, as `tidegate-log` does
    #[arg(value_name = "ID|LOG/INDEX")]
    record: String,
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
    /// How to print; text is a proof as of c2sp.org/tlog-proof
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

enum Wanted {
    Id(RecordId),
    Place(LogId, u64),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    log: LogId,
    index: u64,
    leaf_hash: Digest,
    proof: &'a [Digest],
    checkpoint: &'a str,
    verifier_key: VerifierKey,
    /// The record's bytes: what the leaf hash is of.
    record: Box<RawValue>,
}

fn wanted(text: &str) -> Result<Wanted, Failure> {
    let expected = || {
        let example = "01a1fcc3-8fcb-7590-83f2-4cc30c6b5fdb or BPNL000000000DWF/17";
        Failure::invalid(format!("`{text}` names no record; expected one like {example}"))
    };
    if let Some((log, index)) = text.split_once('/') {
        let (Ok(log), Ok(index)) = (log.parse(), index.parse()) else {
            return Err(expected());
        };
        return Ok(Wanted::Place(log, index));
    }
    let id = text.strip_prefix("urn:uuid:").unwrap_or(text);
    id.parse().map(|id| Wanted::Id(RecordId(id))).map_err(|_| expected())
}

pub(super) fn run(args: &InclusionArgs) -> Outcome {
    let wanted = wanted(&args.record)?;
    block_on(prove(args, wanted))?
}

async fn prove(args: &InclusionArgs, wanted: Wanted) -> Outcome {
    let failed = |error| unreadable(&error);
    let place = args.database.place(&args.data)?;
    let mut reader = Reader::open_beside(&place, &args.data).await.map_err(failed)?;
    let nothing = |message: String| Failure {
        exit: Exit::Nothing,
        message,
    };
    let (log, index) = match wanted {
        Wanted::Place(log, index) => (log, index),
        Wanted::Id(id) => {
            let bar = spinner("records read");
            let found = reader.find(id, |read| bar.set_position(read)).await.map_err(failed)?;
            bar.finish_and_clear();
            found.ok_or_else(|| nothing(format!("no record of the id {id} is in the ledger")))?
        }
    };
    let stored = Cursor::new(log, index).next(&mut reader).await.map_err(failed)?;
    let stored = stored.ok_or_else(|| nothing(format!("there is no record {index} in log `{log}`")))?;
    let inclusion = reader.inclusion(log, index).await.map_err(failed)?;
    let unsigned = || {
        nothing(format!(
            "record {index} of log `{log}` is not signed yet; it is within a second, or as the service starts"
        ))
    };
    let inclusion = inclusion.ok_or_else(unsigned)?;
    let key = reader.verifier_key(log).await.map_err(failed)?;
    let changes = reader.key_changes(log).await.map_err(failed)?;
    // A cosigned checkpoint may be from before the last change of keys. What is wrong with it, or with them, is told as it is checked.
    let keys = KeyHistory::of(&key, &changes).unwrap_or_else(|_| KeyHistory::unchanged(&key));
    let key = keys.opened(&inclusion.checkpoint).map_or(key, |(_, key)| key.clone());
    let held = inclusion.check(&stored.hash, &key);
    held.map_err(|error| Failure {
        exit: Exit::Finding,
        message: format!("record {index} of log `{log}`: {error}; run `tidegate ledger verify`"),
    })?;
    show(args, log, &inclusion, stored.hash, key, &stored.record)
}

fn show(
    args: &InclusionArgs,
    log: LogId,
    inclusion: &Inclusion,
    leaf_hash: Digest,
    verifier_key: VerifierKey,
    record: &crate::ledger::Record,
) -> Outcome {
    match args.format {
        Format::Text => print(inclusion.to_text().trim_end()),
        Format::Json => print_json(&Answer {
            log,
            index: inclusion.index,
            leaf_hash,
            proof: &inclusion.proof,
            checkpoint: &inclusion.checkpoint,
            verifier_key,
            record: serde_json::value::to_raw_value(record).map_err(Failure::failed)?,
        })?,
    }
    Ok(Exit::Holds)
}

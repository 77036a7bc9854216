//! `tidegate ledger verify`: a data directory, evidence, a published log.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{DatabaseArgs, Exit, Failure, Format, Outcome, PlaceArgs, WitnessArgs, block_on, key, print, unreadable};
use crate::cli::replay::spinner;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::evidence::{contents, verify_evidence};
use crate::ledger::read::Reader;
use crate::ledger::report::Report;
use crate::ledger::verify::{Progress, Trust, verify_at, verify_published};
use crate::ledger::{LedgerError, Place, segment};

/// What `ledger verify` takes.
#[derive(Args, Debug)]
pub(in crate::cli) struct VerifyArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    /// A checkpoint kept from before, as a file; the log must still contain what it names (may be repeated)
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// A public key to trust, as `dev.json` and `--format json` (`verifierKey`) spell it (may be repeated)
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Where segments of a data directory are [default: `segments` in it]
    #[arg(long, value_name = "DIR")]
    segments: Option<PathBuf>,
    #[command(flatten)]
    witnesses: WitnessArgs,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: &VerifyArgs) -> Outcome {
    let mut trust = Trust::default();
    for path in &args.checkpoint {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| Failure::invalid(format!("{}: {error}", path.display())))?;
        trust.checkpoints.push(text);
    }
    trust.keys = args.key.iter().map(|text| key(text)).collect::<Result<_, _>>()?;
    trust.witnesses = args.witnesses.quorum()?;
    let bar = spinner("records read");
    let report = block_on(verified(args, &trust, |read| bar.set_position(read)))?;
    bar.finish_and_clear();
    let report = report?;
    match args.format {
        Format::Json => print(&report.to_json().map_err(Failure::failed)?),
        Format::Text => print(&report.to_string()),
    }
    Ok(match (report.ok, report.records()) {
        (false, _) => Exit::Finding,
        (true, 0) => Exit::Nothing,
        (true, _) => Exit::Holds,
    })
}

/// The ledger that is to be verified, and the directory with its keys, where it is one that a service writes to.
fn stored(args: &VerifyArgs) -> Result<Option<(Place, &Path)>, Failure> {
    match (args.database.database()?, args.place.directory()) {
        (Some(database), Some(directory)) => Ok(Some((Place::Postgres(database), directory))),
        (Some(_), None) => Err(Failure::invalid(
            "either a URL or `--database-env` says what is to be verified; beside a database stands the directory with its keys",
        )),
        (None, Some(directory)) => {
            let kinds = [crate::ledger::FILE, crate::ledger::evidence::FILE, "checkpoint"];
            let there: Vec<_> = kinds.into_iter().filter(|file| directory.join(file).exists()).collect();
            if let [one, other, ..] = there.as_slice() {
                let place = directory.display();
                return Err(Failure::invalid(format!(
                    "`{place}` has both `{one}` and `{other}`: it is not plain what is to be verified; leave one of them there"
                )));
            }
            let file = there.contains(&crate::ledger::FILE);
            Ok(file.then(|| (Place::Directory(directory.to_owned()), directory)))
        }
        (None, None) => Ok(None),
    }
}

/// Verifies a ledger and the segments that were written from it.
async fn verified_with_segments(
    args: &VerifyArgs,
    (place, directory): (Place, &Path),
    trust: &Trust,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Report, Failure> {
    let failed = |error: LedgerError| unreadable(&error);
    let read = |found: Progress| progress(found.read);
    let mut report = verify_at(&place, directory, trust, read).await.map_err(failed)?;
    let default = || directory.join(segment::DIRECTORY);
    let root = args.segments.clone().unwrap_or_else(default);
    let there = !segment::places(&root).map_err(failed)?.is_empty();
    // Of a store that cannot be read enough was told already.
    if there && !report.logs.is_empty() {
        let reader = Reader::open_beside(&place, directory).await.map_err(failed)?;
        let segments = segment::verify(reader, &root, progress).await.map_err(failed)?;
        report.ok &= segments.ok();
        report.segments = Some(segments);
    } else if args.segments.is_some() && !there {
        let root = root.display();
        return Err(Failure::invalid(format!("there are no segments in `{root}`")));
    }
    Ok(report)
}

async fn verified(args: &VerifyArgs, trust: &Trust, mut progress: impl FnMut(u64) + Send) -> Result<Report, Failure> {
    let failed = |error: LedgerError| unreadable(&error);
    let place = &args.place;
    if let Some(stored) = stored(args)? {
        return verified_with_segments(args, stored, trust, progress).await;
    }
    if let Some(directory) = place.directory() {
        if args.segments.is_some() {
            let directory = directory.display();
            return Err(Failure::invalid(format!(
                "`{directory}` is no data directory: segments are held to the ledger they were written from"
            )));
        }
        let progress = |found: Progress| progress(found.read);
        if let Some(contents) = contents(directory).map_err(failed)? {
            return verify_evidence(directory, &contents, trust, progress)
                .await
                .map_err(failed);
        }
        if !directory.join("checkpoint").exists() {
            let path = directory.join(crate::ledger::FILE);
            return Err(failed(LedgerError::Absent { path }));
        }
    }
    let progress = |found: Progress| progress(found.read);
    let log = verify_published(&place.published()?, trust, progress, |_, _| {})
        .await
        .map_err(failed)?;
    let other = |origin: &str| origin.rsplit('/').next() != Some(log.log.as_str());
    let strange = trust
        .checkpoints
        .iter()
        .filter_map(|note| Checkpoint::claimed(note).ok());
    if let Some(strange) = strange.map(|checkpoint| checkpoint.origin).find(|origin| other(origin)) {
        return Err(Failure::invalid(format!(
            "a checkpoint that was given is of `{strange}`, but the log is `{}`",
            log.log
        )));
    }
    Ok(Report {
        ok: log.ok,
        logs: vec![log],
        bodies: 0,
        findings: Vec::new(),
        segments: None,
    })
}

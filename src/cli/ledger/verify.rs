//! `tidegate ledger verify`: a data directory, evidence, a published log.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure, Format, Outcome, PlaceArgs, block_on, key, print, unreadable};
use crate::cli::replay::spinner;
use crate::ledger::LedgerError;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::evidence::{contents, verify_evidence};
use crate::ledger::report::Report;
use crate::ledger::segment;
use crate::ledger::verify::{Progress, Trust, verify_published, verify_with};

/// What `ledger verify` takes.
#[derive(Args, Debug)]
pub(in crate::cli) struct VerifyArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// A checkpoint kept from before, as a file; the log must still contain what it names (may be repeated)
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// A public key to trust, as `dev.json` and `--format json` (`verifierKey`) spell it (may be repeated)
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Where segments of a data directory are [default: `segments` in it]
    #[arg(long, value_name = "DIR")]
    segments: Option<PathBuf>,
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

async fn verified(args: &VerifyArgs, trust: &Trust, mut progress: impl FnMut(u64) + Send) -> Result<Report, Failure> {
    let failed = |error: LedgerError| unreadable(&error);
    let place = &args.place;
    let segments_given = args.segments.is_some();
    if let Some(directory) = place.directory() {
        let kinds = [crate::ledger::FILE, crate::ledger::evidence::FILE, "checkpoint"];
        let there: Vec<_> = kinds.into_iter().filter(|file| directory.join(file).exists()).collect();
        if let [one, other, ..] = there.as_slice() {
            let place = directory.display();
            return Err(Failure::invalid(format!(
                "`{place}` has both `{one}` and `{other}`: it is not plain what is to be verified; leave one of them there"
            )));
        }
        if directory.join(crate::ledger::FILE).exists() {
            let read = |found: Progress| progress(found.read);
            let mut report = verify_with(directory, trust, read).await.map_err(failed)?;
            let root = args
                .segments
                .clone()
                .unwrap_or_else(|| directory.join(segment::DIRECTORY));
            let there = !segment::places(&root).map_err(failed)?.is_empty();
            // Of a store that cannot be read enough was told already.
            if there && !report.logs.is_empty() {
                let segments = segment::verify(directory, &root, progress).await.map_err(failed)?;
                report.ok &= segments.ok();
                report.segments = Some(segments);
            } else if segments_given && !there {
                return Err(Failure::invalid(format!(
                    "there are no segments in `{}`",
                    root.display()
                )));
            }
            return Ok(report);
        }
        if segments_given {
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

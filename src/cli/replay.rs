//! `tidegate replay`: recorded decisions made again.

mod text;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

pub(super) use self::text::render;
use super::ledger::unreadable;
use super::{DatabaseArgs, Exit, Failure, Format, Outcome, block_on, print, print_json};
use crate::assemble::BundleSource;
use crate::ids::{Bpnl, TenantId};
use crate::ledger::LedgerError;
use crate::ledger::read::Reader;
use crate::ledger::replay::{self, Part, Plan, Replay, Selection, Shard, Share};

/// What `replay` takes.
#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    /// The data directory
    #[arg(long, value_name = "DIR", required_unless_present = "merge")]
    data: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    which: WhichArgs,
    /// How many threads do it [default: one for each core]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,
    /// How much memory may be taken for records and for what is kept of them, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(16..))]
    memory: u32,
    /// Only this share of the work, such as 0/4, the first of four, or batch/4, the one of four that AWS Batch names in
    /// AWS_BATCH_JOB_ARRAY_INDEX; with --out, and the exit code is 0 once it is written
    #[arg(long, value_name = "I/N", requires = "out", value_parser = shard)]
    shard: Option<Shard>,
    /// Write what came of it to a file, to be merged with that of other shares; in a directory (DIR/), one named after the share
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Put together what shares of the work came to, and report on all of it; of a directory, all files that end in .part
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., conflicts_with_all = ["data", "shard", "out"])]
    merge: Vec<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Which decisions are made again, under what, and where segments are: what whoever replays on another engine takes as well.
#[derive(Args, Debug)]
pub struct WhichArgs {
    /// Decide under the bundle in this directory in place of the recorded ones
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Only what is this tenant's, by BPNL
    #[arg(long, value_name = "BPNL")]
    tenant: Option<TenantId>,
    /// Only what this principal asked, such as 'Partner::"BPNL00000000C3EF"' or what stands between the quotes
    #[arg(long, value_name = "ID")]
    principal: Option<String>,
    /// Only this action, such as access
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what this company asked as a partner, by BPNL
    #[arg(long, value_name = "BPNL")]
    partner: Option<Bpnl>,
    /// Only a share of them, such as 0.01; the same records each time
    #[arg(long, value_name = "SHARE")]
    sample: Option<Share>,
    /// Only records from this instant on, such as 2026-11-21T00:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only records before this instant
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Where segments are [default: `segments` in the data directory]
    #[arg(long, value_name = "DIR")]
    segments: Option<PathBuf>,
}

impl WhichArgs {
    /// The plan to do so, on so many threads and with so much memory, in MiB.
    ///
    /// # Errors
    ///
    /// The bundle does not load.
    pub fn plan(&self, threads: Option<NonZeroUsize>, memory: u32) -> Result<Plan, Failure> {
        let against = self
            .against
            .clone()
            .map(|root| BundleSource::Directory(root).load())
            .transpose();
        Ok(Plan {
            select: Selection {
                since: self.since,
                until: self.until,
                tenant: self.tenant,
                principal: self.principal.clone(),
                action: self.action.clone(),
                partner: self.partner,
                sample: self.sample,
            },
            against: against.map_err(Failure::invalid)?,
            segments: self.segments.clone(),
            threads,
            memory: usize::try_from(memory).ok().map(|mib| mib.saturating_mul(1 << 20)),
            shard: Shard::default(),
        })
    }
}

pub(super) fn run(args: &ReplayArgs) -> Outcome {
    let part = match &args.data {
        Some(data) => made(args, data)?,
        None => merged(&args.merge)?,
    };
    if let Some(out) = &args.out {
        let out = file_of(out, args.shard.unwrap_or_default())?;
        let written = part.write(&out);
        written.map_err(|error| Failure::failed(format!("cannot write `{}`: {error}", out.display())))?;
    }
    let shared = args.shard.map(|shard| format!("share {shard} of the work alone:"));
    let replay = part.whole();
    if args.format == Format::Text {
        shared.iter().for_each(|told| print(told));
    }
    let exit = report(&replay, args.format)?;
    // Whether all of it holds is for whoever puts the shares together to say.
    Ok(if args.shard.is_some() { Exit::Holds } else { exit })
}

/// Prints what replay came to, and says how it ended.
///
/// # Errors
///
/// It cannot be written down.
pub fn report(replay: &Replay, format: Format) -> Outcome {
    match format {
        Format::Json => print_json(replay)?,
        Format::Text => print(&render(replay)),
    }
    Ok(match (replay.summary.decisions, replay.summary.holds()) {
        (_, false) => Exit::Finding,
        (0, true) => Exit::Nothing,
        (_, true) => Exit::Holds,
    })
}

/// Why a ledger could not be read, as a command tells it.
pub fn failure(error: &LedgerError) -> Failure {
    unreadable(error)
}

fn made(args: &ReplayArgs, data: &Path) -> Result<Part, Failure> {
    let plan = Plan {
        shard: args.shard.unwrap_or_default(),
        ..args.which.plan(args.threads, args.memory)?
    };
    let bar = bar("records");
    let place = args.database.place(data)?;
    let part = block_on(async {
        let reader = Reader::open_beside(&place, data).await?;
        let told = |progress: replay::Progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        };
        replay::part(reader, data, plan, told).await
    })?;
    bar.finish_and_clear();
    part.map_err(|error| unreadable(&error))
}

/// The file that a share is written to.
fn file_of(out: &Path, shard: Shard) -> Result<PathBuf, Failure> {
    if out.as_os_str().as_encoded_bytes().ends_with(b"/") {
        let made = std::fs::create_dir_all(out);
        made.map_err(|error| Failure::failed(format!("cannot make `{}`: {error}", out.display())))?;
    }
    let name = shard.to_string().replace('/', "-of-");
    Ok(match out.is_dir() {
        true => out.join(format!("{name}.part")),
        false => out.to_owned(),
    })
}

/// Reads which share is meant.
fn shard(text: &str) -> Result<Shard, String> {
    const INDEX: &str = "AWS_BATCH_JOB_ARRAY_INDEX";
    let text = match text.strip_prefix("batch/") {
        None => text.to_owned(),
        Some(of) => match std::env::var(INDEX) {
            Ok(index) => format!("{index}/{of}"),
            Err(_) => return Err(format!("{INDEX} is not set: this is no job of an array")),
        },
    };
    text.parse().map_err(|error: replay::NoShard| error.to_string())
}

/// The files that are meant.
fn parts_in(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let wrong = |error: std::io::Error| Failure::invalid(format!("{}: {error}", path.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(wrong)? {
        let file = entry.map_err(wrong)?.path();
        if file.extension().is_some_and(|end| end == "part") {
            files.push(file);
        }
    }
    if files.is_empty() {
        let place = path.display();
        return Err(Failure::invalid(format!(
            "there is no file that ends in `.part` in `{place}`"
        )));
    }
    files.sort();
    Ok(files)
}

fn merged(paths: &[PathBuf]) -> Result<Part, Failure> {
    let mut files = Vec::new();
    for path in paths {
        files.extend(parts_in(path)?);
    }
    let mut parts = files.iter().map(|file| Part::read(file));
    let first = parts
        .next()
        .ok_or_else(|| Failure::invalid("there is nothing to merge"))?;
    let mut merged = first.map_err(Failure::invalid)?;
    for part in parts {
        let part = part.map_err(Failure::invalid)?;
        merged.merge(part).map_err(Failure::invalid)?;
    }
    merged.complete().map_err(Failure::invalid)?;
    Ok(merged)
}

/// How much of all is done, on standard error, where that is a terminal.
pub(super) fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(what);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} {msg} ({per_sec}, {eta} left)");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// A count on standard error, where that is a terminal.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what);
    let style = ProgressStyle::with_template("{spinner} {pos} {msg} ({per_sec})");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar
}

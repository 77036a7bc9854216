//! `tidegate replay`: recorded decisions made again.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;

use super::ledger::unreadable;
use super::{Exit, Failure, Format, Outcome, block_on, print, print_json};
use crate::assemble::BundleSource;
use crate::ledger::replay::{self, Plan, Replayed, Summary};

/// What `replay` takes.
#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Decide under the bundle in this directory in place of the recorded ones
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Only records from this instant on, such as 2026-11-21T00:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only records before this instant
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Report<'a> {
    summary: &'a Summary,
    /// Every decision that did not come out the same.
    differing: &'a [Replayed],
}

pub(super) fn run(args: &ReplayArgs) -> Outcome {
    let against = args
        .against
        .clone()
        .map(|root| BundleSource::Directory(root).load())
        .transpose();
    let plan = Plan {
        since: args.since,
        until: args.until,
        against: against.map_err(Failure::invalid)?,
    };
    let bar = spinner("decisions made again");
    let mut differing = Vec::new();
    let summary = block_on(replay::replay(
        &args.data,
        &plan,
        |replayed| differing.push(replayed.clone()),
        |count| bar.set_position(count),
    ))?;
    bar.finish_and_clear();
    let summary = summary.map_err(|error| unreadable(&error))?;
    match args.format {
        Format::Json => print_json(&Report {
            summary: &summary,
            differing: &differing,
        })?,
        Format::Text => print(&render(&summary, &differing)),
    }
    Ok(match (summary.decisions, summary.holds()) {
        (0, _) => Exit::Nothing,
        (_, true) => Exit::Holds,
        (_, false) => Exit::Finding,
    })
}

/// The report for people.
pub(super) fn render(summary: &Summary, differing: &[Replayed]) -> String {
    use crate::ledger::replay::Outcome as Replay;
    let mut lines = Vec::new();
    for replayed in differing {
        let place = format!("{} {}  {}", replayed.log, replayed.seq, replayed.asked);
        match &replayed.outcome {
            Replay::Same => {}
            Replay::Changed { was, now } => {
                lines.push(format!("Changed        {place}"));
                lines.push(format!("               was {} by {:?}", was.effect, was.cedar.policies));
                lines.push(format!("               now {} by {:?}", now.effect, now.cedar.policies));
                if was.iam != now.iam {
                    lines.push(format!("               iam was {:?}", was.iam));
                    lines.push(format!("               iam now {:?}", now.iam));
                }
            }
            Replay::BundleMissing { cause } => lines.push(format!("BundleMissing  {place}: {cause}")),
            Replay::NotReplayable { cause } => lines.push(format!("NotReplayable  {place}: {cause}")),
        }
    }
    let Summary {
        decisions,
        same,
        changed,
        bundle_missing,
        not_replayable,
        ..
    } = summary;
    lines.push(format!(
        "{decisions} decisions: {same} Same, {changed} Changed, {bundle_missing} BundleMissing, {not_replayable} NotReplayable"
    ));
    lines.join("\n")
}

/// A count on standard error, where that is a terminal.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what);
    let style = ProgressStyle::with_template("{spinner} {pos} {msg} ({per_sec})");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar
}

//! `tidegate replay`: recorded decisions made again.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;

use super::ledger::unreadable;
use super::{DatabaseArgs, Exit, Failure, Format, Outcome, block_on, print, print_json};
use crate::assemble::BundleSource;
use crate::ids::{Bpnl, TenantId};
use crate::ledger::read::Reader;
use crate::ledger::replay::{self, Counts, Plan, Replayed, Selection, Share, Summary};

/// What `replay` takes.
#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
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
        select: Selection {
            since: args.since,
            until: args.until,
            tenant: args.tenant,
            principal: args.principal.clone(),
            action: args.action.clone(),
            partner: args.partner,
            sample: args.sample,
        },
        against: against.map_err(Failure::invalid)?,
    };
    let bar = spinner("decisions made again");
    let mut differing = Vec::new();
    let place = args.database.place(&args.data)?;
    let summary = block_on(async {
        let reader = Reader::open_beside(&place, &args.data).await?;
        let each = |replayed: &Replayed| differing.push(replayed.clone());
        replay::replay_from(reader, &plan, each, |count| bar.set_position(count)).await
    })?;
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
        (_, false) => Exit::Finding,
        (0, true) => Exit::Nothing,
        (_, true) => Exit::Holds,
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
            Replay::Changed { class, was, now } => {
                lines.push(format!("Changed        {place}: {}", class.as_str()));
                lines.push(format!("               was {} by {:?}", was.effect, was.cedar.policies));
                lines.push(format!("               now {} by {:?}", now.effect, now.cedar.policies));
                if was.iam != now.iam {
                    lines.push(format!("               iam was {:?}", was.iam));
                    lines.push(format!("               iam now {:?}", now.iam));
                }
                lines.extend(replayed.why.iter().map(|why| format!("               {why}")));
            }
            Replay::BundleMissing { cause } => lines.push(format!("BundleMissing  {place}: {cause}")),
            Replay::NotReplayable { cause } => lines.push(format!("NotReplayable  {place}: {cause}")),
        }
    }
    lines.extend(told(summary));
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

/// What stands before the last line: what changed for whom, what the evidence covers, and what is missing from it.
fn told(summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    let mut table = |title: &str, counts: Vec<(String, &Counts)>| {
        for (name, counts) in counts {
            let counts = counts
                .iter()
                .map(|(class, count)| format!("{count} {}", class.as_str()));
            lines.push(format!("{title:9} {name}: {}", counts.collect::<Vec<_>>().join(", ")));
        }
    };
    let changes = &summary.changes;
    table(
        "tenant",
        changes
            .by_log
            .iter()
            .map(|(log, counts)| (log.to_string(), counts))
            .collect(),
    );
    for (title, counts) in [
        ("partner", &changes.by_partner),
        ("action", &changes.by_action),
        ("policy", &changes.by_policy),
    ] {
        table(
            title,
            counts.iter().map(|(name, counts)| (name.clone(), counts)).collect(),
        );
    }
    if let Some((first, last)) = summary.window {
        let (verified, read) = summary.verified;
        lines.push(format!(
            "decided from {first} to {last}; {verified} of {read} records were held to a signed root first"
        ));
    }
    for (engine, count) in &summary.other_engines {
        lines.push(format!("{count} were answered by another version: {engine}"));
    }
    for (cause, count) in &summary.causes {
        lines.push(format!("{count} not made again: {cause}"));
    }
    for unverified in &summary.unverified {
        let (log, records, why) = (unverified.log, unverified.records, &unverified.why);
        lines.push(format!(
            "NOT VERIFIED, so nothing of it was made again: {log}, {records} records: {why}"
        ));
    }
    lines
}

/// A count on standard error, where that is a terminal.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what);
    let style = ProgressStyle::with_template("{spinner} {pos} {msg} ({per_sec})");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar
}

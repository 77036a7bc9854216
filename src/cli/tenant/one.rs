//! One company comes, goes or is stopped.

use std::path::Path;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::office::{Opened, interrupted};
use super::{OnboardArgs, OneArgs, failure, same_mode};
use crate::cli::{Exit, Failure, Format, Outcome, print, print_json};
use crate::clock::Clock;
use crate::config::Config;
use crate::ids::TenantId;
use crate::ledger::record::Progress;
use crate::tenant::wanted::Wanted;
use crate::tenant::{Newcomer, Onboarded, Told};

/// What stands for the service's own URL where no configuration says it.
const UNSAID: &str = "https://{service}";

/// A step as a report tells it.
#[derive(Serialize)]
pub(super) struct Line {
    step: &'static str,
    progress: Progress,
    what: String,
}

#[derive(Serialize)]
struct Report<'r> {
    tenant: TenantId,
    outcome: &'static str,
    steps: &'r [Line],
}

#[derive(Serialize)]
struct Planned<'p> {
    step: &'p str,
    what: &'p str,
}

/// Prints what onboarding would make. Reads the bundle and nothing else.
pub(super) fn plan(args: &OnboardArgs) -> Outcome {
    let config = args
        .office
        .config
        .as_ref()
        .map(|path| Config::read(path).map_err(Failure::invalid));
    let config = config.transpose()?;
    let bundle = match &config {
        Some(config) => args.office.load(config)?,
        None => args.office.bundle.source().load().map_err(Failure::invalid)?,
    };
    same_mode(args.mode, bundle.account.isolation())?;
    let base_url = config.as_ref().map_or(UNSAID, |config| config.base_url.as_str());
    let tenants = match (&args.csv, args.bpnl) {
        (Some(path), _) => super::many::rows(path)?.into_iter().map(|row| row.tenant).collect(),
        (None, bpnl) => bpnl.into_iter().collect::<Vec<_>>(),
    };
    for tenant in tenants {
        let wanted = Wanted::of(&bundle, (tenant, None), base_url, Clock::system().now()).map_err(Failure::invalid)?;
        let lines = wanted.lines();
        match args.office.format {
            Format::Json => {
                let planned: Vec<_> = lines.iter().map(|(step, what)| Planned { step, what }).collect();
                print_json(&serde_json::json!({"tenant": tenant, "plan": planned}))?;
            }
            Format::Text => {
                let text: String = lines
                    .iter()
                    .map(|(step, what)| format!("  {step:<9} {what}\n"))
                    .collect();
                print(&format!("{tenant} would get, in these steps:\n{text}nothing was made"));
            }
        }
    }
    Ok(Exit::Holds)
}

pub(super) async fn onboard(args: &OnboardArgs) -> Outcome {
    let (Some(tenant), Some(name)) = (args.bpnl, &args.name) else {
        return Err(Failure::invalid("a BPNL and --name, or --csv FILE, say who comes"));
    };
    let newcomer = Newcomer {
        tenant,
        name: name.clone(),
        identity: args.identity.as_deref().map(read).transpose()?,
        connector: args.connector.as_deref().map(read).transpose()?,
    };
    let opened = args.office.open().await?;
    let modes = same_mode(args.mode, opened.office().gate.live().current().account.isolation());
    let mut lines = Vec::new();
    let came = match modes {
        Ok(()) => {
            let mut watch = watching(args.office.format, &mut lines);
            opened.office().onboard(&newcomer, &mut watch).await
        }
        Err(failure) => {
            opened.close().await;
            return Err(failure);
        }
    };
    opened.close().await;
    match came.map_err(|error| failure(tenant, &error))? {
        Onboarded::Active => done(args.office.format, tenant, "active", &lines),
        Onboarded::Already(differences) => {
            let outcome = if differences.is_empty() {
                "active already"
            } else {
                "active, but not as it should be"
            };
            let exit = if differences.is_empty() {
                Exit::Holds
            } else {
                Exit::Finding
            };
            match args.office.format {
                Format::Json => {
                    print_json(&serde_json::json!({"tenant": tenant, "outcome": outcome, "differences": differences}))?;
                }
                Format::Text => {
                    let text: String = differences
                        .iter()
                        .map(|difference| format!("  {difference}\n"))
                        .collect();
                    print(&format!("{tenant} is {outcome}\n{text}"));
                }
            }
            Ok(exit)
        }
    }
}

pub(super) async fn offboard(args: &OneArgs) -> Outcome {
    let opened = args.office.open().await?;
    let mut lines = Vec::new();
    let gone = {
        let mut watch = watching(args.office.format, &mut lines);
        opened.office().offboard(args.bpnl, &mut watch).await
    };
    opened.close().await;
    gone.map_err(|error| failure(args.bpnl, &error))?;
    done(args.office.format, args.bpnl, "offboarded", &lines)
}

pub(super) async fn suspend(args: &OneArgs) -> Outcome {
    let opened = args.office.open().await?;
    let suspended = opened.office().suspend(args.bpnl).await;
    changed(args, opened, suspended, "suspended").await
}

pub(super) async fn resume(args: &OneArgs) -> Outcome {
    let opened = args.office.open().await?;
    let resumed = opened.office().resume(args.bpnl).await;
    changed(args, opened, resumed, "active").await
}

async fn changed(
    args: &OneArgs,
    opened: Opened,
    changed: Result<(), crate::tenant::PassageError>,
    outcome: &'static str,
) -> Outcome {
    opened.close().await;
    changed.map_err(|error| failure(args.bpnl, &error))?;
    done(args.office.format, args.bpnl, outcome, &[])
}

fn done(format: Format, tenant: TenantId, outcome: &'static str, steps: &[Line]) -> Outcome {
    match format {
        Format::Json => print_json(&Report { tenant, outcome, steps })?,
        Format::Text => print(&format!("{tenant} is {outcome}")),
    }
    Ok(Exit::Holds)
}

/// Prints each step as it ends, or keeps it for the report.
fn watching(format: Format, lines: &mut Vec<Line>) -> impl FnMut(&Told<'_>) -> bool + Send {
    let stop = interrupted();
    move |told| {
        if told.progress == Progress::Begun {
            return !stop.load(Ordering::SeqCst);
        }
        if format == Format::Text {
            let what = match told.progress {
                Progress::Kept => "as it should be",
                _ => told.what,
            };
            match told.progress {
                // Why is told at the end.
                Progress::Failed => print(&format!("  {:<10} FAILED", told.step)),
                _ => what
                    .split("; ")
                    .for_each(|line| print(&format!("  {:<10} {line}", told.step))),
            }
        }
        lines.push(Line {
            step: told.step,
            progress: told.progress,
            what: told.what.to_owned(),
        });
        true
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::invalid(format!("{}: {error}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(&error))?;
    crate::json::read(&text).map_err(|error| wrong(&error))
}

//! Many companies come, from a table.

use std::path::Path;
use std::sync::atomic::Ordering;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::office::interrupted;
use super::{OnboardArgs, same_mode};
use crate::cli::{Exit, Failure, Format, Outcome, print, print_json};
use crate::ids::TenantId;
use crate::ledger::record::Progress;
use crate::tenant::batch::{self, Row};
use crate::tenant::{Newcomer, Onboarded, PassageError, Told};

/// What became of one company.
#[derive(Serialize)]
struct Came {
    tenant: TenantId,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Reads the table.
pub(super) fn rows(path: &Path) -> Result<Vec<Row>, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| Failure::invalid(format!("{}: {error}", path.display())))?;
    let rows = batch::read(&text).map_err(|problems| {
        let problems: String = problems.iter().map(|problem| format!("\n  - {problem}")).collect();
        Failure::invalid(format!(
            "{} cannot be used, and nobody was onboarded:{problems}",
            path.display()
        ))
    })?;
    match rows.is_empty() {
        true => Err(Failure {
            exit: Exit::Nothing,
            message: format!("{} names nobody", path.display()),
        }),
        false => Ok(rows),
    }
}

/// Onboards all, one after the other; one that fails keeps no other from coming.
pub(super) async fn onboard(args: &OnboardArgs) -> Outcome {
    let Some(path) = &args.csv else {
        return Err(Failure::invalid("--csv FILE says who comes"));
    };
    let rows = rows(path)?;
    let opened = args.office.open().await?;
    let modes = same_mode(args.mode, opened.office().gate.live().current().account.isolation());
    if let Err(failure) = modes {
        opened.close().await;
        return Err(failure);
    }
    let bar = ProgressBar::new(rows.len() as u64);
    let style = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let stop = interrupted();
    let mut all = Vec::new();
    for row in rows {
        let newcomer = Newcomer {
            tenant: row.tenant,
            name: row.name,
            identity: None,
            connector: None,
        };
        let mut watch = |told: &Told<'_>| {
            bar.set_message(format!("{} {}", told.tenant, told.step));
            told.progress != Progress::Begun || !stop.load(Ordering::SeqCst)
        };
        let came = opened.office().onboard(&newcomer, &mut watch).await;
        bar.inc(1);
        all.push(told(row.tenant, came));
        if stop.load(Ordering::SeqCst) {
            break;
        }
    }
    bar.finish_and_clear();
    opened.close().await;
    report(args.office.format, &all)
}

fn told(tenant: TenantId, came: Result<Onboarded, PassageError>) -> Came {
    let (outcome, why) = match came {
        Ok(Onboarded::Active) => ("onboarded", None),
        Ok(Onboarded::Already(differences)) if differences.is_empty() => ("kept", None),
        Ok(Onboarded::Already(differences)) => {
            let told: Vec<_> = differences.iter().map(ToString::to_string).collect();
            ("differs", Some(told.join("; ")))
        }
        Err(error) => ("failed", Some(error.to_string())),
    };
    Came { tenant, outcome, why }
}

fn report(format: Format, all: &[Came]) -> Outcome {
    let count = |outcome: &str| all.iter().filter(|came| came.outcome == outcome).count();
    let (failed, differs) = (count("failed"), count("differs"));
    match format {
        Format::Json => print_json(&all)?,
        Format::Text => {
            let shown = all.iter().map(|came| {
                let why = came.why.as_deref().map_or(String::new(), |why| format!(": {why}"));
                format!("{} {}{why}\n", came.tenant, came.outcome)
            });
            let shown: String = shown.collect();
            print(&format!(
                "{shown}{} onboarded, {} kept, {differs} differ, {failed} failed; run it again for those that failed",
                count("onboarded"),
                count("kept")
            ));
        }
    }
    Ok(if failed + differs == 0 {
        Exit::Holds
    } else {
        Exit::Finding
    })
}

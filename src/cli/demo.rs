//! `tidegate demo`: one exchange between two companies, with every decision and why, and the attacks that must fail.
//!
//! The demo starts a real service in dev mode on loopback, talks to it over HTTP as the companies' systems would, and reads
//! every decision back from the ledger: what it prints is what an auditor will find. At the end it stops the service, verifies
//! the ledger, makes every decision again and shows that a changed record is found.

mod client;
mod script;
mod show;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use self::client::Client;
use self::show::Show;
use super::replay::render as render_replay;
use super::{BundleArgs, Exit, Failure, Outcome, block_on};
use crate::clock::Clock;
use crate::dev::start::{DevOptions, start};
use crate::http::Shared;
use crate::http::server::serve;
use crate::ledger::replay::{Plan, replay};
use crate::ledger::verify::verify;
use crate::telemetry::{self, LogFormat};

/// What `demo` takes.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Keep the data here [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    bundle: BundleArgs,
}

pub(super) fn run(args: &DemoArgs) -> Outcome {
    telemetry::log_to_stderr(LogFormat::Text, "off");
    block_on(demo(args))?
}

async fn demo(args: &DemoArgs) -> Outcome {
    let temporary = std::env::temp_dir().join(format!("tidegate-demo-{}", uuid::Uuid::now_v7()));
    let data = args.data.clone().unwrap_or_else(|| temporary.clone());
    let options = DevOptions {
        connectors: Default::default(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data: data.clone(),
        bundle: args.bundle.source(),
    };
    let started = start(options, Clock::system(), telemetry::collect_metrics())
        .await
        .map_err(Failure::failed)?;
    let base_url = started.base_url.clone();
    let app: Shared = Arc::new(started.app);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve(Arc::clone(&app), started.listener, async {
        let _ = stopped.await;
    }));

    let mut show = Show::new(&app, &data);
    show.title("Weser Motors gets a footprint from Elbe Polymers, and only because a policy said so");
    show.line(&format!("service {base_url}, dev mode, data in {}", data.display()));
    show.line(&format!("bundle  {}", app.gate.live().current().digest));
    let client = Client::new(&app).map_err(Failure::failed)?;
    let walked = script::walk(&client, &app, &mut show).await;

    let _ = stop.send(());
    let _ = serving.await;
    walked.map_err(Failure::failed)?;
    audit(&mut show, &data).await?;
    show.summary();
    let exit = if show.failures() == 0 {
        Exit::Holds
    } else {
        Exit::Finding
    };
    if args.data.is_none() {
        // Only what this run made, below a name that was made up for it.
        let _ = std::fs::remove_dir_all(&temporary);
    }
    Ok(exit)
}

/// After the service stopped: the ledger by itself.
async fn audit(show: &mut Show, data: &Path) -> Result<(), Failure> {
    show.title("The ledger, without the service");
    let report = verify(data).await.map_err(Failure::failed)?;
    show.block(&report.to_string());
    show.expect("every record, link, body and checkpoint holds", report.ok);
    let summary = replay(data, &Plan::default(), |_| {}, |_| {})
        .await
        .map_err(Failure::failed)?;
    show.block(&render_replay(&summary, &[]));
    show.expect(
        "every decision, made again from its record, is the same",
        summary.holds() && summary.decisions > 0,
    );

    let copy = data.join("tampered");
    let changed = script::tamper(data, &copy).await.map_err(Failure::failed)?;
    show.line(&format!(
        "in a copy, one letter of record {} of {} is changed:",
        changed.seq, changed.log
    ));
    let report = verify(&copy).await.map_err(Failure::failed)?;
    show.block(&report.to_string());
    let found = report
        .logs
        .iter()
        .find(|log| log.log == changed.log)
        .and_then(|log| log.first_bad());
    show.expect("the change is found, at that record", found == Some(changed.seq));
    Ok(())
}

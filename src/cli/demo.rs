//! `tidegate demo`: one exchange between two companies, with every decision and why, and the attacks that must fail.
//!
//! The demo starts a real service in dev mode on loopback. The companies' dev connectors negotiate and start transfers in real
//! messages of the Dataspace Protocol, operated through their management APIs as people would; the companies' systems talk to
//! the service over HTTP. Every decision is read back from the ledger: what it prints is what an auditor will find. At the end it stops the service, verifies
//! the ledger, makes every decision again and shows that a changed record is found.

mod backend;
mod cast;
mod client;
mod handshake;
mod operator;
mod people;
mod refused;
mod show;
mod tamper;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use self::cast::Cast;
use self::client::{Client, ClientError};
use self::show::Show;
use super::replay::render as render_replay;
use super::{BundleArgs, Exit, Failure, Outcome, block_on};
use crate::clock::Clock;
use crate::dev::start::{DevOptions, start};
use crate::http::server::serve;
use crate::http::{Shared, dataflows};
use crate::ids::Digest;
use crate::ledger::LedgerError;
use crate::ledger::replay::{Plan, replay};
use crate::ledger::verify::verify;
use crate::telemetry::{self, LogFormat};

/// How long Tidegate may take to settle things at a connector.
const SETTLING: Duration = Duration::from_secs(20);

/// What `demo` takes.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Keep the data here [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    bundle: BundleArgs,
}

/// Why the walk could not be walked.
#[derive(Debug, thiserror::Error)]
enum WalkError {
    /// The client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A forged token could not even be made.
    #[error("a token could not be forged: {0}")]
    Forge(String),
}

pub(super) fn run(args: &DemoArgs) -> Outcome {
    telemetry::log_to_stderr(LogFormat::Text, "off");
    block_on(demo(args))?
}

async fn demo(args: &DemoArgs) -> Outcome {
    let temporary = std::env::temp_dir().join(format!("tidegate-demo-{}", uuid::Uuid::now_v7()));
    let data = args.data.clone().unwrap_or_else(|| temporary.clone());
    let options = DevOptions {
        vault: None,
        connectors: Default::default(),
        database: None,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data: data.clone(),
        bundle: args.bundle.source(),
        shadow: None,
    };
    let started = start(options, Clock::system(), telemetry::collect_metrics())
        .await
        .map_err(Failure::failed)?;
    let base_url = started.base_url.clone();
    let app: Shared = Arc::new(started.app);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve(Arc::clone(&app), started.listener, None, async {
        let _ = stopped.await;
    }));

    let keeping = [
        tokio::spawn(dataflows::watch(Arc::clone(&app))),
        tokio::spawn(dataflows::follow(Arc::clone(&app))),
    ];

    let mut show = Show::new(&app, &data);
    show.title("Weser Motors gets a footprint from Elbe Polymers, and only because a policy said so");
    show.line(&format!("service {base_url}, dev mode, data in {}", data.display()));
    show.line(&format!("bundle  {}", app.gate.live().current().digest));
    let client = Client::new(&app).map_err(Failure::failed)?;
    let walked = walk(&client, &app, &mut show).await;

    for task in keeping {
        task.abort();
    }
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

/// The six steps, and what must be refused.
async fn walk(client: &Client, app: &Shared, show: &mut Show) -> Result<(), WalkError> {
    let cast = Cast::of(app)?;
    settled(app, &cast, show).await?;
    let made = handshake::six_steps(client, app, &cast, show).await?;
    refused::in_the_handshake(client, app, &cast, &made, show).await?;
    refused::of_a_token(client, app, &cast, &made, show).await?;
    let token = backend::through_a_data_plane(client, &cast, show).await?;
    backend::stolen_and_forged(client, app, &cast, &token, show).await?;
    backend::outside_the_contract(client, &cast, &token, show).await?;
    people::people(client, app, &cast, show).await?;
    show.release();
    Ok(())
}

/// Waits until Tidegate has registered at the supplier's connector and published what the supplier offers.
async fn settled(app: &Shared, cast: &Cast, show: &mut Show) -> Result<(), WalkError> {
    let started = Instant::now();
    loop {
        let state = app.dataspace.connectors.state(cast.supplier);
        if state.settled.is_some() {
            break;
        }
        if started.elapsed() > SETTLING {
            let why = state.problem.unwrap_or_else(|| "nothing came".into());
            return Err(ClientError::Refused(format!("the supplier's connector is not as it should be: {why}")).into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let connectors: Vec<_> = [cast.consumer, cast.supplier.0]
        .iter()
        .filter_map(|company| app.connectors.get(company))
        .map(|connector| format!("{} ({})", connector.name(), connector.participant()))
        .collect();
    show.line(&format!("dev connectors of {}", connectors.join(", ")));
    show.line("each speaks the Dataspace Protocol 2025-1; Tidegate is registered as their data plane and published what Elbe offers");
    Ok(())
}

fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// After the service stopped: the ledger by itself.
async fn audit(show: &mut Show, data: &Path) -> Result<(), Failure> {
    show.title("The ledger, without the service");
    let report = verify(data).await.map_err(Failure::failed)?;
    show.block(&report.to_string());
    show.expect("every record, tile, body and checkpoint holds", report.ok);
    let replayed = replay(data, Plan::default(), |_| {}).await.map_err(Failure::failed)?;
    show.block(&render_replay(&replayed));
    show.expect(
        "every decision, made again from its record, is the same",
        replayed.summary.holds() && replayed.summary.decisions > 0,
    );

    let copy = data.join("tampered");
    let changed = tamper::tamper(data, &copy).await.map_err(Failure::failed)?;
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

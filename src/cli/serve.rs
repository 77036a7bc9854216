//! `tidegate serve`: the service.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use axum::http::HeaderName;
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{BundleArgs, Exit, Failure, Outcome, block_on, bundle, database, print};
use crate::assemble::{BundleSource, Parts, StartError, assemble, open_ledger, open_registry, open_vault, seal};
#[cfg(feature = "aws")]
use crate::aws::Aws;
use crate::bundle::Bundle;
use crate::clock::Clock;
use crate::config::{AwsSettings, Config, DatabaseSource, KeySource, TlsSettings};
use crate::database::{Database, Place};
use crate::dev::start::{DevOptions, RealConnectors, start};
use crate::http::deliveries::deliver;
use crate::http::fetching::fetch;
use crate::http::reload::reload;
use crate::http::server::{Tls, serve};
use crate::http::tls::acceptor;
use crate::http::{App, Shared, dataflows};
use crate::ledger::{Standing, segment};
use crate::pcf::Road;
use crate::registry::store::RegistryError;
use crate::registry::world::WorldDocument;
use crate::telemetry::{self, LogFormat};
use crate::vault::{Vault, VaultKey};

/// What `serve` takes.
#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    /// Everything on loopback, with embedded issuers and a world of example companies; needs nothing else
    #[arg(long)]
    dev: bool,
    /// Where to listen [default: what the configuration says; in dev mode any free port of 127.0.0.1]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The data directory [default in dev mode: a fresh temporary directory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Real connectors in the place of dev mode's own: a JSON object from BPNL to `participant`, `dsp`, `management`, `signaling` and `key`
    #[arg(long, value_name = "FILE", requires = "dev")]
    connectors: Option<PathBuf>,
    /// The configuration of a service that is not in dev mode; it names the bundle where `--bundle` does not
    #[arg(long, value_name = "FILE", conflicts_with = "dev")]
    config: Option<PathBuf>,
    #[command(flatten)]
    bundle: BundleArgs,
    /// A candidate bundle that is asked along: what it would have decided is counted and recorded, and changes no answer
    #[arg(long, value_name = "DIR")]
    shadow: Option<PathBuf>,
    /// The environment variable with the URL of a PostgreSQL database for all that is in tables (ledger, registry, data flows,
    /// exchanges), in place of files of the data directory and of what the configuration says; the keys are there in any case
    #[arg(long, value_name = "NAME")]
    database_env: Option<String>,
    /// How log lines on standard error look [default: text on a terminal, else json]
    #[arg(long, value_enum)]
    log: Option<LogFormat>,
}

impl ServeArgs {
    /// The database that is named on the command line.
    fn database(&self) -> Result<Option<Database>, Failure> {
        self.database_or("", None)
    }

    /// That database, or else the one that the configuration names under `member`.
    fn database_or(&self, member: &str, configured: Option<&DatabaseSource>) -> Result<Option<Database>, Failure> {
        let named = self.database_env.clone().map(DatabaseSource::Environment);
        let source = named.as_ref().or(configured);
        source.map(|source| database::read(member, source)).transpose()
    }
}

pub(super) fn run(args: &ServeArgs) -> Outcome {
    let terminal = std::io::stderr().is_terminal();
    let format = args
        .log
        .unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    telemetry::log_to_stderr(format, "info");
    block_on(async {
        let stop = Stop::listen()?;
        if args.dev {
            return serve_dev(args, stop).await;
        }
        match &args.config {
            Some(path) => serve_configured(args, path, stop).await,
            None => Err(Failure::invalid("either `--dev` or `--config FILE` says how to serve")),
        }
    })?
}

/// That the process was told to end. It is listened for from the start on: a process that stands by may do so for days, and the first
/// process of a container gets no signal that it does not listen for.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(Failure::failed);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// What a start comes to; nothing where the process is told to end before it serves.
    async fn or<T>(&mut self, start: impl Future<Output = Result<T, Failure>>) -> Result<Option<T>, Failure> {
        tokio::select! {
            started = start => started.map(Some),
            () = self.told() => {
                tracing::info!("stopping before anything was served");
                Ok(None)
            }
        }
    }
}

async fn serve_dev(args: &ServeArgs, mut stop: Stop) -> Outcome {
    let data = match &args.data {
        Some(data) => data.clone(),
        None => fresh_directory()?,
    };
    let connectors = match &args.connectors {
        Some(path) => real_connectors(path)?,
        None => RealConnectors::default(),
    };
    let options = DevOptions {
        vault: None,
        connectors,
        database: args.database()?,
        listen: args.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
        data: data.clone(),
        bundle: args.bundle.source(),
        shadow: args.shadow.clone().map(BundleSource::Directory),
    };
    let source = bundle::name(&options.bundle);
    let starting = start(options, Clock::system(), telemetry::collect_metrics());
    let Some(started) = stop.or(async { starting.await.map_err(start_failure) }).await? else {
        return Ok(Exit::Holds);
    };
    let digest = started.app.gate.live().current().digest;
    print(&format!(
        "tidegate serves on {}\n  data    {}\n  clients {}\n  bundle  {source} ({digest})",
        started.base_url,
        data.display(),
        started.manifest.display()
    ));
    run_until_stopped(started.app, started.listener, None, stop).await
}

fn real_connectors(path: &Path) -> Result<RealConnectors, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::invalid(format!("{}: {error}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(&error))?;
    crate::json::read(&text).map_err(|error| wrong(&error))
}

/// A service as it was configured, ready to be served.
struct Configured {
    app: App,
    listener: TcpListener,
    /// Where TLS is spoken, where it is.
    tls: Option<Tls>,
    /// Where segments are kept, where they are.
    segments: Option<PathBuf>,
}

async fn serve_configured(args: &ServeArgs, path: &Path, mut stop: Stop) -> Outcome {
    let Some(configured) = stop.or(configure(args, path)).await? else {
        return Ok(Exit::Holds);
    };
    let Configured {
        app,
        listener,
        tls,
        segments,
    } = configured;
    let address = listener.local_addr().map_err(Failure::failed)?;
    let digest = app.gate.live().current().digest;
    print(&format!(
        "tidegate serves {} on {address}\n  bundle  {digest}",
        app.base_url
    ));
    let place = app.gate.ledger().place().clone();
    let keeping = segments.map(|data| tokio::spawn(segment::keep(place, data, Clock::system())));
    let stopped = run_until_stopped(app, listener, tls, stop).await;
    if let Some(keeping) = keeping {
        keeping.abort();
    }
    stopped
}

/// Opens everything that the configuration names.
async fn configure(args: &ServeArgs, path: &Path) -> Result<Configured, Failure> {
    let config = Config::read(path).map_err(Failure::invalid)?;
    let listen = args.listen.unwrap_or(config.listen);
    let data = args.data.clone().unwrap_or(config.data);
    let source = BundleSource::Directory(args.bundle.directory.clone().unwrap_or(config.bundle));
    // What does not load is told now, rather than when this process takes over.
    let mut loaded = source.load().map_err(start_failure)?;
    let candidate = args.shadow.clone().map(BundleSource::Directory);
    let shadow = candidate.as_ref().map(BundleSource::load).transpose();
    let mut shadow = shadow.map_err(start_failure)?;
    let key = match &config.vault_key {
        KeySource::File(path) => VaultKey::from_file(path, false),
        KeySource::Environment(name) => VaultKey::from_env(name),
    };
    let key = key.map_err(Failure::invalid)?;
    if config.aws.is_none() {
        Vault::look(&data.join("vault"), &key).map_err(Failure::invalid)?;
    }
    let ledger = args.database_or("ledger_database", config.ledger_database.as_ref())?;
    let place = Place::of(args.database_or("database", config.database.as_ref())?, &data);
    let rivals = ledger.is_some();
    let listener = TcpListener::bind(listen).await.map_err(Failure::failed)?;
    let tls = match &config.tls {
        Some(settings) => Some(bind_tls(settings).await?),
        None => None,
    };
    // Before anything else is opened, for until this process writes to it, another one changes all that is read here.
    let ledger = open_ledger(&data, &config.ledger_origin, ledger, Clock::system(), &listener).await;
    let ledger = ledger.map_err(start_failure)?;
    if rivals {
        // As it is now: this process may have stood by for days.
        loaded = source.load().map_err(start_failure)?;
        shadow = candidate.as_ref().and_then(reloaded);
    }
    let vault = match &config.aws {
        Some(settings) => vault_in_aws(settings, &loaded).await?,
        None => open_vault(&data, &key, &loaded).map_err(start_failure)?,
    };
    let registry = open_registry(&place, &data).await.map_err(start_failure)?;
    let mut agreements = Vec::new();
    if let Some(path) = &config.world {
        let named = |error: &dyn std::fmt::Display| Failure::invalid(format!("{}: {error}", path.display()));
        let text = std::fs::read(path).map_err(|error| named(&error))?;
        let document = WorldDocument::read(&text).map_err(|error| named(&error))?;
        let seed = document.seed().map_err(|error| named(&error))?;
        let seeded = registry.seed(&seed.worlds, &seed.partners).await;
        seeded.map_err(|error| match error {
            // The document may be well by itself, and not beside what is on record.
            RegistryError::Shared(_) => named(&error),
            error => Failure::failed(error),
        })?;
        agreements = seed.agreements;
    }
    let seal = seal(&key).map_err(start_failure)?;
    let certificate_header = config.client_certificate_header.as_deref().map(HeaderName::try_from);
    // Its spelling was looked at when the configuration was read.
    let certificate_header = certificate_header.transpose().map_err(Failure::invalid)?;
    let segments = config.segments.then(|| data.clone());
    let parts = Parts {
        data,
        place,
        seal,
        bundle: source,
        shadow,
        ledger,
        witnesses: config.witnesses,
        base_url: config.base_url,
        base_host: config.base_host,
        certificate_header,
        clock: Clock::system(),
        metrics: telemetry::collect_metrics(),
        issuers: Default::default(),
        connectors: Default::default(),
        agreements,
    };
    let app = assemble(parts, loaded, registry, vault).await.map_err(start_failure)?;
    Ok(Configured {
        app,
        listener,
        tls,
        segments,
    })
}

/// The listener that speaks TLS. A standby takes no connections there: none is accepted before it serves.
async fn bind_tls(settings: &TlsSettings) -> Result<Tls, Failure> {
    let acceptor = acceptor(&settings.certificate, &settings.key);
    let acceptor = acceptor.map_err(|error| Failure::invalid(format!("`tls`: {error}")))?;
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.map_err(|error| Failure::failed(format!("`tls.listen`: {error}")))?;
    Ok(Tls { listener, acceptor })
}

/// The vault in AWS, after a look whether the credentials here are of the account the bundle means.
#[cfg(feature = "aws")]
async fn vault_in_aws(settings: &AwsSettings, bundle: &Bundle) -> Result<Vault, Failure> {
    let names = bundle.account.names();
    let aws = Aws::open(names, settings.endpoint.as_deref()).await;
    let caller = aws.check(names).await.map_err(Failure::invalid)?;
    tracing::info!(caller, "secrets and footprints are in AWS");
    let account = Arc::clone(&bundle.account);
    Ok(Vault::in_aws(aws, account, settings.kms_key.clone(), Clock::system()))
}

#[cfg(not(feature = "aws"))]
async fn vault_in_aws(_: &AwsSettings, _: &Bundle) -> Result<Vault, Failure> {
    Err(Failure::invalid(
        "this program was built without the feature `aws`; `[aws]` needs one that was built with it",
    ))
}

/// The candidate bundle. It loaded before; where it does not any more, that keeps no answer from being given.
fn reloaded(source: &BundleSource) -> Option<Bundle> {
    source
        .load()
        .inspect_err(|error| tracing::error!(%error, "no candidate bundle is asked along"))
        .ok()
}

fn start_failure(error: StartError) -> Failure {
    Failure {
        exit: Exit::Invalid,
        message: error.to_string(),
    }
}

fn fresh_directory() -> Result<PathBuf, Failure> {
    let path = std::env::temp_dir().join(format!("tidegate-dev-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir(&path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    Ok(path)
}

async fn run_until_stopped(app: App, listener: TcpListener, tls: Option<Tls>, mut told: Stop) -> Outcome {
    let app: Shared = Arc::new(app);
    let reloading = tokio::spawn(reload(Arc::clone(&app)));
    let watching = tokio::spawn(dataflows::watch(Arc::clone(&app)));
    let following = tokio::spawn(dataflows::follow(Arc::clone(&app)));
    let delivering = tokio::spawn(deliver(Arc::clone(&app), Arc::clone(&app) as Arc<dyn Road>));
    let fetching = tokio::spawn(fetch(Arc::clone(&app)));
    let ledger = app.gate.ledger().clone();
    let written = ledger.clone();
    let displaced = Arc::<OnceLock<Arc<str>>>::default();
    let noted = Arc::clone(&displaced);
    let stop = async move {
        tokio::select! {
            () = told.told() => {}
            // What this process knows is as of then. It is no use until it begins anew, and then stands by.
            holder = written.displaced() => {
                tracing::error!(%holder, "another process writes to the ledger now; this one ends");
                let _ = noted.set(holder);
            }
        }
        // Before the ledger is closed: what is under way is made again after the next start.
        delivering.abort();
        fetching.abort();
    };
    serve(app, listener, tls, stop).await;
    for task in [reloading, watching, following] {
        task.abort();
    }
    let holder = match ledger.standing() {
        Standing::Standby(holder) => Some(holder),
        // It may have ended again meanwhile.
        Standing::Writer => displaced.get().cloned(),
    };
    match holder {
        None => Ok(Exit::Holds),
        Some(holder) => Err(Failure::failed(format!(
            "{holder} has taken over the writing of the ledger, so this process ended; start it again, and it stands by"
        ))),
    }
}

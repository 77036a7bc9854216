//! From settings to a service that can be served.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderName;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::agreements::{Book, Cause, Upkeep};
use crate::bundle::{Bundle, Live, Source};
use crate::clock::Clock;
use crate::database::{Database, Place};
use crate::dataspace::flow::{self, FlowStore};
use crate::dataspace::management::{Transport, is_address};
use crate::dataspace::{Connectors, Dataspace, EdrVerifiers};
use crate::decide::Gate;
use crate::dev::connector::Connector;
use crate::dev::issuer::Issuer;
use crate::facts::did::DidClient;
use crate::facts::edr::EdrKeys;
use crate::facts::jwks_source::JwksClient;
use crate::http::gates::Gates;
use crate::http::ingest::BATCHES;
use crate::http::standby::stand_by;
use crate::http::{App, Limits};
use crate::ids::{Bpnl, TenantId};
use crate::ledger::witness::Witnesses;
use crate::ledger::{Ledger, LedgerKeys, Options, Standing};
use crate::pcf::{self, Carrier, Hosts, Models, PcfStore};
use crate::pull::{self, Fetching, PullStore};
use crate::registry::store::RegistryStore;
use crate::registry::{self, NewAgreement, Registry, TenantWorld};
use crate::vault::{Seal, Vault, VaultKey};

/// The generation of the root keys that EDR tokens are made with. Counting it up makes new ones; tokens of the one before stay
/// good until they expire.
const EDR_GENERATION: u32 = 1;

/// How long whoever wrote to the ledger before may take to end: as long as its open requests get, and some more.
const ENDING: Duration = Duration::from_secs(15);

/// Why a service does not start: a sentence for the operator, with its causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

impl StartError {
    /// An error of something that was being done.
    pub fn of<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> Self {
        move |error| Self(format!("{doing}: {error}"))
    }
}

/// Where the policies come from.
#[derive(Clone, Debug)]
pub enum BundleSource {
    /// A directory, watched for changes.
    Directory(PathBuf),
    /// What was built into the program.
    BuiltIn,
}

/// What a service is made of.
pub struct Parts {
    /// The data directory.
    pub data: PathBuf,
    /// Where registry, data flows, exchanges and runs are: files of the data directory, or a database.
    pub place: Place,
    /// Seals what partners hand out, where registry, data flows and exchanges are.
    pub seal: Arc<Seal>,
    /// The policies.
    pub bundle: BundleSource,
    /// A candidate that is asked along.
    pub shadow: Option<Bundle>,
    /// The ledger, to which this process writes.
    pub ledger: Ledger,
    /// Who cosigns the ledger's checkpoints, where anyone does.
    pub witnesses: Option<Witnesses>,
    /// The URL the service is reached under.
    pub base_url: String,
    /// The domain below which each tenant has its own host.
    pub base_host: Option<String>,
    /// Where a load balancer puts the certificate of a client.
    pub certificate_header: Option<HeaderName>,
    /// The time.
    pub clock: Clock,
    /// Renders `/metrics`.
    pub metrics: PrometheusHandle,
    /// The embedded issuers; empty outside dev mode.
    pub issuers: HashMap<TenantId, Issuer>,
    /// The dev connectors; empty outside dev mode.
    pub connectors: HashMap<Bpnl, Connector>,
    /// The agreements that the operator's document brings; those that are not on record yet come on record.
    pub agreements: Vec<NewAgreement>,
}

impl BundleSource {
    /// Loads the bundle.
    ///
    /// # Errors
    /// What is wrong with it, with labels.
    pub fn load(&self) -> Result<Bundle, StartError> {
        let loaded = match self {
            Self::Directory(root) => Bundle::directory(root),
            Self::BuiltIn => Bundle::load(Source::built_in()),
        };
        loaded.map_err(|error| {
            StartError(format!(
                "the bundle `{}` does not load\n{}",
                error.origin,
                error.render()
            ))
        })
    }

    fn directory(&self) -> Option<PathBuf> {
        match self {
            Self::Directory(root) => Some(root.clone()),
            Self::BuiltIn => None,
        }
    }
}

/// Opens everything and joins it. The registry is taken as it stands: what is to be in it was put there before, but for agreements,
/// which come on record through the ledger.
///
/// # Errors
/// Whatever keeps the service from starting.
pub async fn assemble(
    mut parts: Parts,
    bundle: Bundle,
    registry: RegistryStore,
    vault: Vault,
) -> Result<App, StartError> {
    let now = parts.clock.now();
    let ledger = parts.ledger.clone();
    let live = Live::new(bundle, parts.bundle.directory(), now);
    let gate = Gate::open(live, ledger, registry.clone())
        .await
        .map_err(StartError::of("the ledger"))?;
    let gate = match parts.shadow.take() {
        Some(candidate) => gate.with_shadow(candidate, parts.clock.clone()),
        None => gate,
    };
    let agreements = Book::new(registry.clone(), gate.ledger().clone());
    let new = std::mem::take(&mut parts.agreements);
    let put = agreements.put_all(new, &Cause::operator(), now).await;
    put.map_err(StartError::of("the agreements"))?;
    // Before anything is served, so that what is listed is true from the first answer on.
    let settled = agreements.settle().await.map_err(StartError::of("the agreements"))?;
    if settled > 0 {
        tracing::warn!(
            settled,
            "the ends of agreements, cut short when the service stopped, were done to their end"
        );
    }
    let expired = agreements.expire(now).await;
    expired.map_err(StartError::of("the agreements"))?;
    let told_apart = registry::apart(registry.current().tenants().map(AsRef::<TenantWorld>::as_ref));
    told_apart.map_err(StartError::of("the registry"))?;
    let gates = Gates::new(JwksClient::new().map_err(StartError::of("fetching keys"))?);
    for world in registry.current().tenants() {
        // Now, so that one that cannot be made is told before anything is served.
        let gate = gates.of(world, &parts.issuers);
        gate.map_err(|error| StartError(error.to_string()))?;
    }
    let pcf = PcfStore::open(&parts.place)
        .await
        .map_err(StartError::of("the exchanges"))?;
    let models = Models::built_in().map_err(StartError::of("the aspect model"))?;
    let models = Arc::new(models);
    // In dev mode partners are on this machine.
    let carrier = Carrier::new(!parts.issuers.is_empty()).map_err(StartError::of("speaking to partners"))?;
    let hosts = Hosts::new(parts.base_url.clone(), !parts.issuers.is_empty());
    let runs = PullStore::open(&parts.place, Arc::clone(&parts.seal)).await;
    let runs = runs.map_err(StartError::of("the runs"))?;
    // In dev mode suppliers' systems are on this machine.
    let fetching = Fetching::new(runs, !parts.issuers.is_empty());
    let dataspace = dataspace(&parts, &registry.current()).await?;
    let logs = match &parts.witnesses {
        Some(witnesses) => gate.ledger().readers().cosigned_by(witnesses.quorum().clone()),
        None => gate.ledger().readers(),
    };
    Ok(App {
        logs,
        pcf,
        models,
        fetching,
        carrier,
        hosts,
        gate,
        registry,
        agreements,
        witnesses: parts.witnesses,
        upkeep: Upkeep::default(),
        gates,
        vault,
        dataspace,
        clock: parts.clock,
        base_host: parts.base_host,
        base_url: parts.base_url,
        certificate_header: parts.certificate_header,
        limits: Limits::default(),
        batches: Semaphore::new(BATCHES),
        metrics: parts.metrics,
        issuers: parts.issuers,
        connectors: parts.connectors,
    })
}

/// Opens the ledger: in the database, where there is one, else in the data directory, where its keys are in any case. Where another
/// process writes to it, this one stands by until that has ended: it answers that it is not ready, and opens nothing else, for all
/// that it would read may change until then.
///
/// # Errors
/// The keys or the ledger cannot be used; the vault is not free within a while after this process has taken over.
pub async fn open_ledger(
    data: &Path,
    origin: &str,
    database: Option<Database>,
    clock: Clock,
    listener: &TcpListener,
) -> Result<Ledger, StartError> {
    let keys = LedgerKeys::open(data, origin).map_err(StartError::of("the ledger's keys"))?;
    let ledger = Ledger::open_at(Place::of(database, data), keys, clock, Options::default()).await;
    let ledger = ledger.map_err(StartError::of("the ledger"))?;
    if ledger.standing() != Standing::Writer {
        stand_by(&ledger, listener)
            .await
            .map_err(StartError::of("standing by"))?;
        // Whoever wrote before may have this directory too, and need a moment to end.
        let vault = Vault::freed(&data.join("vault"), ENDING).await;
        vault.map_err(StartError::of("the vault"))?;
    }
    Ok(ledger)
}

/// Opens the registry. Where that is in a database, no file of the data directory may hold one, nor data flows, nor exchanges, nor runs: what is in
/// it would not be seen, and whoever changed the configuration may not know.
///
/// # Errors
/// The registry cannot be used, or such a file is there.
pub async fn open_registry(place: &Place, data: &Path) -> Result<RegistryStore, StartError> {
    if let Place::Postgres(_) = place {
        let files = [registry::store::FILE, flow::FILE, pcf::FILE, pull::FILE].map(|file| data.join(file));
        if let Some(file) = files.iter().find(|file| file.exists()) {
            return Err(StartError(format!(
                "`{}` is there, but registry, data flows and exchanges are to be in a database, where what is in the file is not seen; \
                 move the file away if that is meant",
                file.display()
            )));
        }
    }
    RegistryStore::open(place).await.map_err(StartError::of("the registry"))
}

/// Opens the vault in the data directory, gated by the IAM documents of the bundle.
///
/// # Errors
/// The directory cannot be used.
pub fn open_vault(data: &Path, key: &VaultKey, bundle: &Bundle) -> Result<Vault, StartError> {
    Vault::embedded(&data.join("vault"), key, Arc::clone(&bundle.account)).map_err(StartError::of("the vault"))
}

/// The seal for what partners hand out.
///
/// # Errors
/// The cipher does not take the key.
pub fn seal(key: &VaultKey) -> Result<Arc<Seal>, StartError> {
    Seal::new(key, "addresses")
        .map(Arc::new)
        .map_err(StartError::of("the vault's key"))
}

async fn dataspace(parts: &Parts, registry: &Registry) -> Result<Dataspace, StartError> {
    for tenant in registry.tenants().map(|world| &world.tenant) {
        let connector = tenant.connector.iter();
        let mut addresses = connector.flat_map(|connector| [&connector.management, &connector.signaling]);
        if let Some(wrong) = addresses.find(|address| !is_address(address)) {
            let problem = "is not an `https` URL, nor an `http` URL on loopback, without a slash at its end";
            return Err(StartError(format!(
                "the connector of {}: `{wrong}` {problem}",
                tenant.id
            )));
        }
    }
    let keys = EdrKeys::open(&parts.data, EDR_GENERATION).map_err(StartError::of("the keys of EDR tokens"))?;
    Ok(Dataspace {
        verifiers: EdrVerifiers::new(&parts.base_url),
        keys,
        seal: Arc::clone(&parts.seal),
        flows: FlowStore::open(&parts.place)
            .await
            .map_err(StartError::of("the data flows"))?,
        transport: Transport::new().map_err(StartError::of("speaking to connectors"))?,
        // In dev mode partners are on this machine.
        dids: DidClient::new(!parts.issuers.is_empty()).map_err(StartError::of("fetching DID documents"))?,
        connectors: Connectors::default(),
    })
}

//! Starting a service in dev mode: everything on loopback, nothing installed, nothing configured.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::net::TcpListener;

use super::companies::{self, Around, KEY_NAME, connectors};
use super::issuer::Issuer;
use super::manifest;
use super::pact::{self, DevClient};
use super::world::{DevTenant, DevWorld};
use crate::assemble::{BundleSource, Parts, StartError, assemble, open_ledger, open_registry, open_vault, seal};
use crate::clock::Clock;
use crate::database::{Database, Place};
use crate::http::App;
use crate::ids::{Bpnl, SecretName, TenantId};
use crate::registry::store::RegistryStore;
use crate::registry::{ConnectorSettings, Footprint, NewAgreement};
use crate::vault::{SessionScope, Vault, VaultKey};

/// The first part of the origins of dev ledgers.
pub const ORIGIN: &str = "tidegate.localhost";

/// The domain below which each tenant has its own host in dev mode.
pub const BASE_HOST: &str = "localhost";

/// The file that tells a client everything it needs.
pub const MANIFEST: &str = "dev.json";

/// The secret of a tenant that holds the key of its real connector.
const REAL_KEY_NAME: &str = "real-connector-api-key";

/// How a service in dev mode is to be started.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// Where to listen; loopback only. Port 0 takes any.
    pub listen: SocketAddr,
    /// The data directory.
    pub data: PathBuf,
    /// The policies.
    pub bundle: BundleSource,
    /// A candidate that is asked along.
    pub shadow: Option<BundleSource>,
    /// The database of all that is in tables, where it is not to lie in the data directory.
    pub database: Option<Database>,
    /// The vault, where that is not to be in the data directory. It is of the account that the bundle means and has the tenants' secrets.
    pub vault: Option<Vault>,
    /// Real connectors, which take the place of the dev connectors of these companies.
    pub connectors: RealConnectors,
}

/// Connectors that are not part of dev mode, by the company each speaks for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct RealConnectors(pub BTreeMap<Bpnl, RealConnector>);

/// A connector that is not part of dev mode. For a company that is no tenant, only its address for other connectors matters.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealConnector {
    /// The connector's id of the participant.
    pub participant: String,
    /// Where other connectors speak to it (Dataspace Protocol 2025-1).
    pub dsp: String,
    /// Its management API, with the version as the last segment.
    pub management: String,
    /// Where it takes signals of its data plane; with version 3 of the management API, its control API.
    pub signaling: String,
    /// The key of both; none where they ask for none.
    #[serde(default)]
    key: Option<String>,
}

impl std::fmt::Debug for RealConnector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RealConnector({} at {})", self.participant, self.management)
    }
}

/// A service in dev mode, ready to be served.
pub struct Started {
    /// The service.
    pub app: App,
    /// Its listener.
    pub listener: TcpListener,
    /// Its address.
    pub base_url: String,
    /// Where `dev.json` is.
    pub manifest: PathBuf,
}

/// Makes the world real in the data directory and opens everything.
///
/// # Errors
/// Whatever keeps the service from starting, among others an address that is not loopback.
pub async fn start(options: DevOptions, clock: Clock, metrics: PrometheusHandle) -> Result<Started, StartError> {
    if !options.listen.ip().is_loopback() {
        let message = "dev mode listens on loopback only: it hands tokens to anyone who asks";
        return Err(StartError(format!(
            "{message}; `{}` is not a loopback address",
            options.listen
        )));
    }
    make_private(&options.data)?;
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(StartError::of("listening"))?;
    let address = listener.local_addr().map_err(StartError::of("listening"))?;
    let base_url = format!("http://{address}");
    let world = DevWorld::built_in().map_err(StartError::of("starting"))?;
    let place = Place::of(options.database.clone(), &options.data);
    // Before anything else, for until this process writes to it, another one changes all that is read here.
    let ledger = open_ledger(&options.data, ORIGIN, options.database, clock.clone(), &listener).await?;
    let issuers = issuers(&world, &options.data, &base_url).await?;

    let bundle = options.bundle.load()?;
    let key = options.data.join("keys").join("vault.key");
    make_private(&options.data.join("keys"))?;
    let vault_key = VaultKey::from_file(&key, true).map_err(StartError::of("the vault's key"))?;
    let vault = match options.vault {
        Some(vault) => vault,
        None => open_vault(&options.data, &vault_key, &bundle)?,
    };
    let registry = open_registry(&place, &options.data).await?;
    let clients = clients(&world, &vault_key)?;
    let filling = Filling {
        world: &world,
        real: &options.connectors,
        clients: &clients,
    };
    let footprints = fill(filling, (&base_url, &issuers), &vault, &registry).await?;
    let indexed = registry.put_footprints(&footprints, clock.now()).await;
    indexed.map_err(StartError::of("the registry"))?;
    let agreements = agreements(&world, &registry, clock.now())?;

    let around = Around {
        base_url: &base_url,
        issuers: &issuers,
        keys: connector_keys(&world, &vault).await?,
        agreements: &all_agreements(&registry, &agreements).await?,
        clock: &clock,
    };
    let connectors = connectors(&world, &around).map_err(StartError::of("the dev connectors"))?;

    let parts = Parts {
        data: options.data.clone(),
        place,
        seal: seal(&vault_key)?,
        bundle: options.bundle,
        shadow: options.shadow.map(|candidate| candidate.load()).transpose()?,
        ledger,
        witnesses: None,
        base_url: base_url.clone(),
        base_host: Some(BASE_HOST.into()),
        certificate_header: None,
        clock: clock.clone(),
        metrics,
        issuers,
        connectors,
        agreements,
    };
    let app = assemble(parts, bundle, registry, vault).await?;
    let manifest = options.data.join(MANIFEST);
    let text = manifest::write(&world, &app, &options.data, &clients).map_err(StartError::of("dev.json"))?;
    write_private(&manifest, text.as_bytes())?;
    Ok(Started {
        app,
        listener,
        base_url,
        manifest,
    })
}

/// Starts every tenant's issuer at once: making a key takes a while.
async fn issuers(world: &DevWorld, data: &Path, base_url: &str) -> Result<HashMap<TenantId, Issuer>, StartError> {
    let directory = data.join("issuers");
    make_private(&directory)?;
    let failed = || StartError::of("the embedded issuers");
    std::thread::scope(|scope| {
        let start = |tenant: &DevTenant| tenant.issuer(&directory, base_url).map(|issuer| (tenant.id, issuer));
        let started: Vec<_> = world
            .tenants
            .iter()
            .map(|tenant| scope.spawn(move || start(tenant)))
            .collect();
        started
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .map_err(|_| StartError("an embedded issuer failed to start".into()))?
                    .map_err(failed())
            })
            .collect()
    })
}

/// The PACT clients of each tenant's partners.
fn clients(world: &DevWorld, key: &VaultKey) -> Result<BTreeMap<TenantId, Vec<DevClient>>, StartError> {
    let failed = StartError::of("the PACT clients");
    let all = world.tenants.iter();
    let all = all.map(|tenant| Ok((tenant.id, pact::clients(tenant, key).map_err(&failed)?)));
    all.collect()
}

/// What the registry is filled with.
struct Filling<'a> {
    world: &'a DevWorld,
    real: &'a RealConnectors,
    clients: &'a BTreeMap<TenantId, Vec<DevClient>>,
}

/// Puts footprints and secrets into the vault and the rest into the registry, agreements aside. Returns the footprints, for the index.
async fn fill(
    Filling { world, real, clients }: Filling<'_>,
    (base_url, issuers): (&str, &HashMap<TenantId, Issuer>),
    vault: &Vault,
    registry: &RegistryStore,
) -> Result<Vec<Footprint>, StartError> {
    let failed = StartError::of("the development world");
    let (mut worlds, mut footprints) = (Vec::new(), Vec::new());
    for tenant in &world.tenants {
        let (mut made, documents) = tenant
            .world(base_url)
            .map_err(StartError::of("the development world"))?;
        for (footprint, document) in documents {
            let (product, pcf) = (footprint.product.clone(), footprint.id.clone());
            let session = vault.session(tenant.id, SessionScope::ObjectWrite { product, pcf });
            let stored = session
                .put_object(&footprint.product, &footprint.id, document.as_bytes().to_vec())
                .await;
            stored.map_err(&failed)?;
            footprints.push(footprint);
        }
        super::secrets::fill(tenant, issuers, vault).await?;
        pact::fill(&mut made, clients.get(&tenant.id).map_or(&[], Vec::as_slice));
        if let Some(connector) = real.0.get(&tenant.id.0) {
            made.tenant.connector = Some(real_connector(vault, tenant.id, connector).await?);
        }
        worlds.push(made);
    }
    let mut partners = companies::reachable(&world.partners, base_url);
    for partner in &mut partners {
        let real = real.0.get(&partner.bpnl).map(|connector| connector.dsp.clone());
        partner.dsp = real.or(partner.dsp.take());
    }
    registry
        .seed(&worlds, &partners)
        .await
        .map_err(StartError::of("the registry"))?;
    Ok(footprints)
}

/// The agreements of the world that are not on record yet. They are dated relative to the start at which they come on record, and
/// keep these dates: what was agreed does not change.
fn agreements(world: &DevWorld, registry: &RegistryStore, now: Timestamp) -> Result<Vec<NewAgreement>, StartError> {
    let failed = StartError::of("the development world");
    let registry = registry.current();
    let mut agreements = Vec::new();
    for tenant in &world.tenants {
        let Some(known) = registry.tenant(tenant.id) else {
            continue;
        };
        let written = tenant.agreements(known, now).map_err(&failed)?;
        let missing = written
            .into_iter()
            .filter(|agreement| known.agreements.get(&agreement.id).is_none());
        agreements.extend(missing);
    }
    Ok(agreements)
}

/// The agreements on record and those that come on record now, with their texts: the connectors keep theirs in memory only.
async fn all_agreements(registry: &RegistryStore, new: &[NewAgreement]) -> Result<Vec<NewAgreement>, StartError> {
    let failed = StartError::of("the registry");
    let mut all = new.to_vec();
    let current = registry.current();
    for agreement in current.tenants().flat_map(|world| world.agreements.values()) {
        let papers = registry.papers(agreement.provider, &agreement.id).await;
        let papers = papers.map_err(&failed)?;
        all.extend(papers.map(|papers| agreement.with(papers.odrl.into(), papers.claims.map(Into::into))));
    }
    Ok(all)
}

/// The settings of a real connector; its key becomes a secret of the tenant.
async fn real_connector(
    vault: &Vault,
    tenant: TenantId,
    connector: &RealConnector,
) -> Result<ConnectorSettings, StartError> {
    let failed = StartError::of("the connectors' API keys");
    let name: SecretName = REAL_KEY_NAME
        .parse()
        .map_err(StartError::of("the connectors' API keys"))?;
    let secret = match &connector.key {
        None => None,
        Some(key) => {
            let session = vault.session(tenant, SessionScope::SecretWrite { name: name.clone() });
            session
                .put_secret(&name, SecretString::from(key.as_str()))
                .await
                .map_err(failed)?;
            Some(name)
        }
    };
    Ok(ConnectorSettings {
        participant: connector.participant.clone(),
        dsp: connector.dsp.clone(),
        management: connector.management.clone(),
        signaling: connector.signaling.clone(),
        secret,
    })
}

/// The API key of each tenant's connector, which is one of the tenant's secrets.
async fn connector_keys(world: &DevWorld, vault: &Vault) -> Result<BTreeMap<TenantId, SecretString>, StartError> {
    let failed = StartError::of("the connectors' API keys");
    let name: SecretName = KEY_NAME.parse().map_err(StartError::of("the connectors' API keys"))?;
    let mut keys = BTreeMap::new();
    for tenant in &world.tenants {
        let session = vault.session(tenant.id, SessionScope::SecretRead { name: name.clone() });
        keys.insert(tenant.id, session.get_secret(&name).await.map_err(&failed)?);
    }
    Ok(keys)
}

/// Makes a directory only its owner may enter.
fn make_private(directory: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(directory);
    made.map_err(|error| StartError(format!("cannot make `{}`: {error}", directory.display())))
}

/// Writes a file only its owner may read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StartError> {
    use std::os::unix::fs::OpenOptionsExt;
    let failed = |error: std::io::Error| StartError(format!("cannot write `{}`: {error}", path.display()));
    let beside = path.with_extension("json.new");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

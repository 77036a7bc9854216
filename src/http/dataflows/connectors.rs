//! Tenants' connectors, kept as they should be: Tidegate registered as their data plane, the tenant's offers published,
//! and what they agreed to brought on record.
//!
//! Each tenant's connector is tended by itself, many at once ([`Turns`]): one that is down costs no other anything. What fails is
//! tried again, less often each time up to once a minute; how each connector stands is shown in `/readyz` and as a metric. A
//! connector that is down makes Tidegate no less ready.
//!
//! What ended at the connector is read first ([`agreed`](super::agreed)), whatever else is wrong with it: a retirement that is not
//! seen would leave an agreement in force.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use metrics::gauge;
use secrecy::SecretString;

use super::SCOPE;
use super::turns::Turns;
use crate::dataspace::ConnectorState;
use crate::dataspace::management::{Addresses, Change, Kept, Management, ManagementError, Publication, Registration};
use crate::http::{App, Shared};
use crate::ids::{Digest, SecretName, TenantId};
use crate::registry::{ConnectorSettings, Offer, TenantWorld};
use crate::telemetry;
use crate::vault::{CONNECTOR_CLIENT, ClientCredentials, SessionScope};

/// How long after a connector was tended it is tended again, where nothing was wrong.
const ROUND: Duration = Duration::from_secs(5);
/// How often it is looked whose turn it is.
const LOOK: Duration = Duration::from_secs(1);
/// How long tending one connector may take.
const BUDGET: Duration = Duration::from_secs(120);
/// How long a registration and what was published are taken to stand before they are looked at again.
const STANDS: SignedDuration = SignedDuration::from_mins(5);

/// Keeps all connectors as they should be; runs until it is aborted.
pub async fn follow(app: Shared) {
    let mut turns = Turns::new(ROUND);
    let mut look = tokio::time::interval(LOOK);
    let mut seen: HashMap<TenantId, ConnectorSettings> = HashMap::new();
    loop {
        tokio::select! {
            () = turns.over() => {}
            _ = look.tick() => {
                let registry = app.registry.current();
                for world in registry.tenants() {
                    let (tenant, Some(settings)) = (world.tenant.id, &world.tenant.connector) else {
                        continue;
                    };
                    if seen.get(&tenant) != Some(settings) {
                        seen.insert(tenant, settings.clone());
                        turns.forgive(tenant);
                    }
                    if turns.is_due(tenant) {
                        let app = Arc::clone(&app);
                        turns.give(tenant, async move { app.tend(tenant).await });
                    }
                }
            }
        }
    }
}

impl App {
    /// Speaks to the connector of a tenant, where it has one and its key can be had.
    pub(in crate::http) async fn management(&self, world: &TenantWorld) -> Option<Management> {
        let tenant = world.tenant.id;
        let ConnectorSettings {
            participant,
            management,
            signaling,
            secret,
            ..
        } = world.tenant.connector.clone()?;
        let key = match secret {
            Some(name) => match self.secret(tenant, &name).await {
                Some(key) => Some(key),
                None => {
                    tracing::error!(tenant = %tenant, secret = %name, "the key of the connector's management API cannot be read");
                    return None;
                }
            },
            None => None,
        };
        let addresses = Addresses {
            participant,
            management,
            signaling,
        };
        match Management::new(self.dataspace.transport.clone(), addresses, key) {
            Ok(management) => Some(management),
            Err(error) => {
                tracing::error!(tenant = %tenant, error = %error, "the connector cannot be spoken to");
                None
            }
        }
    }

    /// A secret of the tenant's that Tidegate itself needs.
    async fn secret(&self, tenant: TenantId, name: &SecretName) -> Option<SecretString> {
        let session = self
            .vault
            .session(tenant, SessionScope::SecretRead { name: name.clone() });
        session.get_secret(name).await.ok()
    }

    /// Brings a tenant's connector to where it should be, as far as it lets; whether it is there.
    async fn tend(&self, tenant: TenantId) -> bool {
        let (registry, now) = (self.registry.current(), self.clock.now());
        let Some(world) = registry.tenant(tenant) else {
            return true;
        };
        let known = self.dataspace.connectors.state(tenant);
        let mut state = if known.at == world.tenant.connector {
            known
        } else {
            ConnectorState {
                at: world.tenant.connector.clone(),
                ..ConnectorState::default()
            }
        };
        let before = state.problem.take();
        let tended = self.tended(world, &mut state, now).await;
        gauge!(telemetry::CONNECTOR_UP, "tenant" => tenant.to_string()).set(if tended.is_ok() { 1.0 } else { 0.0 });
        if let Err(error) = &tended {
            let problem = error.to_string();
            if before.as_ref() != Some(&problem) {
                tracing::warn!(%tenant, error = %problem, "the connector is not as it should be; it is tried again");
            }
            state.problem = Some(problem);
            // What was settled is looked at anew: the connector may be another one by then, under the same address.
            state.settled = None;
        }
        self.dataspace.connectors.set(tenant, state);
        tended.is_ok()
    }

    /// Does all there is to do at the connector. What fails keeps nothing else from being done, unless the connector is silent.
    ///
    /// # Errors
    /// What failed first.
    async fn tended(
        &self,
        world: &TenantWorld,
        state: &mut ConnectorState,
        now: Timestamp,
    ) -> Result<(), ManagementError> {
        let unreadable = || ManagementError::Address("the connector's settings or its key".into());
        let management = self.management(world).await.ok_or_else(unreadable)?.within(BUDGET);
        let mut failed = Failed::default();
        let retired = failed.note(management.retirements().await).unwrap_or_default();
        self.retire_here(world.tenant.id, &retired, now).await;
        if !failed.silent {
            failed.note(self.settle(world, &management, state, now).await);
        }
        if !failed.silent {
            failed.note(self.agreed(world, &management, state, now).await);
            // What came on record just now may have been retired there before.
            self.retire_here(world.tenant.id, &retired, now).await;
        }
        if !failed.silent {
            failed.note(self.retire_there(world, &management, &retired, state).await);
        }
        failed.first.map_or(Ok(()), Err)
    }

    /// Sees to it that Tidegate is registered and its offers published, where that was not seen to just now.
    async fn settle(
        &self,
        world: &TenantWorld,
        management: &Management,
        state: &mut ConnectorState,
        now: Timestamp,
    ) -> Result<(), ManagementError> {
        let stands = |settled: Timestamp| now.duration_since(settled) <= STANDS;
        let wanted = offers(world);
        if state.published == Some(wanted) && state.settled.is_some_and(stands) {
            return Ok(());
        }
        self.register(world, management).await?;
        self.publish(world, management).await?;
        state.settled = Some(now);
        state.published = Some(wanted);
        Ok(())
    }

    /// Registers Tidegate, where the connector can be told how to get a token; otherwise the connector's operator must.
    async fn register(&self, world: &TenantWorld, management: &Management) -> Result<(), ManagementError> {
        let Some(client) = self.connector_client(world).await else {
            return Ok(());
        };
        let tenant = world.tenant.id;
        let registration = Registration {
            id: &format!("tidegate-{}", tenant.as_str().to_ascii_lowercase()),
            endpoint: &format!("{}/dataflows/{tenant}", self.base_url),
            token_endpoint: &client.token_endpoint,
            client_id: &client.client_id,
            client_secret: &client.client_secret,
        };
        management.register(&registration).await
    }

    async fn connector_client(&self, world: &TenantWorld) -> Option<ClientCredentials> {
        let tenant = world.tenant.id;
        let name: SecretName = CONNECTOR_CLIENT.parse().ok()?;
        let text = self.secret(tenant, &name).await?;
        let client = ClientCredentials::read(&text);
        if client.is_none() {
            tracing::error!(tenant = %tenant, scope = SCOPE, "the secret `{CONNECTOR_CLIENT}` is not `tokenEndpoint`, `clientId` and `clientSecret` as JSON");
        }
        client
    }

    /// Publishes what the tenant offers, and takes out what it does not offer any more.
    async fn publish(&self, world: &TenantWorld, management: &Management) -> Result<(), ManagementError> {
        let tenant = world.tenant.id;
        let tail = format!("/exchange/{tenant}");
        let offered = || {
            let offers = world.offers.values();
            offers.filter_map(|offer| Some((offer, world.assets.get(&offer.asset)?)))
        };
        let kept = Kept {
            offers: offered().map(|(offer, _)| &offer.id).collect(),
            assets: offered().map(|(offer, _)| &offer.asset).collect(),
            endpoint: &tail,
        };
        // First: what must not be negotiated any more matters more than what may be from now on.
        for withdrawn in management.withdraw(&kept).await? {
            tracing::info!(%tenant, %withdrawn, "withdrawn at the connector");
        }
        let endpoint = self.exchange_url(tenant);
        for (offer, asset) in offered() {
            let publication = Publication {
                offer: &offer.id,
                asset: &offer.asset,
                version: asset.version.full(),
                endpoint: &endpoint,
                access: &offer.access_odrl,
                usage: &offer.usage_odrl,
            };
            for published in management.publish(&publication).await? {
                if published.change != Change::Unchanged {
                    tracing::info!(%tenant, %published, "published at the connector");
                }
            }
        }
        Ok(())
    }
}

/// What failed while a connector was tended.
#[derive(Default)]
struct Failed {
    first: Option<ManagementError>,
    /// The connector does not answer, so there is no sense in asking it more.
    silent: bool,
}

impl Failed {
    fn note<T>(&mut self, done: Result<T, ManagementError>) -> Option<T> {
        done.map_err(|error| {
            self.silent |= error.is_silence();
            self.first.get_or_insert(error);
        })
        .ok()
    }
}

/// What makes the offers of a tenant what they are, by its digest.
fn offers(world: &TenantWorld) -> Digest {
    let version = |offer: &Offer| {
        world
            .assets
            .get(&offer.asset)
            .map(|asset| asset.version.full().to_owned())
    };
    let mut all: Vec<_> = world
        .offers
        .values()
        .map(|offer| {
            let terms = (offer.access_terms.digest(), offer.usage_terms.digest());
            format!(
                "{} {} {:?} {} {}\n",
                offer.id,
                offer.asset,
                version(offer),
                terms.0,
                terms.1
            )
        })
        .collect();
    all.sort_unstable();
    Digest::of(all.concat().as_bytes())
}

//! Tenants' connectors, kept as they should be: Tidegate registered as their data plane, the tenant's offers published,
//! and what they agreed to brought on record.
//!
//! One loop goes through all tenants that have a connector. What fails is tried again at the next round, sooner at first; how
//! each connector stands is shown in `/readyz` and as a metric. A connector that is down makes Tidegate no less ready.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use metrics::gauge;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::SCOPE;
use crate::dataspace::ConnectorState;
use crate::dataspace::management::{Addresses, Change, Management, ManagementError, Publication, Registration};
use crate::http::{App, Shared};
use crate::ids::{SecretName, TenantId};
use crate::registry::{Agreement, AgreementState, ConnectorSettings, TenantWorld};
use crate::telemetry;
use crate::vault::SessionScope;

/// How long after a round the next begins.
const ROUND: Duration = Duration::from_secs(5);
/// How long a registration and what was published are taken to stand before they are looked at again.
const STANDS: SignedDuration = SignedDuration::from_mins(5);
/// How far back agreements are asked for again: they are on record at the connector before they are final.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// The tenant's secret that says how the connector gets its token, where it is not the embedded issuer's client.
const CLIENT_SECRET: &str = "connector-client";

/// How the tenant's connector gets the token it must show.
struct ConnectorClient {
    token_endpoint: String,
    client_id: String,
    client_secret: SecretString,
}

/// The same, as the tenant's secret [`CLIENT_SECRET`] says it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    token_endpoint: String,
    client_id: String,
    /// Moved, not copied, into its secret.
    client_secret: String,
}

/// Keeps all connectors as they should be; runs until it is aborted.
pub async fn follow(app: Shared) {
    loop {
        let registry = app.registry.current();
        for world in registry.tenants().filter(|world| world.tenant.connector.is_some()) {
            app.tend(world).await;
        }
        tokio::time::sleep(ROUND).await;
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

    async fn tend(&self, world: &TenantWorld) {
        let (tenant, now) = (world.tenant.id, self.clock.now());
        let of = world.tenant.connector.clone();
        let mut before = self.dataspace.connectors.state(tenant);
        if before.of != of {
            before = ConnectorState {
                of,
                ..ConnectorState::default()
            };
        }
        let tended = self.tended(world, &before, now).await;
        let up = tended.is_ok();
        gauge!(telemetry::CONNECTOR_UP, "tenant" => tenant.to_string()).set(if up { 1.0 } else { 0.0 });
        let state = match tended {
            Ok(state) => state,
            Err(error) => {
                let problem = error.to_string();
                if before.problem.as_ref() != Some(&problem) {
                    tracing::warn!(tenant = %tenant, error = %problem, "the connector is not as it should be; it is tried again");
                }
                ConnectorState {
                    problem: Some(problem),
                    ..before
                }
            }
        };
        self.dataspace.connectors.set(tenant, state);
    }

    async fn tended(
        &self,
        world: &TenantWorld,
        before: &ConnectorState,
        now: Timestamp,
    ) -> Result<ConnectorState, ManagementError> {
        let unreadable = || ManagementError::Address("the connector's settings or its key".into());
        let management = self.management(world).await.ok_or_else(unreadable)?;
        let mut state = ConnectorState {
            problem: None,
            ..before.clone()
        };
        let stands = |settled: Timestamp| now.duration_since(settled) <= STANDS;
        if before.problem.is_some() || !before.settled.is_some_and(stands) {
            state.registered = self.register(world, &management).await?;
            self.publish(world, &management).await?;
            state.settled = Some(now);
        }
        state.followed = Some(self.agreed(world, &management, before.followed, now).await?);
        Ok(state)
    }

    /// Registers Tidegate, where the connector can be told how to get a token; whether that was so.
    async fn register(&self, world: &TenantWorld, management: &Management) -> Result<bool, ManagementError> {
        let Some(client) = self.connector_client(world).await else {
            return Ok(false);
        };
        let tenant = world.tenant.id;
        let registration = Registration {
            id: &format!("tidegate-{}", tenant.as_str().to_ascii_lowercase()),
            endpoint: &format!("{}/dataflows/{tenant}", self.base_url),
            token_endpoint: &client.token_endpoint,
            client_id: &client.client_id,
            client_secret: &client.client_secret,
        };
        management.register(&registration).await?;
        Ok(true)
    }

    async fn connector_client(&self, world: &TenantWorld) -> Option<ConnectorClient> {
        let tenant = world.tenant.id;
        if let Some(issuer) = self.issuers.get(&tenant) {
            let client = world.tenant.identity.connectors.first()?;
            return Some(ConnectorClient {
                token_endpoint: format!("{}/oauth2/token", issuer.settings().issuer),
                client_id: client.to_string(),
                client_secret: issuer.client_secret(client)?.clone(),
            });
        }
        let name: SecretName = CLIENT_SECRET.parse().ok()?;
        let text = self.secret(tenant, &name).await?;
        match serde_json::from_str::<Written>(text.expose_secret()) {
            Ok(written) => Some(ConnectorClient {
                token_endpoint: written.token_endpoint,
                client_id: written.client_id,
                client_secret: SecretString::from(written.client_secret),
            }),
            Err(_) => {
                tracing::error!(tenant = %tenant, scope = SCOPE, "the secret `{CLIENT_SECRET}` is not `tokenEndpoint`, `clientId` and `clientSecret` as JSON");
                None
            }
        }
    }

    async fn publish(&self, world: &TenantWorld, management: &Management) -> Result<(), ManagementError> {
        let endpoint = self.exchange_url(world.tenant.id);
        for offer in world.offers.values() {
            let Some(asset) = world.assets.get(&offer.asset) else {
                continue;
            };
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
                    tracing::info!(tenant = %world.tenant.id, %published, "published at the connector");
                }
            }
        }
        Ok(())
    }

    /// Brings on record what was agreed since, and retires what the connector's operator retired; gives from when on to
    /// ask the next time.
    async fn agreed(
        &self,
        world: &TenantWorld,
        management: &Management,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Timestamp, ManagementError> {
        let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
        let mut open: Option<Timestamp> = None;
        for found in management.agreements_since(since).await? {
            let own =
                found.provider == management.addresses().participant || found.provider == world.tenant.id.as_str();
            if !own || world.agreements.get(&found.id).is_some() {
                continue;
            }
            if !management.is_finalized(&found.id).await? {
                open = Some(open.map_or(found.signed_at, |open| open.min(found.signed_at)));
                continue;
            }
            match self.bring(world, &found, now).await {
                Ok(_) => {
                    tracing::info!(tenant = %world.tenant.id, agreement = %found.id, "an agreement of the connector is on record")
                }
                Err(why) => {
                    tracing::warn!(tenant = %world.tenant.id, agreement = %found.id, why, "an agreement of the connector cannot be brought on record")
                }
            }
        }
        for retirement in management.retirements().await? {
            let agreement = world.agreements.get(&retirement.agreement);
            let Some(agreement) = agreement.filter(|agreement| agreement.state == AgreementState::Active) else {
                continue;
            };
            let retired = Agreement {
                state: AgreementState::Retired,
                ..Agreement::clone(agreement)
            };
            match self.registry.put_agreement(retired).await {
                Ok(_) => {
                    tracing::info!(tenant = %world.tenant.id, agreement = %retirement.agreement, reason = %retirement.reason, "an agreement was retired at the connector")
                }
                Err(error) => {
                    tracing::error!(tenant = %world.tenant.id, error = %error, "a retirement could not be put on record")
                }
            }
        }
        let next = open.unwrap_or(now);
        Ok((next - OVERLAP).max(since))
    }
}

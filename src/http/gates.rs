//! Each tenant's own verifier of tokens, as its identity is on record.
//!
//! A verifier is made once and kept for as long as the identity it was made from stands. Of a tenant that comes onto the platform while
//! this process serves, or whose identity changes, the next request has a new one made.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use super::caller::TenantGate;
use crate::dev::issuer::Issuer;
use crate::facts::jwks_source::JwksClient;
use crate::facts::{ClientKind, JwksSource, KeySet, MachineClient, TenantFacts, TenantVerifier};
use crate::ids::{ClientId, TenantId};
use crate::registry::{Identity, Tenant, TenantWorld};

/// Why a tenant has no verifier.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// Where its keys are cannot be used.
    #[error("the keys of {tenant} (`{place}`): {problem}")]
    Keys {
        /// The tenant.
        tenant: TenantId,
        /// Where they are.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// Its identity is none.
    #[error("the identity of {tenant}: {problem}")]
    Identity {
        /// The tenant.
        tenant: TenantId,
        /// What is wrong.
        problem: String,
    },
}

/// What a verifier is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trusted {
    identity: Identity,
    /// Clients of supplier systems, besides those the identity names.
    systems: BTreeSet<ClientId>,
}

impl Trusted {
    /// Asked at every request, so nothing is copied.
    fn is_of(&self, world: &TenantWorld) -> bool {
        // No client is two systems', so as many of them, all known, are the same.
        self.identity == world.tenant.identity
            && clients(world).count() == self.systems.len()
            && clients(world).all(|client| self.systems.contains(client))
    }
}

fn clients(world: &TenantWorld) -> impl Iterator<Item = &ClientId> {
    world.integrations.values().filter_map(|system| system.client())
}

/// The verifiers of all tenants.
#[derive(Debug)]
pub struct Gates {
    client: JwksClient,
    made: RwLock<HashMap<TenantId, (Trusted, Arc<TenantGate>)>>,
}

impl Gates {
    /// No verifier yet; `client` fetches the keys of those to come.
    pub fn new(client: JwksClient) -> Self {
        let made = RwLock::default();
        Self { client, made }
    }

    /// The verifier of a tenant. The keys are those of its embedded issuer, where it has one.
    ///
    /// # Errors
    /// Its identity, or where its keys are, cannot be used.
    pub fn of(&self, world: &TenantWorld, issuers: &HashMap<TenantId, Issuer>) -> Result<Arc<TenantGate>, GateError> {
        let id = world.tenant.id;
        let known = {
            let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
            match made.get(&id) {
                Some((trusted, gate)) if trusted.is_of(world) => return Ok(Arc::clone(gate)),
                // A supplier system came or went: the keys are where they were, and nobody has to wait until they are fetched again.
                Some((trusted, gate)) if trusted.identity == world.tenant.identity => Some(gate.keys().clone()),
                _ => None,
            }
        };
        let trusted = Trusted {
            identity: world.tenant.identity.clone(),
            systems: clients(world).cloned().collect(),
        };
        let keys = known.map_or_else(|| self.keys(&world.tenant, issuers), Ok)?;
        let gate = Arc::new(make(&world.tenant, &trusted.systems, keys)?);
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        made.insert(id, (trusted, Arc::clone(&gate)));
        Ok(gate)
    }

    fn keys(&self, tenant: &Tenant, issuers: &HashMap<TenantId, Issuer>) -> Result<JwksSource, GateError> {
        let failed = |problem: String| GateError::Keys {
            tenant: tenant.id,
            place: tenant.identity.jwks.clone(),
            problem,
        };
        let keys = match issuers.get(&tenant.id) {
            Some(issuer) => issuer.keys().map(JwksSource::fixed).map_err(|error| error.to_string()),
            None => self.source(&tenant.identity.jwks),
        };
        keys.map_err(failed)
    }

    fn source(&self, place: &str) -> Result<JwksSource, String> {
        if place.starts_with("https://") {
            return JwksSource::https(place, &self.client).map_err(|error| error.to_string());
        }
        let text = std::fs::read_to_string(place).map_err(|error| error.to_string())?;
        let keys = KeySet::parse(&text).map_err(|error| error.to_string())?;
        Ok(JwksSource::fixed(keys))
    }
}

fn make(tenant: &Tenant, systems: &BTreeSet<ClientId>, keys: JwksSource) -> Result<TenantGate, GateError> {
    // The keys a verifier is made with are replaced by those of its source before it verifies anything.
    let verifier =
        TenantVerifier::new(facts(tenant, systems), KeySet::empty()).map_err(|error| GateError::Identity {
            tenant: tenant.id,
            problem: error.to_string(),
        })?;
    Ok(TenantGate::new(verifier, keys))
}

fn facts(tenant: &Tenant, systems: &BTreeSet<ClientId>) -> TenantFacts {
    let machine = |kind| MachineClient { kind, not_before: None };
    let identity = &tenant.identity;
    let connectors = identity
        .connectors
        .iter()
        .map(|client| (client.clone(), machine(ClientKind::Connector)));
    let integrations = identity
        .integrations
        .union(systems)
        .map(|client| (client.clone(), machine(ClientKind::Integration)));
    TenantFacts {
        tenant: tenant.id,
        issuer: identity.issuer.clone(),
        resource_server: identity.resource_server.clone(),
        machines: connectors.chain(integrations).collect::<BTreeMap<_, _>>(),
        user_clients: identity.user_clients.clone(),
        groups: identity.groups,
        denied: BTreeSet::new(),
        not_before: identity.not_before,
    }
}

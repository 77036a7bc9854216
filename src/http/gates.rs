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
use crate::ids::TenantId;
use crate::registry::{Identity, Tenant};

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

/// The verifiers of all tenants.
#[derive(Debug)]
pub struct Gates {
    client: JwksClient,
    made: RwLock<HashMap<TenantId, (Identity, Arc<TenantGate>)>>,
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
    pub fn of(&self, tenant: &Tenant, issuers: &HashMap<TenantId, Issuer>) -> Result<Arc<TenantGate>, GateError> {
        let known = {
            let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
            let same = made
                .get(&tenant.id)
                .filter(|(identity, _)| *identity == tenant.identity);
            same.map(|(_, gate)| Arc::clone(gate))
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let gate = Arc::new(self.make(tenant, issuers)?);
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        made.insert(tenant.id, (tenant.identity.clone(), Arc::clone(&gate)));
        Ok(gate)
    }

    fn make(&self, tenant: &Tenant, issuers: &HashMap<TenantId, Issuer>) -> Result<TenantGate, GateError> {
        let failed = |problem: String| GateError::Keys {
            tenant: tenant.id,
            place: tenant.identity.jwks.clone(),
            problem,
        };
        let keys = match issuers.get(&tenant.id) {
            Some(issuer) => issuer.keys().map(JwksSource::fixed).map_err(|error| error.to_string()),
            None => self.source(&tenant.identity.jwks),
        };
        let keys = keys.map_err(failed)?;
        // The keys a verifier is made with are replaced by those of its source before it verifies anything.
        let verifier = TenantVerifier::new(facts(tenant), KeySet::empty()).map_err(|error| GateError::Identity {
            tenant: tenant.id,
            problem: error.to_string(),
        })?;
        Ok(TenantGate::new(verifier, keys))
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

fn facts(tenant: &Tenant) -> TenantFacts {
    let machine = |kind| MachineClient { kind, not_before: None };
    let identity = &tenant.identity;
    let connectors = identity
        .connectors
        .iter()
        .map(|client| (client.clone(), machine(ClientKind::Connector)));
    let integrations = identity
        .integrations
        .iter()
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

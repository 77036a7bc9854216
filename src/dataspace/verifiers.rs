//! Each tenant's own verifier of the tokens of its data flows, made when it is first asked for.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::facts::edr::{EdrError, EdrKeys, EdrVerifier};
use crate::ids::TenantId;

/// The verifiers of all tenants.
#[derive(Debug)]
pub struct EdrVerifiers {
    base_url: String,
    made: RwLock<HashMap<TenantId, Arc<EdrVerifier>>>,
}

impl EdrVerifiers {
    /// No verifier yet; tenants' endpoints are below `base_url`.
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            made: RwLock::default(),
        }
    }

    /// The verifier of a tenant that is on the platform, at its endpoint.
    ///
    /// # Errors
    /// A key cannot be derived.
    pub fn of(&self, tenant: TenantId, keys: &EdrKeys) -> Result<Arc<EdrVerifier>, EdrError> {
        let known = {
            let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
            made.get(&tenant).cloned()
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let endpoint = format!("{}/exchange/{tenant}", self.base_url);
        let verifier = Arc::new(keys.verifier(tenant, &endpoint)?);
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        made.insert(tenant, Arc::clone(&verifier));
        Ok(verifier)
    }
}

//! How tenants' connectors stand, for the operator.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;

use crate::ids::TenantId;
use crate::registry::ConnectorSettings;

/// How one connector stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorState {
    /// The connector that was looked at; of another nothing is known yet.
    pub of: Option<ConnectorSettings>,
    /// When it was last found registered and published to.
    pub settled: Option<Timestamp>,
    /// Whether Tidegate registered itself there; otherwise the connector's operator must.
    pub registered: bool,
    /// From when on agreements are asked for the next time.
    pub followed: Option<Timestamp>,
    /// What is wrong.
    pub problem: Option<String>,
}

/// How all connectors stand. Forgotten with the process: everything is looked at again after a start.
#[derive(Debug, Default)]
pub struct Connectors(RwLock<BTreeMap<TenantId, ConnectorState>>);

impl Connectors {
    /// How the connector of `tenant` stands.
    pub fn state(&self, tenant: TenantId) -> ConnectorState {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&tenant).cloned().unwrap_or_default()
    }

    /// Notes how the connector of `tenant` stands.
    pub fn set(&self, tenant: TenantId, state: ConnectorState) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(tenant, state);
    }

    /// How all connectors that were looked at stand.
    pub fn all(&self) -> BTreeMap<TenantId, ConnectorState> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

//! The data space as the tenant's own connector brings it: data flows, agreements, and what partners handed out in turn.
//!
//! A connector has two planes. Its control plane finds partners, negotiates contracts and starts transfers; a data plane moves
//! the data. Tidegate is a tenant's data plane: the control plane tells it to start, suspend and end data flows
//! ([`signaling`], the Data Plane Signaling Protocol), Tidegate decides and hands out a token for each
//! ([`facts::edr`](crate::facts::edr)), and the partner comes with that token to the exchange endpoint. What is going on is
//! kept in the [`flow::FlowStore`].
//!
//! Nothing here decides. A flow that is started says that the control plane wanted it and that policy permitted it *then*;
//! what it is worth at the next request is decided at the next request.

pub mod claims;
pub mod flow;
pub mod management;
pub mod signaling;
mod state;
mod verifiers;

pub use state::{ConnectorState, Connectors, Postponed, Waiting};
pub use verifiers::EdrVerifiers;

use std::sync::Arc;

use crate::facts::did::DidClient;
use crate::facts::edr::EdrKeys;
use crate::vault::Seal;

/// What a service holds of the data space.
#[derive(Debug)]
pub struct Dataspace {
    /// Makes tokens.
    pub keys: EdrKeys,
    /// Each tenant's own verifier of them.
    pub verifiers: EdrVerifiers,
    /// What is going on.
    pub flows: flow::FlowStore,
    /// Seals what partners handed out.
    pub seal: Arc<Seal>,
    /// Reaches connectors.
    pub transport: management::Transport,
    /// Fetches partners' DID documents.
    pub dids: DidClient,
    /// How they stand.
    pub connectors: Connectors,
}

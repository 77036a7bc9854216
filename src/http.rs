//! The service over HTTP: one flat table of routes, and the rim around them.
//!
//! Every request takes the same way: [`observe`] gives it an id, a deadline and its one log line; [`path`] settles the form of
//! the path before anything is routed; the handler of its [`routes::Route`] authenticates, asks the
//! [`Gate`] and answers. Whatever goes wrong leaves as a [`problem::Problem`].
//!
//! URLs are never built from the `Host` header. It is read for one thing: on `{bpnl}.<base>` it names the tenant, exactly as
//! the path does on the shared host, and the tenant it names still picks the one verifier its tokens must satisfy.

pub mod access;
pub mod agreements;
pub mod caller;
pub mod credentials;
pub mod dataflows;
mod decided;
pub mod deliveries;
pub mod dev_connector;
pub mod dev_issuer;
pub mod exchange;
pub mod fetching;
pub mod footprints;
pub mod gates;
pub mod ingest;
pub mod ledger;
pub mod observe;
pub mod openapi;
pub mod operations;
mod pact;
pub mod path;
pub mod problem;
pub mod reload;
mod road;
pub mod routes;
pub mod server;
pub mod standby;
pub mod tls;
pub mod twins;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderName;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;

use crate::agreements::{Book, Upkeep};
use crate::clock::Clock;
use crate::dataspace::Dataspace;
use crate::decide::Gate;
use crate::dev::connector::Connector;
use crate::dev::issuer::Issuer;
use crate::ids::{Bpnl, TenantId};
use crate::ledger::Readers;
use crate::ledger::witness::Witnesses;
use crate::pcf::{Carrier, Hosts, Models, PcfStore};
use crate::pull::Fetching;
use crate::registry::store::RegistryStore;
use crate::vault::Vault;

/// Bounds on what one request may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body, footprint documents aside.
    pub body: usize,
    /// Time from the first byte to the answer.
    pub request: Duration,
    /// Time for the headers to arrive.
    pub headers: Duration,
    /// Connections at once.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 64 * 1024,
            request: Duration::from_secs(10),
            headers: Duration::from_secs(5),
            connections: 4096,
        }
    }
}

/// Everything a handler may reach.
#[derive(Debug)]
pub struct App {
    /// Decides and records.
    pub gate: Gate,
    /// Reads what was recorded.
    pub logs: Readers,
    /// What the platform knows.
    pub registry: RegistryStore,
    /// What becomes of agreements.
    pub agreements: Book,
    /// Who cosigns the ledger's checkpoints, where anyone does.
    pub witnesses: Option<Witnesses>,
    /// How often what is to be done by itself is done.
    pub upkeep: Upkeep,
    /// Each tenant's own verifier.
    pub gates: gates::Gates,
    /// Secrets and objects.
    pub vault: Vault,
    /// Requests, received footprints, and what is to be delivered.
    pub pcf: PcfStore,
    /// The schemas footprints are held against.
    pub models: Arc<Models>,
    /// What is fetched from suppliers' systems.
    pub fetching: Fetching,
    /// Sends to partners.
    pub carrier: Carrier,
    /// Partners' PACT hosts.
    pub hosts: Hosts,
    /// Data flows, their tokens, and the tenants' connectors.
    pub dataspace: Dataspace,
    /// The time.
    pub clock: Clock,
    /// The domain below which each tenant has its own host, where there is one.
    pub base_host: Option<String>,
    /// The address people and programs reach this service under; never taken from a request.
    pub base_url: String,
    /// Where a load balancer puts the certificate of a client, where there is one that does. Nothing else is believed of it.
    pub certificate_header: Option<HeaderName>,
    /// Bounds.
    pub limits: Limits,
    /// As many places as batches may be taken in at once.
    pub batches: Semaphore,
    /// Renders `/metrics`.
    pub metrics: PrometheusHandle,
    /// The embedded issuers of dev mode; empty otherwise.
    pub issuers: HashMap<TenantId, Issuer>,
    /// The dev connectors of dev mode, by the company each speaks for; empty otherwise.
    pub connectors: HashMap<Bpnl, Connector>,
}

/// What handlers share.
pub type Shared = Arc<App>;

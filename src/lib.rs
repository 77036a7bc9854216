//! Tidegate decides who may touch what on a multi-tenant exchange of Product Carbon Footprints.
//!
//! # One decision
//!
//! ```text
//! request -> authenticated facts -> question -> decision (cedar AND iam) -> ledger -> response
//! ```
//!
//! 1. The route names a tenant; the tenant's own verifier turns a token into [`facts`]. Nothing after it sees a token.
//! 2. Facts and the [`registry`] become a [`question`]: principal, action, resource, context with the time, and the entities a
//!    policy can reach. It is frozen, canonical and has a digest.
//! 3. The [`engine`] asks both layers under the [`bundle`] in force: [`cedar`], with the policies of the platform and those
//!    compiled from the [`contract`], and [`iam`], with the documents of the tenant's role. Both must allow.
//! 4. The [`ledger`] makes the decision durable. Only then does [`decide`] give a `Recorded`, from which alone an answer, or a
//!    session of the [`vault`] for whoever asked, can be made.
//!
//! `docs/ARCHITECTURE.md` has the map, the invariants and fourteen operations walked end to end.

pub mod agreements;
mod answer;
pub mod assemble;
#[cfg(feature = "aws")]
pub mod aws;
pub mod bundle;
mod causes;
pub mod cedar;
pub mod cli;
pub mod clock;
pub mod config;
pub mod contract;
pub mod database;
pub mod dataspace;
pub mod decide;
pub mod decision;
pub mod dev;
pub mod engine;
pub mod facts;
pub mod groups;
pub mod http;
pub mod iam;
pub mod ids;
pub mod ingest;
pub mod intake;
pub mod json;
pub mod ledger;
mod pace;
pub mod parity;
pub mod pcf;
pub mod peer;
pub mod pull;
pub mod question;
pub mod registry;
pub mod shadow;
pub mod shell;
pub mod telemetry;
pub mod tenant;
pub mod twin;
pub mod vault;

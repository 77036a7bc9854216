//! Tidegate.

pub mod assemble;
pub mod bundle;
pub mod cedar;
pub mod cli;
pub mod clock;
pub mod config;
pub mod contract;
pub mod decide;
pub mod decision;
pub mod dev;
pub mod engine;
pub mod facts;
pub mod http;
pub mod iam;
pub mod ids;
pub mod ingest;
pub mod json;
pub mod ledger;
pub mod parity;
pub mod question;
pub mod registry;
pub mod telemetry;
pub mod vault;

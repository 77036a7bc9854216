//! Tidegate.

pub mod bundle;
pub mod cedar;
pub mod clock;
pub mod contract;
pub mod decision;
pub mod dev;
pub mod engine;
pub mod facts;
pub mod iam;
pub mod ids;
pub mod ingest;
pub mod json;
pub mod ledger;
pub mod parity;
pub mod question;
pub mod registry;

//! Tidegate.

pub mod cedar;
pub mod clock;
pub mod contract;
pub mod decision;
pub mod dev;
pub mod facts;
pub mod ids;
pub mod ingest;
pub mod json;
pub mod question;
pub mod registry;

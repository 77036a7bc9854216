//! Dev mode: what `tidegate serve --dev` puts in the place of the cloud.
//!
//! Nothing here is used, or can be reached, by a service that is not in dev mode.

pub mod companies;
pub mod connector;
pub mod issuer;
mod manifest;
mod pact;
mod secrets;
pub mod start;
pub mod world;

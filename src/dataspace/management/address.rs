//! Where a started transfer's data is, asked of the connector itself.
//!
//! EDC up to 0.17, and Tractus-X, tell a consumer's data plane nothing of where to fetch. They keep what the provider handed out in a
//! store of their own (`edr-cache-api`), from which it is fetched. Tractus-X renews the token on the way, if asked to.

use reqwest::Method;
use serde_json::Value;

use super::request::Again;
use super::{Management, ManagementError};
use crate::dataspace::signaling::DataAddress;
use crate::ids::FlowId;

/// What the connector's store has for a transfer.
#[derive(Debug)]
pub enum Handed {
    /// The address.
    At(DataAddress),
    /// Nothing yet.
    NotYet,
    /// It has no such store.
    NoStore,
}

impl Management {
    /// The address that was handed out for a transfer, renewed where the connector does that.
    ///
    /// # Errors
    /// See [`ManagementError`].
    pub async fn handed(&self, flow: &FlowId) -> Result<Handed, ManagementError> {
        let path = format!("/edrs/{flow}/dataaddress?auto_refresh=true");
        match self.call(Method::GET, &path, None, Again::Yes).await {
            Ok(answer) => {
                let address = DataAddress::flat(&answer);
                let unreadable =
                    || ManagementError::unreadable("GET /edrs", "it has no `endpoint` or no `authorization`");
                address.map(Handed::At).ok_or_else(unreadable)
            }
            // EDC says of a thing that is not there what it is; of a path that it does not know, its web server says something else.
            Err(ManagementError::Refused { status: 404, said, .. }) if is_of_the_store(&said) => Ok(Handed::NotYet),
            Err(error) if error.is_unknown_there() => Ok(Handed::NoStore),
            Err(error) => Err(error),
        }
    }
}

fn is_of_the_store(said: &str) -> bool {
    match serde_json::from_str::<Value>(said) {
        Ok(Value::Array(faults)) => faults.iter().any(|fault| fault.get("type").is_some()),
        // Cut off where it is long.
        _ => said.starts_with('[') && said.contains("ObjectNotFound"),
    }
}

//! What partners handed out to a tenant: addresses with tokens, for whoever fetches from them or delivers to them.
//!
//! Each is a secret of the tenant, encrypted by the vault and reached through a session for that one secret alone.

use secrecy::{ExposeSecret as _, SecretString};

use crate::dataspace::flow::Flow;
use crate::dataspace::signaling::DataAddress;
use crate::http::App;
use crate::http::problem::{Kind, Problem};
use crate::ids::{Digest, FlowId, SecretName, TenantId};
use crate::vault::SessionScope;

/// What is put in the place of an address that is of no more use. The vault keeps the value before too, so it is put twice.
const NOTHING: &str = "{}";

impl App {
    /// The address a partner handed out for a flow, while the flow is started.
    pub async fn received(&self, tenant: TenantId, id: &FlowId) -> Option<DataAddress> {
        self.dataspace.flows.started(tenant, id)?;
        let name = name(id)?;
        let session = self
            .vault
            .session(tenant, SessionScope::SecretRead { name: name.clone() });
        let text = session.get_secret(&name).await.ok()?;
        serde_json::from_str(text.expose_secret()).ok()
    }

    /// Keeps the address a partner handed out.
    pub(in crate::http) async fn keep_received(&self, flow: &Flow, address: &DataAddress) -> Result<(), Problem> {
        if address.endpoint().is_none() || address.get("authorization").is_none() {
            return Err(Problem::with(
                Kind::Body,
                "`dataAddress` has no `endpoint` or no `authorization`",
            ));
        }
        let text = SecretString::from(serde_json::to_string(address).unwrap_or_default());
        self.put(flow, text).await.map_err(|error| {
            tracing::error!(tenant = %flow.tenant, flow = %flow.id, error = %error, "an address that was handed out could not be kept");
            Problem::new(Kind::Internal)
        })
    }

    /// Forgets the address of a flow that is over.
    pub(super) async fn drop_received(&self, flow: &Flow) {
        let kept = match name(&flow.id) {
            Some(name) => {
                let held = self
                    .vault
                    .session(flow.tenant, SessionScope::SecretRead { name: name.clone() });
                held.secret_suffix(&name).await.is_ok()
            }
            None => false,
        };
        for _ in 0..if kept { 2 } else { 0 } {
            if let Err(error) = self.put(flow, SecretString::from(NOTHING)).await {
                tracing::warn!(tenant = %flow.tenant, flow = %flow.id, error = %error, "an address of a flow that is over could not be forgotten");
            }
        }
    }

    async fn put(&self, flow: &Flow, text: SecretString) -> Result<(), crate::vault::VaultError> {
        let Some(name) = name(&flow.id) else { return Ok(()) };
        let session = self
            .vault
            .session(flow.tenant, SessionScope::SecretWrite { name: name.clone() });
        session.put_secret(&name, text).await
    }
}

/// The secret's name: a digest, for a flow's id may have characters a secret's name has not.
fn name(id: &FlowId) -> Option<SecretName> {
    let digest = hex::encode(Digest::of(id.as_str().as_bytes()).as_bytes());
    format!("edr-{}", digest.get(..40)?).parse().ok()
}

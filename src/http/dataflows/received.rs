//! What partners handed out to a tenant: addresses with tokens, for whoever fetches from them or delivers to them.
//!
//! Each is sealed as the address of that one flow of that tenant and kept with the flow, until the flow is over. It is no secret of the
//! vault: such are made when a company comes onto the platform, and what a session may reach is known by its name.

use secrecy::{ExposeSecret as _, SecretString};

use crate::dataspace::flow::Flow;
use crate::dataspace::signaling::DataAddress;
use crate::http::App;
use crate::http::problem::{Kind, Problem};
use crate::ids::{FlowId, TenantId};

impl App {
    /// The address a partner handed out for a flow, while the flow is started.
    pub async fn received(&self, tenant: TenantId, id: &FlowId) -> Option<DataAddress> {
        self.dataspace.flows.started(tenant, id)?;
        let unread = |error: &dyn std::fmt::Display| {
            tracing::error!(%tenant, flow = %id, %error, "an address that was handed out could not be read");
        };
        let sealed = self.dataspace.flows.address(tenant, id).await;
        let sealed = sealed.inspect_err(|error| unread(error)).ok()??;
        let text = self.dataspace.seal.open(&name(tenant, id), &sealed);
        let text = text.inspect_err(|error| unread(error)).ok()?;
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
        let unkept = |error: &dyn std::fmt::Display| {
            tracing::error!(tenant = %flow.tenant, flow = %flow.id, %error, "an address that was handed out could not be kept");
            Problem::new(Kind::Internal)
        };
        let text = serde_json::to_string(address).map_err(|error| unkept(&error))?;
        let sealed = self
            .dataspace
            .seal
            .seal(&name(flow.tenant, &flow.id), &SecretString::from(text));
        let sealed = sealed.map_err(|error| unkept(&error))?;
        let kept = self.dataspace.flows.keep_address(flow.tenant, &flow.id, &sealed).await;
        kept.map_err(|error| unkept(&error))
    }
}

/// What an address is sealed as. A tenant's number has one length, so that no two flows' names are one.
fn name(tenant: TenantId, id: &FlowId) -> String {
    format!("address v1/{tenant}/{id}")
}

//! Withdrawing: what a tenant no longer offers, taken out of its connector, so that nobody can negotiate it.
//!
//! Only what Tidegate made is touched. A contract definition is Tidegate's where its policies have the ids Tidegate gives them
//! (`{offer}-access`, `{offer}-usage`), it selects one asset, and that asset leads to the tenant's own exchange endpoint. An operator's
//! own definitions have neither, and stay. The definition goes first: without it nothing is offered, whatever becomes of the rest.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use super::agreements::text;
use super::publish::{Change, Published, policies};
use super::request::Again;
use super::{Management, ManagementError};
use crate::ids::{AssetId, OfferId};

/// How many definitions are asked for at once, and in how many pages at most.
const PAGE: usize = 100;
const MAX_PAGES: usize = 100;

/// What is to stay of what Tidegate published.
#[derive(Clone, Debug, Default)]
pub struct Kept<'a> {
    /// The offers.
    pub offers: BTreeSet<&'a OfferId>,
    /// What they are about.
    pub assets: BTreeSet<&'a AssetId>,
    /// The end of the address of the tenant's exchange endpoint: the part that does not change with the service's own address.
    pub endpoint: &'a str,
}

/// A definition that Tidegate may have made.
struct Definition {
    offer: OfferId,
    asset: AssetId,
}

impl Management {
    /// Takes out of the connector what Tidegate published and does not publish any more. Policies and assets go where the connector
    /// lets them: it keeps what something else there still needs.
    ///
    /// # Errors
    /// See [`ManagementError`]; what was taken out before stays out.
    pub async fn withdraw(&self, kept: &Kept<'_>) -> Result<Vec<Published>, ManagementError> {
        let mut gone = Vec::new();
        for definition in self.definitions().await? {
            let Definition { offer, asset } = &definition;
            if kept.offers.contains(offer) || !self.leads_to(asset, kept.endpoint).await? {
                continue;
            }
            self.delete("contractdefinitions", offer.as_str(), &mut gone).await?;
            for policy in policies(offer) {
                self.delete("policydefinitions", &policy, &mut gone).await?;
            }
            if !kept.assets.contains(asset) {
                self.delete("assets", asset.as_str(), &mut gone).await?;
            }
        }
        Ok(gone)
    }

    /// The definitions that may be Tidegate's. They are all read before one is taken out, for that would move the pages.
    async fn definitions(&self) -> Result<Vec<Definition>, ManagementError> {
        let list = "/contractdefinitions/request";
        let Some((found, whole)) = self.all(list, (MAX_PAGES, PAGE), ("id", "ASC"), definition).await? else {
            return Ok(Vec::new());
        };
        if !whole {
            tracing::warn!(connector = %self.addresses.management, "the connector has more contract definitions than are looked through for withdrawn ones");
        }
        Ok(found)
    }

    /// Whether an asset there leads to an address that ends so.
    async fn leads_to(&self, asset: &AssetId, end: &str) -> Result<bool, ManagementError> {
        let found = self.get(&format!("/assets/{asset}")).await?;
        let address = found.as_ref().and_then(|asset| asset.get("dataAddress"));
        let base = address.and_then(|address| text(address, "baseUrl"));
        Ok(base.is_some_and(|base| base.ends_with(end)))
    }

    async fn delete(&self, kind: &'static str, id: &str, gone: &mut Vec<Published>) -> Result<(), ManagementError> {
        match self
            .call(Method::DELETE, &format!("/{kind}/{id}"), None, Again::Yes)
            .await
        {
            Ok(_) => gone.push(Published {
                kind,
                id: id.to_owned(),
                change: Change::Withdrawn,
            }),
            // It is gone; or, for what is not itself an offer, something else needs it.
            Err(ManagementError::Refused { status: 404, .. }) => {}
            Err(ManagementError::Refused { status: 409, .. }) if kind != "contractdefinitions" => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// A definition with the policies' ids that Tidegate gives, and one asset.
fn definition(value: &Value) -> Option<Definition> {
    let offer: OfferId = text(value, "@id")?.parse().ok()?;
    let named = ["accessPolicyId", "contractPolicyId"].map(|name| text(value, name));
    if named != policies(&offer).each_ref().map(|id| Some(id.as_str())) {
        return None;
    }
    let criterion = match value.get("assetsSelector")? {
        Value::Array(items) if items.len() == 1 => items.first()?,
        one @ Value::Object(_) => one,
        _ => return None,
    };
    let asset = text(criterion, "operandRight")?.parse().ok()?;
    Some(Definition { offer, asset })
}

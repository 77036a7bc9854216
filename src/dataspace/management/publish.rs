//! Publishing: what a tenant offers, put into its connector.
//!
//! An offer of the registry becomes an asset, two policy definitions and a contract definition there. What is already as it
//! should be is left alone: policies are compared by what they mean, everything else by the members Tidegate sets. What is no
//! longer offered is taken out again ([`withdraw`](super::Management::withdraw)).

use std::fmt;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::odrl::for_connector;
use super::request::Again;
use super::{Management, ManagementError};
use crate::contract::Terms;
use crate::dataspace::signaling::address::EDC;
use crate::ids::{AssetId, OfferId};

const TYPE: &str = "http://purl.org/dc/terms/type";
const VERSION: &str = "https://w3id.org/catenax/ontology/common#version";
const PCF_EXCHANGE: &str = "https://w3id.org/catenax/taxonomy#PcfExchange";

/// What a tenant offers.
#[derive(Clone, Debug)]
pub struct Publication<'a> {
    /// The offer; its definitions have ids made of it.
    pub offer: &'a OfferId,
    /// The asset.
    pub asset: &'a AssetId,
    /// The version of the asset (`cx-common:version`).
    pub version: &'a str,
    /// The exchange endpoint behind it.
    pub endpoint: &'a str,
    /// The ODRL of its access policy.
    pub access: &'a str,
    /// The ODRL of its usage policy.
    pub usage: &'a str,
}

/// What became of one definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Created,
    /// It was otherwise.
    Updated,
    /// It was as it should be.
    Unchanged,
    /// It was there and is no longer to be.
    Withdrawn,
}

/// One definition of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The kind, as in the path of the API.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// What became of it.
    pub change: Change,
}

impl fmt::Display for Published {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, id, change } = self;
        let change = match change {
            Change::Created => "created",
            Change::Updated => "updated",
            Change::Unchanged => "unchanged",
            Change::Withdrawn => "withdrawn",
        };
        write!(formatter, "{kind}/{id} {change}")
    }
}

/// The ids of an offer's access policy and of its usage policy at the connector.
pub(super) fn policies(offer: &OfferId) -> [String; 2] {
    ["access", "usage"].map(|kind| format!("{offer}-{kind}"))
}

impl Management {
    /// Makes the connector offer what `publication` says. Can be done again and again.
    ///
    /// # Errors
    /// See [`ManagementError`]; what was done before stays.
    pub async fn publish(&self, publication: &Publication<'_>) -> Result<Vec<Published>, ManagementError> {
        let [access, usage] = policies(publication.offer);
        Ok(vec![
            self.put("assets", publication.asset.as_str(), self.asset(publication), has_all)
                .await?,
            self.put(
                "policydefinitions",
                &access,
                self.policy(&access, publication.access)?,
                means_the_same,
            )
            .await?,
            self.put(
                "policydefinitions",
                &usage,
                self.policy(&usage, publication.usage)?,
                means_the_same,
            )
            .await?,
            self.put(
                "contractdefinitions",
                publication.offer.as_str(),
                self.definition(publication, &access, &usage),
                same_definition,
            )
            .await?,
        ])
    }

    async fn put(
        &self,
        kind: &'static str,
        id: &str,
        wanted: Value,
        fits: fn(&Value, &Value) -> bool,
    ) -> Result<Published, ManagementError> {
        let found = self.get(&format!("/{kind}/{id}")).await?;
        let change = match found {
            Some(found) if fits(&wanted, &found) => Change::Unchanged,
            Some(_) => {
                // The API names the definition to change in the path for policies, and in the body for the others.
                let path = if kind == "policydefinitions" {
                    format!("/{kind}/{id}")
                } else {
                    format!("/{kind}")
                };
                self.call(Method::PUT, &path, Some(wanted), Again::Yes).await?;
                Change::Updated
            }
            None => {
                self.call(Method::POST, &format!("/{kind}"), Some(wanted), Again::No)
                    .await?;
                Change::Created
            }
        };
        let id = id.to_owned();
        Ok(Published { kind, id, change })
    }

    fn asset(&self, publication: &Publication<'_>) -> Value {
        json!({
            "@context": self.context(), "@type": "Asset", "@id": publication.asset,
            "properties": { TYPE: { "@id": PCF_EXCHANGE }, VERSION: publication.version },
            "dataAddress": {
                "@type": "DataAddress", "type": "HttpData", "baseUrl": publication.endpoint,
                "proxyPath": "true", "proxyBody": "true", "proxyMethod": "true", "proxyQueryParams": "true",
            },
        })
    }

    fn policy(&self, id: &str, odrl: &str) -> Result<Value, ManagementError> {
        let policy = for_connector(odrl).map_err(|error| ManagementError::unreadable("the offer's policy", error))?;
        Ok(json!({ "@context": self.policy_context(), "@type": "PolicyDefinition", "@id": id, "policy": policy }))
    }

    fn definition(&self, publication: &Publication<'_>, access: &str, usage: &str) -> Value {
        json!({
            "@context": self.context(), "@type": "ContractDefinition", "@id": publication.offer,
            "accessPolicyId": access, "contractPolicyId": usage,
            "assetsSelector": [{
                "@type": "Criterion", "operandLeft": format!("{EDC}id"), "operator": "=", "operandRight": publication.asset,
            }],
        })
    }
}

/// Whether an asset there has every property and every member of the address that is wanted.
fn has_all(wanted: &Value, found: &Value) -> bool {
    let has = |part: &str| match (
        wanted.get(part).and_then(Value::as_object),
        found.get(part).and_then(Value::as_object),
    ) {
        (Some(wanted), Some(found)) => wanted
            .iter()
            .all(|(name, value)| looked_up(found, name) == Some(plain(value))),
        _ => false,
    };
    has("properties") && has("dataAddress")
}

/// A member under its IRI, or under the prefixed name a connector may have made of it.
fn looked_up(found: &Map<String, Value>, name: &str) -> Option<String> {
    let prefixed = match name {
        TYPE => "dct:type",
        VERSION => "cx-common:version",
        other => other,
    };
    let value = found.get(name).or_else(|| found.get(prefixed))?;
    Some(plain(value))
}

/// The text of a value, whether it stands so or as the id of something, with the taxonomy's prefix written out.
fn plain(value: &Value) -> String {
    let value = value.get("@id").unwrap_or(value);
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.replace("cx-taxo:", "https://w3id.org/catenax/taxonomy#")
}

fn means_the_same(wanted: &Value, found: &Value) -> bool {
    let digest = |definition: &Value| {
        let mut policy = definition.get("policy")?.clone();
        if let (Some(members), Some(context)) = (policy.as_object_mut(), definition.get("@context")) {
            members.entry("@context").or_insert_with(|| context.clone());
        }
        Terms::from_odrl(&policy.to_string()).ok().map(|terms| terms.digest())
    };
    matches!((digest(wanted), digest(found)), (Some(wanted), Some(found)) if wanted == found)
}

fn same_definition(wanted: &Value, found: &Value) -> bool {
    let selector = |definition: &Value| {
        let all = definition.get("assetsSelector").cloned().unwrap_or_default();
        let one = if let Value::Array(mut items) = all {
            if items.len() == 1 { items.pop() } else { None }
        } else {
            Some(all)
        };
        one.and_then(|one| Some((one.get("operator")?.clone(), one.get("operandRight")?.clone())))
    };
    ["accessPolicyId", "contractPolicyId"]
        .iter()
        .all(|name| wanted.get(name) == found.get(name))
        && selector(wanted).is_some()
        && selector(wanted) == selector(found)
}

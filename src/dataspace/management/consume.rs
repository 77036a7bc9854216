//! The other role: the tenant's connector asks a partner's for what the tenant needs.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::agreements::{member, text};
use super::request::{Again, pause};
use super::{Management, ManagementError};
use crate::ids::{AgreementId, AssetId, FlowId};

/// The protocol connectors speak to each other.
const PROTOCOL: &str = "dataspace-protocol-http:2025-1";
/// The end of the type of an asset behind which footprints are exchanged; older connectors spell it with three capitals.
const PCF_EXCHANGE: &str = "pcfexchange";

/// A partner's connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterParty {
    /// Its id in the data space.
    pub participant: String,
    /// Where its connector speaks to others.
    pub dsp: String,
}

/// An entry of a partner's catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The asset.
    pub asset: AssetId,
    /// Whether footprints are exchanged behind it (`cx-taxo:PcfExchange`).
    pub pcf_exchange: bool,
    /// Its version (`cx-common:version`).
    pub version: Option<String>,
    /// What it is offered under.
    pub offers: Vec<Offered>,
}

/// An offer of a catalog, as it must be sent back to accept it.
#[derive(Clone, Debug, PartialEq)]
pub struct Offered {
    asset: AssetId,
    version: Option<String>,
    policy: Value,
}

impl Offered {
    /// The policy, as the catalog has it.
    pub fn policy(&self) -> &Value {
        &self.policy
    }

    /// The version of what is offered.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl Management {
    /// What a partner offers the tenant.
    ///
    /// # Errors
    /// See [`ManagementError`].
    pub async fn catalog(&self, party: &CounterParty) -> Result<Vec<Dataset>, ManagementError> {
        let body = json!({
            "@context": self.context(), "@type": "CatalogRequest", "counterPartyAddress": party.dsp,
            "counterPartyId": party.participant, "protocol": PROTOCOL, "querySpec": { "@type": "QuerySpec", "offset": 0, "limit": 200 },
        });
        let catalog = self
            .call(Method::POST, "/catalog/request", Some(body), Again::Yes)
            .await?;
        Ok(list(member(&catalog, "dataset")).filter_map(dataset).collect())
    }

    /// Accepts an offer and waits until both sides have agreed.
    ///
    /// # Errors
    /// The negotiation ended otherwise or not within `patience`; see [`ManagementError`].
    pub async fn negotiate(
        &self,
        party: &CounterParty,
        offer: &Offered,
        patience: Duration,
    ) -> Result<AgreementId, ManagementError> {
        let mut policy = offer.policy.clone();
        if let Some(members) = policy.as_object_mut() {
            members.insert("@type".into(), json!("Offer"));
            members.insert("assigner".into(), json!(party.participant));
            members.insert("target".into(), json!(offer.asset));
        }
        let body = json!({
            "@context": self.policy_context(), "@type": "ContractRequest", "counterPartyAddress": party.dsp,
            "counterPartyId": party.participant, "protocol": PROTOCOL, "policy": policy, "callbackAddresses": [],
        });
        let id: FlowId = self.begin("/contractnegotiations", body).await?;
        let path = format!("/contractnegotiations/{id}");
        let over = ["TERMINATED", "TERMINATING"];
        let done = match self.wait("negotiation", &path, &["FINALIZED"], &over, patience).await {
            Err(error) if !error.is_of_the_agreement() => {
                // What nobody waits for any more must not become a contract.
                self.abandon(&id).await;
                return Err(error);
            }
            done => done?,
        };
        let agreement = text(&done, "contractAgreementId").and_then(|id| id.parse().ok());
        agreement.ok_or_else(|| ManagementError::unreadable(&path, "a finalized negotiation without an agreement's id"))
    }

    /// Has the connector end a negotiation, if it can be reached.
    async fn abandon(&self, negotiation: &FlowId) {
        let body = json!({
            "@context": self.context(), "@type": "TerminateNegotiation", "@id": negotiation,
            "reason": "it did not come to its end in time",
        });
        let path = format!("/contractnegotiations/{negotiation}/terminate");
        if let Err(error) = self.call(Method::POST, &path, Some(body), Again::Yes).await {
            tracing::warn!(%negotiation, %error, "a negotiation that takes too long could not be ended; it may become a contract yet");
        }
    }

    /// Begins a transfer under an agreement; gives the connector's id of it.
    ///
    /// # Errors
    /// See [`ManagementError`].
    pub async fn begin_transfer(
        &self,
        party: &CounterParty,
        agreement: &AgreementId,
    ) -> Result<FlowId, ManagementError> {
        let body = json!({
            "@context": self.context(), "@type": "TransferRequest", "counterPartyAddress": party.dsp,
            "counterPartyId": party.participant, "protocol": PROTOCOL, "contractId": agreement,
            "transferType": "HttpData-PULL", "callbackAddresses": [],
        });
        self.begin("/transferprocesses", body).await
    }

    /// Waits until a transfer that was begun is started; gives the asset it is of, as the connector names it.
    ///
    /// # Errors
    /// The transfer ended, or did not start within `patience`; see [`ManagementError`].
    pub async fn until_started(&self, flow: &FlowId, patience: Duration) -> Result<Option<AssetId>, ManagementError> {
        let path = format!("/transferprocesses/{flow}");
        let over = [
            "TERMINATED",
            "TERMINATING",
            "COMPLETED",
            "DEPROVISIONED",
            "DEPROVISIONING",
        ];
        let started = self.wait("transfer", &path, &["STARTED"], &over, patience).await?;
        Ok(text(&started, "assetId").and_then(|asset| asset.parse().ok()))
    }

    async fn begin(&self, path: &str, body: Value) -> Result<FlowId, ManagementError> {
        let begun = self.call(Method::POST, path, Some(body), Again::No).await?;
        let id = text(&begun, "@id").and_then(|id| id.parse().ok());
        id.ok_or_else(|| ManagementError::unreadable(path, "an answer without an id"))
    }

    /// Asks until the state is one of `good`, at most for `patience`. A connector that cannot answer now may by then.
    async fn wait(
        &self,
        what: &'static str,
        path: &str,
        good: &[&str],
        over: &[&str],
        patience: Duration,
    ) -> Result<Value, ManagementError> {
        let begun = Instant::now();
        let mut asked = 0;
        loop {
            let found = match self.get(path).await {
                Ok(found) => found.unwrap_or_default(),
                Err(error) if begun.elapsed() < patience && error.passes() => {
                    tokio::time::sleep(pause(3)).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let state = text(&found, "state").unwrap_or_default();
            if good.contains(&state) {
                return Ok(found);
            }
            if over.contains(&state) {
                let detail = text(&found, "errorDetail")
                    .unwrap_or("no reason is given")
                    .chars()
                    .take(300)
                    .collect();
                let state = state.to_owned();
                return Err(ManagementError::Ended { what, state, detail });
            }
            if begun.elapsed() >= patience {
                let (state, seconds) = (state.to_owned(), patience.as_secs());
                return Err(ManagementError::Late { what, state, seconds });
            }
            asked += 1;
            tokio::time::sleep(pause(asked / 4).min(Duration::from_secs(1))).await;
        }
    }
}

/// One or many, as JSON-LD has them.
fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (many, one) = match value {
        Some(Value::Array(items)) => (items.as_slice(), None),
        other => ([].as_slice(), other),
    };
    many.iter().chain(one)
}

fn dataset(value: &Value) -> Option<Dataset> {
    let asset: AssetId = text(value, "@id")?.parse().ok()?;
    let kind = value
        .get("http://purl.org/dc/terms/type")
        .or_else(|| value.get("dct:type"))
        .map(|kind| kind.get("@id").unwrap_or(kind));
    let pcf_exchange = kind.and_then(Value::as_str).is_some_and(|kind| {
        kind.rsplit(['#', ':', '/'])
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(PCF_EXCHANGE))
    });
    let version = value
        .get("https://w3id.org/catenax/ontology/common#version")
        .or_else(|| value.get("cx-common:version"));
    let version = version.and_then(Value::as_str).map(str::to_owned);
    Some(Dataset {
        pcf_exchange,
        offers: list(member(value, "hasPolicy"))
            .map(|policy| Offered {
                asset: asset.clone(),
                version: version.clone(),
                policy: policy.clone(),
            })
            .collect(),
        version,
        asset,
    })
}

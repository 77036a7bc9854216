//! A company's operator: what people do with their own connector, through its management API.
//!
//! Nothing here knows that it is the dev connector: the same calls work with an Eclipse Dataspace Connector.

use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::client::{Client, ClientError};
use crate::dev::connector::Connector;

const PROTOCOL: &str = "dataspace-protocol-http:2025-1";
/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(15);

/// One company's operator.
pub(super) struct Operator<'a> {
    client: &'a Client,
    connector: &'a Connector,
}

impl<'a> Operator<'a> {
    /// The operator of `connector`.
    pub(super) fn of(client: &'a Client, connector: &'a Connector) -> Self {
        Self { client, connector }
    }

    /// The catalog of `other`, as it shows it to this company.
    pub(super) async fn catalog(&self, other: &Connector) -> Result<Value, ClientError> {
        let body = json!({ "@type": "CatalogRequest", "querySpec": {} });
        self.tell("catalog/request", self.addressed(body, other)).await
    }

    /// Asks `other` for a contract on `offer` and waits for the end; the negotiation as it stands then.
    pub(super) async fn negotiate(&self, other: &Connector, asset: &str, offer: &Value) -> Result<Value, ClientError> {
        let mut policy = offer.clone();
        if let Value::Object(members) = &mut policy {
            members.insert("assigner".into(), json!(other.participant()));
            members.insert("target".into(), json!(asset));
        }
        let body = json!({ "@type": "ContractRequest", "policy": policy });
        let begun = self.tell("contractnegotiations", self.addressed(body, other)).await?;
        self.wait("contractnegotiations", &begun, &["FINALIZED", "TERMINATED"])
            .await
    }

    /// Asks `other` for a transfer under an agreement and waits until it is started or over; the transfer as it stands then.
    pub(super) async fn transfer(&self, other: &Connector, agreement: &str) -> Result<Value, ClientError> {
        let body = json!({ "@type": "TransferRequest", "contractId": agreement, "transferType": "HttpData-PULL" });
        let begun = self.tell("transferprocesses", self.addressed(body, other)).await?;
        self.wait("transferprocesses", &begun, &["STARTED", "TERMINATED"]).await
    }

    /// Where the data of a started transfer can be fetched, and with what.
    pub(super) async fn address(&self, transfer: &Value) -> Result<Value, ClientError> {
        if text(transfer, "state") != "STARTED" {
            let why = text(transfer, "errorDetail");
            return Err(ClientError::Refused(format!("the transfer was not started: {why}")));
        }
        self.look(&format!("edrs/{}/dataaddress", id(transfer))).await
    }

    /// Ends a transfer.
    pub(super) async fn terminate(&self, transfer: &Value, reason: &str) -> Result<(), ClientError> {
        let body = json!({ "@type": "TerminateTransfer", "reason": reason });
        self.tell(&format!("transferprocesses/{}/terminate", id(transfer)), body)
            .await?;
        Ok(())
    }

    /// A transfer of another company's connector, as this one's sees it.
    pub(super) async fn counterpart(&self, transfer: &Value) -> Result<Value, ClientError> {
        let criterion = json!({ "operandLeft": "correlationId", "operator": "=", "operandRight": id(transfer) });
        let query = json!({ "@type": "QuerySpec", "filterExpression": [criterion] });
        let found = self.tell("transferprocesses/request", query).await?;
        let first = found.get(0).cloned();
        first.ok_or_else(|| ClientError::Refused("the other connector knows no such transfer".into()))
    }

    /// Waits until a transfer is over; the transfer as it stands then.
    pub(super) async fn until_over(&self, transfer: &Value) -> Result<Value, ClientError> {
        self.wait("transferprocesses", transfer, &["TERMINATED", "COMPLETED"])
            .await
    }

    fn addressed(&self, mut body: Value, other: &Connector) -> Value {
        if let Value::Object(members) = &mut body {
            members.insert("protocol".into(), json!(PROTOCOL));
            members.insert("counterPartyId".into(), json!(other.participant()));
            members.insert("counterPartyAddress".into(), json!(other.dsp()));
        }
        body
    }

    async fn tell(&self, path: &str, body: Value) -> Result<Value, ClientError> {
        let key = self.connector.api_key().expose_secret();
        let url = format!("{}/{path}", self.connector.management_url());
        let answer = self.client.managed(&url, key, Some(body)).await?;
        match answer.status {
            200..300 => Ok(answer.json()),
            _ => Err(ClientError::Refused(format!("{path}: {}", answer.json()))),
        }
    }

    async fn look(&self, path: &str) -> Result<Value, ClientError> {
        let key = self.connector.api_key().expose_secret();
        let url = format!("{}/{path}", self.connector.management_url());
        let answer = self.client.managed(&url, key, None).await?;
        match answer.status {
            200 => Ok(answer.json()),
            _ => Err(ClientError::Refused(format!("{path}: {}", answer.json()))),
        }
    }

    async fn wait(&self, kind: &str, process: &Value, ends: &[&str]) -> Result<Value, ClientError> {
        let (path, started) = (format!("{kind}/{}", id(process)), Instant::now());
        loop {
            let seen = self.look(&path).await?;
            if seen
                .get("state")
                .and_then(Value::as_str)
                .is_some_and(|state| ends.contains(&state))
            {
                return Ok(seen);
            }
            if started.elapsed() > PATIENCE {
                return Err(ClientError::Refused(format!("{path} came to no end: {seen}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The id of an object of the management API.
pub(super) fn id(object: &Value) -> &str {
    text(object, "@id")
}

/// A text of an object, empty where there is none.
pub(super) fn text<'v>(object: &'v Value, member: &str) -> &'v str {
    object.get(member).and_then(Value::as_str).unwrap_or_default()
}

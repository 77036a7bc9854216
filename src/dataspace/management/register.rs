//! Tidegate as a data plane of the connector: registered there, and telling it what ended here.

use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::request::Again;
use super::{Management, ManagementError};
use crate::dataspace::flow::Dialect;
use crate::dataspace::flow::State;
use crate::dataspace::signaling::Status;
use crate::dataspace::signaling::address::{EDC, HTTP_PULL};
use crate::ids::FlowId;

/// How Tidegate is registered: where it is, and where the connector gets the token it must show there.
#[derive(Debug)]
pub struct Registration<'a> {
    /// The id of the data plane.
    pub id: &'a str,
    /// Its address, with the tenant in it.
    pub endpoint: &'a str,
    /// The token endpoint of the tenant's issuer.
    pub token_endpoint: &'a str,
    /// The connector's own client there.
    pub client_id: &'a str,
    /// And its secret.
    pub client_secret: &'a SecretString,
}

/// How a flow ended here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<'a> {
    /// As intended.
    Completed,
    /// For a reason.
    Failed(&'a str),
}

impl Management {
    /// Registers Tidegate, or puts the registration right. EDC up to 0.17 has no place in it for credentials: there the
    /// connector must be made to show a token by itself.
    ///
    /// # Errors
    /// See [`ManagementError`].
    pub async fn register(&self, registration: &Registration<'_>) -> Result<(), ManagementError> {
        match self.addresses.dialect() {
            Dialect::Dps => {
                let body = json!({
                    "dataplaneId": registration.id,
                    "endpoint": registration.endpoint,
                    "transferTypes": ["HttpData-PULL", HTTP_PULL],
                    "labels": [],
                    "authorization": {
                        "type": "oauth2_client_credentials",
                        "tokenEndpoint": registration.token_endpoint,
                        "clientId": registration.client_id,
                        "clientSecret": registration.client_secret.expose_secret(),
                    },
                });
                self.call(Method::PUT, "/dataplanes", Some(body), Again::Yes).await?;
            }
            Dialect::Legacy => {
                let body = json!({
                    "@context": { "@vocab": EDC }, "@type": "DataPlaneInstance", "@id": registration.id,
                    "url": registration.endpoint,
                    "allowedSourceTypes": ["HttpData"], "allowedTransferTypes": ["HttpData-PULL"],
                });
                let url = format!("{}/v1/dataplanes", self.addresses.signaling);
                self.call_at(Method::POST, &url, Some(body), Again::Yes).await?;
            }
        }
        Ok(())
    }

    /// Tells the connector that a flow ended here, and has it end its transfer too. EDC only writes down what `errored`
    /// says, so the transfer is terminated as well, by the management API.
    ///
    /// # Errors
    /// See [`ManagementError`]. A transfer that the connector does not have any more, or that is over, is no error.
    pub async fn ended(&self, flow: &FlowId, ending: Ending<'_>) -> Result<(), ManagementError> {
        let signals = &self.addresses.signaling;
        match (self.addresses.dialect(), ending) {
            (Dialect::Legacy, Ending::Completed) => {
                self.signal(&format!("{signals}/transferprocess/{flow}/complete"), Value::Null)
                    .await
            }
            (Dialect::Legacy, Ending::Failed(reason)) => {
                let body = json!({ "errorMessage": reason });
                self.signal(&format!("{signals}/transferprocess/{flow}/fail"), body)
                    .await
            }
            (Dialect::Dps, Ending::Completed) => {
                let body = status(&Status::of(flow, State::Completed));
                self.signal(&format!("{signals}/transfers/{flow}/dataflow/completed"), body)
                    .await
            }
            (Dialect::Dps, Ending::Failed(reason)) => {
                let mut status_message = Status::of(flow, State::Terminated);
                status_message.error = Some(reason.to_owned());
                // EDC checks a token here that only a registered key could make, and writes down what is said at most. So this is
                // a courtesy; what ends the transfer is the management API, and its word counts.
                let url = format!("{signals}/transfers/{flow}/dataflow/errored");
                if let Err(error) = self.signal(&url, status(&status_message)).await {
                    tracing::debug!(%flow, %error, "the connector did not take the signal; its transfer is ended all the same");
                }
                self.terminate(flow, reason).await
            }
        }
    }

    /// Terminates a transfer.
    ///
    /// # Errors
    /// See [`ManagementError`]; one that is not there, or is over, is none.
    pub async fn terminate(&self, flow: &FlowId, reason: &str) -> Result<(), ManagementError> {
        let body = json!({ "@context": self.context(), "@type": "TerminateTransfer", "reason": reason });
        let path = format!("{}/transferprocesses/{flow}/terminate", self.addresses.management);
        self.signal(&path, body).await
    }

    /// A signal that may come too late: what the connector no longer knows, or has ended, needs no telling.
    async fn signal(&self, url: &str, body: Value) -> Result<(), ManagementError> {
        let body = (!body.is_null()).then_some(body);
        match self.call_at(Method::POST, url, body, Again::Yes).await {
            Ok(_) | Err(ManagementError::Refused { status: 404 | 409, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn status(status: &Status) -> Value {
    serde_json::to_value(status).unwrap_or_default()
}

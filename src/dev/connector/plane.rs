//! The company's data plane, which is Tidegate: what a control plane tells it (Data Plane Signaling 1.0, RC3).

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::message::{DataAddress, put};
use super::token::{Client, Tokens};
use crate::clock::Clock;
use crate::ids::Bpnl;

/// A data plane that registered, or was set up with the connector.
#[derive(Clone, Debug)]
pub struct Plane {
    /// The URL below which `prepare`, `start` and the rest are.
    pub endpoint: String,
    /// The kinds of transfer it does.
    pub formats: Vec<String>,
    /// How the connector signs in there; none if the plane asks for nothing.
    pub tokens: Option<Tokens>,
}

/// A data flow, as its plane says it stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// The plane's name for it.
    pub data_flow_id: String,
    /// `PREPARED`, `STARTED`, …
    pub state: String,
    /// Where the data can be fetched, once that is known.
    #[serde(default)]
    pub data_address: Option<DataAddress>,
}

/// What a flow is about.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// Whose plane it is.
    pub own: Bpnl,
    /// The other company.
    pub other: Bpnl,
    /// The transfer, by the connector's own name.
    pub process: &'a str,
    /// The contract.
    pub agreement: &'a str,
    /// The asset.
    pub asset: &'a str,
    /// The kind of transfer.
    pub format: &'a str,
    /// Where the plane may report to.
    pub callback: &'a str,
}

/// Why a plane did not do as told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaneError {
    /// It decided against it. It says no more than the other company may know: a control plane may pass it on.
    #[error("{0}")]
    Refused(String),
    /// It could not be reached, or failed.
    #[error("the data plane failed: {0}")]
    Failed(String),
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: Option<String>,
}

impl Plane {
    /// A plane at `endpoint`.
    pub fn new(endpoint: impl Into<String>, formats: Vec<String>, client: Option<Client>) -> Self {
        Self {
            endpoint: endpoint.into(),
            formats,
            tokens: client.map(Tokens::new),
        }
    }

    /// Tells a consumer's plane that a transfer is about to be asked for (`prepare`), or a provider's that it is asked for
    /// (`start`).
    ///
    /// # Errors
    /// The plane refuses or fails.
    pub async fn begin(
        &self,
        http: &reqwest::Client,
        clock: &Clock,
        verb: &str,
        about: &About<'_>,
    ) -> Result<Flow, PlaneError> {
        let body = json!({
            "messageId": Uuid::now_v7().to_string(),
            "participantId": about.own,
            "counterPartyId": about.other,
            "dataspaceContext": "tidegate-dev",
            "processId": about.process,
            "agreementId": about.agreement,
            "datasetId": about.asset,
            "profile": about.format,
            "callbackAddress": about.callback,
            "claims": {},
        });
        let answer = self.post(http, clock, verb, &body).await?;
        serde_json::from_slice(&answer)
            .map_err(|error| PlaneError::Failed(format!("its answer is not a flow: {error}")))
    }

    /// Tells the plane what became of a flow: `started`, `suspend`, `resume`, `terminate` or `completed`. The new address,
    /// where the answer has one.
    ///
    /// # Errors
    /// The plane refuses or fails.
    pub async fn tell(
        &self,
        http: &reqwest::Client,
        clock: &Clock,
        flow: &str,
        verb: &str,
        more: Told<'_>,
    ) -> Result<Option<DataAddress>, PlaneError> {
        let mut body = json!({ "messageId": Uuid::now_v7().to_string() });
        if let Some(reason) = more.reason {
            put(&mut body, "reason", json!(reason));
        }
        if let Some(address) = more.address {
            put(
                &mut body,
                "dataAddress",
                serde_json::to_value(address).unwrap_or_default(),
            );
        }
        let answer = self.post(http, clock, &format!("{flow}/{verb}"), &body).await?;
        let flow: Option<Flow> = serde_json::from_slice(&answer).ok();
        Ok(flow.and_then(|flow| flow.data_address))
    }

    async fn post(
        &self,
        http: &reqwest::Client,
        clock: &Clock,
        path: &str,
        body: &Value,
    ) -> Result<Vec<u8>, PlaneError> {
        let failed = |error: reqwest::Error| PlaneError::Failed(error.without_url().to_string());
        let mut request = http.post(format!("{}/{path}", self.endpoint));
        if let Some(tokens) = &self.tokens {
            let token: SecretString = tokens.get(http, clock.now()).await.map_err(PlaneError::Failed)?;
            request = request.bearer_auth(token.expose_secret());
        }
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(failed)?;
        if status.is_success() {
            return Ok(bytes.into());
        }
        let problem: Problem = serde_json::from_slice(&bytes).unwrap_or_default();
        let said = problem.detail.unwrap_or(problem.title);
        if status.as_u16() != 403 {
            return Err(PlaneError::Failed(format!("it answered {status}: {said}")));
        }
        Err(PlaneError::Refused(said))
    }
}

/// What goes with a message about a flow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told<'a> {
    /// Why.
    pub reason: Option<&'a str>,
    /// Where the data can be fetched.
    pub address: Option<&'a DataAddress>,
}

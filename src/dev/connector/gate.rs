//! What the connector asks its company's Tidegate before it shows an offer or agrees to it: AuthZEN evaluations.

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;

use super::token::{Client, Tokens};
use crate::clock::Clock;
use crate::ids::Bpnl;

/// Where a company's Tidegate is, and how its connector signs in there.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// The URL of `POST /access/v1/evaluation`.
    pub evaluation: String,
    /// The connector's client at its company's issuer.
    pub client: Client,
}

/// A company's Tidegate.
#[derive(Clone, Debug)]
pub struct Gate {
    evaluation: String,
    tokens: Tokens,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Allow or deny.
    pub allowed: bool,
    /// Why not: the policy and its sentence.
    pub reasons: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Answer {
    decision: bool,
    #[serde(default)]
    context: Context,
}

#[derive(Default, Deserialize)]
struct Context {
    #[serde(default)]
    reasons: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    policy: String,
    why: String,
}

impl Gate {
    /// A gate that has not been asked yet.
    pub fn new(settings: GateSettings) -> Self {
        Self {
            evaluation: settings.evaluation,
            tokens: Tokens::new(settings.client),
        }
    }

    /// May `partner` do `action`, which is `discover` or `negotiate`, with `offer` of `own`?
    ///
    /// # Errors
    /// A sentence: there is no decision. That is no permission.
    pub async fn ask(
        &self,
        http: &reqwest::Client,
        clock: &Clock,
        action: &str,
        partner: Bpnl,
        offer: (Bpnl, &str),
    ) -> Result<Verdict, String> {
        let token = self.tokens.get(http, clock.now()).await?;
        let body = json!({
            "subject": { "type": "Partner", "id": partner },
            "action": { "name": action },
            "resource": { "type": "Offer", "id": format!("{}/{}", offer.0, offer.1) },
        });
        let failed = |error: reqwest::Error| format!("Tidegate gave no decision: {}", error.without_url());
        let request = http.post(&self.evaluation).bearer_auth(token.expose_secret());
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let body = response.bytes().await.map_err(failed)?;
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| format!("Tidegate gave no decision: it answered {status}"))?;
        let reasons = answer
            .context
            .reasons
            .into_iter()
            .map(|reason| (reason.policy, reason.why));
        Ok(Verdict {
            allowed: answer.decision && status.is_success(),
            reasons: reasons.collect(),
        })
    }
}

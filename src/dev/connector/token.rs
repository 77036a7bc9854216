//! Access tokens of an OAuth2 client, fetched when needed and kept until shortly before they end.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// How long before its end a token is no longer used.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// A client, as its issuer knows it.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where tokens are given (RFC 6749, section 3.2).
    pub token_url: String,
    /// The client.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// The tokens of one client.
#[derive(Clone, Debug)]
pub struct Tokens {
    client: Client,
    kept: Arc<Mutex<Option<(SecretString, Timestamp)>>>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: i64,
}

impl Tokens {
    /// None yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            kept: Arc::default(),
        }
    }

    /// A token that is good at `now`.
    ///
    /// # Errors
    /// A sentence: the issuer cannot be reached or gives none.
    pub async fn get(&self, http: &reqwest::Client, now: Timestamp) -> Result<SecretString, String> {
        if let Some(kept) = self.kept(now) {
            return Ok(kept);
        }
        let failed = |error: reqwest::Error| format!("no token: {}", error.without_url());
        let request = http.post(&self.client.token_url);
        let request = request.basic_auth(&self.client.id, Some(self.client.secret.expose_secret()));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request
            .body("grant_type=client_credentials")
            .send()
            .await
            .map_err(failed)?;
        let status = response.status();
        let body = response.bytes().await.map_err(failed)?;
        let granted: Granted =
            serde_json::from_slice(&body).map_err(|_| format!("no token: the issuer answered {status}"))?;
        let ends = now.saturating_add(SignedDuration::from_secs(granted.expires_in));
        let token = SecretString::from(granted.access_token);
        let ends = ends.unwrap_or(now);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.clone(), ends));
        Ok(token)
    }

    fn kept(&self, now: Timestamp) -> Option<SecretString> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, ends) = kept.as_ref()?;
        let good = now.checked_add(MARGIN).is_ok_and(|soon| soon < *ends);
        good.then(|| token.clone())
    }
}

//! The renewal of a token that a partner handed out, where its address says how.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::carrier::Carrier;
use super::segment::segment;
use crate::answer;

/// The most bytes of an answer with a token.
pub(super) const MAX_TOKEN: usize = 64 * 1024;

/// A token that takes the place of another.
#[derive(Debug)]
pub struct Renewed {
    /// The token.
    pub token: SecretString,
    /// With which the next is got; the one before where there is none.
    pub refresh_token: Option<SecretString>,
    /// For how many seconds it is good.
    pub expires_in: Option<i64>,
}

/// The same as it is answered (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Answered {
    access_token: String,
    refresh_token: Option<String>,
    expires_in: Option<i64>,
}

impl From<Answered> for Renewed {
    fn from(answered: Answered) -> Self {
        Self {
            token: answered.access_token.into(),
            refresh_token: answered.refresh_token.map(SecretString::from),
            expires_in: answered.expires_in,
        }
    }
}

impl Carrier {
    /// The next token, got with a refresh token alone (RFC 6749, section 6): whoever wants the client proved by its connector's DID as
    /// well is not served, for those keys are not here. Nothing where none is given.
    pub async fn renew(&self, endpoint: &str, refresh_token: &SecretString) -> Option<Renewed> {
        let url = self.allowed(endpoint).ok()?;
        let form = format!(
            "grant_type=refresh_token&refresh_token={}",
            segment(refresh_token.expose_secret())
        );
        let answer = self.ask_token(url, form).await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let body = answer::body(answer, MAX_TOKEN).await.ok()??;
        serde_json::from_slice::<Answered>(&body).ok().map(Renewed::from)
    }
}

//! Whether a client's credentials are good: they are shown where the client gets its tokens.

use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::carrier::Carrier;
use super::renewal::MAX_TOKEN;
use super::segment::segment;
use crate::answer;
use crate::vault::ClientCredentials;

/// What of an answer matters (RFC 6749, sections 5.1 and 5.2).
#[derive(Default, Deserialize)]
struct Answered {
    access_token: Option<serde::de::IgnoredAny>,
    error: Option<String>,
}

impl Carrier {
    /// Gets a token with the credentials and throws it away.
    ///
    /// # Errors
    /// Why none was given, in words for whoever wants to use the credentials: without them, and of the answer no more than its status
    /// and the code of its error.
    pub async fn try_out(&self, client: &ClientCredentials) -> Result<(), String> {
        let url = self.allowed(&client.token_endpoint).map_err(|_| {
            "its token endpoint is not entered: expected https, no user name, and no number of a private network"
                .to_owned()
        })?;
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            segment(&client.client_id),
            segment(client.client_secret.expose_secret()),
        );
        let answer = self.ask_token(url, form).await;
        let answer = answer.map_err(|_| "its token endpoint does not answer".to_owned())?;
        let status = answer.status();
        let body = answer::body(answer, MAX_TOKEN).await.ok().flatten();
        let body = body.and_then(|body| serde_json::from_slice(&body).ok());
        let Answered { access_token, error } = body.unwrap_or_default();
        match (status.is_success(), access_token, error) {
            (true, Some(_), None) => Ok(()),
            (_, _, Some(code)) if is_code(&code) => {
                Err(format!("its token endpoint answers {} ({code})", status.as_u16()))
            }
            _ => Err(format!(
                "its token endpoint answers {}, and not with a token",
                status.as_u16()
            )),
        }
    }
}

/// Whether a text is the code of an error, and no more: it comes from elsewhere.
fn is_code(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

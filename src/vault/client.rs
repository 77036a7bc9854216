//! What is in a secret by which a machine proves itself: where it gets its token, and with what.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::error::VaultError;

/// The secret with the credentials of the tenant's connector, by which it shows itself to Tidegate.
pub const CONNECTOR_CLIENT: &str = "connector-client";

/// The credentials of an OAuth 2.0 client (RFC 6749, section 4.4), as a secret keeps them:
///
/// ```json
/// {"tokenEndpoint": "https://…/oauth2/token", "clientId": "…", "clientSecret": "…"}
/// ```
pub struct ClientCredentials {
    /// Where the client gets its token.
    pub token_endpoint: String,
    /// How it is called there.
    pub client_id: String,
    /// How it proves itself.
    pub client_secret: SecretString,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Read {
    token_endpoint: String,
    client_id: String,
    /// Moved, not copied, into its secret.
    client_secret: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'w> {
    token_endpoint: &'w str,
    client_id: &'w str,
    client_secret: &'w str,
}

impl ClientCredentials {
    /// What a secret says; none where it says something else.
    pub fn read(secret: &SecretString) -> Option<Self> {
        let read: Read = crate::json::read(secret.expose_secret().as_bytes()).ok()?;
        Some(Self {
            token_endpoint: read.token_endpoint,
            client_id: read.client_id,
            client_secret: read.client_secret.into(),
        })
    }

    /// As a secret keeps it.
    ///
    /// # Errors
    /// [`VaultError::Internal`]: it cannot be written as JSON, which text always can.
    pub fn write(&self) -> Result<SecretString, VaultError> {
        let written = Written {
            token_endpoint: &self.token_endpoint,
            client_id: &self.client_id,
            client_secret: self.client_secret.expose_secret(),
        };
        let text = serde_json::to_string(&written);
        text.map(SecretString::from)
            .map_err(|_| VaultError::Internal("write a client's credentials"))
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            token_endpoint,
            client_id,
            ..
        } = self;
        write!(formatter, "ClientCredentials({client_id} at {token_endpoint})")
    }
}

//! The answers of a token endpoint (RFC 6749 section 5).

use std::fmt;

use serde::Serialize;

use super::key::KeyError;
use crate::facts::OAuthError;

impl From<KeyError> for OAuthError {
    fn from(_: KeyError) -> Self {
        Self::Server
    }
}

/// The tokens given. Serialises as the JSON body of RFC 6749 section 5.1, to be sent with `Cache-Control: no-store`.
#[derive(Clone, Serialize)]
pub struct TokenResponse {
    pub(super) access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id_token: Option<String>,
    pub(super) token_type: &'static str,
    pub(super) expires_in: i64,
    pub(super) scope: String,
}

impl TokenResponse {
    /// The access token.
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// The ID token, for a person.
    pub fn id_token(&self) -> Option<&str> {
        self.id_token.as_deref()
    }

    /// The scopes granted, parted by spaces.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// How long the tokens are valid, in seconds.
    pub fn expires_in(&self) -> i64 {
        self.expires_in
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expires_in, scope, .. } = self;
        let mut shown = formatter.debug_struct("TokenResponse");
        shown
            .field("expires_in", expires_in)
            .field("scope", scope)
            .finish_non_exhaustive()
    }
}

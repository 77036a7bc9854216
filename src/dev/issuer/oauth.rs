//! The answers of a token endpoint (RFC 6749 section 5).

use std::fmt;

use serde::Serialize;

use super::key::KeyError;

/// Why no token was given. [`OAuthError::body`] and [`OAuthError::status`] are the HTTP answer; with status 401 goes the
/// header `WWW-Authenticate: Basic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// The request is malformed; the text says how.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The client is unknown, or did not prove that it is itself.
    #[error("the client is unknown or its secret is wrong")]
    InvalidClient,
    /// The user name or the password is wrong.
    #[error("the user name or the password is wrong")]
    InvalidGrant,
    /// The scope asked for is not, or not wholly, the client's.
    #[error("the scope is malformed or goes beyond what the client may have")]
    InvalidScope,
    /// The client may not use this grant.
    #[error("this client may not use this grant")]
    UnauthorizedClient,
    /// The issuer does not have this grant.
    #[error("only `client_credentials` and `password` are supported")]
    UnsupportedGrantType,
    /// The issuer itself failed.
    #[error("no token could be made")]
    Server,
}

impl OAuthError {
    /// The error code of RFC 6749 section 5.2.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidScope => "invalid_scope",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::Server => "server_error",
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::Server => 500,
            _ => 400,
        }
    }

    /// The JSON body.
    pub fn body(self) -> String {
        serde_json::json!({ "error": self.code(), "error_description": self.to_string() }).to_string()
    }
}

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

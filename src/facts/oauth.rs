//! Why a token endpoint gives no token (RFC 6749 section 5.2).

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

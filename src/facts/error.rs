//! Why a token was refused: many causes inside, one face outside.

use std::fmt;

/// Why a bearer token was refused.
///
/// The message is the same for every cause, and so must the HTTP answer be: a stranger may not learn from it whether the
/// token was another tenant's, forged or merely old. [`TokenError::code`] tells the causes apart for logs and metrics. No
/// variant carries any part of the token or of its claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenError {
    /// The `Authorization` header is not `Bearer`, one space and a token (RFC 6750 section 2.1).
    Authorization,
    /// The token is longer than [`super::token::MAX_TOKEN`] bytes.
    TooLong,
    /// The token does not have exactly three segments.
    Segments,
    /// A segment is not base64url without padding, in its one canonical spelling (RFC 7515 section 2).
    Encoding,
    /// The header is not a JSON object of few and distinct members.
    Header,
    /// `alg` is not `RS256`.
    Algorithm,
    /// The header has `crit`, `zip`, `enc` or `b64`, which change how a token is to be read.
    Extension,
    /// `typ` is present and neither `JWT` nor `at+jwt`.
    Type,
    /// `kid` is missing or not a text.
    KeyId,
    /// `kid` names no key of this tenant. The one cause after which a fresh key set may help.
    UnknownKey,
    /// The signature does not verify.
    Signature,
    /// The payload is not a JSON object.
    Claims,
    /// A claim that is read stands there twice.
    DuplicateClaim,
    /// `iss` is not the tenant's issuer, as a text.
    Issuer,
    /// `token_use` is not `access`.
    TokenUse,
    /// `aud` is present and not the client id.
    Audience,
    /// `sub` does not fit the kind of token.
    Subject,
    /// `client_id` is none of the tenant's clients of this kind.
    Client,
    /// The needed scope of the tenant's resource server is not among the token's.
    Scope,
    /// A machine's token has claims that only a user's has.
    UserClaims,
    /// `username` is missing or not a user name.
    UserName,
    /// `cognito:groups` holds something that is not a company role.
    Groups,
    /// Tenants share the issuer, and `cognito:groups` names no group: nothing says of which tenant the person is.
    NoGroup,
    /// Tenants share the issuer, and `cognito:groups` holds a group of another tenant, or of none.
    ForeignGroup,
    /// `exp` or `iat` is missing, or one of `exp`, `iat` and `nbf` is not a whole number of seconds.
    Times,
    /// The token is valid for longer than Cognito's maximum of 24 hours, or ends before it begins.
    Lifetime,
    /// `exp` has passed.
    Expired,
    /// `iat` or `nbf` lies ahead.
    NotYetValid,
    /// The token was issued before the instant from which the tenant or the client accepts tokens again.
    Revoked,
    /// `jti` is missing or not a short text.
    TokenId,
    /// The token's id is on the tenant's deny list.
    Denied,
}

impl TokenError {
    /// Every cause, for metrics that must exist before the first refusal.
    pub const ALL: [Self; 31] = [
        Self::Authorization,
        Self::TooLong,
        Self::Segments,
        Self::Encoding,
        Self::Header,
        Self::Algorithm,
        Self::Extension,
        Self::Type,
        Self::KeyId,
        Self::UnknownKey,
        Self::Signature,
        Self::Claims,
        Self::DuplicateClaim,
        Self::Issuer,
        Self::TokenUse,
        Self::Audience,
        Self::Subject,
        Self::Client,
        Self::Scope,
        Self::UserClaims,
        Self::UserName,
        Self::Groups,
        Self::NoGroup,
        Self::ForeignGroup,
        Self::Times,
        Self::Lifetime,
        Self::Expired,
        Self::NotYetValid,
        Self::Revoked,
        Self::TokenId,
        Self::Denied,
    ];

    /// The cause's stable name, for logs and metrics only.
    pub fn code(self) -> &'static str {
        match self {
            Self::Authorization => "authorization-header",
            Self::TooLong => "token-too-long",
            Self::Segments => "token-segments",
            Self::Encoding => "token-encoding",
            Self::Header => "header",
            Self::Algorithm => "header-alg",
            Self::Extension => "header-extension",
            Self::Type => "header-typ",
            Self::KeyId => "header-kid",
            Self::UnknownKey => "unknown-key",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::DuplicateClaim => "claim-duplicate",
            Self::Issuer => "claim-iss",
            Self::TokenUse => "claim-token-use",
            Self::Audience => "claim-aud",
            Self::Subject => "claim-sub",
            Self::Client => "claim-client-id",
            Self::Scope => "claim-scope",
            Self::UserClaims => "claim-of-user",
            Self::UserName => "claim-username",
            Self::Groups => "claim-groups",
            Self::NoGroup => "claim-groups-none",
            Self::ForeignGroup => "claim-groups-foreign",
            Self::Times => "claim-times",
            Self::Lifetime => "lifetime",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::Revoked => "revoked",
            Self::TokenId => "claim-jti",
            Self::Denied => "denied",
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the bearer token is not valid here")
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_its_own_code_and_all_have_one_face() {
        let codes: BTreeSet<_> = TokenError::ALL.iter().map(|cause| cause.code()).collect();
        let faces: BTreeSet<_> = TokenError::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(codes.len(), TokenError::ALL.len());
        assert_eq!(faces.len(), 1);
    }
}

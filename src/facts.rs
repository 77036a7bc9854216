//! Facts: verified claims, each knowing who vouched for it.
//!
//! A request arrives with bytes that a stranger chose. This module turns the bearer token among them into a [`Verified`]
//! value, or refuses it. Nothing downstream sees a token; what it sees is a tenant, a client, scopes or company roles, the
//! token's id and its expiry, and the issuer and key that vouched for them.
//!
//! **The route picks the verifier; the token never picks the tenant.** There is no verifier of the whole program. The host
//! or path names a tenant, the tenant has one [`TenantVerifier`], and that one knows only its own issuer, its own keys and
//! its own clients. A token of another tenant is not recognised and then turned away: it is simply not valid here.
//!
//! Why so strict: Cognito's machine tokens carry no audience, and where tenants share a user pool they share the issuer and
//! the keys as well. Then all three of signature, issuer and expiry are right for a token of the wrong tenant, of a user,
//! or of any other app client. What binds a token to a tenant is therefore its client id **and** a scope of the tenant's own
//! resource server, each checked exactly; either alone fails on the day a client is granted a second tenant's scope.
//!
//! People's tokens have no scope of a tenant's. Where the issuer is the tenant's own, its groups are company roles
//! ([`GroupNames::Own`](crate::ids::GroupNames)). Where tenants share it, and perhaps the app their people sign in through, a
//! person's groups must say whose they are: each is `{bpnl}.{company role}`, there is at least one, and none is another tenant's
//! or nobody's ([`GroupNames::Prefixed`](crate::ids::GroupNames)); else the token is refused whole. The claim `custom:bpnl` is not
//! looked at: access tokens of Cognito carry no attributes by themselves. That no two tenants have so much in common that this would
//! not tell them apart is held where the registry is taken in ([`crate::registry::apart`]).
//!
//! What is checked, in this order (RFC 7515, 7519, 8725; the Cognito developer guide on verifying tokens):
//!
//! 1. at most 8 KiB, three segments, unpadded base64url with no second spelling;
//! 2. header: JSON without duplicate members, `alg` RS256, `typ` absent, `JWT` or `at+jwt`, no `crit`, `zip`, `enc` or
//!    `b64`; `kid` names a key of this tenant's set. Keys inside the header (`jwk`, `jku`, `x5u`) are never looked at;
//! 3. the signature;
//! 4. claims, each read at most once: `iss` is the tenant's issuer, `token_use` is `access`, `aud` absent or
//!    the client, the subject fits the kind of token, the client is the tenant's, the scope is granted, the times hold,
//!    the groups are company roles of this tenant, the token is neither denied nor older than a revocation.
//!
//! All refusals look alike from outside ([`TokenError`]): one answer, whatever the cause, so that nobody learns from it
//! whose token they hold. The cause has a stable code for logs and metrics.
//!
//! A partner that fetches by itself carries no token of an issuer but one that Tidegate made: [`edr`] is about those.
//!
//! # Example
//!
//! A tenant's connector fetches a token with its client secret, and calls the tenant's endpoint with it. The same token at
//! another tenant's endpoint, or with another scope, is worth nothing.
//!
//! ```
//! use std::collections::{BTreeMap, BTreeSet};
//! use jiff::Timestamp;
//! use tidegate::dev::issuer::{SigningKey, sign};
//! use tidegate::ids::GroupNames;
//! use tidegate::facts::{self, ClientKind, KeySet, MachineClient, TenantFacts, TenantVerifier, TokenError};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! facts::install_crypto();
//! let key = SigningKey::generate()?;
//! let now: Timestamp = "2026-11-21T09:00:00Z".parse()?;
//! let connector = MachineClient { kind: ClientKind::Connector, not_before: None };
//! let verifier = TenantVerifier::new(
//!     TenantFacts {
//!         tenant: "BPNL000000000DWF".parse()?,
//!         issuer: "https://issuer.example/dwf".to_owned(),
//!         resource_server: "https://tidegate.example/exchange/BPNL000000000DWF".to_owned(),
//!         machines: BTreeMap::from([("dwf-connector".parse()?, connector)]),
//!         user_clients: BTreeSet::new(),
//!         groups: GroupNames::Own,
//!         denied: BTreeSet::new(),
//!         not_before: None,
//!     },
//!     KeySet::parse(&key.jwks())?,
//! )?;
//!
//! let claims = r#"{"iss":"https://issuer.example/dwf","token_use":"access","client_id":"dwf-connector",
//!     "sub":"dwf-connector","scope":"https://tidegate.example/exchange/BPNL000000000DWF/pcf.read",
//!     "jti":"4b2f","iat":1795251600,"exp":1795252500}"#;
//! let token = sign(&key, &key.header(), claims)?;
//! let caller = verifier.verify_machine(&token, "pcf.read", now)?;
//! assert_eq!(caller.tenant().as_str(), "BPNL000000000DWF");
//! assert_eq!(caller.client().as_str(), "dwf-connector");
//!
//! let refused = verifier.verify_machine(&token, "pcf.write", now).unwrap_err();
//! assert_eq!(refused, TokenError::Scope);
//! assert_eq!(refused.to_string(), "the bearer token is not valid here");
//! # Ok(())
//! # }
//! ```

mod claims;
pub mod did;
pub mod edr;
mod error;
mod fetch;
mod form;
mod header;
pub mod jwks;
pub mod jwks_source;
mod oauth;
pub mod token;
mod verified;
pub mod verifier;

#[cfg(test)]
mod tests;

pub use error::TokenError;
pub use form::{Form, basic};
pub use jwks::{JwksError, KeySet};
pub use jwks_source::{JwksClient, JwksSource, SourceError};
pub use oauth::OAuthError;
pub use token::{bearer, bearer_or_bare};
pub use verified::{Machine, MachineToken, TokenId, User, UserToken, Verified, Voucher};
pub use verifier::{ClientKind, MachineClient, TenantFacts, TenantVerifier, VerifierError};

/// Names aws-lc-rs as the cryptography of token verification, once for the process; further calls do nothing.
///
/// The JWT library can be built with two backends, and with both present it compiles and panics at first use. Naming one
/// beforehand makes that impossible. [`KeySet::parse`] calls this too, so no token can be looked at before.
pub fn install_crypto() {
    // An error only says that a provider was named before, which is what this asks for.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}

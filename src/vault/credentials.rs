//! Temporary credentials of a tenant's user, in the shape STS gives them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::rand;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::error::Refused;
use crate::ids::{Digest, TenantId, UserName};

/// The shortest and longest life of credentials: what STS allows for `AssumeRoleWithWebIdentity`.
pub(super) const LIFETIME: std::ops::RangeInclusive<SignedDuration> =
    SignedDuration::from_secs(900)..=SignedDuration::from_hours(12);

/// Credentials of a session of a tenant's role. Not printed by `Debug`; zeroised when dropped.
#[derive(Clone)]
pub struct TemporaryCredentials {
    /// `ASIA` and 16 characters; names the credentials and is no secret.
    pub access_key_id: String,
    /// The secret a request would be signed with on AWS.
    pub secret_access_key: SecretString,
    /// The token that stands for the session.
    pub session_token: SecretString,
    /// From this instant on the credentials are void.
    pub expiration: Timestamp,
    /// The tenant's role.
    pub role_arn: String,
    /// The session's name, which is the user's.
    pub session_name: String,
}

impl fmt::Debug for TemporaryCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            access_key_id,
            expiration,
            session_name,
            ..
        } = self;
        write!(
            formatter,
            "TemporaryCredentials({access_key_id} for {session_name} until {expiration})"
        )
    }
}

/// Why no credentials were issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The lifetime is outside what STS allows.
    #[error("credentials cannot live {} seconds; STS allows 900 to 43200", .0.as_secs())]
    Lifetime(SignedDuration),
    /// The user's name cannot name a session.
    #[error("`{0}` cannot name a role session; STS takes 2 to 64 of A-Z a-z 0-9 `_` `=` `,` `.` `@` `+` `-`")]
    SessionName(UserName),
    /// The role's trust policy does not let users of this tenant take it on.
    #[error("the trust policy of `{role_arn}` does not allow `{action}` to users of the identity pool")]
    Untrusted {
        /// The role.
        role_arn: String,
        /// The action its trust policy lacks.
        action: &'static str,
    },
    /// A token of an identity pool was brought to a vault that has none.
    #[error("no identity pool is behind this vault; ask without it")]
    NoIdentityPool,
    /// STS does not take the token of the identity pool that was brought, by its code.
    #[error("STS does not take it ({0}); get another one, or ask without it")]
    WebIdentity(String),
    /// AWS refuses what the IAM layer allows.
    #[error("the IAM layer allows it, AWS does not: {0}")]
    Refused(Box<Refused>),
    /// STS does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// The permit is not one for taking on a role.
    #[error("the permit is not one for taking on a role")]
    Permit,
    /// The system has no randomness.
    #[error("the system's random generator failed")]
    Random,
}

/// How a session of a person is named: as the person is, where STS takes that.
pub(super) fn session_name(user: &UserName) -> Result<String, CredentialsError> {
    if (2..=64).contains(&user.as_str().len()) {
        return Ok(user.as_str().to_owned());
    }
    Err(CredentialsError::SessionName(user.clone()))
}

/// A random text of the characters of an alphabet of at most 256, each equally likely.
pub(super) fn random_text(alphabet: &[u8], length: usize) -> Option<String> {
    let fair = 256 - 256 % alphabet.len().max(1);
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut byte = [0; 1];
        rand::fill(&mut byte).ok()?;
        let index = usize::from(u8::from_be_bytes(byte));
        // A byte beyond the last whole multiple of the alphabet would favour its first characters.
        if index < fair {
            text.push(char::from(*alphabet.get(index % alphabet.len())?));
        }
    }
    Some(text)
}

const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Whose credentials they are.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) tenant: TenantId,
    pub(super) session_name: String,
    expiration: Timestamp,
}

/// The credentials that are out, by the SHA-256 of their token; the tokens themselves are not kept.
#[derive(Default)]
pub(super) struct Register(Mutex<HashMap<Digest, Issued>>);

impl Register {
    pub(super) fn issue(
        &self,
        tenant: TenantId,
        user: &UserName,
        role_arn: String,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<TemporaryCredentials, CredentialsError> {
        if !LIFETIME.contains(&lifetime) {
            return Err(CredentialsError::Lifetime(lifetime));
        }
        let session_name = session_name(user)?;
        let expiration = now
            .checked_add(lifetime)
            .map_err(|_| CredentialsError::Lifetime(lifetime))?;
        let draw = |alphabet, length| random_text(alphabet, length).ok_or(CredentialsError::Random);
        let credentials = TemporaryCredentials {
            access_key_id: format!("ASIA{}", draw(UPPER, 16)?),
            secret_access_key: draw(MIXED, 40)?.into(),
            session_token: draw(MIXED, 86)?.into(),
            expiration,
            role_arn,
            session_name: session_name.clone(),
        };
        let digest = Digest::of(credentials.session_token.expose_secret().as_bytes());
        let mut register = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        register.retain(|_, issued| now < issued.expiration);
        register.insert(
            digest,
            Issued {
                tenant,
                session_name,
                expiration,
            },
        );
        Ok(credentials)
    }

    /// Whose token it is, if it is still good. The look-up is by digest, so its timing says nothing of the token.
    pub(super) fn find(&self, session_token: &str, now: Timestamp) -> Option<Issued> {
        let digest = Digest::of(session_token.as_bytes());
        let register = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        register.get(&digest).filter(|issued| now < issued.expiration).cloned()
    }
}

//! What a verified token says, and who vouched for it.
//!
//! The values here can be made by [`super::TenantVerifier`] alone, so to hold one is to know that a verifier, the one of
//! the tenant it names, found the token sound.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::verifier::ClientKind;
use crate::ids::{ClientId, CompanyRole, TenantId, UserName};

/// The id of a token (`jti`): 1 to 128 visible ASCII characters. It is no secret; deny lists and records name tokens by it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(Box<str>);

impl TokenId {
    /// The id in `text`, unless it is empty, long or has other characters than visible ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let sound = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Who vouched for a fact: an issuer, with one of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The issuer's identifier, exactly as the tenant's verifier holds it.
    pub issuer: Arc<str>,
    /// The id of the key that signed.
    pub key_id: Box<str>,
}

/// The claims of a sound token, of the kind `C`: [`Machine`] or [`User`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<C> {
    pub(super) tenant: TenantId,
    pub(super) vouched_by: Voucher,
    pub(super) client: ClientId,
    pub(super) token_id: TokenId,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) claims: C,
}

/// A machine's verified claims.
pub type MachineToken = Verified<Machine>;

/// A person's verified claims.
pub type UserToken = Verified<User>;

/// What a machine's token says of its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    pub(super) kind: ClientKind,
    pub(super) scopes: BTreeSet<Box<str>>,
}

/// What a user's token says of the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub(super) name: UserName,
    pub(super) subject: Box<str>,
    pub(super) roles: BTreeSet<CompanyRole>,
}

impl<C> Verified<C> {
    /// The tenant whose verifier found the token sound.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The issuer and key that vouched for the claims.
    pub fn vouched_by(&self) -> &Voucher {
        &self.vouched_by
    }

    /// The client that the token was issued to.
    pub fn client(&self) -> &ClientId {
        &self.client
    }

    /// The token's id.
    pub fn token_id(&self) -> &TokenId {
        &self.token_id
    }

    /// When the token was issued.
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// When the token ends.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl Verified<Machine> {
    /// What the client is to its tenant. The tenant's own register says so, not the token.
    pub fn kind(&self) -> ClientKind {
        self.claims.kind
    }

    /// The scopes granted at the tenant's own resource server, by name (`pcf.read`); other scopes of the token are left out.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.claims.scopes.iter().map(AsRef::as_ref)
    }

    /// Whether that scope of the tenant's own resource server was granted.
    pub fn has_scope(&self, name: &str) -> bool {
        self.claims.scopes.contains(name)
    }
}

impl Verified<User> {
    /// The person's user name.
    pub fn user(&self) -> &UserName {
        &self.claims.name
    }

    /// The issuer's own key for the person (`sub`), which no later person of the same name will have.
    pub fn subject(&self) -> &str {
        &self.claims.subject
    }

    /// The person's roles in their company.
    pub fn roles(&self) -> &BTreeSet<CompanyRole> {
        &self.claims.roles
    }
}

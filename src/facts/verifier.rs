//! One tenant's verifier: from a bearer token to [`Verified`] claims, or one of the [`TokenError`]s.
//!
//! It is immutable. A change of keys, clients or deny list makes a new one, which the holder puts in place of the old.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::claims::{ClaimValue, Claims};
use super::error::TokenError;
use super::jwks::KeySet;
use super::token;
use super::verified::{Machine, MachineToken, TokenId, User, UserToken, Verified, Voucher};
use crate::ids::{ClientId, CompanyRole, GroupNames, TenantGroup, TenantId};

/// How far the issuer's clock and ours may be apart, in seconds.
pub const LEEWAY: i64 = 30;

/// The longest life of a token, in seconds: Cognito's maximum.
pub const MAX_LIFETIME: i64 = 24 * 60 * 60;

/// What a machine client is to its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientKind {
    /// The tenant's data space connector: its data plane asks on behalf of partners.
    Connector,
    /// A system of the tenant's own, such as an ERP that delivers footprints.
    Integration,
}

/// A machine client of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineClient {
    /// What the client is to its tenant.
    pub kind: ClientKind,
    /// Tokens issued before this instant are refused; set when the client's secret was lost.
    pub not_before: Option<Timestamp>,
}

/// All that one tenant's verifier knows, the keys aside.
#[derive(Clone, Debug)]
pub struct TenantFacts {
    /// The tenant.
    pub tenant: TenantId,
    /// The issuer's identifier, compared byte by byte with `iss`.
    pub issuer: String,
    /// The identifier of the tenant's own resource server, the part of a scope before its last `/`.
    pub resource_server: String,
    /// The tenant's machine clients.
    pub machines: BTreeMap<ClientId, MachineClient>,
    /// The clients that the tenant's people sign in through.
    pub user_clients: BTreeSet<ClientId>,
    /// How the groups in their tokens are named.
    pub groups: GroupNames,
    /// Tokens that are refused although they are sound.
    pub denied: BTreeSet<TokenId>,
    /// Tokens of any client issued before this instant are refused.
    pub not_before: Option<Timestamp>,
}

/// Why no verifier can be made of a tenant's facts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// The issuer's identifier is not 1 to 512 visible ASCII characters.
    #[error("the issuer of tenant {0} is not 1 to 512 visible ASCII characters")]
    Issuer(TenantId),
    /// The resource server's identifier cannot stand in a scope.
    #[error(
        "the resource server of tenant {0} is not 1 to 256 visible ASCII characters without quotes and backslash, or \
         ends in `/`"
    )]
    ResourceServer(TenantId),
    /// A client is both a machine's and one that people sign in through.
    #[error(
        "client `{client}` of tenant {tenant} is both a machine and one that people sign in through; make two of it"
    )]
    SharedClient {
        /// The tenant.
        tenant: TenantId,
        /// The client.
        client: ClientId,
    },
}

/// The verifier of one tenant. See the [module](super) for what it checks and why.
#[derive(Clone, Debug)]
pub struct TenantVerifier {
    facts: Arc<TenantFacts>,
    issuer: Arc<str>,
    keys: Arc<KeySet>,
}

impl TenantVerifier {
    /// A verifier of that tenant's tokens.
    ///
    /// # Errors
    /// [`VerifierError`] where a fact could never match, or could match too much.
    pub fn new(facts: TenantFacts, keys: impl Into<Arc<KeySet>>) -> Result<Self, VerifierError> {
        let graphic = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !graphic(&facts.issuer, 512) {
            return Err(VerifierError::Issuer(facts.tenant));
        }
        let server = &facts.resource_server;
        if !graphic(server, 256) || server.contains(['"', '\\']) || server.ends_with('/') {
            return Err(VerifierError::ResourceServer(facts.tenant));
        }
        if let Some(client) = facts
            .user_clients
            .iter()
            .find(|client| facts.machines.contains_key(client))
        {
            let (tenant, client) = (facts.tenant, client.clone());
            return Err(VerifierError::SharedClient { tenant, client });
        }
        let issuer = facts.issuer.as_str().into();
        Ok(Self {
            facts: Arc::new(facts),
            issuer,
            keys: keys.into(),
        })
    }

    /// The same verifier over a fresh key set of the tenant's issuer.
    #[must_use]
    pub fn with_keys(&self, keys: impl Into<Arc<KeySet>>) -> Self {
        Self {
            keys: keys.into(),
            ..self.clone()
        }
    }

    /// What this verifier knows of its tenant.
    pub fn facts(&self) -> &TenantFacts {
        &self.facts
    }

    /// Verifies a machine's token that must grant `needed_scope` (a name such as `pcf.read`) at the tenant's own resource
    /// server.
    ///
    /// # Errors
    /// The first check that fails. On [`TokenError::UnknownKey`] the caller may try once more with a fresh key set.
    pub fn verify_machine(&self, bearer: &str, needed_scope: &str, now: Timestamp) -> Result<MachineToken, TokenError> {
        let signed = token::verify_signature(bearer, &self.keys)?;
        let claims = Claims::parse(&signed.payload)?;
        let client_text = self.issued_here(&claims)?;
        if !claims.username.is_absent() || !claims.groups.is_absent() {
            return Err(TokenError::UserClaims);
        }
        if claims.sub.text() != Some(client_text) {
            return Err(TokenError::Subject);
        }
        let client: ClientId = client_text.parse().map_err(|_| TokenError::Client)?;
        let known = self.facts.machines.get(&client).ok_or(TokenError::Client)?;
        let scopes = self.scopes(&claims.scope)?;
        if !scopes.contains(needed_scope) {
            return Err(TokenError::Scope);
        }
        let machine = Machine {
            kind: known.kind,
            scopes,
        };
        self.finish(&claims, signed.key, client, known.not_before, machine, now)
    }

    /// Verifies a person's access token.
    ///
    /// # Errors
    /// The first check that fails. On [`TokenError::UnknownKey`] the caller may try once more with a fresh key set.
    pub fn verify_user(&self, bearer: &str, now: Timestamp) -> Result<UserToken, TokenError> {
        let signed = token::verify_signature(bearer, &self.keys)?;
        let claims = Claims::parse(&signed.payload)?;
        let client_text = self.issued_here(&claims)?;
        let name = claims.username.text().ok_or(TokenError::UserName)?;
        let name = name.parse().map_err(|_| TokenError::UserName)?;
        let subject = match claims.sub.text() {
            Some(subject) if (1..=128).contains(&subject.len()) && subject != client_text => subject.into(),
            _ => return Err(TokenError::Subject),
        };
        let client: ClientId = client_text.parse().map_err(|_| TokenError::Client)?;
        if !self.facts.user_clients.contains(&client) {
            return Err(TokenError::Client);
        }
        let user = User {
            name,
            subject,
            roles: self.roles(&claims.groups)?,
        };
        self.finish(&claims, signed.key, client, None, user, now)
    }

    /// The company roles among the groups: all of them or none, for a role left out could be one that a policy forbids. Where tenants
    /// share the issuer the groups also say of which tenant the person is, so there must be one, and none of another.
    fn roles(&self, groups: &ClaimValue<'_>) -> Result<BTreeSet<CompanyRole>, TokenError> {
        let groups: &[Cow<'_, str>] = match groups {
            ClaimValue::Absent => &[],
            ClaimValue::Texts(texts) => texts,
            _ => return Err(TokenError::Groups),
        };
        match self.facts.groups {
            GroupNames::Own => {
                let role = |group: &Cow<'_, str>| group.parse().map_err(|_| TokenError::Groups);
                groups.iter().map(role).collect()
            }
            GroupNames::Prefixed if groups.is_empty() => Err(TokenError::NoGroup),
            GroupNames::Prefixed => groups.iter().map(|group| self.own_role(group)).collect(),
        }
    }

    /// The company role that a group of this tenant, `{bpnl}.{company role}`, stands for.
    fn own_role(&self, group: &str) -> Result<CompanyRole, TokenError> {
        let group: TenantGroup = group.parse().map_err(|_| TokenError::ForeignGroup)?;
        match group.tenant == self.facts.tenant {
            true => Ok(group.role),
            false => Err(TokenError::ForeignGroup),
        }
    }

    /// The checks of issuer, use and audience; gives the client id's text.
    fn issued_here<'c>(&self, claims: &'c Claims<'_>) -> Result<&'c str, TokenError> {
        if claims.iss.text() != Some(&self.issuer) {
            return Err(TokenError::Issuer);
        }
        if claims.token_use.text() != Some("access") {
            return Err(TokenError::TokenUse);
        }
        let client = claims.client_id.text().ok_or(TokenError::Client)?;
        if !claims.aud.is_absent() && claims.aud.text() != Some(client) {
            return Err(TokenError::Audience);
        }
        Ok(client)
    }

    /// The names of the scopes granted at the tenant's own resource server. A name has no `/`: `a/b` at server `s` would
    /// otherwise be the same text as `b` at server `s/a`.
    fn scopes(&self, scope: &ClaimValue<'_>) -> Result<BTreeSet<Box<str>>, TokenError> {
        let granted = scope.text().ok_or(TokenError::Scope)?.split(' ');
        let own = granted.filter_map(|scope| {
            scope
                .strip_prefix(self.facts.resource_server.as_str())?
                .strip_prefix('/')
        });
        Ok(own
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .map(Into::into)
            .collect())
    }

    /// The checks that machines and people share: times, revocation, token id.
    fn finish<C>(
        &self,
        claims: &Claims<'_>,
        key: usize,
        client: ClientId,
        client_not_before: Option<Timestamp>,
        kind: C,
        now: Timestamp,
    ) -> Result<Verified<C>, TokenError> {
        let (issued_at, expires_at) = times(claims, now)?;
        let revoked_until = self.facts.not_before.max(client_not_before);
        if revoked_until.is_some_and(|instant| issued_at < instant) {
            return Err(TokenError::Revoked);
        }
        let token_id = claims.jti.text().and_then(TokenId::new).ok_or(TokenError::TokenId)?;
        if self.facts.denied.contains(&token_id) {
            return Err(TokenError::Denied);
        }
        let vouched_by = Voucher {
            issuer: Arc::clone(&self.issuer),
            key_id: self.keys.id_at(key).into(),
        };
        let tenant = self.facts.tenant;
        Ok(Verified {
            tenant,
            vouched_by,
            client,
            token_id,
            issued_at,
            expires_at,
            claims: kind,
        })
    }
}

/// When the token was issued and when it ends, both required, if `now` lies between them.
fn times(claims: &Claims<'_>, now: Timestamp) -> Result<(Timestamp, Timestamp), TokenError> {
    let seconds = |claim: &ClaimValue<'_>| match claim {
        ClaimValue::Integer(seconds) if *seconds >= 0 => {
            Timestamp::from_second(*seconds).map_err(|_| TokenError::Times)
        }
        _ => Err(TokenError::Times),
    };
    let (issued, ends) = (seconds(&claims.iat)?, seconds(&claims.exp)?);
    let begins = if claims.nbf.is_absent() {
        issued
    } else {
        seconds(&claims.nbf)?
    };
    let life = ends.as_second() - issued.as_second();
    if !(1..=MAX_LIFETIME).contains(&life) {
        return Err(TokenError::Lifetime);
    }
    if now.as_second() >= ends.as_second() + LEEWAY {
        return Err(TokenError::Expired);
    }
    if now.as_second() + LEEWAY < issued.as_second().max(begins.as_second()) {
        return Err(TokenError::NotYetValid);
    }
    Ok((issued, ends))
}

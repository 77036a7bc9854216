//! The OAuth2 issuer of dev mode: one per tenant, with its own RSA key, giving tokens of Cognito's shape.
//!
//! A tenant's connector and systems get access tokens by `client_credentials` (RFC 6749 section 4.4), people by `password`
//! (section 4.3). The latter exists only here, so that a person can be played from a command line; in the cloud people sign
//! in at Cognito's pages, and current practice forbids the grant (RFC 9700 section 2.4).
//!
//! The shape is Cognito's: a header of `kid` and `alg` alone, `token_use` for the kind of token, `client_id` in the place of
//! an audience, `sub` equal to it for a machine, `username` and `cognito:groups` for a person. So what verifies these
//! tokens ([`crate::facts`]) is what verifies the cloud's. One thing is simpler: one key signs ID and access tokens, where
//! Cognito has one for each.
//!
//! Keys, client secrets and passwords are random, made at the first start, and kept in the data directory in files that
//! only their owner may read. A restart finds them there.
//!
//! # Example
//!
//! ```
//! use std::collections::{BTreeMap, BTreeSet};
//! use secrecy::ExposeSecret;
//! use tidegate::dev::issuer::{Issuer, IssuerSettings, MachineSettings};
//! use tidegate::facts::{ClientKind, TenantVerifier};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let connector = MachineSettings { kind: ClientKind::Connector, scopes: BTreeSet::from(["pcf.read".to_owned()]) };
//! let issuer = Issuer::create_or_load(
//!     directory.path(),
//!     IssuerSettings {
//!         tenant: "BPNL000000000DWF".parse()?,
//!         issuer: "http://127.0.0.1:8080/issuers/BPNL000000000DWF".to_owned(),
//!         resource_server: "http://127.0.0.1:8080/exchange/BPNL000000000DWF".to_owned(),
//!         machines: BTreeMap::from([("dwf-connector".parse()?, connector)]),
//!         user_clients: BTreeSet::new(),
//!         users: BTreeMap::new(),
//!     },
//! )?;
//! let secret = issuer.client_secret(&"dwf-connector".parse()?).ok_or("no such client")?;
//! let form = format!(
//!     "grant_type=client_credentials&client_id=dwf-connector&client_secret={}",
//!     secret.expose_secret()
//! );
//! let now = "2026-11-21T09:00:00Z".parse()?;
//! let response = issuer.grant(None, &form, now)?;
//! let verifier = TenantVerifier::new(issuer.facts(), issuer.keys()?)?;
//! assert!(verifier.verify_machine(response.access_token(), "pcf.read", now).is_ok());
//! # Ok(())
//! # }
//! ```

mod claims;
mod grant;
mod key;
mod oauth;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use secrecy::SecretString;

pub use key::{KeyError, SigningKey, sign};
pub use oauth::TokenResponse;
pub use store::IssuerError;

pub use crate::facts::OAuthError;
use crate::facts::{ClientKind, JwksError, KeySet, MachineClient, TenantFacts};
use crate::ids::{ClientId, CompanyRole, GroupNames, TenantId, UserName};

/// How long a token is valid, in seconds.
pub const LIFETIME: i64 = 15 * 60;

/// One tenant's clients and people, as the development world has them.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// The tenant.
    pub tenant: TenantId,
    /// The issuer's identifier (`iss`).
    pub issuer: String,
    /// The identifier of the tenant's resource server, the part of a scope before its last `/`.
    pub resource_server: String,
    /// The machine clients.
    pub machines: BTreeMap<ClientId, MachineSettings>,
    /// The clients that people sign in through. They have no secret.
    pub user_clients: BTreeSet<ClientId>,
    /// The people, with their company roles.
    pub users: BTreeMap<UserName, BTreeSet<CompanyRole>>,
}

/// A machine client.
#[derive(Clone, Debug)]
pub struct MachineSettings {
    /// What it is to its tenant.
    pub kind: ClientKind,
    /// The names of the scopes it may have (`pcf.read`), without the resource server's identifier.
    pub scopes: BTreeSet<String>,
}

/// The issuer of one tenant.
#[derive(Debug)]
pub struct Issuer {
    settings: IssuerSettings,
    key: SigningKey,
    client_secrets: BTreeMap<ClientId, SecretString>,
    passwords: BTreeMap<UserName, SecretString>,
}

impl Issuer {
    /// The issuer whose key and secrets lie in `directory`; what is missing there is made and written. Making a key takes
    /// some tenths of a second, so let each tenant's issuer start in a thread of its own.
    ///
    /// # Errors
    /// [`IssuerError`] where a file cannot be read or written, is not what it should be, or is open to others.
    pub fn create_or_load(directory: &Path, settings: IssuerSettings) -> Result<Self, IssuerError> {
        let store = store::Store::open(directory, settings.tenant)?;
        let key = store.key()?;
        let (mut client_secrets, mut passwords) = store.secrets(settings.machines.keys(), settings.users.keys())?;
        // The files may know clients and people that are no more.
        client_secrets.retain(|client, _| settings.machines.contains_key(client));
        passwords.retain(|user, _| settings.users.contains_key(user));
        Ok(Self {
            settings,
            key,
            client_secrets,
            passwords,
        })
    }

    /// What the issuer was started with.
    pub fn settings(&self) -> &IssuerSettings {
        &self.settings
    }

    /// The issuer's JSON Web Key Set.
    pub fn jwks(&self) -> String {
        self.key.jwks()
    }

    /// The signing key, for demonstrations of what a stolen or foreign key is worth elsewhere.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The secret of a machine client.
    pub fn client_secret(&self, client: &ClientId) -> Option<&SecretString> {
        self.client_secrets.get(client)
    }

    /// A person's password.
    pub fn password(&self, user: &UserName) -> Option<&SecretString> {
        self.passwords.get(user)
    }

    /// What the tenant's verifier must know to accept this issuer's tokens, with nothing denied or revoked.
    pub fn facts(&self) -> TenantFacts {
        let machines = self.settings.machines.iter();
        TenantFacts {
            tenant: self.settings.tenant,
            issuer: self.settings.issuer.clone(),
            resource_server: self.settings.resource_server.clone(),
            machines: machines
                .map(|(client, machine)| {
                    (
                        client.clone(),
                        MachineClient {
                            kind: machine.kind,
                            not_before: None,
                        },
                    )
                })
                .collect(),
            user_clients: self.settings.user_clients.clone(),
            groups: GroupNames::Own,
            denied: BTreeSet::new(),
            not_before: None,
        }
    }

    /// The keys as the verifier holds them.
    ///
    /// # Errors
    /// None that a key made here can cause; the verifier's own checks apply all the same.
    pub fn keys(&self) -> Result<KeySet, JwksError> {
        KeySet::parse(&self.jwks())
    }
}

//! The vault: secrets and footprints behind a tenant's session.
//!
//! Nothing here is reached by naming it. One first makes a [`Session`]: a tenant's role, narrowed by a session policy to
//! the one operation at hand. Each operation then becomes the request AWS would see (action, ARN, condition keys) and is
//! answered by the [IAM layer](crate::iam) over the role and session documents really in force, before anything is
//! touched. Code that asks a session for another tenant's object, or for another object than the session was made for, gets
//! [`VaultError::AccessDenied`], as it would from AWS.
//!
//! There are two places a vault can be in. In AWS it is Secrets Manager and S3, reached with credentials of a session of
//! STS that is cut down to the same one operation; there AWS answers once more, by itself. The embedded vault needs
//! nothing but a directory:
//!
//! ```text
//! {dir}/lock                                    held by the one process that uses the vault
//! {dir}/objects/{bpnl}/pcf/{product}/{pcf}.json the bytes of a footprint, as they were put
//! {dir}/objects/{bpnl}/pcf/{product}/{pcf}.seal binds those bytes to this tenant, product and footprint
//! {dir}/objects/{bpnl}/pcf/received/{partner}/  the same, of footprints that a partner handed in
//! {dir}/objects/{bpnl}/history/{product}/{pcf}/{digest}.json, .seal
//!                                               bytes of the tenant's own that others took the place of
//! {dir}/secrets/{bpnl}/{name}.json              versions of a secret, each encrypted
//! {dir}/staging/                                contents that have no name yet; empty when nothing is written
//! ```
//!
//! Paths are made of parsed identifiers only, and no symbolic link is followed. Secrets are sealed with AES-256-GCM under a
//! key the directory does not hold; tenant, name and version are authenticated with them, so that a file moved to another
//! tenant does not open. Objects are sealed with HMAC-SHA-256 over the same names and the SHA-256 of the bytes. What is
//! not guarded against is someone who restores an older copy of a whole file.
//!
//! ```
//! use std::sync::Arc;
//! use tidegate::bundle::{Bundle, Source};
//! use tidegate::vault::{SessionScope, Vault, VaultError, VaultKey};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let dir = tempfile::tempdir()?;
//! # let bundle = Bundle::load(Source::built_in()).unwrap();
//! let key = VaultKey::from_file(&dir.path().join("vault.key"), true)?;
//! let vault = Vault::embedded(&dir.path().join("vault"), &key, Arc::clone(&bundle.account))?;
//!
//! let tenant = "BPNL000000000DWF".parse()?;
//! let (product, pcf) = ("urn:gtin:4712345060507".parse()?, "pcf-1".parse()?);
//! let write = vault.session(tenant, SessionScope::ObjectWrite { product, pcf });
//! # let (product, pcf) = ("urn:gtin:4712345060507".parse()?, "pcf-1".parse()?);
//! write.put_object(&product, &pcf, b"{}".to_vec()).await?;
//! // This session may write that object and nothing else, not even read it back.
//! let refused = write.get_object(&product, &pcf).await;
//! assert!(matches!(refused, Err(VaultError::AccessDenied(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

#[cfg(feature = "aws")]
pub mod aws;
mod backend;
mod client;
mod credentials;
mod embedded;
mod error;
mod files;
mod key;
mod object;
mod permitted;
mod puts;
mod seal;
mod secret;
mod session;
mod staging;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

pub use client::{CONNECTOR_CLIENT, ClientCredentials};
pub use credentials::{CredentialsError, TemporaryCredentials};
pub use error::{Denied, Refused, VaultError};
pub use key::{KeyError, VaultKey};
pub use object::Object;
pub use permitted::{OpenError, ScopeError};
pub use puts::ObjectPut;
pub use seal::Seal;
pub use secret::Stage;
pub use session::{Operation, Session, SessionScope};

use self::backend::{Backend, Person};
use self::embedded::Embedded;
use crate::iam::{Account, AwsNames};
use crate::ids::{SecretName, SecretSuffix, TenantId, UserName};
use crate::registry::Tenant;

/// How a session that Tidegate makes for itself is named.
const OWN_SESSION: &str = "tidegate";

/// Secrets and footprints of all tenants. Cloning it is cheap; all clones are the same vault.
#[derive(Clone)]
pub struct Vault {
    account: Arc<Account>,
    backend: Arc<dyn Backend>,
}

impl Vault {
    /// Opens the vault in `dir`, making it if there is none, and holds it for this process until the last clone and
    /// session are dropped.
    ///
    /// # Errors
    /// [`VaultError::InUse`], [`VaultError::OtherKey`], or an IO error.
    pub fn embedded(dir: &Path, key: &VaultKey, account: Arc<Account>) -> Result<Self, VaultError> {
        let backend = Arc::new(Embedded::open(dir, key, Arc::clone(&account))?);
        Ok(Self { account, backend })
    }

    /// Finds that the vault in `dir` was sealed with another key, though another process may hold it.
    ///
    /// # Errors
    /// [`VaultError::OtherKey`], or an IO error.
    pub fn look(dir: &Path, key: &VaultKey) -> Result<(), VaultError> {
        embedded::look(dir, key)
    }

    /// Returns once no process holds the vault in `dir`.
    ///
    /// # Errors
    /// [`VaultError::InUse`] where one still does when `patience` is at its end, or an IO error.
    pub async fn freed(dir: &Path, patience: Duration) -> Result<(), VaultError> {
        embedded::freed(dir, patience).await
    }

    /// The platform's names in AWS.
    pub fn names(&self) -> &AwsNames {
        self.account.names()
    }

    /// A session of the tenant's role for one purpose.
    pub fn session(&self, tenant: TenantId, scope: SessionScope) -> Session {
        Session::new(self.clone(), tenant, scope, OWN_SESSION)
    }

    /// The six random characters of a secret's ARN, where there is such a secret: a fact for the question whether it may be
    /// read, not the secret itself. What onboarding noted of the tenant counts; a secret that was made otherwise is looked for, in AWS by
    /// `secretsmanager:DescribeSecret`.
    ///
    /// # Errors
    /// It cannot be told whether there is one.
    pub async fn suffix_of(&self, tenant: &Tenant, name: &SecretName) -> Result<Option<SecretSuffix>, VaultError> {
        if let Some(noted) = tenant.secrets.get(name) {
            return Ok(Some(noted.clone()));
        }
        // The narrowest session in which a secret can be described.
        let scope = SessionScope::SecretRotate { name: name.clone() };
        match self.session(tenant.id, scope).secret_suffix(name).await {
            Ok(suffix) => Ok(Some(suffix)),
            // To whoever may see one secret only, AWS does not say that another is not there: it refuses. And a file that cannot be read counts as
            // absent here; reading the secret says why.
            Err(
                VaultError::NotFound(_)
                | VaultError::Refused(_)
                | VaultError::Tampered { .. }
                | VaultError::ForeignPath(_),
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The six characters that the ARN of a secret gets which is made now, so that it can be asked whether it may be. None in AWS, where secrets are
    /// made by those who provision it.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new_suffix(&self) -> Result<Option<SecretSuffix>, VaultError> {
        self.backend.new_suffix()
    }

    /// Credentials for a signed-in user of the tenant. Whether the user belongs to the tenant is for the caller to have
    /// verified. In AWS, `web_identity` is what the identity pool gave that person; without it the service takes the role on for
    /// them, with the tenant as session tag. The role's trust policy has the last word in any case.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub async fn issue_credentials(
        &self,
        tenant: TenantId,
        user: &UserName,
        web_identity: Option<&SecretString>,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<TemporaryCredentials, CredentialsError> {
        let role_arn = self.account.names().role_arn(self.account.isolation(), tenant);
        let person = Person {
            name: user,
            web_identity,
        };
        self.backend.issue(tenant, &role_arn, person, lifetime, now).await
    }

    /// The session a token of the embedded vault stands for: the whole role of its tenant, until the token expires. Tokens do
    /// not outlive the process. Of tokens of AWS only AWS knows.
    pub fn authenticate(&self, session_token: &SecretString, now: Timestamp) -> Option<Session> {
        let (tenant, name) = self.backend.holder(session_token, now)?;
        Some(Session::new(self.clone(), tenant, SessionScope::Whole, &name))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Vault({:?})", self.names())
    }
}

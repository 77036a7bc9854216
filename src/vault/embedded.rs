//! The vault in a directory of this machine.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::credentials::{CredentialsError, Register, TemporaryCredentials};
use super::error::VaultError;
use super::files::Root;
use super::key::VaultKey;
use super::object::Objects;
use super::secret::Secrets;
use super::session::{Session, SessionScope};
use crate::decision::IamDecision;
use crate::iam::{Account, AwsNames};
use crate::ids::{SecretName, TenantId, UserName};

/// How a session that Tidegate makes for itself is named.
const OWN_SESSION: &str = "tidegate";

/// How often it is looked whether a vault is free.
const RETRY: Duration = Duration::from_millis(200);

/// Secrets and footprints in one directory. Cloning it is cheap; all clones are the same vault.
#[derive(Clone)]
pub struct EmbeddedVault(Arc<Store>);

pub(super) struct Store {
    pub(super) account: Arc<Account>,
    pub(super) objects: Objects,
    pub(super) secrets: Secrets,
    register: Register,
    /// A write is several steps on disk, so writers take turns; readers need none.
    writer: Mutex<()>,
    _lock: File,
}

impl EmbeddedVault {
    /// Opens the vault in `dir`, making it if there is none, and holds it for this process until the last clone and
    /// session are dropped.
    ///
    /// # Errors
    /// [`VaultError::InUse`], or an IO error.
    pub fn open(dir: &Path, key: VaultKey, account: Arc<Account>) -> Result<Self, VaultError> {
        let root = Root::open(dir)?;
        let lock = root.lock()?;
        let underived = VaultError::Internal("derive its keys");
        let (Some(objects), Some(secrets)) = (Objects::new(root.clone(), &key), Secrets::new(root, &key)) else {
            return Err(underived);
        };
        Ok(Self(Arc::new(Store {
            account,
            objects,
            secrets,
            register: Register::default(),
            writer: Mutex::new(()),
            _lock: lock,
        })))
    }

    /// Returns once no process holds the vault in `dir`.
    ///
    /// # Errors
    /// [`VaultError::InUse`] where one still does when `patience` is at its end, or an IO error.
    pub async fn freed(dir: &Path, patience: Duration) -> Result<(), VaultError> {
        let until = Instant::now() + patience;
        let root = Root::open(dir)?;
        loop {
            match root.lock() {
                Err(VaultError::InUse(_)) if Instant::now() < until => tokio::time::sleep(RETRY).await,
                locked => return locked.map(drop),
            }
        }
    }

    /// The platform's names in AWS.
    pub fn names(&self) -> &AwsNames {
        self.0.account.names()
    }

    /// A session of the tenant's role for one purpose.
    pub fn session(&self, tenant: TenantId, scope: SessionScope) -> Session {
        Session::new(Arc::clone(&self.0), tenant, scope, OWN_SESSION)
    }

    /// The six random characters of a secret's ARN, where there is such a secret: a fact for the question whether it may be
    /// read, not the secret itself. A file that cannot be read counts as absent here; reading the secret says why.
    pub async fn suffix_of(&self, tenant: TenantId, name: &SecretName) -> Option<String> {
        let scope = SessionScope::SecretRead { name: name.clone() };
        self.session(tenant, scope).secret_suffix(name).await.ok()
    }

    /// Credentials for a signed-in user of the tenant, as the identity pool would have STS give them: the role's trust
    /// policy must allow both `sts:AssumeRoleWithWebIdentity` and `sts:TagSession` with the tenant as session tag. Whether
    /// the user belongs to the tenant is for the caller to have verified.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub fn issue_credentials(
        &self,
        tenant: TenantId,
        user: &UserName,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<TemporaryCredentials, CredentialsError> {
        let role_arn = self.0.role_arn(tenant);
        for action in ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"] {
            let request = self.0.account.web_identity(tenant, action, &role_arn);
            if self.0.account.answer(&request, None).decision != IamDecision::Allowed {
                return Err(CredentialsError::Untrusted { role_arn, action });
            }
        }
        self.0.register.issue(tenant, user, role_arn, lifetime, now)
    }

    /// The session a token stands for: the whole role of its tenant, until the token expires. Tokens do not outlive the
    /// process.
    pub fn authenticate(&self, session_token: &SecretString, now: Timestamp) -> Option<Session> {
        let issued = self.0.register.find(session_token.expose_secret(), now)?;
        Some(Session::new(
            Arc::clone(&self.0),
            issued.tenant,
            SessionScope::Whole,
            &issued.session_name,
        ))
    }
}

impl Store {
    pub(super) fn role_arn(&self, tenant: TenantId) -> String {
        self.account.names().role_arn(self.account.isolation(), tenant)
    }

    /// Reads files on a thread that may wait for the disk.
    pub(super) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let store = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.map_err(|_| VaultError::Internal("finish its work on a file"))?
    }

    /// Writes files, one writer at a time. The work runs to its end even if the caller stops waiting for it.
    pub(super) async fn writing<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        self.blocking(move |store| {
            let _turn = store.writer.lock().unwrap_or_else(PoisonError::into_inner);
            work(store)
        })
        .await
    }
}

impl fmt::Debug for EmbeddedVault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EmbeddedVault({:?})", self.names())
    }
}

//! The vault in a directory of this machine.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::backend::{Backend, Person, Put, VersionId};
use super::credentials::{CredentialsError, Register, TemporaryCredentials};
use super::error::VaultError;
use super::files::Root;
use super::key::VaultKey;
use super::object::{Object, ObjectKey, Objects};
use super::secret::{SecretKey, Secrets, Stage, random_suffix};
use super::session::Session;
use super::staging::Staging;
use crate::decision::IamDecision;
use crate::iam::Account;
use crate::ids::{Digest, PcfId, ProductId, SecretSuffix, TenantId};

/// The file that says which key the vault is sealed with.
const MARK: &str = "key-mark";

/// How often it is looked whether a vault is free.
const RETRY: Duration = Duration::from_millis(200);

/// Secrets and footprints in one directory. Cloning it is cheap; all clones are the same directory.
#[derive(Clone)]
pub(super) struct Embedded(Arc<Store>);

struct Store {
    account: Arc<Account>,
    objects: Objects,
    secrets: Secrets,
    register: Register,
    /// A write is several steps on disk, so writers take turns; readers need none.
    writer: Mutex<()>,
    _lock: File,
}

impl Embedded {
    pub(super) fn open(dir: &Path, key: &VaultKey, account: Arc<Account>) -> Result<Self, VaultError> {
        let root = Root::open(dir)?;
        let lock = root.lock()?;
        Staging::clear(&root)?;
        let underived = VaultError::Internal("derive its keys");
        let objects = Objects::new(root.clone(), key).ok_or(underived)?;
        let secrets = Secrets::new(root.clone(), key)?;
        check_key(&root, key, &secrets)?;
        Ok(Self(Arc::new(Store {
            account,
            objects,
            secrets,
            register: Register::default(),
            writer: Mutex::new(()),
            _lock: lock,
        })))
    }

    /// Reads files on a thread that may wait for the disk.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let store = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.map_err(|_| VaultError::Internal("finish its work on a file"))?
    }

    /// Writes files, one writer at a time. The work runs to its end even if the caller stops waiting for it.
    async fn writing<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        self.blocking(move |store| {
            let _turn = store.writer.lock().unwrap_or_else(PoisonError::into_inner);
            work(store)
        })
        .await
    }
}

/// Holds that what is in the vault was sealed with this key: a vault that came back from a backup may meet another, and each secret would
/// then fail by itself, when somebody needs it. What the file holds is derived for this alone and tells nothing of the other keys.
fn check_key(root: &Root, key: &VaultKey, secrets: &Secrets) -> Result<(), VaultError> {
    let is_marked = check_mark(root, key)?;
    // One from before there were marks.
    if !is_marked && secrets.open_none()? {
        return Err(VaultError::OtherKey(root.path().to_owned()));
    }
    match is_marked {
        true => Ok(()),
        false => root.replace(&[MARK], mark(key)?.as_bytes()),
    }
}

fn mark(key: &VaultKey) -> Result<String, VaultError> {
    let mark = key.derive("mark").ok_or(VaultError::Internal("derive its keys"))?;
    Ok(format!("{}\n", hex::encode(mark.as_slice())))
}

/// Whether the vault says which key it is sealed with; where it is another, that is an error.
fn check_mark(root: &Root, key: &VaultKey) -> Result<bool, VaultError> {
    match root.read(&[MARK], 256)? {
        None => Ok(false),
        Some(found) if found == mark(key)?.as_bytes() => Ok(true),
        Some(_) => Err(VaultError::OtherKey(root.path().to_owned())),
    }
}

/// Finds another key of the vault in `dir` while a process has it.
///
/// # Errors
/// [`VaultError::OtherKey`], or an IO error.
pub(super) fn look(dir: &Path, key: &VaultKey) -> Result<(), VaultError> {
    check_mark(&Root::open(dir)?, key).map(drop)
}

/// Returns once no process holds the vault in `dir`.
///
/// # Errors
/// [`VaultError::InUse`] where one still does when `patience` is at its end, or an IO error.
pub(super) async fn freed(dir: &Path, patience: Duration) -> Result<(), VaultError> {
    let until = Instant::now() + patience;
    let root = Root::open(dir)?;
    loop {
        match root.lock() {
            Err(VaultError::InUse(_)) if Instant::now() < until => tokio::time::sleep(RETRY).await,
            locked => return locked.map(drop),
        }
    }
}

#[async_trait]
impl Backend for Embedded {
    async fn get_object(&self, _: &Session, key: &ObjectKey) -> Result<Object, VaultError> {
        let key = key.clone();
        self.blocking(move |store| store.objects.get(&key)).await
    }

    async fn put_objects(&self, puts: Vec<Put>) -> Vec<Result<Digest, VaultError>> {
        let count = puts.len();
        let puts = puts.into_iter().map(|put| (put.key, put.bytes)).collect();
        let stored = self.writing(move |store| Ok(store.objects.put_all(puts))).await;
        let lost = || Err(VaultError::Internal("finish its work on a file"));
        stored.unwrap_or_else(|_| std::iter::repeat_with(lost).take(count).collect())
    }

    async fn delete_object(&self, _: &Session, key: &ObjectKey) -> Result<(), VaultError> {
        let key = key.clone();
        self.writing(move |store| store.objects.delete(&key)).await
    }

    async fn list_objects(&self, session: &Session) -> Result<Vec<(ProductId, PcfId)>, VaultError> {
        let tenant = session.tenant();
        self.blocking(move |store| store.objects.list(tenant)).await
    }

    async fn secret_suffix(&self, key: &SecretKey) -> Result<Option<SecretSuffix>, VaultError> {
        let key = key.clone();
        self.blocking(move |store| store.secrets.suffix(&key)).await
    }

    async fn find_suffix(&self, _: &Session, key: &SecretKey) -> Result<Option<SecretSuffix>, VaultError> {
        self.secret_suffix(key).await
    }

    fn new_suffix(&self) -> Result<Option<SecretSuffix>, VaultError> {
        random_suffix().map(Some)
    }

    async fn make_secret(&self, key: &SecretKey, suffix: &SecretSuffix, value: SecretString) -> Result<(), VaultError> {
        let (key, suffix) = (key.clone(), suffix.clone());
        self.writing(move |store| store.secrets.make(&key, &suffix, value.expose_secret().as_bytes()))
            .await
    }

    async fn get_secret(&self, _: &Session, key: &SecretKey, stage: Stage) -> Result<SecretString, VaultError> {
        let key = key.clone();
        self.blocking(move |store| store.secrets.get(&key, stage)).await
    }

    async fn put_secret(&self, _: &Session, key: &SecretKey, value: SecretString) -> Result<(), VaultError> {
        let key = key.clone();
        self.writing(move |store| store.secrets.put(&key, value.expose_secret().as_bytes()))
            .await
    }

    async fn stage_secret(&self, _: &Session, key: &SecretKey, value: SecretString) -> Result<VersionId, VaultError> {
        let key = key.clone();
        let staged = self.writing(move |store| store.secrets.stage(&key, value.expose_secret().as_bytes()));
        Ok(VersionId(staged.await?.to_string()))
    }

    async fn promote_secret(&self, _: &Session, key: &SecretKey, version: &VersionId) -> Result<(), VaultError> {
        let key = key.clone();
        let version = version
            .0
            .parse()
            .map_err(|_| VaultError::Internal("read a version it gave"))?;
        self.writing(move |store| store.secrets.promote(&key, version)).await
    }

    /// The role's trust policy must allow both `sts:AssumeRoleWithWebIdentity` and `sts:TagSession` with the tenant as session
    /// tag, as the identity pool would have STS ask.
    async fn issue(
        &self,
        tenant: TenantId,
        role_arn: &str,
        person: Person<'_>,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<TemporaryCredentials, CredentialsError> {
        if person.web_identity.is_some() {
            return Err(CredentialsError::NoIdentityPool);
        }
        let account = &self.0.account;
        for action in ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"] {
            let request = account.web_identity(tenant, action, role_arn);
            if account.answer(&request, None).decision != IamDecision::Allowed {
                let role_arn = role_arn.to_owned();
                return Err(CredentialsError::Untrusted { role_arn, action });
            }
        }
        self.0
            .register
            .issue(tenant, person.name, role_arn.to_owned(), lifetime, now)
    }

    fn holder(&self, session_token: &SecretString, now: Timestamp) -> Option<(TenantId, String)> {
        let issued = self.0.register.find(session_token.expose_secret(), now)?;
        Some((issued.tenant, issued.session_name))
    }
}

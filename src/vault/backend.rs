//! Where secrets and footprints really are: in a directory of this machine, or in AWS.
//!
//! A backend is asked only after the [session](Session) has had the IAM layer allow the very operation. It is told the session, so
//! that it acts with no more than the session's own rights.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::credentials::{CredentialsError, TemporaryCredentials};
use super::error::VaultError;
use super::object::{Object, ObjectKey};
use super::secret::{SecretKey, Stage};
use super::session::Session;
use crate::ids::{Digest, PcfId, ProductId, SecretSuffix, TenantId, UserName};

/// Names one version of a secret to the backend that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VersionId(pub(super) String);

/// An object to be stored, and the session it is stored with.
pub(super) struct Put {
    pub(super) session: Session,
    pub(super) key: ObjectKey,
    pub(super) bytes: Vec<u8>,
}

/// The person credentials are for.
#[derive(Clone, Copy)]
pub(super) struct Person<'p> {
    /// Names the session.
    pub(super) name: &'p UserName,
    /// What the identity pool gave them, where they brought it.
    pub(super) web_identity: Option<&'p SecretString>,
}

#[async_trait]
pub(super) trait Backend: Send + Sync {
    /// The object, its bytes proved to be those that were put.
    async fn get_object(&self, session: &Session, key: &ObjectKey) -> Result<Object, VaultError>;

    /// Stores objects, each replacing an older one whole; durable on return. What becomes of each is at its place, whatever becomes of
    /// the others. Where one stands several times, they are stored in that order.
    async fn put_objects(&self, puts: Vec<Put>) -> Vec<Result<Digest, VaultError>>;

    /// Deletes an object; one that is not there is deleted already.
    async fn delete_object(&self, session: &Session, key: &ObjectKey) -> Result<(), VaultError>;

    /// The tenant's own footprints, sorted by product and id.
    async fn list_objects(&self, session: &Session) -> Result<Vec<(ProductId, PcfId)>, VaultError>;

    /// The six characters of a secret's ARN, where that can be said without asking for the secret.
    async fn secret_suffix(&self, key: &SecretKey) -> Result<Option<SecretSuffix>, VaultError>;

    /// The same, asked of whoever keeps the secret: not for its value.
    async fn find_suffix(&self, session: &Session, key: &SecretKey) -> Result<Option<SecretSuffix>, VaultError>;

    /// The six characters that the ARN of a secret gets which is made now; none where secrets are made by somebody else.
    fn new_suffix(&self) -> Result<Option<SecretSuffix>, VaultError>;

    /// Makes a secret whose ARN ends so.
    async fn make_secret(&self, key: &SecretKey, suffix: &SecretSuffix, value: SecretString) -> Result<(), VaultError>;

    /// One version of a secret.
    async fn get_secret(&self, session: &Session, key: &SecretKey, stage: Stage) -> Result<SecretString, VaultError>;

    /// Stores a new current version.
    async fn put_secret(&self, session: &Session, key: &SecretKey, value: SecretString) -> Result<(), VaultError>;

    /// Stores a version as pending, in place of one that was.
    async fn stage_secret(
        &self,
        session: &Session,
        key: &SecretKey,
        value: SecretString,
    ) -> Result<VersionId, VaultError>;

    /// Makes a pending version the current one, and the current one the previous.
    async fn promote_secret(&self, session: &Session, key: &SecretKey, version: &VersionId) -> Result<(), VaultError>;

    /// Credentials of a tenant's role for a person.
    async fn issue(
        &self,
        tenant: TenantId,
        role_arn: &str,
        person: Person<'_>,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<TemporaryCredentials, CredentialsError>;

    /// For whom such credentials were issued, and how their session is named; none where AWS alone can tell.
    fn holder(&self, session_token: &SecretString, now: Timestamp) -> Option<(TenantId, String)>;
}

//! The vault in AWS: Secrets Manager and S3, behind sessions of STS.
//!
//! # Three answers to one request
//!
//! By the time anything here is called, Cedar has permitted and the IAM layer has allowed the very operation. Then the operation is
//! made with credentials that can do nothing else: a session of the tenant's role, tagged with the tenant, under a session policy that
//! names one object or one secret. AWS evaluates all that once more, with the documents that are really deployed. Where it refuses, what
//! is deployed is not what the bundle says: the caller gets a plain failure, the ledger a record of it with AWS's message, and
//! `tidegate_aws_refusals_total` rises.
//!
//! ```text
//! permit -> SessionScope -> IAM layer -> session (kept, or AssumeRole) -> GetObject, GetSecretValue, … -> checked answer
//! ```
//!
//! # Sessions are never shared
//!
//! A session is kept by tenant and scope until shortly before it expires, and by nothing less: who asks for another
//! tenant's thing, or for another thing of the same tenant, has no way to the credentials of this one. All who wait for the same
//! session wait for one call of STS. The service's own role may do nothing but take tenants' roles on.
//!
//! # What is checked of an answer
//!
//! A key of S3 and the name of a secret are made of the tenant's id and parsed identifiers, never of a text of the request. An
//! object is put with its SHA-256, which S3 checks, keeps and gives back; one without, or with another than that of its bytes, is not
//! handed out. Of a secret the ARN that comes back must be one of this tenant and name. Objects are encrypted with the platform's key
//! where one is given, else as the bucket says.
//!
//! # Worked example
//!
//! Weser may read one footprint of Dwarf's. The scope is `ObjectRead(urn:gtin:4712345060507, pcf-1)`; STS is asked for
//! `tidegate-tenant-BPNL000000000DWF`, tag `bpnl=BPNL000000000DWF`, with `session-object-read` rendered for that object. With what
//! comes back S3 gives `BPNL000000000DWF/pcf/urn:gtin:4712345060507/pcf-1.json` and nothing else, not even a list of what is there. A
//! second request within thirteen minutes uses the same session; one for another footprint does not.
//!
//! A secret that is not there is made by onboarding and by nothing here: no session of a tenant may create one.

mod objects;
mod secrets;
mod sessions;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use self::sessions::Sessions;
use super::Vault;
use super::backend::{Backend, Person, Put, VersionId};
use super::credentials::{CredentialsError, TemporaryCredentials};
use super::error::{Refused, VaultError};
use super::object::{Object, ObjectKey};
use super::secret::{SecretKey, Stage};
use super::session::Session;
use crate::aws::{Aws, Class, Failure, Service};
use crate::clock::Clock;
use crate::iam::Account;
use crate::ids::{Digest, PcfId, ProductId, SecretSuffix, TenantId};

impl Vault {
    /// The vault in AWS. `key` is the ARN of the KMS key that objects are encrypted with; without one the bucket's default counts.
    pub fn in_aws(aws: Aws, account: Arc<Account>, key: Option<String>, clock: Clock) -> Self {
        let backend = Arc::new(InAws {
            sessions: Sessions::new(aws.clone(), clock),
            s3: aws.s3(),
            secrets: aws_sdk_secretsmanager::Client::new(aws.config()),
            account: Arc::clone(&account),
            key,
            aws,
        });
        Self { account, backend }
    }
}

struct InAws {
    aws: Aws,
    account: Arc<Account>,
    sessions: Sessions,
    s3: aws_sdk_s3::Client,
    secrets: aws_sdk_secretsmanager::Client,
    /// The KMS key of objects.
    key: Option<String>,
}

impl InAws {
    /// Makes a call with a session's credentials; where AWS says that these are at their end, once more with new ones.
    async fn with_session<T, E, R, F>(
        &self,
        session: &Session,
        service: Service,
        (action, resource): (&'static str, &str),
        send: impl Fn(aws_credential_types::Credentials) -> F,
    ) -> Result<T, VaultError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
        F: Future<Output = Result<T, SdkError<E, R>>>,
    {
        let operation = action.split_once(':').map_or(action, |(_, operation)| operation);
        for again in [false, true] {
            let credentials = self.sessions.of(session).await?;
            match self.aws.call(service, operation, send(credentials)).await {
                Err(failure) if failure.class == Class::Expired && !again => self.sessions.forget(session).await,
                answer => return answer.map_err(|failure| meaning(failure, action, resource)),
            }
        }
        Err(VaultError::Unavailable(
            "the session is at its end before it began".to_owned(),
        ))
    }
}

/// What a failed call means to who asked the vault. `resource` is what the call was about.
fn meaning(failure: Failure, action: &'static str, resource: &str) -> VaultError {
    match failure.class {
        Class::Denied => VaultError::Refused(Refused::of(failure, action, resource)),
        Class::Missing => VaultError::NotFound(format!("`{resource}`")),
        _ => VaultError::Unavailable(failure.to_string()),
    }
}

#[async_trait]
impl Backend for InAws {
    async fn get_object(&self, session: &Session, key: &ObjectKey) -> Result<Object, VaultError> {
        self.fetch(session, key).await
    }

    async fn put_objects(&self, puts: Vec<Put>) -> Vec<Result<Digest, VaultError>> {
        self.store_all(puts).await
    }

    async fn delete_object(&self, session: &Session, key: &ObjectKey) -> Result<(), VaultError> {
        self.remove(session, key).await
    }

    async fn list_objects(&self, session: &Session) -> Result<Vec<(ProductId, PcfId)>, VaultError> {
        self.list(session).await
    }

    /// What onboarding noted is known before anyone asks here, and AWS itself holds a call to the ARN.
    async fn secret_suffix(&self, _: &SecretKey) -> Result<Option<SecretSuffix>, VaultError> {
        Ok(None)
    }

    async fn find_suffix(&self, session: &Session, key: &SecretKey) -> Result<Option<SecretSuffix>, VaultError> {
        self.described(session, key).await
    }

    /// Secrets are made in AWS by those who provision it, with a policy of their own; the service has no right to.
    fn new_suffix(&self) -> Result<Option<SecretSuffix>, VaultError> {
        Ok(None)
    }

    async fn make_secret(&self, key: &SecretKey, _: &SecretSuffix, _: SecretString) -> Result<(), VaultError> {
        Err(VaultError::NotFound(key.shown()))
    }

    async fn get_secret(&self, session: &Session, key: &SecretKey, stage: Stage) -> Result<SecretString, VaultError> {
        self.value_of(session, key, stage).await
    }

    async fn put_secret(&self, session: &Session, key: &SecretKey, value: SecretString) -> Result<(), VaultError> {
        self.put_version(session, key, value, Stage::Current).await.map(drop)
    }

    async fn stage_secret(
        &self,
        session: &Session,
        key: &SecretKey,
        value: SecretString,
    ) -> Result<VersionId, VaultError> {
        self.put_version(session, key, value, Stage::Pending).await
    }

    async fn promote_secret(&self, session: &Session, key: &SecretKey, version: &VersionId) -> Result<(), VaultError> {
        self.make_current(session, key, version).await
    }

    async fn issue(
        &self,
        tenant: TenantId,
        role_arn: &str,
        person: Person<'_>,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<TemporaryCredentials, CredentialsError> {
        self.sessions.issue(tenant, role_arn, person, lifetime, now).await
    }

    fn holder(&self, _: &SecretString, _: Timestamp) -> Option<(TenantId, String)> {
        None
    }
}

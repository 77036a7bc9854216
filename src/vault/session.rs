//! A tenant's role, narrowed to the operation at hand.

use std::fmt;

use secrecy::SecretString;

use super::Vault;
use super::backend::Put;
use super::error::{Denied, VaultError};
use super::object::{Object, ObjectKey, Place};
use super::secret::{SecretKey, Stage};
use crate::decision::{IamAnswer, IamDecision};
use crate::iam::{Answer, Context, Layer, Params, Principal, Request, SessionPolicy, TENANT_TAG};
use crate::ids::{Bpnl, Digest, PcfId, ProductId, SecretName, SecretSuffix, TenantId};

/// What a session is for: one operation on one thing, or the whole role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SessionScope {
    /// Read one footprint.
    ObjectRead {
        /// Its product.
        product: ProductId,
        /// Its id.
        pcf: PcfId,
    },
    /// Write one footprint.
    ObjectWrite {
        /// Its product.
        product: ProductId,
        /// Its id.
        pcf: PcfId,
    },
    /// Write one footprint that a partner handed in, apart from the tenant's own.
    ReceivedWrite {
        /// The partner.
        partner: Bpnl,
        /// Its id.
        pcf: PcfId,
    },
    /// Delete one footprint.
    ObjectDelete {
        /// Its product.
        product: ProductId,
        /// Its id.
        pcf: PcfId,
    },
    /// List the tenant's footprints.
    List,
    /// Read one secret.
    SecretRead {
        /// Its name.
        name: SecretName,
    },
    /// Write one secret.
    SecretWrite {
        /// Its name.
        name: SecretName,
    },
    /// Replace one secret in steps: a new version is stored beside the current one, and then takes its place.
    SecretRotate {
        /// Its name.
        name: SecretName,
    },
    /// All the role may do: no session policy. For credentials given to the tenant's own users.
    Whole,
}

/// An operation a session can be asked for, each one action of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'o> {
    /// `s3:GetObject`.
    GetObject(&'o ProductId, &'o PcfId),
    /// `s3:PutObject`.
    PutObject(&'o ProductId, &'o PcfId),
    /// `s3:PutObject`, of what a partner handed in.
    PutReceived(&'o Bpnl, &'o PcfId),
    /// `s3:DeleteObject`.
    DeleteObject(&'o ProductId, &'o PcfId),
    /// `s3:ListBucket` with `s3:prefix` = `{bpnl}/pcf/`.
    ListObjects,
    /// `secretsmanager:GetSecretValue`.
    GetSecret(&'o SecretName),
    /// `secretsmanager:PutSecretValue`.
    PutSecret(&'o SecretName),
    /// `secretsmanager:DescribeSecret`: which versions there are, not what they say.
    DescribeSecret(&'o SecretName),
    /// `secretsmanager:UpdateSecretVersionStage`.
    StageSecret(&'o SecretName),
}

impl Operation<'_> {
    /// The IAM action.
    pub fn action(self) -> &'static str {
        match self {
            Self::GetObject(..) => "s3:GetObject",
            Self::PutObject(..) | Self::PutReceived(..) => "s3:PutObject",
            Self::DeleteObject(..) => "s3:DeleteObject",
            Self::ListObjects => "s3:ListBucket",
            Self::GetSecret(_) => "secretsmanager:GetSecretValue",
            Self::PutSecret(_) => "secretsmanager:PutSecretValue",
            Self::DescribeSecret(_) => "secretsmanager:DescribeSecret",
            Self::StageSecret(_) => "secretsmanager:UpdateSecretVersionStage",
        }
    }
}

/// What stands for the six random characters of a secret's ARN while they are not known: no pattern but wildcards can match.
const UNKNOWN_SUFFIX: &str = "??????";

/// A session of one tenant's role. Every operation is answered by the IAM layer before anything is touched.
#[derive(Clone)]
pub struct Session {
    vault: Vault,
    tenant: TenantId,
    scope: SessionScope,
    role_arn: String,
    session_arn: String,
}

impl Session {
    pub(super) fn new(vault: Vault, tenant: TenantId, scope: SessionScope, name: &str) -> Self {
        let account = &vault.account;
        let role_arn = account.names().role_arn(account.isolation(), tenant);
        let session_arn = account.names().session_arn(account.isolation(), tenant, name);
        Self {
            vault,
            tenant,
            scope,
            role_arn,
            session_arn,
        }
    }

    /// The tenant whose role this is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The vault it is of.
    pub(super) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// What the session is for.
    pub fn scope(&self) -> &SessionScope {
        &self.scope
    }

    /// The role the session is of.
    pub(super) fn role_arn(&self) -> &str {
        &self.role_arn
    }

    /// The ARN AWS would log for the session.
    pub fn session_arn(&self) -> &str {
        &self.session_arn
    }

    /// What IAM says to an operation on the session's own tenant, without doing it. The six characters of a secret's ARN
    /// are taken to be any.
    pub fn ask(&self, operation: Operation<'_>) -> IamAnswer {
        let resource = self.resource(operation, UNKNOWN_SUFFIX);
        let Answer {
            decision, statements, ..
        } = self.evaluate(operation, &resource);
        IamAnswer::Evaluated { decision, statements }
    }

    /// The footprint, its bytes proved to be those that were put.
    ///
    /// # Errors
    /// [`VaultError::AccessDenied`], [`VaultError::NotFound`], [`VaultError::Tampered`] or an IO error.
    pub async fn get_object(&self, product: &ProductId, pcf: &PcfId) -> Result<Object, VaultError> {
        self.authorize(Operation::GetObject(product, pcf), UNKNOWN_SUFFIX)?;
        let key = self.object_key(product, pcf);
        self.vault.backend.get_object(self, &key).await
    }

    /// Stores a footprint, replacing an older one whole; durable on return.
    ///
    /// # Errors
    /// [`VaultError::AccessDenied`], [`VaultError::TooLarge`] (16 MiB) or an IO error.
    pub async fn put_object(&self, product: &ProductId, pcf: &PcfId, bytes: Vec<u8>) -> Result<Digest, VaultError> {
        let key = self.may_put(product, pcf)?;
        self.put(key, bytes).await
    }

    /// Where the footprint is to be stored, if it may be.
    pub(super) fn may_put(&self, product: &ProductId, pcf: &PcfId) -> Result<ObjectKey, VaultError> {
        self.authorize(Operation::PutObject(product, pcf), UNKNOWN_SUFFIX)?;
        Ok(self.object_key(product, pcf))
    }

    async fn put(&self, key: ObjectKey, bytes: Vec<u8>) -> Result<Digest, VaultError> {
        let session = self.clone();
        let mut stored = self.vault.backend.put_objects(vec![Put { session, key, bytes }]).await;
        stored
            .pop()
            .unwrap_or(Err(VaultError::Internal("tell what became of an object")))
    }

    /// Stores a footprint that `partner` handed in, replacing an older one of that partner's whole; durable on return.
    ///
    /// # Errors
    /// As for [`Session::put_object`].
    pub async fn put_received(&self, partner: &Bpnl, pcf: &PcfId, bytes: Vec<u8>) -> Result<Digest, VaultError> {
        self.authorize(Operation::PutReceived(partner, pcf), UNKNOWN_SUFFIX)?;
        let key = ObjectKey {
            tenant: self.tenant,
            place: Place::Received(*partner),
            pcf: pcf.clone(),
        };
        self.put(key, bytes).await
    }

    /// Deletes a footprint; as in S3, deleting one that is not there succeeds.
    ///
    /// # Errors
    /// [`VaultError::AccessDenied`] or an IO error.
    pub async fn delete_object(&self, product: &ProductId, pcf: &PcfId) -> Result<(), VaultError> {
        self.authorize(Operation::DeleteObject(product, pcf), UNKNOWN_SUFFIX)?;
        let key = self.object_key(product, pcf);
        self.vault.backend.delete_object(self, &key).await
    }

    /// The tenant's footprints, sorted by product and id.
    ///
    /// # Errors
    /// [`VaultError::AccessDenied`], [`VaultError::ForeignPath`] or an IO error.
    pub async fn list_objects(&self) -> Result<Vec<(ProductId, PcfId)>, VaultError> {
        self.authorize(Operation::ListObjects, UNKNOWN_SUFFIX)?;
        self.vault.backend.list_objects(self).await
    }

    /// The current version of a secret.
    ///
    /// # Errors
    /// [`VaultError::AccessDenied`], [`VaultError::NotFound`], [`VaultError::Tampered`] or an IO error.
    pub async fn get_secret(&self, name: &SecretName) -> Result<SecretString, VaultError> {
        self.get_secret_version(name, Stage::Current).await
    }

    /// One version of a secret.
    ///
    /// # Errors
    /// As for [`Session::get_secret`].
    pub async fn get_secret_version(&self, name: &SecretName, stage: Stage) -> Result<SecretString, VaultError> {
        self.authorize_secret(Operation::GetSecret(name), name).await?;
        let key = self.secret_key(name);
        self.vault.backend.get_secret(self, &key, stage).await
    }

    /// Stores a new current version; the one that was current stays readable as [`Stage::Previous`]. Makes the secret if
    /// there is none, which on AWS is the work of onboarding.
    ///
    /// # Errors
    /// [`VaultError::AccessDenied`], [`VaultError::TooLarge`] (64 KiB), [`VaultError::Tampered`] or an IO error.
    pub async fn put_secret(&self, name: &SecretName, value: SecretString) -> Result<(), VaultError> {
        self.authorize_secret(Operation::PutSecret(name), name).await?;
        let key = self.secret_key(name);
        self.vault.backend.put_secret(self, &key, value).await
    }

    /// Makes a secret whose ARN ends so ([`Vault::new_suffix`](super::Vault::new_suffix)). Where it was made meanwhile, this is its next version.
    ///
    /// # Errors
    /// As for [`Session::put_secret`].
    pub async fn make_secret(
        &self,
        name: &SecretName,
        suffix: &SecretSuffix,
        value: SecretString,
    ) -> Result<(), VaultError> {
        self.authorize(Operation::PutSecret(name), suffix.as_str())?;
        self.authorize_secret(Operation::PutSecret(name), name).await?;
        self.vault
            .backend
            .make_secret(&self.secret_key(name), suffix, value)
            .await
    }

    /// Replaces a secret: `value` is stored as [`Stage::Pending`], `accepted` tries it where it is to be used, and only then it
    /// becomes the current one and the one that was current [`Stage::Previous`]. Where it is not accepted the current one stays,
    /// and the pending one is overwritten by the next rotation.
    ///
    /// # Errors
    /// [`VaultError::NotAccepted`] with what `accepted` said, else as for [`Session::put_secret`].
    pub async fn rotate_secret<F>(
        &self,
        name: &SecretName,
        value: SecretString,
        accepted: impl FnOnce(SecretString) -> F,
    ) -> Result<(), VaultError>
    where
        F: Future<Output = Result<(), String>>,
    {
        for operation in [
            Operation::PutSecret(name),
            Operation::DescribeSecret(name),
            Operation::StageSecret(name),
        ] {
            self.authorize_secret(operation, name).await?;
        }
        let key = self.secret_key(name);
        let backend = &self.vault.backend;
        let version = backend.stage_secret(self, &key, value.clone()).await?;
        accepted(value)
            .await
            .map_err(|why| VaultError::NotAccepted { what: key.shown(), why })?;
        backend.promote_secret(self, &key, &version).await
    }

    /// The six random characters of the secret's ARN, made when it was; for who may read the secret.
    ///
    /// # Errors
    /// As for [`Session::get_secret`].
    pub async fn secret_suffix(&self, name: &SecretName) -> Result<SecretSuffix, VaultError> {
        self.authorize(Operation::DescribeSecret(name), UNKNOWN_SUFFIX)?;
        let key = self.secret_key(name);
        let found = self.vault.backend.find_suffix(self, &key).await?;
        found.ok_or_else(|| VaultError::NotFound(key.shown()))
    }

    /// Authorizes twice: before the file of the secret is opened, and again with the ARN that is then known.
    async fn authorize_secret(&self, operation: Operation<'_>, name: &SecretName) -> Result<(), VaultError> {
        self.authorize(operation, UNKNOWN_SUFFIX)?;
        match self.stored_suffix(name).await? {
            Some(suffix) => self.authorize(operation, suffix.as_str()),
            None => Ok(()),
        }
    }

    async fn stored_suffix(&self, name: &SecretName) -> Result<Option<SecretSuffix>, VaultError> {
        self.vault.backend.secret_suffix(&self.secret_key(name)).await
    }

    fn authorize(&self, operation: Operation<'_>, suffix: &str) -> Result<(), VaultError> {
        let resource = self.resource(operation, suffix);
        self.authorize_on(operation, resource)
    }

    /// Authorizes an operation on a resource named by its ARN.
    pub(super) fn authorize_on(&self, operation: Operation<'_>, resource: String) -> Result<(), VaultError> {
        let Answer {
            decision,
            decided_by,
            statements,
        } = self.evaluate(operation, &resource);
        if decision == IamDecision::Allowed {
            return Ok(());
        }
        let action = operation.action();
        Err(VaultError::AccessDenied(Box::new(Denied {
            action,
            resource,
            decision,
            decided_by,
            statements,
        })))
    }

    fn resource(&self, operation: Operation<'_>, suffix: &str) -> String {
        let names = self.vault.account.names();
        match operation {
            Operation::GetObject(product, pcf)
            | Operation::PutObject(product, pcf)
            | Operation::DeleteObject(product, pcf) => names.object_arn(self.tenant, product, pcf),
            Operation::PutReceived(partner, pcf) => names.received_arn(self.tenant, partner, pcf),
            Operation::ListObjects => names.bucket_arn(),
            Operation::GetSecret(name)
            | Operation::PutSecret(name)
            | Operation::DescribeSecret(name)
            | Operation::StageSecret(name) => names.secret_arn(self.tenant, name, suffix),
        }
    }

    /// Asks the IAM layer what AWS would be asked.
    fn evaluate(&self, operation: Operation<'_>, resource: &str) -> Answer {
        let mut context = Context::new().with(TENANT_TAG, self.tenant.to_string());
        if operation == Operation::ListObjects {
            context = context.with("s3:prefix", format!("{}/pcf/", self.tenant));
        }
        let account = &self.vault.account;
        let request = Request {
            principal: Principal::Session {
                role_arn: self.role_arn.as_str().into(),
                session_arn: self.session_arn.as_str().into(),
            },
            action: operation.action(),
            resource,
            resource_account: account.names().account(),
            context,
        };
        let Some(name) = self.policy() else {
            return account.answer(&request, None);
        };
        let Some(document) = account.document(name) else {
            // A bundle without the document does not load; were there one, nothing would be allowed.
            return Answer {
                decision: IamDecision::ImplicitDeny,
                decided_by: Layer::Session,
                statements: Vec::new(),
            };
        };
        let params = self.params();
        account.answer(&request, Some(&SessionPolicy { document, params }))
    }

    /// The session policy; only [`SessionScope::Whole`] has none.
    fn policy(&self) -> Option<&'static str> {
        match self.scope {
            SessionScope::ObjectRead { .. } => Some("session-object-read"),
            SessionScope::ObjectWrite { .. } => Some("session-object-write"),
            SessionScope::ReceivedWrite { .. } => Some("session-received-write"),
            SessionScope::ObjectDelete { .. } => Some("session-object-delete"),
            SessionScope::List => Some("session-list"),
            SessionScope::SecretRead { .. } => Some("session-secret-read"),
            SessionScope::SecretWrite { .. } => Some("session-secret-write"),
            SessionScope::SecretRotate { .. } => Some("session-secret-rotate"),
            SessionScope::Whole => None,
        }
    }

    /// The session policy as AWS is handed it; none where the session is the whole role.
    ///
    /// # Errors
    /// There is no such document, or it does not render; then there is no session.
    #[cfg(feature = "aws")]
    pub(super) fn rendered_policy(&self) -> Result<Option<String>, VaultError> {
        let Some(name) = self.policy() else { return Ok(None) };
        let account = &self.vault.account;
        let document = account
            .document(name)
            .ok_or(VaultError::Internal("find a session policy"))?;
        let text = document.render(&self.with_scope(account.names().params()));
        let text = text.map_err(|_| VaultError::Internal("render a session policy"))?;
        // STS counts white space.
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|_| VaultError::Internal("render a session policy"))?;
        Ok(Some(value.to_string()))
    }

    /// The template's values come from the scope, never from the operation asked for.
    fn params(&self) -> Params<'_> {
        self.with_scope(Params::new())
    }

    fn with_scope<'p>(&'p self, params: Params<'p>) -> Params<'p> {
        let params = params.with("bpnl", self.tenant.to_string());
        match &self.scope {
            SessionScope::ObjectRead { product, pcf }
            | SessionScope::ObjectWrite { product, pcf }
            | SessionScope::ObjectDelete { product, pcf } => {
                params.with("product", product.as_str()).with("pcf", pcf.as_str())
            }
            SessionScope::ReceivedWrite { partner, pcf } => {
                params.with("partner", partner.as_str()).with("pcf", pcf.as_str())
            }
            SessionScope::SecretRead { name }
            | SessionScope::SecretWrite { name }
            | SessionScope::SecretRotate { name } => params.with("name", name.as_str()),
            SessionScope::List | SessionScope::Whole => params,
        }
    }

    fn object_key(&self, product: &ProductId, pcf: &PcfId) -> ObjectKey {
        ObjectKey {
            tenant: self.tenant,
            place: Place::Own(product.clone()),
            pcf: pcf.clone(),
        }
    }

    fn secret_key(&self, name: &SecretName) -> SecretKey {
        SecretKey {
            tenant: self.tenant,
            name: name.clone(),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Session({} for {:?})", self.session_arn, self.scope)
    }
}

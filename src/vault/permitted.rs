//! From a permit to a session: what was decided is what can be reached.

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::{CredentialsError, Session, SessionScope, TemporaryCredentials, Vault, VaultError};
use crate::decide::{Gate, Permit, Recorded};
use crate::ids::{SecretName, TenantId, UserName};
use crate::ledger::record::Diverged;
use crate::question::{Action, EntityRef, Question, Value};

/// How many characters of AWS's message are recorded.
const MAX_MESSAGE: usize = 2_000;

/// Why a permit opens no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// The action reads and writes nothing in the vault.
    #[error("the action `{0}` touches nothing in the vault")]
    Action(Action),
    /// The question does not name the thing in full: it does not exist, or its id is not one of the vault's.
    #[error("`{0}` does not exist")]
    Unknown(String),
}

impl Vault {
    /// A session for the one thing the permit is about, and nothing else.
    ///
    /// # Errors
    /// The permit is for nothing that lies in the vault, or for a thing that does not exist.
    pub fn session_for(&self, permit: &Permit) -> Result<Session, ScopeError> {
        let (tenant, scope) = scope(permit.question())?;
        Ok(self.session(tenant, scope))
    }

    /// Temporary credentials for the person whose `assumeRole` was permitted; see [`Vault::issue_credentials`].
    ///
    /// # Errors
    /// See [`CredentialsError`]; also [`CredentialsError::Permit`] where the permit is for something else.
    pub async fn credentials_for(
        &self,
        permit: &Permit,
        user: &UserName,
        web_identity: Option<&SecretString>,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<TemporaryCredentials, CredentialsError> {
        let question = permit.question();
        let tenant = owner(question, &question.resource);
        match (question.action, tenant) {
            (Action::AssumeRole, Some(tenant)) => {
                self.issue_credentials(tenant, user, web_identity, lifetime, now).await
            }
            _ => Err(CredentialsError::Permit),
        }
    }
}

fn owner(question: &Question, reference: &EntityRef) -> Option<TenantId> {
    match question.entity(reference)?.attrs.get("tenant") {
        Some(Value::Entity(tenant)) => tenant.id.parse().ok(),
        _ => None,
    }
}

fn scope(question: &Question) -> Result<(TenantId, SessionScope), ScopeError> {
    let resource = &question.resource;
    let unknown = || ScopeError::Unknown(resource.to_string());
    let text = |name: &str| match question.entity(resource)?.attrs.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    let tenant = owner(question, resource).ok_or_else(unknown)?;
    let object = || {
        let product = text("product").and_then(|text| text.parse().ok()).ok_or_else(unknown)?;
        let local = resource.id.rsplit_once('/').map(|(_, local)| local);
        let pcf = local.and_then(|local| local.parse().ok()).ok_or_else(unknown)?;
        Ok::<_, ScopeError>((product, pcf))
    };
    let secret =
        || -> Result<SecretName, ScopeError> { text("name").and_then(|text| text.parse().ok()).ok_or_else(unknown) };
    let scope = match question.action {
        Action::Access | Action::ReadFootprint => {
            let (product, pcf) = object()?;
            SessionScope::ObjectRead { product, pcf }
        }
        Action::WriteFootprint => {
            let (product, pcf) = object()?;
            SessionScope::ObjectWrite { product, pcf }
        }
        Action::Submit => {
            let (_, pcf) = object()?;
            // The principal of the question is the partner; where it lies follows from that and from nothing in the document.
            let partner = question.principal.id.parse().map_err(|_| unknown())?;
            SessionScope::ReceivedWrite { partner, pcf }
        }
        Action::DeleteFootprint => {
            let (product, pcf) = object()?;
            SessionScope::ObjectDelete { product, pcf }
        }
        Action::ListFootprints => SessionScope::List,
        Action::ReadSecret => SessionScope::SecretRead { name: secret()? },
        Action::WriteSecret => SessionScope::SecretWrite { name: secret()? },
        Action::RotateSecret => SessionScope::SecretRotate { name: secret()? },
        other => return Err(ScopeError::Action(other)),
    };
    Ok((tenant, scope))
}

/// What a caller is told of a vault that fails after both layers allowed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No session.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// The session's operation failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No credentials.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

impl OpenError {
    /// Tells of it: in full to the program's log, and where AWS refused what both layers allow, to the ledger.
    pub async fn tell(&self, gate: &Gate, recorded: &Recorded) {
        let record = recorded.record();
        let refused = match self {
            Self::Vault(VaultError::Refused(refused)) | Self::Credentials(CredentialsError::Refused(refused)) => {
                refused
            }
            _ => return tracing::error!(%record, error = %self, "the vault failed after an allow"),
        };
        let divergence = Diverged {
            action: refused.action.to_owned(),
            code: refused.code.clone(),
            decision: record,
            message: refused.message.chars().take(MAX_MESSAGE).collect(),
            request: refused.request.clone(),
            resource: refused.resource.clone(),
        };
        gate.diverged(recorded.receipt().log(), divergence).await;
    }

    /// Whether there is nothing there, which is no fault of the vault.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::Scope(ScopeError::Unknown(_)) | Self::Vault(VaultError::NotFound(_))
        )
    }
}

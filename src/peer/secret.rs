//! The secret that a system's document names: asked for, decided, recorded, read.

use jiff::Timestamp;
use secrecy::SecretString;

use crate::decide::{Gate, Refusal};
use crate::ids::{SecretName, SecretSuffix};
use crate::ledger::record::Request;
use crate::question::ask::{self, SystemFacts};
use crate::vault::{OpenError, Vault};

/// Reads secrets of a company on behalf of a system that its people put on record.
#[derive(Clone, Copy, Debug)]
pub struct Clerk<'a> {
    /// Decides and records.
    pub gate: &'a Gate,
    /// Where secrets lie.
    pub vault: &'a Vault,
}

/// Why there is no secret, for the company's own people.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// Nothing is decided that cannot be recorded.
    #[error("the decision could not be recorded")]
    Unrecorded,
    /// Policy says no.
    #[error("{} (record {})", .0.told(), .0.record())]
    Denied(Refusal),
    /// There is none of that name.
    #[error("there is no secret `{0}`")]
    Missing(SecretName),
    /// The vault failed; the ledger knows of it where AWS refused.
    #[error("the secret `{0}` could not be read")]
    Failed(SecretName),
}

impl Clerk<'_> {
    /// The secret `name`, which the document of `system` must name: policy (`credentials/fetch-secret`) permits no other. It is read in a session
    /// for that one secret.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn secret(
        &self,
        system: &SystemFacts<'_>,
        name: &SecretName,
        request: &Request,
        now: Timestamp,
    ) -> Result<SecretString, Unread> {
        let suffix = self.vault.suffix_of(system.tenant, name).await;
        let suffix = suffix.map_err(|error| {
            tracing::error!(tenant = %system.tenant.id, %error, "a secret cannot be looked for");
            Unread::Failed(name.clone())
        })?;
        let suffix = suffix.as_ref().map(SecretSuffix::as_str);
        let question = ask::fetch_secret(system, name, suffix, now);
        let recorded = self.gate.decide(question, Some(system.tenant.id), request).await;
        let recorded = recorded.map_err(|_| Unread::Unrecorded)?;
        let permit = recorded.permit().map_err(Unread::Denied)?;
        let opened = async {
            let session = self.vault.session_for(&permit)?;
            Ok::<_, OpenError>(session.get_secret(name).await?)
        };
        match opened.await {
            Ok(secret) => Ok(secret),
            Err(error) if error.is_not_found() => Err(Unread::Missing(name.clone())),
            Err(error) => {
                error.tell(self.gate, &permit).await;
                Err(Unread::Failed(name.clone()))
            }
        }
    }
}

//! Agreements end, and a crash at any point leaves no ledger that says "retired" beside a registry that says "active".
//!
//! The ledger and the registry are two stores, so an ending is written three times: what is going to be done
//! ([`RegistryStore::intend`]), then the ledger, by whoever ends agreements, then the state itself ([`RegistryStore::end_agreements`]),
//! which takes the intention away. What is found intended at a start was cut short, and is done again to its end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rows::to_json;
use super::{RegistryError, RegistryStore};
use crate::database::{Transaction, args};
use crate::ids::{AgreementId, RecordId, TenantId};
use crate::registry::agreement::AgreementState;

/// That an agreement ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// The tenant that provides.
    pub provider: TenantId,
    /// The agreement.
    pub id: AgreementId,
    /// Retired or expired.
    pub state: AgreementState,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Who ends it, spelled as a Cedar principal.
    pub by: String,
    /// The record of the decision that permitted it, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<RecordId>,
}

impl RegistryStore {
    /// Notes that agreements are going to end.
    ///
    /// # Errors
    /// The database; nothing is noted then.
    pub async fn intend(&self, endings: &[Ending]) -> Result<(), RegistryError> {
        let mut transaction = self.tables.begin().await?;
        for ending in in_order(endings) {
            transaction
                .run(
                    "INSERT INTO ending (provider, id, document) VALUES ($1, $2, $3)
                     ON CONFLICT (provider, id) DO UPDATE SET document = excluded.document",
                    args![ending.provider.as_str(), ending.id.as_str(), &to_json(ending)],
                )
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Takes back what was intended: the agreements stay in force.
    ///
    /// # Errors
    /// The database; the agreements end all the same then.
    pub async fn forgo(&self, endings: &[Ending]) -> Result<(), RegistryError> {
        let mut transaction = self.tables.begin().await?;
        for ending in in_order(endings) {
            forget(&mut transaction, ending).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// What was intended and is not done.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn intended(&self) -> Result<Vec<Ending>, RegistryError> {
        let sql = "SELECT id, document FROM ending ORDER BY provider, id";
        let rows: Vec<(String, String)> = self.tables.fetch(sql, args![]).await?;
        let read = |(id, document): &(String, String)| {
            crate::json::read(document.as_bytes()).map_err(|error| super::rows::wrong("ending", id, error))
        };
        rows.iter().map(read).collect()
    }

    /// Ends agreements. They are ended in memory whatever becomes of the rest: what was ended grants nothing more, not even where
    /// that could not be written. One that ended before stays as it ended.
    ///
    /// # Errors
    /// The database. What was intended stays so, and is done with the next start at the latest.
    pub async fn end_agreements(&self, endings: &[Ending]) -> Result<(), RegistryError> {
        for ending in endings {
            self.end_in_memory(ending);
        }
        let mut edit = self.edit().await?;
        let (version, transaction) = (edit.version(), edit.transaction());
        for ending in in_order(endings) {
            transaction
                .run(
                    "UPDATE agreement SET state = $1, changed_at = $2, reason = $3, version = $4
                     WHERE provider = $5 AND id = $6 AND state = 'active'",
                    args![
                        ending.state.as_str(),
                        &ending.at.to_string(),
                        &ending.reason,
                        version,
                        ending.provider.as_str(),
                        ending.id.as_str(),
                    ],
                )
                .await?;
            forget(transaction, ending).await?;
        }
        edit.commit().await
    }
}

/// Rows are locked in the order of their keys.
fn in_order(endings: &[Ending]) -> Vec<&Ending> {
    let mut all: Vec<_> = endings.iter().collect();
    all.sort_by(|one, other| (one.provider, &one.id).cmp(&(other.provider, &other.id)));
    all
}

async fn forget(transaction: &mut Transaction, ending: &Ending) -> Result<(), sqlx::Error> {
    let args = args![ending.provider.as_str(), ending.id.as_str()];
    let sql = "DELETE FROM ending WHERE provider = $1 AND id = $2";
    transaction.run(sql, args).await.map(drop)
}

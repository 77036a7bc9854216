//! Agreements end, and a crash at any point leaves no ledger that says "retired" beside a registry that says "active".
//!
//! The ledger and the registry are two files, so an ending is written three times: what is going to be done
//! ([`RegistryStore::intend`]), then the ledger, by whoever ends agreements, then the state itself ([`RegistryStore::end_agreements`]),
//! which takes the intention away. What is found intended at a start was cut short, and is done again to its end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rows::to_json;
use super::{RegistryError, RegistryStore};
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
        let mut transaction = self.pool.begin().await?;
        for ending in endings {
            sqlx::query("INSERT OR REPLACE INTO ending (provider, id, document) VALUES (?, ?, ?)")
                .bind(ending.provider.as_str())
                .bind(ending.id.as_str())
                .bind(to_json(ending))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Takes back what was intended: the agreements stay in force.
    ///
    /// # Errors
    /// The database; the agreements end all the same then.
    pub async fn forgo(&self, endings: &[Ending]) -> Result<(), RegistryError> {
        let mut transaction = self.pool.begin().await?;
        for ending in endings {
            forget(&mut transaction, ending).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// What was intended and is not done.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn intended(&self) -> Result<Vec<Ending>, RegistryError> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT id, document FROM ending ORDER BY provider, id")
            .fetch_all(&self.pool)
            .await?;
        let read = |(id, document): &(String, String)| {
            crate::json::read(document.as_bytes()).map_err(|error| super::rows::wrong("ending", id, error))
        };
        rows.iter().map(read).collect()
    }

    /// Ends agreements. They are ended in memory whatever becomes of the file: what was ended grants nothing more, not even where
    /// that could not be written.
    ///
    /// # Errors
    /// The database. What was intended stays so, and is done with the next start at the latest.
    pub async fn end_agreements(&self, endings: &[Ending]) -> Result<(), RegistryError> {
        for ending in endings {
            self.change_agreement(ending.provider, &ending.id, |known| known.state = ending.state);
        }
        self.write_endings(endings).await
    }

    async fn write_endings(&self, endings: &[Ending]) -> Result<(), RegistryError> {
        let mut transaction = self.pool.begin().await?;
        for ending in endings {
            sqlx::query("UPDATE agreement SET state = ?, changed_at = ?, reason = ? WHERE provider = ? AND id = ?")
                .bind(ending.state.as_str())
                .bind(ending.at.to_string())
                .bind(&ending.reason)
                .bind(ending.provider.as_str())
                .bind(ending.id.as_str())
                .execute(&mut *transaction)
                .await?;
            forget(&mut transaction, ending).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn forget(connection: &mut sqlx::SqliteConnection, ending: &Ending) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM ending WHERE provider = ? AND id = ?")
        .bind(ending.provider.as_str())
        .bind(ending.id.as_str())
        .execute(connection)
        .await
        .map(drop)
}

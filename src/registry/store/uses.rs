//! How often data was handed out under an agreement.
//!
//! Where the terms ask for that number, it decides, so it is kept as a decision is: whoever asks takes a [`Turn`], which nobody else
//! has for the same agreement until it is given back, reads the number, decides, and counts before the answer leaves. Of two
//! requests under `DataFrequency once` that come at the same instant, one waits for the other and then sees that data was handed
//! out. The count is durable before the answer is sent; where the process ends in between, the use is counted though nobody got
//! anything, which is the side to err on. Requests that two processes get are not kept waiting for each other: each counts only where
//! the number still is the one it decided on, and who comes second hands nothing out ([`RegistryError::Overtaken`]).
//!
//! Under all other terms the number is only shown. It is kept in memory and added to the rows now and then
//! ([`RegistryStore::write_uses`]); what was not written when the process ended unexpectedly is lost. The decisions themselves
//! are in the ledger, so the true number can be counted there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use super::{RegistryError, RegistryStore};
use crate::database::args;
use crate::ids::{AgreementId, TenantId};
use crate::registry::Agreement;

type Key = (TenantId, AgreementId);

/// What is counted and not yet written, and who has a turn.
#[derive(Debug, Default)]
pub(super) struct Uses {
    pending: Mutex<HashMap<Key, u64>>,
    turns: Mutex<Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    locks: HashMap<Key, Weak<tokio::sync::Mutex<()>>>,
    /// How many locks there may be before those that nobody holds are looked for.
    most: usize,
}

impl Turns {
    /// The one lock of an agreement, for as long as anyone holds it or waits for it.
    fn lock(&mut self, key: &Key) -> Arc<tokio::sync::Mutex<()>> {
        if let Some(lock) = self.locks.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        if self.locks.len() >= self.most {
            self.locks.retain(|_, lock| lock.strong_count() > 0);
            self.most = 2 * self.locks.len() + 64;
        }
        let lock = Arc::default();
        self.locks.insert(key.clone(), Arc::downgrade(&lock));
        lock
    }
}

impl Uses {
    /// How often data was handed out that is not written yet.
    pub(super) fn pending(&self, provider: TenantId, id: &AgreementId) -> u64 {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.get(&(provider, id.clone())).copied().unwrap_or(0)
    }

    fn add(&self, key: Key, count: u64) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        *pending.entry(key).or_default() += count;
    }
}

/// The right to hand out data under an agreement, once. Where its terms count, nobody else has one meanwhile.
#[derive(Debug)]
#[must_use = "a turn that is dropped counts nothing"]
pub struct Turn {
    store: RegistryStore,
    key: Key,
    /// The number, where the terms count, and what keeps it still.
    counted: Option<(u64, OwnedMutexGuard<()>)>,
}

impl Turn {
    /// How often data was handed out before, where the terms count: what the question is to say.
    pub fn uses(&self) -> Option<u64> {
        self.counted.as_ref().map(|(uses, _)| *uses)
    }

    /// Counts that data is handed out. Where the terms count, the count is durable on return, and only then may the answer leave.
    ///
    /// # Errors
    /// The database, or another process counted meanwhile; the data must not leave.
    pub async fn count(self) -> Result<(), RegistryError> {
        let Some((uses, _guard)) = self.counted else {
            self.store.uses.add(self.key, 1);
            return Ok(());
        };
        let (provider, id) = self.key;
        let sql = "UPDATE agreement SET uses = uses + 1 WHERE provider = $1 AND id = $2 AND uses = $3";
        let args = args![provider.as_str(), id.as_str(), stored(uses)];
        match self.store.tables.run(sql, args).await? {
            0 => Err(RegistryError::Overtaken { provider, id }),
            _ => Ok(()),
        }
    }
}

/// A number as a row has it.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl RegistryStore {
    /// Takes a turn under `agreement`; where its terms count, waits until nobody else has one.
    ///
    /// # Errors
    /// The database.
    pub async fn turn(&self, agreement: &Agreement) -> Result<Turn, RegistryError> {
        let key = (agreement.provider, agreement.id.clone());
        let counted = match agreement.terms.counts_uses() {
            true => Some(self.locked(&key).await?),
            false => None,
        };
        Ok(Turn {
            store: self.clone(),
            key,
            counted,
        })
    }

    async fn locked(&self, key: &Key) -> Result<(u64, OwnedMutexGuard<()>), RegistryError> {
        let lock = self.uses.turns.lock().unwrap_or_else(PoisonError::into_inner).lock(key);
        let guard = lock.lock_owned().await;
        let sql = "SELECT uses FROM agreement WHERE provider = $1 AND id = $2";
        let args = args![key.0.as_str(), key.1.as_str()];
        let found: Option<(i64,)> = self.tables.find(sql, args).await?;
        let (uses,) = found.ok_or(sqlx::Error::RowNotFound)?;
        Ok((u64::try_from(uses).unwrap_or(0), guard))
    }

    /// Adds what was counted in memory to the rows.
    ///
    /// # Errors
    /// The database; what was counted is kept for the next time.
    pub async fn write_uses(&self) -> Result<(), RegistryError> {
        let pending = std::mem::take(&mut *self.uses.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if pending.is_empty() {
            return Ok(());
        }
        let written = self.write_pending(&pending).await;
        if written.is_err() {
            pending.into_iter().for_each(|(key, count)| self.uses.add(key, count));
        }
        written
    }

    async fn write_pending(&self, pending: &HashMap<Key, u64>) -> Result<(), RegistryError> {
        let mut transaction = self.tables.begin().await?;
        // Rows are locked in the order of their keys.
        let mut pending: Vec<_> = pending.iter().collect();
        pending.sort();
        for ((provider, id), count) in pending {
            let sql = "UPDATE agreement SET uses = uses + $1 WHERE provider = $2 AND id = $3";
            let args = args![stored(*count), provider.as_str(), id.as_str()];
            transaction.run(sql, args).await?;
        }
        Ok(transaction.commit().await?)
    }
}

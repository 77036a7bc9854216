//! One change after the other, whoever makes it, and what is in memory as of each.
//!
//! The row of the table `version` is locked by who changes something, from the first statement to the commit; in SQLite the whole file is.
//! What was committed before is seen from then on, so checks in memory, once that is brought up to the version, are checks of
//! what is stored. Rows are locked after it, in the order of their keys: two that lock more than one cannot wait for each other.
//!
//! Nothing here is undone in memory where a change fails: it is not in memory before it is committed. Where a commit's answer is lost, the
//! change may have been made; then the version is greater than what is in memory, and who looks next brings it up to date.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::MutexGuard;

use super::changes::{Changes, version};
use super::{RegistryError, RegistryStore};
use crate::database::{Transaction, args};
use crate::registry::Registry;

/// Where processes tell each other of changes.
const CHANNEL: &str = "tidegate_registry";

/// The right to change the registry. Dropped, it changed nothing.
#[derive(Debug)]
pub(super) struct Edit<'s> {
    store: &'s RegistryStore,
    seen: MutexGuard<'s, i64>,
    transaction: Transaction,
    /// The number of this change, which the rows bear that it writes.
    version: i64,
}

/// Changes that were read, and what they make of a registry.
struct Prepared {
    changes: Changes,
    base: Arc<Registry>,
    next: Registry,
}

impl Edit<'_> {
    /// The number of this change.
    pub(super) fn version(&self) -> i64 {
        self.version
    }

    /// Where it writes.
    pub(super) fn transaction(&mut self) -> &mut Transaction {
        &mut self.transaction
    }

    /// Makes it so: durable on return, and in memory.
    ///
    /// # Errors
    /// The database, or something was written that does not read. It is not in memory then.
    pub(super) async fn commit(mut self) -> Result<(), RegistryError> {
        let prepared = self.store.prepare(&mut self.transaction, *self.seen).await?;
        self.transaction.say(CHANNEL).await?;
        self.transaction.commit().await?;
        self.store.swap_in(prepared)?;
        *self.seen = self.version;
        Ok(())
    }
}

impl RegistryStore {
    /// Begins a change, once nobody else is at one. Then what is in memory is what is stored, until it is over.
    pub(super) async fn edit(&self) -> Result<Edit<'_>, RegistryError> {
        let mut seen = self.seen.lock().await;
        let mut transaction = self.tables.begin().await?;
        let taken: Option<(i64,)> = transaction
            .find("UPDATE version SET number = number + 1 RETURNING number", args![])
            .await?;
        let (version,) = taken.ok_or(sqlx::Error::RowNotFound)?;
        self.catch_up_to(&mut transaction, &mut seen, version - 1).await?;
        Ok(Edit {
            store: self,
            seen,
            transaction,
            version,
        })
    }

    /// Brings what is in memory up to what is stored, where another process changed that; returns whether one did.
    ///
    /// # Errors
    /// The database, or something that does not read; what is in memory stays as it is then.
    pub async fn catch_up(&self) -> Result<bool, RegistryError> {
        let mut seen = self.seen.lock().await;
        let stored: Option<(i64,)> = self.tables.find("SELECT number FROM version", args![]).await?;
        let (stored,) = stored.ok_or(sqlx::Error::RowNotFound)?;
        if stored == *seen {
            return Ok(false);
        }
        let mut transaction = self.tables.look().await?;
        let stored = version(&mut transaction).await?;
        self.catch_up_to(&mut transaction, &mut seen, stored).await?;
        Ok(true)
    }

    async fn catch_up_to(
        &self,
        transaction: &mut Transaction,
        seen: &mut MutexGuard<'_, i64>,
        stored: i64,
    ) -> Result<(), RegistryError> {
        let before = **seen;
        if stored == before {
            return Ok(());
        }
        if stored < before {
            let (seen, found) = (before, stored);
            return Err(RegistryError::Rewound { seen, found });
        }
        let prepared = self.prepare(transaction, before).await?;
        let turned = prepared.changes.turned(&prepared.base);
        self.swap_in(prepared)?;
        **seen = stored;
        for agreement in turned {
            // Nobody need listen.
            let _ = self.others.send(agreement);
        }
        Ok(())
    }

    /// Reads what is newer than `seen`, and holds that it reads.
    async fn prepare(&self, transaction: &mut Transaction, seen: i64) -> Result<Prepared, RegistryError> {
        let changes = Changes::read(transaction, seen, &self.compiled).await?;
        let base = self.current();
        let next = changes.applied(&base, &self.compiled)?;
        Ok(Prepared { changes, base, next })
    }

    /// Puts what was prepared into memory, for the next request to see. What ended in memory alone meanwhile stays ended.
    fn swap_in(&self, prepared: Prepared) -> Result<(), RegistryError> {
        let Prepared { changes, base, next } = prepared;
        let mut swapped = Ok(());
        self.current.send_modify(|current| {
            let next = match Arc::ptr_eq(current, &base) {
                true => Ok(next),
                false => changes.applied(current, &self.compiled),
            };
            match next {
                Ok(next) => *current = Arc::new(next),
                Err(error) => swapped = Err(error),
            }
        });
        swapped
    }

    /// Brings into memory what other processes change, as they tell of it and every `period` besides; runs until it is aborted. Nobody
    /// tells where the registry is in a file: what is changed there is seen within a `period`.
    pub async fn follow(&self, period: Duration) {
        let mut tick = tokio::time::interval(period);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            match self.tables.listen(CHANNEL).await {
                Ok(Some(mut listener)) => {
                    // What was told before it listened.
                    self.look().await;
                    while self.listen(&mut listener, &mut tick).await {
                        self.look().await;
                    }
                    tracing::warn!(
                        "the connection that tells of the registry's changes was lost; they are looked for until it is back"
                    );
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "nobody tells of the registry's changes; they are looked for"),
            }
            tick.tick().await;
            self.look().await;
        }
    }

    /// Waits until somebody tells of a change, and looks for one at each tick meanwhile. Returns whether the connection still stands.
    async fn listen(&self, listener: &mut PgListener, tick: &mut tokio::time::Interval) -> bool {
        let mut told = pin!(listener.try_recv());
        loop {
            tokio::select! {
                told = &mut told => return matches!(told, Ok(Some(_))),
                _ = tick.tick() => self.look().await,
            }
        }
    }

    async fn look(&self) {
        if let Err(error) = self.catch_up().await {
            tracing::error!(%error, "what other processes changed in the registry is not seen");
        }
    }
}

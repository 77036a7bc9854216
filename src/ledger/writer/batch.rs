//! What one transaction is to write, and who waits for it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::super::Appended;
use super::super::error::LedgerError;
use super::super::period::{Period, PeriodKey};
use super::super::record::{LogId, Refused};
use super::super::store::Rows;
use super::{Owed, Reply};
use crate::ids::{Digest, TenantId};

/// The batch at hand.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) rows: Rows,
    pub(super) touched: BTreeSet<LogId>,
    /// Every digest the batch's entries brought, written here or known to be stored.
    pub(super) digests: HashSet<Digest>,
    pub(super) erased: Vec<(LogId, BTreeSet<Period>)>,
    /// The keys that were asked for, by the month they were asked for and their own.
    pub(super) keys: HashMap<(LogId, Period), Arc<PeriodKey>>,
    /// Of what could not be recorded before, what this batch tells.
    pub(super) told: BTreeMap<LogId, Refused>,
    /// For how many answers ahead of their records these logs are marked.
    pub(super) marked: BTreeMap<TenantId, u32>,
    /// Another process writes, as was found on the way.
    pub(super) displaced: Option<LedgerError>,
    pub(super) waiting: Vec<Waiting>,
    /// Entries whose answers left already.
    pub(super) ahead: Vec<Owed>,
    /// Such that cannot be recorded: the batch tells of them.
    pub(super) lost: Vec<Owed>,
}

/// Who waits for the batch to be durable.
pub(super) enum Waiting {
    /// Whoever had an entry recorded.
    Record(Reply<Appended>, Appended),
    /// Whoever had checkpoints kept that witnesses cosigned.
    Kept(Reply<()>),
    /// Whoever is to seal with a month's key.
    Key(Reply<Arc<PeriodKey>>, LogId, Arc<PeriodKey>),
}

impl Batch {
    /// Takes note of who else writes, where that is why something failed.
    pub(super) fn heed<T>(&mut self, result: &Result<T, LedgerError>) {
        if let Err(error @ LedgerError::Standby { .. }) = result {
            self.displaced.get_or_insert(error.clone());
        }
    }

    /// Whether it erases that month's key.
    pub(super) fn erases(&self, log: LogId, period: Period) -> bool {
        self.erased
            .iter()
            .any(|(of, periods)| *of == log && periods.contains(&period))
    }

    /// Whether there is nothing to write and nobody to answer.
    pub(super) fn is_empty(&self) -> bool {
        self.displaced.is_none() && self.waiting.is_empty() && self.touched.is_empty() && self.rows.periods.is_empty()
    }

    /// How many entries of those who wait, and of those who do not any more, it records.
    pub(super) fn entries(&self) -> (usize, usize) {
        let recorded = |waiting: &&Waiting| matches!(waiting, Waiting::Record(..));
        (self.waiting.iter().filter(recorded).count(), self.ahead.len())
    }
}

impl Waiting {
    /// Tells whoever waits what came of it. They may be gone; that is their business.
    pub(super) fn answer(self, stored: &Result<(), LedgerError>, batch: &Batch) {
        match self {
            Self::Record(reply, appended) => {
                let _ = reply.send(stored.clone().map(|()| appended));
            }
            Self::Kept(reply) => drop(reply.send(stored.clone())),
            Self::Key(reply, log, key) => {
                let period = key.period();
                let kept = if batch.erases(log, period) {
                    Err(LedgerError::Stale(period))
                } else {
                    Ok(key)
                };
                let _ = reply.send(stored.clone().and(kept));
            }
        }
    }
}

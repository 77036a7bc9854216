//! What could not be recorded: counted while it lasts, and told by each log once it can be.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::record::{LogId, RecordTime, Refused};

/// Entries that were refused, by log. Touched only where something fails.
#[derive(Debug, Default)]
pub(super) struct Outages(Mutex<BTreeMap<LogId, Refused>>);

impl Outages {
    /// Counts entries of a log that were refused.
    pub(super) fn count(&self, log: LogId, now: Timestamp) {
        let time = RecordTime::new(now);
        let (first, last) = (time, time);
        let entries = 1;
        self.merge(log, Refused { entries, first, last });
    }

    /// Puts back what could not be told.
    pub(super) fn merge(&self, log: LogId, more: Refused) {
        let mut outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outages.get_mut(&log) {
            None => drop(outages.insert(log, more)),
            Some(known) => {
                known.entries += more.entries;
                known.first = known.first.min(more.first);
                known.last = known.last.max(more.last);
            }
        }
    }

    /// Takes all of it, to be told.
    pub(super) fn take(&self) -> BTreeMap<LogId, Refused> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is something to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

//! What the ledger has done since it was opened, counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;

use super::outage::Outages;
use super::signed::Signed;

/// The upper bounds of the batch sizes counted in [`Stats::batch_sizes`]; the last is the greatest batch there is.
pub const BATCH_BOUNDS: [usize; 5] = [1, 4, 16, 64, 256];

/// A snapshot of the ledger's counters, all since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Entries accepted into the queue.
    pub queued: u64,
    /// Entries whose record is durable.
    pub durable: u64,
    /// Entries accepted but answered with an error.
    pub failed: u64,
    /// Entries never accepted, because the queue stayed full.
    pub busy: u64,
    /// Transactions committed.
    pub batches: u64,
    /// Committed transactions by the number of entries: up to each of [`BATCH_BOUNDS`].
    pub batch_sizes: [u64; BATCH_BOUNDS.len()],
}

impl Stats {
    /// Entries accepted and not yet answered: decisions made minus decisions durable.
    pub fn lag(&self) -> u64 {
        self.queued.saturating_sub(self.durable).saturating_sub(self.failed)
    }
}

/// The live counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) queued: AtomicU64,
    pub(super) durable: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) busy: AtomicU64,
    /// What could not be recorded and is still to be told.
    pub(super) outages: Outages,
    /// What was signed, for whoever has it cosigned.
    pub(super) signed: Signed,
    /// Whether the last transaction failed.
    failing: AtomicBool,
    batches: AtomicU64,
    batch_sizes: [AtomicU64; BATCH_BOUNDS.len()],
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Counts a batch that could not be committed.
    pub(super) fn refused(&self, size: usize) {
        self.failing.store(true, Ordering::Relaxed);
        Self::add(&self.failed, size);
    }

    /// Notes that the store takes writes again.
    pub(super) fn recovered(&self) {
        self.failing.store(false, Ordering::Relaxed);
    }

    /// Whether the last transaction was committed.
    pub(super) fn is_sound(&self) -> bool {
        !self.failing.load(Ordering::Relaxed)
    }

    /// Counts a committed batch of `size` entries.
    pub(super) fn committed(&self, size: usize) {
        self.failing.store(false, Ordering::Relaxed);
        Self::add(&self.durable, size);
        Self::add(&self.batches, 1);
        let fits = BATCH_BOUNDS.iter().zip(&self.batch_sizes);
        if let Some((_, counter)) = fits.into_iter().find(|(bound, _)| size <= **bound) {
            Self::add(counter, 1);
        }
    }

    pub(super) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Read in this order, what is answered never exceeds what was queued.
        let (durable, failed) = (read(&self.durable), read(&self.failed));
        Stats {
            queued: read(&self.queued),
            durable,
            failed,
            busy: read(&self.busy),
            batches: read(&self.batches),
            batch_sizes: self.batch_sizes.each_ref().map(read),
        }
    }
}

//! Answers that leave before their record is durable, for tenants that chose so: how many, how old, and which.
//!
//! A tenant's answers wait for their records, unless its document gives a [`Bound`]. Then an answer may leave as its entry is
//! queued, while fewer than so many are without a durable record and the oldest of them is younger than so long; beyond that
//! answers wait again. So if the process dies, as many records as the bound allows may be missing though their answers left.
//! The log must tell so, and two things see to it:
//!
//! - **a mark in the store**: before a log's first answer leaves ahead, a row says how many may. It goes as the ledger is closed in
//!   order. A writer that finds one knows that the one before it did not end so, and what it can have lost at most.
//! - **a file beside the store**, `ledger.ahead`, with a slot for each entry that is ahead: the log and the record's id. It is
//!   written with each answer but not synced, so it survives the end of the process, though not that of the machine. While the machine
//!   has not started anew since, the slots tell exactly which records are missing: the ids the answers left with.
//!
//! # Worked example
//!
//! A bound of 100 records; the process is killed while 40 are ahead, of which 30 were just written. At the next start the mark is
//! there, and 40 slots are filled. 30 of their ids are in the log; the event `gap` is written with `"exact": true, "missing": 10`
//! and the other ten ids. Had the machine lost its power, it would say `"exact": false, "missing": 100`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use self::slots::Slots;
use crate::ids::{RecordId, TenantId};
use crate::registry::Bound;

mod slots;

pub(super) use self::slots::Left;

/// Whether an answer may leave now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// It may; the ticket is given back as its record is durable.
    Now(Ticket),
    /// It waits for its record. `Some`: with that, the log is to be marked for so many.
    Wait(Option<u32>),
}

/// An answer that left ahead of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    pub(super) tenant: TenantId,
    number: u64,
}

/// What is ahead.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    tenants: HashMap<TenantId, Tenant>,
    directory: Option<PathBuf>,
    /// Made as the first answer is ahead.
    slots: Option<Slots>,
    issued: u64,
}

#[derive(Debug, Default)]
struct Tenant {
    /// For how many the log is marked in the store.
    marked: u32,
    /// Since when each is ahead, and in which slot.
    open: BTreeMap<u64, (Instant, u32)>,
}

impl Ahead {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the slots are to be kept from here on.
    pub(super) fn begin(&self, directory: PathBuf) {
        let mut state = self.state();
        (state.directory, state.slots) = (Some(directory), None);
    }

    /// Makes the file of slots where there is none, before a log is marked: a mark without it means that nothing is known.
    pub(super) fn prepare(&self) -> std::io::Result<()> {
        let mut state = self.state();
        let state = &mut *state;
        slots(&mut state.slots, state.directory.as_deref()).map(drop)
    }

    /// Whether an answer of that record may leave before it is durable. One that may is noted before this returns.
    pub(super) fn ask(&self, tenant: TenantId, bound: Bound, id: RecordId, now: Instant) -> Leave {
        let mut state = self.state();
        let state = &mut *state;
        let number = state.issued;
        let of = state.tenants.entry(tenant).or_default();
        if of.marked < bound.records() {
            return Leave::Wait(Some(bound.records()));
        }
        let oldest = of.open.first_key_value().map(|(_, (since, _))| *since);
        let aged = oldest.is_some_and(|since| now.saturating_duration_since(since) >= bound.age());
        if aged || of.open.len() >= bound.records() as usize {
            return Leave::Wait(None);
        }
        let filled = slots(&mut state.slots, state.directory.as_deref()).and_then(|slots| match slots {
            // Without a file beside the store, a crash is told by the bound.
            None => Ok(0),
            Some(slots) => slots.fill(tenant, id),
        });
        let slot = match filled {
            Ok(slot) => slot,
            Err(error) => {
                tracing::warn!(%tenant, %error, "an answer waits for its record: it cannot be noted that it would be ahead");
                return Leave::Wait(None);
            }
        };
        of.open.insert(number, (now, slot));
        state.issued += 1;
        Leave::Now(Ticket { tenant, number })
    }

    /// Takes back tickets: their records are durable, or the log tells that they are missing.
    pub(super) fn settle(&self, tickets: impl IntoIterator<Item = Ticket>) {
        let mut state = self.state();
        let state = &mut *state;
        for ticket in tickets {
            let of = state.tenants.get_mut(&ticket.tenant);
            if let Some((_, slot)) = of.and_then(|of| of.open.remove(&ticket.number))
                && let Some(slots) = &mut state.slots
            {
                slots.clear(slot);
            }
        }
    }

    /// Notes that a log is marked in the store.
    pub(super) fn marked(&self, tenant: TenantId, records: u32) {
        self.state().tenants.entry(tenant).or_default().marked = records;
    }

    /// The logs that are marked though nothing of them is ahead any more; what is asked for from here on waits until they are marked again.
    pub(super) fn unmark(&self) -> BTreeSet<TenantId> {
        let mut state = self.state();
        let marked = state.tenants.iter_mut();
        let marked = marked.filter(|(_, of)| of.marked > 0 && of.open.is_empty());
        marked
            .map(|(tenant, of)| {
                of.marked = 0;
                *tenant
            })
            .collect()
    }

    /// Every log is to be marked again before an answer is ahead: another process may have taken the marks off.
    pub(super) fn blank(&self) {
        self.state().tenants.values_mut().for_each(|of| of.marked = 0);
    }

    /// Whether no answer is ahead.
    pub(super) fn is_empty(&self) -> bool {
        self.state().tenants.values().all(|of| of.open.is_empty())
    }
}

/// What a writer that did not end in order left, beside the store.
pub(super) fn left(directory: &Path) -> Left {
    slots::read(directory)
}

/// The file, made where there is none yet.
fn slots<'a>(slots: &'a mut Option<Slots>, directory: Option<&Path>) -> std::io::Result<Option<&'a mut Slots>> {
    Ok(match (slots, directory) {
        (Some(slots), _) => Some(slots),
        (none, Some(directory)) => Some(none.insert(Slots::create(directory)?)),
        (None, None) => None,
    })
}

/// Removes the file beside the store: nothing is ahead.
pub(super) fn done(directory: &Path) {
    slots::remove(directory);
}

//! Whether a log tells of the changes of its key that are told of beside it, and of no other; and what the platform's log says of keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::record::{Event, LogId, Opened, Record};
use crate::ledger::succession::{KeyChange, KeyHistory};

/// The changes of a log's key.
pub(super) struct KeyChanges {
    /// Which records must tell of one and did not yet, and as which note.
    untold: BTreeMap<u64, String>,
    /// How many records the log had at each.
    sizes: BTreeSet<u64>,
}

impl KeyChanges {
    pub(super) fn of(keys: &KeyHistory) -> Self {
        let changes = keys.changes().iter();
        Self {
            untold: changes
                .clone()
                .map(|change| (change.size, change.note.clone()))
                .collect(),
            sizes: changes.map(|change| change.size).collect(),
        }
    }

    /// Takes what a record tells. What is wrong with it, where something is.
    pub(super) fn told(&mut self, seq: u64, note: &str) -> Option<String> {
        let expected = self.untold.remove(&seq);
        (expected.as_deref() != Some(note))
            .then(|| format!("record {seq} tells of a change of the log's key that is not told of beside the log"))
    }

    /// What was told beside the log alone, by the record that should have.
    pub(super) fn untold(&self) -> impl Iterator<Item = (u64, String)> {
        let message =
            |seq| format!("the log's key was changed after {seq} records, but record {seq} does not tell of it");
        self.untold.keys().map(move |seq| (*seq, message(*seq)))
    }

    /// Whether a change names the root of so many records.
    pub(super) fn names(&self, size: u64) -> bool {
        self.sizes.contains(&size)
    }
}

/// What the platform's log says of a tenant's key.
#[derive(Clone, Debug)]
pub(in crate::ledger) struct Told {
    /// The record that opened the log.
    pub(in crate::ledger) opened: u64,
    /// The key it named.
    pub(in crate::ledger) first: String,
    /// The record that named the newest key.
    pub(in crate::ledger) named: u64,
    /// The newest key.
    pub(in crate::ledger) current: String,
}

impl Told {
    /// Takes what a record of the platform's log says. The one before that opened the same log, where one did.
    pub(in crate::ledger) fn take(all: &mut BTreeMap<LogId, Self>, seq: u64, record: &Record) -> Option<Self> {
        match &record.event {
            Event::Opened(Opened { log, verifier_key }) => all.insert(
                *log,
                Self {
                    opened: seq,
                    first: verifier_key.clone(),
                    named: seq,
                    current: verifier_key.clone(),
                },
            ),
            Event::KeyChanged(changed) => {
                if let (Some(told), Ok(change)) = (all.get_mut(&changed.log), KeyChange::open(&changed.change)) {
                    (told.named, told.current) = (seq, change.to.to_string());
                }
                None
            }
            _ => None,
        }
    }

    /// What is wrong with a log's keys by that.
    pub(in crate::ledger) fn contradicts(&self, keys: &KeyHistory) -> Option<String> {
        let pairs = [
            (keys.first(), self.opened, &self.first),
            (keys.current(), self.named, &self.current),
        ];
        let wrong = pairs.into_iter().find(|(key, _, named)| key.to_string() != **named);
        wrong.map(|(key, seq, named)| {
            format!("the log's key is `{key}`, but record {seq} of `platform` names `{named}`")
        })
    }
}

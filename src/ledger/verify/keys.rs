//! Whether a log tells of the changes of its key that are told of beside it, and of no other.

use std::collections::BTreeMap;

use crate::ledger::succession::KeyHistory;

/// The changes that no record told of yet: which record must, and as which note.
pub(super) struct KeyChanges(BTreeMap<u64, String>);

impl KeyChanges {
    pub(super) fn of(keys: &KeyHistory) -> Self {
        let changes = keys.changes().iter();
        Self(changes.map(|change| (change.size, change.note.clone())).collect())
    }

    /// Takes what a record tells. What is wrong with it, where something is.
    pub(super) fn told(&mut self, seq: u64, note: &str) -> Option<String> {
        let expected = self.0.remove(&seq);
        (expected.as_deref() != Some(note))
            .then(|| format!("record {seq} tells of a change of the log's key that is not told of beside the log"))
    }

    /// What was told beside the log alone, by the record that should have.
    pub(super) fn untold(self) -> impl Iterator<Item = (u64, String)> {
        let message =
            |seq| format!("the log's key was changed after {seq} records, but record {seq} does not tell of it");
        self.0.into_keys().map(move |seq| (seq, message(seq)))
    }
}

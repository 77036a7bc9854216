//! What a log is held to before its records are: keys, checkpoints, and what was kept elsewhere.

use std::collections::BTreeMap;

use crate::ids::Digest;
use crate::ledger::checkpoint::{Checkpoint, log_of};
use crate::ledger::error::LedgerError;
use crate::ledger::note::{NoteError, VerifierKey};
use crate::ledger::quorum::Quorum;
use crate::ledger::record::LogId;
use crate::ledger::report::{Cosigned, FindingKind, Findings};
use crate::ledger::store::RawLog;
use crate::ledger::succession::KeyHistory;
use crate::ledger::tile::WIDTH;
use crate::ledger::tree::Tree;

/// What an auditor kept outside the data directory.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Verifier keys; a log whose origin one of them names must be signed with it. The platform's is enough: its log
    /// names every tenant's.
    pub keys: Vec<VerifierKey>,
    /// Checkpoints of earlier times, as signed notes; each log must still contain what they name.
    pub checkpoints: Vec<String>,
    /// Witnesses, enough of whom must have cosigned a checkpoint of each log.
    pub witnesses: Option<Quorum>,
}

impl Trust {
    /// Holds that every checkpoint is one and that every checkpoint and key names a log: what names none would be compared
    /// with nothing, and an auditor would take the silence for consent.
    pub(in crate::ledger) fn check(&self) -> Result<(), LedgerError> {
        let checkpoints = self.checkpoints.iter().map(|note| Checkpoint::claimed_log(note));
        let keys = self.keys.iter().map(|key| log_of(key.name()));
        Ok(checkpoints.chain(keys).try_for_each(|log| log.map(drop))?)
    }

    /// The roots that checkpoints kept elsewhere name for a log, and the changes of its key that it should show.
    pub(super) fn known(
        &self,
        log: LogId,
        keys: &KeyHistory,
        shown: &KeyHistory,
        about: &mut Findings,
    ) -> BTreeMap<u64, Digest> {
        let mut known = BTreeMap::new();
        for change in shown.changes() {
            name(&mut known, Some((change.size, change.root)), about);
        }
        for note in self
            .checkpoints
            .iter()
            .filter(|note| Checkpoint::claimed_log(note) == Ok(log))
        {
            match keys.open(note) {
                Ok(checkpoint) => name(&mut known, Some(checkpoint.names()), about),
                Err(error) => {
                    let message = format!("a checkpoint kept elsewhere does not hold with the log's key: {error}");
                    about.add(FindingKind::Checkpoint, None, message);
                }
            }
        }
        known
    }
}

impl Trust {
    /// Holds checkpoints of a log that witnesses are said to have cosigned to its key, and notes what they name: the log must go on
    /// from there. Gives the newest that enough of the witnesses given cosigned.
    pub(super) fn cosigned<'n>(
        &self,
        notes: impl Iterator<Item = &'n String>,
        keys: Option<&KeyHistory>,
        named: &mut BTreeMap<u64, Digest>,
        about: &mut Findings,
    ) -> Option<Cosigned> {
        let keys = keys?;
        let mut found: Option<Cosigned> = None;
        let mut lacking = "nothing of it is".to_owned();
        for note in notes {
            let checkpoint = match keys.open(note) {
                Ok(checkpoint) => checkpoint,
                Err(error) => {
                    let message = format!("a checkpoint that is kept as cosigned does not hold: {error}");
                    about.add(FindingKind::Checkpoint, None, message);
                    continue;
                }
            };
            name(named, Some(checkpoint.names()), about);
            match self.witnesses.as_ref()?.met(note) {
                Ok(by) if found.as_ref().is_none_or(|found| found.size < checkpoint.size) => {
                    let size = checkpoint.size;
                    found = Some(Cosigned { size, by });
                }
                Ok(_) => {}
                Err(error) => lacking = format!("the checkpoint of {} records is {error}", checkpoint.size),
            }
        }
        if found.is_none() && self.witnesses.is_some() {
            let message = format!("the log is not cosigned as is asked for: {lacking}");
            about.add(FindingKind::Uncosigned, None, message);
        }
        found
    }
}

/// The keys of a log of which one is known. Where what is told of others does not hold, that one stands alone.
pub(super) fn history(known: &VerifierKey, notes: &[String], about: &mut Findings) -> KeyHistory {
    KeyHistory::of(known, notes).unwrap_or_else(|error| {
        let message = format!("what is told of changes of the log's key does not hold: {error}");
        about.add(FindingKind::Key, None, message);
        KeyHistory::unchanged(known)
    })
}

/// Holds the size stored beside a cosigned checkpoint to it: a greater one would keep newer ones from taking its place.
pub(super) fn check_stored_cosigned(stored: Option<&(i64, String)>, about: &mut Findings) {
    let Some((size, note)) = stored else { return };
    // One that is no checkpoint is told of as it is opened.
    if let Ok(checkpoint) = Checkpoint::claimed(note)
        && u64::try_from(*size) != Ok(checkpoint.size)
    {
        let message = format!(
            "the stored size {size} is not that of the cosigned checkpoint, {}",
            checkpoint.size
        );
        about.add(FindingKind::Checkpoint, None, message);
    }
}

/// Notes what a checkpoint names for its size; two that name different roots for one size are a fork by themselves.
pub(super) fn name(named: &mut BTreeMap<u64, Digest>, signed: Option<(u64, Digest)>, about: &mut Findings) {
    let Some((size, root)) = signed else { return };
    if named.insert(size, root).is_some_and(|other| other != root) {
        let message =
            format!("two checkpoints, both signed with the log's key, name different roots for {size} records");
        about.add(FindingKind::Forked, None, message);
    }
}

pub(super) fn check_note(note: Option<&str>, key: Option<&VerifierKey>, about: &mut Findings) -> Option<Checkpoint> {
    let Some(note) = note else {
        about.add(FindingKind::Checkpoint, None, "the log has no checkpoint");
        return None;
    };
    believed(Checkpoint::open(note, key?), about)
}

/// The log's checkpoint, where it holds.
pub(super) fn believed(opened: Result<Checkpoint, NoteError>, about: &mut Findings) -> Option<Checkpoint> {
    let told = |error| format!("the log's checkpoint does not hold: {error}");
    opened
        .map_err(|error| about.add(FindingKind::Checkpoint, None, told(error)))
        .ok()
}

/// The part of the stored edge that is over the records in no full tile; nothing where the edge is not the checkpoint's.
pub(super) fn tail(raw: &RawLog, checkpoint: &Checkpoint, about: &mut Findings) -> Vec<Digest> {
    let edge = raw.edge.as_deref().unwrap_or_default();
    let tree = Tree::from_bytes(checkpoint.size, edge).filter(|tree| tree.root() == checkpoint.root);
    let Some(tree) = tree else {
        let message = "the stored edge of the log's tree is not that of its checkpoint";
        about.add(FindingKind::Checkpoint, None, message);
        return Vec::new();
    };
    let full = (checkpoint.size / WIDTH).count_ones() as usize;
    tree.edge().skip(full).copied().collect()
}

/// Holds what is stored beside the key and the checkpoint, for whoever looks with SQL, to what these say themselves.
pub(super) fn check_copies(
    raw: &RawLog,
    key: Option<&VerifierKey>,
    checkpoint: Option<&Checkpoint>,
    about: &mut Findings,
) {
    if let (Some(key), Some(origin)) = (key, &raw.origin)
        && key.name() != origin
    {
        let message = format!(
            "the stored origin `{}` is not the key's, `{}`",
            origin.escape_debug(),
            key.name()
        );
        about.add(FindingKind::Key, None, message);
    }
    if let (Some(checkpoint), Some(size)) = (checkpoint, raw.size)
        && u64::try_from(size) != Ok(checkpoint.size)
    {
        let message = format!("the stored size {size} is not the checkpoint's, {}", checkpoint.size);
        about.add(FindingKind::Checkpoint, None, message);
    }
}

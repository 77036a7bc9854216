//! Checkpoints that were signed, for whoever has them cosigned: of each log the newest only, for whatever it signs names all
//! before. The writer tells them in passing and waits for nobody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::record::LogId;
use super::store::NewCheckpoint;

/// A log's checkpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// How many records it names.
    pub(super) size: u64,
    /// The signed note.
    pub(super) text: String,
}

/// The newest checkpoint of each log that has grown since it was last asked.
#[derive(Debug, Default)]
pub(super) struct Signed {
    wanted: AtomicBool,
    newest: Mutex<BTreeMap<LogId, Arc<Note>>>,
    more: Notify,
}

impl Signed {
    /// From here on keeps what it is told.
    pub(super) fn listen(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// What of these rows is to be told once they are durable.
    pub(super) fn among(&self, rows: &[NewCheckpoint]) -> Vec<(LogId, Arc<Note>)> {
        if !self.wanted.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let read = |row: &NewCheckpoint| {
            let (size, text) = (u64::try_from(row.size).ok()?, row.note.clone());
            Some((row.log.parse().ok()?, Arc::new(Note { size, text })))
        };
        rows.iter().filter_map(read).collect()
    }

    /// Tells of checkpoints that are durable.
    pub(super) fn tell(&self, signed: Vec<(LogId, Arc<Note>)>) {
        if signed.is_empty() {
            return;
        }
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.extend(signed);
        drop(newest);
        self.more.notify_one();
    }

    /// Waits until there is something, and takes it.
    pub(super) async fn next(&self) -> BTreeMap<LogId, Arc<Note>> {
        loop {
            let found = std::mem::take(&mut *self.newest.lock().unwrap_or_else(PoisonError::into_inner));
            if !found.is_empty() {
                return found;
            }
            self.more.notified().await;
        }
    }
}

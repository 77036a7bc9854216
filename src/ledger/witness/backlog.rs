//! What was not cosigned when the service stopped, or only by witnesses that do not count any more.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::super::checkpoint::Checkpoint;
use super::super::error::LedgerError;
use super::super::quorum::Quorum;
use super::super::readers::Readers;
use super::super::record::LogId;
use super::super::signed::Note;

/// Goes through all logs once, and sends the checkpoint of each that enough witnesses have not cosigned.
pub(super) async fn look(
    readers: Readers,
    quorum: Quorum,
    found: mpsc::Sender<Vec<(LogId, Arc<Note>)>>,
) -> Result<(), LedgerError> {
    let mut after = String::new();
    loop {
        let page = readers.signed(&after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after.clone_from(&last.log);
        let mut some = Vec::new();
        for row in page {
            let read = |note: &str| Checkpoint::claimed(note).map(|checkpoint| checkpoint.size);
            // What names no log, and what is no checkpoint, is `verify`'s to report.
            let (Ok(log), Ok(size)) = (row.log.parse(), read(&row.note)) else {
                continue;
            };
            let cosigned = row.cosigned.filter(|note| quorum.met(note).is_ok());
            if cosigned.and_then(|note| read(&note).ok()) != Some(size) {
                let text = row.note;
                some.push((log, Arc::new(Note { size, text })));
            }
            // Each is some signatures to verify: others have their turn in between.
            tokio::task::yield_now().await;
        }
        if found.send(some).await.is_err() {
            return Ok(());
        }
    }
}

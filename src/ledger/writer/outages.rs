//! Telling each log of what it could not take.

use super::super::error::LedgerError;
use super::super::record::{Event, RecordTime};
use super::{Append, Batch, Writer};

impl Writer {
    /// Tells of what could not be recorded before.
    pub(super) async fn stage_outages(&mut self, batch: &mut Batch, time: RecordTime) {
        if self.counters.outages.is_empty() {
            return;
        }
        for (log, refused) in self.counters.outages.take() {
            let staged = match Append::event(log, &Event::Refused(refused.clone())) {
                Ok(append) => self.stage(batch, time, append, None).await,
                Err(error) => Err(error),
            };
            match staged {
                Ok(_) => drop(batch.told.insert(log, refused)),
                // It can be told nothing, nor anything else: whoever appends to it hears why.
                Err(error @ LedgerError::Damaged { .. }) => {
                    tracing::error!(%log, entries = refused.entries, %error, "that entries were refused cannot be put on record");
                }
                Err(error) => {
                    tracing::warn!(%log, %error, "that entries were refused is not on record yet");
                    self.counters.outages.merge(log, refused);
                }
            }
        }
    }
}

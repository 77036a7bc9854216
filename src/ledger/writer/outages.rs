//! Telling each log of what it could not take.

use super::super::record::{Event, RecordTime};
use super::{Append, Batch, Writer};

impl Writer {
    /// Tells of what could not be recorded before.
    pub(super) async fn stage_outages(&mut self, batch: &mut Batch, time: RecordTime) {
        if self.counters.outages.is_empty() {
            return;
        }
        for (log, refused) in self.counters.outages.take() {
            let append = Event::Refused(refused.clone()).to_canonical().map(|event| Append {
                log,
                event,
                private: None,
                bodies: Vec::new(),
            });
            let staged = match append {
                Ok(append) => self.stage(batch, time, append).await,
                Err(error) => Err(error.into()),
            };
            match staged {
                Ok(_) => drop(batch.told.insert(log, refused)),
                // A log that cannot be appended to cannot be told either; its callers hear of it with each append.
                Err(error) => {
                    tracing::warn!(%log, %error, "that entries were refused is not on record yet");
                    self.counters.outages.merge(log, refused);
                }
            }
        }
    }
}

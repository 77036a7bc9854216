//! Erasing what is private in months that are over.

use std::collections::BTreeSet;

use super::super::error::LedgerError;
use super::super::period::Period;
use super::super::private;
use super::super::record::{Erased, Event, LogId, RecordTime};
use super::super::{Appended, By};
use super::{Batch, Writer};

impl Writer {
    /// Puts the erasure and the record that tells of it into the batch.
    pub(super) async fn stage_erasure(
        &mut self,
        batch: &mut Batch,
        time: RecordTime,
        log: LogId,
        before: Period,
        by: By,
    ) -> Result<Appended, LedgerError> {
        let current = Period::of(time.timestamp());
        if before > current {
            return Err(LedgerError::NotOver(current));
        }
        self.load(log).await?;
        let kept = self.store().await?.periods(log).await;
        let kept = kept.map_err(LedgerError::store("read the months of a log"))?;
        let kept = kept.iter().filter_map(|period| period.parse().ok());
        let periods: BTreeSet<Period> = kept.filter(|period| *period < before).collect();
        if periods.is_empty() {
            return Err(LedgerError::NothingKept { log, before });
        }
        let who = match private::is_person(&by.who) {
            true => private::Mask::new(&*self.stage_key(batch, log, current).await?, [&by.who]).reference(&by.who),
            false => by.who,
        };
        self.open_log(batch, time, log)?;
        let event = Event::Erased(Erased {
            by: who,
            decision: by.decision,
            periods: periods.clone(),
        });
        let appended = self.enter(batch, time, log, event.to_canonical()?, None, None)?;
        let rows = periods.iter().map(|period| (log.as_str().into(), period.to_string()));
        batch.rows.erased.extend(rows);
        batch.erased.push((log, periods));
        Ok(appended)
    }
}

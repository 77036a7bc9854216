//! The keys of months, as the writer gives and makes them.

use std::sync::Arc;

use super::super::error::LedgerError;
use super::super::period::{Period, PeriodKey};
use super::super::record::LogId;
use super::super::store::{NewPeriod, RawPeriod};
use super::{Batch, Writer};

impl Writer {
    /// The key of a month, or of the first after it whose key was not erased: time may go back, what was erased may not come back.
    /// One that is made is in the batch; it is durable before anything is sealed with it. At the turn of a month many are asked for at
    /// once, and all that are asked for together are made together.
    pub(super) async fn stage_key(
        &mut self,
        batch: &mut Batch,
        log: LogId,
        period: Period,
    ) -> Result<Arc<PeriodKey>, LedgerError> {
        let mut usable = period;
        let key = loop {
            if batch.erases(log, usable) {
                usable = usable.next();
                continue;
            }
            if let Some(key) = batch.keys.get(&(log, usable)) {
                break Arc::clone(key);
            }
            match self.stored_key(log, usable).await? {
                Some(RawPeriod::Erased) => usable = usable.next(),
                Some(RawPeriod::Kept(wrapped)) => break self.unwrapped(log, usable, &wrapped)?,
                None => {
                    let (key, wrapped) = self.keys.wrapping().make(log, usable).ok_or(LedgerError::Sealing)?;
                    batch.rows.periods.push(NewPeriod {
                        log: log.as_str().into(),
                        period: usable.to_string(),
                        wrapped,
                    });
                    break Arc::new(key);
                }
            }
        };
        for asked in [period, usable] {
            batch.keys.insert((log, asked), Arc::clone(&key));
        }
        Ok(key)
    }

    /// The key of a month, where it is kept.
    pub(super) async fn kept_key(&mut self, log: LogId, period: Period) -> Result<Option<Arc<PeriodKey>>, LedgerError> {
        if let Some(key) = self.periods.get(log, period).filter(|key| key.period() == period) {
            return Ok(Some(key));
        }
        match self.stored_key(log, period).await? {
            Some(RawPeriod::Kept(wrapped)) => self.unwrapped(log, period, &wrapped).map(Some),
            _ => Ok(None),
        }
    }

    async fn stored_key(&mut self, log: LogId, period: Period) -> Result<Option<RawPeriod>, LedgerError> {
        let found = self.store().await?.period(log, &period.to_string()).await;
        if found.is_err() {
            // No transaction is open here; the next use opens the store anew.
            self.store = None;
        }
        found.map_err(|error| LedgerError::reading(log, "read the key of a month", error))
    }

    fn unwrapped(&self, log: LogId, period: Period, wrapped: &[u8]) -> Result<Arc<PeriodKey>, LedgerError> {
        let key = self.keys.wrapping().unwrap(log, period, wrapped);
        let why = || format!("the key of its month {period} does not open with this ledger's secret");
        key.map(Arc::new).map_err(|_| LedgerError::Damaged { log, why: why() })
    }
}

//! Changing the key of a log: all of it in one transaction, so that a log has the one key or the other.

use std::sync::Arc;

use super::super::By;
use super::super::checkpoint::Checkpoint;
use super::super::error::LedgerError;
use super::super::keys::{LedgerKeys, Vouching};
use super::super::period::Period;
use super::super::record::{Event, KeyChanged, LogId, RecordTime};
use super::super::store::{NewCheckpoint, NewKeyChange, NewPeriod, RawPeriod, Rows};
use super::super::succession::KeyChange;
use super::super::tree::leaf_hash;
use super::{Batch, Shared, Signing, Writer, read_rows};
use crate::clock::Clock;
use crate::database::Place;

/// How many logs are changed before the platform's, which tells of each, is signed.
const SIGNED: usize = 256;

impl Writer {
    /// A writer that is asked directly, to change all keys, and has no queue. [`LedgerError::Standby`] where another process writes.
    pub(in crate::ledger) async fn alone(place: Place, keys: LedgerKeys, clock: Clock) -> Result<Self, LedgerError> {
        let (shared, _) = Shared::new();
        let mut writer = Self::idle(place, keys, clock, Signing::default(), shared).await?;
        if let Some(holder) = writer.stands_by() {
            return Err(LedgerError::Standby { holder });
        }
        writer.load(LogId::Platform).await?;
        writer.tell_gaps().await?;
        Ok(writer)
    }

    /// Changes the keys of these logs, the platform's last. What is wrong with any of them keeps all as they are.
    pub(in crate::ledger) async fn change_keys(
        &mut self,
        logs: &[LogId],
        by: &By,
        begin: impl FnOnce() -> Result<LedgerKeys, LedgerError>,
        mut done: impl FnMut(u64),
    ) -> Result<(), LedgerError> {
        for log in logs {
            self.check(*log).await?;
        }
        self.sign().await;
        let to = begin()?;
        let changing = Some(true);
        self.put(Rows {
            changing,
            ..Rows::default()
        })
        .await?;
        for (log, number) in logs.iter().zip(1..) {
            if *log == LogId::Platform || number % SIGNED == 0 {
                self.sign().await;
            }
            self.change_key(*log, &to, by).await?;
            done(number as u64);
        }
        Ok(())
    }

    /// Holds that a log ends as it was signed, with this writer's keys, and that its months' keys open.
    async fn check(&mut self, log: LogId) -> Result<(), LedgerError> {
        self.load(log).await?;
        let keys = self.keys.clone();
        self.rewrapped(log, &keys).await?;
        let head = self.heads.remove(&log).ok_or(LedgerError::Closed)?;
        if head.tree.size() == 0 {
            let why = "something is stored of it, but no record".to_owned();
            return Err(LedgerError::Damaged { log, why });
        }
        if head.signed < head.tree.size() {
            self.unsigned.insert(log);
        }
        Ok(())
    }

    /// Changes a log's key and whatever else of it depends on the ledger's secret: how its months' keys are stored, and what vouches for
    /// its newest records. After that this writer can do nothing more with the log.
    async fn change_key(&mut self, log: LogId, to: &LedgerKeys, by: &By) -> Result<(), LedgerError> {
        let changed = self.changed(log, to, by).await;
        let written = match changed {
            Ok(batch) => self.put(batch.rows).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => {
                self.heads.remove(&log);
                self.unsigned.remove(&log);
                if log != LogId::Platform {
                    self.unsigned.insert(LogId::Platform);
                }
            }
            Err(_) => self.forget().await,
        }
        written
    }

    async fn changed(&mut self, log: LogId, to: &LedgerKeys, by: &By) -> Result<Batch, LedgerError> {
        self.load(log).await?;
        let mut batch = Batch::default();
        batch.rows.rewrapped = self.rewrapped(log, to).await?;
        let (signer, vouching) = (to.signer(log)?, to.vouching(log)?);
        batch.rows.revouched = self.revouched(log, &vouching).await?;
        let head = self.heads.get_mut(&log).ok_or(LedgerError::Closed)?;
        let (size, root, edge) = (head.tree.size(), head.tree.root(), head.tree.to_bytes());
        if head.signed != size {
            let why = "its newest records could not be signed".to_owned();
            return Err(LedgerError::Damaged { log, why });
        }
        let change = KeyChange::sign(size, &root, &head.signer, &signer)?;
        let event = Event::KeyChanged(KeyChanged {
            by: by.who.clone(),
            change: change.clone(),
            decision: by.decision,
            log,
        });
        let (event, note) = (event.to_canonical()?, Checkpoint::sign(size, &root, &signer)?);
        let (text, verifier_key) = (Arc::clone(&head.text), signer.verifier().to_string());
        (head.signer, head.vouching) = (signer, vouching);
        batch.rows.checkpoints.push(NewCheckpoint {
            log: Arc::clone(&text),
            size: size.cast_signed(),
            edge,
            note,
        });
        batch.rows.key_changes.push(NewKeyChange {
            log: text,
            size: size.cast_signed(),
            note: change,
            verifier_key,
        });
        let time = RecordTime::new(self.clock.now());
        match log {
            LogId::Platform => batch.rows.changing = Some(false),
            // As it tells of each log's first key, so of each that follows: whoever has the platform's key has them all.
            LogId::Tenant(_) => {
                self.enter(&mut batch, time, LogId::Platform, event.clone(), None, None)?;
            }
        }
        self.enter(&mut batch, time, log, event, None, None)?;
        Ok(batch)
    }

    /// The keys of a log's months as they are stored under another secret.
    async fn rewrapped(&mut self, log: LogId, to: &LedgerKeys) -> Result<Vec<NewPeriod>, LedgerError> {
        let periods = self.store().await?.periods(log).await;
        let mut rows = Vec::new();
        for text in periods.map_err(LedgerError::store("read the months of a log"))? {
            let stored = self.store().await?.period(log, &text).await;
            let stored = stored.map_err(LedgerError::store("read the key of a month"))?;
            let Some(RawPeriod::Kept(wrapped)) = stored else {
                continue;
            };
            let damaged = |why: String| LedgerError::Damaged { log, why };
            let period: Period = text.parse().map_err(|error| damaged(format!("{error}")))?;
            let wrapped = self.keys.wrapping().rewrap(to.wrapping(), log, period, &wrapped);
            let why = || format!("the key of its month {period} does not open with this ledger's secret");
            rows.push(NewPeriod {
                log: log.as_str().into(),
                period: text,
                wrapped: wrapped.map_err(|_| damaged(why()))?,
            });
        }
        Ok(rows)
    }

    /// What vouches for the records that lie in no bundle.
    async fn revouched(&mut self, log: LogId, by: &Vouching) -> Result<Vec<(Arc<str>, i64, Vec<u8>)>, LedgerError> {
        let tiled = self.heads.get(&log).map_or(0, |head| head.tiled.size());
        let rows = read_rows(self.store().await?, log, tiled.cast_signed()).await;
        let rows = rows.map_err(|error| LedgerError::reading(log, "read the end of a log", error))?;
        let mac = |seq: i64, record: &[u8]| by.vouch(seq.cast_unsigned(), &leaf_hash(record));
        let rows = rows
            .iter()
            .map(|row| (log.as_str().into(), row.seq, mac(row.seq, &row.record)));
        Ok(rows.collect())
    }
}

//! Entries whose answers left already: written until they are, and told of where they cannot be.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

use super::super::ahead::{self, Left, Ticket};
use super::super::error::LedgerError;
use super::super::record::{Event, Gap, LogId, MAX_GAP_IDS, Record, RecordTime};
use super::super::stats::Counters;
use super::super::store::Rows;
use super::batch::Batch;
use super::{Append, MAX_BATCH, Writer, read_rows};
use crate::database::Place;
use crate::ids::{RecordId, TenantId};

/// An entry whose answer left already, under this id and time.
pub(in super::super) struct Owed {
    pub(in super::super) append: Append,
    pub(in super::super) id: RecordId,
    pub(in super::super) time: RecordTime,
    pub(in super::super) ticket: Ticket,
    /// Whether it may have been written already: a transaction failed, and only its answer may have been lost.
    pub(in super::super) doubtful: bool,
}

impl Writer {
    /// Puts what could not be written before into the batch.
    pub(super) async fn stage_owed(&mut self, batch: &mut Batch, time: RecordTime) {
        let many = self.owed.len().min(MAX_BATCH);
        let owed: Vec<Owed> = self.owed.drain(..many).collect();
        let mut written: BTreeMap<LogId, HashSet<RecordId>> = BTreeMap::new();
        for mut owed in owed {
            let log = owed.append.log;
            if owed.doubtful {
                let known = match written.entry(log) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => match self.newest(log).await {
                        Ok(newest) => place.insert(newest),
                        Err(error) if error.is_outage() || matches!(error, LedgerError::Standby { .. }) => {
                            batch.heed::<()>(&Err(error));
                            self.owed.push_back(owed);
                            continue;
                        }
                        // As it is staged it comes out what is wrong.
                        Err(_) => place.insert(HashSet::new()),
                    },
                };
                if known.contains(&owed.id) {
                    Counters::add(&self.counters.durable, 1);
                    self.ahead.settle([owed.ticket]);
                    continue;
                }
                owed.doubtful = false;
            }
            self.stage_ahead(batch, time, owed).await;
        }
    }

    /// Finds out of which entries it is not known whether they were written; returns whether none is left.
    pub(super) async fn settle_doubts(&mut self) -> bool {
        self.write_owed(|owed| owed.doubtful).await
    }

    /// Writes what is owed while some of it is such and that gets anywhere; returns whether none is left.
    async fn write_owed(&mut self, such: fn(&Owed) -> bool) -> bool {
        while self.owed.iter().any(such) {
            let before = self.owed.len();
            self.commit(&mut Vec::new()).await;
            if self.owed.len() >= before {
                return false;
            }
        }
        true
    }

    /// The ids of a log's newest records: of all that lie in rows. What the last transaction wrote does, for only after it was told
    /// that it did could it be put into bundles.
    async fn newest(&mut self, log: LogId) -> Result<HashSet<RecordId>, LedgerError> {
        self.load(log).await?;
        let tiled = self.heads.get(&log).map_or(0, |head| head.tiled.size());
        let rows = read_rows(self.store().await?, log, tiled.cast_signed()).await;
        let rows = rows.map_err(|error| LedgerError::reading(log, "read the end of a log", error))?;
        let records = rows.iter().filter_map(|row| Record::parse(&row.record).ok());
        Ok(records.map(|record| record.id).collect())
    }

    /// Puts an entry whose answer left already into the batch. Its record's time is that of its answer.
    pub(super) async fn stage_ahead(&mut self, batch: &mut Batch, time: RecordTime, owed: Owed) {
        let staged = self.stage(batch, owed.time, owed.append.clone(), Some(owed.id)).await;
        batch.heed(&staged);
        match staged {
            Err(LedgerError::Standby { .. }) => self.owed.push_back(owed),
            Ok(_) => batch.ahead.push(owed),
            Err(error) if error.is_outage() => {
                self.counters.refused(0);
                self.owed.push_back(owed);
            }
            Err(error) => self.stage_loss(batch, time, owed, &error).await,
        }
    }

    /// Tells that an answer left whose record can never be.
    async fn stage_loss(&mut self, batch: &mut Batch, time: RecordTime, owed: Owed, error: &LedgerError) {
        let (log, id) = (owed.append.log, owed.id);
        tracing::error!(%log, record = %id, %error, "an answer left whose record cannot be written");
        let gap = Gap {
            exact: true,
            missing: 1,
            records: [id].into(),
        };
        match self.stage_gap(batch, time, log, gap).await {
            Ok(()) => batch.lost.push(owed),
            // The log stays marked, and the next writer tells.
            Err(error) => {
                tracing::error!(%log, record = %id, %error, "nor can it be told yet; until the next start, answers wait for their records")
            }
        }
    }

    async fn stage_gap(
        &mut self,
        batch: &mut Batch,
        time: RecordTime,
        log: LogId,
        gap: Gap,
    ) -> Result<(), LedgerError> {
        let append = Append::event(log, &Event::Gap(gap))?;
        self.stage(batch, time, append, None).await.map(drop)
    }

    /// What the batch recorded is not ahead any more.
    pub(super) fn settle(&mut self, batch: &mut Batch) {
        for (tenant, records) in &batch.marked {
            self.ahead.marked(*tenant, *records);
        }
        let lost = std::mem::take(&mut batch.lost);
        Counters::add(&self.counters.failed, lost.len());
        let ahead = std::mem::take(&mut batch.ahead);
        self.ahead.settle(ahead.into_iter().chain(lost).map(|owed| owed.ticket));
    }

    /// What the batch should have recorded is still to be, before whatever comes later.
    pub(super) fn owe(&mut self, batch: &mut Batch) {
        let ahead = std::mem::take(&mut batch.ahead).into_iter();
        let owed: Vec<Owed> = ahead.chain(std::mem::take(&mut batch.lost)).collect();
        for mut owed in owed.into_iter().rev() {
            owed.doubtful = true;
            self.owed.push_front(owed);
        }
    }

    /// At the end: writes what is owed, and takes the marks off the logs of which nothing is.
    pub(super) async fn end_owing(&mut self) {
        if !self.write_owed(|_| true).await {
            let answers = self.owed.len();
            tracing::error!(
                answers,
                "answers left whose records cannot be written; the next start tells of them"
            );
        }
        let unmarked = self.ahead.unmark();
        // Where another process writes, it has told of them.
        if unmarked.is_empty() || self.stands_by().is_some() {
            return;
        }
        let rows = Rows {
            unmarked: unmarked.iter().map(|tenant| tenant.as_str().into()).collect(),
            ..Rows::default()
        };
        let written = self.put(rows).await;
        match (written, &self.place) {
            (Ok(()), Place::Directory(directory)) if self.ahead.is_empty() => ahead::done(directory),
            (Ok(()), _) => {}
            (Err(error), _) => {
                tracing::warn!(%error, "the ledger was not closed in order; the next start tells what can be missing")
            }
        }
    }

    /// At the start: tells of the answers whose records the last writer did not write, where it did not end in order.
    pub(super) async fn tell_gaps(&mut self) -> Result<(), LedgerError> {
        let directory = match &self.place {
            Place::Directory(directory) => Some(directory.clone()),
            // The writer before may have been on another machine.
            Place::Postgres(_) => None,
        };
        let marked = self.store().await?.marked().await;
        let marked = marked.map_err(LedgerError::store("read what may be missing"))?;
        let left = directory.as_deref().map_or(Left::Unknown, ahead::left);
        let time = RecordTime::new(self.clock.now());
        let mut batch = Batch::default();
        for (name, records) in marked {
            // A name that names no log is `verify`'s to report.
            let Ok(tenant) = name.parse::<TenantId>() else { continue };
            let log = LogId::Tenant(tenant);
            match self.missing(tenant, records, &left).await {
                Ok(gap) if gap.missing > 0 => {
                    tracing::error!(%log, missing = gap.missing, exact = gap.exact, "answers left whose records are missing");
                    self.stage_gap(&mut batch, time, log, gap).await?;
                }
                Ok(_) => {}
                Err(LedgerError::Damaged { log, why }) => {
                    tracing::error!(%log, why, "a log is damaged; of what may be missing in it nothing can be told");
                    continue;
                }
                Err(error) => return Err(error),
            }
            batch.rows.unmarked.push(log.as_str().into());
        }
        if !batch.rows.unmarked.is_empty() {
            self.write(&mut batch).await?;
        }
        if let Some(directory) = directory {
            ahead::done(&directory);
            self.ahead.begin(directory);
        }
        Ok(())
    }

    /// Which of a tenant's answers have no record.
    async fn missing(&mut self, tenant: TenantId, most: i64, left: &Left) -> Result<Gap, LedgerError> {
        let log = LogId::Tenant(tenant);
        let known = match left {
            Left::Unknown => {
                return Ok(Gap {
                    exact: false,
                    missing: most.unsigned_abs(),
                    records: Default::default(),
                });
            }
            Left::All(known) => known.get(&tenant).map(Vec::as_slice).unwrap_or_default(),
        };
        let present = self.newest(log).await?;
        let missing = known.iter().filter(|id| !present.contains(id));
        Ok(Gap {
            exact: true,
            missing: missing.clone().count() as u64,
            records: missing.copied().take(MAX_GAP_IDS).collect(),
        })
    }
}

//! The one writer: takes whatever is queued, writes it in one transaction, answers everyone.
//!
//! Nothing waits for a batch to fill. While one transaction is being made durable, the next entries queue up; they are the
//! next batch. Once a second, or sooner where much was written, logs that have grown are signed ([`sealing`]). The state in memory
//! (each log's head, which bodies are stored) is only ever a copy of what is durable: when a transaction fails, the connection and
//! all of that state are thrown away and read again from the store.

mod erasing;
mod head;
mod months;
mod outages;
mod recent;
mod sealing;
mod staging;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use self::head::Head;
use self::recent::Recent;
pub use self::sealing::Signing;
use super::error::LedgerError;
use super::keys::LedgerKeys;
use super::period::{Period, PeriodKey};
use super::place::{Held, Place};
use super::record::{LogId, RecordTime, Refused};
use super::stats::Counters;
use super::store::{NewCosigned, RawRow, Rows, Store};
use super::tile::WIDTH;
use super::{Appended, By, PeriodKeys};
use crate::clock::Clock;
use crate::ids::Digest;

/// The most entries one transaction takes.
pub(super) const MAX_BATCH: usize = 256;

/// How many logs' heads are kept in memory; more only cost a read each.
const MAX_HEADS: usize = 65_536;

/// What the writer is asked to do.
pub(super) enum Job {
    /// Records an entry.
    Append(Box<Append>, Reply<Appended>),
    /// Gives the key that what is private in that month is sealed with, making it where there is none.
    Key(LogId, Period, Reply<Arc<PeriodKey>>),
    /// Erases what is private in a log's months before that one.
    Erase(LogId, Period, By, Reply<Appended>),
    /// Keeps checkpoints that witnesses cosigned.
    Cosigned(Vec<NewCosigned>, Reply<()>),
}

/// Where what came of a job is told.
pub(super) type Reply<T> = oneshot::Sender<Result<T, LedgerError>>;

/// An entry on its way to the store.
pub(super) struct Append {
    pub(super) log: LogId,
    pub(super) event: Box<RawValue>,
    pub(super) private: Option<Private>,
    pub(super) bodies: Vec<(Digest, Arc<[u8]>)>,
}

/// What is private in an entry.
pub(super) struct Private {
    pub(super) key: Arc<PeriodKey>,
    /// Sealed already.
    pub(super) asked: Vec<u8>,
    /// The slice and what commits to it: sealed only where none such is stored.
    pub(super) slice: (Digest, Arc<[u8]>),
}

/// The batch at hand.
#[derive(Default)]
struct Batch {
    rows: Rows,
    touched: BTreeSet<LogId>,
    /// Every digest the batch's entries brought, written here or known to be stored.
    digests: HashSet<Digest>,
    erased: Vec<(LogId, BTreeSet<Period>)>,
    /// Of what could not be recorded before, what this batch tells.
    told: BTreeMap<LogId, Refused>,
}

/// How long the writer must have had nothing to do before it rests.
const REST: Duration = Duration::from_millis(250);

/// How often requests that are about to ask for a record are let go first.
const TURNS: usize = 3;

/// Lets what is ready to run run, and takes along what it queued: a commit costs about the same for one record as for many.
/// Where nothing else is ready, as with a single caller, this takes no time.
async fn gather(queue: &mut mpsc::Receiver<Job>, jobs: &mut Vec<Job>) {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
        while jobs.len() < MAX_BATCH
            && let Ok(job) = queue.try_recv()
        {
            jobs.push(job);
        }
    }
}

/// The writer's task and all it owns.
pub(super) struct Writer {
    place: Place,
    store: Option<Box<dyn Store>>,
    keys: LedgerKeys,
    clock: Clock,
    signing: Signing,
    heads: HashMap<LogId, Head>,
    periods: PeriodKeys,
    recent: Recent,
    /// Logs that were found damaged, and why: nothing more is appended to them by this process.
    damaged: BTreeMap<LogId, String>,
    /// Logs that may have records that are not signed.
    unsigned: BTreeSet<LogId>,
    /// When these are to be signed.
    due: Option<Instant>,
    counters: Arc<Counters>,
    /// For as long as this process may write.
    _held: Held,
}

impl Writer {
    pub(super) async fn open(
        place: Place,
        held: Held,
        keys: LedgerKeys,
        clock: Clock,
        signing: Signing,
        periods: PeriodKeys,
        counters: Arc<Counters>,
    ) -> Result<Self, LedgerError> {
        let store = Some(place.writer().await?);
        let (heads, recent) = (HashMap::new(), Recent::default());
        let mut writer = Self {
            place,
            store,
            keys,
            clock,
            signing,
            heads,
            periods,
            recent,
            damaged: BTreeMap::new(),
            unsigned: BTreeSet::new(),
            due: None,
            counters,
            _held: held,
        };
        // Finds another base or another secret at start rather than at the first decision.
        writer.load(LogId::Platform).await?;
        writer.resume().await?;
        Ok(writer)
    }

    /// Signs what was durable but not signed when the last writer ended.
    async fn resume(&mut self) -> Result<(), LedgerError> {
        let names = self.store().await?.unsigned().await;
        let names = names.map_err(LedgerError::store("look for records that are not signed"))?;
        // Names that name no log are `verify`'s to report.
        self.unsigned = names.iter().filter_map(|name| name.parse().ok()).collect();
        self.sign().await;
        Ok(())
    }

    /// Serves the queue until it is closed and empty.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Job>, closing: Arc<Notify>) {
        let mut jobs = Vec::with_capacity(MAX_BATCH);
        let mut unrested = false;
        loop {
            let due = self.due.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                () = closing.notified() => queue.close(),
                () = tokio::time::sleep_until(due), if self.due.is_some() => {
                    self.sign().await;
                    unrested = true;
                }
                taken = queue.recv_many(&mut jobs, MAX_BATCH) => match taken {
                    0 => break,
                    _ => {
                        gather(&mut queue, &mut jobs).await;
                        self.commit(&mut jobs).await;
                        unrested = true;
                    }
                },
                () = tokio::time::sleep(REST), if unrested => {
                    unrested = !self.rest().await;
                }
            }
        }
        self.sign().await;
        if let Some(store) = self.store.take()
            && let Err(error) = store.close().await
        {
            tracing::warn!(%error, "the ledger's store did not close cleanly; it is recovered when next opened");
        }
    }

    /// Puts the store in order. Where the last transaction failed, a small one is tried: readiness must come back by itself, for
    /// nothing is sent to a service that is not ready. Returns whether there is nothing left to do.
    async fn rest(&mut self) -> bool {
        if !self.counters.is_sound() {
            let probed = match self.store().await {
                Ok(store) => store.probe().await.is_ok(),
                Err(_) => false,
            };
            if !probed {
                self.store = None;
                return false;
            }
            self.counters.recovered();
            self.commit(&mut Vec::new()).await;
        }
        if !self.counters.is_sound() {
            return false;
        }
        match &mut self.store {
            Some(store) => store.rest().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the ledger's write-ahead log stays; its records are durable all the same");
                true
            }),
            None => true,
        }
    }

    /// Records all of `jobs` in one transaction and answers each.
    async fn commit(&mut self, jobs: &mut Vec<Job>) {
        let time = RecordTime::new(self.clock.now());
        let mut batch = Batch::default();
        let mut answers = Vec::with_capacity(jobs.len());
        let mut keeping = Vec::new();
        self.stage_outages(&mut batch, time).await;
        for job in jobs.drain(..) {
            let (staged, reply) = match job {
                Job::Key(log, period, reply) => {
                    let _ = reply.send(self.key(log, period).await);
                    continue;
                }
                Job::Cosigned(rows, reply) => {
                    batch.rows.cosigned.extend(rows);
                    keeping.push(reply);
                    continue;
                }
                Job::Append(append, reply) => (self.stage(&mut batch, time, *append).await, reply),
                Job::Erase(log, before, by, reply) => {
                    (self.stage_erasure(&mut batch, time, log, before, by).await, reply)
                }
            };
            match staged {
                Ok(appended) => answers.push((reply, appended)),
                Err(error) => {
                    Counters::add(&self.counters.failed, 1);
                    if error.is_outage() {
                        self.counters.refused(0);
                    }
                    // Whoever asked may be gone; that is their business.
                    let _ = reply.send(Err(error));
                }
            }
        }
        if answers.is_empty() && keeping.is_empty() && batch.touched.is_empty() {
            return;
        }
        let told = batch.told.clone();
        let stored = self.write(batch).await;
        if stored.is_err() {
            told.into_iter()
                .for_each(|(log, refused)| self.counters.outages.merge(log, refused));
        }
        match &stored {
            Ok(()) => self.counters.committed(answers.len()),
            Err(error) => {
                self.counters.refused(answers.len());
                tracing::error!(%error, entries = answers.len(), "a ledger transaction failed");
                self.forget().await;
            }
        }
        for reply in keeping {
            let _ = reply.send(stored.clone());
        }
        for (reply, appended) in answers {
            let _ = reply.send(stored.clone().map(|()| appended));
        }
    }

    /// Writes everything; what is remembered in memory follows what is durable.
    async fn write(&mut self, batch: Batch) -> Result<(), LedgerError> {
        let Batch {
            rows,
            touched,
            digests,
            erased,
            ..
        } = batch;
        // Whatever comes of it: where it was written and only the answer is lost, the keys are gone.
        for (log, periods) in &erased {
            self.periods.remove(*log, periods);
        }
        self.put(rows).await?;
        match erased.is_empty() {
            true => digests.into_iter().for_each(|digest| self.recent.insert(digest)),
            false => self.recent = Recent::default(),
        }
        let many = touched.iter().filter_map(|log| self.heads.get(log));
        let many = many
            .into_iter()
            .any(|head| head.tree.size() - head.signed >= self.signing.records);
        self.unsigned.extend(touched);
        match (many, self.due) {
            (true, _) => self.due = Some(Instant::now()),
            (false, None) => self.due_anew(),
            (false, Some(_)) => {}
        }
        if self.heads.len() > MAX_HEADS {
            let unsigned = &self.unsigned;
            self.heads
                .retain(|log, _| *log == LogId::Platform || unsigned.contains(log));
        }
        Ok(())
    }

    /// Writes rows, and tells of the checkpoints among them once they are durable.
    async fn put(&mut self, rows: Rows) -> Result<(), LedgerError> {
        let signed = self.counters.signed.among(&rows.checkpoints);
        let written = self.store().await?.write(rows).await;
        written.map_err(LedgerError::store("write to the ledger"))?;
        self.counters.signed.tell(signed);
        Ok(())
    }

    fn due_anew(&mut self) {
        self.due = Some(Instant::now() + self.signing.every);
    }

    /// Drops all that may differ from what is durable.
    async fn forget(&mut self) {
        self.heads.clear();
        self.recent = Recent::default();
        if let Some(store) = self.store.take() {
            // Closing rolls back; where even that fails, so does the next open, and its callers hear of it.
            let _ = store.close().await;
        }
    }

    async fn store(&mut self) -> Result<&mut Box<dyn Store>, LedgerError> {
        match &mut self.store {
            Some(store) => Ok(store),
            none => Ok(none.insert(self.place.writer_again().await?)),
        }
    }

    /// Reads where a log ends from the store.
    async fn load(&mut self, log: LogId) -> Result<(), LedgerError> {
        if self.heads.contains_key(&log) {
            return Ok(());
        }
        if let Some(why) = self.damaged.get(&log).cloned() {
            return Err(LedgerError::Damaged { log, why });
        }
        if log != LogId::Platform {
            Box::pin(self.load(LogId::Platform)).await?;
        }
        let head = Head::new(log, &self.keys)?;
        let store = self.store().await?;
        let stored = async {
            let raw = store.log(log).await?;
            let from = raw.size.unwrap_or(0);
            let rows = read_rows(store, log, from - from.rem_euclid(WIDTH.cast_signed())).await?;
            Ok((raw, rows))
        };
        let (raw, rows) = match stored.await {
            Ok(stored) => stored,
            Err(error) => {
                // No transaction is open here; the next use opens the store anew.
                self.store = None;
                return Err(LedgerError::reading(log, "read the end of a log", error));
            }
        };
        let head = match raw.is_empty() && rows.is_empty() {
            true => head,
            false => head
                .stored(&raw, &rows)
                .map_err(|why| LedgerError::Damaged { log, why })?,
        };
        self.heads.insert(log, head);
        Ok(())
    }
}

async fn read_rows(store: &mut Box<dyn Store>, log: LogId, mut from: i64) -> Result<Vec<RawRow>, sqlx::Error> {
    let mut rows = Vec::new();
    loop {
        let page = store.rows(log, from, i64::MAX).await?;
        let Some(last) = page.last() else {
            return Ok(rows);
        };
        from = last.seq.saturating_add(1);
        rows.extend(page);
    }
}

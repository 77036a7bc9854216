//! The one writer: takes whatever is queued, writes it in one transaction, answers everyone.
//!
//! Nothing waits for a batch to fill. While one transaction is being made durable, the next entries queue up; they are the
//! next batch. Once a second, or sooner where much was written, logs that have grown are signed ([`sealing`]). The state in memory
//! (each log's head, which bodies are stored) is only ever a copy of what is durable: when a transaction fails, the connection and
//! all of that state are thrown away and read again from the store.

mod batch;
mod entry;
mod erasing;
mod head;
mod lease;
mod months;
mod outages;
mod owing;
mod recent;
mod rekeying;
mod sealing;
mod staging;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use self::batch::{Batch, Waiting};
pub(super) use self::entry::{Append, Private};
use self::head::{Head, read_head, read_rows};
pub(super) use self::owing::Owed;
use self::recent::Recent;
pub use self::sealing::Signing;
use super::ahead::Ahead;
use super::error::LedgerError;
use super::keys::LedgerKeys;
use super::period::{Period, PeriodKey};
use super::place::Held;
use super::record::{LogId, RecordTime};
use super::standing::Standing;
use super::stats::Counters;
use super::store::{NewCosigned, Opening, Rows, Store};
use super::{Appended, By, PeriodKeys};
use crate::clock::Clock;
use crate::database::Place;

/// The most entries one transaction takes.
pub(super) const MAX_BATCH: usize = 256;

/// How many logs' heads are kept in memory; more only cost a read each.
const MAX_HEADS: usize = 65_536;

/// What the writer is asked to do.
pub(super) enum Job {
    /// Records an entry.
    Append(Box<Append>, Reply<Appended>),
    /// Records an entry whose answer left already.
    Ahead(Box<Owed>),
    /// Gives the key that what is private in that month is sealed with, making it where there is none.
    Key(LogId, Period, Reply<Arc<PeriodKey>>),
    /// Erases what is private in a log's months before that one.
    Erase(LogId, Period, By, Reply<Appended>),
    /// Keeps checkpoints that witnesses cosigned.
    Cosigned(Vec<NewCosigned>, Reply<()>),
}

/// Where what came of a job is told.
pub(super) type Reply<T> = oneshot::Sender<Result<T, LedgerError>>;

/// What the writer shares with those who append.
pub(super) struct Shared {
    pub(super) periods: PeriodKeys,
    pub(super) ahead: Arc<Ahead>,
    pub(super) counters: Arc<Counters>,
    pub(super) standing: watch::Sender<Standing>,
}

impl Shared {
    /// Nothing yet, and where it is told whether this process writes.
    pub(super) fn new() -> (Self, watch::Receiver<Standing>) {
        let (standing, told) = watch::channel(Standing::Writer);
        let shared = Self {
            periods: PeriodKeys::default(),
            ahead: Arc::default(),
            counters: Arc::default(),
            standing,
        };
        (shared, told)
    }
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
    /// Which answers are ahead of their records.
    ahead: Arc<Ahead>,
    /// The entries of those that could not be written yet, the oldest first.
    owed: VecDeque<Owed>,
    recent: Recent,
    /// Logs that were found damaged, and why: nothing more is appended to them by this process.
    damaged: BTreeMap<LogId, String>,
    /// Logs that may have records that are not signed.
    unsigned: BTreeSet<LogId>,
    /// When these are to be signed.
    due: Option<Instant>,
    counters: Arc<Counters>,
    /// What this process may write by.
    held: Held,
    /// Whether it does.
    standing: watch::Sender<Standing>,
    /// When it is to say so again, or to look whether it may.
    tended: Instant,
    /// What kept it from taking over, as far as it was told.
    hindrance: String,
}

impl Writer {
    /// Opens the store at a place. Where another process writes to it, this one stands by.
    pub(super) async fn open(
        place: Place,
        keys: LedgerKeys,
        clock: Clock,
        signing: Signing,
        shared: Shared,
    ) -> Result<Self, LedgerError> {
        let mut writer = Self::idle(place, keys, clock, signing, shared).await?;
        match writer.stands_by() {
            None => writer.begin().await?,
            Some(_) => writer.check_keys().await?,
        }
        Ok(writer)
    }

    async fn idle(
        place: Place,
        keys: LedgerKeys,
        clock: Clock,
        signing: Signing,
        shared: Shared,
    ) -> Result<Self, LedgerError> {
        let Shared {
            periods,
            ahead,
            counters,
            standing,
        } = shared;
        let mut held = place.hold()?;
        let store = match place.writer(&mut held, Opening::First).await {
            Ok(store) => Some(store),
            Err(LedgerError::Standby { holder }) => {
                tracing::warn!(%holder, "another process writes to the ledger; this one stands by");
                standing.send_replace(Standing::Standby(holder));
                None
            }
            Err(error) => return Err(error),
        };
        let (heads, recent) = (HashMap::new(), Recent::default());
        Ok(Self {
            place,
            store,
            keys,
            clock,
            signing,
            heads,
            periods,
            ahead,
            owed: VecDeque::new(),
            recent,
            damaged: BTreeMap::new(),
            unsigned: BTreeSet::new(),
            due: None,
            counters,
            held,
            standing,
            tended: Instant::now(),
            hindrance: String::new(),
        })
    }

    /// Takes up what the last writer left.
    async fn begin(&mut self) -> Result<(), LedgerError> {
        let changing = self.store().await?.is_changing().await;
        if changing.map_err(LedgerError::store("read the ledger"))? {
            return Err(LedgerError::Changing);
        }
        // Finds another base or another secret at start rather than at the first decision.
        self.load(LogId::Platform).await?;
        self.resume().await
    }

    /// Tells what the last writer could not, and signs what was durable but not signed when it ended.
    async fn resume(&mut self) -> Result<(), LedgerError> {
        self.tell_gaps().await?;
        let names = self.store().await?.unsigned().await;
        let names = names.map_err(LedgerError::store("look for records that are not signed"))?;
        // Names that name no log are `verify`'s to report.
        self.unsigned
            .extend(names.iter().filter_map(|name| name.parse::<LogId>().ok()));
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
                () = tokio::time::sleep_until(self.tended), if self.has_rivals() => {
                    self.tend().await;
                    unrested = true;
                }
                () = tokio::time::sleep_until(due), if self.due.is_some() && self.stands_by().is_none() => {
                    // What may have been written is found in rows, which signing puts into bundles.
                    match self.settle_doubts().await {
                        true => self.sign().await,
                        false => self.due_anew(),
                    }
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
        self.end_owing().await;
        if self.settle_doubts().await {
            self.sign().await;
        }
        self.leave().await;
    }

    /// Lets go of the store, so that another process may write.
    pub(super) async fn leave(mut self) {
        if let Some(mut store) = self.store.take() {
            if let Err(error) = store.release().await {
                tracing::warn!(%error, "the ledger's lease was not given up; another process can take it when it has lapsed");
            }
            if let Err(error) = store.close().await {
                tracing::warn!(%error, "the ledger's store did not close cleanly; it is recovered when next opened");
            }
        }
    }

    /// Puts the store in order. Where the last transaction failed, a small one is tried: readiness must come back by itself, for
    /// nothing is sent to a service that is not ready. Returns whether there is nothing left to do.
    pub(super) async fn rest(&mut self) -> bool {
        if self.stands_by().is_some() {
            return true;
        }
        if !self.counters.is_sound() {
            let probed = match self.store().await {
                Ok(store) => store.probe().await.map_err(LedgerError::store("write to the ledger")),
                Err(error) => Err(error),
            };
            match probed {
                Ok(()) => {}
                Err(error @ LedgerError::Standby { .. }) => {
                    self.failed(&error, "the ledger is another's").await;
                    return true;
                }
                Err(_) => {
                    self.store = None;
                    return false;
                }
            }
            self.counters.recovered();
            self.commit(&mut Vec::new()).await;
        }
        while self.counters.is_sound() && self.stands_by().is_none() && !self.owed.is_empty() {
            self.commit(&mut Vec::new()).await;
        }
        if !self.counters.is_sound() {
            return false;
        }
        match &mut self.store {
            Some(store) => match store.rest().await {
                Ok(rested) => rested,
                Err(error) => {
                    tracing::warn!(%error, "the ledger's store is not put in order; its records are durable all the same");
                    self.store = None;
                    true
                }
            },
            None => true,
        }
    }

    /// Does all of `jobs` in one transaction and answers each.
    async fn commit(&mut self, jobs: &mut Vec<Job>) {
        if let Some(holder) = self.stands_by() {
            return self.turn_away(jobs, &holder);
        }
        let time = RecordTime::new(self.clock.now());
        let mut batch = Batch::default();
        self.stage_outages(&mut batch, time).await;
        self.stage_owed(&mut batch, time).await;
        for job in jobs.drain(..) {
            self.stage_job(&mut batch, time, job).await;
        }
        if !batch.is_empty() {
            self.finish(batch).await;
        }
    }

    async fn stage_job(&mut self, batch: &mut Batch, time: RecordTime, job: Job) {
        let (staged, reply) = match job {
            Job::Ahead(owed) => return self.stage_ahead(batch, time, *owed).await,
            Job::Key(log, period, reply) => {
                let key = self.stage_key(batch, log, period).await;
                batch.heed(&key);
                match key {
                    Ok(key) => batch.waiting.push(Waiting::Key(reply, log, key)),
                    Err(error) => drop(reply.send(Err(error))),
                }
                return;
            }
            Job::Cosigned(rows, reply) => {
                batch.rows.cosigned.extend(rows);
                return batch.waiting.push(Waiting::Kept(reply));
            }
            Job::Append(append, reply) => (self.stage(batch, time, *append, None).await, reply),
            Job::Erase(log, before, by, reply) => (self.stage_erasure(batch, time, log, before, by).await, reply),
        };
        batch.heed(&staged);
        match staged {
            Ok(appended) => batch.waiting.push(Waiting::Record(reply, appended)),
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

    /// Writes a batch and tells everyone what came of it.
    async fn finish(&mut self, mut batch: Batch) {
        let (recorded, ahead) = batch.entries();
        let stored = match batch.displaced.take() {
            Some(error) => Err(error),
            None => self.write(&mut batch).await,
        };
        match &stored {
            Ok(()) => {
                self.counters.committed(recorded + ahead);
                self.settle(&mut batch);
            }
            Err(error) => {
                Counters::add(&self.counters.failed, recorded);
                let told = std::mem::take(&mut batch.told).into_iter();
                told.for_each(|(log, refused)| self.counters.outages.merge(log, refused));
                self.owe(&mut batch);
                self.failed(error, "a ledger transaction failed").await;
            }
        }
        for waiting in std::mem::take(&mut batch.waiting) {
            waiting.answer(&stored, &batch);
        }
    }

    /// Writes everything; what is remembered in memory follows what is durable.
    async fn write(&mut self, batch: &mut Batch) -> Result<(), LedgerError> {
        // Whatever comes of it: where it was written and only the answer is lost, the keys are gone.
        for (log, periods) in &batch.erased {
            self.periods.remove(*log, periods);
        }
        let mut rows = std::mem::take(&mut batch.rows);
        let marks = batch.marked.iter();
        rows.marked = marks
            .map(|(tenant, records)| (tenant.as_str().into(), i64::from(*records)))
            .collect();
        self.put(rows).await?;
        match batch.erased.is_empty() {
            true => batch.digests.drain().for_each(|digest| self.recent.insert(digest)),
            false => self.recent = Recent::default(),
        }
        for ((log, asked), key) in &batch.keys {
            if !batch.erases(*log, key.period()) {
                self.periods.insert(*log, *asked, key);
            }
        }
        let mut heads = batch.touched.iter().filter_map(|log| self.heads.get(log));
        let many = heads.any(|head| head.tree.size() - head.signed >= self.signing.records);
        self.unsigned.extend(&batch.touched);
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
            none => Ok(none.insert(self.place.writer(&mut self.held, Opening::Again).await?)),
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
        let head = match read_head(self.store().await?, log, head).await {
            Ok(head) => head.map_err(|why| LedgerError::Damaged { log, why })?,
            Err(error) => {
                // No transaction is open here; the next use opens the store anew.
                self.store = None;
                return Err(LedgerError::reading(log, "read the end of a log", error));
            }
        };
        self.heads.insert(log, head);
        Ok(())
    }
}

//! The ledger: an append-only record of what was decided, in which nothing can be changed without it showing.
//!
//! There is one log per tenant and one for the platform, each a Merkle tree (RFC 6962) kept and served as
//! [C2SP tiles](https://c2sp.org/tlog-tiles). A record names the policies by their bundle's digest and holds the answer of both
//! layers in full; what is private in the question stands beside it under a commitment ([`private`]). Once a second the log signs how
//! many records it has and what the root of its tree is. So with one signed line of some hundred bytes anyone can check any record,
//! or all of them, with tools that know nothing of Tidegate, and can show that a log was changed, cut or forked.
//! Opening a tenant's log is itself a record in the platform's, so a log erased whole is missed too.
//!
//! ```text
//! append ──> queue ──> writer: one transaction for all that is queued ──> durable ──> the answer leaves
//!                         │ once a second
//!                         └─> full groups of 256 become tiles, the log is signed
//! ```
//!
//! What this cannot show by itself: a store set back as a whole to an earlier state, or rewritten as a whole by someone who also
//! holds the signing secret. Whoever must exclude that keeps a checkpoint elsewhere and gives it to [`verify::verify_with`].
//!
//! An append returns once its record is durable, and an answer may only leave then:
//!
//! ```
//! # use tidegate::{clock::Clock, ledger::{Entry, Ledger, LedgerKeys, LogId, Options, record::{Engine, Event, Start}}};
//! # let dir = tempfile::tempdir()?;
//! # let runtime = tokio::runtime::Runtime::new()?;
//! # runtime.block_on(async {
//! let keys = LedgerKeys::open(dir.path(), "tidegate.example")?;
//! let ledger = Ledger::open(dir.path(), keys, Clock::system(), Options::default()).await?;
//! let engine = Engine { cedar: "4.14.1".into(), tidegate: "0.1.0".into() };
//! let appended = ledger.append(Entry::event(LogId::Platform, Event::Start(Start { engine }))).await?;
//! assert_eq!(appended.seq, 0);
//! ledger.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Appends that arrive together share a transaction. Nothing is ever dropped silently: a full queue, a store
//! that cannot be written and a log that contradicts its checkpoint are errors to the caller.

mod ahead;
pub mod checkpoint;
pub mod error;
pub mod evidence;
pub mod follow;
pub mod keys;
pub mod note;
mod outage;
mod pack;
pub mod period;
mod place;
pub mod private;
pub mod proof;
pub mod published;
pub mod quorum;
pub mod read;
pub mod readers;
mod receipt;
pub mod record;
pub mod replay;
pub mod report;
mod roots;
pub mod rotation;
pub mod segment;
mod signed;
pub mod standing;
pub mod stats;
mod store;
pub mod succession;
#[cfg(test)]
pub(crate) mod tests;
pub mod tile;
pub mod tree;
#[cfg(feature = "unrecorded")]
mod unrecorded;
pub mod verify;
pub mod witness;
mod writer;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rpds::HashTrieMapSync;
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

pub use self::error::LedgerError;
pub use self::keys::LedgerKeys;
pub use self::readers::Readers;
pub use self::receipt::{Appended, Receipt};
pub use self::record::{Event, LogId, Record, RecordTime};
pub use self::standing::Standing;
pub use self::stats::Stats;
pub use self::writer::Signing;
pub use crate::database::{Database, Place};

use self::ahead::{Ahead, Leave};
use self::period::{Period, PeriodKey};
use self::private::Plain;
use self::record::Decided;
use self::stats::Counters;
use self::writer::{Append, Job, Owed, Private, Reply, Shared, Writer};
use crate::clock::Clock;
use crate::ids::{Digest, RecordId, TenantId};
use crate::registry::{Bound, Guarantee};

/// The file below the data directory.
pub const FILE: &str = store::sqlite::FILE;

/// The greatest size of one body in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// The greatest size of a decision's context in bytes: 256 of them are kept together.
pub const MAX_CONTEXT_BYTES: usize = 1024 * 1024 - 4096;

/// What to record.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The log it belongs to.
    pub log: LogId,
    /// What happened.
    pub what: What,
    /// What its digests name ([`Event::bodies`]), and whatever those bodies name in turn. Each content must have
    /// the digest beside it; it is not hashed again here, but `verify` does. A body stored before may be left out.
    pub bodies: Vec<(Digest, Arc<[u8]>)>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A question was answered; what is private in it is sealed on the way.
    Decision(Box<Decided<Plain>>),
    /// Anything else.
    Event(Event),
}

impl Entry {
    /// An event that names no bodies.
    pub fn event(log: LogId, event: Event) -> Self {
        let (what, bodies) = (What::Event(event), Vec::new());
        Self { log, what, bodies }
    }
}

/// Who has something done.
#[derive(Clone, Debug)]
pub struct By {
    /// The Cedar principal's entity id, or `operator`.
    pub who: String,
    /// The record of the decision that permitted it, where it was asked for.
    pub decision: Option<RecordId>,
}

impl By {
    /// Whoever runs a command on the data itself: no policy is asked.
    pub fn operator() -> Self {
        Self {
            who: "operator".to_owned(),
            decision: None,
        }
    }
}

/// How much may wait, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many entries may wait for the writer.
    pub queue: usize,
    /// How long an append waits for room in a full queue before it is refused as [`LedgerError::Busy`].
    pub patience: Duration,
    /// When logs are signed.
    pub signing: Signing,
}

impl Default for Options {
    fn default() -> Self {
        let (queue, patience) = (1024, Duration::from_secs(2));
        let signing = Signing::default();
        Self {
            queue,
            patience,
            signing,
        }
    }
}

/// The keys of months in use, by log and the month that was asked for: read by all, changed by the writer.
#[derive(Clone, Debug)]
struct PeriodKeys(Arc<watch::Sender<KeyMap>>);

type KeyMap = HashTrieMapSync<(LogId, Period), Arc<PeriodKey>>;

impl Default for PeriodKeys {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(HashTrieMapSync::new_sync())))
    }
}

impl PeriodKeys {
    fn get(&self, log: LogId, period: Period) -> Option<Arc<PeriodKey>> {
        self.0.borrow().get(&(log, period)).cloned()
    }

    /// Keeps a key, and lets go of the one of two months before.
    fn insert(&self, log: LogId, period: Period, key: &Arc<PeriodKey>) {
        self.0.send_modify(|keys| {
            keys.insert_mut((log, period), Arc::clone(key));
            keys.remove_mut(&(log, period.previous().previous()));
        });
    }

    fn clear(&self) {
        self.0.send_replace(HashTrieMapSync::new_sync());
    }

    fn remove(&self, log: LogId, periods: &BTreeSet<Period>) {
        // Under whatever month they were asked for.
        let gone = |((of, _), key): &(&(LogId, Period), &Arc<PeriodKey>)| *of == log && periods.contains(&key.period());
        self.0.send_modify(|keys| {
            let gone: Vec<_> = keys.iter().filter(gone).map(|(asked, _)| *asked).collect();
            for asked in gone {
                keys.remove_mut(&asked);
            }
        });
    }
}

/// The ledger, open for appending. Clones share one writer; it ends when the last is dropped or one is closed.
#[derive(Clone, Debug)]
pub struct Ledger {
    place: Place,
    queue: mpsc::Sender<Job>,
    patience: Duration,
    clock: Clock,
    periods: PeriodKeys,
    ahead: Arc<Ahead>,
    counters: Arc<Counters>,
    closing: Arc<Notify>,
    done: watch::Receiver<()>,
    standing: watch::Receiver<Standing>,
}

impl Ledger {
    /// Opens the ledger in `dir`, making it where there is none. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// Another process has it open; its format is unknown; the platform's log is damaged or was signed with other keys;
    /// the file system or SQLite refuse.
    pub async fn open(dir: &Path, keys: LedgerKeys, clock: Clock, options: Options) -> Result<Self, LedgerError> {
        Self::open_at(Place::Directory(dir.to_owned()), keys, clock, options).await
    }

    /// Opens the ledger at a place, as [`open`](Self::open). Where that is a database to which another process writes, this one
    /// stands by ([`standing`](Self::standing)): it takes no entries, and takes over where the other ends.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but for that.
    pub async fn open_at(place: Place, keys: LedgerKeys, clock: Clock, options: Options) -> Result<Self, LedgerError> {
        let at = place.clone();
        let (shared, standing) = Shared::new();
        let (periods, ahead, counters) = (
            shared.periods.clone(),
            Arc::clone(&shared.ahead),
            Arc::clone(&shared.counters),
        );
        let writer = Writer::open(place, keys, clock.clone(), options.signing, shared).await?;
        let (queue, entries) = mpsc::channel(options.queue.max(1));
        let closing = Arc::<Notify>::default();
        let (ended, done) = watch::channel(());
        let until = Arc::clone(&closing);
        tokio::spawn(async move {
            writer.run(entries, until).await;
            drop(ended);
        });
        let patience = options.patience;
        Ok(Self {
            place: at,
            queue,
            patience,
            clock,
            periods,
            ahead,
            counters,
            closing,
            done,
            standing,
        })
    }

    /// Records an entry; returns once it is durable. A caller that stops waiting leaves the entry either recorded or not,
    /// and the ledger sound.
    ///
    /// # Errors
    ///
    /// Whatever kept the record from being durable; see [`LedgerError`]. The answer the entry tells of must not leave.
    pub async fn append(&self, entry: Entry) -> Result<Appended, LedgerError> {
        let log = entry.log;
        let recorded = match self.prepared(entry, self.clock.now()).await {
            Ok(append) => self.ask(true, |reply| Job::Append(append, reply)).await,
            Err(error) => Err(error),
        };
        self.counted(log, recorded)
    }

    /// Records an entry under a tenant's guarantee: returns once its record is durable or, where the guarantee is bounded and the bound
    /// is not reached, once it is on the way. The id is the record's either way.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append). The answer the entry tells of must not leave.
    pub async fn record(&self, entry: Entry, guarantee: Guarantee) -> Result<Receipt, LedgerError> {
        #[cfg(feature = "unrecorded")]
        if unrecorded::is_asked_for() {
            return unrecorded::receipt(&entry, self.clock.now());
        }
        match (guarantee, entry.log.tenant()) {
            (Guarantee::Bounded(bound), Some(tenant)) => {
                let log = entry.log;
                let recorded = self.record_within(entry, tenant, bound).await;
                self.counted(log, recorded)
            }
            _ => self.append(entry).await.map(Receipt::Durable),
        }
    }

    async fn record_within(&self, entry: Entry, tenant: TenantId, bound: Bound) -> Result<Receipt, LedgerError> {
        let now = self.clock.now();
        let time = RecordTime::new(now);
        let mut append = self.prepared(entry, now).await?;
        let (log, id) = (append.log, record::new_id(time).ok_or(LedgerError::Sealing)?);
        let room = self.room().await?;
        Counters::add(&self.counters.queued, 1);
        match self.ahead.ask(tenant, bound, id, Instant::now()) {
            Leave::Now(ticket) => {
                let append = *append;
                room.send(Job::Ahead(Box::new(Owed {
                    append,
                    id,
                    time,
                    ticket,
                    doubtful: false,
                })));
                Ok(Receipt::Ahead { log, id })
            }
            Leave::Wait(mark) => {
                append.mark = mark.filter(|_| {
                    let made = self.ahead.prepare();
                    made.inspect_err(
                        |error| tracing::warn!(%error, "answers wait for their records: none can be noted as ahead"),
                    )
                    .is_ok()
                });
                let appended = asked(room, |reply| Job::Append(append, reply)).await;
                appended.map(Receipt::Durable)
            }
        }
    }

    /// What is wrong with the entry, or with one log alone, is no outage.
    fn counted<T>(&self, log: LogId, recorded: Result<T, LedgerError>) -> Result<T, LedgerError> {
        if recorded.as_ref().is_err_and(LedgerError::is_outage) {
            self.counters.outages.count(log, self.clock.now());
        }
        recorded
    }

    /// The entry as the writer takes it: sound, canonical, and sealed where it is private.
    async fn prepared(&self, entry: Entry, now: Timestamp) -> Result<Box<Append>, LedgerError> {
        let Entry { log, what, bodies } = entry;
        let (slice, context) = match &what {
            What::Decision(decided) => (Some(&decided.private.entities.1), decided.private.context.len()),
            What::Event(_) => (None, 0),
        };
        if context > MAX_CONTEXT_BYTES {
            let (bytes, most) = (context, MAX_CONTEXT_BYTES);
            return Err(LedgerError::BodyTooLarge { bytes, most });
        }
        let sizes = bodies.iter().map(|(_, body)| body).chain(slice).map(|body| body.len());
        if let Some(bytes) = sizes.max().filter(|bytes| *bytes > MAX_BODY_BYTES) {
            let most = MAX_BODY_BYTES;
            return Err(LedgerError::BodyTooLarge { bytes, most });
        }
        let (event, private) = self.canonical(log, what, Period::of(now)).await?;
        Ok(Box::new(Append {
            log,
            event,
            private,
            bodies,
            mark: None,
        }))
    }

    /// The event as canonical JSON, without what is private in it, and that.
    async fn canonical(
        &self,
        log: LogId,
        what: What,
        period: Period,
    ) -> Result<(Box<RawValue>, Option<Private>), LedgerError> {
        match what {
            What::Decision(decided) => {
                let key = self.key(log, period).await?;
                let kept = decided.seal(&key).ok_or(LedgerError::Sealing)?;
                let slice = (kept.decided.private.entities, decided.private.entities.1);
                let event = Event::Decision(Box::new(kept.decided)).to_canonical()?;
                let asked = kept.asked;
                Ok((event, Some(Private { key, asked, slice })))
            }
            What::Event(Event::Agreement(agreement)) if private::is_person(&agreement.by) => {
                let masked = agreement.masked(&*self.key(log, period).await?);
                Ok((Event::Agreement(Box::new(masked)).to_canonical()?, None))
            }
            What::Event(event) => Ok((event.to_canonical()?, None)),
        }
    }

    async fn key(&self, log: LogId, period: Period) -> Result<Arc<PeriodKey>, LedgerError> {
        match self.periods.get(log, period) {
            Some(key) => Ok(key),
            None => self.ask(false, |reply| Job::Key(log, period, reply)).await,
        }
    }

    /// Erases what is private in a log's months before that one: the keys go, and with them whatever they sealed. The records stay
    /// and verify as before; one more tells of the erasure.
    ///
    /// # Errors
    ///
    /// A month that is not over; nothing is kept of any before it; whatever keeps it from being durable.
    pub async fn erase(&self, log: LogId, before: Period, by: By) -> Result<Appended, LedgerError> {
        self.ask(true, |reply| Job::Erase(log, before, by, reply)).await
    }

    /// Room in the queue, once there is.
    async fn room(&self) -> Result<mpsc::Permit<'_, Job>, LedgerError> {
        // Not asked at all: whoever stands by may just be waiting for the database.
        if let Standing::Standby(holder) = self.standing() {
            return Err(LedgerError::Standby { holder });
        }
        let Ok(room) = tokio::time::timeout(self.patience, self.queue.reserve()).await else {
            Counters::add(&self.counters.busy, 1);
            let waited_ms = self.patience.as_millis();
            return Err(LedgerError::Busy { waited_ms });
        };
        room.map_err(|_| LedgerError::Closed)
    }

    async fn ask<T>(&self, counted: bool, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, LedgerError> {
        let room = self.room().await?;
        Counters::add(&self.counters.queued, usize::from(counted));
        asked(room, job).await
    }

    /// Where it lies.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Reads what is public in it, beside the writer.
    pub fn readers(&self) -> Readers {
        Readers::new(self.place.clone())
    }

    /// What was done since the ledger was opened.
    pub fn stats(&self) -> Stats {
        self.counters.snapshot()
    }

    /// Whether the last write succeeded, the writer still runs, and no other process writes in its place.
    pub fn is_writable(&self) -> bool {
        !self.queue.is_closed() && self.counters.is_sound() && self.standing() == Standing::Writer
    }

    /// Takes no more entries, records those already queued, closes the store and frees it for another process.
    pub async fn close(&self) {
        self.closing.notify_one();
        // Ends with an error, for nothing is ever sent: the sender goes when the writer does.
        while self.done.clone().changed().await.is_ok() {}
    }
}

/// Queues a job, and waits for what comes of it.
async fn asked<T>(room: mpsc::Permit<'_, Job>, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, LedgerError> {
    let (reply, answer) = oneshot::channel();
    room.send(job(reply));
    answer.await.unwrap_or(Err(LedgerError::Closed))
}

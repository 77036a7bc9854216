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
pub mod read;
pub mod readers;
pub mod record;
pub mod replay;
pub mod report;
mod roots;
pub mod segment;
pub mod stats;
mod store;
#[cfg(test)]
mod tests;
pub mod tile;
pub mod tree;
pub mod verify;
mod writer;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rpds::HashTrieMapSync;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc, oneshot, watch};

pub use self::error::LedgerError;
pub use self::keys::LedgerKeys;
pub use self::place::Place;
pub use self::readers::Readers;
pub use self::record::{Event, LogId, Record, RecordTime};
pub use self::stats::Stats;
pub use self::writer::Signing;

use self::period::{Period, PeriodKey};
use self::private::Plain;
use self::record::Decided;
use self::stats::Counters;
use self::writer::{Append, Job, Private, Reply, Writer};
use crate::clock::Clock;
use crate::ids::{Digest, RecordId};

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

/// Where an entry was recorded. Holding one means the record is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Appended {
    /// The log.
    pub log: LogId,
    /// The record's number in it.
    pub seq: u64,
    /// The record's id.
    pub id: RecordId,
    /// The record's leaf hash.
    pub hash: Digest,
    /// The record's time.
    pub time: RecordTime,
}

/// Who has something done.
#[derive(Clone, Debug)]
pub struct By {
    /// The Cedar principal's entity id, or `operator`.
    pub who: String,
    /// The record of the decision that permitted it, where it was asked for.
    pub decision: Option<RecordId>,
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
    counters: Arc<Counters>,
    closing: Arc<Notify>,
    done: watch::Receiver<()>,
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

    /// Opens the ledger at a place, as [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_at(place: Place, keys: LedgerKeys, clock: Clock, options: Options) -> Result<Self, LedgerError> {
        let held = place.hold()?;
        let at = place.clone();
        let counters = Arc::<Counters>::default();
        let periods = PeriodKeys(Arc::new(watch::Sender::new(HashTrieMapSync::new_sync())));
        let shared = (periods.clone(), Arc::clone(&counters));
        let writer = Writer::open(place, held, keys, clock.clone(), options.signing, shared.0, shared.1).await?;
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
            counters,
            closing,
            done,
        })
    }

    /// Records an entry; returns once it is durable. A caller that stops waiting leaves the entry either recorded or not,
    /// and the ledger sound.
    ///
    /// # Errors
    ///
    /// Whatever kept the record from being durable; see [`LedgerError`]. The answer the entry tells of must not leave.
    pub async fn append(&self, entry: Entry) -> Result<Appended, LedgerError> {
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
        let recorded = self.append_sound(log, what, bodies).await;
        // What is wrong with the entry, or with one log alone, is no outage.
        if recorded.as_ref().is_err_and(LedgerError::is_outage) {
            self.counters.outages.count(log, self.clock.now());
        }
        recorded
    }

    async fn append_sound(
        &self,
        log: LogId,
        what: What,
        bodies: Vec<(Digest, Arc<[u8]>)>,
    ) -> Result<Appended, LedgerError> {
        let (event, private) = self.canonical(log, what).await?;
        let append = Append {
            log,
            event,
            private,
            bodies,
        };
        self.ask(true, |reply| Job::Append(Box::new(append), reply)).await
    }

    /// The event as canonical JSON, without what is private in it, and that.
    async fn canonical(&self, log: LogId, what: What) -> Result<(Box<RawValue>, Option<Private>), LedgerError> {
        match what {
            What::Decision(decided) => {
                let key = self.key(log).await?;
                let kept = decided.seal(&key).ok_or(LedgerError::Sealing)?;
                let slice = (kept.decided.private.entities, decided.private.entities.1);
                let event = Event::Decision(Box::new(kept.decided)).to_canonical()?;
                let asked = kept.asked;
                Ok((event, Some(Private { key, asked, slice })))
            }
            What::Event(Event::Agreement(agreement)) if private::is_person(&agreement.by) => {
                let masked = agreement.masked(&*self.key(log).await?);
                Ok((Event::Agreement(Box::new(masked)).to_canonical()?, None))
            }
            What::Event(event) => Ok((event.to_canonical()?, None)),
        }
    }

    async fn key(&self, log: LogId) -> Result<Arc<PeriodKey>, LedgerError> {
        let period = Period::of(self.clock.now());
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

    async fn ask<T>(&self, counted: bool, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, LedgerError> {
        let Ok(room) = tokio::time::timeout(self.patience, self.queue.reserve()).await else {
            Counters::add(&self.counters.busy, 1);
            let waited_ms = self.patience.as_millis();
            return Err(LedgerError::Busy { waited_ms });
        };
        let room = room.map_err(|_| LedgerError::Closed)?;
        let (reply, answer) = oneshot::channel();
        Counters::add(&self.counters.queued, usize::from(counted));
        room.send(job(reply));
        answer.await.unwrap_or(Err(LedgerError::Closed))
    }

    /// Reads what is public in it, beside the writer.
    pub fn readers(&self) -> Readers {
        Readers::new(self.place.clone())
    }

    /// What was done since the ledger was opened.
    pub fn stats(&self) -> Stats {
        self.counters.snapshot()
    }

    /// Whether the last write succeeded and the writer still runs.
    pub fn is_writable(&self) -> bool {
        !self.queue.is_closed() && self.counters.is_sound()
    }

    /// Takes no more entries, records those already queued, closes the store and frees it for another process.
    pub async fn close(&self) {
        self.closing.notify_one();
        // Ends with an error, for nothing is ever sent: the sender goes when the writer does.
        while self.done.clone().changed().await.is_ok() {}
    }
}

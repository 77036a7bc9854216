//! The ledger: an append-only record of what was decided, in which nothing can be changed without it showing.
//!
//! There is one log per tenant and one for the platform. A record names the question by its digests, the policies by
//! their bundle's digest, and holds the answer of both layers in full. Each record names the hash of the one before; each
//! commit signs how long each log is and what its last record hashes to. So a changed record no longer gives its hash, a
//! removed one leaves a gap, moved ones name the wrong predecessor, and a log cut short is shorter than its checkpoint.
//! Opening a tenant's log is itself a record in the platform's, so a log erased whole is missed too.
//!
//! What this cannot show by itself: a data directory set back as a whole to an earlier state, or rewritten as a whole by
//! someone who also holds the signing secret. Whoever must exclude that keeps a checkpoint elsewhere and gives it to
//! [`verify::verify_with`].
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
//! let entry = Entry { log: LogId::Platform, event: Event::Start(Start { engine }), bodies: vec![] };
//! let appended = ledger.append(entry).await?;
//! assert_eq!(appended.seq, 0);
//! ledger.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Appends that arrive together share a transaction. Nothing is ever dropped silently: a full queue, a store
//! that cannot be written and a log that contradicts its checkpoint are errors to the caller.

mod chain;
pub mod checkpoint;
pub mod error;
pub mod keys;
pub mod read;
pub mod record;
pub mod replay;
pub mod report;
pub mod stats;
mod store;
#[cfg(test)]
mod tests;
pub mod verify;
mod writer;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, mpsc, oneshot, watch};

pub use self::error::LedgerError;
pub use self::keys::LedgerKeys;
pub use self::record::{Event, LogId, Record, RecordTime};
pub use self::stats::Stats;

use self::stats::Counters;
use self::writer::{Job, Writer};
use crate::clock::Clock;
use crate::ids::{Digest, RecordId};

/// The file below the data directory.
pub const FILE: &str = store::FILE;

/// The greatest size of one body in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// What to record.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The log it belongs to.
    pub log: LogId,
    /// What happened.
    pub event: Event,
    /// What the event's digests name ([`Event::bodies`]), and whatever those bodies name in turn. Each content must have
    /// the digest beside it; it is not hashed again here, but `verify` does. A body stored before may be left out, but not a decision's context.
    pub bodies: Vec<(Digest, Arc<[u8]>)>,
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

/// How much may wait, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many entries may wait for the writer.
    pub queue: usize,
    /// How long an append waits for room in a full queue before it is refused as [`LedgerError::Busy`].
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let (queue, patience) = (1024, Duration::from_secs(2));
        Self { queue, patience }
    }
}

/// The ledger, open for appending. Clones share one writer; it ends when the last is dropped or one is closed.
#[derive(Clone, Debug)]
pub struct Ledger {
    queue: mpsc::Sender<Job>,
    patience: Duration,
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
        keys::make_private_dir(dir)?;
        let lock = lock(dir)?;
        let counters = Arc::<Counters>::default();
        let writer = Writer::open(dir.join(store::FILE), lock, keys, clock, Arc::clone(&counters)).await?;
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
            queue,
            patience,
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
        let Entry { log, event, mut bodies } = entry;
        if let Some((_, body)) = bodies.iter().find(|(_, body)| body.len() > MAX_BODY_BYTES) {
            let (bytes, most) = (body.len(), MAX_BODY_BYTES);
            return Err(LedgerError::BodyTooLarge { bytes, most });
        }
        let context = take_context(&event, &mut bodies);
        let event = event.to_canonical()?;
        let Ok(room) = tokio::time::timeout(self.patience, self.queue.reserve()).await else {
            Counters::add(&self.counters.busy, 1);
            let waited_ms = self.patience.as_millis();
            return Err(LedgerError::Busy { waited_ms });
        };
        let room = room.map_err(|_| LedgerError::Closed)?;
        let (reply, answer) = oneshot::channel();
        Counters::add(&self.counters.queued, 1);
        room.send(Job {
            log,
            event,
            context,
            bodies,
            reply,
        });
        answer.await.unwrap_or(Err(LedgerError::Closed))
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

/// Takes a decision's context out of the bodies, for it is stored with its record; it stays among them too where another
/// digest of the decision happens to name the same content.
fn take_context(event: &Event, bodies: &mut Vec<(Digest, Arc<[u8]>)>) -> Option<Arc<[u8]>> {
    let Event::Decision(decided) = event else {
        return None;
    };
    let at = bodies.iter().position(|(digest, _)| *digest == decided.context)?;
    let named = event.bodies().into_iter().filter(|digest| *digest == decided.context);
    match named.count() {
        1 => Some(bodies.swap_remove(at).1),
        _ => bodies.get(at).map(|(_, content)| Arc::clone(content)),
    }
}

/// Takes the lock that says who writes. It is the operating system's, so it goes with the process, however that ends.
fn lock(dir: &Path) -> Result<File, LedgerError> {
    let path = dir.join("ledger.lock");
    let file = keys::private_file().create(true).truncate(false).open(&path);
    let file = file.map_err(LedgerError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LedgerError::Locked { path }),
        Err(TryLockError::Error(error)) => Err(LedgerError::io("lock", &path)(error)),
    }
}

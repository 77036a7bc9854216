//! The one writer: takes whatever is queued, writes it in one transaction, answers everyone.
//!
//! Nothing waits for a batch to fill. While one transaction is being made durable, the next entries queue up; they are the
//! next batch. The state in memory (each log's head, which bodies are stored) is only ever a copy of what is durable: when
//! a transaction fails, the connection and all of that state are thrown away and read again from the store.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Notify, mpsc, oneshot};

use super::Appended;
use super::checkpoint::{Checkpoint, Signer};
use super::error::LedgerError;
use super::keys::LedgerKeys;
use super::record::{Event, LogId, Opened, RECORD_VERSION, Record, RecordError, RecordTime, leaf_hash};
use super::stats::Counters;
use super::store::{self, NewCheckpoint, NewLog, NewRecord, Rows};
use crate::clock::Clock;
use crate::ids::{Digest, RecordId};

/// The most entries one transaction takes.
pub(super) const MAX_BATCH: usize = 256;

/// How many logs' heads are kept in memory; more only cost a read each.
const MAX_HEADS: usize = 65_536;

/// How many digests of stored bodies are remembered, in each of two generations.
const MAX_RECENT: usize = 32_768;

/// An entry on its way to the store.
pub(super) struct Job {
    pub(super) log: LogId,
    pub(super) event: Box<RawValue>,
    /// A decision's context, unless it was left out.
    pub(super) context: Option<Arc<[u8]>>,
    pub(super) bodies: Vec<(Digest, Arc<[u8]>)>,
    pub(super) reply: oneshot::Sender<Result<Appended, LedgerError>>,
}

/// An event as canonical JSON and, for a decision, its context.
type Told = (Box<RawValue>, Option<Arc<[u8]>>);

/// Where a log ends, as of the batch at hand.
struct Head {
    text: Arc<str>,
    size: u64,
    hash: Digest,
    signer: Signer,
    /// Whether the batch at hand appends to this log.
    touched: bool,
}

/// Digests of bodies known to be stored. Forgetting one costs an ignored INSERT; remembering a wrong one would lose a
/// body, so digests enter only after their transaction is durable.
#[derive(Default)]
struct Recent {
    young: HashSet<Digest>,
    old: HashSet<Digest>,
}

impl Recent {
    fn contains(&self, digest: &Digest) -> bool {
        self.young.contains(digest) || self.old.contains(digest)
    }

    fn insert(&mut self, digest: Digest) {
        if self.young.len() >= MAX_RECENT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest);
    }
}

/// The batch at hand.
#[derive(Default)]
struct Batch {
    rows: Rows,
    touched: Vec<LogId>,
    /// Every digest the batch's entries brought, written here or known to be stored.
    digests: HashSet<Digest>,
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
    path: PathBuf,
    connection: Option<SqliteConnection>,
    keys: LedgerKeys,
    clock: Clock,
    heads: HashMap<LogId, Head>,
    recent: Recent,
    counters: Arc<Counters>,
    /// Held for as long as this process may write.
    _lock: File,
}

impl Writer {
    pub(super) async fn open(
        path: PathBuf,
        lock: File,
        keys: LedgerKeys,
        clock: Clock,
        counters: Arc<Counters>,
    ) -> Result<Self, LedgerError> {
        let connection = Some(store::open_writer(&path).await?);
        let (heads, recent) = (HashMap::new(), Recent::default());
        let mut writer = Self {
            path,
            connection,
            keys,
            clock,
            heads,
            recent,
            counters,
            _lock: lock,
        };
        // Finds another base or another secret at start rather than at the first decision.
        writer.load(LogId::Platform).await?;
        Ok(writer)
    }

    /// Serves the queue until it is closed and empty.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Job>, closing: Arc<Notify>) {
        let mut jobs = Vec::with_capacity(MAX_BATCH);
        let mut unrested = false;
        loop {
            tokio::select! {
                biased;
                () = closing.notified() => queue.close(),
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
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the ledger's store did not close cleanly; it is recovered when next opened");
        }
    }

    /// Moves the write-ahead log into the file itself. What lies in the write-ahead log alone is guarded by checksums that
    /// make SQLite drop what was changed, and all after it, without a word; what lies in the file is guarded by ours.
    /// Where the last transaction failed, a small one is tried: readiness must come back by itself, for nothing is sent to a
    /// service that is not ready. Returns whether there is nothing left to do.
    async fn rest(&mut self) -> bool {
        if !self.counters.is_sound() {
            let probed = match Self::connected(&mut self.connection, &self.path).await {
                Ok(connection) => store::probe(connection).await.is_ok(),
                Err(_) => false,
            };
            if !probed {
                self.connection = None;
                return false;
            }
            self.counters.recovered();
        }
        if let Some(connection) = &mut self.connection
            && let Err(error) = store::rest(connection).await
        {
            tracing::warn!(%error, "the ledger's write-ahead log stays; its records are durable all the same");
        }
        true
    }

    /// Records all of `jobs` in one transaction and answers each.
    async fn commit(&mut self, jobs: &mut Vec<Job>) {
        let time = RecordTime::new(self.clock.now());
        let mut batch = Batch::default();
        let mut answers = Vec::with_capacity(jobs.len());
        for Job {
            log,
            event,
            context,
            bodies,
            reply,
        } in jobs.drain(..)
        {
            match self.stage(&mut batch, time, log, (event, context), bodies).await {
                Ok(appended) => answers.push((reply, appended)),
                Err(error) => {
                    Counters::add(&self.counters.failed, 1);
                    // Whoever asked may be gone; that is their business.
                    let _ = reply.send(Err(error));
                }
            }
        }
        if answers.is_empty() && batch.touched.is_empty() {
            return;
        }
        let stored = self.write(batch).await;
        match &stored {
            Ok(()) => self.counters.committed(answers.len()),
            Err(error) => {
                self.counters.refused(answers.len());
                tracing::error!(%error, entries = answers.len(), "a ledger transaction failed");
                self.forget().await;
            }
        }
        for (reply, appended) in answers {
            let _ = reply.send(stored.clone().map(|()| appended));
        }
    }

    /// Gives an entry its place in its log and puts its rows into the batch.
    async fn stage(
        &mut self,
        batch: &mut Batch,
        time: RecordTime,
        log: LogId,
        told: Told,
        bodies: Vec<(Digest, Arc<[u8]>)>,
    ) -> Result<Appended, LedgerError> {
        if !self.heads.contains_key(&log) {
            self.load(log).await?;
        }
        self.open_log(batch, time, log)?;
        let appended = self.chain(batch, time, log, told)?;
        for (digest, content) in bodies {
            if batch.digests.insert(digest) && !self.recent.contains(&digest) {
                batch.rows.bodies.push((digest, content));
            }
        }
        Ok(appended)
    }

    /// Enters a log's first use in the store and, for a tenant's, in the platform's log.
    fn open_log(&mut self, batch: &mut Batch, time: RecordTime, log: LogId) -> Result<(), LedgerError> {
        let verifier_key = match self.heads.get(&log) {
            Some(head) if head.size == 0 => head.signer.verifier().to_string(),
            _ => return Ok(()),
        };
        if let LogId::Tenant(_) = log {
            self.open_log(batch, time, LogId::Platform)?;
            let verifier_key = verifier_key.clone();
            let event = Event::Opened(Opened { log, verifier_key }).to_canonical()?;
            self.chain(batch, time, LogId::Platform, (event, None))?;
        }
        let (log, origin) = (log.as_str().into(), self.keys.origin(log));
        batch.rows.logs.push(NewLog {
            log,
            origin,
            verifier_key,
        });
        Ok(())
    }

    /// Appends one record to a log's chain.
    fn chain(
        &mut self,
        batch: &mut Batch,
        time: RecordTime,
        log: LogId,
        (event, context): Told,
    ) -> Result<Appended, LedgerError> {
        let head = self.heads.get_mut(&log).ok_or(LedgerError::Closed)?;
        let (id, previous, seq, v) = (new_id(time)?, head.hash, head.size, RECORD_VERSION);
        let record = Record {
            event,
            id,
            log,
            previous,
            seq,
            time,
            v,
        };
        let record = serde_json::to_string(&record).map_err(RecordError::from)?;
        let hash = leaf_hash(record.as_bytes());
        (head.size, head.hash) = (seq + 1, hash);
        if !head.touched {
            head.touched = true;
            batch.touched.push(log);
        }
        let row = NewRecord {
            log: Arc::clone(&head.text),
            seq: seq.cast_signed(),
            hash,
            record,
            context,
        };
        batch.rows.records.push(row);
        Ok(Appended {
            log,
            seq,
            id,
            hash,
            time,
        })
    }

    /// Signs the new heads and writes everything; what is remembered in memory follows what is durable.
    async fn write(&mut self, mut batch: Batch) -> Result<(), LedgerError> {
        for log in &batch.touched {
            let head = self.heads.get_mut(log).ok_or(LedgerError::Closed)?;
            head.touched = false;
            let note = head.signer.sign(head.size, &head.hash)?;
            let (log, size) = (Arc::clone(&head.text), head.size.cast_signed());
            batch.rows.checkpoints.push(NewCheckpoint { log, size, note });
        }
        let connection = Self::connected(&mut self.connection, &self.path).await?;
        let written = store::write(connection, batch.rows).await;
        written.map_err(LedgerError::store("write to the ledger"))?;
        for digest in batch.digests {
            self.recent.insert(digest);
        }
        if self.heads.len() > MAX_HEADS {
            self.heads.retain(|log, _| *log == LogId::Platform);
        }
        Ok(())
    }

    /// Drops all that may differ from what is durable.
    async fn forget(&mut self) {
        self.heads.clear();
        self.recent = Recent::default();
        if let Some(connection) = self.connection.take() {
            // Closing rolls back; where even that fails, so does the next open, and its callers hear of it.
            let _ = connection.close().await;
        }
    }

    async fn connected<'a>(
        connection: &'a mut Option<SqliteConnection>,
        path: &std::path::Path,
    ) -> Result<&'a mut SqliteConnection, LedgerError> {
        match connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(store::open_writer(path).await?)),
        }
    }

    /// Reads a log's head from the store and holds it to its checkpoint: to append to a log that was cut or changed would
    /// sign the damage.
    async fn load(&mut self, log: LogId) -> Result<(), LedgerError> {
        if log != LogId::Platform && !self.heads.contains_key(&LogId::Platform) {
            Box::pin(self.load(LogId::Platform)).await?;
        }
        let signer = self.keys.signer(log)?;
        let connection = Self::connected(&mut self.connection, &self.path).await?;
        let end = match store::end(connection, log).await {
            Ok(end) => end,
            Err(error) => {
                // No transaction is open here; the next use opens the store anew.
                self.connection = None;
                return Err(LedgerError::store("read the end of a log")(error));
            }
        };
        let (size, hash) = place(&end, &signer).map_err(|why| LedgerError::Damaged { log, why })?;
        let text = log.as_str().into();
        self.heads.insert(
            log,
            Head {
                text,
                size,
                hash,
                signer,
                touched: false,
            },
        );
        Ok(())
    }
}

/// A log's size and head where its last record, checkpoint and key agree; otherwise what does not.
fn place(end: &store::StoredEnd, signer: &Signer) -> Result<(u64, Digest), String> {
    if end.verifier_key.is_none() && end.note.is_none() && end.seq.is_none() {
        return Ok((0, Digest::ZERO));
    }
    let key = end.verifier_key.as_deref().ok_or("it has no key")?;
    if key != signer.verifier().to_string() {
        return Err(format!(
            "its key is `{key}`, but this service signs with `{}`",
            signer.verifier()
        ));
    }
    let note = end.note.as_deref().ok_or("it has no checkpoint")?;
    let checkpoint = Checkpoint::open(note, signer.verifier()).map_err(|error| error.to_string())?;
    let seq = end.seq.ok_or("it has a checkpoint but no record")?;
    let bytes = end.record.as_deref().unwrap_or_default();
    let hash = leaf_hash(bytes);
    if checkpoint.size.checked_sub(1) != u64::try_from(seq).ok() {
        return Err(format!(
            "its checkpoint names {} records, but the last is {seq}",
            checkpoint.size
        ));
    }
    if checkpoint.head != hash || end.hash.as_deref() != Some(hash.as_bytes()) {
        return Err(format!("record {seq} does not have the hash its checkpoint names"));
    }
    Ok((checkpoint.size, checkpoint.head))
}

/// A new id with the record's time in it.
fn new_id(time: RecordTime) -> Result<RecordId, LedgerError> {
    let mut random = [0; 10];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| super::checkpoint::NoteError::Signer)?;
    let id = uuid::Builder::from_unix_timestamp_millis(time.unix_millis(), &random);
    Ok(RecordId(id.into_uuid()))
}

//! Where a ledger lies: the rows there are, and what a store does with them.
//!
//! ```text
//! log         a log's origin and key                               one a log
//! key_change  how its key was changed, as both keys signed it       one for each time it was; -1 while all are being changed
//! record      its newest records, each with its private part       up to some hundreds a log
//! bundle      256 records of before, compressed                    one for each 256
//! private     their private parts, compressed and sealed           one for each 256 and period
//! tile        hashes: of 256 records, and of tiles below           one for each 256, and a 256th more
//! ahead       how many of its answers may be ahead of records      one a log, where they may and one was
//! checkpoint  how far the log is signed, and the edge of its tree  one a log
//! cosigned    the newest checkpoint that enough witnesses cosigned  one a log, where there are witnesses
//! slice       entity slices, sealed, by commitment                 one for each that differs, log and period
//! period      the keys of months, wrapped                          one for each log and month
//! body        terms, bundles' manifests and files, by digest       one for each that differs
//! ```
//!
//! A record is written once to `record` and, when 256 are there, moved to a `bundle`; its bytes are the same in both. With it
//! its private part moves; nothing else does. A store takes [`Rows`] in one transaction: all of them are durable when it returns, or none.
//!
//! There are two: [`sqlite`], one file with one process that writes, and [`postgres`], a database that several processes share and one
//! of them writes to.

pub(super) mod postgres;
pub(super) mod sqlite;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;

use super::record::LogId;
use crate::ids::Digest;

/// What one transaction writes.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) logs: Vec<NewLog>,
    pub(super) periods: Vec<NewPeriod>,
    pub(super) records: Vec<NewRecord>,
    pub(super) slices: Vec<NewSlice>,
    pub(super) bodies: Vec<(Digest, Arc<[u8]>)>,
    pub(super) bundles: Vec<NewBundle>,
    pub(super) privates: Vec<NewPrivate>,
    pub(super) tiles: Vec<NewTile>,
    pub(super) checkpoints: Vec<NewCheckpoint>,
    pub(super) cosigned: Vec<NewCosigned>,
    /// Records below these numbers lie in bundles now.
    pub(super) bundled: Vec<(Arc<str>, i64)>,
    /// A change of all keys is begun (`true`), or done: then the keys of months go that are of no log, for nothing was sealed with them.
    pub(super) changing: Option<bool>,
    pub(super) key_changes: Vec<NewKeyChange>,
    /// The keys of these periods as they are stored from here on, in place of how they were.
    pub(super) rewrapped: Vec<NewPeriod>,
    /// What vouches for records from here on, by log and number.
    pub(super) revouched: Vec<(Arc<str>, i64, Vec<u8>)>,
    /// The keys of these periods go, and with them what they sealed.
    pub(super) erased: Vec<(Arc<str>, String)>,
    /// So many answers of these logs may be ahead of their records.
    pub(super) marked: Vec<(Arc<str>, i64)>,
    /// None of these logs is.
    pub(super) unmarked: Vec<Arc<str>>,
}

impl Rows {
    /// Takes the other's checkpoints and tiles along.
    pub(super) fn merge(&mut self, other: Self) {
        self.bundles.extend(other.bundles);
        self.privates.extend(other.privates);
        self.tiles.extend(other.tiles);
        self.checkpoints.extend(other.checkpoints);
        self.bundled.extend(other.bundled);
    }
}

#[derive(Debug)]
pub(super) struct NewLog {
    pub(super) log: Arc<str>,
    pub(super) origin: String,
    pub(super) verifier_key: String,
}

/// Another key of a log, which is stored in place of the one before.
#[derive(Debug)]
pub(super) struct NewKeyChange {
    pub(super) log: Arc<str>,
    pub(super) size: i64,
    pub(super) note: String,
    pub(super) verifier_key: String,
}

#[derive(Debug)]
pub(super) struct NewPeriod {
    pub(super) log: Arc<str>,
    pub(super) period: String,
    pub(super) wrapped: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct NewRecord {
    pub(super) log: Arc<str>,
    pub(super) seq: i64,
    pub(super) hash: Digest,
    pub(super) mac: Vec<u8>,
    pub(super) record: String,
    /// The private part and the period whose key it is sealed with.
    pub(super) private: Option<(String, Vec<u8>)>,
}

#[derive(Debug)]
pub(super) struct NewSlice {
    pub(super) log: Arc<str>,
    pub(super) commitment: Digest,
    pub(super) period: String,
    pub(super) content: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct NewBundle {
    pub(super) log: Arc<str>,
    pub(super) number: i64,
    pub(super) entries: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct NewPrivate {
    pub(super) log: Arc<str>,
    pub(super) number: i64,
    pub(super) period: String,
    pub(super) content: Vec<u8>,
}

/// A tile, in place of one with fewer hashes.
#[derive(Debug)]
pub(super) struct NewTile {
    pub(super) log: Arc<str>,
    pub(super) level: i64,
    pub(super) number: i64,
    pub(super) hashes: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct NewCheckpoint {
    pub(super) log: Arc<str>,
    pub(super) size: i64,
    pub(super) edge: Vec<u8>,
    pub(super) note: String,
}

/// A checkpoint that enough witnesses cosigned, in place of one of as many records or fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewCosigned {
    pub(super) log: LogId,
    pub(super) size: i64,
    pub(super) note: String,
}

/// A log's latest checkpoint and the one that witnesses cosigned, before anything is believed of them.
#[derive(Debug)]
pub(super) struct RawSigned {
    pub(super) log: String,
    pub(super) note: String,
    pub(super) cosigned: Option<String>,
}

/// What is stored about a log beside its records, before anything is believed of it.
#[derive(Debug, Default)]
pub(super) struct RawLog {
    pub(super) verifier_key: Option<String>,
    pub(super) origin: Option<String>,
    pub(super) note: Option<String>,
    pub(super) size: Option<i64>,
    pub(super) edge: Option<Vec<u8>>,
    /// The greatest number of a bundle.
    pub(super) last_bundle: Option<i64>,
}

impl RawLog {
    /// Whether nothing is stored.
    pub(super) fn is_empty(&self) -> bool {
        self.verifier_key.is_none() && self.note.is_none() && self.last_bundle.is_none()
    }
}

/// A record's row before anything is believed of it.
#[derive(Debug)]
pub(super) struct RawRow {
    pub(super) seq: i64,
    pub(super) hash: Vec<u8>,
    pub(super) mac: Vec<u8>,
    pub(super) record: Vec<u8>,
    pub(super) period: Option<String>,
    pub(super) private: Option<Vec<u8>>,
}

/// A bundle before anything is believed of it: its number, its records, compressed, and their hashes as their tile has them.
pub(super) type RawBundle = (i64, Vec<u8>, Option<Vec<u8>>);

/// What is private in a bundle and of one period, before anything is believed of it: the bundle's number, the period, the content.
pub(super) type RawPrivate = (i64, String, Vec<u8>);

/// A slice's row before anything is believed of it.
#[derive(Debug)]
pub(super) struct RawSlice {
    pub(super) commitment: Vec<u8>,
    pub(super) period: String,
    pub(super) content: Vec<u8>,
}

/// A period's key as it is stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RawPeriod {
    /// Wrapped.
    Kept(Vec<u8>),
    /// It was erased, and with it what it sealed.
    Erased,
}

/// How many rows are read at a time.
pub(super) const PAGE: i64 = 256;

type Result<T> = std::result::Result<T, sqlx::Error>;

/// Another process writes here now, and this one must not. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("{holder} writes to this ledger")]
pub(super) struct Displaced {
    /// Who it is, in words.
    pub(super) holder: Arc<str>,
}

impl From<Displaced> for sqlx::Error {
    fn from(displaced: Displaced) -> Self {
        Self::AnyDriverError(Box::new(displaced))
    }
}

impl Displaced {
    /// Who writes, where that is what an error says.
    pub(super) fn by(error: &sqlx::Error) -> Option<Arc<str>> {
        match error {
            sqlx::Error::AnyDriverError(error) => {
                let displaced = error.downcast_ref::<Self>()?;
                Some(Arc::clone(&displaced.holder))
            }
            _ => None,
        }
    }
}

/// What an error of a store says about what is stored, where it is neither the store's absence nor a failure of its medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Something cannot be read as what it is: a page, an index, a value.
    Content,
    /// A table or a column is gone.
    Schema,
}

/// What an error says about what is stored. Codes are the store's own: SQLite's primary ones
/// ([sqlite.org/rescode.html](https://sqlite.org/rescode.html)), PostgreSQL's SQLSTATE.
pub(super) fn damage(error: &sqlx::Error) -> Option<Damage> {
    let database = match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => return Some(Damage::Content),
        sqlx::Error::Database(database) => database,
        _ => return None,
    };
    let code = database.code()?;
    if database.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return match code.parse::<u32>().ok()? & 0xff {
            // SQLITE_CORRUPT and SQLITE_NOTADB.
            11 | 26 => Some(Damage::Content),
            // SQLITE_ERROR: the statements are sound, so it is a table that is not there.
            1 => Some(Damage::Schema),
            _ => None,
        };
    }
    match code.as_ref() {
        // data_corrupted and index_corrupted.
        "XX001" | "XX002" => Some(Damage::Content),
        // undefined_table and undefined_column.
        "42P01" | "42703" => Some(Damage::Schema),
        _ => None,
    }
}

/// What says in the store that all keys are being changed, or are changed.
fn changing(now: Option<bool>) -> &'static [&'static str] {
    match now {
        None => &[],
        Some(true) => &["INSERT INTO key_change (log, size, note) VALUES ('platform', -1, '') ON CONFLICT DO NOTHING"],
        Some(false) => &[
            "DELETE FROM key_change WHERE log = 'platform' AND size = -1",
            "DELETE FROM period WHERE NOT EXISTS (SELECT 1 FROM log WHERE log.log = period.log)",
        ],
    }
}

/// For what a connection is opened that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// This process begins: the tables are made where there are none, and a lease that lapsed is taken.
    First,
    /// It goes on where it was. The store must be there, for a new one would begin every log anew; and a lease must still be its own,
    /// for all it knows of the logs is as of then.
    Again,
    /// It stood by: a lease that lapsed is taken. What it knew of the logs counts no more.
    TakeOver,
}

/// A connection to where a ledger lies.
#[async_trait]
pub(super) trait Store: Send + Sync + fmt::Debug {
    /// Writes all of it in one transaction, durable on return.
    async fn write(&mut self, rows: Rows) -> Result<()>;

    /// Writes what is there already, to see whether the store takes a write.
    async fn probe(&mut self) -> Result<()>;

    /// Says that this process still writes, where others wait for it to end. Asked once a second.
    async fn renew(&mut self) -> Result<()> {
        Ok(())
    }

    /// Lets another process write at once, where others wait for it.
    async fn release(&mut self) -> Result<()> {
        Ok(())
    }

    /// Puts the store in order while nothing else is to be done. Returns whether nothing is left to do.
    async fn rest(&mut self) -> Result<bool>;

    /// From here on reads what is stored now, and goes on reading that whatever is written.
    async fn look(&mut self) -> Result<()>;

    /// Ends what [`look`](Self::look) began: what is held of the past keeps the store from being put in order.
    async fn look_away(&mut self) -> Result<()>;

    /// What the store itself finds wrong with its structure; empty where it is sound.
    async fn integrity(&mut self) -> Result<Vec<String>>;

    /// Every name under which something is stored.
    async fn names(&mut self) -> Result<BTreeSet<String>>;

    /// The logs with records beyond their checkpoint.
    async fn unsigned(&mut self) -> Result<Vec<String>>;

    /// The logs of which answers may have been ahead of their records, and how many.
    async fn marked(&mut self) -> Result<Vec<(String, i64)>>;

    /// What is stored about a log.
    async fn log(&mut self, log: LogId) -> Result<RawLog>;

    /// The changes of a log's key as signed notes, the first one first.
    async fn key_changes(&mut self, log: LogId) -> Result<Vec<String>>;

    /// Whether a change of all keys is begun and not done.
    async fn is_changing(&mut self) -> Result<bool>;

    /// The checkpoint of a log that witnesses cosigned, as a signed note, and the size stored beside it.
    async fn cosigned(&mut self, log: LogId) -> Result<Option<(i64, String)>>;

    /// The checkpoints of the logs whose names come after that one, in the order of names, at most [`PAGE`].
    async fn signed(&mut self, after: &str) -> Result<Vec<RawSigned>>;

    /// The rows of a log from `from` on, at most [`PAGE`] and `limit`.
    async fn rows(&mut self, log: LogId, from: i64, limit: i64) -> Result<Vec<RawRow>>;

    /// The bundles with these numbers that there are, in their order, each with the hashes of its records.
    async fn bundles(&mut self, log: LogId, numbers: Range<i64>) -> Result<Vec<RawBundle>>;

    /// What is private in bundles with these numbers, in their order and that of the periods.
    async fn privates(&mut self, log: LogId, numbers: Range<i64>) -> Result<Vec<RawPrivate>>;

    /// The number of the first bundle from that one on.
    async fn next_bundle(&mut self, log: LogId, from: i64) -> Result<Option<i64>>;

    /// A tile's hashes.
    async fn tile(&mut self, log: LogId, level: i64, number: i64) -> Result<Option<Vec<u8>>>;

    /// A period's key.
    async fn period(&mut self, log: LogId, period: &str) -> Result<Option<RawPeriod>>;

    /// The periods of a log whose keys are kept.
    async fn periods(&mut self, log: LogId) -> Result<Vec<String>>;

    /// The periods of a log whose keys are kept, or were.
    async fn all_periods(&mut self, log: LogId) -> Result<Vec<String>>;

    /// A slice.
    async fn slice(&mut self, log: LogId, commitment: &Digest) -> Result<Option<RawSlice>>;

    /// The slices of a log beyond a commitment, at most [`PAGE`].
    async fn slices(&mut self, log: LogId, after: &[u8]) -> Result<Vec<RawSlice>>;

    /// A body.
    async fn body(&mut self, digest: &Digest) -> Result<Option<Vec<u8>>>;

    /// The bodies beyond a digest, at most [`PAGE`].
    async fn bodies(&mut self, after: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>>;

    /// Which of `digests` have a body.
    async fn present(&mut self, digests: &[Digest]) -> Result<HashSet<Digest>>;

    /// Which of `commitments` have a slice in the log.
    async fn present_slices(&mut self, log: LogId, commitments: &[Digest]) -> Result<HashSet<Digest>>;

    /// Ends the connection.
    async fn close(self: Box<Self>) -> Result<()>;
}

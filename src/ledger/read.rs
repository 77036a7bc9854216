//! Reading a ledger: its logs in order, and the bodies their records name.
//!
//! A reader sees the ledger as of one instant, beside a running service as well as after a crash, and changes nothing.
//!
//! ```no_run
//! # use tidegate::ledger::{LogId, read::{Cursor, Reader}, record::Event};
//! # async fn all(dir: &std::path::Path) -> Result<(), tidegate::ledger::LedgerError> {
//! let mut reader = Reader::open(dir).await?;
//! let mut cursor = Cursor::new(LogId::Platform, 0);
//! while let Some(stored) = cursor.next(&mut reader).await? {
//!     if let Event::Decision(decided) = stored.record.event {
//!         let (context, entities) = (stored.context, reader.body(decided.entities).await?);
//!     }
//! }
//! # Ok(()) }
//! ```

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::path::Path;
use std::sync::LazyLock;

use sqlx::{Row, SqliteConnection};

use super::error::LedgerError;
use super::record::{Event, LogId, Record, leaf_hash};
use super::store;
use crate::ids::Digest;

/// How many rows are read at a time.
const PAGE: i64 = 256;

/// How many digests are looked up at a time.
const LOOKUP: usize = 64;

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// Its leaf hash.
    pub hash: Digest,
    /// A decision's context, held to its digest; absent for any other event.
    pub context: Option<Vec<u8>>,
}

/// A record's row before anything is believed of it.
pub(super) struct RawRow {
    pub(super) seq: i64,
    pub(super) hash: Vec<u8>,
    pub(super) record: Vec<u8>,
    pub(super) context: Option<Vec<u8>>,
}

/// A body's row before anything is believed of it.
pub(super) struct RawBody {
    pub(super) row: i64,
    pub(super) digest: Vec<u8>,
    pub(super) content: Vec<u8>,
}

/// What is stored about a log beside its records.
#[derive(Default)]
pub(super) struct RawLog {
    pub(super) verifier_key: Option<String>,
    pub(super) note: Option<String>,
    /// What stands beside the key and the note for whoever looks with SQL.
    pub(super) origin: Option<String>,
    pub(super) size: Option<i64>,
}

/// A ledger open for reading, as of the instant it was opened.
#[derive(Debug)]
pub struct Reader {
    connection: SqliteConnection,
}

impl Reader {
    /// Opens the ledger in `dir`.
    ///
    /// # Errors
    ///
    /// There is none, its format is unknown, or SQLite refuses it.
    pub async fn open(dir: &Path) -> Result<Self, LedgerError> {
        let mut connection = store::open_reader(&dir.join(store::FILE)).await?;
        let begun = sqlx::query("BEGIN").execute(&mut connection).await;
        begun.map_err(LedgerError::store("read the ledger"))?;
        Ok(Self { connection })
    }

    /// What SQLite finds wrong with the structure of the file; empty where it is sound.
    pub(super) async fn integrity(&mut self) -> Result<Vec<String>, LedgerError> {
        let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(20)")
            .fetch_all(&mut self.connection)
            .await
            .map_err(LedgerError::store("check the ledger's file"))?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    /// The logs there are: the platform's first, then the tenants' by BPNL.
    ///
    /// # Errors
    ///
    /// SQLite's. Names that name no log are left out here; `verify` reports them.
    pub async fn logs(&mut self) -> Result<Vec<LogId>, LedgerError> {
        let names = self.log_names().await?;
        let logs: BTreeSet<LogId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        Ok(logs.into_iter().collect())
    }

    /// The body of a digest, held to it. A decision's context comes with its record instead: see [`Stored::context`].
    ///
    /// # Errors
    ///
    /// [`LedgerError::Body`] where it is missing or was changed.
    pub async fn body(&mut self, digest: Digest) -> Result<Vec<u8>, LedgerError> {
        let found: Option<Vec<u8>> = sqlx::query_scalar("SELECT content FROM body WHERE digest = ?1")
            .bind(digest.as_bytes().to_vec())
            .fetch_optional(&mut self.connection)
            .await
            .map_err(LedgerError::store("read a body"))?;
        match found {
            None => Err(LedgerError::Body {
                digest,
                why: "is missing",
            }),
            Some(content) => held(digest, content),
        }
    }

    /// A log's latest checkpoint as a signed note: what to keep elsewhere. `None` for a log without.
    ///
    /// # Errors
    ///
    /// SQLite's.
    pub async fn checkpoint(&mut self, log: LogId) -> Result<Option<String>, LedgerError> {
        Ok(self.log(log).await?.note)
    }

    /// Every name under which something is stored.
    pub(super) async fn log_names(&mut self) -> Result<BTreeSet<String>, LedgerError> {
        // Steps from name to name through the index, for DISTINCT would visit every record.
        let names: Vec<String> = sqlx::query_scalar(
            "WITH RECURSIVE each(log) AS (
                 SELECT min(log) FROM record
                 UNION ALL SELECT (SELECT min(log) FROM record WHERE log > each.log) FROM each WHERE each.log IS NOT NULL)
             SELECT log FROM each WHERE log IS NOT NULL
             UNION SELECT log FROM log UNION SELECT log FROM checkpoint",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(LedgerError::store("list the logs"))?;
        Ok(names.into_iter().collect())
    }

    pub(super) async fn log(&mut self, log: LogId) -> Result<RawLog, LedgerError> {
        let row = sqlx::query(
            "SELECT (SELECT verifier_key FROM log WHERE log = ?1), (SELECT note FROM checkpoint WHERE log = ?1),
                    (SELECT origin FROM log WHERE log = ?1), (SELECT size FROM checkpoint WHERE log = ?1)",
        )
        .bind(log.to_string())
        .fetch_one(&mut self.connection)
        .await;
        let read = |row: sqlx::sqlite::SqliteRow| {
            Ok(RawLog {
                verifier_key: row.try_get(0)?,
                note: row.try_get(1)?,
                origin: row.try_get(2)?,
                size: row.try_get(3)?,
            })
        };
        row.and_then(read)
            .map_err(LedgerError::store("read a log's checkpoint"))
    }

    /// The rows of a log from `from` on, at most `limit`.
    pub(super) async fn rows(&mut self, log: LogId, from: i64, limit: i64) -> Result<Vec<RawRow>, LedgerError> {
        let rows = sqlx::query(
            "SELECT seq, hash, record, context FROM record WHERE log = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3",
        )
        .bind(log.to_string())
        .bind(from)
        .bind(limit.min(PAGE))
        .fetch_all(&mut self.connection)
        .await
        .map_err(LedgerError::store("read a log"))?;
        // Unchecked: a damaged row may hold any type, and its bytes are to be judged, not its type.
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok(RawRow {
                seq: row.try_get_unchecked(0)?,
                hash: row.try_get_unchecked(1)?,
                record: row.try_get_unchecked(2)?,
                context: row.try_get_unchecked(3)?,
            })
        };
        let rows: Result<_, sqlx::Error> = rows.iter().map(read).collect();
        rows.map_err(LedgerError::store("read a log"))
    }

    /// The bodies after the row `after`.
    pub(super) async fn bodies(&mut self, after: i64) -> Result<Vec<RawBody>, LedgerError> {
        let rows = sqlx::query("SELECT rowid, digest, content FROM body WHERE rowid > ?1 ORDER BY rowid LIMIT ?2")
            .bind(after)
            .bind(PAGE)
            .fetch_all(&mut self.connection)
            .await
            .map_err(LedgerError::store("read the bodies"))?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok(RawBody {
                row: row.try_get_unchecked(0)?,
                digest: row.try_get_unchecked(1)?,
                content: row.try_get_unchecked(2)?,
            })
        };
        let rows: Result<_, sqlx::Error> = rows.iter().map(read).collect();
        rows.map_err(LedgerError::store("read the bodies"))
    }

    /// Which of `digests` have a body.
    pub(super) async fn present(&mut self, digests: &[Digest]) -> Result<HashSet<Digest>, LedgerError> {
        static SQL: LazyLock<String> =
            LazyLock::new(|| format!("SELECT digest FROM body WHERE digest IN ({})", ["?"; LOOKUP].join(",")));
        let mut present = HashSet::new();
        for chunk in digests.chunks(LOOKUP) {
            // What is left unbound is NULL and matches nothing.
            let query = sqlx::query_scalar::<_, Vec<u8>>(sqlx::AssertSqlSafe(SQL.as_str()));
            let query = chunk
                .iter()
                .fold(query, |query, digest| query.bind(digest.as_bytes().to_vec()));
            let found = query.fetch_all(&mut self.connection).await;
            let found = found.map_err(LedgerError::store("look up bodies"))?;
            present.extend(
                found
                    .into_iter()
                    .filter_map(|digest| digest.try_into().ok())
                    .map(Digest::from_bytes),
            );
        }
        Ok(present)
    }
}

/// A place in a log, moving forward.
#[derive(Debug)]
pub struct Cursor {
    log: LogId,
    from: i64,
    page: VecDeque<Stored>,
}

impl Cursor {
    /// At record `from` of `log`.
    pub fn new(log: LogId, from: u64) -> Self {
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        Self {
            log,
            from,
            page: VecDeque::new(),
        }
    }

    /// The next record; `None` at the log's end.
    ///
    /// # Errors
    ///
    /// A row that is not the record it should be: replay is of sound logs, and `verify` says more.
    pub async fn next(&mut self, reader: &mut Reader) -> Result<Option<Stored>, LedgerError> {
        if self.page.is_empty() {
            for row in reader.rows(self.log, self.from, PAGE).await? {
                let stored = self.believe(reader, row).await?;
                self.page.push_back(stored);
                self.from += 1;
            }
        }
        Ok(self.page.pop_front())
    }

    async fn believe(&self, reader: &mut Reader, row: RawRow) -> Result<Stored, LedgerError> {
        let damaged = |why: String| LedgerError::Damaged { log: self.log, why };
        if row.seq != self.from {
            return Err(damaged(format!("record {} is missing", self.from)));
        }
        let hash = leaf_hash(&row.record);
        if row.hash != hash.as_bytes() {
            return Err(damaged(format!("record {} was changed", row.seq)));
        }
        let record = Record::parse(&row.record).map_err(|error| damaged(format!("record {}: {error}", row.seq)))?;
        let context = match (&record.event, row.context) {
            (Event::Decision(decided), Some(context)) => Some(held(decided.context, context)?),
            (Event::Decision(decided), None) => Some(reader.body(decided.context).await?),
            _ => None,
        };
        Ok(Stored { record, hash, context })
    }
}

/// A content where it has the digest it is kept under.
fn held(digest: Digest, content: Vec<u8>) -> Result<Vec<u8>, LedgerError> {
    match Digest::of(&content) == digest {
        true => Ok(content),
        false => Err(LedgerError::Body {
            digest,
            why: "was changed: its content has another digest",
        }),
    }
}

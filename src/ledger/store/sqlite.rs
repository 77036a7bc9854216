//! A ledger in one SQLite file: its schema, how it is opened, and its statements.
//!
//! `record` and its like are ordinary tables with an index rather than clustered by it: rows are then appended whatever log they
//! belong to, where a clustered table would touch a page per log and, as records exceed a quarter of a page, an overflow page for
//! nearly each. What is deleted is overwritten (`secure_delete`): a key that was erased must not be found in a free page.

mod format;
mod lookup;
mod write;

use std::collections::{BTreeSet, HashSet};
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};

use self::format::Format;
use self::lookup::{LOOKUP, lookup, slice};
use super::{
    Opening, PAGE, RawBundle, RawLog, RawPeriod, RawPrivate, RawRow, RawSigned, RawSlice, Result, Rows, Store,
};
use crate::ids::Digest;
use crate::ledger::error::LedgerError;
use crate::ledger::record::LogId;

/// The ledger's file in the data directory.
pub(in crate::ledger) const FILE: &str = "ledger.sqlite";

/// How long another's transaction is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to the file.
#[derive(Debug)]
pub(in crate::ledger) struct SqliteStore {
    connection: SqliteConnection,
    looking: bool,
    /// Its format when it was opened: a writer may have brought it up to date since.
    format: Format,
    /// The file that was opened to be written.
    file: Option<(PathBuf, Identity)>,
}

/// Makes an empty file where there is none. One that is there is not opened: to close it again would drop the locks this process has on
/// it (sqlite.org/howtocorrupt.html, 2.2).
fn create(path: &Path) -> std::result::Result<(), LedgerError> {
    match crate::ledger::keys::private_file().create_new(true).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(LedgerError::io("create", path)(error)),
        _ => Ok(()),
    }
}

/// Which file it is, whatever its name.
type Identity = (u64, u64);

fn identity(path: &Path) -> std::io::Result<Identity> {
    let file = std::fs::metadata(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Ok((file.dev(), file.ino()))
    }
    #[cfg(not(unix))]
    Ok((0, u64::from(file.is_file())))
}

impl SqliteStore {
    /// Opens the file for the one writer, making it where there is none and this is the first time. Every commit is durable when it
    /// returns: a write-ahead log, synced each time.
    pub(in crate::ledger) async fn writer(path: &Path, opening: Opening) -> std::result::Result<Self, LedgerError> {
        let first = opening == Opening::First;
        match first {
            true => create(path)?,
            // SQLite would make an empty one its own as it opens it.
            false if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) => {}
            false => {
                let path = path.to_owned();
                return Err(LedgerError::Absent { path });
            }
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .pragma("cache_size", "-32768")
            .pragma("secure_delete", "ON")
            .pragma("trusted_schema", "OFF")
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(LedgerError::store("open the ledger"))?;
        let format = format::written(&mut connection, path, first).await?;
        let identity = identity(path).map_err(LedgerError::io("examine", path))?;
        Ok(Self {
            connection,
            looking: false,
            format,
            file: Some((path.to_owned(), identity)),
        })
    }

    /// Holds that what is written to is still what a reader would open: SQLite goes on writing to a file that was moved or deleted.
    fn unmoved(&self) -> Result<()> {
        match &self.file {
            Some((path, opened)) if identity(path)? != *opened => {
                let moved = format!("`{}` is not the file that was opened any more", path.display());
                Err(std::io::Error::other(moved).into())
            }
            _ => Ok(()),
        }
    }

    /// Opens the file for reading, beside a writer, after a crash, or on a medium that cannot be written.
    pub(in crate::ledger) async fn reader(path: &Path) -> std::result::Result<Self, LedgerError> {
        if !path.exists() {
            let path = path.to_owned();
            return Err(LedgerError::Absent { path });
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(PATIENCE)
            .pragma("cell_size_check", "ON")
            .pragma("trusted_schema", "OFF")
            .disable_statement_logging();
        match opened(&options, path).await {
            // SQLite cannot make the write-ahead log's index where it may not write. With nothing in that log, the file alone
            // is the whole store and cannot be changed by anyone either.
            Err(LedgerError::Store { source, .. }) if cannot_write(&source) && nothing_ahead(path) => {
                opened(&options.immutable(true), path).await
            }
            result => result,
        }
    }
}

async fn opened(options: &SqliteConnectOptions, path: &Path) -> std::result::Result<SqliteStore, LedgerError> {
    let mut connection = options.connect().await.map_err(LedgerError::store("open the ledger"))?;
    let format = format::read(&mut connection, path).await?;
    Ok(SqliteStore {
        connection,
        looking: false,
        format,
        file: None,
    })
}

/// Whether SQLite says that it may not write, or not open what it has to write: READONLY, CANTOPEN.
fn cannot_write(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 8 | 14))
}

/// Whether the write-ahead log is absent or empty.
fn nothing_ahead(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    std::fs::metadata(wal).map_or(true, |wal| wal.len() == 0)
}

#[async_trait]
impl Store for SqliteStore {
    async fn write(&mut self, rows: Rows) -> Result<()> {
        self.unmoved()?;
        let erased = !rows.erased.is_empty();
        write::transaction(&mut self.connection, rows).await?;
        if erased {
            // What was erased must not stay behind in the file or the write-ahead log either. It is written by now, whatever comes of
            // this: where somebody still reads an older state, the writer tries it again as it rests.
            match self.rest().await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!("what was erased stays in the file until those who read an older state are done")
                }
                Err(error) => tracing::warn!(%error, "what was erased stays in the file for now"),
            }
        }
        Ok(())
    }

    async fn probe(&mut self) -> Result<()> {
        self.unmoved()?;
        sqlx::query("UPDATE checkpoint SET size = size WHERE log = 'platform'")
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Moves everything from the write-ahead log into the file and empties the log, as far as readers let it. What lies in the
    /// write-ahead log alone is guarded by checksums that make SQLite drop what was changed, and all after it, without a word; what
    /// lies in the file is guarded by ours.
    async fn rest(&mut self) -> Result<bool> {
        // Who reads an older state keeps it from being done: that is no reason to keep whoever wants to write waiting.
        sqlx::query("PRAGMA busy_timeout = 0")
            .execute(&mut self.connection)
            .await?;
        let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut self.connection)
            .await;
        sqlx::query(AssertSqlSafe(format!("PRAGMA busy_timeout = {}", PATIENCE.as_millis())))
            .execute(&mut self.connection)
            .await?;
        // The first column says whether somebody kept it from being done.
        Ok(emptied?.try_get::<i64, _>(0)? == 0)
    }

    async fn look(&mut self) -> Result<()> {
        self.look_away().await?;
        sqlx::query("BEGIN").execute(&mut self.connection).await?;
        self.looking = true;
        // It is the first reading that fixes what is seen.
        sqlx::query("SELECT 1 FROM log LIMIT 1")
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn look_away(&mut self) -> Result<()> {
        if std::mem::take(&mut self.looking) {
            sqlx::query("COMMIT").execute(&mut self.connection).await?;
        }
        Ok(())
    }

    async fn integrity(&mut self) -> Result<Vec<String>> {
        let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(20)")
            .fetch_all(&mut self.connection)
            .await?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    async fn names(&mut self) -> Result<BTreeSet<String>> {
        let mut beside: Vec<String> = Vec::new();
        let tables = [
            (Format::COSIGNED, "SELECT log FROM cosigned"),
            (Format::KEY_CHANGES, "SELECT log FROM key_change"),
        ];
        for (_, sql) in tables.into_iter().filter(|(since, _)| self.format >= *since) {
            let names = sqlx::query_scalar(sql).fetch_all(&mut self.connection);
            beside.extend(names.await? as Vec<String>);
        }
        // Steps from name to name through the index, for DISTINCT would visit every record.
        let names: Vec<String> = sqlx::query_scalar(
            "WITH RECURSIVE each(log) AS (
                 SELECT min(log) FROM record
                 UNION ALL SELECT (SELECT min(log) FROM record WHERE log > each.log) FROM each WHERE each.log IS NOT NULL),
             full(log) AS (
                 SELECT min(log) FROM bundle
                 UNION ALL SELECT (SELECT min(log) FROM bundle WHERE log > full.log) FROM full WHERE full.log IS NOT NULL)
             SELECT log FROM each WHERE log IS NOT NULL UNION SELECT log FROM full WHERE log IS NOT NULL
             UNION SELECT log FROM log UNION SELECT log FROM checkpoint",
        )
        .fetch_all(&mut self.connection)
        .await?;
        Ok(names.into_iter().chain(beside).collect())
    }

    async fn unsigned(&mut self) -> Result<Vec<String>> {
        let sql =
            "SELECT log FROM checkpoint c WHERE EXISTS (SELECT 1 FROM record WHERE log = c.log AND seq >= c.size)";
        // A name that is no text is `verify`'s to report.
        let rows = sqlx::query(sql).fetch_all(&mut self.connection).await?;
        let names = rows
            .iter()
            .filter_map(|row| row.try_get_unchecked::<Vec<u8>, _>(0).ok());
        Ok(names.filter_map(|name| String::from_utf8(name).ok()).collect())
    }

    async fn marked(&mut self) -> Result<Vec<(String, i64)>> {
        if self.format < Format::COSIGNED {
            return Ok(Vec::new());
        }
        let rows = sqlx::query("SELECT log, records FROM ahead ORDER BY log")
            .fetch_all(&mut self.connection)
            .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    async fn log(&mut self, log: LogId) -> Result<RawLog> {
        let row = sqlx::query(
            "SELECT (SELECT verifier_key FROM log WHERE log = ?1), (SELECT origin FROM log WHERE log = ?1),
                    (SELECT note FROM checkpoint WHERE log = ?1), (SELECT size FROM checkpoint WHERE log = ?1),
                    (SELECT edge FROM checkpoint WHERE log = ?1), (SELECT max(number) FROM bundle WHERE log = ?1)",
        )
        .bind(log.to_string())
        .fetch_one(&mut self.connection)
        .await?;
        Ok(RawLog {
            verifier_key: row.try_get(0)?,
            origin: row.try_get(1)?,
            note: row.try_get(2)?,
            size: row.try_get(3)?,
            edge: row.try_get_unchecked(4)?,
            last_bundle: row.try_get(5)?,
        })
    }

    async fn key_changes(&mut self, log: LogId) -> Result<Vec<String>> {
        if self.format < Format::KEY_CHANGES {
            return Ok(Vec::new());
        }
        sqlx::query_scalar("SELECT note FROM key_change WHERE log = ?1 AND size >= 0 ORDER BY size")
            .bind(log.to_string())
            .fetch_all(&mut self.connection)
            .await
    }

    async fn is_changing(&mut self) -> Result<bool> {
        if self.format < Format::KEY_CHANGES {
            return Ok(false);
        }
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM key_change WHERE log = 'platform' AND size = -1)")
            .fetch_one(&mut self.connection)
            .await
    }

    async fn cosigned(&mut self, log: LogId) -> Result<Option<(i64, String)>> {
        if self.format < Format::COSIGNED {
            return Ok(None);
        }
        sqlx::query_as("SELECT size, note FROM cosigned WHERE log = ?1")
            .bind(log.to_string())
            .fetch_optional(&mut self.connection)
            .await
    }

    async fn signed(&mut self, after: &str) -> Result<Vec<RawSigned>> {
        let sql = match self.format >= Format::COSIGNED {
            false => "SELECT log, note, NULL FROM checkpoint WHERE log > ?1 ORDER BY log LIMIT ?2",
            true => {
                "SELECT c.log, c.note, w.note FROM checkpoint c LEFT JOIN cosigned w ON w.log = c.log
                 WHERE c.log > ?1 ORDER BY c.log LIMIT ?2"
            }
        };
        let rows = sqlx::query(sql)
            .bind(after.to_owned())
            .bind(PAGE)
            .fetch_all(&mut self.connection)
            .await?;
        let read = |row: &SqliteRow| {
            Ok(RawSigned {
                log: row.try_get(0)?,
                note: row.try_get(1)?,
                cosigned: row.try_get(2)?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn rows(&mut self, log: LogId, from: i64, limit: i64) -> Result<Vec<RawRow>> {
        let rows = sqlx::query(
            "SELECT seq, hash, mac, record, period, private FROM record WHERE log = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3",
        )
        .bind(log.to_string())
        .bind(from)
        .bind(limit.min(PAGE))
        .fetch_all(&mut self.connection)
        .await?;
        // Unchecked: a damaged row may hold any type, and its bytes are to be judged, not its type.
        let read = |row: &SqliteRow| {
            Ok(RawRow {
                seq: row.try_get_unchecked(0)?,
                hash: row.try_get_unchecked(1)?,
                mac: row.try_get_unchecked(2)?,
                record: row.try_get_unchecked(3)?,
                period: row.try_get_unchecked(4)?,
                private: row.try_get_unchecked(5)?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn bundles(&mut self, log: LogId, numbers: Range<i64>) -> Result<Vec<RawBundle>> {
        let sql = "SELECT b.number, b.entries, t.hashes FROM bundle b
                   LEFT JOIN tile t ON t.log = b.log AND t.level = 0 AND t.number = b.number
                   WHERE b.log = ?1 AND b.number >= ?2 AND b.number < ?3 ORDER BY b.number";
        let query = sqlx::query_as(sql).bind(log.to_string());
        let query = query.bind(numbers.start).bind(numbers.end);
        query.fetch_all(&mut self.connection).await
    }

    async fn privates(&mut self, log: LogId, numbers: Range<i64>) -> Result<Vec<RawPrivate>> {
        let sql = "SELECT number, period, content FROM private
                   WHERE log = ?1 AND number >= ?2 AND number < ?3 ORDER BY number, period";
        let query = sqlx::query_as(sql).bind(log.to_string());
        let query = query.bind(numbers.start).bind(numbers.end);
        query.fetch_all(&mut self.connection).await
    }

    async fn next_bundle(&mut self, log: LogId, from: i64) -> Result<Option<i64>> {
        sqlx::query_scalar("SELECT min(number) FROM bundle WHERE log = ?1 AND number >= ?2")
            .bind(log.to_string())
            .bind(from)
            .fetch_one(&mut self.connection)
            .await
    }

    async fn tile(&mut self, log: LogId, level: i64, number: i64) -> Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT hashes FROM tile WHERE log = ?1 AND level = ?2 AND number = ?3")
            .bind(log.to_string())
            .bind(level)
            .bind(number)
            .fetch_optional(&mut self.connection)
            .await
    }

    async fn period(&mut self, log: LogId, period: &str) -> Result<Option<RawPeriod>> {
        let found: Option<Option<Vec<u8>>> =
            sqlx::query_scalar("SELECT wrapped FROM period WHERE log = ?1 AND period = ?2")
                .bind(log.to_string())
                .bind(period.to_owned())
                .fetch_optional(&mut self.connection)
                .await?;
        Ok(found.map(|wrapped| wrapped.map_or(RawPeriod::Erased, RawPeriod::Kept)))
    }

    async fn periods(&mut self, log: LogId) -> Result<Vec<String>> {
        sqlx::query_scalar("SELECT period FROM period WHERE log = ?1 AND wrapped IS NOT NULL ORDER BY period")
            .bind(log.to_string())
            .fetch_all(&mut self.connection)
            .await
    }

    async fn all_periods(&mut self, log: LogId) -> Result<Vec<String>> {
        sqlx::query_scalar("SELECT period FROM period WHERE log = ?1 ORDER BY period")
            .bind(log.to_string())
            .fetch_all(&mut self.connection)
            .await
    }

    async fn slice(&mut self, log: LogId, commitment: &Digest) -> Result<Option<RawSlice>> {
        let sql = "SELECT commitment, period, content FROM slice WHERE log = ?1 AND commitment = ?2";
        let row = sqlx::query(sql)
            .bind(log.to_string())
            .bind(commitment.as_bytes().to_vec())
            .fetch_optional(&mut self.connection)
            .await?;
        row.as_ref().map(slice).transpose()
    }

    async fn slices(&mut self, log: LogId, after: &[u8]) -> Result<Vec<RawSlice>> {
        let rows = sqlx::query(
            "SELECT commitment, period, content FROM slice WHERE log = ?1 AND commitment > ?2 ORDER BY commitment LIMIT ?3",
        )
        .bind(log.to_string())
        .bind(after.to_vec())
        .bind(PAGE)
        .fetch_all(&mut self.connection)
        .await?;
        rows.iter().map(slice).collect()
    }

    async fn body(&mut self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT content FROM body WHERE digest = ?1")
            .bind(digest.as_bytes().to_vec())
            .fetch_optional(&mut self.connection)
            .await
    }

    async fn bodies(&mut self, after: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let rows = sqlx::query("SELECT digest, content FROM body WHERE digest > ?1 ORDER BY digest LIMIT ?2")
            .bind(after.to_vec())
            .bind(PAGE)
            .fetch_all(&mut self.connection)
            .await?;
        let read = |row: &SqliteRow| Ok((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?));
        rows.iter().map(read).collect()
    }

    async fn present(&mut self, digests: &[Digest]) -> Result<HashSet<Digest>> {
        static SQL: LazyLock<String> =
            LazyLock::new(|| format!("SELECT digest FROM body WHERE digest IN ({})", ["?"; LOOKUP].join(",")));
        lookup(&mut self.connection, &SQL, None, digests).await
    }

    async fn present_slices(&mut self, log: LogId, commitments: &[Digest]) -> Result<HashSet<Digest>> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            let places = ["?"; LOOKUP].join(",");
            format!("SELECT commitment FROM slice WHERE log = ? AND commitment IN ({places})")
        });
        lookup(&mut self.connection, &SQL, Some(log), commitments).await
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.connection.close().await
    }
}

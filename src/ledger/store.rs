//! The SQLite file under the ledger: its schema, how it is opened, and the statements that fill it.
//!
//! `record` is an ordinary table with an index on `(log, seq)` rather than one clustered by it: rows are then appended
//! whatever log they belong to, where a clustered table would touch a page per log and, as records exceed a quarter of a
//! page, an overflow page for nearly each.
//!
//! A decision's context stands in its record's row: hardly any two are the same, and to enter each into the index of
//! bodies by a digest, which falls anywhere, costs as much as all the rest of an append.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, Sqlite, SqliteConnection};

use super::error::LedgerError;
use super::record::LogId;
use crate::ids::Digest;

/// The ledger's file in the data directory.
pub(super) const FILE: &str = "ledger.sqlite";

/// The store format, kept in SQLite's `user_version`.
const FORMAT: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE log (log TEXT NOT NULL PRIMARY KEY, origin TEXT NOT NULL, verifier_key TEXT NOT NULL) STRICT;
    CREATE TABLE record (log TEXT NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL, record TEXT NOT NULL,
        context BLOB, PRIMARY KEY (log, seq)) STRICT;
    CREATE TABLE checkpoint (log TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, note TEXT NOT NULL) STRICT;
    CREATE TABLE body (digest BLOB NOT NULL PRIMARY KEY, content BLOB NOT NULL) STRICT;
    PRAGMA user_version = 1;
";

type Bound = Query<'static, Sqlite, SqliteArguments>;

/// Opens the store for the one writer, making it where there is none. Every commit is durable when it returns: a
/// write-ahead log, synced each time.
pub(super) async fn open_writer(path: &Path) -> Result<SqliteConnection, LedgerError> {
    super::keys::private_file()
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(LedgerError::io("open", path))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .pragma("cache_size", "-32768")
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(LedgerError::store("open the ledger"))?;
    if format(&mut connection).await? == 0 && tables(&mut connection).await? == 0 {
        let schema = async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
            transaction.commit().await
        };
        schema.await.map_err(LedgerError::store("create the ledger's tables"))?;
    }
    check_format(&mut connection, path).await?;
    Ok(connection)
}

/// Writes what is there already, to see whether the store takes a write.
pub(super) async fn probe(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE checkpoint SET size = size WHERE log = 'platform'")
        .execute(connection)
        .await?;
    Ok(())
}

/// Moves everything from the write-ahead log into the file and empties the log, as far as readers let it.
pub(super) async fn rest(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(connection)
        .await?;
    Ok(())
}

/// Opens the store for reading, beside a writer, after a crash, or on a medium that cannot be written.
pub(super) async fn open_reader(path: &Path) -> Result<SqliteConnection, LedgerError> {
    if !path.exists() {
        let path = path.to_owned();
        return Err(LedgerError::Absent { path });
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("cell_size_check", "ON")
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging();
    match opened(&options, path).await {
        // SQLite cannot make the write-ahead log's index where it may not write. With nothing in that log, the file alone
        // is the whole store and cannot be changed by anyone either.
        Err(LedgerError::Store { .. }) if nothing_ahead(path) => opened(&options.immutable(true), path).await,
        result => result,
    }
}

async fn opened(options: &SqliteConnectOptions, path: &Path) -> Result<SqliteConnection, LedgerError> {
    let mut connection = options.connect().await.map_err(LedgerError::store("open the ledger"))?;
    check_format(&mut connection, path).await?;
    Ok(connection)
}

/// Whether the write-ahead log is absent or empty.
fn nothing_ahead(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    std::fs::metadata(wal).map_or(true, |wal| wal.len() == 0)
}

async fn format(connection: &mut SqliteConnection) -> Result<i64, LedgerError> {
    sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(connection)
        .await
        .map_err(LedgerError::store("read the ledger's format"))
}

async fn tables(connection: &mut SqliteConnection) -> Result<i64, LedgerError> {
    sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(connection)
        .await
        .map_err(LedgerError::store("read the ledger's tables"))
}

async fn check_format(connection: &mut SqliteConnection, path: &Path) -> Result<(), LedgerError> {
    match format(connection).await? {
        FORMAT => Ok(()),
        found => {
            let path = path.to_owned();
            let expected = FORMAT;
            Err(LedgerError::Format { path, found, expected })
        }
    }
}

/// A log's row as it is first written.
pub(super) struct NewLog {
    pub(super) log: Arc<str>,
    pub(super) origin: String,
    pub(super) verifier_key: String,
}

/// A record's row.
pub(super) struct NewRecord {
    pub(super) log: Arc<str>,
    pub(super) seq: i64,
    pub(super) hash: Digest,
    pub(super) record: String,
    pub(super) context: Option<Arc<[u8]>>,
}

/// A checkpoint's row.
pub(super) struct NewCheckpoint {
    pub(super) log: Arc<str>,
    pub(super) size: i64,
    pub(super) note: String,
}

/// All that one transaction writes.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) logs: Vec<NewLog>,
    pub(super) records: Vec<NewRecord>,
    pub(super) bodies: Vec<(Digest, Arc<[u8]>)>,
    pub(super) checkpoints: Vec<NewCheckpoint>,
}

/// Writes `rows` in one transaction; returns once it is durable. After an error the connection must be dropped: the
/// transaction may still be open on it.
pub(super) async fn write(connection: &mut SqliteConnection, rows: Rows) -> Result<(), sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    LOGS.run(connection, rows.logs, |query, row| {
        query.bind(row.log).bind(row.origin).bind(row.verifier_key)
    })
    .await?;
    RECORDS
        .run(connection, rows.records, |query, row| {
            let context = row.context.map(|context| context.to_vec());
            query
                .bind(row.log)
                .bind(row.seq)
                .bind(row.hash.as_bytes().to_vec())
                .bind(row.record)
                .bind(context)
        })
        .await?;
    BODIES
        .run(connection, rows.bodies, |query, (digest, content)| {
            query.bind(digest.as_bytes().to_vec()).bind(content.to_vec())
        })
        .await?;
    CHECKPOINTS
        .run(connection, rows.checkpoints, |query, row| {
            query.bind(row.log).bind(row.size).bind(row.note)
        })
        .await?;
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}

/// How many rows one INSERT may hold. Few sizes, so that each is prepared once; many rows, for each statement costs a
/// round trip to SQLite's thread.
const CHUNKS: [usize; 4] = [64, 16, 4, 1];

/// An INSERT in each of the [`CHUNKS`].
struct Insert([Arc<str>; CHUNKS.len()]);

impl Insert {
    fn new(head: &str, row: &str, tail: &str) -> Self {
        Self(CHUNKS.map(|rows| format!("{head} VALUES {}{tail}", vec![row; rows].join(",")).into()))
    }

    async fn run<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: Vec<T>,
        bind: impl Fn(Bound, T) -> Bound,
    ) -> Result<(), sqlx::Error> {
        let mut rows = rows.into_iter();
        for (chunk, sql) in CHUNKS.iter().zip(&self.0) {
            while rows.len() >= *chunk {
                // The text is put together from constants alone.
                let query = sqlx::query(AssertSqlSafe(Arc::clone(sql)));
                let query = rows.by_ref().take(*chunk).fold(query, &bind);
                query.execute(&mut *connection).await?;
            }
        }
        Ok(())
    }
}

static LOGS: LazyLock<Insert> =
    LazyLock::new(|| Insert::new("INSERT INTO log (log, origin, verifier_key)", "(?,?,?)", ""));
static RECORDS: LazyLock<Insert> = LazyLock::new(|| {
    Insert::new(
        "INSERT INTO record (log, seq, hash, record, context)",
        "(?,?,?,?,?)",
        "",
    )
});
static BODIES: LazyLock<Insert> =
    LazyLock::new(|| Insert::new("INSERT OR IGNORE INTO body (digest, content)", "(?,?)", ""));
static CHECKPOINTS: LazyLock<Insert> = LazyLock::new(|| {
    let tail = " ON CONFLICT (log) DO UPDATE SET size = excluded.size, note = excluded.note";
    Insert::new("INSERT INTO checkpoint (log, size, note)", "(?,?,?)", tail)
});

/// What is stored at a log's end.
pub(super) struct StoredEnd {
    pub(super) verifier_key: Option<String>,
    pub(super) note: Option<String>,
    pub(super) seq: Option<i64>,
    pub(super) hash: Option<Vec<u8>>,
    pub(super) record: Option<Vec<u8>>,
}

/// Reads what is stored at a log's end.
pub(super) async fn end(connection: &mut SqliteConnection, log: LogId) -> Result<StoredEnd, sqlx::Error> {
    let row = sqlx::query(
        "SELECT (SELECT verifier_key FROM log WHERE log = ?1) AS verifier_key,
                (SELECT note FROM checkpoint WHERE log = ?1) AS note, seq, hash, record
         FROM (SELECT 1) LEFT JOIN record ON log = ?1 AND seq = (SELECT max(seq) FROM record WHERE log = ?1)",
    )
    .bind(log.to_string())
    .fetch_one(connection)
    .await?;
    Ok(StoredEnd {
        verifier_key: row.try_get(0)?,
        note: row.try_get(1)?,
        seq: row.try_get(2)?,
        hash: row.try_get(3)?,
        record: row.try_get(4)?,
    })
}

//! The format of the file: its tables, and how one of a version before is brought up to date.

use std::path::Path;

use sqlx::{Connection, SqliteConnection};

use super::super::Result;
use crate::ledger::error::LedgerError;

/// A version of the format, kept in SQLite's `user_version`. Each has the tables of the one before, and more; a reader takes any of
/// them as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Format(i64);

impl Format {
    /// The first that is known here.
    const FIRST: Self = Self(2);
    /// The first with the tables `ahead` and `cosigned`.
    pub(super) const COSIGNED: Self = Self(3);
    /// The first with the table `key_change`: the one that is written.
    pub(super) const KEY_CHANGES: Self = Self(4);
    const CURRENT: Self = Self::KEY_CHANGES;
}

/// The tables of the first.
const SCHEMA: &str = "
    CREATE TABLE log (log TEXT NOT NULL PRIMARY KEY, origin TEXT NOT NULL, verifier_key TEXT NOT NULL) STRICT;
    CREATE TABLE record (log TEXT NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL, mac BLOB NOT NULL, record TEXT NOT NULL,
        period TEXT, private BLOB, PRIMARY KEY (log, seq)) STRICT;
    CREATE TABLE bundle (log TEXT NOT NULL, number INTEGER NOT NULL, entries BLOB NOT NULL, PRIMARY KEY (log, number)) STRICT;
    CREATE TABLE private (log TEXT NOT NULL, number INTEGER NOT NULL, period TEXT NOT NULL, content BLOB NOT NULL,
        PRIMARY KEY (log, number, period)) STRICT;
    CREATE TABLE tile (log TEXT NOT NULL, level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL,
        PRIMARY KEY (log, level, number)) STRICT;
    CREATE TABLE checkpoint (log TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, edge BLOB NOT NULL, note TEXT NOT NULL) STRICT;
    CREATE TABLE slice (log TEXT NOT NULL, commitment BLOB NOT NULL, period TEXT NOT NULL, content BLOB NOT NULL,
        PRIMARY KEY (log, commitment)) STRICT;
    CREATE TABLE period (log TEXT NOT NULL, period TEXT NOT NULL, wrapped BLOB, PRIMARY KEY (log, period)) STRICT;
    CREATE TABLE body (digest BLOB NOT NULL PRIMARY KEY, content BLOB NOT NULL) STRICT;
";

/// The tables that came with each after it.
const SINCE: [(Format, &str); 2] = [
    (
        Format::COSIGNED,
        "CREATE TABLE ahead (log TEXT NOT NULL PRIMARY KEY, records INTEGER NOT NULL) STRICT;
         CREATE TABLE cosigned (log TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, note TEXT NOT NULL) STRICT;
         PRAGMA user_version = 3;",
    ),
    (
        Format::KEY_CHANGES,
        "CREATE TABLE key_change (log TEXT NOT NULL, size INTEGER NOT NULL, note TEXT NOT NULL, PRIMARY KEY (log, size)) STRICT;
         PRAGMA user_version = 4;",
    ),
];

/// The statements that bring a format up to date.
fn since(found: Format) -> impl Iterator<Item = &'static str> {
    let later = SINCE.into_iter().filter(move |(format, _)| *format > found);
    later.map(|(_, sql)| sql)
}

/// The format of a file that was opened to be written: one of a version before is brought up to date, and where it is `fresh` and
/// empty the tables are made.
pub(super) async fn written(
    connection: &mut SqliteConnection,
    path: &Path,
    fresh: bool,
) -> std::result::Result<Format, LedgerError> {
    let found = Format(version(connection).await?);
    if found == Format(0) && fresh && tables(connection).await? == 0 {
        let made = change(connection, std::iter::once(SCHEMA).chain(since(found))).await;
        made.map_err(LedgerError::store("create the ledger's tables"))?;
    } else if (Format::FIRST..Format::CURRENT).contains(&found) {
        let made = change(connection, since(found)).await;
        made.map_err(LedgerError::store("bring the ledger's format up to date"))?;
        let (from, to) = (found.0, Format::CURRENT.0);
        tracing::info!(from, to, "the ledger's format was brought up to date");
    }
    match read(connection, path).await? {
        Format::CURRENT => Ok(Format::CURRENT),
        Format(found) => Err(unknown(path, found)),
    }
}

/// The format of a file that is only read.
pub(super) async fn read(connection: &mut SqliteConnection, path: &Path) -> std::result::Result<Format, LedgerError> {
    let found = Format(version(connection).await?);
    match (Format::FIRST..=Format::CURRENT).contains(&found) {
        true => Ok(found),
        false => Err(unknown(path, found.0)),
    }
}

fn unknown(path: &Path, found: i64) -> LedgerError {
    let path = path.to_owned();
    let expected = Format::CURRENT.0;
    LedgerError::Format { path, found, expected }
}

/// All of it, or nothing.
async fn change(
    connection: &mut SqliteConnection,
    statements: impl Iterator<Item = &'static str> + Send,
) -> Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for sql in statements {
        sqlx::raw_sql(sql).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

async fn version(connection: &mut SqliteConnection) -> std::result::Result<i64, LedgerError> {
    sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(connection)
        .await
        .map_err(LedgerError::store("read the ledger's format"))
}

async fn tables(connection: &mut SqliteConnection) -> std::result::Result<i64, LedgerError> {
    sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(connection)
        .await
        .map_err(LedgerError::store("read the ledger's tables"))
}

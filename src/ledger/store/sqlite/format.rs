//! The format of the file: its tables, and how one of the version before is brought up to date.

use std::path::Path;

use sqlx::{Connection, SqliteConnection};

use super::super::Result;
use crate::ledger::error::LedgerError;

/// The version of the format, kept in SQLite's `user_version`.
const VERSION: i64 = 3;

/// The version before.
const BEFORE: i64 = 2;

/// A format that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Without the tables `ahead` and `cosigned`. A reader takes it as it is.
    Uncosigned,
    /// The one that is written.
    Current,
}

/// The tables of the format before.
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

/// The tables that came with the current one.
const SINCE: &str = "
    CREATE TABLE ahead (log TEXT NOT NULL PRIMARY KEY, records INTEGER NOT NULL) STRICT;
    CREATE TABLE cosigned (log TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, note TEXT NOT NULL) STRICT;
    PRAGMA user_version = 3;
";

/// The format of a file that was opened to be written: one of the version before is brought up to date, and where it is `fresh` and
/// empty the tables are made.
pub(super) async fn written(
    connection: &mut SqliteConnection,
    path: &Path,
    fresh: bool,
) -> std::result::Result<Format, LedgerError> {
    match version(connection).await? {
        0 if fresh && tables(connection).await? == 0 => {
            let made = change(connection, &[SCHEMA, SINCE]).await;
            made.map_err(LedgerError::store("create the ledger's tables"))?;
        }
        BEFORE => {
            let made = change(connection, &[SINCE]).await;
            made.map_err(LedgerError::store("bring the ledger's format up to date"))?;
            tracing::info!(
                from = BEFORE,
                to = VERSION,
                "the ledger's format was brought up to date"
            );
        }
        _ => {}
    }
    match read(connection, path).await? {
        Format::Current => Ok(Format::Current),
        Format::Uncosigned => Err(unknown(path, BEFORE)),
    }
}

/// The format of a file that is only read.
pub(super) async fn read(connection: &mut SqliteConnection, path: &Path) -> std::result::Result<Format, LedgerError> {
    match version(connection).await? {
        VERSION => Ok(Format::Current),
        BEFORE => Ok(Format::Uncosigned),
        found => Err(unknown(path, found)),
    }
}

fn unknown(path: &Path, found: i64) -> LedgerError {
    let path = path.to_owned();
    let expected = VERSION;
    LedgerError::Format { path, found, expected }
}

/// All of it, or nothing.
async fn change(connection: &mut SqliteConnection, statements: &[&'static str]) -> Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for sql in statements {
        sqlx::raw_sql(*sql).execute(&mut *transaction).await?;
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

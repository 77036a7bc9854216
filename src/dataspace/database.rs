//! The file in which what the data space brings is kept.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

/// The file below the data directory.
const FILE: &str = "dataspace.sqlite";

/// Opens the file in `directory`, making it where there is none, readable by its owner only.
pub(super) async fn open(directory: &Path) -> Result<SqlitePool, sqlx::Error> {
    let path = directory.join(FILE);
    // Made here and not by SQLite, which would let others read it.
    let mut options = std::fs::OpenOptions::new();
    options
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .map_err(sqlx::Error::Io)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    SqlitePoolOptions::new().max_connections(2).connect_with(options).await
}

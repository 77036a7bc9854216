//! Requests, received footprints and deliveries at rest: one SQLite file, every change durable before anyone is told of it.
//!
//! What is to be delivered is written in the same transaction as the reason for it: a request that was accepted has its answer in
//! the queue. A change of a footprint is noted before the footprint is stored, and becomes deliveries once the registry shows it;
//! so a crash between the two loses neither. Deliveries are made at least once: one that was made but not yet crossed off is
//! made again after a crash, under the same exchange id.

mod deliveries;
mod requests;
mod roads;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::{Mutex, MutexGuard, Notify};

use crate::ids::{Bpnl, TenantId};

pub use deliveries::{Change, Page};
pub use requests::Taken;
pub use roads::{Ends, Paved, Worn};

/// The file below the data directory.
pub const FILE: &str = "pcf.sqlite";

/// Why requests and deliveries cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PcfStoreError {
    /// The database.
    #[error("the exchanges `{FILE}`: {0}")]
    Database(#[from] sqlx::Error),
    /// A row that does not parse: the file was changed by hand, or by a newer version.
    #[error("the exchanges `{FILE}`: a {what} does not read: {problem}")]
    Row {
        /// The kind of row.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
}

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS incoming (tenant TEXT NOT NULL, partner TEXT NOT NULL, exchange TEXT NOT NULL, asked TEXT NOT NULL,
  state TEXT NOT NULL, at INTEGER NOT NULL, changed INTEGER NOT NULL, record TEXT NOT NULL,
  PRIMARY KEY (tenant, partner, exchange)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outgoing (tenant TEXT NOT NULL, exchange TEXT NOT NULL, partner TEXT NOT NULL, wanted TEXT NOT NULL,
  state TEXT NOT NULL, digest TEXT, at INTEGER NOT NULL, changed INTEGER NOT NULL, record TEXT NOT NULL,
  PRIMARY KEY (tenant, exchange)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS received (tenant TEXT NOT NULL, partner TEXT NOT NULL, pcf TEXT NOT NULL, product TEXT NOT NULL,
  model TEXT NOT NULL, digest TEXT NOT NULL, exchange TEXT, message TEXT, at INTEGER NOT NULL, record TEXT NOT NULL,
  PRIMARY KEY (tenant, partner, pcf)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS change (tenant TEXT NOT NULL, pcf TEXT NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (tenant, pcf, digest)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS delivery (number INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, partner TEXT NOT NULL,
  kind TEXT NOT NULL, exchange TEXT NOT NULL, errand TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
  used INTEGER NOT NULL, at INTEGER NOT NULL, next INTEGER NOT NULL, problem TEXT, record TEXT) STRICT;
CREATE TABLE IF NOT EXISTS road (tenant TEXT NOT NULL, partner TEXT NOT NULL, asset TEXT NOT NULL, agreement TEXT NOT NULL,
  flow TEXT, until INTEGER NOT NULL, PRIMARY KEY (tenant, partner, asset)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (next) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS delivery_of_tenant ON delivery (tenant, number);
CREATE INDEX IF NOT EXISTS delivery_dead ON delivery (number) WHERE state = 'dead';
";

/// The requests, received footprints and deliveries of all tenants. Every method takes the tenant whose they are.
#[derive(Debug)]
pub struct PcfStore {
    pool: SqlitePool,
    /// Woken when there is something to deliver.
    woken: Notify,
    turns: [Mutex<()>; TURNS],
}

/// Into how many queues those fall who hand footprints in at once.
const TURNS: usize = 64;

impl PcfStore {
    /// Opens the file in `directory`, making an empty one where there is none.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub async fn open(directory: &Path) -> Result<Self, PcfStoreError> {
        let path = directory.join(FILE);
        // Made here and not by SQLite, which would let others read it.
        let made = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path);
        made.map_err(sqlx::Error::Io)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        // One connection: changes are made one after the other, and none is half seen.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        // Of a file that an earlier version made.
        for (column, kind) in [("version", "TEXT"), ("agreed", "INTEGER")] {
            let known: i64 = sqlx::query_scalar("SELECT count(*) FROM pragma_table_info('road') WHERE name = ?")
                .bind(column)
                .fetch_one(&pool)
                .await?;
            if known == 0 {
                let added = format!("ALTER TABLE road ADD COLUMN {column} {kind}");
                sqlx::raw_sql(sqlx::AssertSqlSafe(added)).execute(&pool).await?;
            }
        }
        Ok(Self {
            pool,
            woken: Notify::new(),
            turns: std::array::from_fn(|_| Mutex::new(())),
        })
    }

    /// Waits until something was put into the queue.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Waits for the turn of `partner` at `tenant`, and has it until what is returned is dropped.
    pub async fn turn(&self, tenant: TenantId, partner: Bpnl) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        (tenant, partner).hash(&mut hasher);
        let place = hasher.finish() % TURNS as u64;
        let turn = usize::try_from(place).ok().and_then(|place| self.turns.get(place))?;
        Some(turn.lock().await)
    }

    fn wake(&self) {
        self.woken.notify_one();
    }
}

fn to_json(value: &impl Serialize) -> String {
    // Structs of strings and enums always serialise.
    serde_json::to_string(value).unwrap_or_default()
}

fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, PcfStoreError> {
    crate::json::read(text.as_bytes()).map_err(|error| row(what, error))
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(what: &'static str, text: &str) -> Result<T, PcfStoreError> {
    text.parse().map_err(|error| row(what, error))
}

fn row(what: &'static str, problem: impl ToString) -> PcfStoreError {
    PcfStoreError::Row {
        what,
        problem: problem.to_string(),
    }
}

fn instant(what: &'static str, milliseconds: i64) -> Result<Timestamp, PcfStoreError> {
    Timestamp::from_millisecond(milliseconds).map_err(|error| row(what, error))
}

#[cfg(test)]
mod tests;

//! Requests, received footprints and deliveries at rest: tables in a file or a database, every change durable before anyone is told
//! of it.
//!
//! What is to be delivered is written in the same transaction as the reason for it: a request that was accepted has its answer in
//! the queue. A change of a footprint is noted before the footprint is stored, and becomes deliveries once the registry shows it;
//! so a crash between the two loses neither. Deliveries are made at least once: one that was made but not yet crossed off is
//! made again after a crash, under the same exchange id.
//!
//! Nothing is kept in memory, and where what is written depends on what was read, the statement that writes asks for it once more. So
//! of two processes that take the same request, or end the same delivery, one does. A transaction that changes rows of several tables
//! takes them in this order, in which nobody waits for anybody in a circle: `received`, `outgoing`, `change`, `delivery`, `incoming`. A new
//! row of `delivery` is nobody else's to wait for.

mod changes;
mod deliveries;
mod events;
mod requests;
mod roads;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, MutexGuard, Notify};

use crate::database::{Layout, Place, Step, Tables, TablesError};
use crate::ids::{Bpnl, TenantId};

pub use changes::{Change, Spread};
pub use deliveries::Page;
pub use requests::Taken;
pub use roads::{Ends, Paved, Worn};

/// Why requests and deliveries cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PcfStoreError {
    /// The database.
    #[error("the exchanges: {0}")]
    Database(#[from] sqlx::Error),
    /// The tables cannot be used.
    #[error("the tables of the exchanges: {0}")]
    Tables(#[from] TablesError),
    /// A row that does not parse: it was changed by hand, or by a newer version.
    #[error("the exchanges: a {what} does not read: {problem}")]
    Row {
        /// The kind of row.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// The file below the data directory.
pub const FILE: &str = "pcf.sqlite";

const LAYOUT: Layout = Layout {
    file: FILE,
    schema: "tidegate_exchanges",
    sqlite: &[
        Step::Sql(
            "
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
",
        ),
        // Files of earlier versions have them or not.
        Step::Columns(&[("road", "version", "TEXT"), ("road", "agreed", "INTEGER")]),
        Step::Sql("CREATE INDEX change_age ON change (at, tenant, pcf, digest);"),
    ],
    postgres: &["
CREATE TABLE incoming (tenant TEXT COLLATE \"C\" NOT NULL, partner TEXT COLLATE \"C\" NOT NULL, exchange TEXT COLLATE \"C\" NOT NULL, asked TEXT NOT NULL,
  state TEXT COLLATE \"C\" NOT NULL, at BIGINT NOT NULL, changed BIGINT NOT NULL, record TEXT NOT NULL,
  PRIMARY KEY (tenant, partner, exchange));
CREATE TABLE outgoing (tenant TEXT COLLATE \"C\" NOT NULL, exchange TEXT COLLATE \"C\" NOT NULL, partner TEXT COLLATE \"C\" NOT NULL, wanted TEXT NOT NULL,
  state TEXT COLLATE \"C\" NOT NULL, digest TEXT, at BIGINT NOT NULL, changed BIGINT NOT NULL, record TEXT NOT NULL,
  PRIMARY KEY (tenant, exchange));
CREATE TABLE received (tenant TEXT COLLATE \"C\" NOT NULL, partner TEXT COLLATE \"C\" NOT NULL, pcf TEXT COLLATE \"C\" NOT NULL, product TEXT NOT NULL,
  model TEXT NOT NULL, digest TEXT NOT NULL, exchange TEXT COLLATE \"C\", message TEXT, at BIGINT NOT NULL, record TEXT NOT NULL,
  PRIMARY KEY (tenant, partner, pcf));
CREATE TABLE change (tenant TEXT COLLATE \"C\" NOT NULL, pcf TEXT COLLATE \"C\" NOT NULL, digest TEXT COLLATE \"C\" NOT NULL, at BIGINT NOT NULL,
  PRIMARY KEY (tenant, pcf, digest));
CREATE TABLE delivery (number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant TEXT COLLATE \"C\" NOT NULL, partner TEXT COLLATE \"C\" NOT NULL,
  kind TEXT NOT NULL, exchange TEXT COLLATE \"C\" NOT NULL, errand TEXT NOT NULL, state TEXT COLLATE \"C\" NOT NULL, attempts BIGINT NOT NULL,
  used BOOLEAN NOT NULL, at BIGINT NOT NULL, next BIGINT NOT NULL, problem TEXT, record TEXT);
CREATE TABLE road (tenant TEXT COLLATE \"C\" NOT NULL, partner TEXT COLLATE \"C\" NOT NULL, asset TEXT COLLATE \"C\" NOT NULL, agreement TEXT NOT NULL,
  version TEXT, agreed BIGINT, flow TEXT, until BIGINT NOT NULL, PRIMARY KEY (tenant, partner, asset));
CREATE INDEX delivery_due ON delivery (next) WHERE state = 'open';
CREATE INDEX delivery_of_tenant ON delivery (tenant, number);
CREATE INDEX delivery_dead ON delivery (number) WHERE state = 'dead';
",
"CREATE INDEX change_age ON change (at, tenant, pcf, digest);"
],
};

/// The requests, received footprints and deliveries of all tenants. Every method takes the tenant whose they are.
#[derive(Debug)]
pub struct PcfStore {
    tables: Tables,
    /// Woken when there is something to deliver.
    woken: Notify,
    turns: [Mutex<()>; TURNS],
}

/// Into how many queues those fall who hand footprints in at once.
const TURNS: usize = 64;

impl PcfStore {
    /// Opens the exchanges in `place`, making empty tables where there are none.
    ///
    /// # Errors
    /// The place cannot be used.
    pub async fn open(place: &Place) -> Result<Self, PcfStoreError> {
        Ok(Self {
            tables: Tables::open(place, &LAYOUT).await?,
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

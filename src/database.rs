//! Tables: in a SQLite file of the data directory, or in a schema of a PostgreSQL database.
//!
//! The registry, the data flows and the exchanges are kept in tables, each in a set of its own (`Layout`). A set lies in one of two
//! [places](Place), and whoever has it (`Tables`) need not know in which. One body of SQL serves both: placeholders are `$1`, upserts
//! `ON CONFLICT (…) DO UPDATE`, a row that changed is asked back with `RETURNING`, and values are text, whole numbers and truth. Only how
//! tables are made differs. The ledger has its own stores, for it keeps bytes, reads damaged rows and has a lease.
//!
//! ```text
//! file              schema               what
//! registry.sqlite   tidegate_registry    tenants, partners, offers, agreements, the index of footprints and its history
//! dataspace.sqlite  tidegate_dataspace   data flows, and what their connectors still have to be told
//! pcf.sqlite        tidegate_exchanges   requests, received footprints' index, deliveries
//! pulls.sqlite      tidegate_pulls       runs in which footprints are fetched, and what they report
//! ```
//!
//! What several processes do at once is safe by two means, which the SQL of a set uses and says where: a row whose lock serialises
//! those who change something, taken first; or a statement that changes a row only where it still is what was read. SQLite lets one
//! process write at a time, from the first statement of a transaction on (`Tables::begin`).
//!
//! # Worked example
//!
//! Two processes take an offer of the same id on at once. Each says `INSERT … ON CONFLICT DO NOTHING`. In PostgreSQL the second waits
//! until the first has committed, and is told that it changed no row; in SQLite it waits before its transaction begins. Either way
//! it reads what is there now, and decides on that.

mod insert;
mod layout;
mod tables;
#[cfg(test)]
pub(crate) mod tests;
mod url;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use self::insert::Insert;
pub(crate) use self::layout::{Layout, Step};
pub(crate) use self::tables::{Arg, Tables, Transaction, args};
pub use self::url::{Database, DatabaseError};

/// Where tables lie.
#[derive(Clone, Debug)]
pub enum Place {
    /// In files of a directory (SQLite).
    Directory(PathBuf),
    /// In a database that several processes share (PostgreSQL).
    Postgres(Database),
}

impl Place {
    /// In that database, where there is one, else in that directory.
    pub fn of(database: Option<Database>, directory: &std::path::Path) -> Self {
        database.map_or_else(|| Self::Directory(directory.to_owned()), Self::Postgres)
    }
}

/// Why tables cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// They were made by a newer version of the program.
    #[error("they have the format {found}; this version reads {known}: use the version that wrote them")]
    Format {
        /// The format of the tables.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
}

/// Sets a session that writes, whatever the server's defaults are: a commit is answered when it is durable; a lock is not waited for
/// until callers have gone; and where this process stops in the midst of a transaction, or its machine does, the server ends that
/// before another waits for its locks in vain.
pub(crate) const WRITING: [(&str, &str); 3] = [
    ("synchronous_commit", "on"),
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "4s"),
];

/// Two that start at once make tables one after the other: the key of an advisory lock, "tidegate" in ASCII.
pub(crate) const MAKING: i64 = 0x7469_6465_6761_7465;

/// How long an answer of a database is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What is not answered in time has failed: the connection is of no more use then.
pub(crate) async fn within<T>(
    time: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(time, work).await {
        Ok(done) => done,
        Err(_) => {
            let late = format!("the database did not answer within {} s", time.as_secs());
            Err(std::io::Error::new(ErrorKind::TimedOut, late).into())
        }
    }
}

//! Where a ledger lies, and who may write there.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use super::error::LedgerError;
use super::keys;
use super::store::postgres::{Lease, PostgresStore};
use super::store::sqlite::{FILE, SqliteStore};
use super::store::{Opening, Store};
use crate::database::Place;

/// What this process may write by.
#[derive(Debug)]
pub(super) enum Held {
    /// The lock is the operating system's, so it goes with the process, however that ends.
    Lock(#[expect(dead_code, reason = "held, not read")] File),
    /// A claim on the lease, which this process may have or wait for.
    Lease(Box<Lease>),
}

impl Place {
    /// Makes this process the writer, or one that waits to be.
    pub(super) fn hold(&self) -> Result<Held, LedgerError> {
        match self {
            Self::Directory(dir) => {
                keys::make_private_dir(dir)?;
                lock(dir.join("ledger.lock")).map(Held::Lock)
            }
            Self::Postgres(database) => Ok(Held::Lease(Box::new(Lease::new(database.clone())))),
        }
    }

    /// A connection that writes. [`LedgerError::Standby`] where another process does.
    pub(super) async fn writer(&self, held: &mut Held, opening: Opening) -> Result<Box<dyn Store>, LedgerError> {
        match (self, held) {
            (Self::Directory(dir), _) => Ok(Box::new(SqliteStore::writer(&dir.join(FILE), opening).await?)),
            (_, Held::Lease(lease)) => Ok(Box::new(PostgresStore::writer(lease, opening).await?)),
            (_, Held::Lock(_)) => Err(LedgerError::Closed),
        }
    }

    /// A connection that reads.
    pub(super) async fn reader(&self) -> Result<Box<dyn Store>, LedgerError> {
        match self {
            Self::Directory(dir) => Ok(Box::new(SqliteStore::reader(&dir.join(FILE)).await?)),
            Self::Postgres(database) => Ok(Box::new(PostgresStore::reader(database).await?)),
        }
    }
}

/// How often a lock that is held is tried again, and how long after.
const TRIES: u32 = 10;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// Takes a lock file, which is held for as long as what this gives.
pub(super) fn lock(path: PathBuf) -> Result<File, LedgerError> {
    let file = keys::private_file().create(true).truncate(false).open(&path);
    let file = file.map_err(LedgerError::io("open", &path))?;
    let mut tries = 0..TRIES;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A process that is just being started has the lock of the one that starts it, until it runs its own program.
            Err(TryLockError::WouldBlock) if tries.next().is_some() => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Err(LedgerError::Locked { path }),
            Err(TryLockError::Error(error)) => return Err(LedgerError::io("lock", &path)(error)),
        }
    }
}

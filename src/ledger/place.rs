//! Where a ledger lies, and who may write there.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::error::LedgerError;
use super::keys;
use super::store::Store;
use super::store::sqlite::{FILE, SqliteStore};

/// Where a ledger lies.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a file of a directory (SQLite).
    Directory(PathBuf),
}

/// Held for as long as this process may write.
#[derive(Debug)]
pub(super) enum Held {
    /// The lock is the operating system's, so it goes with the process, however that ends.
    Lock(#[expect(dead_code, reason = "held, not read")] File),
}

impl Place {
    /// Makes this process the writer.
    pub(super) fn hold(&self) -> Result<Held, LedgerError> {
        match self {
            Self::Directory(dir) => {
                keys::make_private_dir(dir)?;
                lock(dir).map(Held::Lock)
            }
        }
    }

    /// A connection that writes; makes the store where there is none.
    pub(super) async fn writer(&self) -> Result<Box<dyn Store>, LedgerError> {
        match self {
            Self::Directory(dir) => Ok(Box::new(SqliteStore::writer(&dir.join(FILE)).await?)),
        }
    }

    /// A connection that writes to the store there was: where that is gone, a new one would begin every log anew.
    pub(super) async fn writer_again(&self) -> Result<Box<dyn Store>, LedgerError> {
        match self {
            Self::Directory(dir) => Ok(Box::new(SqliteStore::writer_again(&dir.join(FILE)).await?)),
        }
    }

    /// A connection that reads.
    pub(super) async fn reader(&self) -> Result<Box<dyn Store>, LedgerError> {
        match self {
            Self::Directory(dir) => Ok(Box::new(SqliteStore::reader(&dir.join(FILE)).await?)),
        }
    }
}

fn lock(dir: &Path) -> Result<File, LedgerError> {
    let path = dir.join("ledger.lock");
    let file = keys::private_file().create(true).truncate(false).open(&path);
    let file = file.map_err(LedgerError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LedgerError::Locked { path }),
        Err(TryLockError::Error(error)) => Err(LedgerError::io("lock", &path)(error)),
    }
}

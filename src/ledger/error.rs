//! What can go wrong with a ledger.

use std::path::PathBuf;
use std::sync::Arc;

use super::checkpoint::NoteError;
use super::record::{LogId, RecordError};

/// Why the ledger could not do what was asked. Cloneable, for one failed commit answers every append that waited on it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// The queue stayed full for as long as an append may wait. Nothing was recorded.
    #[error("the ledger is busy: its queue stayed full for {waited_ms} ms; nothing was recorded")]
    Busy {
        /// How long the append waited.
        waited_ms: u128,
    },
    /// The ledger was closed, or its writer ended. An append that was under way may or may not be recorded.
    #[error("the ledger is closed")]
    Closed,
    /// The event cannot be recorded; nothing was written.
    #[error("the event cannot be recorded: {0}")]
    Record(Arc<RecordError>),
    /// A body is too large; nothing was written.
    #[error("a body of {bytes} bytes is too large for the ledger; at most {most}")]
    BodyTooLarge {
        /// The body's size.
        bytes: usize,
        /// The greatest allowed.
        most: usize,
    },
    /// Another process writes to this ledger.
    #[error(
        "another process holds `{path}`: a ledger has one writer; stop the other process or choose another data directory"
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The store was not written by this version.
    #[error("`{path}` has store format `{found}`, which is not known here; expected `{expected}`")]
    Format {
        /// The store's file.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
        /// The one known here.
        expected: i64,
    },
    /// There is no ledger to read.
    #[error("there is no ledger at `{path}`")]
    Absent {
        /// The store's file.
        path: PathBuf,
    },
    /// What is stored contradicts itself; nothing more is appended to that log.
    #[error("log `{log}` is damaged: {why}; run `tidegate ledger verify`")]
    Damaged {
        /// The log.
        log: LogId,
        /// What contradicts what.
        why: String,
    },
    /// A body does not match the digest it is kept under, or is missing.
    #[error("the body `{digest}` {why}")]
    Body {
        /// The digest asked for.
        digest: crate::ids::Digest,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The signing keys are not usable.
    #[error("ledger key `{path}`: {why}")]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A note or its key was not accepted.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The file system failed.
    #[error("cannot {doing} `{path}`: {source}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's error.
        source: Arc<std::io::Error>,
    },
    /// The store failed.
    #[error("cannot {doing}: {source}")]
    Store {
        /// What was attempted.
        doing: &'static str,
        /// The store's error.
        source: Arc<sqlx::Error>,
    },
}

impl LedgerError {
    pub(super) fn store(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| {
            let source = Arc::new(source);
            Self::Store { doing, source }
        }
    }

    pub(super) fn io(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| {
            let source = Arc::new(source);
            Self::Io { doing, path, source }
        }
    }
}

impl From<RecordError> for LedgerError {
    fn from(error: RecordError) -> Self {
        Self::Record(Arc::new(error))
    }
}

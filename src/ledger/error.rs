//! What can go wrong with a ledger.

use std::path::PathBuf;
use std::sync::Arc;

use super::note::NoteError;
use super::period::Period;
use super::record::{LogId, RecordError};
use super::store::{Damage, Displaced, damage};

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
    /// Another process writes to this ledger, and this one takes over where that one ends. Nothing was recorded.
    #[error(
        "this process stands by, for {holder} writes to this ledger; nothing was recorded; ask that process, or stop it and this one takes over within seconds"
    )]
    Standby {
        /// Who writes, in words.
        holder: Arc<str>,
    },
    /// The database would answer before a commit is durable.
    #[error(
        "the database does not make commits durable before it answers, and a ledger needs that; set `fsync = on` in its configuration"
    )]
    NotDurable,
    /// The store was not written by this version.
    #[error(
        "`{path}` has store format `{found}`, which is not known here; expected `{expected}`; {}", who_wrote(*found, *expected)
    )]
    Format {
        /// The store's file or database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The one known here.
        expected: i64,
    },
    /// There is no ledger to read.
    #[error("there is no ledger at `{path}`")]
    Absent {
        /// The store's file or database.
        path: PathBuf,
    },
    /// There is no such log.
    #[error("there is no log `{log}` here, or nothing of it is signed yet")]
    NoLog {
        /// The log.
        log: LogId,
    },
    /// Evidence that cannot be read.
    #[error("`{path}`: {why}")]
    Evidence {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A checkpoint that is shown is not one of the log's.
    #[error("the checkpoint that is shown is not to be trusted: {0}")]
    Untrusted(NoteError),
    /// What should be published is not there, or not what is signed.
    #[error("`{what}` is missing or damaged: expected a log as of c2sp.org/tlog-tiles")]
    Unpublished {
        /// What was looked for.
        what: String,
    },
    /// What is published cannot be fetched.
    #[error("`{what}` cannot be fetched: {why}")]
    Fetch {
        /// Its URL.
        what: String,
        /// Why.
        why: Arc<str>,
    },
    /// What is stored contradicts itself; nothing more is appended to that log.
    #[error("log `{log}` is damaged: {why}; run `tidegate ledger verify`")]
    Damaged {
        /// The log.
        log: LogId,
        /// What contradicts what.
        why: String,
    },
    /// A bundle of records cannot be unpacked.
    #[error(
        "log `{log}` is damaged: the bundle {number} of its records cannot be unpacked; run `tidegate ledger verify`"
    )]
    Bundle {
        /// The log.
        log: LogId,
        /// The bundle's number: its first record is 256 times that.
        number: u64,
    },
    /// A body does not match the digest it is kept under, or is missing.
    #[error("the body `{digest}` {why}")]
    Body {
        /// The digest asked for.
        digest: crate::ids::Digest,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A private part could not be sealed; nothing was written.
    #[error("a private part could not be sealed")]
    Sealing,
    /// What is private in it was sealed with a key that was erased since; nothing was written.
    #[error("the key of {0} was erased while the entry waited; nothing was recorded; try again")]
    Stale(Period),
    /// Something could not be compressed; nothing was written.
    #[error("records could not be compressed: {0}")]
    Pack(Arc<std::io::Error>),
    /// The keys of that month must stay: it is not over.
    #[error("the month {0} is not over: only what is private in months before it can be erased")]
    NotOver(Period),
    /// Nothing private is kept of any month before that one.
    #[error("log `{log}` keeps nothing private of any month before {before}")]
    NothingKept {
        /// The log.
        log: LogId,
        /// The month.
        before: Period,
    },
    /// The signing keys are not usable.
    #[error("ledger key `{path}`: {why}")]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// All keys are being changed, and that is not done.
    #[error(
        "the ledger's keys are being changed; wait for it, or finish it with `tidegate ledger rotate-key` where `keys/ledger.seed.next` is"
    )]
    Changing,
    /// A note or its key was not accepted.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A thread that worked on the ledger's records ended before its work was done.
    #[error("a thread ended before its work was done: {why}")]
    Ended {
        /// What is known of it.
        why: Arc<str>,
    },
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

/// Who made tables of another format, and what to do.
fn who_wrote(found: i64, expected: i64) -> &'static str {
    match found > expected {
        true => "a newer version of the program wrote it: use that version, or put back a backup from before",
        false => "an earlier version wrote it, which reads and verifies it",
    }
}

impl LedgerError {
    /// Whether it is the store that cannot take entries, rather than something about one entry or one log. That another process
    /// takes them is no outage.
    pub(super) fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::Store { .. }
                | Self::Io { .. }
                | Self::Absent { .. }
                | Self::Format { .. }
                | Self::NotDurable
        )
    }

    /// Whether it is a database that was not reached or refused to be asked: that says nothing about what is stored.
    pub fn is_unreached(&self) -> bool {
        match self {
            Self::Store { source, .. } => {
                let file = source
                    .as_database_error()
                    .is_some_and(|error| error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some());
                !file && damage(source).is_none()
            }
            Self::NotDurable => true,
            _ => false,
        }
    }

    pub(super) fn store(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| match Displaced::by(&source) {
            Some(holder) => Self::Standby { holder },
            None => {
                let source = Arc::new(source);
                Self::Store { doing, source }
            }
        }
    }

    /// A thread that ended early, for what is known of it.
    pub(super) fn ended(why: impl ToString) -> Self {
        let why = why.to_string().into();
        Self::Ended { why }
    }

    /// A failed reading of one log: what the store calls damaged is damage to that log, all else is the store's.
    pub(super) fn reading(log: LogId, doing: &'static str, error: sqlx::Error) -> Self {
        match damage(&error) {
            Some(Damage::Content) => Self::Damaged {
                log,
                why: format!("cannot {doing}: {error}"),
            },
            _ => Self::store(doing)(error),
        }
    }

    pub(super) fn pack(error: std::io::Error) -> Self {
        Self::Pack(Arc::new(error))
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

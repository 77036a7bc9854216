//! Segments: the ledger by the hour, in columns, for replay and for whoever asks a question of many records.
//!
//! ```text
//! segments/2026-11-26/13.parquet      every record of all logs written from 13:00 to 14:00 UTC, sorted by log and number
//! segments/2026-11-26/13.json         its manifest: the file's SHA-256, and which records of which logs it has
//! segments/2026-11-26/13-1.parquet    a further part, with records of that hour that were signed after the first was written
//! ```
//!
//! A segment is a copy made of what is signed, beside the tiles; the ledger's store stays whole without it. Each row has the
//! record's bytes and its number in its log, the leaf's index, so it is proved like any record: its leaf hash stands in the tile at
//! that place, and the tiles give the signed root ([`verify`]). The other columns are taken from the record and are there to be
//! searched by; nothing is decided by them, and `verify` holds each to the record beside it.
//!
//! What is private stands sealed under the keys of months, as in the store ([`super::private`]), up to 256 rows with consecutive
//! numbers together. The keys stay in the store alone: where one is erased, what segments hold of its month is gone as well, wherever
//! they were copied.
//!
//! A file is written under another name, made durable and renamed; its manifest comes last, in the same way. What has no manifest is
//! no segment: a crash leaves nothing half done, and the next run makes it again. No file is ever written a second time.

mod file;
mod keep;
mod manifest;
mod open;
mod row;
mod schema;
mod verify;
mod write;

use std::fmt;
use std::path::Path;

use jiff::Timestamp;

pub use self::keep::keep;
pub(super) use self::manifest::{Covered, intact};
pub use self::manifest::{Damaged, LogRanges, Manifest, Place, manifest, places};
pub(super) use self::open::{Stored, open, placed, rows};
pub(super) use self::row::{Privates, run};
pub use self::verify::{SegmentsReport, verify};
pub use self::write::{Written, write, write_from};

/// The directory of segments in a data directory.
pub const DIRECTORY: &str = "segments";

/// The most rows of a row group: what is read at once.
pub const ROWS: usize = 8_192;

/// The most bytes of records and private parts in a row group, before they are compressed.
pub const ROW_GROUP_BYTES: usize = 16 * 1024 * 1024;

/// How many rows' private parts are sealed together at most.
const TOGETHER: usize = 256;

/// An hour, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    /// The hour of an instant.
    pub fn of(at: Timestamp) -> Self {
        Self(at.as_second().div_euclid(3600))
    }

    /// Its first instant.
    pub fn start(self) -> Timestamp {
        Timestamp::from_second(self.0.saturating_mul(3600)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The hour so many hours later.
    fn after(self, hours: i64) -> Self {
        Self(self.0.saturating_add(hours))
    }
}

impl fmt::Display for Hour {
    /// As `2026-11-26/13`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.start().strftime("%Y-%m-%d/%H"))
    }
}

/// Where what is private in consecutive rows of a log is sealed for.
fn private_place(log: super::LogId, first: u64, period: super::period::Period) -> Vec<u8> {
    format!("segment {log} {first} {period}").into_bytes()
}

/// Makes what was written to a directory durable.
fn sync_dir(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

//! Replay on another engine, which reads the rows of segments by its own means, on however many machines.
//!
//! ```text
//! Driver::open     surveys as any replay does, and says which segments the engine may read      here
//! told             a row is held to the hash that is signed for its record                      wherever the row is read
//! opened           what was sealed in a row, for it and those after it                          wherever the row is read
//! held             what is private in a record is held to its commitment; the question's key    wherever both meet
//! decided          a question, met once by its key, is decided again                            wherever its rows meet
//! Tally            the decisions are compared and counted; tallies add up                       wherever, then here
//! Driver::adds_up  each record of the segments that were asked about was counted, and once              here
//! Driver::finish   what is in no segment, explanations, and the report                          here
//! ```
//!
//! Nothing here knows that engine. Its functions take and give texts, numbers and bytes, and rest on the code that replay in one process
//! rests on, so that the report is the same, byte for byte.
//!
//! What an engine does is not believed either. Each row it read has the first bytes of its leaf hash added up in the [`Tally`], and
//! [`Driver::adds_up`] holds the sum to that of the hashes that are signed: a row that was lost, or counted twice by a task that was run
//! again, shows. And a row that is not as it should be is judged by nobody there ([`Note::Irregular`]): the driver takes its segment back
//! and does it itself, so that what is damaged is told in the words of replay in one process. So it is with a question that is not
//! answered for something that the copy of the ledger there lacks; and where the keys of months are others there, nothing is judged at
//! all. What then is left are answers that follow from contents held to their digests, by the very program that asks. These are believed:
//! whoever evaluates could give wrong ones. Of each cause why a decision is not made again, and of those that are explained, the
//! driver makes one again itself.

mod driver;
mod evaluator;
mod tally;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::driver::Driver;
pub use self::evaluator::{Evaluator, Held};
pub use self::tally::Tally;
use super::Selection;
use crate::ids::Digest;
use crate::ledger::LedgerError;
use crate::ledger::pack::unpack;
use crate::ledger::period::Period;
use crate::ledger::record::{Engine, LogId};

/// The version of tasks and tallies written here.
const VERSION: u8 = 1;

/// What is asked of those who evaluate: which decisions, under what, of which ledger in which state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The bundle that decides in place of the recorded ones, whole.
    against: Option<Archived>,
    /// What must run there.
    engine: Engine,
    /// The logs that are whole.
    logs: BTreeMap<LogId, Signed>,
    /// The SHA-256 of the program that asks.
    program: Digest,
    select: Selection,
    v: u8,
}

/// What a log has where it is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    /// What names its signed records.
    digest: Digest,
    /// The months that have a key or had one, and why it does not open, of one that does not.
    months: BTreeMap<Period, Option<String>>,
    /// How many signed records it has.
    size: u64,
}

/// A bundle on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Archived {
    /// The digest of its manifest.
    digest: Digest,
    /// The manifest and the files, each as base64.
    files: Vec<String>,
}

impl Task {
    /// As bytes, to be sent.
    ///
    /// # Errors
    ///
    /// It cannot be written down.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NotApart> {
        packed(self)
    }

    /// Out of such bytes.
    ///
    /// # Errors
    ///
    /// They are none of a task of this version.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, NotApart> {
        unpacked(bytes)
    }
}

/// How hard it is tried to make what is sent smaller.
const LEVEL: i32 = 1;

/// The greatest size of what is sent before it was compressed: a tally of [`LISTED`](super::LISTED) decisions, each told twice.
const MAX_BYTES: usize = 1024 * 1024 * 1024;

fn packed(value: &impl Serialize) -> Result<Vec<u8>, NotApart> {
    let text = serde_json::to_vec(value).map_err(NotApart::wrong)?;
    zstd::bulk::compress(&text, LEVEL).map_err(NotApart::wrong)
}

fn unpacked<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, NotApart> {
    let text = unpack(bytes, MAX_BYTES).map_err(NotApart::wrong)?;
    serde_json::from_slice(&text).map_err(NotApart::wrong)
}

/// What is known of a row, as a short text that goes along with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A decision that is asked for.
    Decision,
    /// A decision that is asked for and whose question cannot be put together, and why.
    Withheld(String),
    /// No decision, within the times that are asked for.
    Other,
    /// Not asked for; the first bytes of its leaf hash.
    Left(u64),
    /// A record that is not as it should be: whoever asked looks at it.
    Irregular(LogId, u64),
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decision => formatter.write_str("decision"),
            Self::Withheld(why) => write!(formatter, "withheld {why}"),
            Self::Other => formatter.write_str("other"),
            Self::Left(mark) => write!(formatter, "left {mark}"),
            Self::Irregular(log, seq) => write!(formatter, "irregular {log} {seq}"),
        }
    }
}

impl FromStr for Note {
    type Err = NotApart;

    fn from_str(text: &str) -> Result<Self, NotApart> {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        let read = || match kind {
            "decision" => Some(Self::Decision),
            "withheld" => Some(Self::Withheld(rest.to_owned())),
            "other" => Some(Self::Other),
            "left" => rest.parse().ok().map(Self::Left),
            "irregular" => {
                let (log, seq) = rest.split_once(' ')?;
                Some(Self::Irregular(log.parse().ok()?, seq.parse().ok()?))
            }
            _ => None,
        };
        read().ok_or_else(|| NotApart::wrong(format!("`{}` is no note of a row", text.escape_debug())))
    }
}

/// Why replay on another engine does not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum NotApart {
    /// The ledger's.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The copy of the ledger there is not that of the driver.
    #[error(
        "the copy of the ledger here is not that of whoever asks: log `{log}`: {why}; copy the data directory anew"
    )]
    OtherCopy {
        /// The log.
        log: LogId,
        /// How it differs.
        why: String,
    },
    /// What came back is not what was sent out.
    #[error(
        "of {expected} records that were given out, {found} came back, or others: nothing is reported; check that every machine has the same segments"
    )]
    Incomplete {
        /// How many were given out.
        expected: u64,
        /// How many came back.
        found: u64,
    },
    /// The engine gave what cannot be.
    #[error("{0}")]
    Wrong(String),
}

impl NotApart {
    fn wrong(why: impl ToString) -> Self {
        Self::Wrong(why.to_string())
    }
}

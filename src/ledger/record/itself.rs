//! What the ledger tells of itself: what was erased, what is missing, what could not be recorded, which key signs, and what another
//! bundle would have decided.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{LogId, RecordTime};
use crate::ids::{Digest, RecordId};
use crate::ledger::period::Period;

/// The most ids one [`Gap`] names.
pub const MAX_GAP_IDS: usize = 256;

/// The most ids one [`Shadowed`] names.
pub const MAX_SHADOW_IDS: usize = 100;

/// The keys of months were erased: what was private in their records is gone. Written in the transaction that erases them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Erased {
    /// Who had it done: the Cedar principal's entity id, or `operator`.
    pub by: String,
    /// The record of the decision that permitted it, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<RecordId>,
    /// The months.
    pub periods: BTreeSet<Period>,
}

/// Answers left ahead of their records, and those are missing: the process ended before they were durable. Written by the next
/// writer, before anything else of that log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gap {
    /// Whether just so many are missing; where not, the machine ended too, and so many are at most.
    pub exact: bool,
    /// How many.
    pub missing: u64,
    /// The ids the answers left with, the first [`MAX_GAP_IDS`] of those that are known.
    pub records: BTreeSet<RecordId>,
}

/// A log is signed with another key. In that log this record's number is how many records the key before could sign; the platform's
/// log tells of all others' too, as of their [opening](super::Opened). Written in the transaction that changes the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyChanged {
    /// Who had it done: the Cedar principal's entity id, or `operator`.
    pub by: String,
    /// The [change](crate::ledger::succession) as a note that both keys signed.
    pub change: String,
    /// The record of the decision that permitted it, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<RecordId>,
    /// The log.
    pub log: LogId,
}

/// Entries could not be recorded, so what they told of was refused: no answer left, no change was made. Written with the next entry
/// that could be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refused {
    /// How many.
    pub entries: u64,
    /// When the first was refused.
    pub first: RecordTime,
    /// When the last was.
    pub last: RecordTime,
}

/// A candidate bundle was asked along: what it would have decided. Written each hour while it is, and as the service stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shadowed {
    /// How many questions it was asked.
    pub asked: u64,
    /// The candidate.
    pub bundle: Digest,
    /// How many it would have decided otherwise, by the class of the change.
    pub changed: BTreeMap<String, u64>,
    /// How many it was not asked, for there was no room.
    pub left_out: u64,
    /// The records of the first [`MAX_SHADOW_IDS`] that it would have decided otherwise.
    pub records: BTreeSet<RecordId>,
    /// Since when.
    pub since: RecordTime,
}

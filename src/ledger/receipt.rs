//! What whoever had something recorded holds of it.

use serde::Serialize;

use super::record::{LogId, RecordTime};
use crate::ids::{Digest, RecordId};

/// Where an entry was recorded. Holding one means the record is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Appended {
    /// The log.
    pub log: LogId,
    /// The record's number in it.
    pub seq: u64,
    /// The record's id.
    pub id: RecordId,
    /// The record's leaf hash.
    pub hash: Digest,
    /// The record's time.
    pub time: RecordTime,
}

/// What lets an answer leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Its record is durable.
    Durable(Appended),
    /// Its record is on the way, within the tenant's [bound](crate::registry::Bound): where it will stand is not known yet.
    Ahead {
        /// The log.
        log: LogId,
        /// The record's id.
        id: RecordId,
    },
}

impl Receipt {
    /// The log.
    pub fn log(&self) -> LogId {
        match self {
            Self::Durable(appended) => appended.log,
            Self::Ahead { log, .. } => *log,
        }
    }

    /// The record's id.
    pub fn id(&self) -> RecordId {
        match self {
            Self::Durable(appended) => appended.id,
            Self::Ahead { id, .. } => *id,
        }
    }

    /// The record's number in its log, where it is known.
    pub fn seq(&self) -> Option<u64> {
        match self {
            Self::Durable(appended) => Some(appended.seq),
            Self::Ahead { .. } => None,
        }
    }
}

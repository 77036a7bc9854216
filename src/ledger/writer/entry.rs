//! An entry on its way to the store.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::super::error::LedgerError;
use super::super::period::PeriodKey;
use super::super::record::{Event, LogId};
use crate::ids::Digest;

/// An entry on its way to the store.
#[derive(Clone)]
pub(in super::super) struct Append {
    pub(in super::super) log: LogId,
    pub(in super::super) event: Box<RawValue>,
    pub(in super::super) private: Option<Private>,
    pub(in super::super) bodies: Vec<(Digest, Arc<[u8]>)>,
    /// With it, the log is marked: so many answers may be ahead of their records from here on.
    pub(in super::super) mark: Option<u32>,
}

impl Append {
    /// What the ledger tells of itself: an event that names nothing, with nothing private in it.
    pub(super) fn event(log: LogId, event: &Event) -> Result<Self, LedgerError> {
        Ok(Self {
            log,
            event: event.to_canonical()?,
            private: None,
            bodies: Vec::new(),
            mark: None,
        })
    }
}

/// What is private in an entry.
#[derive(Clone)]
pub(in super::super) struct Private {
    pub(in super::super) key: Arc<PeriodKey>,
    /// Sealed already.
    pub(in super::super) asked: Vec<u8>,
    /// The slice and what commits to it: sealed only where none such is stored.
    pub(in super::super) slice: (Digest, Arc<[u8]>),
}

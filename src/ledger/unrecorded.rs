//! Answers without records, so that a bench can say what records cost: `benches/load/append`.
//!
//! It takes the feature `unrecorded`, which no build that serves has, and the variable `TIDEGATE_UNRECORDED` besides. What is left out is
//! all that [`Ledger::record`](super::Ledger::record) does for a decision; everything else is recorded as ever.

use std::sync::LazyLock;

use jiff::Timestamp;

use super::record::{self, RecordTime};
use super::{Entry, LedgerError, Receipt};

static ASKED_FOR: LazyLock<bool> = LazyLock::new(|| {
    let asked_for = std::env::var_os("TIDEGATE_UNRECORDED").is_some();
    if asked_for {
        tracing::error!("DECISIONS ARE NOT RECORDED: this program was built to measure what records cost");
    }
    asked_for
});

/// Whether decisions are not to be recorded.
pub(super) fn is_asked_for() -> bool {
    *ASKED_FOR
}

/// What lets an answer leave that no record tells of.
pub(super) fn receipt(entry: &Entry, now: Timestamp) -> Result<Receipt, LedgerError> {
    let id = record::new_id(RecordTime::new(now)).ok_or(LedgerError::Sealing)?;
    let log = entry.log;
    Ok(Receipt::Ahead { log, id })
}

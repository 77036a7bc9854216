//! What is private in the rows of a row group, opened as they come.

use std::collections::HashMap;

use bytes::Bytes;

use super::{TOGETHER, private_place};
use crate::ledger::period::{DoesNotOpen, Period, PeriodKey};
use crate::ledger::private;
use crate::ledger::read::{Key, Withheld};
use crate::ledger::record::{LogId, Private};

/// What was sealed in the row of a record of that month, for it and those after it: each with its number, and held to no commitment
/// yet. Segments of an earlier version may have rows between whose numbers are not consecutive; what is told here of a number is then
/// another record's, and its commitment shows it.
///
/// # Errors
///
/// It does not open.
pub(in crate::ledger) fn run(
    (log, first): (LogId, u64),
    key: &PeriodKey,
    sealed: &[u8],
) -> Result<Vec<(u64, Bytes)>, DoesNotOpen> {
    let parts = private::open_parts(key, &private_place(log, first, key.period()), sealed)?.into_iter();
    Ok(parts
        .map(|(within, content)| (first.saturating_add(u64::from(within)), content))
        .collect())
}

/// Opens what is private in rows, in their order: it stands in the first of a run of rows of one log and month, for all of them.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Privates(Option<Run>);

#[derive(Debug)]
struct Run {
    log: LogId,
    period: Period,
    /// The row it begins with.
    row: usize,
    parts: Result<HashMap<u8, Bytes>, Withheld>,
}

impl Privates {
    /// What the record in `row`, a decision, commits to. `sealed` is what stands in that row; `key` is that of its month.
    ///
    /// # Errors
    ///
    /// Why it is not to be had.
    pub(in crate::ledger) fn next(
        &mut self,
        row: usize,
        (log, seq): (LogId, u64),
        private: &Private,
        sealed: Option<&[u8]>,
        key: &Key,
    ) -> Result<Bytes, Withheld> {
        let period = private.period;
        let opened = key.as_ref().map_err(Clone::clone)?;
        if let Some(sealed) = sealed {
            let place = private_place(log, seq, period);
            let parts = private::open_parts(opened, &place, sealed).map_err(|_| Withheld::Changed);
            let parts = parts.map(|parts| parts.into_iter().collect());
            self.0 = Some(Run {
                log,
                period,
                row,
                parts,
            });
        }
        let run = self.0.as_mut().filter(|run| run.log == log && run.period == period);
        let run = run.filter(|run| row - run.row < TOGETHER).ok_or(Withheld::Missing)?;
        let within = u8::try_from(row - run.row).map_err(|_| Withheld::Missing)?;
        let parts = run.parts.as_mut().map_err(|why| why.clone())?;
        let content = parts.remove(&within).ok_or(Withheld::Missing)?;
        private::held(opened, &private.asked, content).map_err(|_| Withheld::Changed)
    }
}

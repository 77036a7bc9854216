//! The records of a log in their order.

use std::collections::VecDeque;

use super::{Reader, Row, Withheld};
use crate::ids::Digest;
use crate::ledger::error::LedgerError;
use crate::ledger::record::{Event, LogId, Record};
use crate::ledger::tile::WIDTH;
use crate::ledger::tree::leaf_hash;

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// Its leaf hash.
    pub hash: Digest,
    /// What a decision's [`asked`](crate::ledger::record::Private::asked) commits to, as bytes of [`Asked`](crate::ledger::private::Asked); `None` for any other event.
    pub asked: Option<Result<Vec<u8>, Withheld>>,
}

/// A place in a log, moving forward.
#[derive(Debug)]
pub struct Cursor {
    log: LogId,
    next: u64,
    page: VecDeque<Stored>,
}

impl Cursor {
    /// At record `from` of `log`.
    pub fn new(log: LogId, from: u64) -> Self {
        let page = VecDeque::new();
        Self { log, next: from, page }
    }

    /// The next record; `None` at the log's end.
    ///
    /// # Errors
    ///
    /// A row that is not the record it should be: replay is of sound logs, and `verify` says more.
    pub async fn next(&mut self, reader: &mut Reader) -> Result<Option<Stored>, LedgerError> {
        if self.page.is_empty() {
            let rows = reader.group(self.log, self.next / WIDTH).await?;
            for row in rows.into_iter().filter(|row| row.seq >= self.next.cast_signed()) {
                // By number, for rows below may be missing.
                let expected = self.next + self.page.len() as u64;
                let stored = self.believe(reader, expected, row).await?;
                self.page.push_back(stored);
            }
            self.next += self.page.len() as u64;
            if self.page.is_empty() {
                self.ends(reader).await?;
            }
        }
        Ok(self.page.pop_front())
    }

    /// Holds that nothing is signed beyond what was read.
    async fn ends(&self, reader: &mut Reader) -> Result<(), LedgerError> {
        let signed = reader.log(self.log).await?.size.unwrap_or(0).cast_unsigned();
        match signed > self.next {
            true => {
                let why = format!("record {} is missing", self.next);
                Err(LedgerError::Damaged { log: self.log, why })
            }
            false => Ok(()),
        }
    }

    async fn believe(&self, reader: &mut Reader, expected: u64, row: Row) -> Result<Stored, LedgerError> {
        let damaged = |why: String| LedgerError::Damaged { log: self.log, why };
        if u64::try_from(row.seq) != Ok(expected) {
            return Err(damaged(format!("record {expected} is missing")));
        }
        let hash = leaf_hash(&row.bytes);
        if row.hash != Some(hash) {
            return Err(damaged(format!("record {expected} was changed")));
        }
        let record = Record::parse(&row.bytes).map_err(|error| damaged(format!("record {expected}: {error}")))?;
        let asked = match &record.event {
            Event::Decision(decided) => {
                let asked = reader.asked(self.log, &decided.private, row.sealed).await?;
                Some(asked.map(Vec::from))
            }
            _ => None,
        };
        Ok(Stored { record, hash, asked })
    }
}

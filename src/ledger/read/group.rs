//! The records of one group of 256: fetched from the store as they lie, and unpacked apart from it, on whatever thread.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::{MAX_BUNDLE, Parts, Reader, Row, Sealed, Withheld};
use crate::ids::Digest;
use crate::ledger::error::LedgerError;
use crate::ledger::pack::unpack;
use crate::ledger::period::{Period, PeriodKey};
use crate::ledger::private;
use crate::ledger::record::{LogId, Private};
use crate::ledger::store::{RawBundle, RawPrivate};
use crate::ledger::tile::{self, WIDTH};

/// A month's key, or why it is not to be had.
pub(in crate::ledger) type Key = Result<Arc<PeriodKey>, Withheld>;

/// A group as it lies in the store.
pub(in crate::ledger) struct Group {
    pub(in crate::ledger) log: LogId,
    pub(in crate::ledger) number: u64,
    packed: Packed,
}

enum Packed {
    /// Compressed, the hashes stored for the records, and what is private in them, sealed together by period.
    Bundle(Vec<u8>, Vec<Digest>, Vec<(Period, Key, Vec<u8>)>),
    /// One by one.
    Rows(Vec<Row>),
}

impl Group {
    /// How many bytes it is, as it lies there.
    pub(in crate::ledger) fn bytes(&self) -> usize {
        match &self.packed {
            Packed::Bundle(entries, _, parts) => {
                entries.len() + parts.iter().map(|(_, _, part)| part.len()).sum::<usize>()
            }
            Packed::Rows(rows) => rows.iter().map(|row| row.bytes.len()).sum(),
        }
    }

    /// Whether it has no record.
    pub(in crate::ledger) fn is_empty(&self) -> bool {
        matches!(&self.packed, Packed::Rows(rows) if rows.is_empty())
    }

    /// The keys that were found beside it.
    pub(in crate::ledger) fn keys(&self) -> Vec<(Period, Key)> {
        match &self.packed {
            Packed::Bundle(_, _, sealed) => sealed.iter().map(|(period, key, _)| (*period, key.clone())).collect(),
            Packed::Rows(_) => Vec::new(),
        }
    }

    /// Its records.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Bundle`] where they cannot be unpacked.
    pub(in crate::ledger) fn rows(self) -> Result<Vec<Row>, LedgerError> {
        let (log, number) = (self.log, self.number);
        let (packed, hashes, sealed) = match self.packed {
            Packed::Rows(rows) => return Ok(rows),
            Packed::Bundle(packed, hashes, sealed) => (packed, hashes, sealed),
        };
        let damaged = || LedgerError::Bundle { log, number };
        let bytes = Bytes::from(unpack(&packed, MAX_BUNDLE).map_err(|_| damaged())?);
        let records = tile::records(&bytes).filter(|records| records.len() as u64 <= WIDTH);
        let records = records.ok_or_else(damaged)?;
        let parts = parts(log, number, sealed);
        let first = number.saturating_mul(WIDTH).cast_signed();
        let rows = (first..).zip(records).zip(parts).enumerate();
        let rows = rows.map(|(within, ((seq, record), parts))| Row {
            seq,
            hash: hashes.get(within).copied(),
            bytes: bytes.slice_ref(record),
            mac: None,
            sealed: Sealed::Together(parts),
        });
        Ok(rows.collect())
    }
}

/// The private parts of a bundle, for each of its records.
fn parts(log: LogId, number: u64, sealed: Vec<(Period, Key, Vec<u8>)>) -> Vec<Parts> {
    let mut parts: Vec<Parts> = vec![Parts::default(); 256];
    for (period, key, content) in sealed {
        let opened =
            key.and_then(|key| private::open_group(&key, log, number, &content).map_err(|_| Withheld::Changed));
        match opened {
            Ok(opened) => {
                for (within, part) in opened {
                    if let Some(parts) = parts.get_mut(usize::from(within)) {
                        parts.push((period, Ok(part)));
                    }
                }
            }
            // Which records it was of is told by these themselves.
            Err(why) => parts
                .iter_mut()
                .for_each(|parts| parts.push((period, Err(why.clone())))),
        }
    }
    parts
}

/// What a decision's record commits to, out of what was found beside it.
pub(in crate::ledger) fn opened(key: &Key, private: &Private, sealed: Sealed) -> Result<Bytes, Withheld> {
    let key = key.as_ref().map_err(Clone::clone)?;
    match sealed {
        Sealed::Alone(None) => Err(Withheld::Missing),
        Sealed::Alone(Some((period, _))) if period != private.period.to_string() => Err(Withheld::Changed),
        Sealed::Alone(Some((_, sealed))) => {
            let opened = private::open(key, &private.asked, &sealed);
            opened.map(Bytes::from).map_err(|_| Withheld::Changed)
        }
        Sealed::Together(parts) => match parts.of(private.period) {
            None => Err(Withheld::Missing),
            Some(Err(why)) => Err(why),
            Some(Ok(content)) => private::held(key, &private.asked, content).map_err(|_| Withheld::Changed),
        },
    }
}

/// How many bytes are read along with what is asked for, about, and how many bundles at most.
const AHEAD: (usize, i64) = (1024 * 1024, 16);

/// Bundles that were read along with one that was asked for, for whoever reads a log in its order.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Of which log, and whether with what is private.
    of: Option<(LogId, bool)>,
    /// The number after the one that was asked for last.
    next: i64,
    /// How great that was.
    bytes: usize,
    bundles: VecDeque<Bundle>,
}

/// A bundle and what is private in it.
#[derive(Debug)]
struct Bundle {
    number: i64,
    entries: Vec<u8>,
    hashes: Option<Vec<u8>>,
    privates: Vec<(String, Vec<u8>)>,
}

impl Bundle {
    fn bytes(&self) -> usize {
        let privates = self.privates.iter().map(|(_, content)| content.len());
        self.entries.len() + privates.sum::<usize>()
    }
}

impl Ahead {
    /// How many bundles to read, if they are as great as the last one.
    fn count(&self) -> i64 {
        let (bytes, most) = AHEAD;
        let count = bytes.checked_div(self.bytes).unwrap_or(1);
        i64::try_from(count).unwrap_or(most).clamp(1, most)
    }
}

impl Reader {
    /// As [`group`](Self::group), without what is private.
    pub(super) async fn plain(&mut self, log: LogId, number: u64) -> Result<Vec<Row>, LedgerError> {
        self.packed(log, number, false).await?.rows()
    }

    /// The records of one group of 256: out of their bundle, or as many rows as there are.
    pub(in crate::ledger) async fn group(&mut self, log: LogId, number: u64) -> Result<Vec<Row>, LedgerError> {
        self.packed(log, number, true).await?.rows()
    }

    /// One group of 256 as it lies in the store, `with` what is private in it, where the ledger's secret is at hand.
    pub(in crate::ledger) async fn packed(
        &mut self,
        log: LogId,
        number: u64,
        with: bool,
    ) -> Result<Group, LedgerError> {
        let with = with && self.secret.is_some();
        let Some(bundle) = self.bundle(log, number, with).await? else {
            let packed = Packed::Rows(self.tail(log, number).await?);
            return Ok(Group { log, number, packed });
        };
        let hashes = match &bundle.hashes {
            Some(hashes) => tile::hashes(hashes).collect(),
            None => self.hashes(log, 0, number).await?,
        };
        let mut parts = Vec::new();
        for (period, content) in bundle.privates {
            let Ok(period) = period.parse() else { continue };
            parts.push((period, self.key(log, period).await?, content));
        }
        let packed = Packed::Bundle(bundle.entries, hashes, parts);
        Ok(Group { log, number, packed })
    }

    /// A bundle, out of those that were read along with one before it, or out of the store; then some after it are read along where
    /// the one before was asked for last.
    async fn bundle(&mut self, log: LogId, number: u64, with: bool) -> Result<Option<Bundle>, LedgerError> {
        let (at, of) = (number.cast_signed(), (log, with));
        let follows = self.ahead.of == Some(of) && self.ahead.next == at;
        let mut found = self.ahead.bundles.pop_front_if(|bundle| follows && bundle.number == at);
        if found.is_none() {
            let count = if follows { self.ahead.count() } else { 1 };
            self.ahead.bundles = match self.bundles(of, at..at.saturating_add(count)).await {
                Ok(bundles) => bundles,
                // Whichever of them is damaged, this one may not be. What was wrong first says more where nothing can be read any more.
                Err(error) if count > 1 => self.bundles(of, at..at.saturating_add(1)).await.map_err(|_| error)?,
                Err(error) => return Err(error),
            };
            found = self.ahead.bundles.pop_front_if(|bundle| bundle.number == at);
        }
        self.ahead.of = Some(of);
        self.ahead.next = at.saturating_add(1);
        self.ahead.bytes = found.as_ref().map_or(0, Bundle::bytes);
        Ok(found)
    }

    async fn bundles(
        &mut self,
        (log, with): (LogId, bool),
        numbers: Range<i64>,
    ) -> Result<VecDeque<Bundle>, LedgerError> {
        let bundles = self.store.bundles(log, numbers.clone()).await;
        let bundles: Vec<RawBundle> = bundles.map_err(LedgerError::store("read a bundle"))?;
        let mut privates: Vec<RawPrivate> = Vec::new();
        if with && !bundles.is_empty() {
            let found = self.store.privates(log, numbers).await;
            privates = found.map_err(LedgerError::store("read what is private"))?;
        }
        let mut privates = privates.into_iter().peekable();
        let bundles = bundles.into_iter().map(|(number, entries, hashes)| {
            let mut own = Vec::new();
            // Below may be some that are of no bundle.
            while let Some((of, period, content)) = privates.next_if(|(of, ..)| *of <= number) {
                if of == number {
                    own.push((period, content));
                }
            }
            Bundle {
                number,
                entries,
                hashes,
                privates: own,
            }
        });
        Ok(bundles.collect())
    }

    /// The rows of a group that is in no bundle yet.
    pub(super) async fn tail(&mut self, log: LogId, number: u64) -> Result<Vec<Row>, LedgerError> {
        let from = number.saturating_mul(WIDTH).cast_signed();
        let rows = self.store.rows(log, from, WIDTH.cast_signed()).await;
        let rows = rows.map_err(LedgerError::store("read a log"))?.into_iter();
        let rows = rows
            .take_while(|row| row.seq.saturating_sub(from) < WIDTH.cast_signed())
            .map(|row| Row {
                seq: row.seq,
                hash: <[u8; 32]>::try_from(row.hash).ok().map(Digest::from_bytes),
                bytes: row.record.into(),
                mac: Some(row.mac),
                sealed: Sealed::Alone(row.period.zip(row.private)),
            });
        Ok(rows.collect())
    }
}

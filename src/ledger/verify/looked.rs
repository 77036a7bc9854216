//! What a record tells by itself, without those before it: its hash, what stands in it, and whether what is private is what it commits
//! to. That is most of the work, so it is done for some groups at a time, on whatever thread; what is told of them is put together in
//! their order.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::super::error::LedgerError;
use super::super::period::Period;
use super::super::read::{Group, Key, Reader, Row, Sealed, Withheld, opened};
use super::super::record::{LogId, Mode, Named, Read, RecordError, RecordTime};
use super::super::tree::leaf_hash;
use crate::ids::{Digest, RecordId};

/// A record, looked at by itself.
pub(super) struct Looked {
    pub(super) seq: i64,
    /// The hash stored for it.
    pub(super) stored: Option<Digest>,
    /// The hash its bytes give.
    pub(super) computed: Digest,
    /// What vouches for it until it lies in a bundle.
    pub(super) mac: Option<Vec<u8>>,
    /// Whether it lies in a bundle.
    pub(super) bundled: bool,
    pub(super) contents: Result<Contents, RecordError>,
    pub(super) private: Opening,
}

/// What stands in a record.
pub(super) struct Contents {
    pub(super) log: LogId,
    pub(super) seq: u64,
    pub(super) id: RecordId,
    pub(super) time: RecordTime,
    /// When its answer could leave, where it is a decision's.
    pub(super) mode: Option<Mode>,
    pub(super) named: Named,
}

/// What is private in a record.
pub(super) enum Opening {
    /// It is what the record commits to, or why it is not to be had.
    Tried(Result<(), Withheld>),
    /// As it was found: the key of its month was not beside it.
    Left(Sealed),
}

impl Contents {
    fn of(read: Read<'_>) -> Self {
        Self {
            log: read.log(),
            seq: read.seq(),
            id: read.id(),
            time: read.time(),
            mode: read.mode(),
            named: Named::of(read),
        }
    }
}

impl Looked {
    /// Looks at a record, with the keys of months that were found beside it.
    pub(super) fn of(row: Row, keys: &[(Period, Key)]) -> Self {
        let Row {
            seq,
            hash,
            bytes,
            mac,
            sealed,
        } = row;
        let bundled = matches!(sealed, Sealed::Together(_));
        let contents = Read::of(&bytes).map(Contents::of);
        let private = match &contents {
            Ok(Contents {
                named: Named::Decision(_, private),
                ..
            }) => match keys
                .iter()
                .find(|(period, key)| *period == private.period && key.is_ok())
            {
                Some((_, key)) => Opening::Tried(opened(key, private, sealed).map(|_: Bytes| ())),
                None => Opening::Left(sealed),
            },
            _ => Opening::Left(sealed),
        };
        Self {
            seq,
            stored: hash,
            computed: leaf_hash(&bytes),
            mac,
            bundled,
            contents,
            private,
        }
    }

    fn all(group: Group) -> Came {
        let keys = group.keys();
        let rows = group.rows()?.into_iter();
        Ok(rows.map(|row| Self::of(row, &keys)).collect())
    }
}

/// What came of a group.
type Came = Result<Vec<Looked>, LedgerError>;

/// The next groups of a log, being looked at.
#[derive(Default)]
pub(super) struct Hands {
    under_way: VecDeque<(u64, JoinHandle<Came>)>,
}

impl Hands {
    /// The records of a group; some groups after it are begun with.
    pub(super) async fn group(&mut self, reader: &mut Reader, log: LogId, number: u64, private: bool) -> Came {
        if self.under_way.front().is_some_and(|(first, _)| *first != number) {
            self.under_way.clear();
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        while self.under_way.len() <= threads {
            let next = number + self.under_way.len() as u64;
            match reader.packed(log, next, private).await {
                // There may be none after it.
                Ok(group) if group.is_empty() && next > number => break,
                // Whatever is wrong with it is told in its turn.
                Err(_) if next > number => break,
                Err(error) => return Err(error),
                Ok(group) => {
                    let looked = tokio::task::spawn_blocking(move || Looked::all(group));
                    self.under_way.push_back((next, looked));
                }
            }
        }
        let Some((_, looked)) = self.under_way.pop_front() else {
            return Ok(Vec::new());
        };
        looked.await.map_err(|error| LedgerError::Ended {
            why: error.to_string().into(),
        })?
    }
}

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

/// How many groups one thread looks at before it is asked again, and how many bytes they have at most as they are stored: to hand over
/// work costs about as much as to look at some dozen records.
const PORTION: (usize, usize) = (4, 1024 * 1024);

/// The next groups of a log, being looked at.
pub(super) struct Hands {
    /// How many threads there are.
    threads: usize,
    /// The group that is asked for next, as things go.
    asked: u64,
    /// The group that is read next.
    next: u64,
    ready: VecDeque<Came>,
    under_way: VecDeque<JoinHandle<VecDeque<Came>>>,
}

impl Hands {
    /// None begun with.
    pub(super) fn new() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            asked: 0,
            next: 0,
            ready: VecDeque::new(),
            under_way: VecDeque::new(),
        }
    }

    /// The records of a group; some groups after it are begun with.
    pub(super) async fn group(&mut self, reader: &mut Reader, log: LogId, number: u64, private: bool) -> Came {
        if self.asked != number {
            (self.asked, self.next) = (number, number);
            self.ready.clear();
            self.under_way.clear();
        }
        if self.ready.is_empty() {
            self.begin(reader, log, private).await?;
            if let Some(looked) = self.under_way.pop_front() {
                self.ready = looked.await.map_err(LedgerError::ended)?;
            }
        }
        self.asked = number + 1;
        self.ready.pop_front().unwrap_or_else(|| {
            self.next = self.asked;
            Ok(Vec::new())
        })
    }

    /// Has as many portions looked at as there are threads, and one more.
    async fn begin(&mut self, reader: &mut Reader, log: LogId, private: bool) -> Result<(), LedgerError> {
        while self.under_way.len() <= self.threads {
            match self.portion(reader, log, private).await {
                Ok(groups) if groups.is_empty() => break,
                Ok(groups) => {
                    let all = move || groups.into_iter().map(Looked::all).collect();
                    self.under_way.push_back(tokio::task::spawn_blocking(all));
                }
                Err(error) if self.under_way.is_empty() => return Err(error),
                // Told when its turn has come.
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// The next groups, as they are stored; none at the end.
    async fn portion(&mut self, reader: &mut Reader, log: LogId, private: bool) -> Result<Vec<Group>, LedgerError> {
        let (most, room) = PORTION;
        let (mut groups, mut bytes) = (Vec::new(), 0);
        while groups.len() < most && bytes < room {
            match reader.packed(log, self.next, private).await {
                Ok(group) if group.is_empty() => break,
                Ok(group) => {
                    bytes += group.bytes();
                    groups.push(group);
                    self.next += 1;
                }
                Err(error) if groups.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(groups)
    }
}

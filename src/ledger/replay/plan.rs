//! Which decisions are made again, under what, and with how much.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Selection;
use crate::bundle::Bundle;

/// How much memory is taken unless told otherwise, in bytes.
const MEMORY: usize = 256 * 1024 * 1024;

/// The least that is of any use.
const LEAST: usize = 16 * 1024 * 1024;

/// What a slice costs as Cedar takes it, in bytes.
const TRANSLATED: usize = 24 * 1024;

/// Which decisions to make again, and under what.
#[derive(Debug, Default)]
pub struct Plan {
    /// Which.
    pub select: Selection,
    /// This bundle in place of the recorded ones.
    pub against: Option<Bundle>,
    /// Where segments are; else those in the ledger's directory.
    pub segments: Option<PathBuf>,
    /// How many threads do it; else one for each core.
    pub threads: Option<NonZeroUsize>,
    /// How much memory may be taken for records under way, for answers, and for what is kept to make more, in bytes; else 256 MiB. The
    /// program itself, its bundles and SQLite's cache come on top.
    pub memory: Option<usize>,
    /// Which share of the work to do.
    pub shard: Shard,
}

impl Plan {
    /// How many threads do it.
    pub(super) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().ok();
        self.threads.or_else(cores).map_or(1, NonZeroUsize::get)
    }

    pub(super) fn memory(&self) -> Memory {
        Memory::of(self.memory.unwrap_or(MEMORY))
    }
}

/// How much memory there is, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory(usize);

impl Memory {
    /// So many bytes, or the least that is of any use.
    pub(super) fn of(bytes: usize) -> Self {
        Self(bytes.max(LEAST))
    }

    /// For records under way.
    pub(super) fn flight(self) -> usize {
        self.0 / 4
    }

    /// For answers.
    pub(super) fn answers(self) -> usize {
        self.0 / 4
    }

    /// For entity slices.
    pub(super) fn slices(self) -> usize {
        self.0 / 8
    }

    /// For terms.
    pub(super) fn terms(self) -> usize {
        self.0 / 8
    }

    /// Bounds what a bundle keeps.
    pub(super) fn bound(self, bundle: &Bundle) {
        bundle.index.keep_slices(self.0 / 8 / TRANSLATED);
    }
}

/// A share of the work: one of so many parts, which together are all of it. Parts are told apart by the place of what is read, so
/// those who do them must see the same ledger and the same segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Which part, from 0.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}

impl Default for Shard {
    /// All of it.
    fn default() -> Self {
        Self { index: 0, of: 1 }
    }
}

impl Shard {
    pub(super) fn takes(self, unit: u64) -> bool {
        unit % self.of.max(1) == self.index
    }
}

/// Not a shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a share of the work; expected one like `0/4`, the first of four")]
pub struct NoShard(String);

impl FromStr for Shard {
    type Err = NoShard;

    fn from_str(text: &str) -> Result<Self, NoShard> {
        let read = || {
            let (index, of) = text.split_once('/')?;
            let (index, of): (u64, u64) = (index.parse().ok()?, of.parse().ok()?);
            (index < of).then_some(Self { index, of })
        };
        read().ok_or_else(|| NoShard(text.escape_debug().take(20).collect()))
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_the_work_are_all_of_it_and_no_two_overlap() {
        for text in ["", "1", "4/4", "5/4", "0/0", "-1/4", "a/b", "0/4/4"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        let shards: Vec<Shard> = (0..3).map(|index| format!("{index}/3").parse().unwrap()).collect();
        for unit in 0..20 {
            assert_eq!(shards.iter().filter(|shard| shard.takes(unit)).count(), 1);
        }
        assert!((0..20).all(|unit| Shard::default().takes(unit)));
    }
}

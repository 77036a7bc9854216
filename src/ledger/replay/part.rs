//! What a share of the work came to, and how shares are put together.
//!
//! ```text
//! tidegate replay --shard 0/2 --out a.json        tidegate replay --shard 1/2 --out b.json
//!                          \                     /
//!                 tidegate replay --merge a.json b.json     what one process would have printed, byte for byte
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::differing::Differing;
use super::distinct::Distinct;
use super::{Replay, Replayed, Shard, Summary};
use crate::ids::Digest;
use crate::ledger::record::LogId;

/// The version of the files written here.
const VERSION: u8 = 2;

/// What a share of the work came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Which share.
    shards: BTreeSet<u64>,
    /// Of how many.
    of: u64,
    /// What names the work: which decisions, under what, of which ledger in which state. The same for all.
    work: Digest,
    /// What was verified before: the same for all.
    surveyed: Summary,
    /// What was made again.
    summary: Summary,
    differing: Vec<Replayed>,
    /// Those of them that changed first.
    explained: BTreeSet<(LogId, u64)>,
    distinct: Distinct,
    v: u8,
}

/// What cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum NotAPart {
    /// It cannot be read.
    #[error("`{path}`: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// They are of different work.
    #[error("the parts are not of one work: {0}")]
    Other(&'static str),
    /// Some are not there.
    #[error("of {of} parts, {missing} are not there; the first is {first}/{of}")]
    Missing {
        /// Of how many.
        of: u64,
        /// How many.
        missing: u64,
        /// The first of them.
        first: u64,
    },
}

impl Part {
    pub(super) fn new(
        shard: Shard,
        work: Digest,
        surveyed: Summary,
        summary: Summary,
        differing: Differing,
        distinct: Distinct,
    ) -> Self {
        let (differing, explained) = differing.into_parts();
        Self {
            shards: [shard.index].into(),
            of: shard.of,
            work,
            surveyed,
            summary,
            differing,
            explained,
            distinct,
            v: VERSION,
        }
    }

    /// Takes another's along.
    ///
    /// # Errors
    ///
    /// It is of other work: another number of parts, another ledger, or another state of it; or it was taken before.
    pub fn merge(&mut self, other: Self) -> Result<(), NotAPart> {
        if self.of != other.of {
            return Err(NotAPart::Other("they are of different numbers of parts"));
        }
        if self.work != other.work || self.surveyed != other.surveyed {
            return Err(NotAPart::Other(
                "they were asked for other decisions, or under other policies, or saw other ledgers, segments or states of one",
            ));
        }
        if !self.shards.is_disjoint(&other.shards) {
            return Err(NotAPart::Other("one of them is there twice"));
        }
        self.shards.extend(other.shards);
        self.summary.merge(other.summary);
        self.distinct.merge(other.distinct);
        let mut differing = Differing::of(std::mem::take(&mut self.differing), std::mem::take(&mut self.explained));
        differing.merge(Differing::of(other.differing, other.explained));
        (self.differing, self.explained) = differing.into_parts();
        Ok(())
    }

    /// Takes along what another engine came to of the same share.
    pub(super) fn add(&mut self, summary: Summary, differing: Differing, distinct: Distinct) {
        self.summary.merge(summary);
        self.distinct.merge(distinct);
        let mut all = Differing::of(std::mem::take(&mut self.differing), std::mem::take(&mut self.explained));
        all.merge(differing);
        (self.differing, self.explained) = all.into_parts();
    }

    /// Those that are to be explained and are not.
    pub(super) fn unexplained(&self) -> BTreeSet<(LogId, u64)> {
        let places = self.differing.iter().filter(|replayed| replayed.why.is_empty());
        let places = places.map(|replayed| (replayed.log, replayed.seq));
        places.filter(|at| self.explained.contains(at)).collect()
    }

    /// Explains some.
    pub(super) fn explain(&mut self, mut explained: BTreeMap<(LogId, u64), Vec<String>>) {
        for replayed in &mut self.differing {
            if let Some(why) = explained.remove(&(replayed.log, replayed.seq)) {
                replayed.why = why;
            }
        }
    }

    /// Holds that no part is missing.
    ///
    /// # Errors
    ///
    /// Which is.
    pub fn complete(&self) -> Result<(), NotAPart> {
        let missing = self.of.saturating_sub(self.shards.len() as u64);
        match (0..self.of).find(|shard| !self.shards.contains(shard)) {
            Some(first) => Err(NotAPart::Missing {
                of: self.of,
                missing,
                first,
            }),
            None => Ok(()),
        }
    }

    /// What it came to.
    pub fn whole(self) -> Replay {
        let mut summary = self.surveyed;
        summary.merge(self.summary);
        (summary.distinct, summary.distinct_exact) = self.distinct.count();
        let differing = Differing::of(self.differing, self.explained).list();
        Replay { summary, differing }
    }

    /// Writes it to a file, whole or not at all.
    ///
    /// # Errors
    ///
    /// The file system's.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        // The same share may be done twice at once, where it was thought to be lost: each writes a file of its own.
        let mut own = [0; 8];
        aws_lc_rs::rand::fill(&mut own).map_err(std::io::Error::other)?;
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}.new", hex::encode(own)));
        let mut file = fs::File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    }

    /// Reads one from a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self, NotAPart> {
        let failed = |why: String| NotAPart::Unreadable {
            path: path.display().to_string(),
            why,
        };
        let text = fs::read(path).map_err(|error| failed(error.to_string()))?;
        let part: Self = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
        let sound = part.v == VERSION && part.shards.iter().all(|shard| *shard < part.of);
        sound
            .then_some(part)
            .ok_or_else(|| failed("it is no part of a replay".to_owned()))
    }
}

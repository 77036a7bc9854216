//! What rows came to, as far as they were counted: it adds up in any order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::answers::Answer;
use super::super::differing::Differing;
use super::super::distinct::Distinct;
use super::super::judge::running;
use super::super::{LISTED, Outcome, Replayed, Summary};
use super::evaluator::decision;
use super::{NotApart, Note, VERSION};
use crate::ids::Digest;
use crate::ledger::record::{LogId, Read};
use crate::ledger::segment::{Covered, Hour};
use crate::ledger::tree::leaf_hash;

/// For how many causes, why decisions are not made again, one is named that is so.
const CAUSES: usize = 100;

/// What rows came to.
#[derive(Default)]
pub struct Tally {
    pub(super) summary: Summary,
    pub(super) distinct: Distinct,
    pub(super) differing: Differing,
    /// Of the rows that are not as they should be, the first of each hour, in seconds since 1970: a segment is of one hour, and is taken
    /// back whole. Of rows that do not tell their time, the first.
    irregular: BTreeMap<Option<i64>, (LogId, u64)>,
    /// The first decision of each cause why some are not made again.
    pub(super) causes: BTreeMap<String, (LogId, u64)>,
    pub(super) rows: u64,
    /// The first bytes of the rows' leaf hashes, added up.
    pub(super) sum: u64,
    /// What runs here, as records spell it.
    running: Option<String>,
}

/// A tally on its way.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    summary: Summary,
    distinct: Distinct,
    differing: Vec<Replayed>,
    explained: BTreeSet<(LogId, u64)>,
    irregular: Vec<(Option<i64>, (LogId, u64))>,
    causes: BTreeMap<String, (LogId, u64)>,
    rows: u64,
    sum: u64,
    v: u8,
}

impl Tally {
    /// Counts a row: what is known of it, its question's key, its record and the answer to its question. Of a row that is not asked for
    /// the record may be left out.
    ///
    /// # Errors
    ///
    /// What is given does not fit together.
    pub fn add(
        &mut self,
        note: &Note,
        key: &[u8],
        record: Option<&[u8]>,
        answer: Option<&str>,
    ) -> Result<(), NotApart> {
        self.rows += 1;
        if let Note::Left(mark) = note {
            self.sum = self.sum.wrapping_add(*mark);
            return Ok(());
        }
        let record = record.ok_or_else(|| NotApart::wrong("a row came without its record"))?;
        self.sum = self.sum.wrapping_add(leaf_hash(record).prefix());
        let (told, outcome) = match note {
            Note::Left(_) => return Ok(()),
            Note::Other => {
                self.summary.other_records += 1;
                return Ok(());
            }
            Note::Irregular(log, seq) => {
                self.note_irregular(hour(record), (*log, *seq));
                return Ok(());
            }
            Note::Withheld(why) => (decision(record)?, Outcome::NotReplayable { cause: why.clone() }),
            Note::Decision => {
                let told = decision(record)?;
                let key = <[u8; 32]>::try_from(key).map_err(|_| NotApart::wrong("a key is no digest"))?;
                self.distinct.add(&Digest::from_bytes(key));
                let answer = answer.and_then(Answer::of_text);
                let answer = answer.ok_or_else(|| NotApart::wrong("a question came without its answer"))?;
                let Some(answer) = answer else {
                    self.note_irregular(hour(record), (told.log, told.seq));
                    return Ok(());
                };
                let outcome = answer.compared(&told);
                (told, outcome)
            }
        };
        let running = self.running.get_or_insert_with(running);
        self.summary.count(&told, running, &outcome);
        let at = (told.log, told.seq);
        if matches!(outcome, Outcome::Changed { .. }) {
            self.differing.explains(at);
        }
        if let Some(cause) = outcome.cause() {
            self.note_cause(cause, at);
        }
        if outcome != Outcome::Same && self.differing.lists(at) {
            self.differing.add(Replayed::new(&told, outcome));
        }
        Ok(())
    }

    fn note_irregular(&mut self, hour: Option<i64>, at: (LogId, u64)) {
        let first = self.irregular.entry(hour).or_insert(at);
        *first = at.min(*first);
    }

    fn note_cause(&mut self, cause: &str, at: (LogId, u64)) {
        match self.causes.get_mut(cause) {
            Some(first) => *first = at.min(*first),
            None => drop(self.causes.insert(cause.to_owned(), at)),
        }
        if self.causes.len() > CAUSES {
            self.causes.pop_last();
        }
    }

    /// The rows that are named as not being as they should be.
    pub(super) fn irregular(&self) -> BTreeSet<(LogId, u64)> {
        self.irregular.values().copied().collect()
    }

    /// Holds that it can be what came of records that were given away, as far as the numbers tell.
    pub(super) fn fits(&self, away: &Covered) -> Result<(), NotApart> {
        let all = &self.summary;
        let causeless = [all.same, all.changed];
        let caused = [all.bundle_missing, all.not_replayable];
        let decisions = u128::from(all.decisions);
        let counted = sum(causeless) + sum(caused) == decisions
            && sum(caused) == sum(all.causes.values().copied())
            && u128::from(all.changed) == sum(all.changes.total.values().copied())
            && decisions + u128::from(all.other_records) <= u128::from(self.rows)
            && self.differing.len() as u128 == (decisions - u128::from(all.same)).min(LISTED as u128);
        // What is not told here: it is the driver that verifies.
        let own = all.unverified.is_empty() && all.damaged.is_empty() && all.verified == (0, 0);
        let mut named = self.differing.places().chain(self.causes.values().copied());
        let known = named.all(|(log, seq)| away.has(log, seq));
        match (counted, own, known) {
            (true, true, true) => Ok(()),
            (false, ..) => Err(NotApart::wrong("the counts that came back do not add up")),
            (_, false, _) => Err(NotApart::wrong(
                "what came back tells what is verified, which nobody was asked",
            )),
            (.., false) => Err(NotApart::wrong(
                "a decision is named that was not among those that were given out",
            )),
        }
    }

    /// Takes another's along.
    pub fn merge(&mut self, other: Self) {
        self.summary.merge(other.summary);
        self.distinct.merge(other.distinct);
        self.differing.merge(other.differing);
        for (hour, at) in other.irregular {
            self.note_irregular(hour, at);
        }
        for (cause, at) in other.causes {
            self.note_cause(&cause, at);
        }
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// How many rows were counted.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// About how much memory it takes, in bytes.
    pub fn size(&self) -> usize {
        const REPLAYED: usize = 2_048;
        const KEY: usize = 24;
        size_of::<Self>() + self.differing.len() * REPLAYED + self.distinct.len() * KEY
    }

    /// As bytes, to be sent; nothing is left of it.
    ///
    /// # Errors
    ///
    /// It cannot be written down.
    pub fn take_bytes(&mut self) -> Result<Vec<u8>, NotApart> {
        let Self {
            summary,
            distinct,
            differing,
            irregular,
            causes,
            rows,
            sum,
            running: _,
        } = std::mem::take(self);
        let (differing, explained) = differing.into_parts();
        let packed = Packed {
            summary,
            distinct,
            differing,
            explained,
            irregular: irregular.into_iter().collect(),
            causes,
            rows,
            sum,
            v: VERSION,
        };
        super::packed(&packed)
    }

    /// Out of such bytes.
    ///
    /// # Errors
    ///
    /// They are none of a tally of this version.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, NotApart> {
        let packed: Packed = super::unpacked(bytes)?;
        if packed.v != VERSION {
            return Err(NotApart::wrong(
                "a tally of another version: run the same program everywhere",
            ));
        }
        Ok(Self {
            summary: packed.summary,
            distinct: packed.distinct,
            differing: Differing::of(packed.differing, packed.explained),
            irregular: packed.irregular.into_iter().collect(),
            causes: packed.causes,
            rows: packed.rows,
            sum: packed.sum,
            running: None,
        })
    }
}

fn sum(counts: impl IntoIterator<Item = u64>) -> u128 {
    counts.into_iter().map(u128::from).sum()
}

/// The hour a record says it was written in.
fn hour(record: &[u8]) -> Option<i64> {
    let time = Read::of(record).ok()?.time();
    Some(Hour::of(time.timestamp()).start().as_second())
}

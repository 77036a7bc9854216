//! What rows came to, as far as they were counted: it adds up in any order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::answers::Answer;
use super::super::differing::Differing;
use super::super::distinct::Distinct;
use super::super::judge::running;
use super::super::{Outcome, Replayed, Summary};
use super::evaluator::decision;
use super::{NotApart, Note, VERSION, mark};
use crate::ids::Digest;
use crate::ledger::record::LogId;
use crate::ledger::tree::leaf_hash;

/// How many irregular rows are named: the segments they are in are taken back whole, and others show in the next round.
const NAMED: usize = 1_000;

/// What rows came to.
#[derive(Default)]
pub struct Tally {
    pub(super) summary: Summary,
    pub(super) distinct: Distinct,
    pub(super) differing: Differing,
    pub(super) irregular: BTreeSet<(LogId, u64)>,
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
    irregular: BTreeSet<(LogId, u64)>,
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
        self.sum = self.sum.wrapping_add(mark(&leaf_hash(record)));
        let (told, outcome) = match note {
            Note::Left(_) => return Ok(()),
            Note::Other => {
                self.summary.other_records += 1;
                return Ok(());
            }
            Note::Irregular(log, seq) => {
                self.irregular(*log, *seq);
                return Ok(());
            }
            Note::Withheld(why) => (decision(record)?, Outcome::NotReplayable { cause: why.clone() }),
            Note::Decision => {
                let told = decision(record)?;
                let key = <[u8; 32]>::try_from(key).map_err(|_| NotApart::wrong("a key is no digest"))?;
                self.distinct.add(&Digest::from_bytes(key));
                let answer = answer.and_then(Answer::of_text);
                let answer = answer.ok_or_else(|| NotApart::wrong("a question came without its answer"))?;
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
        if outcome != Outcome::Same && self.differing.lists(at) {
            self.differing.add(Replayed::new(&told, outcome));
        }
        Ok(())
    }

    fn irregular(&mut self, log: LogId, seq: u64) {
        self.irregular.insert((log, seq));
        if self.irregular.len() > NAMED {
            self.irregular.pop_last();
        }
    }

    /// Takes another's along.
    pub fn merge(&mut self, other: Self) {
        self.summary.merge(other.summary);
        self.distinct.merge(other.distinct);
        self.differing.merge(other.differing);
        for (log, seq) in other.irregular {
            self.irregular(log, seq);
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
            irregular,
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
            irregular: packed.irregular,
            rows: packed.rows,
            sum: packed.sum,
            running: None,
        })
    }
}

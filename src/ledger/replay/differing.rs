//! The decisions that did not come out the same, as far as they are listed.

use std::collections::{BTreeMap, BTreeSet};

use super::{EXPLAINED, LISTED, Outcome, Replayed};
use crate::ledger::record::LogId;

/// The first of those that differ, by log and number, whatever the order in which they come.
#[derive(Clone, Debug, Default)]
pub(super) struct Differing {
    kept: BTreeMap<(LogId, u64), Replayed>,
    /// The first that changed: these are explained.
    explained: BTreeSet<(LogId, u64)>,
}

impl Differing {
    /// Whether one that changed is among those that are explained, as far as was seen.
    pub(super) fn explains(&mut self, at: (LogId, u64)) -> bool {
        self.explained.insert(at);
        if self.explained.len() > EXPLAINED {
            self.explained.pop_last();
        }
        self.explained.contains(&at)
    }

    /// Whether one is among those that are listed, as far as was seen.
    pub(super) fn lists(&self, at: (LogId, u64)) -> bool {
        self.kept.len() < LISTED || self.kept.last_key_value().is_some_and(|(last, _)| at < *last)
    }

    /// Adds one.
    pub(super) fn add(&mut self, replayed: Replayed) {
        let at = (replayed.log, replayed.seq);
        if self.lists(at) {
            self.kept.insert(at, replayed);
            if self.kept.len() > LISTED {
                self.kept.pop_last();
            }
        }
    }

    /// Those that were put away by [`into_parts`](Self::into_parts).
    pub(super) fn of(list: Vec<Replayed>, explained: BTreeSet<(LogId, u64)>) -> Self {
        let kept = list
            .into_iter()
            .map(|replayed| ((replayed.log, replayed.seq), replayed));
        Self {
            kept: kept.collect(),
            explained,
        }
    }

    /// To be put away.
    pub(super) fn into_parts(self) -> (Vec<Replayed>, BTreeSet<(LogId, u64)>) {
        (self.kept.into_values().collect(), self.explained)
    }

    /// The records of those that are listed, and of those that are explained.
    pub(super) fn places(&self) -> impl Iterator<Item = (LogId, u64)> + '_ {
        self.kept.keys().chain(&self.explained).copied()
    }

    /// What came of one that is listed.
    pub(super) fn outcome(&self, at: (LogId, u64)) -> Option<&Outcome> {
        self.kept.get(&at).map(|replayed| &replayed.outcome)
    }

    /// How many are listed.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Takes another's along.
    pub(super) fn merge(&mut self, other: Self) {
        other.kept.into_values().for_each(|replayed| self.add(replayed));
        for at in other.explained {
            self.explains(at);
        }
    }

    /// Those that are listed, in their order.
    pub(super) fn list(self) -> Vec<Replayed> {
        let Self { kept, explained } = self;
        let mut list: Vec<Replayed> = kept.into_values().collect();
        for replayed in &mut list {
            // Some were explained before an earlier one came.
            if !explained.contains(&(replayed.log, replayed.seq)) {
                replayed.why.clear();
            }
        }
        list
    }
}

//! How many questions were distinct, counted in bounded memory and in any order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::Digest;

/// How many of the smallest keys are kept: up to so many are counted exactly, more to within about a half of a hundredth.
const KEPT: usize = 65_536;

/// The smallest of the keys that were met, each once. Keys are digests, so they lie evenly: from how close together the smallest lie
/// follows how many there are. Which are the smallest does not depend on the order in which they come, nor on how they are divided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Distinct(BTreeSet<u64>);

impl Distinct {
    /// Notes a key.
    pub(super) fn add(&mut self, key: &Digest) {
        self.insert(key.prefix());
    }

    fn insert(&mut self, key: u64) {
        if self.0.len() >= KEPT {
            if self.0.last().is_some_and(|last| key >= *last) || !self.0.insert(key) {
                return;
            }
            self.0.pop_last();
        } else {
            self.0.insert(key);
        }
    }

    /// How many keys are kept.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes another's along.
    pub(super) fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|key| self.insert(key));
    }

    /// How many there were, and whether that is exact.
    pub(super) fn count(&self) -> (u64, bool) {
        match self.0.last() {
            Some(last) if self.0.len() >= KEPT => {
                let share = (u128::from(*last) + 1).max(1);
                let count = ((KEPT as u128 - 1) << 64) / share;
                (u64::try_from(count).unwrap_or(u64::MAX), false)
            }
            _ => (self.0.len() as u64, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(numbers: impl IntoIterator<Item = u64>) -> Distinct {
        let mut distinct = Distinct::default();
        numbers
            .into_iter()
            .for_each(|number| distinct.add(&Digest::of(&number.to_be_bytes())));
        distinct
    }

    #[test]
    fn a_few_are_counted_exactly_and_many_nearly() {
        assert_eq!(of(0..0).count(), (0, true));
        assert_eq!(of((0..1_000).chain(0..1_000)).count(), (1_000, true));
        let (count, exact) = of((0..300_000).chain(0..100_000)).count();
        assert!(!exact && count.abs_diff(300_000) < 300_000 / 50, "{count}");
    }

    proptest! {
        /// How they are divided, and in which order they come, makes no difference.
        #[test]
        fn parts_make_the_whole(numbers in prop::collection::vec(0_u64..500, 0..300), at in any::<prop::sample::Index>()) {
            let (one, two) = numbers.split_at(at.index(numbers.len() + 1));
            let mut merged = of(two.iter().copied());
            merged.merge(of(one.iter().copied()));
            prop_assert_eq!(merged, of(numbers.iter().rev().copied()));
        }
    }
}

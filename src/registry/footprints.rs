//! The footprints of a tenant: looked up by id, or by what a request may name their product by, never scanned.

use std::sync::Arc;

use rpds::RedBlackTreeSetSync;

use super::model::{Footprint, Map};
use crate::ids::PcfId;

/// The footprints of one tenant, by id; and by the last part of each id that their documents have for their product. A change
/// shares all but the path to what changed with the collection before.
#[derive(Clone, Debug, Default)]
pub struct Footprints {
    by_id: Map<PcfId, Arc<Footprint>>,
    by_part: Map<Arc<str>, RedBlackTreeSetSync<PcfId>>,
}

impl Footprints {
    /// The footprint of this id.
    pub fn get(&self, id: &PcfId) -> Option<&Arc<Footprint>> {
        self.by_id.get(id)
    }

    /// Every footprint, in no order.
    pub fn values(&self) -> impl Iterator<Item = &Arc<Footprint>> {
        self.by_id.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.size()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Takes in `footprint`, in place of what was there under its id.
    pub fn insert(&mut self, footprint: Arc<Footprint>) {
        if let Some(before) = self.by_id.get(&footprint.id).cloned() {
            for part in parts(&before) {
                self.remove(part, &before.id);
            }
        }
        for part in parts(&footprint) {
            let mut ids = self.by_part.get(part).cloned().unwrap_or_default();
            ids.insert_mut(footprint.id.clone());
            self.by_part.insert_mut(part.into(), ids);
        }
        self.by_id.insert_mut(footprint.id.clone(), footprint);
    }

    fn remove(&mut self, part: &str, id: &PcfId) {
        let Some(mut ids) = self.by_part.get(part).cloned() else {
            return;
        };
        ids.remove_mut(id);
        if ids.is_empty() {
            self.by_part.remove_mut(part);
        } else {
            self.by_part.insert_mut(part.into(), ids);
        }
    }

    /// The footprints one of whose products ends as `name` does after its last colon, in the order of their ids. Those whose
    /// product goes by `name` are among them.
    pub fn ending_as(&self, name: &str) -> impl Iterator<Item = &Arc<Footprint>> {
        let ids = self.by_part.get(last(name)).into_iter();
        ids.flat_map(RedBlackTreeSetSync::iter)
            .filter_map(|id| self.by_id.get(id))
    }
}

/// What a footprint's products are looked up by.
fn parts(footprint: &Footprint) -> impl Iterator<Item = &str> {
    footprint.product_names().map(last)
}

fn last(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::ids::Digest;
    use crate::registry::FootprintStatus;

    fn footprint(id: u8, products: &BTreeSet<&str>) -> Arc<Footprint> {
        Arc::new(Footprint {
            id: format!("p-{id}").parse().unwrap(),
            version: Footprint::FIRST,
            tenant: "BPNL000000000DWF".parse().unwrap(),
            owner: "BPNL000000000DWF".parse().unwrap(),
            product: "urn:x:own".parse().unwrap(),
            model: "9.0.0".parse().unwrap(),
            status: FootprintStatus::Active,
            products: products.iter().map(|product| (*product).to_owned()).collect(),
            created: None,
            valid_from: None,
            valid_until: None,
            assets: BTreeSet::new(),
            digest: Digest::ZERO,
            length: 0,
        })
    }

    const NAMES: [&str; 6] = ["urn:x:1", "urn:y:1", "1", "urn:x:2", "urn:x:", ""];

    fn any_footprint() -> impl Strategy<Value = Arc<Footprint>> {
        let products = proptest::sample::subsequence(NAMES.to_vec(), 0..3);
        (0..4_u8, products).prop_map(|(id, products)| footprint(id, &products.into_iter().collect()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_looked_up_is_what_a_scan_would_find(changes in prop::collection::vec(any_footprint(), 0..16)) {
            let mut footprints = Footprints::default();
            let mut model = BTreeMap::new();
            for change in changes {
                let before = (footprints.clone(), model.clone());
                model.insert(change.id.clone(), Arc::clone(&change));
                footprints.insert(change);
                for (held, known) in [&before, &(footprints.clone(), model.clone())] {
                    prop_assert_eq!(held.len(), known.len());
                    for name in NAMES.into_iter().chain(["urn:x:own", "x:own", "none"]) {
                        let found: Vec<_> = held.ending_as(name).map(|found| found.id.clone()).collect();
                        let scanned = known.values().filter(|footprint| footprint.product_names().any(|known| last(known) == last(name)));
                        prop_assert_eq!(found, scanned.map(|found| found.id.clone()).collect::<Vec<_>>(), "{}", name);
                    }
                }
            }
            prop_assert!(footprints.by_part.values().all(|ids| !ids.is_empty()));
        }
    }
}

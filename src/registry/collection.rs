//! The agreements of a tenant: looked up by id, never scanned.
//!
//! A change shares all but the path to what changed with the collection before, so it costs the same with ten agreements and with
//! a million, and whoever holds the collection from before sees it unchanged.

use std::sync::Arc;

use jiff::Timestamp;
use rpds::RedBlackTreeSetSync;

use super::agreement::{Agreement, AgreementState};
use super::model::Map;
use crate::ids::{AgreementId, AssetId};

/// When an agreement was finalized, and its id: the earliest comes first.
type Signing = (Timestamp, AgreementId);

/// Agreements on one asset, in the order of their signing.
type Signings = RedBlackTreeSetSync<Signing>;

/// The agreements of one tenant: by id, and by asset those that are active. Of these again those whose terms ask for exclusive
/// usage, for every question looks for the earliest of them.
#[derive(Clone, Debug, Default)]
pub struct Agreements {
    by_id: Map<AgreementId, Arc<Agreement>>,
    active: Map<AssetId, Signings>,
    exclusive: Map<AssetId, Signings>,
}

impl Agreements {
    /// The agreement of this id.
    pub fn get(&self, id: &AgreementId) -> Option<&Arc<Agreement>> {
        self.by_id.get(id)
    }

    /// Every agreement, in no order.
    pub fn values(&self) -> impl Iterator<Item = &Arc<Agreement>> {
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

    /// Takes in `agreement`, in place of what was on record under its id.
    pub fn insert(&mut self, agreement: Arc<Agreement>) {
        if let Some(before) = self.by_id.get(&agreement.id).cloned() {
            self.index(&before, false);
        }
        self.index(&agreement, agreement.state == AgreementState::Active);
        self.by_id.insert_mut(agreement.id.clone(), agreement);
    }

    /// Takes in `agreement` as it is at rest. What has ended here stays ended, though that may not be written yet: the state of an
    /// agreement only goes forward.
    pub(super) fn insert_forward(&mut self, agreement: &Arc<Agreement>) {
        let known = self.by_id.get(&agreement.id).map(|known| known.state);
        let ended = known.filter(|known| *known != AgreementState::Active && agreement.state == AgreementState::Active);
        self.insert(match ended {
            None => Arc::clone(agreement),
            Some(state) => Arc::new(Agreement {
                state,
                ..Agreement::clone(agreement)
            }),
        });
    }

    fn index(&mut self, agreement: &Agreement, stands: bool) {
        let signing = (agreement.signed_at, agreement.id.clone());
        put(&mut self.active, &agreement.asset, signing.clone(), stands);
        if agreement.terms.exclusive() {
            put(&mut self.exclusive, &agreement.asset, signing, stands);
        }
    }

    /// The active agreements on `asset`, the earliest first.
    pub fn on(&self, asset: &AssetId) -> impl Iterator<Item = &Arc<Agreement>> {
        let signings = self.active.get(asset).into_iter().flat_map(Signings::iter);
        signings.filter_map(|(_, id)| self.by_id.get(id))
    }

    /// The earliest agreement in force on `asset` at `now` whose terms ask for exclusive usage.
    pub fn exclusive(&self, asset: &AssetId, now: Timestamp) -> Option<&Arc<Agreement>> {
        // In the order of signing, so after the first that is not signed yet none is.
        let mut signed = self
            .exclusive
            .get(asset)?
            .iter()
            .take_while(|(signed_at, _)| *signed_at <= now);
        signed.find_map(|(_, id)| self.by_id.get(id).filter(|agreement| agreement.in_force(now)))
    }
}

/// Puts a signing into the index of an asset, or takes it out.
fn put(index: &mut Map<AssetId, Signings>, asset: &AssetId, signing: Signing, stands: bool) {
    match (index.get_mut(asset), stands) {
        (Some(signings), true) => signings.insert_mut(signing),
        (None, true) => {
            index.insert_mut(asset.clone(), [signing].into_iter().collect());
        }
        (Some(signings), false) => {
            if signings.remove_mut(&signing) && signings.is_empty() {
                index.remove_mut(asset);
            }
        }
        (None, false) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::LazyLock;

    use jiff::ToSpan;
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::test_runner::TestCaseError;

    use super::*;
    use crate::contract::Terms;

    const USAGE: &str = include_str!("../../fixtures/odrl/dev/pcf-usage.json");

    static TERMS: LazyLock<Arc<Terms>> = LazyLock::new(|| Arc::new(Terms::from_odrl(USAGE).unwrap()));
    static EXCLUSIVE: LazyLock<Arc<Terms>> = LazyLock::new(|| {
        let before = r#"{
              "leftOperand": "Membership","#;
        let exclusive = r#"{"leftOperand": "ExclusiveUsage", "operator": "eq", "rightOperand": "cx.exclusiveUsage.dataConsumer:1"}"#;
        let text = USAGE.replacen(before, &format!("{exclusive}, {before}"), 1);
        let terms = Terms::from_odrl(&text).unwrap();
        assert!(terms.exclusive());
        Arc::new(terms)
    });

    fn any_agreement() -> impl Strategy<Value = Arc<Agreement>> {
        let states = [AgreementState::Active, AgreementState::Active, AgreementState::Retired];
        let parts = (0..6_u8, 0..2_u8, select(states.to_vec()), -3..4_i64, any::<bool>());
        parts.prop_map(|(id, asset, state, seconds, exclusive)| {
            Arc::new(Agreement {
                id: format!("a-{id}").parse().unwrap(),
                provider: "BPNL000000000DWF".parse().unwrap(),
                consumer: "BPNL00000000C3EF".parse().unwrap(),
                asset: format!("asset-{asset}").parse().unwrap(),
                state,
                signed_at: Timestamp::UNIX_EPOCH + seconds.seconds(),
                signed: None,
                terms: Arc::clone(if exclusive { &EXCLUSIVE } else { &TERMS }),
            })
        })
    }

    /// That `held` is what a scan of `known` finds.
    fn check(held: &Agreements, known: &BTreeMap<AgreementId, Arc<Agreement>>) -> Result<(), TestCaseError> {
        prop_assert_eq!((held.len(), held.is_empty()), (known.len(), known.is_empty()));
        prop_assert_eq!(held.values().count(), known.len());
        for (id, own) in known {
            prop_assert!(Arc::ptr_eq(held.get(id).unwrap(), own));
        }
        for asset in ["asset-0", "asset-1", "asset-2"] {
            let asset: AssetId = asset.parse().unwrap();
            let active =
                |agreement: &&Arc<Agreement>| agreement.asset == asset && agreement.state == AgreementState::Active;
            let mut on: Vec<_> = known.values().filter(active).collect();
            on.sort_by_key(|agreement| (agreement.signed_at, agreement.id.clone()));
            let ids = |list: &[&Arc<Agreement>]| list.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
            prop_assert_eq!(ids(&held.on(&asset).collect::<Vec<_>>()), ids(&on));
            // At the beginning of a year, in it, and past the end of the first: the framework agreement's year.
            for now in [-2, 0, 2, 365 * 86_400 - 1, 365 * 86_400 + 2] {
                let now = Timestamp::UNIX_EPOCH + i64::from(now).seconds();
                let first = on
                    .iter()
                    .find(|agreement| agreement.terms.exclusive() && agreement.in_force(now));
                prop_assert_eq!(held.exclusive(&asset, now).map(|one| &one.id), first.map(|one| &one.id));
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn lookups_find_what_a_scan_finds_and_what_was_held_before_stays_as_it_was(
            changes in prop::collection::vec(any_agreement(), 0..24)
        ) {
            let mut collection = Agreements::default();
            let mut model = BTreeMap::new();
            for change in changes {
                let before = (collection.clone(), model.clone());
                model.insert(change.id.clone(), Arc::clone(&change));
                collection.insert(change);
                check(&collection, &model)?;
                check(&before.0, &before.1)?;
            }
        }
    }
}

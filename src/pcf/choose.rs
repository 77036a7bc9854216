//! Which footprint answers a request.
//!
//! Among the footprints of the agreement's asset whose document names the part, it is the one of the version of the model asked
//! for that is in use; of several, the one declared last. A deprecated one answers only where none is in use, and a version that another
//! took the place of never does: the index of footprints has the last of each id and no other. An older footprint
//! never stands in for a newer one that is not valid: who asks would take it for the newest.

use std::collections::BTreeSet;

use super::part::{PartId, Parts};
use crate::ids::{AssetId, Digest, PcfId, Version};
use crate::registry::{Footprint, FootprintStatus, TenantWorld};

/// What there is about a part.
#[derive(Clone, Debug, Default)]
pub struct Found<'w> {
    /// The footprint of the version asked for.
    pub answer: Option<&'w Footprint>,
    /// The newest of another version, where there is none of that.
    pub other: Option<&'w Footprint>,
    /// Every version there is, in order.
    pub versions: BTreeSet<Version>,
}

impl<'w> Found<'w> {
    /// The footprint a decision is asked about.
    pub fn footprint(&self) -> Option<&'w Footprint> {
        self.answer.or(self.other)
    }
}

/// What `world` has about `parts` as part of `asset`, in the version `model`.
pub fn choose<'w>(world: &'w TenantWorld, asset: &AssetId, parts: &Parts, model: &Version) -> Found<'w> {
    let named = parts.first().map(PartId::as_str).into_iter();
    let of_part: Vec<&Footprint> = named
        .flat_map(|name| world.footprints.ending_as(name))
        .map(AsRef::as_ref)
        .filter(|footprint| footprint.assets.contains(asset) && parts.name(footprint.product_names()))
        .collect();
    let newest = |of_model: &dyn Fn(&Footprint) -> bool| {
        let fit = of_part.iter().copied().filter(|footprint| of_model(footprint));
        fit.max_by_key(|footprint| {
            (
                footprint.status == FootprintStatus::Active,
                footprint.created,
                &footprint.id,
            )
        })
    };
    let answer = newest(&|footprint| footprint.model == *model);
    Found {
        answer,
        other: if answer.is_none() { newest(&|_| true) } else { None },
        versions: of_part.iter().map(|footprint| footprint.model.clone()).collect(),
    }
}

/// What stands in a question for the footprint of a part that there is none of.
pub fn nameless(parts: &Parts) -> PcfId {
    let named = [parts.manufacturer(), parts.customer()].map(|part| part.map(PartId::as_str));
    PcfId::unknown(Digest::of(format!("{named:?}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::registry::{Identity, Tenant, TenantState};

    fn world() -> TenantWorld {
        TenantWorld::new(Tenant {
            id: "BPNL000000000DWF".parse().unwrap(),
            name: "Elbe".into(),
            state: TenantState::Active,
            identity: Identity {
                issuer: "https://issuer.example".into(),
                jwks: "https://issuer.example/jwks".into(),
                resource_server: "x".into(),
                connectors: Default::default(),
                integrations: Default::default(),
                user_clients: Default::default(),
                not_before: None,
                groups: Default::default(),
            },
            disabled_users: Default::default(),
            connector: None,
            ledger: Default::default(),
            secrets: Default::default(),
        })
    }

    const MODELS: [&str; 2] = ["9.0.0", "10.0.0"];

    fn any_footprint() -> impl Strategy<Value = Footprint> {
        let status = select(vec![FootprintStatus::Active, FootprintStatus::Deprecated]);
        let created = prop::option::of(0..3_i64);
        let parts = (
            0..6_u8,
            0..2_u8,
            select(MODELS.to_vec()),
            status,
            created,
            0..2_u8,
            any::<u8>(),
        );
        parts.prop_map(|(id, part, model, status, created, asset, bytes)| Footprint {
            id: format!("p-{id}").parse().unwrap(),
            version: Footprint::FIRST,
            tenant: "BPNL000000000DWF".parse().unwrap(),
            owner: "BPNL000000000DWF".parse().unwrap(),
            product: "urn:x:own".parse().unwrap(),
            model: model.parse().unwrap(),
            status,
            products: [format!("urn:x:{part}")].into(),
            created: created.map(|second| Timestamp::from_second(second).unwrap()),
            valid_from: None,
            valid_until: None,
            assets: [format!("asset-{asset}").parse().unwrap()].into(),
            digest: Digest::of(&[bytes]),
            length: 1,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// Footprints are handed in one after the other, those of the same id in the place of each other.
        #[test]
        fn what_answers_fits_is_in_force_and_is_in_use_where_any_is(
            handed_in in prop::collection::vec(any_footprint(), 0..16), wanted in select(MODELS.to_vec())
        ) {
            let mut world = world();
            for footprint in &handed_in {
                world.footprints.insert(Arc::new(footprint.clone()));
            }
            let (asset, model) = ("asset-0".parse().unwrap(), wanted.parse().unwrap());
            let parts = Parts::new(Some("urn:x:0".parse().unwrap()), None).unwrap();
            let found = choose(&world, &asset, &parts, &model);
            let fits = |footprint: &&&Footprint| {
                footprint.assets.contains(&asset) && footprint.products.contains("urn:x:0")
            };
            let in_force = |footprint: &&Footprint| {
                let last = handed_in.iter().rev().find(|other| other.id == footprint.id);
                last == Some(*footprint)
            };
            let all: Vec<&Footprint> = handed_in.iter().filter(in_force).collect();
            let fitting: Vec<_> = all.iter().filter(fits).copied().collect();
            let of_model: Vec<_> = fitting.iter().copied().filter(|footprint| footprint.model == model).collect();
            prop_assert_eq!(found.answer.is_some(), !of_model.is_empty());
            prop_assert_eq!(found.other.is_some(), of_model.is_empty() && !fitting.is_empty());
            for (chosen, among) in [(found.answer, &of_model), (found.other, &fitting)] {
                let Some(chosen) = chosen else { continue };
                // A superseded version is none of those in force.
                prop_assert!(among.contains(&chosen), "{:?}", chosen);
                let in_use: Vec<_> = among.iter().filter(|one| one.status == FootprintStatus::Active).collect();
                prop_assert!(in_use.is_empty() || chosen.status == FootprintStatus::Active);
                let alike = among.iter().filter(|one| one.status == chosen.status);
                prop_assert_eq!(alike.map(|one| one.created).max().unwrap(), chosen.created, "the one declared last");
            }
        }
    }
}

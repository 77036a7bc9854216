//! Which footprint answers a request.
//!
//! Among the footprints of the agreement's asset whose document names the part, it is the one of the version of the model asked
//! for that is in use; of several, the one declared last. A deprecated one answers only where none is in use. An older footprint
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

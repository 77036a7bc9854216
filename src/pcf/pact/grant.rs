//! What stands between an index entry and a footprint in PACT's words: which entries to ask policy about, and telling one that is granted.

use std::collections::HashMap;
use std::sync::Arc;

use super::filter::Filter;
use super::values::uuid;
use super::{ProductFootprint, Underivable, convert};
use crate::ids::{AssetId, Bpnl, PcfId};
use crate::pcf::model::{Model, Models};
use crate::registry::{Agreement, Footprint, TenantWorld};

/// The footprints of assets on which the partner has an agreement in force by its state, without those that the index says do not fit; after
/// `after`, in the order of their ids; each with these agreements, the latest first.
pub fn candidates<'w>(
    world: &'w TenantWorld,
    partner: Bpnl,
    filter: &Filter,
    after: Option<&PcfId>,
) -> Vec<(&'w Arc<Footprint>, Vec<&'w Agreement>)> {
    let mut known: HashMap<&AssetId, Vec<&Agreement>> = HashMap::new();
    let mut found = Vec::new();
    for footprint in world.footprints.values() {
        let is_after = after.is_none_or(|after| footprint.id > *after);
        if !is_after || filter.rules_out(footprint) {
            continue;
        }
        let mut agreements = Vec::new();
        for asset in &footprint.assets {
            let own = known.entry(asset).or_insert_with(|| {
                let on = world.agreements.on(asset).map(AsRef::as_ref);
                on.filter(|agreement: &&Agreement| agreement.consumer == partner)
                    .collect()
            });
            agreements.extend(own.iter().copied());
        }
        if !agreements.is_empty() {
            agreements.sort_by_key(|agreement| std::cmp::Reverse((agreement.signed_at, agreement.id.clone())));
            found.push((footprint, agreements));
        }
    }
    found.sort_by(|(left, _), (right, _)| left.id.cmp(&right.id));
    found
}

/// Whether an id is one that PACT has: a UUID.
pub fn is_id(id: &PcfId) -> bool {
    uuid(id.as_str()).is_some()
}

/// The footprint of a stored document, which must be valid in the version of the model that the index names, and that version.
///
/// # Errors
/// It has none in PACT's words.
pub fn told(models: &Models, footprint: &Footprint, document: &[u8]) -> Result<(Model, ProductFootprint), Underivable> {
    let invalid = Underivable {
        member: "specVersion",
        why: "the document is not valid in the version of the aspect model it names",
    };
    let model = Model::of(&footprint.model).ok_or(invalid)?;
    let document = crate::json::parse(document).map_err(|_| invalid)?;
    match models.flaws(model, &document).is_empty() {
        true => Ok((model, convert(model, &document)?)),
        false => Err(invalid),
    }
}

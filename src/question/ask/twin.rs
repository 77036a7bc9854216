//! Questions about digital twins: what a partner finds of them, and who says so.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::exchange::{ExchangeFacts, Via};
use super::slice::{Slice, owned, record};
use super::{UserFacts, plain};
use crate::ids::{Bpnl, ClientId, PcfId, ProductId};
use crate::question::value::{Action, EntityKind, EntityRef, Value};
use crate::question::{Question, Supplement};
use crate::registry::{Partner, Tenant, TenantWorld};
use crate::twin::SpecificAssetId;

/// A partner looks a tenant's twins up. Only the tenant's own connector leads to them.
#[derive(Clone, Copy, Debug)]
pub struct LookupFacts<'a> {
    /// When it is asked.
    pub now: Timestamp,
    /// The tenant and what is its own.
    pub world: &'a TenantWorld,
    /// The client of the tenant's connector, which carried the request.
    pub connector: &'a ClientId,
    /// The partner that asks.
    pub partner: Bpnl,
    /// What is known of that partner.
    pub known: Option<&'a Partner>,
}

impl<'a> LookupFacts<'a> {
    /// The same partner asks for a footprint, by the same way, for this purpose.
    pub fn exchange(self, purpose: &'a str) -> ExchangeFacts<'a> {
        ExchangeFacts {
            now: self.now,
            world: self.world,
            via: Via::Connector(self.connector),
            partner: self.partner,
            known: self.known,
            purpose,
            recipient: None,
            api: None,
            uses: None,
        }
    }
}

/// The digital twin of a product.
#[derive(Clone, Copy, Debug)]
pub struct TwinFacts<'a> {
    /// The product.
    pub product: &'a ProductId,
    /// Its specific asset ids.
    pub asset_ids: &'a BTreeSet<SpecificAssetId>,
}

/// May the partner find the twin?
pub fn twin(facts: &LookupFacts<'_>, twin: TwinFacts<'_>) -> Question {
    let mut slice = Slice::of(facts.world, facts.now);
    let resource = twin_of(&mut slice, facts, twin);
    lookup(slice, facts, (Action::ReadTwin, resource), None)
}

/// May the partner see this specific asset id of the twin?
pub fn asset_id(facts: &LookupFacts<'_>, twin: TwinFacts<'_>, shown: &SpecificAssetId) -> Question {
    let mut slice = Slice::of(facts.world, facts.now);
    let resource = twin_of(&mut slice, facts, twin);
    let shown = ("assetId", spelled(shown));
    lookup(slice, facts, (Action::ReadAssetId, resource), Some(shown))
}

/// May the partner reach the submodel of the twin that is this footprint? `semantic_ids` are the keys of its semantic id.
pub fn submodel(facts: &LookupFacts<'_>, twin: TwinFacts<'_>, pcf: &PcfId, semantic_ids: &[String]) -> Question {
    let mut slice = Slice::of(facts.world, facts.now);
    let tenant = &facts.world.tenant;
    let owner = slice.tenant(tenant);
    let twin = twin_of(&mut slice, facts, twin);
    let semantic_ids = semantic_ids.iter().map(|id| Value::from(id.as_str()));
    let attrs = [
        ("tenant", owner.into()),
        ("twin", twin.into()),
        ("semanticIds", Value::Set(semantic_ids.collect())),
    ];
    let resource = slice.add(EntityKind::Submodel, owned(tenant.id, pcf.as_str()), attrs, []);
    lookup(slice, facts, (Action::ReachSubmodel, resource), None)
}

/// May this person see ([`Action::ReadAccessRules`]) or change ([`Action::WriteAccessRules`]) the access rules of the tenant of the route?
pub fn access_rules(user: &UserFacts<'_>, tenant: &Tenant, action: Action, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let principal = slice.user(user);
    let owner = slice.tenant(tenant);
    let attrs = [("tenant", owner.into())];
    let resource = slice.add(EntityKind::AccessRuleStore, tenant.id.as_str(), attrs, []);
    slice.ask(principal, action, resource, plain(now))
}

/// The twin, with the access rules of its company.
fn twin_of(slice: &mut Slice<'_>, facts: &LookupFacts<'_>, twin: TwinFacts<'_>) -> EntityRef {
    let tenant = &facts.world.tenant;
    let owner = slice.tenant(tenant);
    let asset_ids = twin.asset_ids.iter().map(spelled).collect();
    let attrs = [("tenant", owner.into()), ("assetIds", Value::Set(asset_ids))];
    let uid = slice.add(EntityKind::Twin, owned(tenant.id, twin.product.as_str()), attrs, []);
    if let Some(own) = &facts.world.twin_rules {
        let digest = own.rules.digest().to_string();
        slice.set(&uid, "accessRules", Some(Value::from(digest.as_str())));
        slice.bring(Supplement::Rules(own.rules.clone()));
    }
    uid
}

fn spelled(id: &SpecificAssetId) -> Value {
    record([
        ("name", Value::from(id.name.as_str())),
        ("value", Value::from(id.value.as_str())),
    ])
}

fn lookup(
    mut slice: Slice<'_>,
    facts: &LookupFacts<'_>,
    (action, resource): (Action, EntityRef),
    shown: Option<(&'static str, Value)>,
) -> Question {
    let principal = slice.partner(facts.partner, facts.known);
    let connector = slice.connector(&facts.world.tenant, facts.connector);
    let context = [("now", Value::DateTime(facts.now)), ("connector", connector.into())];
    slice.ask(principal, action, resource, context.into_iter().chain(shown))
}

//! Questions of partners, each carried by the tenant's own connector, or by a client the tenant gave the partner.

use jiff::Timestamp;

use super::slice::{Slice, company, owned, record};
use crate::ids::{AssetId, Bpnl, ClientId, PcfId, Version};
use crate::question::Question;
use crate::question::value::{Action, EntityKind, EntityRef, Value};
use crate::registry::{Agreement, Footprint, Offer, Partner, TenantWorld};

/// By what way a partner's request came, as the tenant of the route vouches for it.
#[derive(Clone, Copy, Debug)]
pub enum Via<'a> {
    /// The tenant's own connector carried it: the connector's client.
    Connector(&'a ClientId),
    /// The partner came by itself to the PACT endpoint, with this client, which the tenant gave it.
    PactClient(&'a ClientId),
}

/// A request of a partner.
#[derive(Clone, Debug)]
pub struct ExchangeFacts<'a> {
    /// When it is asked.
    pub now: Timestamp,
    /// The tenant of the route, whose verifier accepted the token, and what is its own: what it has on record about the partner and
    /// the asset is looked up there.
    pub world: &'a TenantWorld,
    /// By what way it came.
    pub via: Via<'a>,
    /// The partner that asks.
    pub partner: Bpnl,
    /// What is known of that partner.
    pub known: Option<&'a Partner>,
    /// What the endpoint is for: a Catena-X usage purpose.
    pub purpose: &'a str,
    /// The company the data is fetched for, where the consumer names one, and what is known of it.
    pub recipient: Option<(Bpnl, Option<&'a Partner>)>,
    /// The version of the PCF API the request was made in, where the route says; otherwise that counts under which the asset
    /// is offered.
    pub api: Option<&'a Version>,
    /// How often data was handed out under the agreement before; needed where the terms count
    /// ([`Terms::counts_uses`](crate::contract::Terms::counts_uses)).
    pub uses: Option<u64>,
}

/// May the partner receive this footprint under this agreement? `footprint` and `agreement` are what the tenant's world
/// holds under the ids of the request, or nothing.
pub fn access(
    facts: &ExchangeFacts<'_>,
    pcf: &PcfId,
    footprint: Option<&Footprint>,
    agreement: Option<&Agreement>,
) -> Question {
    let mut slice = Slice::of(facts.world, facts.now);
    let resource = slice.footprint(&facts.world.tenant, pcf, footprint);
    let about = About {
        asset: agreement.map(|agreement| &agreement.asset),
        model: footprint.map(|footprint| &footprint.model),
    };
    exchange(slice, facts, (Action::Access, resource), agreement, about)
}

/// May a transfer of this asset start under this agreement?
pub fn transfer(facts: &ExchangeFacts<'_>, asset: &AssetId, agreement: Option<&Agreement>) -> Question {
    let mut slice = Slice::of(facts.world, facts.now);
    slice.tenant(&facts.world.tenant);
    let resource = slice.asset(facts.world.tenant.id, asset);
    let about = About {
        asset: Some(asset),
        model: None,
    };
    exchange(slice, facts, (Action::Transfer, resource), agreement, about)
}

/// May the partner hand this footprint in under this agreement? `document` is what the document says of itself, as an entry of
/// the tenant's index; its `owner` is the company it names as its own, and it is part of no asset of the tenant's.
pub fn submit(facts: &ExchangeFacts<'_>, document: &Footprint, agreement: Option<&Agreement>) -> Question {
    let mut slice = Slice::of(facts.world, facts.now);
    let owner = slice.tenant(&facts.world.tenant);
    let attrs = [
        ("tenant", owner.into()),
        ("status", Value::from(document.status.as_str())),
        ("author", company(document.owner).into()),
        ("product", Value::from(document.product.as_str())),
    ];
    let id = owned(facts.world.tenant.id, document.id.as_str());
    let resource = slice.add(EntityKind::Footprint, id, attrs, []);
    let about = About {
        asset: agreement.map(|agreement| &agreement.asset),
        model: Some(&document.model),
    };
    exchange(slice, facts, (Action::Submit, resource), agreement, about)
}

/// What the versions in force are looked up by.
struct About<'a> {
    asset: Option<&'a AssetId>,
    model: Option<&'a Version>,
}

impl About<'_> {
    /// The versions in force, where the asset is on record.
    fn versions(&self, facts: &ExchangeFacts<'_>) -> Option<Value> {
        let asset = facts.world.assets.get(self.asset?)?;
        let api = facts.api.unwrap_or(&asset.api);
        let (api, asset) = (("api", Value::from(api)), ("asset", Value::from(&asset.version)));
        Some(match self.model {
            Some(model) => record([api, asset, ("model", Value::from(model))]),
            None => record([api, asset]),
        })
    }
}

fn exchange(
    mut slice: Slice<'_>,
    facts: &ExchangeFacts<'_>,
    (action, resource): (Action, EntityRef),
    agreement: Option<&Agreement>,
    about: About<'_>,
) -> Question {
    let principal = slice.partner(facts.partner, facts.known);
    let recipient = facts.recipient.map(|(bpnl, known)| slice.partner(bpnl, known));
    let counted = agreement.is_some_and(|agreement| agreement.terms.counts_uses());
    let uses = facts
        .uses
        .filter(|_| counted)
        .map(|uses| i64::try_from(uses).unwrap_or(i64::MAX));
    let optional = [
        (
            "agreement",
            agreement.map(|agreement| slice.agreement(agreement).into()),
        ),
        ("recipient", recipient.map(Value::from)),
        ("uses", uses.map(Value::Long)),
        ("versions", about.versions(facts)),
    ];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let context = catalog(&mut slice, facts).into_iter().chain(optional);
    slice.ask(principal, action, resource, context)
}

/// The circumstances of every request of a partner.
fn catalog(slice: &mut Slice<'_>, facts: &ExchangeFacts<'_>) -> [(&'static str, Value); 3] {
    let carrier = match facts.via {
        Via::Connector(client) => ("connector", slice.connector(&facts.world.tenant, client)),
        Via::PactClient(client) => ("client", slice.pact_client(&facts.world.tenant, client, facts.partner)),
    };
    [
        ("now", Value::DateTime(facts.now)),
        (carrier.0, carrier.1.into()),
        ("purpose", Value::from(facts.purpose)),
    ]
}

/// May the partner search the tenant's footprints ([`Action::SearchFootprints`]), or tell it of its own
/// ([`Action::AnnounceFootprints`])? `criteria` are what is searched for or announced, each as `name=value`. What is found is asked
/// for with [`access`], one by one.
///
/// The client stands in the facts; a request that a connector carried makes no such question, for it has none.
pub fn pact(facts: &ExchangeFacts<'_>, action: Action, criteria: impl IntoIterator<Item = String>) -> Option<Question> {
    let Via::PactClient(client) = facts.via else {
        return None;
    };
    let mut slice = Slice::of(facts.world, facts.now);
    let tenant = &facts.world.tenant;
    let owner = slice.tenant(tenant);
    let resource = slice.add(
        EntityKind::FootprintStore,
        tenant.id.as_str(),
        [("tenant", owner.into())],
        [],
    );
    let client = slice.pact_client(tenant, client, facts.partner);
    let principal = slice.partner(facts.partner, facts.known);
    let criteria = criteria.into_iter().map(|text| Value::from(text.as_str())).collect();
    let context = [
        ("now", Value::DateTime(facts.now)),
        ("client", client.into()),
        ("criteria", Value::Set(criteria)),
    ];
    Some(slice.ask(principal, action, resource, context))
}

/// May the partner see this offer ([`Action::Discover`]), or agree to it ([`Action::Negotiate`])?
pub fn offer(facts: &ExchangeFacts<'_>, action: Action, offer: &Offer) -> Question {
    let mut slice = Slice::of(facts.world, facts.now);
    let tenant = slice.tenant(&facts.world.tenant);
    let asset = slice.asset(offer.provider, &offer.asset);
    let [access, usage] = [&offer.access_terms, &offer.usage_terms].map(|terms| {
        slice.terms(terms);
        Value::from(terms.digest().to_string().as_str())
    });
    let attrs = [
        ("tenant", tenant.into()),
        ("asset", asset.into()),
        ("accessTerms", access),
        ("usageTerms", usage),
    ];
    let resource = slice.add(EntityKind::Offer, owned(offer.provider, offer.id.as_str()), attrs, []);
    let principal = slice.partner(facts.partner, facts.known);
    let context = catalog(&mut slice, facts);
    slice.ask(principal, action, resource, context)
}

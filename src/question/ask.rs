//! From facts to questions: one function per thing that can be asked.
//!
//! Each takes what was verified (claims) and looked up (the registry) and returns the question with exactly the entities a
//! policy can reach. Here, and nowhere else, it is settled which fact becomes which attribute; no function decides anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Question;
use super::value::{Action, Entity, EntityKind, EntityRef, Value};
use crate::contract::Terms;
use crate::ids::{AssetId, Bpnl, ClientId, CompanyRole, Digest, PcfId, SecretName, TenantId, UserName};
use crate::registry::{Agreement, Footprint, Offer, Partner, Tenant};

/// A person of a tenant, as their token proved them.
#[derive(Clone, Debug)]
pub struct UserFacts<'a> {
    /// The tenant whose verifier accepted the token, and its record.
    pub tenant: &'a Tenant,
    /// The user name the issuer vouches for.
    pub name: &'a UserName,
    /// The groups the issuer vouches for.
    pub roles: &'a BTreeSet<CompanyRole>,
}

/// A request of a partner, carried by the tenant's own connector.
#[derive(Clone, Debug)]
pub struct ExchangeFacts<'a> {
    /// When it is asked.
    pub now: Timestamp,
    /// The tenant of the route, whose verifier accepted the connector's token.
    pub tenant: &'a Tenant,
    /// The connector's client.
    pub connector: &'a ClientId,
    /// The partner the connector names.
    pub partner: Bpnl,
    /// What is known of that partner.
    pub known: Option<&'a Partner>,
    /// What the endpoint is for: a Catena-X usage purpose.
    pub purpose: &'a str,
}

/// Collects the slice: each entity once, sorted.
#[derive(Default)]
struct Slice {
    entities: BTreeMap<EntityRef, Entity>,
    terms: BTreeMap<Digest, Arc<Terms>>,
}

impl Slice {
    fn add<const N: usize>(
        &mut self,
        kind: EntityKind,
        id: impl Into<Arc<str>>,
        attrs: [(&str, Value); N],
        parents: impl IntoIterator<Item = EntityRef>,
    ) -> EntityRef {
        let uid = EntityRef::new(kind, id);
        let attrs = attrs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        self.entities.insert(
            uid.clone(),
            Entity {
                uid: uid.clone(),
                attrs,
                parents: parents.into_iter().collect(),
            },
        );
        uid
    }

    fn tenant(&mut self, tenant: &Tenant) -> EntityRef {
        self.add(
            EntityKind::Tenant,
            tenant.id.as_str(),
            [("state", Value::from(tenant.state.as_str()))],
            [],
        )
    }

    fn user(&mut self, user: &UserFacts<'_>) -> EntityRef {
        let tenant = self.tenant(user.tenant);
        let enabled = !user.tenant.disabled_users.contains(user.name);
        let id = owned(user.tenant.id, user.name.as_str());
        let roles: BTreeSet<_> = user
            .roles
            .iter()
            .map(|role| EntityRef::new(EntityKind::CompanyRole, role.as_str()))
            .collect();
        self.add(
            EntityKind::User,
            id,
            [("tenant", tenant.into()), ("enabled", Value::Bool(enabled))],
            roles,
        )
    }

    fn partner(&mut self, bpnl: Bpnl, known: Option<&Partner>) -> EntityRef {
        let membership = known.map_or("unknown", |partner| partner.membership.as_str());
        let frameworks = known.map(|partner| &partner.frameworks).into_iter().flatten();
        let frameworks = Value::Set(frameworks.map(|name| Value::from(name.as_str())).collect());
        let attrs = [("membership", Value::from(membership)), ("frameworks", frameworks)];
        self.add(EntityKind::Partner, bpnl.as_str(), attrs, [])
    }

    fn connector(&mut self, tenant: &Tenant, client: &ClientId) -> EntityRef {
        let tenant_ref = self.tenant(tenant);
        self.add(
            EntityKind::Connector,
            owned(tenant.id, client.as_str()),
            [("tenant", tenant_ref.into())],
            [],
        )
    }

    fn asset(&mut self, tenant: TenantId, asset: &AssetId) -> EntityRef {
        let tenant_ref = EntityRef::new(EntityKind::Tenant, tenant.as_str());
        self.add(
            EntityKind::Asset,
            owned(tenant, asset.as_str()),
            [("tenant", tenant_ref.into())],
            [],
        )
    }

    fn agreement(&mut self, agreement: &Agreement) -> EntityRef {
        let asset = self.asset(agreement.provider, &agreement.asset);
        self.terms
            .insert(agreement.terms.digest(), Arc::clone(&agreement.terms));
        let attrs = [
            (
                "provider",
                EntityRef::new(EntityKind::Tenant, agreement.provider.as_str()).into(),
            ),
            (
                "consumer",
                EntityRef::new(EntityKind::Partner, agreement.consumer.as_str()).into(),
            ),
            ("asset", asset.into()),
            ("terms", Value::from(agreement.terms.digest().to_string().as_str())),
            ("state", Value::from(agreement.state.as_str())),
            ("signedAt", Value::DateTime(agreement.signed_at)),
        ];
        self.add(
            EntityKind::Agreement,
            owned(agreement.provider, agreement.id.as_str()),
            attrs,
            [],
        )
    }

    /// The footprint `id` under the prefix of `tenant`. Where there is none, only what the route says is known of it.
    fn footprint(&mut self, tenant: &Tenant, id: &PcfId, found: Option<&Footprint>) -> EntityRef {
        let uid = owned(tenant.id, id.as_str());
        let tenant = self.tenant(tenant);
        let Some(footprint) = found else {
            let attrs = [("tenant", tenant.into()), ("status", Value::from("absent"))];
            return self.add(EntityKind::Footprint, uid, attrs, []);
        };
        let assets: Vec<_> = footprint
            .assets
            .iter()
            .map(|asset| self.asset(footprint.tenant, asset))
            .collect();
        let attrs = [
            ("tenant", tenant.into()),
            ("status", Value::from(footprint.status.as_str())),
            (
                "owner",
                EntityRef::new(EntityKind::Tenant, footprint.owner.as_str()).into(),
            ),
            ("product", Value::from(footprint.product.as_str())),
        ];
        self.add(EntityKind::Footprint, uid, attrs, assets)
    }

    fn ask(
        self,
        principal: EntityRef,
        action: Action,
        resource: EntityRef,
        context: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Question {
        Question {
            principal,
            action,
            resource,
            context: context
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            entities: self.entities.into_values().collect(),
            terms: self.terms,
        }
    }
}

/// The id of a thing of `tenant`: `{bpnl}/{local}`.
fn owned(tenant: TenantId, local: &str) -> String {
    format!("{tenant}/{local}")
}

fn plain(now: Timestamp) -> [(&'static str, Value); 1] {
    [("now", Value::DateTime(now))]
}

/// May the partner receive this footprint under this agreement? `footprint` and `agreement` are what the tenant's world
/// holds under the ids of the request, or nothing.
pub fn access(
    facts: &ExchangeFacts<'_>,
    pcf: &PcfId,
    footprint: Option<&Footprint>,
    agreement: Option<&Agreement>,
) -> Question {
    let mut slice = Slice::default();
    let resource = slice.footprint(facts.tenant, pcf, footprint);
    exchange(slice, facts, Action::Access, resource, agreement)
}

/// May a transfer of this asset start under this agreement?
pub fn transfer(facts: &ExchangeFacts<'_>, asset: &AssetId, agreement: Option<&Agreement>) -> Question {
    let mut slice = Slice::default();
    slice.tenant(facts.tenant);
    let resource = slice.asset(facts.tenant.id, asset);
    exchange(slice, facts, Action::Transfer, resource, agreement)
}

fn exchange(
    mut slice: Slice,
    facts: &ExchangeFacts<'_>,
    action: Action,
    resource: EntityRef,
    agreement: Option<&Agreement>,
) -> Question {
    let principal = slice.partner(facts.partner, facts.known);
    let connector = slice.connector(facts.tenant, facts.connector);
    let agreement = agreement.map(|agreement| ("agreement", slice.agreement(agreement).into()));
    let context = [
        ("now", Value::DateTime(facts.now)),
        ("connector", connector.into()),
        ("purpose", Value::from(facts.purpose)),
    ];
    slice.ask(principal, action, resource, context.into_iter().chain(agreement))
}

/// May the partner see this offer ([`Action::Discover`]), or agree to it ([`Action::Negotiate`])?
pub fn offer(facts: &ExchangeFacts<'_>, action: Action, offer: &Offer) -> Question {
    let mut slice = Slice::default();
    let tenant = slice.tenant(facts.tenant);
    let asset = slice.asset(offer.provider, &offer.asset);
    for terms in [&offer.access_terms, &offer.usage_terms] {
        slice.terms.insert(terms.digest(), Arc::clone(terms));
    }
    let attrs = [
        ("tenant", tenant.into()),
        ("asset", asset.into()),
        (
            "accessTerms",
            Value::from(offer.access_terms.digest().to_string().as_str()),
        ),
        (
            "usageTerms",
            Value::from(offer.usage_terms.digest().to_string().as_str()),
        ),
    ];
    let resource = slice.add(EntityKind::Offer, owned(offer.provider, offer.id.as_str()), attrs, []);
    let principal = slice.partner(facts.partner, facts.known);
    let connector = slice.connector(facts.tenant, facts.connector);
    let context = [
        ("now", Value::DateTime(facts.now)),
        ("connector", connector.into()),
        ("purpose", Value::from(facts.purpose)),
    ];
    slice.ask(principal, action, resource, context)
}

/// May this person take credentials of the role of the tenant of the route?
pub fn assume_role(user: &UserFacts<'_>, tenant: &Tenant, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let principal = slice.user(user);
    let owner = slice.tenant(tenant);
    let resource = slice.add(EntityKind::AwsRole, tenant.id.as_str(), [("tenant", owner.into())], []);
    slice.ask(principal, Action::AssumeRole, resource, plain(now))
}

/// May this person do `action` with the secret `name` of the tenant of the route? `suffix` is that of the secret's ARN,
/// where there is such a secret.
pub fn secret(
    user: &UserFacts<'_>,
    tenant: &Tenant,
    action: Action,
    name: &SecretName,
    suffix: Option<&str>,
    now: Timestamp,
) -> Question {
    let mut slice = Slice::default();
    let principal = slice.user(user);
    let owner = slice.tenant(tenant);
    let attrs = [("tenant", owner.into()), ("name", Value::from(name.as_str()))];
    let resource = slice.add(EntityKind::Secret, owned(tenant.id, name.as_str()), attrs, []);
    if let (Some(suffix), Some(entity)) = (suffix, slice.entities.get_mut(&resource)) {
        entity.attrs.insert("suffix".into(), Value::from(suffix));
    }
    slice.ask(principal, action, resource, plain(now))
}

/// May this supplier system of `tenant` hand in footprints at all?
pub fn ingest(tenant: &Tenant, client: &ClientId, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let owner = slice.tenant(tenant);
    let principal = integration(&mut slice, tenant, client);
    let resource = slice.add(
        EntityKind::FootprintStore,
        tenant.id.as_str(),
        [("tenant", owner.into())],
        [],
    );
    slice.ask(principal, Action::Ingest, resource, plain(now))
}

/// May this supplier system of `tenant` store this footprint under the tenant's prefix?
pub fn write_footprint(tenant: &Tenant, client: &ClientId, footprint: &Footprint, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let principal = integration(&mut slice, tenant, client);
    let resource = slice.footprint(tenant, &footprint.id, Some(footprint));
    slice.ask(principal, Action::WriteFootprint, resource, plain(now))
}

fn integration(slice: &mut Slice, tenant: &Tenant, client: &ClientId) -> EntityRef {
    let owner = slice.tenant(tenant);
    let attrs = [("tenant", owner.into()), ("enabled", Value::Bool(true))];
    slice.add(EntityKind::Integration, owned(tenant.id, client.as_str()), attrs, [])
}

/// May this person do `action` with one footprint of the tenant of the route?
pub fn footprint(
    user: &UserFacts<'_>,
    tenant: &Tenant,
    action: Action,
    pcf: &PcfId,
    found: Option<&Footprint>,
    now: Timestamp,
) -> Question {
    let mut slice = Slice::default();
    let principal = slice.user(user);
    let resource = slice.footprint(tenant, pcf, found);
    slice.ask(principal, action, resource, plain(now))
}

/// May this person read ([`Action::ReadLedger`]) or replay the log of the tenant of the route?
pub fn ledger(user: &UserFacts<'_>, tenant: &Tenant, action: Action, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let principal = slice.user(user);
    let owner = slice.tenant(tenant);
    let resource = slice.add(EntityKind::Ledger, tenant.id.as_str(), [("tenant", owner.into())], []);
    slice.ask(principal, action, resource, plain(now))
}

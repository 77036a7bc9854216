//! The slice of a question: which fact becomes which attribute of which entity.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{SystemFacts, UserFacts};
use crate::contract::Terms;
use crate::ids::{AssetId, Bpnl, ClientId, Digest, PcfId, SecretName, TenantId};
use crate::question::value::{Action, Entity, EntityKind, EntityRef, Value};
use crate::question::{Question, Supplement};
use crate::registry::{Agreement, Footprint, Partner, Signed, Tenant, TenantWorld};

/// Collects the slice: each entity once, sorted.
#[derive(Default)]
pub(super) struct Slice<'f> {
    entities: BTreeMap<EntityRef, Entity>,
    terms: BTreeMap<Digest, Supplement>,
    /// The tenant of a partner's request and the time, where it is one: what a tenant has on record about partners and assets
    /// counts then.
    exchange: Option<(&'f TenantWorld, Timestamp)>,
}

impl<'f> Slice<'f> {
    /// The slice of a partner's request.
    pub(super) fn of(world: &'f TenantWorld, now: Timestamp) -> Self {
        Self {
            exchange: Some((world, now)),
            ..Self::default()
        }
    }

    pub(super) fn add<const N: usize>(
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

    /// Gives the entity an attribute, where there is a value for it.
    pub(super) fn set(&mut self, entity: &EntityRef, name: &str, value: Option<Value>) {
        if let (Some(value), Some(entity)) = (value, self.entities.get_mut(entity)) {
            entity.attrs.insert(name.to_owned(), value);
        }
    }

    /// Brings terms along.
    pub(super) fn terms(&mut self, terms: &Arc<Terms>) {
        self.bring(Supplement::Terms(Arc::clone(terms)));
    }

    /// Brings somebody's own policies along.
    pub(super) fn bring(&mut self, supplement: Supplement) {
        self.terms.insert(supplement.digest(), supplement);
    }

    pub(super) fn tenant(&mut self, tenant: &Tenant) -> EntityRef {
        self.add(
            EntityKind::Tenant,
            tenant.id.as_str(),
            [("state", Value::from(tenant.state.as_str()))],
            [],
        )
    }

    pub(super) fn user(&mut self, user: &UserFacts<'_>) -> EntityRef {
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

    pub(super) fn partner(&mut self, bpnl: Bpnl, known: Option<&Partner>) -> EntityRef {
        let membership = known.map_or("unknown", |partner| partner.membership.as_str());
        let frameworks = known.map(|partner| &partner.frameworks).into_iter().flatten();
        let frameworks = texts(frameworks);
        let relation = self.exchange.and_then(|(world, _)| world.relations.get(&bpnl));
        let groups = relation.map(|relation| &relation.groups).into_iter().flatten();
        let contracts = relation.map(|relation| &relation.contracts).into_iter().flatten();
        let attrs = [
            ("membership", Value::from(membership)),
            ("frameworks", frameworks),
            ("groups", texts(groups)),
            ("contracts", texts(contracts)),
        ];
        let partner = self.add(EntityKind::Partner, bpnl.as_str(), attrs, []);
        let affiliates = known
            .map(|known| &known.affiliates)
            .filter(|affiliates| !affiliates.is_empty());
        let affiliates = affiliates.map(|all| Value::Set(all.iter().map(|bpnl| company(*bpnl).into()).collect()));
        self.set(&partner, "affiliates", affiliates);
        let region = known.and_then(|known| known.region.as_deref());
        self.set(&partner, "region", region.map(Value::from));
        partner
    }

    pub(super) fn connector(&mut self, tenant: &Tenant, client: &ClientId) -> EntityRef {
        let tenant_ref = self.tenant(tenant);
        self.add(
            EntityKind::Connector,
            owned(tenant.id, client.as_str()),
            [("tenant", tenant_ref.into())],
            [],
        )
    }

    pub(super) fn system(&mut self, facts: &SystemFacts<'_>) -> EntityRef {
        let tenant = self.tenant(facts.tenant);
        let document = facts.document();
        // A client without a document is stopped by taking it out of the tenant's identity.
        let enabled = document.is_none_or(|document| document.enabled);
        let attrs = [("tenant", tenant.into()), ("enabled", Value::Bool(enabled))];
        let uid = self.add(EntityKind::Integration, owned(facts.tenant.id, facts.id()), attrs, []);
        let Some(document) = document else { return uid };
        let set = |names: BTreeSet<Value>| (!names.is_empty()).then_some(Value::Set(names));
        let products = document.products.iter().map(|product| Value::from(product.as_str()));
        self.set(&uid, "products", set(products.collect()));
        let secrets = document.secrets().map(|secret| Value::from(secret.as_str()));
        self.set(&uid, "secrets", set(secrets.collect()));
        uid
    }

    pub(super) fn secret(&mut self, tenant: &Tenant, name: &SecretName, suffix: Option<&str>) -> EntityRef {
        let owner = self.tenant(tenant);
        let attrs = [("tenant", owner.into()), ("name", Value::from(name.as_str()))];
        let uid = self.add(EntityKind::Secret, owned(tenant.id, name.as_str()), attrs, []);
        self.set(&uid, "suffix", suffix.map(Value::from));
        uid
    }

    /// The client that `tenant` gave `partner`. Whose it is comes from what the tenant has on record, as its token proved.
    pub(super) fn pact_client(&mut self, tenant: &Tenant, client: &ClientId, partner: Bpnl) -> EntityRef {
        let tenant_ref = self.tenant(tenant);
        let attrs = [("tenant", tenant_ref.into()), ("partner", company(partner).into())];
        self.add(EntityKind::PactClient, owned(tenant.id, client.as_str()), attrs, [])
    }

    pub(super) fn asset(&mut self, tenant: TenantId, asset: &AssetId) -> EntityRef {
        let tenant_ref = EntityRef::new(EntityKind::Tenant, tenant.as_str());
        let attrs = [("tenant", tenant_ref.into())];
        let uid = self.add(EntityKind::Asset, owned(tenant, asset.as_str()), attrs, []);
        let exchange = self.exchange.filter(|(world, _)| world.tenant.id == tenant);
        let exclusive = exchange.and_then(|(world, now)| world.agreements.exclusive(asset, now));
        let exclusive = exclusive.map(|agreement| {
            let (to, since) = (company(agreement.consumer), Value::DateTime(agreement.signed_at));
            record([("to", to.into()), ("since", since)])
        });
        self.set(&uid, "exclusive", exclusive);
        uid
    }

    pub(super) fn agreement(&mut self, agreement: &Agreement) -> EntityRef {
        let asset = self.asset(agreement.provider, &agreement.asset);
        self.terms(&agreement.terms);
        let attrs = [
            (
                "provider",
                EntityRef::new(EntityKind::Tenant, agreement.provider.as_str()).into(),
            ),
            ("consumer", company(agreement.consumer).into()),
            ("asset", asset.into()),
            ("terms", Value::from(agreement.terms.digest().to_string().as_str())),
            ("state", Value::from(agreement.state.as_str())),
            ("signedAt", Value::DateTime(agreement.signed_at)),
        ];
        let id = owned(agreement.provider, agreement.id.as_str());
        let uid = self.add(EntityKind::Agreement, id, attrs, []);
        self.set(&uid, "signed", agreement.signed.as_deref().map(signed));
        uid
    }

    /// The footprint `id` under the prefix of `tenant`. Where there is none, only what the route says is known of it.
    pub(super) fn footprint(&mut self, tenant: &Tenant, id: &PcfId, found: Option<&Footprint>) -> EntityRef {
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

    pub(super) fn ask(
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
pub(super) fn owned(tenant: TenantId, local: &str) -> String {
    format!("{tenant}/{local}")
}

/// The company as a partner.
pub(super) fn company(bpnl: Bpnl) -> EntityRef {
    EntityRef::new(EntityKind::Partner, bpnl.as_str())
}

fn texts<'t>(texts: impl Iterator<Item = &'t String>) -> Value {
    Value::Set(texts.map(|text| Value::from(text.as_str())).collect())
}

pub(super) fn record<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Record(members.map(|(name, value)| (name.to_owned(), value)).into())
}

fn signed(signed: &Signed) -> Value {
    let models = signed.models.iter().map(|model| Value::from(model.full()));
    let majors = signed.models.iter().map(|model| Value::Long(model.major().into()));
    record([
        ("api", Value::from(&signed.api)),
        ("asset", Value::from(&signed.asset)),
        ("models", Value::Set(models.collect())),
        ("modelMajors", Value::Set(majors.collect())),
    ])
}

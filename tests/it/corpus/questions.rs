//! Random questions: any principal, action and resource of a world, any agreement, connector, purpose and time, with attributes
//! changed and entities missing.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::ToSpan;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tidegate::parity::{self, Environment, World};
use tidegate::question::{Action, Entity, EntityKind, EntityRef, Question, Value, lookup, moment};

use super::BUNDLE;
use super::law::exchange;
use super::worlds::EMPTY;

pub(super) static ENVIRONMENTS: LazyLock<Vec<Environment>> =
    LazyLock::new(|| parity::environments(&BUNDLE).into_iter().collect());

/// A change to one entity of the slice.
#[derive(Clone, Debug)]
enum Tweak {
    Missing,
    Drop(Index),
    Tenant(Index),
    Owner(Index),
    State(&'static str),
    Enabled(bool),
    Membership(&'static str),
}

fn tweak() -> impl Strategy<Value = Tweak> {
    prop_oneof![
        Just(Tweak::Missing),
        any::<Index>().prop_map(Tweak::Drop),
        any::<Index>().prop_map(Tweak::Tenant),
        any::<Index>().prop_map(Tweak::Owner),
        select(vec!["active", "suspended", "retired", "onboarding", ""]).prop_map(Tweak::State),
        any::<bool>().prop_map(Tweak::Enabled),
        select(vec!["active", "inactive", "Active"]).prop_map(Tweak::Membership),
    ]
}

fn apply(world: &World, entities: &mut Vec<Entity>, which: Index, tweak: Tweak) {
    if entities.is_empty() {
        return;
    }
    let at = which.index(entities.len());
    let attrs = &mut entities[at].attrs;
    let mut set = |name: &str, value: Value| {
        if let Some(old) = attrs.get_mut(name) {
            *old = value;
        }
    };
    match tweak {
        Tweak::Missing => drop(entities.remove(at)),
        Tweak::Drop(name) => {
            let names: Vec<_> = attrs.keys().cloned().collect();
            if !names.is_empty() {
                attrs.remove(name.get(&names));
            }
        }
        Tweak::Tenant(tenant) => set("tenant", pick(world, EntityKind::Tenant, tenant).into()),
        Tweak::Owner(tenant) => set("owner", pick(world, EntityKind::Tenant, tenant).into()),
        Tweak::State(state) => set("state", Value::from(state)),
        Tweak::Enabled(enabled) => set("enabled", Value::Bool(enabled)),
        Tweak::Membership(status) => set("membership", Value::from(status)),
    }
}

fn pick(world: &World, kind: EntityKind, index: Index) -> EntityRef {
    let all: Vec<_> = world.of_kind(kind).collect();
    index.get(&all).uid.clone()
}

fn asset_ids(twin: &Entity) -> Vec<Value> {
    match twin.attrs.get("assetIds") {
        Some(Value::Set(ids)) => ids.iter().cloned().collect(),
        _ => Vec::new(),
    }
}

/// The dice of one question: indices, and numbers of 0..20 that turn rare things on.
#[derive(Clone, Debug)]
struct Dice {
    environment: Environment,
    principal: Index,
    resource: Index,
    connector: Index,
    agreement: Index,
    other: Environment,
    purpose: &'static str,
    days: i64,
    rare: [u8; 5],
}

impl Dice {
    fn rare(&self, which: usize) -> bool {
        self.rare[which] < 3
    }

    fn question(self, world: &World) -> Question {
        let (mut actor, action, mut thing) = self.environment;
        if self.rare(0) {
            // Not always one the schema knows.
            (actor, _, thing) = self.other;
        }
        let (mut principal, mut resource) = (pick(world, actor, self.principal), pick(world, thing, self.resource));
        let own = world
            .entity(&principal)
            .and_then(|principal| principal.attrs.get("tenant"));
        let of_own: Vec<_> = world
            .of_kind(thing)
            .filter(|thing| own.is_some() && thing.attrs.get("tenant") == own)
            .collect();
        if self.rare[4] < 10 && !of_own.is_empty() {
            // Half of what people ask for is of their own company.
            resource = self.resource.get(&of_own).uid.clone();
        }
        let days = if self.rare(1) { self.days } else { 0 };
        let now = world.now() + (24 * days).hours();
        let mut context = BTreeMap::from([("now".to_owned(), Value::DateTime(now))]);
        if moment(action).is_some() || lookup(action).is_some() {
            let tenant = world
                .entity(&resource)
                .and_then(|resource| resource.attrs.get("tenant"));
            let own = world
                .of_kind(EntityKind::Connector)
                .find(|own| own.attrs.get("tenant") == tenant);
            let carried = own.filter(|_| !self.rare(2)).map(|own| own.uid.clone());
            let carried = carried.unwrap_or_else(|| pick(world, EntityKind::Connector, self.connector));
            // One in three of those that may comes by the partner itself, mostly with a client that is its own there.
            let by_itself =
                matches!(action, Action::Transfer | Action::Access | Action::Submit) && self.rare[4].is_multiple_of(3);
            match by_itself {
                true => context.insert(
                    "client".to_owned(),
                    Value::Entity(self.client(world, &principal, tenant)),
                ),
                false => context.insert("connector".to_owned(), Value::Entity(carried)),
            };
            if moment(action).is_some() {
                context.insert("purpose".to_owned(), Value::from(self.purpose));
            }
            if action == Action::ReadAssetId {
                // Mostly one that the twin has.
                let ids: Vec<_> = world.of_kind(EntityKind::Twin).flat_map(asset_ids).collect();
                let own: Vec<_> = world.entity(&resource).into_iter().flat_map(asset_ids).collect();
                let from = if own.is_empty() || self.rare(3) { &ids } else { &own };
                context.insert("assetId".to_owned(), self.agreement.get(from).clone());
            }
            context.extend(world.versions(action).map(|versions| ("versions".to_owned(), versions)));
            if matches!(action, Action::Transfer | Action::Access | Action::Submit) && self.rare[3] > 0 {
                // Mostly one of the provider's, asked under by its own consumer; else any.
                let all: Vec<_> = world.of_kind(EntityKind::Agreement).collect();
                let own: Vec<_> = all
                    .iter()
                    .filter(|entity| entity.attrs.get("provider") == tenant)
                    .copied()
                    .collect();
                let any = self.rare(3) || own.is_empty();
                let named = self.agreement.get(if any { &all } else { &own });
                if let (false, Some(Value::Entity(consumer))) = (any, named.attrs.get("consumer")) {
                    principal = consumer.clone();
                    if by_itself {
                        let client = self.client(world, &principal, tenant);
                        context.insert("client".to_owned(), Value::Entity(client));
                    }
                }
                context.insert("agreement".to_owned(), Value::Entity(named.uid.clone()));
            }
        }
        if matches!(action, Action::SearchFootprints | Action::AnnounceFootprints) {
            let tenant = world
                .entity(&resource)
                .and_then(|resource| resource.attrs.get("tenant"));
            let client = self.client(world, &principal, tenant);
            context.insert("client".to_owned(), Value::Entity(client));
            context.insert("criteria".to_owned(), Value::Set([Value::from("status=Active")].into()));
        }
        world.question(principal, action, resource, context)
    }

    /// The partner's client at that company; rarely, and where it has none, any.
    fn client(&self, world: &World, partner: &EntityRef, tenant: Option<&Value>) -> EntityRef {
        let is_own = |client: &&Entity| {
            let own = Value::Entity(partner.clone());
            client.attrs.get("tenant") == tenant && client.attrs.get("partner") == Some(&own)
        };
        let own = world
            .of_kind(EntityKind::PactClient)
            .find(is_own)
            .filter(|_| !self.rare(2));
        let any = || pick(world, EntityKind::PactClient, self.connector);
        own.map_or_else(any, |own| own.uid.clone())
    }
}

/// A question of one of the worlds, of one of `kinds`.
pub(super) fn question<W>(worlds: W, kinds: &[Environment]) -> impl Strategy<Value = Question> + use<W>
where
    W: Strategy<Value = Arc<World>>,
{
    let purposes = vec![
        "cx.pcf.base:1",
        "cx.pcf.base:1",
        "cx.pcf.base:1",
        "cx.quality.base:1",
        "",
    ];
    let indices = any::<[Index; 4]>();
    let environments = (select(kinds.to_vec()), select(ENVIRONMENTS.clone()));
    let rare = prop::array::uniform5(0..20_u8);
    let tweaks = prop::collection::vec((any::<Index>(), tweak()), 0..3);
    let dice = (environments, indices, select(purposes), -900_i64..900, rare);
    (worlds, dice, tweaks).prop_map(|(world, (environments, indices, purpose, days, rare), tweaks)| {
        let (environment, other) = environments;
        let [principal, resource, connector, agreement] = indices;
        let dice = Dice {
            environment,
            principal,
            resource,
            connector,
            agreement,
            other,
            purpose,
            days,
            rare,
        };
        let mut question = dice.question(&world);
        for (which, tweak) in tweaks {
            apply(&world, &mut question.entities, which, tweak);
        }
        reachable(&question)
    })
}

/// The question without the entities that nothing in it leads to any more, as no caller would send them; so it is one that a
/// case of the corpus can ask, over the exchange world.
fn reachable(question: &Question) -> Question {
    let redrawn = |world: &World| {
        let principal = question.principal.clone();
        world.question(
            principal,
            question.action,
            question.resource.clone(),
            question.context.clone(),
        )
    };
    let alone = redrawn(&EMPTY.with(question.entities.iter().cloned()));
    let mut drawn = redrawn(&exchange().with(alone.entities.iter().cloned()));
    drawn.entities = alone.entities;
    drawn
}

// --- reading questions ----------------------------------------------------------------------------------------------

pub(super) fn entity_in(question: &Question, reference: &EntityRef, name: &str) -> Option<EntityRef> {
    match question.entity(reference)?.attrs.get(name)? {
        Value::Entity(found) => Some(found.clone()),
        _ => None,
    }
}

pub(super) fn tenant_of(question: &Question, reference: &EntityRef) -> Option<EntityRef> {
    entity_in(question, reference, "tenant")
}

pub(super) fn in_context(question: &Question, name: &str) -> Option<EntityRef> {
    match question.context.get(name)? {
        Value::Entity(found) => Some(found.clone()),
        _ => None,
    }
}

/// The question with one attribute of one entity set.
pub(super) fn with(question: &Question, reference: &EntityRef, name: &str, value: Value) -> Question {
    let mut changed = question.clone();
    let entity = changed
        .entities
        .iter_mut()
        .find(|entity| entity.uid == *reference)
        .unwrap();
    entity.attrs.insert(name.into(), value);
    changed
}

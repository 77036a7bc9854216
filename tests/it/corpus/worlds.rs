//! Random worlds: companies whose numbers differ in one character, with people, secrets, footprints and contracts whose names
//! begin alike, hold wildcards or look like another company's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tidegate::parity::World;
use tidegate::question::{Action, Entity, EntityKind, EntityRef, Value};

use super::root;

/// A world with the contract terms of the exchange world and nobody in it.
pub(super) static EMPTY: LazyLock<World> = LazyLock::new(|| {
    let text = std::fs::read(root().join("fixtures/worlds/exchange.json")).unwrap();
    let mut world: serde_json::Value = serde_json::from_slice(&text).unwrap();
    world["entities"] = serde_json::json!([]);
    World::read("exchange", world.to_string().as_bytes()).unwrap()
});

/// Names that begin alike, and names that mean something to a pattern, a path or a template.
const NAMES: [&str; 12] = [
    "edc",
    "edc-next",
    "edc-",
    "e",
    "E",
    "edc-??????",
    "*",
    "?",
    "{bpnl}",
    "..",
    "${aws:PrincipalTag/tenant}",
    "edc-Ab12Cd",
];
/// A secret's suffix has six letters or digits in AWS; absent where there is no such secret.
const SUFFIXES: [Option<&str>; 7] = [
    Some("Ab12Cd"),
    Some("Ef34Gh"),
    Some("Ab12C"),
    Some("Ab12Cde"),
    Some("-b12Cd-"),
    Some("*"),
    None,
];
const PRODUCTS: [Option<&str>; 8] = [
    Some("urn:gtin:4712345060507"),
    Some("urn:gtin:4712345060507"),
    Some("urn:gtin:471234506050"),
    Some("a/b"),
    Some("../../BPNL00000000TWNB/pcf"),
    Some("*"),
    Some("{pcf}"),
    None,
];
const SPACES: [&str; 4] = ["urn", "urn:gtin", "urn:gtin:4712345060507", "urn:gti"];
const ROLES: [&str; 7] = [
    "admin",
    "admin",
    "data-steward",
    "viewer",
    "auditor",
    "administrator",
    "adm",
];
const TENANT_STATES: [&str; 6] = ["active", "active", "active", "active", "active", "suspended"];
const AGREEMENT_STATES: [&str; 5] = ["active", "active", "active", "retired", "expired"];

/// What is the same of everything a company has: whose it is, how it is called, and dice for the rest.
#[derive(Clone, Debug)]
struct Thing {
    tenant: Index,
    name: &'static str,
    dice: [Index; 5],
    /// Whether the id is spelled as if it were another company's.
    misspelled: bool,
}

fn things(most: usize) -> impl Strategy<Value = Vec<Thing>> {
    let thing = (any::<Index>(), select(NAMES.to_vec()), any::<[Index; 5]>(), 0..8_u8);
    let thing = thing.prop_map(|(tenant, name, dice, rare)| Thing {
        tenant,
        name,
        dice,
        misspelled: rare == 0,
    });
    prop::collection::vec(thing, 1..=most)
}

/// A company's number: one of the twins' with one character changed.
fn number() -> impl Strategy<Value = String> {
    let letters: Vec<char> = "0OABTWNZ9".chars().collect();
    (4..16_usize, select(letters)).prop_map(|(place, letter)| {
        let base = "BPNL00000000TWNA".chars().enumerate();
        base.map(|(at, old)| if at == place { letter } else { old }).collect()
    })
}

/// Any world, with the terms of the exchange world.
pub(super) fn any_world() -> impl Strategy<Value = Arc<World>> {
    let tenants = prop::collection::btree_map(number(), select(TENANT_STATES.to_vec()), 2..4);
    let people = (things(6), things(3));
    let owned = (things(5), things(3), things(6), things(3), things(6));
    let partners = prop::collection::vec((0..4_u8, 0..4_u8), 5);
    (tenants, people, owned, partners).prop_map(|(tenants, (users, systems), owned, partners)| {
        let (secrets, assets, footprints, offers, agreements) = owned;
        let mut building = Building::new(tenants, &partners);
        users.iter().for_each(|thing| building.user(thing));
        systems.iter().for_each(|thing| building.system(thing));
        secrets.iter().for_each(|thing| building.secret(thing));
        assets.iter().for_each(|thing| building.asset(thing));
        assets.iter().for_each(|thing| building.twin(thing));
        footprints.iter().for_each(|thing| building.footprint(thing));
        offers.iter().for_each(|thing| building.offer(thing));
        agreements.iter().for_each(|thing| building.agreement(thing));
        Arc::new(EMPTY.with(building.entities.into_values()))
    })
}

/// A world under construction.
struct Building {
    tenants: Vec<EntityRef>,
    partners: Vec<EntityRef>,
    entities: BTreeMap<EntityRef, Entity>,
}

fn now() -> Timestamp {
    EMPTY.now()
}

fn pick<T: Copy>(list: &[T], dice: Index) -> T {
    *dice.get(list)
}

impl Building {
    fn new(states: BTreeMap<String, &str>, partners: &[(u8, u8)]) -> Self {
        let mut building = Self {
            tenants: Vec::new(),
            partners: Vec::new(),
            entities: BTreeMap::new(),
        };
        for (number, state) in &states {
            let tenant = building.put(EntityKind::Tenant, number, [("state", Value::from(*state))]);
            let own = [("tenant", Value::from(tenant.clone()))];
            let kinds = [
                EntityKind::AccessRuleStore,
                EntityKind::AgreementStore,
                EntityKind::AwsRole,
                EntityKind::FootprintStore,
                EntityKind::IntegrationStore,
                EntityKind::Ledger,
            ];
            for kind in kinds {
                building.put(kind, number, own.clone());
            }
            building.put(EntityKind::Connector, &format!("{number}/edc"), own);
            building.tenants.push(tenant);
        }
        let numbers: Vec<_> = states.into_keys().chain(["BPNL00000000STR0".to_owned()]).collect();
        for (number, (active, framework)) in numbers.iter().zip(partners) {
            // Three of four are members, and three of four have signed the framework agreement.
            let frameworks = (*framework > 0).then(|| Value::from("DataExchangeGovernance:1.0"));
            let attrs = [
                (
                    "membership",
                    Value::from(if *active > 0 { "active" } else { "inactive" }),
                ),
                ("frameworks", Value::Set(frameworks.into_iter().collect())),
            ];
            let partner = building.put(EntityKind::Partner, number, attrs);
            building.partners.push(partner);
        }
        for tenant in building.tenants.clone() {
            for partner in building.partners.clone() {
                let id = format!("{}/pact-{}", tenant.id, partner.id);
                let attrs = [("tenant", tenant.clone().into()), ("partner", partner.into())];
                building.put(EntityKind::PactClient, &id, attrs);
            }
        }
        for role in ["onboarding", "security", "auditor", "policy-admin"] {
            let operator = building.put(EntityKind::Operator, role, [("enabled", Value::Bool(true))]);
            building.parent(&operator, EntityRef::new(EntityKind::OperatorRole, role));
        }
        building.put(EntityKind::Platform, "tidegate", []);
        building.put(EntityKind::Bundle, "candidate", []);
        building.put(EntityKind::Ledger, "platform", []);
        building
    }

    fn put<const N: usize>(&mut self, kind: EntityKind, id: &str, attrs: [(&str, Value); N]) -> EntityRef {
        let uid = EntityRef::new(kind, id);
        let attrs = attrs.into_iter().map(|(name, value)| (name.to_owned(), value));
        let entity = Entity {
            uid: uid.clone(),
            attrs: attrs.collect(),
            parents: BTreeSet::new(),
        };
        self.entities.insert(uid.clone(), entity);
        uid
    }

    fn parent(&mut self, child: &EntityRef, parent: EntityRef) {
        self.entities.get_mut(child).unwrap().parents.insert(parent);
    }

    fn set(&mut self, entity: &EntityRef, name: &str, value: Option<Value>) {
        let attrs = &mut self.entities.get_mut(entity).unwrap().attrs;
        attrs.extend(value.map(|value| (name.to_owned(), value)));
    }

    /// Whose a thing is, and its id.
    fn place(&self, thing: &Thing) -> (EntityRef, String) {
        let tenant = thing.tenant.get(&self.tenants).clone();
        let under = if thing.misspelled {
            thing.dice[4].get(&self.tenants)
        } else {
            &tenant
        };
        let id = format!("{}/{}", under.id, thing.name);
        (tenant, id)
    }

    fn owned(&mut self, kind: EntityKind, thing: &Thing) -> EntityRef {
        let (tenant, id) = self.place(thing);
        self.put(kind, &id, [("tenant", tenant.into())])
    }

    fn assets(&self) -> Vec<EntityRef> {
        let of_kind = |entity: &&EntityRef| entity.kind == EntityKind::Asset;
        self.entities.keys().filter(of_kind).cloned().collect()
    }

    /// Mostly an asset of the same company.
    fn asset_for(&self, tenant: &EntityRef, dice: Index) -> EntityRef {
        let all = self.assets();
        let own: Vec<_> = all
            .iter()
            .filter(|asset| self.entities[*asset].attrs.get("tenant") == Some(&tenant.clone().into()))
            .cloned()
            .collect();
        let any = own.is_empty() || dice.index(8) == 0;
        dice.get(if any { &all } else { &own }).clone()
    }

    fn user(&mut self, thing: &Thing) {
        let user = self.owned(EntityKind::User, thing);
        let enabled = thing.dice[0].index(5) > 0;
        self.set(&user, "enabled", Some(Value::Bool(enabled)));
        for dice in &thing.dice[1..=1 + thing.dice[3].index(2)] {
            self.parent(&user, EntityRef::new(EntityKind::CompanyRole, pick(&ROLES, *dice)));
        }
    }

    /// A supplier system, and sometimes a second connector.
    fn system(&mut self, thing: &Thing) {
        let system = self.owned(EntityKind::Integration, thing);
        let enabled = thing.dice[0].index(5) > 0;
        self.set(&system, "enabled", Some(Value::Bool(enabled)));
        // Some are there for some products only, and some have secrets to fetch with.
        let products = (thing.dice[2].index(3) == 0).then(|| Value::Set([pick(&SPACES, thing.dice[3]).into()].into()));
        self.set(&system, "products", products);
        let secrets = (thing.dice[2].index(2) == 0).then(|| Value::Set([pick(&NAMES, thing.dice[4]).into()].into()));
        self.set(&system, "secrets", secrets);
        if thing.dice[1].index(3) == 0 {
            self.owned(EntityKind::Connector, thing);
        }
    }

    fn secret(&mut self, thing: &Thing) {
        let secret = self.owned(EntityKind::Secret, thing);
        self.set(&secret, "name", Some(Value::from(thing.name)));
        self.set(&secret, "suffix", pick(&SUFFIXES, thing.dice[0]).map(Value::from));
    }

    fn asset(&mut self, thing: &Thing) {
        let asset = self.owned(EntityKind::Asset, thing);
        // Some are for the exclusive use of a company, since a while or since now.
        let exclusive = (thing.dice[0].index(5) == 0).then(|| {
            let to = thing.dice[1].get(&self.partners).clone();
            let since = now() - (24 * i64::try_from(thing.dice[2].index(60)).unwrap()).hours();
            let members = [("to", to.into()), ("since", Value::DateTime(since))];
            Value::Record(members.map(|(name, value)| (name.to_owned(), value)).into())
        });
        self.set(&asset, "exclusive", exclusive);
    }

    fn footprint(&mut self, thing: &Thing) {
        let footprint = self.owned(EntityKind::Footprint, thing);
        let (tenant, _) = self.place(thing);
        let owner = match thing.dice[0].index(8) {
            0 => None,
            1 => Some(thing.dice[1].get(&self.tenants).clone()),
            _ => Some(tenant.clone()),
        };
        // One that has no owner among the tenants was mostly handed in by a partner.
        let author =
            (owner.is_none() || thing.dice[1].index(4) == 0).then(|| thing.dice[1].get(&self.partners).clone());
        self.set(&footprint, "owner", owner.map(Value::from));
        self.set(&footprint, "author", author.map(Value::from));
        self.set(&footprint, "product", pick(&PRODUCTS, thing.dice[2]).map(Value::from));
        let spaces = (thing.dice[4].index(3) > 0).then(|| Value::Set([pick(&SPACES, thing.dice[4]).into()].into()));
        self.set(&footprint, "productSpaces", spaces);
        self.set(&footprint, "status", Some(Value::from("Active")));
        let asset = self.asset_for(&tenant, thing.dice[3]);
        self.parent(&footprint, asset);
    }

    fn offer(&mut self, thing: &Thing) {
        let offer = self.owned(EntityKind::Offer, thing);
        let (tenant, _) = self.place(thing);
        let asset = self.asset_for(&tenant, thing.dice[0]);
        self.set(&offer, "asset", Some(asset.into()));
        for (name, dice) in [("accessTerms", thing.dice[1]), ("usageTerms", thing.dice[2])] {
            self.set(&offer, name, Some(terms(dice)));
        }
    }

    fn twin(&mut self, thing: &Thing) {
        let twin = self.owned(EntityKind::Twin, thing);
        let submodel = self.owned(EntityKind::Submodel, thing);
        let id = |name: &str, value: &str| {
            let members = [("name", Value::from(name)), ("value", Value::from(value))];
            Value::Record(members.map(|(name, value)| (name.to_owned(), value)).into())
        };
        let part = pick(&["401765", "401765", "other"], thing.dice[1]);
        let ids = [id("digitalTwinType", "PartType"), id("manufacturerPartId", part)];
        let (_, rules) = EMPTY.terms().find(|(name, _)| *name == "twin-rules").unwrap();
        let rules = Value::from(rules.digest().to_string().as_str());
        let model = pick(&["7.0.0", "9.0.0"], thing.dice[2]);
        let semantic_id = Value::from(format!("urn:samm:io.catenax.pcf:{model}#Pcf").as_str());
        self.set(&twin, "assetIds", Some(Value::Set(ids.into())));
        self.set(&twin, "accessRules", (thing.dice[0].index(2) == 0).then_some(rules));
        self.set(&submodel, "twin", Some(twin.into()));
        self.set(&submodel, "semanticIds", Some(Value::Set([semantic_id].into())));
    }

    fn agreement(&mut self, thing: &Thing) {
        let (tenant, id) = self.place(thing);
        let asset = self.asset_for(&tenant, thing.dice[0]);
        let consumer = thing.dice[1].get(&self.partners).clone();
        let days = i64::try_from(thing.dice[3].index(400)).unwrap() - 20;
        let signed = now() - (24 * days).hours();
        let attrs = [
            ("provider", tenant.into()),
            ("consumer", consumer.into()),
            ("asset", asset.into()),
            ("terms", terms(thing.dice[2])),
            ("state", Value::from(pick(&AGREEMENT_STATES, thing.dice[4]))),
            ("signedAt", Value::DateTime(signed)),
            ("signed", self::signed(thing.dice[0].index(8) > 0)),
        ];
        self.put(EntityKind::Agreement, &id, attrs);
    }
}

/// What was in force when an agreement was signed: mostly what is in force now.
fn signed(now: bool) -> Value {
    let Some(Value::Record(mut members)) = EMPTY.versions(Action::Access) else {
        panic!("the world says what is in force")
    };
    let (full, major) = if now { ("9.0.0", 9) } else { ("7.0.0", 7) };
    members.remove("model");
    members.insert("models".into(), Value::Set([Value::from(full)].into()));
    members.insert("modelMajors".into(), Value::Set([Value::Long(major)].into()));
    Value::Record(members)
}

fn terms(dice: Index) -> Value {
    // Mostly the terms most contracts have.
    let all: Vec<_> = EMPTY.terms().filter(|(name, _)| *name != "twin-rules").collect();
    let usual = all.iter().find(|(name, _)| *name == "pcf-usage").unwrap();
    let (_, terms) = if dice.index(2) == 0 { usual } else { dice.get(&all) };
    Value::from(terms.digest().to_string().as_str())
}

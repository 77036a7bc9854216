//! Laws over random questions: any principal, action and resource of the world, any agreement, connector, purpose and time,
//! with attributes changed and entities missing.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::ToSpan;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{TestError, TestRunner};
use tidegate::cedar;
use tidegate::decision::{Effect, IamAnswer, IamDecision};
use tidegate::engine::decide;
use tidegate::question::{Action, Entity, EntityKind, EntityRef, Question, Value};

use super::{BUNDLE, world};

type Environment = (EntityKind, Action, EntityKind);

static ENVIRONMENTS: LazyLock<Vec<Environment>> = LazyLock::new(|| {
    let all: BTreeSet<_> = BUNDLE.index.sizes().map(|(environment, _)| environment).collect();
    all.into_iter().collect()
});

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

fn apply(entities: &mut Vec<Entity>, which: Index, tweak: Tweak) {
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
        Tweak::Tenant(tenant) => set("tenant", pick(EntityKind::Tenant, tenant).into()),
        Tweak::Owner(tenant) => set("owner", pick(EntityKind::Tenant, tenant).into()),
        Tweak::State(state) => set("state", Value::from(state)),
        Tweak::Enabled(enabled) => set("enabled", Value::Bool(enabled)),
        Tweak::Membership(status) => set("membership", Value::from(status)),
    }
}

fn pick(kind: EntityKind, index: Index) -> EntityRef {
    let all: Vec<_> = world().of_kind(kind).collect();
    index.get(&all).uid.clone()
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
    rare: [u8; 4],
}

impl Dice {
    fn rare(&self, which: usize) -> bool {
        self.rare[which] < 3
    }

    fn question(self) -> Question {
        let (mut actor, action, mut thing) = self.environment;
        if self.rare(0) {
            // Not always one the schema knows.
            (actor, _, thing) = self.other;
        }
        let (mut principal, resource) = (pick(actor, self.principal), pick(thing, self.resource));
        let days = if self.rare(1) { self.days } else { 0 };
        let now = world().now() + (24 * days).hours();
        let mut context = BTreeMap::from([("now".to_owned(), Value::DateTime(now))]);
        if cedar::moment(action).is_some() {
            let tenant = world()
                .entity(&resource)
                .and_then(|resource| resource.attrs.get("tenant"));
            let own = world()
                .of_kind(EntityKind::Connector)
                .find(|own| own.attrs.get("tenant") == tenant);
            let carried = own.filter(|_| !self.rare(2)).map(|own| own.uid.clone());
            let carried = carried.unwrap_or_else(|| pick(EntityKind::Connector, self.connector));
            context.insert("connector".to_owned(), Value::Entity(carried));
            context.insert("purpose".to_owned(), Value::from(self.purpose));
            if matches!(action, Action::Transfer | Action::Access) && self.rare[3] > 0 {
                // Mostly one of the provider's, asked under by its own consumer; else any.
                let all: Vec<_> = world().of_kind(EntityKind::Agreement).collect();
                let own: Vec<_> = all
                    .iter()
                    .filter(|entity| entity.attrs.get("provider") == tenant)
                    .copied()
                    .collect();
                let any = self.rare(3) || own.is_empty();
                let named = self.agreement.get(if any { &all } else { &own });
                if let (false, Some(Value::Entity(consumer))) = (any, named.attrs.get("consumer")) {
                    principal = consumer.clone();
                }
                context.insert("agreement".to_owned(), Value::Entity(named.uid.clone()));
            }
        }
        world().question(principal, action, resource, context)
    }
}

/// A question of the world, of one of `kinds`.
fn question(kinds: &[Environment]) -> impl Strategy<Value = Question> + use<> {
    let purposes = vec![
        "cx.pcf.base:1",
        "cx.pcf.base:1",
        "cx.pcf.base:1",
        "cx.quality.base:1",
        "",
    ];
    let indices = any::<[Index; 4]>();
    let environments = (select(kinds.to_vec()), select(ENVIRONMENTS.clone()));
    let rare = prop::array::uniform4(0..20_u8);
    let tweaks = prop::collection::vec((any::<Index>(), tweak()), 0..3);
    let dice = (environments, indices, select(purposes), -900_i64..900, rare);
    (dice, tweaks).prop_map(|((environments, indices, purpose, days, rare), tweaks)| {
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
        let mut question = dice.question();
        for (which, tweak) in tweaks {
            apply(&mut question.entities, which, tweak);
        }
        question
    })
}

/// Tries a law on `cases` random questions. `law` says whether the question put it to the test at all; a law that is never put
/// to the test holds of nothing.
fn law(cases: u32, at_least: u32, law: impl Fn(&Question) -> Result<bool, TestCaseError>) {
    law_of(&ENVIRONMENTS, cases, at_least, law);
}

/// As [`law`], over questions of `kinds` only.
fn law_of(kinds: &[Environment], cases: u32, at_least: u32, law: impl Fn(&Question) -> Result<bool, TestCaseError>) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let tested = Cell::new(0);
    let run = TestRunner::new(config).run(&question(kinds), |question| {
        tested.set(tested.get() + u32::from(law(&question)?));
        Ok(())
    });
    match run {
        Ok(()) => assert!(
            tested.get() >= at_least,
            "put to the test only {} times of {cases}",
            tested.get()
        ),
        Err(TestError::Fail(reason, question)) => panic!("{reason}\n{}", String::from_utf8_lossy(&question.to_json())),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

fn entity_in(question: &Question, reference: &EntityRef, name: &str) -> Option<EntityRef> {
    match question.entity(reference)?.attrs.get(name)? {
        Value::Entity(found) => Some(found.clone()),
        _ => None,
    }
}

fn tenant_of(question: &Question, reference: &EntityRef) -> Option<EntityRef> {
    entity_in(question, reference, "tenant")
}

fn in_context(question: &Question, name: &str) -> Option<EntityRef> {
    match question.context.get(name)? {
        Value::Entity(found) => Some(found.clone()),
        _ => None,
    }
}

fn allowed(question: &Question) -> bool {
    decide(&BUNDLE, question).effect == Effect::Allow
}

/// The question with one attribute of one entity set.
fn with(question: &Question, reference: &EntityRef, name: &str, value: Value) -> Question {
    let mut changed = question.clone();
    let entity = changed
        .entities
        .iter_mut()
        .find(|entity| entity.uid == *reference)
        .unwrap();
    entity.attrs.insert(name.into(), value);
    changed
}

#[test]
fn the_index_answers_as_a_scan_of_every_policy_does() {
    law(2_000, 100, |question| {
        let indexed = cedar::answer(&BUNDLE.index, &BUNDLE.schema, question);
        let full = cedar::answer_in_full(&BUNDLE.policies, &BUNDLE.schema, question);
        prop_assert_eq!(&indexed, &full);
        Ok(indexed.decision == Effect::Allow)
    });
    let moments: Vec<_> = ENVIRONMENTS
        .iter()
        .filter(|(kind, ..)| *kind == EntityKind::Partner)
        .copied()
        .collect();
    law_of(&moments, 500, 8, |question| {
        let indexed = cedar::answer(&BUNDLE.index, &BUNDLE.schema, question);
        let full = cedar::answer_in_full(&BUNDLE.policies, &BUNDLE.schema, question);
        prop_assert_eq!(&indexed, &full);
        Ok(indexed.decision == Effect::Allow)
    });
}

#[test]
fn nobody_is_allowed_what_belongs_to_another_tenant() {
    law(1_000, 200, |question| {
        let acting = match question.principal.kind {
            EntityKind::User | EntityKind::Integration => Some(question.principal.clone()),
            EntityKind::Partner => in_context(question, "connector"),
            _ => return Ok(false),
        };
        let acting = acting.and_then(|acting| tenant_of(question, &acting));
        if acting.is_some() && acting == tenant_of(question, &question.resource) {
            return Ok(false);
        }
        prop_assert!(!allowed(question));
        Ok(true)
    });
}

#[test]
fn nobody_receives_a_footprint_without_an_agreement_that_names_them() {
    let kinds = [(EntityKind::Partner, Action::Access, EntityKind::Footprint)];
    law_of(&kinds, 1_000, 12, |question| {
        if !allowed(question) {
            return Ok(false);
        }
        let agreement = in_context(question, "agreement").unwrap();
        let of = |name| entity_in(question, &agreement, name);
        prop_assert_eq!(of("consumer"), Some(question.principal.clone()));
        prop_assert_eq!(of("provider"), tenant_of(question, &question.resource));
        prop_assert_eq!(of("provider"), entity_in(question, &question.resource, "owner"));
        let assets = &question.entity(&question.resource).unwrap().parents;
        prop_assert!(assets.contains(&of("asset").unwrap()));
        let mut without = question.clone();
        without.context.remove("agreement");
        prop_assert!(!allowed(&without));
        Ok(true)
    });
}

#[test]
fn nothing_of_a_tenant_is_allowed_unless_that_tenant_is_active() {
    let schema = BUNDLE.schema.action_entities().unwrap();
    let group = r#"Tidegate::Action::"tenantScoped""#.parse().unwrap();
    let is_scoped = |action: &&Action| {
        let uid = format!("Tidegate::Action::\"{action}\"").parse().unwrap();
        schema.ancestors(&uid).unwrap().any(|above| *above == group)
    };
    let scoped: BTreeSet<_> = Action::ALL.iter().filter(is_scoped).collect();
    assert!(scoped.len() > 15);
    law(1_500, 30, |question| {
        if !scoped.contains(&question.action) || !allowed(question) {
            return Ok(false);
        }
        let tenant = tenant_of(question, &question.resource).unwrap();
        for state in ["suspended", "onboarding", "offboarded", "", "Active"] {
            let stopped = with(question, &tenant, "state", Value::from(state));
            prop_assert!(!allowed(&stopped), "in the state `{}`", state);
        }
        Ok(true)
    });
}

#[test]
fn nobody_who_is_disabled_is_allowed_anything() {
    law(1_000, 40, |question| {
        if question.principal.kind == EntityKind::Partner || !allowed(question) {
            return Ok(false);
        }
        prop_assert!(!allowed(&with(
            question,
            &question.principal,
            "enabled",
            Value::Bool(false)
        )));
        Ok(true)
    });
}

#[test]
fn what_is_allowed_is_allowed_by_cedar_and_by_aws_where_it_is_asked() {
    law(1_000, 50, |question| {
        let decision = decide(&BUNDLE, question);
        let iam = match &decision.iam {
            IamAnswer::Evaluated { decision, .. } => *decision == IamDecision::Allowed,
            IamAnswer::NotApplicable { .. } => true,
        };
        let both = decision.cedar.decision == Effect::Allow && decision.cedar.errors.is_empty() && iam;
        prop_assert_eq!(decision.effect == Effect::Allow, both);
        prop_assert!(decision.effect == Effect::Deny || !decision.cedar.policies.is_empty());
        Ok(both)
    });
}

#[test]
fn what_is_missing_from_a_question_that_is_understood_never_helps() {
    law(400, 100, |question| {
        let answer = cedar::answer(&BUNDLE.index, &BUNDLE.schema, question);
        if answer.decision == Effect::Allow || !answer.errors.is_empty() {
            return Ok(false);
        }
        for index in 0..question.entities.len() {
            let mut less = question.clone();
            let gone = less.entities.remove(index);
            prop_assert!(!allowed(&less), "without {}", gone.uid);
        }
        let mut less = question.clone();
        less.terms.clear();
        prop_assert!(!allowed(&less), "without terms");
        Ok(true)
    });
}

#[test]
fn a_question_reads_back_and_its_digest_knows_no_order() {
    law(300, 300, |question| {
        let digest = question.canonical().digest;
        let text = question.to_json();
        let again = Question::from_json(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&again, question);
        prop_assert_eq!(again.canonical().digest, digest);
        let mut document: serde_json::Value = serde_json::from_slice(&text).unwrap();
        for list in ["entities", "terms"] {
            let list = document[list].as_array_mut().unwrap();
            list.reverse();
            let half = list.len() / 2;
            list.rotate_left(half);
        }
        let shuffled = Question::from_json(&serde_json::to_vec_pretty(&document).unwrap()).unwrap();
        prop_assert_eq!(shuffled.canonical().digest, digest);
        Ok(true)
    });
}

#[test]
fn whatever_changes_in_a_question_changes_its_digest() {
    law(300, 200, |question| {
        let mut changes = vec![question.clone()];
        for (at, entity) in question.entities.iter().enumerate() {
            for name in entity.attrs.keys() {
                changes.push(with(question, &entity.uid, name, Value::from("something else")));
                let mut dropped = question.clone();
                dropped.entities[at].attrs.remove(name);
                changes.push(dropped);
            }
            let mut parent = question.clone();
            parent.entities[at]
                .parents
                .insert(EntityRef::new(EntityKind::CompanyRole, "something else"));
            changes.push(parent);
        }
        for name in question.context.keys() {
            let mut changed = question.clone();
            changed.context.insert(name.clone(), Value::Long(1));
            changes.push(changed);
        }
        if !question.terms.is_empty() {
            let mut changed = question.clone();
            changed.terms.pop_first();
            changes.push(changed);
        }
        let digests: BTreeSet<_> = changes
            .iter()
            .map(|changed| changed.canonical().digest.to_string())
            .collect();
        prop_assert_eq!(digests.len(), changes.len(), "two questions with one digest");
        Ok(changes.len() > 3)
    });
}

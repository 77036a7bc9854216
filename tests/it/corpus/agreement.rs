//! Laws that hold of both layers at once, over random questions of random worlds.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cedar_policy::{Effect as PolicyEffect, Policy, PolicyId, PolicySet};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tidegate::bundle::Bundle;
use tidegate::cedar;
use tidegate::decision::{Decision, Effect, IamAnswer, IamDecision};
use tidegate::engine::{ask_iam, decide};
use tidegate::parity::{self, Expect};
use tidegate::question::{Action, Entity, EntityKind, EntityRef, Question, Value, lookup};

use super::law::{LISTED, allowed, exchange, law_of_any_world, tried};
use super::questions::{ENVIRONMENTS, entity_in, in_context, tenant_of, with};
use super::walls::{documents_changed, replace_all, without_walls};
use super::worlds::any_world;
use super::{BUNDLE, CORPUS};

fn iam_of(decision: &Decision) -> Option<IamDecision> {
    match &decision.iam {
        IamAnswer::Evaluated { decision, .. } => Some(*decision),
        IamAnswer::NotApplicable { .. } => None,
    }
}

/// The listed divergences that explain how the layers disagree under `bundle`; fails where they disagree and none does, or
/// where a disagreement is not a deny.
fn explained(bundle: &Bundle, question: &Question) -> Result<(Decision, BTreeSet<String>), TestCaseError> {
    let decision = decide(bundle, question);
    if parity::disagreement(&decision).is_some() {
        prop_assert_eq!(decision.effect, Effect::Deny);
    }
    match LISTED.explain(question.principal.kind, &Expect::of(&decision, &exchange())) {
        Ok(classes) => Ok((decision, classes)),
        Err(finding) => Err(TestCaseError::fail(finding.message)),
    }
}

#[test]
fn the_layers_agree_or_a_listed_divergence_says_why_not() {
    let seen = RefCell::new((BTreeMap::<_, u32>::new(), BTreeMap::<_, u32>::new()));
    law_of_any_world(&ENVIRONMENTS, 2_500, 300, |question| {
        let (decision, classes) = explained(&BUNDLE, question)?;
        let iam = iam_of(&decision);
        let (answers, listed) = &mut *seen.borrow_mut();
        *answers
            .entry((decision.cedar.decision, iam.map(IamDecision::as_str)))
            .or_default() += 1;
        classes
            .into_iter()
            .for_each(|class| *listed.entry(class).or_default() += 1);
        Ok(iam.is_some())
    });
    let (answers, listed) = seen.into_inner();
    println!("{answers:?}\n{listed:?}");
    // A law that never sees one of the answers says nothing of it.
    for cedar in [Effect::Allow, Effect::Deny] {
        for iam in [Some("allowed"), Some("implicitDeny"), None] {
            let seen = answers.contains_key(&(cedar, iam));
            assert!(seen, "Cedar's {cedar} with {iam:?} was never drawn");
        }
    }
    for class in &CORPUS.divergences {
        assert!(
            listed.contains_key(&class.name),
            "the class {} was never drawn",
            class.name
        );
    }
}

#[test]
fn the_law_that_the_layers_agree_notices_when_one_of_them_is_changed() {
    let broken = |bundle: &Bundle| {
        let tried = tried(any_world(), &ENVIRONMENTS, 6_000, |question| {
            explained(bundle, question).map(|_| true)
        });
        tried.unwrap_err().reason
    };
    let reason = broken(&without_walls());
    assert!(reason.contains("AWS allows what Cedar denies"), "{reason}");
    let narrow = documents_changed(|_, document| replace_all(document, "s3:GetObject", "s3:GetObjectAcl"));
    let reason = broken(&narrow.unwrap());
    assert!(reason.contains("Cedar allows what AWS denies"), "{reason}");
}

// --- a satisfied deny denies ----------------------------------------------------------------------------------------

/// Every `forbid` of the bundle as a `permit`: what it permits is what the forbid is satisfied by.
static SATISFIED: LazyLock<PolicySet> = LazyLock::new(|| {
    let forbids = BUNDLE
        .policies
        .policies()
        .filter(|policy| policy.effect() == PolicyEffect::Forbid);
    let flipped = forbids.map(|policy| {
        let mut text = policy.to_json().unwrap();
        text["effect"] = json!("permit");
        Policy::from_json(Some(policy.id().clone()), text).unwrap()
    });
    PolicySet::from_policies(flipped).unwrap()
});

#[test]
fn a_forbid_that_is_satisfied_denies_whatever_permits() {
    assert!(SATISFIED.policies().count() > 10);
    law_of_any_world(&ENVIRONMENTS, 800, 130, |question| {
        let satisfied = cedar::answer_in_full(&SATISFIED, &BUNDLE.schema, question);
        // What a question brings along is not the bundle's.
        let ours = |id: &&String| !id.starts_with("terms/") && !id.starts_with("rules/");
        if satisfied.decision == Effect::Deny || !satisfied.policies.iter().any(|id| ours(&id)) {
            return Ok(false);
        }
        let decision = decide(&BUNDLE, question);
        prop_assert_eq!(decision.effect, Effect::Deny);
        let forbidding: Vec<_> = satisfied.policies.iter().filter(ours).collect();
        let named = forbidding.iter().all(|id| decision.cedar.policies.contains(id));
        prop_assert!(named, "{:?} of {:?}", decision.cedar.policies, forbidding);
        Ok(true)
    });
}

/// The statements of a document, each with a copy that `edit` changes.
fn with_copies(document: &mut Json, suffix: &str, edit: impl Fn(&mut Json)) {
    let statements = document["Statement"].as_array_mut().unwrap();
    let copies: Vec<_> = statements
        .iter()
        .map(|statement| {
            let mut copy = statement.clone();
            copy["Sid"] = json!(format!("{}{suffix}", statement["Sid"].as_str().unwrap()));
            edit(&mut copy);
            copy
        })
        .collect();
    statements.extend(copies);
}

/// The bundle whose IAM documents deny all that they allow.
static DENYING: LazyLock<Bundle> = LazyLock::new(|| {
    let bundle = documents_changed(|_, document| {
        with_copies(document, "Denied", |copy| copy["Effect"] = json!("Deny"));
        true
    });
    bundle.unwrap()
});

#[test]
fn a_deny_statement_that_is_satisfied_denies_whatever_allows() {
    law_of_any_world(&ENVIRONMENTS, 1_000, 60, |question| {
        let decision = decide(&BUNDLE, question);
        if iam_of(&decision) != Some(IamDecision::Allowed) {
            return Ok(false);
        }
        let denied = ask_iam(&DENYING, question);
        let IamAnswer::Evaluated { decision, statements } = denied else {
            return Err(TestCaseError::fail("AWS is not asked"));
        };
        prop_assert_eq!(decision, IamDecision::ExplicitDeny);
        let only_denies = statements.iter().all(|statement| statement.ends_with("Denied"));
        prop_assert!(only_denies && !statements.is_empty(), "{:?}", statements);
        Ok(true)
    });
}

// --- order and duplication do not matter ----------------------------------------------------------------------------

/// Every policy twice, the copies first.
static TWICE: LazyLock<PolicySet> = LazyLock::new(|| {
    let copies = BUNDLE
        .policies
        .policies()
        .map(|policy| policy.new_id(PolicyId::new(format!("{}/again", policy.id()))));
    PolicySet::from_policies(copies.chain(BUNDLE.policies.policies().cloned())).unwrap()
});

/// Every statement twice, and all in the opposite order.
static REVERSED: LazyLock<Bundle> = LazyLock::new(|| {
    let bundle = documents_changed(|_, document| {
        with_copies(document, "Again", |_| {});
        document["Statement"].as_array_mut().unwrap().reverse();
        true
    });
    bundle.unwrap()
});

fn once(names: &[String], suffix: &str) -> BTreeSet<String> {
    names
        .iter()
        .map(|name| name.trim_end_matches(suffix).to_owned())
        .collect()
}

#[test]
fn neither_order_nor_duplication_matters_to_either_layer() {
    law_of_any_world(&ENVIRONMENTS, 600, 80, |question| {
        let decision = decide(&BUNDLE, question);
        let mut document: Json = serde_json::from_slice(&question.to_json()).unwrap();
        for list in ["entities", "terms"] {
            let list = document[list].as_array_mut().unwrap();
            list.reverse();
            let half = list.len() / 2;
            list.rotate_left(half);
        }
        let shuffled = Question::from_json(document.to_string().as_bytes()).unwrap();
        prop_assert_eq!(&decide(&BUNDLE, &shuffled), &decision, "entities in another order");
        let twice = cedar::answer_in_full(&TWICE, &BUNDLE.schema, question);
        prop_assert_eq!(twice.decision, decision.cedar.decision, "every policy twice");
        let reasons: BTreeSet<_> = decision.cedar.policies.iter().cloned().collect();
        prop_assert_eq!(once(&twice.policies, "/again"), reasons);
        match (&decision.iam, ask_iam(&REVERSED, question)) {
            (IamAnswer::NotApplicable { .. }, again) => prop_assert_eq!(&again, &decision.iam),
            (
                IamAnswer::Evaluated { decision, statements },
                IamAnswer::Evaluated {
                    decision: again,
                    statements: found,
                },
            ) => {
                prop_assert_eq!(again, *decision, "every statement twice");
                prop_assert_eq!(once(&found, "Again"), statements.iter().cloned().collect());
            }
            (_, again) => return Err(TestCaseError::fail(format!("{again:?}"))),
        }
        Ok(iam_of(&decision).is_some())
    });
}

// --- whose it is decides --------------------------------------------------------------------------------------------

/// The question as if the resource were `tenant`'s: its tenant alone, its owner too, the connector that carries the request
/// too, and the provider of the agreement too.
fn swapped(question: &Question, tenant: &EntityRef) -> Vec<Question> {
    let set = |question: &Question, entity: &EntityRef, name: &str| {
        let known = question
            .entity(entity)
            .is_some_and(|entity| entity.attrs.contains_key(name));
        match known {
            true => with(question, entity, name, tenant.clone().into()),
            false => question.clone(),
        }
    };
    let mut variants = vec![set(question, &question.resource, "tenant")];
    variants.push(set(&variants[0], &question.resource, "owner"));
    if let Some(connector) = in_context(question, "connector") {
        variants.push(set(&variants[1], &connector, "tenant"));
        if let Some(agreement) = in_context(question, "agreement") {
            variants.push(set(&variants[2], &agreement, "provider"));
        }
    }
    for variant in &mut variants {
        // The other company is in order, so that its state is not what refuses.
        if variant.entity(tenant).is_none() {
            let state = [("state".to_owned(), Value::from("active"))].into();
            variant.entities.push(Entity {
                uid: tenant.clone(),
                attrs: state,
                parents: BTreeSet::new(),
            });
            variant.entities.sort_by(|left, right| left.uid.cmp(&right.uid));
        }
    }
    variants
}

#[test]
fn what_becomes_another_companys_is_kept_from_whoever_had_it_unless_an_agreement_names_that_company() {
    let kept = Cell::new(0);
    let law = |question: &Question| {
        // The platform's own staff belong to no company.
        let staff = question.principal.kind == EntityKind::Operator;
        let own = tenant_of(question, &question.resource);
        if staff || own.is_none() || question.principal == question.resource || !allowed(question) {
            return Ok(false);
        }
        for number in [
            "BPNL00000000TWNA",
            "BPNL00000000TWNB",
            "BPNL0000000TTWNA",
            "BPNL00000000TWN*",
        ] {
            let other = EntityRef::new(EntityKind::Tenant, number);
            if own.as_ref() == Some(&other) {
                continue;
            }
            for variant in swapped(question, &other) {
                if !allowed(&variant) {
                    continue;
                }
                let carried = in_context(&variant, "connector").and_then(|by| tenant_of(&variant, &by));
                if lookup(question.action).is_some() && carried.as_ref() == Some(&other) {
                    // That company's own rules, and its own connector that asks: what it shows of its twins is its own to say.
                    continue;
                }
                let agreement = in_context(&variant, "agreement");
                let provider = agreement.and_then(|agreement| entity_in(&variant, &agreement, "provider"));
                prop_assert_eq!(provider.as_ref(), Some(&other), "no agreement names the company");
                kept.set(kept.get() + 1);
            }
        }
        Ok(true)
    };
    law_of_any_world(&ENVIRONMENTS, 1_500, 40, law);
    let under_agreements = [
        (EntityKind::Partner, Action::Transfer, EntityKind::Asset),
        (EntityKind::Partner, Action::Access, EntityKind::Footprint),
    ];
    law_of_any_world(&under_agreements, 1_000, 8, law);
    println!("an agreement names the other company {} times", kept.get());
    assert!(kept.get() > 0, "no agreement ever named the other company");
}

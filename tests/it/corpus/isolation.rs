//! Laws of who is allowed what, over random questions of the exchange world.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegate::cedar;
use tidegate::decision::{CedarAnswer, Effect, IamAnswer, IamDecision};
use tidegate::engine::decide;
use tidegate::question::{Action, EntityKind, Value};

use super::BUNDLE;
use super::law::{allowed, law, law_of};
use super::questions::{ENVIRONMENTS, entity_in, in_context, tenant_of, with};

/// An answer but for the wording of its errors: of several entities that do not fit the schema, Cedar names any.
fn told(answer: &CedarAnswer) -> (Effect, &[String], bool) {
    (answer.decision, &answer.policies, answer.errors.is_empty())
}

#[test]
fn the_index_answers_as_a_scan_of_every_policy_does() {
    law(2_000, 100, |question| {
        let indexed = cedar::answer(&BUNDLE.index, &BUNDLE.schema, question);
        let full = cedar::answer_in_full(&BUNDLE.policies, &BUNDLE.schema, question);
        prop_assert_eq!(told(&indexed), told(&full));
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
        prop_assert_eq!(told(&indexed), told(&full));
        Ok(indexed.decision == Effect::Allow)
    });
}

#[test]
fn nobody_is_allowed_what_belongs_to_another_tenant() {
    law(1_000, 120, |question| {
        let acting = match question.principal.kind {
            EntityKind::User | EntityKind::Integration => Some(question.principal.clone()),
            EntityKind::Partner => in_context(question, "connector").or(in_context(question, "client")),
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
        if let Some(client) = in_context(question, "client") {
            prop_assert_eq!(
                entity_in(question, &client, "partner"),
                Some(question.principal.clone())
            );
            prop_assert_eq!(tenant_of(question, &client), tenant_of(question, &question.resource));
        }
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

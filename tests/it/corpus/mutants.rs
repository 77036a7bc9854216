//! The corpus notices: each policy and each statement that is taken out, weakened or widened makes a case fail.

use std::collections::BTreeSet;

use cedar_policy::{Policy, PolicyId, PolicySet};
use serde_json::{Value, json};
use tidegate::bundle::Bundle;
use tidegate::cedar::Index;
use tidegate::parity::{self, Case, Corpus, Layer};

use super::{BUNDLE, CORPUS};

/// Policies behind which another stands: without them every case is still decided alike, only for other reasons.
const SECOND_LINES: [(&str, &str); 4] = [
    (
        "exchange/agreement-on-record",
        "no contract permits anything without an agreement that names it",
    ),
    (
        "guard/integration-own-tenant",
        "every permit for a supplier system compares the tenants itself",
    ),
    (
        "guard/ledger-own-tenant",
        "the permit for a person compares the tenants itself",
    ),
    (
        "guard/user-own-tenant",
        "every permit for a person compares the tenants itself",
    ),
];

/// Conditions no case can tell from their absence: the comparison of tenants, which a guardrail makes as well.
const SHADOWED: [&str; 17] = [
    "administration/own-ledger without condition 2",
    "agreements/list without condition 1",
    "agreements/retire without condition 1",
    "credentials/assume-role without condition 0",
    "credentials/change-secret without condition 0",
    "credentials/fetch-secret without condition 0",
    "footprints/list without condition 1",
    "footprints/read without condition 1",
    "footprints/write without condition 0",
    "ingest/hand-in without condition 0",
    "ingest/list-systems without condition 1",
    "ingest/manage-system without condition 0",
    "pact/own-client without condition 0",
    "pact/own-client without condition 1",
    "twins/read-rules without condition 1",
    "twins/write-rules without condition 1",
    "users/manage without condition 0",
];

/// The built-in bundle without the policy `id`, or with `instead` in its place.
fn changed(id: &str, instead: Option<Policy>) -> Bundle {
    let others = BUNDLE
        .policies
        .policies()
        .filter(|policy| policy.id().to_string() != id)
        .cloned();
    let policies = PolicySet::from_policies(others.chain(instead)).unwrap();
    Bundle {
        digest: BUNDLE.digest,
        manifest: BUNDLE.manifest.clone(),
        source: BUNDLE.source.clone(),
        schema: BUNDLE.schema.clone(),
        index: Index::build(&policies, &BUNDLE.schema).unwrap(),
        policies,
        cards: BUNDLE.cards.clone(),
        account: BUNDLE.account.clone(),
        correspondence: BUNDLE.correspondence.clone(),
    }
}

/// The cases the policy `id` can have a say in.
fn concerned(id: &str) -> Corpus {
    let id = PolicyId::new(id);
    let concerns = |case: &&Case| {
        let question = &case.question;
        let slot = BUNDLE
            .index
            .slot(question.principal.kind, question.action, question.resource.kind);
        slot.is_some_and(|slot| slot.policy(&id).is_some())
    };
    Corpus {
        cases: CORPUS.cases.iter().filter(concerns).cloned().collect(),
        ..CORPUS.clone()
    }
}

#[test]
fn no_policy_can_be_taken_out_unnoticed() {
    let mut shadowed = BTreeSet::new();
    for id in BUNDLE.cards.keys() {
        let report = parity::run_layer(&changed(id, None), &concerned(id), Layer::Cedar);
        assert!(!report.holds(), "no case notices that `{id}` is gone");
        if report
            .cases
            .iter()
            .all(|outcome| outcome.got.cedar.decision() == outcome.expected.cedar.decision())
        {
            shadowed.insert(id.as_str());
        }
    }
    let listed: BTreeSet<_> = SECOND_LINES.iter().map(|(id, _)| *id).collect();
    assert_eq!(shadowed, listed, "policies that change reasons but no decision");
}

/// A policy with one condition of its `when` left out, for each; or without its `unless`.
fn weakened(policy: &Policy) -> Vec<(String, Policy)> {
    let whole = policy.to_json().unwrap();
    let mut mutants = Vec::new();
    for (index, condition) in whole["conditions"].as_array().unwrap().iter().enumerate() {
        let parts = if condition["kind"] == "unless" {
            vec![]
        } else {
            conjuncts(&condition["body"])
        };
        for left_out in 0..parts.len().max(1) {
            let mut mutant = whole.clone();
            let kept = parts
                .iter()
                .enumerate()
                .filter(|(part, _)| *part != left_out)
                .map(|(_, part)| (*part).clone());
            let joined = kept.reduce(|left, right| json!({"&&": {"left": left, "right": right}}));
            let conditions = mutant["conditions"].as_array_mut().unwrap();
            match joined {
                Some(body) => conditions[index]["body"] = body,
                None => drop(conditions.remove(index)),
            }
            let mutant = Policy::from_json(Some(policy.id().clone()), mutant).unwrap();
            mutants.push((format!("{} without condition {left_out}", policy.id()), mutant));
        }
    }
    mutants
}

fn conjuncts(expression: &Value) -> Vec<&Value> {
    match expression.get("&&") {
        Some(pair) => ["left", "right"]
            .into_iter()
            .flat_map(|side| conjuncts(&pair[side]))
            .collect(),
        None => vec![expression],
    }
}

#[test]
fn no_condition_can_be_left_out_unnoticed() {
    let mut survivors = BTreeSet::new();
    for policy in BUNDLE.policies.policies() {
        let id = policy.id().to_string();
        for (what, mutant) in weakened(policy) {
            if parity::run_layer(&changed(&id, Some(mutant)), &concerned(&id), Layer::Cedar).holds() {
                survivors.insert(what);
            }
        }
    }
    let listed: BTreeSet<_> = SHADOWED.iter().map(|what| (*what).to_owned()).collect();
    assert_eq!(survivors, listed, "conditions no case can tell from their absence");
}

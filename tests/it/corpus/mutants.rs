//! The corpus notices: each policy and each statement that is taken out, weakened or widened makes a case fail.

use std::collections::BTreeSet;

use cedar_policy::{Policy, PolicyId, PolicySet};
use serde_json::{Value, json};
use tidegate::bundle::{Bundle, Source};
use tidegate::cedar::Index;
use tidegate::decision::Effect;
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
const SHADOWED: [&str; 8] = [
    "administration/own-ledger without condition 2",
    "credentials/assume-role without condition 0",
    "credentials/change-secret without condition 0",
    "footprints/list without condition 1",
    "footprints/read without condition 1",
    "footprints/write without condition 0",
    "ingest/hand-in without condition 0",
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

/// The built-in bundle with its IAM documents changed by `edit`, which says whether it changed anything.
fn documents_changed(mut edit: impl FnMut(&str, &mut Value) -> bool) -> Option<Bundle> {
    let mut any = false;
    let built_in = Source::built_in();
    let files = built_in.files().map(|(path, bytes)| {
        let Some(name) = path
            .strip_prefix("policies/iam/")
            .and_then(|name| name.strip_suffix(".json"))
        else {
            return (path.to_owned(), bytes.to_vec());
        };
        let mut document: Value = serde_json::from_slice(bytes).unwrap();
        any |= edit(name, &mut document);
        (path.to_owned(), document.to_string().into_bytes())
    });
    let source = Source::of(files.collect::<Vec<_>>());
    any.then(|| Bundle::load(source).unwrap_or_else(|error| panic!("{}", error.render())))
}

/// Every action of every statement of every document: document, number of the statement, number of the action, action.
fn actions() -> Vec<(String, usize, usize, String)> {
    let mut actions = Vec::new();
    documents_changed(|name, document| {
        for (statement, text) in document["Statement"].as_array().unwrap().iter().enumerate() {
            let list = text["Action"]
                .as_array()
                .cloned()
                .unwrap_or_else(|| vec![text["Action"].clone()]);
            let named = list
                .iter()
                .enumerate()
                .map(|(index, action)| (name.to_owned(), statement, index, action.as_str().unwrap().to_owned()));
            actions.extend(named);
        }
        false
    });
    actions
}

#[test]
fn no_action_can_be_taken_out_of_an_iam_document_unnoticed() {
    let actions = actions();
    assert!(actions.len() >= 15);
    for (name, statement, index, action) in actions {
        let bundle = documents_changed(|document, text| {
            if document == name {
                let place = &mut text["Statement"][statement]["Action"];
                let place = if place.is_array() { &mut place[index] } else { place };
                // An empty list is not valid; an action nobody asks for is as good as none.
                *place = json!("sts:SetSourceIdentity");
            }
            document == name
        });
        let report = parity::run_layer(&bundle.unwrap(), &CORPUS, Layer::Iam);
        assert!(!report.holds(), "{name} without {action}");
    }
}

/// Replaces in every text of a document.
fn replace_all(value: &mut Value, from: &str, to: &str) -> bool {
    match value {
        Value::String(text) if text.contains(from) => {
            *text = text.replace(from, to);
            true
        }
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |any, item| replace_all(item, from, to) | any),
        Value::Object(members) => members
            .values_mut()
            .fold(false, |any, item| replace_all(item, from, to) | any),
        _ => false,
    }
}

#[test]
fn no_iam_scope_can_be_widened_unnoticed() {
    // A session policy cuts the role down, so a scope is open only where both documents are.
    let widened = [
        ("every tenant's objects", "{bucket}/{bpnl}/", "{bucket}/*/"),
        ("every tenant's secrets", "tidegate/{bpnl}/", "tidegate/*/"),
        ("secrets whatever their suffix", "-??????", "-*"),
        ("any prefix", "{bpnl}/", "*"),
        ("tenants whose number begins alike", "{bpnl}/", "BPNL0000*/"),
    ];
    for (what, from, to) in widened {
        let bundle = documents_changed(|_, document| replace_all(document, from, to)).unwrap();
        let report = parity::run(&bundle, &CORPUS);
        assert!(!report.holds(), "no case notices {what}");
        // Whatever AWS opens between tenants, Cedar keeps shut; within one, the suffix is AWS's alone to see.
        let shut = report.failures().all(|outcome| outcome.effect == Effect::Deny);
        assert_eq!(shut, from != "-??????", "{what}");
    }
    let untagged = documents_changed(|name, document| {
        let tests = document
            .pointer_mut("/Statement/0/Condition/StringEquals")
            .and_then(Value::as_object_mut);
        name == "tenant-trust" && tests.is_some_and(|tests| tests.remove("aws:RequestTag/bpnl").is_some())
    });
    let report = parity::run(&untagged.unwrap(), &CORPUS);
    assert!(!report.holds(), "no case notices a role open to every tenant's people");
}

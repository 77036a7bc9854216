//! The IAM documents are walls, one behind the other. Each stands alone; and the corpus notices when one is taken down or opened.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidegate::bundle::{Bundle, Caller, Mapping, Source};
use tidegate::decision::Effect;
use tidegate::iam::Isolation;
use tidegate::parity::{self, Layer, Rule};

use super::{BUNDLE, CORPUS};

/// The built-in bundle with its IAM documents changed by `edit`, which says whether it changed anything.
pub(super) fn documents_changed(mut edit: impl FnMut(&str, &mut Value) -> bool) -> Option<Bundle> {
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

/// A statement's `Action` or `NotAction`.
fn element(statement: &mut Value) -> &mut Value {
    let name = if statement.get("Action").is_some() {
        "Action"
    } else {
        "NotAction"
    };
    &mut statement[name]
}

/// Every action of every statement of every document: document, number of the statement, number of the action, action.
fn actions() -> Vec<(String, usize, usize, String)> {
    let mut actions = Vec::new();
    documents_changed(|name, document| {
        for (statement, text) in document["Statement"].as_array_mut().unwrap().iter_mut().enumerate() {
            let list = element(text);
            let list = list.as_array().cloned().unwrap_or_else(|| vec![list.clone()]);
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
    assert!(actions.len() >= 75, "{}", actions.len());
    for (name, statement, index, action) in actions {
        let bundle = documents_changed(|document, text| {
            if document == name {
                let place = element(&mut text["Statement"][statement]);
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

#[test]
fn the_role_grants_what_some_cedar_action_needs_and_nothing_else() {
    let mut needed = BTreeSet::new();
    for case in &CORPUS.cases {
        if let Mapping::Ask(ask) = BUNDLE.correspondence.map(&case.question, Isolation::Role)
            && ask.caller == Caller::Role
        {
            needed.extend(ask.actions.iter().cloned());
        }
    }
    for role in ["tenant-role", "pool-role", "tenant-boundary"] {
        let granted = actions().into_iter().filter(|(document, ..)| document == role);
        let granted: BTreeSet<_> = granted.map(|(_, _, _, action)| action).collect();
        assert_eq!(granted, needed, "{role}");
    }
}

/// Replaces in every text of a document.
pub(super) fn replace_all(value: &mut Value, from: &str, to: &str) -> bool {
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

/// The walls of a tenant's session, by what the names of their documents begin with.
const WALLS: [(&str, &[&str]); 4] = [
    ("role", &["tenant-role", "pool-role"]),
    ("boundary", &["tenant-boundary"]),
    ("session", &["session-"]),
    ("resource", &["bucket-policy", "secret-policy"]),
];

/// Takes a wall down: on the principal's side everything is allowed, on the resource's side nothing forbidden.
fn take_down(wall: &str, document: &mut Value) {
    document["Statement"] = match wall {
        "resource" => json!([{"Effect": "Deny", "Principal": "*", "Action": "sts:SetSourceIdentity", "Resource": "*"}]),
        _ => json!([{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}]),
    };
}

/// The built-in bundle with no wall between tenants.
pub(super) fn without_walls() -> Bundle {
    let changed = documents_changed(|name, document| {
        let part = |(_, own): &&(&str, &[&str])| own.iter().any(|own| name.starts_with(own));
        let wall = WALLS.iter().find(part);
        wall.is_some_and(|(wall, _)| {
            take_down(wall, document);
            true
        })
    });
    changed.unwrap()
}

/// How many cases tell of an open wall once the documents of `wall` are changed by `edit`, all others being as they are.
fn cases_that_notice(wall: &str, mut edit: impl FnMut(&mut Value) -> bool) -> usize {
    let (_, own) = WALLS.iter().find(|(name, _)| *name == wall).unwrap();
    let bundle = documents_changed(|name, document| own.iter().any(|own| name.starts_with(own)) && edit(document));
    let report = parity::run_layer(&bundle.expect("something is changed"), &CORPUS, Layer::Iam);
    let noticed = report
        .failures()
        .filter(|outcome| outcome.findings.iter().any(|finding| finding.rule == Rule::OpenWall));
    noticed.count()
}

#[test]
fn a_wall_that_is_taken_down_is_noticed_though_the_others_stand() {
    for (wall, _) in WALLS {
        let noticed = cases_that_notice(wall, |document| {
            take_down(wall, document);
            true
        });
        assert!(noticed >= 15, "{wall}: {noticed}");
    }
}

#[test]
fn no_wall_can_be_opened_unnoticed_though_the_others_stand() {
    let widened = [
        ("role", "every tenant's objects", "{bucket}/{bpnl}/", "{bucket}/*/"),
        (
            "role",
            "numbers run on, for objects",
            "{bucket}/{bpnl}/pcf/*",
            "{bucket}/{bpnl}*",
        ),
        ("role", "every tenant's secrets", "tidegate/{bpnl}/", "tidegate/*/"),
        (
            "role",
            "numbers run on, for secrets",
            "tidegate/{bpnl}/*",
            "tidegate/{bpnl}*",
        ),
        ("role", "any prefix", "{bpnl}/pcf/*", "*"),
        ("role", "tenants whose number begins alike", "/{bpnl}/", "/BPNL0000*/"),
        (
            "role",
            "every tenant's objects, by tag",
            "{bucket}/${aws:PrincipalTag/bpnl}/",
            "{bucket}/*/",
        ),
        (
            "boundary",
            "every tenant's objects",
            "{bucket}/${aws:PrincipalTag/bpnl}/",
            "{bucket}/*/",
        ),
        (
            "boundary",
            "every tenant's secrets",
            "tidegate/${aws:PrincipalTag/bpnl}/",
            "tidegate/*/",
        ),
        ("boundary", "any prefix", "${aws:PrincipalTag/bpnl}/pcf/*", "*"),
        (
            "session",
            "the same product of every tenant",
            "{bucket}/{bpnl}/",
            "{bucket}/*/",
        ),
        (
            "session",
            "the same secret of every tenant",
            "tidegate/{bpnl}/",
            "tidegate/*/",
        ),
        ("session", "any prefix", "{bpnl}/pcf/*", "*"),
        (
            "resource",
            "every tenant's objects",
            "{bucket}/${aws:PrincipalTag/bpnl}/",
            "{bucket}/*/",
        ),
        ("resource", "any prefix", "${aws:PrincipalTag/bpnl}/pcf/*", "*"),
        (
            "resource",
            "every role but the shared one",
            "tidegate-tenant-*",
            "tidegate-tenant-X",
        ),
        (
            "resource",
            "every role but the tenants' own",
            "tidegate-pool",
            "tidegate-none",
        ),
    ];
    for (wall, what, from, to) in widened {
        let noticed = cases_that_notice(wall, |document| replace_all(document, from, to));
        assert!(noticed > 0, "no case notices {what} at the {wall}");
    }
}

#[test]
fn within_a_tenant_too_a_session_that_reaches_further_is_noticed() {
    // Whatever AWS opens between tenants, Cedar keeps shut; within one, the suffix of a secret is AWS's alone to see.
    let bundle = documents_changed(|_, document| replace_all(document, "-??????", "-*")).unwrap();
    let report = parity::run(&bundle, &CORPUS);
    assert!(report.failures().any(|outcome| outcome.effect == Effect::Allow));
    let untagged = documents_changed(|name, document| {
        let tests = document
            .pointer_mut("/Statement/0/Condition/StringEquals")
            .and_then(Value::as_object_mut);
        name == "tenant-trust" && tests.is_some_and(|tests| tests.remove("aws:RequestTag/bpnl").is_some())
    });
    let report = parity::run(&untagged.unwrap(), &CORPUS);
    assert!(!report.holds(), "no case notices a role open to every tenant's people");
    assert!(
        report
            .failures()
            .all(|outcome| outcome.expected.cedar.decision().is_none() || outcome.effect == Effect::Deny)
    );
}

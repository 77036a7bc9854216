//! Contracts on the command line, and what of them is shown with a decision.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate::contract::Terms;
use tidegate::registry::NewAgreement;

use crate::binary::{check, run};
use crate::harness::{ELBE, HOLDS, Service, WESER, block_on, post};

const USAGE: &str = "fixtures/odrl/dev/pcf-usage.json";
const UNTIL: &str = "fixtures/odrl/dev/pcf-usage-until.json";

/// The usage policy of dev mode with a warranty, and a prohibition for the courts.
fn with_notices() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut policy: Value = serde_json::from_str(&std::fs::read_to_string(root.join(USAGE)).unwrap()).unwrap();
    let constraint = |left: &str, operator: &str, right: &str| json!({"leftOperand": left, "operator": operator, "rightOperand": right});
    let and = policy["permission"][0]["constraint"][0]["and"].as_array_mut().unwrap();
    and.push(constraint("Warranty", "eq", "cx.warranty.none:1"));
    let restriction = constraint("UsageRestriction", "isAllOf", "cx.thirdParty.forbidden:1");
    policy["prohibition"] = json!([{"action": "use", "constraint": restriction}]);
    policy.to_string()
}

fn written(directory: &TempDir, name: &str, text: &str) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn diff_says_the_same_terms_or_names_the_constraint() {
    let directory = TempDir::new().unwrap();
    let usage = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(USAGE)).unwrap();
    let spelled = written(
        &directory,
        "spelled.json",
        &usage.replace("\"Membership\"", "\"cx-policy:Membership\""),
    );
    let same = check(&["contract", "diff", USAGE, &spelled], 0);
    assert!(same.starts_with("the same terms, sha256:9c9c3df73a0317a7"), "{same}");
    insta::assert_snapshot!("diff", check(&["contract", "diff", USAGE, UNTIL], 2));
    let told: Value = serde_json::from_str(&check(&["contract", "diff", UNTIL, USAGE, "--format", "json"], 2)).unwrap();
    assert_eq!(told["same"], false);
    assert_eq!(
        told["differences"],
        json!([{"difference": "removed", "path": "$.permission[0].constraint[0].and[3]",
                "constraint": "DataUsageEndDate eq \"2027-06-30T23:59:59Z\""}])
    );
    let broken = written(&directory, "broken.json", &usage.replace("isAnyOf", "isKindOf"));
    for pair in [
        [USAGE, broken.as_str()],
        [broken.as_str(), USAGE],
        [USAGE, "nowhere.json"],
    ] {
        let out = run(&["contract", "diff", pair[0], pair[1]]);
        assert_eq!(out.status.code(), Some(3), "{pair:?}");
        assert!(out.stdout.is_empty());
    }
}

#[test]
fn explain_tells_class_reason_and_law_to_programs_too() {
    let directory = TempDir::new().unwrap();
    let file = written(&directory, "notices.json", &with_notices());
    let told: Value = serde_json::from_str(&check(&["contract", "explain", &file, "--format", "json"], 0)).unwrap();
    assert_eq!(told["kind"], "usage");
    let warranty = told["constraints"]
        .as_array()
        .unwrap()
        .iter()
        .find(|clause| clause["operand"] == "Warranty")
        .unwrap();
    assert_eq!(warranty["class"], "recorded");
    assert_eq!(warranty["source"], "$.permission[0].constraint[0].and[3]");
    assert_eq!(warranty["moments"], json!([]));
    assert!(warranty["legal"][0].as_str().unwrap().contains("defects"));
    let clauses: Vec<_> = told["notices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|notice| notice["clause"].as_str().unwrap())
        .collect();
    assert_eq!(
        clauses,
        [
            "Warranty eq \"cx.warranty.none:1\"",
            "prohibited: UsageRestriction isAllOf \"cx.thirdParty.forbidden:1\""
        ]
    );
    let terms = Terms::from_odrl(&with_notices()).unwrap();
    assert_eq!(told["digest"], terms.digest().to_string());
    let form: Value = serde_json::from_slice(terms.canonical()).unwrap();
    assert_eq!(told["normalForm"], form);
}

/// One text is read as the kind of policy that is asked for, or refused.
#[test]
fn a_text_is_read_as_the_policy_that_belongs_where_it_is() {
    let directory = TempDir::new().unwrap();
    let old = written(
        &directory,
        "old.json",
        r#"{"@context": {"cx-policy": "https://w3id.org/catenax/policy/"}, "permission": [{"action": "use", "constraint":
            [{"leftOperand": "cx-policy:Membership", "operator": "eq", "rightOperand": "active"}]}]}"#,
    );
    assert!(check(&["contract", "explain", &old], 0).starts_with("usage terms"));
    assert!(check(&["contract", "explain", &old, "--as", "access"], 0).starts_with("access terms"));
    let gate = check(&["contract", "compile", &old, "--as", "access"], 0);
    assert!(gate.contains("/negotiate/permissions"), "{gate}");
    check(&["contract", "diff", &old, &old, "--as", "access"], 0);
    let out = run(&["contract", "compile", USAGE, "--as", "access"]);
    assert_eq!(out.status.code(), Some(3));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        said.contains("$.permission[0].action: the action `use` makes this a usage policy"),
        "{said}"
    );
}

/// Agreements on the same terms between others are told apart.
#[test]
fn diff_tells_whom_two_agreements_name() {
    let directory = TempDir::new().unwrap();
    let usage = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(USAGE)).unwrap();
    let agreed = |name: &str, assignee: &str| {
        let typed = format!(r#""@type": "Agreement", "assignee": "{assignee}""#);
        written(&directory, name, &usage.replacen(r#""@type": "Set""#, &typed, 1))
    };
    let (a, b) = (agreed("a.json", WESER), agreed("b.json", "did:web:weser.example"));
    let told = check(&["contract", "diff", &a, &b], 0);
    assert!(told.starts_with("the same terms, "), "{told}");
    assert!(told.contains("beside the terms, another `assignee`"), "{told}");
    let told: Value = serde_json::from_str(&check(&["contract", "diff", &a, &b, "--format", "json"], 0)).unwrap();
    assert_eq!(
        told["otherParties"],
        json!([{"role": "assignee", "a": WESER, "b": "did:web:weser.example"}])
    );
    assert!(
        check(&["contract", "explain", &a], 0).contains("assignee \"BPNL00000000C3EF\", which is no part of the terms")
    );
    // In a policy it would be dropped, so it is refused.
    let set = written(
        &directory,
        "set.json",
        &usage.replacen('{', r#"{"assignee": "BPNL00000000C3EF","#, 1),
    );
    assert_eq!(run(&["contract", "explain", &set]).status.code(), Some(3));
}

/// The clauses for the courts stand beside the decision in `explain`, and change nothing of it.
#[test]
fn a_decision_is_explained_with_what_no_machine_can_judge() {
    let directory = TempDir::new().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/questions/access-allowed.json");
    let mut question: Value = serde_json::from_str(&std::fs::read_to_string(root).unwrap()).unwrap();
    let terms = Terms::from_odrl(&with_notices()).unwrap();
    question["terms"] = json!([serde_json::from_slice::<Value>(terms.canonical()).unwrap()]);
    for entity in question["entities"].as_array_mut().unwrap() {
        if entity["attrs"].get("terms").is_some() {
            entity["attrs"]["terms"] = json!(terms.digest());
        }
    }
    let file = written(&directory, "question.json", &question.to_string());
    let told = check(&["explain", &file], 0);
    let (_, notices) = told
        .split_once("what binds the parties besides")
        .unwrap_or_else(|| panic!("{told}"));
    assert!(
        notices.contains("- Warranty eq \"cx.warranty.none:1\"\n    The provider does not answer for"),
        "{told}"
    );
    assert!(notices.contains("- prohibited: UsageRestriction isAllOf"), "{told}");
    let told: Value = serde_json::from_str(&check(&["explain", &file, "--format", "json"], 0)).unwrap();
    assert_eq!(told["notices"].as_array().unwrap().len(), 2);
    assert!(!check(&["explain", "fixtures/questions/access-allowed.json"], 0).contains("besides"));
}

#[test]
fn an_evaluation_is_answered_with_them() {
    let service = Service::start();
    let ask = |agreement: &str| {
        let body = json!({
            "subject": { "type": "Partner", "id": WESER },
            "action": { "name": "transfer" },
            "resource": { "type": "Asset", "id": format!("{ELBE}/pcf-ethanol") },
            "context": { "agreement": agreement },
        });
        let ask = post("/access/v1/evaluation").bearer(&service.connector(ELBE));
        ask.json(body.to_string()).send(service.address).json()
    };
    let answer = ask(HOLDS);
    assert_eq!(answer["decision"], true, "{answer}");
    assert_eq!(answer["context"].get("notices"), None);
    let registry = service.app.registry.current();
    let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
    let known = world.agreements.get(&HOLDS.parse().unwrap()).unwrap();
    let new = NewAgreement {
        id: "with-notices".parse().unwrap(),
        provider: known.provider,
        consumer: known.consumer,
        asset: known.asset.clone(),
        state: known.state,
        signed_at: known.signed_at,
        signed: world.signed(&known.asset),
        claims: None,
        odrl: with_notices().into(),
    };
    let agreement = block_on(service.app.registry.examine(&new)).unwrap().unwrap();
    let now = service.app.clock.now();
    block_on(
        service
            .app
            .registry
            .insert_agreements(&[(Arc::new(agreement), new)], now),
    )
    .unwrap();
    let answer = ask("with-notices");
    assert_eq!(answer["decision"], true, "{answer}");
    let notices = answer["context"]["notices"].as_array().unwrap();
    assert_eq!(notices.len(), 2, "{answer}");
    assert_eq!(notices[0]["path"], "$.permissions[0].constraints[3]");
    assert_eq!(
        notices[1]["clause"],
        "prohibited: UsageRestriction isAllOf \"cx.thirdParty.forbidden:1\""
    );
}

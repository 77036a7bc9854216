mod rendering;
mod surveying;
mod writing;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;
use crate::bundle::Source;

const WORLD: &str = include_str!("../../fixtures/worlds/exchange.json");

static BUNDLE: LazyLock<Bundle> =
    LazyLock::new(|| Bundle::load(Source::built_in()).unwrap_or_else(|error| panic!("{}", error.render())));

/// A case that holds: a viewer reads a footprint.
fn case() -> Value {
    json!({
        "name": "read", "why": "a viewer <reads> & \"sees\"", "world": "exchange",
        "question": {
            "principal": {"type": "User", "id": "BPNL000000000DWF/vera"},
            "action": "readFootprint",
            "resource": {"type": "Footprint", "id": "BPNL000000000DWF/deprecated"},
            "context": {"now": {"__extn": {"fn": "datetime", "arg": "2026-11-21T06:00:00.000Z"}}}
        },
        "expect": {
            "cedar": {"decision": "allow", "policies": ["footprints/read"]},
            "iam": {
                "decision": "allowed",
                "statements": ["session-object-read#ReadOneObject", "tenant-boundary#OwnObjects", "tenant-role#OwnObjects"]
            }
        }
    })
}

/// The same question from someone without a role: AWS allows it, Cedar does not.
fn divergent() -> Value {
    let mut case = case();
    case["question"]["principal"]["id"] = json!("BPNL000000000DWF/newt");
    case["expect"]["cedar"] = json!({"decision": "deny", "policies": []});
    case["tags"] = json!(["diverges:role"]);
    case
}

fn class(causes: &[&str]) -> Value {
    json!([{"name": "role", "wider": "iam", "reason": "one role for all", "causes": causes}])
}

fn read(files: &[(&str, String)]) -> Result<Corpus, CorpusError> {
    let mut all = BTreeMap::from([("worlds/exchange.json", WORLD.to_owned())]);
    all.extend(files.iter().cloned());
    Corpus::read(all.iter().map(|(path, text)| (*path, text.as_bytes())))
}

fn one(case: &Value) -> Result<Corpus, CorpusError> {
    read(&[("corpus/some/read.json", case.to_string())])
}

/// What a run says of one case under one list of divergences.
fn findings(case: &Value, divergences: &Value) -> (Vec<String>, Vec<String>) {
    let files = [
        ("corpus/some/read.json", case.to_string()),
        ("divergences.json", divergences.to_string()),
    ];
    let report = run(&BUNDLE, &read(&files).unwrap());
    let messages = |findings: &[Finding]| findings.iter().map(Finding::to_string).collect();
    (messages(&report.cases[0].findings), messages(&report.problems))
}

#[test]
fn a_case_that_holds_has_no_findings() {
    assert_eq!(findings(&case(), &json!([])), (vec![], vec![]));
    assert_eq!(findings(&divergent(), &class(&["no permit"])), (vec![], vec![]));
}

#[test]
fn any_difference_from_what_is_expected_is_a_finding() {
    let changes = [
        ("/expect/cedar/decision", json!("deny")),
        ("/expect/cedar/policies", json!([])),
        ("/expect/cedar/policies", json!(["footprints/read", "footprints/list"])),
        ("/expect/iam", json!("not-applicable")),
        ("/expect/iam/decision", json!("implicitDeny")),
        ("/expect/iam/statements", json!(["tenant-role#OwnObjects"])),
    ];
    for (place, value) in changes {
        let mut case = case();
        *case.pointer_mut(place).unwrap() = value;
        assert_eq!(findings(&case, &json!([])).0.len(), 1, "{place}");
    }
    let mut errors = case();
    errors["expect"]["cedar"]["errors"] = json!(1);
    assert_eq!(findings(&errors, &json!([])).0.len(), 1);
}

#[test]
fn a_disagreement_must_be_listed_by_its_cause_and_a_listed_one_must_be_one() {
    let check = |case: &Value, divergences: &Value, finding: &str, problem: &str| {
        let (findings, problems) = findings(case, divergences);
        let found = findings.join("\n") + &problems.join("\n");
        assert!(
            found.contains(finding) && found.contains(problem) && !found.is_empty(),
            "{found}"
        );
    };
    let mut untagged = divergent();
    untagged["tags"] = json!([]);
    check(
        &untagged,
        &class(&["no permit"]),
        "unlisted divergence: AWS allows",
        "bears the cause `no permit`",
    );
    check(
        &divergent(),
        &json!([]),
        "`role` is not in divergences.json",
        "unlisted",
    );
    check(
        &divergent(),
        &class(&["guard/user-enabled"]),
        "healed",
        "bears the cause `guard/user-enabled`",
    );
    check(
        &divergent(),
        &class(&["no permit", "error"]),
        "",
        "no case of the class `role` bears the cause `error`",
    );
    let mut healed = case();
    healed["tags"] = json!(["diverges:role"]);
    check(&healed, &class(&["no permit"]), "healed", "bears the cause");
    let mut wrong_way = class(&["no permit"]);
    wrong_way[0]["wider"] = json!("cedar");
    check(&divergent(), &wrong_way, "healed", "unlisted");
}

#[test]
fn one_layer_alone_does_not_look_at_the_other() {
    let mut wrong = case();
    wrong["expect"]["iam"] = json!("not-applicable");
    let corpus = one(&wrong).unwrap();
    assert!(run_layer(&BUNDLE, &corpus, Layer::Cedar).holds());
    assert!(!run_layer(&BUNDLE, &corpus, Layer::Iam).holds());
}

#[test]
fn a_file_that_cannot_be_read_fails_the_whole_run_and_every_one_is_named() {
    let mut unknown = case();
    unknown["expects"] = json!({});
    let mut elsewhere = case();
    elsewhere["world"] = json!("nowhere");
    let mut nobody = case();
    nobody["question"]["principal"]["id"] = json!("BPNL000000000DWF/vear");
    let mut idle = case();
    idle["question"]["without"] = json!([{"type": "Tenant", "id": "BPNL00000000B2CD"}]);
    let mut silent = case();
    silent["why"] = json!(" ");
    let mut action = case();
    action["question"]["action"] = json!("readFootprints");
    let bad = [
        ("unknown", unknown.to_string(), "unknown field `expects`"),
        ("elsewhere", elsewhere.to_string(), "there is no world `nowhere`"),
        ("nobody", nobody.to_string(), "is not in the world"),
        ("idle", idle.to_string(), "does not reach it"),
        ("silent", silent.to_string(), "`why` is empty"),
        ("action", action.to_string(), "no `readFootprints`"),
        (
            "twice",
            case().to_string().replacen('{', r#"{"name":"twice","#, 1),
            "stands twice",
        ),
        ("renamed", case().to_string(), "must be that of the file"),
        ("cut", "{".to_owned(), "EOF"),
    ];
    let mut files = vec![(
        "corpus/some/good.json".to_owned(),
        case().to_string().replace("\"read\"", "\"good\""),
    )];
    for (name, text, _) in &bad {
        let text = if *name == "renamed" {
            text.clone()
        } else {
            text.replace("\"read\"", &format!("\"{name}\""))
        };
        files.push((format!("corpus/some/{name}.json"), text));
    }
    files.push(("corpus/misplaced.json".to_owned(), case().to_string()));
    files.push(("corpus/some/Case.JSON".to_owned(), case().to_string()));
    files.push(("corpus/some/README.md".to_owned(), "for people".to_owned()));
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
    let error = read(&files).unwrap_err();
    let named: Vec<_> = error
        .unreadable
        .iter()
        .map(|unreadable| unreadable.file.as_str())
        .collect();
    assert_eq!(named.len(), bad.len() + 2, "{error}");
    for (name, _, problem) in bad {
        let file = format!("corpus/some/{name}.json");
        let found = error.unreadable.iter().find(|unreadable| unreadable.file == file);
        let found = &found.unwrap_or_else(|| panic!("{name} was read")).problem;
        assert!(found.contains(problem), "{name}: {found}");
    }
}

#[test]
fn a_world_must_hold_what_it_names() {
    let world = |from: &str, to: &str| {
        assert!(WORLD.contains(from), "{from}");
        World::read("exchange", WORLD.replacen(from, to, 1).as_bytes())
            .err()
            .unwrap_or_default()
    };
    assert_eq!(world("active", "active"), "");
    assert!(world(r#"{"__terms": "pcf-usage"}"#, r#"{"__terms": "pcf-use"}"#).contains("no terms named \"pcf-use\""));
    assert!(world(r#""name": "exchange""#, r#""name": "other""#).contains("must be that of the file"));
    assert!(world(r#""type": "Platform""#, r#""type": "Platfrom""#).contains("Platfrom"));
    assert!(
        world(
            r#""Asset", "id": "BPNL00000000B2CD/pcf"}, "attrs""#,
            r#""Asset", "id": "x"}, "attrs""#
        )
        .contains("which the world does not hold")
    );
    assert!(world("UsagePurpose", "UsagePurpos").contains("the terms `pcf-usage`"));
}

#[test]
fn a_directory_that_is_not_there_is_an_error_and_an_empty_one_has_no_cases() {
    let directory = tempfile::tempdir().unwrap();
    assert!(load(&directory.path().join("nowhere")).is_err());
    let corpus = load(directory.path()).unwrap();
    assert!(run(&BUNDLE, &corpus).is_empty());
    std::fs::create_dir_all(directory.path().join("corpus/some")).unwrap();
    std::fs::write(directory.path().join("corpus/some/read.json"), case().to_string()).unwrap();
    let error = load(directory.path()).unwrap_err();
    assert_eq!(error.unreadable[0].file, "corpus/some/read.json");
    assert!(error.to_string().contains("there is no world `exchange`"));
}

/// A request to AWS that no question stands for.
fn request() -> Value {
    json!({
        "name": "read", "why": "a session of one tenant reads another's object",
        "request": {
            "principal": "arn:aws:sts::123456789012:assumed-role/tidegate-tenant-BPNL000000000DWF/ada",
            "action": ["s3:GetObject", "s3:GetObjectVersion"],
            "resource": "arn:aws:s3:::tidegate-footprints/BPNL00000000B2CD/pcf/1/a.json",
            "context": {"aws:PrincipalTag/bpnl": "BPNL000000000DWF"}
        },
        "expect": {
            "cedar": "not-applicable",
            "iam": {"decision": "explicitDeny", "statements": ["bucket-policy#OwnPrefixOnly"]}
        }
    })
}

#[test]
fn a_request_to_aws_is_held_to_its_answer_for_each_of_its_actions() {
    assert_eq!(findings(&request(), &json!([])), (vec![], vec![]));
    let mut own = request();
    own["request"]["resource"] = json!("arn:aws:s3:::tidegate-footprints/BPNL000000000DWF/pcf/1/a.json");
    let (found, _) = findings(&own, &json!([]));
    // Both actions are answered otherwise, and not alike: the role does not grant reading old versions.
    assert!(found[0].contains("s3:GetObject: expected explicitDeny by bucket-policy#OwnPrefixOnly, got allowed"));
    assert!(
        found[1]
            .contains("s3:GetObjectVersion: expected explicitDeny by bucket-policy#OwnPrefixOnly, got implicitDeny")
    );
    let mut gone = request();
    gone["request"]["session"] = json!({"document": "session-none"});
    assert!(findings(&gone, &json!([])).0[0].contains("no session policy `session-none`"));
}

#[test]
fn a_case_is_a_question_or_a_request_and_not_half_of_each() {
    let wrong = |case: &Value| one(case).unwrap_err().to_string();
    let mut unasked = case();
    unasked["expect"]["cedar"] = json!("not-applicable");
    assert!(wrong(&unasked).contains("Cedar is asked every question"));
    let mut asked = request();
    asked["expect"]["cedar"] = json!({"decision": "deny", "policies": []});
    assert!(wrong(&asked).contains("is not asked of Cedar"));
    let mut nobody = request();
    nobody["request"]["principal"] = json!("ada");
    assert!(wrong(&nobody).contains("at `/request/principal`"));
    let mut nothing = request();
    nothing["request"]["action"] = json!([]);
    assert!(wrong(&nothing).contains("at least one action"));
}

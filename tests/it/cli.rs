//! The command line: exit codes, and what a person reads.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{check, run};
use crate::reload::{bundle, exchange_policies};

/// What a command printed and how it ended, with the paths of this run taken out.
fn shown(arguments: &[&str], places: &[&Path]) -> String {
    let output = run(arguments);
    let mut text = format!(
        "exit {}\n{}{}",
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap()
    );
    for place in places {
        text = text.replace(place.to_str().unwrap(), "[DIR]");
    }
    text
}

/// A question about a person's own secret.
fn question(role: &str, tenant: &str) -> Value {
    let own = "BPNL000000000DWF";
    let entity = |kind: &str, id: &str| json!({ "type": kind, "id": id });
    let reference = |kind: &str, id: &str| json!({ "__entity": entity(kind, id) });
    let user = format!("{own}/anna");
    json!({
        "principal": entity("User", &user),
        "action": "assumeRole",
        "resource": entity("AwsRole", tenant),
        "context": { "now": { "__extn": { "fn": "datetime", "arg": "2026-11-21T06:00:00.000Z" } } },
        "entities": [
            { "uid": entity("User", &user), "attrs": { "tenant": reference("Tenant", own), "enabled": true }, "parents": [entity("CompanyRole", role)] },
            { "uid": entity("AwsRole", tenant), "attrs": { "tenant": reference("Tenant", tenant) }, "parents": [] },
            { "uid": entity("Tenant", own), "attrs": { "state": "active" }, "parents": [] },
            { "uid": entity("Tenant", "BPNL00000000B2CD"), "attrs": { "state": "active" }, "parents": [] },
            { "uid": entity("CompanyRole", role), "attrs": {}, "parents": [] },
        ],
        "terms": [],
    })
}

fn written(directory: &TempDir, name: &str, text: &str) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn explain_says_the_decision_and_ends_with_its_code() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, question: &Value| written(&directory, name, &question.to_string());
    let allowed = write("allowed.json", &question("admin", "BPNL000000000DWF"));
    let out = check(&["explain", &allowed], 0);
    assert!(
        out.starts_with("allow:") && out.contains("credentials/assume-role"),
        "{out}"
    );
    let refused = write("refused.json", &question("viewer", "BPNL000000000DWF"));
    let out = check(&["explain", &refused], 2);
    assert!(
        out.starts_with("deny:") && out.contains("what would change it"),
        "{out}"
    );
    let foreign = write("foreign.json", &question("admin", "BPNL00000000B2CD"));
    let out = check(&["explain", &foreign], 2);
    assert!(out.contains("guard/user-own-tenant"), "{out}");
    let out: Value = serde_json::from_str(&check(&["explain", &foreign, "--format", "json"], 2)).unwrap();
    assert_eq!(out["decision"]["effect"], "deny");
}

#[test]
fn the_example_questions_are_what_their_names_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/questions");
    let examples = [
        ("access-allowed", 0, "iam    allowed"),
        ("access-retired", 2, "by exchange/agreement-in-force"),
        (
            "access-other-purpose",
            2,
            "would permit if [\"cx.quality.base:1\"].contains(context.purpose)",
        ),
        (
            "secret-of-another-tenant",
            2,
            "refused by the resource-policy\n       at policies/iam/secret-policy.json:4:5",
        ),
        (
            "secret-by-data-steward",
            2,
            "would permit if principal in Tidegate::CompanyRole::\"admin\"",
        ),
    ];
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), examples.len());
    for (name, exit, says) in examples {
        let path = root.join(format!("{name}.json"));
        let out = check(&["explain", path.to_str().unwrap()], exit);
        assert!(out.contains(says), "{name}: {out}");
    }
}

#[test]
fn what_a_person_reads_when_something_is_wrong_with_their_input() {
    let directory = tempfile::tempdir().unwrap();
    let here: &[&Path] = &[directory.path()];
    let mut unknown = question("admin", "BPNL000000000DWF");
    unknown["action"] = json!("assumeRol");
    let mut twice = question("admin", "BPNL000000000DWF").to_string();
    twice.insert_str(1, "\"action\":\"readSecret\",");
    let mut bare = question("admin", "BPNL000000000DWF");
    bare.as_object_mut().unwrap().remove("context");
    for (name, text) in [
        ("question-not-json", "{".to_owned()),
        ("question-unknown-action", unknown.to_string()),
        ("question-member-twice", twice),
        ("question-without-context", bare.to_string()),
    ] {
        let path = written(&directory, &format!("{name}.json"), &text);
        insta::assert_snapshot!(name, shown(&["explain", &path], here));
    }
    insta::assert_snapshot!("question-absent", shown(&["explain", "/nonexistent.json"], here));

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let usage = std::fs::read_to_string(root.join("fixtures/odrl/dev/pcf-usage.json")).unwrap();
    for (name, text) in [
        ("contract-not-json", "{".to_owned()),
        ("contract-unknown-operand", usage.replace("UsagePurpose", "Mood")),
        ("contract-unknown-operator", usage.replace("isAnyOf", "isKindOf")),
    ] {
        assert_ne!(text, usage, "{name}");
        let path = written(&directory, &format!("{name}.json"), &text);
        insta::assert_snapshot!(name, shown(&["contract", "compile", &path], here));
    }
    insta::assert_snapshot!(
        "contract-explain",
        shown(&["contract", "explain", "fixtures/odrl/dev/pcf-usage.json"], here)
    );
    insta::assert_snapshot!(
        "contract-compile",
        shown(&["contract", "compile", "fixtures/odrl/dev/pcf-usage.json"], here)
    );
}

#[test]
fn what_a_person_reads_when_something_is_wrong_with_a_bundle() {
    let whole = check(&["validate"], 0);
    assert!(whole.contains("policies"), "{whole}");
    let changed = bundle();
    let policies = exchange_policies(changed.path());
    let original = std::fs::read_to_string(&policies).unwrap();
    let path = changed.path().to_str().unwrap();
    for (name, from, to) in [
        ("bundle-cut", "permit", "permit"),
        (
            "bundle-unknown-attribute",
            "context.agreement.state",
            "context.agreement.stat",
        ),
        ("bundle-without-reason", "@why(\"A transfer", "@how(\"A transfer"),
        ("bundle-id-taken", "exchange/own-offer", "exchange/own-footprint"),
    ] {
        let text = match name {
            "bundle-cut" => format!("{original}\npermit ("),
            _ => original.replacen(from, to, 1),
        };
        assert_ne!(text, original, "{name}");
        std::fs::write(&policies, text).unwrap();
        insta::assert_snapshot!(name, shown(&["validate", "--bundle", path], &[changed.path()]));
    }
    insta::assert_snapshot!("bundle-absent", shown(&["validate", "--bundle", "/nonexistent"], &[]));
}

#[test]
fn what_a_person_reads_when_a_command_line_does_not_hold() {
    let here = tempfile::tempdir().unwrap();
    let config = written(&here, "tidegate.toml", "listen = \"8080\"\nbase_url = \"http://x\"\n");
    for (name, arguments) in [
        ("no-command", vec![]),
        ("unknown-command", vec!["frobnicate"]),
        ("unknown-flag", vec!["serve", "--bogus"]),
        ("serve-how", vec!["serve"]),
        ("serve-not-loopback", vec!["serve", "--dev", "--listen", "0.0.0.0:0"]),
        ("serve-dev-and-config", vec!["serve", "--dev", "--config", "x.toml"]),
        ("serve-bad-config", vec!["serve", "--config", &config]),
        ("ledger-absent", vec!["ledger", "verify", "/nonexistent"]),
        ("replay-absent", vec!["replay", "--data", "/nonexistent"]),
        (
            "replay-bad-time",
            vec!["replay", "--data", "/nonexistent", "--since", "yesterday"],
        ),
    ] {
        let text = shown(&arguments, &[here.path()]);
        assert!(text.starts_with("exit 3\n"), "{name}: {text}");
        insta::assert_snapshot!(name, text);
    }
    for help in ["--help", "--version"] {
        check(&[help], 0);
    }
}

#[test]
fn what_is_given_as_a_key_by_mistake_is_not_printed() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    let secret = "5f1e8c0b9a7d6e4f";
    for key in [secret.to_owned(), format!("log.example/ledger/platform+{secret}")] {
        for option in ["--key", "--witness"] {
            let text = shown(&["ledger", "verify", place, option, &key], &[directory.path()]);
            assert!(
                text.starts_with("exit 3\n") && text.contains("not a verifier key"),
                "{text}"
            );
            assert!(!text.contains(secret), "{text}");
            assert_eq!(text.contains("log.example"), key.contains("log.example"), "{text}");
        }
    }
}

#[test]
fn dev_mode_listens_on_loopback_only() {
    let data = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let text = shown(
            &[
                "serve",
                "--dev",
                "--listen",
                address,
                "--data",
                data.path().to_str().unwrap(),
            ],
            &[],
        );
        assert!(
            text.starts_with("exit 3\n") && text.contains("loopback"),
            "{address}: {text}"
        );
    }
    assert_eq!(
        std::fs::read_dir(data.path()).unwrap().count(),
        0,
        "nothing was made before it was refused"
    );
}

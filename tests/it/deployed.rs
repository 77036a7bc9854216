//! `tidegate check --deployed`: what is attached in an account, held to the bundle.

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate::bundle::{Bundle, Source};
use tidegate::iam::Isolation;

use crate::binary::{check, run};

/// What AWS would list of an account with the platform's own two roles.
fn export() -> Value {
    let bundle = Bundle::load(Source::built_in()).unwrap_or_else(|error| panic!("{}", error.render()));
    let account = &bundle.account;
    let rendered = |name: &str| {
        let text = account
            .document(name)
            .unwrap()
            .render(&account.names().params())
            .unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let role = |name: &str| {
        json!({
            "RoleName": format!("tidegate-{name}"),
            "Arn": account.names().arn_of_role(&format!("tidegate-{name}")),
            "AssumeRolePolicyDocument": rendered(&format!("{name}-trust")),
            "RolePolicyList": [{"PolicyName": name, "PolicyDocument": rendered(&format!("{name}-role"))}],
        })
    };
    json!({
        "RoleDetailList": [role("service"), role("provisioning")],
        "BucketPolicies": {account.names().bucket(): rendered("bucket-policy")},
    })
}

fn written(directory: &TempDir, name: &str, export: &Value) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, export.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_holds_ends_with_0_and_says_what_was_not_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let file = written(&directory, "sound.json", &export());
    let out = check(&["check", "--deployed", &file], 0);
    assert!(out.contains("2 roles as the bundle says"), "{out}");
    assert!(out.contains("`SecretPolicies` is not in the file"), "{out}");
    // The names of the correspondence are those of the bundle.
    check(
        &["check", "--deployed", &file, "--names", "policies/correspondence.toml"],
        0,
    );
}

#[test]
fn a_finding_ends_with_2_and_names_role_document_and_statement() {
    let directory = tempfile::tempdir().unwrap();
    let mut export = export();
    let statements = &mut export["RoleDetailList"][0]["RolePolicyList"][0]["PolicyDocument"]["Statement"];
    *statements = json!([{"Sid": "Quick", "Effect": "Allow", "Action": "*", "Resource": "*"}]);
    let file = written(&directory, "changed.json", &export);
    let out = check(&["check", "--deployed", &file], 2);
    let named = "changed-document  tidegate-service, service-role#NothingElse: is missing";
    assert!(out.contains(named), "{out}");
    assert!(out.contains("shared documents: what it comes to"), "{out}");
    let out: Value = serde_json::from_str(&check(&["check", "--deployed", &file, "--format", "json"], 2)).unwrap();
    let quick = out["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["statement"] == "Quick")
        .unwrap();
    assert_eq!(
        (&quick["on"], &quick["document"]),
        (&json!("tidegate-service"), &json!("service-role"))
    );
}

#[test]
fn what_is_no_such_file_ends_with_3_and_an_account_without_the_platform_with_4() {
    let directory = tempfile::tempdir().unwrap();
    let none = written(&directory, "none.json", &json!({"RoleDetailList": []}));
    check(&["check", "--deployed", &none], 4);
    let cut = written(
        &directory,
        "cut.json",
        &json!({"RoleDetailList": [], "IsTruncated": true}),
    );
    for (arguments, needle) in [
        (
            ["check", "--deployed", "/nowhere/at-all.json"].as_slice(),
            "cannot read",
        ),
        (&["check", "--deployed", &cut], "cut off"),
        (&["check", "--deployed", &none, "--format", "junit"], "`text` or `json`"),
        (&["check", "--deployed", &none, "--names", &none], "none.json"),
        (&["check", "--deployed", &none, "--layer", "iam"], "cannot be used with"),
        (&["check", "--names", &none], "--deployed"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(needle), "{arguments:?}: {said}");
    }
}

/// The groups in `deploy/tenant.yaml`, each with its precedence and whether it carries the role, in the order of precedence.
fn groups_of_the_stack() -> Vec<(String, u32, bool)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/tenant.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("Type: AWS::Cognito::UserPoolGroup").skip(1);
    let mut groups: Vec<_> = blocks
        .map(|block| {
            // A resource ends at the first empty line.
            let block = block.split("\n\n").next().unwrap();
            let after = |key: &str| block.split(key).nth(1).unwrap().lines().next().unwrap().to_owned();
            let name = after("GroupName: !Sub ").replace("${Bpnl}", "BPNL000000000DWF");
            (name, after("Precedence: ").parse().unwrap(), block.contains("RoleArn:"))
        })
        .collect();
    groups.sort_by_key(|(_, precedence, _)| *precedence);
    groups
}

#[test]
fn the_groups_of_a_tenants_stack_are_those_the_policies_make() {
    let bundle = Bundle::load(Source::built_in()).unwrap_or_else(|error| panic!("{}", error.render()));
    let tenant = "BPNL000000000DWF".parse().unwrap();
    let now = "2026-11-21T09:00:00Z".parse().unwrap();
    let groups = tidegate::groups::of_tenant(&bundle, Isolation::Role, tenant, now)
        .unwrap()
        .into_iter();
    let wanted: Vec<_> = groups
        .map(|group| (group.name, group.precedence.unwrap(), group.role.is_some()))
        .collect();
    assert_eq!(groups_of_the_stack(), wanted);
}

#[test]
fn the_scopes_of_a_tenants_stack_are_those_onboarding_makes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/tenant.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let stack: Vec<_> = text
        .lines()
        .filter(|line| line.contains("ScopeName:"))
        .map(str::trim)
        .collect();
    let wanted = tidegate::tenant::wanted::Wanted::scopes();
    let wanted: Vec<_> = wanted
        .map(|(name, description)| format!("- {{ ScopeName: {name}, ScopeDescription: {description} }}"))
        .collect();
    assert_eq!(stack, wanted);
}

//! Files made from the bundle itself, whole and with one thing changed.

mod laws;
mod mutations;

use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::*;
use crate::bundle::Source;
use crate::ids::TenantId;
use crate::parity;

static BUNDLE: LazyLock<Bundle> =
    LazyLock::new(|| Bundle::load(Source::built_in()).unwrap_or_else(|error| panic!("{}", error.render())));

static CORPUS: LazyLock<Corpus> =
    LazyLock::new(|| parity::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).unwrap());

const OWN: &str = "BPNL000000000DWF";
const OTHER: &str = "BPNL00000003CRHK";

fn deployment() -> Deployment {
    Deployment::of(&BUNDLE)
}

fn rendered(deployment: &Deployment, name: &str, tenant: &str) -> Json {
    let params = deployment.names.params().with("bpnl", tenant).with("owner", tenant);
    let text = BUNDLE.account.document(name).unwrap().render(&params).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn role(deployment: &Deployment, name: &str, tenant: &str) -> Json {
    let arn = deployment.names.arn_of_role(name);
    let kind = deployment.names.own_role(&arn).unwrap();
    let documents = kind.documents();
    let mut role = json!({
        "Path": "/", "RoleName": name, "RoleId": "AROAEXAMPLE", "Arn": arn, "CreateDate": "2026-11-21T06:00:00Z",
        "AssumeRolePolicyDocument": rendered(deployment, documents.trust, tenant),
        "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": rendered(deployment, documents.policy, tenant)}],
        "AttachedManagedPolicies": [],
        "Tags": [{"Key": "stack", "Value": "core"}],
    });
    if documents.boundary.is_some() {
        role["PermissionsBoundary"] = json!({
            "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": deployment.names.boundary_arn(),
        });
    }
    if name.starts_with("tidegate-tenant-") {
        role["Tags"]
            .as_array_mut()
            .unwrap()
            .push(json!({"Key": "bpnl", "Value": tenant}));
    }
    role
}

fn secret(deployment: &Deployment, tenant: &str) -> String {
    let tenant: TenantId = tenant.parse().unwrap();
    deployment.names.secret_arn(tenant, &"edc".parse().unwrap(), "AbCdEf")
}

/// What AWS would list of a deployment that is as it should be.
fn file(deployment: &Deployment) -> Json {
    let tenants = [OWN, OTHER];
    let names = tenants.map(|tenant| format!("tidegate-tenant-{tenant}"));
    let mut roles: Vec<_> = names
        .iter()
        .zip(tenants)
        .map(|(name, tenant)| role(deployment, name, tenant))
        .collect();
    for name in ["tidegate-service", "tidegate-provisioning", "tidegate-pool"] {
        roles.push(role(deployment, name, ""));
    }
    let mut secrets = serde_json::Map::new();
    for tenant in tenants {
        secrets.insert(
            secret(deployment, tenant),
            rendered(deployment, "secret-policy", tenant),
        );
    }
    json!({
        "UserDetailList": [], "GroupDetailList": [],
        "RoleDetailList": roles,
        "Policies": [{
            "PolicyName": "tidegate-tenant-boundary", "Arn": deployment.names.boundary_arn(), "DefaultVersionId": "v2",
            "PolicyVersionList": [
                {"Document": {"Version": "2012-10-17", "Statement": []}, "VersionId": "v1", "IsDefaultVersion": false},
                {"Document": rendered(deployment, "tenant-boundary", ""), "VersionId": "v2", "IsDefaultVersion": true},
            ],
        }],
        "BucketPolicies": {deployment.names.bucket(): rendered(deployment, "bucket-policy", "")},
        "SecretPolicies": secrets,
    })
}

/// The role of this name in a file.
fn in_file<'f>(file: &'f mut Json, name: &str) -> &'f mut Json {
    let roles = file["RoleDetailList"].as_array_mut().unwrap();
    roles.iter_mut().find(|role| role["RoleName"] == name).unwrap()
}

fn export(file: &Json) -> Export {
    Export::read(file.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn report(file: &Json) -> Report {
    check(&BUNDLE, &CORPUS, &deployment(), &export(file))
}

#[test]
fn what_the_bundle_says_holds() {
    let report = report(&file(&deployment()));
    assert_eq!(report.findings, [], "{}", report.text(parity::Style::default()));
    assert!(report.holds(), "{}", report.text(parity::Style::default()));
    assert_eq!(report.roles.len(), 5);
    assert_eq!(report.notes, [""; 0]);
    // What is shared, the tenants' role, the shared role, the secrets; two tenants that are alike are asked once.
    assert_eq!(report.variants.len(), 4);
    assert!(report.asked > 500);
}

#[test]
fn documents_come_as_objects_as_text_and_as_iam_encodes_them() {
    let mut file = file(&deployment());
    let as_text = |document: &Json| Json::String(document.to_string());
    let encoded = |document: &Json| {
        let bytes = document.to_string().into_bytes().into_iter();
        Json::String(bytes.map(|byte| format!("%{byte:02X}")).collect())
    };
    for role in file["RoleDetailList"].as_array_mut().unwrap() {
        role["AssumeRolePolicyDocument"] = encoded(&role["AssumeRolePolicyDocument"]);
        let document = &mut role["RolePolicyList"][0]["PolicyDocument"];
        *document = as_text(document);
    }
    assert!(report(&file).holds());
}

#[test]
fn another_deployment_is_held_to_its_own_names() {
    let pool = "eu-west-1:11111111-2222-3333-4444-555555555555";
    let names = AwsNames::new("aws", "eu-west-1", "111122223333", "tidegate", pool, "eu-west-1_AbC").unwrap();
    let other = Deployment {
        names,
        isolation: Isolation::Tags,
    };
    let mut file = file(&other);
    let report = check(&BUNDLE, &CORPUS, &other, &export(&file));
    assert!(report.holds(), "{}", report.text(parity::Style::default()));
    // Under the bundle's names it is another account's.
    let wrong = super::tests::report(&file);
    assert!(wrong.findings.iter().any(|finding| finding.rule == Rule::WrongArn));
    // And where tenants share a role, that role must be there.
    file["RoleDetailList"].as_array_mut().unwrap().pop();
    let report = check(&BUNDLE, &CORPUS, &other, &export(&file));
    assert_eq!(report.findings[0].rule, Rule::MissingRole);
    assert_eq!(report.findings[0].on, "tidegate-pool");
}

#[test]
fn what_was_not_looked_at_is_said() {
    let mut file = file(&deployment());
    file.as_object_mut()
        .unwrap()
        .retain(|name, _| !name.ends_with("tPolicies"));
    let report = report(&file);
    assert!(report.holds());
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
}

#[test]
fn an_account_without_the_platform_is_nothing_to_check() {
    let report = report(&json!({"RoleDetailList": []}));
    assert!(report.is_empty());
}

#[test]
fn a_file_of_another_form_is_refused_with_what_is_expected() {
    for (text, needle) in [
        ("", "EOF"),
        ("{}", "RoleDetailList"),
        (r#"{"RoleDetailList": [], "IsTruncated": true}"#, "cut off"),
        (r#"{"RoleDetailList": [], "RoleDetailList": []}"#, "twice"),
        (
            r#"{"RoleDetailList": [{"RoleName": "a", "Arn": "b", "AssumeRolePolicyDocument": "%7"}]}"#,
            "cannot be read",
        ),
        (
            r#"{"RoleDetailList": [{"RoleName": "a", "Arn": "b", "AssumeRolePolicyDocument": "%FF"}]}"#,
            "no text",
        ),
        (
            r#"{"RoleDetailList": [{"RoleName": "a", "Arn": "b", "AssumeRolePolicyDocument": "{\"a\":1,\"a\":2}"}]}"#,
            "twice",
        ),
        (
            r#"{"RoleDetailList": [{"RoleName": "a", "Arn": "b", "AssumeRolePolicyDocument": 1}]}"#,
            "neither",
        ),
        (
            r#"{"RoleDetailList": [], "Policies": [{"Arn": "a", "PolicyVersionList": []}]}"#,
            "default version",
        ),
    ] {
        let error = Export::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(needle), "{text}: {error}");
    }
}

#[test]
fn names_of_rules_are_distinct() {
    let names: std::collections::BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
}

//! What is attached to what, and that AWS would take it.

use std::collections::BTreeMap;

use crate::decision::IamDecision;
use crate::iam::{Account, AwsNames, Context, Document, DocumentKind, Isolation, Principal, Request};

const TENANT: &str = "BPNL000000000DWF";

pub(super) fn names() -> AwsNames {
    let pool = "eu-central-1:11111111-2222-3333-4444-555555555555";
    AwsNames::new(
        "aws",
        "eu-central-1",
        "111122223333",
        "pcf",
        pool,
        "eu-central-1_AbCdEf123",
    )
    .unwrap()
}

fn documents(change: impl Fn(&str, String) -> String) -> BTreeMap<String, Document> {
    let folder = format!("{}/policies/iam", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let load = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = change(&name, std::fs::read_to_string(&path).unwrap());
        let kind = Account::kind_of(&name).unwrap_or(DocumentKind::Identity);
        let document = Document::parse(&name, &text, kind).unwrap();
        (name, document)
    };
    files.map(load).collect()
}

fn built_in() -> Account {
    Account::new(names(), Isolation::Role, documents(|_, text| text)).unwrap()
}

fn problems(documents: BTreeMap<String, Document>) -> Vec<(String, String)> {
    Account::new(names(), Isolation::Role, documents).unwrap_err()
}

#[test]
fn a_parameter_that_nobody_fills_in_is_refused() {
    for (document, from, to) in [
        ("tenant-role", "{bpnl}", "{tenant}"),
        ("tenant-role", "{bpnl}", "{pcf}"),
        ("tenant-role", "{bpnl}", "{owner}"),
        ("tenant-trust", "{owner}", "{bpnl}"),
        ("session-list", "{bpnl}", "{owner}"),
        ("tenant-boundary", "${aws:PrincipalTag/bpnl}", "{bpnl}"),
    ] {
        let changed = documents(|name, text| if name == document { text.replace(from, to) } else { text });
        let problems = problems(changed);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].0, document);
        assert!(problems[0].1.contains(&format!("`{to}`")), "{problems:?}");
    }
}

#[test]
fn a_document_that_is_missing_or_that_nothing_attaches_is_refused() {
    let mut documents = documents(|_, text| text);
    let stray = documents.remove("tenant-boundary").unwrap();
    documents.insert("tenant-boundry".into(), stray);
    let problems = problems(documents);
    let named: Vec<_> = problems.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(named, ["tenant-boundary", "tenant-boundry"], "{problems:?}");
}

/// IAM and STS quotas: white space is not counted for roles, a session policy is at most 2,048 characters as it is sent, a bucket's
/// policy 20 KB, a secret's 20,480 characters.
#[test]
fn every_document_is_small_enough_for_its_place() {
    let account = built_in();
    let long = "x".repeat(128);
    for document in account.documents() {
        let limit = match document.kind() {
            DocumentKind::Identity => 10_240,
            DocumentKind::Boundary => 6_144,
            DocumentKind::Trust | DocumentKind::Session => 2_048,
            _ => 20_480,
        };
        let params = ["bpnl", "owner", "partner"]
            .iter()
            .fold(account.names().params(), |params, name| params.with(name, TENANT));
        let params = ["name", "pcf", "product"]
            .iter()
            .fold(params, |params, name| params.with(name, &*long));
        let length = document.render(&params).unwrap().chars().count();
        assert!(
            length <= limit,
            "{} has {length} characters of {limit}",
            document.name()
        );
    }
}

#[test]
fn both_ways_of_keeping_tenants_apart_grant_the_same_under_the_same_names() {
    let account = built_in();
    for (own, shared) in [("tenant-role", "pool-role"), ("tenant-role", "tenant-boundary")] {
        let own = account.document(own).unwrap().text();
        let shared = account.document(shared).unwrap().text();
        assert_eq!(own.replace("{bpnl}", "${aws:PrincipalTag/bpnl}"), shared);
    }
}

#[test]
fn a_session_of_a_role_that_is_not_the_platforms_has_nothing() {
    let account = built_in();
    let ask = |role: &str| {
        let object = format!("arn:aws:s3:::pcf/{TENANT}/pcf/1/a.json");
        let request = Request {
            principal: Principal::session(role, "s").unwrap(),
            action: "s3:PutObject",
            resource: &object,
            resource_account: "111122223333",
            context: Context::new().with("aws:PrincipalTag/bpnl", TENANT),
        };
        account.answer(&request, None).decision
    };
    let own = format!("arn:aws:iam::111122223333:role/tidegate-tenant-{TENANT}");
    assert_eq!(ask(&own), IamDecision::Allowed);
    assert_eq!(
        ask("arn:aws:iam::111122223333:role/tidegate-pool"),
        IamDecision::Allowed
    );
    assert_eq!(
        ask("arn:aws:iam::111122223333:role/tidegate-service"),
        IamDecision::ExplicitDeny
    );
    assert_eq!(ask("arn:aws:iam::111122223333:role/admin"), IamDecision::ImplicitDeny);
    assert_eq!(
        ask(&own.replace("111122223333", "999999999999")),
        IamDecision::ExplicitDeny
    );
}

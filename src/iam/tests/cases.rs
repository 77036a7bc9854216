//! The cases of `fixtures/iam`, each naming the trap it pins: `cases.json`, on the isolation of tenants, and `more.json`, where
//! each also names the page of AWS's documentation that settles it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::decision::IamDecision;
use crate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    name: String,
    trap: String,
    request: CaseRequest,
    identity: Vec<Value>,
    #[serde(default)]
    session: Option<Value>,
    #[serde(default)]
    boundary: Option<Value>,
    #[serde(default)]
    resource_policy: Option<Value>,
    #[serde(default)]
    scp: Vec<Vec<Value>>,
    #[serde(default)]
    rcp: Vec<Vec<Value>>,
    #[serde(default)]
    #[expect(dead_code, reason = "told by the action as well")]
    kind: Option<String>,
    expect: Expected,
    #[expect(dead_code, reason = "a verdict on the policy, for a linter; not on the request")]
    leak: bool,
    #[serde(default)]
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CaseRequest {
    principal: String,
    action: String,
    resource: String,
    resource_account: String,
    context: BTreeMap<String, OneOrMany>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Allow,
    ExplicitDeny,
    ImplicitDeny,
}

fn load(name: &str, value: &Value, kind: DocumentKind) -> Document {
    Document::parse_deployed(name, &value.to_string(), kind)
        .unwrap_or_else(|error| panic!("{name}: {:?}", miette::Report::new(error)))
}

fn decide(case: &Case) -> IamDecision {
    let all = |values: &[Value], kind| -> Vec<Document> {
        values.iter().map(|value| load(&case.name, value, kind)).collect()
    };
    let one = |value: &Option<Value>, kind| value.as_ref().map(|value| load(&case.name, value, kind));
    let identity = all(&case.identity, DocumentKind::Identity);
    let session = one(&case.session, DocumentKind::Session);
    let boundary = one(&case.boundary, DocumentKind::Boundary);
    let resource_kind = if case.request.action.starts_with("sts:") {
        DocumentKind::Trust
    } else {
        DocumentKind::Resource
    };
    let resource = one(&case.resource_policy, resource_kind);
    let scp: Vec<Vec<Document>> = case.scp.iter().map(|level| all(level, DocumentKind::Scp)).collect();
    let rcp: Vec<Document> = case
        .rcp
        .iter()
        .flat_map(|level| all(level, DocumentKind::Rcp))
        .collect();
    let scp: Vec<Vec<&Document>> = scp.iter().map(|level| level.iter().collect()).collect();

    let context = case
        .request
        .context
        .iter()
        .fold(Context::new(), |context, (key, values)| match values {
            OneOrMany::One(value) => context.with(key, value),
            OneOrMany::Many(values) => context.with_many(key, values.iter().map(String::as_str)),
        });
    let request = Request {
        principal: Principal::parse(&case.request.principal).unwrap(),
        action: &case.request.action,
        resource: &case.request.resource,
        resource_account: &case.request.resource_account,
        context,
    };
    let layers = Layers {
        rcp: &rcp.iter().collect::<Vec<_>>(),
        scp: &scp.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        resource: resource.as_ref(),
        identity: &identity.iter().collect::<Vec<_>>(),
        boundary: boundary.as_ref(),
        session: &session.iter().collect::<Vec<_>>(),
    };
    evaluate(&request, &layers, &Params::new()).decision
}

fn check(text: &str) -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let expected = match case.expect {
                Expected::Allow => IamDecision::Allowed,
                Expected::ExplicitDeny => IamDecision::ExplicitDeny,
                Expected::ImplicitDeny => IamDecision::ImplicitDeny,
            };
            let got = decide(case);
            (got != expected).then(|| format!("{}: expected {expected}, got {got} ({})", case.name, case.trap))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    cases
}

#[test]
fn every_isolation_case_is_answered_as_aws_documents_it() {
    let cases = check(include_str!("../../../fixtures/iam/cases.json"));
    assert_eq!(cases.len(), 60);
}

#[test]
fn every_further_case_is_answered_as_the_page_it_names_has_it() {
    let cases = check(include_str!("../../../fixtures/iam/more.json"));
    let named = |case: &&Case| case.source.as_ref().is_some_and(|page| page.starts_with("https://"));
    assert_eq!(cases.iter().filter(named).count(), cases.len());
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "a name stands twice");
}

//! What is answered, without the program around it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate::iam::simulate::{request_document, simulate};
use tidegate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate};

use super::{Form, further, results, seeds, with};

#[test]
fn every_action_is_asked_on_every_resource_in_order() {
    let request =
        with(json!({ "ActionNames": ["s3:GetObject", "S3:PUTOBJECT"], "ResourceArns": ["arn:aws:s3:::b/1", "*"] }));
    let asked: Vec<_> = results(&request)
        .iter()
        .map(|result| {
            ["EvalActionName", "EvalResourceName", "EvalDecision"].map(|name| result[name].as_str().unwrap().to_owned())
        })
        .collect();
    let expected = [
        ["s3:GetObject", "arn:aws:s3:::b/1", "allowed"],
        ["s3:GetObject", "*", "allowed"],
        ["S3:PUTOBJECT", "arn:aws:s3:::b/1", "implicitDeny"],
        ["S3:PUTOBJECT", "*", "implicitDeny"],
    ];
    assert_eq!(asked, expected);
}

#[test]
fn ceilings_tell_whether_they_allow() {
    let allow = |action: &str| json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": action, "Resource": "*" }] });
    let check = |members: Value, expected: &str, by: &str| {
        let result = &results(&with(members))[0];
        assert_eq!(result["EvalDecision"], expected, "{result}");
        assert_eq!(result["Trace"]["DecidedBy"], by, "{result}");
        result.clone()
    };
    let result = check(
        json!({ "PermissionsBoundaryPolicyInputList": [allow("s3:List*")] }),
        "implicitDeny",
        "permissions-boundary",
    );
    assert_eq!(
        result["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"],
        false
    );
    assert_eq!(
        result["Trace"]["Nearest"]["SourcePolicyId"],
        "PermissionsBoundaryPolicyInputList.1"
    );
    assert_eq!(result["Trace"]["Nearest"]["Failed"], json!([{ "Element": "Action" }]));
    let result = check(
        json!({ "PermissionsBoundaryPolicyInputList": [allow("s3:*")] }),
        "allowed",
        "identity-policy",
    );
    assert_eq!(
        result["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"],
        true
    );
    let silent = json!({ "ServiceControlPolicyInputLists": [[allow("*")], [allow("ec2:*"), allow("iam:*")]] });
    let result = check(silent, "implicitDeny", "service-control-policy");
    assert_eq!(result["OrganizationsDecisionDetail"]["AllowedByOrganizations"], false);
    assert_eq!(
        result["Trace"]["Nearest"]["SourcePolicyId"],
        "ServiceControlPolicyInputLists.2.1"
    );
    let ordered =
        json!({ "OrderedOrganizationPolicyInputList": [{ "ServiceControlPolicyInputList": [allow("s3:*")] }] });
    let result = check(ordered, "allowed", "identity-policy");
    assert_eq!(result["OrganizationsDecisionDetail"]["AllowedByOrganizations"], true);
    check(
        json!({ "SessionPolicyInputList": [allow("s3:Put*")] }),
        "implicitDeny",
        "session-policy",
    );
    check(
        json!({ "SessionPolicyInputList": [allow("s3:Put*"), allow("s3:Get*")] }),
        "allowed",
        "identity-policy",
    );
}

#[test]
fn only_aws_own_resource_control_policy_may_allow() {
    let rcp = |statement: Value| {
        with(json!({ "ResourceControlPolicyInputLists": [[{ "Version": "2012-10-17", "Statement": statement }]] }))
    };
    let full = json!({ "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" });
    let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*" });
    for statement in [full.clone(), json!([full])] {
        assert_eq!(results(&rcp(statement))[0]["EvalDecision"], "allowed");
    }
    assert_eq!(results(&rcp(deny.clone()))[0]["EvalDecision"], "explicitDeny");
    let narrower = json!({ "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*" });
    let conditional = json!({ "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": { "Bool": { "aws:SecureTransport": "true" } } });
    for statement in [narrower, conditional, json!([full, deny])] {
        assert!(simulate(&rcp(statement.clone()).to_string()).is_err(), "{statement}");
    }
}

#[test]
fn the_owner_of_a_resource_is_what_its_arn_shows_before_what_is_said() {
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111122223333:user/anna" }, "Action": "*", "Resource": "*" }] });
    let check = |owner: Value, resource: &str, expected: &str| {
        let members = json!({ "PolicyInputList": [], "ResourcePolicy": policy, "ResourceOwner": owner, "ResourceArns": [resource] });
        assert_eq!(
            results(&with(members))[0]["EvalDecision"],
            expected,
            "{owner} {resource}"
        );
    };
    // Within an account the resource's policy is enough, between two it is not.
    check(Value::Null, "arn:aws:s3:::b/x", "allowed");
    check(json!("111122223333"), "arn:aws:s3:::b/x", "allowed");
    check(json!("999988887777"), "arn:aws:s3:::b/x", "implicitDeny");
    check(
        json!("arn:aws:iam::999988887777:root"),
        "arn:aws:s3:::b/x",
        "implicitDeny",
    );
    check(
        json!("999988887777"),
        "arn:aws:sqs:eu-central-1:111122223333:q",
        "allowed",
    );
    check(
        json!("111122223333"),
        "arn:aws:sqs:eu-central-1:999988887777:q",
        "implicitDeny",
    );
}

#[test]
fn without_a_caller_nothing_is_known_of_them() {
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": { "ArnLike": { "aws:PrincipalArn": "*:*:*:*:*:*" } } },
        { "Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::${aws:PrincipalAccount}/*" },
        { "Effect": "Allow", "Action": "sqs:*", "Resource": "*" }] });
    let policy = policy.to_string().replace("*:*:*:*:*:*", "arn:*:*:*:*:*");
    let members = json!({ "PolicyInputList": [policy], "CallerArn": null, "ResourceOwner": "999988887777" });
    let result = &results(&with(members.clone()))[0];
    assert_eq!(result["EvalDecision"], "implicitDeny");
    assert_eq!(
        result["MissingContextValues"],
        json!(["aws:PrincipalAccount", "aws:PrincipalArn"])
    );
    let mut members = members;
    members["ActionNames"] = json!(["sqs:SendMessage"]);
    members["ResourceArns"] = json!(["*", "arn:aws:sqs:eu-central-1:111122223333:q"]);
    for result in results(&with(members)) {
        assert_eq!(result["EvalDecision"], "allowed");
    }
}

#[test]
fn values_are_held_to_the_type_of_their_key() {
    let entry = |values: Value, kind: &str| json!({ "ContextKeyName": "x:y", "ContextKeyValues": values, "ContextKeyType": kind });
    let sound = [
        ("string", json!(["*"])),
        ("stringList", json!([])),
        ("stringList", json!(["a", "b"])),
        ("string", json!(["a", "b"])),
        ("numeric", json!(["-1.5"])),
        ("numeric", json!([3])),
        ("booleanList", json!(["true", false])),
        ("ip", json!(["::1"])),
        ("ipList", json!(["203.0.113.7"])),
        ("binary", json!(["QUJD"])),
        ("date", json!(["2026-01-31T12:00:00Z"])),
        ("dateList", json!(["1585699200"])),
    ];
    for (kind, values) in sound {
        results(&with(json!({ "ContextEntries": [entry(values, kind)] })));
    }
    let unsound = [
        ("string", json!([])),
        ("numeric", json!(["1e3"])),
        ("boolean", json!(["yes"])),
        ("ip", json!(["203.0.113.0/24"])),
        ("binary", json!(["a"])),
        ("date", json!(["tomorrow"])),
        ("numericList", json!(["1", "x"])),
        ("strings", json!(["a"])),
        ("String", json!(["a"])),
        ("string", json!([null])),
        ("string", json!("a")),
    ];
    for (kind, values) in unsound {
        let request = with(json!({ "ContextEntries": [entry(values.clone(), kind)] }));
        assert!(simulate(&request.to_string()).is_err(), "{kind} {values}");
    }
}

#[test]
fn too_much_at_once_is_refused_before_it_is_computed() {
    let many: Vec<String> = (0..200).map(|number| format!("arn:aws:s3:::b/{number}")).collect();
    let actions: Vec<String> = (0..200).map(|number| format!("s3:Get{number}")).collect();
    let request = with(json!({ "ResourceArns": many, "ActionNames": actions }));
    let error = simulate(&request.to_string()).unwrap_err().to_string();
    assert!(error.contains("40000 results"), "{error}");
}

proptest! {
    #[test]
    fn no_request_however_broken_ends_the_program(
        seed in 0_usize..60,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..3, "[\\PC\"\\\\{}\\[\\],:$*?0-9\n]{0,3}"), 1..6),
    ) {
        let mut text: Vec<char> = seeds(Form::Object)[seed].2.to_string().chars().collect();
        for (at, remove, insert) in edits {
            let at = at.index(text.len());
            let end = (at + remove).min(text.len());
            text.splice(at..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        match simulate(&text) {
            Ok(simulation) => prop_assert!(simulation.decisions().count() > 0),
            Err(error) => prop_assert!(error.to_json()["Error"]["Message"].is_string()),
        }
    }
}

#[test]
fn a_request_written_out_is_answered_as_it_was() {
    let parse = |name: &str, kind, statement: &str| {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#);
        Document::parse(name, &text, kind).unwrap()
    };
    let own = r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::pcf/{bpnl}/*"}"#;
    let role = parse("role", DocumentKind::Identity, own);
    let session = parse(
        "session",
        DocumentKind::Session,
        r#"{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/tenants/acme"}}}"#,
    );
    let boundary = parse("boundary", DocumentKind::Boundary, own);
    let scp = parse(
        "scp",
        DocumentKind::Scp,
        r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#,
    );
    let rcp = parse(
        "rcp",
        DocumentKind::Rcp,
        r#"{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "evil"}}}"#,
    );
    let policy = parse(
        "bucket",
        DocumentKind::Resource,
        r#"{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:ResourceAccount": "111122223333"}}}"#,
    );
    let params = Params::new().with("bpnl", "acme");
    let layers = Layers {
        rcp: &[&rcp],
        scp: &[&[&scp]],
        resource: Some(&policy),
        identity: &[&role],
        boundary: Some(&boundary),
        session: &[&session],
    };
    let mut decisions = BTreeSet::new();
    for (action, resource, account, tags) in [
        (
            "s3:GetObject",
            "arn:aws:s3:::pcf/acme/x",
            "111122223333",
            ["tenant", "env"],
        ),
        (
            "s3:PutObject",
            "arn:aws:s3:::pcf/acme/x",
            "111122223333",
            ["tenant", "env"],
        ),
        (
            "s3:GetObject",
            "arn:aws:s3:::pcf/globex/x",
            "111122223333",
            ["tenant", "env"],
        ),
        (
            "s3:GetObject",
            "arn:aws:s3:::pcf/acme/x",
            "111122223333",
            ["tenant", "evil"],
        ),
        (
            "s3:GetObject",
            "arn:aws:s3:::pcf/acme/x",
            "999988887777",
            ["tenant", "env"],
        ),
    ] {
        let request = Request {
            principal: Principal::session("arn:aws:iam::111122223333:role/tenants/acme", "anna").unwrap(),
            action,
            resource,
            resource_account: account,
            context: Context::new().with_many("aws:TagKeys", tags),
        };
        let expected = evaluate(&request, &layers, &params).decision;
        let document = request_document(&request, &layers, &params).unwrap();
        let answer = simulate(&document.to_string()).unwrap();
        assert_eq!(answer.decisions().collect::<Vec<_>>(), [expected], "{document}");
        decisions.insert(expected.as_str());
    }
    assert_eq!(decisions.len(), 3, "every answer is among them");
}

#[test]
fn a_list_of_one_value_is_that_value_unless_the_key_is_one_of_several() {
    let answer = |key: &str, kind: &str| {
        let pattern = format!("arn:aws:s3:::pcf/${{{key}}}/*");
        let request = json!({
            "PolicyInputList": [{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": pattern}}],
            "ActionNames": ["s3:GetObject"],
            "ResourceArns": ["arn:aws:s3:::pcf/acme/a.json"],
            "ContextEntries": [{"ContextKeyName": key, "ContextKeyValues": ["acme"], "ContextKeyType": kind}]
        });
        results(&request)[0]["EvalDecision"].as_str().unwrap().to_owned()
    };
    for kind in ["string", "stringList"] {
        assert_eq!(answer("aws:PrincipalTag/bpnl", kind), "allowed");
        assert_eq!(answer("aws:TagKeys", kind), "implicitDeny");
    }
}

#[test]
fn the_further_cases_are_answered_alike_as_requests_of_the_simulator() {
    let wrong: Vec<String> = further(Form::Object)
        .iter()
        .filter_map(|(name, expected, request)| match simulate(&request.to_string()) {
            Err(error) => Some(format!("{name}: {error}")),
            Ok(answer) => {
                let got = answer.decisions().next().unwrap();
                (got.as_str() != *expected).then(|| format!("{name}: expected {expected}, got {got}"))
            }
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

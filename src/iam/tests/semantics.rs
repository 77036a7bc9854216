//! One rule of the policy language per test, by table.

use super::{document, request, tenant};
use crate::decision::IamDecision::{self, Allowed, ExplicitDeny, ImplicitDeny};
use crate::iam::{Context, Document, DocumentKind, Layer, Layers, Params, Principal, Request, evaluate, trace};

/// Whether an `Allow` with this condition applies to a request with this context.
fn condition_holds(condition: &str, context: Context<'_>) -> bool {
    let statements = format!(r#"{{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {condition}}}"#);
    let document = document(DocumentKind::Identity, &statements);
    let layers = Layers {
        identity: &[&document],
        ..Layers::default()
    };
    evaluate(&request("s3:GetObject", "*", context), &layers, &Params::new()).decision == Allowed
}

#[test]
fn an_absent_key_fails_positive_operators_and_satisfies_negated_ones() {
    let check = |operator: &str, value: &str, expected: bool| {
        let condition = format!(r#"{{"{operator}": {{"aws:SourceIp": "{value}"}}}}"#);
        assert_eq!(condition_holds(&condition, Context::new()), expected, "{operator}");
        let empty = Context::new().with_many("aws:SourceIp", Vec::<&str>::new());
        assert_eq!(
            condition_holds(&condition, empty),
            expected,
            "{operator} with no values"
        );
    };
    for (operator, value) in [
        ("StringEquals", "a"),
        ("StringEqualsIgnoreCase", "a"),
        ("StringLike", "*"),
        ("NumericEquals", "1"),
        ("NumericLessThan", "1"),
        ("DateGreaterThan", "2020-01-01"),
        ("Bool", "false"),
        ("BinaryEquals", "QQ=="),
        ("IpAddress", "0.0.0.0/0"),
        ("ArnLike", "arn:*:*:*:*:*"),
        ("Null", "false"),
        ("ForAnyValue:StringLike", "*"),
        ("ForAnyValue:StringNotEquals", "a"),
    ] {
        check(operator, value, false);
        if !operator.contains(':') && operator != "Null" {
            check(&format!("{operator}IfExists"), value, true);
        }
    }
    for (operator, value) in [
        ("StringNotEquals", "a"),
        ("StringNotEqualsIgnoreCase", "a"),
        ("StringNotLike", "*"),
        ("NumericNotEquals", "1"),
        ("DateNotEquals", "2020-01-01"),
        ("NotIpAddress", "0.0.0.0/0"),
        ("ArnNotLike", "arn:*:*:*:*:*"),
        ("ArnNotEquals", "arn:*:*:*:*:*"),
        ("Null", "true"),
        ("ForAllValues:StringEquals", "a"),
    ] {
        check(operator, value, true);
    }
}

#[test]
fn operators_compare_as_their_names_say() {
    let check = |operator: &str, policy: &str, value: &str, expected: bool| {
        let condition = format!(r#"{{"{operator}": {{"x:k": {policy}}}}}"#);
        let held = condition_holds(&condition, Context::new().with("X:K", value));
        assert_eq!(held, expected, "{operator} {policy} of {value}");
    };
    check("StringEquals", r#""a*""#, "a*", true);
    check("StringEquals", r#""a*""#, "ab", false);
    check("StringEquals", r#"["a", "b"]"#, "b", true);
    check("StringNotEquals", r#"["a", "b"]"#, "b", false);
    check("StringEqualsIgnoreCase", r#""AbC""#, "aBc", true);
    check("StringLike", r#""a?c""#, "abc", true);
    check("StringLike", r#""A?c""#, "abc", false);
    check("StringLike", r#""a${*}c""#, "abc", false);
    check("StringLike", r#""a${*}c""#, "a*c", true);
    check("NumericLessThan", r#""10""#, "9", true);
    check("NumericLessThan", "10", "9", true);
    check("NumericGreaterThanEquals", r#""10""#, "10.0", true);
    check("NumericNotEquals", r#""10""#, "ten", true);
    check("NumericEquals", r#""10""#, "ten", false);
    check(
        "DateLessThan",
        r#""2026-01-01T00:00:00Z""#,
        "2025-12-31T23:59:59Z",
        true,
    );
    check(
        "DateGreaterThan",
        r#""2026-01-01T00:00:00Z""#,
        "2025-12-31T23:59:59Z",
        false,
    );
    check("Bool", "true", "TRUE", true);
    check("Bool", r#""false""#, "true", false);
    check("BinaryEquals", r#""QQ==""#, "QQ==", true);
    check("BinaryEquals", r#""QQ==""#, "Qg==", false);
    check("IpAddress", r#"["10.0.0.0/8", "2001:db8::/32"]"#, "2001:db8::1", true);
    check("NotIpAddress", r#""10.0.0.0/8""#, "10.255.0.1", false);
    check("ArnLike", r#""arn:aws:s3:::b/*""#, "arn:aws:s3:::b/k:v", true);
    check(
        "ArnLike",
        r#""arn:aws:s3:*:111122223333:k""#,
        "arn:aws:s3:eu:x:111122223333:k",
        false,
    );
    check("ArnEquals", r#""arn:aws:s3:::b/*""#, "arn:aws:s3:::b/k", true);
    check("Null", r#""false""#, "", true);
    check("ForAllValues:StringNotEquals", r#"["a", "b"]"#, "c", true);
    check("ForAnyValue:StringEquals", r#"["a", "b"]"#, "c", false);
}

#[test]
fn set_operators_ask_every_value_or_any() {
    let check = |operator: &str, values: &[&'static str], expected: bool| {
        let condition = format!(r#"{{"{operator}": {{"aws:TagKeys": ["a", "b"]}}}}"#);
        let context = Context::new().with_many("aws:TagKeys", values.iter().copied());
        assert_eq!(
            condition_holds(&condition, context),
            expected,
            "{operator} of {values:?}"
        );
    };
    check("ForAllValues:StringEquals", &["a", "b"], true);
    check("ForAllValues:StringEquals", &["a", "c"], false);
    check("ForAnyValue:StringEquals", &["c", "a"], true);
    check("ForAnyValue:StringEquals", &["c"], false);
    check("ForAllValues:StringNotEquals", &["c", "d"], true);
    check("ForAllValues:StringNotEquals", &["c", "a"], false);
    check("ForAnyValue:StringNotEquals", &["a", "c"], true);
    check("ForAnyValue:StringNotEquals", &["a", "b"], false);
    check("StringNotEquals", &["a", "c"], false);
}

#[test]
fn a_variable_stands_for_one_value_or_its_default_and_only_in_the_newer_language() {
    let decide = |version: &str, pattern: &str, resource: &str, context: Context<'_>| {
        let text = format!(
            r#"{{"Version": "{version}", "Statement": {{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/{pattern}"}}}}"#
        );
        let document = Document::parse("test", &text, DocumentKind::Identity).unwrap();
        let layers = Layers {
            identity: &[&document],
            ..Layers::default()
        };
        let resource = format!("arn:aws:s3:::b/{resource}");
        evaluate(&request("s3:GetObject", &resource, context), &layers, &Params::new()).decision == Allowed
    };
    let tagged = |value: &'static str| Context::new().with("aws:PrincipalTag/tenant", value);
    let new = "2012-10-17";
    assert!(decide(new, "${aws:PrincipalTag/tenant}/k", "acme/k", tagged("acme")));
    assert!(decide(new, "${AWS:principaltag/Tenant}/k", "acme/k", tagged("acme")));
    assert!(!decide(new, "${aws:PrincipalTag/tenant}/k", "acme/k", tagged("*")));
    assert!(!decide(new, "${aws:PrincipalTag/tenant}/k", "/k", Context::new()));
    assert!(decide(
        new,
        "${aws:PrincipalTag/tenant, 'guest'}/k",
        "guest/k",
        Context::new()
    ));
    assert!(!decide(
        new,
        "${aws:PrincipalTag/tenant, 'guest'}/k",
        "guest/k",
        tagged("acme")
    ));
    let two = Context::new().with_many("aws:PrincipalTag/tenant", ["acme", "globex"]);
    assert!(!decide(new, "${aws:PrincipalTag/tenant}/k", "acme/k", two));
    assert!(decide("2008-10-17", "${aws:x}", "${aws:x}", Context::new()));
    assert!(!decide(
        "2008-10-17",
        "${aws:PrincipalTag/tenant}",
        "acme",
        tagged("acme")
    ));
}

#[test]
fn a_parameter_or_variable_without_a_value_matches_nothing() {
    for placeholder in ["{bpnl}", "${aws:PrincipalTag/tenant}"] {
        for pattern in ["P", "P*", "*P", "*P*", "k*P", "?P"] {
            let pattern = pattern.replace('P', placeholder);
            let statements = format!(r#"{{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/{pattern}"}}"#);
            let document = document(DocumentKind::Identity, &statements);
            let layers = Layers {
                identity: &[&document],
                ..Layers::default()
            };
            for key in ["", "k", "kk", placeholder, "k*"] {
                let resource = format!("arn:aws:s3:::b/{key}");
                let request = request("s3:GetObject", &resource, Context::new());
                assert_eq!(
                    evaluate(&request, &layers, &Params::new()).decision,
                    ImplicitDeny,
                    "{pattern} {key}"
                );
            }
            let resource = format!(
                "arn:aws:s3:::b/{}",
                pattern.replace(placeholder, "acme").replace('*', "-")
            );
            let request = request(
                "s3:GetObject",
                &resource,
                Context::new().with("aws:PrincipalTag/tenant", "acme"),
            );
            let decision = evaluate(&request, &layers, &Params::new().with("bpnl", "acme")).decision;
            assert_eq!(decision, Allowed, "{pattern} {resource}");
        }
    }
}

const ALLOW_ALL: &str = r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#;

/// Answers a request of the account's session under a resource policy naming `principal`.
fn with_resource_policy(principal: &str, layers: &Layers<'_>, account: &str) -> (IamDecision, Layer) {
    let statements =
        format!(r#"{{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Principal": {principal}}}"#);
    let policy = document(DocumentKind::Resource, &statements);
    let layers = Layers {
        resource: Some(&policy),
        ..*layers
    };
    let request = Request {
        resource_account: account,
        ..request("s3:GetObject", "arn:aws:s3:::b/k", Context::new())
    };
    let evaluation = evaluate(&request, &layers, &Params::new());
    (evaluation.decision, evaluation.decided_by)
}

const SESSION: &str = r#"{"AWS": "arn:aws:sts::111122223333:assumed-role/tidegate-tenant-BPNL000000000DWF/alice"}"#;
const OTHER_SESSION: &str = r#"{"AWS": "arn:aws:sts::111122223333:assumed-role/tidegate-tenant-BPNL000000000DWF/bob"}"#;
const ROLE: &str = r#"{"AWS": "arn:aws:iam::111122223333:role/tidegate-tenant-BPNL000000000DWF"}"#;

#[test]
fn the_way_a_resource_policy_names_its_principal_decides_how_far_it_reaches() {
    let narrow = document(
        DocumentKind::Session,
        r#"{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}"#,
    );
    let bounded = document(
        DocumentKind::Boundary,
        r#"{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}"#,
    );
    let free = Layers::default();
    let in_session = Layers {
        session: &[&narrow],
        ..free
    };
    let in_boundary = Layers {
        boundary: Some(&bounded),
        ..free
    };
    let own = super::ACCOUNT;
    let check = |principal: &str, layers: &Layers<'_>, expected: (IamDecision, Layer)| {
        assert_eq!(
            with_resource_policy(principal, layers, own),
            expected,
            "{principal} {layers:?}"
        );
    };
    check(SESSION, &free, (Allowed, Layer::Resource));
    check(SESSION, &in_session, (Allowed, Layer::Resource));
    check(SESSION, &in_boundary, (Allowed, Layer::Resource));
    check(ROLE, &free, (Allowed, Layer::Resource));
    check(ROLE, &in_session, (ImplicitDeny, Layer::Session));
    check(ROLE, &in_boundary, (ImplicitDeny, Layer::Boundary));
    check(r#""*""#, &free, (Allowed, Layer::Resource));
    check(r#""*""#, &in_boundary, (Allowed, Layer::Resource));
    check(r#""*""#, &in_session, (Allowed, Layer::Resource));
    check(OTHER_SESSION, &free, (ImplicitDeny, Layer::Identity));
    check(r#"{"AWS": "111122223333"}"#, &free, (ImplicitDeny, Layer::Identity));
    check(
        r#"{"AWS": "arn:aws:iam::111122223333:root"}"#,
        &free,
        (ImplicitDeny, Layer::Identity),
    );
    check(
        r#"{"Service": "s3.amazonaws.com"}"#,
        &free,
        (ImplicitDeny, Layer::Identity),
    );
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let all = document(DocumentKind::Identity, ALLOW_ALL);
    let with_identity = Layers {
        identity: &[&all],
        ..Layers::default()
    };
    let check = |principal: &str, layers: &Layers<'_>, expected: (IamDecision, Layer)| {
        assert_eq!(
            with_resource_policy(principal, layers, "999988887777"),
            expected,
            "{principal}"
        );
    };
    for principal in [SESSION, ROLE, r#"{"AWS": "111122223333"}"#, r#""*""#] {
        check(principal, &with_identity, (Allowed, Layer::Identity));
        check(principal, &Layers::default(), (ImplicitDeny, Layer::Identity));
    }
    check(OTHER_SESSION, &with_identity, (ImplicitDeny, Layer::Resource));
}

#[test]
fn every_level_of_service_control_policies_must_allow() {
    let all = document(DocumentKind::Identity, ALLOW_ALL);
    let open = document(DocumentKind::Scp, ALLOW_ALL);
    let other = document(
        DocumentKind::Scp,
        r#"{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}"#,
    );
    let check = |scp: &[&[&Document]], expected: (IamDecision, Layer)| {
        let layers = Layers {
            identity: &[&all],
            scp,
            ..Layers::default()
        };
        let evaluation = evaluate(&request("s3:GetObject", "*", Context::new()), &layers, &Params::new());
        assert_eq!((evaluation.decision, evaluation.decided_by), expected);
    };
    check(&[&[&open], &[&open]], (Allowed, Layer::Identity));
    check(&[&[&open], &[&other, &open]], (Allowed, Layer::Identity));
    check(&[&[&open], &[&other]], (ImplicitDeny, Layer::Scp));
    check(&[&[&open], &[]], (ImplicitDeny, Layer::Scp));
}

#[test]
fn not_principal_spares_only_one_listed_with_its_role_and_account() {
    let all = document(DocumentKind::Identity, ALLOW_ALL);
    let check = |listed: &str, expected: IamDecision| {
        let statements =
            format!(r#"{{"Effect": "Deny", "Action": "*", "Resource": "*", "NotPrincipal": {{"AWS": [{listed}]}}}}"#);
        let policy = document(DocumentKind::Resource, &statements);
        let layers = Layers {
            identity: &[&all],
            resource: Some(&policy),
            ..Layers::default()
        };
        let evaluation = evaluate(&request("s3:GetObject", "*", Context::new()), &layers, &Params::new());
        assert_eq!(evaluation.decision, expected, "{listed}");
    };
    let role = r#""arn:aws:iam::111122223333:role/tidegate-tenant-BPNL000000000DWF""#;
    let session = r#""arn:aws:sts::111122223333:assumed-role/tidegate-tenant-BPNL000000000DWF/alice""#;
    check(role, ExplicitDeny);
    check(&format!("{role}, {session}"), ExplicitDeny);
    check(&format!("{role}, {session}, \"111122223333\""), Allowed);

    // With a permissions boundary, nobody is spared.
    let boundary = document(DocumentKind::Boundary, ALLOW_ALL);
    let spared = format!(
        r#"{{"Effect": "Deny", "Action": "*", "Resource": "*", "NotPrincipal": {{"AWS": [{role}, {session}, "111122223333"]}}}}"#
    );
    let policy = document(DocumentKind::Resource, &spared);
    let layers = Layers {
        identity: &[&all],
        resource: Some(&policy),
        boundary: Some(&boundary),
        ..Layers::default()
    };
    let evaluation = evaluate(&request("s3:GetObject", "*", Context::new()), &layers, &Params::new());
    assert_eq!(evaluation.decision, ExplicitDeny);
}

#[test]
fn a_role_is_assumed_only_by_leave_of_its_trust_policy() {
    let all = document(DocumentKind::Identity, ALLOW_ALL);
    let target = "arn:aws:iam::111122223333:role/target";
    let check = |trust: Option<&str>, identity: &[&Document], expected: (IamDecision, Layer)| {
        let policy = trust.map(|principal| {
            let statements = format!(r#"{{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {principal}}}"#);
            document(DocumentKind::Trust, &statements)
        });
        let layers = Layers {
            identity,
            resource: policy.as_ref(),
            ..Layers::default()
        };
        let evaluation = evaluate(
            &request("sts:assumerole", target, Context::new()),
            &layers,
            &Params::new(),
        );
        assert_eq!((evaluation.decision, evaluation.decided_by), expected, "{trust:?}");
    };
    check(None, &[&all], (ImplicitDeny, Layer::Resource));
    check(Some(OTHER_SESSION), &[&all], (ImplicitDeny, Layer::Resource));
    check(Some(ROLE), &[], (Allowed, Layer::Resource));
    check(Some(r#"{"AWS": "111122223333"}"#), &[], (ImplicitDeny, Layer::Identity));
    check(Some(r#"{"AWS": "111122223333"}"#), &[&all], (Allowed, Layer::Identity));
}

#[test]
fn a_document_out_of_its_place_allows_nothing_but_still_denies() {
    let session = document(DocumentKind::Session, ALLOW_ALL);
    let trust = document(
        DocumentKind::Trust,
        r#"{"Effect": "Allow", "Action": "sts:*", "Principal": "*"}"#,
    );
    let deny = document(
        DocumentKind::Session,
        r#"{"Effect": "Deny", "Action": "*", "Resource": "*"}"#,
    );
    let all = document(DocumentKind::Identity, ALLOW_ALL);
    let decide = |identity: &[&Document]| {
        let layers = Layers {
            identity,
            ..Layers::default()
        };
        evaluate(
            &request("sts:GetSessionToken", "*", Context::new()),
            &layers,
            &Params::new(),
        )
        .decision
    };
    assert_eq!(decide(&[&session]), ImplicitDeny);
    assert_eq!(decide(&[&trust]), ImplicitDeny);
    assert_eq!(decide(&[&all, &deny]), ExplicitDeny);
}

#[test]
fn keys_that_follow_from_the_request_need_not_be_given() {
    let check = |condition: &str, expected: bool| {
        assert_eq!(condition_holds(condition, Context::new()), expected, "{condition}")
    };
    check(r#"{"StringEquals": {"aws:ResourceAccount": "111122223333"}}"#, true);
    check(r#"{"StringEquals": {"aws:PrincipalAccount": "999988887777"}}"#, false);
    check(
        r#"{"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/tidegate-tenant-*"}}"#,
        true,
    );
}

#[test]
fn an_answer_names_statements_layers_and_missing_keys_and_a_trace_says_why_not() {
    let role = document(
        DocumentKind::Identity,
        r#"[{"Sid": "B", "Effect": "Allow", "Action": "s3:*", "Resource": "*"},
            {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"},
            {"Sid": "C", "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
            {"Sid": "D", "Effect": "Deny", "Action": "*", "Resource": "arn:aws:s3:::{bpnl}"},
            {"Sid": "E", "Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]"#,
    );
    let layers = Layers {
        identity: &[&role],
        ..Layers::default()
    };
    let request = request("s3:GetObject", "arn:aws:s3:::b/k", Context::new());
    let evaluation = evaluate(&request, &layers, &tenant("BPNL000000000DWF"));
    assert_eq!(evaluation.statements(), ["test#1", "test#B"]);
    assert_eq!(evaluation.missing_keys, ["aws:SecureTransport"]);
    let unmet: Vec<String> = trace(&request, &layers, &tenant("BPNL000000000DWF"))
        .iter()
        .map(|traced| format!("{} {:?}", traced.subject.statement.label(), traced.unmet))
        .collect();
    let expected = [
        "B None",
        "1 None",
        "C Some(Condition(\"aws:SecureTransport\"))",
        "D Some(Resource)",
        "E Some(Action)",
    ];
    assert_eq!(unmet, expected);
}

#[test]
fn a_session_is_named_without_the_path_of_its_role() {
    let session = Principal::session("arn:aws-cn:iam::111122223333:role/a/b/name", "s").unwrap();
    let Principal::Session { session_arn, .. } = &session else {
        panic!("{session:?}")
    };
    assert_eq!(session_arn, "arn:aws-cn:sts::111122223333:assumed-role/name/s");
    for bad in ["", "role/x", "arn:aws:iam::111122223333:user/x", "arn:aws:s3:::b"] {
        assert!(Principal::session(bad, "s").is_err(), "{bad}");
    }
}

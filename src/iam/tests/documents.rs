//! What loading refuses, and where it points.

use miette::Diagnostic;

use crate::iam::{Document, DocumentKind, Params, Problem, RenderError};

/// Checks that the document is refused, that the error points at `place` and offers help.
fn check(kind: DocumentKind, text: &str, place: &str) {
    let error = Document::parse("test", text, kind).expect_err(text);
    assert_eq!(text.get(error.span()).unwrap(), place, "{error}");
    assert!(error.to_string().starts_with("IAM document `test`: "), "{error}");
    assert!(error.help().is_some() && error.source_code().is_some());
    assert_eq!(error.labels().unwrap().count(), 1);
}

fn statement(text: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": {text}}}"#)
}

#[test]
fn what_is_outside_the_subset_is_refused_at_its_place() {
    use DocumentKind::Identity;
    let allow = |rest: &str| statement(&format!(r#"{{"Effect": "Allow", {rest}}}"#));
    let resource = |rest: &str| allow(&format!(r#""Action": "s3:*", "Resource": {rest}"#));
    let condition = |rest: &str| allow(&format!(r#""Action": "s3:*", "Resource": "*", "Condition": {rest}"#));
    let check = |text: &str, place: &str| check(Identity, text, place);

    check("[]", "[]");
    check("{", "");
    check(r#"{"Version": "2013-10-17", "Statement": []}"#, "\"2013-10-17\"");
    check(r#"{"Version": "2012-10-17", "statement": []}"#, "\"statement\"");
    check(&statement("[]"), "[]");
    check(
        &statement(r#"{"Effect": "allow", "Action": "*", "Resource": "*"}"#),
        "\"allow\"",
    );
    check(
        &allow(r#""Action": "*", "Resource": "*", "Principals": "*""#),
        "\"Principals\"",
    );
    check(
        &allow(r#""Action": "*", "Resource": "*", "Principal": "*""#),
        "\"Principal\"",
    );
    check(&allow(r#""Action": "*", "Action": "*", "Resource": "*""#), "\"Action\"");
    check(&allow(r#""Action": "*", "Resource": "*", "Sid": "a b""#), "\"a b\"");
    check(
        &allow(r#""Action": "*", "Resource": "*", "Sid": "{bpnl}""#),
        "\"{bpnl}\"",
    );
    check(&allow(r#""Action": "*", "Resource": "*", "Sid": "a#b""#), "\"a#b\"");
    check(&allow(r#""Action": [], "Resource": "*""#), "[]");
    for action in ["s3", "s3:", ":Get", "s*:Get", "s3:Get Object", "s3:{bpnl}", "s3:a:b"] {
        let quoted = format!("\"{action}\"");
        check(&allow(&format!(r#""Action": {quoted}, "Resource": "*""#)), &quoted);
    }
    for bad in [
        "**x",
        "",
        "arn:aws",
        "arn:aws:",
        "arn:aws:s*",
        "arn::s3:::b",
        "urn:aws:s3:::b",
        "arn:aws:s*:::b",
        "arn:aws:*:::b",
        "arn:aws:s3:${aws:x}::b",
        "arn:aws:s3:::${aws:x",
        "arn:aws:s3:::${x}",
        "arn:aws:s3:::${aws:x, guest}",
        "arn:aws:s3:::{Bpnl}",
        "arn:aws:s3:::{bpnl",
        "arn:aws:s3:::{}",
    ] {
        let quoted = format!("\"{bad}\"");
        check(&resource(&quoted), &quoted);
    }
    check(&condition(r#"{"StringEqual": {"a:b": "c"}}"#), "\"StringEqual\"");
    for operator in [
        "stringEquals",
        "ForAll:StringEquals",
        "NullIfExists",
        "ForAllValues:Null",
        "NumericLike",
        "",
    ] {
        check(
            &condition(&format!(r#"{{"{operator}": {{"a:b": "true"}}}}"#)),
            &format!("\"{operator}\""),
        );
    }
    check(
        &condition(r#"{"StringEquals": {"aws:SourceIp": "c", "AWS:sourceip": "d"}}"#),
        "\"AWS:sourceip\"",
    );
    check(&condition(r#"{"StringEquals": {"prefix": "c"}}"#), "\"prefix\"");
    check(&condition(r#"{"StringEquals": {"s3:{x}": "c"}}"#), "\"s3:{x}\"");
    check(&condition(r#"{"StringEquals": {"a:b": []}}"#), "[]");
    check(&condition(r#"{"StringEquals": {"a:b": null}}"#), "null");
    check(&condition(r#"{"NumericEquals": {"a:b": ["1", "1e3"]}}"#), "\"1e3\"");
    check(&condition(r#"{"NumericEquals": {"a:b": "${a:b}"}}"#), "\"${a:b}\"");
    check(&condition(r#"{"DateEquals": {"a:b": "soon"}}"#), "\"soon\"");
    check(
        &condition(r#"{"IpAddress": {"a:b": "10.0.0.0/33"}}"#),
        "\"10.0.0.0/33\"",
    );
    check(&condition(r#"{"BinaryEquals": {"a:b": "?"}}"#), "\"?\"");
    check(&condition(r#"{"Bool": {"a:b": "yes"}}"#), "\"yes\"");
    check(&condition(r#"{"Null": {"a:b": "maybe"}}"#), "\"maybe\"");
    check(
        &condition(r#"{"ArnLike": {"a:b": "arn:aws:s3:*"}}"#),
        "\"arn:aws:s3:*\"",
    );
}

#[test]
fn principals_belong_to_some_kinds_and_are_named_in_full() {
    let policy = |principal: &str| {
        statement(&format!(
            r#"{{"Effect": "Deny", "Action": "sts:*", "Resource": "*", {principal}}}"#
        ))
    };
    let whole = |text: &str| {
        text.split_once("\"Statement\": ")
            .unwrap()
            .1
            .strip_suffix('}')
            .unwrap()
            .to_owned()
    };
    let missing = policy(r#""Sid": "x""#);
    check(DocumentKind::Resource, &missing, &whole(&missing));
    for bad in [
        "",
        "a",
        "12345678901",
        "arn:aws:iam::111122223333:role/*",
        "arn:aws:iam::111122223333:role/",
        "arn:aws:iam::*:root",
        "arn:aws:iam:eu:111122223333:root",
        "arn:aws:s3:::b",
        "arn:aws:iam::111122223333:group/g",
        "${aws:x}",
        "AIDACKCEVSQ6C2EXAMPLE",
        "arn:aws:iam::cloudfront:role/r",
        "arn:aws:iam::cloudfront:root",
    ] {
        let quoted = format!("\"{bad}\"");
        check(
            DocumentKind::Resource,
            &policy(&format!(r#""Principal": {{"AWS": {quoted}}}"#)),
            &quoted,
        );
    }
    check(
        DocumentKind::Resource,
        &policy(r#""Principal": {"aws": "*"}"#),
        "\"aws\"",
    );
    check(
        DocumentKind::Resource,
        &policy(r#""Principal": {"Federated": "*"}"#),
        "\"*\"",
    );
    check(
        DocumentKind::Resource,
        &policy(r#""Principal": {"CanonicalUser": "79a59df900b949e5"}"#),
        "\"79a59df900b949e5\"",
    );
    check(DocumentKind::Resource, &policy(r#""Principal": ["*"]"#), "[\"*\"]");
    check(DocumentKind::Resource, &policy(r#""Principal": {}"#), "{}");
    check(
        DocumentKind::Resource,
        &policy(r#""Principal": "111122223333""#),
        "\"111122223333\"",
    );
    check(DocumentKind::Trust, &policy(r#""Principal": "*""#), "\"Resource\"");
    let not = statement(r#"{"Effect": "Allow", "Action": "sts:*", "NotPrincipal": {"AWS": "*"}}"#);
    check(DocumentKind::Trust, &not, "\"NotPrincipal\"");
    let not = statement(r#"{"Effect": "Deny", "Action": "sts:*", "NotPrincipal": {"AWS": "111122223333"}}"#);
    check(DocumentKind::Trust, &not, "\"NotPrincipal\"");
    let not = statement(r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "NotPrincipal": {"AWS": "*"}}"#);
    check(DocumentKind::Resource, &not, "\"NotPrincipal\"");
    let other = statement(r#"{"Effect": "Allow", "Action": "s3:GetObject", "Principal": "*"}"#);
    check(DocumentKind::Trust, &other, "\"s3:GetObject\"");
    let allow = policy(r#""Principal": "*""#).replace("Deny", "Allow");
    check(DocumentKind::Rcp, &allow, &whole(&allow));
    let one = policy(r#""Principal": {"AWS": "111122223333"}"#);
    check(DocumentKind::Rcp, &one, &whole(&one));
}

#[test]
fn an_incomplete_arn_is_for_identity_based_policies_only() {
    for arn in ["arn:aws:sqs", "arn:aws:sqs:*", "arn:aws:sqs:eu-central-1:111122223333"] {
        let text = statement(&format!(r#"{{"Effect": "Allow", "Action": "*", "Resource": "{arn}"}}"#));
        for kind in [DocumentKind::Identity, DocumentKind::Boundary] {
            Document::parse("test", &text, kind).unwrap();
        }
        for kind in [DocumentKind::Session, DocumentKind::Scp] {
            check(kind, &text, &format!("\"{arn}\""));
        }
    }
}

#[test]
fn what_aws_accepts_is_accepted() {
    let canonical = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
    let identity = [
        r#""Action": "*:*", "Resource": "*""#.to_owned(),
        r#""Action": ["s3:get?bject", "vpc-lattice:AssociateViaAWSService-EventsAndStates"], "Resource": "*""#
            .to_owned(),
        r#""Action": "a:b", "Resource": "arn:aws:organizations::*:""#.to_owned(),
        r#""Action": "a:b", "Resource": "*", "Condition": {}"#.to_owned(),
        r#""Action": "a:b", "Resource": "*", "Condition": {"StringEquals": {}}"#.to_owned(),
        r#""Action": "a:b", "Resource": "*", "Condition": {"Null": {"a:b": "False"}}"#.to_owned(),
        r#""Sid": "7", "Action": "a:b", "Resource": "*""#.to_owned(),
        r#""Sid": "", "Action": "a:b", "Resource": "*""#.to_owned(),
    ];
    let principal = |rest: &str| format!(r#""Action": "a:b", "Resource": "*", "Principal": {rest}"#);
    let resource = [
        principal(r#"{"AWS": ["*"]}"#),
        principal(r#"{"AWS": "*", "Service": ["s3.amazonaws.com"], "Federated": "accounts.google.com"}"#),
        principal(&format!(r#"{{"CanonicalUser": "{canonical}"}}"#)),
        principal(r#"{"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity EH1HDMB1FH2TC"}"#),
        format!(
            r#""Sid": "Allow requests from www.example.com, {{or}} others.", {}"#,
            principal(r#""*""#)
        ),
    ];
    let accept = |kind, rest: &str| {
        let text = statement(&format!(r#"{{"Effect": "Allow", {rest}}}"#));
        Document::parse_deployed("test", &text, kind)
            .unwrap_or_else(|error| panic!("{:?}", miette::Report::new(error)));
    };
    identity.iter().for_each(|rest| accept(DocumentKind::Identity, rest));
    resource.iter().for_each(|rest| accept(DocumentKind::Resource, rest));
}

#[test]
fn a_sid_of_digits_is_told_from_a_number() {
    let text = statement(
        r#"[{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Sid": "0", "Effect": "Deny", "Action": "*", "Resource": "*"}]"#,
    );
    let document = Document::parse("test", &text, DocumentKind::Identity).unwrap();
    let labels: Vec<&str> = document
        .statements()
        .iter()
        .map(|statement| statement.label())
        .collect();
    assert_eq!(labels, ["0", "#0"]);
}

#[test]
fn two_statements_may_not_share_a_sid() {
    let text = statement(
        r#"[{"Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*"}, {"Sid": "A", "Effect": "Deny", "Action": "*", "Resource": "*"}]"#,
    );
    let error = Document::parse("test", &text, DocumentKind::Identity).unwrap_err();
    assert_eq!(*error.problem(), Problem::DuplicateSid("A".into()));
}

#[test]
fn rendering_fills_parameters_in_and_keeps_variables() {
    let text = statement(
        r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/\u007bbpnl}/${aws:PrincipalTag/a}/\"{pcf}"}"#,
    );
    let document = Document::parse("test", &text, DocumentKind::Identity).unwrap();
    assert_eq!(document.parameters().collect::<Vec<_>>(), ["bpnl", "pcf"]);
    let params = Params::new().with("bpnl", "BPNL000000000DWF").with("pcf", "x:1");
    let rendered = document.render(&params).unwrap();
    assert_eq!(
        rendered,
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/BPNL000000000DWF/${aws:PrincipalTag/a}/\"x:1"}}"#
    );
    Document::parse_deployed("test", &rendered, DocumentKind::Identity).unwrap();
    assert_eq!(
        document.render(&Params::new()),
        Err(RenderError::Unknown("bpnl".into()))
    );
    for bad in ["*", "?", "${aws:username}", "{pcf}", "\"", "\\", "\n"] {
        assert_eq!(
            document.render(&params.clone().with("pcf", bad)),
            Err(RenderError::Unsafe("pcf".into())),
            "{bad:?}"
        );
    }
}

#[test]
fn a_place_is_given_as_line_and_column() {
    let text = "{\"Version\": \"2012-10-17\",\n \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"}}";
    let document = Document::parse("test", text, DocumentKind::Identity).unwrap();
    let span = document.statements()[0].span();
    assert_eq!(document.position(span.start), (2, 15));
    assert_eq!(document.position(0), (1, 1));
}

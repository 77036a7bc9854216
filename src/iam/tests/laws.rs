//! Laws that hold for every pattern, document and request.

use proptest::prelude::*;

use crate::decision::{Effect, IamDecision};
use crate::iam::context::Scope;
use crate::iam::pattern::{Case, Pattern};
use crate::iam::template::Dialect;
use crate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate};

const TEMPLATE: Dialect = Dialect {
    variables: true,
    parameters: true,
};

fn anybody<'r>(context: Context<'r>) -> Request<'r> {
    Request {
        principal: Principal::Anonymous,
        action: "s3:GetObject",
        resource: "*",
        resource_account: "111122223333",
        context,
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let pattern = Pattern::compile(pattern, TEMPLATE, true).unwrap();
    let (request, params) = (anybody(Context::new()), Params::new());
    pattern.matches(text, Case::Exact, &Scope::new(&request, &params))
}

/// The definition, straight from the guide: exponential, and plainly right.
fn oracle(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), None) => oracle(rest, text),
        (Some(('*', rest)), Some((_, tail))) => oracle(rest, text) || oracle(pattern, tail),
        (Some((wanted, rest)), Some((found, tail))) => (*wanted == '?' || wanted == found) && oracle(rest, tail),
        _ => false,
    }
}

fn by_oracle(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    oracle(&pattern, &text)
}

proptest! {
    #[test]
    fn the_matcher_agrees_with_the_definition(pattern in "[ab/ä*?]{0,10}", text in "[ab/ä]{0,10}") {
        prop_assert_eq!(matches(&pattern, &text), by_oracle(&pattern, &text));
    }

    #[test]
    fn a_pattern_of_literals_matches_only_itself(pattern in "[abc/:-]{0,6}", text in "[abc/:-]{0,6}") {
        prop_assert!(matches(&pattern, &pattern));
        prop_assert_eq!(matches(&pattern, &text), pattern == text);
    }

    #[test]
    fn a_star_takes_anything_between(head in "[ab/]{0,4}", tail in "[ab/]{0,4}", middle in "[abc*?/:]{0,6}") {
        let pattern = format!("{head}*{tail}");
        let text = format!("{head}{middle}{tail}");
        prop_assert!(matches(&pattern, &text));
        prop_assert_eq!(matches(&pattern.replace('*', "**"), &text), matches(&pattern, &text));
    }

    #[test]
    fn what_fills_a_parameter_or_variable_is_literal(value in "[ab*?${}]{0,5}", text in "[ab*?${}]{0,7}", head in "[ab*?]{0,3}") {
        let request = anybody(Context::new().with("aws:PrincipalTag/tenant", value.as_str()));
        let params = Params::new().with("bpnl", value.as_str());
        // The value's own wildcards, escaped one by one, in a pattern without placeholders.
        let escaped: String = value.chars().map(|c| match c {
            '*' | '?' | '$' => format!("${{{c}}}"),
            other => other.to_string(),
        }).collect();
        let plain = Dialect { variables: true, parameters: false };
        let expected = Pattern::compile(&format!("{head}{escaped}*"), plain, true).unwrap();
        let expected = expected.matches(&text, Case::Exact, &Scope::new(&request, &params));
        for placeholder in ["{bpnl}", "${aws:PrincipalTag/tenant}"] {
            let pattern = Pattern::compile(&format!("{head}{placeholder}*"), TEMPLATE, true).unwrap();
            let got = pattern.matches(&text, Case::Exact, &Scope::new(&request, &params));
            prop_assert_eq!(got, expected);
        }
    }

    #[test]
    fn long_hostile_patterns_finish(stars in 1..60_usize, length in 0..400_usize) {
        let (pattern, text) = ("*a".repeat(stars), "a".repeat(length) + "b");
        prop_assert!(!matches(&pattern, &text));
    }
}

const ACTIONS: [&str; 3] = ["s3:GetObject", "s3:PutObject", "sqs:SendMessage"];
const RESOURCES: [&str; 4] = ["*", "arn:aws:s3:::b/x", "arn:aws:s3:::b/y", "arn:aws:s3:::c"];

/// A statement over a small world, so that statements and requests meet often.
fn statement(effect: impl Strategy<Value = &'static str>) -> impl Strategy<Value = String> {
    let action = prop_oneof![
        Just("*"),
        Just("s3:*"),
        Just("s3:Get*"),
        Just("S3:PUTOBJECT"),
        Just("sqs:SendMessage")
    ];
    let resource = prop_oneof![
        Just("*"),
        Just("arn:aws:s3:::b/*"),
        Just("arn:aws:s3:::b/{x}"),
        Just("arn:aws:s3:::b/${aws:PrincipalTag/t}"),
        Just("arn:aws:s3:::?")
    ];
    let condition = prop_oneof![
        Just(""),
        Just(r#", "Condition": {"StringEquals": {"aws:PrincipalTag/t": "x"}}"#),
        Just(r#", "Condition": {"StringNotLike": {"aws:PrincipalTag/t": "x*"}}"#),
        Just(r#", "Condition": {"ForAllValues:StringEquals": {"aws:PrincipalTag/t": "y"}}"#),
        Just(r#", "Condition": {"Null": {"aws:PrincipalTag/t": "true"}}"#),
    ];
    (effect, any::<bool>(), any::<bool>(), action, resource, condition).prop_map(
        |(effect, not_action, not_resource, action, resource, condition)| {
            let action_key = if not_action { "NotAction" } else { "Action" };
            let resource_key = if not_resource { "NotResource" } else { "Resource" };
            format!(
                r#"{{"Effect": "{effect}", "{action_key}": "{action}", "{resource_key}": "{resource}"{condition}}}"#
            )
        },
    )
}

fn policy(kind: DocumentKind) -> impl Strategy<Value = Document> {
    let effect = prop_oneof![3 => Just("Allow"), 1 => Just("Deny")];
    prop::collection::vec(statement(effect), 1..4)
        .prop_map(move |statements| super::document(kind, &format!("[{}]", statements.join(","))))
}

fn question() -> impl Strategy<Value = (usize, usize, Option<&'static str>)> {
    let tag = prop_oneof![Just(None), Just(Some("x")), Just(Some("y")), Just(Some("*"))];
    (0..ACTIONS.len(), 0..RESOURCES.len(), tag)
}

fn ask(layers: &Layers<'_>, (action, resource, tag): (usize, usize, Option<&'static str>)) -> IamDecision {
    let context = tag.map_or(Context::new(), |tag| Context::new().with("aws:PrincipalTag/t", tag));
    let request = super::request(ACTIONS[action], RESOURCES[resource], context);
    evaluate(&request, layers, &Params::new().with("x", "x")).decision
}

proptest! {
    #[test]
    fn a_session_policy_a_boundary_or_a_control_policy_never_widens(
        identity in policy(DocumentKind::Identity),
        session in policy(DocumentKind::Session),
        boundary in policy(DocumentKind::Boundary),
        scp in policy(DocumentKind::Scp),
        question in question(),
    ) {
        let bare = Layers { identity: &[&identity], ..Layers::default() };
        let narrowed = [
            Layers { session: &[&session], ..bare },
            Layers { boundary: Some(&boundary), ..bare },
            Layers { scp: &[&[&scp]], ..bare },
        ];
        for layers in narrowed {
            if ask(&layers, question) == IamDecision::Allowed {
                prop_assert_eq!(ask(&bare, question), IamDecision::Allowed);
            }
        }
    }

    #[test]
    fn allowed_is_the_meet_of_identity_and_session(
        identity in policy(DocumentKind::Identity),
        session in policy(DocumentKind::Session),
        question in question(),
    ) {
        let text = session.text().to_owned();
        let as_identity = Document::parse("test", &text, DocumentKind::Identity).unwrap();
        let alone = |document| ask(&Layers { identity: &[document], ..Layers::default() }, question);
        let both = ask(&Layers { identity: &[&identity], session: &[&session], ..Layers::default() }, question);
        let expected = alone(&identity) == IamDecision::Allowed && alone(&as_identity) == IamDecision::Allowed;
        prop_assert_eq!(both == IamDecision::Allowed, expected);
    }

    #[test]
    fn an_explicit_deny_wins_in_any_layer(
        identity in policy(DocumentKind::Identity),
        question in question(),
        layer in 0..5_usize,
    ) {
        let all = r#"{"Effect": "Deny", "Action": "*", "Resource": "*"}"#;
        let everyone = r#"{"Effect": "Deny", "Action": "*", "Resource": "*", "Principal": "*"}"#;
        let deny = match layer {
            0 => super::document(DocumentKind::Identity, all),
            1 => super::document(DocumentKind::Session, all),
            2 => super::document(DocumentKind::Scp, all),
            3 => super::document(DocumentKind::Rcp, everyone),
            _ => super::document(DocumentKind::Resource, everyone),
        };
        let bare = Layers { identity: &[&identity], ..Layers::default() };
        let layers = match layer {
            0 => Layers { identity: &[&identity, &deny], ..bare },
            1 => Layers { session: &[&deny], ..bare },
            2 => Layers { scp: &[&[&deny]], ..bare },
            3 => Layers { rcp: &[&deny], ..bare },
            _ => Layers { resource: Some(&deny), ..bare },
        };
        prop_assert_eq!(ask(&layers, question), IamDecision::ExplicitDeny);
    }

    #[test]
    fn another_deny_statement_never_opens(
        identity in policy(DocumentKind::Identity),
        deny in statement(Just("Deny")),
        question in question(),
    ) {
        let deny = super::document(DocumentKind::Identity, &deny);
        let with = ask(&Layers { identity: &[&identity, &deny], ..Layers::default() }, question);
        let without = ask(&Layers { identity: &[&identity], ..Layers::default() }, question);
        prop_assert!(with == without || with == IamDecision::ExplicitDeny);
    }

    #[test]
    fn the_deciding_statements_carry_the_effect_of_the_decision(
        identity in policy(DocumentKind::Identity),
        question in question(),
    ) {
        let (action, resource, tag) = question;
        let context = tag.map_or(Context::new(), |tag| Context::new().with("aws:PrincipalTag/t", tag));
        let request = super::request(ACTIONS[action], RESOURCES[resource], context);
        let params = Params::new().with("x", "x");
        let layers = Layers { identity: &[&identity], ..Layers::default() };
        let evaluation = evaluate(&request, &layers, &params);
        let denied = evaluation.matched.iter().any(|matched| matched.statement.effect() == Effect::Deny);
        prop_assert_eq!(denied, evaluation.decision == IamDecision::ExplicitDeny);
        prop_assert_eq!(evaluation.statements().is_empty(), evaluation.decision == IamDecision::ImplicitDeny);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,60}") {
        for kind in [DocumentKind::Identity, DocumentKind::Trust, DocumentKind::Rcp] {
            let _ = Document::parse("test", &text, kind).map_err(|error| format!("{:?}", miette::Report::new(error)));
        }
    }

    #[test]
    fn a_damaged_document_is_refused_or_read_but_never_panics(at in 0..2_000_usize, with in any::<char>(), cut in 0..3_usize) {
        for text in [
            include_str!("../../../policies/iam/tenant-role.json"),
            include_str!("../../../policies/iam/tenant-trust.json"),
        ] {
            let mut chars: Vec<char> = text.chars().collect();
            let at = at % chars.len();
            chars.splice(at..(at + cut).min(chars.len()), [with]);
            let text: String = chars.into_iter().collect();
            for kind in [DocumentKind::Identity, DocumentKind::Trust] {
                let _ = Document::parse("test", &text, kind).map_err(|error| format!("{:?}", miette::Report::new(error)));
            }
        }
    }

    #[test]
    fn no_request_makes_the_evaluator_panic(action in "\\PC{0,20}", resource in "\\PC{0,20}", who in "[a-z:/.0-9-]{0,40}", tag in "\\PC{0,9}") {
        let role = Document::parse("r", include_str!("../../../policies/iam/tenant-role.json"), DocumentKind::Identity).unwrap();
        let trust = Document::parse("t", include_str!("../../../policies/iam/tenant-trust.json"), DocumentKind::Trust).unwrap();
        let request = Request {
            principal: Principal::parse(&who).unwrap_or(Principal::Anonymous),
            action: &action,
            resource: &resource,
            resource_account: &tag,
            context: Context::new().with(tag.as_str(), tag.as_str()),
        };
        let layers = Layers { identity: &[&role], resource: Some(&trust), ..Layers::default() };
        let decision = evaluate(&request, &layers, &super::tenant(&tag)).decision;
        prop_assert_eq!(decision, IamDecision::ImplicitDeny);
    }
}

#[test]
fn the_root_user_takes_no_role_on_whomever_the_role_trusts() {
    for trusted in [r#""*""#, r#"{"AWS": "*"}"#, r#"{"AWS": "111122223333"}"#] {
        let text =
            format!(r#"{{"Statement": {{"Effect": "Allow", "Principal": {trusted}, "Action": "sts:AssumeRole"}}}}"#);
        let trust = Document::parse_deployed("trust", &text, DocumentKind::Trust).unwrap();
        let layers = Layers {
            resource: Some(&trust),
            ..Layers::default()
        };
        let request = Request {
            principal: Principal::parse("arn:aws:iam::111122223333:root").unwrap(),
            action: "sts:AssumeRole",
            resource: "arn:aws:iam::111122223333:role/acme",
            ..anybody(Context::new())
        };
        let answer = evaluate(&request, &layers, &Params::new());
        assert_eq!(answer.decision, IamDecision::ImplicitDeny, "{trusted}");
    }
}

#[test]
fn a_multivalued_key_is_no_variable_even_with_one_value() {
    let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*",
        "Condition": {"StringEquals": {"s3:prefix": "${aws:TagKeys}"}}}}"#;
    let policy = Document::parse_deployed("policy", text, DocumentKind::Resource).unwrap();
    let layers = Layers {
        resource: Some(&policy),
        ..Layers::default()
    };
    let decide =
        |context: Context<'_>| evaluate(&anybody(context.with("s3:prefix", "a")), &layers, &Params::new()).decision;
    assert_eq!(decide(Context::new().with("aws:TagKeys", "a")), IamDecision::Allowed);
    assert_eq!(
        decide(Context::new().with_many("aws:TagKeys", ["a"])),
        IamDecision::ImplicitDeny
    );
}

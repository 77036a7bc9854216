//! Laws that hold for every document and request.

use proptest::prelude::*;

use crate::decision::{Effect, IamDecision};
use crate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate, trace};

const ACTIONS: [&str; 3] = ["s3:GetObject", "s3:PutObject", "sqs:SendMessage"];
const RESOURCES: [&str; 4] = ["*", "arn:aws:s3:::b/x", "arn:aws:s3:::b/y", "arn:aws:s3:::c"];

/// A statement over a small world, so that statements and requests meet often.
#[derive(Clone, Debug)]
struct Sketch {
    effect: &'static str,
    not_action: bool,
    not_resource: bool,
    actions: Vec<&'static str>,
    resources: Vec<&'static str>,
    /// An operator with the values of the tag `t`.
    condition: Option<(&'static str, Vec<&'static str>)>,
}

impl Sketch {
    fn json(&self, key: &str, principal: &str) -> String {
        let action = if self.not_action { "NotAction" } else { "Action" };
        let resource = if self.not_resource { "NotResource" } else { "Resource" };
        let condition = self.condition.as_ref().map_or(String::new(), |(operator, values)| {
            format!(r#", "Condition": {{"{operator}": {{"{key}": {values:?}}}}}"#)
        });
        format!(
            r#"{{"Effect": "{}", "{action}": {:?}, "{resource}": {:?}{principal}{condition}}}"#,
            self.effect, self.actions, self.resources
        )
    }
}

/// The key every condition of the small world is about.
const KEY: &str = "aws:PrincipalTag/t";

fn statement(effect: impl Strategy<Value = &'static str>) -> impl Strategy<Value = Sketch> {
    let action = prop::sample::select(vec!["*", "s3:*", "s3:Get*", "S3:PUTOBJECT", "sqs:SendMessage"]);
    let resource = prop::sample::select(vec![
        "*",
        "arn:aws:s3:::b/*",
        "arn:aws:s3:::b/{x}",
        "arn:aws:s3:::b/${aws:PrincipalTag/t}",
        "arn:aws:s3:::?",
    ]);
    let texts = prop::sample::select(vec![
        "StringEquals",
        "StringNotLike",
        "StringNotEqualsIfExists",
        "ForAllValues:StringEquals",
        "ForAnyValue:StringLike",
    ]);
    let values = prop::collection::vec(prop::sample::select(vec!["x", "y", "x*", "{x}"]), 1..3);
    let condition = prop_oneof![
        Just(None),
        (texts, values).prop_map(Some),
        prop::sample::select(vec!["true", "false"]).prop_map(|value| Some(("Null", vec![value]))),
    ];
    let actions = prop::collection::vec(action, 1..3);
    let resources = prop::collection::vec(resource, 1..3);
    (effect, any::<bool>(), any::<bool>(), actions, resources, condition).prop_map(
        |(effect, not_action, not_resource, actions, resources, condition)| Sketch {
            effect,
            not_action,
            not_resource,
            actions,
            resources,
            condition,
        },
    )
}

fn sketches() -> impl Strategy<Value = Vec<Sketch>> {
    let effect = prop_oneof![3 => Just("Allow"), 1 => Just("Deny")];
    prop::collection::vec(statement(effect), 1..4)
}

fn compile(kind: DocumentKind, sketches: &[Sketch], key: &str) -> Document {
    let principal = match kind {
        DocumentKind::Resource | DocumentKind::Rcp => r#", "Principal": "*""#,
        _ => "",
    };
    let statements: Vec<String> = sketches.iter().map(|sketch| sketch.json(key, principal)).collect();
    super::document(kind, &format!("[{}]", statements.join(",")))
}

fn policy(kind: DocumentKind) -> impl Strategy<Value = Document> {
    sketches().prop_map(move |sketches| compile(kind, &sketches, KEY))
}

/// A policy that only denies, as a resource control policy must.
fn denials(kind: DocumentKind) -> impl Strategy<Value = Document> {
    prop::collection::vec(statement(Just("Deny")), 1..3).prop_map(move |sketches| compile(kind, &sketches, KEY))
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
        rcp in denials(DocumentKind::Rcp),
        resource in prop::option::of(policy(DocumentKind::Resource)),
        question in question(),
    ) {
        let bare = Layers { identity: &[&identity], resource: resource.as_ref(), ..Layers::default() };
        let narrowed = [
            Layers { session: &[&session], ..bare },
            Layers { boundary: Some(&boundary), ..bare },
            Layers { scp: &[&[&scp]], ..bare },
            Layers { scp: &[&[&scp], &[]], ..bare },
            Layers { rcp: &[&rcp], ..bare },
            Layers { rcp: &[&rcp], session: &[&session], boundary: Some(&boundary), scp: &[&[&scp]], ..bare },
        ];
        for layers in narrowed {
            if ask(&layers, question) == IamDecision::Allowed {
                prop_assert_eq!(ask(&bare, question), IamDecision::Allowed);
            }
        }
    }

    #[test]
    fn order_and_repetition_of_statements_values_and_documents_do_not_matter(
        sketches in sketches(),
        question in question(),
    ) {
        let decide = |documents: &[&Document]| ask(&Layers { identity: documents, ..Layers::default() }, question);
        let document = |sketches: &[Sketch]| compile(DocumentKind::Identity, sketches, KEY);
        let plain = document(&sketches);
        let expected = decide(&[&plain]);
        prop_assert_eq!(decide(&[&plain, &plain]), expected);
        let mut other = sketches.clone();
        other.reverse();
        for sketch in &mut other {
            sketch.actions.reverse();
            sketch.actions.extend_from_within(..);
            sketch.resources.reverse();
            sketch.resources.extend_from_within(..);
            if let Some((_, values)) = &mut sketch.condition {
                values.reverse();
                values.extend_from_within(..);
            }
        }
        prop_assert_eq!(decide(&[&document(&other)]), expected);
        prop_assert_eq!(decide(&[&document(&[other.as_slice(), sketches.as_slice()].concat())]), expected);
        let apart: Vec<Document> = sketches.iter().map(|sketch| document(std::slice::from_ref(sketch))).collect();
        prop_assert_eq!(decide(&apart.iter().rev().collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_list_of_actions_or_resources_is_as_good_as_a_statement_for_each(
        sketches in sketches(),
        question in question(),
    ) {
        let decide = |sketches: &[Sketch]| {
            let document = compile(DocumentKind::Identity, sketches, KEY);
            ask(&Layers { identity: &[&document], ..Layers::default() }, question)
        };
        let mut apart = Vec::new();
        for sketch in &sketches {
            // The negated forms list what is left out, which no list of statements says.
            let actions: Vec<Vec<&str>> = if sketch.not_action {
                vec![sketch.actions.clone()]
            } else {
                sketch.actions.iter().map(|&action| vec![action]).collect()
            };
            let resources: Vec<Vec<&str>> = if sketch.not_resource {
                vec![sketch.resources.clone()]
            } else {
                sketch.resources.iter().map(|&resource| vec![resource]).collect()
            };
            for actions in &actions {
                for resources in &resources {
                    apart.push(Sketch { actions: actions.clone(), resources: resources.clone(), ..sketch.clone() });
                }
            }
        }
        prop_assert_eq!(decide(&apart), decide(&sketches));
    }

    #[test]
    fn the_letter_case_of_keys_and_actions_changes_nothing(sketches in sketches(), question in question()) {
        let plain = compile(DocumentKind::Identity, &sketches, KEY);
        let expected = ask(&Layers { identity: &[&plain], ..Layers::default() }, question);
        let upper = compile(DocumentKind::Identity, &sketches, "AWS:PRINCIPALTAG/T");
        prop_assert_eq!(ask(&Layers { identity: &[&upper], ..Layers::default() }, question), expected);

        let (action, resource, tag) = question;
        let action = ACTIONS[action].to_ascii_uppercase();
        let context = tag.map_or(Context::new(), |tag| Context::new().with("aws:PRINCIPALTag/T", tag));
        let request = super::request(&action, RESOURCES[resource], context);
        let layers = Layers { identity: &[&plain], ..Layers::default() };
        prop_assert_eq!(evaluate(&request, &layers, &Params::new().with("x", "x")).decision, expected);
    }

    #[test]
    fn a_denial_that_applies_denies(
        identity in policy(DocumentKind::Identity),
        resource in prop::option::of(policy(DocumentKind::Resource)),
        session in prop::option::of(policy(DocumentKind::Session)),
        question in question(),
    ) {
        let (action, resource_name, tag) = question;
        let context = tag.map_or(Context::new(), |tag| Context::new().with(KEY, tag));
        let request = super::request(ACTIONS[action], RESOURCES[resource_name], context);
        let params = Params::new().with("x", "x");
        let session: Vec<&Document> = session.iter().collect();
        let layers =
            Layers { identity: &[&identity], resource: resource.as_ref(), session: &session, ..Layers::default() };
        let applies = trace(&request, &layers, &params)
            .iter()
            .any(|traced| traced.unmet.is_none() && traced.subject.statement.effect() == Effect::Deny);
        let decision = evaluate(&request, &layers, &params).decision;
        prop_assert_eq!(decision == IamDecision::ExplicitDeny, applies);
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
        let deny = compile(DocumentKind::Identity, &[deny], KEY);
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
            resource_account: "111122223333",
            context: Context::new(),
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
    let decide = |context: Context<'_>| {
        let request = Request {
            principal: Principal::Anonymous,
            action: "s3:GetObject",
            resource: "arn:aws:s3:::b/x",
            resource_account: "111122223333",
            context: context.with("s3:prefix", "a"),
        };
        evaluate(&request, &layers, &Params::new()).decision
    };
    assert_eq!(decide(Context::new().with("aws:TagKeys", "a")), IamDecision::Allowed);
    assert_eq!(
        decide(Context::new().with_many("aws:TagKeys", ["a"])),
        IamDecision::ImplicitDeny
    );
}

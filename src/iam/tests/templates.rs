//! The templates in `policies/iam/`: what they grant, and what no tenant ever gets.

use super::{ACCOUNT, tenant};
use crate::decision::IamDecision::{self, Allowed, ImplicitDeny};
use crate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate};

const OWN: &str = "BPNL000000000DWF";
const OTHER: &str = "BPNL00000003CRHK";

/// The templates of session policies, each with the parameters it needs beyond those of the role.
const SESSIONS: [(&str, &str, &[&str]); 8] = [
    (
        "session-object-read",
        include_str!("../../../policies/iam/session-object-read.json"),
        &["pcf", "product"],
    ),
    (
        "session-object-write",
        include_str!("../../../policies/iam/session-object-write.json"),
        &["pcf", "product"],
    ),
    (
        "session-object-delete",
        include_str!("../../../policies/iam/session-object-delete.json"),
        &["pcf", "product"],
    ),
    (
        "session-received-write",
        include_str!("../../../policies/iam/session-received-write.json"),
        &["partner", "pcf"],
    ),
    (
        "session-list",
        include_str!("../../../policies/iam/session-list.json"),
        &[],
    ),
    (
        "session-secret-read",
        include_str!("../../../policies/iam/session-secret-read.json"),
        &["name"],
    ),
    (
        "session-secret-rotate",
        include_str!("../../../policies/iam/session-secret-rotate.json"),
        &["name"],
    ),
    (
        "session-secret-write",
        include_str!("../../../policies/iam/session-secret-write.json"),
        &["name"],
    ),
];

fn role() -> Document {
    load(
        "tenant-role",
        include_str!("../../../policies/iam/tenant-role.json"),
        DocumentKind::Identity,
    )
}

fn trust() -> Document {
    load(
        "tenant-trust",
        include_str!("../../../policies/iam/tenant-trust.json"),
        DocumentKind::Trust,
    )
}

fn session(name: &str) -> Document {
    let (name, text, _) = SESSIONS.iter().find(|(known, ..)| *known == name).unwrap();
    load(name, text, DocumentKind::Session)
}

fn load(name: &str, text: &str, kind: DocumentKind) -> Document {
    Document::parse(name, text, kind).unwrap_or_else(|error| panic!("{:?}", miette::Report::new(error)))
}

fn object(key: &str) -> String {
    format!("arn:aws:s3:::tidegate-pcf/{key}")
}

fn secret(name: &str) -> String {
    format!("arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:tidegate/{name}")
}

fn all_params() -> Params<'static> {
    tenant(OWN)
        .with("product", "urn:gtin:4712345060507")
        .with("pcf", "p-1")
        .with("name", "peer-key")
        .with("partner", "BPNL00000000C3EF")
}

fn ask(layers: &Layers<'_>, action: &str, resource: &str, prefix: Option<&str>) -> IamDecision {
    let role = format!("arn:aws:iam::{ACCOUNT}:role/tidegate-tenant-{OWN}");
    let context = prefix.map_or(Context::new(), |prefix| Context::new().with("s3:prefix", prefix));
    let principal = Principal::session(&role, "alice").unwrap();
    let request = Request {
        principal,
        action,
        resource,
        resource_account: ACCOUNT,
        context,
    };
    evaluate(&request, layers, &all_params()).decision
}

#[test]
fn every_statement_has_a_sid_and_the_parameters_are_the_expected_ones() {
    let sids = |document: &Document| {
        for statement in document.statements() {
            assert!(
                statement.label().parse::<usize>().is_err(),
                "{document:?} {}",
                statement.label()
            );
        }
    };
    let parameters = |document: &Document| document.parameters().map(str::to_owned).collect::<Vec<_>>();
    sids(&role());
    assert_eq!(
        parameters(&role()),
        ["account", "bpnl", "bucket", "partition", "region"]
    );
    sids(&trust());
    assert_eq!(parameters(&trust()), ["account", "identity_pool", "owner", "partition"]);
    let known = parameters(&role());
    for (name, text, extra) in SESSIONS {
        let document = load(name, text, DocumentKind::Session);
        sids(&document);
        let mut beyond = parameters(&document);
        beyond.retain(|parameter| !known.contains(parameter));
        assert_eq!(beyond, extra, "{name}");
    }
}

#[test]
fn a_rendered_template_answers_as_the_template_does() {
    let template = role();
    let rendered = template.render(&all_params()).unwrap();
    let deployed = Document::parse_deployed("tenant-role", &rendered, DocumentKind::Identity).unwrap();
    for tenant in [OWN, OTHER] {
        for action in ["s3:GetObject", "s3:ListBucket", "secretsmanager:GetSecretValue"] {
            for resource in [
                object(&format!("{tenant}/pcf/p/a.json")),
                object(""),
                secret(&format!("{tenant}/k-AbCdEf")),
            ] {
                let resource = resource.trim_end_matches('/');
                let decide = |document| {
                    let layers = Layers {
                        identity: &[document],
                        ..Layers::default()
                    };
                    ask(&layers, action, resource, Some(&format!("{tenant}/")))
                };
                assert_eq!(decide(&template), decide(&deployed), "{action} {resource}");
            }
        }
    }
}

#[test]
fn a_tenant_role_reaches_its_own_and_nothing_else() {
    let role = role();
    let layers = Layers {
        identity: &[&role],
        ..Layers::default()
    };
    let check = |action: &str, resource: &str, expected: IamDecision| {
        assert_eq!(ask(&layers, action, resource, None), expected, "{action} {resource}");
    };
    for action in ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"] {
        check(action, &object(&format!("{OWN}/pcf/p/a.json")), Allowed);
        check(action, &object(&format!("{OTHER}/pcf/p/a.json")), ImplicitDeny);
        check(action, &object(&format!("{OWN}X/pcf/p/a.json")), ImplicitDeny);
        check(action, &object(&format!("{OWN}/other/a.json")), ImplicitDeny);
    }
    for action in ["GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"] {
        let action = format!("secretsmanager:{action}");
        check(&action, &secret(&format!("{OWN}/k-AbCdEf")), Allowed);
        check(&action, &secret(&format!("{OTHER}/k-AbCdEf")), ImplicitDeny);
        check(&action, &secret(&format!("{OWN}-k-AbCdEf")), ImplicitDeny);
    }
    for action in [
        "secretsmanager:DeleteSecret",
        "s3:GetObjectVersion",
        "s3:PutObjectAcl",
        "iam:PassRole",
    ] {
        check(action, &secret(&format!("{OWN}/k-AbCdEf")), ImplicitDeny);
        check(action, &object(&format!("{OWN}/pcf/p/a.json")), ImplicitDeny);
    }
}

#[test]
fn a_tenant_lists_below_its_own_prefix_only() {
    let role = role();
    let list = session("session-list");
    let free = Layers {
        identity: &[&role],
        ..Layers::default()
    };
    let narrowed = Layers {
        session: &[&list],
        ..free
    };
    let check = |prefix: Option<&str>, by_role: IamDecision, by_session: IamDecision| {
        let bucket = "arn:aws:s3:::tidegate-pcf";
        assert_eq!(ask(&free, "s3:ListBucket", bucket, prefix), by_role, "{prefix:?}");
        assert_eq!(
            ask(&narrowed, "s3:ListBucket", bucket, prefix),
            by_session,
            "{prefix:?}"
        );
    };
    check(Some("BPNL000000000DWF/pcf/"), Allowed, Allowed);
    check(Some("BPNL000000000DWF/"), ImplicitDeny, ImplicitDeny);
    check(Some("BPNL000000000DWF"), ImplicitDeny, ImplicitDeny);
    check(Some("BPNL00000003CRHK/pcf/"), ImplicitDeny, ImplicitDeny);
    check(Some(""), ImplicitDeny, ImplicitDeny);
    check(None, ImplicitDeny, ImplicitDeny);
}

#[test]
fn a_narrowed_session_does_one_thing_to_one_thing() {
    let role = role();
    let key = |file: &str| object(&format!("{OWN}/pcf/urn:gtin:4712345060507/{file}"));
    let (own, other_pcf) = (key("p-1.json"), key("p-2.json"));
    let received = |partner: &str| object(&format!("{OWN}/pcf/received/{partner}/p-1.json"));
    let (received, of_another) = (received("BPNL00000000C3EF"), received(OTHER));
    let (own_secret, longer) = (
        secret(&format!("{OWN}/peer-key-AbCdEf")),
        secret(&format!("{OWN}/peer-key-v2-AbCdEf")),
    );
    let grants = [
        ("session-object-read", "s3:GetObject", &own),
        ("session-object-write", "s3:PutObject", &own),
        ("session-object-delete", "s3:DeleteObject", &own),
        ("session-received-write", "s3:PutObject", &received),
        ("session-secret-read", "secretsmanager:GetSecretValue", &own_secret),
        ("session-secret-write", "secretsmanager:PutSecretValue", &own_secret),
        ("session-secret-rotate", "secretsmanager:PutSecretValue", &own_secret),
        (
            "session-secret-rotate",
            "secretsmanager:UpdateSecretVersionStage",
            &own_secret,
        ),
    ];
    for (name, ..) in SESSIONS {
        let policy = session(name);
        let layers = Layers {
            identity: &[&role],
            session: &[&policy],
            ..Layers::default()
        };
        for (_, action, _) in grants {
            for resource in [&own, &other_pcf, &own_secret, &longer, &received, &of_another] {
                let granted = grants
                    .iter()
                    .any(|(n, a, r)| *n == name && *a == action && r == &resource);
                let expected = if granted { Allowed } else { ImplicitDeny };
                assert_eq!(
                    ask(&layers, action, resource, None),
                    expected,
                    "{name} {action} {resource}"
                );
            }
        }
    }
}

#[test]
fn only_an_authenticated_user_of_the_pool_with_the_tenants_tag_takes_the_role_on() {
    let trust = trust();
    let pool = "eu-central-1:11111111-2222-3333-4444-555555555555";
    let params = tenant(OWN).with("identity_pool", pool);
    let role = format!("arn:aws:iam::{ACCOUNT}:role/tidegate-tenant-{OWN}");
    let check = |provider: &'static str, aud: &str, amr: &str, tag: Option<&str>, expected: IamDecision| {
        for action in ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"] {
            let mut context = Context::new()
                .with("cognito-identity.amazonaws.com:aud", aud)
                .with_many("cognito-identity.amazonaws.com:amr", [amr, "cognito-idp"]);
            if let Some(tag) = tag {
                context = context.with("aws:RequestTag/bpnl", tag);
            }
            let principal = Principal::parse(provider).unwrap();
            let request = Request {
                principal,
                action,
                resource: &role,
                resource_account: ACCOUNT,
                context,
            };
            let layers = Layers {
                resource: Some(&trust),
                ..Layers::default()
            };
            assert_eq!(
                evaluate(&request, &layers, &params).decision,
                expected,
                "{action} {provider} {aud} {amr} {tag:?}"
            );
        }
    };
    let cognito = "cognito-identity.amazonaws.com";
    check(cognito, pool, "authenticated", Some(OWN), Allowed);
    check(cognito, pool, "authenticated", Some(OTHER), ImplicitDeny);
    check(cognito, pool, "authenticated", None, ImplicitDeny);
    check(cognito, pool, "unauthenticated", Some(OWN), ImplicitDeny);
    check(cognito, "eu-central-1:evil", "authenticated", Some(OWN), ImplicitDeny);
    check("accounts.google.com", pool, "authenticated", Some(OWN), ImplicitDeny);
}

//! What the judges themselves must hold to.

use std::collections::BTreeSet;
use std::path::Path;

use tidegate::bundle::{Bundle, Source};
use tidegate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate};
use tidegate_aws_tests::Failure;
use tidegate_aws_tests::call::Answer::{self, Denied, LetThrough};
use tidegate_aws_tests::call::changes_what_others_meet;
use tidegate_aws_tests::differences::{Difference, Documentation, findings};
use tidegate_aws_tests::report::Judged;
use tidegate_aws_tests::translate::for_emulator;

const TENANTS: [&str; 2] = ["BPNL000000000DWF", "BPNL00000000B2CD"];

fn judged(name: &str, ours: Answer, theirs: Answer) -> Judged {
    Judged {
        name: name.to_owned(),
        ours,
        theirs,
    }
}

fn class(name: &str, ours: Answer, emulator: Answer, questions: &[&str]) -> Difference {
    Difference {
        name: name.to_owned(),
        ours,
        emulator,
        reason: "it is so".to_owned(),
        documentation: Documentation {
            page: "a page".to_owned(),
            sentence: "a sentence".to_owned(),
        },
        questions: questions.iter().map(|question| (*question).to_owned()).collect(),
    }
}

#[test]
fn the_list_of_differences_is_held_from_both_sides() {
    let asked = [
        judged("same", Denied, Denied),
        judged("narrower", LetThrough, Denied),
        judged("wider", Denied, LetThrough),
    ];
    let narrower = || class("n", LetThrough, Denied, &["narrower"]);
    let wider = || class("w", Denied, LetThrough, &["wider"]);
    let cases: &[(&[Difference], usize)] = &[
        (&[narrower(), wider()], 0),
        (&[narrower()], 1),
        (&[], 2),
        (&[narrower(), wider(), wider()], 1),
        (&[narrower(), wider(), class("h", LetThrough, Denied, &["same"])], 1),
        (&[narrower(), wider(), class("g", LetThrough, Denied, &["gone"])], 1),
        (&[narrower(), wider(), class("e", LetThrough, Denied, &[])], 1),
        (&[narrower(), class("w", LetThrough, Denied, &["wider"])], 1),
    ];
    for (list, expected) in cases {
        let found = findings(list, &asked);
        assert_eq!(found.len(), *expected, "{found:?}");
    }
}

#[test]
fn what_is_said_to_the_emulator_means_the_same() -> Result<(), Failure> {
    let bundle = Bundle::load(Source::built_in())?;
    let names = bundle.account.names();
    let tags: BTreeSet<String> = TENANTS.map(str::to_owned).into();
    let (mut asked, mut allowed, mut translated) = (0, 0, 0);
    for document in bundle.account.documents() {
        let params = names.params().with("bpnl", TENANTS[0]).with("owner", TENANTS[0]);
        let Ok(text) = document.render(&params) else { continue };
        let said = for_emulator(&text, &tags)?;
        translated += usize::from(!same_json(&text, &said)?);
        // A resource's policy is looked at as it denies: what it leaves is allowed beside it.
        let kind = match document.kind() {
            DocumentKind::Resource => DocumentKind::Resource,
            DocumentKind::Trust => continue,
            _ => DocumentKind::Identity,
        };
        let original = Document::parse_deployed(document.name(), &text, kind)?;
        let said = Document::parse_deployed(document.name(), &said, kind)?;
        for request in requests(&bundle)? {
            let answer = |document: &Document| decide(document, &request);
            let (before, after) = (answer(&original)?, answer(&said)?);
            assert_eq!(before, after, "{}: {request:?}", document.name());
            asked += 1;
            allowed += usize::from(before);
        }
    }
    assert!(translated >= 4, "{translated} documents are translated");
    assert!(allowed > 20 && allowed < asked, "{allowed} of {asked}");
    Ok(())
}

/// What is neither reads alone nor known to change things would be asked in the middle of the rest.
#[test]
fn whatever_a_request_of_the_corpus_changes_is_known() -> Result<(), Failure> {
    const READS: &[&str] = &["get", "list", "describe", "batchget"];
    // Contents, sessions and what only services do: nothing a later answer depends on.
    const HARMLESS: &[&str] = &[
        "AbortMultipartUpload",
        "BypassGovernanceRetention",
        "CreateServiceLinkedRole",
        "DeleteObject",
        "DeleteObjectVersion",
        "PassRole",
        "PutObject",
        "PutObjectTagging",
        "PutSecretValue",
        "ReplicateObject",
        "RestoreObject",
        "UpdateSecret",
        "UpdateSecretVersionStage",
    ];
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let corpus = tidegate::parity::load(&fixtures)?;
    let (mut reads, mut changes) = (0, 0);
    for case in &corpus.requests {
        for action in &case.request.actions {
            // Other services are not asked, and STS keeps nothing.
            let Some(("iam" | "s3" | "secretsmanager", name)) = action.split_once(':') else {
                continue;
            };
            let lower = name.to_ascii_lowercase();
            if READS.iter().any(|read| lower.starts_with(read)) {
                assert!(!changes_what_others_meet(action), "{action} reads");
                reads += 1;
            } else {
                let known = HARMLESS.contains(&name) != changes_what_others_meet(action);
                assert!(
                    known,
                    "{}: is `{action}` harmless, or does it change what others meet?",
                    case.id()
                );
                changes += 1;
            }
        }
    }
    assert!(reads > 100 && changes > 100, "{reads} read, {changes} change");
    Ok(())
}

fn same_json(one: &str, other: &str) -> Result<bool, Failure> {
    let read = serde_json::from_str::<serde_json::Value>;
    Ok(read(one)? == read(other)?)
}

fn decide(document: &Document, request: &Request<'_>) -> Result<bool, Failure> {
    let all = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    let all = Document::parse_deployed("all", all, DocumentKind::Identity)?;
    let own = [document];
    let layers = match document.kind() {
        DocumentKind::Resource => Layers {
            resource: Some(document),
            identity: &[&all],
            ..Layers::default()
        },
        _ => Layers {
            identity: &own,
            ..Layers::default()
        },
    };
    let evaluation = evaluate(request, &layers, &Params::new());
    Ok(evaluation.decision == tidegate::decision::IamDecision::Allowed)
}

/// Sessions of both kinds of role and of the service, tagged or not, on each other's things.
fn requests(bundle: &Bundle) -> Result<Vec<Request<'_>>, Failure> {
    let names = bundle.account.names();
    let mut requests = Vec::new();
    for role in ["tidegate-tenant-BPNL000000000DWF", "tidegate-pool", "tidegate-service"] {
        for tag in [None, Some(TENANTS[0]), Some(TENANTS[1])] {
            for tenant in TENANTS {
                let account = names.account();
                let secret = names.secret_arn(tenant.parse()?, &"key".parse()?, "AbCdEf");
                let object = format!("{}/{tenant}/pcf/p/a.json", names.bucket_arn());
                let things = [
                    ("secretsmanager:GetSecretValue", secret, None),
                    ("s3:GetObject", object.clone(), None),
                    ("s3:DeleteObject", object, None),
                    ("s3:ListBucket", names.bucket_arn(), Some(format!("{tenant}/pcf/"))),
                    ("s3:ListBucket", names.bucket_arn(), None),
                ];
                for (action, resource, prefix) in things {
                    let mut context = Context::new();
                    if let Some(tag) = tag {
                        context = context.with("aws:PrincipalTag/bpnl", tag);
                    }
                    if let Some(prefix) = prefix {
                        context = context.with("s3:prefix", prefix);
                    }
                    requests.push(Request {
                        principal: Principal::Session {
                            role_arn: format!("arn:aws:iam::{account}:role/{role}").into(),
                            session_arn: format!("arn:aws:sts::{account}:assumed-role/{role}/s").into(),
                        },
                        action,
                        resource: Box::leak(resource.into_boxed_str()),
                        resource_account: account,
                        context,
                    });
                }
            }
        }
    }
    Ok(requests)
}

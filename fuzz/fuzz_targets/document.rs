//! Any text as a policy document of each kind: never a panic; and what is read renders to a document that is read again
//! and answers the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate};

const KINDS: [DocumentKind; 7] = [
    DocumentKind::Identity,
    DocumentKind::Session,
    DocumentKind::Boundary,
    DocumentKind::Scp,
    DocumentKind::Rcp,
    DocumentKind::Resource,
    DocumentKind::Trust,
];

/// What every template parameter is filled with: it will do for an account as for part of a name.
const VALUE: &str = "111122223333";

fn answers(document: &Document, params: &Params<'_>) -> Vec<String> {
    let principals = [
        "arn:aws:sts::111122223333:assumed-role/tidegate-tenant-BPNL000000000DWF/alice",
        "arn:aws:iam::999988887777:user/u",
        "cognito-identity.amazonaws.com",
        "s3.amazonaws.com",
        "*",
    ];
    let asked = [
        ("s3:GetObject", "arn:aws:s3:::tidegate-pcf/111122223333/pcf/a.json"),
        ("s3:ListBucket", "arn:aws:s3:::tidegate-pcf"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:a-AbCdEf"),
        ("sts:AssumeRoleWithWebIdentity", "arn:aws:iam::111122223333:role/r"),
        ("*", "*"),
    ];
    let mut answers = Vec::new();
    for principal in principals {
        for (action, resource) in asked {
            let request = Request {
                principal: Principal::parse(principal).expect("a principal"),
                action,
                resource,
                resource_account: VALUE,
                context: Context::new()
                    .with("aws:PrincipalTag/bpnl", VALUE)
                    .with("s3:prefix", "111122223333/")
                    .with_many("aws:TagKeys", ["a", "b"]),
            };
            let alone = std::slice::from_ref(&document);
            let one = Some(document);
            let layers = match document.kind() {
                DocumentKind::Identity => Layers { identity: alone, ..Layers::default() },
                DocumentKind::Session => Layers { session: alone, ..Layers::default() },
                DocumentKind::Boundary => Layers { boundary: one, ..Layers::default() },
                DocumentKind::Scp => Layers { scp: &[alone], ..Layers::default() },
                DocumentKind::Rcp => Layers { rcp: alone, ..Layers::default() },
                DocumentKind::Resource | DocumentKind::Trust => Layers { resource: one, ..Layers::default() },
            };
            let evaluation = evaluate(&request, &layers, params);
            answers.push(format!("{} {:?} {:?}", evaluation.decision, evaluation.decided_by, evaluation.statements()));
        }
    }
    answers
}

fuzz_target!(|text: &str| {
    for kind in KINDS {
        if let Ok(deployed) = Document::parse_deployed("fuzz", text, kind) {
            let rendered = deployed.render(&Params::new()).expect("a deployed document has no parameters");
            let again = Document::parse_deployed("fuzz", &rendered, kind).expect("what was read is read again");
            assert_eq!(answers(&deployed, &Params::new()), answers(&again, &Params::new()), "{rendered}");
        }
        if let Ok(template) = Document::parse("fuzz", text, kind) {
            let params = template.parameters().fold(Params::new(), |params, name| params.with(name, VALUE));
            let rendered = template.render(&params).expect("the value is safe");
            // A parameter may stand where twelve digits may not: for a canonical user id, say.
            match Document::parse_deployed("fuzz", &rendered, kind) {
                Ok(again) => assert_eq!(answers(&template, &params), answers(&again, &Params::new()), "{rendered}"),
                Err(error) => assert!(template.parameters().next().is_some(), "{error:?}"),
            }
        }
    }
});

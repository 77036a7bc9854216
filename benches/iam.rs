//! How long the IAM layer alone takes: one decision, a document of a thousand statements, and a hostile pattern beside
//! the floor of any search, which is to look at the text once.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot set up its scene has nothing to measure"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tidegate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate};

const ACCOUNT: &str = "111122223333";

/// The longest pattern and text of the hostile kind, in bytes.
const LONG: usize = 64 * 1024;

fn parse(text: &str) -> Document {
    Document::parse("bench", text, DocumentKind::Identity).expect("the document is sound")
}

fn request<'r>(action: &'r str, resource: &'r str) -> Request<'r> {
    let role = "arn:aws:iam::111122223333:role/tidegate-tenant-BPNL000000000DWF";
    Request {
        principal: Principal::session(role, "alice").expect("the role has an ARN"),
        action,
        resource,
        resource_account: ACCOUNT,
        context: Context::new()
            .with("aws:PrincipalTag/bpnl", "BPNL000000000DWF")
            .with("aws:SecureTransport", "true"),
    }
}

/// A tenant role's shape: secrets, objects, a listing, and a fence around other tenants.
const TENANT: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "OwnSecrets", "Effect": "Allow",
         "Action": ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
         "Resource": "arn:aws:secretsmanager:eu-central-1:{account}:secret:tidegate/{bpnl}/*"},
        {"Sid": "OwnObjects", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
         "Resource": "arn:aws:s3:::tidegate-pcf/{bpnl}/pcf/*"},
        {"Sid": "ListOwnObjects", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::tidegate-pcf",
         "Condition": {"StringLike": {"s3:prefix": "{bpnl}/*"}}},
        {"Sid": "NoOtherTenant", "Effect": "Deny", "Action": "s3:*Object",
         "NotResource": "arn:aws:s3:::tidegate-pcf/${aws:PrincipalTag/bpnl}/*"}
    ]
}"#;

fn deciding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("iam");
    let params = Params::new().with("account", ACCOUNT).with("bpnl", "BPNL000000000DWF");
    let own = request(
        "s3:GetObject",
        "arn:aws:s3:::tidegate-pcf/BPNL000000000DWF/pcf/p/1.json",
    );
    let other = request(
        "s3:GetObject",
        "arn:aws:s3:::tidegate-pcf/BPNL00000003CRHK/pcf/p/1.json",
    );

    let role = parse(TENANT);
    let layers = Layers {
        identity: &[&role],
        ..Layers::default()
    };
    for (name, request) in [("own object", &own), ("other tenant's object", &other)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| evaluate(black_box(request), &layers, &params).decision);
        });
    }

    let statements: Vec<String> = (0..1_000)
        .map(|n| {
            format!(
                r#"{{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
                     "Resource": "arn:aws:s3:::tidegate-pcf/tenant-{n}/*",
                     "Condition": {{"StringEquals": {{"aws:PrincipalTag/bpnl": "tenant-{n}"}}}}}}"#
            )
        })
        .collect();
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#,
        statements.join(",")
    );
    let many = Document::parse_deployed("bench", &text, DocumentKind::Identity).expect("the document is sound");
    let layers = Layers {
        identity: &[&many],
        ..Layers::default()
    };
    group.bench_function("1,000 statements", |bencher| {
        bencher.iter(|| evaluate(black_box(&own), &layers, &params).decision);
    });
    group.bench_function("parse the tenant role", |bencher| {
        bencher.iter(|| parse(black_box(TENANT)));
    });
    group.finish();
}

/// A pattern of 64 KiB against a text of 64 KiB, found and not found; and, beside it, one search for a letter that is not
/// in the text and one comparison of the text with itself.
fn hostile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("iam, 64 KiB");
    let pattern = format!("arn:aws:s3:::{}", "*a".repeat(LONG / 2));
    let document = parse(&format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "*", "Resource": "{pattern}"}}}}"#
    ));
    let layers = Layers {
        identity: &[&document],
        ..Layers::default()
    };
    let params = Params::new();
    let texts = [
        ("`*a*a*a…`, found", "a".repeat(LONG)),
        ("`*a*a*a…`, one `a` too few", format!("{}a", "ab".repeat(LONG / 4))),
        ("`*a*a*a…`, no `a` but the last", format!("{}a", "b".repeat(LONG - 1))),
    ];
    for (name, text) in &texts {
        let resource = format!("arn:aws:s3:::{text}");
        let request = request("s3:GetObject", &resource);
        group.bench_function(*name, |bencher| {
            bencher.iter(|| evaluate(black_box(&request), &layers, &params).decision);
        });
    }
    let text = "a".repeat(LONG);
    let same = text.clone();
    group.bench_function("floor: str::contains", |bencher| {
        bencher.iter(|| black_box(&text).contains(black_box("b")));
    });
    group.bench_function("floor: memcmp", |bencher| {
        bencher.iter(|| black_box(&text) == black_box(&same))
    });
    group.finish();
}

criterion_group!(benches, deciding, hostile);
criterion_main!(benches);

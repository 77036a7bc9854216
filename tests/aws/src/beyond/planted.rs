//! Mistakes in a role's policy: what leaks, what the other documents hold, and what a judge must see.
//!
//! The boundary and the policies of bucket and secrets hold what a mistake in a tenant's role would open. To see that the mistake is
//! one, it is also given to the provisioning role, where nothing else is in the way of writing and listing.

use serde_json::{Value, json};
use tidegate::bundle::Bundle;

use super::{OTHER, OWN, Row, SIBLING, Who, row, secret};
use crate::Failure;
use crate::call::Request;

pub(super) fn rows(bundle: &Bundle) -> Result<Vec<Row>, Failure> {
    let mut rows = walls(bundle)?;
    rows.extend(patterns(bundle)?);
    rows.extend(conditions(bundle));
    rows.extend(words(bundle));
    Ok(rows)
}

fn one(effect: &str, action: &str, resource: &str) -> Value {
    json!({"Effect": effect, "Action": action, "Resource": resource})
}

fn allow(action: &str, resource: &str) -> Value {
    one("Allow", action, resource)
}

/// Tenants' roles that are granted far too much.
fn walls(bundle: &Bundle) -> Result<Vec<Row>, Failure> {
    let bucket = bundle.account.names().bucket_arn();
    let all = || json!([allow("s3:*", "*"), allow("secretsmanager:*", "*"), allow("iam:*", "*")]);
    let get = |tenant: &str| Request::new("s3:GetObject", &format!("{bucket}/{tenant}/pcf/p/a.json"));
    let list = |tenant: &str| Request::new("s3:ListBucket", &bucket).with("s3:prefix", &format!("{tenant}/pcf/"));
    let of = |action: &str, tenant| {
        secret(bundle, tenant).map(|arn| Request::new(&format!("secretsmanager:{action}"), &arn))
    };
    let role = bundle
        .account
        .names()
        .role_arn(tidegate::iam::Isolation::Role, OTHER.parse()?);
    Ok(vec![
        row("walls-own-object", get(OWN)).widened(all()),
        row("walls-other-object", get(OTHER)).widened(all()),
        row("walls-other-object-pool", get(OTHER)).by(Who::Pool).widened(all()),
        row("walls-sibling-object", get(SIBLING)).widened(all()),
        row("walls-own-list", list(OWN)).widened(all()),
        row("walls-other-list", list(OTHER)).widened(all()),
        row("walls-no-prefix", Request::new("s3:ListBucket", &bucket)).widened(all()),
        row("walls-bucket-policy", Request::new("s3:DeleteBucketPolicy", &bucket)).widened(all()),
        row("walls-own-secret", of("GetSecretValue", OWN)?).widened(all()),
        row("walls-other-secret", of("GetSecretValue", OTHER)?).widened(all()),
        row("walls-other-secret-pool", of("GetSecretValue", OTHER)?)
            .by(Who::Pool)
            .widened(all()),
        row("walls-sibling-secret", of("GetSecretValue", SIBLING)?).widened(all()),
        row("walls-own-secret-policy", of("DeleteResourcePolicy", OWN)?).widened(all()),
        row("walls-list-secrets", Request::new("secretsmanager:ListSecrets", "*")).widened(all()),
        row("walls-batch", Request::new("secretsmanager:BatchGetSecretValue", "*")).widened(all()),
        row(
            "walls-other-boundary",
            Request::new("iam:DeleteRolePermissionsBoundary", &role),
        )
        .widened(all()),
        row("walls-provisioning-reads", of("GetSecretValue", OWN)?)
            .by(Who::Provisioning)
            .widened(all()),
        row("walls-service-reads", of("GetSecretValue", OWN)?)
            .by(Who::Service)
            .widened(all()),
    ])
}

/// Patterns that reach further than meant.
fn patterns(bundle: &Bundle) -> Result<Vec<Row>, Failure> {
    let bucket = bundle.account.names().bucket_arn();
    let put = |tenant: &str| Request::new("s3:PutObject", &format!("{bucket}/{tenant}/pcf/p/a.json"));
    let no_slash = || allow("s3:PutObject", &format!("{bucket}/{OWN}*"));
    let own_secret = secret(bundle, OWN)?;
    let secret_no_slash = own_secret.replace(&format!("{OWN}/beyond-Ab12Cd"), &format!("{OWN}*"));
    let six = own_secret.replace("Ab12Cd", "??????");
    let change = |tenant| secret(bundle, tenant).map(|arn| Request::new("secretsmanager:PutSecretValue", &arn));
    let write = "secretsmanager:PutSecretValue";
    let bare = |name, request: Request, statements: Value| row(name, request).by(Who::Provisioning).widened(statements);
    Ok(vec![
        bare("planted-no-slash-sibling", put(SIBLING), no_slash()),
        row("planted-no-slash-sibling-held", put(SIBLING)).widened(no_slash()),
        bare("planted-no-slash-other", put(OTHER), no_slash()),
        bare(
            "planted-slash-sibling",
            put(SIBLING),
            allow("s3:PutObject", &format!("{bucket}/{OWN}/*")),
        ),
        bare(
            "planted-secret-no-slash",
            change(SIBLING)?,
            allow(write, &secret_no_slash),
        ),
        row("planted-secret-no-slash-held", change(SIBLING)?).widened(allow(write, &secret_no_slash)),
        bare("planted-secret-six", change(OWN)?, allow(write, &six)),
        bare(
            "planted-secret-five",
            change(OWN)?,
            allow(write, &six.replace("??????", "?????")),
        ),
        bare(
            "planted-secret-no-suffix",
            change(OWN)?,
            allow(write, &six.replace("-??????", "")),
        ),
        bare(
            "planted-secret-lower-case",
            change(OWN)?,
            allow(write, &own_secret.to_lowercase()),
        ),
        bare(
            "planted-secret-other-region",
            change(OWN)?,
            allow(write, &six.replace("central", "west")),
        ),
        bare("planted-star", put(OTHER), allow("s3:Put*", "*")),
        bare(
            "planted-mixed-case",
            put(OTHER),
            allow("S3:putobject", &format!("{bucket}/*")),
        ),
        bare("planted-bucket-for-object", put(OTHER), allow("s3:*", &bucket)),
        bare(
            "planted-object-for-bucket",
            Request::new("s3:ListBucket", &bucket),
            allow("s3:*", &format!("{bucket}/*")),
        ),
        bare(
            "planted-middle",
            put(OTHER),
            allow("s3:PutObject", &format!("{bucket}/*/pcf/*")),
        ),
        bare(
            "planted-not-action",
            put(OTHER),
            json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
        ),
        bare(
            "planted-not-resource",
            put(OWN),
            json!({"Effect": "Allow", "Action": "s3:*", "NotResource": format!("{bucket}/{OTHER}/*")}),
        ),
    ])
}

/// Conditions that hold where they should not, or the other way round.
fn conditions(bundle: &Bundle) -> Vec<Row> {
    let bucket = bundle.account.names().bucket_arn();
    let list = || Request::new("s3:ListBucket", &bucket);
    let put = |tenant: &str| Request::new("s3:PutObject", &format!("{bucket}/{tenant}/pcf/p/a.json"));
    let own_prefix = format!("{OWN}/*");
    let when = |effect: &str, operator: &str, key: &str, value: &str| json!({"Effect": effect, "Action": "s3:*", "Resource": "*", "Condition": {operator: {key: value}}});
    let prefix = |effect: &str, operator: &str, value: &str| when(effect, operator, "s3:prefix", value);
    let granted = || allow("s3:*", "*");
    let bare = |name, request: Request, statements: Value| row(name, request).by(Who::Provisioning).widened(statements);
    vec![
        bare(
            "planted-like",
            list(),
            json!([prefix("Allow", "StringLike", &own_prefix)]),
        ),
        bare(
            "planted-if-exists",
            list(),
            json!([prefix("Allow", "StringLikeIfExists", &own_prefix)]),
        ),
        row("planted-if-exists-held", list()).widened(json!([prefix("Allow", "StringLikeIfExists", &own_prefix)])),
        bare(
            "planted-not-like",
            list(),
            json!([prefix("Allow", "StringNotLike", &format!("{OTHER}/*"))]),
        ),
        bare(
            "planted-for-all",
            list(),
            json!([prefix("Allow", "ForAllValues:StringLike", &own_prefix)]),
        ),
        bare(
            "planted-for-any",
            list(),
            json!([prefix("Allow", "ForAnyValue:StringLike", &own_prefix)]),
        ),
        bare("planted-null", list(), json!([prefix("Allow", "Null", "true")])),
        bare(
            "planted-deny-other",
            list(),
            json!([granted(), prefix("Deny", "StringLike", &format!("{OTHER}/*"))]),
        ),
        bare(
            "planted-deny-but-own",
            list(),
            json!([granted(), prefix("Deny", "StringNotLike", &own_prefix)]),
        ),
        bare(
            "planted-equals-is-no-pattern",
            list().with("s3:prefix", &format!("{OWN}/x")),
            json!([prefix("Allow", "StringEquals", &own_prefix)]),
        ),
        bare(
            "planted-tag",
            put(OWN),
            when("Allow", "StringEquals", "aws:PrincipalTag/bpnl", OWN),
        )
        .tagged(Some(OWN)),
        bare(
            "planted-tag-other",
            put(OWN),
            when("Allow", "StringEquals", "aws:PrincipalTag/bpnl", OWN),
        )
        .tagged(Some(OTHER)),
        bare(
            "planted-tag-key-case",
            put(OWN),
            when("Allow", "StringEquals", "AWS:principaltag/BPNL", OWN),
        )
        .tagged(Some(OWN)),
        bare(
            "planted-tag-value-case",
            put(OWN),
            when("Allow", "StringEquals", "aws:PrincipalTag/bpnl", OWN),
        )
        .tagged(Some("bpnl000000000dwf")),
        bare(
            "planted-tag-not-equals",
            put(OWN),
            when("Allow", "StringNotEquals", "aws:PrincipalTag/bpnl", OTHER),
        ),
        bare(
            "planted-account",
            put(OWN),
            when(
                "Allow",
                "StringEquals",
                "aws:ResourceAccount",
                bundle.account.names().account(),
            ),
        ),
        bare(
            "planted-other-account",
            put(OWN),
            when("Allow", "StringEquals", "aws:ResourceAccount", "999999999999"),
        ),
        bare(
            "planted-deny-wins",
            put(OWN),
            json!([granted(), one("Deny", "S3:PUTOBJECT", &format!("{bucket}/*"))]),
        ),
        bare(
            "planted-deny-all-but-own",
            put(OTHER),
            json!([
                granted(), {"Effect": "Deny", "Action": "s3:*", "NotResource": format!("{bucket}/{OWN}/*")}
            ]),
        ),
    ]
}

/// The documents' own words that are translated for the emulator, as they are.
fn words(bundle: &Bundle) -> Vec<Row> {
    let names = bundle.account.names();
    let bucket = names.bucket_arn();
    let put = |key: &str| Request::new("s3:PutObject", &format!("{bucket}/shared/{key}a.json"));
    let variable = || allow("s3:PutObject", &format!("{bucket}/shared/${{aws:PrincipalTag/bpnl}}/*"));
    let provisioning = format!("arn:aws:iam::{}:role/tidegate-provisioning", names.account());
    let as_role = |operator: &str| {
        let condition = json!({operator: {"aws:PrincipalArn": provisioning}});
        json!({"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*", "Condition": condition})
    };
    let bare = |name, request: Request, statements: Value| row(name, request).by(Who::Provisioning).widened(statements);
    vec![
        bare("words-variable", put(&format!("{OWN}/")), variable()).tagged(Some(OWN)),
        bare("words-variable-of-other", put(&format!("{OTHER}/")), variable()).tagged(Some(OWN)),
        bare("words-variable-no-tag", put("/"), variable()),
        bare("words-variable-star", put(&format!("{OTHER}/")), variable()).tagged(Some("*")),
        bare("words-principal-arn", put(""), as_role("ArnEquals")),
        bare("words-principal-arn-not", put(""), as_role("ArnNotEquals")),
    ]
}

//! What anyone with a session might try, under the documents as they are.

use tidegate::bundle::Bundle;
use tidegate::iam::Isolation;

use super::{OTHER, OWN, Row, SIBLING, SPARE, Who, row, secret};
use crate::Failure;
use crate::call::{AMR, AUD, Request, SECURE};

pub(super) fn rows(bundle: &Bundle) -> Result<Vec<Row>, Failure> {
    let mut rows = secrets(bundle)?;
    rows.extend(objects(bundle));
    rows.extend(lists(bundle));
    rows.extend(roles(bundle)?);
    rows.extend(provisioning(bundle)?);
    Ok(rows)
}

fn secrets(bundle: &Bundle) -> Result<Vec<Row>, Failure> {
    let (own, other, sibling) = (secret(bundle, OWN)?, secret(bundle, OTHER)?, secret(bundle, SIBLING)?);
    let ask = |action: &str, arn: &str| Request::new(&format!("secretsmanager:{action}"), arn);
    let get = |arn: &str| ask("GetSecretValue", arn);
    Ok(vec![
        row("secret-own", get(&own)),
        row("secret-own-by-name", get(&own).by_name()),
        row("secret-other", get(&other)),
        row("secret-other-by-name", get(&other).by_name()),
        row("secret-sibling", get(&sibling)),
        row("secret-sibling-by-name", get(&sibling).by_name()),
        row("secret-own-session-for-it", get(&own)).under("session-secret-read", &[("name", "beyond")]),
        row("secret-own-session-for-another", get(&own)).under("session-secret-read", &[("name", "beyon")]),
        row("secret-other-session-for-it", get(&other)).under("session-secret-read", &[("name", "beyond")]),
        row("secret-own-tag-of-other", get(&own)).tagged(Some(OTHER)),
        row("secret-other-tag-of-other", get(&other)).tagged(Some(OTHER)),
        row("secret-own-no-tag", get(&own)).tagged(None),
        row("secret-own-pool", get(&own)).by(Who::Pool),
        row("secret-other-pool", get(&other)).by(Who::Pool),
        row("secret-own-pool-tag-of-other", get(&own))
            .by(Who::Pool)
            .tagged(Some(OTHER)),
        row("secret-own-pool-no-tag", get(&own)).by(Who::Pool).tagged(None),
        row("secret-own-service", get(&own)).by(Who::Service),
        row("secret-own-provisioning", get(&own)).by(Who::Provisioning),
        row("secret-write-own", ask("PutSecretValue", &own)),
        row("secret-write-own-session-reads", ask("PutSecretValue", &own))
            .under("session-secret-read", &[("name", "beyond")]),
        row("secret-write-other", ask("PutSecretValue", &other)),
        row("secret-stage-own", ask("UpdateSecretVersionStage", &own)),
        row("secret-stage-own-session-writes", ask("UpdateSecretVersionStage", &own))
            .under("session-secret-write", &[("name", "beyond")]),
        row(
            "secret-stage-own-session-rotates",
            ask("UpdateSecretVersionStage", &own),
        )
        .under("session-secret-rotate", &[("name", "beyond")]),
        row("secret-stage-other", ask("UpdateSecretVersionStage", &other)),
        row("secret-delete-other", ask("DeleteSecret", &other)),
        row("secret-delete-own", ask("DeleteSecret", &own)),
        row("secret-describe-other", ask("DescribeSecret", &other)),
        row("secret-policy-of-other", ask("GetResourcePolicy", &other)),
        row("secret-open-own-to-others", ask("PutResourcePolicy", &own)),
        row("secret-tag-own", ask("TagResource", &own)),
        row("secret-list", ask("ListSecrets", "*")),
        row("secret-list-granted", ask("ListSecrets", "*")).granted("secretsmanager:ListSecrets"),
        row("secret-batch", ask("BatchGetSecretValue", "*")),
        row("secret-batch-granted", ask("BatchGetSecretValue", "*")).granted("secretsmanager:BatchGetSecretValue"),
    ])
}

fn objects(bundle: &Bundle) -> Vec<Row> {
    const ITEM: &[(&str, &str)] = &[("product", "urn:gtin:1"), ("pcf", "a")];
    let bucket = bundle.account.names().bucket_arn();
    let ask = |action: &str, key: &str| Request::new(&format!("s3:{action}"), &format!("{bucket}/{key}"));
    let of = |tenant: &str| format!("{tenant}/pcf/urn:gtin:1/a.json");
    let (own, other, sibling) = (of(OWN), of(OTHER), of(SIBLING));
    vec![
        row("object-own", ask("GetObject", &own)),
        row("object-own-not-encrypted", ask("GetObject", &own).with(SECURE, "false")),
        row("object-own-session-for-it", ask("GetObject", &own)).under("session-object-read", ITEM),
        row(
            "object-own-session-for-another",
            ask("GetObject", &format!("{OWN}/pcf/urn:gtin:1/b.json")),
        )
        .under("session-object-read", ITEM),
        row("object-other-session-for-it", ask("GetObject", &other)).under("session-object-read", ITEM),
        row("object-other", ask("GetObject", &other)),
        row("object-sibling", ask("GetObject", &sibling)),
        row("object-lower-case", ask("GetObject", &own.to_lowercase())),
        row("object-own-beside-pcf", ask("GetObject", &format!("{OWN}/pcf2/a.json"))),
        row("object-own-mark", ask("GetObject", &format!("{OWN}/.tenant"))),
        row("object-own-below-other", ask("GetObject", &format!("{OTHER}/{own}"))),
        row("object-dots", ask("GetObject", &format!("{OWN}/pcf/../../{other}"))),
        row("object-version-own", ask("GetObjectVersion", &own)),
        row("object-version-other", ask("GetObjectVersion", &other)),
        row("object-acl-own", ask("PutObjectAcl", &own)),
        row("object-tags-of-other", ask("GetObjectTagging", &other)),
        row("object-write-own", ask("PutObject", &own)),
        row("object-write-own-session-reads", ask("PutObject", &own)).under("session-object-read", ITEM),
        row("object-write-other", ask("PutObject", &other)),
        row("object-write-sibling", ask("PutObject", &sibling)),
        row("object-delete-own", ask("DeleteObject", &own)),
        row("object-delete-own-session-writes", ask("DeleteObject", &own)).under("session-object-write", ITEM),
        row("object-delete-other", ask("DeleteObject", &other)),
        row("object-own-tag-of-other", ask("GetObject", &own)).tagged(Some(OTHER)),
        row("object-other-tag-of-other", ask("GetObject", &other)).tagged(Some(OTHER)),
        row("object-own-no-tag", ask("GetObject", &own)).tagged(None),
        row("object-own-pool", ask("GetObject", &own)).by(Who::Pool),
        row("object-other-pool", ask("GetObject", &other)).by(Who::Pool),
        row("object-sibling-pool", ask("GetObject", &sibling)).by(Who::Pool),
        row("object-own-pool-tag-of-other", ask("GetObject", &own))
            .by(Who::Pool)
            .tagged(Some(OTHER)),
        row("object-own-pool-no-tag", ask("GetObject", &own))
            .by(Who::Pool)
            .tagged(None),
        row("object-own-service", ask("GetObject", &own)).by(Who::Service),
        row("object-own-provisioning", ask("GetObject", &own)).by(Who::Provisioning),
    ]
}

fn lists(bundle: &Bundle) -> Vec<Row> {
    let bucket = bundle.account.names().bucket_arn();
    let list = || Request::new("s3:ListBucket", &bucket);
    let of = |prefix: &str| list().with("s3:prefix", prefix);
    vec![
        row("list-own", of(&format!("{OWN}/"))),
        row("list-own-pcf", of(&format!("{OWN}/pcf/"))),
        row("list-own-pcf-session-lists", of(&format!("{OWN}/pcf/"))).under("session-list", &[]),
        row("list-own-session-lists-pcf", of(&format!("{OWN}/"))).under("session-list", &[]),
        row("list-other", of(&format!("{OTHER}/pcf/"))),
        row("list-other-session-lists", of(&format!("{OTHER}/pcf/"))).under("session-list", &[]),
        row("list-sibling", of(&format!("{SIBLING}/pcf/"))),
        row("list-no-slash", of(OWN)),
        row("list-pcf-no-slash", of(&format!("{OWN}/pcf"))),
        row("list-no-prefix", list()),
        row("list-no-prefix-session-lists", list()).under("session-list", &[]),
        row("list-empty-prefix", of("")),
        row("list-own-below-other", of(&format!("{OTHER}/{OWN}/pcf/"))),
        row("list-one-letter", of("B")),
        row("list-own-pcf-pool", of(&format!("{OWN}/pcf/"))).by(Who::Pool),
        row("list-other-pool", of(&format!("{OTHER}/pcf/"))).by(Who::Pool),
        row("list-no-prefix-pool", list()).by(Who::Pool),
        row("list-no-tag-pool", of(&format!("{OWN}/pcf/")))
            .by(Who::Pool)
            .tagged(None),
        row("list-versions", Request::new("s3:ListBucketVersions", &bucket)),
        row("list-uploads", Request::new("s3:ListBucketMultipartUploads", &bucket)),
        row("bucket-policy-read", Request::new("s3:GetBucketPolicy", &bucket)),
        row("bucket-policy-delete", Request::new("s3:DeleteBucketPolicy", &bucket)),
    ]
}

fn roles(bundle: &Bundle) -> Result<Vec<Row>, Failure> {
    const TAG: &str = "aws:RequestTag/bpnl";
    let names = bundle.account.names();
    let role = |tenant: &str| Ok::<_, Failure>(names.role_arn(Isolation::Role, tenant.parse()?));
    let (own, other) = (role(OWN)?, role(OTHER)?);
    let all = names.role_arn(Isolation::Tags, OWN.parse()?);
    let take = |role: &str| Request::new("sts:AssumeRole", role);
    let signed_in = |role: &str, pool: &str, method: &str| {
        let request = Request::new("sts:AssumeRoleWithWebIdentity", role);
        request.with(AUD, pool).with(AMR, method)
    };
    let user = |role: &str| signed_in(role, names.identity_pool(), "authenticated");
    let guest = signed_in(&own, names.identity_pool(), "unauthenticated");
    let elsewhere = signed_in(
        &own,
        "eu-central-1:00000000-0000-4000-8000-000000000000",
        "authenticated",
    );
    Ok(vec![
        row("chain-other", take(&other)),
        row("chain-other-granted", take(&other)).granted("sts:AssumeRole"),
        row("chain-other-granted-with-tag", take(&other).with(TAG, OTHER)).granted("sts:*"),
        row("chain-own-granted", take(&own).with(TAG, OWN)).granted("sts:*"),
        row("chain-all-granted", take(&all).with(TAG, OTHER)).granted("sts:*"),
        row("service-takes-own", take(&own).with(TAG, OWN)).by(Who::Service),
        row("service-without-tag", take(&own)).by(Who::Service),
        row("service-with-tag-of-other", take(&own).with(TAG, OTHER)).by(Who::Service),
        row("service-takes-all", take(&all).with(TAG, OWN)).by(Who::Service),
        row("service-takes-all-without-tag", take(&all)).by(Who::Service),
        row("service-takes-all-for-a-star", take(&all).with(TAG, "*")).by(Who::Service),
        row("service-takes-all-for-a-sibling", take(&all).with(TAG, SIBLING)).by(Who::Service),
        row(
            "service-takes-provisioning",
            take(&all.replace("-pool", "-provisioning")),
        )
        .by(Who::Service),
        row("provisioning-takes-own", take(&own).with(TAG, OWN)).by(Who::Provisioning),
        row("pool-own", user(&own).with(TAG, OWN)).by(Who::Nobody),
        row("pool-tag-of-other", user(&own).with(TAG, OTHER)).by(Who::Nobody),
        row("pool-no-tag", user(&own)).by(Who::Nobody),
        row("pool-tag-for-other-role", user(&other).with(TAG, OWN)).by(Who::Nobody),
        row("pool-guest", guest.with(TAG, OWN)).by(Who::Nobody),
        row("pool-elsewhere", elsewhere.with(TAG, OWN)).by(Who::Nobody),
    ])
}

fn provisioning(bundle: &Bundle) -> Result<Vec<Row>, Failure> {
    const BOUNDARY: &str = "iam:PermissionsBoundary";
    let names = bundle.account.names();
    let spare = names.role_arn(Isolation::Role, SPARE.parse()?);
    let new = names.role_arn(Isolation::Role, "BPNL0000000000YY".parse()?);
    let service = spare.replace(&format!("tenant-{SPARE}"), "service");
    let boundary = format!("arn:aws:iam::{}:policy/tidegate-tenant-boundary", names.account());
    let weaker = "arn:aws:iam::aws:policy/AdministratorAccess";
    let ask = |action: &str, role: &str| Request::new(&format!("iam:{action}"), role);
    let secret = |action: &str, tenant: &str| {
        Ok::<_, Failure>(Request::new(
            &format!("secretsmanager:{action}"),
            &secret(bundle, tenant)?,
        ))
    };
    let rows = vec![
        row(
            "provisioning-makes-a-role",
            ask("CreateRole", &new).with(BOUNDARY, &boundary),
        ),
        row("provisioning-makes-a-role-without-boundary", ask("CreateRole", &new)),
        row(
            "provisioning-makes-a-role-with-another",
            ask("CreateRole", &new).with(BOUNDARY, weaker),
        ),
        row(
            "provisioning-makes-the-service",
            ask("CreateRole", &service).with(BOUNDARY, &boundary),
        ),
        row(
            "provisioning-lifts-a-boundary",
            ask("DeleteRolePermissionsBoundary", &spare),
        ),
        row(
            "provisioning-moves-a-boundary",
            ask("PutRolePermissionsBoundary", &spare).with(BOUNDARY, weaker),
        ),
        row("provisioning-sets-who-trusts", ask("UpdateAssumeRolePolicy", &spare)),
        row(
            "provisioning-opens-the-service",
            ask("UpdateAssumeRolePolicy", &service),
        ),
        row("provisioning-widens-the-service", ask("PutRolePolicy", &service)),
        row("provisioning-describes-a-secret", secret("DescribeSecret", OWN)?),
        row("provisioning-writes-a-secret", secret("PutSecretValue", OWN)?),
    ];
    let mut rows: Vec<_> = rows.into_iter().map(|row| row.by(Who::Provisioning)).collect();
    rows.push(row(
        "tenant-makes-a-role",
        ask("CreateRole", &new).with(BOUNDARY, &boundary),
    ));
    rows.push(row(
        "tenant-lifts-its-boundary",
        ask("DeleteRolePermissionsBoundary", &spare),
    ));
    rows.push(
        row(
            "service-makes-a-role",
            ask("CreateRole", &new).with(BOUNDARY, &boundary),
        )
        .by(Who::Service),
    );
    Ok(rows)
}

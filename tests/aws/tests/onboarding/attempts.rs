//! One company's session tries to reach another's things.

use aws_credential_types::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use serde_json::json;
use tidegate::iam::Isolation;
use tidegate_aws_tests::Failure;
use tidegate_aws_tests::platform::Platform;

use crate::{TENANTS, came, session, tenant};

/// Every way by which one tenant might reach another's things, as [`OWN`] with the whole role and nothing of Tidegate in between.
pub(crate) async fn make(platform: &Platform, arns: &[Vec<String>]) -> Result<(), Failure> {
    let [own, other, _] = TENANTS.map(tenant);
    let service = platform.clients(platform.credentials("service").await?);
    let clients = session(platform, &service, own, own, None).await??;
    let bucket = platform.bundle.account.names().bucket();
    let get = |key: String| clients.s3.get_object().bucket(bucket).key(key).send();
    let put = |key: String| {
        clients
            .s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .body(ByteStream::from_static(b"{}"))
            .send()
    };
    let secret = |id: String| clients.secrets.get_secret_value().secret_id(id).send();
    let list = |prefix: Option<String>| clients.s3.list_objects_v2().bucket(bucket).set_prefix(prefix).send();
    let mut all = vec![
        (
            "put own object",
            "allowed",
            came(put(format!("{own}/pcf/1/a.json")).await),
        ),
        (
            "get own object",
            "allowed",
            came(get(format!("{own}/pcf/1/a.json")).await),
        ),
        (
            "get other's object",
            "denied",
            came(get(format!("{other}/pcf/1/a.json")).await),
        ),
        (
            "put other's object",
            "denied",
            came(put(format!("{other}/pcf/1/a.json")).await),
        ),
        (
            "get by way of the own prefix",
            "denied",
            came(get(format!("{own}/../{other}/pcf/1/a.json")).await),
        ),
        (
            "put beside the own prefix",
            "denied",
            came(put(format!("{own}/else.json")).await),
        ),
        ("list own", "allowed", came(list(Some(format!("{own}/pcf/"))).await)),
        (
            "list other's",
            "denied",
            came(list(Some(format!("{other}/pcf/"))).await),
        ),
        ("list without a prefix", "denied", came(list(None).await)),
        (
            "list with nothing as prefix",
            "denied",
            came(list(Some(String::new())).await),
        ),
        (
            "list without the slash",
            "denied",
            came(list(Some(own.to_string())).await),
        ),
        (
            "own secret by name",
            "allowed",
            came(secret(format!("tidegate/{own}/connector-client")).await),
        ),
        ("own secret by ARN", "allowed", came(secret(arns[0][0].clone()).await)),
        (
            "other's secret by name",
            "denied",
            came(secret(format!("tidegate/{other}/connector-client")).await),
        ),
        (
            "other's secret by ARN",
            "denied",
            came(secret(arns[1][0].clone()).await),
        ),
        (
            "all secrets",
            "denied",
            came(clients.secrets.list_secrets().send().await),
        ),
        (
            "delete the own secret",
            "denied",
            came(clients.secrets.delete_secret().secret_id(&arns[0][0]).send().await),
        ),
    ];
    // Many at once: those that are refused are told beside those that are not.
    let batch = clients
        .secrets
        .batch_get_secret_value()
        .secret_id_list(&arns[0][0])
        .secret_id_list(&arns[1][0]);
    let foreign = match batch.send().await {
        Ok(answer) => answer
            .secret_values()
            .iter()
            .any(|value| value.arn() == Some(arns[1][0].as_str())),
        Err(_) => false,
    };
    all.push((
        "many secrets at once",
        "denied",
        if foreign { "allowed" } else { "denied" }.to_owned(),
    ));

    // Roles: those of others, by chaining and by the service with another tenant's tag.
    let chained = session(platform, &clients, other, other, None).await?;
    all.push((
        "chain to other's role",
        "denied",
        chained.err().unwrap_or("allowed".into()),
    ));
    let tagged = session(platform, &service, other, own, None).await?;
    all.push((
        "other's role with the own tag",
        "denied",
        tagged.err().unwrap_or("allowed".into()),
    ));
    let direct = |name: &str| format!("arn:aws:iam::{}:role/{name}", platform.account);
    for role in ["tidegate-service", "tidegate-provisioning"] {
        let call = clients
            .sts
            .assume_role()
            .role_arn(direct(role))
            .role_session_name("x")
            .send()
            .await;
        all.push(("the platform's own role", "denied", came(call)));
    }
    let untagged = service.sts.assume_role().role_session_name("x");
    let role = platform.bundle.account.names().role_arn(Isolation::Role, other);
    all.push((
        "other's role without a tag",
        "denied",
        came(untagged.role_arn(role).send().await),
    ));

    // A session that is cut down can do that one thing.
    let only = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject",
        "Resource": format!("arn:aws:s3:::{bucket}/{own}/pcf/1/a.json")}]});
    let narrow = session(platform, &service, own, own, Some(only.to_string())).await??;
    let one = narrow
        .s3
        .get_object()
        .bucket(bucket)
        .key(format!("{own}/pcf/1/a.json"))
        .send()
        .await;
    all.push(("cut down: the one object", "allowed", came(one)));
    let more = narrow.secrets.get_secret_value().secret_id(&arns[0][0]).send().await;
    all.push(("cut down: an own secret", "denied", came(more)));

    // The service and provisioning themselves read nothing of tenants.
    let provisioning = platform.clients(platform.credentials("provisioning").await?);
    for (name, who) in [("the service", &service), ("provisioning", &provisioning)] {
        let read = came(who.secrets.get_secret_value().secret_id(&arns[0][0]).send().await);
        let fetch = came(
            who.s3
                .get_object()
                .bucket(bucket)
                .key(format!("{own}/pcf/1/a.json"))
                .send()
                .await,
        );
        all.push((name, "denied", read));
        all.push((name, "denied", fetch));
    }
    // Credentials that are made up, or with another's token.
    let forged = Credentials::from_keys("ASIAFORGEDFORGEDFORG", "secret", Some("token".to_owned()));
    let read = platform
        .clients(forged)
        .secrets
        .get_secret_value()
        .secret_id(&arns[0][0])
        .send()
        .await;
    let read = came(read);
    all.push((
        "made-up credentials",
        "refused",
        if read == "allowed" { read } else { "refused".to_owned() },
    ));

    for (name, wanted, came) in &all {
        println!("  {name:<32} {came}");
        assert_eq!(wanted, came, "{name}");
    }
    Ok(())
}

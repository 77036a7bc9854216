//! Three companies come onto the platform by Tidegate itself, try to reach each other's things, and one leaves.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tidegate::aws::Aws;
use tidegate::clock::Clock;
use tidegate::iam::Isolation;
use tidegate::ids::{PcfId, ProductId, SecretName, TenantId};
use tidegate::vault::{SessionScope, Stage, Vault, VaultError};
use tidegate_aws_tests::Failure;
use tidegate_aws_tests::clients::Clients;
use tidegate_aws_tests::platform::{ACCOUNT, Platform};

const TENANTS: [&str; 3] = ["BPNL000000000DWF", "BPNL00000003CRHK", "BPNL00000000B2CD"];

fn tenant(text: &str) -> TenantId {
    text.parse().unwrap()
}

/// The program, with a configuration and credentials of the provisioning role.
struct Tidegate {
    program: String,
    config: String,
    credentials: Credentials,
}

impl Tidegate {
    async fn new(platform: &Platform, home: &Path) -> Result<Self, Failure> {
        let program =
            std::env::var("TIDEGATE_BIN").map_err(|_| "TIDEGATE_BIN is not set; start this by `tests/aws/run`")?;
        std::fs::create_dir_all(home.join("data"))?;
        let config = home.join("tidegate.toml");
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndata = \"{}\"\nbase_url = \"https://tidegate.example\"\nbundle = \"{}\"\n\
             ledger_origin = \"tidegate.example\"\nvault_key_env = \"TIDEGATE_VAULT_KEY\"\n\
             [operators]\nona = [\"onboarding\"]\nsam = [\"security\"]\n\
             [aws]\nendpoint = \"{}\"\npeople_client = \"{}\"\ntoken_url = \"{}/oauth2/token\"\n",
            home.join("data").display(),
            platform.directory.display(),
            platform.url,
            platform.people_client,
            platform.url,
        );
        std::fs::write(&config, text)?;
        Ok(Self {
            program,
            config: config.display().to_string(),
            credentials: platform.credentials("provisioning").await?,
        })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(&self.program)
            .args(arguments)
            .args(["--config", &self.config])
            .env("AWS_ACCESS_KEY_ID", self.credentials.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", self.credentials.secret_access_key())
            .env(
                "AWS_SESSION_TOKEN",
                self.credentials.session_token().unwrap_or_default(),
            )
            .env("NO_PROXY", "127.0.0.1")
            .output()
            .unwrap()
    }

    /// Runs it and wants this exit code; gives what it printed.
    #[track_caller]
    fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        println!("$ tidegate {}\n{text}", arguments.join(" "));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_companies_come_none_reaches_another_and_one_leaves() -> Result<(), Failure> {
    let url = std::env::var("TIDEGATE_EMULATOR")
        .map_err(|_| "TIDEGATE_EMULATOR is not set; start this by `tests/aws/run`")?;
    let home = tempfile::tempdir()?;
    let tenants = TENANTS.map(tenant);
    let platform = Platform::create(&url, &home.path().join("bundle"), &tenants).await?;
    let tidegate = Tidegate::new(&platform, home.path()).await?;

    // Who may, and who may not.
    let refused = tidegate.ends(
        2,
        &["tenant", "onboard", TENANTS[0], "--name", "A", "--operator", "sam"],
    );
    assert!(refused.contains("no policy permits"), "{refused}");
    tidegate.ends(4, &["tenant", "list", "--operator", "ona"]);

    for id in TENANTS {
        let told = tidegate.ends(
            0,
            &["tenant", "onboard", id, "--name", "A company", "--operator", "ona"],
        );
        assert!(told.contains("is active"), "{told}");
        tidegate.ends(0, &["tenant", "show", id]);
        // Once more changes nothing.
        let again = tidegate.ends(
            0,
            &["tenant", "onboard", id, "--name", "A company", "--operator", "ona"],
        );
        assert!(again.contains("active already"), "{again}");
    }
    drift(&platform, &tidegate).await?;
    let mut arns = Vec::new();
    for id in tenants {
        arns.push(platform.understand_secrets(id).await?);
    }
    attempts(&platform, &arns).await?;
    vault(&platform).await?;
    leaves_and_returns(&platform, &tidegate, &arns[2]).await?;
    Ok(())
}

/// What was changed by hand is seen.
async fn drift(platform: &Platform, tidegate: &Tidegate) -> Result<(), Failure> {
    let role = format!("tidegate-tenant-{}", TENANTS[1]);
    let wide = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let put = platform
        .root
        .iam
        .put_role_policy()
        .role_name(&role)
        .policy_name("by-hand");
    put.policy_document(wide.to_string()).send().await?;
    let told = tidegate.ends(2, &["tenant", "show", TENANTS[1]]);
    assert!(told.contains("has the policy `by-hand`"), "{told}");
    platform
        .root
        .iam
        .delete_role_policy()
        .role_name(&role)
        .policy_name("by-hand")
        .send()
        .await?;
    let group = format!("{}.admin", TENANTS[1]);
    let other = platform
        .bundle
        .account
        .names()
        .role_arn(Isolation::Role, tenant(TENANTS[0]));
    regroup(platform, &group, other).await?;
    let told = tidegate.ends(2, &["tenant", "show", TENANTS[1]]);
    assert!(
        told.contains(&format!("the group `{group}` comes with the role")),
        "{told}"
    );
    let own = platform
        .bundle
        .account
        .names()
        .role_arn(Isolation::Role, tenant(TENANTS[1]));
    regroup(platform, &group, own).await?;
    tidegate.ends(0, &["tenant", "show", TENANTS[1]]);
    Ok(())
}

/// Makes a group anew with another role: the emulator has no `UpdateGroup`.
async fn regroup(platform: &Platform, group: &str, role: String) -> Result<(), Failure> {
    let pool = platform.bundle.account.names().user_pool();
    let idp = &platform.root.idp;
    idp.delete_group().user_pool_id(pool).group_name(group).send().await?;
    let create = idp.create_group().user_pool_id(pool).group_name(group).role_arn(role);
    create.precedence(0).send().await?;
    Ok(())
}

/// A company leaves; what it had is worth nothing, also after it has returned.
async fn leaves_and_returns(platform: &Platform, tidegate: &Tidegate, arns: &[String]) -> Result<(), Failure> {
    let [_, _, id] = TENANTS;
    let service = platform.clients(platform.credentials("service").await?);
    let held = session(platform, &service, tenant(id), tenant(id), None).await??;
    let read = || {
        held.secrets
            .get_secret_value()
            .secret_id(format!("tidegate/{id}/connector-client"))
            .send()
    };
    let before = read().await?.secret_string.ok_or("a secret without a value")?;

    tidegate.ends(0, &["tenant", "offboard", id, "--operator", "ona"]);
    let list = tidegate.ends(0, &["tenant", "list", "--operator", "ona"]);
    assert!(list.contains(&format!("{id}  offboarded")), "{list}");
    assert_ne!(came(read().await), "allowed", "a session of before");
    for arn in arns {
        assert_ne!(
            came(platform.root.secrets.get_secret_value().secret_id(arn).send().await),
            "allowed",
            "{arn}"
        );
    }
    let role = platform
        .root
        .iam
        .get_role()
        .role_name(format!("tidegate-tenant-{id}"))
        .send()
        .await;
    assert!(role.is_err(), "the role is gone");
    let pool = platform.bundle.account.names().user_pool();
    let groups = platform.root.idp.list_groups().user_pool_id(pool).send().await?;
    assert!(
        !groups
            .groups()
            .iter()
            .any(|group| group.group_name().is_some_and(|name| name.starts_with(id)))
    );

    // It returns, in steps that each fail first for want of a right.
    for (step, action) in [
        ("role", "iam:PutRolePolicy"),
        ("groups", "cognito-idp:CreateGroup"),
        ("server", "cognito-idp:CreateResourceServer"),
        ("clients", "cognito-idp:CreateUserPoolClient"),
        ("secrets", "secretsmanager:PutResourcePolicy"),
        ("marker", "s3:PutObject"),
    ] {
        let deny =
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]});
        let put = platform
            .root
            .iam
            .put_role_policy()
            .role_name("tidegate-provisioning")
            .policy_name("withheld");
        put.policy_document(deny.to_string()).send().await?;
        let told = tidegate.ends(
            1,
            &["tenant", "onboard", id, "--name", "A company", "--operator", "ona"],
        );
        assert!(
            told.contains(&format!("step `{step}`")) && told.contains(&format!("`{action}`")),
            "{told}"
        );
        let list = tidegate.ends(0, &["tenant", "list", "--operator", "ona"]);
        assert!(
            list.contains(&format!("{id}  onboarding")),
            "nothing half-made is active: {list}"
        );
    }
    platform
        .root
        .iam
        .delete_role_policy()
        .role_name("tidegate-provisioning")
        .policy_name("withheld")
        .send()
        .await?;
    tidegate.ends(
        0,
        &["tenant", "onboard", id, "--name", "A company", "--operator", "ona"],
    );
    tidegate.ends(0, &["tenant", "show", id]);
    platform.understand_secrets(tenant(id)).await?;
    // To AWS the role is another than the one of before; the emulator knows it by its name, and no `aws:TokenIssueTime`. So here it is
    // that the role denies the sessions of before, and for the evaluator what that does.
    let name = format!("sessions-of-before-{id}");
    let call = platform
        .root
        .iam
        .get_role_policy()
        .role_name(format!("tidegate-tenant-{id}"));
    let deny = call.policy_name(name).send().await?;
    assert!(
        deny.policy_document().contains("aws%3ATokenIssueTime")
            || deny.policy_document().contains("aws:TokenIssueTime")
    );
    let service = platform.clients(platform.credentials("service").await?);
    let fresh = session(platform, &service, tenant(id), tenant(id), None).await??;
    let name = format!("tidegate/{id}/connector-client");
    let after = fresh
        .secrets
        .get_secret_value()
        .secret_id(name)
        .send()
        .await?
        .secret_string;
    let client = |text: &str| serde_json::from_str::<Value>(text).unwrap()["clientId"].clone();
    assert_ne!(
        after.as_deref().map(client),
        Some(client(&before)),
        "another client, another secret"
    );
    Ok(())
}

/// What came of a call: `allowed`, or AWS's code.
fn came<T, E: ProvideErrorMetadata, R>(answer: Result<T, SdkError<E, R>>) -> String {
    match answer {
        Ok(_) => "allowed".to_owned(),
        Err(error) => match error.as_service_error().and_then(ProvideErrorMetadata::code) {
            Some("AccessDenied" | "AccessDeniedException") => "denied".to_owned(),
            code => code.unwrap_or("no answer").to_owned(),
        },
    }
}

/// A session of a tenant's role, taken on by the service, tagged with a tenant.
async fn session(
    platform: &Platform,
    service: &Clients,
    role: TenantId,
    tag: TenantId,
    policy: Option<String>,
) -> Result<Result<Clients, String>, Failure> {
    let arn = platform.bundle.account.names().role_arn(Isolation::Role, role);
    let tag = aws_sdk_sts::types::Tag::builder()
        .key("bpnl")
        .value(tag.to_string())
        .build()?;
    let call = service
        .sts
        .assume_role()
        .role_arn(arn)
        .role_session_name("tidegate")
        .tags(tag);
    let answer = call.set_policy(policy).send().await;
    let given = match answer {
        Ok(given) => given.credentials.ok_or("a session without credentials")?,
        refused => return Ok(Err(came(refused))),
    };
    let token = Some(given.session_token);
    let credentials = Credentials::from_keys(given.access_key_id, given.secret_access_key, token);
    Ok(Ok(platform.clients(credentials)))
}

/// Every way by which one tenant might reach another's things, as [`OWN`] with the whole role and nothing of Tidegate in between.
async fn attempts(platform: &Platform, arns: &[Vec<String>]) -> Result<(), Failure> {
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
    let direct = |name: &str| format!("arn:aws:iam::{}:role/{name}", ACCOUNT);
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

/// The vault over what was onboarded: what the exchange endpoint reads and writes through.
async fn vault(platform: &Platform) -> Result<(), Failure> {
    let [own, other, _] = TENANTS.map(tenant);
    let names = platform.bundle.account.names();
    let aws = Aws::open(names, Some(&platform.url))
        .await
        .with_credentials(platform.credentials("service").await?);
    assert!(aws.check(names).await?.contains("tidegate-service"));
    let vault = Vault::in_aws(aws, Arc::clone(&platform.bundle.account), None, Clock::system());
    let (product, pcf): (ProductId, PcfId) = ("urn:gtin:4712345060507".parse()?, "pcf-1".parse()?);
    let at = |product: &ProductId, pcf: &PcfId| (product.clone(), pcf.clone());
    let (one, two) = (at(&product, &pcf), at(&product, &pcf));
    let write = vault.session(
        own,
        SessionScope::ObjectWrite {
            product: one.0,
            pcf: one.1,
        },
    );
    let read = vault.session(
        own,
        SessionScope::ObjectRead {
            product: two.0,
            pcf: two.1,
        },
    );
    write.put_object(&product, &pcf, br#"{"pcf": 1}"#.to_vec()).await?;
    let object = read.get_object(&product, &pcf).await?;
    assert_eq!(object.bytes, br#"{"pcf": 1}"#);
    let listed = vault.session(own, SessionScope::List).list_objects().await?;
    assert!(listed.contains(&(product.clone(), pcf.clone())), "{listed:?}");
    // The IAM layer refuses before AWS is asked.
    assert!(matches!(
        write.get_object(&product, &pcf).await,
        Err(VaultError::AccessDenied(_))
    ));

    let name: SecretName = "connector-client".parse()?;
    let exposed = |secret: SecretString| secret.expose_secret().to_owned();
    let reading = vault.session(own, SessionScope::SecretRead { name: name.clone() });
    let first = exposed(reading.get_secret(&name).await?);
    assert!(first.contains("clientSecret"));
    let rotating = vault.session(own, SessionScope::SecretRotate { name: name.clone() });
    let refused = rotating
        .rotate_secret(&name, "bad".into(), |_| async { Err("401".to_owned()) })
        .await;
    assert!(matches!(refused, Err(VaultError::NotAccepted { .. })), "{refused:?}");
    assert_eq!(
        exposed(reading.get_secret(&name).await?),
        first,
        "what is current stays"
    );
    rotating
        .rotate_secret(&name, "second".into(), |_| async { Ok(()) })
        .await?;
    assert_eq!(exposed(reading.get_secret(&name).await?), "second");
    let previous = reading.get_secret_version(&name, Stage::Previous).await?;
    assert_eq!(exposed(previous), first);
    let missing: SecretName = "not-there".parse()?;
    let absent = vault.session(own, SessionScope::SecretRead { name: missing.clone() });
    let absent = absent.get_secret(&missing).await;
    assert!(
        matches!(absent, Err(VaultError::NotFound(_) | VaultError::Refused(_))),
        "{absent:?}"
    );

    // AWS has the last word: a role that lost its policy is refused there, and that is told apart from our own refusals.
    let role = names.role_name(Isolation::Role, other);
    let policy = platform
        .root
        .iam
        .get_role_policy()
        .role_name(&role)
        .policy_name("tenant-role")
        .send()
        .await?;
    platform
        .root
        .iam
        .delete_role_policy()
        .role_name(&role)
        .policy_name("tenant-role")
        .send()
        .await?;
    let others = vault.session(other, SessionScope::SecretRead { name: name.clone() });
    let refused = others.get_secret(&name).await;
    let Err(VaultError::Refused(refused)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(refused.action, "secretsmanager:GetSecretValue");
    assert!(
        refused.code.starts_with("AccessDenied") && !refused.message.is_empty(),
        "{refused}"
    );
    let text = percent_encoding::percent_decode_str(policy.policy_document())
        .decode_utf8_lossy()
        .into_owned();
    let put = platform
        .root
        .iam
        .put_role_policy()
        .role_name(&role)
        .policy_name("tenant-role");
    put.policy_document(text).send().await?;
    Ok(())
}

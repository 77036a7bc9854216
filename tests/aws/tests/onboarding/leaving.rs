//! What is changed by hand is seen; a company leaves, and returns.

use serde_json::{Value, json};
use tidegate::iam::Isolation;
use tidegate_aws_tests::Failure;
use tidegate_aws_tests::platform::Platform;

use crate::program::Tidegate;
use crate::{TENANTS, came, session, tenant};

/// What was changed by hand is seen.
pub(crate) async fn drift(platform: &Platform, tidegate: &Tidegate) -> Result<(), Failure> {
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
pub(crate) async fn regroup(platform: &Platform, group: &str, role: String) -> Result<(), Failure> {
    let pool = platform.bundle.account.names().user_pool();
    let idp = &platform.root.idp;
    idp.delete_group().user_pool_id(pool).group_name(group).send().await?;
    let create = idp.create_group().user_pool_id(pool).group_name(group).role_arn(role);
    create.precedence(0).send().await?;
    Ok(())
}

/// A company leaves; what it had is worth nothing, also after it has returned.
pub(crate) async fn leaves_and_returns(
    platform: &Platform,
    tidegate: &Tidegate,
    arns: &[String],
) -> Result<(), Failure> {
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
    tidegate.onboards(tenant(id));
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

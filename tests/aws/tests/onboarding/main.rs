//! Three companies come onto the platform by Tidegate itself, try to reach each other's things, and one leaves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking; the lints exempt only functions marked as tests, not what those share"
)]

mod attempts;
mod leaving;
mod many;
mod program;
mod vault;

use aws_credential_types::Credentials;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use tidegate::iam::Isolation;
use tidegate::ids::TenantId;
use tidegate_aws_tests::Failure;
use tidegate_aws_tests::clients::Clients;
use tidegate_aws_tests::platform::Platform;

const TENANTS: [&str; 3] = ["BPNL000000000DWF", "BPNL00000003CRHK", "BPNL00000000B2CD"];

fn tenant(text: &str) -> TenantId {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_companies_come_none_reaches_another_and_one_leaves() -> Result<(), Failure> {
    let tenants = TENANTS.map(tenant);
    let (_home, platform, tidegate) = program::platform("210987654321", &tenants).await?;

    // Who may, and who may not.
    let refused = tidegate.ends(
        2,
        &["tenant", "onboard", TENANTS[0], "--name", "A", "--operator", "sam"],
    );
    assert!(refused.contains("no policy permits"), "{refused}");
    tidegate.ends(4, &["tenant", "list", "--operator", "ona"]);

    for id in tenants {
        let told = tidegate.onboards(id);
        assert!(told.contains("is active"), "{told}");
        tidegate.ends(0, &["tenant", "show", id.as_str()]);
        // Once more changes nothing.
        let again = tidegate.onboards(id);
        assert!(again.contains("active already"), "{again}");
    }
    leaving::drift(&platform, &tidegate).await?;
    let mut arns = Vec::new();
    for id in tenants {
        arns.push(platform.understand_secrets(id).await?);
    }
    attempts::make(&platform, &arns).await?;
    vault::reads_and_writes(&platform).await?;
    leaving::leaves_and_returns(&platform, &tidegate, &arns[2]).await?;
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

//! Many at once for a session that nobody has made yet.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking; the lints exempt only functions marked as tests, not what those share"
)]

#[path = "onboarding/program.rs"]
mod program;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate::aws::Aws;
use tidegate::clock::Clock;
use tidegate::ids::{SecretName, TenantId};
use tidegate::telemetry::collect_metrics;
use tidegate::vault::{SessionScope, Vault};
use tidegate_aws_tests::Failure;

/// How many ask at once.
const MANY: usize = 200;

/// So many reads of one secret at once, and how long all of them took.
async fn read(vault: &Vault, tenant: TenantId, name: &SecretName) -> Result<Duration, Failure> {
    let begin = Instant::now();
    let asked: Vec<_> = (0..MANY)
        .map(|_| {
            let (session, name) = (
                vault.session(tenant, SessionScope::SecretRead { name: name.clone() }),
                name.clone(),
            );
            tokio::spawn(async move { session.get_secret(&name).await.map(drop) })
        })
        .collect();
    for asked in asked {
        asked.await??;
    }
    Ok(begin.elapsed())
}

/// The one session that all of them need is made once, and shared with nobody who asks for anything else.
#[tokio::test(flavor = "multi_thread")]
async fn any_number_that_miss_at_once_make_one_session() -> Result<(), Failure> {
    let tenants: [TenantId; 2] = ["BPNL000000000DWF".parse()?, "BPNL00000000B2CD".parse()?];
    let (_home, platform, tidegate) = program::platform("432109876543", &tenants).await?;
    for tenant in tenants {
        tidegate.onboards(tenant);
        platform.understand_secrets(tenant).await?;
    }
    let metrics = collect_metrics();
    let made = || {
        let text = metrics.render();
        let of = |outcome: &str| {
            let series = format!("tidegate_aws_sessions_total{{outcome=\"{outcome}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&series));
            line.map_or(0, |count| count.parse::<usize>().unwrap())
        };
        (of("made"), of("kept"))
    };
    let aws = Aws::open(platform.bundle.account.names(), Some(&platform.url))
        .await
        .with_credentials(platform.credentials("service").await?);
    let vault = Vault::in_aws(aws, Arc::clone(&platform.bundle.account), None, Clock::system());
    let name: SecretName = "connector-client".parse()?;
    let [first, second] = tenants;
    let cold = read(&vault, first, &name).await?;
    assert_eq!(made(), (1, MANY - 1), "one is made, and the others wait for it");
    let warm = read(&vault, first, &name).await?;
    assert_eq!(made(), (1, 2 * MANY - 1), "it is kept");
    println!(
        "{MANY} at once: {cold:.1?} without a session, {warm:.1?} with one, {:.2} times as long",
        cold.as_secs_f64() / warm.as_secs_f64()
    );
    read(&vault, second, &name).await?;
    assert_eq!(made().0, 2, "another tenant's is another session");
    read(&vault, first, &"ingest-auth".parse()?).await?;
    assert_eq!(made().0, 3, "and so is another secret's");
    Ok(())
}

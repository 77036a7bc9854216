//! The suites of the exchange endpoint, of data flows, of requests and deliveries and of what suppliers hand in, as `tests/it` has them, with
//! the vault in AWS: Tidegate onboards the companies, their footprints lie in S3, and what is read and written there is let through by the
//! emulator's IAM too.
//!
//! Each test's service has a data directory of its own, but the bucket is one. So one test runs at a time (`tests/aws/run` says so), and
//! a service that starts puts the footprints of the development world back as they were.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "a test fails by panicking, and what is shared with `tests/it` is more than these modules use"
)]

// A directory of its own for the modules below, so that they find theirs.
#[path = "../../../it"]
mod it {
    pub mod dataflows;
    pub mod exchange;
    pub mod harness;
    pub mod ingest;
    pub mod pcf;
}
#[path = "../onboarding/program.rs"]
mod program;

use std::sync::{Arc, LazyLock};

use tempfile::TempDir;
use tidegate::assemble::BundleSource;
use tidegate::aws::Aws;
use tidegate::clock::Clock;
use tidegate::ids::TenantId;
use tidegate::vault::Vault;
use tidegate_aws_tests::Failure;
use tidegate_aws_tests::platform::Platform;

use it::harness::{ELBE, HOLDS, ISAR, WESER, block_on, footprint, put};
use it::{dataflows, harness};

/// The secrets of the development world that onboarding does not make.
const MORE: [(&str, &str); 5] = [
    (ELBE, "connector-api-key"),
    (ELBE, "erp-api-key"),
    (ISAR, "connector-api-key"),
    (ISAR, "mes-api-key"),
    (WESER, "connector-api-key"),
];

/// The key objects are encrypted with; the emulator takes its name down and encrypts nothing.
const KEY: &str = "arn:aws:kms:eu-central-1:321098765432:key/5f1c3a52-8c1e-4a6b-9f5d-3f6f0c1d2e3a";

/// The platform, and the vault over it.
static ELSEWHERE: LazyLock<(TempDir, Platform, Vault)> = LazyLock::new(|| harness::block_on(onboarded()).unwrap());

async fn onboarded() -> Result<(TempDir, Platform, Vault), Failure> {
    let tenants: [TenantId; 3] = [ELBE.parse()?, ISAR.parse()?, WESER.parse()?];
    let (home, platform, tidegate) = program::platform("321098765432", &tenants).await?;
    for tenant in tenants {
        tidegate.onboards(tenant);
        platform.understand_secrets(tenant).await?;
    }
    for (tenant, name) in MORE {
        let create = platform.root.secrets.create_secret();
        let create = create.name(format!("tidegate/{tenant}/{name}"));
        create.secret_string("a key of a machine").send().await?;
    }
    let account = Arc::clone(&platform.bundle.account);
    let aws = Aws::open(account.names(), Some(&platform.url))
        .await
        .with_credentials(platform.credentials("service").await?);
    let vault = Vault::in_aws(aws, account, Some(KEY.to_owned()), Clock::system());
    Ok((home, platform, vault))
}

fn elsewhere() -> Option<(BundleSource, Vault)> {
    let (_, platform, vault) = &*ELSEWHERE;
    Some((BundleSource::Directory(platform.directory.clone()), vault.clone()))
}

/// What lies in the vault under keys that begin so, as the bucket's owner sees it in S3.
fn objects(_: &harness::Service, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let (_, platform, _) = &*ELSEWHERE;
    let (s3, bucket) = (&platform.root.s3, platform.bundle.account.names().bucket());
    block_on(async move {
        let list = s3.list_objects_v2().bucket(bucket).prefix(prefix);
        let mut listed = list.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = listed.next().await {
            for object in page.unwrap().contents() {
                let key = object.key().unwrap();
                let got = s3.get_object().bucket(bucket).key(key).send().await.unwrap();
                found.push((key.to_owned(), got.body.collect().await.unwrap().to_vec()));
            }
        }
        found
    })
}

/// What others took the place of is kept by the bucket's versions, which the deployment turns on (`deploy/core.yaml`), and not by
/// the program; the emulator's bucket keeps none.
fn superseded(_: &harness::Service, _: &str) -> Option<Vec<(String, Vec<u8>)>> {
    None
}

/// None of the services of these tests has a vault of its own.
#[test]
fn the_footprints_are_in_aws_and_nowhere_else() {
    let service = harness::Service::shared();
    assert_eq!(service.sound_exchange().send(service.address).status, 200);
    let kept = harness::files(service.data());
    assert!(
        !kept.iter().any(|path| path.starts_with(service.data().join("vault"))),
        "{kept:?}"
    );
}

/// What a partner hands in lies below that partner's own prefix in the tenant's, encrypted, and with a checksum S3 has seen.
#[test]
fn what_a_partner_hands_in_is_put_into_s3() {
    let service = harness::Service::shared();
    let id = "5f0c1d2a-0000-4000-8000-00000000000a";
    let document = footprint("10.0.0", WESER, id);
    let path = "footprintExchange/2daa49aa-ee16-4df3-bca3-00000000000a?update=true";
    let answer = put(&format!("/exchange/{ELBE}/{path}"))
        .bearer(&service.connector(ELBE))
        .header("Edc-Bpn", WESER)
        .header("Edc-Contract-Agreement-Id", HOLDS)
        .json(document.clone())
        .send(service.address);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (_, platform, _) = &*ELSEWHERE;
    let get = platform
        .root
        .s3
        .get_object()
        .bucket(platform.bundle.account.names().bucket());
    let get = get.key(format!("{ELBE}/pcf/received/{WESER}/{id}.json"));
    let object = block_on(get.send()).unwrap();
    assert_eq!(
        object.server_side_encryption().map(|kind| kind.as_str()),
        Some("aws:kms")
    );
    assert_eq!(object.ssekms_key_id(), Some(KEY));
    let bytes = block_on(object.body.collect()).unwrap().into_bytes();
    assert_eq!(bytes, document.as_bytes());
}

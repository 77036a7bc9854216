//! The integration tests: one binary, a module for each thing that is tested as a whole.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    unreachable_pub,
    reason = "a test fails by panicking; the lints exempt only functions marked as tests, not what those share; a binary exports nothing"
)]

mod agreements;
mod bad_input;
mod batches;
mod binary;
mod cli;
#[expect(dead_code, reason = "the tests of the stores themselves use all of it")]
#[path = "../../src/database/tests/cluster.rs"]
mod cluster;
mod connector;
mod contract;
mod corpus;
mod credentials;
mod dataflows;
mod deployed;
mod exchange;
mod harness;
mod health;
mod ingest;
mod integrations;
mod interop;
mod large_batches;
mod ledger;
mod matrix;
mod openapi;
mod oracle;
mod pact;
mod pcf;
mod pull;
mod reload;
mod restore;
mod routes;
mod runbook;
mod shared_pool;
mod simulate;
mod standby;
mod tables;
mod tidy;
mod twins;

/// Where the services of these tests have their bundle and their vault, if not built in and in the data directory: the tests that ask an
/// emulator of AWS run some of these modules as well.
fn elsewhere() -> Option<(tidegate::assemble::BundleSource, tidegate::vault::Vault)> {
    None
}

/// What lies in the vault of a service under keys that begin so, as the store itself has it.
fn objects(service: &harness::Service, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let root = service.data().join("vault/objects");
    let files = harness::files(&root).into_iter().map(|file| {
        let key = file.strip_prefix(&root).unwrap().display().to_string();
        (key, file)
    });
    let files = files.filter(|(key, _)| key.starts_with(prefix));
    files.map(|(key, file)| (key, std::fs::read(file).unwrap())).collect()
}

/// What others took the place of in the vault of a company.
fn superseded(service: &harness::Service, tenant: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let kept = objects(service, &format!("{tenant}/history/"));
    Some(kept.into_iter().filter(|(key, _)| key.ends_with(".json")).collect())
}

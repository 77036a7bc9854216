mod batches;
mod credentials;
mod isolation;
mod storage;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretBox;
use tempfile::TempDir;

use super::{Session, SessionScope, Vault, VaultKey};
use crate::bundle::{Bundle, Source};
use crate::iam::{Account, AwsNames, Document, Isolation};
use crate::ids::{Bpnl, PcfId, ProductId, SecretName, TenantId};

const OWN: &str = "BPNL000000000DWF";
const OTHER: &str = "BPNL00000003CRHK";

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn own() -> TenantId {
    id(OWN)
}

fn other() -> TenantId {
    id(OTHER)
}

fn partner() -> Bpnl {
    id("BPNL00000000C3EF")
}

fn product() -> ProductId {
    id("urn:gtin:4712345060507")
}

fn pcf() -> PcfId {
    id("pcf-1")
}

fn name() -> SecretName {
    id("peer-key")
}

fn account() -> Arc<Account> {
    Bundle::load(Source::built_in()).unwrap().account
}

fn names() -> AwsNames {
    account().names().clone()
}

fn key(byte: u8) -> VaultKey {
    VaultKey::new(SecretBox::new(Box::new([byte; 32])))
}

fn open(dir: &Path) -> Vault {
    Vault::embedded(dir, &key(7), account()).unwrap()
}

/// A vault in a directory that lives as long as the test.
fn vault() -> (TempDir, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    (dir, vault)
}

fn whole(vault: &Vault, tenant: TenantId) -> Session {
    vault.session(tenant, SessionScope::Whole)
}

fn object_path(dir: &Path, tenant: TenantId, extension: &str) -> PathBuf {
    dir.join(format!("objects/{tenant}/pcf/{}/{}.{extension}", product(), pcf()))
}

fn secret_path(dir: &Path, tenant: TenantId) -> PathBuf {
    dir.join(format!("secrets/{tenant}/{}.json", name()))
}

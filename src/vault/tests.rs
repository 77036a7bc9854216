mod credentials;
mod isolation;
mod storage;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretBox;
use tempfile::TempDir;

use super::{EmbeddedVault, RoleDocuments, Session, SessionScope, VaultKey};
use crate::iam::AwsNames;
use crate::ids::{PcfId, ProductId, SecretName, TenantId};

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

fn product() -> ProductId {
    id("urn:gtin:4712345060507")
}

fn pcf() -> PcfId {
    id("pcf-1")
}

fn name() -> SecretName {
    id("peer-key")
}

fn names() -> AwsNames {
    let pool = "eu-central-1:11111111-2222-3333-4444-555555555555";
    AwsNames::new("aws", "eu-central-1", "111122223333", "tidegate-pcf", pool).unwrap()
}

fn key(byte: u8) -> VaultKey {
    VaultKey::new(SecretBox::new(Box::new([byte; 32])))
}

fn open(dir: &Path) -> EmbeddedVault {
    let documents = Arc::new(RoleDocuments::built_in().unwrap());
    EmbeddedVault::open(dir, key(7), documents, names()).unwrap()
}

/// A vault in a directory that lives as long as the test.
fn vault() -> (TempDir, EmbeddedVault) {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    (dir, vault)
}

fn whole(vault: &EmbeddedVault, tenant: TenantId) -> Session {
    vault.session(tenant, SessionScope::Whole)
}

fn object_path(dir: &Path, tenant: TenantId, extension: &str) -> PathBuf {
    dir.join(format!("objects/{tenant}/pcf/{}/{}.{extension}", product(), pcf()))
}

fn secret_path(dir: &Path, tenant: TenantId) -> PathBuf {
    dir.join(format!("secrets/{tenant}/{}.json", name()))
}

//! Secrets: one file each, holding the current version and the one before, both encrypted.
//!
//! The file is a small JSON header (which version is in which stage) and the sealed versions. A version is sealed with
//! AES-256-GCM under a random nonce; tenant, name, the six characters of the ARN and the version's number are authenticated
//! with it. A file copied to another tenant or name, a version given another number, or a single flipped bit does not open.

use std::fmt;

use aws_lc_rs::{aead, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::VaultError;
use super::files::Root;
use super::key::VaultKey;
use crate::ids::{SecretName, TenantId};

/// The longest secret, in bytes: Secrets Manager's own limit.
const MAX_BYTES: usize = 65_536;
/// The longest file: two versions in base64 and the header.
const MAX_FILE: usize = 4 * MAX_BYTES;

/// Which version of a secret, named as Secrets Manager names its staging labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// `AWSCURRENT`: the version put last.
    Current,
    /// `AWSPREVIOUS`: the one before, for what was agreed under it.
    Previous,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Current => "AWSCURRENT",
            Self::Previous => "AWSPREVIOUS",
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The six characters of the ARN.
    suffix: String,
    stages: Stages,
    versions: Vec<Sealed>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stages {
    #[serde(rename = "AWSCURRENT")]
    current: u64,
    #[serde(rename = "AWSPREVIOUS", default, skip_serializing_if = "Option::is_none")]
    previous: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    version: u64,
    nonce: String,
    ciphertext: String,
}

/// Where a secret is kept.
#[derive(Clone, Debug)]
pub(super) struct SecretKey {
    pub(super) tenant: TenantId,
    pub(super) name: SecretName,
}

impl SecretKey {
    fn shown(&self) -> String {
        format!("the secret `tidegate/{}/{}`", self.tenant, self.name)
    }

    fn with_path<T>(&self, then: impl FnOnce(&[&str]) -> T) -> T {
        let file = format!("{}.json", self.name);
        then(&["secrets", self.tenant.as_str(), &file])
    }

    fn bound_to(&self, suffix: &str, version: u64) -> aead::Aad<Vec<u8>> {
        // No identifier holds a slash, so the names cannot run into each other.
        aead::Aad::from(format!("secret v1/{}/{}/{suffix}/{version}", self.tenant, self.name).into_bytes())
    }
}

/// The secrets of a vault. Writers take turns; see [`super::embedded`].
pub(super) struct Secrets {
    root: Root,
    key: aead::LessSafeKey,
}

impl Secrets {
    pub(super) fn new(root: Root, key: &VaultKey) -> Option<Self> {
        let key = key.derive("secrets")?;
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, key.as_slice()).ok()?;
        Some(Self {
            root,
            key: aead::LessSafeKey::new(key),
        })
    }

    /// The six characters of the secret's ARN, if there is such a secret.
    pub(super) fn suffix(&self, at: &SecretKey) -> Result<Option<String>, VaultError> {
        Ok(self.load(at)?.map(|file| file.suffix))
    }

    pub(super) fn get(&self, at: &SecretKey, stage: Stage) -> Result<SecretString, VaultError> {
        let missing = || VaultError::NotFound(format!("{} ({stage})", at.shown()));
        let file = self.load(at)?.ok_or_else(missing)?;
        let version = match stage {
            Stage::Current => file.stages.current,
            Stage::Previous => file.stages.previous.ok_or_else(missing)?,
        };
        let sealed = file.versions.iter().find(|sealed| sealed.version == version);
        let sealed = sealed.ok_or_else(|| VaultError::tampered(&at.shown(), "a version is missing from it"))?;
        self.open(at, &file.suffix, sealed)
    }

    /// Stores a new current version; the one that was current becomes the previous one, and the one before that goes.
    /// Makes the secret if there is none.
    pub(super) fn put(&self, at: &SecretKey, value: &[u8]) -> Result<(), VaultError> {
        if value.len() > MAX_BYTES {
            let size = value.len();
            return Err(VaultError::TooLarge {
                what: at.shown(),
                size,
                limit: MAX_BYTES,
            });
        }
        let file = match self.load(at)? {
            None => {
                let suffix = random_suffix()?;
                let versions = vec![self.seal(at, &suffix, 1, value)?];
                File {
                    suffix,
                    stages: Stages {
                        current: 1,
                        previous: None,
                    },
                    versions,
                }
            }
            Some(mut file) => {
                let previous = file.stages.current;
                let current = previous
                    .checked_add(1)
                    .ok_or(VaultError::Internal("count another version"))?;
                file.versions.retain(|sealed| sealed.version == previous);
                file.versions.push(self.seal(at, &file.suffix, current, value)?);
                file.stages = Stages {
                    current,
                    previous: Some(previous),
                };
                file
            }
        };
        let text = serde_json::to_vec(&file).map_err(|_| VaultError::Internal("write a secret's header"))?;
        at.with_path(|path| self.root.replace(path, &text))
    }

    fn load(&self, at: &SecretKey) -> Result<Option<File>, VaultError> {
        let Some(text) = at.with_path(|path| self.root.read(path, MAX_FILE))? else {
            return Ok(None);
        };
        let wrong = |why| VaultError::tampered(&at.shown(), why);
        let file: File = serde_json::from_slice(&text).map_err(|_| wrong("its file is not one the vault wrote"))?;
        let sound_suffix = file.suffix.len() == 6 && file.suffix.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let newest = file.versions.iter().map(|sealed| sealed.version).max();
        let ordered = file
            .stages
            .previous
            .is_none_or(|previous| previous < file.stages.current);
        if !sound_suffix || !ordered || newest != Some(file.stages.current) {
            return Err(wrong("its header contradicts itself"));
        }
        Ok(Some(file))
    }

    fn seal(&self, at: &SecretKey, suffix: &str, version: u64, value: &[u8]) -> Result<Sealed, VaultError> {
        let mut nonce = [0; aead::NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| VaultError::Internal("draw random bytes"))?;
        // Sealed in place: if that failed, the buffer would still hold the value, hence zeroised on every path.
        let mut buffer = Zeroizing::new(value.to_vec());
        let bound_to = at.bound_to(suffix, version);
        let tag = self
            .key
            .seal_in_place_separate_tag(aead::Nonce::assume_unique_for_key(nonce), bound_to, &mut buffer)
            .map_err(|_| VaultError::Internal("encrypt"))?;
        let ciphertext = BASE64.encode([buffer.as_slice(), tag.as_ref()].concat());
        Ok(Sealed {
            version,
            nonce: BASE64.encode(nonce),
            ciphertext,
        })
    }

    fn open(&self, at: &SecretKey, suffix: &str, sealed: &Sealed) -> Result<SecretString, VaultError> {
        let wrong = || {
            let why = "it does not decrypt: altered, moved from another tenant or name, or sealed with another key";
            VaultError::tampered(&at.shown(), why)
        };
        let nonce = BASE64.decode(&sealed.nonce).map_err(|_| wrong())?;
        let nonce = aead::Nonce::try_assume_unique_for_key(&nonce).map_err(|_| wrong())?;
        let mut buffer = Zeroizing::new(BASE64.decode(&sealed.ciphertext).map_err(|_| wrong())?);
        let bound_to = at.bound_to(suffix, sealed.version);
        let value = self
            .key
            .open_in_place(nonce, bound_to, &mut buffer)
            .map_err(|_| wrong())?;
        Ok(SecretString::from(std::str::from_utf8(value).map_err(|_| wrong())?))
    }
}

/// Six random letters and digits, as Secrets Manager appends them.
fn random_suffix() -> Result<String, VaultError> {
    super::credentials::random_text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 6)
        .ok_or(VaultError::Internal("draw random bytes"))
}

//! Secrets: one file each, holding the current version, the one before, and one that is to follow, each encrypted.
//!
//! The file is a small JSON header (which version is in which stage) and the sealed versions. A version is sealed with
//! AES-256-GCM under a random nonce; tenant, name, the six characters of the ARN and the version's number are authenticated
//! with it. A file copied to another tenant or name, a version given another number, or a single flipped bit does not open.

use std::fmt;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::error::VaultError;
use super::files::Root;
use super::key::VaultKey;
use super::seal::{Seal, UNOPENED};
use crate::iam::secret_id;
use crate::ids::{SecretName, SecretSuffix, TenantId};

/// The longest secret, in bytes: Secrets Manager's own limit.
pub(super) const MAX_BYTES: usize = 65_536;
/// The longest file: three versions in base64 and the header.
const MAX_FILE: usize = 5 * MAX_BYTES;

/// Which version of a secret, named as Secrets Manager names its staging labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// `AWSCURRENT`: the version put last.
    Current,
    /// `AWSPREVIOUS`: the one before, for what was agreed under it.
    Previous,
    /// `AWSPENDING`: one that is to become the current one, once it was accepted where it is to be used.
    Pending,
}

impl serde::Serialize for Stage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Current => "AWSCURRENT",
            Self::Previous => "AWSPREVIOUS",
            Self::Pending => "AWSPENDING",
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
    #[serde(rename = "AWSPENDING", default, skip_serializing_if = "Option::is_none")]
    pending: Option<u64>,
}

impl Stages {
    fn hold(&self, version: u64) -> bool {
        version == self.current || self.previous == Some(version) || self.pending == Some(version)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    version: u64,
    nonce: String,
    ciphertext: String,
}

impl File {
    /// A secret without a version yet.
    fn new(suffix: &SecretSuffix) -> Self {
        Self {
            suffix: suffix.to_string(),
            stages: Stages {
                current: 0,
                previous: None,
                pending: None,
            },
            versions: Vec::new(),
        }
    }
}

/// Where a secret is kept.
#[derive(Clone, Debug)]
pub(super) struct SecretKey {
    pub(super) tenant: TenantId,
    pub(super) name: SecretName,
}

impl SecretKey {
    pub(super) fn shown(&self) -> String {
        format!("the secret `{}`", secret_id(self.tenant, &self.name))
    }

    fn with_path<T>(&self, then: impl FnOnce(&[&str]) -> T) -> T {
        let file = format!("{}.json", self.name);
        then(&["secrets", self.tenant.as_str(), &file])
    }

    fn bound_to(&self, suffix: &str, version: u64) -> String {
        // No identifier holds a slash, so the names cannot run into each other.
        format!("secret v1/{}/{}/{suffix}/{version}", self.tenant, self.name)
    }
}

/// The secrets of a vault. Writers take turns; see [`super::embedded`].
pub(super) struct Secrets {
    root: Root,
    seal: Seal,
}

impl Secrets {
    pub(super) fn new(root: Root, key: &VaultKey) -> Result<Self, VaultError> {
        let seal = Seal::new(key, "secrets")?;
        Ok(Self { root, seal })
    }

    /// The six characters of the secret's ARN, if there is such a secret.
    pub(super) fn suffix(&self, at: &SecretKey) -> Result<Option<SecretSuffix>, VaultError> {
        let Some(file) = self.load(at)? else { return Ok(None) };
        let suffix = file.suffix.parse();
        suffix
            .map(Some)
            .map_err(|_| VaultError::Internal("read a suffix it checked"))
    }

    pub(super) fn get(&self, at: &SecretKey, stage: Stage) -> Result<SecretString, VaultError> {
        let missing = || VaultError::NotFound(format!("{} ({stage})", at.shown()));
        let file = self.load(at)?.ok_or_else(missing)?;
        let version = match stage {
            Stage::Current => file.stages.current,
            Stage::Previous => file.stages.previous.ok_or_else(missing)?,
            Stage::Pending => file.stages.pending.ok_or_else(missing)?,
        };
        let sealed = file.versions.iter().find(|sealed| sealed.version == version);
        let sealed = sealed.ok_or_else(|| VaultError::tampered(&at.shown(), "a version is missing from it"))?;
        self.open(at, &file.suffix, sealed)
    }

    /// Whether there are secrets and none of them opens. One that does not, beside others that do, was tampered with; that is told where it
    /// is read.
    pub(super) fn open_none(&self) -> Result<bool, VaultError> {
        let mut any = false;
        for tenant in self.root.names(&["secrets"])? {
            for file in self.root.names(&["secrets", &tenant])? {
                let name = file.strip_suffix(".json").map(str::parse);
                let (Ok(tenant), Some(Ok(name))) = (tenant.parse(), name) else {
                    continue;
                };
                any = true;
                match self.get(&SecretKey { tenant, name }, Stage::Current) {
                    Ok(_) => return Ok(false),
                    Err(VaultError::Tampered { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(any)
    }

    /// Stores a new current version; the one that was current becomes the previous one, and the one before that goes, as one that
    /// was pending does. Makes the secret if there is none.
    pub(super) fn put(&self, at: &SecretKey, value: &[u8]) -> Result<(), VaultError> {
        self.make(at, &random_suffix()?, value)
    }

    /// The same; a secret that is made gets that end of its ARN.
    pub(super) fn make(&self, at: &SecretKey, suffix: &SecretSuffix, value: &[u8]) -> Result<(), VaultError> {
        fits(at, value)?;
        let mut file = self.load(at)?.unwrap_or_else(|| File::new(suffix));
        let current = self.add(at, &mut file, value)?;
        file.stages = Stages {
            current,
            previous: (file.stages.current > 0).then_some(file.stages.current),
            pending: None,
        };
        self.save(at, file)
    }

    /// Stores a version beside the current one, in place of one that was pending, and gives its number.
    pub(super) fn stage(&self, at: &SecretKey, value: &[u8]) -> Result<u64, VaultError> {
        fits(at, value)?;
        let mut file = self.load(at)?.ok_or_else(|| VaultError::NotFound(at.shown()))?;
        let pending = self.add(at, &mut file, value)?;
        file.stages.pending = Some(pending);
        self.save(at, file)?;
        Ok(pending)
    }

    /// Makes the pending version the current one. Doing so again changes nothing.
    pub(super) fn promote(&self, at: &SecretKey, version: u64) -> Result<(), VaultError> {
        let missing = || VaultError::NotFound(format!("{} (version {version}, pending)", at.shown()));
        let mut file = self.load(at)?.ok_or_else(missing)?;
        if file.stages.current == version {
            return Ok(());
        }
        if file.stages.pending != Some(version) {
            return Err(missing());
        }
        file.stages = Stages {
            current: version,
            previous: Some(file.stages.current),
            pending: None,
        };
        self.save(at, file)
    }

    /// Seals a value as the version after all there were.
    fn add(&self, at: &SecretKey, file: &mut File, value: &[u8]) -> Result<u64, VaultError> {
        let newest = file.versions.iter().map(|sealed| sealed.version).max().unwrap_or(0);
        let version = newest
            .checked_add(1)
            .ok_or(VaultError::Internal("count another version"))?;
        file.versions.push(self.seal(at, &file.suffix, version, value)?);
        Ok(version)
    }

    /// Writes what is in a stage; other versions go.
    fn save(&self, at: &SecretKey, mut file: File) -> Result<(), VaultError> {
        let stages = file.stages;
        file.versions.retain(|sealed| stages.hold(sealed.version));
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
        let pending = file.stages.pending;
        let awaited = pending.is_none_or(|pending| pending > file.stages.current);
        if !sound_suffix || !ordered || !awaited || newest != pending.or(Some(file.stages.current)) {
            return Err(wrong("its header contradicts itself"));
        }
        Ok(Some(file))
    }

    fn seal(&self, at: &SecretKey, suffix: &str, version: u64, value: &[u8]) -> Result<Sealed, VaultError> {
        let sealed = self.seal.close(&at.bound_to(suffix, version), value)?;
        Ok(Sealed {
            version,
            nonce: sealed.nonce,
            ciphertext: sealed.ciphertext,
        })
    }

    fn open(&self, at: &SecretKey, suffix: &str, sealed: &Sealed) -> Result<SecretString, VaultError> {
        let of = at.bound_to(suffix, sealed.version);
        let opened = self.seal.reveal(&of, &sealed.nonce, &sealed.ciphertext);
        opened.ok_or_else(|| VaultError::tampered(&at.shown(), UNOPENED))
    }
}

fn fits(at: &SecretKey, value: &[u8]) -> Result<(), VaultError> {
    let size = value.len();
    if size <= MAX_BYTES {
        return Ok(());
    }
    Err(VaultError::TooLarge {
        what: at.shown(),
        size,
        limit: MAX_BYTES,
    })
}

/// Six random letters and digits, as Secrets Manager appends them.
pub(super) fn random_suffix() -> Result<SecretSuffix, VaultError> {
    super::credentials::random_text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 6)
        .and_then(|text| text.parse().ok())
        .ok_or(VaultError::Internal("draw random bytes"))
}

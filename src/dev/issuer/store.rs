//! The issuer's key and secrets on disk, in files that only their owner may read.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::{KeyError, SigningKey};
use crate::ids::{ClientId, TenantId, UserName};

/// Why an issuer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// A file or directory cannot be read or written.
    #[error("`{path}` cannot be read or written: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file can be read by others than its owner.
    #[error(
        "`{0}` is open to others than its owner; remove it, for its secrets may be known, or run `chmod 600` on it"
    )]
    Exposed(PathBuf),
    /// A file is not what it should be.
    #[error("`{path}` is not {what}; remove it and the next start makes another")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
    },
    /// No key or secret could be made.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Secrets by the id of whoever has them.
type Secrets<Id> = BTreeMap<Id, SecretString>;

/// The file of secrets. Each text is moved, not copied, into its [`SecretString`].
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    clients: BTreeMap<ClientId, String>,
    users: BTreeMap<UserName, String>,
}

/// The same for writing, which shows the secrets: to their own file and nowhere else.
#[derive(Serialize)]
struct Shown<'a> {
    clients: BTreeMap<&'a ClientId, &'a str>,
    users: BTreeMap<&'a UserName, &'a str>,
}

/// The two files of one tenant's issuer.
pub(super) struct Store {
    key: PathBuf,
    secrets: PathBuf,
}

impl Store {
    /// The files of `tenant` in `directory`, which is made if it is not there.
    pub(super) fn open(directory: &Path, tenant: TenantId) -> Result<Self, IssuerError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| IssuerError::Io {
            path: directory.to_owned(),
            source,
        })?;
        let file = |kind| directory.join(format!("issuer-{tenant}.{kind}"));
        Ok(Self {
            key: file("key.p8"),
            secrets: file("secrets.json"),
        })
    }

    /// The key on disk, or a new one that is there from now on.
    pub(super) fn key(&self) -> Result<SigningKey, IssuerError> {
        if let Some(bytes) = read_private(&self.key)? {
            let what = "an RSA private key in PKCS#8";
            return SigningKey::from_pkcs8(&bytes).map_err(|_| IssuerError::Malformed {
                path: self.key.clone(),
                what,
            });
        }
        let key = SigningKey::generate()?;
        write_private(&self.key, &key.to_pkcs8()?)?;
        Ok(key)
    }

    /// The secrets of these clients and users; those not on disk are made and are there from now on.
    pub(super) fn secrets<'a>(
        &self,
        clients: impl Iterator<Item = &'a ClientId>,
        users: impl Iterator<Item = &'a UserName>,
    ) -> Result<(Secrets<ClientId>, Secrets<UserName>), IssuerError> {
        let kept = match read_private(&self.secrets)? {
            None => Kept::default(),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| IssuerError::Malformed {
                path: self.secrets.clone(),
                what: "the secrets of an issuer",
            })?,
        };
        let (mut clients_kept, mut users_kept) = (sealed(kept.clients), sealed(kept.users));
        let grown = complete(&mut clients_kept, clients)? | complete(&mut users_kept, users)?;
        if grown {
            let shown = Shown {
                clients: exposed(&clients_kept),
                users: exposed(&users_kept),
            };
            let malformed = |_| IssuerError::Malformed {
                path: self.secrets.clone(),
                what: "writable as JSON",
            };
            let bytes = Zeroizing::new(serde_json::to_vec_pretty(&shown).map_err(malformed)?);
            write_private(&self.secrets, &bytes)?;
        }
        Ok((clients_kept, users_kept))
    }
}

fn sealed<Id: Ord>(secrets: BTreeMap<Id, String>) -> Secrets<Id> {
    secrets
        .into_iter()
        .map(|(id, secret)| (id, SecretString::from(secret)))
        .collect()
}

/// Makes a secret for each id that has none; tells whether there was one.
fn complete<'a, Id: Ord + Clone + 'a>(
    secrets: &mut Secrets<Id>,
    ids: impl Iterator<Item = &'a Id>,
) -> Result<bool, KeyError> {
    let mut grown = false;
    for id in ids {
        if !secrets.contains_key(id) {
            let mut random = Zeroizing::new([0; 32]);
            rand::fill(random.as_mut_slice()).map_err(|_| KeyError::Generate)?;
            secrets.insert(id.clone(), SecretString::from(hex::encode(random.as_slice())));
            grown = true;
        }
    }
    Ok(grown)
}

fn exposed<Id: Ord>(secrets: &Secrets<Id>) -> BTreeMap<&Id, &str> {
    secrets
        .iter()
        .map(|(id, secret)| (id, secret.expose_secret()))
        .collect()
}

/// The bytes of a file, wiped when dropped; nothing where there is no file.
fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, IssuerError> {
    let failed = |source| IssuerError::Io {
        path: path.to_owned(),
        source,
    };
    match fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => Err(IssuerError::Exposed(path.to_owned())),
        Ok(_) => fs::read(path).map(Zeroizing::new).map(Some).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Writes a file of mode 0600, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), IssuerError> {
    let failed = |source| IssuerError::Io {
        path: path.to_owned(),
        source,
    };
    let mut fresh = path.to_owned().into_os_string();
    fresh.push(".new");
    // A start that was cut off may have left it; opening an old file would keep its mode.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => (),
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)
}

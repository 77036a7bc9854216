//! The root keys of EDR tokens: one for each tenant and generation, all derived from one secret.
//!
//! The secret is 32 random bytes in `keys/edr.seed`, readable by its owner only; a root key's Ed25519 seed is HKDF-SHA256 of
//! it, with tenant and generation as info. A new generation takes the place of the old without a new secret; tokens of the
//! one before stay good until they expire, which is within a day.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use biscuit_auth::{Algorithm, KeyPair, PrivateKey};
use zeroize::Zeroizing;

use super::authority;
use super::verify::EdrVerifier;
use super::{EdrError, Grant, Minted};
use crate::ids::TenantId;

/// The file below the data directory.
pub const FILE: &str = "keys/edr.seed";

/// Separates these keys from any other use of the same secret.
const SALT: &[u8] = b"tidegate edr root key v1";

/// Why there are no keys. No message holds any part of the secret.
#[derive(Debug, thiserror::Error)]
pub enum EdrKeyError {
    /// The file cannot be read or made.
    #[error("`{path}` cannot be read or made: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is open to others, or not 32 bytes.
    #[error("`{path}` is {why}")]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Makes each tenant's root key.
#[derive(Clone)]
pub struct EdrKeys {
    secret: Prk,
    pub(super) generation: u32,
}

impl EdrKeys {
    /// Reads `<dir>/keys/edr.seed`, or makes it on first use. `generation` is the one new tokens are made in.
    ///
    /// # Errors
    /// A file that others may read, of another size, or that cannot be read or made.
    pub fn open(dir: &Path, generation: u32) -> Result<Self, EdrKeyError> {
        let path = dir.join(FILE);
        let failed = |source| EdrKeyError::Io {
            path: path.clone(),
            source,
        };
        let seed = match File::open(&path) {
            Ok(file) => read(file, &path)?,
            Err(error) if error.kind() == ErrorKind::NotFound => create(&path).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        };
        Ok(Self::from_seed(&seed, generation))
    }

    /// Keys from a secret kept elsewhere.
    pub fn from_seed(seed: &[u8; 32], generation: u32) -> Self {
        let secret = Salt::new(HKDF_SHA256, SALT).extract(seed);
        Self { secret, generation }
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`EdrError::Mint`] where the library fails.
    pub fn mint(&self, grant: &Grant) -> Result<Minted, EdrError> {
        authority::mint(&self.root(grant.tenant, self.generation)?, self.generation, grant)
    }

    /// The verifier of a tenant's tokens at its endpoint: it knows the root keys of the present generation and the one
    /// before.
    ///
    /// # Errors
    /// [`EdrError::Mint`] where a key cannot be derived.
    pub fn verifier(&self, tenant: TenantId, endpoint: &str) -> Result<EdrVerifier, EdrError> {
        let roots = self
            .generations()
            .map(|generation| Ok((generation, self.root(tenant, generation)?.public())))
            .collect::<Result<_, EdrError>>()?;
        Ok(EdrVerifier::new(tenant, endpoint, roots))
    }

    fn root(&self, tenant: TenantId, generation: u32) -> Result<KeyPair, EdrError> {
        self.pair(&format!("{tenant}/{generation}"))
    }

    /// The key pair that follows from the secret under that name.
    pub(super) fn pair(&self, name: &str) -> Result<KeyPair, EdrError> {
        let seed = self.derive(name)?;
        let private = PrivateKey::from_bytes(seed.as_slice(), Algorithm::Ed25519).map_err(|_| EdrError::Mint)?;
        Ok(KeyPair::from(&private))
    }

    /// The generations whose keys are good: the present one and the one before.
    pub(super) fn generations(&self) -> impl Iterator<Item = u32> {
        [Some(self.generation), self.generation.checked_sub(1)]
            .into_iter()
            .flatten()
    }

    /// What follows from the secret under that name, and from nothing else.
    pub(super) fn derive(&self, name: &str) -> Result<Zeroizing<[u8; 32]>, EdrError> {
        let mut derived = Zeroizing::new([0; 32]);
        self.secret
            .expand(&[name.as_bytes()], HKDF_SHA256)
            .and_then(|key| key.fill(derived.as_mut_slice()))
            .map_err(|_| EdrError::Mint)?;
        Ok(derived)
    }
}

impl fmt::Debug for EdrKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EdrKeys(generation {})", self.generation)
    }
}

fn read(mut file: File, path: &Path) -> Result<Zeroizing<[u8; 32]>, EdrKeyError> {
    let unsound = |why| EdrKeyError::Unsound {
        path: path.to_owned(),
        why,
    };
    let failed = |source| EdrKeyError::Io {
        path: path.to_owned(),
        source,
    };
    if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
        return Err(unsound("open to others than its owner; set its mode to 0600"));
    }
    let mut seed = Zeroizing::new([0; 32]);
    let size = || unsound("not 32 bytes long; put back the file that was there");
    file.read_exact(seed.as_mut_slice()).map_err(|_| size())?;
    match file.read(&mut [0]) {
        Ok(0) => Ok(seed),
        _ => Err(size()),
    }
}

/// Writes a new secret under another name first, so that a crash never leaves half of one.
fn create(path: &Path) -> std::io::Result<Zeroizing<[u8; 32]>> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut seed = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(seed.as_mut_slice()).map_err(|_| std::io::Error::other("no random bytes"))?;
    let fresh = folder.join("edr.seed.new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(seed.as_slice())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_made_once_and_no_two_tenants_or_generations_share_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let (first, again) = (
            EdrKeys::open(dir.path(), 2).unwrap(),
            EdrKeys::open(dir.path(), 3).unwrap(),
        );
        let (elbe, isar) = ("BPNL000000000DWF".parse().unwrap(), "BPNL00000000B2CD".parse().unwrap());
        let key = |keys: &EdrKeys, tenant, generation| keys.root(tenant, generation).unwrap().public().to_bytes();
        assert_eq!(key(&first, elbe, 1), key(&again, elbe, 1));
        let keys = [key(&first, elbe, 1), key(&first, elbe, 2), key(&first, isar, 1)];
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    }

    #[test]
    fn a_secret_that_others_may_read_or_of_another_size_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        EdrKeys::open(dir.path(), 1).unwrap();
        let path = dir.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(EdrKeys::open(dir.path(), 1).unwrap_err().to_string().contains("0600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for size in [0, 31, 33] {
            fs::write(&path, vec![7; size]).unwrap();
            assert!(EdrKeys::open(dir.path(), 1).is_err(), "{size}");
        }
    }
}

//! The key everything in the vault is sealed with.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::{hkdf, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use zeroize::Zeroizing;

/// A key of 32 random bytes. It is kept outside the vault's directory, as base64 in a file or an environment variable.
pub struct VaultKey(SecretBox<[u8; 32]>);

/// Why there is no key. The key itself is in no message.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("could not read the vault key `{}`: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others than the owner can read the file.
    #[error("others can read the vault key `{}` (mode {mode:o}); make it private with `chmod 600`", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The text is not 32 bytes in base64.
    #[error("the vault key in {0} is not 32 bytes in base64; make one with `openssl rand -base64 32`")]
    Malformed(String),
    /// The environment variable is not set.
    #[error("the environment variable `{0}` with the vault key is not set")]
    Unset(String),
    /// The system has no randomness.
    #[error("the system's random generator failed")]
    Random,
}

impl VaultKey {
    /// A key from its bytes.
    pub fn new(bytes: SecretBox<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// A fresh random key.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn random() -> Result<Self, KeyError> {
        let mut key = SecretBox::new(Box::new([0; 32]));
        rand::fill(secrecy::ExposeSecretMut::expose_secret_mut(&mut key)).map_err(|_| KeyError::Random)?;
        Ok(Self(key))
    }

    /// Reads the key from a file that only its owner can read; with `create`, makes file and key if there is none.
    ///
    /// # Errors
    /// The file is missing, readable by others, or not 32 bytes in base64.
    pub fn from_file(path: &Path, create: bool) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io {
            path: path.to_owned(),
            source,
        };
        let text = match fs::read_to_string(path).map(Zeroizing::new) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => return Self::create(path),
            read => read.map_err(io)?,
        };
        check_mode(path)?;
        Self::from_base64(text.trim(), &format!("`{}`", path.display()))
    }

    fn create(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io {
            path: path.to_owned(),
            source,
        };
        let key = Self::random()?;
        let text = Zeroizing::new(BASE64.encode(key.0.expose_secret()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(io)?;
        file.write_all(text.as_bytes()).map_err(io)?;
        file.write_all(b"\n").map_err(io)?;
        file.sync_all().map_err(io)?;
        Ok(key)
    }

    /// Reads the key from an environment variable.
    ///
    /// # Errors
    /// The variable is not set or not 32 bytes in base64.
    pub fn from_env(variable: &str) -> Result<Self, KeyError> {
        let text = std::env::var(variable).map_err(|_| KeyError::Unset(variable.to_owned()))?;
        Self::from_base64(
            Zeroizing::new(text).trim(),
            &format!("the environment variable `{variable}`"),
        )
    }

    fn from_base64(text: &str, place: &str) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed(place.to_owned());
        let bytes = Zeroizing::new(BASE64.decode(text).map_err(|_| malformed())?);
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| malformed())?;
        Ok(Self(SecretBox::new(Box::new(bytes))))
    }

    /// A secret of the development world, which follows from the key and this name.
    pub(crate) fn dev_secret(&self, name: &str) -> Option<SecretString> {
        let bytes = self.derive(&format!("dev secret: {name}"))?;
        Some(hex::encode(bytes.as_slice()).into())
    }

    /// A key for one purpose, so that no two uses share one (HKDF-SHA-256, RFC 5869).
    pub(super) fn derive(&self, purpose: &str) -> Option<Zeroizing<[u8; 32]>> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tidegate vault v1");
        let mut out = Zeroizing::new([0; 32]);
        let secret = salt.extract(self.0.expose_secret());
        secret
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .ok()?
            .fill(out.as_mut_slice())
            .ok()?;
        Some(out)
    }
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(path).map_err(|source| KeyError::Io {
        path: path.to_owned(),
        source,
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(KeyError::Exposed {
            path: path.to_owned(),
            mode,
        })
    }
}

#[cfg(not(unix))]
fn check_mode(_: &Path) -> Result<(), KeyError> {
    Ok(())
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("VaultKey(…)")
    }
}

//! The keys that sign checkpoints: one per log, all derived from one secret.
//!
//! A key file per tenant would make opening a log wait for the disk and leave a hundred thousand files to guard. So the
//! data directory holds one secret of 32 random bytes, `keys/ledger.seed`, readable by its owner only, and each log's
//! Ed25519 seed is HKDF-SHA256 of it with the log's origin as info. Another origin gives other keys.
//!
//! While keys are [changed](super::rotation), the secret that comes lies beside the one that goes, as `ledger.seed.next`. Some logs are
//! signed with the one then and some with the other, so neither is used for anything else until that is done.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::error::LedgerError;
use super::note::{NoteError, Signer};
use super::period::Wrapping;
use super::record::LogId;
use crate::ids::Digest;

/// Separates these keys from any other use of the same secret.
const SALT: &[u8] = b"tidegate ledger checkpoint key v1";

/// Separates the keys that vouch for records not signed yet.
const VOUCHING: &[u8] = b"tidegate ledger record key v1";

/// Separates the key that wraps those of periods; whatever the base, what is private is opened with it.
const WRAPPING: &[u8] = b"tidegate ledger wrapping key v1";

/// The secret's file, the one of the secret that follows while keys are changed, and the one of a secret that is not whole yet.
const SEED: &str = "ledger.seed";
const NEXT: &str = "ledger.seed.next";
const FRESH: &str = "ledger.seed.new";

/// Makes each log's signing key, and the other keys of a ledger.
#[derive(Clone)]
pub struct LedgerKeys {
    base: String,
    secret: Prk,
    vouching: Prk,
    wrapping: Wrapping,
}

/// Vouches for a log's records until a checkpoint does: who can write to the store but has no key can put nothing into the log in
/// the second before it is signed.
#[derive(Debug)]
pub(super) struct Vouching(hmac::Key);

/// How long what vouches for a record is, in bytes.
const VOUCHED: usize = 16;

impl Vouching {
    /// What is stored beside the record of that number and hash.
    pub(super) fn vouch(&self, seq: u64, hash: &Digest) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&seq.to_be_bytes());
        context.update(hash.as_bytes());
        context.sign().as_ref().iter().take(VOUCHED).copied().collect()
    }

    /// Whether that was stored beside it.
    pub(super) fn holds(&self, seq: u64, hash: &Digest, stored: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.vouch(seq, hash), stored).is_ok()
    }
}

fn derive(secret: &Prk, info: &str) -> Result<Zeroizing<[u8; 32]>, NoteError> {
    let mut key = Zeroizing::new([0; 32]);
    let info = [info.as_bytes()];
    let filled = secret
        .expand(&info, HKDF_SHA256)
        .and_then(|made| made.fill(key.as_mut_slice()));
    filled.map_err(|_| NoteError::Signer)?;
    Ok(key)
}

impl LedgerKeys {
    /// Reads `<dir>/keys/ledger.seed`, or makes it on first use. `base` is the first part of every log's origin, such as
    /// `tidegate.example`; it must not change during the life of a ledger.
    ///
    /// # Errors
    ///
    /// A file that others may read, of another size, or that cannot be read or made; a base that cannot name a key.
    pub fn open(dir: &Path, base: &str) -> Result<Self, LedgerError> {
        let folder = dir.join("keys");
        let path = folder.join(SEED);
        make_private_dir(&folder)?;
        unchanging(&folder)?;
        let seed = match File::open(&path) {
            Ok(file) => read_seed(file, &path)?,
            Err(error) if error.kind() == ErrorKind::NotFound => create_seed(&folder, &path)?,
            Err(error) => return Err(LedgerError::io("open", &path)(error)),
        };
        Ok(Self::from_seed(&seed, base)?)
    }

    /// Reads `<dir>/keys/ledger.seed` where it is there, and makes none. `None` where it is not. What is private opens with it
    /// whatever the base.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn read(dir: &Path, base: &str) -> Result<Option<Self>, LedgerError> {
        let folder = dir.join("keys");
        unchanging(&folder)?;
        Self::of_file(&folder.join(SEED), base)
    }

    fn of_file(path: &Path, base: &str) -> Result<Option<Self>, LedgerError> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self::from_seed(&*read_seed(file, path)?, base)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LedgerError::io("open", path)(error)),
        }
    }

    /// Keys from a secret kept elsewhere.
    ///
    /// # Errors
    ///
    /// [`NoteError::Name`] for a base that cannot begin a key's name.
    pub fn from_seed(seed: &[u8; 32], base: &str) -> Result<Self, NoteError> {
        let extract = |salt: &[u8]| Salt::new(HKDF_SHA256, salt).extract(seed);
        let wrapping = derive(&extract(WRAPPING), "")?;
        let keys = Self {
            base: base.to_owned(),
            secret: extract(SALT),
            vouching: extract(VOUCHING),
            wrapping: Wrapping::new(&wrapping).ok_or(NoteError::Signer)?,
        };
        keys.signer(LogId::Platform)?;
        Ok(keys)
    }

    /// The origin of a log's checkpoints, `<base>/ledger/<log>`.
    pub fn origin(&self, log: LogId) -> String {
        format!("{}/ledger/{log}", self.base)
    }

    /// The key of a log.
    ///
    /// # Errors
    ///
    /// [`NoteError::Signer`] where the cryptographic library fails.
    pub fn signer(&self, log: LogId) -> Result<Signer, NoteError> {
        let origin = self.origin(log);
        let seed = derive(&self.secret, &origin)?;
        Signer::from_seed(&origin, &seed)
    }

    /// The key that vouches for a log's records until a checkpoint does.
    pub(super) fn vouching(&self, log: LogId) -> Result<Vouching, NoteError> {
        let key = derive(&self.vouching, log.as_str())?;
        Ok(Vouching(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice())))
    }

    /// The key under which the keys of periods are stored.
    pub(super) fn wrapping(&self) -> &Wrapping {
        &self.wrapping
    }
}

/// The keys that go and those that come, while keys are changed.
#[derive(Debug)]
pub(super) struct Changing {
    pub(super) from: LedgerKeys,
    /// Where a change was begun before and not done, those it began with.
    pub(super) to: Option<LedgerKeys>,
    folder: PathBuf,
    base: String,
}

impl Changing {
    /// Of the ledger whose secret is in `dir`.
    ///
    /// # Errors
    ///
    /// As [`LedgerKeys::open`]; the secret is not there.
    pub(super) fn open(dir: &Path, base: &str) -> Result<Self, LedgerError> {
        let (folder, base) = (dir.join("keys"), base.to_owned());
        let path = folder.join(SEED);
        let from = LedgerKeys::of_file(&path, &base)?;
        let to = LedgerKeys::of_file(&folder.join(NEXT), &base)?;
        let why = "it is not there, and without it no log can name the key that follows".to_owned();
        let from = from.ok_or(LedgerError::Key { path, why })?;
        Ok(Self { from, to, folder, base })
    }

    /// The keys that come; their secret is made and durable, where it was not.
    pub(super) fn begin(&mut self) -> Result<&LedgerKeys, LedgerError> {
        let keys = match self.to.take() {
            Some(keys) => keys,
            None => LedgerKeys::from_seed(&*create_seed(&self.folder, &self.folder.join(NEXT))?, &self.base)?,
        };
        Ok(self.to.insert(keys))
    }

    /// Puts the secret that comes in the place of the other, which is gone for good.
    pub(super) fn end(self) -> Result<(), LedgerError> {
        let (next, path) = (self.folder.join(NEXT), self.folder.join(SEED));
        let put = || {
            fs::rename(&next, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        put().map_err(LedgerError::io("put in its place", &next))
    }
}

/// Holds that no change of keys is under way.
fn unchanging(folder: &Path) -> Result<(), LedgerError> {
    let path = folder.join(NEXT);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LedgerError::io("examine", &path)(error)),
        Ok(_) => {
            let why =
                "the ledger's keys are being changed; wait for it, or finish it with `tidegate ledger rotate-key`";
            let why = why.to_owned();
            Err(LedgerError::Key { path, why })
        }
    }
}

impl fmt::Debug for LedgerKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LedgerKeys({})", self.base)
    }
}

/// Makes a directory that its owner alone may enter; one that exists keeps its mode.
pub(super) fn make_private_dir(path: &Path) -> Result<(), LedgerError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(LedgerError::io("create", path))
}

/// Options that create a file its owner alone may read.
pub(super) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn read_seed(mut file: File, path: &Path) -> Result<Zeroizing<[u8; 32]>, LedgerError> {
    let refuse = |why: &str| LedgerError::Key {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    #[cfg(unix)]
    {
        let mode = file.metadata().map_err(LedgerError::io("examine", path))?;
        if std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o077 != 0 {
            return Err(refuse("others than its owner may use it; set its mode to 0600"));
        }
    }
    let mut seed = Zeroizing::new([0; 32]);
    let mut rest = Zeroizing::new([0; 1]);
    let read = file.read_exact(seed.as_mut_slice());
    read.map_err(|_| refuse("shorter than 32 bytes"))?;
    match file.read(rest.as_mut_slice()) {
        Ok(0) => Ok(seed),
        _ => Err(refuse("longer than 32 bytes")),
    }
}

/// Writes a new secret under another name first, so that a crash never leaves half a key.
fn create_seed(folder: &Path, path: &Path) -> Result<Zeroizing<[u8; 32]>, LedgerError> {
    let mut seed = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(seed.as_mut_slice()).map_err(|_| LedgerError::Note(NoteError::Signer))?;
    let fresh = folder.join(FRESH);
    let write = || -> std::io::Result<()> {
        let mut file = private_file().create(true).truncate(true).open(&fresh)?;
        file.write_all(seed.as_slice())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(LedgerError::io("create", path))?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_keeps_its_keys_and_no_two_logs_share_one() {
        let dir = tempfile::tempdir().unwrap();
        let first = LedgerKeys::open(dir.path(), "t.example").unwrap();
        let again = LedgerKeys::open(dir.path(), "t.example").unwrap();
        let key = |keys: &LedgerKeys, log: &str| keys.signer(log.parse().unwrap()).unwrap().verifier().to_string();
        assert_eq!(key(&first, "platform"), key(&again, "platform"));
        let other = LedgerKeys::open(dir.path(), "u.example").unwrap();
        let tail = |key: String| key.rsplit('+').next().unwrap().to_owned();
        let keys = [
            key(&first, "platform"),
            key(&first, "BPNL000000000DWF"),
            key(&other, "platform"),
        ]
        .map(tail);
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        LedgerKeys::open(dir.path(), "t.example").unwrap();
        let path = dir.path().join("keys/ledger.seed");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = LedgerKeys::open(dir.path(), "t.example").unwrap_err().to_string();
        assert!(error.contains("0600"), "{error}");
    }

    #[test]
    fn a_secret_of_another_size_is_refused() {
        for bytes in [0, 31, 33] {
            let dir = tempfile::tempdir().unwrap();
            LedgerKeys::open(dir.path(), "t.example").unwrap();
            fs::write(dir.path().join("keys/ledger.seed"), vec![7; bytes]).unwrap();
            assert!(LedgerKeys::open(dir.path(), "t.example").is_err(), "{bytes}");
        }
    }
}

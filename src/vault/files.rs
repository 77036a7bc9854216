//! Files of the vault: private, durable, replaced whole, and never behind a symbolic link.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;

use super::error::VaultError;

/// A directory below which paths are made of parsed identifiers.
#[derive(Clone, Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    /// Makes `dir` if it is not there. The directory itself may be reached through a link; nothing below it may.
    pub(super) fn open(dir: &Path) -> Result<Self, VaultError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        private(&mut builder);
        builder
            .create(dir)
            .map_err(VaultError::io("create the directory", dir))?;
        let dir = fs::canonicalize(dir).map_err(VaultError::io("resolve", dir))?;
        Ok(Self(dir))
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The path below the root, if no part of it that exists is a link or, but for the last, anything but a directory.
    pub(super) fn resolve(&self, parts: &[&str]) -> Result<PathBuf, VaultError> {
        let mut path = self.0.clone();
        for (index, part) in parts.iter().enumerate() {
            // Identifiers hold no separator and no `..`; this keeps that true if a type is ever loosened.
            if part.is_empty() || part.starts_with('.') || part.contains(['/', '\\', '\0']) {
                return Err(VaultError::ForeignPath(path.join(part.replace(['/', '\\', '\0'], "_"))));
            }
            path.push(part);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => return Err(VaultError::ForeignPath(path)),
                Ok(found) if index + 1 < parts.len() && !found.is_dir() => return Err(VaultError::ForeignPath(path)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(VaultError::io("look at", &path)(error)),
            }
        }
        Ok(path)
    }

    /// Makes the directory of the last part and all above it, readable by the owner only.
    pub(super) fn make_dirs(&self, parts: &[&str]) -> Result<(), VaultError> {
        for length in 1..parts.len() {
            let Some((above, _)) = parts.split_at_checked(length) else {
                continue;
            };
            let path = self.resolve(above)?;
            let mut builder = DirBuilder::new();
            private(&mut builder);
            match builder.create(&path) {
                Ok(()) => sync_dir(&path)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(VaultError::io("create the directory", &path)(error)),
            }
        }
        Ok(())
    }

    /// Replaces a file whole: either the old content or the new is there after a crash, and the new is on disk on return.
    pub(super) fn replace(&self, parts: &[&str], bytes: &[u8]) -> Result<(), VaultError> {
        self.make_dirs(parts)?;
        let path = self.resolve(parts)?;
        let mut noise = [0; 8];
        rand::fill(&mut noise).map_err(|_| VaultError::Internal("draw random bytes"))?;
        let temporary = path.with_file_name(format!(".{}.tmp", hex::encode(noise)));
        let written = write_new(&temporary, bytes).and_then(|()| fs::rename(&temporary, &path));
        if let Err(error) = written {
            // The write has failed already; a temporary file left behind is never read.
            let _ = fs::remove_file(&temporary);
            return Err(VaultError::io("write", &path)(error));
        }
        sync_dir(&path)
    }

    /// Reads a file of at most `limit` bytes; `None` if there is none.
    pub(super) fn read(&self, parts: &[&str], limit: usize) -> Result<Option<Vec<u8>>, VaultError> {
        let path = self.resolve(parts)?;
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(VaultError::io("open", &path)(error)),
        };
        let mut bytes = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        file.take(most)
            .read_to_end(&mut bytes)
            .map_err(VaultError::io("read", &path))?;
        if bytes.len() > limit {
            return Err(VaultError::tampered(
                &path.display().to_string(),
                "it is longer than the vault writes",
            ));
        }
        Ok(Some(bytes))
    }

    /// Removes a file if it is there.
    pub(super) fn remove(&self, parts: &[&str]) -> Result<(), VaultError> {
        let path = self.resolve(parts)?;
        match fs::remove_file(&path) {
            Ok(()) => sync_dir(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(VaultError::io("remove", &path)(error)),
        }
    }

    /// The names in a directory, sorted, without those of temporary files; none if there is no such directory.
    pub(super) fn names(&self, parts: &[&str]) -> Result<Vec<String>, VaultError> {
        let path = self.resolve(parts)?;
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(VaultError::io("list", &path)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(VaultError::io("list", &path))?.file_name();
            let name = name
                .into_string()
                .map_err(|name| VaultError::ForeignPath(path.join(name)))?;
            if !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Takes the vault for this process alone, for as long as the file lives.
    pub(super) fn lock(&self) -> Result<File, VaultError> {
        let path = self.resolve(&["lock"])?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(VaultError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(VaultError::InUse(self.0.clone())),
            Err(fs::TryLockError::Error(error)) => Err(VaultError::io("lock", &path)(error)),
        }
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a change of name durable: the directory that holds `path` is written out.
fn sync_dir(path: &Path) -> Result<(), VaultError> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    let synced = File::open(parent).and_then(|directory| directory.sync_all());
    synced.map_err(VaultError::io("write out the directory", parent))
}

fn private(builder: &mut DirBuilder) {
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
    #[cfg(not(unix))]
    let _ = builder;
}

//! Files of the vault: private, durable, replaced whole, and never behind a symbolic link.
//!
//! Here files are read, and replaced one by one; many at a time are replaced by [`super::staging`].

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::rand;

use super::error::VaultError;

/// A directory below which paths are made of parsed identifiers.
#[derive(Clone, Debug)]
pub(super) struct Root {
    dir: PathBuf,
    /// The directory, open for as long as the vault is: of what the file system could not write out in that time, whoever writes
    /// it out through this is told.
    handle: Arc<File>,
}

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
        let handle = File::open(&dir).map_err(VaultError::io("open", &dir))?;
        let handle = Arc::new(handle);
        Ok(Self { dir, handle })
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.dir
    }

    /// The directory, open.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "what is written out through it")
    )]
    pub(super) fn handle(&self) -> &File {
        &self.handle
    }

    /// The path below the root, if no part of it that exists is a link or, but for the last, anything but a directory.
    pub(super) fn resolve(&self, parts: &[&str]) -> Result<PathBuf, VaultError> {
        let mut path = self.dir.clone();
        for (index, part) in parts.iter().enumerate() {
            path = step(&path, part, index + 1 < parts.len())?;
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
            if make_dir(&path)? {
                sync_dir(&path)?;
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
        let written = write_new(&temporary, bytes, true).and_then(|()| fs::rename(&temporary, &path));
        if let Err(error) = written {
            // The write has failed already; a temporary file left behind is never read.
            let _ = fs::remove_file(&temporary);
            return Err(VaultError::io("write", &path)(error));
        }
        sync_dir(&path)
    }

    /// Reads a file of at most `limit` bytes; `None` if there is none.
    pub(super) fn read(&self, parts: &[&str], limit: usize) -> Result<Option<Vec<u8>>, VaultError> {
        read(&self.resolve(parts)?, limit)
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
            Err(fs::TryLockError::WouldBlock) => Err(VaultError::InUse(self.dir.clone())),
            Err(fs::TryLockError::Error(error)) => Err(VaultError::io("lock", &path)(error)),
        }
    }
}

/// The path of `part` in the directory `above`, where it is no link and, where `dir` says so, anything there is a directory.
pub(super) fn step(above: &Path, part: &str, dir: bool) -> Result<PathBuf, VaultError> {
    // Identifiers hold no separator and no `..`; this keeps that true if a type is ever loosened.
    if part.is_empty() || part.starts_with('.') || part.contains(['/', '\\', '\0']) {
        let part = part.replace(['/', '\\', '\0'], "_");
        return Err(VaultError::ForeignPath(above.join(part)));
    }
    let path = above.join(part);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_symlink() || (dir && !found.is_dir()) => Err(VaultError::ForeignPath(path)),
        Ok(_) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path),
        Err(error) => Err(VaultError::io("look at", &path)(error)),
    }
}

/// Makes a directory, readable by the owner only; returns whether there was none. It is not durable yet.
pub(super) fn make_dir(path: &Path) -> Result<bool, VaultError> {
    let mut builder = DirBuilder::new();
    private(&mut builder);
    match builder.create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(VaultError::io("create the directory", path)(error)),
    }
}

/// Reads a file, at a path that was resolved, of at most `limit` bytes; `None` if there is none.
pub(super) fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, VaultError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(VaultError::io("open", path)(error)),
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(VaultError::io("read", path))?;
    if bytes.len() > limit {
        return Err(VaultError::tampered(
            &path.display().to_string(),
            "it is longer than the vault writes",
        ));
    }
    Ok(Some(bytes))
}

/// Writes a file that is not there, readable by the owner only; its content is on disk on return where `durably` says so.
pub(super) fn write_new(path: &Path, bytes: &[u8], durably: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    match durably {
        true => file.sync_all(),
        false => Ok(()),
    }
}

/// Makes a change of name durable: the directory that holds `path` is written out.
pub(super) fn sync_dir(path: &Path) -> Result<(), VaultError> {
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

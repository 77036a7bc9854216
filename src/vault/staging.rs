//! Many files of the vault, replaced together with few waits for the disk.
//!
//! [`Root::replace`](super::files::Root::replace) waits for the disk twice for each file: until its content is there, and until its name
//! is. A thousand files would wait two thousand times, one after the other. Here the waits are the caller's:
//!
//! ```text
//! write, write, …   contents, under names of no meaning below `staging/`
//! settle            all of it is on disk
//! name, link, …     names are given: each at once and whole, as `rename` and `link` do it
//! settle            all names are on disk
//! ```
//!
//! Between two calls of [`Staging::settle`] nothing is said of what reaches the disk first. A crash there leaves **any** of what was done
//! since the last one and none of the rest; what was done before it is there. Whoever needs one thing before another puts a `settle`
//! between the two. A content must be settled before it is named, or a crash could leave the name of a file that is empty.
//!
//! # How it waits
//!
//! Up to [`EACH`] files, each is written out by itself (`fsync`), and so is each directory in which a name was given. Beyond, on
//! Linux, the file system of the vault is written out once (`syncfs`), for all of them: what was written to it before the call, by
//! whomever, is on disk when it returns, and an error in between is told (Linux 5.8 and later). That costs more the more others write to
//! the same file system; give the vault one of its own where that is much. Elsewhere each file is written out by itself, however many
//! there are.
//!
//! What lies below `staging/` when a vault is opened was left by a crash, means nothing, and is removed.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;

use super::error::VaultError;
use super::files::{Root, make_dir, step, sync_dir, write_new};

/// Where contents lie that have no name yet.
const DIR: &str = "staging";

/// Up to how many files are written out one by one.
const EACH: usize = 16;

/// Files that are replaced together.
#[derive(Debug)]
pub(super) struct Staging<'r> {
    root: &'r Root,
    dir: PathBuf,
    /// Whether all is written out at once, and nothing before.
    together: bool,
    noise: String,
    count: AtomicU64,
    /// Directories that were looked at: they are there, and no links.
    known: Mutex<HashSet<PathBuf>>,
    /// Directories in which something was named and is not settled.
    touched: Mutex<BTreeSet<PathBuf>>,
}

/// A content that has no name yet. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Staged(Option<PathBuf>);

/// What could not be written out.
#[derive(Debug)]
pub(super) struct Unsettled {
    path: PathBuf,
    error: io::Error,
}

impl Unsettled {
    /// The error, for one of those whom it concerns.
    pub(super) fn error(&self) -> VaultError {
        let source = match self.error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => self.error.kind().into(),
        };
        VaultError::io("write out", &self.path)(source)
    }
}

impl<'r> Staging<'r> {
    /// Begins to replace about so many files.
    pub(super) fn begin(root: &'r Root, files: usize) -> Result<Self, VaultError> {
        let mut noise = [0; 8];
        rand::fill(&mut noise).map_err(|_| VaultError::Internal("draw random bytes"))?;
        let dir = step(root.path(), DIR, true)?;
        make_dir(&dir)?;
        Ok(Self {
            root,
            dir,
            together: cfg!(target_os = "linux") && files > EACH,
            noise: hex::encode(noise),
            count: AtomicU64::new(0),
            known: Mutex::default(),
            touched: Mutex::default(),
        })
    }

    /// Removes what a crash left.
    pub(super) fn clear(root: &Root) -> Result<(), VaultError> {
        for name in root.names(&[DIR])? {
            let path = root.resolve(&[DIR, &name])?;
            fs::remove_file(&path).map_err(VaultError::io("remove", &path))?;
        }
        Ok(())
    }

    /// The path of a file, in a directory that is there: it is made where it is not. No part of it is a link.
    pub(super) fn place(&self, parts: &[&str]) -> Result<PathBuf, VaultError> {
        let mut path = self.root.path().to_owned();
        let Some((file, above)) = parts.split_last() else {
            return Err(VaultError::ForeignPath(path));
        };
        for part in above {
            let below = path.join(part);
            if !lock(&self.known).contains(&below) {
                step(&path, part, true)?;
                if make_dir(&below)? {
                    match self.together {
                        true => self.touch(&below),
                        false => sync_dir(&below)?,
                    }
                }
                lock(&self.known).insert(below.clone());
            }
            path = below;
        }
        step(&path, file, false)
    }

    /// Writes a content that is to be named once it is settled.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<Staged, VaultError> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{}-{number}", self.noise));
        let written = write_new(&path, bytes, !self.together);
        // Where it failed half way this removes it.
        let staged = Staged(Some(path.clone()));
        written.map_err(VaultError::io("write", &path))?;
        self.touch(&path);
        Ok(staged)
    }

    /// Writes a content under its own name, where there is nothing of that name; returns whether there was not. Until it is settled a crash
    /// may leave the name without the content.
    pub(super) fn create(&self, path: &Path, bytes: &[u8]) -> Result<bool, VaultError> {
        match write_new(path, bytes, !self.together) {
            Ok(()) => {
                self.touch(path);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => {
                // Without its content it must not keep the name.
                let _ = fs::remove_file(path);
                Err(VaultError::io("write", path)(error))
            }
        }
    }

    /// Gives a content its name, in place of what had it.
    pub(super) fn name(&self, mut staged: Staged, path: &Path) -> Result<(), VaultError> {
        if let Some(from) = &staged.0 {
            fs::rename(from, path).map_err(VaultError::io("write", path))?;
        }
        staged.0 = None;
        self.touch(path);
        Ok(())
    }

    /// Gives a file a second name, if nothing has that.
    pub(super) fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)?;
        self.touch(to);
        Ok(())
    }

    /// Has the directory of `path` written out with the next [`Staging::settle`].
    pub(super) fn touch(&self, path: &Path) {
        if let Some(dir) = path.parent() {
            lock(&self.touched).insert(dir.to_owned());
        }
    }

    /// Returns once all that was done is on disk.
    ///
    /// # Errors
    /// It cannot be said of any of it that it is.
    pub(super) fn settle(&self) -> Result<(), Unsettled> {
        let touched = std::mem::take(&mut *lock(&self.touched));
        if touched.is_empty() {
            return Ok(());
        }
        if self.together {
            let path = self.root.path().to_owned();
            return sync_filesystem(self.root).map_err(|error| Unsettled { path, error });
        }
        // Contents without a name are written out already, and where they lie means nothing.
        for dir in touched.into_iter().filter(|dir| *dir != self.dir) {
            let synced = File::open(&dir).and_then(|open| open.sync_all());
            synced.map_err(|error| Unsettled { path: dir, error })?;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // One that is left behind is removed when the vault is opened next.
            let _ = fs::remove_file(path);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(target_os = "linux")]
fn sync_filesystem(root: &Root) -> io::Result<()> {
    Ok(rustix::fs::syncfs(root.handle())?)
}

/// Nothing is written out together here.
#[cfg(not(target_os = "linux"))]
fn sync_filesystem(_: &Root) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

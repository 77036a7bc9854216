//! The bundle in force, and how it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use notify::{RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};

use super::{Bundle, BundleError, Source};
use crate::ids::Digest;

/// How long to wait for the rest of a change after its first sign: an editor or a checkout writes many files.
const SETTLE: Duration = Duration::from_millis(150);

/// What is in force and whether the last attempt to change it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The bundle in force.
    pub digest: Digest,
    /// Since when.
    pub since: Timestamp,
    /// Why the newest candidate was refused; nothing when what is in force is what is on disk.
    pub refused: Option<Refusal>,
}

/// A candidate that was not put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When it was tried.
    pub at: Timestamp,
    /// What was wrong with it.
    pub reason: String,
}

/// The bundle in force, on a watch channel. A request takes the `Arc` once and keeps it to its end.
#[derive(Debug)]
pub struct Live {
    current: watch::Sender<Arc<Bundle>>,
    status: watch::Sender<Status>,
    directory: Option<PathBuf>,
}

impl Live {
    /// Puts `bundle` in force. `directory` is where a changed one would come from; a built-in bundle has none.
    pub fn new(bundle: Bundle, directory: Option<PathBuf>, now: Timestamp) -> Self {
        let status = Status {
            digest: bundle.digest,
            since: now,
            refused: None,
        };
        Self {
            current: watch::Sender::new(Arc::new(bundle)),
            status: watch::Sender::new(status),
            directory,
        }
    }

    /// The bundle in force.
    pub fn current(&self) -> Arc<Bundle> {
        Arc::clone(&self.current.borrow())
    }

    /// What is in force and whether the last attempt to change it failed.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Where a changed bundle comes from.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Loads what is on disk now, without putting it in force.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn candidate(&self) -> Result<Option<Bundle>, BundleError> {
        let Some(directory) = &self.directory else {
            return Ok(None);
        };
        let source = Source::directory(directory)
            .map_err(|error| BundleError::from_source(&directory.display().to_string(), &error))?;
        Bundle::load(source).map(Some)
    }

    /// Puts `bundle` in force for every request that starts from now on.
    pub fn activate(&self, bundle: Bundle, now: Timestamp) {
        let digest = bundle.digest;
        self.current.send_replace(Arc::new(bundle));
        self.status.send_replace(Status {
            digest,
            since: now,
            refused: None,
        });
    }

    /// Notes that a candidate was refused; what is in force stays.
    pub fn refuse(&self, reason: String, now: Timestamp) {
        self.status
            .send_modify(|status| status.refused = Some(Refusal { at: now, reason }));
    }

    /// Notes that what is on disk is what is in force.
    pub fn settled(&self) {
        self.status.send_modify(|status| status.refused = None);
    }
}

impl Bundle {
    /// Loads the bundle below `root`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn directory(root: &Path) -> Result<Self, BundleError> {
        let source =
            Source::directory(root).map_err(|error| BundleError::from_source(&root.display().to_string(), &error))?;
        Self::load(source)
    }
}

/// Signs of change below a directory: one message per burst of changes. The watcher lives as long as the value.
pub struct Changes {
    signs: mpsc::Receiver<()>,
    _watcher: notify::RecommendedWatcher,
}

impl Changes {
    /// Watches the parts of a bundle below `root`.
    ///
    /// # Errors
    /// The operating system does not let the directory be watched.
    pub fn below(root: &Path) -> Result<Self, notify::Error> {
        let (sender, signs) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading files is an event too, and loading reads them: only what writes counts. A sign that finds the
            // channel full is one of a burst that is already known.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = sender.try_send(());
            }
        })?;
        for part in ["policies", "schema"] {
            watcher.watch(&root.join(part), RecursiveMode::Recursive)?;
        }
        Ok(Self {
            signs,
            _watcher: watcher,
        })
    }

    /// Waits for a change and for the burst it belongs to to pass. Returns false when no more can come.
    pub async fn next(&mut self) -> bool {
        if self.signs.recv().await.is_none() {
            return false;
        }
        while let Ok(Some(())) = tokio::time::timeout(SETTLE, self.signs.recv()).await {}
        true
    }
}

//! Following a log: keeping its checkpoints elsewhere, and holding each new one to the one before.
//!
//! A ledger alone cannot show that it was rewritten as a whole by someone who holds its secret. A follower can: it keeps the last
//! checkpoint it saw, and takes a new one only with a proof that the log it saw is the beginning of the log there is now. A log that
//! cannot give that proof was forked or cut, and the two signed checkpoints together show it to anyone.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, log_of};
use super::error::LedgerError;
use super::note::VerifierKey;
use super::proof::{Claim, ProofError, Tiles, check_consistency};
use super::published::Published;
use super::quorum::Quorum;
use super::succession::KeyHistory;

/// Where the last checkpoint of a log is kept: a file, as the log signed it.
#[derive(Debug)]
pub struct Kept(PathBuf);

/// What a look at a log showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The first checkpoint; it is kept.
    First(Checkpoint),
    /// The log is as it was.
    Same(Checkpoint),
    /// The log has grown from what was kept, and from nothing else; the new checkpoint is kept.
    Grown {
        /// How many records it had.
        from: u64,
        /// What it is now.
        to: Checkpoint,
        /// The key that signs it now, where that is another than the one that was given.
        key: Option<VerifierKey>,
    },
    /// The log shows an older state than the one that was kept: a copy that lags, or its newest records are gone. What was kept stays.
    SetBack {
        /// How many records it had.
        from: u64,
        /// What it shows now.
        to: Checkpoint,
    },
    /// The log signs something that does not go on from what it signed before. Both are signed: either alone could be true, not both.
    Forked {
        /// What was kept, as a signed note.
        kept: String,
        /// What is there now, as a signed note; it is not kept.
        found: String,
        /// What contradicts what.
        why: String,
    },
}

impl Kept {
    /// In that file.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn read(&self) -> Result<Option<String>, LedgerError> {
        match fs::read_to_string(&self.0) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LedgerError::io("read", &self.0)(error)),
        }
    }

    /// Under another name first, so that a crash never leaves half of it.
    fn write(&self, note: &str) -> Result<(), LedgerError> {
        let mut fresh = self.0.clone().into_os_string();
        fresh.push(".new");
        let write = || {
            let mut file = fs::File::create(&fresh)?;
            file.write_all(note.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, &self.0)
        };
        write().map_err(LedgerError::io("write", &self.0))
    }
}

/// Looks at a log once.
///
/// # Errors
///
/// It cannot be read; what is kept is not a checkpoint of its key; a checkpoint that `key` did not sign, or that not enough of the
/// witnesses, where there are any, cosigned.
pub async fn look(
    published: &Published,
    key: &VerifierKey,
    witnesses: Option<&Quorum>,
    kept: &Kept,
) -> Result<Seen, LedgerError> {
    let found = published.checkpoint().await?;
    let keys = KeyHistory::of(key, &published.key_changes().await?).map_err(LedgerError::Untrusted)?;
    let now = keys.open(&found).map_err(LedgerError::Untrusted)?;
    let by = witnesses.map(|witnesses| witnesses.met(&found)).transpose();
    let by = by.map_err(LedgerError::Untrusted)?.unwrap_or_default();
    let Some(note) = kept.read()? else {
        kept.write(&found)?;
        return Ok(Seen::First(now));
    };
    let before = keys.open(&note).map_err(LedgerError::Untrusted)?;
    let forked = |why: String| {
        let (kept, found) = (note.clone(), found.clone());
        Ok(Seen::Forked { kept, found, why })
    };
    if now.size < before.size {
        let from = before.size;
        return Ok(Seen::SetBack { from, to: now });
    }
    if now.size == before.size {
        return match now.root == before.root {
            true => {
                // Who cosigned it is worth keeping, too.
                if !by.is_empty() && note != found {
                    kept.write(&found)?;
                }
                Ok(Seen::Same(now))
            }
            false => forked(format!("it signs two different roots for {} records", now.size)),
        };
    }
    match consistent(published, &before, &now).await? {
        Ok(()) => {
            kept.write(&found)?;
            let key = (keys.current() != key).then(|| keys.current().clone());
            let from = before.size;
            Ok(Seen::Grown { from, to: now, key })
        }
        Err(error) => forked(format!(
            "the {} records it signed are not the beginning of the {} it signs now: {error}",
            before.size, now.size
        )),
    }
}

async fn consistent(
    published: &Published,
    before: &Checkpoint,
    now: &Checkpoint,
) -> Result<Result<(), ProofError>, LedgerError> {
    let claim = Claim::Consistency {
        old: before.size,
        size: now.size,
    };
    let needed = match claim.tiles() {
        Ok(needed) => needed,
        Err(error) => return Ok(Err(error)),
    };
    let mut tiles = Tiles::new();
    for id in needed {
        // A log that has grown since serves the greater tile, of which this one is the beginning; both have the name that was asked.
        tiles.extend(published.tile(id).await?.map(|bytes| (id, bytes)));
    }
    let proof = match claim.prove(&tiles, &now.root) {
        Ok(proof) => proof,
        // With tiles that are not the signed tree's, nothing is shown either way.
        Err(ProofError::Tile(id)) => {
            let why = format!("`{id}` is missing, or not of the tree that is signed");
            return Err(LedgerError::Damaged {
                log: log_of(&now.origin)?,
                why,
            });
        }
        Err(error) => return Ok(Err(error)),
    };
    Ok(check_consistency(
        &proof,
        (before.size, &before.root),
        (now.size, &now.root),
    ))
}

//! Changing the keys of a ledger, all of them: its secret is replaced by a new one.
//!
//! ```text
//! 1  nothing is changed of a ledger of which a log is damaged: its key would vouch for the damage
//! 2  the new secret is made and lies beside the old one
//! 3  log by log, the platform's last, in one transaction each: the old key names the new one in a record of the log (see
//!    [`succession`](super::succession)), the new one signs the log, the keys of its months are wrapped anew
//! 4  the new secret takes the place of the old one, which is gone for good
//! ```
//!
//! Whatever interrupts it, the next run goes on from there: until step 4 both secrets are there, and nothing else may use the ledger.
//! What was copied before stays as it was: a backup of the store opens with the secret of its time only, so whoever keeps backups takes
//! one after a change, or keeps the secret with each.

use std::path::Path;

use super::error::LedgerError;
use super::keys::Changing;
use super::note::VerifierKey;
use super::place::Place;
use super::read::Reader;
use super::record::LogId;
use super::writer::Writer;
use super::{By, Ledger, Options};
use crate::clock::Clock;

/// What a change of keys came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// How many logs have another key now, those counted that an earlier run changed.
    pub logs: u64,
    /// The key of the platform's log now.
    pub platform: VerifierKey,
}

/// Changes the keys of the ledger at a place, whose secret is in `dir`. Tells `progress` how many logs are done with, and of how many.
/// No process may have the ledger open to write.
///
/// # Errors
///
/// There is no ledger, or its secret is not there; another process writes; a log is damaged; the store or the file system refuse. What
/// was begun is gone on with by the next call.
pub async fn rotate(
    place: &Place,
    dir: &Path,
    clock: Clock,
    by: By,
    mut progress: impl FnMut(u64, u64),
) -> Result<Rotated, LedgerError> {
    let mut reader = Reader::open_at(place, None).await?;
    let base = reader.base(LogId::Platform).await?;
    let mut logs = reader.logs().await?;
    // The platform's comes last: with its key the ledger is opened.
    logs.sort_by_key(|log| *log == LogId::Platform);
    let mut changing = Changing::open(dir, &base)?;
    let mut left = Vec::new();
    for log in &logs {
        let done = match &changing.to {
            Some(to) => reader.verifier_key(*log).await? == *to.signer(*log)?.verifier(),
            None => false,
        };
        if !done {
            left.push(*log);
        }
    }
    drop(reader);
    let all = logs.len() as u64;
    if !left.is_empty() {
        let mut writer = Writer::alone(place.clone(), changing.from.clone(), clock.clone()).await?;
        let changed = change_all(&mut writer, &mut changing, &left, &by, |done| {
            progress(all - left.len() as u64 + done, all);
        });
        let changed = changed.await;
        // How months' keys were stored before is overwritten, where nobody reads an older state.
        writer.rest().await;
        writer.leave().await;
        changed?;
    }
    let keys = changing.begin()?.clone();
    changing.end()?;
    // Signs the records that tell of it.
    let ledger = Ledger::open_at(place.clone(), keys.clone(), clock, Options::default()).await?;
    ledger.close().await;
    Ok(Rotated {
        logs: all,
        platform: keys.signer(LogId::Platform)?.verifier().clone(),
    })
}

async fn change_all(
    writer: &mut Writer,
    changing: &mut Changing,
    logs: &[LogId],
    by: &By,
    mut progress: impl FnMut(u64),
) -> Result<(), LedgerError> {
    for log in logs {
        writer.check(*log).await?;
    }
    let to = changing.begin()?;
    for (log, done) in logs.iter().zip(1..) {
        writer.change_key(*log, to, by).await?;
        progress(done);
    }
    Ok(())
}

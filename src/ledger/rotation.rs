//! Changing the keys of a ledger, all of them: its secret is replaced by a new one.
//!
//! ```text
//! 1  nothing is changed of a ledger of which a log does not end as it was signed: its key would vouch for the damage
//! 2  the new secret is made and lies beside the old one
//! 3  the store says that keys are being changed; then log by log, the platform's last, in one transaction each: the old key names the
//!    new one in a record of the log (see [`succession`](super::succession)) and in one of the platform's, the new one signs the log,
//!    the keys of its months are wrapped anew
//! 4  the new secret takes the place of the old one, which is gone for good
//! ```
//!
//! Whatever interrupts it, the next run goes on from there: until step 4 both secrets are there, and nothing else may use the ledger.
//! What was copied before stays as it was: a backup of the store opens with the secret of its time only, so whoever keeps backups takes
//! one after a change, or keeps the secret with each.

use std::path::Path;

use super::error::LedgerError;
use super::keys::{Changing, LedgerKeys};
use super::note::VerifierKey;
use super::read::Reader;
use super::record::LogId;
use super::writer::Writer;
use super::{By, Ledger, Options};
use crate::clock::Clock;
use crate::database::Place;

/// What a change of keys came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// How many logs have another key now, those counted that an earlier run changed.
    pub logs: u64,
    /// The key of the platform's log now.
    pub platform: VerifierKey,
    /// What is left for the service to do as it starts, in words.
    pub left: Vec<String>,
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
    progress: impl FnMut(u64, u64),
) -> Result<Rotated, LedgerError> {
    let mut reader = Reader::open_at(place, None).await?;
    let base = reader.base(LogId::Platform).await?;
    let mut changing = Changing::open(dir, &base)?;
    let mut left = Vec::new();
    // With the platform's, which comes last, all are done.
    if !is_changed(&mut reader, LogId::Platform, changing.to.as_ref()).await? {
        let mut writer = Writer::alone(place.clone(), changing.from.clone(), clock.clone()).await?;
        // From here on no other process opens a log.
        reader.refresh().await?;
        let changed = change_all(&mut writer, &mut reader, &mut changing, &by, progress).await;
        // How months' keys were stored before is overwritten, where nobody reads an older state.
        reader.look_away().await?;
        if !writer.rest().await {
            left.push(
                "to overwrite what months' keys were wrapped in before, for somebody reads an older state".to_owned(),
            );
        }
        writer.leave().await;
        changed?;
        reader.refresh().await?;
    }
    let logs = reader.logs().await?.len() as u64;
    drop(reader);
    let keys = changing.begin()?.clone();
    changing.end()?;
    // All is done by now; the records that tell of it are signed as the next writer starts.
    match Ledger::open_at(place.clone(), keys.clone(), clock, Options::default()).await {
        Ok(ledger) => ledger.close().await,
        Err(error) => left.push(format!("to sign the records that tell of it: {error}")),
    }
    let platform = keys.signer(LogId::Platform)?.verifier().clone();
    Ok(Rotated { logs, platform, left })
}

async fn change_all(
    writer: &mut Writer,
    reader: &mut Reader,
    changing: &mut Changing,
    by: &By,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), LedgerError> {
    let mut logs = reader.logs().await?;
    // With the platform's key the ledger is opened.
    logs.sort_by_key(|log| *log == LogId::Platform);
    let all = logs.len() as u64;
    let mut left = Vec::new();
    for log in logs {
        if !is_changed(reader, log, changing.to.as_ref()).await? {
            left.push(log);
        }
    }
    reader.look_away().await?;
    let before = all - left.len() as u64;
    let begin = || changing.begin().cloned();
    let done = |done| progress(before + done, all);
    writer.change_keys(&left, by, begin, done).await
}

/// Whether a log has the key that comes.
async fn is_changed(reader: &mut Reader, log: LogId, to: Option<&LedgerKeys>) -> Result<bool, LedgerError> {
    let Some(to) = to else { return Ok(false) };
    let key = reader.log(log).await?.verifier_key;
    Ok(key == Some(to.signer(log)?.verifier().to_string()))
}

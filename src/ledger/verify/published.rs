//! Verifying what is published of a log: by anyone who has its key, with nothing of ours but the tiles.

use super::super::checkpoint::{Checkpoint, log_of};
use super::super::error::LedgerError;
use super::super::note::NoteError;
use super::super::published::Published;
use super::super::record::Named;
use super::super::report::{FindingKind, Findings, LogReport};
use super::log::LogCheck;
use super::source::Tiles;
use super::trust::{believed, history, name};
use super::walk::Walk;
use super::{Progress, Trust};

/// Verifies a published log: every record, every tile and the signed root, and the checkpoints kept elsewhere. `each` is given
/// what the sound records name.
///
/// # Errors
///
/// There is no log, it cannot be read, or none of the keys given is its own.
pub async fn verify_published(
    published: &Published,
    trust: &Trust,
    mut progress: impl FnMut(Progress) + Send,
    mut each: impl FnMut(u64, &Named) + Send,
) -> Result<LogReport, LedgerError> {
    trust.check()?;
    let note = published.checkpoint().await?;
    let claimed = Checkpoint::claimed(&note)?;
    let log = log_of(&claimed.origin)?;
    // By the log's name, for another origin would be another log to the auditor.
    let key = trust.keys.iter().find(|key| log_of(key.name()) == Ok(log));
    let key = key.ok_or_else(|| NoteError::NoKey(claimed.origin.clone()))?;
    let mut about = Findings::default();
    let keys = history(key, &published.key_changes().await?, &mut about);
    for stranger in trust
        .keys
        .iter()
        .filter(|key| log_of(key.name()) == Ok(log) && !keys.has(key))
    {
        let message = format!("the log's key is `{}`, not the trusted `{stranger}`", keys.current());
        about.add(FindingKind::Key, None, message);
    }
    let key = keys.current();
    // Where witnesses are needed, what is shown may be from before the last change.
    let checkpoint = believed(keys.open(&note), &mut about);
    let shown = keys.within(claimed.size);
    let mut named = trust.known(log, &keys, &shown, &mut about);
    name(&mut named, checkpoint.as_ref().map(Checkpoint::names), &mut about);
    let sound = checkpoint.is_some().then_some(&note);
    let beside = published.cosigned().await?;
    let cosigned = trust.cosigned(beside.iter().chain(sound), Some(&keys), &mut named, &mut about);
    // What a checkpoint that does not hold claims is only how far to look.
    let size = claimed.size;
    let mut check = LogCheck::new(log, named, Some(&shown));
    let mut walk = Walk::new(Some(size), Vec::new());
    let mut source = Tiles { published, log, size };
    let mut read = 0;
    while let Some(sound) = walk.next(&mut source, &mut check).await? {
        read += sound.len() as u64;
        let log = Some(log);
        progress(Progress { log, read });
        sound.iter().for_each(|(seq, named, _)| each(*seq, named));
    }
    let seen = check.finish(checkpoint.as_ref(), walk.above());
    let mut findings = seen.findings;
    findings.list.extend(about.list);
    findings.sort();
    Ok(LogReport {
        log,
        ok: findings.list.is_empty(),
        records: seen.records,
        first: seen.first,
        last: seen.last,
        size,
        root: checkpoint.map(|checkpoint| checkpoint.root),
        cosigned,
        verifier_key: Some(key.clone()),
        erased: 0,
        more_findings: findings.more + about.more,
        findings: findings.list,
        warnings: seen.warnings.list,
    })
}

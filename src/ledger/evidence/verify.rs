//! Verifying evidence: whatever it says of itself is held to what the logs say, and to what the auditor brings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Contents, CosignedPart, LogPart, body};
use crate::bundle::Source;
use crate::ids::Digest;
use crate::ledger::checkpoint::{Checkpoint, log_of};
use crate::ledger::error::LedgerError;
use crate::ledger::note::VerifierKey;
use crate::ledger::published::{Published, read_file};
use crate::ledger::record::{LogId, Named};
use crate::ledger::report::{FindingKind, Findings, LogReport, Report};
use crate::ledger::succession::KeyHistory;
use crate::ledger::verify::{Progress, Told, Trust, verify_published};

/// Verifies evidence: every log as published, and every body that a record names. Keys that `trust` has go before those it brings;
/// where it has any, a log whose key only the evidence brings must have been opened with it, by a record of `platform`.
///
/// # Errors
///
/// What `trust` brings is not what it should be. Whatever is wrong with the evidence is in the report.
pub async fn verify_evidence(
    directory: &Path,
    contents: &Contents,
    trust: &Trust,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Report, LedgerError> {
    trust.check()?;
    let mut findings = Findings::default();
    let (mut logs, mut bodies) = (Vec::new(), BTreeSet::new());
    let mut told: BTreeMap<LogId, Told> = BTreeMap::new();
    let mut changes = BTreeMap::new();
    for part in &contents.logs {
        let own = part_trust(part, trust);
        let published = Published::directory(directory.join("logs").join(part.log.as_str()));
        let each = |seq, named: &Named| {
            bodies.extend(named.bodies().iter().copied());
            if let Named::Event(record) = named
                && record.log == LogId::Platform
            {
                Told::take(&mut told, seq, record);
            }
        };
        let verified = async {
            let cosigned = published.cosigned().await?;
            changes.insert(part.log, published.key_changes().await?);
            let report = verify_published(&published, &own, &mut progress, each).await?;
            Ok::<_, LedgerError>((report, cosigned))
        };
        match verified.await {
            Ok((report, cosigned)) => {
                check_part(part, &report, &mut findings);
                check_cosigned(part, cosigned.as_deref(), &mut findings);
                logs.push(report);
            }
            // One that cannot be read keeps no other from being.
            Err(error) => {
                let message = format!("the log cannot be read: {error}");
                logs.push(LogReport::unread(part.log, FindingKind::Unreadable, message));
            }
        }
    }
    check_told(contents, trust, (&told, &changes), &mut findings);
    check_absent(contents, trust, &mut findings);
    let count = check_bodies(directory, bodies, &mut findings);
    Ok(Report {
        ok: findings.list.is_empty() && logs.iter().all(|log| log.ok),
        logs,
        bodies: count,
        findings: findings.list,
        segments: None,
    })
}

/// What there is to hold one log to.
fn part_trust(part: &LogPart, trust: &Trust) -> Trust {
    let is_its = |key: &&VerifierKey| log_of(key.name()) == Ok(part.log);
    let mut keys: Vec<_> = trust.keys.iter().filter(is_its).cloned().collect();
    if keys.is_empty() {
        keys.extend(part.verifier_key.parse().ok());
    }
    let checkpoints = trust.checkpoints.iter().filter(|note| names(note) == Some(part.log));
    Trust {
        keys,
        checkpoints: checkpoints.cloned().collect(),
        witnesses: trust.witnesses.clone(),
    }
}

fn names(note: &str) -> Option<LogId> {
    log_of(&Checkpoint::claimed(note).ok()?.origin).ok()
}

/// Holds what is said of a log to what was found in its place.
fn check_part(part: &LogPart, report: &LogReport, findings: &mut Findings) {
    let found = report.verifier_key.as_ref().map(ToString::to_string);
    let same = part.log == report.log
        && found.as_deref() == Some(part.verifier_key.as_str())
        && found.is_some_and(|key| key.split('+').next() == Some(part.origin.as_str()))
        && (part.size, Some(part.root)) == (report.size, report.root);
    if !same {
        let message = format!(
            "what is said of the log `{}` is not what its place holds, which is the log `{}`",
            part.log, report.log
        );
        findings.add(FindingKind::Checkpoint, None, message);
    }
}

/// Holds what is said of a log's cosigned checkpoint to the one that is there.
fn check_cosigned(part: &LogPart, note: Option<&str>, findings: &mut Findings) {
    let found = note.map(CosignedPart::of);
    if found.transpose().ok() != Some(part.cosigned.clone()) {
        let message = format!(
            "what is said of the cosigned checkpoint of the log `{}` is not what its place holds",
            part.log
        );
        findings.add(FindingKind::Checkpoint, None, message);
    }
}

fn check_told(
    contents: &Contents,
    trust: &Trust,
    (told, changes): (&BTreeMap<LogId, Told>, &BTreeMap<LogId, Vec<String>>),
    findings: &mut Findings,
) {
    // What is wrong with the changes themselves is found with the log.
    let keys = |part: &LogPart| {
        let key: VerifierKey = part.verifier_key.parse().ok()?;
        let keys = changes
            .get(&part.log)
            .and_then(|notes| KeyHistory::of(&key, notes).ok());
        Some(keys.unwrap_or_else(|| KeyHistory::unchanged(&key)))
    };
    for part in contents.logs.iter().filter(|part| part.log != LogId::Platform) {
        let trusted = trust.keys.iter().any(|key| log_of(key.name()) == Ok(part.log));
        match told.get(&part.log) {
            Some(told) => {
                if let Some(why) = keys(part).and_then(|keys| told.contradicts(&keys)) {
                    findings.add(FindingKind::Key, None, format!("`{}`: {why}", part.log));
                }
            }
            None if !trusted && !trust.keys.is_empty() => {
                let message = format!(
                    "no record of `platform` in it tells that the log `{}` was opened, and no key given is its own",
                    part.log
                );
                findings.add(FindingKind::Opening, None, message);
            }
            _ => {}
        }
    }
}

/// Reports logs that what is trusted names, and that are not there; and those that are there twice.
fn check_absent(contents: &Contents, trust: &Trust, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for part in &contents.logs {
        if !seen.insert(part.log) {
            findings.add(
                FindingKind::Malformed,
                None,
                format!("the log `{}` is named twice", part.log),
            );
        }
    }
    let kept = trust.checkpoints.iter().filter_map(|note| names(note));
    let keys = trust.keys.iter().filter_map(|key| log_of(key.name()).ok());
    for log in kept.chain(keys).collect::<BTreeSet<_>>().difference(&seen) {
        let message = format!("a key or a checkpoint that was given is of the log `{log}`, but nothing of it is here");
        findings.add(FindingKind::Opening, None, message);
    }
}

fn check_bodies(directory: &Path, named: BTreeSet<Digest>, findings: &mut Findings) -> u64 {
    let (mut left, mut done) = (Vec::from_iter(named), BTreeSet::new());
    while let Some(digest) = left.pop() {
        if !done.insert(digest) {
            continue;
        }
        match read_file(&body(directory, &digest), crate::ledger::MAX_BODY_BYTES) {
            Ok(Some(content)) if Digest::of(&content) == digest => {
                left.extend(Source::named_by(&content).unwrap_or_default());
            }
            Ok(Some(_)) => findings.add(FindingKind::BodyChanged, None, format!("the body {digest} was changed")),
            Ok(None) => {
                let message = format!("the body {digest}, which records name, is missing");
                findings.add(FindingKind::BodyMissing, None, message);
            }
            Err(error) => findings.add(FindingKind::BodyChanged, None, format!("the body {digest}: {error}")),
        }
    }
    done.len() as u64
}

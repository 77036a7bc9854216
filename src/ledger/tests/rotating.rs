//! The keys of a ledger are changed: whoever knows an old one follows, what was private opens as before, and no moment is left in which
//! a log has half of one key and half of another.

use std::path::PathBuf;

use super::super::evidence::{contents, export, verify_evidence};
use super::super::follow::{Kept, Seen, look};
use super::super::keys::Changing;
use super::super::note::{NoteError, VerifierKey};
use super::super::published::Published;
use super::super::read::Cursor;
use super::super::rotation::{Rotated, rotate};
use super::super::succession::KeyHistory;
use super::super::verify::{Trust, verify_published};
use super::super::writer::Writer;
use super::super::{By, LedgerError};
use super::at::{At, On, on_both};
use super::*;

on_both!(
    whoever_knows_an_old_key_verifies_and_everything_private_opens,
    a_change_that_was_interrupted_anywhere_is_gone_on_with,
    a_ledger_of_which_a_log_is_damaged_keeps_its_keys,
    the_keys_of_months_that_no_log_uses_go_with_the_old_secret,
    a_log_that_goes_back_to_a_stolen_key_is_found_by_the_platforms,
    a_change_that_is_hidden_or_made_up_is_found,
    evidence_and_followers_come_from_the_old_key_to_the_new,
    a_ledger_that_another_process_writes_to_keeps_its_keys,
    a_store_of_the_format_before_is_read_as_it_is_and_brought_up_to_date,
);

const BASE: &str = "tidegate.test";

async fn rotated(at: &At) -> Result<Rotated, LedgerError> {
    rotate(at.place(), at.dir(), clock(), By::operator(), |_, _| {}).await
}

/// The keys that the directory has now.
fn current(at: &At) -> LedgerKeys {
    LedgerKeys::open(at.dir(), BASE).unwrap()
}

fn key(keys: &LedgerKeys, name: &str) -> VerifierKey {
    keys.signer(log(name)).unwrap().verifier().clone()
}

/// All that is private in the first tenant's decisions.
async fn asked(at: &At) -> Vec<Vec<u8>> {
    let mut reader = at.reader().await.unwrap();
    let mut cursor = Cursor::new(log(TENANTS[0]), 0);
    let mut all = Vec::new();
    while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
        all.extend(stored.asked.map(Result::unwrap));
    }
    all
}

async fn holds(at: &At, trust: &Trust) {
    let report = at.verify_with(trust).await.unwrap();
    assert!(report.ok, "{report}");
    assert!(report.logs.iter().all(|log| log.warnings.is_empty()), "{report}");
}

async fn whoever_knows_an_old_key_verifies_and_everything_private_opens(on: On) {
    let at = At::written(on).await;
    let before = asked(&at).await;
    let mut reader = at.reader().await.unwrap();
    let kept = reader.checkpoint(log(TENANTS[0])).await.unwrap().unwrap();
    drop(reader);
    // More than a bundle, so that some records have been signed for long and lie in tiles.
    let ledger = at.open().await;
    for number in 42..300 {
        ledger.append(decision(TENANTS[0], number)).await.unwrap();
    }
    ledger.close().await;
    let mut keys_so_far = vec![keys()];
    for round in 0..2 {
        let done = rotated(&at).await.unwrap();
        keys_so_far.push(current(&at));
        assert_eq!(done.logs, 3);
        assert_eq!(done.platform, key(&current(&at), "platform"));
        let ledger = at.open_as(current(&at)).await.unwrap();
        ledger.append(decision(TENANTS[0], 1_000 + round)).await.unwrap();
        ledger.close().await;
    }
    let after = asked(&at).await;
    assert_eq!(after.len(), 302);
    assert_eq!(after[..42], before[..]);
    for keys in &keys_so_far {
        for name in ["platform", TENANTS[0]] {
            let trust = Trust {
                keys: vec![key(keys, name)],
                checkpoints: vec![kept.clone()],
                ..Trust::default()
            };
            holds(&at, &trust).await;
        }
    }
    holds(&at, &Trust::default()).await;
    let stranger = LedgerKeys::from_seed(&[8; 32], BASE).unwrap();
    let trust = Trust {
        keys: vec![key(&stranger, TENANTS[0])],
        ..Trust::default()
    };
    let report = at.verify_with(&trust).await.unwrap();
    assert_eq!(
        found(&report.logs[1]),
        [(FindingKind::Checkpoint, None), (FindingKind::Key, None)],
        "{report}"
    );

    // Each log tells of both changes, where they were made.
    let mut reader = at.reader().await.unwrap();
    for name in ["platform", TENANTS[0], TENANTS[1]] {
        let notes = reader.key_changes(log(name)).await.unwrap();
        let history = KeyHistory::of(&key(&keys(), name), &notes).unwrap();
        assert_eq!(history.current(), &key(&current(&at), name));
        for change in history.changes() {
            let told = Cursor::new(log(name), change.size)
                .next(&mut reader)
                .await
                .unwrap()
                .unwrap();
            match told.record.event {
                Event::KeyChanged(changed) => {
                    assert_eq!((changed.by.as_str(), changed.change), ("operator", change.note.clone()))
                }
                event => panic!("{event:?}"),
            }
        }
    }
    // The old secret opens nothing any more, and is nowhere.
    let refused = at.try_open().await.unwrap_err();
    assert!(matches!(refused, LedgerError::Damaged { .. }), "{refused}");
    let left: Vec<_> = std::fs::read_dir(at.dir().join("keys")).unwrap().collect();
    assert_eq!(left.len(), 1);
}

async fn a_change_that_was_interrupted_anywhere_is_gone_on_with(on: On) {
    for stop in 0..=3 {
        let at = At::written(on).await;
        let before = asked(&at).await;
        let mut changing = Changing::open(at.dir(), BASE).unwrap();
        let to = changing.begin().unwrap().clone();
        let mut writer = Writer::alone(at.place().clone(), keys(), clock()).await.unwrap();
        let logs = [TENANTS[0], TENANTS[1], "platform"].map(log);
        let begin = || Ok(to.clone());
        writer
            .change_keys(&logs[..stop], &By::operator(), begin, |_| {})
            .await
            .unwrap();
        writer.leave().await;
        // Nothing else uses the ledger meanwhile.
        let path = at.dir().join("keys/ledger.seed.next");
        let is_refused = |error: LedgerError| match error {
            LedgerError::Key { path: at, why } => at == path && why.contains("rotate-key"),
            _ => false,
        };
        assert!(is_refused(LedgerKeys::open(at.dir(), BASE).unwrap_err()));
        assert!(is_refused(LedgerKeys::read(at.dir(), BASE).unwrap_err()));
        assert!(is_refused(at.reader().await.unwrap_err()));
        assert!(is_refused(at.verify().await.unwrap_err()));

        let done = rotated(&at).await.unwrap();
        assert_eq!(
            done.platform,
            key(&to, "platform"),
            "with the secret that was made first"
        );
        assert_eq!(asked(&at).await, before);
        holds(&at, &Trust::default()).await;
        let mut reader = at.reader().await.unwrap();
        for name in ["platform", TENANTS[0], TENANTS[1]] {
            assert_eq!(reader.key_changes(log(name)).await.unwrap().len(), 1, "{stop}: {name}");
        }
    }
}

async fn a_ledger_of_which_a_log_is_damaged_keeps_its_keys(on: On) {
    let other = TENANTS[1];
    for (sql, of) in [
        (format!("DELETE FROM record WHERE log = '{other}' AND seq = 2"), other),
        (
            format!("UPDATE period SET wrapped = x'00' WHERE log = '{other}'"),
            other,
        ),
        (
            "INSERT INTO cosigned (log, size, note) VALUES ('BPNL00000000000C', 1, '')".to_owned(),
            "BPNL00000000000C",
        ),
    ] {
        let at = At::written(on).await;
        at.edit(&sql).await;
        let refused = rotated(&at).await.unwrap_err();
        assert!(
            matches!(&refused, LedgerError::Damaged { log: damaged, .. } if *damaged == log(of)),
            "{sql}: {refused}"
        );
        let mut reader = at.reader().await.unwrap();
        for name in ["platform", TENANTS[0], other] {
            assert!(reader.key_changes(log(name)).await.unwrap().is_empty());
        }
        drop(reader);
        assert_eq!(key(&current(&at), "platform"), key(&keys(), "platform"));
    }
}

/// The key of a month is made before the first record of its log; where that never came, nothing was sealed with it.
async fn the_keys_of_months_that_no_log_uses_go_with_the_old_secret(on: On) {
    let at = At::written(on).await;
    at.edit("INSERT INTO period (log, period, wrapped) VALUES ('BPNL00000000000C', '2026-03', x'00')")
        .await;
    rotated(&at).await.unwrap();
    let ledger = at.open_as(current(&at)).await.unwrap();
    ledger.append(decision("BPNL00000000000C", 0)).await.unwrap();
    ledger.close().await;
    holds(&at, &Trust::default()).await;
}

/// Whoever stole the old secret has a tenant's log end where its key was changed, as if it never was: the platform's log names the key
/// that followed.
async fn a_log_that_goes_back_to_a_stolen_key_is_found_by_the_platforms(on: On) {
    let at = At::written(on).await;
    at.edit("CREATE TABLE before AS SELECT * FROM checkpoint").await;
    rotated(&at).await.unwrap();
    let (first, old) = (TENANTS[0], key(&keys(), TENANTS[0]));
    for sql in [
        format!("DELETE FROM key_change WHERE log = '{first}'"),
        format!("DELETE FROM record WHERE log = '{first}' AND seq = 42"),
        format!("DELETE FROM checkpoint WHERE log = '{first}'"),
        format!("INSERT INTO checkpoint SELECT * FROM before WHERE log = '{first}'"),
        format!("UPDATE log SET verifier_key = '{old}' WHERE log = '{first}'"),
    ] {
        at.edit(&sql).await;
    }
    let report = at.verify().await.unwrap();
    let message = &report.logs[1].findings[0].message;
    assert!(message.contains("of `platform` names"), "{report}");
    // The same taken away as evidence, and held to the platform's newest key.
    let out = exported(&at, at.dir().join("out")).await;
    let trust = Trust {
        keys: vec![key(&current(&at), "platform")],
        ..Trust::default()
    };
    let named = contents(&out).unwrap().unwrap();
    let report = verify_evidence(&out, &named, &trust, |_| {}).await.unwrap();
    assert!(
        !report.ok && report.findings[0].message.contains("of `platform` names"),
        "{report}"
    );
}

async fn a_change_that_is_hidden_or_made_up_is_found(on: On) {
    let first = TENANTS[0];
    let with = async |sql: &str| {
        let at = At::written(on).await;
        rotated(&at).await.unwrap();
        at.edit(sql).await;
        let report = at.verify().await.unwrap();
        assert!(!report.ok, "{sql}");
        let broken = report.logs.into_iter().find(|report| report.log == log(first));
        broken.unwrap().findings
    };
    // Hidden: the platform's log names the key before, and a record tells of a change that is not there.
    let findings = with(&format!("DELETE FROM key_change WHERE log = '{first}'")).await;
    let places: Vec<_> = findings.iter().map(|finding| (finding.kind, finding.seq)).collect();
    assert_eq!(
        places,
        [(FindingKind::Key, Some(42)), (FindingKind::Key, None)],
        "{findings:?}"
    );
    // Another one's in its place, or a letter changed.
    let findings = with(&format!(
        "UPDATE key_change SET note = (SELECT note FROM key_change WHERE log = '{}') WHERE log = '{first}'",
        TENANTS[1]
    ))
    .await;
    assert!(
        findings.iter().all(|finding| finding.kind == FindingKind::Key),
        "{findings:?}"
    );
    let findings = with(&format!(
        "UPDATE key_change SET note = 'spoilt ' || note WHERE log = '{first}'"
    ))
    .await;
    assert!(
        findings.iter().any(|finding| finding.message.contains("does not hold")),
        "{findings:?}"
    );
    // The key before, as if nothing had happened.
    let old = key(&keys(), first);
    let findings = with(&format!("UPDATE log SET verifier_key = '{old}' WHERE log = '{first}'")).await;
    assert!(
        findings.iter().any(|finding| finding.kind == FindingKind::Key),
        "{findings:?}"
    );
    // Whoever stole the old secret goes on with it: not beyond what it could sign.
    let at = At::written(on).await;
    rotated(&at).await.unwrap();
    let signer = keys().signer(log(first)).unwrap();
    let stolen = super::super::checkpoint::Checkpoint::sign(50, &Digest::of(b"root"), &signer).unwrap();
    let mut reader = at.reader().await.unwrap();
    let notes = reader.key_changes(log(first)).await.unwrap();
    let history = KeyHistory::of(&old, &notes).unwrap();
    assert!(matches!(
        history.open(&stolen),
        Err(NoteError::Followed { until: 42, .. })
    ));
}

/// Takes all logs out into a directory.
async fn exported(at: &At, out: PathBuf) -> PathBuf {
    let mut reader = at.reader().await.unwrap();
    let logs = reader.logs().await.unwrap();
    let made = super::super::RecordTime::new(clock().now());
    export(&mut reader, &logs, &out, made, |_| {}).await.unwrap();
    out
}

async fn evidence_and_followers_come_from_the_old_key_to_the_new(on: On) {
    let at = At::written(on).await;
    let old = key(&keys(), TENANTS[0]);
    let state = at.dir().join("state");
    let follow = async |out: &PathBuf| {
        let published = Published::directory(out.join("logs").join(TENANTS[0]));
        look(&published, &old, None, &Kept::new(&state)).await
    };
    let before = exported(&at, at.dir().join("before")).await;
    assert!(matches!(follow(&before).await.unwrap(), Seen::First(_)));
    assert!(!before.join("logs").join(TENANTS[0]).join("key-changes").exists());

    rotated(&at).await.unwrap();
    let after = exported(&at, at.dir().join("after")).await;
    let trust = Trust {
        keys: vec![key(&keys(), "platform")],
        ..Trust::default()
    };
    let named = contents(&after).unwrap().unwrap();
    let report = verify_evidence(&after, &named, &trust, |_| {}).await.unwrap();
    assert!(report.ok, "{report}");
    match follow(&after).await.unwrap() {
        Seen::Grown {
            from: 42,
            to,
            key: Some(now),
        } => {
            assert_eq!((to.size, now), (43, key(&current(&at), TENANTS[0])));
        }
        seen => panic!("{seen:?}"),
    }
    // What was shown before holds beside it, as where witnesses have not cosigned the newest yet; with any of the keys.
    let [then, now] = [&before, &after].map(|out| out.join("logs").join(TENANTS[0]));
    std::fs::copy(now.join("key-changes"), then.join("key-changes")).unwrap();
    for keys in [keys(), current(&at)] {
        let trust = Trust {
            keys: vec![key(&keys, TENANTS[0])],
            ..Trust::default()
        };
        let report = verify_published(&Published::directory(then.clone()), &trust, |_| {}, |_, _| {})
            .await
            .unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
    let trust_both = Trust {
        keys: vec![
            old.clone(),
            key(&LedgerKeys::from_seed(&[8; 32], BASE).unwrap(), TENANTS[0]),
        ],
        ..Trust::default()
    };
    let report = verify_published(&Published::directory(now), &trust_both, |_| {}, |_, _| {})
        .await
        .unwrap();
    assert_eq!(
        found(&report),
        [(FindingKind::Key, None)],
        "every key that was given must be one of the log's"
    );
    // Not where the change is not told of, whoever signs.
    let hidden = after.join("logs").join(TENANTS[0]).join("key-changes");
    std::fs::remove_file(&hidden).unwrap();
    let refused = follow(&after).await.unwrap_err();
    assert!(
        matches!(refused, LedgerError::Untrusted(_) | LedgerError::Note(_)),
        "{refused}"
    );
    let report = verify_evidence(&after, &named, &trust, |_| {}).await.unwrap();
    assert!(!report.ok, "{report}");
    // Nor to an older state: it is told as such.
    std::fs::write(&hidden, "[]").unwrap();
    assert!(follow(&after).await.is_err());
}

async fn a_ledger_that_another_process_writes_to_keeps_its_keys(on: On) {
    let at = At::written(on).await;
    let ledger = at.open().await;
    let refused = rotated(&at).await.unwrap_err();
    assert!(
        matches!(refused, LedgerError::Locked { .. } | LedgerError::Standby { .. }),
        "{refused}"
    );
    ledger.append(decision(TENANTS[0], 42)).await.unwrap();
    ledger.close().await;
    assert_eq!(key(&current(&at), "platform"), key(&keys(), "platform"));
    holds(&at, &Trust::default()).await;
}

async fn a_store_of_the_format_before_is_read_as_it_is_and_brought_up_to_date(on: On) {
    let at = At::written(on).await;
    at.edit_either(
        "DROP TABLE key_change; PRAGMA user_version = 3",
        "DROP TABLE key_change; UPDATE ledger_format SET format = 3",
    )
    .await;
    holds(&at, &Trust::default()).await;
    rotated(&at).await.unwrap();
    holds(&at, &Trust::default()).await;
    let mut reader = at.reader().await.unwrap();
    assert_eq!(reader.key_changes(log(TENANTS[0])).await.unwrap().len(), 1);
}

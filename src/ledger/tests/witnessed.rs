//! A ledger whose checkpoints witnesses cosign: over HTTP, with witnesses that do what they should, and others.

mod desk;

use std::time::Duration;

use axum::http::StatusCode;

use self::desk::{Desk, Manner, witness};
use super::super::checkpoint::Checkpoint;
use super::super::evidence::{contents, export, verify_evidence};
use super::super::follow::{Kept, Seen, look};
use super::super::note::NoteError;
use super::super::published::Published;
use super::super::quorum::Quorum;
use super::super::read::Reader;
use super::super::record::RecordTime;
use super::super::verify::{Trust, verify, verify_with};
use super::super::witness::{Witnesses, cosign};
use super::super::{LedgerError, Signing};
use super::*;

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..1_200 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("waited 30 s in vain: {what}");
}

/// A ledger that signs often, and its witnesses.
async fn watched(dir: &Path, witnesses: &Witnesses) -> Ledger {
    put_secret(dir);
    let every = Duration::from_millis(50);
    let options = Options {
        signing: Signing {
            every,
            ..Signing::default()
        },
        ..Options::default()
    };
    let ledger = Ledger::open(dir, keys(), clock(), options).await.unwrap();
    tokio::spawn(cosign(ledger.clone(), witnesses.clone()));
    ledger
}

/// Waits until what is shown of a log names at least so many records.
async fn shown(ledger: &Ledger, witnesses: &Witnesses, name: &str, size: u64) -> Checkpoint {
    let readers = ledger.readers().cosigned_by(witnesses.quorum().clone());
    until(&format!("{size} records of {name} are cosigned"), async || {
        let note = readers.checkpoint(log(name)).await.unwrap()?;
        witnesses.quorum().met(&note).expect("nothing else is shown");
        let key = keys().signer(log(name)).unwrap().verifier().clone();
        Some(Checkpoint::open(&note, &key).unwrap()).filter(|checkpoint| checkpoint.size >= size)
    })
    .await
}

async fn record(ledger: &Ledger, name: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        ledger.append(decision(name, number)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_shown_is_cosigned_and_verifies_with_the_keys_of_the_witnesses_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let ((one, a), (two, b)) = (witness(1).await, witness(2).await);
    let witnesses = Witnesses::new(vec![a, b], None).unwrap();
    let ledger = watched(dir.path(), &witnesses).await;
    record(&ledger, TENANTS[0], 0..1).await;
    assert_eq!(
        shown(&ledger, &witnesses, TENANTS[0], 1).await.size,
        1,
        "a log of one record, too"
    );
    record(&ledger, TENANTS[0], 1..700).await;
    shown(&ledger, &witnesses, TENANTS[0], 700).await;
    shown(&ledger, &witnesses, "platform", 1).await;
    assert_eq!((one.saw(TENANTS[0]), two.saw(TENANTS[0])), (700, 700));
    let refused = |desk: &Desk| {
        desk.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|(_, status)| *status != StatusCode::OK)
            .count()
    };
    assert_eq!((refused(&one), refused(&two)), (0, 0), "what they saw is remembered");
    ledger.close().await;

    let trust = |quorum: Quorum| Trust {
        witnesses: Some(quorum),
        ..Trust::default()
    };
    let report = verify_with(dir.path(), &trust(witnesses.quorum().clone()), |_| {})
        .await
        .unwrap();
    assert!(report.ok, "{report}");
    let own = report.logs.iter().find(|report| report.log == log(TENANTS[0])).unwrap();
    let cosigned = own.cosigned.as_ref().unwrap();
    assert_eq!((cosigned.size, cosigned.by.len()), (700, 2));
    assert!(
        report.to_string().contains("700 cosigned by w1.example (2027-01-15"),
        "{report}"
    );
    let strangers = Quorum::new(vec![Cosigner::new("w1.example", 3).key().clone()], None).unwrap();
    let report = verify_with(dir.path(), &trust(strangers), |_| {}).await.unwrap();
    assert!(
        report
            .logs
            .iter()
            .all(|log| found(log) == [(FindingKind::Uncosigned, None)]),
        "{report}"
    );

    // As evidence.
    let mut reader = Reader::open(dir.path()).await.unwrap();
    let logs = reader.logs().await.unwrap();
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("e");
    export(&mut reader, &logs, &out, RecordTime::new(clock().now()), |_| {})
        .await
        .unwrap();
    let readme = std::fs::read_to_string(out.join("README.md")).unwrap();
    for key in witnesses.quorum().keys() {
        assert!(readme.contains(&format!("`{}+…`", key.hint())), "{readme}");
    }
    let evidence = contents(&out).unwrap().unwrap();
    let held = async || {
        verify_evidence(&out, &evidence, &trust(witnesses.quorum().clone()), |_| {})
            .await
            .unwrap()
    };
    let report = held().await;
    assert!(
        report.ok && report.logs.iter().all(|log| log.cosigned.is_some()),
        "{report}"
    );
    let folder = out.join("logs").join(TENANTS[0]);
    let shown = std::fs::read_to_string(folder.join("checkpoint")).unwrap();
    assert!(
        witnesses.quorum().met(&shown).is_ok(),
        "where it is the latest, it is shown as that"
    );
    // A line taken out, in both.
    let without: String = shown
        .lines()
        .filter(|line| !line.contains("w2.example"))
        .map(|line| format!("{line}\n"))
        .collect();
    for file in ["checkpoint", "cosigned"] {
        std::fs::write(folder.join(file), &without).unwrap();
    }
    let report = held().await;
    let own = report.logs.iter().find(|report| report.log == log(TENANTS[0])).unwrap();
    assert_eq!(found(own), [(FindingKind::Uncosigned, None)], "{report}");
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.message.contains("cosigned checkpoint")),
        "{report}"
    );

    // And to a follower.
    let kept = Kept::new(&out.join("kept"));
    let key = keys().signer(log("platform")).unwrap().verifier().clone();
    let published = Published::directory(out.join("logs/platform"));
    let seen = look(&published, &key, Some(witnesses.quorum()), &kept).await.unwrap();
    assert!(matches!(seen, Seen::First(_)));
    let other = Published::directory(folder);
    let key = keys().signer(log(TENANTS[0])).unwrap().verifier().clone();
    let error = look(&other, &key, Some(witnesses.quorum()), &Kept::new(&out.join("other")))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            LedgerError::Untrusted(NoteError::Uncosigned { found: 1, needed: 2 })
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_witness_that_misbehaves_adds_nothing_and_slows_nothing_and_cosigns_once_it_behaves() {
    for manner in [
        Manner::Broken,
        Manner::Garbage,
        Manner::Foreign,
        Manner::Older,
        Manner::Saw(7_000),
        Manner::Saw(0),
        Manner::Unknown,
        Manner::Other,
        Manner::Slow,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let ((_, a), (bad, b)) = (witness(1).await, witness(2).await);
        let any = Witnesses::new(vec![a, b], Some(1)).unwrap();
        let both = Quorum::new(any.quorum().keys().to_vec(), None).unwrap();
        bad.manner(manner);
        let ledger = watched(dir.path(), &any).await;
        let began = std::time::Instant::now();
        record(&ledger, TENANTS[0], 0..40).await;
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "{manner:?}: an append waits for nobody"
        );
        shown(&ledger, &any, TENANTS[0], 40).await;
        let strict = ledger.readers().cosigned_by(both.clone());
        assert_eq!(strict.checkpoint(log(TENANTS[0])).await.unwrap(), None, "{manner:?}");
        assert!(
            strict.inclusion(log(TENANTS[0]), 39).await.unwrap().is_some(),
            "{manner:?}: a proof can be had all the same"
        );
        if matches!(manner, Manner::Slow | Manner::Unknown | Manner::Other | Manner::Saw(_)) {
            // It is asked again after five seconds and more: that is the rounds' own test.
            ledger.close().await;
            continue;
        }
        bad.manner(Manner::Honest);
        until("it cosigns, too", async || {
            strict.checkpoint(log(TENANTS[0])).await.unwrap()
        })
        .await;
        ledger.close().await;
        let report = verify(dir.path()).await.unwrap();
        assert!(report.ok, "{report}");
    }
}

#[tokio::test]
async fn a_witness_that_forgot_or_saw_elsewhere_is_asked_from_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, a) = witness(1).await;
    let witnesses = Witnesses::new(vec![a], None).unwrap();
    let ledger = watched(dir.path(), &witnesses).await;
    record(&ledger, TENANTS[0], 0..300).await;
    shown(&ledger, &witnesses, TENANTS[0], 300).await;
    ledger.close().await;
    // It lost all it knew.
    desk.seen.lock().unwrap().clear();
    let ledger = watched(dir.path(), &witnesses).await;
    record(&ledger, TENANTS[0], 300..310).await;
    shown(&ledger, &witnesses, TENANTS[0], 310).await;
    let asked = std::mem::take(&mut *desk.asked.lock().unwrap());
    assert!(
        asked.contains(&(300, StatusCode::CONFLICT)) && asked.contains(&(0, StatusCode::OK)),
        "{asked:?}"
    );
    ledger.close().await;
    // We lost what it said, as where a crash came between its answer and our writing.
    edit(dir.path(), "DELETE FROM cosigned").await;
    let ledger = watched(dir.path(), &witnesses).await;
    shown(&ledger, &witnesses, TENANTS[0], 310).await;
    let asked = desk.asked.lock().unwrap().clone();
    assert!(
        asked.contains(&(0, StatusCode::CONFLICT)) && asked.contains(&(310, StatusCode::OK)),
        "{asked:?}"
    );
    ledger.close().await;
}

/// Everything of a closed ledger, in the one file.
async fn at_rest(dir: &Path) -> Vec<u8> {
    edit(dir, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    std::fs::read(dir.join(crate::ledger::FILE)).unwrap()
}

/// A directory of its own with that ledger.
fn put(ledger: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    put_secret(dir.path());
    std::fs::write(dir.path().join(crate::ledger::FILE), ledger).unwrap();
    dir
}

/// What nothing in a directory can show by itself.
#[tokio::test]
async fn a_ledger_that_was_set_back_is_not_cosigned_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, a) = witness(1).await;
    let witnesses = Witnesses::new(vec![a], None).unwrap();
    let ledger = watched(dir.path(), &witnesses).await;
    record(&ledger, TENANTS[0], 0..10).await;
    shown(&ledger, &witnesses, TENANTS[0], 10).await;
    ledger.close().await;
    let before = at_rest(dir.path()).await;
    let ledger = watched(dir.path(), &witnesses).await;
    record(&ledger, TENANTS[0], 10..20).await;
    shown(&ledger, &witnesses, TENANTS[0], 20).await;
    ledger.close().await;

    let dir = put(&before);
    assert!(verify(dir.path()).await.unwrap().ok, "alone, the directory cannot know");
    let ledger = watched(dir.path(), &witnesses).await;
    desk.asked.lock().unwrap().clear();
    record(&ledger, TENANTS[0], 20..25).await;
    let refused = async |status: StatusCode| {
        let asked = desk.asked.lock().unwrap();
        asked.iter().any(|(_, answered)| *answered == status).then_some(())
    };
    until("it knows of more", async || refused(StatusCode::CONFLICT).await).await;
    // Beyond what it saw, with other records before.
    record(&ledger, TENANTS[0], 25..60).await;
    until("it knows of others", async || {
        refused(StatusCode::UNPROCESSABLE_ENTITY).await
    })
    .await;
    let readers = ledger.readers().cosigned_by(witnesses.quorum().clone());
    let note = readers.checkpoint(log(TENANTS[0])).await.unwrap().unwrap();
    assert_eq!(Checkpoint::claimed(&note).unwrap().size, 10, "what is shown stays");
    assert_eq!(desk.saw(TENANTS[0]), 20);
    ledger.close().await;
}

#[tokio::test]
async fn a_ledger_of_the_format_before_is_brought_up_to_date_and_its_logs_are_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path()).await;
    edit(
        dir.path(),
        "DROP TABLE key_change; DROP TABLE cosigned; DROP TABLE ahead; PRAGMA user_version = 2",
    )
    .await;
    let report = verify(dir.path()).await.unwrap();
    assert!(report.ok, "it is read as it is: {report}");
    let mut reader = Reader::open(dir.path()).await.unwrap();
    assert_eq!(reader.cosigned(log(TENANTS[0])).await.unwrap(), None);
    drop(reader);
    let (_, a) = witness(1).await;
    let witnesses = Witnesses::new(vec![a], None).unwrap();
    let ledger = watched(dir.path(), &witnesses).await;
    shown(&ledger, &witnesses, TENANTS[0], 42).await;
    shown(&ledger, &witnesses, TENANTS[1], 3).await;
    ledger.close().await;
    let trust = Trust {
        witnesses: Some(witnesses.quorum().clone()),
        ..Trust::default()
    };
    let report = verify_with(dir.path(), &trust, |_| {}).await.unwrap();
    assert!(report.ok, "{report}");
}

#[tokio::test]
async fn what_is_kept_as_cosigned_is_held_to_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (_, a) = witness(1).await;
    let witnesses = Witnesses::new(vec![a], None).unwrap();
    let ledger = watched(dir.path(), &witnesses).await;
    record(&ledger, TENANTS[0], 0..10).await;
    shown(&ledger, &witnesses, TENANTS[0], 10).await;
    ledger.close().await;
    let sound = at_rest(dir.path()).await;
    for sql in [
        "UPDATE cosigned SET note = replace(note, '10', '11') WHERE log = 'A'",
        "UPDATE cosigned SET size = 9999 WHERE log = 'A'",
        "UPDATE cosigned SET note = (SELECT note FROM cosigned WHERE log = 'platform') WHERE log = 'A'",
    ] {
        let dir = put(&sound);
        edit(dir.path(), &sql.replace("'A'", &format!("'{}'", TENANTS[0]))).await;
        let report = verify(dir.path()).await.unwrap();
        let own = report.logs.iter().find(|report| report.log == log(TENANTS[0])).unwrap();
        assert_eq!(found(own)[0], (FindingKind::Checkpoint, None), "{sql}: {report}");
    }
    // Of a log rewritten by someone who holds the secret, the checkpoint that was cosigned tells.
    let forged = tempfile::tempdir().unwrap();
    let ledger = open(forged.path()).await;
    record(&ledger, TENANTS[0], 100..110).await;
    ledger.close().await;
    let dir = put(&sound);
    let mut reader = Reader::open(dir.path()).await.unwrap();
    let cosigned = reader.cosigned(log(TENANTS[0])).await.unwrap().unwrap();
    edit(
        forged.path(),
        &format!("INSERT INTO cosigned VALUES ('{}', 10, '{cosigned}')", TENANTS[0]),
    )
    .await;
    let report = verify(forged.path()).await.unwrap();
    let own = report.logs.iter().find(|report| report.log == log(TENANTS[0])).unwrap();
    assert!(found(own).contains(&(FindingKind::Forked, None)), "{report}");
}

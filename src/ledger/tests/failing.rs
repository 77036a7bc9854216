//! What cannot be recorded is an error to the caller; nothing is lost in silence and nothing is left half done.

use std::time::Duration;

use super::super::LedgerError;
use super::super::read::Cursor;
use super::super::verify::verify;
use super::at::{At, On, on_both};
use super::*;

on_both!(
    a_failed_transaction_fails_every_append_in_it_and_leaves_no_gap,
    a_full_queue_refuses_after_a_while_and_loses_nothing_it_took,
    closing_records_what_is_queued,
    a_reader_sees_one_instant_beside_the_writer_and_gives_bodies,
);
on_both!(
    flavor = "multi_thread";
    callers_that_go_away_harm_nobody,
);

async fn a_failed_transaction_fails_every_append_in_it_and_leaves_no_gap(on: On) {
    let at = At::new(on).await;
    let ledger = at.open().await;
    for name in TENANTS {
        ledger.append(decision(name, 0)).await.unwrap();
    }
    // Fails after the first row was written.
    at.edit_either(
        "CREATE TRIGGER refuse AFTER INSERT ON record BEGIN SELECT RAISE(ABORT, 'no room'); END",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room'; END $$;
         CREATE TRIGGER refuse AFTER INSERT ON record FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..9 {
        let ledger = ledger.clone();
        tasks.spawn(async move { ledger.append(decision(TENANTS[number % 2], number)).await });
    }
    for result in tasks.join_all().await {
        let error = result.unwrap_err();
        assert!(
            matches!(error, LedgerError::Store { .. }) && error.to_string().contains("no room"),
            "{error}"
        );
    }
    let stats = ledger.stats();
    assert_eq!((stats.durable, stats.failed, stats.lag()), (2, 8, 0));
    at.edit_either("DROP TRIGGER refuse", "DROP TRIGGER refuse ON record")
        .await;
    // The place of each is what is durable, after one record that tells of the refusals.
    assert_eq!(ledger.append(decision(TENANTS[0], 1)).await.unwrap().seq, 2);
    assert_eq!(ledger.append(decision(TENANTS[1], 1)).await.unwrap().seq, 2);
    assert_eq!(
        ledger.append(decision(TENANTS[1], 2)).await.unwrap().seq,
        3,
        "it is told once"
    );
    ledger.close().await;
    let report = at.verify().await.unwrap();
    assert!(report.ok, "bodies of the failed batch were written again: {report}");
    let mut reader = at.reader().await.unwrap();
    for (name, place) in [(TENANTS[0], 1), (TENANTS[1], 1)] {
        let told = Cursor::new(log(name), place).next(&mut reader).await.unwrap().unwrap();
        let Event::Refused(refused) = told.record.event else {
            panic!("it tells of the refusals")
        };
        assert_eq!(refused.entries, 4);
    }
}

#[tokio::test]
async fn a_store_that_is_gone_takes_nothing_until_it_is_back_and_no_log_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    ledger.append(decision(TENANTS[0], 0)).await.unwrap();
    let moves = |from: &str, to: &str| {
        for end in ["", "-wal", "-shm"] {
            let name = |place: &str| dir.path().join(format!("{place}{end}"));
            if name(from).exists() {
                std::fs::rename(name(from), name(to)).unwrap();
            }
        }
    };
    moves("ledger.sqlite", "elsewhere");
    for number in 1..4 {
        let refused = ledger.append(decision(TENANTS[0], number)).await.unwrap_err();
        assert!(
            matches!(refused, LedgerError::Store { .. } | LedgerError::Absent { .. }),
            "{refused}"
        );
        assert!(!ledger.is_writable());
    }
    assert!(!dir.path().join("ledger.sqlite").exists(), "no new one was made");
    // A file that is no ledger, as one that is just being copied there, is not made one.
    std::fs::write(dir.path().join("ledger.sqlite"), b"").unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(ledger.append(decision(TENANTS[0], 4)).await.is_err());
    assert_eq!(std::fs::metadata(dir.path().join("ledger.sqlite")).unwrap().len(), 0);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.path().join(format!("ledger.sqlite{end}")));
    }
    moves("elsewhere", "ledger.sqlite");
    let back = std::time::Instant::now();
    while !ledger.is_writable() {
        assert!(back.elapsed() < Duration::from_secs(60), "it is tried by itself");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The three that were refused are told of, by one record.
    assert_eq!(ledger.append(decision(TENANTS[0], 4)).await.unwrap().seq, 2);
    ledger.close().await;
    let report = verify(dir.path()).await.unwrap();
    assert!(report.ok && report.logs[1].records == 3, "{report}");
}

async fn a_full_queue_refuses_after_a_while_and_loses_nothing_it_took(on: On) {
    let at = At::new(on).await;
    let options = Options {
        queue: 1,
        patience: Duration::from_millis(50),
        ..Options::default()
    };
    let ledger = at.open_with(clock(), options).await.unwrap();
    ledger.append(decision(TENANTS[0], 0)).await.unwrap();
    let other = at.hold_up().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..9 {
        let ledger = ledger.clone();
        tasks.spawn(async move { ledger.append(decision(TENANTS[0], number)).await });
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(ledger.stats().lag(), 2, "one at the writer, one in the queue");
    other.let_go().await;
    let results = tasks.join_all().await;
    let busy = results
        .iter()
        .filter(|result| matches!(result, Err(LedgerError::Busy { waited_ms: 50 })))
        .count();
    let recorded = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!((recorded, busy, ledger.stats().busy), (2, 6, 6));
    ledger.append(decision(TENANTS[0], 9)).await.unwrap();
    ledger.close().await;
    let report = at.verify().await.unwrap();
    assert!(report.ok, "{report}");
    assert_eq!(
        report.logs[1].records,
        1 + 2 + 1 + 1,
        "one tells of the six that were refused"
    );
}

async fn callers_that_go_away_harm_nobody(on: On) {
    let at = At::new(on).await;
    let ledger = at.open().await;
    for number in 0..60_u64 {
        let entry = decision(TENANTS[0], number as usize);
        let given_up = tokio::time::timeout(Duration::from_micros(number * 40), ledger.append(entry)).await;
        if let Ok(appended) = given_up {
            appended.unwrap();
        }
    }
    let last = ledger.append(decision(TENANTS[0], 60)).await.unwrap();
    assert_eq!(
        ledger.stats().queued,
        ledger.stats().durable,
        "whatever was queued was recorded"
    );
    ledger.close().await;
    let report = at.verify().await.unwrap();
    assert!(report.ok, "{report}");
    assert_eq!(report.logs[1].records, last.seq + 1);
}

async fn closing_records_what_is_queued(on: On) {
    let at = At::new(on).await;
    let ledger = at.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let ledger = ledger.clone();
        tasks.spawn(async move { ledger.append(decision(TENANTS[0], number)).await });
    }
    tokio::task::yield_now().await;
    ledger.close().await;
    let results = tasks.join_all().await;
    let recorded = results.iter().filter(|result| result.is_ok()).count() as u64;
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Ok(_) | Err(LedgerError::Closed)))
    );
    assert_eq!(recorded, ledger.stats().queued);
    drop(at.open().await);
}

async fn a_reader_sees_one_instant_beside_the_writer_and_gives_bodies(on: On) {
    let at = At::new(on).await;
    let ledger = at.open().await;
    for number in 0..3 {
        ledger.append(decision(TENANTS[0], number)).await.unwrap();
    }
    let mut reader = at.reader().await.unwrap();
    assert_eq!(reader.logs().await.unwrap(), [LogId::Platform, log(TENANTS[0])]);
    ledger.append(decision(TENANTS[0], 3)).await.unwrap();
    let mut cursor = Cursor::new(log(TENANTS[0]), 1);
    let mut numbers = Vec::new();
    while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
        let Event::Decision(decided) = stored.record.event else {
            panic!("only decisions were written")
        };
        let slice = reader.slice(log(TENANTS[0]), &decided.private).await.unwrap();
        assert_eq!(slice, Ok("entities".repeat(200).into_bytes()));
        let asked: serde_json::Value = serde_json::from_slice(&stored.asked.unwrap().unwrap()).unwrap();
        assert_eq!(
            asked["people"][&decided.principal],
            format!("User::\"{}/anna\"", TENANTS[0])
        );
        numbers.push((stored.record.seq, asked["context"]["number"].as_u64().unwrap()));
    }
    assert_eq!(numbers, [(1, 1), (2, 2)]);
    assert!(at.verify().await.unwrap().ok, "a ledger in use verifies too");
}

/// Says something only where the tests do not run as root, whom no mode keeps from writing.
#[cfg(unix)]
#[tokio::test]
async fn a_ledger_that_may_not_be_written_can_be_verified() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    written(dir.path()).await;
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&dir.path().join(super::super::FILE), 0o444);
    mode(dir.path(), 0o555);
    let report = verify(dir.path()).await;
    mode(dir.path(), 0o755);
    assert!(report.unwrap().ok);
}

//! The ledger at rest lies in one file, and every byte of it that is read guards or is guarded.

use std::time::Duration;

use sqlx::Row;

use super::*;
use crate::ledger::verify::verify;

/// Everything the file says, or nothing where SQLite cannot read it.
async fn content(path: &Path) -> Option<Vec<Vec<u8>>> {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.ok()?;
    let mut all = Vec::new();
    for query in [
        "SELECT CAST(log || origin || verifier_key AS BLOB) FROM log NOT INDEXED",
        "SELECT CAST(log || seq || hex(hash) || hex(mac) || record || period || hex(private) AS BLOB) FROM record NOT INDEXED",
        "SELECT CAST(log || number || hex(entries) AS BLOB) FROM bundle NOT INDEXED",
        "SELECT CAST(log || number || period || hex(content) AS BLOB) FROM private NOT INDEXED",
        "SELECT CAST(log || level || number || hex(hashes) AS BLOB) FROM tile NOT INDEXED",
        "SELECT CAST(log || size || hex(edge) || note AS BLOB) FROM checkpoint NOT INDEXED",
        "SELECT CAST(log || size || note AS BLOB) FROM cosigned NOT INDEXED",
        "SELECT CAST(log || hex(commitment) || period || hex(content) AS BLOB) FROM slice NOT INDEXED",
        "SELECT CAST(log || period || hex(wrapped) AS BLOB) FROM period NOT INDEXED",
        "SELECT CAST(hex(digest) || hex(content) AS BLOB) FROM body NOT INDEXED",
    ] {
        let rows = sqlx::query(query).fetch_all(&mut connection).await.ok()?;
        all.extend(
            rows.iter()
                .map(|row| row.get::<Option<Vec<u8>>, _>(0).unwrap_or_default()),
        );
    }
    let _ = connection.close().await;
    Some(all)
}

#[tokio::test]
async fn after_a_moment_without_work_everything_lies_in_the_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    for number in 0..300 {
        ledger.append(decision(TENANTS[0], number)).await.unwrap();
    }
    // Signed, and so in a bundle.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let wal = dir.path().join("ledger.sqlite-wal");
    for _ in 0..100 {
        if std::fs::metadata(&wal).is_ok_and(|wal| wal.len() == 0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(std::fs::metadata(&wal).unwrap().len(), 0);
    // As if the process were killed now: only the file itself is taken along.
    let copy = tempfile::tempdir().unwrap();
    put_secret(copy.path());
    let path = copy.path().join(crate::ledger::FILE);
    let bytes = std::fs::read(dir.path().join(crate::ledger::FILE)).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let report = verify(copy.path()).await.unwrap();
    assert!(report.ok && report.records() == 301, "{report}");
    ledger.close().await;

    let sound = content(&path).await.unwrap();
    let mut unnoticed = Vec::new();
    for at in (0..bytes.len()).step_by(bytes.len() / 160) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        std::fs::write(&path, &flipped).unwrap();
        let found = verify(copy.path()).await.map_or(true, |report| !report.ok);
        if !found && content(&path).await.as_ref() != Some(&sound) {
            unnoticed.push(at);
        }
    }
    assert!(
        unnoticed.is_empty(),
        "flips at {unnoticed:?} changed what the file says and were not found"
    );
}

/// Waits until the write-ahead log is empty.
async fn emptied(dir: &Path) {
    let wal = dir.join("ledger.sqlite-wal");
    for _ in 0..200 {
        if std::fs::metadata(&wal).is_ok_and(|wal| wal.len() == 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "the write-ahead log still holds {} bytes",
        std::fs::metadata(&wal).unwrap().len()
    );
}

#[tokio::test]
async fn a_service_that_reads_its_own_ledger_comes_to_rest_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    let readers = ledger.readers();
    for number in 0..3 {
        ledger.append(decision(TENANTS[0], number)).await.unwrap();
        assert!(readers.checkpoint(log(TENANTS[0])).await.unwrap().is_some());
        ledger.append(decision(TENANTS[0], number)).await.unwrap();
        emptied(dir.path()).await;
    }
}

#[tokio::test]
async fn whoever_reads_an_older_state_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    ledger.append(decision(TENANTS[0], 0)).await.unwrap();
    let mut reader = crate::ledger::read::Reader::open(dir.path()).await.unwrap();
    for number in 1..4 {
        // Whatever is written meanwhile cannot be moved to the file while it is read.
        ledger.append(decision(TENANTS[0], number)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let appended = tokio::time::timeout(Duration::from_secs(3), ledger.append(decision(TENANTS[0], number)));
        appended.await.expect("nobody waits for a reader").unwrap();
    }
    assert_eq!(
        reader.group(log(TENANTS[0]), 0).await.unwrap().len(),
        1,
        "it sees what it began with"
    );
    drop(reader);
    ledger.append(decision(TENANTS[0], 4)).await.unwrap();
    emptied(dir.path()).await;
}

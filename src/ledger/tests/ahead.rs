//! Answers that leave ahead of their records: how far, and that none of them is lost without the log telling.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::time::Duration;

use sqlx::SqliteConnection;
use tokio::time::timeout;

use super::super::read::{Cursor, Reader};
use super::super::record::Gap;
use super::super::verify::verify;
use super::super::{By, Receipt};
use super::crash::child;
use super::*;
use crate::ids::RecordId;
use crate::registry::{Bound, Guarantee};

fn bounded(records: u32, millis: u32) -> Guarantee {
    Guarantee::Bounded(Bound::new(records, millis).unwrap())
}

/// A decision of a tenant whose answers may leave ahead.
fn ahead(name: &str, number: usize) -> Entry {
    let mut entry = decision(name, number);
    let What::Decision(decided) = &mut entry.what else {
        panic!("it is a decision")
    };
    decided.mode = Mode::Bounded;
    entry
}

/// Keeps the writer from writing until it is dropped.
async fn blocked(dir: &Path) -> SqliteConnection {
    let file = SqliteConnectOptions::new().filename(dir.join(super::super::FILE));
    let mut other = file.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    other
}

async fn records(dir: &Path, name: &str) -> Vec<(RecordId, Event)> {
    let mut reader = Reader::open(dir).await.unwrap();
    let (mut cursor, mut found) = (Cursor::new(log(name), 0), Vec::new());
    while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
        found.push((stored.record.id, stored.record.event));
    }
    found
}

async fn gaps(dir: &Path, name: &str) -> Vec<Gap> {
    let events = records(dir, name).await.into_iter();
    let gaps = events.filter_map(|(_, event)| match event {
        Event::Gap(gap) => Some(gap),
        _ => None,
    });
    gaps.collect()
}

const SOON: Duration = Duration::from_millis(200);

#[tokio::test]
async fn answers_leave_within_the_bound_and_wait_beyond_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    let guarantee = bounded(4, 60_000);
    let first = ledger.record(ahead(TENANTS[0], 0), guarantee).await.unwrap();
    assert!(matches!(first, Receipt::Durable(_)), "the log is marked first");
    let other = blocked(dir.path()).await;
    let mut left = Vec::new();
    for number in 1..5 {
        let receipt = ledger.record(ahead(TENANTS[0], number), guarantee).await.unwrap();
        assert!(matches!(receipt, Receipt::Ahead { .. }), "{receipt:?}");
        left.push(receipt.id());
    }
    assert_eq!(ledger.stats().lag(), 4);
    let fifth = timeout(SOON, ledger.record(ahead(TENANTS[0], 5), guarantee)).await;
    assert!(fifth.is_err(), "it waits");
    let strict = timeout(SOON, ledger.append(decision(TENANTS[1], 0))).await;
    assert!(strict.is_err(), "another tenant's answers are not ahead");
    drop(other);
    let again = ledger.record(ahead(TENANTS[0], 6), guarantee).await.unwrap();
    ledger.close().await;
    let stored: Vec<_> = records(dir.path(), TENANTS[0]).await;
    let ids: Vec<_> = stored.iter().map(|(id, _)| *id).collect();
    assert_eq!((ids[0], &ids[1..5]), (first.id(), left.as_slice()), "in their order");
    assert!(ids.contains(&again.id()));
    assert!(verify(dir.path()).await.unwrap().ok);
    drop(open(dir.path()).await);
    assert_eq!(gaps(dir.path(), TENANTS[0]).await, [], "it ended in order");
}

#[tokio::test]
async fn an_answer_waits_where_the_oldest_ahead_is_too_old() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    let guarantee = bounded(1_000, 50);
    ledger.record(ahead(TENANTS[0], 0), guarantee).await.unwrap();
    let other = blocked(dir.path()).await;
    let receipt = ledger.record(ahead(TENANTS[0], 1), guarantee).await.unwrap();
    assert!(matches!(receipt, Receipt::Ahead { .. }));
    tokio::time::sleep(Duration::from_millis(60)).await;
    let late = timeout(SOON, ledger.record(ahead(TENANTS[0], 2), guarantee)).await;
    assert!(late.is_err(), "it waits");
    drop(other);
}

#[tokio::test]
async fn what_left_is_written_once_the_store_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    let guarantee = bounded(8, 60_000);
    ledger.record(ahead(TENANTS[0], 0), guarantee).await.unwrap();
    let refuse = "CREATE TRIGGER refuse AFTER INSERT ON record BEGIN SELECT RAISE(ABORT, 'no room'); END";
    edit(dir.path(), refuse).await;
    let mut left = BTreeSet::new();
    for number in 1..9 {
        left.insert(ledger.record(ahead(TENANTS[0], number), guarantee).await.unwrap().id());
    }
    let refused = ledger.record(ahead(TENANTS[0], 9), guarantee).await;
    assert!(refused.is_err(), "beyond the bound there is no record, so no answer");
    assert_eq!((ledger.stats().lag(), ledger.is_writable()), (8, false));
    edit(dir.path(), "DROP TRIGGER refuse").await;
    let back = std::time::Instant::now();
    while ledger.stats().lag() > 0 {
        assert!(back.elapsed() < Duration::from_secs(60), "it is tried by itself");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ledger.close().await;
    let stored: BTreeSet<_> = records(dir.path(), TENANTS[0])
        .await
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert!(left.is_subset(&stored));
    assert!(verify(dir.path()).await.unwrap().ok);
}

#[tokio::test]
async fn an_answer_whose_record_can_never_be_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    put_secret(dir.path());
    let ledger = Ledger::open(dir.path(), keys(), clock.clone(), Options::default())
        .await
        .unwrap();
    let guarantee = bounded(8, 60_000);
    ledger.record(ahead(TENANTS[0], 0), guarantee).await.unwrap();
    let other = blocked(dir.path()).await;
    let stuck = ledger.record(ahead(TENANTS[0], 1), guarantee).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    // Queued before the answer, though it is sealed with the key of a month that is erased.
    let erasing = {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            ledger
                .erase(log(TENANTS[0]), "2026-04".parse().unwrap(), By::operator())
                .await
        })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    let lost = ledger.record(ahead(TENANTS[0], 2), guarantee).await.unwrap();
    assert!(matches!(lost, Receipt::Ahead { .. }));
    clock.set("2026-04-02T00:00:00Z".parse().unwrap());
    drop(other);
    erasing.await.unwrap().unwrap();
    ledger.close().await;
    let told = Gap {
        exact: true,
        missing: 1,
        records: [lost.id()].into(),
    };
    assert_eq!(gaps(dir.path(), TENANTS[0]).await, [told]);
    let stored: Vec<_> = records(dir.path(), TENANTS[0])
        .await
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert!(stored.contains(&stuck.id()) && !stored.contains(&lost.id()));
    let report = verify(dir.path()).await.unwrap();
    assert!(
        report.ok && report.to_string().contains("tells of 1 answers"),
        "{report}"
    );
}

const CHILD: &str = "ledger::tests::ahead::answering_until_killed";

/// The child's part: answers from many tasks until killed, printing the ids that left. Does nothing by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answering_until_killed() {
    let Some(dir) = std::env::var_os(super::crash::DIR) else {
        return;
    };
    let ledger = open(Path::new(&dir)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            for number in 0.. {
                let receipt = ledger
                    .record(ahead(TENANTS[task % 2], number), bounded(64, 1_000))
                    .await
                    .unwrap();
                let line = format!("answered {} {}\n", receipt.log(), receipt.id());
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    tasks.join_all().await;
}

/// The answers that left before a child was killed, so long after each log had one, by log and id.
fn kill(mut child: Child, after: Duration) -> Vec<(String, RecordId)> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut left = lines.map_while(Result::ok).filter_map(|line| {
        let (_, told) = line.split_once("answered ")?;
        let (log, id) = told.split_once(' ')?;
        Some((log.to_owned(), RecordId(id.parse().ok()?)))
    });
    let mut told = Vec::new();
    while !TENANTS.iter().all(|name| told.iter().any(|(log, _)| log == name)) {
        told.push(left.next().unwrap());
    }
    // It goes on writing meanwhile, so that it never waits for the pipe.
    let rest = std::thread::spawn(move || left.collect::<Vec<_>>());
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    told.extend(rest.join().unwrap());
    told
}

#[tokio::test]
async fn after_kill_9_every_answer_is_on_record_or_told_to_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut answered, mut missing) = (0, 0);
    for round in 0..super::crash::rounds().div_ceil(2) {
        let child = child(dir.path(), &[], CHILD).spawn().unwrap();
        let left = kill(child, Duration::from_millis((round * 137 + 11) % 250));
        answered += left.len();
        // The next writer tells.
        open(dir.path()).await.close().await;
        for name in TENANTS {
            let stored: BTreeSet<_> = records(dir.path(), name).await.into_iter().map(|(id, _)| id).collect();
            let told = gaps(dir.path(), name).await;
            assert!(
                told.iter()
                    .all(|gap| gap.exact && gap.missing == gap.records.len() as u64 && gap.missing <= 64)
            );
            let told: BTreeSet<_> = told.into_iter().flat_map(|gap| gap.records).collect();
            assert!(told.is_disjoint(&stored), "none that is there is told to be missing");
            for (_, id) in left.iter().filter(|(log, _)| log == name) {
                assert!(
                    stored.contains(id) || told.contains(id),
                    "after round {round}: {id} is neither"
                );
            }
            missing = missing.max(told.len());
        }
        let report = verify(dir.path()).await.unwrap();
        assert!(report.ok, "after round {round}: {report}");
    }
    assert!(answered > 100, "only {answered} answers left");
    println!("{answered} answers left, {missing} of a log are missing, each told");
}

#[tokio::test]
async fn where_the_machine_started_anew_the_bound_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let child = child(dir.path(), &[], CHILD).spawn().unwrap();
    kill(child, Duration::from_millis(50));
    std::fs::remove_file(dir.path().join("ledger.ahead")).unwrap();
    for _ in 0..2 {
        open(dir.path()).await.close().await;
    }
    for name in TENANTS {
        let told = Gap {
            exact: false,
            missing: 64,
            records: BTreeSet::new(),
        };
        assert_eq!(gaps(dir.path(), name).await, [told], "once");
    }
}

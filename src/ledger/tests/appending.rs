//! What an append promises.

use std::time::Instant;

use super::super::LedgerError;
use super::super::checkpoint::Checkpoint;
use super::at::{At, On, on_both};
use super::*;

on_both!(records_of_each_log_are_numbered_from_zero,);
on_both!(
    flavor = "multi_thread";
    appends_of_many_tasks_to_several_logs_are_dense_and_verify,
);

async fn records_of_each_log_are_numbered_from_zero(on: On) {
    let at = At::new(on).await;
    let ledger = at.open().await;
    let first = ledger.append(decision(TENANTS[0], 0)).await.unwrap();
    let other = ledger.append(decision(TENANTS[1], 0)).await.unwrap();
    let second = ledger.append(decision(TENANTS[0], 1)).await.unwrap();
    assert_eq!((first.seq, other.seq, second.seq), (0, 0, 1));
    ledger.close().await;
    assert!(matches!(
        ledger.append(decision(TENANTS[0], 2)).await,
        Err(LedgerError::Closed)
    ));
    let again = at.open().await;
    assert_eq!(again.append(decision(TENANTS[0], 2)).await.unwrap().seq, 2);
}

#[tokio::test]
async fn a_ledger_has_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    let second = Ledger::open(dir.path(), keys(), clock(), Options::default()).await;
    assert!(matches!(second, Err(LedgerError::Locked { .. })));
    ledger.close().await;
    open(dir.path()).await;
}

async fn appends_of_many_tasks_to_several_logs_are_dense_and_verify(on: On) {
    let at = At::new(on).await;
    let ledger = at.open().await;
    let names = ["platform", TENANTS[0], TENANTS[1], "BPNL00000000000C"];
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..32 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let mut places = Vec::new();
            for number in 0..10 {
                let appended = ledger
                    .append(decision(names[(task + number) % 4], task * 10 + number))
                    .await
                    .unwrap();
                places.push((appended.log, appended.seq));
            }
            places
        });
    }
    let mut places: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    places.sort_unstable();
    for name in &names[1..] {
        let seqs: Vec<u64> = places
            .iter()
            .filter(|(of, _)| *of == log(name))
            .map(|(_, seq)| *seq)
            .collect();
        assert_eq!(seqs, (0..80).collect::<Vec<u64>>(), "{name}");
    }
    let stats = ledger.stats();
    assert_eq!(
        (stats.queued, stats.durable, stats.lag(), stats.failed),
        (320, 320, 0, 0)
    );
    assert_eq!(stats.batch_sizes.iter().sum::<u64>(), stats.batches);
    assert!(stats.batches < 320, "some appends shared a transaction");
    ledger.close().await;
    let report = at.verify().await.unwrap();
    assert!(report.ok, "{report}");
    assert_eq!(
        report.records(),
        320 + 3,
        "and three records that tell of the tenants' logs being opened"
    );
}

/// Not a test but a measurement: `cargo test --lib -- --ignored --nocapture cost_of_an_append`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints what an append costs"]
async fn cost_of_an_append() {
    cost(On::Sqlite).await;
}

/// As the one above: `cargo test --lib -- --ignored --nocapture cost_of_an_append`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints what an append costs; needs PostgreSQL"]
async fn cost_of_an_append_in_a_database() {
    cost(On::Postgres).await;
}

async fn cost(on: On) {
    let (signer, start) = (keys().signer(LogId::Platform).unwrap(), Instant::now());
    for size in 0..2000 {
        Checkpoint::sign(size, &Digest::ZERO, &signer).unwrap();
    }
    println!("{} µs to sign a checkpoint", start.elapsed().as_micros() / 2000);
    for (tasks, logs) in [(1, 1), (16, 1), (64, 1), (64, 64), (256, 16)] {
        let at = At::new(on).await;
        let ledger = at.open().await;
        let each = 8000 / tasks;
        let names: Vec<String> = (0..logs).map(|number| format!("BPNL{number:012}")).collect();
        let entries: Vec<Vec<Entry>> = (0..tasks)
            .map(|task| {
                (0..each)
                    .map(|n| decision(&names[task % logs], task * each + n))
                    .collect()
            })
            .collect();
        let (cpu, wall) = (cpu_micros(), Instant::now());
        let mut running = tokio::task::JoinSet::new();
        for entries in entries {
            let ledger = ledger.clone();
            running.spawn(async move {
                for entry in entries {
                    ledger.append(entry).await.unwrap();
                }
            });
        }
        running.join_all().await;
        let (cpu, wall) = (cpu_micros() - cpu, wall.elapsed().as_micros());
        let stats = ledger.stats();
        let count = u128::from(stats.durable);
        println!(
            "{on:?}, {tasks} tasks, {logs} logs: {} µs CPU, {} µs wall a record; {:.1} a batch {:?}",
            cpu / count,
            wall / count,
            stats.durable as f64 / stats.batches as f64,
            stats.batch_sizes,
        );
        ledger.close().await;
    }
}

/// The CPU time of this process, all threads, in microseconds (Linux: clock ticks of a hundredth of a second).
fn cpu_micros() -> u128 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2);
    ticks.filter_map(|ticks| ticks.parse::<u128>().ok()).sum::<u128>() * 10_000
}

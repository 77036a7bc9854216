//! Several processes share one database, and one of them writes: whoever it is, no log is ever forked and nothing is lost.
//!
//! All of these need PostgreSQL: `cargo test --lib on_postgres -- --ignored`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::super::read::Cursor;
use super::super::{LedgerError, Standing};
use super::at::{At, On};
use super::crash::{check_stored, child_on, told};
use super::*;
use crate::database::tests::cluster::{Cluster, PASSWORD};
use crate::ledger::{Database, Place};

/// Waits until a ledger is written to by this process; returns how long that took.
async fn taken_over(ledger: &Ledger) -> Duration {
    let began = Instant::now();
    let waited = tokio::time::timeout(Duration::from_secs(20), ledger.writing()).await;
    waited.unwrap().unwrap();
    began.elapsed()
}

/// The kinds of a log's records, in their order.
async fn kinds(at: &At, name: &str) -> Vec<&'static str> {
    let mut reader = at.reader().await.unwrap();
    let (mut cursor, mut kinds) = (Cursor::new(log(name), 0), Vec::new());
    while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
        kinds.push(match stored.record.event {
            Event::Decision(_) => "decision",
            Event::Refused(_) => "refused",
            _ => "other",
        });
    }
    kinds
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo test --lib on_postgres -- --ignored`"]
async fn a_second_process_stands_by_and_takes_over_at_once_where_the_first_ends_well_on_postgres() {
    let at = At::new(On::Postgres).await;
    let first = at.open().await;
    first.append(decision(TENANTS[0], 0)).await.unwrap();
    let second = at.open().await;
    assert!(!second.is_writable() && first.is_writable());
    let Standing::Standby(holder) = second.standing() else {
        panic!("it stands by")
    };
    assert!(holder.contains(&format!("process {}", std::process::id())), "{holder}");
    for _ in 0..3 {
        let refused = second.append(decision(TENANTS[0], 7)).await.unwrap_err();
        assert!(matches!(&refused, LedgerError::Standby { .. }), "{refused}");
        assert!(refused.to_string().contains(&*holder), "{refused}");
    }
    assert!(second.readers().checkpoint(log(TENANTS[0])).await.unwrap().is_some());
    // However long: the first renews its lease, with work and without.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(!second.is_writable() && first.is_writable());
    first.append(decision(TENANTS[0], 1)).await.unwrap();
    first.close().await;
    let waited = taken_over(&second).await;
    assert!(waited < Duration::from_secs(3), "{waited:?}");
    assert_eq!(second.append(decision(TENANTS[0], 2)).await.unwrap().seq, 2);
    second.close().await;
    assert!(at.verify().await.unwrap().ok);
    assert_eq!(
        kinds(&at, TENANTS[0]).await,
        ["decision"; 3],
        "what was asked of the one that stood by is no outage"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: `cargo test --lib on_postgres -- --ignored`"]
async fn of_many_that_start_at_once_one_writes_on_postgres() {
    let at = std::sync::Arc::new(At::new(On::Postgres).await);
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let at = std::sync::Arc::clone(&at);
        opening.spawn(async move { at.open().await });
    }
    let all = opening.join_all().await;
    let writers = all.iter().filter(|ledger| ledger.is_writable()).count();
    assert_eq!(writers, 1);
    // And as each ends, another one goes on, until none is left.
    let mut left = all;
    for number in 0..8_u64 {
        let began = Instant::now();
        let place = loop {
            match left.iter().position(Ledger::is_writable) {
                Some(place) => break place,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            assert!(began.elapsed() < Duration::from_secs(10));
        };
        let ledger = left.remove(place);
        assert_eq!(ledger.append(decision(TENANTS[0], 0)).await.unwrap().seq, number);
        ledger.close().await;
    }
    assert!(at.verify().await.unwrap().ok);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo test --lib on_postgres -- --ignored`"]
async fn whoever_lost_the_lease_writes_nothing_and_begins_anew_when_it_has_it_again_on_postgres() {
    let at = At::new(On::Postgres).await;
    let first = at.open().await;
    first.append(decision(TENANTS[0], 0)).await.unwrap();
    // As it is after a process was asleep for long: another one has taken over, written, and ended.
    at.database()
        .run("UPDATE lease SET epoch = epoch + 1, token = 'another', holder = 'process 1 on elsewhere', renewed = clock_timestamp()")
        .await;
    let refused = first.append(decision(TENANTS[0], 1)).await.unwrap_err();
    assert!(
        matches!(&refused, LedgerError::Standby { holder } if &**holder == "process 1 on elsewhere"),
        "{refused}"
    );
    assert_eq!(&*first.displaced().await, "process 1 on elsewhere");
    assert!(!first.is_writable());
    let waited = taken_over(&first).await;
    assert!(
        waited > Duration::from_secs(3),
        "the other one was waited for: {waited:?}"
    );
    assert_eq!(first.append(decision(TENANTS[0], 1)).await.unwrap().seq, 1);
    first.close().await;
    assert!(at.verify().await.unwrap().ok);
}

/// A child that appends, once it does, and all that it prints.
fn appending(url: &str) -> (Child, std::thread::JoinHandle<Vec<String>>) {
    let mut child = child_on(url).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (began, begins) = std::sync::mpsc::channel();
    // Read all the while: a child whose output is full stands still.
    let reading = std::thread::spawn(move || {
        let lines = lines.map_while(Result::ok).inspect(|line| {
            if line.contains("acknowledged") {
                let _ = began.send(());
            }
        });
        lines.collect()
    });
    begins.recv_timeout(Duration::from_secs(20)).unwrap();
    (child, reading)
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: `cargo test --lib on_postgres -- --ignored`"]
async fn another_process_takes_over_from_one_that_is_killed_under_load_on_postgres() {
    let at = At::new(On::Postgres).await;
    let mut acknowledged = Vec::new();
    for round in 0..3_u64 {
        let (mut child, printed) = appending(&at.database().url());
        let standby = at.open().await;
        assert!(!standby.is_writable());
        tokio::time::sleep(Duration::from_millis(700 + round * 391)).await;
        child.kill().unwrap();
        let waited = taken_over(&standby).await;
        assert!(waited < Duration::from_secs(10), "{waited:?}");
        println!("round {round}: taken over after {waited:?}");
        child.wait().unwrap();
        acknowledged.extend(told(printed.join().unwrap()));
        for number in 0..20 {
            let appended = standby.append(decision(TENANTS[number % 2], number)).await.unwrap();
            acknowledged.push(format!(
                "{} {} {} {}",
                appended.log, appended.seq, appended.id, appended.hash
            ));
        }
        standby.close().await;
        let report = at.verify().await.unwrap();
        assert!(report.ok, "{report}");
    }
    assert!(acknowledged.len() > 200, "{}", acknowledged.len());
    // No number was given twice.
    let places: std::collections::HashSet<_> = acknowledged
        .iter()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(places.len(), acknowledged.len());
    check_stored(&mut at.reader().await.unwrap(), acknowledged).await;
}

/// Stopped at any point, within a transaction too: it is taken over from, and writes nothing when it goes on.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: `cargo test --lib on_postgres -- --ignored`"]
async fn a_process_that_was_asleep_writes_nothing_after_a_takeover_on_postgres() {
    let at = At::new(On::Postgres).await;
    let mut acknowledged = Vec::new();
    for round in 0..3_u64 {
        let (mut child, printed) = appending(&at.database().url());
        let standby = at.open().await;
        tokio::time::sleep(Duration::from_millis(300 + round * 173)).await;
        signal(&child, "-STOP");
        let waited = taken_over(&standby).await;
        assert!(waited < Duration::from_secs(10), "{waited:?}");
        println!("round {round}: taken over after {waited:?}");
        let appended = standby.append(decision(TENANTS[0], 1)).await.unwrap();
        signal(&child, "-CONT");
        // It ends by itself, for what it asks is refused.
        let printed = printed.join().unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(printed.iter().any(|line| line.contains("refused: ")), "{printed:?}");
        acknowledged.extend(told(printed));
        assert_eq!(
            standby.append(decision(TENANTS[0], 2)).await.unwrap().seq,
            appended.seq + 1,
            "nobody wrote in between"
        );
        standby.close().await;
        let report = at.verify().await.unwrap();
        assert!(report.ok, "{report}");
    }
    check_stored(&mut at.reader().await.unwrap(), acknowledged).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo test --lib on_postgres -- --ignored`"]
async fn a_database_that_goes_away_takes_nothing_until_it_is_back_on_postgres() {
    let cluster = Cluster::start();
    let at = At::of(Some(cluster.database(None).await));
    let ledger = at.open().await;
    let readers = ledger.readers();
    ledger.append(decision(TENANTS[0], 0)).await.unwrap();
    assert!(readers.checkpoint(log(TENANTS[0])).await.unwrap().is_some());
    cluster.stop();
    for number in 1..4 {
        let refused = ledger.append(decision(TENANTS[0], number)).await.unwrap_err();
        assert!(matches!(refused, LedgerError::Store { .. }), "{refused}");
        assert!(!ledger.is_writable());
    }
    assert!(readers.checkpoint(log(TENANTS[0])).await.is_err());
    cluster.run();
    let began = Instant::now();
    while !ledger.is_writable() {
        assert!(began.elapsed() < Duration::from_secs(20), "it is tried by itself");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("writable {:?} after the database was back", began.elapsed());
    // The three that were refused are told of, by one record.
    assert_eq!(ledger.append(decision(TENANTS[0], 4)).await.unwrap().seq, 2);
    assert!(readers.checkpoint(log(TENANTS[0])).await.unwrap().is_some());
    // Gone while nothing is asked: it shows all the same, and passes.
    cluster.stop();
    let began = Instant::now();
    while ledger.is_writable() {
        assert!(began.elapsed() < Duration::from_secs(5), "it shows without being asked");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    cluster.run();
    while !ledger.is_writable() {
        assert!(began.elapsed() < Duration::from_secs(30), "it is tried by itself");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ledger.append(decision(TENANTS[0], 5)).await.unwrap().seq, 3);
    ledger.close().await;
    let report = at.verify().await.unwrap();
    assert!(report.ok && report.logs[1].records == 4, "{report}");
    assert_eq!(
        kinds(&at, TENANTS[0]).await,
        ["decision", "refused", "decision", "decision"]
    );
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo test --lib on_postgres -- --ignored`"]
async fn one_that_could_not_go_on_does_not_stand_by_either_on_postgres() {
    let at = At::new(On::Postgres).await;
    let first = at.open().await;
    first.append(decision(TENANTS[0], 0)).await.unwrap();
    let other = LedgerKeys::from_seed(&[9; 32], "tidegate.test").unwrap();
    let refused = at.open_as(other).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Damaged { .. }), "{refused}");
    // Nor does a database that forgets what it said it wrote take a ledger.
    let careless = At::new(On::Postgres).await;
    let url = format!("{}&options=-c%20synchronous_commit%3Doff", careless.database().url());
    let place = Place::Postgres(Database::parse(&url).unwrap());
    let ledger = Ledger::open_at(place, keys(), clock(), Options::default()).await;
    let ledger = ledger.expect("the writer's session asks for durable commits, whatever the URL says");
    ledger.append(decision(TENANTS[0], 0)).await.unwrap();
    ledger.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo test --lib on_postgres -- --ignored`"]
async fn a_password_is_used_and_in_no_error_on_postgres() {
    let at = At::new(On::Postgres).await;
    let open = async |password: &str| {
        let place = Place::Postgres(Database::parse(&at.database().url_with(password)).unwrap());
        Ledger::open_at(place, keys(), clock(), Options::default()).await
    };
    let refused = open("s3cret").await.unwrap_err();
    let printed = format!("{refused} {refused:?}");
    assert!(
        printed.contains("authentication failed") && !printed.contains("s3cret"),
        "{printed}"
    );
    let ledger = open(PASSWORD).await.unwrap();
    assert!(!format!("{ledger:?}").contains(PASSWORD));
    ledger.append(decision(TENANTS[0], 0)).await.unwrap();
    ledger.close().await;
}

/// What PostgreSQL says of a damaged page is damage; what it says of anything else is not.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo test --lib on_postgres -- --ignored`"]
async fn what_the_database_says_is_damage_only_where_it_says_so_on_postgres() {
    let raised = async |code: &str| {
        let at = At::written(On::Postgres).await;
        // Every reading of the bodies fails with that code.
        let sql = format!(
            "CREATE FUNCTION fails() RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{code}'; END $$;
             ALTER TABLE body RENAME TO hidden; CREATE VIEW body AS SELECT digest, fails() AS content FROM hidden;"
        );
        at.database().run(&sql).await;
        at.verify().await
    };
    let report = raised("XX001").await.unwrap();
    assert!(!report.ok && report.to_string().contains("as told"), "{report}");
    // As a number, 53003 and 57099 end as one of SQLite's codes of damage does (11 modulo 256).
    for code in ["57014", "53003", "57099", "53100"] {
        let error = raised(code).await.unwrap_err();
        assert!(
            matches!(error, LedgerError::Store { .. }) && error.is_unreached(),
            "{code}: {error}"
        );
    }
    let at = At::written(On::Postgres).await;
    at.database().run("DROP TABLE body").await;
    assert!(!at.verify().await.unwrap().ok, "a table that is gone is damage");
}

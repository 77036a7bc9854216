//! What was erased is gone for good, and everything else holds as before.

use super::super::read::{Cursor, Withheld};
use super::super::record::Erased;
use super::super::{By, LedgerError};
use super::at::{At, On, on_both};
use super::*;

on_both!(
    a_month_is_erased_and_the_log_verifies,
    only_months_that_are_over_and_kept_are_erased,
    a_clock_set_back_into_an_erased_month_brings_nothing_back_and_stops_nothing,
);

async fn open_in(at: &At, time: &str) -> Ledger {
    let clock = Clock::fixed(time.parse::<Timestamp>().unwrap());
    at.open_with(clock, Options::default()).await.unwrap()
}

/// Decisions of two months, more than a bundle of the first.
async fn two_months(on: On) -> At {
    let at = At::new(on).await;
    let march = open_in(&at, "2026-03-31T23:00:00Z").await;
    for number in 0..300 {
        march.append(decision(TENANTS[0], number)).await.unwrap();
    }
    march.close().await;
    let april = open_in(&at, "2026-04-01T01:00:00Z").await;
    for number in 300..310 {
        april.append(decision(TENANTS[0], number)).await.unwrap();
    }
    april.append(decision(TENANTS[1], 0)).await.unwrap();
    april.close().await;
    at
}

async fn asked(at: &At) -> Vec<Result<Vec<u8>, Withheld>> {
    let mut reader = at.reader().await.unwrap();
    let mut cursor = Cursor::new(log(TENANTS[0]), 0);
    let mut all = Vec::new();
    while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
        all.extend(stored.asked);
    }
    all
}

async fn a_month_is_erased_and_the_log_verifies(on: On) {
    let at = two_months(on).await;
    let before = asked(&at).await;
    assert!(before.len() == 310 && before.iter().all(Result::is_ok));
    let ledger = open_in(&at, "2026-04-02T00:00:00Z").await;
    let march = "2026-03".parse().unwrap();
    let erased = ledger
        .erase(log(TENANTS[0]), "2026-04".parse().unwrap(), By::operator())
        .await
        .unwrap();
    ledger.close().await;
    let after = asked(&at).await;
    assert!(after[..300].iter().all(|asked| *asked == Err(Withheld::Erased(march))));
    assert_eq!(after[300..], before[300..], "the month after is as it was");
    let report = at.verify().await.unwrap();
    assert!(report.ok, "{report}");
    assert_eq!(report.logs[1].erased, 300);
    assert!(
        report.to_string().contains("what is private was erased in 300 of them"),
        "{report}"
    );

    let mut reader = at.reader().await.unwrap();
    let told = Cursor::new(log(TENANTS[0]), erased.seq)
        .next(&mut reader)
        .await
        .unwrap()
        .unwrap();
    let expected = Erased {
        by: "operator".into(),
        decision: None,
        periods: [march].into(),
    };
    assert_eq!(told.record.event, Event::Erased(expected));
    assert_eq!(
        reader.periods(log(TENANTS[0])).await.unwrap(),
        ["2026-04".parse().unwrap()]
    );
    assert_eq!(
        reader.periods(log(TENANTS[1])).await.unwrap().len(),
        1,
        "another's is untouched"
    );
}

#[tokio::test]
async fn nothing_of_what_was_erased_is_left_in_any_file() {
    let at = two_months(On::Sqlite).await;
    let wrapped = |dir: &Path| {
        let options = SqliteConnectOptions::new().filename(dir.join(super::super::FILE));
        async move {
            let mut connection = options.connect().await.unwrap();
            let sql = "SELECT wrapped FROM period WHERE period = '2026-03' AND log LIKE 'BPNL%A'";
            let key: Vec<u8> = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            key
        }
    };
    let key = wrapped(at.dir()).await;
    let left = |dir: &Path| {
        let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
        let files = files
            .filter(|path| path.is_file())
            .map(|path| std::fs::read(path).unwrap());
        files
            .filter(|bytes| bytes.windows(key.len()).any(|window| window == key))
            .count()
    };
    assert_eq!(left(at.dir()), 1);
    let ledger = open_in(&at, "2026-04-02T00:00:00Z").await;
    ledger
        .erase(log(TENANTS[0]), "2026-04".parse().unwrap(), By::operator())
        .await
        .unwrap();
    assert_eq!(
        left(at.dir()),
        0,
        "neither in the file nor in its write-ahead log, while the service still runs"
    );
}

/// The server's files are read beside it, so only what it has written to them counts; a checkpoint has it write all.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo test --lib on_postgres -- --ignored`"]
async fn no_key_that_was_erased_is_left_in_a_table_on_postgres() {
    let at = two_months(On::Postgres).await;
    let mut connection = at.database().connect().await;
    let sql = "SELECT wrapped FROM period WHERE period = '2026-03' AND log LIKE 'BPNL%A'";
    let key: Vec<u8> = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    let oid: String = sqlx::query_scalar("SELECT oid::text FROM pg_database WHERE datname = current_database()")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let tables = crate::database::tests::cluster::Cluster::shared()
        .data()
        .join("base")
        .join(oid);
    let left = async || {
        at.database().run("CHECKPOINT").await;
        let files = std::fs::read_dir(&tables).unwrap();
        let files = files.filter_map(|file| std::fs::read(file.unwrap().path()).ok());
        files
            .filter(|bytes| bytes.windows(key.len()).any(|window| window == key))
            .count()
    };
    assert_eq!(left().await, 1);
    let ledger = open_in(&at, "2026-04-02T00:00:00Z").await;
    // Who reads an older state sees the old row; when they are done, it goes.
    let mut reader = at.reader().await.unwrap();
    assert!(!reader.periods(log(TENANTS[0])).await.unwrap().is_empty());
    ledger
        .erase(log(TENANTS[0]), "2026-04".parse().unwrap(), By::operator())
        .await
        .unwrap();
    assert_eq!(left().await, 1);
    drop(reader);
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if left().await == 0 {
            return;
        }
    }
    panic!("the key is still there, while nobody reads an older state");
}

async fn only_months_that_are_over_and_kept_are_erased(on: On) {
    let at = two_months(on).await;
    let ledger = open_in(&at, "2026-04-02T00:00:00Z").await;
    let erase = |before: &str| ledger.erase(log(TENANTS[0]), before.parse().unwrap(), By::operator());
    assert!(matches!(erase("2026-05").await, Err(LedgerError::NotOver(_))));
    assert!(matches!(erase("2026-03").await, Err(LedgerError::NothingKept { .. })));
    erase("2026-04").await.unwrap();
    assert!(
        matches!(erase("2026-04").await, Err(LedgerError::NothingKept { .. })),
        "once is enough"
    );
    ledger.close().await;
    assert!(at.verify().await.unwrap().ok);
}

async fn a_clock_set_back_into_an_erased_month_brings_nothing_back_and_stops_nothing(on: On) {
    let at = two_months(on).await;
    let ledger = open_in(&at, "2026-04-02T00:00:00Z").await;
    ledger
        .erase(log(TENANTS[0]), "2026-04".parse().unwrap(), By::operator())
        .await
        .unwrap();
    ledger.close().await;
    let back = open_in(&at, "2026-03-05T00:00:00Z").await;
    back.append(decision(TENANTS[0], 310)).await.unwrap();
    back.close().await;
    let asked = asked(&at).await;
    assert!(asked[310].is_ok(), "sealed with the key of the month after");
    let report = at.verify().await.unwrap();
    assert!(report.ok, "{report}");
}

//! What was erased is gone for good, and everything else holds as before.

use super::super::read::{Cursor, Reader, Withheld};
use super::super::record::Erased;
use super::super::verify::verify;
use super::super::{By, LedgerError};
use super::*;

fn operator() -> By {
    By {
        who: "operator".into(),
        decision: None,
    }
}

fn at(time: &str) -> Clock {
    Clock::fixed(time.parse::<Timestamp>().unwrap())
}

async fn open_in(dir: &Path, time: &str) -> Ledger {
    put_secret(dir);
    Ledger::open(dir, keys(), at(time), Options::default()).await.unwrap()
}

/// Decisions of two months, more than a bundle of the first.
async fn two_months(dir: &Path) {
    let march = open_in(dir, "2026-03-31T23:00:00Z").await;
    for number in 0..300 {
        march.append(decision(TENANTS[0], number)).await.unwrap();
    }
    march.close().await;
    let april = open_in(dir, "2026-04-01T01:00:00Z").await;
    for number in 300..310 {
        april.append(decision(TENANTS[0], number)).await.unwrap();
    }
    april.append(decision(TENANTS[1], 0)).await.unwrap();
    april.close().await;
}

async fn asked(dir: &Path) -> Vec<Result<Vec<u8>, Withheld>> {
    let mut reader = Reader::open(dir).await.unwrap();
    let mut cursor = Cursor::new(log(TENANTS[0]), 0);
    let mut all = Vec::new();
    while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
        all.extend(stored.asked);
    }
    all
}

#[tokio::test]
async fn a_month_is_erased_and_the_log_verifies() {
    let dir = tempfile::tempdir().unwrap();
    two_months(dir.path()).await;
    let before = asked(dir.path()).await;
    assert!(before.len() == 310 && before.iter().all(Result::is_ok));
    let ledger = open_in(dir.path(), "2026-04-02T00:00:00Z").await;
    let march = "2026-03".parse().unwrap();
    let erased = ledger
        .erase(log(TENANTS[0]), "2026-04".parse().unwrap(), operator())
        .await
        .unwrap();
    ledger.close().await;
    let after = asked(dir.path()).await;
    assert!(after[..300].iter().all(|asked| *asked == Err(Withheld::Erased(march))));
    assert_eq!(after[300..], before[300..], "the month after is as it was");
    let report = verify(dir.path()).await.unwrap();
    assert!(report.ok, "{report}");
    assert_eq!(report.logs[1].erased, 300);
    assert!(
        report.to_string().contains("what is private was erased in 300 of them"),
        "{report}"
    );

    let mut reader = Reader::open(dir.path()).await.unwrap();
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
    let dir = tempfile::tempdir().unwrap();
    two_months(dir.path()).await;
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
    let key = wrapped(dir.path()).await;
    let left = |dir: &Path| {
        let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
        let files = files
            .filter(|path| path.is_file())
            .map(|path| std::fs::read(path).unwrap());
        files
            .filter(|bytes| bytes.windows(key.len()).any(|window| window == key))
            .count()
    };
    assert_eq!(left(dir.path()), 1);
    let ledger = open_in(dir.path(), "2026-04-02T00:00:00Z").await;
    ledger
        .erase(log(TENANTS[0]), "2026-04".parse().unwrap(), operator())
        .await
        .unwrap();
    assert_eq!(
        left(dir.path()),
        0,
        "neither in the file nor in its write-ahead log, while the service still runs"
    );
}

#[tokio::test]
async fn only_months_that_are_over_and_kept_are_erased() {
    let dir = tempfile::tempdir().unwrap();
    two_months(dir.path()).await;
    let ledger = open_in(dir.path(), "2026-04-02T00:00:00Z").await;
    let erase = |before: &str| ledger.erase(log(TENANTS[0]), before.parse().unwrap(), operator());
    assert!(matches!(erase("2026-05").await, Err(LedgerError::NotOver(_))));
    assert!(matches!(erase("2026-03").await, Err(LedgerError::NothingKept { .. })));
    erase("2026-04").await.unwrap();
    assert!(
        matches!(erase("2026-04").await, Err(LedgerError::NothingKept { .. })),
        "once is enough"
    );
    ledger.close().await;
    assert!(verify(dir.path()).await.unwrap().ok);
}

#[tokio::test]
async fn a_clock_set_back_into_an_erased_month_brings_nothing_back_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    two_months(dir.path()).await;
    let ledger = open_in(dir.path(), "2026-04-02T00:00:00Z").await;
    ledger
        .erase(log(TENANTS[0]), "2026-04".parse().unwrap(), operator())
        .await
        .unwrap();
    ledger.close().await;
    let back = open_in(dir.path(), "2026-03-05T00:00:00Z").await;
    back.append(decision(TENANTS[0], 310)).await.unwrap();
    back.close().await;
    let asked = asked(dir.path()).await;
    assert!(asked[310].is_ok(), "sealed with the key of the month after");
    let report = verify(dir.path()).await.unwrap();
    assert!(report.ok, "{report}");
}

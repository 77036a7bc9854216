//! The ledger of the program itself: what was answered is on record whatever ended the process, what was changed afterwards
//! shows, and what was decided is decided so again.

mod ahead;
mod apart;
mod evidence;
mod replay;
mod rotated;
mod segments;
mod served;
mod shadow;
mod witnessed;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;
use tidegate::assemble::BundleSource;
use tidegate::ledger::Event;
use tidegate::registry::AgreementState;

use crate::binary::{Served, check, run};
use crate::harness::{ELBE, ODER, WESER, block_on, copy, exchange as send, records, wait_for};
use crate::reload::{CLOSED, bundle, exchange_policies};

/// A number below `bound`, another at every run.
fn any(bound: u64) -> u64 {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % bound
}

/// Asks from several threads at once until the service is killed, and gives the records of all answers that came whole.
fn drive_and_kill(served: &mut Served, after: Duration) -> BTreeSet<String> {
    let token = served.connector();
    let asks = [WESER, ODER, WESER].map(|partner| served.exchange(&token, partner));
    let answered = Mutex::new(BTreeSet::new());
    let address = served.address;
    std::thread::scope(|scope| {
        for ask in &asks {
            let answered = &answered;
            scope.spawn(move || {
                while let Some(answer) = send(address, &ask.bytes()) {
                    assert!(matches!(answer.status, 200 | 403), "{}", answer.text());
                    answered.lock().unwrap().insert(answer.record().unwrap().to_owned());
                }
            });
        }
        std::thread::sleep(after);
        served.kill();
    });
    answered.into_inner().unwrap()
}

#[test]
fn whatever_ends_the_process_every_answer_is_on_record_and_decided_so_again() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().to_str().unwrap();
    let mut answered = BTreeSet::new();
    for round in 0..3 {
        let mut served = Served::start(data.path(), &[]);
        let answers = drive_and_kill(&mut served, Duration::from_millis(60 + any(500)));
        answered.extend(answers);
        let on_record: BTreeSet<_> = records(data.path(), ELBE)
            .iter()
            .map(|stored| stored.record.id.to_string())
            .collect();
        let lost: Vec<_> = answered.difference(&on_record).collect();
        assert!(lost.is_empty(), "round {round}: answered and not on record: {lost:?}");
        check(&["ledger", "verify", path], 0);
    }
    assert!(
        answered.len() > 8,
        "only {} answers: nothing was driven",
        answered.len()
    );
    let report = check(&["replay", "--data", path], 0);
    assert!(
        report.contains(" 0 Changed, 0 BundleMissing, 0 NotReplayable"),
        "{report}"
    );
    // An orderly end, and a start after it.
    let mut served = Served::start(data.path(), &[]);
    served.check_allowed();
    served.signal("-TERM");
    assert_eq!(served.wait(), Some(0));
    check(&["ledger", "verify", path], 0);
    Served::start(data.path(), &[]).check_allowed();
}

#[test]
fn one_ledger_has_one_writer() {
    let data = tempfile::tempdir().unwrap();
    let _first = Served::start(data.path(), &[]);
    let second = run(&["serve", "--dev", "--data", data.path().to_str().unwrap()]);
    let told = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(3), "{told}");
    assert!(told.contains("another process"), "{told}");
}

/// A data directory with some decisions, made by the program.
fn recorded() -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let mut served = Served::start(data.path(), &[]);
    let token = served.connector();
    for partner in [WESER, ODER, WESER, ODER, WESER, WESER] {
        served.exchange(&token, partner).send(served.address);
    }
    served.signal("-TERM");
    served.wait();
    data
}

/// A copy of the ledger after some SQL.
fn tampered(data: &Path, sql: &'static str) -> TempDir {
    let copied = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(data).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("ledger.sqlite") {
            copy(&entry.path(), &copied.path().join(entry.file_name()));
        }
    }
    std::fs::create_dir(copied.path().join("keys")).unwrap();
    copy(&data.join("keys/ledger.seed"), &copied.path().join("keys/ledger.seed"));
    block_on(async {
        let url = format!("sqlite://{}", copied.path().join("ledger.sqlite").display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
    copied
}

#[test]
fn what_was_changed_after_the_fact_shows_and_names_the_record() {
    let data = recorded();
    check(&["ledger", "verify", data.path().to_str().unwrap()], 0);
    let elbe = "log = 'BPNL000000000DWF'";
    // Before the six decisions stand the eight records of how the agreements came on record, one of them retired.
    let own = records(data.path(), ELBE);
    let retired = own.iter().find(|stored| match &stored.record.event {
        Event::Agreement(agreement) => agreement.state == AgreementState::Retired,
        _ => false,
    });
    let retired = retired.unwrap().record.seq.to_string();
    let cases: [(&str, String, &str); 9] = [
        (
            "the state of an agreement",
            format!(
                "UPDATE record SET record = replace(record, '\"retired\"', '\"active\"') WHERE {elbe} AND seq = {retired}"
            ),
            &retired,
        ),
        (
            "one letter of a record",
            format!("UPDATE record SET record = replace(record, '\"deny\"', '\"allow\"') WHERE {elbe} AND seq = 9"),
            "9",
        ),
        (
            "one bit of a record's hash",
            format!("UPDATE record SET hash = CAST(x'00' || substr(hash, 2) AS BLOB) WHERE {elbe} AND seq = 11"),
            "11",
        ),
        (
            "a record taken out",
            format!("DELETE FROM record WHERE {elbe} AND seq = 10"),
            "10",
        ),
        (
            "the last record taken out",
            format!("DELETE FROM record WHERE {elbe} AND seq = 13"),
            "13",
        ),
        (
            "two records in each other's place",
            format!(
                "UPDATE record SET seq = -1 WHERE {elbe} AND seq = 10; UPDATE record SET seq = 10 WHERE {elbe} AND seq = 12; UPDATE record SET seq = 12 WHERE {elbe} AND seq = -1"
            ),
            "10",
        ),
        (
            "what is private in a decision",
            format!("UPDATE record SET private = CAST(x'00' || substr(private, 2) AS BLOB) WHERE {elbe} AND seq = 8"),
            "8",
        ),
        (
            "a whole log",
            format!(
                "DELETE FROM record WHERE {elbe}; DELETE FROM checkpoint WHERE {elbe}; DELETE FROM log WHERE {elbe}"
            ),
            "",
        ),
        (
            "a body",
            "DELETE FROM body WHERE rowid = (SELECT max(rowid) FROM body)".into(),
            "",
        ),
    ];
    for (what, sql, seq) in cases {
        let copied = tampered(data.path(), String::leak(sql));
        let report = check(
            &["ledger", "verify", copied.path().to_str().unwrap(), "--format", "json"],
            2,
        );
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["ok"], false, "{what}");
        if !seq.is_empty() {
            let logs = report["logs"].as_array().unwrap();
            let log = logs.iter().find(|log| log["log"] == ELBE).unwrap();
            let named = log["findings"]
                .as_array()
                .unwrap()
                .iter()
                .any(|finding| finding["seq"].as_u64() == seq.parse().ok());
            assert!(named, "{what}: record {seq} in {log:#}");
        }
        let text = check(&["ledger", "verify", copied.path().to_str().unwrap()], 2);
        assert!(text.contains(seq), "{what}: {text}");
    }
    // A page of the file itself.
    let copied = tampered(data.path(), "PRAGMA wal_checkpoint(TRUNCATE)");
    let file = copied.path().join("ledger.sqlite");
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes
        .windows(14)
        .rposition(|window| window == b"\"seq\":4,\"time\"")
        .expect("a record's text");
    bytes[at + 7] = b'7';
    std::fs::write(&file, bytes).unwrap();
    let report = check(&["ledger", "verify", copied.path().to_str().unwrap()], 2);
    assert!(report.contains('4'), "{report}");
}

#[test]
fn replay_tells_what_another_bundle_would_change_and_what_it_cannot_decide() {
    let data = recorded();
    let path = data.path().to_str().unwrap();
    let same = check(&["replay", "--data", path], 0);
    assert!(same.contains("6 decisions: 6 Same"), "{same}");

    let closed = bundle();
    let policies = exchange_policies(closed.path());
    let original = std::fs::read_to_string(&policies).unwrap();
    let unchanged = check(
        &["replay", "--data", path, "--against", closed.path().to_str().unwrap()],
        0,
    );
    assert!(unchanged.contains("6 Same"), "{unchanged}");
    std::fs::write(&policies, format!("{original}{CLOSED}")).unwrap();
    let changed = check(
        &["replay", "--data", path, "--against", closed.path().to_str().unwrap()],
        2,
    );
    assert!(
        changed.contains("6 Changed") && changed.contains("exchange/closed"),
        "{changed}"
    );
    std::fs::write(&policies, "permit (").unwrap();
    check(
        &["replay", "--data", path, "--against", closed.path().to_str().unwrap()],
        3,
    );

    let later = check(&["replay", "--data", path, "--since", "2999-01-01T00:00:00Z"], 4);
    assert!(later.contains("0 decisions"), "{later}");

    let digest = BundleSource::Directory(env!("CARGO_MANIFEST_DIR").into())
        .load()
        .unwrap()
        .digest;
    let digest = hex::encode(digest.as_bytes());
    let copied = tampered(
        data.path(),
        String::leak(format!("DELETE FROM body WHERE digest = x'{digest}'")),
    );
    let missing = check(&["replay", "--data", copied.path().to_str().unwrap()], 2);
    assert!(
        missing.contains("6 BundleMissing") && missing.contains(&digest),
        "{missing}"
    );
}

#[test]
fn a_hangup_loads_the_bundle_again() {
    let data = tempfile::tempdir().unwrap();
    let bundle = bundle();
    let served = Served::start(data.path(), &["--bundle", bundle.path().to_str().unwrap()]);
    let before = served.bundle();
    served.check_allowed();
    let policies = exchange_policies(bundle.path());
    let original = std::fs::read_to_string(&policies).unwrap();
    std::fs::write(&policies, format!("{original}{CLOSED}")).unwrap();
    served.signal("-HUP");
    wait_for("the changed bundle is in force", || served.bundle() != before);
    let answer = served.exchange(&served.connector(), WESER).send(served.address);
    assert_eq!(answer.reasons(), ["exchange/closed"]);
    served.signal("-HUP");
    std::thread::sleep(Duration::from_millis(100));
    assert_ne!(served.bundle(), before, "a hangup without a change changes nothing");
}

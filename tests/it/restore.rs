//! A backup that is a service again. It is taken as `docs/operations.md` says, while the service runs and is asked; what was recorded
//! since is gone, and who kept a checkpoint from then is told so.

mod anew;
mod postgres;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use crate::binary::{Served, check, run};
use crate::harness::{Answer, ELBE, HOLDS, ODER, WESER, block_on, copy, exchange, get, post, records, within_a_minute};

/// A copy of a file of tables that other processes write to meanwhile, as of one moment.
fn vacuum(from: &Path, to: &Path) {
    block_on(async {
        let mut connection = SqliteConnection::connect(&format!("sqlite://{}", from.display()))
            .await
            .unwrap();
        let sql = AssertSqlSafe(format!("VACUUM INTO '{}'", to.display()));
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

fn done(program: &str, arguments: &[&Path]) -> bool {
    let mut command = Command::new(program);
    command.args(match program {
        "cp" => ["-a"],
        _ => ["-rq"],
    });
    command.args(arguments).output().unwrap().status.success()
}

/// Copies a vault: again, where something in it was written meanwhile.
fn copy_vault(data: &Path, to: &Path) {
    let (from, vault) = (data.join("vault"), to.join("vault"));
    within_a_minute(|| {
        let _ = std::fs::remove_dir_all(&vault);
        match done("cp", &[&from, &vault]) && done("diff", &[&from, &vault]) {
            true => Ok(()),
            false => Err("the vault changes all the time"),
        }
    });
}

/// Takes a backup, as the section "Backups" of `docs/operations.md` says: what refers to something first, the ledger last; and the keys
/// apart.
fn back_up(data: &Path, to: &Path, keys: &Path) {
    std::fs::create_dir(to).unwrap();
    let tables = |name: &str| vacuum(&data.join(name), &to.join(name));
    ["pulls.sqlite", "pcf.sqlite", "dataspace.sqlite", "registry.sqlite"]
        .into_iter()
        .for_each(tables);
    copy_vault(data, to);
    tables("ledger.sqlite");
    copy(&data.join("keys"), keys);
}

/// The newest checkpoint of a log, to the byte, as an auditor keeps it.
fn checkpoint(data: &Path, log: &str) -> String {
    block_on(async {
        let url = format!("sqlite://{}?mode=ro", data.join("ledger.sqlite").display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let note = sqlx::query_scalar("SELECT note FROM checkpoint WHERE log = ?1").bind(log.to_owned());
        note.fetch_one(&mut connection).await.unwrap()
    })
}

/// How many records a checkpoint names.
fn size(note: &str) -> u64 {
    note.lines().nth(1).unwrap().parse().unwrap()
}

/// What `ledger verify` says of a log, which must end with that exit code.
fn verified(arguments: &[&str], exit: i32) -> Value {
    let report = check(&[&["ledger", "verify", "--format", "json"], arguments].concat(), exit);
    let report: Value = serde_json::from_str(&report).unwrap();
    let logs = report["logs"].as_array().unwrap();
    logs.iter().find(|part| part["log"] == ELBE).unwrap().clone()
}

fn findings(log: &Value) -> Vec<&str> {
    let findings = log["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["kind"].as_str().unwrap()).collect()
}

/// What is asked of each kind, allowed and refused, and what was told, but for what is other at each request.
fn answers(served: &Served) -> Vec<(u16, String)> {
    let (connector, anna, vera) = (served.connector(), served.person("anna"), served.person("vera"));
    let secret = |token: &str| get(&format!("/credentials/{ELBE}/secrets/erp-api-key")).bearer(token);
    let asked = [
        served.exchange(&connector, WESER),
        served.exchange(&connector, ODER),
        post(&format!("/credentials/{ELBE}/session")).bearer(&anna),
        secret(&anna),
        secret(&vera),
    ];
    let told = |answer: Answer| match answer.status {
        403 => (403, answer.reasons().join(" ")),
        status => {
            assert!(answer.record().is_some(), "{}", answer.text());
            let json = answer.json();
            let part = ["value", "AssumedRole"]
                .into_iter()
                .find_map(|name| json[name].as_str());
            (status, part.map_or_else(|| answer.text(), str::to_owned))
        }
    };
    asked.iter().map(|ask| told(ask.send(served.address))).collect()
}

/// Has something done while the service is asked all the time.
fn while_asked(served: &Served, work: impl FnOnce()) {
    /// Also where the work fails: the threads are waited for.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (ask, ended) = (served.exchange(&served.connector(), WESER), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _end = End(&ended);
        for _ in 0..3 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    assert_eq!(ask.send(served.address).status, 200);
                }
            });
        }
        work();
    });
}

fn retire(served: &Served) {
    let answer = post(&format!("/agreements/{ELBE}/{HOLDS}/retire"))
        .bearer(&served.person("anna"))
        .json(r#"{"reason": "after the backup"}"#)
        .send(served.address);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn stop(mut served: Served) {
    served.signal("-TERM");
    assert_eq!(served.wait(), Some(0));
}

#[test]
fn a_backup_of_a_running_service_is_a_service_again() {
    let home = tempfile::tempdir().unwrap();
    let [original, backup, keys, restored] =
        ["original", "backup", "keys", "restored"].map(|name| home.path().join(name));
    let served = Served::start(&original, &[]);
    let before = answers(&served);
    let statuses: Vec<_> = before.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 403, 200, 200, 403], "{before:?}");
    while_asked(&served, || back_up(&original, &backup, &keys));
    // The original goes on, and is lost.
    answers(&served);
    retire(&served);
    assert_eq!(
        served.exchange(&served.connector(), WESER).send(served.address).status,
        403
    );
    stop(served);
    let kept = |name: &str, note: &str| -> PathBuf {
        let path = home.path().join(name);
        std::fs::write(&path, note).unwrap();
        path
    };
    let (then, newer) = (checkpoint(&backup, ELBE), checkpoint(&original, ELBE));
    assert!(size(&then) < size(&newer));
    let [then_at, newer_at] =
        [kept("then", &then), kept("newer", &newer)].map(|path| path.to_str().unwrap().to_owned());
    std::fs::remove_dir_all(&original).unwrap();

    // Restored elsewhere: whole, and what was signed at the time of the backup is in it. What was signed since is not, and that shows.
    copy(&backup, &restored);
    copy(&keys, &restored.join("keys"));
    let place = restored.to_str().unwrap();
    let log = verified(&[place, "--checkpoint", &then_at], 0);
    let saved = log["records"].as_u64().unwrap();
    assert!(saved >= size(&then) && saved < size(&newer), "{log}");
    let log = verified(&[place, "--checkpoint", &newer_at], 2);
    assert_eq!(findings(&log), ["cut"], "{log}");

    // It is a service: it answers as before, and its log goes on from where the backup ended.
    let served = Served::start(&restored, &[]);
    assert_eq!(
        answers(&served),
        before,
        "also under the agreement that ended after the backup"
    );
    retire(&served);
    assert_eq!(
        served.exchange(&served.connector(), WESER).send(served.address).status,
        403
    );
    let after = records(&restored, ELBE);
    assert!(after.len() as u64 > saved + 5);
    // Longer than what was kept, it is another log under the same name.
    let refused = served.exchange(&served.connector(), ODER);
    for _ in after.len() as u64..size(&newer) + 1 {
        assert_eq!(exchange(served.address, &refused.bytes()).unwrap().status, 403);
    }
    stop(served);
    let log = verified(&[place, "--checkpoint", &then_at], 0);
    assert!(log["size"].as_u64().unwrap() > size(&newer), "{log}");
    let log = verified(&[place, "--checkpoint", &newer_at], 2);
    assert_eq!(findings(&log), ["forked"], "{log}");
    let again = check(&["replay", "--data", place], 0);
    assert!(
        again.contains(" 0 Changed, 0 BundleMissing, 0 NotReplayable"),
        "{again}"
    );
}

#[test]
fn a_restored_directory_without_its_keys_does_not_serve() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let served = Served::start(&data, &[]);
    answers(&served);
    stop(served);
    let refused = |lacks: &str| {
        let restored = home.path().join(format!("without-{lacks}"));
        copy(&data, &restored);
        std::fs::remove_file(restored.join("keys").join(lacks)).unwrap();
        let output = run(&["serve", "--dev", "--data", restored.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        said
    };
    // Dev mode makes the keys that are not there.
    let said = refused("vault.key");
    assert!(said.contains("was sealed with another key"), "{said}");
    let said = refused("ledger.seed");
    assert!(said.contains("but this service signs with"), "{said}");
}

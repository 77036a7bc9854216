//! The same with all tables in PostgreSQL, by its own programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{copy, copy_vault, findings, size};
use crate::cluster::{Cluster, TestDatabase};
use crate::harness::{ELBE, block_on, exchange};
use crate::standby::{Replica, ends};

const SCHEMAS: [&str; 5] = [
    "tidegate_ledger",
    "tidegate_registry",
    "tidegate_dataspace",
    "tidegate_exchanges",
    "tidegate_pulls",
];

/// One of PostgreSQL's programs, from `PATH` or where Debian keeps it.
fn program(name: &str) -> Command {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut debian = debian.map(|version| version.unwrap().path().join("bin").join(name));
    Command::new(debian.find(|path| path.exists()).unwrap_or_else(|| PathBuf::from(name)))
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn dump(of: &TestDatabase, to: &Path) {
    let mut dump = program("pg_dump");
    for schema in SCHEMAS {
        dump.args(["-n", schema]);
    }
    done(dump.args(["-Fc", "-f"]).arg(to).arg(of.url()));
}

fn restore(from: &Path, to: &TestDatabase) {
    done(
        program("pg_restore")
            .args(["--exit-on-error", "--no-owner", "--role=tidegate", "-d", &to.url()])
            .arg(from),
    );
}

fn checkpoint(database: &TestDatabase) -> String {
    block_on(async {
        let mut connection = database.connect().await;
        let note = sqlx::query_scalar("SELECT note FROM tidegate_ledger.checkpoint WHERE log = $1").bind(ELBE);
        note.fetch_one(&mut connection).await.unwrap()
    })
}

fn verified(database: &TestDatabase, arguments: &[&str], exit: i32) -> Value {
    let arguments = [&["ledger", "verify", "--format", "json"], arguments].concat();
    let report: Value = serde_json::from_str(&ends(database, &arguments, exit)).unwrap();
    let logs = report["logs"].as_array().unwrap();
    logs.iter().find(|part| part["log"] == ELBE).unwrap().clone()
}

#[test]
#[ignore = "needs PostgreSQL: `cargo test --test it on_postgres -- --ignored`"]
fn a_dump_of_a_running_service_is_a_service_again_on_postgres() {
    let home = tempfile::tempdir().unwrap();
    let [original, restored, file] = ["original", "restored", "dump"].map(|name| home.path().join(name));
    std::fs::create_dir(&original).unwrap();
    let database = block_on(Cluster::shared().database(None));
    let mut first = Replica::start(&original, &database);
    first.serves();
    let ask = first.ask(&original);
    let answer = ask.send(first.address);
    assert_eq!(answer.status, 200);
    // While it is asked; the vault first, the ledger with all tables as of one moment.
    std::fs::create_dir(&restored).unwrap();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| (0..40).for_each(|_| assert_eq!(ask.send(first.address).status, 200)));
        dump(&database, &file);
        asking.join().unwrap();
    });
    copy_vault(&original, &restored);
    copy(&original.join("keys"), &restored.join("keys"));
    for _ in 0..5 {
        assert_eq!(ask.send(first.address).status, 200);
    }
    first.stop();
    let newer = checkpoint(&database);
    drop(first);
    block_on(async {
        let drop = "DROP SCHEMA tidegate_ledger, tidegate_registry, tidegate_dataspace, tidegate_exchanges, tidegate_pulls CASCADE";
        database.run(drop).await;
    });
    std::fs::remove_dir_all(&original).unwrap();

    let fresh = block_on(Cluster::shared().database(None));
    restore(&file, &fresh);
    let kept = |name: &str, note: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, note).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let then = checkpoint(&fresh);
    let (then_at, newer_at) = (kept("then", &then), kept("newer", &newer));
    let place = restored.to_str().unwrap();
    let log = verified(&fresh, &[place, "--checkpoint", &then_at], 0);
    assert!(log["records"].as_u64().unwrap() < size(&newer), "{log}");
    let log = verified(&fresh, &[place, "--checkpoint", &newer_at], 2);
    assert_eq!(findings(&log), ["cut"], "{log}");

    // The dump has the lease of the time as well; it has lapsed, or does so in seconds.
    let mut second = Replica::start(&restored, &fresh);
    second.serves();
    second.await_ready(200);
    let again = second.ask(&restored).send(second.address);
    assert_eq!((again.status, &again.body), (200, &answer.body));
    let ask = second.ask(&restored);
    for _ in 0..50 {
        assert_eq!(exchange(second.address, &ask.bytes()).unwrap().status, 200);
    }
    second.stop();
    let log = verified(&fresh, &[place, "--checkpoint", &then_at], 0);
    assert!(log["size"].as_u64().unwrap() > size(&newer), "{log}");
    let log = verified(&fresh, &[place, "--checkpoint", &newer_at], 2);
    assert_eq!(findings(&log), ["forked"], "{log}");
    ends(&fresh, &["replay", "--data", place], 0);
}

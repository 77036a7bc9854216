//! What was acknowledged survives the end of the process at any moment.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::read::{Cursor, Reader};
use super::super::verify::verify;
use super::*;
use crate::ledger::{Database, Place};

pub(super) const DIR: &str = "TIDEGATE_TEST_LEDGER_DIR";
const DATABASE: &str = "TIDEGATE_TEST_LEDGER_DATABASE";

/// The child's part: appends from many tasks until killed or refused, printing what was acknowledged and why not. Where another
/// process writes to its database, it waits for that to end. Does nothing by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appending_until_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let ledger = match std::env::var(DATABASE) {
        Ok(url) => {
            let place = Place::Postgres(Database::parse(&url).unwrap());
            Ledger::open_at(place, keys(), clock(), Options::default())
                .await
                .unwrap()
        }
        Err(_) => open(Path::new(&dir)).await,
    };
    ledger.writing().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            for number in 0.. {
                let appended = ledger.append(decision(TENANTS[task % 2], number)).await;
                let appended = match appended {
                    Ok(appended) => appended,
                    Err(error) => {
                        let line = format!("refused: {error}\n");
                        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                        panic!("{error}");
                    }
                };
                // One write, so that lines of several tasks never mix.
                let line = format!(
                    "acknowledged {} {} {} {}\n",
                    appended.log, appended.seq, appended.id, appended.hash
                );
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    tasks.join_all().await;
}

/// How often it is killed; `./test --long` does so 200 times.
pub(super) fn rounds() -> u64 {
    let asked = std::env::var("TIDEGATE_KILL_ROUNDS").ok();
    asked.map_or(20, |rounds| rounds.parse().expect("a number of rounds"))
}

const CHILD: &str = "ledger::tests::crash::appending_until_killed";

/// This very test binary, in the part of a child.
pub(super) fn child(dir: &Path, through: &[&str], part: &str) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut command = match through {
        [] => Command::new(&own),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(&own);
            command
        }
    };
    command
        .args(["--exact", part, "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// As [`child`], on a database.
pub(super) fn child_on(url: &str) -> Command {
    let mut command = child(Path::new("."), &[], CHILD);
    command.env(DATABASE, url);
    command
}

/// What was acknowledged, out of what a child printed. The test harness writes to the same output, so a line may begin with its
/// words, and the last may have been cut.
pub(super) fn told(lines: impl IntoIterator<Item = String>) -> impl Iterator<Item = String> {
    lines.into_iter().filter_map(|line| {
        let (_, line) = line.split_once("acknowledged ")?;
        let hash = line.rsplit(' ').next()?;
        (hash.len() == "sha256:".len() + 64).then(|| line.to_owned())
    })
}

#[tokio::test]
async fn every_acknowledged_record_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..rounds() {
        let mut child = child(dir.path(), &[], CHILD).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Only once it writes; then at a moment that nothing in it decides, some beyond the second after which logs are signed.
        let first = lines
            .find(|line| line.as_ref().unwrap().contains("acknowledged"))
            .unwrap();
        let moment = (round * 137 + u64::from(std::process::id() % 19)) % if round % 5 == 4 { 1_300 } else { 200 };
        std::thread::sleep(Duration::from_millis(moment));
        child.kill().unwrap();
        child.wait().unwrap();
        let printed = std::iter::once(first).chain(lines).map_while(Result::ok);
        acknowledged.extend(told(printed.collect::<Vec<_>>()));
        let report = verify(dir.path()).await.unwrap();
        assert!(report.ok, "after round {round}: {report}");
    }
    assert!(
        acknowledged.len() > 40,
        "only {} records were acknowledged",
        acknowledged.len()
    );
    check_stored(&mut Reader::open(dir.path()).await.unwrap(), acknowledged).await;
}

/// A file system that is full looks so: no file may grow beyond a size. What was acknowledged is there, and with room again it goes on.
#[cfg(unix)]
#[tokio::test]
async fn a_disk_that_is_full_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 4000; exec \"$0\" \"$@\""];
    let output = child(dir.path(), &limited, CHILD).output().unwrap();
    assert!(!output.status.success(), "it was told of the full disk");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let acknowledged: Vec<_> = told(printed.lines().map(str::to_owned)).collect();
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    let report = verify(dir.path()).await.unwrap();
    assert!(report.ok, "{report}");
    check_stored(&mut Reader::open(dir.path()).await.unwrap(), acknowledged).await;
    let ledger = open(dir.path()).await;
    ledger.append(decision(TENANTS[0], 0)).await.unwrap();
    ledger.close().await;
    assert!(verify(dir.path()).await.unwrap().ok);
}

pub(super) async fn check_stored(reader: &mut Reader, acknowledged: Vec<String>) {
    let mut stored = HashSet::new();
    for name in TENANTS {
        let mut cursor = Cursor::new(log(name), 0);
        while let Some(found) = cursor.next(reader).await.unwrap() {
            let record = found.record;
            stored.insert(format!("{} {} {} {}", record.log, record.seq, record.id, found.hash));
        }
    }
    for line in acknowledged {
        assert!(stored.contains(&line), "`{line}` was acknowledged but is not stored");
    }
}

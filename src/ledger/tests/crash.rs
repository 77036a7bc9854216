//! What was acknowledged survives the end of the process at any moment.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::read::{Cursor, Reader};
use super::super::verify::verify;
use super::*;

const DIR: &str = "TIDEGATE_TEST_LEDGER_DIR";

/// The child's part: appends from many tasks until killed, printing what was acknowledged. Does nothing by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appending_until_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let ledger = open(Path::new(&dir)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            for number in 0.. {
                let appended = ledger.append(decision(TENANTS[task % 2], number)).await.unwrap();
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

#[tokio::test]
async fn every_acknowledged_record_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0_u8..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ledger::tests::crash::appending_until_killed", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Only once it writes; then at a moment that nothing in it decides.
        let first = lines
            .find(|line| line.as_ref().unwrap().contains("acknowledged"))
            .unwrap();
        std::thread::sleep(Duration::from_millis(
            u64::from(round) * 23 + u64::from(std::process::id() % 19),
        ));
        child.kill().unwrap();
        child.wait().unwrap();
        let told = std::iter::once(first).chain(lines).map_while(Result::ok);
        // The test harness writes to the same output, so a line may begin with its words.
        acknowledged.extend(told.filter_map(|line| {
            let (_, line) = line.split_once("acknowledged ")?;
            // The last line may have been cut.
            let whole = line
                .rsplit(' ')
                .next()
                .is_some_and(|hash| hash.len() == "sha256:".len() + 64);
            whole.then(|| line.to_owned())
        }));
        let report = verify(dir.path()).await.unwrap();
        assert!(report.ok, "after round {round}: {report}");
    }
    assert!(
        acknowledged.len() > 40,
        "only {} records were acknowledged",
        acknowledged.len()
    );
    let mut reader = Reader::open(dir.path()).await.unwrap();
    let mut stored = HashSet::new();
    for name in TENANTS {
        let mut cursor = Cursor::new(log(name), 0);
        while let Some(found) = cursor.next(&mut reader).await.unwrap() {
            let record = found.record;
            stored.insert(format!("{} {} {} {}", record.log, record.seq, record.id, found.hash));
        }
    }
    for line in acknowledged {
        assert!(stored.contains(&line), "`{line}` was acknowledged but is not stored");
    }
}

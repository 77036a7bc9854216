//! Two services over one database: one serves, the other stands by and takes over. Needs PostgreSQL:
//! `cargo test --test it on_postgres -- --ignored`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::binary::command;
use crate::cluster::{Cluster, TestDatabase};
use crate::harness::{ELBE, HOLDS, WESER, block_on, exchange, get, post, take_issuers};

const NAME: &str = "TIDEGATE_TEST_DATABASE";

struct Replica {
    child: Child,
    address: SocketAddr,
    out: BufReader<std::process::ChildStdout>,
}

impl Replica {
    fn start(data: &Path, database: &TestDatabase) -> Self {
        take_issuers(data);
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let listen = address.to_string();
        let data = data.to_str().unwrap();
        let mut child = command(&[
            "serve",
            "--dev",
            "--data",
            data,
            "--listen",
            &listen,
            "--database-env",
            NAME,
        ])
        .env(NAME, database.url())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, address, out }
    }

    /// Waits until it says that it serves.
    fn serves(&mut self) {
        let mut lines = self.out.by_ref().lines().map_while(Result::ok);
        let served = lines.any(|line| line.contains("tidegate serves on"));
        assert!(served, "it ended before it served");
    }

    /// The status of `/readyz`; nothing while it does not answer.
    fn ready(&self) -> Option<u16> {
        std::net::TcpStream::connect(self.address).ok()?;
        exchange(self.address, &get("/readyz").bytes()).map(|answer| answer.status)
    }

    fn await_ready(&self, status: u16) -> Duration {
        let began = Instant::now();
        while self.ready() != Some(status) {
            assert!(began.elapsed() < Duration::from_secs(40), "{:?}", self.ready());
            std::thread::sleep(Duration::from_millis(100));
        }
        began.elapsed()
    }
}

impl Replica {
    /// The answer to the request that Elbe's connector makes for Weser, as whoever has only `dev.json` asks.
    fn asked(&self, data: &Path) -> u16 {
        let manifest = std::fs::read(data.join("dev.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let of = |list: &str, name: &str, value: &str| {
            let list = manifest[list].as_array().unwrap();
            list.iter().find(|one| one[name] == value).unwrap().clone()
        };
        let (tenant, agreement) = (of("tenants", "bpnl", ELBE), of("agreements", "id", HOLDS));
        let text = |of: &serde_json::Value, name: &str| of[name].as_str().unwrap().to_owned();
        let [client, secret, scope] = ["client_id", "client_secret", "scope"].map(|name| text(&tenant, name));
        let form = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}&scope={scope}");
        let (_, path) = text(&tenant, "token_url")
            .split_once(&self.address.to_string())
            .map(|(_, path)| ((), path.to_owned()))
            .unwrap();
        let granted = post(&path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form)
            .send(self.address)
            .json();
        get(&format!(
            "/exchange/{ELBE}/pcf/{}/submodel/$value",
            text(&agreement, "pcf_id")
        ))
        .bearer(granted["access_token"].as_str().unwrap())
        .header("Edc-Bpn", WESER)
        .header("Edc-Contract-Agreement-Id", HOLDS)
        .send(self.address)
        .status
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn check(database: &TestDatabase, arguments: &[&str]) -> String {
    let output = command(arguments)
        .args(["--database-env", NAME])
        .env(NAME, database.url())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{out}\n{err}");
    out
}

#[test]
#[ignore = "needs PostgreSQL: `cargo test --test it on_postgres -- --ignored`"]
fn a_service_that_stands_by_takes_over_on_postgres() {
    let database = block_on(Cluster::shared().database(None));
    let data = tempfile::tempdir().unwrap();
    let mut first = Replica::start(data.path(), &database);
    first.serves();
    assert_eq!(first.ready(), Some(200));
    assert_eq!(first.asked(data.path()), 200);
    let mut second = Replica::start(data.path(), &database);
    second.await_ready(503);
    let answer = get("/readyz").send(second.address).json();
    assert_eq!(answer["ready"], false);
    assert!(answer["reason"].as_str().unwrap().contains("stands by"), "{answer}");
    let lives = crate::binary::check(&["health", "--url", &format!("http://{}", second.address)], 0);
    assert_eq!(lives, "lives\n");
    assert_eq!(get("/exchange/BPNL000000000DWF/x").send(second.address).status, 503);
    assert_eq!(first.ready(), Some(200));

    // Killed: the other one waits until the lease has lapsed.
    let began = Instant::now();
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    second.serves();
    second.await_ready(200);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // It has all that the other one had.
    assert_eq!(second.asked(data.path()), 200);

    // Asleep for long enough to be taken over from: it ends, and says so by its exit code.
    let mut third = Replica::start(data.path(), &database);
    third.await_ready(503);
    let signal = |replica: &Replica, name: &str| {
        let id = replica.child.id().to_string();
        let sent = std::process::Command::new("kill").args([name, &id]).status();
        assert!(sent.unwrap().success());
    };
    signal(&second, "-STOP");
    std::thread::sleep(Duration::from_secs(8));
    signal(&second, "-CONT");
    assert_eq!(second.child.wait().unwrap().code(), Some(1));
    third.serves();
    third.await_ready(200);

    // Told to end: it gives the lease up.
    let mut fourth = Replica::start(data.path(), &database);
    fourth.await_ready(503);
    signal(&third, "-TERM");
    assert_eq!(third.child.wait().unwrap().code(), Some(0));
    fourth.serves();
    fourth.await_ready(200);

    // Whole, whoever wrote: each that served has told that it started, and nobody else.
    let place = data.path().to_str().unwrap();
    let report = check(&database, &["ledger", "verify", place, "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["ok"], true, "{report}");
    let starts = block_on(async {
        use tidegate::ledger::read::{Cursor, Reader};
        use tidegate::ledger::{Database, Event, LogId, Place};
        let database = Place::Postgres(Database::parse(&database.url()).unwrap());
        let mut reader = Reader::open_beside(&database, data.path()).await.unwrap();
        let (mut cursor, mut starts) = (Cursor::new(LogId::Platform, 0), 0);
        while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
            starts += usize::from(matches!(stored.record.event, Event::Start(_)));
        }
        starts
    });
    assert_eq!(starts, 4);
    let proof = check(&database, &["ledger", "inclusion", "platform/0", "--data", place]);
    assert!(proof.contains("c2sp.org/tlog-proof@v1"), "{proof}");
    let out = data.path().join("evidence");
    check(
        &database,
        &["ledger", "export", "--data", place, "--out", out.to_str().unwrap()],
    );
    for file in ["ledger.sqlite", "registry.sqlite", "dataspace.sqlite", "pcf.sqlite"] {
        assert!(!data.path().join(file).exists(), "{file}");
    }
}

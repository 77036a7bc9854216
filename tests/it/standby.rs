//! Two services over one database: one serves, the other stands by and takes over. Needs PostgreSQL:
//! `cargo test --test it on_postgres -- --ignored`.

mod upgrade;

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::binary::command;
use crate::cluster::{Cluster, TestDatabase};
use crate::harness::{Answer, Ask, ELBE, HOLDS, WESER, block_on, exchange, get, post, take_issuers, wait_for};

pub const NAME: &str = "TIDEGATE_TEST_DATABASE";

/// A service all of whose tables are in a database.
pub struct Replica {
    child: Child,
    pub address: SocketAddr,
    out: BufReader<std::process::ChildStdout>,
    log: PathBuf,
}

/// `tidegate serve --dev` over a database.
fn serve(data: &Path, database: &TestDatabase) -> Command {
    let mut serve = command(&[
        "serve",
        "--dev",
        "--data",
        data.to_str().unwrap(),
        "--database-env",
        NAME,
    ]);
    serve.env(NAME, database.url());
    serve
}

impl Replica {
    pub fn start(data: &Path, database: &TestDatabase) -> Self {
        take_issuers(data);
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let log = data.join(format!("log-{}", address.port()));
        let mut child = serve(data, database)
            .args(["--listen", &address.to_string()])
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            address,
            out,
            log,
        }
    }

    /// What it has logged.
    fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it says that it serves.
    pub fn serves(&mut self) {
        let mut lines = self.out.by_ref().lines().map_while(Result::ok);
        let served = lines.any(|line| line.contains("tidegate serves on"));
        assert!(served, "it ended before it served");
    }

    /// The status of `/readyz`; nothing while it does not answer.
    fn ready(&self) -> Option<u16> {
        std::net::TcpStream::connect(self.address).ok()?;
        exchange(self.address, &get("/readyz").bytes()).map(|answer| answer.status)
    }

    pub fn await_ready(&self, status: u16) -> Duration {
        let began = Instant::now();
        while self.ready() != Some(status) {
            assert!(began.elapsed() < Duration::from_secs(40), "{:?}", self.ready());
            std::thread::sleep(Duration::from_millis(100));
        }
        began.elapsed()
    }
}

impl Replica {
    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Tells it to end, and waits until it has.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }

    /// The request that Elbe's connector makes for Weser, as whoever has only `dev.json` asks.
    pub fn ask(&self, data: &Path) -> Ask {
        let manifest = Manifest::read(data);
        let token = manifest.token(self.address).expect("it gives tokens");
        manifest.ask(&token)
    }

    /// The status of the answer to that.
    pub fn asked(&self, data: &Path) -> u16 {
        self.ask(data).send(self.address).status
    }
}

/// What is asked with, of whichever service is there.
struct Manifest {
    form: String,
    path: String,
}

impl Manifest {
    fn read(data: &Path) -> Self {
        let manifest = std::fs::read(data.join("dev.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let of = |list: &str, name: &str, value: &str| {
            let list = manifest[list].as_array().unwrap();
            list.iter().find(|one| one[name] == value).unwrap().clone()
        };
        let (tenant, agreement) = (of("tenants", "bpnl", ELBE), of("agreements", "id", HOLDS));
        let [client, secret, scope] =
            ["client_id", "client_secret", "scope"].map(|name| tenant[name].as_str().unwrap().to_owned());
        Self {
            form: format!("grant_type=client_credentials&client_id={client}&client_secret={secret}&scope={scope}"),
            path: format!(
                "/exchange/{ELBE}/pcf/{}/submodel/$value",
                agreement["pcf_id"].as_str().unwrap()
            ),
        }
    }

    /// A token of the service at an address, where that gives one.
    fn token(&self, address: SocketAddr) -> Option<String> {
        let ask = post(&format!("/dev/issuers/{ELBE}/oauth2/token"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(self.form.clone());
        let answer = exchange(address, &ask.bytes()).filter(|answer: &Answer| answer.status == 200)?;
        Some(answer.json()["access_token"].as_str().unwrap().to_owned())
    }

    fn ask(&self, token: &str) -> Ask {
        get(&self.path)
            .bearer(token)
            .header("Edc-Bpn", WESER)
            .header("Edc-Contract-Agreement-Id", HOLDS)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command over a database and holds it to an exit code; gives standard output.
pub fn ends(database: &TestDatabase, arguments: &[&str], exit: i32) -> String {
    let output = command(arguments)
        .args(["--database-env", NAME])
        .env(NAME, database.url())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}\n{out}\n{err}");
    out
}

fn check(database: &TestDatabase, arguments: &[&str]) -> String {
    ends(database, arguments, 0)
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
    second.signal("-STOP");
    std::thread::sleep(Duration::from_secs(8));
    second.signal("-CONT");
    assert_eq!(second.child.wait().unwrap().code(), Some(1));
    third.serves();
    third.await_ready(200);

    // Told to end: it gives the lease up.
    let mut fourth = Replica::start(data.path(), &database);
    fourth.await_ready(503);
    third.stop();
    fourth.serves();
    fourth.await_ready(200);

    // So does one that stands by: at once, and in order.
    let mut fifth = Replica::start(data.path(), &database);
    fifth.await_ready(503);
    fifth.stop();
    assert_eq!(fourth.ready(), Some(200));

    // Whole, whoever wrote: each that served has told that it started, and nobody else.
    let place = data.path().to_str().unwrap();
    let report = check(&database, &["ledger", "verify", place, "--format", "json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
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
    for file in [
        "ledger.sqlite",
        "registry.sqlite",
        "dataspace.sqlite",
        "pcf.sqlite",
        "pulls.sqlite",
    ] {
        assert!(!data.path().join(file).exists(), "{file}");
    }
}

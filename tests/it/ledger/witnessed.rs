//! A service whose checkpoints a public witness cosigns (litewitness of filippo.io/torchwood), as public tools see it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use tidegate::ledger::checkpoint::Checkpoint;
use tidegate::ledger::note::VerifierKey;
use tidegate::ledger::proof::Inclusion;
use tidegate::ledger::witness::{Witness, Witnesses};

use super::served::{decided, fsck, key, read};
use crate::binary::{check, run};
use crate::harness::{ELBE, Service, block_on, get, within_a_minute};

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(command: &mut Command) -> Running {
    Running(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    )
}

fn done(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Where the witness keeps what it knows, its key in an agent, and how it is started.
struct Desk {
    place: TempDir,
    address: SocketAddr,
    fingerprint: String,
    _agent: Running,
}

impl Desk {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let [socket, key] = ["agent", "key"].map(|name| place.path().join(name));
        let agent = spawn(Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket));
        within_a_minute(|| socket.exists().then_some(()).ok_or("the agent is not there yet"));
        done(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&key),
        );
        done(
            Command::new("ssh-add")
                .arg("-q")
                .arg(&key)
                .env("SSH_AUTH_SOCK", &socket),
        );
        let shown = done(Command::new("ssh-keygen").arg("-lf").arg(&key));
        let fingerprint = shown.split(' ').nth(1).unwrap().to_owned();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self {
            place,
            address,
            fingerprint,
            _agent: agent,
        }
    }

    fn database(&self) -> PathBuf {
        self.place.path().join("witness.db")
    }

    fn start(&self) -> Running {
        let program = std::env::var_os("LITEWITNESS").expect("the path of litewitness");
        let started = spawn(
            Command::new(program)
                .args(["-name", "witness.example/w1", "-key", &self.fingerprint, "-listen"])
                .arg(self.address.to_string())
                .arg("-db")
                .arg(self.database())
                .arg("-ssh-agent")
                .arg(self.place.path().join("agent")),
        );
        within_a_minute(|| TcpStream::connect(self.address).map_err(|_| "the witness is not there yet"));
        started
    }

    /// The key it says it cosigns with.
    fn key(&self) -> VerifierKey {
        let page = get("/").send(self.address).text();
        let line = page.lines().find(|line| line.starts_with("witness.example/w1+"));
        line.unwrap_or_else(|| panic!("its key in {page}"))
            .trim()
            .parse()
            .unwrap()
    }

    /// Tells it of a log, as its operator does.
    fn add(&self, key: &VerifierKey) {
        block_on(async {
            let options = SqliteConnectOptions::new().filename(self.database());
            let mut connection = options.connect().await.unwrap();
            // The hash of no records, in base64.
            let added = sqlx::query(
                "INSERT INTO log (origin, tree_size, tree_hash) VALUES (?1, 0, '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=')",
            );
            added
                .bind(key.name().to_owned())
                .execute(&mut connection)
                .await
                .unwrap();
            let added = sqlx::query("INSERT INTO key (origin, key) VALUES (?1, ?2)").bind(key.name().to_owned());
            added.bind(key.to_string()).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    }
}

/// What is shown of Elbe's log, once it is cosigned and names more than `index` records.
fn cosigned(service: &Service, witnesses: &Witnesses, index: u64) -> (String, Checkpoint) {
    let (anna, key) = (service.person(ELBE, "anna"), key(service, ELBE));
    within_a_minute(|| {
        let answer = read(service, &anna, "checkpoint");
        match answer.status {
            200 => {}
            404 => return Err("nothing is shown yet"),
            status => panic!("{status}: {}", answer.text()),
        }
        let note = answer.text();
        assert!(witnesses.quorum().met(&note).is_ok(), "nothing else is shown: {note}");
        let checkpoint = Checkpoint::open(&note, &key).unwrap();
        match checkpoint.size > index {
            true => Ok((note, checkpoint)),
            false => Err("the record is not cosigned yet"),
        }
    })
}

fn lag(service: &Service) -> f64 {
    let metrics = get("/metrics").send(service.address).text();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("tidegate_ledger_cosigned_lag_seconds "));
    line.map_or(0.0, |value| value.parse().unwrap())
}

#[test]
#[ignore = "needs litewitness of filippo.io/torchwood, fsck of github.com/transparency-dev/tessera and ssh-agent; tests/ledger/run brings them"]
fn a_public_witness_cosigns_what_is_shown_and_public_tools_take_its_word() {
    let desk = Desk::new();
    let witness = desk.start();
    let first = Service::start();
    let logs: Vec<_> = first.manifest["ledger"]
        .as_array()
        .unwrap()
        .iter()
        .map(|log| log["log"].clone())
        .collect();
    let elbe = key(&first, ELBE);
    logs.iter()
        .for_each(|log| desk.add(&key(&first, log.as_str().unwrap())));
    let data = first.stop();

    let (url, witness_key) = (format!("http://{}", desk.address), desk.key());
    let one = Witness {
        url,
        key: witness_key.clone(),
    };
    let witnesses = Witnesses::new(vec![one], None).unwrap();
    let service = Service::witnessed(data, witnesses.clone());
    for _ in 0..300 {
        decided(&service);
    }
    let index = decided(&service);
    let (_, checkpoint) = cosigned(&service, &witnesses, index);
    let anna = service.person(ELBE, "anna");
    let proof = Inclusion::parse(&read(&service, &anna, &format!("inclusion/{index}")).text()).unwrap();
    assert!(
        witnesses.quorum().met(&proof.checkpoint).is_ok(),
        "a proof stands under a cosigned checkpoint"
    );

    // Go's tools: the log under its own key, and under the witness's, which holds the cosignature.
    for key in [&elbe, &witness_key] {
        let (holds, told) = fsck(&service, &anna, &checkpoint.origin, key);
        assert!(holds, "{key}: {told}");
    }
    let (holds, told) = fsck(&service, &anna, &checkpoint.origin, &key(&service, "platform"));
    assert!(!holds, "{told}");
    // And ours, over HTTP.
    let token = service.data().join("token");
    std::fs::write(&token, &anna).unwrap();
    let (url, token) = (
        format!("http://{}/ledger/{ELBE}", service.address),
        token.to_str().unwrap().to_owned(),
    );
    let (elbe, by) = (elbe.to_string(), witness_key.to_string());
    let served = [&url, "--token-file", &token, "--key", &elbe, "--witness", &by];
    let told = check(&[&["ledger", "verify"], &served[..]].concat(), 0);
    assert!(told.contains("cosigned by witness.example/w1"), "{told}");
    let kept = service.data().join("kept");
    let state = ["--once", "--state", kept.to_str().unwrap()];
    check(&[&["ledger", "follow"], &served[..], &state].concat(), 0);

    // Without the witness the service goes on; what is shown stays, and the lag grows.
    drop(witness);
    let shown = cosigned(&service, &witnesses, index).1.size;
    let index = decided(&service);
    within_a_minute(|| (lag(&service) > 2.0).then_some(()).ok_or("the lag has not grown yet"));
    let before = lag(&service);
    decided(&service);
    within_a_minute(|| {
        (lag(&service) > before + 1.0)
            .then_some(())
            .ok_or("the lag does not grow")
    });
    let late = cosigned(&service, &witnesses, 0).1.size;
    // The witness may have been told of one more as it went.
    assert!(late <= index && late >= shown, "{shown} {late} {index}");
    let proof = read(&service, &anna, &format!("inclusion/{index}"));
    assert_eq!(proof.status, 200, "a proof can be had all the same: {}", proof.text());

    // It is back.
    let witness = desk.start();
    cosigned(&service, &witnesses, index);
    within_a_minute(|| {
        (lag(&service) == 0.0)
            .then_some(())
            .ok_or("some log is not cosigned yet")
    });
    let data = service.stop();

    // We forgot what it saw, and are told (409).
    forget(data.path());
    let service = Service::witnessed(data, witnesses.clone());
    let index = decided(&service);
    cosigned(&service, &witnesses, index);
    within_a_minute(|| {
        (lag(&service) == 0.0)
            .then_some(())
            .ok_or("some log is not cosigned yet")
    });
    let data = service.stop();

    // From the directory, and as evidence.
    let path = data.path().to_str().unwrap();
    let out = data.path().join("evidence");
    check(&["ledger", "export", "--data", path, "--out", out.to_str().unwrap()], 0);
    drop(witness);
    for place in [path, out.to_str().unwrap()] {
        let report = check(&["ledger", "verify", place, "--witness", &by, "--format", "json"], 0);
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        for log in report["logs"].as_array().unwrap() {
            assert_eq!(log["cosigned"]["by"][0]["witness"], "witness.example/w1", "{log:#}");
        }
    }
    let wrong = run(&["ledger", "verify", path, "--witness", &elbe]);
    assert_eq!(wrong.status.code(), Some(3), "a log's key is no witness's");
}

fn forget(data: &Path) {
    block_on(async {
        let options = SqliteConnectOptions::new().filename(data.join("ledger.sqlite"));
        let mut connection = options.connect().await.unwrap();
        sqlx::query("DELETE FROM cosigned")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    });
}

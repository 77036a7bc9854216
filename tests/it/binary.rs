//! The program itself, run as people run it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate::ledger::Event;

use crate::harness::{ELBE, HOLDS, WESER, get, post, records, take_issuers, within_a_minute};

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command
        .args(arguments)
        .env("NO_COLOR", "1")
        .env_remove("TIDEGATE_LOG")
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// Runs a command and holds it to an exit code; gives standard output.
pub fn check(arguments: &[&str], exit: i32) -> String {
    let output = run(arguments);
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}\n{out}\n{err}");
    out
}

/// A running `tidegate serve --dev`; killed when dropped.
pub struct Served {
    child: Child,
    pub address: SocketAddr,
    pub manifest: Value,
}

impl Served {
    pub fn start(data: &Path, more: &[&str]) -> Self {
        let data_text = data.to_str().unwrap();
        take_issuers(data);
        let mut child = command(&["serve", "--dev", "--data", data_text])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.by_ref().find_map(|line| {
            let address = line.strip_prefix("tidegate serves on http://")?;
            Some(address.parse().unwrap())
        });
        let manifest = serde_json::from_slice(&std::fs::read(data.join("dev.json")).unwrap()).unwrap();
        Self {
            child,
            address: address.expect("the service starts"),
            manifest,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end and gives the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// A token of Elbe's connector, fetched as a connector fetches it.
    pub fn connector(&self) -> String {
        let tenant = &self.manifest["tenants"][0];
        assert_eq!(tenant["bpnl"], ELBE);
        let text = |name: &str| tenant[name].as_str().unwrap();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            text("client_id"),
            text("client_secret")
        );
        let answer = post(&format!("/dev/issuers/{ELBE}/oauth2/token"))
            .body(form)
            .send(self.address);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A token of one of Elbe's people, fetched as the app they use fetches it.
    pub fn person(&self, name: &str) -> String {
        let users = self.manifest["tenants"][0]["users"].as_array().unwrap();
        let user = users.iter().find(|user| user["name"] == name).unwrap();
        let grant = user["token_grant"].as_object().unwrap();
        let form: Vec<_> = grant
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
            .collect();
        let answer = post(&format!("/dev/issuers/{ELBE}/oauth2/token"))
            .body(form.join("&"))
            .send(self.address);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// The request for ethanol's footprint by a partner.
    pub fn exchange(&self, token: &str, partner: &str) -> crate::harness::Ask {
        let agreements = self.manifest["agreements"].as_array().unwrap();
        let pcf = &agreements.iter().find(|agreement| agreement["id"] == HOLDS).unwrap()["pcf_id"];
        get(&format!(
            "/exchange/{ELBE}/pcf/{}/submodel/$value",
            pcf.as_str().unwrap()
        ))
        .bearer(token)
        .header("Edc-Bpn", partner)
        .header("Edc-Contract-Agreement-Id", HOLDS)
    }

    /// The digest of the bundle in force.
    pub fn bundle(&self) -> String {
        let ready = get("/readyz").send(self.address).json();
        ready["bundle"]["digest"].as_str().unwrap().to_owned()
    }

    pub fn check_allowed(&self) {
        let answer = self.exchange(&self.connector(), WESER).send(self.address);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn told_to_end_it_answers_what_is_under_way_and_refuses_what_comes() {
    let data = tempfile::tempdir().unwrap();
    let mut served = Served::start(data.path(), &[]);
    let agreements = served.manifest["agreements"].as_array().unwrap();
    let pcf = &agreements.iter().find(|agreement| agreement["id"] == HOLDS).unwrap()["pcf_id"];
    let body = json!({
        "subject": {"type": "Partner", "id": WESER},
        "action": {"name": "access"},
        "resource": {"type": "Footprint", "id": format!("{ELBE}/{}", pcf.as_str().unwrap())},
        "context": {"agreement": HOLDS},
    });
    let body = body.to_string();
    let head = format!(
        "POST /access/v1/evaluation HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        served.connector(),
        body.len()
    );
    let connect = || {
        let stream = TcpStream::connect(served.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    };
    // One that is open and asks for nothing does not keep it from ending.
    let _idle = connect();
    let mut stream = connect();
    stream.write_all(head.as_bytes()).unwrap();
    // That the body is asked for says that the request is under way.
    let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut told = vec![0; expected.len()];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(told, expected);

    served.signal("-TERM");
    within_a_minute(|| match TcpStream::connect(served.address) {
        Ok(_) => Err("it still takes connections"),
        Err(_) => Ok(()),
    });
    let rest = Instant::now();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(served.wait(), Some(0));
    // Sooner than open requests are given, for there was none any more.
    assert!(rest.elapsed() < Duration::from_secs(10), "{:?}", rest.elapsed());

    let decisions: Vec<_> = records(data.path(), ELBE)
        .into_iter()
        .filter(|stored| matches!(stored.record.event, Event::Decision(_)))
        .map(|stored| stored.record.id.to_string())
        .collect();
    let [recorded] = decisions.as_slice() else {
        panic!("{decisions:?}")
    };
    assert!(answer.contains(recorded), "{answer}");
    let report = check(&["ledger", "verify", data.path().to_str().unwrap()], 0);
    assert!(!report.contains("unsigned"), "all is signed: {report}");
}

#[test]
fn the_demo_walks_the_handshake_and_everything_comes_out_as_it_should() {
    let data = tempfile::tempdir().unwrap();
    take_issuers(data.path());
    let told = check(&["demo", "--data", data.path().to_str().unwrap()], 0);
    // The steps, the messages with the states they lead to, and what is refused, in this order.
    let mut rest = told.as_str();
    for expected in [
        "200 Catalog",
        "discover Offer",
        "ContractRequestMessage                 REQUESTED",
        "ContractAgreementMessage               AGREED",
        "ContractAgreementVerificationMessage   VERIFIED",
        "ContractNegotiationEventMessage        FINALIZED",
        "negotiate Offer",
        "TransferRequestMessage                 REQUESTED",
        "transfer Asset",
        "data flow STARTED",
        "TransferStartMessage                   STARTED",
        "a token of ",
        "200 the footprint is handed out",
        "ok: it is byte for byte what the supplier stored",
        "is shown no offer",
        "reason: denied: the provider's policy does not permit it",
        "it lacks `Membership eq \"active\"`",
        "cx.quality.base:1",
        "401 at Isar Castings",
        "403 for another footprint",
        "401 the narrowed token, for another",
        "200 under a contract with `DataFrequency once`: the first time",
        "403 under the same contract: the second time",
        "401 the token of another transfer, after Weser ended it",
        "200 anna, admin of Elbe Polymers, retires the agreement",
        "403 the token of the first transfer, on its next request",
        "reason: the agreement was retired",
        "data plane of the connector's own (HttpData)",
        "ok: every decision, made again from its record, is the same",
        "ok: the change is found, at that record",
    ] {
        let found = rest.find(expected);
        rest = &rest[found.unwrap_or_else(|| panic!("`{expected}` is not there, or not in its place:\n{told}"))..];
    }
    let last = told.lines().last().unwrap();
    let (came, of) = last.split_once(" of ").unwrap();
    assert_eq!(of, format!("{came} came out as they should"));
    // Tokens, which have some 900 characters, are shown by their digest only.
    assert!(
        !told.split_whitespace().any(|word| word.len() > 300),
        "a token was printed"
    );
}

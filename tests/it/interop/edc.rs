//! One Eclipse EDC control plane in a process of its own; see `tests/interop/edc/README.md`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tidegate::dataspace::flow::Dialect;

use super::generation::{dialect, version};
use crate::harness::block_on;

/// Where it listens, before it is started: Tidegate wants to know its connectors first.
pub struct Ports {
    default: u16,
    management: u16,
    protocol: u16,
    control: u16,
    signaling: u16,
    public: u16,
}

impl Ports {
    /// Six ports that are free now.
    pub fn free() -> Self {
        // Held together until all are known, so that no two are the same.
        let held: Vec<_> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let port = |index: usize| held[index].local_addr().unwrap().port();
        Self {
            default: port(0),
            management: port(1),
            protocol: port(2),
            control: port(3),
            signaling: port(4),
            public: port(5),
        }
    }

    /// The management API.
    pub fn management(&self) -> String {
        let version = match dialect() {
            Dialect::Legacy => "v3",
            Dialect::Dps => "v4",
        };
        format!("http://127.0.0.1:{}/api/management/{version}", self.management)
    }

    /// Where other connectors send messages of the Dataspace Protocol, version 2025-1.
    pub fn dsp(&self) -> String {
        format!("http://127.0.0.1:{}/api/dsp/2025-1", self.protocol)
    }

    /// Where data planes answer, and in the older language register.
    pub fn signaling(&self) -> String {
        match dialect() {
            Dialect::Legacy => format!("http://127.0.0.1:{}/api/control", self.control),
            Dialect::Dps => format!("http://127.0.0.1:{}/api/signaling", self.signaling),
        }
    }
}

/// What is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// A control plane of the version that is tested against.
    ControlPlane,
    /// A connector with a data plane of its own.
    OwnDataPlane,
}

impl Build {
    /// Where it is, once it is built.
    pub fn jar(self) -> PathBuf {
        let built = |name: &str| folder().join(format!("target/{name}-{}.jar", version()));
        match self {
            Self::ControlPlane => std::env::var_os("EDC_JAR").map_or_else(|| built("edc-controlplane"), PathBuf::from),
            Self::OwnDataPlane => built("edc-own-data-plane"),
        }
    }

    /// The parts of its configuration beside that of its role.
    fn config(self) -> &'static [&'static str] {
        match (self, dialect()) {
            (Self::ControlPlane, Dialect::Legacy) => &["until-0.17"],
            (Self::ControlPlane, Dialect::Dps) => &["from-0.18"],
            (Self::OwnDataPlane, _) => &["until-0.17", "own-data-plane"],
        }
    }
}

/// The client whose token the connector shows its data plane; from 0.18 on it learns that by the registration.
pub struct Client<'a> {
    pub token_url: &'a str,
    pub id: &'a str,
    pub secret: &'a str,
}

/// A running control plane; it ends with this value.
pub struct Edc {
    build: Build,
    process: Child,
    ports: Ports,
    key: String,
    log: PathBuf,
    _directory: TempDir,
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/edc")
}

impl Edc {
    /// Starts the control plane of `role` (`provider` or `consumer`), without waiting for it.
    pub fn start(build: Build, role: &str, ports: Ports, client: &Client<'_>) -> Self {
        let jar = build.jar();
        assert!(jar.exists(), "`{}` is not there: run tests/interop/run", jar.display());
        let directory = tempfile::tempdir().unwrap();
        let read = |name: &str| std::fs::read_to_string(folder().join(format!("config/{name}.properties"))).unwrap();
        let parts = [role].into_iter().chain(build.config().iter().copied());
        let text: String = parts.map(|part| read(part) + "\n").collect();
        let text = text
            .replace("@DEFAULT_PORT@", &ports.default.to_string())
            .replace("@MANAGEMENT_PORT@", &ports.management.to_string())
            .replace("@PROTOCOL_PORT@", &ports.protocol.to_string())
            .replace("@CONTROL_PORT@", &ports.control.to_string())
            .replace("@SIGNALING_PORT@", &ports.signaling.to_string())
            .replace("@PUBLIC_PORT@", &ports.public.to_string())
            .replace("@TOKEN_URL@", client.token_url)
            .replace("@CLIENT_ID@", client.id)
            .replace("@CLIENT_SECRET@", client.secret);
        let config = directory.path().join("edc.properties");
        std::fs::write(&config, text).unwrap();
        let log = directory.path().join("edc.log");
        let output = std::fs::File::create(&log).unwrap();
        let process = Command::new("java")
            .args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dedc.fs.config={}", config.display()))
            .arg("-jar")
            .arg(&jar)
            .arg("--log-level=WARNING")
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .stdin(Stdio::null())
            .spawn()
            .expect("java starts");
        Self {
            build,
            process,
            ports,
            key: format!("{role}-key"),
            log,
            _directory: directory,
        }
    }

    /// Waits until all its interfaces answer, at most a minute. It says that it is ready a moment before they do.
    pub fn ready(&mut self) {
        let health = format!("http://127.0.0.1:{}/api/check/readiness", self.ports.default);
        let protocol = format!(
            "http://127.0.0.1:{}/api/dsp/.well-known/dspace-version",
            self.ports.protocol
        );
        let management = format!("{}/contractdefinitions/request", self.ports.management());
        let client = reqwest::Client::new();
        let started = Instant::now();
        let answers = || {
            let asked = [
                client.get(&health),
                client.get(&protocol),
                client
                    .post(&management)
                    .header("X-Api-Key", &self.key)
                    .header("Content-Type", "application/json"),
            ];
            asked
                .into_iter()
                .all(|request| block_on(request.send()).is_ok_and(|answer| answer.status().is_success()))
        };
        while !answers() {
            let ended = self.process.try_wait().unwrap();
            assert!(
                ended.is_none() && started.elapsed() < Duration::from_secs(60),
                "the connector does not come up: {}",
                self.log_text()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        if self.build == Build::ControlPlane {
            self.check_version();
        }
    }

    /// That the running connector has the API that goes with the version it was said to be.
    fn check_version(&self) {
        let url = format!("http://127.0.0.1:{}/api/v1/version", self.ports.default);
        let text = block_on(async { reqwest::get(url).await.unwrap().text().await.unwrap() });
        let has: Value = serde_json::from_str(&text).unwrap();
        let has_signaling = has.get("signaling").is_some();
        assert_eq!(
            has_signaling,
            dialect() == Dialect::Dps,
            "this is not EDC {}: {has}",
            version()
        );
    }

    /// What it logged.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The key of its management and control APIs.
    pub fn key(&self) -> String {
        self.key.clone()
    }

    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Asks its management API; the body of a success, which may be empty.
    pub fn manage(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.ask(method, &format!("{}{path}", self.ports.management()), body)
    }

    /// Takes a data plane off its list, which up to 0.17 its control API does.
    pub fn forget_data_plane(&self, id: &str) {
        self.ask(
            "DELETE",
            &format!("{}/v1/dataplanes/{id}", self.ports.signaling()),
            None,
        );
    }

    fn ask(&self, method: &str, url: &str, body: Option<Value>) -> Value {
        let request = reqwest::Client::new().request(method.parse().unwrap(), url);
        let request = request.header("X-Api-Key", &self.key);
        let request = match body {
            Some(body) => request
                .header("Content-Type", "application/json")
                .body(body.to_string()),
            None => request,
        };
        let (status, text) = block_on(async {
            let answer = request.send().await.unwrap();
            (answer.status(), answer.text().await.unwrap())
        });
        assert!(
            status.is_success(),
            "{method} {url}: {status} {text}\n{}",
            self.log_text()
        );
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Waits until what `path` names is in one of `states`, at most half a minute.
    pub fn wait(&self, path: &str, states: &[&str]) -> Value {
        let started = Instant::now();
        loop {
            let found = self.manage("GET", path, None);
            if found["state"].as_str().is_some_and(|state| states.contains(&state)) {
                return found;
            }
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "{path} is not {states:?}: {found}\n{}",
                self.log_text()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Edc {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

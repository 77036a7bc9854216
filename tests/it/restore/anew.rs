//! A configured service whose ledger was set back: a new one begins beside the old, under another origin. And the vault's key, which is in
//! no backup of the directory.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate::clock::Clock;
use tidegate::dev::issuer::{SigningKey, sign};

use crate::binary::{check, command};
use crate::harness::{ELBE, post};

const ISSUER: &str = "https://issuer.example/elbe";
const KEY_NAME: &str = "TIDEGATE_TEST_VAULT_KEY";

/// A directory with all that a configured service needs.
struct Place {
    dir: TempDir,
    key: SigningKey,
}

impl Place {
    fn new() -> Self {
        let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::generate().unwrap());
        let place = Self { dir, key };
        std::fs::write(place.path("jwks.json"), place.key.jwks()).unwrap();
        let world = json!({"tenants": [{
            "id": ELBE, "name": "Elbe", "state": "active",
            "identity": {
                "issuer": ISSUER, "jwks": place.path("jwks.json"), "resource_server": ELBE, "connectors": [],
                "integrations": [], "user_clients": ["people"]
            }
        }], "partners": []});
        std::fs::write(place.path("world.json"), world.to_string()).unwrap();
        place.write_key(7);
        place.configure(
            "tidegate.test",
            "vault_key_file",
            place.path("vault.key").to_str().unwrap(),
        );
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write_key(&self, byte: u8) {
        let path = self.path("vault.key");
        std::fs::write(&path, BASE64.encode([byte; 32])).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn configure(&self, origin: &str, kind: &str, key: &str) {
        let config = format!(
            "listen = \"127.0.0.1:0\"\ndata = {:?}\nbase_url = \"http://127.0.0.1:8080\"\nbundle = {:?}\n\
             ledger_origin = {origin:?}\n{kind} = {key:?}\nworld = {:?}\n",
            self.path("data"),
            Path::new(env!("CARGO_MANIFEST_DIR")),
            self.path("world.json"),
        );
        std::fs::write(self.path("config.toml"), config).unwrap();
    }

    fn serve(&self) -> std::process::Command {
        let mut serve = command(&["serve", "--config"]);
        serve.arg(self.path("config.toml"));
        serve
    }

    /// What a start says that does not come to serve.
    fn refused(&self) -> String {
        let output = self
            .serve()
            .env_remove(KEY_NAME)
            .stdout(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        said
    }

    /// Serves, and has Elbe's admin ask for a session.
    fn serves(&self) {
        let mut child = Ended(
            self.serve()
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let mut lines = BufReader::new(child.0.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let address = lines.find_map(|line| line.strip_prefix("tidegate serves")?.rsplit(' ').next()?.parse().ok());
        let address: SocketAddr = address.expect("it ended before it served");
        let now = Clock::system().now().as_second();
        let claims = json!({
            "iss": ISSUER, "token_use": "access", "client_id": "people", "sub": "0d5a4c0e-9d3f-4d62-8d5f-3a1d6f2b7c11",
            "username": "anna", "jti": "t-1", "iat": now, "exp": now + 900, "cognito:groups": ["admin"]
        });
        let token = sign(&self.key, &self.key.header(), &claims.to_string()).unwrap();
        let answer = post(&format!("/credentials/{ELBE}/session"))
            .bearer(&token)
            .send(address);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let id = child.0.id().to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.unwrap().success());
        assert_eq!(child.0.wait().unwrap().code(), Some(0));
    }
}

/// Killed where a test fails before it ended.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn where_newer_checkpoints_are_out_a_new_ledger_begins_beside_the_restored_one() {
    let place = Place::new();
    place.serves();
    let data = place.path("data");
    // Another origin alone is other keys for the same logs: it does not start.
    let key = place.path("vault.key");
    place.configure("tidegate.test.2", "vault_key_file", key.to_str().unwrap());
    let said = place.refused();
    assert!(said.contains("but this service signs with"), "{said}");

    // The restored ledger and its secret are put aside together, and stay what they are: they verify and replay.
    let aside = place.path("ledger-until-2026-11-27");
    std::fs::create_dir_all(aside.join("keys")).unwrap();
    for entry in std::fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_str().unwrap().starts_with("ledger.sqlite") {
            std::fs::rename(entry.path(), aside.join(entry.file_name())).unwrap();
        }
    }
    std::fs::rename(data.join("keys/ledger.seed"), aside.join("keys/ledger.seed")).unwrap();
    place.serves();

    let verified = |at: &Path| -> Value {
        let report = check(&["ledger", "verify", at.to_str().unwrap(), "--format", "json"], 0);
        check(&["replay", "--data", at.to_str().unwrap()], 0);
        serde_json::from_str(&report).unwrap()
    };
    let keys = |report: &Value| -> Vec<String> {
        let logs = report["logs"].as_array().unwrap().iter();
        logs.map(|log| log["verifierKey"].as_str().unwrap().to_owned())
            .collect()
    };
    let (before, now) = (keys(&verified(&aside)), keys(&verified(&data)));
    assert!(
        before.iter().all(|key| key.starts_with("tidegate.test/ledger/")),
        "{before:?}"
    );
    assert!(
        now.iter().all(|key| key.starts_with("tidegate.test.2/ledger/")),
        "{now:?}"
    );
    // Both know the company: what is no ledger went on.
    assert_eq!((before.len(), now.len()), (2, 2));
}

#[test]
fn a_vault_needs_the_key_of_its_time() {
    let place = Place::new();
    place.serves();
    let file = place.path("vault.key");

    std::fs::remove_file(&file).unwrap();
    let said = place.refused();
    assert!(said.contains("vault.key") && said.contains("No such file"), "{said}");

    place.write_key(8);
    let said = place.refused();
    assert!(said.contains("was sealed with another key"), "{said}");

    std::fs::write(&file, "c2hvcnQ=").unwrap();
    let said = place.refused();
    assert!(said.contains("is not 32 bytes in base64"), "{said}");

    place.configure("tidegate.test", "vault_key_env", KEY_NAME);
    let said = place.refused();
    assert!(said.contains(KEY_NAME) && said.contains("is not set"), "{said}");

    place.write_key(7);
    place.configure("tidegate.test", "vault_key_file", file.to_str().unwrap());
    place.serves();
}

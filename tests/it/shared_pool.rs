//! Two tenants in one user pool: the same issuer, the same keys, the same app for their people. A person of one is nobody at the
//! other's endpoints; and where it could not be told whose a person is, the service does not start.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::LazyLock;

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate::clock::Clock;
use tidegate::dev::issuer::{SigningKey, sign};

use crate::binary::command;
use crate::harness::{Answer, ELBE, ISAR, get, post};

const ISSUER: &str = "https://issuer.example/pool";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate().unwrap());

/// A tenant of the pool.
fn tenant(id: &str, groups: &str) -> Value {
    json!({
        "id": id, "name": id, "state": "active",
        "identity": {
            "issuer": ISSUER, "jwks": "jwks.json", "resource_server": id, "connectors": [format!("edc-{id}")],
            "integrations": [], "user_clients": ["people"], "groups": groups
        }
    })
}

/// A directory with all that a configured service needs.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let key = place.path("vault.key");
        std::fs::write(&key, base64::engine::general_purpose::STANDARD.encode([7; 32])).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(place.path("jwks.json"), KEY.jwks()).unwrap();
        let config = format!(
            "listen = \"127.0.0.1:0\"\ndata = {:?}\nbase_url = \"http://127.0.0.1:8080\"\nbundle = {:?}\n\
             ledger_origin = \"tidegate.test\"\nvault_key_file = {key:?}\nworld = {:?}\n",
            place.path("data"),
            Path::new(env!("CARGO_MANIFEST_DIR")),
            place.path("world.json"),
        );
        std::fs::write(place.path("config.toml"), config).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn world(&self, tenants: &[Value]) {
        let mut tenants = tenants.to_vec();
        for tenant in &mut tenants {
            tenant["identity"]["jwks"] = json!(self.path("jwks.json"));
        }
        let world = json!({"tenants": tenants, "partners": []});
        std::fs::write(self.path("world.json"), world.to_string()).unwrap();
    }

    fn serve(&self) -> std::process::Command {
        let mut serve = command(&["serve", "--config"]);
        serve.arg(self.path("config.toml"));
        serve
    }

    /// What a start says that does not come to serve.
    fn refused(&self) -> String {
        let Output { status, stderr, .. } = self.serve().stdout(Stdio::null()).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(3), "{said}");
        said
    }
}

struct Served {
    child: Child,
    address: SocketAddr,
}

impl Served {
    fn start(place: &Place) -> Self {
        let mut child = place
            .serve()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| line.strip_prefix("tidegate serves")?.rsplit(' ').next()?.parse().ok());
        let address = address.expect("it ended before it served");
        Self { child, address }
    }

    fn session(&self, tenant: &str, token: &str) -> Answer {
        post(&format!("/credentials/{tenant}/session"))
            .bearer(token)
            .send(self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A token of the pool's people.
fn person(groups: Value) -> String {
    let now = Clock::system().now().as_second();
    let mut claims = json!({
        "iss": ISSUER, "token_use": "access", "client_id": "people", "sub": "0d5a4c0e-9d3f-4d62-8d5f-3a1d6f2b7c11",
        "username": "anna", "jti": "t-1", "iat": now, "exp": now + 900
    });
    if !groups.is_null() {
        claims["cognito:groups"] = groups;
    }
    sign(&KEY, &KEY.header(), &claims.to_string()).unwrap()
}

#[test]
fn a_person_of_one_tenant_is_nobody_at_another_of_the_same_pool() {
    let place = Place::new();
    place.world(&[tenant(ELBE, "prefixed"), tenant(ISAR, "prefixed")]);
    let service = Served::start(&place);
    let admin = person(json!([format!("{ELBE}.admin")]));
    let own = service.session(ELBE, &admin);
    assert_eq!(own.status, 200, "{}", own.text());
    service
        .session(ISAR, &admin)
        .check_problem(401, "unauthenticated", "an admin of another tenant");
    let text = service.session(ISAR, &admin).text();
    assert!(!text.contains(ELBE), "whose token it is is nobody's to know: {text}");
    service
        .session(ELBE, &person(json!([format!("{ELBE}.viewer")])))
        .check_problem(403, "forbidden", "a viewer");
    for (groups, who) in [
        (json!(["admin"]), "a group that says of no tenant"),
        (
            json!([format!("{ELBE}.admin"), format!("{ISAR}.admin")]),
            "groups of both",
        ),
        (json!([format!("{ELBE}.admin"), "admin"]), "one of both kinds"),
        (json!([]), "no group"),
        (Value::Null, "no claim"),
    ] {
        for tenant in [ELBE, ISAR] {
            service
                .session(tenant, &person(groups.clone()))
                .check_problem(401, "unauthenticated", who);
        }
    }
    // The other way round, and at another endpoint.
    let other = person(json!([format!("{ISAR}.admin")]));
    assert_eq!(service.session(ISAR, &other).status, 200);
    get(&format!("/credentials/{ELBE}/secrets/erp-api-key"))
        .bearer(&other)
        .send(service.address)
        .check_problem(401, "unauthenticated", "an admin of another tenant");
}

#[test]
fn tenants_that_could_not_be_told_apart_keep_the_service_from_starting() {
    let place = Place::new();
    for (one, other) in [("own", "prefixed"), ("prefixed", "own"), ("own", "own")] {
        place.world(&[tenant(ELBE, one), tenant(ISAR, other)]);
        let said = place.refused();
        for part in ["world.json", ELBE, ISAR, "people", "prefixed"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let mut twin = tenant(ISAR, "prefixed");
    twin["identity"]["connectors"] = json!([format!("edc-{ELBE}")]);
    place.world(&[tenant(ELBE, "prefixed"), twin]);
    assert!(place.refused().contains("machine"));
    let mut twin = tenant(ISAR, "prefixed");
    twin["identity"]["resource_server"] = json!(ELBE);
    place.world(&[tenant(ELBE, "prefixed"), twin]);
    assert!(place.refused().contains("resource server"));

    // One that is on record counts as one that the document names; and a document mends what is on record.
    place.world(&[tenant(ELBE, "own")]);
    drop(Served::start(&place));
    place.world(&[tenant(ISAR, "prefixed")]);
    let said = place.refused();
    assert!(said.contains(ELBE) && said.contains("registry"), "{said}");
    place.world(&[tenant(ISAR, "prefixed"), tenant(ELBE, "prefixed")]);
    let service = Served::start(&place);
    let admin = person(json!([format!("{ISAR}.admin")]));
    assert_eq!(service.session(ISAR, &admin).status, 200);
}

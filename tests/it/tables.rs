//! A service whose tables are changed by another process beside it, and one whose tables are all in a database. Those on PostgreSQL
//! are run by `cargo test --test it on_postgres -- --ignored`.

use tidegate::database::{Database, Place};
use tidegate::ids::TenantId;
use tidegate::registry::store::{Ending, RegistryStore};
use tidegate::registry::{AgreementState, TenantState, TenantWorld};

use crate::binary::check;
use crate::cluster::Cluster;
use crate::harness::{ELBE, HOLDS, ISAR, Service, WESER, block_on, get, post, repository, retire, wait_for};

/// A company that comes onto the platform while the service runs.
const NEW: &str = "BPNL00000000E5JK";

/// What another process does, the service sees: a company comes onto the platform and asks with its own tokens, an agreement ends.
fn check_followed(service: &Service, place: &Place) {
    let other = block_on(RegistryStore::open(place)).unwrap();
    let path = format!("/exchange/{NEW}/pcf/x/submodel/$value");
    let ask = || get(&path).bearer(&service.connector(ISAR)).send(service.address).status;
    assert_eq!(ask(), 404);
    let registry = other.current();
    let mut world = TenantWorld::new(registry.tenant(ISAR.parse().unwrap()).unwrap().tenant.clone());
    world.tenant.id = NEW.parse::<TenantId>().unwrap();
    world.tenant.connector = None;
    let keys = service.data().join("new.jwks");
    std::fs::write(&keys, service.issuer(ISAR).jwks()).unwrap();
    world.tenant.identity.jwks = keys.to_str().unwrap().to_owned();
    // No two tenants may have one resource server, so Isar moves to an issuer of its own.
    let mut moved = TenantWorld::new(registry.tenant(ISAR.parse().unwrap()).unwrap().tenant.clone());
    moved.tenant.identity.issuer = "https://isar.example".to_owned();
    block_on(other.seed(&[moved, world], &[])).unwrap();
    // With the keys of Isar's issuer and its identity, tokens are good here: the agreement that is missing is what is told.
    wait_for("a tenant that another process took on", || ask() == 400);

    assert_eq!(service.sound_exchange().send(service.address).status, 200);
    let ending = Ending {
        provider: ELBE.parse().unwrap(),
        id: HOLDS.parse().unwrap(),
        state: AgreementState::Retired,
        reason: "by another process".into(),
        at: service.app.clock.now(),
        by: "operator".into(),
        decision: None,
    };
    let mut told = service.app.agreements.changes();
    block_on(other.end_agreements(&[ending])).unwrap();
    wait_for("an agreement that another process ended", || {
        service.sound_exchange().send(service.address).status == 403
    });
    assert_eq!(block_on(told.recv()).unwrap().state, AgreementState::Retired);
}

#[test]
fn what_another_process_changes_in_the_files_is_seen() {
    let service = Service::start();
    let place = Place::Directory(service.data().to_owned());
    check_followed(&service, &place);
}

#[test]
#[ignore = "needs PostgreSQL: `cargo test --test it on_postgres -- --ignored`"]
fn what_another_process_changes_is_seen_on_postgres() {
    let database = block_on(Cluster::shared().database(None));
    let database = Database::parse(&database.url()).unwrap();
    let service = Service::in_database(database.clone());
    check_followed(&service, &Place::Postgres(database));
}

#[test]
#[ignore = "needs PostgreSQL: `cargo test --test it on_postgres -- --ignored`"]
fn an_exchange_with_all_tables_on_postgres() {
    let database = block_on(Cluster::shared().database(None));
    let service = Service::in_database(Database::parse(&database.url()).unwrap());
    let answer = service.sound_exchange().send(service.address);
    assert_eq!(answer.status, 200);
    assert!(answer.record().is_some());
    // A request of the tenant's own goes into the queue of deliveries.
    let body = format!(
        r#"{{"partner": "{WESER}", "manufacturerPartId": "1", "dataModelVersion": "urn:samm:io.catenax.pcf:9.0.0"}}"#
    );
    let wanted = post(&format!("/ingest/{ELBE}/requests"))
        .bearer(&service.integration(ELBE))
        .json(body)
        .send(service.address);
    assert_eq!(wanted.status, 201, "{}", wanted.text());
    let listed = get(&format!("/agreements/{ELBE}"))
        .bearer(&service.person(ELBE, "anna"))
        .send(service.address);
    assert!(listed.text().contains(HOLDS), "{}", listed.text());
    retire(&service, ELBE, HOLDS);
    assert_eq!(service.sound_exchange().send(service.address).status, 403);
    for file in [
        "ledger.sqlite",
        "registry.sqlite",
        "dataspace.sqlite",
        "pcf.sqlite",
        "pulls.sqlite",
    ] {
        assert!(!service.data().join(file).exists(), "{file}");
    }
    let data = service.stop();
    // All of it is there for whoever comes next.
    let (mut connection, counted) = (block_on(database.connect()), "SELECT count(*) FROM ");
    for table in [
        "tidegate_registry.agreement",
        "tidegate_exchanges.outgoing",
        "tidegate_ledger.log",
    ] {
        let sql = sqlx::AssertSqlSafe(format!("{counted}{table}"));
        let count: i64 = block_on(sqlx::query_scalar(sql).fetch_one(&mut connection)).unwrap();
        assert!(count > 0, "{table}");
    }
    drop(data);
}

/// The tables are the service's and the ledger is of its own, so nobody waits for anybody.
#[test]
#[ignore = "needs PostgreSQL: `cargo test --test it on_postgres -- --ignored`"]
fn a_company_comes_and_is_stopped_beside_a_running_service_on_postgres() {
    let database = block_on(Cluster::shared().database(None));
    let service = Service::in_database(Database::parse(&database.url()).unwrap());
    let office = tempfile::tempdir().unwrap();
    let at = |name: &str| office.path().join(name).display().to_string();
    std::fs::write(at("jwks.json"), service.issuer(ISAR).jwks()).unwrap();
    let identity = serde_json::json!({
        "issuer": "https://issuer.example/new", "jwks": at("jwks.json"), "resource_server": NEW, "connectors": ["edc-new"],
        "integrations": [], "user_clients": ["people"], "groups": "own",
    });
    std::fs::write(at("identity.json"), identity.to_string()).unwrap();
    let config = format!(
        "listen = \"127.0.0.1:0\"\ndata = {:?}\nbase_url = \"https://tidegate.example\"\nbundle = {:?}\n\
         ledger_origin = \"office.tidegate.example\"\nvault_key_env = \"TIDEGATE_VAULT_KEY\"\ndatabase = {:?}\n\
         [operators]\nona = [\"onboarding\"]\nsam = [\"security\"]\n",
        at("data"),
        repository(),
        database.url(),
    );
    std::fs::write(at("office.toml"), config).unwrap();
    let (config, identity) = (at("office.toml"), at("identity.json"));
    let tenant = |command: &str, operator: &str, more: &[&str]| {
        let arguments = ["tenant", command, NEW, "--config", &config, "--operator", operator];
        check(&[&arguments, more].concat(), 0)
    };
    let path = format!("/exchange/{NEW}/pcf/x/submodel/$value");
    let answer = || get(&path).bearer(&service.connector(ISAR)).send(service.address).status;
    assert_eq!(answer(), 404);
    tenant("onboard", "ona", &["--name", "New", "--identity", &identity]);
    // A token of somebody else is not good there; that there is somebody is what was to be seen.
    wait_for("a company that came", || answer() == 401);
    tenant("suspend", "sam", &[]);
    let state = || {
        let registry = service.app.registry.current();
        registry.tenant(NEW.parse().unwrap()).map(|world| world.tenant.state)
    };
    wait_for("a company that was stopped", || state() == Some(TenantState::Suspended));
    let verified = check(&["ledger", "verify", &at("data")], 0);
    assert!(
        verified.contains(NEW),
        "the steps are in a log of the company's own: {verified}"
    );
    assert_eq!(service.sound_exchange().send(service.address).status, 200);
    service.check_healthy();
}

#[test]
#[ignore = "needs PostgreSQL: `cargo test --test it on_postgres -- --ignored`"]
fn a_file_beside_a_database_is_told_on_postgres() {
    let database = block_on(Cluster::shared().database(None));
    let database = Place::Postgres(Database::parse(&database.url()).unwrap());
    let data = tempfile::tempdir().unwrap();
    block_on(tidegate::assemble::open_registry(&database, data.path())).unwrap();
    std::fs::write(data.path().join("pcf.sqlite"), "").unwrap();
    let refused = block_on(tidegate::assemble::open_registry(&database, data.path()));
    let said = refused.unwrap_err().to_string();
    assert!(
        said.contains("pcf.sqlite") && said.contains("move the file away"),
        "{said}"
    );
}

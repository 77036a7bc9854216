//! Sessions and secrets: which role gets what, of which company; and that no secret is ever found anywhere it should not be.

use secrecy::ExposeSecret as _;
use serde_json::Value;
use tidegate::ledger::Event;
use tidegate::vault::SessionScope;

use crate::harness::{Answer, ELBE, ISAR, LOG, Service, WESER, block_on, contains, files, get, post};

fn session(service: &Service, tenant: &str, token: &str) -> Answer {
    post(&format!("/credentials/{tenant}/session"))
        .bearer(token)
        .send(service.address)
}

fn secret(service: &Service, tenant: &str, name: &str, token: &str) -> Answer {
    get(&format!("/credentials/{tenant}/secrets/{name}"))
        .bearer(token)
        .send(service.address)
}

/// The value of a secret, from the vault itself.
fn value(service: &Service, tenant: &str, name: &str) -> String {
    let name = name.parse().unwrap();
    let scope = SessionScope::SecretRead { name };
    let held = service.app.vault.session(tenant.parse().unwrap(), scope.clone());
    let SessionScope::SecretRead { name } = scope else {
        panic!("the scope was made two lines above")
    };
    block_on(held.get_secret(&name)).unwrap().expose_secret().to_owned()
}

#[test]
fn each_role_gets_what_is_its_own() {
    let service = Service::shared();
    let table = [
        (ELBE, "anna", 200, 200),
        (ELBE, "sven", 403, 403),
        (ELBE, "vera", 403, 403),
        (ELBE, "otto", 403, 403),
        (ISAR, "bert", 200, 200),
        (ISAR, "ines", 403, 403),
        (WESER, "carl", 200, 200),
    ];
    let people: usize = service.manifest["tenants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tenant| tenant["users"].as_array().unwrap().len())
        .sum();
    assert_eq!(people, table.len(), "every person of the dev world");
    for (tenant, name, of_session, of_secret) in table {
        let token = service.person(tenant, name);
        let answer = session(service, tenant, &token);
        assert_eq!(answer.status, of_session, "{name}: {}", answer.text());
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(answer.record().is_some(), "{name}");
        if of_session == 200 {
            let role = answer.json()["AssumedRole"].as_str().unwrap().to_owned();
            assert!(role.contains(tenant), "{name}: {role}");
        }
        let answer = secret(service, tenant, "connector-client", &token);
        assert_eq!(answer.status, of_secret, "{name}: {}", answer.text());
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(answer.record().is_some(), "{name}");
        if of_secret == 200 {
            assert_eq!(
                answer.json()["value"],
                value(service, tenant, "connector-client"),
                "{name}"
            );
        }
    }
}

#[test]
fn another_companys_credentials_are_out_of_reach_for_every_role() {
    let service = Service::shared();
    let before = service.records(ELBE).len();
    for (tenant, name) in [(ISAR, "bert"), (ISAR, "ines"), (WESER, "carl")] {
        let token = service.person(tenant, name);
        secret(service, ELBE, "connector-client", &token).check_problem(401, "unauthenticated", name);
        session(service, ELBE, &token).check_problem(401, "unauthenticated", name);
    }
    let after = service.records(ELBE).split_off(before);
    let theirs = after.iter().any(|stored| match &stored.record.event {
        Event::Decision(decided) => ["bert", "ines", "carl"]
            .iter()
            .any(|name| decided.principal.contains(name)),
        _ => false,
    });
    assert!(!theirs, "who is not known here is not a question of policy");
}

#[test]
fn a_secret_that_is_not_there_is_told_only_to_who_might_read_it() {
    let service = Service::shared();
    let anna = secret(service, ELBE, "no-such-secret", &service.person(ELBE, "anna"));
    anna.check_problem(404, "not-found", "an admin");
    let record = anna.record().expect("the decision before it was recorded").to_owned();
    assert_eq!(anna.json()["instance"], format!("urn:uuid:{record}"));
    assert!(
        service
            .records(ELBE)
            .iter()
            .any(|stored| stored.record.id.to_string() == record)
    );
    for name in ["sven", "vera", "otto"] {
        let token = service.person(ELBE, name);
        let (absent, there) = (
            secret(service, ELBE, "no-such-secret", &token),
            secret(service, ELBE, "erp-api-key", &token),
        );
        absent.check_problem(403, "forbidden", name);
        assert_eq!(absent.reasons(), there.reasons(), "{name}");
    }
    for odd in ["a.b", "a:b", "-a", &"a".repeat(65)] {
        secret(service, ELBE, odd, &service.person(ELBE, "anna")).check_problem(400, "path", odd);
    }
}

#[test]
fn a_person_who_was_disabled_gets_nothing_with_a_token_that_still_holds() {
    let service = Service::start();
    let token = service.person(ELBE, "anna");
    assert_eq!(session(&service, ELBE, &token).status, 200);
    service.change_world(ELBE, |world| {
        assert!(world.tenant.disabled_users.insert("anna".parse().unwrap()));
    });
    let answer = session(&service, ELBE, &token);
    answer.check_problem(403, "forbidden", "disabled");
    assert_eq!(answer.reasons(), ["guard/user-enabled"]);
    secret(&service, ELBE, "erp-api-key", &token).check_problem(403, "forbidden", "disabled");
}

#[test]
fn no_secret_and_no_token_is_found_in_logs_metrics_or_the_data_directory() {
    let service = Service::start();
    let anna = service.person(ELBE, "anna");
    let connector = service.connector(ELBE);
    let issued = session(&service, ELBE, &anna).json()["Credentials"].clone();
    let read = secret(&service, ELBE, "erp-api-key", &anna).json()["value"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        service
            .sound_exchange()
            .without("Authorization")
            .bearer(&connector)
            .send(service.address)
            .status,
        200
    );
    let foreign = service.connector(ISAR);
    let refused = service
        .sound_exchange()
        .without("Authorization")
        .bearer(&foreign)
        .send(service.address);
    assert_eq!(refused.status, 401);
    let text = |name: &str| issued[name].as_str().unwrap().to_owned();
    let signature = |token: &str| token.rsplit_once('.').unwrap().1.to_owned();
    let never = [
        ("the secret read", read),
        ("a secret nobody read", value(&service, ISAR, "mes-api-key")),
        ("a person's token", signature(&anna)),
        ("a machine's token", signature(&connector)),
        ("another tenant's token", signature(&foreign)),
        ("a secret access key", text("SecretAccessKey")),
        ("a session token", text("SessionToken")),
    ];
    // These stand in the files made for handing them out, and nowhere else.
    let tenants = service.manifest["tenants"].as_array().unwrap();
    let given: Vec<String> = tenants
        .iter()
        .flat_map(|tenant| {
            let people = tenant["users"].as_array().unwrap().iter();
            let passwords = people.map(|user| &user["token_grant"]["password"]);
            passwords.chain([&tenant["client_secret"], &tenant["integration"]["client_secret"]])
        })
        .map(|value: &Value| value.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(given.len(), 7 + 6);
    let metrics = get("/metrics").send(service.address).body;
    let log = LOG.text();
    assert!(
        log.contains("refused") && log.contains("answered"),
        "the log is captured"
    );
    let kept = files(service.data());
    let named = |name: &str| kept.iter().any(|path| path.ends_with(name));
    assert!(
        named("ledger.sqlite") && named("registry.sqlite") && named("dev.json"),
        "{kept:?}"
    );
    for path in &kept {
        let bytes = std::fs::read(path).unwrap();
        for (what, secret) in &never {
            assert!(!contains(&bytes, secret), "{what} in {}", path.display());
        }
        let hands_out = path.ends_with("dev.json") || path.starts_with(service.data().join("issuers"));
        for secret in given.iter().filter(|_| !hands_out) {
            assert!(
                !contains(&bytes, secret),
                "a client's secret or a password in {}",
                path.display()
            );
        }
    }
    for secret in never.iter().map(|(_, secret)| secret).chain(&given) {
        assert!(!log.contains(secret.as_str()), "a secret in the log");
        assert!(!contains(&metrics, secret), "a secret in the metrics");
    }
}

#[test]
fn only_the_owner_of_the_data_directory_can_read_what_is_secret_in_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let service = Service::shared();
    let private = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0;
    for name in ["dev.json", "keys", "issuers", "ledger.sqlite"] {
        assert!(private(&service.data().join(name)), "{name} is open to others");
    }
    for path in files(&service.data().join("keys"))
        .iter()
        .chain(&files(&service.data().join("issuers")))
    {
        assert!(private(path), "{} is open to others", path.display());
    }
}

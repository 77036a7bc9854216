//! Sessions and secrets: which role gets what, of which company; and that no secret is ever found anywhere it should not be.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tidegate::decision::IamAnswer;
use tidegate::ids::SecretName;
use tidegate::ledger::Event;
use tidegate::vault::{SessionScope, Stage};

use crate::harness::{Answer, ELBE, ISAR, LOG, Service, WESER, ask, block_on, contains, files, get, post};

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
pub fn value(service: &Service, tenant: &str, name: &str) -> String {
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

fn change(service: &Service, method: &str, path: &str, token: &str, value: &str) -> Answer {
    ask(method, &format!("/credentials/{ELBE}/secrets/{path}"))
        .bearer(token)
        .json(json!({ "value": value }).to_string())
        .send(service.address)
}

#[test]
fn a_secret_is_written_by_who_may_and_the_one_before_is_kept() {
    let service = Service::start();
    let anna = service.person(ELBE, "anna");
    let before = value(&service, ELBE, "erp-api-key");
    for name in ["sven", "vera", "otto"] {
        let token = service.person(ELBE, name);
        change(&service, "PUT", "erp-api-key", &token, "theirs").check_problem(403, "forbidden", name);
        change(&service, "POST", "erp-api-key/rotate", &token, "theirs").check_problem(403, "forbidden", name);
    }
    assert_eq!(value(&service, ELBE, "erp-api-key"), before);
    let answer = change(&service, "PUT", "erp-api-key", &anna, "a new value");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json(), json!({ "name": "erp-api-key", "stage": "AWSCURRENT" }));
    assert!(answer.record().is_some());
    assert_eq!(value(&service, ELBE, "erp-api-key"), "a new value");
    let name: SecretName = "erp-api-key".parse().unwrap();
    let reading = SessionScope::SecretRead { name: name.clone() };
    let reading = service.app.vault.session(ELBE.parse().unwrap(), reading);
    let kept = block_on(reading.get_secret_version(&name, Stage::Previous)).unwrap();
    assert_eq!(kept.expose_secret(), before);
    // One that is not there is made, by who may write it; what is not there is not rotated; and what is no value is not taken.
    let sven = service.person(ELBE, "sven");
    change(&service, "PUT", "a-new-one", &sven, "a value").check_problem(403, "forbidden", "not an admin");
    change(&service, "POST", "a-new-one/rotate", &anna, "a value").check_problem(404, "not-found", "not there");
    change(&service, "PUT", "a-new-one", &anna, "").check_problem(400, "body", "empty");
    let made = change(&service, "PUT", "a-new-one", &anna, "a value");
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(value(&service, ELBE, "a-new-one"), "a value");
    // Both layers were asked, about the ARN that it has now.
    let records = service.records(ELBE);
    let record = made.record().unwrap();
    let stored = records.iter().find(|stored| stored.record.id.to_string() == record);
    let iam = match &stored.unwrap().record.event {
        Event::Decision(decided) => decided.decision.iam.clone(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(iam, IamAnswer::Evaluated { .. }), "{iam:?}");
    assert_eq!(change(&service, "PUT", "a-new-one", &anna, "another").status, 200);
    change(&service, "PUT", "erp-api-key", &anna, "").check_problem(400, "body", "empty");
    let odd = ask("PUT", &format!("/credentials/{ELBE}/secrets/erp-api-key"))
        .bearer(&anna)
        .json(r#""hunter2""#)
        .send(service.address);
    odd.check_problem(400, "body", "a bare text");
    assert!(!odd.text().contains("hunter2"), "{}", odd.text());
}

#[test]
fn a_clients_secret_is_rotated_only_once_it_was_tried() {
    let service = Service::start();
    let anna = service.person(ELBE, "anna");
    let rotate = |value: &str| change(&service, "POST", "connector-client/rotate", &anna, value);
    let present = value(&service, ELBE, "connector-client");
    let client: Value = serde_json::from_str(&present).unwrap();
    let but = |member: &str, other: &str| {
        let mut client = client.clone();
        client[member] = json!(other);
        client.to_string()
    };
    let refused = [
        ("no client", "a value".to_owned(), "written with PUT"),
        ("another secret", but("clientSecret", "wrong"), "401 (invalid_client)"),
        ("another client", but("clientId", "nobody"), "401 (invalid_client)"),
        (
            "another place",
            but("tokenEndpoint", "http://127.0.0.1:1/token"),
            "another than at present",
        ),
        ("more than that", but("more", "x"), "written with PUT"),
    ];
    for (what, next, told) in refused {
        let answer = rotate(&next);
        answer.check_problem(422, "document", what);
        assert!(answer.text().contains(told), "{what}: {}", answer.text());
        assert_eq!(value(&service, ELBE, "connector-client"), present, "{what}");
    }
    change(&service, "POST", "erp-api-key/rotate", &anna, &present).check_problem(422, "document", "no client before");
    // The same client, spelled otherwise: it is good, so it becomes the current one.
    let next = serde_json::to_string_pretty(&client).unwrap();
    let answer = rotate(&next);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(value(&service, ELBE, "connector-client"), next);
    let actions: Vec<_> = service
        .records(ELBE)
        .into_iter()
        .filter_map(|stored| match stored.record.event {
            Event::Decision(decided) => Some(decided.action.to_string()),
            _ => None,
        })
        .collect();
    let last = actions.last_chunk::<2>().unwrap();
    assert_eq!(last, &["readSecret", "rotateSecret"], "both are decided and recorded");
    assert!(!LOG.text().contains(client["clientSecret"].as_str().unwrap()));
}

#[test]
fn a_token_of_an_identity_pool_is_refused_where_there_is_no_such_pool() {
    let service = Service::shared();
    let anna = service.person(ELBE, "anna");
    let ask = |body: &str| {
        post(&format!("/credentials/{ELBE}/session"))
            .bearer(&anna)
            .json(body)
            .send(service.address)
    };
    let answer = ask(r#"{"webIdentityToken": "ey-secret"}"#);
    answer.check_problem(400, "body", "no pool");
    assert!(answer.text().contains("no identity pool"), "{}", answer.text());
    let answer = ask(r#"{"webIdentity": "ey-secret"}"#);
    answer.check_problem(400, "body", "misspelled");
    assert!(!answer.text().contains("ey-secret"));
    assert_eq!(ask("{}").status, 200);
}

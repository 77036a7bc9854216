//! Supplier systems: one document each, put on a running service; what each proves itself by, and what that opens.

mod certificates;

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tidegate::ids::Digest;
use tidegate::pcf::ExchangeId;

use crate::harness::{Answer, Ask, ELBE, ISAR, Service, footprint, get, post, put};

const KEY: &str = "4f6d2a0b9c1e4f6d2a0b9c1e4f6d2a0b9c1e4f6d2a0b9c1e4f6d2a0b9c1e4f6d";

fn digest(key: &str) -> String {
    Digest::of(key.as_bytes()).to_string()
}

fn system(id: &str, push: Value) -> Value {
    json!({ "id": id, "tenant": ELBE, "name": "A system of the Duisburg works", "push": push })
}

fn with_key(id: &str, key: &str) -> Value {
    system(id, json!({ "apiKey": [{ "digest": digest(key) }] }))
}

pub fn put_as(service: &Service, person: &str, document: &Value) -> Answer {
    let id = document["id"].as_str().unwrap();
    put(&format!("/ingest/{ELBE}/integrations/{id}"))
        .bearer(&service.person(ELBE, person))
        .json(document.to_string())
        .send(service.address)
}

fn add(service: &Service, document: &Value) {
    let answer = put_as(service, "anna", document);
    assert!([200, 201].contains(&answer.status), "{}", answer.text());
}

fn hand_in(id: &str) -> Ask {
    post(&format!("/ingest/{ELBE}/footprints")).json(footprint("9.0.0", ELBE, id))
}

fn by_key(service: &Service, key: &str, id: &str) -> Answer {
    hand_in(id).header("X-API-Key", key).send(service.address)
}

fn fresh() -> String {
    ExchangeId::new().to_string()
}

#[test]
fn a_system_with_a_key_hands_in_from_the_moment_its_document_is_there() {
    let service = Service::start();
    by_key(&service, KEY, &fresh()).check_problem(401, "unauthenticated", "nobody's key yet");
    let answer = put_as(&service, "anna", &with_key("sap-duisburg", KEY));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(answer.record().is_some());
    let answer = by_key(&service, KEY, &fresh());
    assert_eq!(answer.status, 201, "{}", answer.text());

    // The key is another company's as little as it was before.
    let elsewhere = post(&format!("/ingest/{ISAR}/footprints"))
        .header("X-API-Key", KEY)
        .json(footprint("9.0.0", ISAR, &fresh()))
        .send(service.address);
    elsewhere.check_problem(401, "unauthenticated", "another company's door");
    // Nor is it a token.
    let as_token = hand_in(&fresh()).bearer(KEY).send(service.address);
    as_token.check_problem(401, "unauthenticated", "a key in the place of a token");
    for wrong in ["", "x", &KEY[1..], &KEY.to_uppercase(), &"k".repeat(4000)] {
        by_key(&service, wrong, &fresh()).check_problem(401, "unauthenticated", wrong);
    }
    let both = hand_in(&fresh())
        .header("X-API-Key", KEY)
        .bearer(&service.integration(ELBE));
    both.send(service.address)
        .check_problem(400, "header", "a key and a token");
}

#[test]
fn a_key_is_changed_without_an_hour_at_which_neither_counts() {
    let service = Service::start();
    let (old, new) = (KEY, &KEY.replace('4', "5"));
    let with = |until: &str| {
        let proofs = json!([{ "digest": digest(old), "until": until }, { "digest": digest(new) }]);
        system("sap", json!({ "apiKey": proofs }))
    };
    add(&service, &with_key("sap", old));
    by_key(&service, new, &fresh()).check_problem(401, "unauthenticated", "not yet");
    add(&service, &with("2999-01-01T00:00:00Z"));
    assert_eq!(by_key(&service, old, &fresh()).status, 201);
    assert_eq!(by_key(&service, new, &fresh()).status, 201);
    add(&service, &with("2020-01-01T00:00:00Z"));
    by_key(&service, old, &fresh()).check_problem(401, "unauthenticated", "its time is over");
    assert_eq!(by_key(&service, new, &fresh()).status, 201);
}

#[test]
fn a_system_that_was_stopped_can_do_nothing_and_the_ledger_says_why() {
    let service = Service::start();
    let mut document = with_key("sap", KEY);
    add(&service, &document);
    assert_eq!(by_key(&service, KEY, &fresh()).status, 201);
    document["enabled"] = false.into();
    add(&service, &document);
    let answer = by_key(&service, KEY, &fresh());
    answer.check_problem(403, "forbidden", "stopped");
    assert_eq!(answer.reasons(), ["guard/integration-enabled"]);
    assert!(answer.record().is_some());
}

#[test]
fn a_system_hands_in_only_the_products_it_is_there_for() {
    let service = Service::start();
    let mut document = with_key("resins", KEY);
    document["products"] = json!(["urn:mycompany.com"]);
    document["assets"] = json!(["pcf-resin"]);
    add(&service, &document);
    let answer = by_key(&service, KEY, &fresh());
    assert_eq!(answer.status, 201, "{}", answer.text());
    for products in [
        json!(["urn:mycompany"]),
        json!(["urn:mycompany.com:product-id:4017650"]),
    ] {
        document["products"] = products;
        add(&service, &document);
        let answer = by_key(&service, KEY, &fresh());
        answer.check_problem(403, "forbidden", &document["products"].to_string());
        assert_eq!(answer.reasons(), ["ingest/own-products"]);
    }
    // What it hands in becomes part of the assets its document names, and of no others.
    let other = post(&format!("/ingest/{ELBE}/footprints?asset=pcf-ethanol"))
        .header("X-API-Key", KEY)
        .json(footprint("9.0.0", ELBE, &fresh()));
    other.send(service.address).check_problem(400, "path", "another asset");
}

#[test]
fn a_client_of_the_tenants_issuer_may_have_a_document() {
    let service = Service::start();
    let client = service.manifest["tenants"][0]["integration"]["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let token = service.integration(ELBE);
    let answer = hand_in(&fresh()).bearer(&token).send(service.address);
    assert_eq!(answer.status, 201, "without one it is there for everything");
    let mut document = system("sap", json!({ "oauth2": { "client": client } }));
    document["products"] = json!(["urn:other"]);
    add(&service, &document);
    let answer = hand_in(&fresh()).bearer(&token).send(service.address);
    assert_eq!(answer.reasons(), ["ingest/own-products"], "{}", answer.text());

    // What is another's cannot be a system's too.
    let connector = service.manifest["tenants"][0]["client_id"].as_str().unwrap();
    let cases = [
        (system("edc", json!({ "oauth2": { "client": connector } })), "connector"),
        (system("sap-2", json!({ "oauth2": { "client": client } })), "`sap`"),
    ];
    for (document, told) in cases {
        let answer = put_as(&service, "anna", &document);
        answer.check_problem(409, "conflict", told);
        assert!(
            answer.json()["detail"].as_str().unwrap().contains(told),
            "{}",
            answer.text()
        );
    }
    add(&service, &with_key("one", KEY));
    let answer = put_as(&service, "anna", &with_key("other", KEY));
    answer.check_problem(409, "conflict", "a key that is another's");
}

#[test]
fn systems_are_managed_by_those_whom_policy_lets() {
    let service = Service::start();
    let document = with_key("sap", KEY);
    for person in ["vera", "sven"] {
        let answer = put_as(&service, person, &document);
        answer.check_problem(403, "forbidden", person);
        assert!(answer.record().is_some());
    }
    by_key(&service, KEY, &fresh()).check_problem(401, "unauthenticated", "never added");
    add(&service, &document);
    let list = |person: &str| {
        get(&format!("/ingest/{ELBE}/integrations"))
            .bearer(&service.person(ELBE, person))
            .send(service.address)
    };
    assert_eq!(list("anna").json()["integrations"], json!([with_default(&document)]));
    list("vera").check_problem(403, "forbidden", "a viewer");
}

fn with_default(document: &Value) -> Value {
    let mut document = document.clone();
    document["enabled"] = true.into();
    document
}

#[test]
fn a_document_that_makes_no_sense_is_answered_with_all_that_is_wrong_with_it() {
    let service = Service::shared();
    let bad = json!({
        "id": "bad", "tenant": ELBE, "name": "",
        "push": { "apiKey": [] },
        "pull": {
            "source": { "pact": { "url": "http://supplier.example", "criteria": { "$filter": ["x"], "validOn": ["today"], "status": [] } } },
            "auth": { "apiKey": { "header": "Host", "secret": "erp-api-key" } },
            "everySeconds": 1,
        },
    });
    let answer = put_as(service, "anna", &bad);
    answer.check_problem(422, "document", "several mistakes");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    for place in [
        "/name",
        "/push/apiKey",
        "/pull/source/pact/url",
        "`/pull/source/pact/criteria`: `$filter` is no criterion",
        "/pull/source/pact/criteria/validOn",
        "/pull/source/pact/criteria/status",
        "/pull/auth/apiKey/header",
        "/pull/everySeconds",
    ] {
        assert!(detail.contains(place), "{place}: {detail}");
    }
    let mut other = with_key("bad", KEY);
    other["tenant"] = ISAR.into();
    put_as(service, "anna", &other).check_problem(422, "document", "another company's");
    let answer = put("/ingest/BPNL000000000DWF/integrations/bad")
        .bearer(&service.person(ELBE, "anna"))
        .json(with_key("good", KEY).to_string())
        .send(service.address);
    answer.check_problem(422, "document", "another id");
}

/// Runs the program against a service, as an operator would.
fn run(service: &Service, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .arg("integration")
        .args(arguments)
        .arg("--data")
        .arg(service.data())
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(told).unwrap())
}

#[test]
fn a_system_is_added_listed_and_stopped_by_the_command_line() {
    let service = Service::start();
    let file = service.data().join("sap.json");
    std::fs::write(&file, with_key("sap", KEY).to_string()).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(run(&service, &["list", ELBE]).0, 4, "nothing yet");
    let (code, told) = run(&service, &["add", file, "--dry-run"]);
    assert_eq!(code, 0, "{told}");
    by_key(&service, KEY, &fresh()).check_problem(401, "unauthenticated", "asked nobody");
    let (code, told) = run(&service, &["add", file]);
    assert!(code == 0 && told.contains("added `sap`"), "{told}");
    assert_eq!(by_key(&service, KEY, &fresh()).status, 201);
    let (code, told) = run(&service, &["list", ELBE]);
    assert!(code == 0 && told.contains("sap  enabled  hands in by key"), "{told}");
    let (code, told) = run(&service, &["disable", ELBE, "sap"]);
    assert!(code == 0 && told.contains("stopped"), "{told}");
    by_key(&service, KEY, &fresh()).check_problem(403, "forbidden", "stopped");
    assert_eq!(run(&service, &["enable", ELBE, "sap"]).0, 0);
    assert_eq!(by_key(&service, KEY, &fresh()).status, 201);
    assert_eq!(run(&service, &["enable", ELBE, "nobody"]).0, 3);

    std::fs::write(service.data().join("bad.json"), "{}").unwrap();
    let bad = service.data().join("bad.json");
    let (code, told) = run(&service, &["add", bad.to_str().unwrap()]);
    assert!(code == 3 && told.contains("missing field"), "{told}");
}

#[test]
fn systems_come_and_go_while_partners_are_served_and_no_exchange_fails() {
    let service = Service::start();
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ask = service.sound_exchange();
    std::thread::scope(|scope| {
        let serving = || {
            while !done.load(Ordering::Relaxed) {
                let answer = ask.send(service.address);
                assert_eq!(answer.status, 200, "{}", answer.text());
                served.fetch_add(1, Ordering::Relaxed);
            }
        };
        let exchanges: Vec<_> = (0..4).map(|_| scope.spawn(serving)).collect();
        let before = |count: usize| served.load(Ordering::Relaxed) >= count;
        crate::harness::wait_for("partners are served", || before(20));
        for number in 0..12 {
            let at = served.load(Ordering::Relaxed);
            let key = format!("{number}{KEY}");
            // Every third is a client of the same issuer that the connector's tokens come from.
            let push = match number % 3 {
                0 => json!({ "oauth2": { "client": format!("system-{number}") } }),
                _ => json!({ "apiKey": [{ "digest": digest(&key) }] }),
            };
            add(&service, &system(&format!("system-{number}"), push));
            if number % 3 != 0 {
                assert_eq!(by_key(&service, &key, &fresh()).status, 201);
            }
            crate::harness::wait_for("and are served on", || before(at + 10));
        }
        done.store(true, Ordering::Relaxed);
        for exchange in exchanges {
            exchange.join().unwrap();
        }
    });
}

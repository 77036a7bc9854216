//! Footprints fetched from suppliers' systems: real servers on loopback, with certificates made here, and a service that asks them by
//! itself.

mod another;
mod certificates;
mod pages;
mod proofs;
mod stops;
pub mod supplier;

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Value, json};
use tidegate::ids::{PcfId, SecretName, TenantId};
use tidegate::pcf::ExchangeId;
use tidegate::vault::SessionScope;

use self::supplier::Supplier;
use crate::harness::{ELBE, Service, block_on, footprint, get, post, put, within_a_minute};
use crate::integrations::put_as;

/// A secret that Elbe has.
const SECRET: &str = "supplier";
const KEY: &str = "3f9a-key-of-the-supplier-5b7c";

fn tenant() -> TenantId {
    ELBE.parse().unwrap()
}

fn fresh() -> String {
    ExchangeId::new().to_string()
}

fn document(id: &str) -> String {
    footprint("9.0.0", ELBE, id)
}

/// A PACT footprint that has the document along.
fn in_pact(id: &str, document: &str) -> String {
    let schema = "urn:samm:io.catenax.pcf:9.0.0#Pcf";
    let extension = format!(r#"{{"specVersion":"2.0.0","dataSchema":"{schema}","data":{document}}}"#);
    format!(r#"{{"id":"{id}","specVersion":"3.0.0","status":"Active","extensions":[{extension}]}}"#)
}

fn keep_secret(service: &Service, value: &str) {
    keep_named_secret(service, SECRET, value);
}

/// A secret of Elbe's.
pub fn keep_named_secret(service: &Service, name: &str, value: &str) {
    let name: SecretName = name.parse().unwrap();
    let scope = SessionScope::SecretWrite { name: name.clone() };
    let session = service.app.vault.session(tenant(), scope);
    block_on(session.put_secret(&name, SecretString::from(value))).unwrap();
}

fn by_key() -> Value {
    json!({ "apiKey": { "header": "X-Supplier-Key", "secret": SECRET } })
}

fn pact(supplier: &Supplier) -> Value {
    json!({ "pact": { "url": supplier.url() } })
}

/// A document of a system that is fetched from, seldom enough that tests say when.
fn system(id: &str, source: Value, auth: Value) -> Value {
    json!({
        "id": id, "tenant": ELBE, "name": "A supplier", "assets": ["pcf-ethanol"],
        "pull": { "source": source, "auth": auth, "everySeconds": 604_800, "requestsPerSecond": 100 },
    })
}

fn add(service: &Service, document: &Value) {
    let answer = put_as(service, "anna", document);
    assert!([200, 201].contains(&answer.status), "{}", answer.text());
}

fn runs(service: &Service, id: &str) -> Vec<Value> {
    let answer = get(&format!("/ingest/{ELBE}/integrations/{id}/runs"))
        .bearer(&service.person(ELBE, "anna"))
        .send(service.address);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["runs"].as_array().unwrap().clone()
}

/// Begins a run; its number.
fn begin(service: &Service, id: &str, query: &str) -> u64 {
    let answer = post(&format!("/ingest/{ELBE}/integrations/{id}/runs{query}"))
        .bearer(&service.person(ELBE, "anna"))
        .send(service.address);
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["number"].as_u64().unwrap()
}

/// The run of that number, once it has ended.
fn ended(service: &Service, id: &str, number: u64) -> Value {
    within_a_minute(|| {
        let all = runs(service, id);
        let run = all.iter().find(|run| run["number"] == number).cloned();
        run.filter(|run| run["state"] != "running")
            .ok_or_else(|| format!("{all:?}"))
    })
}

/// Puts the document on record and waits for the run that begins by itself.
fn first_run(service: &Service, document: &Value) -> Value {
    add(service, document);
    ended(service, document["id"].as_str().unwrap(), 1)
}

fn next_run(service: &Service, id: &str) -> Value {
    ended(service, id, begin(service, id, ""))
}

fn counts(run: &Value) -> [u64; 4] {
    ["pages", "taken", "unchanged", "refused"].map(|name| run[name].as_u64().unwrap())
}

fn problem(run: &Value) -> &str {
    run["problem"].as_str().unwrap_or_default()
}

fn is_known(service: &Service, id: &str) -> bool {
    let registry = service.app.registry.current();
    let id: PcfId = id.parse().unwrap();
    registry.tenant(tenant()).unwrap().footprints.get(&id).is_some()
}

/// What lies in the vault under a footprint's id.
fn stored(service: &Service, id: &str) -> Option<Vec<u8>> {
    let all = crate::objects(service, &format!("{ELBE}/pcf/"));
    let found = all
        .into_iter()
        .find(|(key, _)| key.contains(id) && key.ends_with(".json"));
    found.map(|(_, bytes)| bytes)
}

/// Holds that a text stands in no file of the data directory and in nothing that was logged.
pub fn check_secret(service: &Service, text: &str) {
    let log = crate::harness::LOG.text();
    assert!(!log.contains(text), "`{text}` was logged");
    for file in crate::harness::files(service.data()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(
            !crate::harness::contains(&bytes, text),
            "`{text}` stands in {}",
            file.display()
        );
    }
}

/// A service, and a supplier that lists these on one page.
fn with_items(items: Vec<String>) -> (Service, Supplier) {
    let service = Service::start();
    keep_secret(&service, KEY);
    let list = Arc::new(items);
    let supplier = Supplier::plain(move |_| supplier::page(&list, None));
    (service, supplier)
}

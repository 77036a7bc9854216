//! Supplier systems handing in footprints: what is taken is served byte for byte, what is not leaves no trace.

use serde_json::json;
use tidegate::ids::{Bpnl, TenantId};
use tidegate::ingest::DOCUMENT_LIMIT;

use crate::harness::{Answer, ELBE, ISAR, Service, WESER, footprint, get, post};

const ID: &str = "11111111-2222-4333-8444-555555555555";
/// The agreement of dev mode on an asset that had footprints of the oldest model when it was signed.
const SOLVENT: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1003";

/// A document of the oldest model, with spaces no serialiser would write.
fn document(id: &str, owner: &str) -> String {
    let valid = include_str!("../../fixtures/pcf/dev/elbe-solvent-7.0.0.json");
    let valid: serde_json::Value = serde_json::from_str(valid).unwrap();
    format!(
        r#"{{ "specVersion":"urn:io.catenax.pcf:datamodel:version:7.0.0",  "id":"{id}",
  "companyIds":["urn:bpn:id:{owner}"], "productIds":["urn:gtin:4712345060507"],"extWBCSD_pfStatus":"Active", "version":0,
  "partialFullPcf":"Cradle-to-gate","created":"2022-05-22T21:47:32Z","companyName":"Elbe","productName":"Solvent",
  "extWBCSD_productCodeCpc":"011-99000","pcf":{} }} "#,
        valid["pcf"]
    )
}

fn hand_in(service: &Service, query: &str, document: impl Into<Vec<u8>>) -> Answer {
    post(&format!("/ingest/{ELBE}/footprints{query}"))
        .bearer(&service.integration(ELBE))
        .json(document)
        .send(service.address)
}

fn fetch(service: &Service, id: &str) -> Answer {
    get(&format!("/exchange/{ELBE}/pcf/{id}/submodel/$value"))
        .bearer(&service.connector(ELBE))
        .header("Edc-Bpn", WESER)
        .header("Edc-Contract-Agreement-Id", SOLVENT)
        .send(service.address)
}

fn is_known(service: &Service, id: &str) -> bool {
    let tenant: TenantId = ELBE.parse().unwrap();
    let registry = service.app.registry.current();
    registry
        .tenant(tenant)
        .unwrap()
        .footprints
        .get(&id.parse().unwrap())
        .is_some()
}

#[test]
fn what_is_handed_in_is_served_byte_for_byte_under_an_agreement_of_its_asset() {
    let service = Service::start();
    assert_eq!(fetch(&service, ID).status, 403, "not there yet");
    let first = document(ID, ELBE);
    let answer = hand_in(&service, "?asset=pcf-solvent", first.clone());
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["pcf_id"], ID);
    assert_eq!(answer.json()["model"], "7.0.0");
    assert!(answer.record().is_some());
    let served = fetch(&service, ID);
    assert_eq!(served.status, 200, "{}", served.text());
    assert_eq!(served.body, first.as_bytes());
    assert_eq!(
        served.headers["etag"],
        format!("\"{}\"", answer.json()["digest"].as_str().unwrap())
    );

    // The next version keeps the assets of the one before.
    let second = first.replace("  ", " ");
    assert_eq!(hand_in(&service, "", second.clone()).status, 201);
    assert_eq!(fetch(&service, ID).body, second.as_bytes());

    // A document of no asset, or of another, is under no agreement on this one.
    let other = "22222222-2222-4333-8444-555555555555";
    assert_eq!(hand_in(&service, "", document(other, ELBE)).status, 201);
    assert_eq!(fetch(&service, other).status, 403);
    assert_eq!(hand_in(&service, "?asset=pcf-resin", document(other, ELBE)).status, 201);
    assert_eq!(fetch(&service, other).status, 403);
}

#[test]
fn every_model_that_is_taken_is_taken_up_to_the_last_byte() {
    let service = Service::shared();
    for text in [
        include_str!("../../fixtures/pcf/dev/elbe-ethanol-10.0.0.json"),
        include_str!("../../fixtures/pcf/dev/elbe-resin-9.0.0.json"),
        include_str!("../../fixtures/pcf/dev/elbe-solvent-7.0.0.json"),
    ] {
        let padded = format!("{text}{}", " ".repeat(DOCUMENT_LIMIT - text.len()));
        let answer = hand_in(service, "", padded.clone() + " ");
        answer.check_problem(413, "too-large", "1 MiB and one byte");
        assert_eq!(hand_in(service, "", padded).status, 201, "1 MiB");
        assert_eq!(hand_in(service, "", text).status, 201);
    }
}

#[test]
fn a_document_of_another_owner_is_refused_and_not_kept() {
    let service = Service::shared();
    for (number, owner) in [ISAR, WESER, "BPNLZZZZZZZZZZZZ"].into_iter().enumerate() {
        let id = format!("3333333{number}-2222-4333-8444-555555555555");
        let answer = hand_in(service, "?asset=pcf-ethanol", document(&id, owner));
        answer.check_problem(403, "forbidden", owner);
        assert_eq!(answer.reasons(), ["footprints/own-document"], "{owner}");
        assert!(answer.record().is_some());
        check_not_kept(service, &id);
        assert_eq!(fetch(service, &id).status, 403);
    }
}

fn check_not_kept(service: &Service, id: &str) {
    assert!(!is_known(service, id), "{id} is in the index");
    let objects = crate::objects(service, "");
    assert!(!objects.iter().any(|(key, _)| key.contains(id)), "{id} is in the vault");
}

#[test]
fn what_is_not_a_footprint_is_refused_with_the_place_and_not_kept() {
    let service = Service::shared();
    let id = "44444444-2222-4333-8444-555555555555";
    let sound = document(id, ELBE);
    let mut not_text = sound.clone().into_bytes();
    let at = sound.find("Active").unwrap();
    not_text[at] = 0xff;
    let replaced = |from: &str, to: &str| sound.replace(from, to).into_bytes();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", Vec::new(), "not JSON"),
        ("not JSON", b"{".to_vec(), "not JSON"),
        ("two documents", format!("{sound}{sound}").into_bytes(), "not JSON"),
        (
            "a member twice",
            replaced("\"id\"", "\"id\":\"x\",\"id\""),
            "`id` stands twice",
        ),
        (
            "a member twice, spelled otherwise",
            replaced("\"id\"", "\"\\u0069d\":\"x\",\"id\""),
            "`id` stands twice",
        ),
        ("not UTF-8", not_text, "not JSON"),
        ("a byte order mark", format!("\u{feff}{sound}").into_bytes(), "not JSON"),
        (
            "too deep",
            format!("{{\"x\":{}", "[".repeat(100_000)).into_bytes(),
            "recursion limit",
        ),
        ("a version of tomorrow", replaced("7.0.0", "11.0.0"), "/specVersion"),
        ("no version", replaced("specVersion", "spec"), "specVersion"),
        ("no owner", replaced("companyIds", "ids"), "/companyIds/*"),
        (
            "two owners",
            replaced(
                &format!("\"urn:bpn:id:{ELBE}\""),
                &format!("\"urn:bpn:id:{ELBE}\",\"urn:bpn:id:{ISAR}\""),
            ),
            "more than one owner",
        ),
        (
            "an owner in lower case",
            replaced(ELBE, &ELBE.to_lowercase()),
            "/companyIds/*",
        ),
        ("no product", replaced("productIds", "products"), "/productIds/*"),
        (
            "a product that climbs",
            replaced("urn:gtin:4712345060507", "../../x"),
            "/productIds/*",
        ),
        ("an id that climbs", replaced(id, "../x"), "/id"),
        ("an id that is a number", replaced(&format!("\"{id}\""), "7"), "/id"),
        ("another status", replaced("Active", "Draft"), "/extWBCSD_pfStatus"),
    ];
    for (what, document, place) in cases {
        let answer = hand_in(service, "", document);
        answer.check_problem(422, "document", what);
        assert!(
            answer.record().is_some(),
            "{what}: that the system may hand in was decided"
        );
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(place), "{what}: {detail}");
        assert!(detail.len() < 400, "{what}: {detail}");
    }
    check_not_kept(service, id);
}

#[test]
fn a_request_that_is_none_is_refused_before_the_document_is_read() {
    let service = Service::shared();
    let id = "55555555-2222-4333-8444-555555555555";
    let sound = document(id, ELBE);
    let path = format!("/ingest/{ELBE}/footprints");
    let ask = || post(&path).bearer(&service.integration(ELBE)).body(sound.clone());
    let kinds = [
        "text/plain",
        "application/jsonx",
        "text/html,application/json",
        "multipart/form-data",
    ];
    for kind in kinds {
        let answer = ask().header("Content-Type", kind).send(service.address);
        answer.check_problem(415, "media-type", kind);
    }
    ask()
        .send(service.address)
        .check_problem(400, "header", "no media type");
    let twice = ask()
        .header("Content-Type", "application/json")
        .header("Content-Type", "text/plain");
    twice
        .send(service.address)
        .check_problem(400, "header", "two media types");
    for query in [
        "?assets=x",
        "?asset=",
        "?asset=a/b",
        "?asset=%2e",
        "?asset=a&x=1",
        "?asset=*",
    ] {
        let answer = hand_in(service, query, sound.clone());
        answer.check_problem(400, "path", query);
    }
    check_not_kept(service, id);
    let parameter = ask()
        .header("Content-Type", "application/json; charset=utf-8")
        .send(service.address);
    assert_eq!(parameter.status, 201, "{}", parameter.text());
}

#[test]
fn an_identifier_in_a_document_is_data_not_a_name_of_files() {
    let service = Service::shared();
    // The document's own claims never pick the tenant it is kept under.
    let id = "66666666-2222-4333-8444-555555555555";
    assert_eq!(hand_in(service, "", document(id, ELBE)).status, 201);
    let kept = crate::objects(service, "");
    let of_id: Vec<_> = kept.iter().map(|(key, _)| key).filter(|key| key.contains(id)).collect();
    let below = format!("{ELBE}/");
    assert!(
        !of_id.is_empty() && of_id.iter().all(|key| key.starts_with(&below)),
        "{of_id:?}"
    );
    let stranger: Bpnl = ISAR.parse().unwrap();
    let answer = post(&format!("/ingest/{ISAR}/footprints"))
        .bearer(&service.integration(ELBE))
        .json(json!({ "companyIds": [stranger] }).to_string())
        .send(service.address);
    answer.check_problem(401, "unauthenticated", "another tenant's door");
}

fn versions(service: &Service, person: &str, pcf: &str, query: &str) -> Answer {
    get(&format!("/ingest/{ELBE}/footprints/{pcf}/versions{query}"))
        .bearer(&service.person(ELBE, person))
        .send(service.address)
}

#[test]
fn each_document_with_other_bytes_is_a_version_and_people_of_the_company_see_which_there_were() {
    let service = Service::start();
    let model = |version: &str| footprint(version, ELBE, ID);
    let first = model("10.0.0");
    let second = model("9.0.0").replace("\"Active\"", "\"Deprecated\"");
    let third = model("7.0.0");
    let handed_in = [&first, &first, &second, &third, &third];
    let digests: Vec<_> = handed_in
        .iter()
        .map(|document| {
            let answer = hand_in(&service, "?asset=pcf-solvent", (*document).clone());
            assert_eq!(answer.status, 201, "{}", answer.text());
            answer.json()["digest"].as_str().unwrap().to_owned()
        })
        .collect();
    let answer = versions(&service, "vera", ID, "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.record().is_some());
    let told = answer.json();
    assert_eq!(told.get("before"), None);
    let told = told["versions"].as_array().unwrap();
    let of = |name: &str| told.iter().map(|version| version[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("version"), [3, 2, 1]);
    assert_eq!(of("digest"), [&*digests[3], &*digests[2], &*digests[0]]);
    assert_eq!(of("model"), ["7.0.0", "9.0.0", "10.0.0"]);
    assert_eq!(of("status"), ["active", "deprecated", "active"]);
    let is_there = |name: &str| {
        told.iter()
            .map(|version| version.get(name).is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!(is_there("superseded_at"), [false, true, true]);
    for version in told {
        let validity = ["created", "valid_from", "valid_until"].map(|name| version[name].as_str().unwrap());
        let expected = [
            "2022-05-22T21:47:32.000Z",
            "2022-01-01T00:00:01.000Z",
            "2022-12-31T23:59:59.000Z",
        ];
        assert_eq!(validity, expected);
        assert_eq!(version["product_id"], "urn:mycompany.com:product-id:401765");
    }

    // From where one asks on, older ones; and nothing of it is a document.
    let older = versions(&service, "anna", ID, "?before=3").json();
    assert_eq!(older["versions"].as_array().unwrap(), &told[1..]);
    let none = versions(&service, "anna", ID, "?before=1").json();
    assert_eq!(none, json!({ "versions": [] }));
    versions(&service, "anna", ID, "?before=x").check_problem(400, "query", "no number");
    versions(&service, "anna", ID, "?after=1").check_problem(400, "query", "no such parameter");

    // What was is served to nobody, and kept.
    let served = fetch(&service, ID);
    assert_eq!((served.status, served.body == third.as_bytes()), (200, true));
    if let Some(kept) = crate::superseded(&service, ELBE) {
        for (digest, document) in [(&digests[0], &first), (&digests[2], &second)] {
            let is_kept = |(key, bytes): &&(String, Vec<u8>)| key.contains(digest) && bytes == document.as_bytes();
            assert_eq!(kept.iter().filter(is_kept).count(), 1, "{digest}");
        }
        assert_eq!(kept.len(), 2);
    }
}

#[test]
fn versions_are_told_to_whoever_may_read_the_footprint_and_to_nobody_else() {
    let service = Service::shared();
    let id = "88888888-2222-4333-8444-555555555555";
    assert_eq!(hand_in(service, "", document(id, ELBE)).status, 201);
    let unknown = "88888888-2222-4333-8444-000000000000";
    let answer = versions(service, "anna", unknown, "");
    answer.check_problem(404, "not-found", "a footprint there is not");
    assert!(answer.record().is_some());
    versions(service, "anna", "no%20id", "").check_problem(400, "path", "no id");
    let stranger = get(&format!("/ingest/{ELBE}/footprints/{id}/versions"))
        .bearer(&service.person(ISAR, "bert"))
        .send(service.address);
    stranger.check_problem(401, "unauthenticated", "another company's person");
    // A supplier system hands in, and reads nothing.
    let machine = get(&format!("/ingest/{ELBE}/footprints/{id}/versions"))
        .bearer(&service.integration(ELBE))
        .send(service.address);
    machine.check_problem(401, "unauthenticated", "a machine");
}

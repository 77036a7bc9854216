//! A partner hands a footprint in.

use serde_json::{Value, json};
use tidegate::decision::Effect;
use tidegate::ids::Digest;

use super::{carried, decided, exchange, handed_in};
use crate::harness::{Answer, ELBE, HOLDS, ISAR, LOG, ODER, Service, WESER, block_on, footprint, post, put};

const RETIRED: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1004";
const ODERS: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1007";
const ISARS: &str = "7c2d9e14-3b60-4f0a-8e57-1f2b6c8d2001";

/// A request of `tenant` to `partner`, made by the tenant's own system.
fn wanted(service: &Service, tenant: &str, partner: &str) -> String {
    let body = json!({ "partner": partner, "manufacturerPartId": "401765", "message": "for the year's report" });
    let answer = post(&format!("/ingest/{tenant}/requests"))
        .bearer(&service.integration(tenant))
        .json(body.to_string())
        .send(service.address);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["requestId"].as_str().unwrap().to_owned()
}

fn submit(service: &Service, path: &str, document: &str) -> Answer {
    handed_in(service, ELBE, path, WESER, HOLDS, document)
}

/// What lies in the vault of `tenant` as received from `partner` under that id.
fn kept(service: &Service, tenant: &str, partner: &str, id: &str) -> Option<Vec<u8>> {
    let key = format!("{tenant}/pcf/received/{partner}/{id}.json");
    let mut found = crate::objects(service, &key);
    found.pop().map(|(_, document)| document)
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

#[test]
fn an_answer_is_taken_once_byte_for_byte_from_the_partner_that_was_asked() {
    let service = Service::shared();
    let (request, id) = (wanted(service, ELBE, WESER), new_id());
    // With white space no serialiser would write.
    let document = footprint("10.0.0", WESER, &id) + " \n";
    let path = format!("footprintExchange/{request}?update=false&message=here%20it%20is");

    let foreign = handed_in(service, ELBE, &path, ODER, ODERS, &footprint("10.0.0", ODER, &id));
    foreign.check_problem(403, "forbidden", "a company whose membership was revoked");

    let answer = submit(service, &path, &document);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["digest"], Digest::of(document.as_bytes()).to_string());
    let (action, resource, effect) = decided(service, ELBE, answer.record().unwrap());
    assert_eq!((action.as_str(), effect), ("submit", Effect::Allow));
    assert!(resource.contains(&id), "{resource}");
    assert_eq!(kept(service, ELBE, WESER, &id).unwrap(), document.as_bytes());
    let index = block_on(
        service
            .app
            .pcf
            .received(ELBE.parse().unwrap(), WESER.parse().unwrap(), &id),
    );
    assert_eq!(index.unwrap(), Some(Digest::of(document.as_bytes())));

    // A partner who did not get the answer sends the same again; other bytes are another answer.
    assert_eq!(submit(service, &path, &document).status, 200);
    let other = submit(service, &path, &footprint("10.0.0", WESER, &id));
    other.check_problem(409, "conflict", "other bytes");
    assert_eq!(kept(service, ELBE, WESER, &id).unwrap(), document.as_bytes());
    // As an update they are welcome.
    let update = path.replace("update=false", "update=true");
    assert_eq!(submit(service, &update, &footprint("10.0.0", WESER, &id)).status, 200);
    assert_eq!(
        kept(service, ELBE, WESER, &id).unwrap(),
        footprint("10.0.0", WESER, &id).as_bytes()
    );
    // What was received is none of the tenant's own footprints.
    let registry = service.app.registry.current();
    let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
    assert!(world.footprints.get(&id.parse().unwrap()).is_none());
}

#[test]
fn a_request_that_is_not_this_partners_to_answer_is_not_there() {
    let service = Service::shared();
    let of_isar = wanted(service, ISAR, WESER);
    let to_isar = wanted(service, ELBE, ISAR);
    for (what, request) in [
        ("a request nobody made", exchange()),
        ("another tenant's request", of_isar.clone()),
        ("a request to another partner", to_isar.clone()),
    ] {
        let id = new_id();
        let path = format!("footprintExchange/{request}");
        let answer = submit(service, &path, &footprint("10.0.0", WESER, &id));
        answer.check_problem(404, "not-found", what);
        assert_eq!(answer.json()["parameter"], "requestId", "{what}");
        let record = answer.record().unwrap().to_owned();
        assert_eq!(
            decided(service, ELBE, &record).2,
            Effect::Allow,
            "{what}: looked up after policy said yes"
        );
        assert_eq!(kept(service, ELBE, WESER, &id), None, "{what}");
    }
    // At its own tenant the request is still open for its own partner.
    let id = new_id();
    let path = format!("footprintExchange/{of_isar}");
    let answer = handed_in(service, ISAR, &path, WESER, ISARS, &footprint("9.0.0", WESER, &id));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(kept(service, ELBE, WESER, &id), None);
    assert!(kept(service, ISAR, WESER, &id).is_some());
}

#[test]
fn who_may_not_hand_in_learns_of_no_request_and_leaves_nothing() {
    let service = Service::shared();
    let request = wanted(service, ELBE, WESER);
    let path = format!("footprintExchange/{request}");
    let named = |owner: &str, id: &str| footprint("10.0.0", owner, id);
    for (what, partner, agreement, owner, reason) in [
        (
            "a document of the tenant's own",
            WESER,
            HOLDS,
            ELBE,
            "exchange/submit-own",
        ),
        (
            "a document of a third company",
            WESER,
            HOLDS,
            ISAR,
            "exchange/submit-own",
        ),
        (
            "a retired agreement",
            WESER,
            RETIRED,
            WESER,
            "exchange/agreement-in-force",
        ),
        ("another company's agreement", ODER, HOLDS, ODER, ""),
        ("no agreement", WESER, "no-such-agreement", WESER, ""),
        ("another tenant's agreement", WESER, ISARS, WESER, ""),
    ] {
        for path in [
            path.clone(),
            format!("footprintExchange/{}", exchange()),
            format!("{path}?update=true"),
        ] {
            let id = new_id();
            let answer = handed_in(service, ELBE, &path, partner, agreement, &named(owner, &id));
            answer.check_problem(403, "forbidden", what);
            let (action, _, effect) = decided(service, ELBE, answer.record().unwrap());
            assert_eq!((action.as_str(), effect), ("submit", Effect::Deny), "{what}");
            let reasons = answer.reasons();
            assert_eq!(reasons.is_empty(), reason.is_empty(), "{what}: {reasons:?}");
            assert!(
                reason.is_empty() || reasons.iter().any(|told| told == reason),
                "{what}: {reasons:?}"
            );
            let stored = crate::objects(service, ELBE);
            assert!(!stored.iter().any(|(key, _)| key.contains(&id)), "{what}");
        }
    }
    let stranger = carried(put(&format!("/exchange/{ELBE}/{path}")), service, ISAR, WESER, HOLDS);
    let answer = stranger.json(named(WESER, &new_id())).send(service.address);
    answer.check_problem(401, "unauthenticated", "another tenant's connector");
}

#[test]
fn a_document_that_is_not_valid_is_refused_by_pointer() {
    let service = Service::shared();
    let path = format!("footprintExchange/{}?update=true", exchange());
    let sound = |model: &str| -> Value { serde_json::from_str(&footprint(model, WESER, &new_id())).unwrap() };
    for model in ["7.0.0", "9.0.0", "10.0.0"] {
        assert!(
            submit(service, &path, &sound(model).to_string()).status == 200 || model != "10.0.0",
            "{model}"
        );
    }
    let broken = |model: &str, at: &str, value: Value| {
        let mut document = sound(model);
        *document.pointer_mut(at).unwrap() = value;
        document.to_string()
    };
    let id = "/pcfAssessmentAndMethodology/0/pcfAssessmentInformation/0/time/0/created";
    for (document, pointer) in [
        (
            broken("7.0.0", "/pcf/declaredUnit", json!("bushel 4711-secret")),
            "#/pcf/declaredUnit".to_owned(),
        ),
        (
            broken("7.0.0", "/version", json!("4711-secret")),
            "#/version".to_owned(),
        ),
        (broken("9.0.0", id, json!("4711-secret")), format!("#{id}")),
        (
            broken("10.0.0", "/carbonContent", json!(["4711-secret"])),
            "#/carbonContent/0".to_owned(),
        ),
        (broken("10.0.0", "/general", json!(null)), "#/general".to_owned()),
    ] {
        let answer = submit(service, &path, &document);
        answer.check_problem(422, "document", &pointer);
        let errors = answer.json()["errors"].as_array().unwrap().clone();
        assert!(
            errors.iter().any(|error| error["pointer"] == pointer.as_str()),
            "{pointer}: {errors:?}"
        );
        assert_eq!(answer.record(), None, "{pointer}: nothing was decided");
        assert!(!answer.text().contains("4711"), "{pointer}: {}", answer.text());
    }
    let missing = {
        let mut document = sound("10.0.0");
        document.as_object_mut().unwrap().remove("general");
        document.to_string()
    };
    let answer = submit(service, &path, &missing);
    assert_eq!(answer.json()["errors"][0]["pointer"], "#");
    assert!(
        answer.json()["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("general")
    );
    assert!(!LOG.text().contains("4711-secret"));
}

#[test]
fn a_submission_that_is_none_is_refused_before_anything_is_decided() {
    let service = Service::shared();
    let document = footprint("10.0.0", WESER, &new_id());
    let footprint = format!("footprintExchange/{}", exchange());
    for (path, status, kind, parameter) in [
        ("footprintExchange/1".to_owned(), 400, "path", "requestId"),
        (format!("{footprint}?update=yes"), 400, "query", "update"),
        (format!("{footprint}?Update=true"), 400, "query", ""),
        (
            format!("{footprint}?message={}", "x".repeat(251)),
            400,
            "query",
            "message",
        ),
        ("productIds/1?update=true".to_owned(), 400, "query", "update"),
        ("productIds/1?requestId=1".to_owned(), 400, "query", "requestId"),
    ] {
        let answer = submit(service, &path, &document);
        answer.check_problem(status, kind, &path);
        assert_eq!(
            answer.json()["parameter"].as_str().unwrap_or_default(),
            parameter,
            "{path}"
        );
    }
    for (what, body) in [
        ("nothing", String::new()),
        ("not JSON", "{".into()),
        ("an array", "[]".into()),
        ("a member twice", document.replacen('{', "{\"general\":[],", 1)),
        (
            "a version of tomorrow",
            document.replace("version:10.0.0", "version:11.0.0"),
        ),
    ] {
        submit(service, &footprint, &body).check_problem(422, "document", what);
    }
    let whole = carried(
        put(&format!("/exchange/{ELBE}/{footprint}")),
        service,
        ELBE,
        WESER,
        HOLDS,
    );
    whole
        .clone()
        .header("Content-Type", "text/plain")
        .body(document.clone())
        .send(service.address)
        .check_problem(415, "media-type", "text");
    let large = document.clone() + &" ".repeat(1 << 20);
    whole
        .json(large)
        .send(service.address)
        .check_problem(413, "too-large", "more than a mebibyte");
}

#[test]
fn older_clients_answer_and_update_by_product() {
    let service = Service::shared();
    let request = wanted(service, ELBE, WESER);
    let id = new_id();
    let document = footprint("10.0.0", WESER, &id);
    let answer = submit(service, &format!("productIds/401765?requestId={request}"), &document);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let again = submit(service, &format!("footprintExchange/{request}"), &(document + " "));
    again.check_problem(409, "conflict", "answered in the other form");
    let unknown = submit(
        service,
        &format!("productIds/401765?requestId={}", exchange()),
        &footprint("10.0.0", WESER, &id),
    );
    unknown.check_problem(404, "not-found", "a request nobody made");
    let id = new_id();
    assert_eq!(
        submit(service, "productIds/401765", &footprint("10.0.0", WESER, &id)).status,
        200
    );
    assert!(kept(service, ELBE, WESER, &id).is_some());
}

#[test]
fn of_two_answers_at_once_one_is_taken() {
    let service = Service::shared();
    let request = wanted(service, ELBE, WESER);
    let path = format!("footprintExchange/{request}");
    let id = new_id();
    let documents: Vec<String> = (0..8)
        .map(|spaces| footprint("10.0.0", WESER, &id) + &" ".repeat(spaces))
        .collect();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let sent: Vec<_> = documents
            .iter()
            .map(|document| scope.spawn(|| submit(service, &path, document).status))
            .collect();
        sent.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let taken: Vec<usize> = (0..8).filter(|at| statuses[*at] == 200).collect();
    assert_eq!(taken.len(), 1, "{statuses:?}");
    assert!(
        statuses.iter().all(|status| [200, 409].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(kept(service, ELBE, WESER, &id).unwrap(), documents[taken[0]].as_bytes());
}

#[test]
fn a_request_of_ones_own_is_for_ones_own_systems_and_well_formed() {
    let service = Service::shared();
    let ask = |token: &str, body: &str| {
        post(&format!("/ingest/{ELBE}/requests"))
            .bearer(token)
            .json(body)
            .send(service.address)
    };
    let own = service.integration(ELBE);
    for token in [
        service.integration(ISAR),
        service.connector(ELBE),
        service.person(ELBE, "anna"),
    ] {
        let body = json!({ "partner": WESER, "manufacturerPartId": "1" }).to_string();
        ask(&token, &body).check_problem(401, "unauthenticated", "not the tenant's system");
    }
    for (body, place) in [
        (json!({}), "partner"),
        (json!({ "partner": WESER }), "manufacturerPartId"),
        (json!({ "partner": "BPNL", "customerPartId": "1" }), "BPNL"),
        (json!({ "partner": WESER, "customerPartId": "" }), "part id"),
        (
            json!({ "partner": WESER, "customerPartId": "1", "dataModelVersion": "9.0.0" }),
            "dataModelVersion",
        ),
        (
            json!({ "partner": WESER, "customerPartId": "1", "message": "x".repeat(251) }),
            "message",
        ),
        (
            json!({ "partner": WESER, "customerPartId": "1", "update": true }),
            "update",
        ),
    ] {
        let answer = ask(&own, &body.to_string());
        answer.check_problem(422, "document", &body.to_string());
        assert!(
            answer.json()["detail"].as_str().unwrap().contains(place),
            "{body}: {}",
            answer.text()
        );
    }
}

//! Events, and what goes wrong before a handler.

use serde_json::{Value, json};

use super::{Own, asked, check_error};
use crate::harness::{Answer, ELBE, Service, WESER, ask, post};

fn event(kind: &str, data: Value) -> Value {
    json!({
        "type": format!("org.wbcsd.pact.ProductFootprint.{kind}.3"), "specversion": "1.0", "id": "e-1",
        "source": "https://partner.example/3/events", "time": "2026-11-25T09:00:00Z", "data": data,
    })
}

fn send(service: &Service, token: &str, media: &str, body: &str) -> Answer {
    post(&format!("/exchange/{ELBE}/3/events"))
        .bearer(token)
        .header("Content-Type", media)
        .body(body)
        .send(service.address)
}

#[test]
fn events_are_decided_and_answered_truthfully() {
    let service = Service::shared();
    let token = Own::of(service, ELBE, WESER).token(service);
    let media = "application/cloudevents+json; charset=UTF-8";
    let tell = |event: Value| send(service, &token, media, &event.to_string());
    let id = "3a6c14a7-4deb-498a-b5ea-16ce2535b576";
    let published = tell(event("PublishedEvent", json!({ "pfIds": [id] })));
    assert_eq!(
        (published.status, published.body.len()),
        (200, 0),
        "{}",
        published.text()
    );
    assert!(published.record().is_some());
    let created = tell(event("RequestCreatedEvent", json!({ "productId": ["urn:x:1"] })));
    check_error(&created, 400, "NotImplemented", "no answer could be sent");
    assert!(created.record().is_some());
    for (kind, data) in [
        ("RequestFulfilledEvent", json!({ "requestEventId": "r-1", "pfs": [{}] })),
        (
            "RequestRejectedEvent",
            json!({ "requestEventId": "r-1", "error": { "code": "NotFound", "message": "" } }),
        ),
    ] {
        let answer = tell(event(kind, data));
        check_error(&answer, 400, "BadRequest", kind);
        assert!(answer.record().is_some(), "{kind}");
    }
    for bad in [
        "{}",
        "{",
        "[]",
        "",
        &event("PublishedEvent", json!({ "pfIds": ["urn:gtin:1"] })).to_string(),
    ] {
        check_error(&send(service, &token, media, bad), 400, "BadRequest", bad);
    }
    let sound = event("PublishedEvent", json!({ "pfIds": [id] })).to_string();
    check_error(
        &send(service, &token, "application/json", &sound),
        415,
        "BadRequest",
        "another media type",
    );
    check_error(
        &send(service, "garbage", media, &sound),
        401,
        "BadRequest",
        "no token of ours",
    );
    let large = format!("{sound}{}", " ".repeat(tidegate::ingest::DOCUMENT_LIMIT));
    check_error(
        &send(service, &token, media, &large),
        413,
        "BadRequest",
        "larger than is taken",
    );
}

#[test]
fn whatever_is_wrong_below_3_is_told_in_pacts_words() {
    let service = Service::shared();
    let token = Own::of(service, ELBE, WESER).token(service);
    for (method, path, status, code) in [
        ("GET", "footprints/%2e%2e", 400, "BadRequest"),
        ("GET", "footprints/../events", 400, "BadRequest"),
        ("GET", "nothing", 404, "NotFound"),
        ("DELETE", "footprints", 405, "BadRequest"),
        ("GET", "events", 405, "BadRequest"),
    ] {
        let ask = ask(method, &format!("/exchange/{ELBE}/3/{path}")).bearer(&token);
        check_error(&ask.send(service.address), status, code, path);
    }
    let nowhere = asked("BPNL00000000XXXX", "footprints")
        .bearer(&token)
        .send(service.address);
    check_error(&nowhere, 404, "NotFound", "no such tenant");
    let twice = asked(ELBE, "footprints")
        .bearer(&token)
        .bearer(&token)
        .send(service.address);
    check_error(&twice, 401, "BadRequest", "two tokens");
    let odd = asked(ELBE, "footprints")
        .bearer(&token)
        .header("X-Request-Id", "a b")
        .send(service.address);
    check_error(&odd, 400, "BadRequest", "a request id that is none");
}

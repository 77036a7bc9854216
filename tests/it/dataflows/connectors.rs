//! Connectors are kept as they should be: registered at, published to, followed; and told of where they are not.

use serde_json::{Value, json};
use tidegate::dev::start::RealConnectors;

use super::agreements::{at_connector, change_world};
use super::scripted::Connector;
use super::{begin, begun, fetch, start};
use crate::harness::{ELBE, HOLDS, Service, WESER, get, wait_for};

/// What `/readyz` says is wrong with Elbe's connector.
fn problem(service: &Service) -> Option<String> {
    let answer = get("/readyz").send(service.address);
    assert_eq!(answer.status, 200, "a connector makes the service no less ready");
    let connectors = answer.json()["connectors"].as_array().cloned().unwrap_or_default();
    let of_elbe = connectors.into_iter().find(|one| one["tenant"] == ELBE)?;
    Some(of_elbe["problem"].as_str().unwrap().to_owned())
}

#[test]
fn tidegate_registers_publishes_and_brings_on_record_what_was_agreed() {
    let service = Service::start();
    let connector = Connector::start();
    let asset = service.agreement(HOLDS)["asset"].as_str().unwrap().to_owned();
    let mut agreed = at_connector("agreed", ELBE, "Membership");
    agreed["assetId"] = json!(asset);
    agreed["policy"]["target"] = json!(asset);
    let mut open = agreed.clone();
    open["@id"] = json!("open");
    let created = || json!({ "@id": "x" });
    connector.script.lock().unwrap().extend([
        ("PUT /management/v4/dataplanes", 200, Value::Null),
        ("POST /management/v4/assets", 200, created()),
        ("POST /management/v4/policydefinitions", 200, created()),
        ("POST /management/v4/contractdefinitions", 200, created()),
        (
            "POST /management/v4/contractagreements/request",
            200,
            json!([agreed, open]),
        ),
        (
            "GET /management/v4/contractagreements/agreed/negotiation",
            200,
            json!({ "state": "FINALIZED" }),
        ),
        (
            "GET /management/v4/contractagreements/open/negotiation",
            200,
            json!({ "state": "AGREED" }),
        ),
    ]);
    change_world(&service, |world| {
        world.tenant.connector = Some(connector.settings("v4"))
    });
    let on_record = |id: &str| {
        let registry = service.app.registry.current();
        let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
        world.agreements.get(&id.parse().unwrap()).is_some()
    };
    wait_for("the agreement is on record", || on_record("agreed"));
    assert!(!on_record("open"), "it is not final yet");
    assert_eq!(problem(&service), None);
    let registered = connector.body("PUT /management/v4/dataplanes");
    assert_eq!(
        registered["endpoint"],
        json!(format!("http://{}/dataflows/{ELBE}", service.address))
    );
    assert_eq!(registered["authorization"]["type"], "oauth2_client_credentials");
    // What it was told it may show, it may use: a token of that client begins a flow.
    let mut message = begin(&service, "agreed-flow", "agreed");
    message["datasetId"] = json!(asset);
    let flow = begun("agreed-flow", start(&service, &message));
    assert_eq!(fetch(&service, HOLDS, &flow.token).status, 200);
    let published = connector.body("POST /management/v4/assets");
    assert_eq!(
        published["dataAddress"]["baseUrl"],
        json!(format!("http://{}/exchange/{ELBE}", service.address))
    );
}

#[test]
fn what_is_wrong_with_a_connector_is_told_and_tried_again() {
    let service = Service::start();
    let connector = Connector::start();
    connector.script.lock().unwrap().push((
        "PUT /management/v4/dataplanes",
        401,
        json!([{ "message": "x-api-key not found" }]),
    ));
    change_world(&service, |world| {
        world.tenant.connector = Some(connector.settings("v4"))
    });
    wait_for("the problem is told", || {
        problem(&service).is_some_and(|problem| problem.contains("401") && problem.contains("x-api-key not found"))
    });
    connector.script.lock().unwrap().clear();
    connector.script.lock().unwrap().extend([
        ("PUT /management/v4/dataplanes", 200, Value::Null),
        ("POST /management/v4/assets", 200, json!({})),
        ("POST /management/v4/policydefinitions", 200, json!({})),
        ("POST /management/v4/contractdefinitions", 200, json!({})),
        ("POST /management/v4/contractagreements/request", 200, json!([])),
    ]);
    wait_for("it is mended", || problem(&service).is_none());
}

#[test]
fn real_connectors_are_written_down_whole_or_not_at_all() {
    let written = json!({ ELBE: { "participant": ELBE, "dsp": "http://127.0.0.1:2/dsp", "management": "http://127.0.0.1:3/management/v3",
        "signaling": "http://127.0.0.1:4/control", "key": "a-key" } });
    let read: RealConnectors = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(read.0.len(), 1);
    assert!(!format!("{read:?}").contains("a-key"));
    for member in ["participant", "dsp", "management", "signaling"] {
        let mut less = written.clone();
        less[ELBE].as_object_mut().unwrap().remove(member);
        assert!(serde_json::from_value::<RealConnectors>(less).is_err(), "{member}");
    }
    let mut more = written.clone();
    more[ELBE]["apiKey"] = json!("x");
    assert!(serde_json::from_value::<RealConnectors>(more).is_err());
    assert!(
        serde_json::from_value::<RealConnectors>(json!({ "Weser": written[ELBE] })).is_err(),
        "{WESER} is a BPNL, a name is none"
    );
}

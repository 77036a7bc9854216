//! Connectors are kept as they should be: registered at, published to, followed; and told of where they are not.

use serde_json::{Value, json};
use tidegate::dev::start::RealConnectors;
use tidegate::registry::AgreementState;

use super::agreements::at_connector;
use super::scripted::Connector;
use super::{begin, begun, fetch, start, started};
use crate::harness::{ELBE, HOLDS, ISAR, Service, WESER, block_on, get, retire, wait_for};

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
    service.change_world(ELBE, |world| world.tenant.connector = Some(connector.settings("v4")));
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
    service.change_world(ELBE, |world| world.tenant.connector = Some(connector.settings("v4")));
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

/// How often a live connector is looked after beside silent ones, and told what it has to be told.
#[test]
fn a_silent_connector_holds_up_no_other() {
    const RETIRED: &str = "POST /management/v4/contractagreements/retirements/request";
    let service = Service::start();
    let (live, silent) = (Connector::start(), Connector::silent());
    for tenant in [ISAR, WESER] {
        service.change_world(tenant, |world| {
            world.tenant.connector = Some(silent.settings("v4"));
        });
        // More of them than are looked for at once.
        let (flows, tenant, now) = (
            &service.app.dataspace.flows,
            tenant.parse().unwrap(),
            service.app.clock.now(),
        );
        for number in 0..60 {
            let flow = format!("f-{number}").parse().unwrap();
            block_on(flows.note_signal(tenant, &flow, "over", now)).unwrap();
        }
    }
    service.change_world(ELBE, |world| world.tenant.connector = Some(live.settings("v4")));
    started(&service, "beside-the-silent", HOLDS);
    retire(&service, ELBE, HOLDS);
    wait_for("the live one is told", || {
        live.was_asked("POST /management/v4/transferprocesses/beside-the-silent/terminate")
    });
    wait_for("the live one is looked after again", || live.times_asked(RETIRED) >= 2);
}

#[test]
fn a_retirement_is_seen_though_all_else_fails_and_is_told_to_the_connector_in_turn() {
    const LIST: &str = "POST /management/v3/contractagreements/retirements/request";
    const RETIRE: &str = "POST /management/v3/contractagreements/retirements";
    let service = Service::start();
    let connector = Connector::start();
    connector.script.lock().unwrap().extend([
        (
            LIST,
            200,
            json!([{ "edc:agreementId": HOLDS, "tx:reason": "the part is discontinued" }]),
        ),
        (RETIRE, 204, Value::Null),
        ("POST /signaling/v1/dataplanes", 500, json!([])),
    ]);
    let other = super::UNTIL;
    retire(&service, ELBE, other);
    service.change_world(ELBE, |world| world.tenant.connector = Some(connector.settings("v3")));
    let state = |id: &str| {
        let registry = service.app.registry.current();
        let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
        world.agreements.get(&id.parse().unwrap()).unwrap().state
    };
    wait_for("it is retired here", || state(HOLDS) == AgreementState::Retired);
    // The world has others that are retired, and the connector is told of them in no order.
    let told = |agreement: &str| {
        let bodies = connector.bodies(RETIRE);
        let named = |body: &&Value| body["https://w3id.org/edc/v0.0.1/ns/agreementId"] == agreement;
        bodies.iter().filter(named).count()
    };
    wait_for("it is retired there", || told(other) == 1);
    wait_for("the problem is told", || {
        problem(&service).is_some_and(|problem| problem.contains("500"))
    });
    wait_for("it is looked after again", || connector.times_asked(LIST) >= 2);
    assert_eq!(told(other), 1, "it is told once");
    assert_eq!(told(HOLDS), 0, "the connector knows that one");
}

#[test]
fn an_agreement_that_stays_open_does_not_keep_others_from_being_followed() {
    const LIST: &str = "POST /management/v4/contractagreements/request";
    let service = Service::start();
    let connector = Connector::start();
    let open = at_connector("open", ELBE, "Membership");
    connector.script.lock().unwrap().extend([
        (LIST, 200, json!([open])),
        ("GET /management/v4/contractagreements/open", 200, open.clone()),
        (
            "GET /management/v4/contractagreements/open/negotiation",
            200,
            json!({ "state": "VERIFIED" }),
        ),
    ]);
    service.change_world(ELBE, |world| world.tenant.connector = Some(connector.settings("v4")));
    let state = || service.app.dataspace.connectors.state(ELBE.parse().unwrap());
    let id = "open".parse().unwrap();
    wait_for("it waits", || state().waiting.has(&id));
    assert!(
        state()
            .followed
            .is_some_and(|since| since > service.app.clock.now() - jiff::SignedDuration::from_mins(11)),
        "what is older than that is not asked for again"
    );
    // Though the list does not name it any more, it comes on record once it is final.
    let mut script = connector.script.lock().unwrap();
    script.retain(|(call, ..)| *call != LIST && !call.ends_with("/negotiation"));
    script.push((LIST, 200, json!([])));
    script.push((
        "GET /management/v4/contractagreements/open/negotiation",
        200,
        json!({ "state": "FINALIZED" }),
    ));
    drop(script);
    wait_for("it is on record", || {
        let registry = service.app.registry.current();
        let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
        world.agreements.get(&id).is_some()
    });
    wait_for("it waits no longer", || !state().waiting.has(&id));
}

#[test]
fn what_is_no_longer_offered_is_withdrawn_at_the_connector() {
    let service = Service::start();
    let registry = service.app.registry.current();
    let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
    let offer = world.offers.values().next().unwrap().id.clone();
    let path = format!("contractdefinitions/{offer}");
    let is_there = || service.managed(ELBE, "GET", &path).send(service.address).status == 200;
    wait_for("it is offered", is_there);
    service.change_world(ELBE, |world| {
        assert!(world.offers.remove_mut(&offer));
    });
    wait_for("it is withdrawn", || !is_there());
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

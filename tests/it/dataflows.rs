//! Tidegate as a data plane, over real HTTP: from a control plane's `start` to a footprint, and every way in which that ends.

pub mod agreements;
mod connectors;
mod renewal;
pub mod scripted;
mod tokens;

use serde_json::{Value, json};
use tidegate::decision::Effect;
use tidegate::ids::TenantId;
use tidegate::ledger::Event;

use crate::harness::{Answer, Ask, ELBE, HOLDS, ISAR, LOG, Service, WESER, ask, block_on, files, get, post};

const RETIRED: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1004";
const UNTIL: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1002";

/// An id that no flow had before.
pub fn fresh() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// What Elbe's control plane says to begin a flow for Weser, as EDC 0.18 writes it.
pub fn begin(service: &Service, id: &str, agreement: &str) -> Value {
    let known = service.manifest["agreements"].as_array().unwrap();
    let asset = known
        .iter()
        .find(|known| known["id"] == agreement)
        .map_or("unknown", |known| known["asset"].as_str().unwrap());
    json!({
        "messageId": format!("message-{id}"), "participantId": ELBE, "counterPartyId": WESER,
        "dataspaceContext": "dataspace-protocol-http:2025-1", "processId": id, "agreementId": agreement, "datasetId": asset,
        "callbackAddress": "http://localhost:1/api/signaling", "transferType": "HttpData-PULL", "labels": [], "metadata": {},
        "claims": { "client_id": WESER },
    })
}

/// A flow that was started, and what its address holds.
pub struct Begun {
    pub id: String,
    pub answer: Answer,
    pub token: String,
    pub refresh_token: String,
}

fn property(address: &Value, name: &str) -> String {
    let properties = address["endpointProperties"].as_array().unwrap();
    let named = properties
        .iter()
        .find(|property| property["name"].as_str().unwrap().ends_with(name));
    named.unwrap_or_else(|| panic!("no `{name}` in {address}"))["value"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn begun(id: &str, answer: Answer) -> Begun {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    Begun {
        id: id.to_owned(),
        token: property(&body["dataAddress"], "authorization"),
        refresh_token: property(&body["dataAddress"], "refreshToken"),
        answer,
    }
}

fn say(service: &Service, path: &str, body: &Value) -> Answer {
    let ask = post(path).bearer(&service.connector(ELBE)).json(body.to_string());
    ask.send(service.address)
}

fn start(service: &Service, body: &Value) -> Answer {
    say(service, &format!("/dataflows/{ELBE}/start"), body)
}

pub fn started(service: &Service, id: &str, agreement: &str) -> Begun {
    begun(id, start(service, &begin(service, id, agreement)))
}

fn verb(service: &Service, id: &str, verb: &str) -> Answer {
    say(
        service,
        &format!("/dataflows/{ELBE}/{id}/{verb}"),
        &json!({ "messageId": "m" }),
    )
}

fn fetch(service: &Service, agreement: &str, token: &str) -> Answer {
    get(&service.footprint_path(agreement))
        .bearer(token)
        .send(service.address)
}

/// What the record that an answer names decided.
fn decided(service: &Service, answer: &Answer) -> (String, Effect) {
    let id = answer.record().unwrap();
    let records = service.records(ELBE);
    let record = records
        .iter()
        .find(|stored| stored.record.id.to_string() == id)
        .unwrap();
    match &record.record.event {
        Event::Decision(decided) => (decided.action.clone(), decided.decision.effect),
        other => panic!("{other:?}"),
    }
}

/// The states a flow went through, as the ledger tells.
pub fn states(service: &Service, id: &str) -> Vec<String> {
    let records = service.records(ELBE).into_iter();
    let of_flow = records.filter_map(|stored| match stored.record.event {
        Event::Flow(flowed) if flowed.flow.as_str() == id => Some(flowed.state),
        _ => None,
    });
    of_flow.collect()
}

#[test]
fn a_started_flow_has_an_address_and_a_token_that_gets_the_footprint() {
    let service = Service::shared();
    let flow = started(service, "happy", HOLDS);
    let body = flow.answer.json();
    assert_eq!(
        (&body["dataFlowId"], &body["state"]),
        (&json!("happy"), &json!("STARTED"))
    );
    let address = &body["dataAddress"];
    assert_eq!(
        address["endpoint"],
        json!(format!("http://{}/exchange/{ELBE}", service.address))
    );
    assert_eq!(property(address, "authType"), "bearer");
    assert_eq!(property(address, "expiresIn"), "300");
    assert_eq!(decided(service, &flow.answer), ("transfer".to_owned(), Effect::Allow));
    let answer = fetch(service, HOLDS, &flow.token);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(decided(service, &answer), ("access".to_owned(), Effect::Allow));
    assert_eq!(answer.body, service.sound_exchange().send(service.address).body);
    // The headers may repeat what the token says.
    let repeated = get(&service.footprint_path(HOLDS))
        .bearer(&flow.token)
        .header("Edc-Bpn", WESER)
        .header("Edc-Contract-Agreement-Id", HOLDS);
    assert_eq!(repeated.send(service.address).status, 200);
    // The token may stand there verbatim, as it was handed over; a connector's JWT may not.
    let bare = |token: &str| get(&service.footprint_path(HOLDS)).header("Authorization", token);
    assert_eq!(bare(&flow.token).send(service.address).status, 200);
    let jwt = bare(&service.connector(ELBE))
        .header("Edc-Bpn", WESER)
        .header("Edc-Contract-Agreement-Id", HOLDS);
    jwt.send(service.address)
        .check_problem(401, "unauthenticated", "a JWT without its scheme");
    assert_eq!(states(service, "happy"), ["STARTED"]);
}

#[test]
fn whatever_names_the_tenant_its_own_control_plane_must_speak() {
    let service = Service::shared();
    let bodies = |id: &str| begin(service, id, HOLDS).to_string();
    let own = format!("{}.localhost", ELBE.to_ascii_lowercase());
    let begun_by = |ask: Ask| ask.bearer(&service.connector(ELBE)).send(service.address).status;
    assert_eq!(begun_by(post("/dataflows/start").json(bodies("shared"))), 200);
    assert_eq!(
        begun_by(post("/dataflows/start").host(&own).json(bodies("own-host"))),
        200
    );
    assert_eq!(begun_by(post("/dataflows/own-host/suspend").host(&own).json("{}")), 200);
    assert_eq!(begun_by(post("/dataflows/shared/suspend").json("{}")), 200);
    for (path, body) in [
        ("/dataflows/start".to_owned(), bodies("stranger")),
        (format!("/dataflows/{ELBE}/start"), bodies("stranger")),
        ("/dataflows/shared/resume".to_owned(), "{}".to_owned()),
        (format!("/dataflows/{ELBE}/shared/resume"), "{}".to_owned()),
        ("/dataflows/no-such-flow/resume".to_owned(), "{}".to_owned()),
    ] {
        let answer = post(&path)
            .json(body)
            .bearer(&service.connector(ISAR))
            .send(service.address);
        answer.check_problem(401, "unauthenticated", &path);
    }
    // A flow of one tenant is none of another's.
    let answer = post(&format!("/dataflows/{ISAR}/shared/resume"))
        .bearer(&service.connector(ISAR))
        .json("{}")
        .send(service.address);
    answer.check_problem(404, "not-found", "another tenant's flow");
    // A message that names another tenant than its path is nobody's.
    let mut body = begin(service, "wrong", HOLDS);
    body["participantId"] = json!(ISAR);
    start(service, &body).check_problem(400, "body", "another participant");
}

#[test]
fn a_transfer_that_policy_does_not_permit_has_its_reason_in_the_detail_and_on_record() {
    let service = Service::shared();
    let refused = |id: &str, agreement: &str, change: &dyn Fn(&mut Value)| {
        let mut body = begin(service, id, agreement);
        change(&mut body);
        let answer = start(service, &body);
        answer.check_problem(403, "forbidden", id);
        assert_eq!(decided(service, &answer), ("transfer".to_owned(), Effect::Deny), "{id}");
        assert!(!answer.text().contains("authorization"), "{id}");
        assert!(states(service, id).is_empty(), "{id}: no flow began");
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    let unchanged = |_: &mut Value| ();
    let detail = refused("retired", RETIRED, &unchanged);
    assert!(
        detail.contains("retired or has expired") && detail.contains("exchange/agreement-in-force"),
        "{detail}"
    );
    let detail = refused("unknown", "no-such-agreement", &unchanged);
    assert!(detail.contains("not on record"), "{detail}");
    // Who is not named by the agreement learns nothing of it.
    let detail = refused("another", HOLDS, &|body| {
        body["counterPartyId"] = json!("BPNL00000000D4GH")
    });
    assert_eq!(
        detail,
        "the transfer is not permitted: the agreement is not between these two"
    );
    let detail = refused("asset", HOLDS, &|body| body["datasetId"] = json!("asset-resin"));
    assert!(detail.contains("exchange/transfer-asset"), "{detail}");
    // What the control plane verified counts: without a membership among the credentials there is none.
    let detail = refused("claims", HOLDS, &|body| body["claims"] = json!({ "vc": [] }));
    assert!(detail.contains("not met"), "{detail}");
}

#[test]
fn what_ends_a_flow_ends_its_tokens_at_once_and_for_good() {
    let service = Service::shared();
    let check_dead = |token: &str, of: &str| fetch(service, HOLDS, token).check_problem(401, "unauthenticated", of);
    let flow = started(service, "ends", HOLDS);
    assert_eq!(verb(service, "ends", "suspend").json()["state"], "SUSPENDED");
    check_dead(&flow.token, "suspended");
    renew(service, &flow.refresh_token).unwrap_err();
    let resumed = begun("ends", verb(service, "ends", "resume"));
    assert_eq!(resumed.answer.json()["state"], "STARTED");
    assert_eq!(fetch(service, HOLDS, &resumed.token).status, 200);
    check_dead(&flow.token, "the token of before the break");
    // EDC 0.18 does not pass the new address on: with the refresh token of the old one a consumer can renew.
    let (renewed, refresh_token) = renew(service, &flow.refresh_token).unwrap();
    assert_eq!(fetch(service, HOLDS, &renewed).status, 200);
    assert_eq!(refresh_token, resumed.refresh_token, "what the new address has");
    assert_eq!(verb(service, "ends", "completed").json()["state"], "COMPLETED");
    check_dead(&resumed.token, "completed");
    renew(service, &refresh_token).unwrap_err();
    verb(service, "ends", "resume").check_problem(400, "flow", "what is over stays over");
    verb(service, "ends", "terminate").check_problem(400, "flow", "what is over stays over");
    assert_eq!(verb(service, "ends", "completed").status, 200, "a repetition");
    assert_eq!(
        states(service, "ends"),
        ["STARTED", "SUSPENDED", "STARTED", "COMPLETED"]
    );

    let flow = started(service, "terminated", HOLDS);
    assert_eq!(verb(service, "terminated", "terminate").status, 200);
    check_dead(&flow.token, "terminated");
    let path = format!("/dataflows/{ELBE}/terminated/status");
    let status = get(&path).bearer(&service.connector(ELBE)).send(service.address);
    assert_eq!(
        status.json(),
        json!({ "dataFlowId": "terminated", "state": "TERMINATED" })
    );
    verb(service, "no-such-flow", "suspend").check_problem(404, "not-found", "an unknown flow");
    verb(service, "terminated", "burn").check_problem(404, "not-found", "an unknown verb");
}

#[test]
fn a_repetition_is_answered_again_and_a_second_flow_of_the_same_id_is_refused() {
    let service = Service::shared();
    let message = begin(service, "twice", HOLDS);
    let (first, again) = (
        begun("twice", start(service, &message)),
        begun("twice", start(service, &message)),
    );
    for token in [&first.token, &again.token] {
        assert_eq!(fetch(service, HOLDS, token).status, 200);
    }
    let mut other = message.clone();
    other["messageId"] = json!("another");
    start(service, &other).check_problem(409, "conflict", "another message");
    assert_eq!(verb(service, "twice", "terminate").status, 200);
    start(service, &message).check_problem(409, "conflict", "a repetition of what is over");
    assert_eq!(states(service, "twice"), ["STARTED", "TERMINATED"]);
    for (of, change) in [
        ("a push", json!({ "transferType": "HttpData-PUSH" })),
        ("an address", json!({ "dataAddress": { "endpointType": "x" } })),
        ("a partner that is none", json!({ "counterPartyId": "did:web:weser" })),
        ("no id", json!({ "processId": "../x" })),
    ] {
        let mut body = begin(service, "odd", HOLDS);
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        start(service, &body).check_problem(400, "body", of);
    }
    start(service, &json!([])).check_problem(400, "body", "no object");
}

fn renew(service: &Service, refresh_token: &str) -> Result<(String, String), Answer> {
    let form = format!("grant_type=refresh_token&refresh_token={refresh_token}");
    let path = format!("/exchange/{ELBE}/token");
    let answer = post(&path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form)
        .send(service.address);
    if answer.status != 200 {
        return Err(answer);
    }
    let body = answer.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("bearer"), &json!(300))
    );
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(decided(service, &answer), ("transfer".to_owned(), Effect::Allow));
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    Ok((text("access_token"), text("refresh_token")))
}

#[test]
fn the_older_language_is_spoken_too() {
    let service = Service::shared();
    let asset = service.agreement(HOLDS)["asset"].clone();
    let message = json!({ "@type": "DataFlowStartMessage", "transferTypeDestination": "HttpData", "flowType": "PULL", "agreementId": HOLDS,
        "processId": "older", "datasetId": asset, "properties": {}, "callbackAddress": "http://127.0.0.1:1/api/control", "participantId": WESER,
        "sourceDataAddress": { "@type": "dspace:DataAddress", "dspace:endpointType": "HttpData", "dspace:endpointProperties": [] },
        "@context": { "dspace": "https://w3id.org/dspace/v0.8/", "@vocab": "https://w3id.org/edc/v0.0.1/ns/" } });
    let token = |answer: &Answer| {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let properties = answer.json()["dataAddress"]["dspace:endpointProperties"].clone();
        let named = |property: &&Value| property["dspace:name"] == "https://w3id.org/edc/v0.0.1/ns/authorization";
        properties.as_array().unwrap().iter().find(named).unwrap()["dspace:value"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = start(service, &message);
    assert_eq!(first.json()["@type"], "DataFlowResponseMessage");
    // EDC reads an address by its own names alone, and 0.16 has others than 0.15.
    let mut newer = message.clone();
    newer["processId"] = json!("older-0.17");
    newer["@context"]["dspace"] = json!("https://w3id.org/dspace/2025/1/");
    for (message, answer) in [(&message, &first), (&newer, &start(service, &newer))] {
        assert_eq!(answer.json()["@context"]["dspace"], message["@context"]["dspace"]);
    }
    let first = token(&first);
    assert_eq!(fetch(service, HOLDS, &first).status, 200);
    let suspend = json!({ "@type": "DataFlowSuspendMessage", "@context": {} });
    assert_eq!(
        say(service, &format!("/dataflows/{ELBE}/older/suspend"), &suspend).status,
        200
    );
    fetch(service, HOLDS, &first).check_problem(401, "unauthenticated", "suspended");
    let resumed = token(&start(service, &message));
    assert_eq!(fetch(service, HOLDS, &resumed).status, 200);
    fetch(service, HOLDS, &first).check_problem(401, "unauthenticated", "the token of before");
    let end = json!({ "@type": "DataFlowTerminateMessage", "@context": {} });
    assert_eq!(
        say(service, &format!("/dataflows/{ELBE}/older/terminate"), &end).status,
        200
    );
    fetch(service, HOLDS, &resumed).check_problem(401, "unauthenticated", "terminated");
    assert_eq!(
        states(service, "older"),
        ["STARTED", "SUSPENDED", "STARTED", "TERMINATED"]
    );
    assert_eq!(
        get(&format!("/dataflows/{ELBE}/check")).send(service.address).status,
        200
    );
}

#[test]
fn what_a_partner_handed_out_is_kept_for_the_tenant_and_nowhere_in_clear() {
    let service = Service::start();
    let mut message = begin(&service, "consumed", HOLDS);
    message["counterPartyId"] = json!(ISAR);
    let answer = say(&service, &format!("/dataflows/{ELBE}/prepare"), &message);
    assert_eq!(answer.json()["state"], "PREPARED");
    let tenant: TenantId = ELBE.parse().unwrap();
    let flow = "consumed".parse().unwrap();
    let received = || block_on(service.app.received(tenant, &flow));
    assert!(received().is_none());
    let address = |token: &str| {
        json!({ "messageId": "m", "dataAddress": { "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
        "endpoint": "http://isar.example/pcf", "endpointProperties": [{ "name": "authorization", "value": token }] } })
    };
    let path = format!("/dataflows/{ELBE}/consumed/started");
    say(&service, &path, &json!({ "dataAddress": { "endpointType": "x" } })).check_problem(400, "body", "no endpoint");
    assert_eq!(
        say(&service, &path, &address("handed-out-by-isar")).json()["state"],
        "STARTED"
    );
    let kept = received().unwrap();
    assert_eq!(kept.endpoint(), Some("http://isar.example/pcf"));
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(&kept.authorization().unwrap()),
        "handed-out-by-isar"
    );
    assert_eq!(
        block_on(service.app.received(ISAR.parse().unwrap(), &flow)).map(drop),
        None
    );
    assert_eq!(verb(&service, "consumed", "suspend").status, 200);
    assert!(received().is_none(), "suspended");
    assert_eq!(
        say(
            &service,
            &format!("/dataflows/{ELBE}/consumed/resume"),
            &address("handed-out-again")
        )
        .status,
        200
    );
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(&received().unwrap().authorization().unwrap()),
        "handed-out-again"
    );
    assert_eq!(verb(&service, "consumed", "terminate").status, 200);
    assert!(received().is_none(), "terminated");
    let needle = b"handed-out";
    for path in files(service.data()) {
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            !bytes.windows(needle.len()).any(|window| window == needle),
            "{}",
            path.display()
        );
    }
    assert!(!LOG.text().contains("handed-out"));
}

#[test]
fn tokens_are_in_no_file_and_no_log() {
    let service = Service::start();
    let flow = started(&service, "kept", HOLDS);
    let (renewed, refresh_token) = renew(&service, &flow.refresh_token).unwrap();
    fetch(&service, HOLDS, &renewed);
    ask("GET", &service.footprint_path(HOLDS))
        .bearer(&flow.token[..200])
        .send(service.address);
    let secrets = [&flow.token, &flow.refresh_token, &renewed, &refresh_token];
    let middles = secrets.map(|secret| secret[12..40].to_owned());
    for path in files(service.data()) {
        let bytes = std::fs::read(&path).unwrap();
        for secret in &middles {
            assert!(!crate::harness::contains(&bytes, secret), "{}", path.display());
        }
    }
    for secret in &middles {
        assert!(!LOG.text().contains(secret));
    }
}

#[test]
fn what_is_wrong_with_a_message_is_told_without_repeating_it() {
    let service = Service::shared();
    let told = |path: &str, body: Value| {
        let answer = say(service, &format!("/dataflows/{ELBE}/{path}"), &body);
        answer.check_problem(400, "body", path);
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    started(service, "unread", HOLDS);
    for address in [
        json!("S3CRET"),
        json!({ "endpointType": "x", "endpointProperties": "S3CRET" }),
    ] {
        let detail = told("unread/started", json!({ "dataAddress": address }));
        assert!(!detail.contains("S3CRET") && detail.contains("column"), "{detail}");
        let mut body = begin(service, "unread-too", HOLDS);
        body["dataAddress"] = address;
        let detail = told("start", body);
        assert!(!detail.contains("S3CRET"), "{detail}");
    }
    let mut body = begin(service, "unread-too", HOLDS);
    body.as_object_mut().unwrap().remove("agreementId");
    assert!(told("start", body).contains("missing field `agreementId`"));
}

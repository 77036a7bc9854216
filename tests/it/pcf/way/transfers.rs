//! The transfer on the way: how its address comes, how its token is renewed, and how it ends.

use super::super::counterpart::Counterpart;
use super::*;
use crate::dataflows::states;

const EDR: &str = "GET /management/v3/edrs/t-1/dataaddress?auto_refresh=true";
const EDR_2: &str = "GET /management/v3/edrs/t-2/dataaddress?auto_refresh=true";

fn address(to: &str, token: &str) -> Value {
    json!({ "@type": "DataAddress", "type": "https://w3id.org/idsa/v4.1/HTTP", "endpoint": to,
        "authorization": token, "tx-auth:expiresIn": "300" })
}

#[test]
fn an_older_connector_is_asked_for_the_address_and_renews_it() {
    let partner = Counterpart::start();
    let mut script = agreeable("v3");
    script.push((EDR, 200, address(partner.url(), "first")));
    let scene = Scene::quiet("v3", script);
    scene.ask();
    scene.delivered();
    // Its connector renews.
    scene.answers(EDR, 200, address(partner.url(), "second"));
    scene.later(400);
    scene.ask();
    scene.delivered();
    assert_eq!(scene.connector.times_asked("POST /management/v3/transferprocesses"), 1);
    let sent = partner.sent();
    let tokens: Vec<_> = sent.iter().map(|sent| sent.authorization.as_str()).collect();
    assert_eq!(tokens, ["first", "second"]);
    assert!(sent.iter().all(|sent| sent.bpn == ELBE), "{sent:?}");
    assert!(sent[0].line.contains("dataModelVersion="), "1.3.0 is offered: {sent:?}");
    // One that does not renew starts another transfer, and the old one is ended on both sides.
    scene.answers("POST /management/v3/transferprocesses", 200, json!({ "@id": "t-2" }));
    scene.answers(
        "GET /management/v3/transferprocesses/t-2",
        200,
        json!({ "state": "STARTED" }),
    );
    scene.answers(EDR_2, 200, address(partner.url(), "third"));
    scene.later(800);
    scene.ask();
    scene.delivered();
    wait_for("the old transfer is ended", || {
        scene
            .connector
            .was_asked("POST /management/v3/transferprocesses/t-1/terminate")
    });
    assert_eq!(states(&scene.service, "t-1"), ["STARTED", "TERMINATED"]);
    assert_eq!(partner.sent()[2].authorization, "third");
    assert_eq!(
        scene.connector.times_asked("POST /management/v3/contractnegotiations"),
        1
    );
    // And one that nobody needs any more, too.
    scene.later(2_000);
    wait_for("the last transfer is ended", || {
        scene
            .connector
            .was_asked("POST /management/v3/transferprocesses/t-2/terminate")
    });
    let live = scene.service.app.dataspace.flows.all_live();
    assert!(live.is_empty(), "{live:?}");
}

#[test]
fn a_token_that_is_refused_ends_its_transfer() {
    let partner = Counterpart::start();
    partner.will_answer(&[403]);
    let mut script = agreeable("v3");
    script.push((EDR, 200, address(partner.url(), "first")));
    let scene = Scene::quiet("v3", script);
    scene.ask();
    scene.problem(1);
    wait_for("the transfer is ended", || {
        scene
            .connector
            .was_asked("POST /management/v3/transferprocesses/t-1/terminate")
    });
    assert_eq!(states(&scene.service, "t-1"), ["STARTED", "TERMINATED"]);
}

#[test]
fn a_connector_that_gives_out_no_addresses_is_told_of_at_once() {
    let scene = Scene::quiet("v3", agreeable("v3"));
    scene.ask();
    let problem = scene.problem(1);
    assert!(problem.contains("edr-cache-api"), "{problem}");
    wait_for("the transfer is ended", || {
        scene
            .connector
            .was_asked("POST /management/v3/transferprocesses/t-1/terminate")
    });
}

#[test]
fn a_token_is_renewed_with_its_refresh_token() {
    let partner = Counterpart::start();
    let mut script = agreeable("v4");
    let renewed = json!({ "access_token": "renewed", "refresh_token": "r-2", "expires_in": 300 });
    script.push(("POST /refresh", 200, renewed));
    let scene = Scene::quiet("v4", script);
    let say = |verb: &str, body: Value| {
        let answer = post(&format!("/dataflows/{ELBE}/{verb}"))
            .bearer(&scene.service.connector(ELBE))
            .json(body.to_string())
            .send(scene.service.address);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    say(
        "prepare",
        json!({
            "messageId": "m", "participantId": ELBE, "counterPartyId": WESER, "processId": "t-1", "agreementId": "agreed-1",
            "datasetId": "pcf-exchange", "transferType": "HttpData-PULL",
        }),
    );
    let property = |name: &str, value: &str| json!({ "name": name, "value": value });
    say(
        "t-1/started",
        json!({ "dataAddress": {
            "endpointType": "https://w3id.org/idsa/v4.1/HTTP", "endpoint": partner.url(),
            "endpointProperties": [
                property("authorization", "first"), property("authType", "bearer"),
                property("https://w3id.org/tractusx/auth/refreshToken", "r-1"),
                property("https://w3id.org/tractusx/auth/refreshEndpoint", &scene.connector.url("/refresh")),
                property("https://w3id.org/tractusx/auth/expiresIn", "300"),
            ],
        } }),
    );
    scene.ask();
    scene.delivered();
    scene.later(400);
    scene.ask();
    scene.delivered();
    let tokens: Vec<_> = partner.sent().into_iter().map(|sent| sent.authorization).collect();
    assert_eq!(tokens, ["Bearer first", "Bearer renewed"]);
    assert_eq!(scene.connector.times_asked(TRANSFER), 1);
    assert!(!scene.connector.was_asked(END));
}

#[test]
fn a_partner_is_named_by_its_did_and_asked_as_its_version_of_the_api_is() {
    let partner = Counterpart::start();
    let mut script = agreeable("v3");
    script.retain(|(call, ..)| !call.contains("catalog"));
    let mut old = catalog("UsagePurpose", EXCHANGE);
    old["dataset"][0]["cx-common:version"] = json!("1.2.0");
    script.push(("POST /management/v3/catalog/request", 200, old));
    script.push((EDR, 200, address(partner.url(), "first")));
    let scene = Scene::quiet("v3", script);
    scene.service.change_partner(WESER, |weser| {
        weser.did = Some("did:web:weser.example".parse().unwrap())
    });
    scene.ask();
    scene.delivered();
    for call in [
        "POST /management/v3/catalog/request",
        "POST /management/v3/contractnegotiations",
        "POST /management/v3/transferprocesses",
    ] {
        assert_eq!(
            scene.connector.body(call)["counterPartyId"],
            "did:web:weser.example",
            "{call}"
        );
    }
    let request = scene.connector.body("POST /management/v3/contractnegotiations");
    assert_eq!(request["policy"]["assigner"], "did:web:weser.example");
    let line = &partner.sent()[0].line;
    assert!(
        line.contains("manufacturerPartId=W-1") && !line.contains("dataModelVersion"),
        "{line}"
    );
}

//! What a connector does not take, and what it ends.

use serde_json::{Value, json};

use super::schema::{check, check_journal};
use super::{ELBE, ISAR, ODER, WESER, catalog, connector, message, negotiated, offer_in, service, told, until};
use crate::harness::{ask, post};

#[test]
fn a_refused_negotiation_ends_with_a_reason_and_keeps_what_is_private() {
    let service = service();
    let offer = offer_in(&catalog(service, WESER, ELBE), "pcf-ethanol");
    // Oder saw no offer, but knows its name.
    let ended = negotiated(service, ODER, ELBE, "pcf-ethanol", &offer);
    assert_eq!(ended["state"], "TERMINATED");
    assert_eq!(ended["errorDetail"], "denied: the provider's policy does not permit it");
    // The provider's own operator may know which policy said no; the other side learns nothing of the access policy.
    let query = json!({ "filterExpression": [{ "operandLeft": "correlationId", "operator": "=", "operandRight": ended["@id"] }] });
    let own = until(
        || told(service, ELBE, "contractnegotiations/request", &query).json(),
        |own| own[0]["state"] == "TERMINATED",
    );
    let detail = own[0]["errorDetail"].as_str().unwrap();
    assert!(detail.contains("BPNL00000000C3EF"), "{detail}");
    let heard = check_journal(connector(service, ODER));
    assert!(
        !heard
            .iter()
            .any(|entry| entry.message.to_string().contains("one of `BPNL"))
    );
    check_journal(connector(service, ELBE));
}

#[test]
fn a_policy_that_comes_back_changed_is_refused_and_the_difference_named() {
    let service = service();
    let offer = offer_in(&catalog(service, WESER, ELBE), "pcf-ethanol");
    let constraints = "/permission/0/constraint/0/and";
    let mut lighter = offer.clone();
    lighter
        .pointer_mut(constraints)
        .unwrap()
        .as_array_mut()
        .unwrap()
        .retain(|constraint| !constraint["leftOperand"].as_str().unwrap().ends_with("/Membership"));
    let ended = negotiated(service, WESER, ELBE, "pcf-ethanol", &lighter);
    assert_eq!(ended["state"], "TERMINATED");
    assert_eq!(
        ended["errorDetail"],
        "policy: the policy sent back is not the one offered: it lacks `Membership eq \"active\"`"
    );
    // Another order is the same policy.
    let mut turned = offer;
    turned
        .pointer_mut(constraints)
        .unwrap()
        .as_array_mut()
        .unwrap()
        .reverse();
    assert_eq!(
        negotiated(service, WESER, ELBE, "pcf-ethanol", &turned)["state"],
        "FINALIZED"
    );
    check_journal(connector(service, WESER));
}

/// A first message of Weser's to Elbe's connector, and the offer in it.
fn request(consumer_pid: &str, callback: &str, offer: &Value, asset: &str) -> Value {
    let mut offer = offer.clone();
    offer["target"] = json!(asset);
    json!({ "@type": "ContractRequestMessage", "consumerPid": consumer_pid, "callbackAddress": callback, "offer": offer })
}

#[test]
fn what_is_not_there_or_not_ones_own_is_one_answer() {
    let service = service();
    let offer = offer_in(&catalog(service, WESER, ELBE), "pcf-ethanol");
    let made = negotiated(service, WESER, ELBE, "pcf-ethanol", &offer);
    let pid = made["correlationId"].as_str().unwrap();
    let body =
        json!({ "@type": "ContractNegotiationTerminationMessage", "consumerPid": made["@id"], "providerPid": pid });
    let asked = [
        message(ELBE, ODER, &format!("negotiations/{pid}/termination"), &body),
        message(ELBE, WESER, "negotiations/urn:uuid:none/termination", &body),
        message(ISAR, WESER, &format!("negotiations/{pid}/termination"), &body),
        message(ELBE, WESER, &format!("transfers/{pid}/termination"), &body),
        // Without a word of who speaks, or with one meant for another.
        message(ELBE, WESER, &format!("negotiations/{pid}/termination"), &body).without("authorization"),
        message(ELBE, WESER, &format!("negotiations/{pid}/termination"), &body)
            .without("authorization")
            .header(
                "Authorization",
                json!({ "audience": ISAR, "clientId": WESER }).to_string(),
            ),
        message(
            "BPNL000000000XXX",
            WESER,
            "catalog/request",
            &json!({ "@type": "CatalogRequestMessage" }),
        ),
    ];
    for (number, ask) in asked.into_iter().enumerate() {
        assert_eq!(ask.send(service.address).status, 404, "number {number}");
    }
    let nobody = message(
        ELBE,
        WESER,
        "catalog/request",
        &json!({ "@type": "CatalogRequestMessage" }),
    );
    let answer = nobody.without("authorization").send(service.address);
    assert_eq!(answer.status, 401);
    check(&answer.json());
}

#[test]
fn what_does_not_read_or_contradicts_itself_changes_nothing() {
    let service = service();
    let offer = offer_in(&catalog(service, WESER, ELBE), "pcf-ethanol");
    let callback = connector(service, WESER).dsp();
    let sound = request("urn:uuid:c-1", &callback, &offer, "pcf-ethanol");
    let mut both = sound.clone();
    both["providerPid"] = json!("urn:uuid:p-1");
    let mut unknown = sound.clone();
    unknown["offer"]["@id"] = json!("offer-of-nothing");
    let other_asset = request("urn:uuid:c-1", &callback, &offer, "pcf-resin");
    let filtered = json!({ "@type": "CatalogRequestMessage", "filter": [{ "x": 1 }] });
    let cases = [
        ("negotiations/request", both, "malformed"),
        ("negotiations/request", unknown, "refused"),
        ("negotiations/request", other_asset, "refused"),
        ("negotiations/offers", sound.clone(), "refused"),
        ("negotiations/request", json!({ "@type": "Unknown" }), "malformed"),
        ("catalog/request", filtered, "filter"),
        ("catalog/request", sound, "refused"),
    ];
    for (path, body, code) in cases {
        let answer = message(ELBE, WESER, path, &body).send(service.address);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (400, &json!(code)),
            "{path} {body}"
        );
        check(&answer.json());
    }
    let all = told(service, ELBE, "contractnegotiations/request", &json!({ "limit": 500 })).json();
    assert!(
        all.as_array()
            .unwrap()
            .iter()
            .all(|one| one["correlationId"] != "urn:uuid:c-1")
    );
}

#[test]
fn an_offer_nobody_asked_for_and_an_agreement_on_other_terms_are_not_taken() {
    let service = service();
    let offer = offer_in(&catalog(service, WESER, ELBE), "pcf-ethanol");
    let mut unasked = offer.clone();
    unasked["target"] = json!("pcf-ethanol");
    // Sent as Elbe, by nobody who would answer: the termination has nowhere to go, and the negotiation ends all the same.
    let body = json!({
        "@type": "ContractOfferMessage", "providerPid": "urn:uuid:p-1", "offer": unasked,
        "callbackAddress": "http://127.0.0.1:9/nowhere",
    });
    let answer = message(WESER, ELBE, "negotiations/offers", &body).send(service.address);
    assert_eq!(
        (answer.status, &answer.json()["state"]),
        (201, &json!("OFFERED")),
        "{}",
        answer.text()
    );
    check(&answer.json());
    let pid = answer.json()["consumerPid"].as_str().unwrap().to_owned();
    let ended = until(
        || super::shown(service, WESER, &format!("contractnegotiations/{pid}")),
        |shown| shown["state"] == "TERMINATED",
    );
    assert!(ended["errorDetail"].as_str().unwrap().contains("did not ask for"));
}

#[test]
fn the_operators_side_wants_the_key() {
    let service = service();
    let path = "contractnegotiations/request";
    for ask in [
        service.managed(ELBE, "POST", path).without("x-api-key"),
        service
            .managed(ELBE, "POST", path)
            .without("x-api-key")
            .header("X-Api-Key", ""),
        service
            .managed(ISAR, "POST", path)
            .without("x-api-key")
            .header("X-Api-Key", {
                use secrecy::ExposeSecret as _;
                connector(service, ELBE).api_key().expose_secret().to_owned()
            }),
    ] {
        assert_eq!(ask.json("{}").send(service.address).status, 401);
    }
    let signaling = format!("/dev/connectors/{ELBE}/signaling/transfers/x/dataflow/errored");
    assert_eq!(post(&signaling).json("{}").send(service.address).status, 401);
    let nothing = ask("GET", &format!("/dev/connectors/{ELBE}/elsewhere/x")).send(service.address);
    assert_eq!(nothing.status, 404);
}

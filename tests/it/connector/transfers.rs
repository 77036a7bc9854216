//! Transfers: from an agreement to a footprint, and every way in which one ends or is refused.

use serde_json::{Value, json};
use tidegate::dev::connector::store::{Direction, Entry};
use tidegate::ids::Digest;

use super::schema::{check, check_journal};
use super::{
    ELBE, ISAR, ODER, WESER, catalog, connector, message, negotiated, offer_in, question, service, shown, told, until,
};
use crate::harness::{Answer, Service, get, post};

/// A contract of Weser with Elbe on ethanol; its id.
fn contract(service: &Service) -> String {
    let offer = offer_in(&catalog(service, WESER, ELBE), "pcf-ethanol");
    let made = negotiated(service, WESER, ELBE, "pcf-ethanol", &offer);
    assert_eq!(made["state"], "FINALIZED", "{made}");
    made["contractAgreementId"].as_str().unwrap().to_owned()
}

/// Asks for a transfer under an agreement as Weser's operator and waits until it is started or over.
fn transferred(service: &Service, agreement: &str) -> Value {
    let body = json!({
        "@type": "TransferRequest", "protocol": "dataspace-protocol-http:2025-1", "counterPartyId": ELBE,
        "counterPartyAddress": connector(service, ELBE).dsp(), "contractId": agreement, "transferType": "HttpData-PULL",
    });
    let answer = told(service, WESER, "transferprocesses", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let path = format!("transferprocesses/{}", answer.json()["@id"].as_str().unwrap());
    until(
        || shown(service, WESER, &path),
        |shown| ["STARTED", "TERMINATED"].map(Value::from).contains(&shown["state"]),
    )
}

/// The same process as the provider's operator sees it, once it is as `wanted`.
fn at_provider(service: &Service, transfer: &Value, wanted: &str) -> Value {
    let query = json!({ "filterExpression": [{
        "operandLeft": "correlationId", "operator": "=", "operandRight": transfer["@id"]
    }] });
    let found = until(
        || told(service, ELBE, "transferprocesses/request", &query).json(),
        |found| found[0]["state"] == wanted,
    );
    found[0].clone()
}

fn at_consumer(service: &Service, transfer: &Value, wanted: &str) -> Value {
    let path = format!("transferprocesses/{}", transfer["@id"].as_str().unwrap());
    until(|| shown(service, WESER, &path), |shown| shown["state"] == wanted)
}

fn token(service: &Service, transfer: &Value) -> String {
    let path = format!("edrs/{}/dataaddress", transfer["@id"].as_str().unwrap());
    shown(service, WESER, &path)["authorization"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Ethanol's footprint, fetched with a token.
fn fetched(service: &Service, token: &str) -> Answer {
    let registry = service.app.registry.current();
    let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
    let mut footprints = world.footprints.values();
    let ethanol = footprints.find(|footprint| footprint.assets.iter().any(|asset| asset.as_str() == "pcf-ethanol"));
    let ethanol = ethanol.unwrap();
    let answer = get(&format!("/exchange/{ELBE}/pcf/{}/submodel/$value", ethanol.id)).bearer(token);
    let answer = answer.send(service.address);
    if answer.status == 200 {
        assert_eq!(Digest::of(&answer.body), ethanol.digest, "byte for byte");
    }
    answer
}

/// The kinds of the messages of a process, each with the status of its answer.
fn said(journal: &[Entry], pid: &Value) -> Vec<(Direction, String, u16)> {
    let about = journal.iter().filter(|entry| &entry.message["consumerPid"] == pid);
    about
        .map(|entry| {
            (
                entry.direction,
                entry.message["@type"].as_str().unwrap().to_owned(),
                entry.status,
            )
        })
        .collect()
}

#[test]
fn a_transfer_hands_over_a_token_with_which_the_footprint_is_fetched() {
    let service = service();
    let agreement = contract(service);
    let transfer = transferred(service, &agreement);
    assert_eq!(transfer["state"], "STARTED", "{transfer}");
    let provider = at_provider(service, &transfer, "STARTED");
    assert_eq!(
        (&provider["contractId"], &provider["correlationId"]),
        (&json!(agreement), &transfer["@id"])
    );

    let address = shown(
        service,
        WESER,
        &format!("edrs/{}/dataaddress", transfer["@id"].as_str().unwrap()),
    );
    assert!(
        address["endpoint"]
            .as_str()
            .unwrap()
            .ends_with(&format!("/exchange/{ELBE}"))
    );
    // EDC reads it among the properties only.
    assert_eq!(address["https://w3id.org/edc/v0.0.1/ns/endpoint"], address["endpoint"]);
    let answer = fetched(service, &token(service, &transfer));
    assert_eq!(answer.status, 200, "{}", answer.text());
    // On record the access is Weser's, under the agreement the connectors made.
    assert!(answer.record().is_some());

    use Direction::{Received, Sent};
    let weser = check_journal(connector(service, WESER));
    let story = [
        (Sent, "TransferRequestMessage", 201),
        (Received, "TransferStartMessage", 200),
    ];
    let story = story.map(|(direction, kind, status)| (direction, kind.to_owned(), status));
    assert_eq!(said(&weser, &transfer["@id"]), story);
    check_journal(connector(service, ELBE));

    // Both sides' data planes have the flow.
    for (company, process) in [(WESER, &transfer), (ELBE, &provider)] {
        let path = format!("/dataflows/{company}/{}/status", process["@id"].as_str().unwrap());
        let status = get(&path).bearer(&service.connector(company)).send(service.address);
        until(|| status.json(), |status| status["state"] == "STARTED");
    }
    // And both sides say how it stands, to each other and to nobody else.
    let (own, theirs) = (transfer["@id"].as_str().unwrap(), provider["@id"].as_str().unwrap());
    for (company, from, pid) in [(ELBE, WESER, theirs), (WESER, ELBE, own)] {
        let standing = question(company, from, &format!("transfers/{pid}")).send(service.address);
        assert_eq!((standing.status, &standing.json()["state"]), (200, &json!("STARTED")));
        check(&standing.json());
        let stranger = question(company, ODER, &format!("transfers/{pid}")).send(service.address);
        assert_eq!(stranger.status, 404);
    }
}

#[test]
fn a_transfer_tidegate_denies_is_never_started_and_both_sides_know_why() {
    let service = service();
    let quality = service.manifest["agreements"].as_array().unwrap().iter();
    let mut quality = quality.filter(|agreement| agreement["purpose"] == "cx.quality.base:1");
    let transfer = transferred(service, quality.next().unwrap()["id"].as_str().unwrap());
    assert_eq!(transfer["state"], "TERMINATED");
    let reason = transfer["errorDetail"].as_str().unwrap();
    assert!(
        reason.contains("not permitted") && reason.contains("cx.quality.base:1"),
        "{reason}"
    );
    let own = at_provider(service, &transfer, "TERMINATED");
    assert!(reason.ends_with(own["errorDetail"].as_str().unwrap()), "{own}");
    let address = service.managed(
        WESER,
        "GET",
        &format!("edrs/{}/dataaddress", transfer["@id"].as_str().unwrap()),
    );
    assert_eq!(address.send(service.address).status, 404);
    let kinds: Vec<_> = said(&check_journal(connector(service, WESER)), &transfer["@id"])
        .into_iter()
        .map(|(_, kind, _)| kind)
        .collect();
    assert_eq!(kinds, ["TransferRequestMessage", "TransferTerminationMessage"]);
}

#[test]
fn the_token_of_a_transfer_ends_with_it_whoever_ends_it() {
    let service = service();
    let agreement = contract(service);
    for company in [WESER, ELBE] {
        let transfer = transferred(service, &agreement);
        let token = token(service, &transfer);
        assert_eq!(fetched(service, &token).status, 200);
        let provider = at_provider(service, &transfer, "STARTED");
        let own = if company == WESER { &transfer } else { &provider };
        let path = format!("transferprocesses/{}/terminate", own["@id"].as_str().unwrap());
        let body = json!({ "@type": "TerminateTransfer", "reason": "done with it" });
        assert_eq!(told(service, company, &path, &body).status, 204);
        let (at_weser, at_elbe) = (
            at_consumer(service, &transfer, "TERMINATED"),
            at_provider(service, &transfer, "TERMINATED"),
        );
        for seen in [at_weser, at_elbe] {
            assert!(
                seen["errorDetail"].as_str().unwrap().ends_with("done with it"),
                "{seen}"
            );
        }
        until(|| json!(fetched(service, &token).status), |status| *status == 401);
        // It cannot be ended twice.
        assert_eq!(told(service, company, &path, &body).status, 409);
    }
}

#[test]
fn a_suspended_transfer_gives_nothing_until_it_goes_on() {
    let service = service();
    let transfer = transferred(service, &contract(service));
    let before = token(service, &transfer);
    let provider = at_provider(service, &transfer, "STARTED");
    let path = |verb: &str| format!("transferprocesses/{}/{verb}", provider["@id"].as_str().unwrap());
    let body = json!({ "@type": "SuspendTransfer", "reason": "a pause" });
    assert_eq!(told(service, ELBE, &path("suspend"), &body).status, 204);
    at_consumer(service, &transfer, "SUSPENDED");
    until(|| json!(fetched(service, &before).status), |status| *status == 401);

    // The provider goes on by itself, or because the consumer asks.
    let own = format!("transferprocesses/{}/resume", transfer["@id"].as_str().unwrap());
    let mut last = before;
    for (company, resume) in [(ELBE, path("resume")), (WESER, own)] {
        let resumed = told(service, company, &resume, &json!({}));
        assert_eq!(resumed.status, 204, "{}", resumed.text());
        at_consumer(service, &transfer, "STARTED");
        at_provider(service, &transfer, "STARTED");
        let after = token(service, &transfer);
        assert_ne!(after, last, "a new token");
        assert_eq!(fetched(service, &after).status, 200, "resumed by {company}");
        assert_eq!(told(service, company, &resume, &json!({})).status, 409);
        if company == ELBE {
            assert_eq!(told(service, ELBE, &path("suspend"), &body).status, 204);
            at_consumer(service, &transfer, "SUSPENDED");
        }
        last = after;
    }
    check_journal(connector(service, ELBE));
}

#[test]
fn an_agreement_that_is_retired_ends_its_transfers_at_both_connectors() {
    let service = service();
    let agreement = contract(service);
    let transfer = transferred(service, &agreement);
    let token = token(service, &transfer);
    assert_eq!(fetched(service, &token).status, 200);
    let path = format!("/agreements/{ELBE}/{agreement}/retire");
    let retired = post(&path)
        .bearer(&service.person(ELBE, "anna"))
        .json(r#"{"reason":"it was a test"}"#);
    assert_eq!(retired.send(service.address).status, 200);
    // At once, whatever the connectors know by then.
    assert_eq!(fetched(service, &token).status, 403);
    for seen in [
        at_provider(service, &transfer, "TERMINATED"),
        at_consumer(service, &transfer, "TERMINATED"),
    ] {
        assert!(seen["errorDetail"].as_str().unwrap().contains("retired"), "{seen}");
    }
    let another = transferred(service, &agreement);
    assert_eq!(another["state"], "TERMINATED", "{another}");
}

/// A first message of a transfer of Weser's.
fn request(pid: &str, agreement: &str) -> Value {
    json!({
        "@type": "TransferRequestMessage", "consumerPid": pid, "agreementId": agreement, "format": "HttpData-PULL",
        "callbackAddress": "http://127.0.0.1:9/nowhere",
    })
}

#[test]
fn a_transfer_needs_an_agreement_between_these_two_and_a_kind_that_is_offered() {
    let service = service();
    let agreement = contract(service);
    let pid = format!("urn:uuid:{}", uuid::Uuid::now_v7());
    let mut other_kind = request(&pid, &agreement);
    other_kind["format"] = json!("AmazonS3-PUSH");
    let asked = [
        (ELBE, ODER, request(&pid, &agreement)),
        (ELBE, WESER, request(&pid, "urn:uuid:made-up")),
        (ISAR, WESER, request(&pid, &agreement)),
        (ELBE, WESER, other_kind),
    ];
    let mut said = Vec::new();
    for (company, from, body) in asked {
        let answer = message(company, from, "transfers/request", &body).send(service.address);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (400, &json!("refused")),
            "{company} {from}"
        );
        check(&answer.json());
        said.push(
            answer.json()["reason"][0]
                .as_str()
                .unwrap()
                .replace("urn:uuid:made-up", &agreement),
        );
    }
    assert_eq!(said[0], said[1], "another's agreement is as one that is not there");
}

#[test]
fn a_request_that_comes_again_begins_nothing_again_and_what_is_illegal_changes_nothing() {
    let service = service();
    let agreement = contract(service);
    let pid = format!("urn:uuid:{}", uuid::Uuid::now_v7());
    let first = message(ELBE, WESER, "transfers/request", &request(&pid, &agreement)).send(service.address);
    assert_eq!(first.status, 201);
    let again = message(ELBE, WESER, "transfers/request", &request(&pid, &agreement)).send(service.address);
    assert_eq!(
        (again.status, &again.json()["providerPid"]),
        (201, &first.json()["providerPid"])
    );
    check(&first.json());
    let theirs = first.json()["providerPid"].as_str().unwrap().to_owned();
    // Its start has nowhere to go, so Elbe's connector ends it; after that nothing is legal any more.
    let path = format!("transferprocesses/{theirs}");
    until(|| shown(service, ELBE, &path), |shown| shown["state"] == "TERMINATED");
    for (tail, kind) in [
        ("start", "TransferStartMessage"),
        ("suspension", "TransferSuspensionMessage"),
        ("completion", "TransferCompletionMessage"),
        ("termination", "TransferTerminationMessage"),
    ] {
        let body = json!({ "@type": kind, "consumerPid": pid, "providerPid": theirs });
        let answer = message(ELBE, WESER, &format!("transfers/{theirs}/{tail}"), &body).send(service.address);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (400, &json!("illegal-transition")),
            "{kind}"
        );
        check(&answer.json());
        let mut other = body.clone();
        other["consumerPid"] = json!("urn:uuid:another");
        let answer = message(ELBE, WESER, &format!("transfers/{theirs}/{tail}"), &other).send(service.address);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (400, &json!("refused")),
            "{kind}"
        );
    }
    let body = json!({ "@type": "TransferStartMessage", "consumerPid": pid, "providerPid": theirs });
    let misplaced = message(ELBE, WESER, &format!("transfers/{theirs}/termination"), &body).send(service.address);
    assert_eq!((misplaced.status, &misplaced.json()["code"]), (400, &json!("refused")));
}

#[test]
fn a_data_plane_may_say_that_a_flow_is_done() {
    let service = service();
    let transfer = transferred(service, &contract(service));
    let provider = at_provider(service, &transfer, "STARTED");
    let path = format!(
        "/dev/connectors/{ELBE}/signaling/transfers/{}/dataflow/completed",
        provider["@id"].as_str().unwrap()
    );
    let key = {
        use secrecy::ExposeSecret as _;
        connector(service, ELBE).api_key().expose_secret().to_owned()
    };
    let report = json!({ "messageId": "m-1", "dataFlowId": "f-1", "state": "COMPLETED" });
    let answer = post(&path)
        .header("X-Api-Key", key)
        .json(report.to_string())
        .send(service.address);
    assert_eq!(answer.status, 200);
    at_consumer(service, &transfer, "COMPLETED");
    at_provider(service, &transfer, "COMPLETED");
    check_journal(connector(service, WESER));
}

//! The handshake that succeeds.

use serde_json::{Value, json};
use tidegate::contract::Terms;
use tidegate::dev::connector::store::{Direction, Entry};

use super::schema::{check, check_journal};
use super::{ELBE, ODER, WESER, catalog, connector, message, negotiated, offer_in, question, service, shown, until};
use crate::harness::get;

/// What was said about the processes of one negotiation, in order: who said what.
fn said(journal: &[Entry], pid: &str) -> Vec<(Direction, String, u16)> {
    let about = journal.iter().filter(|entry| entry.message["consumerPid"] == pid);
    about
        .map(|entry| {
            let kind = entry.message["@type"].as_str().unwrap();
            let event = entry.message["eventType"].as_str().unwrap_or_default();
            (
                entry.direction,
                format!("{kind} {event}").trim().to_owned(),
                entry.status,
            )
        })
        .collect()
}

#[test]
fn a_contract_is_made_in_the_protocols_own_messages() {
    let service = service();
    let offer = offer_in(&catalog(service, WESER, ELBE), "pcf-ethanol");
    let made = negotiated(service, WESER, ELBE, "pcf-ethanol", &offer);
    assert_eq!(made["state"], "FINALIZED", "{made}");

    // The provider hears last that the other side took its last message.
    let theirs = made["correlationId"].as_str().unwrap();
    let path = format!("contractnegotiations/{theirs}");
    until(|| shown(service, ELBE, &path), |shown| shown["state"] == "FINALIZED");

    // Both sides tell the same story, and each of its messages is sound.
    let (weser, elbe) = (connector(service, WESER), connector(service, ELBE));
    let pid = made["@id"].as_str().unwrap();
    use Direction::{Received, Sent};
    let story = [
        (Sent, "ContractRequestMessage", 201),
        (Received, "ContractAgreementMessage", 200),
        (Sent, "ContractAgreementVerificationMessage", 200),
        (Received, "ContractNegotiationEventMessage FINALIZED", 200),
    ];
    assert_eq!(
        said(&check_journal(weser), pid),
        story.map(|(direction, kind, status)| (direction, kind.to_owned(), status))
    );

    assert_eq!(said(&check_journal(elbe), pid).len(), story.len());

    // The agreement is one and the same at both, with the policy that was offered.
    let id = made["contractAgreementId"].as_str().unwrap();
    let (at_weser, at_elbe) = (
        shown(service, WESER, &format!("contractagreements/{id}")),
        shown(service, ELBE, &format!("contractagreements/{id}")),
    );
    assert_eq!(at_weser, at_elbe);
    assert_eq!(
        (&at_elbe["providerId"], &at_elbe["consumerId"], &at_elbe["assetId"]),
        (&json!(ELBE), &json!(WESER), &json!("pcf-ethanol"))
    );
    let registry = service.app.registry.current();
    let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
    let offered = &world.offers[&"offer-pcf-ethanol".parse().unwrap()];
    let agreed = Terms::from_odrl(&at_elbe["policy"].to_string()).unwrap();
    assert_eq!(agreed.digest(), offered.usage_terms.digest());

    // What each may ask the other about it.
    let standing = question(ELBE, WESER, &format!("negotiations/{theirs}")).send(service.address);
    assert_eq!((standing.status, &standing.json()["state"]), (200, &json!("FINALIZED")));
    check(&standing.json());
    let standing = question(WESER, ELBE, &format!("negotiations/{pid}")).send(service.address);
    assert_eq!((standing.status, &standing.json()["state"]), (200, &json!("FINALIZED")));
    // Nobody else may.
    for (company, from, pid) in [(ELBE, ODER, theirs), (WESER, ODER, pid)] {
        let ask = question(company, from, &format!("negotiations/{pid}"));
        assert_eq!(ask.send(service.address).status, 404);
    }
    // What is final stays so.
    for kind in [
        "ContractNegotiationTerminationMessage",
        "ContractAgreementVerificationMessage",
    ] {
        let tail = if kind.contains("Termination") {
            "termination"
        } else {
            "agreement/verification"
        };
        let body = json!({ "@type": kind, "consumerPid": pid, "providerPid": theirs });
        let answer = message(ELBE, WESER, &format!("negotiations/{theirs}/{tail}"), &body).send(service.address);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (400, &json!("illegal-transition"))
        );
        check(&answer.json());
    }
}

#[test]
fn a_catalog_shows_a_company_what_policy_lets_it_see() {
    let service = service();
    let of_weser = catalog(service, WESER, ELBE);
    check(&of_weser);
    assert_eq!(of_weser["participantId"], ELBE);
    let datasets: Vec<_> = of_weser["dataset"].as_array().unwrap().iter().collect();
    let assets: Vec<_> = datasets
        .iter()
        .map(|dataset| dataset["@id"].as_str().unwrap())
        .collect();
    assert_eq!(assets, ["pcf-ethanol", "pcf-resin", "pcf-solvent"]);
    for dataset in datasets {
        assert_eq!(
            dataset["http://purl.org/dc/terms/type"]["@id"],
            "https://w3id.org/catenax/taxonomy#PcfExchange"
        );
        assert_eq!(dataset["distribution"][0]["format"], "HttpData-PULL");
        // The access policy stays with its provider.
        assert!(!dataset.to_string().contains("BusinessPartnerNumber"));
    }
    // The access policy names another company: there is nothing to see, and no word of why.
    let of_oder = catalog(service, ODER, ELBE);
    check(&of_oder);
    assert_eq!(of_oder.get("dataset"), None, "{of_oder}");
    let one = question(ELBE, WESER, "catalog/datasets/pcf-resin").send(service.address);
    assert_eq!((one.status, &one.json()["@id"]), (200, &json!("pcf-resin")));
    check(&one.json());
    let hidden = question(ELBE, ODER, "catalog/datasets/pcf-resin").send(service.address);
    let absent = question(ELBE, ODER, "catalog/datasets/pcf-unknown").send(service.address);
    assert_eq!((hidden.status, &hidden.body), (404, &absent.body));
    check(&hidden.json());
}

#[test]
fn a_connector_says_which_version_it_speaks_and_where() {
    let service = service();
    let root = format!("/dev/connectors/{ELBE}/dsp");
    let answer = get(&format!("{root}/.well-known/dspace-version")).send(service.address);
    check(&answer.json());
    let path = answer.json()["protocolVersions"][0]["path"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(connector(service, ELBE).dsp().ends_with(&format!("{root}{path}")));
}

#[test]
fn contracts_on_record_are_known_to_both_sides() {
    let service = service();
    for agreement in service.manifest["agreements"].as_array().unwrap() {
        let (id, provider, consumer) = (&agreement["id"], &agreement["provider"], &agreement["consumer"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        for (company, kind) in [(provider, "PROVIDER"), (consumer, "CONSUMER")] {
            let path = format!("contractagreements/{}", text(id));
            let known = shown(service, &text(company), &path);
            assert_eq!((&known["@id"], &known["assetId"]), (id, &agreement["asset"]));
            let negotiation = shown(service, &text(company), &format!("{path}/negotiation"));
            assert_eq!(
                (&negotiation["state"], &negotiation["type"]),
                (&json!("FINALIZED"), &json!(kind))
            );
        }
    }
}

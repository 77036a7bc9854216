//! The dev connector and a real one: a plain Eclipse EDC negotiates with it, as consumer and as provider, and every message either
//! of them sends is one of the protocol's.

use serde_json::{Value, json};
use tidegate::dataspace::flow::Dialect;

use super::edc::{Build, Edc, Ports};
use super::generation::{context, dialect, policy_context, query};
use super::{EDC, PROTOCOL, with_client};
use crate::connector::schema::{check, check_journal};
use crate::connector::{catalog_at, connector, negotiated_at, offer_in, service, until};
use crate::harness::{ELBE, WESER, get};

fn start(role: &str) -> Edc {
    let service = service();
    let mut edc = with_client(service, ELBE, |client| {
        Edc::start(Build::ControlPlane, role, Ports::free(), client)
    });
    edc.ready();
    edc
}

/// Registers Tidegate as Weser's data plane: from 0.18 on a consumer needs one.
fn be_data_plane(weser: &Edc) {
    let service = service();
    let registration = with_client(service, WESER, |client| {
        json!({
            "dataplaneId": "tidegate", "endpoint": format!("http://{}/dataflows/{WESER}", service.address),
            "transferTypes": ["HttpData-PULL"], "labels": [],
            "authorization": {
                "type": "oauth2_client_credentials", "tokenEndpoint": client.token_url,
                "clientId": client.id, "clientSecret": client.secret,
            },
        })
    });
    weser.manage("PUT", "/dataplanes", Some(registration));
}

/// A request of EDC's operator about another connector.
fn about(kind: &str, address: &str, more: &Value) -> Value {
    let mut body = json!({
        "@context": policy_context(), "@type": kind, "protocol": PROTOCOL,
        "counterPartyId": ELBE, "counterPartyAddress": address,
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
#[ignore = "needs Java and the jar of tests/interop/run"]
fn a_real_consumer_gets_data_from_the_dev_connectors_company() {
    let (service, weser) = (service(), start("consumer"));
    if dialect() == Dialect::Dps {
        be_data_plane(&weser);
    }
    let elbe = connector(service, ELBE).dsp();
    let catalog = weser.manage(
        "POST",
        "/catalog/request",
        Some(about("CatalogRequest", &elbe, &json!({ "querySpec": {} }))),
    );
    let mut offer = offer_in(&catalog, "pcf-ethanol");
    offer["assigner"] = json!(ELBE);
    offer["target"] = json!("pcf-ethanol");
    let begun = weser.manage(
        "POST",
        "/contractnegotiations",
        Some(about("ContractRequest", &elbe, &json!({ "policy": offer }))),
    );
    let path = format!("/contractnegotiations/{}", begun["@id"].as_str().unwrap());
    let made = weser.wait(&path, &["FINALIZED", "TERMINATED"]);
    assert_eq!(made["state"], "FINALIZED", "{made}");

    let more = json!({ "contractId": made["contractAgreementId"], "transferType": "HttpData-PULL" });
    let begun = weser.manage(
        "POST",
        "/transferprocesses",
        Some(about("TransferRequest", &elbe, &more)),
    );
    let path = format!("/transferprocesses/{}", begun["@id"].as_str().unwrap());
    let transfer = weser.wait(&path, &["STARTED", "TERMINATED", "DEPROVISIONED"]);
    assert_eq!(transfer["state"], "STARTED", "{transfer}");
    let flow = format!(
        "/dataflows/{ELBE}/{}/status",
        transfer["correlationId"].as_str().unwrap()
    );
    let state = || get(&flow).bearer(&service.connector(ELBE)).send(service.address).json();
    assert_eq!(state()["state"], "STARTED");

    let end = json!({ "@context": context(), "@type": "TerminateTransfer", "reason": "done with it" });
    weser.manage("POST", &format!("{path}/terminate"), Some(end));
    until(state, |state| state["state"] == "TERMINATED");
    check_journal(connector(service, ELBE));
}

#[test]
#[ignore = "needs Java and the jar of tests/interop/run"]
fn the_dev_connectors_company_makes_a_contract_with_a_real_provider() {
    let (service, elbe) = (service(), start("provider"));
    let asset = json!({
        "@context": context(), "@type": "Asset", "@id": "edc-asset", "properties": { "description": "an asset of a real connector" },
        "dataAddress": { "@type": "DataAddress", "type": "HttpData", "baseUrl": "http://127.0.0.1:9" },
    });
    elbe.manage("POST", "/assets", Some(asset));
    let constraint = |operand: &str, operator: &str, value: &str| {
        let operand = format!("https://w3id.org/catenax/2025/9/policy/{operand}");
        json!({ "leftOperand": operand, "operator": operator, "rightOperand": value })
    };
    let usage = json!({ "@type": "Set", "permission": [{ "action": "use", "constraint": [{ "and": [
        constraint("FrameworkAgreement", "eq", "DataExchangeGovernance:1.0"),
        constraint("Membership", "eq", "active"),
        constraint("UsagePurpose", "isAnyOf", "cx.pcf.base:1"),
    ] }] }] });
    for (id, policy) in [("open", json!({ "@type": "Set" })), ("usage", usage)] {
        let definition =
            json!({ "@context": policy_context(), "@type": "PolicyDefinition", "@id": id, "policy": policy });
        elbe.manage("POST", "/policydefinitions", Some(definition));
    }
    let definition = json!({
        "@context": context(), "@type": "ContractDefinition", "@id": "definition", "accessPolicyId": "open",
        "contractPolicyId": "usage", "assetsSelector": [{
            "@type": "Criterion", "operandLeft": format!("{EDC}id"), "operator": "=", "operandRight": "edc-asset"
        }],
    });
    elbe.manage("POST", "/contractdefinitions", Some(definition));

    let address = elbe.ports().dsp();
    let catalog = catalog_at(service, WESER, ELBE, &address);
    let offer = offer_in(&catalog, "edc-asset");
    let made = negotiated_at(service, WESER, ELBE, &address, "edc-asset", &offer);
    assert_eq!(made["state"], "FINALIZED", "{made}");
    let theirs = elbe.manage("POST", "/contractagreements/request", Some(query(json!([]))));
    assert_eq!(theirs[0]["agreementId"], made["contractAgreementId"]);

    // A policy that came back changed is refused by EDC, and that reaches Weser's operator.
    let mut lighter = offer;
    lighter["permission"][0]["constraint"][0]["and"]
        .as_array_mut()
        .unwrap()
        .pop();
    let ended = negotiated_at(service, WESER, ELBE, &address, "edc-asset", &lighter);
    assert_eq!(ended["state"], "TERMINATED", "{ended}");
    // The catalog is left out: as long as no data plane does its kind of transfer, EDC gives an asset an empty list of
    // distributions, which the schema does not know.
    let journal = connector(service, WESER).journal();
    let negotiations: Vec<_> = journal
        .iter()
        .filter(|entry| entry.path.starts_with("negotiations"))
        .collect();
    assert!(negotiations.len() >= 4);
    for entry in negotiations {
        check(&entry.message);
        // What comes while EDC is busy with the negotiation it answers with 409, and without the names that the schema wants there.
        if !entry.answer.is_null() && entry.status != 409 {
            check(&entry.answer);
        }
    }
}

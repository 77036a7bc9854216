//! The dev connectors, over HTTP: the handshake as a consumer's operator sees it, what each refuses, and that every message
//! is one of the protocol's.

mod handshake;
mod messages;
mod offers;
mod refusals;
pub mod schema;
mod transfers;

use std::sync::LazyLock;

use serde_json::{Value, json};
use tidegate::dev::connector::Connector;

use crate::harness::{Answer, Ask, Service, get, post, wait_for, within_a_minute};

/// The other company that may see what Elbe and Isar offer, and one that may not.
pub use crate::harness::{ELBE, ISAR, ODER, WESER};

/// One service for these tests: what one of them does to the connectors is about processes of its own.
pub fn service() -> &'static Service {
    static SERVICE: LazyLock<Service> = LazyLock::new(|| {
        let service = Service::start();
        // Tidegate publishes what a tenant offers, and registers as its data plane.
        let settled = |tenant: &str| service.app.dataspace.connectors.state(tenant.parse().unwrap()).settled;
        wait_for("the connectors are settled", || {
            [ELBE, ISAR, WESER].iter().all(|tenant| settled(tenant).is_some())
        });
        service
    });
    &SERVICE
}

pub fn connector<'s>(service: &'s Service, company: &str) -> &'s Connector {
    &service.app.connectors[&company.parse().unwrap()]
}

pub fn told(service: &Service, company: &str, path: &str, body: &Value) -> Answer {
    let ask = service.managed(company, "POST", path).json(body.to_string());
    ask.send(service.address)
}

pub fn shown(service: &Service, company: &str, path: &str) -> Value {
    let answer = service.managed(company, "GET", path).send(service.address);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// A message of another connector, as `from`.
pub fn message(company: &str, from: &str, path: &str, body: &Value) -> Ask {
    let token = json!({ "audience": company, "clientId": from, "region": "eu" });
    let mut body = body.clone();
    body["@context"] = json!(["https://w3id.org/dspace/2025/1/context.jsonld"]);
    post(&format!("/dev/connectors/{company}/dsp/2025-1/{path}"))
        .header("Authorization", token.to_string())
        .json(body.to_string())
}

/// A question of another connector, as `from`.
pub fn question(company: &str, from: &str, path: &str) -> Ask {
    let token = json!({ "audience": company, "clientId": from });
    get(&format!("/dev/connectors/{company}/dsp/2025-1/{path}")).header("Authorization", token.to_string())
}

/// The catalog of `provider`, as the connector of `consumer` gets it.
pub fn catalog(service: &Service, consumer: &str, provider: &str) -> Value {
    catalog_at(service, consumer, provider, &connector(service, provider).dsp())
}

/// As [`catalog`], of a connector at another address than that of the provider's dev connector.
pub fn catalog_at(service: &Service, consumer: &str, provider: &str, address: &str) -> Value {
    let body = json!({
        "@type": "CatalogRequest", "protocol": "dataspace-protocol-http:2025-1",
        "counterPartyId": provider, "counterPartyAddress": address, "querySpec": {},
    });
    let answer = told(service, consumer, "catalog/request", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The offer of `asset` in a catalog.
pub fn offer_in(catalog: &Value, asset: &str) -> Value {
    let datasets = catalog["dataset"].as_array().unwrap();
    let dataset = datasets.iter().find(|dataset| dataset["@id"] == asset).unwrap();
    dataset["hasPolicy"][0].clone()
}

/// Asks for a contract on `offer` and waits for the end. The negotiation as the consumer's operator sees it.
pub fn negotiated(service: &Service, consumer: &str, provider: &str, asset: &str, offer: &Value) -> Value {
    let address = connector(service, provider).dsp();
    negotiated_at(service, consumer, provider, &address, asset, offer)
}

/// As [`negotiated`], with a connector at another address than that of the provider's dev connector.
pub fn negotiated_at(
    service: &Service,
    consumer: &str,
    provider: &str,
    address: &str,
    asset: &str,
    offer: &Value,
) -> Value {
    let mut policy = offer.clone();
    policy["assigner"] = json!(provider);
    policy["target"] = json!(asset);
    let body = json!({
        "@type": "ContractRequest", "protocol": "dataspace-protocol-http:2025-1",
        "counterPartyId": provider, "counterPartyAddress": address, "policy": policy,
    });
    let answer = told(service, consumer, "contractnegotiations", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.json()["@id"].as_str().unwrap().to_owned();
    until(
        || shown(service, consumer, &format!("contractnegotiations/{id}")),
        |shown| ["FINALIZED", "TERMINATED"].map(Value::from).contains(&shown["state"]),
    )
}

/// What is seen once it is as `wanted`; see [`within_a_minute`].
pub fn until(look: impl Fn() -> Value, wanted: impl Fn(&Value) -> bool) -> Value {
    within_a_minute(|| {
        let seen = look();
        if wanted(&seen) { Ok(seen) } else { Err(seen) }
    })
}

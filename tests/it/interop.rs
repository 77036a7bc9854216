//! The whole exchange with real connectors: two Eclipse EDC control planes, each in a process of its own, negotiate and start
//! transfers in the Dataspace Protocol; Tidegate is the data plane of both companies and decides at `transfer` and at `access`.
//!
//! Plain EDC knows none of Catena-X's operands. It carries them and agrees to anything, so whatever is refused below was
//! refused by Tidegate.
//!
//! It needs Java and the jar that `tests/interop/run` builds, so it runs only when asked for.

mod dev;
mod edc;
mod exchange;
mod tck;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tidegate::clock::Clock;
use tidegate::ids::TenantId;
use tidegate::registry::{ConnectorSettings, Offer, TenantWorld, TermsPool};
use tidegate::vault::SessionScope;

use self::edc::{Client, Edc, Ports};
use crate::dataflows::scripted::Connector;
use crate::harness::{Answer, ELBE, LOG, Service, WESER, ask, block_on, get};
use tidegate::assemble::BundleSource;

const EDC: &str = "https://w3id.org/edc/v0.0.1/ns/";
const PROTOCOL: &str = "dataspace-protocol-http:2025-1";
const ASSET: &str = "pcf-ethanol";
/// An asset that is offered for another purpose than the exchange of footprints.
const OTHER_PURPOSE: &str = "pcf-resin";

/// Both companies with their connectors, and whoever takes in what the consumer's connector was handed.
struct Scene {
    clock: Clock,
    service: Service,
    provider: Edc,
    consumer: Edc,
    callbacks: Connector,
}

/// What a transfer gave.
struct Handed {
    transfer: String,
    endpoint: String,
    token: String,
}

impl Scene {
    fn start() -> Self {
        let clock = Clock::fixed(Clock::system().now());
        let service = Service::with(clock.clone(), BundleSource::BuiltIn).unwrap();
        let start = |role, company: &str| {
            let issuer = service.issuer(company);
            let id = format!("connector-{}", company.to_ascii_lowercase());
            let secret = issuer.client_secret(&id.parse().unwrap()).unwrap();
            let token_url = format!("http://{}/dev/issuers/{company}/oauth2/token", service.address);
            let client = Client {
                token_url: &token_url,
                id: &id,
                secret: secret.expose_secret(),
            };
            Edc::start(role, Ports::free(), &client)
        };
        let (mut provider, mut consumer) = (start("provider", ELBE), start("consumer", WESER));
        provider.ready();
        consumer.ready();
        let scene = Self {
            clock,
            service,
            provider,
            consumer,
            callbacks: Connector::start(),
        };
        scene
            .callbacks
            .script
            .lock()
            .unwrap()
            .push(("POST /callback", 200, Value::Null));
        scene.now();
        scene.connect(ELBE, &scene.provider);
        scene.connect(WESER, &scene.consumer);
        scene
    }

    /// Lets Tidegate's clock catch up with the connectors', and a little more: what they sign is in the past then.
    fn now(&self) {
        self.clock.set(Clock::system().now() + SignedDuration::from_secs(10));
    }

    /// Gives a tenant its real connector in place of the dev connector.
    fn connect(&self, tenant: &str, edc: &Edc) {
        let id: TenantId = tenant.parse().unwrap();
        let name: tidegate::ids::SecretName = "edc-key".parse().unwrap();
        let session = self
            .service
            .app
            .vault
            .session(id, SessionScope::SecretWrite { name: name.clone() });
        block_on(session.put_secret(&name, SecretString::from(edc.key()))).unwrap();
        self.change(id, |world| {
            world.tenant.connector = Some(ConnectorSettings {
                participant: tenant.to_owned(),
                dsp: edc.ports().dsp(),
                management: edc.ports().management(),
                signaling: edc.ports().control(),
                secret: Some(name),
            });
        });
    }

    fn change(&self, tenant: TenantId, change: impl FnOnce(&mut TenantWorld)) {
        let registry = self.service.app.registry.current();
        let mut world = TenantWorld::clone(registry.tenant(tenant).unwrap());
        change(&mut world);
        block_on(self.service.app.registry.seed(&[world], &[])).unwrap();
    }

    /// An offer of Elbe's for another purpose.
    fn offer_for_another_purpose(&self) {
        self.change(ELBE.parse().unwrap(), |world| {
            let known = world
                .offers
                .values()
                .find(|offer| offer.asset.as_str() == OTHER_PURPOSE)
                .unwrap();
            let odrl = include_str!("../../fixtures/odrl/dev/quality-usage.json");
            let offer = Offer {
                usage_terms: TermsPool::default().compile(odrl).unwrap(),
                usage_odrl: odrl.into(),
                ..Offer::clone(known)
            };
            world.offers.insert_mut(offer.id.clone(), Arc::new(offer));
        });
    }

    /// Waits until Tidegate has published the assets and is registered as the provider's data plane.
    fn published(&self) {
        self.wait("the offers are published", || {
            let definitions = self
                .provider
                .manage("POST", "/contractdefinitions/request", Some(query(json!([]))));
            definitions.as_array().is_some_and(|definitions| definitions.len() >= 3)
        });
        self.wait("Tidegate is the provider's data plane", || {
            let planes = self.provider.manage("GET", "/dataplanes", None);
            planes
                .as_array()
                .is_some_and(|planes| planes.iter().any(|plane| plane["state"] == "AVAILABLE"))
        });
    }

    /// Waits, at most half a minute, and tells what both sides logged if it was in vain.
    fn wait(&self, what: &str, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            if started.elapsed() > Duration::from_secs(30) {
                let log = LOG.text();
                let told: Vec<_> = log.lines().filter(|line| line.contains("connector")).collect();
                let told = told
                    .iter()
                    .rev()
                    .take(20)
                    .rev()
                    .map(|line| format!("{line}\n"))
                    .collect::<String>();
                panic!("not within half a minute: {what}\n{told}\n{}", self.provider.log_text());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Step 1: what the supplier's connector shows of an asset.
    fn offer(&self, asset: &str) -> Value {
        let catalog = self.consumer.manage(
            "POST",
            "/catalog/request",
            Some(self.with_peer("CatalogRequest", json!({ "querySpec": {} }))),
        );
        let datasets = many(&catalog["dataset"]);
        let dataset = datasets
            .iter()
            .find(|dataset| dataset["@id"] == asset)
            .unwrap_or_else(|| panic!("no `{asset}` in {catalog}"));
        many(&dataset["hasPolicy"]).remove(0)
    }

    /// Step 2: a contract on it; the agreement as the provider's connector calls it.
    fn agree(&self, asset: &str) -> String {
        let mut policy = self.offer(asset);
        policy["assigner"] = json!(ELBE);
        policy["target"] = json!(asset);
        let mut request = self.with_peer("ContractRequest", json!({ "policy": policy }));
        request["@context"] = json!(["https://w3id.org/dspace/2025/1/odrl-profile.jsonld", { "@vocab": EDC }]);
        let id = text(&self.consumer.manage("POST", "/contractnegotiations", Some(request))["@id"]);
        let negotiation = self
            .consumer
            .wait(&format!("/contractnegotiations/{id}"), &["FINALIZED", "TERMINATED"]);
        assert_eq!(negotiation["state"], "FINALIZED", "{negotiation}");
        let agreement = text(&negotiation["contractAgreementId"]);
        println!("  negotiated {asset}: FINALIZED, agreement {agreement}");
        agreement
    }

    /// Step 3: a transfer under the consumer's agreement; how it stands when it stands still.
    fn transfer(&self, agreement: &str) -> Value {
        self.now();
        let callback = json!([{ "@type": "CallbackAddress", "uri": self.callbacks.url("/callback"), "events": ["transfer.process"], "transactional": false }]);
        let body = json!({ "contractId": agreement, "transferType": "HttpData-PULL", "callbackAddresses": callback });
        let id = text(
            &self.consumer.manage(
                "POST",
                "/transferprocesses",
                Some(self.with_peer("TransferRequest", body)),
            )["@id"],
        );
        self.consumer.wait(
            &format!("/transferprocesses/{id}"),
            &["STARTED", "TERMINATED", "DEPROVISIONED"],
        )
    }

    /// Steps 3 and 4: a transfer that starts, and the data space URL that comes of it.
    fn handed(&self, agreement: &str) -> Handed {
        let transfer = self.transfer(agreement);
        assert_eq!(transfer["state"], "STARTED", "{transfer}\n{}", self.provider.log_text());
        self.address(&text(&transfer["@id"]))
    }

    /// The newest address that the consumer's connector was handed for a transfer.
    fn address(&self, transfer: &str) -> Handed {
        let started = || {
            let events = self.callbacks.bodies("POST /callback");
            let of_transfer = events.into_iter().rfind(|event| {
                event["type"] == "TransferProcessStarted" && event["payload"]["transferProcessId"] == transfer
            });
            of_transfer.map(|event| event["payload"]["dataAddress"]["properties"].clone())
        };
        self.wait("the consumer's application is handed the address", || {
            started().is_some()
        });
        let address = started().unwrap();
        Handed {
            transfer: transfer.to_owned(),
            endpoint: text(&address[format!("{EDC}endpoint")]),
            token: text(&address[format!("{EDC}authorization")]),
        }
    }

    /// Steps 5 and 6: the footprint of the asset by the address, with the token as it was handed over.
    fn fetch(&self, handed: &Handed) -> Answer {
        self.now();
        let base = format!("http://{}", self.service.address);
        let path = handed.endpoint.strip_prefix(&base).unwrap().to_owned();
        get(&format!("{path}/pcf/{}/submodel/$value", self.footprint()))
            .header("Authorization", &handed.token)
            .send(self.service.address)
    }

    /// The same by the supplier's own client, as a data plane of EDC's own would ask its backend (`HttpData` with `oauth2:*`).
    fn backend(&self, partner: &str, agreement: &str) -> Answer {
        get(&format!("/exchange/{ELBE}/pcf/{}/submodel/$value", self.footprint()))
            .bearer(&self.service.connector(ELBE))
            .header("Edc-Bpn", partner)
            .header("Edc-Contract-Agreement-Id", agreement)
            .send(self.service.address)
    }

    /// The footprint of the asset.
    fn footprint(&self) -> String {
        let registry = self.service.app.registry.current();
        let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
        let found = world
            .footprints
            .values()
            .find(|footprint| footprint.assets.iter().any(|asset| asset.as_str() == ASSET));
        found.unwrap().id.to_string()
    }

    /// The provider's id of an agreement: each connector has its own.
    fn provider_id(&self, agreement: &str) -> String {
        let shared = text(
            &self
                .consumer
                .manage("GET", &format!("/contractagreements/{agreement}"), None)["agreementId"],
        );
        let all = self
            .provider
            .manage("POST", "/contractagreements/request", Some(query(json!([]))));
        let all = many(&all);
        text(&all.iter().find(|known| known["agreementId"] == json!(shared)).unwrap()["@id"])
    }

    /// What the provider's connector says of its side of a transfer.
    fn provider_transfer(&self, transfer: &str) -> Value {
        let filter = json!([{ "@type": "Criterion", "operandLeft": "correlationId", "operator": "=", "operandRight": transfer }]);
        let found = self
            .provider
            .manage("POST", "/transferprocesses/request", Some(query(filter)));
        many(&found).remove(0)
    }

    fn retire(&self, agreement: &str, reason: &str) -> Answer {
        self.now();
        ask("POST", &format!("/agreements/{ELBE}/{agreement}/retire"))
            .bearer(&self.service.person(ELBE, "anna"))
            .json(json!({ "reason": reason }).to_string())
            .send(self.service.address)
    }

    fn with_peer(&self, kind: &str, body: Value) -> Value {
        let mut whole = json!({
            "@context": { "@vocab": EDC }, "@type": kind, "protocol": PROTOCOL,
            "counterPartyAddress": self.provider.ports().dsp(), "counterPartyId": ELBE,
        });
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        whole
    }
}

fn query(filter: Value) -> Value {
    json!({ "@context": { "@vocab": EDC }, "@type": "QuerySpec", "filterExpression": filter })
}

/// What JSON-LD writes as one thing or as a list of it.
fn many(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

//! The whole exchange with real connectors: two Eclipse EDC control planes, each in a process of its own, negotiate and start
//! transfers in the Dataspace Protocol; Tidegate is the data plane of both companies and decides at `transfer` and at `access`.
//!
//! EDC up to 0.17 tells the provider's data plane alone, and hands the address to the consumer's application by a callback. From 0.18
//! on it tells both, so there the address arrives at Tidegate, as the consumer's data plane.
//!
//! Plain EDC knows none of Catena-X's operands. It carries them and agrees to anything, so whatever is refused below was
//! refused by Tidegate.
//!
//! It needs Java and the jar that `tests/interop/run` builds, so it runs only when asked for.

mod backend;
mod dev;
mod edc;
mod exchange;
mod generation;
mod steps;
mod tck;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tidegate::clock::Clock;
use tidegate::dataspace::flow::Dialect;
use tidegate::ids::TenantId;
use tidegate::registry::{ConnectorSettings, Offer, TermsPool};
use tidegate::vault::SessionScope;

use self::edc::{Build, Client, Edc, Ports};
use self::generation::{dialect, query};
use crate::dataflows::scripted::Connector;
use crate::harness::{ELBE, LOG, Service, WESER, block_on};
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

impl Scene {
    fn start(build: Build) -> Self {
        let clock = Clock::fixed(Clock::system().now());
        let service = Service::with(clock.clone(), BundleSource::BuiltIn).unwrap();
        let start = |role, company| {
            with_client(&service, company, |client| {
                Edc::start(build, role, Ports::free(), client)
            })
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
        // Before there is a connector, for Tidegate publishes what is offered as soon as there is one.
        scene.offer_for_another_purpose();
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
        self.service.change_world(tenant, |world| {
            world.tenant.connector = Some(ConnectorSettings {
                participant: tenant.to_owned(),
                dsp: edc.ports().dsp(),
                management: edc.ports().management(),
                signaling: edc.ports().signaling(),
                secret: Some(name),
            });
        });
    }

    /// An offer of Elbe's for another purpose.
    fn offer_for_another_purpose(&self) {
        self.service.change_world(ELBE, |world| {
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

    /// Waits until Tidegate has published the assets and is registered as the data plane.
    fn published(&self) {
        self.wait("the offers are published", || {
            let definitions = self
                .provider
                .manage("POST", "/contractdefinitions/request", Some(query(json!([]))));
            definitions.as_array().is_some_and(|definitions| definitions.len() >= 3)
        });
        self.wait("Tidegate is the provider's data plane", || {
            is_data_plane(&self.provider)
        });
        if dialect() == Dialect::Dps {
            self.wait("Tidegate is the consumer's data plane", || {
                is_data_plane(&self.consumer)
            });
        }
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
}

/// Does something with the client of the company's connector.
fn with_client<T>(service: &Service, company: &str, does: impl FnOnce(&Client<'_>) -> T) -> T {
    let id = format!("connector-{}", company.to_ascii_lowercase());
    let secret = service.issuer(company).client_secret(&id.parse().unwrap()).unwrap();
    does(&Client {
        token_url: &format!("http://{}/dev/issuers/{company}/oauth2/token", service.address),
        id: &id,
        secret: secret.expose_secret(),
    })
}

/// Whether a connector has a data plane that it would choose.
fn is_data_plane(edc: &Edc) -> bool {
    let state = match dialect() {
        Dialect::Legacy => "AVAILABLE",
        Dialect::Dps => "REGISTERED",
    };
    let planes = edc.manage("GET", "/dataplanes", None);
    planes
        .as_array()
        .is_some_and(|planes| planes.iter().any(|plane| plane["state"] == state))
}

/// What JSON-LD writes as one thing or as a list of it.
fn many(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

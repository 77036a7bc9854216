//! The way to a partner, with a connector that answers as it is told: what is agreed to, and what is not.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::registry::TenantWorld;

use crate::dataflows::scripted::Connector;
use crate::harness::{ELBE, Service, WESER, block_on, get, post, wait_for};

const CATALOG: &str = "POST /management/v4/catalog/request";
const NEGOTIATE: &str = "POST /management/v4/contractnegotiations";
const TRANSFER: &str = "POST /management/v4/transferprocesses";

struct Scene {
    service: Service,
    connector: Connector,
    clock: Clock,
    begin: Timestamp,
}

impl Scene {
    /// Elbe has that connector, and wants a footprint of Weser.
    fn new(script: Vec<(&'static str, u16, Value)>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let begin = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        let clock = Clock::fixed(begin);
        let data = tempfile::tempdir().unwrap();
        let service = Service::on(data, clock.clone(), BundleSource::BuiltIn, None).unwrap();
        let connector = Connector::start();
        *connector.script.lock().unwrap() = script;
        let registry = service.app.registry.current();
        let mut world = TenantWorld::clone(registry.tenant(ELBE.parse().unwrap()).unwrap());
        world.tenant.connector = Some(connector.settings("v4"));
        block_on(service.app.registry.seed(&[world], &[])).unwrap();
        let scene = Self {
            service,
            connector,
            clock,
            begin,
        };
        let body = json!({ "partner": WESER, "manufacturerPartId": "W-1" });
        let asked = post(&format!("/ingest/{ELBE}/requests"))
            .bearer(&scene.service.integration(ELBE))
            .json(body.to_string())
            .send(scene.service.address);
        assert_eq!(asked.status, 201, "{}", asked.text());
        scene
    }

    /// What is told of the delivery after so many attempts.
    fn problem(&self, attempts: u64) -> String {
        let letter = || {
            let answer = get(&format!("/agreements/{ELBE}/deliveries"))
                .bearer(&self.service.person(ELBE, "vera"))
                .send(self.service.address);
            answer.json()["deliveries"][0].clone()
        };
        wait_for("the attempt is over", || letter()["attempts"] == attempts);
        letter()["problem"].as_str().unwrap().to_owned()
    }

    fn later(&self, seconds: i64) {
        self.clock.set(self.begin + SignedDuration::from_secs(seconds));
        self.service.app.pcf.changed();
    }
}

fn catalog(operand: &str, kind: &str) -> Value {
    let policy = include_str!("../../../fixtures/odrl/dev/pcf-usage.json").replace("UsagePurpose", operand);
    let mut policy: Value = serde_json::from_str(&policy).unwrap();
    policy["@type"] = json!("Offer");
    json!({ "dataset": [{
        "@id": "pcf-exchange", "http://purl.org/dc/terms/type": { "@id": kind },
        "cx-common:version": "1.3.0", "hasPolicy": [policy],
    }] })
}

const EXCHANGE: &str = "https://w3id.org/catenax/taxonomy#PcfExchange";

#[test]
fn an_offer_whose_terms_are_not_understood_is_not_accepted() {
    let scene = Scene::new(vec![(CATALOG, 200, catalog("Dividend", EXCHANGE))]);
    let problem = scene.problem(1);
    assert!(
        problem.contains("not understood") && problem.contains("Dividend"),
        "{problem}"
    );
    assert!(!scene.connector.was_asked(NEGOTIATE));
}

#[test]
fn what_is_no_pcf_exchange_is_not_negotiated_for() {
    let scene = Scene::new(vec![(CATALOG, 200, catalog("UsagePurpose", "cx-taxo:Submodel"))]);
    let problem = scene.problem(1);
    assert!(problem.contains("offers no PCF exchange"), "{problem}");
    assert!(!scene.connector.was_asked(NEGOTIATE));
}

#[test]
fn what_was_agreed_is_kept_to_and_not_agreed_on_again() {
    let scene = Scene::new(vec![
        (CATALOG, 200, catalog("UsagePurpose", EXCHANGE)),
        (NEGOTIATE, 200, json!({ "@id": "n-1" })),
        (
            "GET /management/v4/contractnegotiations/n-1",
            200,
            json!({ "state": "FINALIZED", "contractAgreementId": "agreed-1" }),
        ),
        (TRANSFER, 200, json!({ "@id": "t-1" })),
        (
            "GET /management/v4/transferprocesses/t-1",
            200,
            json!({ "state": "STARTED" }),
        ),
    ]);
    let problem = scene.problem(1);
    assert!(problem.contains("did not arrive"), "{problem}");
    let request = scene.connector.body(NEGOTIATE);
    assert_eq!(request["policy"]["assigner"], WESER);
    assert_eq!(request["policy"]["target"], "pcf-exchange");
    assert_eq!(request["counterPartyAddress"], scene.connector_of_weser());
    let kept = scene
        .service
        .app
        .pcf
        .paved((ELBE.parse().unwrap(), WESER.parse().unwrap(), None));
    assert_eq!(block_on(kept).unwrap().unwrap().agreement.as_str(), "agreed-1");

    // The transfer fails from now on, and only then is there a new negotiation.
    scene.later(30);
    scene.problem(2);
    assert_eq!(scene.connector.times_asked(NEGOTIATE), 1);
    assert_eq!(scene.connector.times_asked(TRANSFER), 2);
    scene
        .connector
        .script
        .lock()
        .unwrap()
        .retain(|(call, ..)| *call != TRANSFER);
    scene.later(120);
    scene.problem(3);
    assert_eq!(scene.connector.times_asked(NEGOTIATE), 2);
}

impl Scene {
    fn connector_of_weser(&self) -> Value {
        let registry = self.service.app.registry.current();
        let partner = Arc::clone(registry.partner(WESER.parse().unwrap()).unwrap());
        json!(partner.dsp.clone().unwrap())
    }
}

//! The way to a partner, with a connector that answers as it is told: what is agreed to, and what is not.

mod transfers;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;

use crate::dataflows::scripted::Connector;
use crate::harness::{ELBE, Service, WESER, block_on, post, wait_for};

const CATALOG: &str = "POST /management/v4/catalog/request";
const NEGOTIATE: &str = "POST /management/v4/contractnegotiations";
const TRANSFER: &str = "POST /management/v4/transferprocesses";
const END: &str = "POST /management/v4/transferprocesses/t-1/terminate";

struct Scene {
    service: Service,
    connector: Connector,
    clock: Clock,
    begin: Timestamp,
}

impl Scene {
    /// Elbe has that connector, and wants a footprint of Weser.
    fn new(script: Vec<(&'static str, u16, Value)>) -> Self {
        let scene = Self::quiet("v4", script);
        scene.ask();
        scene
    }

    /// Elbe has that connector.
    fn quiet(version: &str, script: Vec<(&'static str, u16, Value)>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let begin = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        let clock = Clock::fixed(begin);
        let data = tempfile::tempdir().unwrap();
        let service = Service::on(data, clock.clone(), BundleSource::BuiltIn, None).unwrap();
        let connector = Connector::start();
        *connector.script.lock().unwrap() = script;
        service.change_world(ELBE, |world| world.tenant.connector = Some(connector.settings(version)));
        Self {
            service,
            connector,
            clock,
            begin,
        }
    }

    fn ask(&self) {
        let body = json!({
            "partner": WESER, "manufacturerPartId": "W-1", "dataModelVersion": "urn:samm:io.catenax.pcf:10.0.0",
        });
        let asked = post(&format!("/ingest/{ELBE}/requests"))
            .bearer(&self.service.integration(ELBE))
            .json(body.to_string())
            .send(self.service.address);
        assert_eq!(asked.status, 201, "{}", asked.text());
    }

    /// The last delivery, as it is told.
    fn letter(&self) -> Value {
        self.service.deliveries(ELBE, "vera", "")[0].clone()
    }

    /// What is told of the delivery after so many attempts.
    fn problem(&self, attempts: u64) -> String {
        wait_for("the attempt is over", || self.letter()["attempts"] == attempts);
        self.letter()["problem"].as_str().unwrap().to_owned()
    }

    fn delivered(&self) {
        wait_for("it is delivered", || {
            let letter = self.letter();
            assert_eq!(letter.get("problem"), None, "{letter}");
            letter["state"] == "answered"
        });
    }

    fn later(&self, seconds: i64) {
        self.clock.set(self.begin + SignedDuration::from_secs(seconds));
        self.service.app.pcf.changed();
    }

    fn answers(&self, call: &'static str, status: u16, answer: Value) {
        let mut script = self.connector.script.lock().unwrap();
        script.retain(|(known, ..)| *known != call);
        script.push((call, status, answer));
    }

    fn agreement(&self) -> String {
        let ends = (ELBE.parse().unwrap(), WESER.parse().unwrap(), None);
        let kept = block_on(self.service.app.pcf.paved(ends)).unwrap();
        kept.unwrap().agreement.to_string()
    }
}

/// A connector whose partner agrees to everything and starts every transfer.
fn agreeable(version: &str) -> Vec<(&'static str, u16, Value)> {
    let at = |call: &str| -> &'static str { call.replace("v4", version).leak() };
    vec![
        (at(CATALOG), 200, catalog("UsagePurpose", EXCHANGE)),
        (at(NEGOTIATE), 200, json!({ "@id": "n-1" })),
        (
            at("GET /management/v4/contractnegotiations/n-1"),
            200,
            json!({ "state": "FINALIZED", "contractAgreementId": "agreed-1" }),
        ),
        (at(TRANSFER), 200, json!({ "@id": "t-1" })),
        (
            at("GET /management/v4/transferprocesses/t-1"),
            200,
            json!({ "state": "STARTED", "assetId": "pcf-exchange" }),
        ),
    ]
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
    let scene = Scene::new(agreeable("v4"));
    let problem = scene.problem(1);
    assert!(problem.contains("did not arrive"), "{problem}");
    let request = scene.connector.body(NEGOTIATE);
    assert_eq!(request["policy"]["assigner"], WESER);
    assert_eq!(request["policy"]["target"], "pcf-exchange");
    assert_eq!(request["counterPartyAddress"], scene.connector_of_weser());
    assert_eq!(scene.agreement(), "agreed-1");
    // What was begun and is of no use is ended.
    wait_for("the transfer is ended", || scene.connector.was_asked(END));

    // Whatever passes leaves the contract what it is, however long it lasts: a connector that is overloaded, forbids it for now, or
    // is late.
    let mut attempts = 1;
    for (after, status) in [(30, 503), (7_200, 500), (14_400, 401), (28_800, 429)] {
        scene.answers(TRANSFER, status, json!([]));
        scene.later(after);
        attempts += 1;
        let problem = scene.problem(attempts);
        assert!(problem.contains(&status.to_string()), "{problem}");
    }
    assert_eq!(scene.connector.times_asked(NEGOTIATE), 1);
    assert_eq!(scene.agreement(), "agreed-1");
}

#[test]
fn one_offer_is_negotiated_at_a_time_and_what_merely_fails_is_not_tried_with_the_next() {
    let mut many = catalog("UsagePurpose", EXCHANGE);
    let policy = many["dataset"][0]["hasPolicy"][0].clone();
    many["dataset"][0]["hasPolicy"] = json!([policy.clone(), policy.clone(), policy]);
    let scene = Scene::new(vec![(CATALOG, 200, many), (NEGOTIATE, 503, json!([]))]);
    let problem = scene.problem(1);
    assert!(problem.contains("503"), "{problem}");
    assert_eq!(scene.connector.times_asked(NEGOTIATE), 1);
    // One that the partner will not have is left for the next.
    scene.answers(NEGOTIATE, 200, json!({ "@id": "n-1" }));
    scene.answers(
        "GET /management/v4/contractnegotiations/n-1",
        200,
        json!({ "state": "TERMINATED", "errorDetail": "not fulfilled" }),
    );
    scene.later(60);
    let problem = scene.problem(2);
    assert!(problem.contains("not fulfilled"), "{problem}");
    assert_eq!(scene.connector.times_asked(NEGOTIATE), 4);
}

#[test]
fn another_contract_is_made_only_where_the_old_one_has_stood_and_gives_no_transfers() {
    let scene = Scene::new(agreeable("v4"));
    scene.problem(1);
    // Right after it was concluded, another would fare no better.
    scene.answers(
        TRANSFER,
        400,
        json!([{ "message": "Contract agreement with id agreed-1 not found" }]),
    );
    scene.later(60);
    let problem = scene.problem(2);
    assert!(problem.contains("not found"), "{problem}");
    assert_eq!(scene.connector.times_asked(NEGOTIATE), 1);
    scene.answers(
        "GET /management/v4/contractnegotiations/n-1",
        200,
        json!({ "state": "FINALIZED", "contractAgreementId": "agreed-2" }),
    );
    scene.later(3_700);
    scene.problem(3);
    assert_eq!(scene.connector.times_asked(NEGOTIATE), 2);
    assert_eq!(scene.agreement(), "agreed-2");
    // The partner ends each transfer: its agreement is over. That one of a minute ago is not yet held to be.
    scene.answers(TRANSFER, 200, json!({ "@id": "t-1" }));
    scene.answers(
        "GET /management/v4/transferprocesses/t-1",
        200,
        json!({ "state": "TERMINATED", "errorDetail": "the agreement was retired" }),
    );
    scene.later(5_000);
    let problem = scene.problem(4);
    assert!(problem.contains("was retired"), "{problem}");
    assert_eq!(scene.connector.times_asked(NEGOTIATE), 2);
    scene.later(8_000);
    scene.problem(5);
    assert_eq!(scene.connector.times_asked(NEGOTIATE), 3);
}

impl Scene {
    fn connector_of_weser(&self) -> Value {
        let registry = self.service.app.registry.current();
        let partner = Arc::clone(registry.partner(WESER.parse().unwrap()).unwrap());
        json!(partner.dsp.clone().unwrap())
    }
}

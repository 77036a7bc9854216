//! What is delivered, to whom, and when it is not.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use tidegate::agreements::Cause;
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::decision::Effect;
use tidegate::ledger::Event;
use tidegate::pcf::{Change, Road, retry};
use tidegate::registry::{AgreementState, NewAgreement};

use super::counterpart::{Counterpart, Sent};
use super::{asked, exchange};
use crate::harness::{
    Answer, ELBE, HOLDS, ISAR, ODER, Service, WESER, block_on, footprint, get, post, retire, wait_for,
};

const RESIN: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1002";
const PCF: &str = "3893bb5d-da16-4dc1-9185-11d97476c254";
const URN: &str = "urn%3Asamm%3Aio.catenax.pcf%3A";

/// A service whose way to every partner leads to the same scripted one, and whose time stands still.
struct Scene {
    service: Service,
    partner: Counterpart,
    clock: Clock,
    begin: Timestamp,
}

impl Scene {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let begin = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        Self::on(tempfile::tempdir().unwrap(), Counterpart::start(), begin)
    }

    fn on(data: TempDir, partner: Counterpart, begin: Timestamp) -> Self {
        let (clock, road): (_, Arc<dyn Road>) = (Clock::fixed(begin), Arc::new(partner.clone()));
        let service = Service::on(data, clock.clone(), BundleSource::BuiltIn, Some(road)).unwrap();
        Self {
            service,
            partner,
            clock,
            begin,
        }
    }

    /// The same data in a new process, later by so many seconds.
    fn restarted(self, seconds: i64) -> Self {
        let Self {
            service,
            partner,
            begin,
            ..
        } = self;
        let data = service.stop();
        Self::on(data, partner, begin + SignedDuration::from_secs(seconds))
    }

    fn later(&self, seconds: i64) {
        self.clock.set(self.begin + SignedDuration::from_secs(seconds));
        // The queue is looked at every second; a test need not wait for that.
        self.service.app.pcf.changed();
    }

    /// Weser asks for ethanol; gives the id of the exchange.
    fn request(&self) -> String {
        let id = exchange();
        let path = format!("footprintExchange/{id}?manufacturerPartId=401765&dataModelVersion={URN}10.0.0");
        let answer = asked(&self.service, ELBE, &path, WESER, HOLDS);
        assert_eq!(answer.status, 202, "{}", answer.text());
        id
    }

    fn handed_in(&self, query: &str, document: &str) -> Answer {
        post(&format!("/ingest/{ELBE}/footprints{query}"))
            .bearer(&self.service.integration(ELBE))
            .json(document)
            .send(self.service.address)
    }

    fn refused(&self, document: &str) {
        self.handed_in("", document).check_problem(422, "document", "not valid");
    }

    fn hand_in(&self, query: &str, document: &str) -> Answer {
        let answer = self.handed_in(query, document);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer
    }

    fn told(&self, query: &str) -> Vec<Value> {
        self.service.deliveries(ELBE, "vera", query)
    }

    /// The latest delivery once it is in this state after so many attempts.
    fn settled(&self, state: &str, attempts: u32) -> Value {
        let is = |letter: &Value| letter["state"] == state && letter["attempts"] == attempts;
        wait_for(&format!("a delivery is {state} after {attempts}"), || {
            self.told("").first().is_some_and(is)
        });
        self.told("")[0].clone()
    }

    fn sent(&self, count: usize) -> Vec<Sent> {
        wait_for(&format!("{count} requests"), || self.partner.sent().len() >= count);
        self.partner.sent()
    }

    /// The decisions about the footprint that is delivered, in their order.
    fn decisions(&self) -> Vec<Effect> {
        let of_access = |event: &Event| match event {
            Event::Decision(decided) if decided.action == "access" => Some(decided.decision.effect),
            _ => None,
        };
        let records = self.service.records(ELBE);
        records
            .iter()
            .filter_map(|stored| of_access(&stored.record.event))
            .collect()
    }

    fn retire(&self, id: &str) {
        retire(&self.service, ELBE, id);
    }
}

#[test]
fn an_answer_is_decided_anew_and_delivered_byte_for_byte() {
    let scene = Scene::new();
    let id = scene.request();
    let sent = scene.sent(1);
    assert_eq!(sent[0].line, format!("PUT /api/footprintExchange/{id}?update=false"));
    assert_eq!(
        sent[0].body,
        include_bytes!("../../../fixtures/pcf/dev/elbe-ethanol-10.0.0.json")
    );
    assert_eq!(sent[0].authorization, format!("{ELBE}-{WESER}-0"));
    let letter = scene.settled("answered", 1);
    assert_eq!(
        (letter["kind"].as_str(), letter["partner"].as_str()),
        (Some("answer"), Some(WESER))
    );
    assert_eq!(letter["request_id"], id.as_str());
    // When it was asked for, and when it was handed out.
    assert_eq!(scene.decisions(), [Effect::Allow, Effect::Allow]);
    let records = scene.service.records(ELBE);
    assert!(
        records
            .iter()
            .any(|stored| letter["record"] == stored.record.id.to_string().as_str())
    );
    // Asked again under the same id, it is known, and not sent again.
    let path = format!("footprintExchange/{id}?manufacturerPartId=401765&dataModelVersion={URN}10.0.0");
    let answer = asked(&scene.service, ELBE, &path, WESER, HOLDS);
    assert_eq!(
        (answer.status, answer.json()["state"].as_str()),
        (202, Some("answered"))
    );
    assert_eq!(scene.told("").len(), 1);
}

#[test]
fn an_older_client_is_answered_in_its_own_form() {
    let scene = Scene::new();
    let id = exchange();
    let path = format!("productIds/401765?requestId={id}&dataModelVersion={URN}10.0.0");
    assert_eq!(asked(&scene.service, ELBE, &path, WESER, HOLDS).status, 202);
    assert_eq!(
        scene.sent(1)[0].line,
        format!("PUT /api/productIds/401765?requestId={id}")
    );
}

#[test]
fn a_deny_at_delivery_ends_it_with_the_reason_and_nothing_is_sent() {
    let scene = Scene::new();
    scene.partner.is_reachable(false);
    let id = scene.request();
    scene.settled("open", 1);
    scene.retire(HOLDS);
    scene.partner.is_reachable(true);
    scene.later(30);
    let letter = scene.settled("failed", 2);
    assert!(
        letter["problem"]
            .as_str()
            .unwrap()
            .contains("exchange/agreement-in-force"),
        "{letter}"
    );
    assert_eq!(scene.decisions(), [Effect::Allow, Effect::Deny]);
    assert_eq!(scene.partner.sent(), []);
    let state = scene
        .service
        .app
        .pcf
        .incoming(ELBE.parse().unwrap(), WESER.parse().unwrap(), id.parse().unwrap());
    assert_eq!(block_on(state).unwrap(), Some(tidegate::pcf::State::Failed));
}

#[test]
fn a_partner_that_cannot_now_is_tried_again_and_one_that_will_not_is_not() {
    let scene = Scene::new();
    scene.partner.will_answer(&[503, 401, 200, 404]);
    let id = scene.request();
    let letter = scene.settled("open", 1);
    assert!(letter["problem"].as_str().unwrap().contains("503"), "{letter}");
    scene.later(30);
    let letter = scene.settled("open", 2);
    assert!(letter["problem"].as_str().unwrap().contains("401"), "{letter}");
    // A token that is refused is not used again.
    assert_eq!(scene.partner.ways(), (2, 1));
    scene.later(120);
    scene.settled("answered", 3);
    let sent = scene.sent(3);
    assert!(
        sent.iter().all(|sent| sent.line.contains(&id)),
        "the same exchange each time"
    );
    assert_eq!(sent[2].authorization, format!("{ELBE}-{WESER}-1"));
    // Each attempt was decided by itself.
    assert_eq!(scene.decisions(), [Effect::Allow; 4]);

    scene.request();
    let letter = scene.settled("failed", 1);
    assert!(letter["problem"].as_str().unwrap().contains("404"), "{letter}");
}

#[test]
fn what_was_given_up_is_a_dead_letter_until_the_partner_asks_again() {
    let scene = Scene::new();
    scene.partner.is_reachable(false);
    let id = scene.request();
    let mut seconds = 0;
    for attempt in 1..retry::ATTEMPTS {
        scene.settled("open", attempt);
        seconds += retry::LONGEST.as_secs();
        scene.later(seconds);
    }
    let letter = scene.settled("dead", retry::ATTEMPTS);
    assert_eq!(letter["problem"], "the partner's connector does not answer");
    assert_eq!(scene.told("?state=dead").len(), 1);
    assert_eq!(scene.told("?state=open"), Vec::<Value>::new());
    assert_eq!(
        scene.decisions(),
        [Effect::Allow],
        "without a way there is nothing to decide"
    );

    scene.partner.is_reachable(true);
    let path = format!("footprintExchange/{id}?manufacturerPartId=401765&dataModelVersion={URN}10.0.0");
    let answer = asked(&scene.service, ELBE, &path, WESER, HOLDS);
    assert_eq!(
        (answer.status, answer.json()["state"].as_str()),
        (202, Some("open")),
        "{}",
        answer.text()
    );
    scene.settled("answered", 1);
    assert_eq!(scene.told("").len(), 2);
}

#[test]
fn a_changed_footprint_goes_to_every_partner_with_a_live_agreement_on_it() {
    let scene = Scene::new();
    let document = footprint("10.0.0", ELBE, PCF).replace("0.52", "0.53");
    scene.hand_in("", &document);
    // Weser has an agreement in force; that of Oder does not hold, for its membership was revoked.
    wait_for("two deliveries", || {
        let told = scene.told("");
        told.len() == 2 && told.iter().all(|letter| letter["state"] != "open")
    });
    let by = |partner: &str| {
        scene
            .told("")
            .into_iter()
            .find(|letter| letter["partner"] == partner)
            .unwrap()
    };
    assert_eq!(
        (by(WESER)["state"].as_str(), by(WESER)["kind"].as_str()),
        (Some("answered"), Some("update"))
    );
    assert_eq!(by(WESER)["pcf_id"], PCF);
    assert_eq!(by(ODER)["state"], "failed");
    assert!(
        by(ODER)["problem"]
            .as_str()
            .unwrap()
            .starts_with("policy does not permit it"),
        "{}",
        by(ODER)
    );
    let sent = scene.sent(1);
    assert_eq!(sent.len(), 1);
    let exchange = by(WESER)["request_id"].as_str().unwrap().to_owned();
    assert_eq!(
        sent[0].line,
        format!("PUT /api/footprintExchange/{exchange}?update=true")
    );
    assert_eq!(sent[0].body, document.as_bytes());

    // The same bytes again change nothing, and what is not valid goes to nobody.
    scene.hand_in("", &document);
    let invalid = document.replace("\"declaredUnitAmount\" : 1.0", "\"declaredUnitAmount\" : \"x\"");
    scene.refused(&invalid);
    // Nor does a footprint without an asset, or under an agreement that was retired.
    scene.hand_in("", &footprint("9.0.0", ELBE, "99999999-0000-4000-8000-000000000001"));
    scene.retire(RESIN);
    scene.hand_in(
        "?asset=pcf-resin",
        &footprint("9.0.0", ELBE, "99999999-0000-4000-8000-000000000002"),
    );
    wait_for("the changes are spread", || {
        block_on(scene.service.app.pcf.changes(None, 1)).unwrap().is_empty()
    });
    assert_eq!(scene.told("").len(), 2);
}

#[test]
fn that_a_footprint_became_deprecated_is_told_to_partners() {
    let scene = Scene::new();
    scene.retire("0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1007");
    let document = footprint("10.0.0", ELBE, PCF).replace("\"Active\"", "\"Deprecated\"");
    scene.hand_in("", &document);
    let sent = scene.sent(1);
    assert!(sent[0].line.ends_with("?update=true"), "{}", sent[0].line);
    assert_eq!(sent[0].body, document.as_bytes());
    scene.settled("answered", 1);
}

#[test]
fn a_newer_version_takes_the_place_of_one_that_waits() {
    let scene = Scene::new();
    scene.retire("0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1007");
    scene.partner.is_reachable(false);
    let version = |number: &str| footprint("10.0.0", ELBE, PCF).replace("0.52", number);
    scene.hand_in("", &version("0.53"));
    scene.settled("open", 1);
    scene.hand_in("", &version("0.54"));
    wait_for("a second delivery", || scene.told("").len() == 2);
    scene.settled("open", 1);
    scene.partner.is_reachable(true);
    scene.later(60);
    wait_for("both are done", || scene.told("?state=open").is_empty());
    let told = scene.told("");
    assert_eq!(
        (told[0]["state"].as_str(), told[1]["state"].as_str()),
        (Some("answered"), Some("failed"))
    );
    assert!(
        told[1]["problem"].as_str().unwrap().contains("newer version"),
        "{}",
        told[1]
    );
    let sent = scene.sent(1);
    assert_eq!((sent.len(), sent[0].body.as_slice()), (1, version("0.54").as_bytes()));
}

#[test]
fn a_restart_loses_neither_an_answer_nor_an_update() {
    let scene = Scene::new();
    scene.retire("0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1007");
    scene.partner.is_reachable(false);
    let id = scene.request();
    scene.settled("open", 1);
    // A change that was noted and came about while nobody made deliveries of it: as after a crash between the two.
    let registry = scene.service.app.registry.current();
    let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
    let resin = world
        .footprints
        .values()
        .find(|footprint| footprint.model.major() == 9)
        .unwrap();
    let lost = Change {
        tenant: ELBE.parse().unwrap(),
        pcf: resin.id.clone(),
        digest: resin.digest,
        at: scene.begin,
    };
    // And one whose footprint was never stored.
    let never = Change {
        digest: tidegate::ids::Digest::of(b"never stored"),
        ..lost.clone()
    };
    let pcf = &scene.service.app.pcf;
    block_on(async {
        pcf.note_change(&lost).await.unwrap();
        pcf.note_change(&never).await.unwrap();
    });
    scene.partner.is_reachable(true);
    let scene = scene.restarted(61);
    let sent = scene.sent(2);
    let mut lines: Vec<_> = sent
        .iter()
        .map(|sent| sent.line.split('?').next_back().unwrap())
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, ["update=false", "update=true"]);
    assert!(sent.iter().any(|sent| sent.line.contains(&id)));
    wait_for("all is done", || scene.told("?state=open").is_empty());
    assert!(
        scene.told("").iter().all(|letter| letter["state"] == "answered"),
        "{:?}",
        scene.told("")
    );
    wait_for("what never came about is dropped", || {
        block_on(scene.service.app.pcf.changes(None, 1)).unwrap().is_empty()
    });
    assert_eq!(scene.partner.sent().len(), 2);
}

#[test]
fn a_request_of_the_tenants_own_is_sent_to_the_partner() {
    let scene = Scene::new();
    let body = serde_json::json!({ "partner": WESER, "customerPartId": "A 1/2", "message": "please & thanks" });
    let answer = post(&format!("/ingest/{ELBE}/requests"))
        .bearer(&scene.service.integration(ELBE))
        .json(body.to_string())
        .send(scene.service.address);
    let id = answer.json()["requestId"].as_str().unwrap().to_owned();
    let sent = scene.sent(1);
    assert_eq!(
        sent[0].line,
        format!(
            "GET /api/footprintExchange/{id}?customerPartId=A+1%2F2&message=please+%26+thanks&dataModelVersion={URN}9.0.0"
        )
    );
    assert!(sent[0].body.is_empty());
    assert_eq!(scene.settled("answered", 1)["kind"], "request");
    assert_eq!(scene.decisions(), [], "nothing is handed out");
}

#[test]
fn a_delivery_is_one_use_however_often_it_is_tried_and_leaves_none_to_others() {
    const ONCE: &str = "once";
    let scene = Scene::new();
    let agreed = |id: &str| {
        let registry = scene.service.app.registry.current();
        let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
        let new = NewAgreement {
            id: id.parse().unwrap(),
            provider: ELBE.parse().unwrap(),
            consumer: WESER.parse().unwrap(),
            asset: "pcf-ethanol".parse().unwrap(),
            state: AgreementState::Active,
            signed_at: scene.begin,
            signed: world.signed(&"pcf-ethanol".parse().unwrap()),
            claims: None,
            odrl: include_str!("../../../fixtures/odrl/dev/pcf-usage-once.json").into(),
        };
        block_on(scene.service.app.agreements.put(new, &Cause::operator(), scene.begin)).unwrap();
    };
    agreed(ONCE);
    let ask = || {
        let path = format!(
            "footprintExchange/{}?manufacturerPartId=401765&dataModelVersion={URN}10.0.0",
            exchange()
        );
        asked(&scene.service, ELBE, &path, WESER, ONCE)
    };
    let fetch = || asked(&scene.service, ELBE, &format!("pcf/{PCF}/submodel/$value"), WESER, ONCE);
    // Asking hands nothing out. The partner takes the answer at the third attempt.
    scene.partner.will_answer(&[503, 500, 200]);
    let answer = ask();
    assert_eq!(answer.status, 202, "{}", answer.text());
    scene.settled("open", 1);
    // What left may have arrived, whatever the partner said.
    fetch().check_problem(403, "forbidden", "the one use is spent");
    ask().check_problem(403, "forbidden", "the one use is spent");
    scene.later(30);
    scene.settled("open", 2);
    scene.later(120);
    scene.settled("answered", 3);
    assert_eq!(scene.sent(3).len(), 3);
    fetch().check_problem(403, "forbidden", "after it was delivered");
    // An update under the same agreement would be a second use: it goes out under another, where there is one.
    scene.hand_in("", &footprint("10.0.0", ELBE, PCF).replace("0.52", "0.53"));
    wait_for("the update is with Weser", || scene.partner.sent().len() == 4);
}

#[test]
fn deliveries_are_told_to_the_companys_own_people_only() {
    let scene = Scene::new();
    scene.request();
    scene.settled("answered", 1);
    let ask = |tenant: &str, token: &str, query: &str| {
        get(&format!("/agreements/{tenant}/deliveries{query}"))
            .bearer(token)
            .send(scene.service.address)
    };
    let bert = scene.service.person(ISAR, "bert");
    ask(ELBE, &bert, "").check_problem(401, "unauthenticated", "another company's admin");
    ask(ELBE, &scene.service.integration(ELBE), "").check_problem(401, "unauthenticated", "a machine");
    let own = ask(ISAR, &bert, "");
    assert_eq!(
        (own.status, own.json()["deliveries"].as_array().map(Vec::len)),
        (200, Some(0))
    );
    let vera = scene.service.person(ELBE, "vera");
    for (query, parameter) in [("?state=gone", "state"), ("?before=x", "before"), ("?after=1", "")] {
        let answer = ask(ELBE, &vera, query);
        answer.check_problem(400, "query", query);
        assert_eq!(answer.json()["parameter"].as_str().unwrap_or_default(), parameter);
    }
    // Neither tokens nor what stands in a footprint or a request is told.
    let told = ask(ELBE, &vera, "").text().to_owned();
    for secret in ["401765", "token", &format!("{ELBE}-{WESER}")] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
}

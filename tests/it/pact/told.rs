//! Events that a partner's PACT host is sent: a real server on loopback that notes what it gets.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::decision::Effect;
use tidegate::ledger::Event;
use tidegate::pcf::Page;
use tidegate::registry::TenantState;

use super::lists::{ONCE, put};
use super::{Own, asked, check_error, ids, schema};
use crate::harness::{
    Answer, ELBE, HOLDS, ODER, Service, WESER, block_on, footprint, post, retire, wait_for, within_a_minute,
};
use crate::integrations::put_as;
use crate::pull::supplier::{Asked, Reply, Supplier};
use crate::pull::{check_secret, keep_named_secret};

const SECRET: &str = "weser-pact";
const CLIENT_SECRET: &str = "s3cret-of-elbe-at-weser";
const TOKEN: &str = "token-of-weser";
const ETHANOL: &str = "urn:mycompany.com:product-id:401765";
const PCF: &str = "3893bb5d-da16-4dc1-9185-11d97476c254";
const MEDIA: &str = "application/cloudevents+json";

/// Gives tokens, without saying of which type as PACT's own host does, and answers events with that status.
fn host(asked: &Asked, status: u16) -> Reply {
    match asked.path.as_str() {
        "/auth/token" => Reply::of(200, json!({ "access_token": TOKEN, "expires_in": 3600 }).to_string()),
        _ => Reply::of(status, ""),
    }
}

/// A service whose time stands still, and the host of Weser, which Elbe has on record.
struct Scene {
    service: Service,
    weser: Supplier,
    clock: Clock,
    begin: Timestamp,
}

impl Scene {
    fn new() -> Self {
        let scene = Self::without_host();
        let answer = scene.add(&scene.system("weser-pact"));
        assert_eq!(answer.status, 201, "{}", answer.text());
        scene
    }

    fn without_host() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let begin = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        let clock = Clock::fixed(begin);
        let data = tempfile::tempdir().unwrap();
        let service = Service::on(data, clock.clone(), BundleSource::BuiltIn, None).unwrap();
        let weser = Supplier::plain(|asked| host(asked, 200));
        let scene = Self {
            service,
            weser,
            clock,
            begin,
        };
        let endpoint = format!("{}/auth/token", scene.weser.url());
        let client = json!({ "tokenEndpoint": endpoint, "clientId": "elbe", "clientSecret": CLIENT_SECRET });
        keep_named_secret(&scene.service, SECRET, &client.to_string());
        scene
    }

    fn system(&self, id: &str) -> Value {
        json!({
            "id": id, "tenant": ELBE, "name": "PACT host of Weser",
            "notify": { "partner": WESER, "url": self.weser.url(), "auth": { "oauth2": { "secret": SECRET } } },
        })
    }

    fn add(&self, document: &Value) -> Answer {
        put_as(&self.service, "anna", document)
    }

    fn later(&self, seconds: i64) {
        self.clock.set(self.begin + SignedDuration::from_secs(seconds));
        // The queue is looked at every second; a test need not wait for that.
        self.service.app.pcf.changed();
    }

    /// Weser asks Elbe by an event.
    fn request(&self, id: &str, data: Value) -> Answer {
        let token = Own::of(&self.service, ELBE, WESER).token(&self.service);
        let event = json!({
            "type": "org.wbcsd.pact.ProductFootprint.RequestCreatedEvent.3", "specversion": "1.0", "id": id,
            "source": "https://elsewhere.example/3/events", "time": "2026-11-25T09:00:00Z", "data": data,
        });
        post(&format!("/exchange/{ELBE}/3/events"))
            .bearer(&token)
            .header("Content-Type", MEDIA)
            .body(event.to_string())
            .send(self.service.address)
    }

    fn requested(&self, id: &str, data: Value) {
        let answer = self.request(id, data);
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{}", answer.text());
        assert!(answer.record().is_some());
    }

    fn deliveries(&self) -> Vec<Value> {
        self.service.deliveries(ELBE, "vera", "")
    }

    /// The latest delivery to Weser, once it is in this state after so many attempts.
    fn settled(&self, state: &str, attempts: u32) -> Value {
        within_a_minute(|| {
            let all = self.deliveries();
            let latest = all.iter().find(|letter| letter["partner"] == WESER).cloned();
            let is = |letter: &Value| letter["state"] == state && letter["attempts"] == attempts;
            latest.filter(is).ok_or_else(|| format!("{all:?}"))
        })
    }

    /// How many attempts the latest delivery had, as the tables say: of a company that is suspended nobody is told.
    fn attempts(&self) -> u32 {
        let (state, before, limit) = (None, None, 1);
        let page = Page { state, before, limit };
        let latest = block_on(self.service.app.pcf.deliveries(ELBE.parse().unwrap(), page)).unwrap();
        latest[0].delivery.attempts
    }

    /// The events that Weser's host got, once there are so many.
    fn events(&self, count: usize) -> Vec<Value> {
        let got = || {
            let all = self.weser.asked().into_iter();
            all.filter(|asked| asked.path == "/3/events").collect::<Vec<_>>()
        };
        wait_for(&format!("{count} events"), || got().len() >= count);
        let got = got();
        for asked in &got {
            assert_eq!(asked.method, "POST");
            assert_eq!(asked.header("content-type"), MEDIA);
            assert_eq!(asked.header("authorization"), format!("Bearer {TOKEN}"));
        }
        got.iter()
            .map(|asked| serde_json::from_str(&asked.body).unwrap())
            .collect()
    }

    /// The decisions about a resource whose id has that end, in their order.
    fn decisions(&self, action: &str, end: &str) -> Vec<Effect> {
        let records = self.service.records(ELBE);
        let of = |event: &Event| match event {
            Event::Decision(decided) if decided.action == action && decided.resource.contains(end) => {
                Some(decided.decision.effect)
            }
            _ => None,
        };
        records.iter().filter_map(|stored| of(&stored.record.event)).collect()
    }

    fn hand_in(&self, document: &str) {
        let answer = post(&format!("/ingest/{ELBE}/footprints?asset=pcf-ethanol"))
            .bearer(&self.service.integration(ELBE))
            .json(document)
            .send(self.service.address);
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
}

fn is_of(event: &Value, kind: &str) {
    assert_eq!(event["type"], format!("org.wbcsd.pact.ProductFootprint.{kind}.3"));
    let flaws: Vec<_> = schema(kind).iter_errors(event).map(|flaw| flaw.to_string()).collect();
    assert!(flaws.is_empty(), "{flaws:?}");
    assert!(
        event["source"]
            .as_str()
            .unwrap()
            .ends_with(&format!("/exchange/{ELBE}"))
    );
}

fn of_event(event: &Value) -> Vec<String> {
    let footprints = event["data"]["pfs"].as_array().unwrap().iter();
    footprints.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_request_is_answered_with_what_a_list_would_have() {
    let scene = Scene::new();
    let criteria = json!({ "productId": [ETHANOL], "status": ["Active"], "comment": "Please." });
    scene.requested("run/12", criteria);
    let events = scene.events(1);
    is_of(&events[0], "RequestFulfilledEvent");
    assert_eq!(events[0]["data"]["requestEventId"], "run/12");
    let token = Own::of(&scene.service, ELBE, WESER).token(&scene.service);
    let path = format!("footprints?productId={ETHANOL}&status=Active");
    let list = asked(ELBE, &path).bearer(&token).send(scene.service.address);
    assert!(!ids(&list).is_empty());
    assert_eq!(of_event(&events[0]), ids(&list));
    assert_eq!(events[0]["data"]["pfs"], list.json()["data"], "word for word");

    let letter = scene.settled("answered", 1);
    assert_eq!(
        (&letter["kind"], &letter["event_id"], &letter["partner"]),
        (&json!("fulfil"), &json!("run/12"), &json!(WESER))
    );
    // The last decision about it is on record, and so is that the secret was read for this one system.
    let record = letter["record"].as_str().unwrap();
    let records = scene.service.records(ELBE);
    let stored = records.iter().find(|stored| stored.record.id.to_string() == record);
    assert!(matches!(&stored.unwrap().record.event, Event::Decision(decided) if decided.action == "access"));
    let of_secret = |event: &Event| match event {
        Event::Decision(decided) if decided.action == "readSecret" => Some(decided.principal.clone()),
        _ => None,
    };
    let readers: Vec<_> = records
        .iter()
        .filter_map(|stored| of_secret(&stored.record.event))
        .collect();
    assert_eq!(readers.len(), 1, "{readers:?}");
    assert!(readers[0].contains("weser-pact"), "{readers:?}");
    for secret in [CLIENT_SECRET, TOKEN] {
        check_secret(&scene.service, secret);
    }

    // The secret and the token are good for the next one too.
    scene.requested("run/13", json!({}));
    let events = scene.events(2);
    assert!(of_event(&events[1]).len() >= of_event(&events[0]).len());
    assert_eq!(scene.decisions("readSecret", SECRET).len(), 1);
    let tokens = scene.weser.paths().iter().filter(|path| *path == "/auth/token").count();
    assert_eq!(tokens, 1);
}

#[test]
fn what_is_not_for_the_partner_and_what_there_is_none_of_are_rejected_alike() {
    let scene = Scene::new();
    scene.requested("none", json!({ "productId": ["urn:pact:null"] }));
    let absent = scene.events(1)[0].clone();
    is_of(&absent, "RequestRejectedEvent");
    assert_eq!(absent["data"]["error"]["code"], "NotFound");
    retire(&scene.service, ELBE, HOLDS);
    let before = scene.decisions("access", PCF).len();
    scene.requested("retired", json!({ "productId": [ETHANOL] }));
    let events = scene.events(2);
    assert_eq!(events[1]["data"]["error"], absent["data"]["error"]);
    assert_eq!(events[1]["data"]["requestEventId"], "retired");
    assert_eq!(scene.settled("answered", 1)["event_id"], "retired");
    assert_eq!(scene.decisions("access", PCF).len(), before, "nothing was opened");
}

#[test]
fn the_same_event_is_answered_once_and_an_id_is_one_requests() {
    let scene = Scene::new();
    scene.weser.will_answer(|asked| host(asked, 503));
    scene.requested("r-1", json!({ "productId": [ETHANOL] }));
    scene.settled("open", 1);
    scene.requested("r-1", json!({ "productId": [ETHANOL] }));
    assert_eq!(scene.deliveries().len(), 1);
    let other = scene.request("r-1", json!({ "productId": ["urn:x:2"] }));
    check_error(&other, 400, "BadRequest", "another request under the same id");
    assert!(other.record().is_some());
    assert_eq!(scene.deliveries().len(), 1);
    // Where it ended without an answer, the same event asks once more.
    scene.weser.will_answer(|asked| host(asked, 400));
    scene.later(60);
    let failed = scene.settled("failed", 2);
    assert!(
        failed["problem"].as_str().unwrap().ends_with("/3/events answers 400"),
        "{failed}"
    );
    scene.weser.will_answer(|asked| host(asked, 200));
    scene.requested("r-1", json!({ "productId": [ETHANOL] }));
    scene.settled("answered", 1);
    let events = scene.events(3);
    assert!(
        events.iter().all(|event| event["id"] == events[0]["id"]),
        "one id in every attempt"
    );
}

#[test]
fn an_event_is_one_use_however_often_it_is_tried() {
    let scene = Scene::new();
    retire(&scene.service, ELBE, HOLDS);
    put(&scene.service, "once", WESER, "pcf-ethanol", ONCE);
    let token = Own::of(&scene.service, ELBE, WESER).token(&scene.service);
    let listed = || ids(&asked(ELBE, "footprints").bearer(&token).send(scene.service.address));
    // The host asks for time, more than it would have had.
    scene.weser.will_answer(|asked| match asked.path.as_str() {
        "/auth/token" => host(asked, 200),
        _ => Reply::of(503, "").header("retry-after", "600"),
    });
    scene.requested("r-1", json!({ "productId": [ETHANOL] }));
    let waits = scene.settled("open", 1);
    let next: Timestamp = waits["next_attempt"].as_str().unwrap().parse().unwrap();
    assert_eq!(next, scene.begin + SignedDuration::from_secs(600), "{waits}");
    // What left may have arrived, whatever the host said.
    assert!(!listed().contains(&PCF.to_owned()), "the one use is spent");
    scene.weser.will_answer(|asked| host(asked, 200));
    scene.later(601);
    scene.settled("answered", 2);
    let events = scene.events(2);
    assert_eq!(of_event(&events[0]), [PCF]);
    assert_eq!(events[0]["data"], events[1]["data"]);
    assert_eq!(events[0]["id"], events[1]["id"]);
    assert_eq!(scene.decisions("access", PCF), [Effect::Allow, Effect::Allow]);
    // A second request finds nothing left.
    scene.requested("r-2", json!({ "productId": [ETHANOL] }));
    is_of(&scene.events(3)[2], "RequestRejectedEvent");
}

#[test]
fn a_right_that_ends_before_the_host_answers_is_not_used() {
    let scene = Scene::new();
    scene.weser.will_answer(|asked| host(asked, 500));
    scene.requested("r-1", json!({ "productId": [ETHANOL] }));
    scene.settled("open", 1);
    retire(&scene.service, ELBE, HOLDS);
    scene.weser.will_answer(|asked| host(asked, 200));
    scene.later(60);
    scene.settled("answered", 2);
    is_of(&scene.events(2)[1], "RequestRejectedEvent");

    // Nor is anything sent for a client that was taken from the partner.
    scene.weser.will_answer(|asked| host(asked, 500));
    scene.requested("r-2", json!({}));
    scene.settled("open", 1);
    Own::of(&scene.service, ELBE, WESER).put(&scene.service, WESER, Vec::new());
    let before = scene.events(3).len();
    scene.later(200);
    let failed = scene.settled("failed", 2);
    assert!(
        failed["problem"].as_str().unwrap().contains("not on record any more"),
        "{failed}"
    );
    assert_eq!(scene.events(3).len(), before);
}

/// Policy permits nothing to a company that is suspended; told as an answer, that would be that there is nothing.
#[test]
fn a_company_that_is_suspended_tells_nothing_until_it_is_active_again() {
    let scene = Scene::new();
    scene.requested("r-1", json!({}));
    scene.settled("answered", 1);
    scene.weser.will_answer(|asked| host(asked, 500));
    scene.requested("r-2", json!({}));
    scene.settled("open", 1);
    let state = |state| {
        scene
            .service
            .change_world(ELBE, move |world| world.tenant.state = state)
    };
    state(TenantState::Suspended);
    let before = scene.events(2).len();
    scene.weser.will_answer(|asked| host(asked, 200));
    scene.later(60);
    wait_for("an attempt", || scene.attempts() == 2);
    assert_eq!(scene.events(2).len(), before);
    state(TenantState::Active);
    scene.later(200);
    scene.settled("answered", 3);
    is_of(scene.events(3).last().unwrap(), "RequestFulfilledEvent");
}

#[test]
fn a_partner_with_a_host_is_told_of_what_changed_and_could_be_fetched() {
    let scene = Scene::new();
    scene.hand_in(&footprint("10.0.0", ELBE, PCF).replace("0.52", "0.53"));
    let events = scene.events(1);
    is_of(&events[0], "PublishedEvent");
    assert_eq!(events[0]["data"]["pfIds"], json!([PCF]));
    let letter = scene.settled("answered", 1);
    assert_eq!(
        (&letter["kind"], &letter["pcf_ids"]),
        (&json!("publish"), &json!([PCF]))
    );
    assert!(letter["record"].is_string(), "{letter}");
    // That is all Weser is told of it: nothing goes by the connectors as well. Oder, which has no host on record, is told by them.
    for letter in scene.deliveries() {
        let kind = if letter["partner"] == WESER {
            "publish"
        } else {
            "update"
        };
        assert_eq!(letter["kind"], kind, "{letter}");
    }
    // What it was told of, it gets.
    let token = Own::of(&scene.service, ELBE, WESER).token(&scene.service);
    let one = asked(ELBE, &format!("footprints/{PCF}"))
        .bearer(&token)
        .send(scene.service.address);
    assert_eq!(one.status, 200, "{}", one.text());

    // Many at once are one event; those that PACT has no words for are in none.
    let (first, second, third) = (id(1), id(2), id(3));
    let lines = [
        footprint("10.0.0", ELBE, &first),
        footprint("7.0.0", ELBE, &second),
        footprint("10.0.0", ELBE, &third),
    ];
    let answer = post(&format!("/ingest/{ELBE}/footprints?asset=pcf-ethanol"))
        .bearer(&scene.service.integration(ELBE))
        .header("Content-Type", "application/json")
        .body(format!("[{}]", lines.join(",")))
        .send(scene.service.address);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = within_a_minute(|| {
        let events = scene.events(1);
        let later = events
            .iter()
            .skip(1)
            .flat_map(|event| event["data"]["pfIds"].as_array().unwrap().clone());
        let told: Vec<_> = later.collect();
        let all = [&first, &third].iter().all(|id| told.contains(&json!(id)));
        if all { Ok(told) } else { Err(format!("{events:?}")) }
    });
    assert_eq!(told.len(), 2, "{told:?}");
}

fn id(number: u32) -> String {
    format!("5f0c1d2a-0000-4000-8000-00000000000{number}")
}

#[test]
fn nothing_is_told_of_what_the_partner_may_not_have_any_more() {
    let scene = Scene::new();
    scene.weser.will_answer(|asked| host(asked, 503));
    scene.hand_in(&footprint("10.0.0", ELBE, PCF).replace("0.52", "0.53"));
    scene.settled("open", 1);
    retire(&scene.service, ELBE, HOLDS);
    let before = scene.events(1).len();
    scene.later(60);
    let failed = scene.settled("failed", 2);
    assert!(
        failed["problem"]
            .as_str()
            .unwrap()
            .starts_with("policy does not permit it"),
        "{failed}"
    );
    assert_eq!(scene.decisions("access", PCF).last(), Some(&Effect::Deny));
    assert_eq!(scene.events(1).len(), before);
}

#[test]
fn a_host_that_cannot_be_called_is_told_and_waited_for() {
    let scene = Scene::new();
    // Its client's secret was changed, and Elbe does not have the new one yet.
    scene
        .weser
        .will_answer(|asked| Reply::of(if asked.path == "/auth/token" { 401 } else { 200 }, "{}"));
    scene.requested("r-1", json!({ "productId": [ETHANOL] }));
    let waits = scene.settled("open", 1);
    assert!(
        waits["problem"].as_str().unwrap().contains("no token was given"),
        "{waits}"
    );
    scene.weser.will_answer(|asked| host(asked, 200));
    scene.later(60);
    scene.settled("answered", 2);
    // A system that was stopped is not called; once it is there again, what waits is sent.
    let mut stopped = scene.system("weser-pact");
    stopped["enabled"] = json!(false);
    scene.weser.will_answer(|asked| host(asked, 503));
    scene.requested("r-2", json!({ "productId": [ETHANOL] }));
    scene.settled("open", 1);
    assert_eq!(scene.add(&stopped).status, 200);
    let before = scene.weser.asked().len();
    scene.later(200);
    let waits = scene.settled("open", 2);
    assert!(waits["problem"].as_str().unwrap().contains("it was stopped"), "{waits}");
    assert_eq!(scene.weser.asked().len(), before);
    let answer = scene.request("r-3", json!({}));
    check_error(&answer, 400, "NotImplemented", "no answer could be sent");
    scene.weser.will_answer(|asked| host(asked, 200));
    assert_eq!(scene.add(&scene.system("weser-pact")).status, 200);
    scene.later(600);
    scene.settled("answered", 3);
}

#[test]
fn a_document_says_whom_and_each_partner_is_told_through_one_system() {
    let scene = Scene::without_host();
    let answer = scene.request("r-1", json!({ "productId": [ETHANOL] }));
    check_error(&answer, 400, "NotImplemented", "no address is on record");
    assert_eq!(scene.deliveries().len(), 0);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut document = scene.system("weser-pact");
        change(&mut document);
        document
    };
    for (at, document) in [
        (
            "/notify/partner",
            changed(&|document| document["notify"]["partner"] = json!(ELBE)),
        ),
        (
            "/notify/url",
            changed(&|document| document["notify"]["url"] = json!("ftp://weser.example")),
        ),
        (
            "/notify/auth/apiKey/header",
            changed(&|document| {
                document["notify"]["auth"] = json!({ "apiKey": { "header": "Host", "secret": SECRET } })
            }),
        ),
        (
            "/notify/auth/certificate",
            changed(&|document| document["notify"]["auth"] = json!({ "certificate": { "secret": SECRET } })),
        ),
        (
            "/notify/trust/authorities",
            changed(&|document| document["notify"]["trust"] = json!({ "authorities": "none" })),
        ),
    ] {
        let answer = scene.add(&document);
        assert_eq!(answer.status, 422, "{at}: {}", answer.text());
        assert!(answer.text().contains(at), "{at}: {}", answer.text());
    }
    assert_eq!(scene.add(&scene.system("weser-pact")).status, 201);
    let twice = scene.add(&scene.system("weser-other"));
    assert_eq!(twice.status, 409, "{}", twice.text());
    assert!(twice.text().contains("weser-pact"), "{}", twice.text());
    let other = changed(&|document| {
        document["id"] = json!("oder-pact");
        document["notify"]["partner"] = json!(ODER);
    });
    assert_eq!(scene.add(&other).status, 201);
}

//! A company's agreements over HTTP: who sees them, who ends one, and what an ended one still grants.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidegate::agreements::Cause;
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::ledger::Event;
use tidegate::ledger::private::Asked;
use tidegate::ledger::read::Stored;
use tidegate::ledger::record::AgreementEvent;
use tidegate::ledger::verify::verify;
use tidegate::registry::{AgreementState, NewAgreement};

use crate::harness::{Answer, Ask, ELBE, HOLDS, ISAR, Service, WESER, block_on, get, post};

const RETIRED: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1004";
const EXPIRED: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1005";
const UNTIL: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1002";
const ISARS: &str = "7c2d9e14-3b60-4f0a-8e57-1f2b6c8d2001";

fn list(service: &Service, query: &str, person: &str) -> Answer {
    let token = service.person(ELBE, person);
    get(&format!("/agreements/{ELBE}{query}"))
        .bearer(&token)
        .send(service.address)
}

fn retire(service: &Service, agreement: &str, person: &str) -> Ask {
    post(&format!("/agreements/{ELBE}/{agreement}/retire"))
        .bearer(&service.person(ELBE, person))
        .json(json!({"reason": "the plant was sold"}).to_string())
}

fn listed(service: &Service, agreement: &str) -> Value {
    let all = list(service, "", "anna").json();
    let mut all = all["agreements"].as_array().unwrap().iter();
    all.find(|listed| listed["id"] == agreement).unwrap().clone()
}

/// What the log of Elbe tells of an agreement.
fn told(service: &Service, agreement: &str) -> Vec<AgreementEvent> {
    let records = service.records(ELBE).into_iter();
    let events = records.filter_map(|stored| match stored.record.event {
        Event::Agreement(event) if event.agreement.as_str() == agreement => Some(*event),
        _ => None,
    });
    events.collect()
}

#[test]
fn a_companys_people_see_all_its_agreements_and_nobody_elses() {
    let service = Service::shared();
    let answer = list(service, "", "vera");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(answer.record().is_some());
    let body = answer.json();
    assert!(body.get("next").is_none());
    let all = body["agreements"].as_array().unwrap();
    let known: Vec<_> = service.manifest["agreements"].as_array().unwrap().iter().collect();
    let own: Vec<_> = known.into_iter().filter(|known| known["provider"] == ELBE).collect();
    assert_eq!(all.len(), own.len());
    for (listed, known) in all.iter().zip(own) {
        for name in ["id", "consumer", "asset", "state", "terms", "signed", "versions"] {
            assert_eq!(listed[name], known[name], "{name} of {}", known["id"]);
        }
        assert_eq!(listed.get("ends"), Some(&known["ends"]), "{}", known["id"]);
        assert!(listed["notices"].is_array() && listed["since"].is_string() && listed["uses"].is_u64());
    }
    for (id, state) in [(RETIRED, "retired"), (EXPIRED, "expired"), (HOLDS, "active")] {
        assert_eq!(listed(service, id)["state"], state);
    }
    assert_eq!(listed(service, HOLDS)["versions"]["models"], json!(["10.0.0"]));
    for person in ["anna", "sven", "otto"] {
        assert_eq!(list(service, "", person).body, answer.body, "{person}");
    }
    // Of another company, however much they may do there.
    let stranger = service.person(ISAR, "bert");
    let stranger = get(&format!("/agreements/{ELBE}"))
        .bearer(&stranger)
        .send(service.address);
    stranger.check_problem(401, "unauthenticated", "another company's admin");
}

#[test]
fn a_list_comes_in_pages_and_knows_no_other_questions() {
    let service = Service::shared();
    let whole = list(service, "", "anna").json();
    let mut joined = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let page = list(service, &query, "anna").json();
        joined.extend(page["agreements"].as_array().unwrap().iter().cloned());
        let Some(next) = page.get("next") else { break };
        query = format!("?limit=3&after={}", next.as_str().unwrap());
    }
    assert_eq!(json!(joined), whole["agreements"]);
    assert_eq!(list(service, "?after=zzz", "anna").json(), json!({"agreements": []}));
    for query in [
        "?limit=0",
        "?limit=1001",
        "?limit=x",
        "?limit=1&limit=2",
        "?after=",
        "?after=a/b",
        "?state=active",
        "?limit",
    ] {
        let answer = list(service, query, "anna");
        answer.check_problem(400, "query", query);
    }
}

#[test]
fn what_is_retired_grants_nothing_from_the_next_request_on_and_says_who_ended_it() {
    let service = Service::start();
    let sound = service.sound_exchange();
    assert_eq!(sound.send(service.address).status, 200);
    let mut listener = service.app.agreements.changes();

    let refused = retire(&service, HOLDS, "vera").send(service.address);
    refused.check_problem(403, "forbidden", "a viewer");
    assert_eq!(sound.send(service.address).status, 200);

    let answer = retire(&service, HOLDS, "sven").send(service.address);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json(), json!({"id": HOLDS, "state": "retired", "changed": true}));
    let over = sound.send(service.address);
    over.check_problem(403, "forbidden", "after it was retired");
    assert_eq!(over.reasons(), ["exchange/agreement-in-force"]);

    let [came, ended] = <[_; 2]>::try_from(told(&service, HOLDS)).unwrap();
    assert_eq!(
        (came.state, came.by.as_str(), came.decision),
        (AgreementState::Active, "operator", None)
    );
    assert!(came.odrl.is_some() && came.reason.is_none());
    assert_eq!(ended.state, AgreementState::Retired);
    // The log tells of the person by pseudonym; the decision it names has who that is, for whoever may open what is private.
    let of = |stored: &Stored| stored.record.id == ended.decision.unwrap();
    let records = service.records(ELBE);
    let permitted = records.iter().find(|stored| of(stored)).unwrap();
    let asked: Asked = serde_json::from_slice(permitted.asked.as_ref().unwrap().as_ref().unwrap()).unwrap();
    assert!(ended.by.starts_with(&format!("User::\"{ELBE}/~")), "{}", ended.by);
    assert_eq!(asked.people[&ended.by], format!("User::\"{ELBE}/sven\""));
    assert_eq!(ended.decision.unwrap().to_string(), answer.record().unwrap());
    assert_eq!(ended.reason.as_deref(), Some("the plant was sold"));
    let shown = listed(&service, HOLDS);
    assert_eq!(
        (&shown["state"], &shown["reason"]),
        (&json!("retired"), &json!("the plant was sold"))
    );
    let change = listener.try_recv().unwrap();
    assert_eq!(
        (change.agreement.as_str(), change.state),
        (HOLDS, AgreementState::Retired)
    );

    // Once more changes nothing and is no second record of a change.
    let again = retire(&service, HOLDS, "anna").send(service.address);
    assert_eq!(again.json(), json!({"id": HOLDS, "state": "retired", "changed": false}));
    let expired = retire(&service, EXPIRED, "anna").send(service.address);
    assert_eq!(
        expired.json(),
        json!({"id": EXPIRED, "state": "expired", "changed": false})
    );
    assert_eq!(told(&service, HOLDS).len(), 2);
    assert!(block_on(verify(service.data())).unwrap().ok);
}

#[test]
fn what_cannot_be_retired_is_told_to_whoever_may_retire() {
    let service = Service::shared();
    // Isar's agreement is nothing to Elbe.
    for id in ["nobody-made-this", ISARS] {
        let answer = retire(service, id, "anna").send(service.address);
        answer.check_problem(404, "not-found", id);
        assert!(answer.record().is_some(), "{id}");
        // Whoever may not learns nothing of what there is.
        let answer = retire(service, id, "vera").send(service.address);
        answer.check_problem(403, "forbidden", id);
    }
    retire(service, "a*", "anna")
        .send(service.address)
        .check_problem(400, "path", "an id that is none");
    let long = "x".repeat(501);
    let bodies = [
        String::new(),
        "{}".into(),
        r#"{"reason":""}"#.into(),
        r#"{"reason":"  "}"#.into(),
        r#"{"reason":7}"#.into(),
        r#"{"reason":"a\nb"}"#.into(),
        r#"{"reason":"a","reason":"b"}"#.into(),
        r#"{"reason":"a","force":true}"#.into(),
        json!({ "reason": long }).to_string(),
    ];
    for body in bodies {
        let answer = retire(service, HOLDS, "anna").body(body.clone()).send(service.address);
        answer.check_problem(400, "body", &body);
    }
    assert_eq!(listed(service, HOLDS)["state"], "active");
}

#[test]
fn what_was_ended_and_counted_is_so_after_the_next_start() {
    let service = Service::start();
    for _ in 0..3 {
        assert_eq!(service.sound_exchange().send(service.address).status, 200);
    }
    // What is refused is no use, nor is a decision without data.
    let refused = service.sound_exchange().without("Edc-Bpn").header("Edc-Bpn", ISAR);
    assert_eq!(refused.send(service.address).status, 403);
    let body = json!({
        "subject": {"type": "Partner", "id": WESER},
        "action": {"name": "access"},
        "resource": {"type": "Footprint", "id": format!("{ELBE}/{}", service.agreement(HOLDS)["pcf_id"].as_str().unwrap())},
        "context": {"agreement": HOLDS},
    });
    let decided = post("/access/v1/evaluation")
        .bearer(&service.connector(ELBE))
        .json(body.to_string());
    assert_eq!(decided.send(service.address).json()["decision"], true);
    assert_eq!(listed(&service, HOLDS)["uses"], 3);
    assert_eq!(retire(&service, UNTIL, "anna").send(service.address).status, 200);
    let before = list(&service, "", "anna").json();
    let data = service.stop();
    let service = Service::on(data, Clock::system(), BundleSource::BuiltIn, None).unwrap();
    assert_eq!(list(&service, "", "anna").json(), before);
    // They come on record once, not at every start.
    assert_eq!(told(&service, HOLDS).len(), 1);
    assert_eq!(told(&service, UNTIL).len(), 2);
}

/// Puts an agreement of Weser's on record under which data is provided once.
fn put_once(service: &Service) -> &'static str {
    const ONCE: &str = "once-and-no-more";
    let text = include_str!("../../fixtures/odrl/dev/pcf-usage.json");
    let mut odrl: Value = serde_json::from_str(text).unwrap();
    let constraints = odrl["permission"][0]["constraint"][0]["and"].as_array_mut().unwrap();
    constraints.push(json!({
        "leftOperand": "DataFrequency", "operator": "eq", "rightOperand": "cx.dataFrequency.once:1"
    }));
    let (registry, now) = (service.app.registry.current(), service.app.clock.now());
    let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
    let asset = "pcf-ethanol".parse().unwrap();
    let new = NewAgreement {
        id: ONCE.parse().unwrap(),
        provider: world.tenant.id,
        consumer: WESER.parse().unwrap(),
        signed: world.signed(&asset),
        asset,
        state: AgreementState::Active,
        signed_at: now,
        claims: None,
        odrl: odrl.to_string().into(),
    };
    let cause = Cause::operator();
    assert!(block_on(service.app.agreements.put(new, &cause, now)).unwrap());
    ONCE
}

#[test]
fn of_many_who_ask_at_once_for_what_is_provided_once_one_gets_it() {
    let service = Service::start();
    let id = put_once(&service);
    let ask = service
        .sound_exchange()
        .without("Edc-Contract-Agreement-Id")
        .header("Edc-Contract-Agreement-Id", id);
    let decide = |action: &str, kind: &str, thing: &str| {
        let body = json!({
            "subject": {"type": "Partner", "id": WESER},
            "action": {"name": action},
            "resource": {"type": kind, "id": format!("{ELBE}/{thing}")},
            "context": {"agreement": id},
        });
        let ask = post("/access/v1/evaluation").bearer(&service.connector(ELBE));
        ask.json(body.to_string()).send(service.address).json()["decision"] == true
    };
    // Deciding without data is no use.
    assert!(decide("transfer", "Asset", "pcf-ethanol") && decide("transfer", "Asset", "pcf-ethanol"));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..12)
            .map(|_| scope.spawn(|| ask.send(service.address).status))
            .collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    let with = |status| statuses.iter().filter(|other| **other == status).count();
    assert_eq!((with(200), with(403)), (1, 11), "{statuses:?}");
    assert_eq!(listed(&service, id)["uses"], 1);
    assert!(!decide("transfer", "Asset", "pcf-ethanol"));
    let data = service.stop();
    let service = Service::on(data, Clock::system(), BundleSource::BuiltIn, None).unwrap();
    let again = service
        .sound_exchange()
        .without("Edc-Contract-Agreement-Id")
        .header("Edc-Contract-Agreement-Id", id);
    again
        .send(service.address)
        .check_problem(403, "forbidden", "after a start");
}

#[test]
fn what_is_past_its_end_is_put_on_record_as_expired() {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let begin = Timestamp::now();
    let clock = Clock::fixed(begin);
    let service = Service::with(clock.clone(), BundleSource::BuiltIn).unwrap();
    assert_eq!(listed(&service, UNTIL)["state"], "active");
    let [came, ended] = <[_; 2]>::try_from(told(&service, EXPIRED)).unwrap();
    assert_eq!(
        (came.state, ended.state),
        (AgreementState::Active, AgreementState::Expired)
    );
    assert_eq!(ended.by, "tidegate");
    clock.set(begin + SignedDuration::from_hours(24 * 121));
    let expired = block_on(service.app.agreements.expire(clock.now())).unwrap();
    assert!(expired > 0);
    assert_eq!(listed(&service, UNTIL)["state"], "expired");
    let answer = service
        .sound_exchange()
        .without("Edc-Contract-Agreement-Id")
        .header("Edc-Contract-Agreement-Id", UNTIL)
        .send(service.address);
    assert!(
        answer.reasons().contains(&"exchange/agreement-in-force".to_owned()),
        "{}",
        answer.text()
    );
}

//! Answers of a tenant that lets them leave ahead of their records.

use serde_json::json;
use tidegate::ledger::Event;
use tidegate::ledger::record::Mode;
use tidegate::registry::{Bound, Guarantee};

use crate::harness::{ELBE, HOLDS, Service, WESER, post, within_a_minute};

#[test]
fn an_answer_that_leaves_ahead_names_its_record_but_no_place() {
    let service = Service::start();
    let bounded = Guarantee::Bounded(Bound::new(100, 10_000).unwrap());
    service.change_world(ELBE, |world| world.tenant.ledger = bounded);
    let ask = service.sound_exchange();
    // The first waits: with it the log is marked.
    let first = ask.send(service.address);
    assert!(first.headers.contains_key("tidegate-log"));
    let second = ask.send(service.address);
    assert_eq!((first.status, second.status), (200, 200));
    assert!(!second.headers.contains_key("tidegate-log"), "{:?}", second.headers);
    let footprint = service.agreement(HOLDS)["pcf_id"].as_str().unwrap().to_owned();
    let body = json!({
        "subject": {"type": "Partner", "id": WESER},
        "action": {"name": "access"},
        "resource": {"type": "Footprint", "id": format!("{ELBE}/{footprint}")},
        "context": {"agreement": HOLDS},
    });
    let evaluation = post("/access/v1/evaluation").bearer(&service.connector(ELBE));
    let evaluated = evaluation.json(body.to_string()).send(service.address).json();
    assert_eq!(evaluated["context"]["ledger"], json!({"log": ELBE}), "{evaluated}");
    let record = second.record().unwrap().to_owned();
    within_a_minute(|| {
        let records = service.records(ELBE);
        let found = records
            .iter()
            .find(|stored| record.ends_with(&stored.record.id.to_string()));
        let Some(Event::Decision(decided)) = found.map(|stored| &stored.record.event) else {
            return Err("the record is not there yet");
        };
        assert_eq!(decided.mode, Mode::Bounded);
        Ok(())
    });
    service.check_healthy();
}

//! Two companies of the development world, each with its own connector: one asks, the other answers, with the roles reversed.

use serde_json::{Value, json};
use tidegate::decision::Effect;
use tidegate::ledger::Event;

use crate::harness::{ELBE, LOG, Service, WESER, footprint, post, wait_for};

const PCF: &str = "3893bb5d-da16-4dc1-9185-11d97476c254";

/// The deliveries of a tenant, none of which is open any more; each was made at once.
fn done(service: &Service, tenant: &str, person: &str, count: usize) -> Vec<Value> {
    wait_for(&format!("{count} deliveries of {tenant}"), || {
        let all = service.deliveries(tenant, person, "");
        let late = all
            .iter()
            .find(|letter| letter["attempts"].as_u64() > Some(1) || letter["problem"].is_string());
        assert!(late.is_none(), "{late:?}");
        all.len() == count && all.iter().all(|letter| letter["state"] == "answered")
    });
    service.deliveries(tenant, person, "")
}

fn actions(service: &Service, tenant: &str) -> Vec<String> {
    let records = service.records(tenant);
    let decided = records.iter().filter_map(|stored| match &stored.record.event {
        Event::Decision(decided) if decided.decision.effect == Effect::Allow => Some(decided.action.clone()),
        _ => None,
    });
    decided.collect()
}

#[test]
fn a_request_is_answered_and_a_change_follows_between_two_companies_of_the_platform() {
    let service = Service::start();
    for tenant in [ELBE, WESER] {
        let tenant = tenant.parse().unwrap();
        wait_for("the offers are published", || {
            service.app.dataspace.connectors.state(tenant).settled.is_some()
        });
    }
    let body = json!({
        "partner": ELBE, "manufacturerPartId": "401765", "asset": "pcf-ethanol",
        "dataModelVersion": "urn:samm:io.catenax.pcf:10.0.0",
    });
    let asked = post(&format!("/ingest/{WESER}/requests"))
        .bearer(&service.integration(WESER))
        .json(body.to_string())
        .send(service.address);
    assert_eq!(asked.status, 201, "{}", asked.text());
    let request = asked.json()["requestId"].as_str().unwrap().to_owned();

    // Weser's connector negotiates Elbe's asset, and Weser asks; Elbe's negotiates Weser's, and Elbe answers.
    let sent = done(&service, WESER, "carl", 1);
    assert_eq!(
        (sent[0]["kind"].as_str(), sent[0]["request_id"].as_str()),
        (Some("request"), Some(request.as_str()))
    );
    let answered = done(&service, ELBE, "vera", 1);
    assert_eq!(answered[0]["kind"], "answer");
    assert_eq!(answered[0]["request_id"], request.as_str());
    let key = format!("{WESER}/pcf/received/{ELBE}/{PCF}.json");
    let sent = include_bytes!("../../../fixtures/pcf/dev/elbe-ethanol-10.0.0.json");
    assert_eq!(crate::objects(&service, &key), [(key.clone(), sent.to_vec())]);

    // Both logs tell of it: who could negotiate, whose transfer began, what was handed out and what was handed in.
    let (elbe, weser) = (actions(&service, ELBE), actions(&service, WESER));
    for action in ["negotiate", "transfer", "access"] {
        assert!(elbe.iter().any(|known| known == action), "{action}: {elbe:?}");
    }
    for action in ["ingest", "negotiate", "transfer", "submit"] {
        assert!(weser.iter().any(|known| known == action), "{action}: {weser:?}");
    }

    // The next footprint goes the same way, which need not be found again.
    let negotiated = weser.iter().filter(|action| *action == "negotiate").count();
    let changed = footprint("10.0.0", ELBE, PCF).replace("0.52", "0.53");
    let handed_in = post(&format!("/ingest/{ELBE}/footprints"))
        .bearer(&service.integration(ELBE))
        .json(changed.clone())
        .send(service.address);
    assert_eq!(handed_in.status, 201, "{}", handed_in.text());
    wait_for("the update is with Weser", || {
        crate::objects(&service, &key) == [(key.clone(), changed.clone().into_bytes())]
    });
    let after = actions(&service, WESER);
    assert_eq!(
        after.iter().filter(|action| *action == "negotiate").count(),
        negotiated,
        "{after:?}"
    );

    // What stands in a footprint is in no log line, on neither side.
    for value in ["Ethanol, 95% solution", "My Product Name", "ecoinvent"] {
        assert!(changed.contains(value) && !LOG.text().contains(value), "{value}");
    }
}

//! The six steps, and what must be refused after them, each with its reason and its record.

use jiff::SignedDuration;
use serde_json::json;
use tidegate::clock::Clock;
use tidegate::dataspace::flow::Dialect;
use tidegate::decision::Effect;
use tidegate::ledger::Event;

use super::edc::Build;
use super::generation::{context, dialect};
use super::{ASSET, OTHER_PURPOSE, Scene, text};
use crate::harness::{Answer, ELBE, ISAR, WESER, get};

/// What the record that an answer names decided.
fn decided(scene: &Scene, record: &str) -> (String, Effect, Vec<String>) {
    let records = scene.service.records(ELBE);
    let found = records
        .iter()
        .find(|stored| stored.record.id.to_string() == record)
        .unwrap();
    match &found.record.event {
        Event::Decision(decided) => {
            let policies = decided.decision.cedar.policies.to_vec();
            (decided.action.clone(), decided.decision.effect, policies)
        }
        other => panic!("{other:?}"),
    }
}

/// The newest decision of Elbe's on `action`.
pub fn newest(scene: &Scene, action: &str) -> (Effect, Vec<String>) {
    let records = scene.service.records(ELBE);
    let decisions = records.iter().rev().filter_map(|stored| match &stored.record.event {
        Event::Decision(decided) if decided.action == action => Some(decided),
        _ => None,
    });
    let decided = decisions.into_iter().next().unwrap();
    (decided.decision.effect, decided.decision.cedar.policies.to_vec())
}

fn check_denied(scene: &Scene, answer: &Answer, policy: &str, of: &str) {
    answer.check_problem(403, "forbidden", of);
    let (action, effect, policies) = decided(scene, answer.record().unwrap());
    assert_eq!((action.as_str(), effect), ("access", Effect::Deny), "{of}");
    assert_eq!(policies, [policy], "{of}");
    println!("  {of}: 403, {policy}");
}

/// That a transfer is refused, why, and that the provider's operator reads the reason at the connector.
fn check_refused_transfer(scene: &Scene, agreement: &str, reason: &str, of: &str) {
    let transfer = scene.transfer(agreement);
    assert_ne!(transfer["state"], "STARTED", "{of}: {transfer}");
    let detail = text(&scene.provider_transfer(&text(&transfer["@id"]))["errorDetail"]);
    assert!(detail.contains("403") && detail.contains(reason), "{of}: {detail}");
    assert_eq!(newest(scene, "transfer").0, Effect::Deny, "{of}");
    println!("  {of}: the transfer is refused, and the operator reads `{reason}`");
}

#[test]
#[ignore = "needs Java and the connector that tests/interop/run builds"]
fn an_exchange_between_two_real_connectors_and_every_way_out_of_it() {
    let scene = Scene::start(Build::ControlPlane);
    scene.published();

    println!("The six steps");
    let agreement = scene.agree(ASSET);
    let handed = scene.handed(&agreement);
    println!("  the data space URL: {}", handed.endpoint);
    assert_eq!(newest(&scene, "transfer").0, Effect::Allow);
    let answer = scene.fetch(&handed);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(decided(&scene, answer.record().unwrap()).1, Effect::Allow);
    assert_eq!(
        answer.body,
        scene.service.sound_exchange().send(scene.service.address).body,
        "byte for byte"
    );
    let own = scene.provider_id(&agreement);
    assert_eq!(
        scene.backend(WESER, &own).status,
        200,
        "the supplier's own client, under the agreement the connectors made"
    );
    println!("  {} bytes", answer.body.len());

    println!("Outside the contract");
    let path = format!("/exchange/{ISAR}/pcf/{}/submodel/$value", scene.footprint());
    let elsewhere = get(&path)
        .header("Authorization", &handed.token)
        .send(scene.service.address);
    elsewhere.check_problem(401, "unauthenticated", "the token at another tenant");
    println!("  the token at another tenant: 401");
    check_denied(
        &scene,
        &scene.backend("BPNL00000000D4GH", &own),
        "exchange/agreement-parties",
        "another BPN",
    );

    let other = scene.agree(OTHER_PURPOSE);
    scene.now();
    check_refused_transfer(&scene, &other, "context.purpose", "another purpose");

    scene.consumer.manage(
        "POST",
        &format!("/transferprocesses/{}/suspend", handed.transfer),
        Some(json!({ "@context": context(), "@type": "SuspendTransfer", "reason": "a break" })),
    );
    scene
        .consumer
        .wait(&format!("/transferprocesses/{}", handed.transfer), &["SUSPENDED"]);
    scene.wait("the token is dead", || scene.fetch(&handed).status == 401);
    scene
        .consumer
        .manage("POST", &format!("/transferprocesses/{}/resume", handed.transfer), None);
    let resumed = match dialect() {
        Dialect::Legacy => {
            scene.wait("a new token is handed over", || {
                scene.address(&handed.transfer).token != handed.token
            });
            scene.address(&handed.transfer)
        }
        // EDC 0.18 keeps the new address to itself. The consumer has the old one, with which it asks for a token.
        Dialect::Dps => {
            scene.wait("the transfer goes on", || scene.received(&handed.transfer).is_some());
            scene.renewed(&handed)
        }
    };
    assert_eq!(scene.fetch(&resumed).status, 200);
    scene
        .fetch(&handed)
        .check_problem(401, "unauthenticated", "the token of before the break");
    println!("  suspended: 401; resumed: a new token, the old one stays dead");

    let answer = scene.retire(&own, "the supplier withdrew");
    assert_eq!(answer.status, 200, "{}", answer.text());
    check_denied(&scene, &scene.fetch(&resumed), "exchange/agreement-in-force", "retired");
    scene.consumer.wait(
        &format!("/transferprocesses/{}", handed.transfer),
        &["TERMINATED", "DEPROVISIONED"],
    );
    println!("  and both connectors ended the transfer");
    if dialect() == Dialect::Dps {
        scene.wait("the consumer's data plane forgets the address", || {
            scene.received(&handed.transfer).is_none()
        });
    }
    check_refused_transfer(&scene, &agreement, "retired or has expired", "a new transfer under it");

    let lapsing = scene.agree(ASSET);
    scene.handed(&lapsing);
    scene
        .clock
        .set(Clock::system().now() + SignedDuration::from_hours(24 * 366));
    let own = scene.provider_id(&lapsing);
    let answer = scene.backend(WESER, &own);
    answer.check_problem(403, "forbidden", "lapsed");
    assert_eq!(decided(&scene, answer.record().unwrap()).1, Effect::Deny);
    println!("  the agreement a year later: 403, {}", answer.reasons().join("; "));
    check_refused_transfer(
        &scene,
        &lapsing,
        "context.agreement.signedAt",
        "a transfer a year later",
    );
}

//! Agreements behind data flows: brought on record, retired, lapsed.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::decision::Effect;

use super::scripted::Connector;
use super::{UNTIL, begin, begun, decided, fetch, property, renew, start, started, states};
use crate::harness::{ELBE, HOLDS, ISAR, Service, WESER, block_on, get, retire, wait_for};

#[test]
fn an_agreement_that_is_retired_ends_its_flows_and_both_sides_are_told_why() {
    let service = Service::start();
    let connector = Connector::start();
    service.change_world(ELBE, |world| world.tenant.connector = Some(connector.settings("v4")));
    let flow = started(&service, "to-be-retired", HOLDS);
    let other = started(&service, "to-stay", UNTIL);
    retire(&service, ELBE, HOLDS);
    // On the next request already, with the reason, and on record.
    let answer = fetch(&service, HOLDS, &flow.token);
    answer.check_problem(403, "forbidden", "retired");
    assert_eq!(answer.reasons(), ["exchange/agreement-in-force"]);
    wait_for("the connector is told", || {
        connector.was_asked("POST /management/v4/transferprocesses/to-be-retired/terminate")
    });
    let told = connector.body("POST /signaling/transfers/to-be-retired/dataflow/errored");
    assert_eq!(
        (&told["state"], &told["error"]),
        (&json!("TERMINATED"), &json!("the agreement was retired"))
    );
    wait_for("the end is on record", || {
        states(&service, "to-be-retired") == ["STARTED", "TERMINATED"]
    });
    // And after the flow is gone, too, for whoever signed the agreement.
    let answer = fetch(&service, HOLDS, &flow.token);
    answer.check_problem(403, "forbidden", "retired, and the flow ended");
    assert_eq!(answer.reasons(), ["exchange/agreement-in-force"]);
    renew(&service, &flow.refresh_token).unwrap_err();
    assert_eq!(fetch(&service, UNTIL, &other.token).status, 200);
    assert_eq!(states(&service, "to-stay"), ["STARTED"]);
}

#[test]
fn terms_that_lapse_end_the_token_no_later_and_then_the_flow() {
    let begin_at = Clock::system().now();
    let clock = Clock::fixed(begin_at);
    let service = Service::with(clock.clone(), BundleSource::BuiltIn).unwrap();
    // The agreement's right of use ends in 120 days; two minutes before that, a token is two minutes long.
    let end = begin_at + SignedDuration::from_hours(24 * 120);
    clock.set(end - SignedDuration::from_mins(2));
    let flow = started(&service, "lapses", UNTIL);
    let seconds: i64 = property(&flow.answer.json()["dataAddress"], "expiresIn")
        .parse()
        .unwrap();
    assert!((119..=121).contains(&seconds), "{seconds}");
    assert_eq!(fetch(&service, UNTIL, &flow.token).status, 200);
    clock.set(end + SignedDuration::from_secs(2));
    fetch(&service, UNTIL, &flow.token).check_problem(401, "unauthenticated", "past its end");
    wait_for("the flow is ended", || {
        states(&service, "lapses") == ["STARTED", "TERMINATED"]
    });
    let again = start(&service, &begin(&service, "late", UNTIL));
    again.check_problem(403, "forbidden", "a transfer past the end");
}

/// The agreement as EDC 0.18 shows it, version 4 of its API.
pub fn at_connector(id: &str, provider: &str, operand: &str) -> Value {
    json!({ "@type": "ContractAgreement", "@id": id, "assetId": "asset-ethanol", "agreementId": "shared",
        "policy": { "@id": "random", "@type": "Agreement", "permission": [{ "action": "use", "constraint": [{ "and": [
            { "leftOperand": "https://w3id.org/catenax/2025/9/policy/FrameworkAgreement", "operator": "eq", "rightOperand": "DataExchangeGovernance:1.0" },
            { "leftOperand": format!("https://w3id.org/catenax/2025/9/policy/{operand}"), "operator": "eq", "rightOperand": "active" },
            { "leftOperand": "https://w3id.org/catenax/2025/9/policy/UsagePurpose", "operator": "isAnyOf", "rightOperand": "cx.pcf.base:1" }] }] }],
            "assignee": WESER, "assigner": provider, "target": "asset-ethanol" },
        "contractSigningDate": Clock::system().now().as_second() - 5, "consumerId": WESER, "providerId": provider,
        "@context": ["https://w3id.org/edc/connector/management/v2"] })
}

#[test]
fn an_agreement_that_only_the_connector_has_is_brought_on_record_or_told_what_is_wrong_with_it() {
    let service = Service::start();
    let connector = Connector::start();
    let asset = service.agreement(HOLDS)["asset"].as_str().unwrap().to_owned();
    let with_asset = |mut agreement: Value| {
        agreement["assetId"] = json!(asset);
        agreement["policy"]["target"] = json!(asset);
        agreement
    };
    let mut old = with_asset(at_connector("old", ELBE, "Membership"));
    old["contractSigningDate"] = json!(Clock::system().now().as_second() - 2 * 3600);
    let agreements = [
        ("old", old, "FINALIZED"),
        ("new", with_asset(at_connector("new", ELBE, "Membership")), "FINALIZED"),
        ("odd", with_asset(at_connector("odd", ELBE, "MoonPhase")), "FINALIZED"),
        (
            "theirs",
            with_asset(at_connector("theirs", ISAR, "Membership")),
            "FINALIZED",
        ),
        ("open", with_asset(at_connector("open", ELBE, "Membership")), "AGREED"),
        (
            "ended",
            with_asset(at_connector("ended", ELBE, "Membership")),
            "FINALIZED",
        ),
    ];
    let call = |path: &str| -> &'static str { format!("GET /management/v4/contractagreements/{path}").leak() };
    let mut script = connector.script.lock().unwrap();
    for (id, agreement, state) in agreements {
        script.push((call(id), 200, agreement));
        script.push((call(&format!("{id}/negotiation")), 200, json!({ "state": state })));
    }
    script.push((
        "POST /management/v4/contractagreements/retirements/request",
        200,
        json!([{ "agreementId": "ended", "reason": "moved away" }]),
    ));
    drop(script);
    service.change_world(ELBE, |world| world.tenant.connector = Some(connector.settings("v4")));
    let message = |id: &str, agreement: &str| {
        let mut body = begin(&service, id, agreement);
        body["datasetId"] = json!(asset);
        body
    };
    let answer = start(&service, &message("f-new", "new"));
    let flow = begun("f-new", answer);
    assert_eq!(fetch(&service, HOLDS, &flow.token).status, 200);
    // With what the control plane had verified.
    let papers = block_on(
        service
            .app
            .registry
            .papers(ELBE.parse().unwrap(), &"new".parse().unwrap()),
    );
    let claims: Value = serde_json::from_str(&papers.unwrap().unwrap().claims.unwrap()).unwrap();
    assert_eq!(claims, json!({ "client_id": WESER }));
    let detail = |id: &str, agreement: &str| {
        let answer = start(&service, &message(id, agreement));
        answer.check_problem(403, "forbidden", id);
        assert_eq!(decided(&service, &answer).1, Effect::Deny);
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    let odd = detail("f-odd", "odd");
    assert!(odd.contains("MoonPhase") && odd.contains("$.permission[0]"), "{odd}");
    assert!(detail("f-theirs", "theirs").contains("not one in which this company provides"));
    assert!(detail("f-none", "none").contains("not on record"));
    assert!(detail("f-open", "open").contains("is not finalized"));
    assert!(detail("f-ended", "ended").contains("was retired at the connector"));
    // Signed when other versions may have been in force.
    assert!(detail("f-old", "old").contains("context.agreement has signed"));
    for absent in ["open", "ended"] {
        let registry = service.app.registry.current();
        let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
        assert!(world.agreements.get(&absent.parse().unwrap()).is_none(), "{absent}");
    }
}

#[test]
fn an_agreement_that_the_connectors_own_data_plane_names_is_brought_on_record() {
    let service = Service::start();
    let connector = Connector::start();
    let mut agreement = at_connector("fresh", ELBE, "Membership");
    let asset = service.agreement(HOLDS)["asset"].clone();
    agreement["assetId"] = asset.clone();
    agreement["policy"]["target"] = asset;
    connector.script.lock().unwrap().extend([
        ("GET /management/v4/contractagreements/fresh", 200, agreement),
        (
            "GET /management/v4/contractagreements/fresh/negotiation",
            200,
            json!({ "state": "FINALIZED" }),
        ),
    ]);
    service.change_world(ELBE, |world| world.tenant.connector = Some(connector.settings("v4")));
    let ask = |partner: &str, agreement: &str, token: &str| {
        get(&service.footprint_path(HOLDS))
            .bearer(token)
            .header("Edc-Bpn", partner)
            .header("Edc-Contract-Agreement-Id", agreement)
            .send(service.address)
    };
    ask(WESER, "fresh", &service.connector(ISAR)).check_problem(401, "unauthenticated", "another tenant's client");
    assert!(!connector.was_asked("GET /management/v4/contractagreements/fresh"));
    let own = service.connector(ELBE);
    ask("BPNL00000000D4GH", "fresh", &own).check_problem(403, "forbidden", "another BPN");
    assert_eq!(ask(WESER, "fresh", &own).status, 200);
    ask(WESER, "nonesuch", &own).check_problem(403, "forbidden", "no such agreement");
}

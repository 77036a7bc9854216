//! Against a scripted connector on loopback: what is asked of it, and what is made of its answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;

/// What the connector answers to a method and path, in order; the last answer stays.
type Script = HashMap<&'static str, Vec<(u16, Value)>>;

#[derive(Clone)]
struct Scripted {
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

async fn answer(State(scripted): State<Scripted>, request: Request) -> Response {
    let call = format!("{} {}", request.method(), request.uri().path());
    let key = request
        .headers()
        .get("x-api-key")
        .map(|key| key.to_str().unwrap().to_owned());
    let body: Bytes = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    scripted.asked.lock().unwrap().push((call.clone(), body));
    if key.as_deref() != Some("the-key") {
        return (StatusCode::UNAUTHORIZED, "x-api-key not found").into_response();
    }
    let mut script = scripted.script.lock().unwrap();
    let Some(answers) = script.get_mut(call.as_str()) else {
        return (StatusCode::NOT_FOUND, "[]").into_response();
    };
    let (status, body) = if answers.len() > 1 {
        answers.remove(0)
    } else {
        answers[0].clone()
    };
    let status = StatusCode::from_u16(status).unwrap();
    if body.is_null() {
        status.into_response()
    } else {
        (status, body.to_string()).into_response()
    }
}

/// Runs `then` against a connector that answers so.
fn with<T, F: Future<Output = T>>(version: &str, script: Script, then: impl FnOnce(Management, Scripted) -> F) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let scripted = Scripted {
            script: Arc::new(Mutex::new(script)),
            asked: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(answer).with_state(scripted.clone());
        tokio::spawn(async move { axum_serve(listener, router).await });
        let addresses = Addresses {
            participant: "BPNL000000000DWF".into(),
            management: format!("{base}/management/{version}"),
            signaling: format!("{base}/signaling"),
        };
        let key = Some(SecretString::from("the-key"));
        then(
            Management::new(Transport::new().unwrap(), addresses, key).unwrap(),
            scripted,
        )
        .await
    })
}

async fn axum_serve(listener: tokio::net::TcpListener, router: axum::Router) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let stream = hyper_util::rt::TokioIo::new(stream);
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(stream, service));
    }
}

impl Scripted {
    fn asked(&self) -> Vec<String> {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .map(|(call, _)| call.clone())
            .collect()
    }

    /// What was put is there from now on, as a connector shows it: the asset's members prefixed.
    fn show_what_was_posted(&self) {
        let asked = self.asked.lock().unwrap().clone();
        let posted = asked.into_iter().filter(|(call, _)| call.starts_with("POST"));
        let mut script = self.script.lock().unwrap();
        for (call, body) in posted {
            let kind = call.rsplit('/').next().unwrap();
            let path = format!("GET /management/v4/{kind}/{}", body["@id"].as_str().unwrap());
            script.insert(path.leak(), vec![(200, body)]);
        }
        let asset = script.get_mut("GET /management/v4/assets/asset-1").unwrap();
        asset[0].1["properties"] =
            json!({ "dct:type": { "@id": "cx-taxo:PcfExchange" }, "cx-common:version": "1.2.0", "id": "asset-1" });
    }

    fn empty_the_usage_policy(&self) {
        let mut script = self.script.lock().unwrap();
        let policy = script
            .get_mut("GET /management/v4/policydefinitions/offer-1-usage")
            .unwrap();
        policy[0].1["policy"]["permission"] = json!([]);
        script.insert(
            "PUT /management/v4/policydefinitions/offer-1-usage",
            vec![(204, Value::Null)],
        );
    }

    fn body(&self, call: &str) -> Value {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .find(|(asked, _)| asked == call)
            .unwrap()
            .1
            .clone()
    }
}

const ACCESS: &str = include_str!("../../../fixtures/odrl/dev/pcf-access.json");
const USAGE: &str = include_str!("../../../fixtures/odrl/dev/pcf-usage.json");

async fn publish(management: &Management, version: &str) -> Vec<Change> {
    let publication = Publication {
        offer: &"offer-1".parse().unwrap(),
        asset: &"asset-1".parse().unwrap(),
        version,
        endpoint: "https://tidegate.example/exchange/BPNL000000000DWF",
        access: ACCESS,
        usage: USAGE,
    };
    let published = management.publish(&publication).await.unwrap();
    published.iter().map(|published| published.change).collect()
}

#[test]
fn what_is_not_there_is_created_and_then_left_alone() {
    let created = || vec![(200, json!({ "@id": "x" }))];
    let script = HashMap::from([
        ("POST /management/v4/assets", created()),
        ("POST /management/v4/policydefinitions", created()),
        ("POST /management/v4/contractdefinitions", created()),
        ("PUT /management/v4/assets", vec![(204, Value::Null)]),
    ]);
    with("v4", script, async |management, scripted| {
        assert_eq!(publish(&management, "1.2.0").await, [Change::Created; 4]);
        let asset = scripted.body("POST /management/v4/assets");
        assert_eq!(
            asset["properties"]["http://purl.org/dc/terms/type"]["@id"],
            "https://w3id.org/catenax/taxonomy#PcfExchange"
        );
        scripted.show_what_was_posted();
        assert_eq!(publish(&management, "1.2.0").await, [Change::Unchanged; 4]);
        assert_eq!(publish(&management, "1.3.0").await[0], Change::Updated);
        scripted.empty_the_usage_policy();
        assert_eq!(publish(&management, "1.2.0").await[2], Change::Updated);
    });
}

fn agreement(id: &str, signed: i64) -> Value {
    json!({ "@type": "ContractAgreement", "@id": id, "assetId": "asset-1", "agreementId": "shared",
        "policy": { "@id": "random", "@type": "odrl:Agreement", "odrl:permission": [] },
        "contractSigningDate": signed, "consumerId": "BPNL00000000C3EF", "providerId": "BPNL000000000DWF",
        "@context": { "odrl": "http://www.w3.org/ns/odrl/2/" } })
}

#[test]
fn agreements_are_read_page_by_page_until_those_already_seen() {
    let page: Vec<_> = (0..50)
        .map(|number| agreement(&format!("a-{number}"), 2000 - number))
        .collect();
    let last = json!([agreement("b-1", 1500), { "@id": "../x" }, agreement("b-2", 1400), agreement("b-3", 1300)]);
    let script = HashMap::from([(
        "POST /management/v3/contractagreements/request",
        vec![(200, json!(page)), (200, last)],
    )]);
    with("v3", script, async |management, scripted| {
        let since = jiff::Timestamp::from_second(1400).unwrap();
        let found = management.agreements_since(since).await.unwrap();
        assert_eq!(found.len(), 52);
        assert_eq!(found[51].id.as_str(), "b-2");
        assert!(
            found[0].odrl.contains("@context") && !found[0].odrl.contains("random"),
            "{}",
            found[0].odrl
        );
        assert_eq!(scripted.asked().len(), 2);
        assert_eq!(
            management.retirements().await.unwrap(),
            Retirements::default(),
            "plain EDC knows none"
        );
        assert!(
            !management.retire(&found[0].id, "over").await.unwrap(),
            "nor can it be told of one"
        );
        assert!(!management.is_finalized(&found[0].id).await.unwrap());
    });
}

#[test]
fn a_negotiation_is_followed_to_its_end() {
    let state =
        |state: &str| json!({ "state": state, "contractAgreementId": "agreed", "errorDetail": "not fulfilled" });
    let dataset = json!({ "@id": "asset-1", "dct:type": { "@id": "https://w3id.org/catenax/taxonomy#PcfExchange" },
        "https://w3id.org/catenax/ontology/common#version": "1.2.0", "hasPolicy": { "@id": "offer", "permission": [] } });
    let script = HashMap::from([
        (
            "POST /management/v4/catalog/request",
            vec![(200, json!({ "dataset": dataset }))],
        ),
        (
            "POST /management/v4/contractnegotiations",
            vec![
                (200, json!({ "@id": "n-1" })),
                (200, json!({ "@id": "n-2" })),
                (503, Value::Null),
            ],
        ),
        (
            "GET /management/v4/contractnegotiations/n-1",
            vec![(200, state("REQUESTED")), (503, Value::Null), (200, state("FINALIZED"))],
        ),
        (
            "GET /management/v4/contractnegotiations/n-2",
            vec![(200, state("TERMINATED"))],
        ),
    ]);
    with("v4", script, async |management, scripted| {
        let party = CounterParty {
            partner: "BPNL00000000B2CD".parse().unwrap(),
            participant: "BPNL00000000B2CD".into(),
            dsp: "https://connector.isar.example/dsp/2025-1".into(),
        };
        let catalog = management.catalog(&party).await.unwrap();
        assert!(catalog[0].pcf_exchange && catalog[0].version.as_deref() == Some("1.2.0"));
        let patience = Duration::from_secs(5);
        let agreed = management
            .negotiate(&party, &catalog[0].offers[0], patience)
            .await
            .unwrap();
        assert_eq!(agreed.as_str(), "agreed");
        let sent = scripted.body("POST /management/v4/contractnegotiations");
        assert_eq!(
            (
                &sent["policy"]["@id"],
                &sent["policy"]["assigner"],
                &sent["policy"]["target"]
            ),
            (&json!("offer"), &json!("BPNL00000000B2CD"), &json!("asset-1"))
        );
        let ended = management
            .negotiate(&party, &catalog[0].offers[0], patience)
            .await
            .unwrap_err();
        assert!(ended.to_string().contains("not fulfilled"), "{ended}");
        // What may have begun is not begun again.
        management
            .negotiate(&party, &catalog[0].offers[0], patience)
            .await
            .unwrap_err();
        let begun = scripted
            .asked()
            .iter()
            .filter(|call| call.ends_with("POST /management/v4/contractnegotiations"))
            .count();
        assert_eq!(begun, 3);
    });
}

#[test]
fn the_end_of_a_flow_is_told_in_the_connectors_language() {
    let flow = "f-1".parse().unwrap();
    for (version, calls) in [
        (
            "v3",
            vec![
                "POST /signaling/transferprocess/f-1/fail",
                "POST /signaling/transferprocess/f-1/complete",
            ],
        ),
        (
            "v4",
            vec![
                "POST /signaling/transfers/f-1/dataflow/errored",
                "POST /management/v4/transferprocesses/f-1/terminate",
                "POST /signaling/transfers/f-1/dataflow/completed",
            ],
        ),
    ] {
        // Nothing of it is known there: then there is nothing to tell.
        with(version, HashMap::new(), async |management, scripted| {
            management
                .ended(&flow, Ending::Failed("the agreement was retired"))
                .await
                .unwrap();
            management.ended(&flow, Ending::Completed).await.unwrap();
            assert_eq!(scripted.asked(), calls);
        });
    }
    let script = HashMap::from([(
        "POST /signaling/transferprocess/f-1/fail",
        vec![(500, json!("x\u{7}\ny".repeat(400)))],
    )]);
    let error = with("v3", script, async |management, _| {
        management.ended(&flow, Ending::Failed("retired")).await.unwrap_err()
    });
    assert!(
        error.to_string().len() < 600 && !error.to_string().contains('\n'),
        "{error}"
    );
}

#[test]
fn what_reads_is_asked_again_and_the_key_is_shown_to_nobody_else() {
    let script = HashMap::from([(
        "GET /management/v4/contractagreements/a-1",
        vec![(503, Value::Null), (429, Value::Null), (200, agreement("a-1", 1))],
    )]);
    with("v4", script, async |management, scripted| {
        assert!(management.agreement(&"a-1".parse().unwrap()).await.unwrap().is_some());
        assert_eq!(scripted.asked().len(), 3);
        assert!(management.agreement(&"a-2".parse().unwrap()).await.unwrap().is_none());
        assert!(!format!("{management:?}").contains("the-key"));
    });
}

#[test]
fn a_redirect_is_not_followed() {
    let script = HashMap::from([("GET /management/v4/assets/a", vec![(302, Value::Null)])]);
    with("v4", script, async |management, _| {
        let error = management.get("/assets/a").await.unwrap_err();
        assert!(matches!(error, ManagementError::Refused { status: 302, .. }), "{error}");
    });
}

#[test]
fn only_addresses_of_the_configuration_are_spoken_to() {
    for good in [
        "https://c.example/api/management/v4",
        "http://127.0.0.1:8080/x",
        "http://[::1]:1/x",
        "http://localhost/v3",
    ] {
        assert!(is_address(good), "{good}");
    }
    for bad in [
        "http://c.example/v4",
        "https://c.example/v4/",
        "https://u:p@c.example/v4",
        "https://c.example/v4?x",
        "ftp://c",
        "c.example",
        "",
        "http://127.0.0.1.evil.example/x",
        "https://c.example/#a",
    ] {
        assert!(!is_address(bad), "{bad}");
    }
    let addresses = Addresses {
        participant: "p".into(),
        management: "https://c.example/v4".into(),
        signaling: "https://c.example/signaling".into(),
    };
    let own = addresses.signaling.as_str();
    for (named, used) in [
        (None, own),
        (Some("https://c.example/signaling"), own),
        (Some("https://c.example/signaling/p"), "https://c.example/signaling/p"),
        (Some("https://c.example/signalingx"), own),
        (Some("https://c.example/signaling/../management"), own),
        (Some("https://c.example/signaling/%2e%2e/x"), own),
        (Some("https://c.example/signaling/x?y"), own),
        (Some("https://c.example/signaling@evil.example"), own),
        (Some("https://evil.example/signaling"), own),
        (Some(""), own),
    ] {
        assert_eq!(addresses.callback(named), used, "{named:?}");
    }
}

#[test]
fn retirements_are_read_to_the_end_or_it_is_said_that_they_were_not() {
    const LIST: &str = "POST /management/v3/contractagreements/retirements/request";
    let entry = |number: usize| {
        json!({ "@type": "edc:AgreementsRetirementEntry", "edc:agreementId": format!("a-{number}"),
            "tx:reason": "over", "tx:agreementRetirementDate": 9 })
    };
    let full = json!((0..1_000).map(entry).collect::<Vec<_>>());
    let last = json!([entry(1_000), { "edc:agreementId": "../x" }]);
    let script = HashMap::from([(LIST, vec![(200, full.clone()), (200, last)])]);
    with("v3", script, async |management, scripted| {
        let retired = management.retirements().await.unwrap();
        assert!(retired.known);
        assert_eq!(retired.entries.len(), 1_001);
        assert_eq!(retired.entries[1_000].agreement.as_str(), "a-1000");
        assert_eq!(retired.entries[1_000].reason, "over");
        let asked: Vec<_> = scripted
            .asked
            .lock()
            .unwrap()
            .iter()
            .map(|(_, body)| body["offset"].clone())
            .collect();
        assert_eq!(asked, [0, 1_000]);
    });
    let script = HashMap::from([(LIST, vec![(200, full)])]);
    with("v3", script, async |management, _| {
        let error = management.retirements().await.unwrap_err();
        assert!(error.to_string().contains("more than 100000"), "{error}");
    });
}

#[test]
fn an_agreement_is_retired_where_the_connector_knows_retirement() {
    const RETIRE: &str = "POST /management/v3/contractagreements/retirements";
    let script = HashMap::from([(RETIRE, vec![(204, Value::Null), (409, Value::Null), (500, Value::Null)])]);
    with("v3", script, async |management, scripted| {
        let id = "a-1".parse().unwrap();
        assert!(management.retire(&id, "over").await.unwrap());
        let sent = scripted.body(RETIRE);
        assert_eq!(sent["https://w3id.org/edc/v0.0.1/ns/agreementId"], "a-1");
        assert_eq!(sent["https://w3id.org/tractusx/v0.0.1/ns/reason"], "over");
        assert!(management.retire(&id, "over").await.unwrap(), "it is retired already");
        management.retire(&id, "over").await.unwrap_err();
    });
}

#[test]
fn only_what_tidegate_made_and_no_longer_wants_is_withdrawn() {
    let definition = |id: &str, access: &str, usage: &str, asset: &str| {
        json!({ "@id": id, "accessPolicyId": access, "contractPolicyId": usage,
            "assetsSelector": [{ "operandLeft": "id", "operator": "=", "operandRight": asset }] })
    };
    let own = |id: &str, asset: &str| definition(id, &format!("{id}-access"), &format!("{id}-usage"), asset);
    let leads = |to: &str| vec![(200, json!({ "dataAddress": { "baseUrl": to } }))];
    let wide = json!({ "@id": "wide", "accessPolicyId": "wide-access", "contractPolicyId": "wide-usage", "assetsSelector": [] });
    let script = HashMap::from([
        (
            "POST /management/v4/contractdefinitions/request",
            vec![(
                200,
                json!([
                    own("kept", "asset-1"),
                    own("gone", "asset-1"),
                    own("gone-too", "asset-2"),
                    own("theirs", "asset-3"),
                    own("nowhere", "asset-4"),
                    definition("by-hand", "some", "other", "asset-1"),
                    wide,
                ]),
            )],
        ),
        (
            "GET /management/v4/assets/asset-1",
            leads("https://old.example/exchange/BPNL000000000DWF"),
        ),
        (
            "GET /management/v4/assets/asset-2",
            leads("https://t.example/exchange/BPNL000000000DWF"),
        ),
        (
            "GET /management/v4/assets/asset-3",
            leads("https://t.example/exchange/BPNL00000000B2CD"),
        ),
        (
            "DELETE /management/v4/contractdefinitions/gone",
            vec![(204, Value::Null)],
        ),
        (
            "DELETE /management/v4/policydefinitions/gone-access",
            vec![(409, Value::Null)],
        ),
        (
            "DELETE /management/v4/policydefinitions/gone-usage",
            vec![(204, Value::Null)],
        ),
        (
            "DELETE /management/v4/contractdefinitions/gone-too",
            vec![(204, Value::Null)],
        ),
        ("DELETE /management/v4/assets/asset-2", vec![(409, Value::Null)]),
    ]);
    with("v4", script, async |management, scripted| {
        let (offer, asset) = ("kept".parse().unwrap(), "asset-1".parse().unwrap());
        let kept = Kept {
            offers: [&offer].into(),
            assets: [&asset].into(),
            endpoint: "/exchange/BPNL000000000DWF",
        };
        let gone = management.withdraw(&kept).await.unwrap();
        let gone: Vec<_> = gone.iter().map(ToString::to_string).collect();
        assert_eq!(
            gone,
            [
                "contractdefinitions/gone withdrawn",
                "policydefinitions/gone-usage withdrawn",
                "contractdefinitions/gone-too withdrawn",
            ]
        );
        let mut deleted = scripted.asked();
        deleted.retain(|call| call.starts_with("DELETE"));
        assert_eq!(
            deleted.len(),
            7,
            "nothing of the others, and no asset that is still offered: {deleted:?}"
        );
    });
    // A connector that cannot list them has nothing withdrawn, and one that will not give one up is told of.
    with("v4", HashMap::new(), async |management, _| {
        assert_eq!(management.withdraw(&Kept::default()).await.unwrap(), []);
    });
}

#[test]
fn an_address_is_fetched_where_the_connector_keeps_it() {
    const EDR: &str = "GET /management/v3/edrs/t-1/dataaddress";
    let address = json!({ "@type": "DataAddress", "endpoint": "https://p.example", "authorization": "t" });
    let not_yet = json!([{ "message": "no", "type": "ObjectNotFound", "path": null, "invalidValue": null }]);
    let script = HashMap::from([(
        EDR,
        vec![(404, not_yet), (200, address), (200, json!({})), (404, json!("<html>"))],
    )]);
    with("v3", script, async |management, _| {
        let flow = "t-1".parse().unwrap();
        assert!(matches!(management.handed(&flow).await, Ok(Handed::NotYet)));
        match management.handed(&flow).await.unwrap() {
            Handed::At(address) => assert_eq!(address.endpoint(), Some("https://p.example")),
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            management.handed(&flow).await,
            Err(ManagementError::Unreadable { .. })
        ));
        assert!(matches!(management.handed(&flow).await, Ok(Handed::NoStore)));
        assert!(matches!(
            management.handed(&"t-2".parse().unwrap()).await,
            Ok(Handed::NoStore)
        ));
    });
}

#[test]
fn a_connector_gets_so_much_time_and_no_more() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        // Accepts, and never answers.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let addresses = Addresses {
            participant: "p".into(),
            management: format!("{base}/v4"),
            signaling: base,
        };
        let management = Management::new(Transport::new().unwrap(), addresses, None).unwrap();
        let management = management.within(Duration::from_millis(200));
        let begun = std::time::Instant::now();
        for _ in 0..3 {
            let error = management.retirements().await.unwrap_err();
            assert!(
                matches!(error, ManagementError::OutOfTime(_)) && error.is_silence(),
                "{error}"
            );
        }
        assert!(begun.elapsed() < Duration::from_secs(3));
    });
}

#[test]
fn only_what_lies_in_an_agreement_is_taken_for_its_end() {
    let refused = |status| ManagementError::refused(status, "POST /transferprocesses", b"");
    for status in [400, 404, 409] {
        assert!(refused(status).is_of_the_agreement(), "{status}");
    }
    for status in [401, 403, 408, 429, 500, 502, 503] {
        assert!(!refused(status).is_of_the_agreement(), "{status}");
    }
    let (what, state) = ("transfer", String::new());
    assert!(!ManagementError::Unreachable(String::new()).is_of_the_agreement());
    assert!(!ManagementError::OutOfTime(String::new()).is_of_the_agreement());
    let late = ManagementError::Late {
        what,
        state: state.clone(),
        seconds: 1,
    };
    assert!(!late.is_of_the_agreement());
    let ended = ManagementError::Ended {
        what,
        state: state.clone(),
        detail: state,
    };
    assert!(ended.is_of_the_agreement());
}

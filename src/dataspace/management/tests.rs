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

mod ends;

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

fn isar() -> CounterParty {
    CounterParty {
        participant: "BPNL00000000B2CD".into(),
        dsp: "https://connector.isar.example/dsp/2025-1".into(),
    }
}

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
        let party = isar();
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

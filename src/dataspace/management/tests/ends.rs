//! What ends: retirements, offers withdrawn, addresses of transfers, and the time there is for a connector.

use super::*;

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

#[test]
fn a_negotiation_that_takes_too_long_is_ended_so_that_it_becomes_no_contract() {
    const NEGOTIATIONS: &str = "/management/v4/contractnegotiations";
    let dataset = json!({ "@id": "asset-1", "hasPolicy": { "@id": "offer", "permission": [] } });
    let script = HashMap::from([
        (
            "POST /management/v4/catalog/request",
            vec![(200, json!({ "dataset": dataset }))],
        ),
        (
            "POST /management/v4/contractnegotiations",
            vec![(200, json!({ "@id": "n-1" }))],
        ),
        (
            "GET /management/v4/contractnegotiations/n-1",
            vec![(500, Value::Null), (200, json!({ "state": "REQUESTED" }))],
        ),
        (
            "POST /management/v4/contractnegotiations/n-1/terminate",
            vec![(204, Value::Null)],
        ),
    ]);
    with("v4", script, async |management, scripted| {
        let party = isar();
        let catalog = management.catalog(&party).await.unwrap();
        let patience = Duration::from_secs(2);
        let late = management
            .negotiate(&party, &catalog[0].offers[0], patience)
            .await
            .unwrap_err();
        assert!(matches!(late, ManagementError::Late { .. }), "{late}");
        let ended = scripted.body(&format!("POST {NEGOTIATIONS}/n-1/terminate"));
        assert_eq!(ended["@type"], "TerminateNegotiation");
    });
}

//! Contract texts are held to what is on record: agreements to their parties and their asset, the policies of offers to their
//! places.

use super::*;
use crate::contract::Kind;
use crate::ids::Bpnl;
use crate::registry::{Offer, Partner};

/// The usage policy as an agreement that names whom and what it names.
fn agreed(named: &str) -> NewAgreement {
    let text = USAGE.replacen(r#""@type": "Set""#, &format!(r#""@type": "Agreement", {named}"#), 1);
    assert_ne!(text, USAGE);
    NewAgreement {
        odrl: text.into(),
        ..agreement("a-1")
    }
}

fn partner(bpnl: &str, did: &str) -> Partner {
    Partner {
        bpnl: bpnl.parse::<Bpnl>().unwrap(),
        name: bpnl.to_owned(),
        membership: "active".to_owned(),
        frameworks: Default::default(),
        region: None,
        affiliates: Default::default(),
        dsp: None,
        did: Some(did.parse().unwrap()),
    }
}

#[tokio::test]
async fn an_agreement_is_between_those_and_about_what_its_text_names() {
    let home = Home::new(On::Sqlite).await;
    let store = open(&home).await;
    let partners = [
        partner("BPNL00000000C3EF", "did:web:weser.example"),
        partner("BPNL00000003CRHK", "did:web:other.example"),
        partner(PROVIDER, "did:web:elbe.example"),
    ];
    store.seed(&[world()], &partners).await.unwrap();
    let both = r#""assigner": "BPNL000000000DWF", "target": "pcf""#;
    for named in [
        format!(r#"{both}, "assignee": "BPNL00000000C3EF""#),
        format!(r#"{both}, "assignee": {{"@id": "did:web:weser.example"}}"#),
        r#""assigner": "did:web:elbe.example", "assignee": "did:web:weser.example""#.to_owned(),
        r#""uid": "urn:names:nobody""#.to_owned(),
    ] {
        let examined = store.examine(&agreed(&named)).await.unwrap().unwrap();
        let plain = Terms::from_odrl(USAGE).unwrap();
        assert_eq!(examined.terms.digest(), plain.digest(), "{named}");
        assert!(examined.terms.parties().is_none(), "many agreements share them");
    }
    let consumer = "must be the consumer, BPNL00000000C3EF, or the DID on record of this partner";
    for (named, said) in [
        (r#""assignee": "BPNL00000003CRHK""#, consumer),
        (r#""assignee": "did:web:other.example""#, consumer),
        (r#""assignee": "did:web:nobody.example""#, consumer),
        (
            r#""assignee": "Weser""#,
            "$.assignee: `assignee` is `Weser`, and must be the consumer",
        ),
        (
            r#""assigner": "BPNL00000003CRHK""#,
            "must be the provider, BPNL000000000DWF",
        ),
        (
            r#""assigner": "did:web:weser.example""#,
            "must be the provider, BPNL000000000DWF",
        ),
        (
            r#""target": "another""#,
            "$.target: `target` is `another`, and must be the asset of the agreement, `pcf`",
        ),
    ] {
        let error = store.examine(&agreed(named)).await.unwrap_err().to_string();
        assert!(
            error.contains("the agreement `a-1`") && error.contains(said),
            "{named}: {error}"
        );
    }
    // Nor is an access policy what anyone agreed to.
    let access = NewAgreement {
        odrl: include_str!("../../../../fixtures/odrl/dev/pcf-access.json").into(),
        ..agreement("a-1")
    };
    let error = store.examine(&access).await.unwrap_err().to_string();
    assert!(error.contains("and a usage policy belongs here"), "{error}");
}

on_both!(an_offer_has_a_policy_of_each_kind_each_in_its_place);

async fn an_offer_has_a_policy_of_each_kind_each_in_its_place(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let terms = |text: &str| Arc::new(Terms::from_odrl(text).unwrap());
    let offer = |access: &str| Offer {
        id: "o-1".parse().unwrap(),
        provider: provider(),
        asset: "pcf".parse().unwrap(),
        access_terms: terms(access),
        usage_terms: terms(USAGE),
        access_odrl: access.into(),
        usage_odrl: USAGE.into(),
    };
    let offering = |offer: Offer| {
        let mut world = world();
        world.offers.insert_mut(offer.id.clone(), Arc::new(offer));
        world
    };
    let wrong = offering(offer(USAGE));
    let held = &wrong.offers.values().next().unwrap().access_terms;
    assert_eq!(held.kind(), Kind::Usage);
    let said = store.seed(&[wrong], &[]).await.unwrap_err().to_string();
    assert!(
        said.contains("the access policy of the offer `o-1` has terms"),
        "{said}"
    );
    assert!(said.contains("an access policy belongs here"), "{said}");
    assert!(store.current().tenant(provider()).unwrap().offers.is_empty());
    // One that came into the table in another way is refused by the next start.
    let good = offering(offer(include_str!("../../../../fixtures/odrl/dev/pcf-access.json")));
    store.seed(&[good], &[]).await.unwrap();
    close(store).await;
    home.edit(FILE, "UPDATE offer SET access_odrl = usage_odrl").await;
    let said = RegistryStore::open(home.place()).await.unwrap_err().to_string();
    assert!(said.contains("an access policy belongs here"), "{said}");
}

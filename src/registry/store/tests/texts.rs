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
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
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

#[tokio::test]
async fn an_offer_in_the_file_has_a_policy_of_each_kind_each_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let usage = Arc::new(Terms::from_odrl(USAGE).unwrap());
    let mut wrong = world();
    let offer = Offer {
        id: "o-1".parse().unwrap(),
        provider: provider(),
        asset: "pcf".parse().unwrap(),
        access_terms: Arc::clone(&usage),
        usage_terms: usage,
        access_odrl: USAGE.into(),
        usage_odrl: USAGE.into(),
    };
    assert_eq!(offer.access_terms.kind(), Kind::Usage);
    wrong.offers.insert_mut(offer.id.clone(), Arc::new(offer));
    store.seed(&[wrong], &[]).await.unwrap();
    close(store).await;
    let error = RegistryStore::open(directory.path()).await.unwrap_err().to_string();
    assert!(
        error.contains("the access policy of the offer `o-1` has terms"),
        "{error}"
    );
    assert!(error.contains("an access policy belongs here"), "{error}");
}

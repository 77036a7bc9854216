//! What a document brings, and what is wrong with one.

use super::*;
use crate::contract::Kind;
use serde_json::{Value, json};

fn document() -> Value {
    let usage: Value = serde_json::from_str(include_str!("../../../fixtures/odrl/dev/pcf-usage.json")).unwrap();
    let access: Value = serde_json::from_str(include_str!("../../../fixtures/odrl/dev/pcf-access.json")).unwrap();
    let elbe = "BPNL000000000DWF";
    json!({
        "tenants": [{
            "id": elbe, "name": "Elbe", "state": "active",
            "identity": {"issuer": "https://i.example", "jwks": "https://i.example/jwks", "resource_server": elbe,
                "connectors": [], "integrations": [], "user_clients": []},
            "connector": {"participant": elbe, "dsp": "https://c.example/dsp", "management": "https://c.example/m",
                "signaling": "https://c.example/s", "secret": "connector-key"}
        }],
        "partners": [{
            "bpnl": "BPNL00000000C3EF", "name": "Weser", "membership": "active", "frameworks": [],
            "region": "cx.region.europe:1", "affiliates": ["BPNL00000000D4GH"], "dsp": "https://w.example/dsp"
        }],
        "assets": [{"id": "pcf", "provider": elbe, "api": "1.3.0", "version": "1.0"}],
        "relations": [{"provider": elbe, "partner": "BPNL00000000C3EF", "groups": ["gold"], "contracts": ["c-7"]}],
        "offers": [{"id": "o-1", "provider": elbe, "asset": "pcf", "access": access, "usage": usage}],
        "agreements": [{
            "id": "a-1", "provider": elbe, "consumer": "BPNL00000000C3EF", "asset": "pcf", "state": "active",
            "signed_at": "2026-11-01T00:00:00Z", "odrl": usage, "claims": {"membership": "active"},
            "signed": {"api": "1.3.0", "asset": "1.0", "models": ["9.0.0", "10.0.0"]}
        }]
    })
}

fn seed(document: &Value) -> Result<Seed, WorldError> {
    WorldDocument::read(document.to_string().as_bytes())?.seed()
}

#[test]
fn a_document_brings_all_it_names_each_in_its_tenants_world() {
    let document = document();
    let Seed {
        worlds,
        partners,
        agreements,
    } = seed(&document).unwrap();
    let [world] = worlds.as_slice() else {
        panic!("one tenant")
    };
    let asset = world.assets.get(&"pcf".parse().unwrap()).unwrap();
    assert_eq!((asset.api.full(), asset.version.full()), ("1.3.0", "1.0"));
    let relation = world.relations.get(&"BPNL00000000C3EF".parse().unwrap()).unwrap();
    assert!(relation.groups.contains("gold") && relation.contracts.contains("c-7"));
    assert!(world.offers.contains_key(&"o-1".parse().unwrap()));
    let connector = world.tenant.connector.as_ref().unwrap();
    assert_eq!(
        connector.secret.as_ref().map(|name| name.as_str()),
        Some("connector-key")
    );
    assert_eq!(partners[0].affiliates.len(), 1);
    // Agreements come on record one by one, with their texts to the byte.
    assert!(world.agreements.is_empty());
    let [agreement] = agreements.as_slice() else {
        panic!("one agreement")
    };
    let text = document["agreements"][0]["odrl"].to_string();
    assert_eq!(&*agreement.odrl, text);
    assert_eq!(agreement.claims.as_deref(), Some(r#"{"membership":"active"}"#));
    assert_eq!(agreement.signed.as_ref().unwrap().models.len(), 2);
}

/// An access policy of before there was an action `access`; and policies may name what they are about.
#[test]
fn policies_of_offers_may_be_old_and_may_say_whose_they_are() {
    let mut document = document();
    document["offers"][0]["access"] = json!({
        "@context": {"cx-policy": "https://w3id.org/catenax/policy/"}, "target": "pcf",
        "permission": [{"action": "use", "constraint":
            [{"leftOperand": "cx-policy:Membership", "operator": "eq", "rightOperand": "active"}]}]
    });
    document["offers"][0]["usage"]["assigner"] = json!("BPNL000000000DWF");
    let world = seed(&document).unwrap().worlds.remove(0);
    let offer = world.offers.get(&"o-1".parse().unwrap()).unwrap();
    let kinds = [&offer.access_terms, &offer.usage_terms].map(|terms| terms.kind());
    assert_eq!(kinds, [Kind::Access, Kind::Usage]);
}

#[test]
fn what_is_wrong_with_a_document_is_named() {
    type Change = fn(&mut Value);
    let wrong: [(&str, Change, &str); 12] = [
        (
            "two groups in one",
            |all| all["relations"][0]["groups"] = json!(["gold,silver"]),
            "has the group \"gold,silver\", which no policy can name: there is a comma in it",
        ),
        (
            "a usage policy for access",
            |all| all["offers"][0]["access"] = all["offers"][0]["usage"].clone(),
            "the access policy of the offer `o-1`: $.permission[0].action: the action `use` makes this a usage policy",
        ),
        (
            "an access policy for use",
            |all| all["offers"][0]["usage"] = all["offers"][0]["access"].clone(),
            "the usage policy of the offer `o-1`: $.permission[0].action: the action `access` makes this an access policy",
        ),
        (
            "an offer for one company only",
            |all| all["offers"][0]["usage"]["assignee"] = json!("BPNL00000000C3EF"),
            "the usage policy of the offer `o-1`: $.assignee: `assignee` says for whom",
        ),
        (
            "a policy on another asset",
            |all| all["offers"][0]["access"]["permission"][0]["target"] = json!("another"),
            "the access policy of the offer `o-1`: $.permission[0].target: `target` is `another`, and must be the asset of \
             the offer, `pcf`",
        ),
        (
            "a policy of another company",
            |all| all["offers"][0]["usage"]["assigner"] = json!("BPNL00000000NNNN"),
            "$.assigner: `assigner` is `BPNL00000000NNNN`, and must be the company that offers",
        ),
        (
            "an asset of nobody",
            |all| all["assets"][0]["provider"] = json!("BPNL00000000NNNN"),
            "the asset `pcf`",
        ),
        (
            "a relation of nobody",
            |all| all["relations"][0]["provider"] = json!("BPNL00000000NNNN"),
            "the relation",
        ),
        (
            "an agreement of nobody",
            |all| all["agreements"][0]["provider"] = json!("BPNL00000000NNNN"),
            "`a-1`",
        ),
        (
            "terms that are none",
            |all| all["agreements"][0]["odrl"] = json!({}),
            "the agreement `a-1`",
        ),
        (
            "a version that is none",
            |all| all["assets"][0]["api"] = json!("v1"),
            "not a version",
        ),
        (
            "a member nobody knows",
            |all| all["assets"][0]["type"] = json!("Pcf"),
            "unknown field",
        ),
    ];
    for (what, change, expected) in wrong {
        let mut document = document();
        change(&mut document);
        let said = seed(&document).unwrap_err().to_string();
        assert!(said.contains(expected), "{what}: {said}");
    }
}

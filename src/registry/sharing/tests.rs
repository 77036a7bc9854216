//! What of an issuer two tenants may have in common.

use super::*;
use serde_json::{Value, json};

const A: &str = "BPNL000000000DWF";
const B: &str = "BPNL00000003CRHK";

/// A tenant of the shared issuer with a connector and a supplier system of its own, whose people use the shared client.
fn tenant(id: &str, change: Value) -> Tenant {
    let mut identity = json!({
        "issuer": "https://issuer.example/pool", "jwks": "https://issuer.example/jwks", "resource_server": id,
        "connectors": [format!("edc-{id}")], "integrations": [format!("erp-{id}")], "user_clients": ["people"],
        "groups": "prefixed"
    });
    for (name, value) in change.as_object().unwrap() {
        identity[name] = value.clone();
    }
    serde_json::from_value(json!({"id": id, "name": id, "state": "active", "identity": identity})).unwrap()
}

fn refused(one: Value, other: Value) -> Option<Shared> {
    let (one, other) = (tenant(A, one), tenant(B, other));
    let found = apart([&one, &other]).err();
    // Whoever stands first.
    assert_eq!(apart([&other, &one]).err(), found);
    found
}

#[test]
fn an_issuer_and_a_peoples_client_may_be_shared_where_groups_say_whose_they_are() {
    assert_eq!(refused(json!({}), json!({})), None);
    let own = json!({"groups": "own"});
    for (one, other) in [
        (own.clone(), json!({})),
        (json!({}), own.clone()),
        (own.clone(), own.clone()),
    ] {
        let found = refused(one, other).unwrap();
        assert!(matches!(&found, Shared::People { .. }), "{found}");
        let text = found.to_string();
        for part in [
            A,
            B,
            "https://issuer.example/pool",
            "`people`",
            r#""groups": "prefixed""#,
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    // Another client, or another issuer, and each may name its groups as it likes.
    let another = json!({"groups": "own", "user_clients": ["others"]});
    assert_eq!(refused(another, own.clone()), None);
    let another = json!({"groups": "own", "issuer": "https://issuer.example/pool/"});
    assert_eq!(refused(another, own), None);
}

#[test]
fn no_machine_and_no_resource_server_is_of_two_tenants() {
    let edc = format!("edc-{A}");
    for shared in [
        json!({"connectors": [edc.clone()]}),
        json!({"integrations": [edc.clone()]}),
        json!({"user_clients": [edc.clone()]}),
        json!({"integrations": [format!("erp-{A}")]}),
        json!({"connectors": [format!("erp-{A}")]}),
        json!({"connectors": ["people"]}),
    ] {
        let found = refused(json!({}), shared.clone()).unwrap();
        assert!(matches!(&found, Shared::Machine { .. }), "{shared}: {found}");
        let mut other = shared.clone();
        other["issuer"] = json!("https://issuer.example/other");
        assert_eq!(refused(json!({}), other), None, "{shared}");
    }
    let found = refused(json!({}), json!({"resource_server": A})).unwrap();
    assert!(matches!(&found, Shared::ResourceServer { .. }), "{found}");
    assert!(
        found.to_string().contains(A) && found.to_string().contains(B),
        "{found}"
    );
}

#[test]
fn of_many_tenants_any_two_are_held_apart() {
    let mut all: Vec<Tenant> = (0..50).map(|n| tenant(&format!("BPNL{n:012}"), json!({}))).collect();
    assert_eq!(apart(&all), Ok(()));
    all.push(tenant(A, json!({"groups": "own"})));
    assert!(matches!(apart(&all), Err(Shared::People { .. })));
}

#[test]
fn what_was_written_before_there_were_shared_pools_reads_as_own() {
    let old = json!({
        "id": A, "name": A, "state": "active",
        "identity": {"issuer": "i", "jwks": "j", "resource_server": "r", "connectors": [], "integrations": [], "user_clients": []}
    });
    let tenant: Tenant = serde_json::from_value(old.clone()).unwrap();
    assert_eq!(tenant.identity.groups, GroupNames::Own);
    // And is written as before, so that a version of before reads it.
    assert_eq!(serde_json::to_value(&tenant).unwrap()["identity"], old["identity"]);
    let wrong = json!({"groups": "shared"});
    let read = |groups: &Value| {
        let mut document = old.clone();
        document["identity"]["groups"] = groups["groups"].clone();
        serde_json::from_value::<Tenant>(document)
    };
    assert!(read(&wrong).is_err());
    assert_eq!(
        read(&json!({"groups": "prefixed"})).unwrap().identity.groups,
        GroupNames::Prefixed
    );
}

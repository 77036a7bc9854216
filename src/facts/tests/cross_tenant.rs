//! A token of one tenant is worth nothing at another, whichever single part sets the two apart.

use serde_json::json;

use super::{KEY, OTHER_KEY, changed, facts, machine_claims, now, token, user_claims, verifier};
use crate::facts::{KeySet, TenantFacts, TokenError};

/// A change to a tenant's facts.
type Differs = fn(&mut TenantFacts);

/// The neighbour: tenant B, alike to tenant A in all but what `differs` changes.
fn neighbour(differs: Differs) -> TenantFacts {
    let mut facts = facts();
    facts.tenant = "BPNL00000000CRHK".parse().unwrap();
    differs(&mut facts);
    facts
}

#[test]
fn one_part_that_differs_is_enough_to_refuse_a_machine() {
    let foreign = token(&machine_claims());
    assert!(
        verifier(facts(), &KEY)
            .verify_machine(&foreign, "pcf.read", now())
            .is_ok()
    );
    let parts: [(Differs, TokenError); 4] = [
        (|facts| facts.issuer.push_str("-b"), TokenError::Issuer),
        (|facts| facts.machines.clear(), TokenError::Client),
        (
            |facts| facts.resource_server = "https://tidegate.example/exchange/B".to_owned(),
            TokenError::Scope,
        ),
        (|facts| facts.resource_server.push('0'), TokenError::Scope),
    ];
    for (differs, cause) in parts {
        let found = verifier(neighbour(differs), &KEY).verify_machine(&foreign, "pcf.read", now());
        assert_eq!(found, Err(cause));
    }
    let found = verifier(neighbour(|_| ()), &OTHER_KEY).verify_machine(&foreign, "pcf.read", now());
    assert_eq!(found, Err(TokenError::UnknownKey));
}

#[test]
fn one_part_that_differs_is_enough_to_refuse_a_person() {
    let foreign = token(&user_claims());
    assert!(verifier(facts(), &KEY).verify_user(&foreign, now()).is_ok());
    let parts: [(Differs, TokenError); 2] = [
        (|facts| facts.issuer.push_str("-b"), TokenError::Issuer),
        (|facts| facts.user_clients.clear(), TokenError::Client),
    ];
    for (differs, cause) in parts {
        assert_eq!(
            verifier(neighbour(differs), &KEY).verify_user(&foreign, now()),
            Err(cause)
        );
    }
    let found = verifier(neighbour(|_| ()), &OTHER_KEY).verify_user(&foreign, now());
    assert_eq!(found, Err(TokenError::UnknownKey));
}

#[test]
fn another_key_under_the_same_id_does_not_verify() {
    let impostor = OTHER_KEY.jwks().replace(OTHER_KEY.id(), KEY.id());
    let verifier = verifier(facts(), &KEY).with_keys(KeySet::parse(&impostor).unwrap());
    let found = verifier.verify_machine(&token(&machine_claims()), "pcf.read", now());
    assert_eq!(found, Err(TokenError::Signature));
}

#[test]
fn in_a_shared_pool_neither_client_nor_scope_alone_opens_the_endpoint() {
    let own_scope = "https://tidegate.example/exchange/BPNL000000000DWF/pcf.read";
    let verifier = verifier(facts(), &KEY);
    for (change, cause) in [
        (
            json!({ "client_id": "b", "sub": "b", "scope": "https://tidegate.example/exchange/B/pcf.read" }),
            TokenError::Client,
        ),
        (
            json!({ "client_id": "b", "sub": "b", "scope": own_scope }),
            TokenError::Client,
        ),
        (
            json!({ "scope": "https://tidegate.example/exchange/B/pcf.read" }),
            TokenError::Scope,
        ),
    ] {
        let token = token(&changed(machine_claims(), change));
        assert_eq!(verifier.verify_machine(&token, "pcf.read", now()), Err(cause));
    }
}

#[test]
fn fresh_keys_replace_the_old_ones() {
    let old = verifier(facts(), &OTHER_KEY);
    let foreign = token(&machine_claims());
    assert_eq!(
        old.verify_machine(&foreign, "pcf.read", now()),
        Err(TokenError::UnknownKey)
    );
    let fresh = old.with_keys(KeySet::parse(&KEY.jwks()).unwrap());
    assert!(fresh.verify_machine(&foreign, "pcf.read", now()).is_ok());
}

//! Laws of EDR tokens.

mod hostile;
mod narrowing;
mod samples;

use biscuit_auth::UnverifiedBiscuit;
use biscuit_auth::builder::BlockBuilder;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

use super::{EdrError, EdrKeys, EdrVerifier, Grant, Operation, Use};
use crate::ids::{Digest, PcfId, TenantId};

const ELBE: &str = "BPNL000000000DWF";
const ISAR: &str = "BPNL00000000B2CD";
const WESER: &str = "BPNL00000000C3EF";
const PCF: &str = "3893bb5d-da16-4dc1-9185-11d97476c254";

fn now() -> Timestamp {
    "2026-11-25T09:00:00Z".parse().unwrap()
}

fn after(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

fn keys() -> EdrKeys {
    EdrKeys::from_seed(&[7; 32], 1)
}

fn endpoint(tenant: TenantId) -> String {
    format!("https://tidegate.example/exchange/{tenant}")
}

/// What a supplier grants Weser for an hour.
fn grant(tenant: &str) -> Grant {
    let tenant: TenantId = tenant.parse().unwrap();
    Grant {
        tenant,
        endpoint: endpoint(tenant).into(),
        consumer: WESER.parse().unwrap(),
        agreement: "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1001".parse().unwrap(),
        asset: "asset-ethanol".parse().unwrap(),
        purpose: "cx.pcf.base:1".into(),
        terms: Digest::of(b"terms"),
        flow: "a7d61e20-8512-4322-ac96-3988a61f7d55".into(),
        expires: after(60),
    }
}

fn token(grant: &Grant) -> String {
    keys().mint(grant).unwrap().token.expose_secret().to_owned()
}

fn verifier(tenant: &str) -> EdrVerifier {
    let tenant = tenant.parse().unwrap();
    keys().verifier(tenant, &endpoint(tenant)).unwrap()
}

/// The token with a block appended, as its holder does it, without any key.
fn appended(token: &str, block: BlockBuilder) -> String {
    let token = UnverifiedBiscuit::from_base64(token).unwrap();
    token.append(block).unwrap().to_base64().unwrap()
}

fn code(source: &str) -> BlockBuilder {
    BlockBuilder::new().code(source).unwrap()
}

fn fetch(pcf: &PcfId, now: Timestamp) -> Use<'_> {
    Use {
        now,
        operation: Operation::Read,
        pcf: Some(pcf),
        product: None,
        recipient: WESER.parse().unwrap(),
    }
}

#[test]
fn a_token_says_what_was_granted_until_its_end() {
    let grant = grant(ELBE);
    let token = token(&grant);
    assert!(token.len() < 1200, "{}", token.len());
    assert!(!token.contains(['.', '=']));
    let edr = verifier(ELBE).verify(&token, now()).unwrap();
    assert_eq!(edr.grant(), &grant);
    assert_eq!(edr.permits(&fetch(&PCF.parse().unwrap(), after(59))), Ok(()));
    assert_eq!(
        edr.permits(&fetch(&PCF.parse().unwrap(), after(60))),
        Err(EdrError::Narrowed)
    );
    assert!(
        verifier(ELBE)
            .verify(&token, after(60) - SignedDuration::from_millis(1))
            .is_ok()
    );
    assert_eq!(verifier(ELBE).verify(&token, after(60)).unwrap_err(), EdrError::Expired);
}

#[test]
fn two_tokens_of_one_grant_are_revoked_apart_and_what_is_narrowed_keeps_its_first_id() {
    let (one, two) = (keys().mint(&grant(ELBE)).unwrap(), keys().mint(&grant(ELBE)).unwrap());
    assert_ne!(one.id, two.id);
    let narrowed = appended(one.token.expose_secret(), code("check if operation(\"read\");"));
    let ids = verifier(ELBE).verify(&narrowed, now()).unwrap().revocation_ids();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], one.id);
}

#[test]
fn a_token_is_good_at_no_other_tenant() {
    let tenants: Vec<String> = (0..8).map(|number| format!("BPNL00000000000{number}")).collect();
    for own in &tenants {
        let token = token(&grant(own));
        for at in &tenants {
            let found = verifier(at).verify(&token, now()).map(drop);
            let expected = if own == at { Ok(()) } else { Err(EdrError::Signature) };
            assert_eq!(found, expected, "{own} at {at}");
        }
    }
}

#[test]
fn a_tenant_cannot_be_named_by_the_key_of_another() {
    // Were a root key to sign for another tenant, or another endpoint, by mistake: the second lock.
    let mut wrong = grant(ELBE);
    wrong.endpoint = endpoint(ISAR.parse().unwrap()).into();
    assert_eq!(
        verifier(ELBE).verify(&token(&wrong), now()).unwrap_err(),
        EdrError::Endpoint
    );
    let at_isar = keys()
        .verifier(ELBE.parse().unwrap(), &endpoint(ISAR.parse().unwrap()))
        .unwrap();
    assert_eq!(
        at_isar.verify(&token(&grant(ELBE)), now()).unwrap_err(),
        EdrError::Endpoint
    );
}

#[test]
fn a_generation_is_good_for_one_more_and_then_gone() {
    let seed = [7; 32];
    let minted = EdrKeys::from_seed(&seed, 4).mint(&grant(ELBE)).unwrap();
    let tenant: TenantId = ELBE.parse().unwrap();
    for (generation, expected) in [
        (3, Err(EdrError::Generation)),
        (4, Ok(())),
        (5, Ok(())),
        (6, Err(EdrError::Generation)),
    ] {
        let verifier = EdrKeys::from_seed(&seed, generation)
            .verifier(tenant, &endpoint(tenant))
            .unwrap();
        let found = verifier.verify(minted.token.expose_secret(), now()).map(drop);
        assert_eq!(found, expected, "{generation}");
    }
    let other = EdrKeys::from_seed(&[8; 32], 4)
        .verifier(tenant, &endpoint(tenant))
        .unwrap();
    assert_eq!(
        other.verify(minted.token.expose_secret(), now()).unwrap_err(),
        EdrError::Signature
    );
}

#[test]
fn every_cause_has_its_own_code_and_a_refusal_one_face() {
    let codes: std::collections::BTreeSet<_> = EdrError::ALL.iter().map(|cause| cause.code()).collect();
    assert_eq!(codes.len(), EdrError::ALL.len());
    let refusals = EdrError::ALL
        .iter()
        .filter(|cause| ![EdrError::Timeout, EdrError::Mint].contains(cause));
    assert!(
        refusals
            .clone()
            .all(|cause| cause.to_string() == "the bearer token is not valid here")
    );
    assert_eq!(refusals.count(), EdrError::ALL.len() - 2);
}

#[test]
fn nothing_printed_for_debugging_holds_a_token() {
    let minted = keys().mint(&grant(ELBE)).unwrap();
    let token = minted.token.expose_secret().to_owned();
    let edr = verifier(ELBE).verify(&token, now()).unwrap();
    let shown = format!("{minted:?} {edr:?} {:?} {:?}", verifier(ELBE), keys());
    let tail: String = token
        .chars()
        .rev()
        .take(16)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    assert!(!shown.contains(&tail), "{shown}");
    assert!(!shown.contains(&token));
}

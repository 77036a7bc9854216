//! Times, revocation and the deny list.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{KEY, NOW, changed, facts, machine, machine_claims, now, token, verifier};
use crate::facts::{TokenError, TokenId};

fn check(change: Value, expected: Result<(), TokenError>) {
    let found = machine(&changed(machine_claims(), change.clone())).map(|_| ());
    assert_eq!(found, expected, "{change}");
}

#[test]
fn a_token_lives_from_iat_to_exp_with_thirty_seconds_of_leeway() {
    check(json!({ "iat": NOW - 900, "exp": NOW - 29 }), Ok(()));
    check(json!({ "iat": NOW - 900, "exp": NOW - 30 }), Err(TokenError::Expired));
    check(json!({ "iat": NOW + 30 }), Ok(()));
    check(json!({ "iat": NOW + 31 }), Err(TokenError::NotYetValid));
    check(json!({ "nbf": NOW + 30 }), Ok(()));
    check(json!({ "nbf": NOW + 31 }), Err(TokenError::NotYetValid));
    check(json!({ "nbf": 0 }), Ok(()));
}

#[test]
fn a_token_lives_a_day_at_most_and_a_second_at_least() {
    check(json!({ "exp": NOW + 86_400 }), Ok(()));
    check(json!({ "exp": NOW + 86_401 }), Err(TokenError::Lifetime));
    check(json!({ "exp": NOW }), Err(TokenError::Lifetime));
    check(json!({ "exp": NOW - 1 }), Err(TokenError::Lifetime));
}

#[test]
fn times_are_whole_seconds_and_two_of_them_are_required() {
    for name in ["exp", "iat"] {
        check(json!({ name: null }), Err(TokenError::Times));
    }
    for name in ["exp", "iat", "nbf"] {
        for value in [
            json!("1795252500"),
            json!(1_795_252_500.0),
            json!([NOW]),
            json!(true),
            json!(-1),
        ] {
            check(json!({ name: value }), Err(TokenError::Times));
        }
        for value in [i64::MAX, i64::MIN] {
            check(json!({ name: value }), Err(TokenError::Times));
        }
        check(json!({ name: u64::MAX }), Err(TokenError::Times));
    }
}

#[test]
fn a_revocation_refuses_what_was_issued_before_it() {
    let instant = |second| Some(Timestamp::from_second(second).unwrap());
    let token = token(&machine_claims());
    for (tenant, client, expected) in [
        (instant(NOW), None, Ok(())),
        (instant(NOW + 1), None, Err(TokenError::Revoked)),
        (None, instant(NOW), Ok(())),
        (None, instant(NOW + 1), Err(TokenError::Revoked)),
        (instant(NOW + 1), instant(NOW), Err(TokenError::Revoked)),
        (instant(NOW), instant(NOW + 1), Err(TokenError::Revoked)),
    ] {
        let mut facts = facts();
        facts.not_before = tenant;
        facts
            .machines
            .get_mut(&"dwf-connector".parse().unwrap())
            .unwrap()
            .not_before = client;
        let found = verifier(facts, &KEY)
            .verify_machine(&token, "pcf.read", now())
            .map(|_| ());
        assert_eq!(found, expected, "{tenant:?} {client:?}");
    }
    let mut of_other_client = facts();
    of_other_client
        .machines
        .get_mut(&"dwf-erp".parse().unwrap())
        .unwrap()
        .not_before = instant(NOW + 1);
    assert!(
        verifier(of_other_client, &KEY)
            .verify_machine(&token, "pcf.read", now())
            .is_ok()
    );
}

#[test]
fn a_denied_token_is_refused_and_no_other() {
    let mut facts = facts();
    facts.denied.insert(TokenId::new("machine-1").unwrap());
    let verifier = verifier(facts, &KEY);
    let denied = token(&machine_claims());
    let other = token(&changed(machine_claims(), json!({ "jti": "machine-2" })));
    assert_eq!(
        verifier.verify_machine(&denied, "pcf.read", now()),
        Err(TokenError::Denied)
    );
    assert!(verifier.verify_machine(&other, "pcf.read", now()).is_ok());
}

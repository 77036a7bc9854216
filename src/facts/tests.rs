//! Laws of the whole verification; the parts have their own tests beside them.

mod attack_cases;
mod cross_tenant;
mod groups;
mod properties;
mod times;
mod wycheproof;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ClientKind, KeySet, MachineClient, MachineToken, TenantFacts, TenantVerifier, TokenError, UserToken};
use crate::dev::issuer::{SigningKey, sign};
use crate::ids::GroupNames;

/// The key that the tenant's issuer signs with.
pub(super) static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate().unwrap());

/// Another issuer's key.
pub(super) static OTHER_KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate().unwrap());

/// The instant of all tests.
pub(super) const NOW: i64 = 1_795_251_600;

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// The facts of a tenant with one connector, one system and one app that people sign in through.
pub(super) fn facts() -> TenantFacts {
    let machine = |kind| MachineClient { kind, not_before: None };
    TenantFacts {
        tenant: "BPNL000000000DWF".parse().unwrap(),
        issuer: "https://issuer.example/dwf".to_owned(),
        resource_server: "https://tidegate.example/exchange/BPNL000000000DWF".to_owned(),
        machines: BTreeMap::from([
            ("dwf-connector".parse().unwrap(), machine(ClientKind::Connector)),
            ("dwf-erp".parse().unwrap(), machine(ClientKind::Integration)),
        ]),
        user_clients: BTreeSet::from(["dwf-console".parse().unwrap()]),
        groups: GroupNames::Own,
        denied: BTreeSet::new(),
        not_before: None,
    }
}

pub(super) fn verifier(facts: TenantFacts, key: &SigningKey) -> TenantVerifier {
    TenantVerifier::new(facts, KeySet::parse(&key.jwks()).unwrap()).unwrap()
}

/// The claims of the connector's token.
pub(super) fn machine_claims() -> Value {
    json!({
        "iss": "https://issuer.example/dwf", "token_use": "access", "client_id": "dwf-connector", "sub": "dwf-connector",
        "scope": "https://tidegate.example/exchange/BPNL000000000DWF/pcf.read", "version": 2, "jti": "machine-1",
        "iat": NOW, "auth_time": NOW, "exp": NOW + 900,
    })
}

/// The claims of a person's token.
pub(super) fn user_claims() -> Value {
    json!({
        "iss": "https://issuer.example/dwf", "token_use": "access", "client_id": "dwf-console",
        "sub": "0d5a4c0e-9d3f-4d62-8d5f-3a1d6f2b7c11", "username": "ada", "cognito:groups": ["auditor", "pcf-editor"],
        "scope": "openid", "version": 2, "jti": "user-1", "iat": NOW, "auth_time": NOW, "exp": NOW + 900,
    })
}

/// `claims` with `change` laid over them; a null takes a claim away.
pub(super) fn changed(mut claims: Value, change: Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

pub(super) fn token(claims: &Value) -> String {
    sign(&KEY, &KEY.header(), &claims.to_string()).unwrap()
}

pub(super) fn machine(claims: &Value) -> Result<MachineToken, TokenError> {
    verifier(facts(), &KEY).verify_machine(&token(claims), "pcf.read", now())
}

pub(super) fn user(claims: &Value) -> Result<UserToken, TokenError> {
    verifier(facts(), &KEY).verify_user(&token(claims), now())
}

#[test]
fn a_sound_token_says_who_calls_and_who_vouched() {
    let found = machine(&machine_claims()).unwrap();
    assert_eq!(found.tenant().as_str(), "BPNL000000000DWF");
    assert_eq!(found.client().as_str(), "dwf-connector");
    assert_eq!(found.kind(), ClientKind::Connector);
    assert_eq!(found.scopes().collect::<Vec<_>>(), ["pcf.read"]);
    assert_eq!(found.token_id().as_str(), "machine-1");
    assert_eq!(found.expires_at().as_second(), NOW + 900);
    assert_eq!(&*found.vouched_by().issuer, "https://issuer.example/dwf");
    assert_eq!(&*found.vouched_by().key_id, KEY.id());

    let found = user(&user_claims()).unwrap();
    assert_eq!(found.user().as_str(), "ada");
    let roles: Vec<_> = found.roles().iter().map(|role| role.as_str()).collect();
    assert_eq!(roles, ["auditor", "pcf-editor"]);
    assert_eq!(found.subject(), "0d5a4c0e-9d3f-4d62-8d5f-3a1d6f2b7c11");
}

#[test]
fn a_persons_token_is_no_machines_and_a_machines_no_persons() {
    assert_eq!(machine(&user_claims()), Err(TokenError::UserClaims));
    assert_eq!(user(&machine_claims()), Err(TokenError::UserName));
    let id_token = json!({ "token_use": "id", "aud": "dwf-console" });
    assert_eq!(user(&changed(user_claims(), id_token)), Err(TokenError::TokenUse));
}

#[test]
fn a_machines_claims_must_fit_a_machine() {
    for (change, cause) in [
        (json!({ "username": "ada" }), TokenError::UserClaims),
        (json!({ "cognito:groups": [] }), TokenError::UserClaims),
        (json!({ "sub": "someone" }), TokenError::Subject),
        (json!({ "sub": null }), TokenError::Subject),
        (json!({ "aud": ["dwf-connector"] }), TokenError::Audience),
        (json!({ "client_id": null }), TokenError::Client),
        (json!({ "client_id": "nobody", "sub": "nobody" }), TokenError::Client),
        (
            json!({ "client_id": "dwf-console", "sub": "dwf-console" }),
            TokenError::Client,
        ),
        (
            json!({ "client_id": "DWF-connector", "sub": "DWF-connector" }),
            TokenError::Client,
        ),
        (json!({ "iss": ["https://issuer.example/dwf"] }), TokenError::Issuer),
        (json!({ "iss": "https://issuer.example/dwf/" }), TokenError::Issuer),
        (json!({ "iss": null }), TokenError::Issuer),
        (json!({ "token_use": null }), TokenError::TokenUse),
        (json!({ "jti": null }), TokenError::TokenId),
        (json!({ "jti": "" }), TokenError::TokenId),
        (json!({ "jti": "x".repeat(129) }), TokenError::TokenId),
    ] {
        assert_eq!(
            machine(&changed(machine_claims(), change.clone())),
            Err(cause),
            "{change}"
        );
    }
    assert!(machine(&changed(machine_claims(), json!({ "aud": "dwf-connector" }))).is_ok());
}

#[test]
fn a_persons_claims_must_fit_a_person() {
    for (change, cause) in [
        (json!({ "username": "a b" }), TokenError::UserName),
        (json!({ "username": ["ada"] }), TokenError::UserName),
        (json!({ "sub": "dwf-console" }), TokenError::Subject),
        (json!({ "sub": null }), TokenError::Subject),
        (json!({ "client_id": "dwf-erp" }), TokenError::Client),
        (json!({ "aud": "other" }), TokenError::Audience),
        (json!({ "cognito:groups": "auditor" }), TokenError::Groups),
        (json!({ "cognito:groups": ["auditor", "no role"] }), TokenError::Groups),
        (json!({ "cognito:groups": ["auditor", 1] }), TokenError::Groups),
    ] {
        assert_eq!(user(&changed(user_claims(), change.clone())), Err(cause), "{change}");
    }
    let alone = user(&changed(
        user_claims(),
        json!({ "cognito:groups": null, "scope": null }),
    ))
    .unwrap();
    assert!(alone.roles().is_empty());
}

#[test]
fn a_scope_counts_only_whole_and_at_the_tenants_own_resource_server() {
    let server = "https://tidegate.example/exchange/BPNL000000000DWF";
    let read = |scope: String| machine(&changed(machine_claims(), json!({ "scope": scope })));
    for refused in [
        String::new(),
        "pcf.read".to_owned(),
        server.to_owned(),
        format!("{server}/"),
        format!("{server}/pcf.reader"),
        format!("{server}/pcf"),
        format!("{server}/PCF.READ"),
        format!("{server}X/pcf.read"),
        format!("{server}/sub/pcf.read"),
        format!("{server}//pcf.read"),
        format!("x{server}/pcf.read"),
        format!("{server}/a\t{server}/pcf.read"),
    ] {
        assert_eq!(read(refused.clone()), Err(TokenError::Scope), "{refused}");
    }
    let found = read(format!(
        "t-B/pcf.write {server}/pcf.read {server}/a/b  {server}/pcf.list"
    ))
    .unwrap();
    assert_eq!(found.scopes().collect::<Vec<_>>(), ["pcf.list", "pcf.read"]);
    assert!(found.has_scope("pcf.list") && !found.has_scope("pcf.write"));
    assert_eq!(
        machine(&changed(machine_claims(), json!({ "scope": [server] }))),
        Err(TokenError::Scope)
    );
}

#[test]
fn the_needed_scope_cannot_be_empty_or_a_path() {
    let verifier = verifier(facts(), &KEY);
    let server = &verifier.facts().resource_server;
    let claims = changed(machine_claims(), json!({ "scope": format!("{server}/ {server}/a/b") }));
    for needed in ["", "/", "a/b"] {
        assert_eq!(
            verifier.verify_machine(&token(&claims), needed, now()),
            Err(TokenError::Scope),
            "{needed:?}"
        );
    }
}

#[test]
fn facts_that_could_match_too_much_make_no_verifier() {
    let with = |change: fn(&mut TenantFacts)| {
        let mut facts = facts();
        change(&mut facts);
        TenantVerifier::new(facts, KeySet::parse(&KEY.jwks()).unwrap()).is_ok()
    };
    assert!(with(|_| ()));
    assert!(!with(|facts| facts.issuer.clear()));
    assert!(!with(|facts| facts.issuer.push(' ')));
    assert!(!with(|facts| facts.resource_server.clear()));
    assert!(!with(|facts| facts.resource_server.push('/')));
    assert!(!with(|facts| facts.resource_server.push_str(" x")));
    assert!(!with(|facts| {
        facts.user_clients.insert("dwf-erp".parse().unwrap());
    }));
}

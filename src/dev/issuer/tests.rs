use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::facts::{TenantVerifier, TokenError};

const NOW: i64 = 1_795_251_600;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn settings(bpnl: &str) -> IssuerSettings {
    let machine = |kind, scopes: &[&str]| MachineSettings {
        kind,
        scopes: scopes.iter().map(|&name| name.to_owned()).collect(),
    };
    IssuerSettings {
        tenant: bpnl.parse().unwrap(),
        issuer: format!("http://127.0.0.1:8080/issuers/{bpnl}"),
        resource_server: format!("http://127.0.0.1:8080/exchange/{bpnl}"),
        machines: BTreeMap::from([
            (
                "connector".parse().unwrap(),
                machine(ClientKind::Connector, &["pcf.read", "pcf.list"]),
            ),
            ("erp".parse().unwrap(), machine(ClientKind::Integration, &["pcf.write"])),
            ("idle".parse().unwrap(), machine(ClientKind::Integration, &[])),
        ]),
        user_clients: BTreeSet::from(["console".parse().unwrap()]),
        users: BTreeMap::from([
            (
                "ada".parse().unwrap(),
                BTreeSet::from(["auditor".parse().unwrap(), "pcf-editor".parse().unwrap()]),
            ),
            ("bob".parse().unwrap(), BTreeSet::new()),
        ]),
    }
}

/// Two issuers of one data directory, with the same names of clients and people.
static WORLD: LazyLock<(TempDir, Issuer, Issuer)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let issuer = |bpnl| Issuer::create_or_load(directory.path(), settings(bpnl)).unwrap();
    let (dwf, crhk) = (issuer("BPNL000000000DWF"), issuer("BPNL00000003CRHK"));
    (directory, dwf, crhk)
});

fn dwf() -> &'static Issuer {
    &WORLD.1
}

fn verifier(issuer: &Issuer) -> TenantVerifier {
    TenantVerifier::new(issuer.facts(), issuer.keys().unwrap()).unwrap()
}

fn secret(issuer: &Issuer, client: &str) -> String {
    issuer
        .client_secret(&client.parse().unwrap())
        .unwrap()
        .expose_secret()
        .to_owned()
}

fn password(issuer: &Issuer, user: &str) -> String {
    issuer
        .password(&user.parse().unwrap())
        .unwrap()
        .expose_secret()
        .to_owned()
}

fn basic_header(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn machine_form(client: &str, secret: &str, more: &str) -> String {
    format!("grant_type=client_credentials&client_id={client}&client_secret={secret}{more}")
}

fn user_form(issuer: &Issuer, user: &str) -> String {
    format!(
        "grant_type=password&client_id=console&username={user}&password={}",
        password(issuer, user)
    )
}

fn part(token: &str, index: usize) -> Value {
    let text = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_machines_token_passes_its_tenants_verifier_and_no_others() {
    let (_, dwf, crhk) = &*WORLD;
    let form = machine_form("connector", &secret(dwf, "connector"), "");
    let response = dwf.grant(None, &form, now()).unwrap();
    let found = verifier(dwf)
        .verify_machine(response.access_token(), "pcf.read", now())
        .unwrap();
    assert_eq!(found.scopes().collect::<Vec<_>>(), ["pcf.list", "pcf.read"]);
    assert_eq!(found.kind(), ClientKind::Connector);
    assert_eq!(found.expires_at().as_second(), NOW + 900);
    assert_eq!(response.id_token(), None);

    let foreign = verifier(crhk).verify_machine(response.access_token(), "pcf.read", now());
    assert_eq!(foreign, Err(TokenError::UnknownKey));
    let user = verifier(dwf).verify_user(response.access_token(), now());
    assert_eq!(user, Err(TokenError::UserName));
    let late = Timestamp::from_second(NOW + 931).unwrap();
    let old = verifier(dwf).verify_machine(response.access_token(), "pcf.read", late);
    assert_eq!(old, Err(TokenError::Expired));
}

#[test]
fn a_persons_token_passes_its_tenants_verifier_and_no_others() {
    let (_, dwf, crhk) = &*WORLD;
    let response = dwf.grant(None, &user_form(dwf, "ada"), now()).unwrap();
    let found = verifier(dwf).verify_user(response.access_token(), now()).unwrap();
    let roles: Vec<_> = found.roles().iter().map(|role| role.as_str()).collect();
    assert_eq!((found.user().as_str(), roles), ("ada", vec!["auditor", "pcf-editor"]));

    assert_eq!(
        verifier(crhk).verify_user(response.access_token(), now()),
        Err(TokenError::UnknownKey)
    );
    let machine = verifier(dwf).verify_machine(response.access_token(), "pcf.read", now());
    assert_eq!(machine, Err(TokenError::UserClaims));
    let id_token = verifier(dwf).verify_user(response.id_token().unwrap(), now());
    assert_eq!(id_token, Err(TokenError::TokenUse));

    let bob = dwf.grant(None, &user_form(dwf, "bob"), now()).unwrap();
    assert!(
        verifier(dwf)
            .verify_user(bob.access_token(), now())
            .unwrap()
            .roles()
            .is_empty()
    );
}

#[test]
fn tokens_have_cognitos_shape() {
    let issuer = dwf();
    let form = machine_form("erp", &secret(issuer, "erp"), "");
    let machine = issuer.grant(None, &form, now()).unwrap();
    let user = issuer.grant(None, &user_form(issuer, "ada"), now()).unwrap();
    let shared = [
        "auth_time",
        "client_id",
        "exp",
        "iat",
        "iss",
        "jti",
        "scope",
        "sub",
        "token_use",
        "version",
    ];
    assert_eq!(names(&part(machine.access_token(), 0)), ["alg", "kid"]);
    assert_eq!(names(&part(machine.access_token(), 1)), shared);
    let mut of_user = [shared.as_slice(), &["cognito:groups", "username"]].concat();
    of_user.sort_unstable();
    assert_eq!(names(&part(user.access_token(), 1)), of_user);
    let id = part(user.id_token().unwrap(), 1);
    let of_id = [
        "aud",
        "auth_time",
        "cognito:groups",
        "cognito:username",
        "exp",
        "iat",
        "iss",
        "jti",
        "sub",
        "token_use",
    ];
    assert_eq!(names(&id), of_id);
    assert_eq!((&id["aud"], &id["token_use"]), (&"console".into(), &"id".into()));
    assert_eq!(part(user.access_token(), 1)["version"], 2);
    assert_eq!(part(machine.access_token(), 1)["sub"], "erp");
    let ids: BTreeSet<String> = [
        &machine.access_token,
        &user.access_token,
        user.id_token.as_ref().unwrap(),
    ]
    .map(|token| part(token, 1)["jti"].to_string())
    .into();
    assert_eq!(ids.len(), 3);
    let body = serde_json::to_value(&machine).unwrap();
    assert_eq!(names(&body), ["access_token", "expires_in", "scope", "token_type"]);
    assert!(!format!("{machine:?}{issuer:?}").contains(machine.access_token()));
}

#[test]
fn a_machine_proves_itself_in_one_of_two_ways() {
    let issuer = dwf();
    let secret = secret(issuer, "connector");
    let basic = basic_header("connector", &secret);
    let check = |authorization: Option<&str>, form: &str, expected: Result<(), OAuthError>| {
        let found = issuer.grant(authorization, form, now()).map(|_| ());
        assert_eq!(found, expected, "{form}");
    };
    check(Some(&basic), "grant_type=client_credentials", Ok(()));
    check(
        Some(&basic),
        "grant_type=client_credentials&client_id=connector",
        Ok(()),
    );
    check(None, &machine_form("connector", &secret, ""), Ok(()));

    let twice = OAuthError::InvalidRequest("the client proves itself in two ways at once");
    check(Some(&basic), &machine_form("connector", &secret, ""), Err(twice));
    let other = OAuthError::InvalidRequest("`client_id` is not the client of the `Authorization` header");
    check(Some(&basic), "grant_type=client_credentials&client_id=erp", Err(other));
    let refused = Err(OAuthError::InvalidClient);
    check(None, "grant_type=client_credentials", refused);
    check(None, "grant_type=client_credentials&client_id=connector", refused);
    check(None, &machine_form("connector", "wrong", ""), refused);
    check(None, &machine_form("erp", &secret, ""), refused);
    check(None, &machine_form("nobody", &secret, ""), refused);
    check(None, &machine_form("console", &secret, ""), refused);
    check(None, &machine_form("no%20id", &secret, ""), refused);
    check(Some("Bearer abc"), "grant_type=client_credentials", refused);
    check(
        Some(&basic_header("connector", "")),
        "grant_type=client_credentials",
        refused,
    );
    let of_other_tenant = basic_header("connector", &self::secret(&WORLD.2, "connector"));
    check(Some(&of_other_tenant), "grant_type=client_credentials", refused);
}

#[test]
fn a_machine_gets_no_scope_beyond_its_own() {
    let issuer = dwf();
    let server = &issuer.settings().resource_server;
    let grant = |client: &str, scope: &str| {
        let form = machine_form(client, &secret(issuer, client), &format!("&scope={scope}"));
        issuer
            .grant(None, &form, now())
            .map(|response| response.scope().to_owned())
    };
    let read = format!("{server}/pcf.read");
    assert_eq!(grant("connector", &read), Ok(read.clone()));
    assert_eq!(grant("connector", &format!("{read}+{read}")), Ok(read.clone()));
    assert_eq!(grant("connector", ""), Ok(format!("{server}/pcf.list {read}")));
    for beyond in [
        format!("{server}/pcf.write"),
        format!("{read}+{server}/pcf.write"),
        "pcf.read".to_owned(),
        format!("{read}++{read}"),
    ] {
        assert_eq!(grant("connector", &beyond), Err(OAuthError::InvalidScope), "{beyond}");
    }
    assert_eq!(grant("idle", ""), Err(OAuthError::InvalidScope));
}

#[test]
fn a_person_signs_in_with_the_right_password_through_the_right_client() {
    let issuer = dwf();
    let good = user_form(issuer, "ada");
    let check = |authorization: Option<&str>, form: &str, code: Option<&str>| {
        let found = issuer.grant(authorization, form, now()).map(|_| ());
        assert_eq!(found.err().map(OAuthError::code), code, "{form}");
    };
    check(None, &good, None);
    check(None, &format!("{good}&scope=openid"), None);
    check(
        Some(&basic_header("connector", &secret(issuer, "connector"))),
        &good,
        None,
    );
    check(Some(&basic_header("connector", "wrong")), &good, Some("invalid_client"));
    check(
        None,
        &good.replace("username=ada", "username=bob"),
        Some("invalid_grant"),
    );
    check(
        None,
        &good.replace("username=ada", "username=eve"),
        Some("invalid_grant"),
    );
    check(None, &good.replace("password=", "password=x"), Some("invalid_grant"));
    check(None, &user_form(&WORLD.2, "ada"), Some("invalid_grant"));
    check(None, &good.replace("console", "connector"), Some("unauthorized_client"));
    check(None, &good.replace("client_id=console&", ""), Some("invalid_request"));
    check(None, &good.replace("username=ada&", ""), Some("invalid_request"));
    check(None, &format!("{good}&client_secret=x"), Some("invalid_request"));
    check(None, &format!("{good}&username=ada"), Some("invalid_request"));
    check(None, &format!("{good}&scope=openid+admin"), Some("invalid_scope"));
    check(
        None,
        "grant_type=refresh_token&refresh_token=x",
        Some("unsupported_grant_type"),
    );
    check(None, "client_id=console", Some("invalid_request"));
}

#[test]
fn errors_are_those_of_rfc_6749() {
    for (error, status, code) in [
        (OAuthError::InvalidRequest("x"), 400, "invalid_request"),
        (OAuthError::InvalidClient, 401, "invalid_client"),
        (OAuthError::InvalidGrant, 400, "invalid_grant"),
        (OAuthError::InvalidScope, 400, "invalid_scope"),
        (OAuthError::UnauthorizedClient, 400, "unauthorized_client"),
        (OAuthError::UnsupportedGrantType, 400, "unsupported_grant_type"),
        (OAuthError::Server, 500, "server_error"),
    ] {
        let body: Value = serde_json::from_str(&error.body()).unwrap();
        assert_eq!((error.status(), body["error"].as_str()), (status, Some(code)));
    }
}

#[test]
fn a_restart_keeps_key_and_secrets_and_adds_what_is_new() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("issuers");
    let first = Issuer::create_or_load(&path, settings("BPNL000000000DWF")).unwrap();
    let mut grown = settings("BPNL000000000DWF");
    grown.users.insert("eve".parse().unwrap(), BTreeSet::new());
    let second = Issuer::create_or_load(&path, grown).unwrap();
    assert_eq!(first.jwks(), second.jwks());
    assert_eq!(secret(&first, "connector"), secret(&second, "connector"));
    assert_eq!(password(&first, "ada"), password(&second, "ada"));
    assert_eq!(password(&second, "eve").len(), 64);
    let mut shrunk = settings("BPNL000000000DWF");
    shrunk.machines.remove(&"connector".parse().unwrap());
    let third = Issuer::create_or_load(&path, shrunk).unwrap();
    let form = machine_form("connector", &secret(&first, "connector"), "");
    assert_eq!(third.grant(None, &form, now()).unwrap_err(), OAuthError::InvalidClient);
    let mut files = 0;
    for entry in fs::read_dir(&path).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        files += 1;
    }
    assert_eq!(files, 2);
}

#[test]
fn files_open_to_others_or_spoiled_stop_the_start() {
    for name in ["issuer-BPNL000000000DWF.key.p8", "issuer-BPNL000000000DWF.secrets.json"] {
        let directory = tempfile::tempdir().unwrap();
        let start = || Issuer::create_or_load(directory.path(), settings("BPNL000000000DWF")).map(|_| ());
        start().unwrap();
        let file = directory.path().join(name);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(start(), Err(IssuerError::Exposed(_))), "{name}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        start().unwrap();
        fs::write(&file, "spoiled").unwrap();
        assert!(matches!(start(), Err(IssuerError::Malformed { .. })), "{name}");
    }
}

#[test]
fn tenants_share_neither_key_nor_secret() {
    let (_, dwf, crhk) = &*WORLD;
    assert_ne!(dwf.key().id(), crhk.key().id());
    assert_ne!(secret(dwf, "connector"), secret(crhk, "connector"));
    let sub = |issuer: &Issuer| {
        let response = issuer.grant(None, &user_form(issuer, "ada"), now()).unwrap();
        part(response.access_token(), 1)["sub"].clone()
    };
    assert_ne!(sub(dwf), sub(crhk));
    assert_eq!(sub(dwf), sub(dwf));
}

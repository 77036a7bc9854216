//! Who may go on with a flow: as the partner stands now, and with its own keys where they are on record.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;

use super::scripted::Connector;
use super::{begin, begun, fetch, renew, start, started, verb};
use crate::harness::{Answer, ELBE, HOLDS, Service, WESER, post};

#[test]
fn a_membership_that_ended_ends_what_was_begun_before() {
    let service = Service::start();
    let flow = started(&service, "member", HOLDS);
    let other = started(&service, "suspended-member", HOLDS);
    assert_eq!(verb(&service, "suspended-member", "suspend").status, 200);
    service.change_partner(WESER, |weser| weser.membership = "revoked".into());
    fetch(&service, HOLDS, &flow.token).check_problem(403, "forbidden", "access");
    renew(&service, &flow.refresh_token)
        .unwrap_err()
        .check_problem(403, "forbidden", "renewal");
    verb(&service, &other.id, "resume").check_problem(403, "forbidden", "resume");
    service.change_partner(WESER, |weser| weser.membership = "active".into());
    assert_eq!(fetch(&service, HOLDS, &flow.token).status, 200);
}

#[test]
fn a_credential_that_ran_out_proves_nothing_in_a_flow_that_was_begun_with_it() {
    let now = Clock::system().now();
    let clock = Clock::fixed(now);
    let service = Service::with(clock.clone(), BundleSource::BuiltIn).unwrap();
    let credential = |kind: &str, until: SignedDuration| {
        json!({
            "type": ["VerifiableCredential", kind], "expirationDate": (now + until).to_string(),
            "credentialSubject": [{ "holderIdentifier": WESER, "contractVersion": "1.0" }],
        })
    };
    let hour = SignedDuration::from_hours(1);
    let mut body = begin(&service, "credentials", HOLDS);
    body["claims"] = json!({ "vc": [
        credential("MembershipCredential", SignedDuration::from_mins(2)), credential("DataExchangeGovernanceCredential", hour),
    ] });
    let flow = begun("credentials", start(&service, &body));
    assert_eq!(fetch(&service, HOLDS, &flow.token).status, 200);
    clock.set(now + SignedDuration::from_mins(3));
    fetch(&service, HOLDS, &flow.token).check_problem(403, "forbidden", "access");
    renew(&service, &flow.refresh_token)
        .unwrap_err()
        .check_problem(403, "forbidden", "renewal");
}

/// Weser's wallet: a DID on loopback, and its key.
struct Wallet {
    host: Connector,
    did: String,
    key: EncodingKey,
}

impl Wallet {
    fn open() -> Self {
        let host = Connector::start();
        let port = host.url("").rsplit(':').next().unwrap().to_owned();
        let did = format!("did:web:127.0.0.1%3A{port}");
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        let document = json!({ "id": did, "verificationMethod": [{
            "id": format!("{did}#key"), "type": "JsonWebKey2020", "controller": did,
            "publicKeyJwk": { "kty": "EC", "crv": "P-256", "x": part(1..33), "y": part(33..65) },
        }] });
        host.script
            .lock()
            .unwrap()
            .push(("GET /.well-known/did.json", 200, document));
        let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
        Self { host, did, key }
    }

    fn proof(&self, service: &Service, token: &str, change: Value) -> String {
        let now = service.app.clock.now().as_second();
        let mut claims = json!({
            "iss": self.did, "sub": self.did, "aud": ELBE, "iat": now, "exp": now + 300, "jti": "1", "token": token,
        });
        claims
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(format!("{}#key", self.did));
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }
}

fn renew_as(service: &Service, refresh_token: &str, proof: &str) -> Answer {
    post(&format!("/exchange/{ELBE}/token"))
        .bearer(proof)
        .body(format!("grant_type=refresh_token&refresh_token={refresh_token}"))
        .send(service.address)
}

#[test]
fn a_partner_with_a_did_renews_with_a_key_of_it_and_nobody_else_does() {
    let service = Service::start();
    let wallet = Wallet::open();
    service.change_partner(WESER, |weser| weser.did = Some(wallet.did.parse().unwrap()));
    // The partner may be named by its DID from now on.
    let mut body = begin(&service, "did", HOLDS);
    body["counterPartyId"] = json!(wallet.did);
    let flow = begun("did", start(&service, &body));
    let other = started(&service, "another", HOLDS);
    assert_eq!(fetch(&service, HOLDS, &flow.token).status, 200);
    let check_refused = |proof: &str, of: &str| {
        let answer = renew_as(&service, &flow.refresh_token, proof);
        assert_eq!(
            (answer.status, answer.json()),
            (401, json!({ "error": "invalid_client" })),
            "{of}"
        );
        assert!(answer.headers.contains_key("www-authenticate"), "{of}");
    };
    let answer = renew(&service, &flow.refresh_token).unwrap_err();
    assert_eq!(
        (answer.status, answer.json()),
        (401, json!({ "error": "invalid_client" }))
    );
    assert!(!wallet.host.was_asked("GET /.well-known/did.json"), "nothing to verify");
    let isar = json!({ "aud": "BPNL00000000B2CD" });
    check_refused(&wallet.proof(&service, &flow.token, isar), "for another provider");
    check_refused(&wallet.proof(&service, &other.token, json!({})), "of another flow");
    check_refused(&wallet.proof(&service, "no token", json!({})), "without a token");
    let thief = Wallet {
        key: Wallet::open().key,
        did: wallet.did.clone(),
        host: Connector::start(),
    };
    check_refused(&thief.proof(&service, &flow.token, json!({})), "by another key");
    let sound = wallet.proof(&service, &flow.token, json!({}));
    let answer = renew_as(&service, &flow.refresh_token, &sound);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    let (second, next) = (
        answer["access_token"].as_str().unwrap(),
        answer["refresh_token"].as_str().unwrap(),
    );
    assert_eq!(fetch(&service, HOLDS, second).status, 200);
    let again = renew_as(&service, next, &wallet.proof(&service, second, json!({})));
    assert_eq!(again.status, 200, "{}", again.text());
    // What is spent is refused, and takes nothing from the partner: the secret alone is of no use to a thief.
    let spent = renew_as(&service, &flow.refresh_token, &sound);
    assert_eq!((spent.status, spent.json()), (400, json!({ "error": "invalid_grant" })));
    assert_eq!(fetch(&service, HOLDS, second).status, 200);
    // Where the document cannot be had, it is not the client's fault.
    wallet.host.script.lock().unwrap().clear();
    let next = again.json()["refresh_token"].as_str().unwrap().to_owned();
    renew_as(&service, &next, &sound).check_problem(502, "upstream", "no document");
    let mut body = begin(&service, "stranger", HOLDS);
    body["counterPartyId"] = json!("did:web:nobody.example");
    start(&service, &body).check_problem(400, "body", "a DID of nobody");
}

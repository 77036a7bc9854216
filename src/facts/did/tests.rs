use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use serde_json::json;

use super::*;

const DID: &str = "did:web:weser.example";
const TENANT: &str = "BPNL000000000DWF";
const NOW: i64 = 1_795_251_600;

/// A key of the company, and how its document shows it.
struct Key {
    id: String,
    algorithm: Algorithm,
    signing: EncodingKey,
    jwk: Value,
}

impl Key {
    fn es256(id: &str) -> Self {
        crate::facts::install_crypto();
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        Self {
            id: id.to_owned(),
            algorithm: Algorithm::ES256,
            signing: EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()),
            jwk: json!({ "kty": "EC", "crv": "P-256", "x": part(1..33), "y": part(33..65) }),
        }
    }

    fn ed25519(id: &str) -> Self {
        crate::facts::install_crypto();
        let pair = Ed25519KeyPair::generate().unwrap();
        Self {
            id: id.to_owned(),
            algorithm: Algorithm::EdDSA,
            signing: EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref()),
            jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()) }),
        }
    }

    fn method(&self) -> Value {
        json!({ "id": self.id, "type": "JsonWebKey2020", "controller": DID, "publicKeyJwk": self.jwk })
    }

    fn sign(&self, kid: &str, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(kid.to_owned());
        jsonwebtoken::encode(&header, claims, &self.signing).unwrap()
    }
}

fn did() -> Did {
    DID.parse().unwrap()
}

fn document(methods: &[Value]) -> DidDocument {
    let text = json!({ "id": DID, "verificationMethod": methods, "authentication": [] }).to_string();
    DidDocument::parse(&did(), text.as_bytes()).unwrap()
}

/// Sound claims, with `change` laid over them; a null takes the member away.
fn claims(change: &Value) -> Value {
    let mut claims = json!({
        "iss": DID, "sub": DID, "aud": TENANT, "iat": NOW, "exp": NOW + 600, "jti": "1", "token": "the-token",
    });
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn verify(document: &DidDocument, proof: &str) -> Result<Proof, ProofError> {
    document.verify(proof, &["did:web:elbe.example", TENANT], now())
}

#[test]
fn a_sound_proof_verifies_whichever_way_it_names_its_key() {
    let keys = [Key::es256("did:web:weser.example#k1"), Key::ed25519("#k2")];
    let document = document(&[keys[0].method(), keys[1].method()]);
    for (key, kid) in [
        (&keys[0], "did:web:weser.example#k1"),
        (&keys[0], "#k1"),
        (&keys[0], "k1"),
        (&keys[1], "did:web:weser.example#k2"),
    ] {
        for change in [
            json!({}),
            json!({ "aud": ["other", TENANT] }),
            json!({ "aud": "did:web:elbe.example", "jti": null, "nbf": NOW }),
            json!({ "iat": NOW + LEEWAY, "exp": NOW + LEEWAY + MAX_LIFETIME }),
            json!({ "iat": NOW - 600, "exp": NOW - LEEWAY + 1 }),
        ] {
            let proof = verify(&document, &key.sign(kid, &claims(&change)));
            assert_eq!(proof.map(|proof| proof.token), Ok("the-token".into()), "{kid} {change}");
        }
    }
}

#[test]
fn a_proof_with_any_part_of_another_is_refused() {
    let key = Key::es256("did:web:weser.example#k1");
    let document = document(&[key.method()]);
    for change in [
        json!({ "iss": "did:web:isar.example" }),
        json!({ "iss": null }),
        json!({ "sub": "did:web:isar.example" }),
        json!({ "sub": null }),
        json!({ "aud": "BPNL00000000B2CD" }),
        json!({ "aud": [] }),
        json!({ "aud": null }),
        json!({ "exp": null }),
        json!({ "exp": NOW - LEEWAY }),
        json!({ "exp": NOW + MAX_LIFETIME + 1 }),
        json!({ "exp": i64::MAX }),
        json!({ "iat": null }),
        json!({ "iat": NOW + LEEWAY + 1 }),
        json!({ "iat": NOW + 20, "exp": NOW + 10 }),
        json!({ "nbf": NOW + LEEWAY + 1 }),
        json!({ "token": null }),
        json!({ "token": 5 }),
    ] {
        let proof = key.sign("#k1", &claims(&change));
        assert_eq!(verify(&document, &proof), Err(ProofError::Claims), "{change}");
    }
    let sound = key.sign("#k1", &claims(&json!({})));
    let forged = Key::es256("x").sign("#k1", &claims(&json!({})));
    assert_eq!(verify(&document, &forged), Err(ProofError::Claims), "another key");
    assert_eq!(
        verify(&document, &key.sign("#k2", &claims(&json!({})))),
        Err(ProofError::UnknownKey)
    );
    assert_eq!(
        verify(&document, sound.trim_end_matches(|last: char| last != '.')),
        Err(ProofError::Claims),
        "cut"
    );
    for text in ["", "a", "a.b", "a.b.c", &"a".repeat(MAX_PROOF + 1)] {
        assert_eq!(verify(&document, text), Err(ProofError::Form));
    }
}

#[test]
fn the_key_decides_the_algorithm_and_never_the_header() {
    let key = Key::es256("#k1");
    let document = document(&[key.method()]);
    // Signed by everybody's secret: the public key.
    let public = key.jwk["x"].as_str().unwrap().as_bytes().to_vec();
    let hmac = Key {
        algorithm: Algorithm::HS256,
        signing: EncodingKey::from_secret(&public),
        ..Key::es256("#k1")
    };
    assert_eq!(
        verify(&document, &hmac.sign("#k1", &claims(&json!({})))),
        Err(ProofError::Algorithm)
    );
    let other_curve = Key::ed25519("#k1").sign("#k1", &claims(&json!({})));
    assert_eq!(verify(&document, &other_curve), Err(ProofError::Claims));
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!(
        "{}.{}.",
        part(&json!({ "alg": "none", "kid": "#k1" })),
        part(&claims(&json!({})))
    );
    assert_eq!(verify(&document, &unsigned), Err(ProofError::Form));
}

#[test]
fn only_the_companys_own_document_and_keys_count() {
    let key = Key::es256("#k1");
    let mut controlled = key.method();
    controlled["controller"] = json!("did:web:isar.example");
    let proof = key.sign("#k1", &claims(&json!({})));
    assert_eq!(verify(&document(&[controlled]), &proof), Err(ProofError::UnknownKey));
    // A key of a kind that is not known here does not hide the others.
    let strange = json!({ "id": "#k0", "controller": DID, "type": "Multikey", "publicKeyMultibase": "z6Mk" });
    let stranger = json!({ "id": "#k3", "controller": DID, "type": "x", "publicKeyJwk": { "kty": "new" } });
    assert!(verify(&document(&[strange, stranger, key.method()]), &proof).is_ok());
    for wrong in [
        "",
        "[]",
        r#"{"id":"did:web:isar.example"}"#,
        r#"{"id":"did:web:weser.example","id":"did:web:weser.example"}"#,
        r#"{"id":"did:web:weser.example","verificationMethod":{}}"#,
    ] {
        assert!(
            matches!(
                DidDocument::parse(&did(), wrong.as_bytes()),
                Err(DidError::Document(..))
            ),
            "{wrong}"
        );
    }
    let empty = DidDocument::parse(&did(), br#"{"id":"did:web:weser.example"}"#).unwrap();
    assert_eq!(verify(&empty, &proof), Err(ProofError::UnknownKey));
}

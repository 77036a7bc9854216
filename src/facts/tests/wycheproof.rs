//! Wycheproof's JWS and JWK vectors (C2SP) through the signature layer, which they test; their payloads are no claims.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::facts::KeySet;
use crate::facts::token::verify_signature;

const JWS: &str = include_str!("../../../fixtures/tokens/wycheproof/json_web_signature_test.json");
const JWK: &str = include_str!("../../../fixtures/tokens/wycheproof/json_web_key_test.json");

/// Vectors that cannot agree, with the reason.
const EXEMPT: [(u32, &str); 1] = [(
    7,
    "a ROCA key, which only an analysis of the modulus finds; issuers' keys are not made on such chips",
)];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    public: Option<Value>,
    private: Option<Value>,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    comment: String,
    jws: Value,
    result: String,
}

/// Whether the group's key is one that our issuers may have and the vector is thus to be accepted where it is valid.
fn ours(key: &Value) -> bool {
    let keys = key["keys"].as_array().cloned().unwrap_or_else(|| vec![key.clone()]);
    keys.iter()
        .all(|key| key["kty"] == "RSA" && (key["alg"] == "RS256" || key["alg"].is_null()))
}

fn accepts(key: &Value, jws: &Value) -> bool {
    let set = if key["keys"].is_array() {
        key.clone()
    } else {
        json!({ "keys": [key] })
    };
    let token = jws.as_str().map_or_else(|| jws.to_string(), ToOwned::to_owned);
    KeySet::parse(&set.to_string()).is_ok_and(|keys| verify_signature(&token, &keys).is_ok())
}

/// Runs a file; gives how many vectors were accepted.
fn check(file: &str) -> usize {
    let file: File = serde_json::from_str(file).unwrap();
    let (mut run, mut accepted, mut mismatches) = (0, 0, Vec::new());
    for group in &file.test_groups {
        let key = group.public.as_ref().or(group.private.as_ref()).unwrap();
        for vector in &group.tests {
            run += 1;
            let expected = vector.result == "valid" && ours(key);
            let found = accepts(key, &vector.jws);
            accepted += usize::from(found);
            let exempt = EXEMPT
                .iter()
                .any(|(id, _)| *id == vector.tc_id && key.to_string().contains("roca"));
            if (found == expected) == exempt {
                mismatches.push(format!(
                    "{} {}: expected {expected}, found {found}",
                    vector.tc_id, vector.comment
                ));
            }
        }
    }
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
    assert_eq!(run, file.number_of_tests);
    accepted
}

#[test]
fn the_signature_vectors_agree() {
    assert_eq!(check(JWS), 8);
}

#[test]
fn the_key_vectors_agree() {
    // One sound key, and the exempt one.
    assert_eq!(check(JWK), 2);
}

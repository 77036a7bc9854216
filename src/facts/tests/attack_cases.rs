//! The file of attacks on a Cognito resource server: every case gets its verdict, and refusals have the right cause.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicKeyComponents;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{KEY, NOW, now};
use crate::dev::issuer::sign;
use crate::facts::{ClientKind, KeySet, MachineClient, TenantFacts, TenantVerifier};

const FILE: &str = include_str!("../../../fixtures/tokens/jwt-attack-cases.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    base_payload: Map<String, Value>,
    endpoint: Endpoint,
    cases: Vec<Case>,
    known_kids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    tenant: String,
    client_id: String,
    required_scope: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    header: String,
    payload_patch: Option<Map<String, Value>>,
    raw: Option<String>,
    sign: String,
    #[serde(rename = "jsonwebtoken_11_1_0")]
    _library: Value,
    expected: String,
    #[serde(rename = "note")]
    _note: String,
}

/// The cause each refused case must have: a case that is refused for another reason proves nothing.
fn cause(id: &str) -> &'static [&'static str] {
    match id {
        "alg-none" | "alg-missing" | "hs256-keyed-with-rsa-public-pem" => &["header-alg"],
        "crit-unknown" | "crit-empty" => &["header-extension"],
        "duplicate-header-alg" => &["header"],
        "iss-other-pool" | "iss-number" => &["claim-iss"],
        "aud-string-unexpected" | "aud-object" => &["claim-aud"],
        "exp-missing" | "exp-null" | "exp-u64max" => &["claim-times"],
        "exp-45s-ago" => &["expired", "lifetime"],
        "nbf-in-1h" => &["not-yet-valid"],
        "iat-in-1h" => &["lifetime"],
        "other-tenant-client-and-scope" => &["claim-sub"],
        "our-client-other-scope" => &["claim-scope"],
        "duplicate-client_id" | "duplicate-iss" => &["claim-duplicate"],
        "trailing-dot" => &["token-segments"],
        "trailing-newline" | "padding" => &["token-encoding"],
        "signature-truncated" => &["token-encoding", "signature"],
        "payload-bom" | "payload-array" => &["claims"],
        _ => &[],
    }
}

/// Puts seconds in the place of `$now`, `$now+N` and `$now-N`.
fn with_times(payload: &mut Map<String, Value>) -> Result<(), String> {
    for value in payload.values_mut() {
        let Some(text) = value.as_str().and_then(|text| text.strip_prefix('$')) else {
            continue;
        };
        let offset = text
            .strip_prefix("now")
            .ok_or(format!("unknown instruction `${text}`"))?;
        let offset: i64 = match offset {
            "" => 0,
            offset => offset.parse().map_err(|_| format!("unknown instruction `${text}`"))?,
        };
        *value = Value::from(NOW + offset);
    }
    Ok(())
}

/// The payload's text, after `payload_patch` and those of the `raw` instructions that change it.
fn payload(base: &Map<String, Value>, case: &Case) -> Result<String, String> {
    let mut payload = base.clone();
    for (name, value) in case.payload_patch.iter().flatten() {
        if value == "$remove" {
            payload.remove(name);
        } else {
            payload.insert(name.clone(), value.clone());
        }
    }
    with_times(&mut payload)?;
    let text = Value::Object(payload).to_string();
    let open = text.strip_suffix('}').ok_or("not an object")?;
    Ok(match case.raw.as_deref() {
        Some(r#"append ,"foo":1,"foo":2"#) => format!(r#"{open},"foo":1,"foo":2}}"#),
        Some(r#"append ,"client_id":"clientB" to the payload object text"#) => {
            format!(r#"{open},"client_id":"clientB"}}"#)
        }
        Some("append a second iss") => format!(r#"{open},"iss":{}}}"#, base["iss"]),
        Some("UTF-8 BOM before the payload JSON, signed") => format!("\u{feff}{text}"),
        Some("payload [] signed") => "[]".to_owned(),
        _ => text,
    })
}

/// The token after those of the `raw` instructions that change it.
fn mangled(mut token: String, raw: Option<&str>) -> Result<String, String> {
    match raw {
        None => (),
        Some("append .") => token.push('.'),
        Some("append \\n") => token.push('\n'),
        Some("append =") => token.push('='),
        Some("drop 4 characters") => token.truncate(token.len() - 4),
        Some(text) if text.starts_with("append ,") || text == "append a second iss" => (),
        Some("UTF-8 BOM before the payload JSON, signed" | "payload [] signed") => (),
        Some(other) => return Err(format!("unknown instruction `{other}`")),
    }
    Ok(token)
}

fn signed(header: &str, payload: &str, how: &str) -> Result<String, String> {
    let unsigned = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    match how {
        "RS256 with the trusted key" => sign(&KEY, header, payload).map_err(|error| error.to_string()),
        "empty signature" => Ok(format!("{unsigned}.")),
        "HMAC-SHA256, key = PEM text of the RSA public key" => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, public_pem().as_bytes());
            let tag = hmac::sign(&key, unsigned.as_bytes());
            Ok(format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(tag)))
        }
        other => Err(format!("unknown way to sign `{other}`")),
    }
}

fn public_pem() -> String {
    let jwk: Value = serde_json::from_str(&KEY.jwk()).unwrap();
    let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let public = PublicKeyComponents {
        n: number("n"),
        e: number("e"),
    };
    let der = AsDer::<PublicKeyX509Der<'_>>::as_der(&public).unwrap();
    let base64 = STANDARD.encode(der.as_ref());
    let lines: Vec<_> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}

/// The endpoint of tenant A as the file describes it.
fn endpoint(file: &File) -> (TenantVerifier, String) {
    assert_eq!(file.endpoint.tenant, "A");
    let (server, needed) = file.endpoint.required_scope.rsplit_once('/').unwrap();
    let connector = MachineClient {
        kind: ClientKind::Connector,
        not_before: None,
    };
    let facts = TenantFacts {
        tenant: "BPNL0000000000AA".parse().unwrap(),
        issuer: file.base_payload["iss"].as_str().unwrap().to_owned(),
        resource_server: server.to_owned(),
        machines: BTreeMap::from([(file.endpoint.client_id.parse().unwrap(), connector)]),
        user_clients: BTreeSet::new(),
        groups: Default::default(),
        denied: BTreeSet::new(),
        not_before: None,
    };
    let [kid] = file.known_kids.as_slice() else {
        panic!("the file names more than one key; give each its own");
    };
    let keys = KeySet::parse(&KEY.jwks().replace(KEY.id(), kid)).unwrap();
    (TenantVerifier::new(facts, keys).unwrap(), needed.to_owned())
}

#[test]
fn every_attack_case_gets_its_verdict() {
    let file: File = serde_json::from_str(FILE).unwrap();
    let (verifier, needed) = endpoint(&file);
    let mut mismatches = Vec::new();
    for case in &file.cases {
        let verdict = payload(&file.base_payload, case)
            .and_then(|payload| signed(&case.header, &payload, &case.sign))
            .and_then(|token| mangled(token, case.raw.as_deref()))
            .map(|token| {
                verifier
                    .verify_machine(&token, &needed, now())
                    .map_err(|error| error.code())
            });
        let agrees = match (&verdict, case.expected.as_str()) {
            (Ok(Ok(_)), "accept") => true,
            (Ok(Err(code)), "reject") => cause(&case.id).contains(code),
            _ => false,
        };
        if !agrees {
            mismatches.push(format!("{}: expected {}, found {verdict:?}", case.id, case.expected));
        }
    }
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
    assert_eq!(file.cases.len(), 30);
}

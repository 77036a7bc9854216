//! The public keys of one tenant's issuer: a JSON Web Key Set (RFC 7517), checked once and never changed.
//!
//! Only what the verification can use is let in: RSA of at least 2048 bits with exponent 65537, for signatures, for RS256.
//! One unfit entry refuses the whole set. A key set belongs to one issuer whose keys are all of one shape; an entry of
//! another shape means that the address is wrong or that someone tampers, and the last good set serves meanwhile
//! ([`super::JwksSource`]).

use std::collections::HashSet;
use std::fmt;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::ids::Digest;

/// The greatest size of a key set's document, in bytes. Cognito's have about 1 KiB.
pub const MAX_DOCUMENT: usize = 64 * 1024;

/// The greatest number of keys in a set.
const MAX_KEYS: usize = 32;

/// The greatest length of a key id, in bytes.
const MAX_KEY_ID: usize = 256;

/// The least and greatest length of an RSA modulus, in bytes: 2048 bits (RFC 7518 section 3.3) and 8192.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Why a text is not a key set that may be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// The document is too large.
    #[error("the key set has {0} bytes; at most {MAX_DOCUMENT} are read")]
    TooLarge(usize),
    /// The document is not JSON of the right shape.
    #[error("the key set is not a JSON Web Key Set: {0}")]
    Malformed(String),
    /// The document has no key, or too many.
    #[error("the key set has {0} keys; expected 1 to {MAX_KEYS}")]
    Count(usize),
    /// A key cannot be used.
    #[error("key {position} of the set cannot be used: {reason}")]
    Unfit {
        /// Its place in the set, from 1.
        position: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The keys of one issuer, by key id.
pub struct KeySet {
    keys: Vec<(Box<str>, DecodingKey)>,
    /// Digests of tokens whose signature one of these keys made.
    signed: Mutex<HashSet<Digest>>,
}

/// How many tokens with a good signature are remembered per key set.
const REMEMBERED: usize = 1_024;

impl KeySet {
    /// A set without keys: nothing verifies against it.
    pub fn empty() -> Self {
        Self::of(Vec::new())
    }

    /// Reads a JSON Web Key Set.
    ///
    /// # Errors
    /// [`JwksError`] names the first thing that is wrong; no part of a set is used when another part is unfit.
    pub fn parse(json: &str) -> Result<Self, JwksError> {
        super::install_crypto();
        if json.len() > MAX_DOCUMENT {
            return Err(JwksError::TooLarge(json.len()));
        }
        let document: Document = serde_json::from_str(json).map_err(|error| JwksError::Malformed(error.to_string()))?;
        if document.keys.is_empty() || document.keys.len() > MAX_KEYS {
            return Err(JwksError::Count(document.keys.len()));
        }
        let mut keys: Vec<(Box<str>, DecodingKey)> = Vec::with_capacity(document.keys.len());
        for (index, jwk) in document.keys.into_iter().enumerate() {
            let unfit = |reason| JwksError::Unfit {
                position: index + 1,
                reason,
            };
            let (key_id, key) = jwk.admit().map_err(unfit)?;
            if keys.iter().any(|(other, _)| *other == key_id) {
                return Err(unfit("its `kid` is also that of a key before it"));
            }
            keys.push((key_id, key));
        }
        Ok(Self::of(keys))
    }

    fn of(keys: Vec<(Box<str>, DecodingKey)>) -> Self {
        let signed = Mutex::default();
        Self { keys, signed }
    }

    /// Whether the signature of the token with this digest was found good by one of these keys before. A connector sends one
    /// token with many requests, and the same bytes under the same keys have the same signature. Nothing else of a token is
    /// ever remembered: its times, its client, its scope and whether it was denied are looked at on every request.
    pub(super) fn has_signed(&self, token: Digest) -> bool {
        self.signed.lock().is_ok_and(|signed| signed.contains(&token))
    }

    /// Remembers that one of these keys made the signature of the token with this digest.
    pub(super) fn remember(&self, token: Digest) {
        if let Ok(mut signed) = self.signed.lock() {
            if signed.len() >= REMEMBERED {
                signed.clear();
            }
            signed.insert(token);
        }
    }

    /// The ids of the keys, in the order of the set.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(key_id, _)| key_id.as_ref())
    }

    /// The key of that id and its place in the set.
    pub(super) fn find(&self, key_id: &str) -> Option<(usize, &DecodingKey)> {
        let found = self.keys.iter().enumerate().find(|(_, (id, _))| **id == *key_id);
        found.map(|(index, (_, key))| (index, key))
    }

    /// The id of the key at that place.
    pub(super) fn id_at(&self, index: usize) -> &str {
        self.keys.get(index).map_or("", |(key_id, _)| key_id)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.ids()).finish()
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Jwk>,
}

/// An entry as it stands in the document. Members that are not read here (`x5c` and the like) are ignored.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<IgnoredAny>,
}

impl Jwk {
    /// The key and its id, or the reason why it may not be used.
    fn admit(self) -> Result<(Box<str>, DecodingKey), &'static str> {
        if self.kty != "RSA" {
            return Err("`kty` is not `RSA`");
        }
        if self.d.is_some() {
            return Err("it is a private key; withdraw it and publish another");
        }
        if self.purpose.is_some_and(|purpose| purpose != "sig") {
            return Err("`use` is not `sig`");
        }
        if self.key_ops.is_some_and(|uses| uses != ["verify"]) {
            return Err("`key_ops` is not `verify` alone");
        }
        if self.alg.is_some_and(|algorithm| algorithm != "RS256") {
            return Err("`alg` is not `RS256`");
        }
        let key_id = self.kid.ok_or("it has no `kid`")?;
        if key_id.is_empty() || key_id.len() > MAX_KEY_ID || !key_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("`kid` is not 1 to 256 visible ASCII characters");
        }
        let exponent = number(self.e.as_deref()).ok_or("`e` is not a base64url number")?;
        if exponent != [1, 0, 1] {
            return Err("`e` is not 65537");
        }
        let modulus = number(self.n.as_deref()).ok_or("`n` is not a base64url number")?;
        let high = modulus.first().copied().unwrap_or_default() & 0x80 != 0;
        if !(MODULUS_BYTES.contains(&modulus.len()) && (high || modulus.len() > *MODULUS_BYTES.start())) {
            return Err("`n` has less than 2048 or more than 8192 bits");
        }
        if modulus.last().is_none_or(|last| last & 1 == 0) {
            return Err("`n` is even");
        }
        Ok((key_id.into(), DecodingKey::from_rsa_raw_components(&modulus, &exponent)))
    }
}

/// A `Base64urlUInt` (RFC 7518 section 2): big-endian, without leading zero bytes.
fn number(text: Option<&str>) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text?).ok()?;
    if bytes.first().is_none_or(|first| *first == 0) {
        None
    } else {
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A set of one key, with `change` laid over a sound key; a null takes the member away.
    fn set(change: serde_json::Value) -> String {
        let mut modulus = vec![0xff; 256];
        modulus[255] = 0x0f;
        let mut jwk = serde_json::json!({
            "kty": "RSA", "kid": "k", "use": "sig", "alg": "RS256", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(modulus),
        });
        for (name, value) in change.as_object().unwrap() {
            match value {
                serde_json::Value::Null => jwk.as_object_mut().unwrap().remove(name),
                value => jwk.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        serde_json::json!({ "keys": [jwk] }).to_string()
    }

    fn modulus(bytes: &[u8]) -> serde_json::Value {
        serde_json::json!({ "n": URL_SAFE_NO_PAD.encode(bytes) })
    }

    #[test]
    fn keys_of_cognitos_shape_are_admitted() {
        for change in [
            serde_json::json!({}),
            serde_json::json!({ "use": null, "alg": null }),
            serde_json::json!({ "key_ops": ["verify"] }),
            serde_json::json!({ "x5c": ["AA"], "unknown": { "a": 1 } }),
            modulus(&[0xff; 512]),
            modulus(&[0x01; 257]),
        ] {
            assert!(KeySet::parse(&set(change.clone())).is_ok(), "{change}");
        }
    }

    #[test]
    fn one_unfit_key_refuses_the_set() {
        let mut even = [0xff; 256];
        even[255] = 0xfe;
        let mut padded = [0xff; 257];
        padded[0] = 0;
        for change in [
            serde_json::json!({ "kty": "oct", "k": "AAAA" }),
            serde_json::json!({ "kty": "EC" }),
            serde_json::json!({ "use": "enc" }),
            serde_json::json!({ "key_ops": ["verify", "encrypt"] }),
            serde_json::json!({ "key_ops": [] }),
            serde_json::json!({ "alg": "PS256" }),
            serde_json::json!({ "alg": "HS256" }),
            serde_json::json!({ "kid": null }),
            serde_json::json!({ "kid": "" }),
            serde_json::json!({ "kid": "a b" }),
            serde_json::json!({ "kid": 5 }),
            serde_json::json!({ "e": "AQ" }),
            serde_json::json!({ "e": "Aw" }),
            serde_json::json!({ "e": "AAEAAQ" }),
            serde_json::json!({ "e": null }),
            serde_json::json!({ "n": null }),
            serde_json::json!({ "n": "not base64url!" }),
            serde_json::json!({ "d": "AQAB" }),
            modulus(&[0xff; 255]),
            modulus(&[0x7f; 256]),
            modulus(&[0xff; 1025]),
            modulus(&even),
            modulus(&padded),
            modulus(&[]),
        ] {
            assert!(KeySet::parse(&set(change.clone())).is_err(), "{change}");
        }
    }

    #[test]
    fn a_set_is_neither_empty_nor_large_nor_ambiguous() {
        assert_eq!(KeySet::parse(r#"{"keys":[]}"#).unwrap_err(), JwksError::Count(0));
        let spaces = " ".repeat(MAX_DOCUMENT + 1);
        assert_eq!(
            KeySet::parse(&spaces).unwrap_err(),
            JwksError::TooLarge(MAX_DOCUMENT + 1)
        );
        for malformed in ["", "[]", "{}", r#"{"keys":[],"keys":[]}"#, r#"{"keys":{}}"#] {
            assert!(
                matches!(KeySet::parse(malformed), Err(JwksError::Malformed(_))),
                "{malformed}"
            );
        }
        let one: serde_json::Value = serde_json::from_str(&set(serde_json::json!({}))).unwrap();
        let twice = serde_json::json!({ "keys": [one["keys"][0], one["keys"][0]] }).to_string();
        assert!(matches!(
            KeySet::parse(&twice),
            Err(JwksError::Unfit { position: 2, .. })
        ));
        let many = serde_json::json!({ "keys": vec![one["keys"][0].clone(); MAX_KEYS + 1] }).to_string();
        assert_eq!(KeySet::parse(&many).unwrap_err(), JwksError::Count(MAX_KEYS + 1));
    }
}

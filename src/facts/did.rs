//! Who renews a token: a company that proves itself with the keys of its DID.
//!
//! A consumer gets its next token with a refresh token, a secret. Whoever steals that secret could renew for the consumer. So
//! Tractus-X and the renewal profile of Data Plane Signaling have the consumer sign a JSON Web Token of its own along with each
//! renewal, and so has Tidegate where the partner's DID is on record:
//!
//! 1. the signature verifies with a key of the partner's DID document, which is fetched from where the DID says ([`DidClient`]);
//! 2. `iss` and `sub` are that DID, `aud` is the tenant or its token endpoint, and the times are in order;
//! 3. `token` is a token that this tenant's endpoint made for the very same data flow, expired or not (for the caller to check).
//!
//! The DID is the one on record, never one that the message names: what a stranger writes into a token neither picks the keys that
//! verify it nor makes Tidegate call anywhere. The refresh token is looked at first, so nothing is fetched for a request that
//! could not be answered anyway. A document is not kept: renewals are minutes apart, and a key that was withdrawn must not be
//! good for an hour longer.
//!
//! Which keys count: those under `verificationMethod` with `publicKeyJwk` that the DID controls, for ES256 and EdDSA. Whether a
//! key stands under `authentication` as well is not looked at: connectors in use neither fill that list reliably nor read it.
//!
//! # Example
//!
//! ```
//! use tidegate::facts::did::{DidDocument, ProofError};
//!
//! let did = "did:web:weser.example".parse().unwrap();
//! let document = DidDocument::parse(&did, br#"{
//!     "id": "did:web:weser.example",
//!     "verificationMethod": [{
//!         "id": "did:web:weser.example#key-1", "type": "JsonWebKey2020", "controller": "did:web:weser.example",
//!         "publicKeyJwk": { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }
//!     }]
//! }"#).unwrap();
//! let now = "2026-11-25T09:00:00Z".parse().unwrap();
//! let proof = document.verify("not.a.token", &["BPNL000000000DWF"], now);
//! assert_eq!(proof.unwrap_err(), ProofError::Form);
//! ```

mod client;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::Value;

pub use client::{DidClient, DidError};

use super::verifier::LEEWAY;
use crate::ids::Did;

/// The greatest size of a DID document, in bytes.
pub const MAX_DOCUMENT: usize = 64 * 1024;

/// The greatest length of a proof, in bytes: it has a whole token in it.
const MAX_PROOF: usize = 16 * 1024;

/// The longest life of a proof, in seconds. Connectors give five to ten minutes.
const MAX_LIFETIME: i64 = 60 * 60;

/// What the keys of a DID document can be for.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::ES256, Algorithm::EdDSA];

/// Why a proof is none. One face outside: the client is not who it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is no JSON Web Token, or too long.
    #[error("the client's proof is not a JSON Web Token")]
    Form,
    /// Its algorithm is neither ES256 nor EdDSA.
    #[error("the client's proof is signed by another algorithm than ES256 and EdDSA")]
    Algorithm,
    /// It names no key of the document.
    #[error("the client's proof is signed with a key that its DID document does not have")]
    UnknownKey,
    /// The signature does not verify, or `iss`, `sub` or `aud` is another's, or the times are not in order.
    #[error("the client's proof does not verify")]
    Claims,
}

impl ProofError {
    /// A stable name for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Form => "proof-form",
            Self::Algorithm => "proof-algorithm",
            Self::UnknownKey => "proof-key",
            Self::Claims => "proof-claims",
        }
    }
}

/// A sound proof.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    /// The token that the client says it was handed. Not verified here; a secret as long as it has not expired.
    pub token: Box<str>,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Proof")
    }
}

/// The keys of a company, as its DID document has them.
#[derive(Debug)]
pub struct DidDocument {
    did: Did,
    keys: Vec<(String, Jwk)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    id: String,
    #[serde(default)]
    verification_method: Vec<Method>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Method {
    id: String,
    controller: String,
    /// A key of a kind that is not known here says nothing about the others.
    #[serde(default)]
    public_key_jwk: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iat: i64,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    token: Box<str>,
}

impl DidDocument {
    /// Reads the document of `did` (DID Core 1.0, section 5).
    ///
    /// # Errors
    /// [`DidError::Document`]: it is not JSON of that shape, or another's.
    pub fn parse(did: &Did, text: &[u8]) -> Result<Self, DidError> {
        let wrong = |problem: String| DidError::Document(did.clone(), problem);
        let read: Read = crate::json::read(text).map_err(|error| wrong(error.to_string()))?;
        if read.id != did.as_str() {
            return Err(wrong("its `id` is another".to_owned()));
        }
        let own = read
            .verification_method
            .into_iter()
            .filter(|method| method.controller == did.as_str());
        let keys = own.filter_map(|method| Some((method.id, serde_json::from_value(method.public_key_jwk?).ok()?)));
        Ok(Self {
            did: did.clone(),
            keys: keys.collect(),
        })
    }

    /// Verifies a proof that is meant for one of `audiences`.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, proof: &str, audiences: &[&str], now: Timestamp) -> Result<Proof, ProofError> {
        super::install_crypto();
        if proof.len() > MAX_PROOF {
            return Err(ProofError::Form);
        }
        let header = jsonwebtoken::decode_header(proof).map_err(|_| ProofError::Form)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(ProofError::Algorithm);
        }
        let key = self.key(&header)?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[self.did.as_str()]);
        validation.set_audience(audiences);
        validation.sub = Some(self.did.as_str().to_owned());
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
        // By our clock, below.
        validation.validate_exp = false;
        let read = jsonwebtoken::decode::<Claims>(proof, &key, &validation).map_err(|_| ProofError::Claims)?;
        if is_timely(&read.claims, now) {
            Ok(Proof {
                token: read.claims.token,
            })
        } else {
            Err(ProofError::Claims)
        }
    }

    /// The key that the header names: by its whole id, or by what stands after the `#`.
    fn key(&self, header: &Header) -> Result<DecodingKey, ProofError> {
        let named = header.kid.as_deref().ok_or(ProofError::UnknownKey)?;
        let fragment = |id: &str| {
            id.strip_prefix(self.did.as_str())
                .unwrap_or(id)
                .trim_start_matches('#')
                .to_owned()
        };
        let named = fragment(named);
        let found = self.keys.iter().find(|(id, _)| fragment(id) == named);
        let (_, jwk) = found.ok_or(ProofError::UnknownKey)?;
        DecodingKey::from_jwk(jwk).map_err(|_| ProofError::UnknownKey)
    }
}

/// Whether it is in force now, and for no longer than proofs are.
fn is_timely(claims: &Claims, now: Timestamp) -> bool {
    let now = now.as_second();
    let begun = claims.iat <= now + LEEWAY && claims.nbf.is_none_or(|from| from <= now + LEEWAY);
    let lasts = claims.exp > now - LEEWAY && claims.exp.saturating_sub(claims.iat) <= MAX_LIFETIME;
    begun && lasts && claims.exp >= claims.iat
}

//! An RSA-2048 signing key and what is made with it.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::ids::Digest;

/// Why a key cannot be made, read or used. The cryptography library tells no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The operating system or the library could not make a key.
    #[error("no RSA key could be generated")]
    Generate,
    /// The bytes are not an RSA private key of at least 2048 bits in PKCS#8.
    #[error("not an RSA private key in PKCS#8 (DER)")]
    Parse,
    /// The library could not sign.
    #[error("the message could not be signed")]
    Sign,
}

/// An RSA-2048 key that signs with RS256 (RFC 7518 section 3.3).
pub struct SigningKey {
    pair: KeyPair,
    modulus: String,
    exponent: String,
    id: String,
}

impl SigningKey {
    /// A new key. Takes some tenths of a second of CPU; make several in parallel.
    ///
    /// # Errors
    /// [`KeyError::Generate`].
    pub fn generate() -> Result<Self, KeyError> {
        KeyPair::generate(KeySize::Rsa2048)
            .map(Self::new)
            .map_err(|_| KeyError::Generate)
    }

    /// The key in PKCS#8 bytes.
    ///
    /// # Errors
    /// [`KeyError::Parse`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        KeyPair::from_pkcs8(der).map(Self::new).map_err(|_| KeyError::Parse)
    }

    /// The private key as PKCS#8 bytes, wiped when dropped.
    ///
    /// # Errors
    /// [`KeyError::Generate`] where the library cannot write it.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&self.pair).map_err(|_| KeyError::Generate)?;
        Ok(Zeroizing::new(der.as_ref().to_vec()))
    }

    fn new(pair: KeyPair) -> Self {
        let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let modulus = URL_SAFE_NO_PAD.encode(&public.n);
        let exponent = URL_SAFE_NO_PAD.encode(&public.e);
        let canonical = format!(r#"{{"e":"{exponent}","kty":"RSA","n":"{modulus}"}}"#);
        let id = URL_SAFE_NO_PAD.encode(Digest::of(canonical.as_bytes()).as_bytes());
        Self {
            pair,
            modulus,
            exponent,
            id,
        }
    }

    /// The key's id: its JWK thumbprint (RFC 7638).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public key as a JSON Web Key (RFC 7517), with the members that Cognito's have.
    pub fn jwk(&self) -> String {
        let Self {
            modulus, exponent, id, ..
        } = self;
        format!(r#"{{"alg":"RS256","e":"{exponent}","kid":"{id}","kty":"RSA","n":"{modulus}","use":"sig"}}"#)
    }

    /// A JSON Web Key Set of this key alone.
    pub fn jwks(&self) -> String {
        format!(r#"{{"keys":[{}]}}"#, self.jwk())
    }

    /// A token header as Cognito makes it: key id and algorithm.
    pub fn header(&self) -> String {
        format!(r#"{{"kid":"{}","alg":"RS256"}}"#, self.id)
    }

    /// The PKCS#1 v1.5 signature over the SHA-256 of `message`, in base64url.
    fn signature(&self, message: &[u8]) -> Result<String, KeyError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair
            .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
            .map_err(|_| KeyError::Sign)?;
        Ok(URL_SAFE_NO_PAD.encode(signature))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Signs any header and payload, sound or hostile, as a compact JWS: what the issuer's own tokens, the demo's forgeries and
/// the tests are made with. Neither text is looked at.
///
/// # Errors
/// [`KeyError::Sign`].
pub fn sign(key: &SigningKey, header_json: &str, payload_json: &str) -> Result<String, KeyError> {
    let mut token = URL_SAFE_NO_PAD.encode(header_json);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload_json, &mut token);
    let signature = key.signature(token.as_bytes())?;
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

//! Sealing: AES-256-GCM under a key for one purpose, with what the sealed text is of authenticated beside it.

use std::fmt;

use aws_lc_rs::{aead, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::error::VaultError;
use super::key::VaultKey;

/// Seals and opens texts for one purpose. What is sealed for another purpose, under another key, or as something else does not open.
pub struct Seal(aead::LessSafeKey);

/// A sealed text: the random nonce and the ciphertext with its tag, both in base64.
pub(super) struct Sealed {
    pub(super) nonce: String,
    pub(super) ciphertext: String,
}

impl Seal {
    /// A seal under a key that is derived from the vault's for this purpose alone.
    ///
    /// # Errors
    /// [`VaultError::Internal`]: the cipher does not take the key.
    pub fn new(key: &VaultKey, purpose: &str) -> Result<Self, VaultError> {
        let made = key.derive(purpose).and_then(|key| {
            let key = aead::UnboundKey::new(&aead::AES_256_GCM, key.as_slice()).ok()?;
            Some(Self(aead::LessSafeKey::new(key)))
        });
        made.ok_or(VaultError::Internal("derive a key"))
    }

    /// Seals a text as what `of` names, for a place that anyone may read.
    ///
    /// # Errors
    /// [`VaultError::Internal`]: no randomness.
    pub fn seal(&self, of: &str, text: &SecretString) -> Result<String, VaultError> {
        let Sealed { nonce, ciphertext } = self.close(of, text.expose_secret().as_bytes())?;
        Ok(format!("{nonce}.{ciphertext}"))
    }

    /// Opens what was sealed as what `of` names.
    ///
    /// # Errors
    /// [`VaultError::Tampered`].
    pub fn open(&self, of: &str, sealed: &str) -> Result<SecretString, VaultError> {
        let (nonce, ciphertext) = sealed.split_once('.').unwrap_or_default();
        self.reveal(of, nonce, ciphertext)
            .ok_or_else(|| VaultError::tampered(of, UNOPENED))
    }

    pub(super) fn close(&self, of: &str, text: &[u8]) -> Result<Sealed, VaultError> {
        let mut nonce = [0; aead::NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| VaultError::Internal("draw random bytes"))?;
        // Sealed in place: if that failed, the buffer would still hold the text, hence zeroised on every path.
        let mut buffer = Zeroizing::new(text.to_vec());
        let sealed_as = aead::Aad::from(of.as_bytes());
        let tag = self
            .0
            .seal_in_place_separate_tag(aead::Nonce::assume_unique_for_key(nonce), sealed_as, &mut buffer)
            .map_err(|_| VaultError::Internal("encrypt"))?;
        Ok(Sealed {
            nonce: BASE64.encode(nonce),
            ciphertext: BASE64.encode([buffer.as_slice(), tag.as_ref()].concat()),
        })
    }

    pub(super) fn reveal(&self, of: &str, nonce: &str, ciphertext: &str) -> Option<SecretString> {
        let nonce = aead::Nonce::try_assume_unique_for_key(&BASE64.decode(nonce).ok()?).ok()?;
        let mut buffer = Zeroizing::new(BASE64.decode(ciphertext).ok()?);
        let text = self
            .0
            .open_in_place(nonce, aead::Aad::from(of.as_bytes()), &mut buffer)
            .ok()?;
        std::str::from_utf8(text).ok().map(SecretString::from)
    }
}

/// Why a sealed text does not open.
pub(super) const UNOPENED: &str =
    "it does not decrypt: altered, moved from another tenant or name, or sealed with another key";

impl fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seal(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_as_what_it_is_and_as_nothing_else() {
        let key = VaultKey::random().unwrap();
        let seal = Seal::new(&key, "addresses").unwrap();
        let text = SecretString::from("a token");
        let sealed = seal.seal("a/1", &text).unwrap();
        assert_ne!(sealed, seal.seal("a/1", &text).unwrap(), "no nonce is used twice");
        assert!(!sealed.contains("token"));
        assert_eq!(seal.open("a/1", &sealed).unwrap().expose_secret(), "a token");
        let other_purpose = Seal::new(&key, "secrets").unwrap();
        let other_key = Seal::new(&VaultKey::random().unwrap(), "addresses").unwrap();
        let (nonce, rest) = sealed.split_once('.').unwrap();
        let cut = format!("{nonce}.{}", rest.get(..rest.len() - 4).unwrap());
        let refused = [
            seal.open("a/2", &sealed),
            other_purpose.open("a/1", &sealed),
            other_key.open("a/1", &sealed),
            seal.open("a/1", &cut),
            seal.open("a/1", ""),
            seal.open("a/1", "."),
            seal.open("a/1", rest),
        ];
        for refused in refused {
            assert!(matches!(refused, Err(VaultError::Tampered { .. })), "{refused:?}");
        }
    }
}

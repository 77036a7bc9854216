//! Checkpoints: a log's size and head, signed.
//!
//! The chain alone cannot tell that its newest records were cut off. So each commit also stores, per log, a statement of
//! how long the log is and what its last record hashes to, as a [C2SP signed note](https://c2sp.org/signed-note) with an
//! Ed25519 signature:
//!
//! ```text
//! tidegate.example/ledger/BPNL000000000DWF
//! 42
//! BuMwEPgWUc/yq4aBXPv8dZNMjxYYhqHw1QyrdXyHbJk=
//!
//! — tidegate.example/ledger/BPNL000000000DWF lVgPQ0F…
//! ```
//!
//! The key's name is the log's origin, so a note of one log never stands for another. Whoever keeps a note elsewhere can
//! later show that the log was rewritten, whoever held the key.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::ids::Digest;

/// The signature type Ed25519 in a signed note's key.
const ALGORITHM: u8 = 1;

/// Why a note or a key was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a verifier key.
    #[error("not a verifier key; expected `name+hash+key` as of c2sp.org/signed-note, with an Ed25519 key")]
    Key,
    /// Not a name that a key may have.
    #[error("`{0}` cannot name a key: it must not be empty nor hold white space or `+`")]
    Name(String),
    /// Not a signed note over a checkpoint.
    #[error("not a signed checkpoint")]
    Form,
    /// No signature by the key.
    #[error("no signature by the key `{0}`")]
    Unsigned(String),
    /// A signature in the key's name does not verify.
    #[error("the signature by the key `{0}` does not verify")]
    Signature(String),
    /// The note speaks of another log.
    #[error("the checkpoint is of `{found}`, not of `{expected}`")]
    Origin {
        /// The key's name.
        expected: String,
        /// The note's first line.
        found: String,
    },
    /// A note or a key of something that is no log.
    #[error("`{origin}` names no log; expected a name that ends in `/ledger/` and a BPNL or `platform`")]
    NoLog {
        /// The note's first line, or the key's name.
        origin: String,
    },
    /// The key could not be used.
    #[error("the signing key could not be used")]
    Signer,
}

/// The public half of a log's key, spelled `name+hash+base64` as of c2sp.org/signed-note.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    fn new(name: &str, public: [u8; 32]) -> Result<Self, NoteError> {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(NoteError::Name(name.escape_debug().to_string()));
        }
        let name = name.to_owned();
        Ok(Self { name, public })
    }

    /// The key's name, which is the origin of the log it signs for.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn typed(&self) -> Vec<u8> {
        [&[ALGORITHM], self.public.as_slice()].concat()
    }

    /// The key's short hash: the first four bytes of `SHA-256(name || 0x0A || 0x01 || key)`.
    fn hash(&self) -> [u8; 4] {
        let digest = Digest::of(&[self.name.as_bytes(), b"\n", &self.typed()].concat());
        let [a, b, c, d, ..] = *digest.as_bytes();
        [a, b, c, d]
    }

    /// Finds this key's signature among a note's signature lines and verifies it over `text`.
    fn verify(&self, text: &str, signatures: &str) -> Result<(), NoteError> {
        let hash = self.hash();
        for line in signatures.lines() {
            let (name, encoded) = line
                .strip_prefix("— ")
                .and_then(|line| line.split_once(' '))
                .ok_or(NoteError::Form)?;
            let blob = STANDARD.decode(encoded).map_err(|_| NoteError::Form)?;
            let (of, signature) = blob.split_at_checked(4).ok_or(NoteError::Form)?;
            if name == self.name && of == hash {
                return UnparsedPublicKey::new(&ED25519, self.public)
                    .verify(text.as_bytes(), signature)
                    .map_err(|_| NoteError::Signature(self.name.clone()));
            }
        }
        Err(NoteError::Unsigned(self.name.clone()))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode(self.typed());
        write!(formatter, "{}+{}+{key}", self.name, hex::encode(self.hash()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for VerifierKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        // The key's base64 may itself hold `+`, the name may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key);
        };
        let typed = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let public = typed.strip_prefix(&[ALGORITHM]).ok_or(NoteError::Key)?;
        let key = Self::new(name, public.try_into().map_err(|_| NoteError::Key)?)?;
        // One spelling only; this also holds the hash to the key.
        if key.to_string() == text {
            Ok(key)
        } else {
            Err(NoteError::Key)
        }
    }
}

/// A log's signing key.
pub struct Signer {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
    /// `— name `: every signature line begins so.
    prefix: String,
}

impl Signer {
    /// The key of `name` made from 32 secret bytes.
    ///
    /// # Errors
    ///
    /// [`NoteError::Name`] for a name a key may not have.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Signer)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoteError::Signer)?;
        let verifier = VerifierKey::new(name, public)?;
        let prefix = format!("— {name} ");
        Ok(Self { pair, verifier, prefix })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The signed note that the log of this key has `size` records, the last of which hashes to `head`.
    ///
    /// # Errors
    ///
    /// [`NoteError::Signer`] where the cryptographic library fails.
    pub fn sign(&self, size: u64, head: &Digest) -> Result<String, NoteError> {
        let mut note = checkpoint_text(&self.verifier.name, size, head);
        let signature = self.pair.try_sign(note.as_bytes()).map_err(|_| NoteError::Signer)?;
        note.push('\n');
        note.push_str(&self.prefix);
        STANDARD.encode_string([&self.verifier.hash(), signature.as_ref()].concat(), &mut note);
        note.push('\n');
        Ok(note)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signer({})", self.verifier)
    }
}

fn checkpoint_text(origin: &str, size: u64, head: &Digest) -> String {
    let mut text = format!("{origin}\n{size}\n");
    STANDARD.encode_string(head.as_bytes(), &mut text);
    text.push('\n');
    text
}

/// What a checkpoint says, once its signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's origin, which is its key's name.
    pub origin: String,
    /// How many records the log has.
    pub size: u64,
    /// The hash of the last of them; [`Digest::ZERO`] for none.
    pub head: Digest,
}

impl Checkpoint {
    /// Opens a note signed by `key`.
    ///
    /// # Errors
    ///
    /// A note of another form or another log, or without a good signature by `key`.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, NoteError> {
        let (text, signatures) = split(note)?;
        key.verify(text, signatures)?;
        let checkpoint = Self::parse(text)?;
        if checkpoint.origin != key.name {
            let expected = key.name.clone();
            let found = checkpoint.origin;
            return Err(NoteError::Origin { expected, found });
        }
        Ok(checkpoint)
    }

    /// The origin a note claims, before anything is verified: what selects the key.
    ///
    /// # Errors
    ///
    /// [`NoteError::Form`] where it is no checkpoint.
    pub fn claimed_origin(note: &str) -> Result<String, NoteError> {
        Self::parse(split(note)?.0).map(|checkpoint| checkpoint.origin)
    }

    fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(head)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(NoteError::Form);
        };
        let size = size.parse().map_err(|_| NoteError::Form)?;
        let head = STANDARD.decode(head).map_err(|_| NoteError::Form)?;
        let head = Digest::from_bytes(head.try_into().map_err(|_| NoteError::Form)?);
        if text != checkpoint_text(origin, size, &head) {
            return Err(NoteError::Form);
        }
        let origin = origin.to_owned();
        Ok(Self { origin, size, head })
    }
}

/// The signed text, with its last newline, and the signature lines.
fn split(note: &str) -> Result<(&str, &str), NoteError> {
    let at = note.rfind("\n\n").ok_or(NoteError::Form)?;
    let (text, rest) = note.split_at_checked(at + 1).ok_or(NoteError::Form)?;
    match rest.strip_prefix('\n') {
        Some(signatures) if signatures.ends_with('\n') => Ok((text, signatures)),
        _ => Err(NoteError::Form),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_of_a_signed_note_verifies() {
        // From the documentation of golang.org/x/mod/sumdb/note, where the format comes from.
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\n\
                    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let key: VerifierKey = text.parse().unwrap();
        assert_eq!(key.to_string(), text);
        let (said, signatures) = split(note).unwrap();
        assert_eq!(key.verify(said, signatures), Ok(()));
        assert!(
            text.replace("c74f", "c74e").parse::<VerifierKey>().is_err(),
            "the hash must be the key's"
        );
    }

    fn signer(name: &str) -> Signer {
        Signer::from_seed(name, &[7; 32]).unwrap()
    }

    #[test]
    fn a_signed_checkpoint_opens_with_its_own_key_only() {
        let signer = signer("tidegate.example/ledger/platform");
        let head = Digest::of(b"head");
        let note = signer.sign(42, &head).unwrap();
        let key: VerifierKey = signer.verifier().to_string().parse().unwrap();
        let checkpoint = Checkpoint::open(&note, &key).unwrap();
        assert_eq!((checkpoint.size, checkpoint.head), (42, head));
        let other = Signer::from_seed("tidegate.example/ledger/platform", &[8; 32]).unwrap();
        assert!(matches!(
            Checkpoint::open(&note, other.verifier()),
            Err(NoteError::Unsigned(_))
        ));
    }

    #[test]
    fn any_changed_byte_of_a_note_is_refused() {
        let signer = signer("t/ledger/platform");
        let note = signer.sign(7, &Digest::of(b"x")).unwrap();
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(Checkpoint::open(&changed, signer.verifier()).is_err(), "{changed}");
            }
        }
    }

    #[test]
    fn a_key_is_not_named_by_what_a_note_could_not_hold() {
        for name in ["", "a b", "a+b", "a\nb"] {
            assert!(Signer::from_seed(name, &[7; 32]).is_err(), "{name:?}");
        }
    }
}

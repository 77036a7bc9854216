//! Signed notes and the keys that sign them ([C2SP signed-note](https://c2sp.org/signed-note)).
//!
//! Two kinds of signature stand under a checkpoint: the log's own, and those of witnesses
//! ([C2SP tlog-cosignature](https://c2sp.org/tlog-cosignature)), who vouch that they saw the log grow and nothing else:
//!
//! ```text
//! tidegate.example/ledger/BPNL000000000DWF
//! 42
//! BuMwEPgWUc/yq4aBXPv8dZNMjxYYhqHw1QyrdXyHbJk=
//!
//! — tidegate.example/ledger/BPNL000000000DWF lVgPQ0F…      the log, over the three lines
//! — witness.example/w1 jWbPPwAAAABkGFDLEZMH…               a witness, over the time and the three lines
//! ```
//!
//! The format is the `signed_note` crate's; the cryptography is that of the rest of the program.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use signed_note::{Note, Signature, Verifier, VerifierList, is_key_name_valid, key_id};

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
    /// No key was given for that log.
    #[error("the checkpoint is of `{0}`, and no key of that name was given; give it with `--key`")]
    NoKey(String),
    /// Too few of the witnesses that count cosigned it.
    #[error("cosigned by {found} of the witnesses that count, where {needed} are needed")]
    Uncosigned {
        /// How many did.
        found: usize,
        /// How many must.
        needed: usize,
    },
    /// Not a change of keys, or not one that goes on from the one before.
    #[error("not a change of the log's key, signed by both keys, that goes on from the one before")]
    KeyChange,
    /// A key that never was the log's.
    #[error("the key `{0}` is none of those that the log was ever signed with, as far as it tells")]
    Unrelated(String),
    /// Signed by a key that was not the log's any more.
    #[error("it is of {size} records and signed by `{key}`, which another key followed after {until}")]
    Followed {
        /// What signature lines show of the key.
        key: String,
        /// How many records it could sign.
        until: u64,
        /// How many it did.
        size: u64,
    },
    /// The key could not be used.
    #[error("the signing key could not be used")]
    Signer,
}

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The text of a note: a log's own key.
    Note,
    /// The text with the time at which it was seen: a witness's key (`cosignature/v1`).
    Cosignature,
}

impl KeyKind {
    /// The byte before the key, which keeps the kinds apart.
    fn byte(self) -> u8 {
        match self {
            Self::Note => 1,
            Self::Cosignature => 4,
        }
    }
}

fn hint(name: &str, id: u32) -> String {
    format!("{name}+{id:08x}")
}

/// The public half of a key, spelled `name+hash+base64`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    public: [u8; 32],
}

impl VerifierKey {
    fn new(name: &str, kind: KeyKind, public: [u8; 32]) -> Result<Self, NoteError> {
        if !is_key_name_valid(name) || name.chars().any(char::is_control) {
            return Err(NoteError::Name(name.escape_debug().to_string()));
        }
        let name = name.to_owned();
        Ok(Self { name, kind, public })
    }

    /// The key's name: a log's origin, or what a witness calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Whether both are spellings of one key pair, whatever they are named and sign.
    pub fn is_pair_of(&self, other: &Self) -> bool {
        self.public == other.public
    }

    /// What a signature line shows of the key: the beginning of its spelling, `name+hash`.
    pub fn hint(&self) -> String {
        hint(&self.name, self.key_id())
    }

    fn typed(&self) -> Vec<u8> {
        [&[self.kind.byte()], self.public.as_slice()].concat()
    }

    fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.public);
        key.verify(message, signature).is_ok()
    }
}

impl Verifier for VerifierKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        key_id(&self.name, &self.typed())
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.kind {
            KeyKind::Note => self.holds(message, signature),
            KeyKind::Cosignature => signature.split_first_chunk().is_some_and(|(time, signature)| {
                let time = u64::from_be_bytes(*time);
                let seen = [format!("cosignature/v1\ntime {time}\n").as_bytes(), message].concat();
                self.holds(&seen, signature)
            }),
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, key) = (self.key_id(), STANDARD.encode(self.typed()));
        write!(formatter, "{}+{id:08x}+{key}", self.name)
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
        let (byte, public) = typed.split_first().ok_or(NoteError::Key)?;
        let mut kinds = [KeyKind::Note, KeyKind::Cosignature].into_iter();
        let kind = kinds.find(|kind| kind.byte() == *byte).ok_or(NoteError::Key)?;
        let key = Self::new(name, kind, public.try_into().map_err(|_| NoteError::Key)?)?;
        // One spelling only; this also holds the hash to the key.
        match key.to_string() == text {
            true => Ok(key),
            false => Err(NoteError::Key),
        }
    }
}

/// A key that signs notes.
pub struct Signer {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
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
        let verifier = VerifierKey::new(name, KeyKind::Note, public)?;
        Ok(Self { pair, verifier })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    fn line(&self, text: &[u8]) -> Result<Signature, NoteError> {
        let signature = self.pair.try_sign(text).map_err(|_| NoteError::Signer)?;
        let (name, id) = (self.verifier.name.clone(), self.verifier.key_id());
        Signature::new(name, id, signature.as_ref().to_vec()).map_err(|_| NoteError::Form)
    }
}

/// `text` as a note with these keys' signatures.
///
/// # Errors
///
/// [`NoteError::Signer`] where the cryptographic library fails; [`NoteError::Form`] for what cannot be a note's text.
pub(super) fn sign(text: &[u8], signers: &[&Signer]) -> Result<Vec<u8>, NoteError> {
    let lines = signers.iter().map(|signer| signer.line(text));
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    Ok(Note::new(text, &lines).map_err(|_| NoteError::Form)?.to_bytes())
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signer({})", self.verifier)
    }
}

/// A witness's word that it saw a checkpoint, and all before it in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cosignature {
    /// The witness's name.
    pub witness: String,
    /// When it saw the checkpoint.
    pub time: Timestamp,
    /// The signature as a line of the note, with its newline.
    #[serde(skip)]
    pub line: String,
}

/// The text of a note that `key` signed.
pub(super) fn open(note: &str, key: &VerifierKey) -> Result<String, NoteError> {
    let parsed = Note::from_bytes(note.as_bytes()).map_err(|_| NoteError::Form)?;
    // One spelling only.
    if parsed.to_bytes() != note.as_bytes() {
        return Err(NoteError::Form);
    }
    match parsed.verify(&VerifierList::new(vec![Box::new(key.clone())])) {
        Ok(_) => text(&parsed),
        Err(signed_note::NoteError::UnverifiedNote) => Err(NoteError::Unsigned(key.name.clone())),
        Err(signed_note::NoteError::InvalidSignature { name, .. }) => Err(NoteError::Signature(name)),
        Err(_) => Err(NoteError::Form),
    }
}

/// The text of a note, whoever signed it.
pub(super) fn claimed(note: &str) -> Result<String, NoteError> {
    text(&Note::from_bytes(note.as_bytes()).map_err(|_| NoteError::Form)?)
}

fn text(note: &Note) -> Result<String, NoteError> {
    String::from_utf8(note.text().to_vec()).map_err(|_| NoteError::Form)
}

/// The [hints](VerifierKey::hint) of all keys that signatures under a note are said to be of, in their order. Nothing is verified.
pub(super) fn hints(note: &str) -> Result<Vec<String>, NoteError> {
    // Behind the text the note is lines of signatures alone.
    let (_, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
    let read = |line: &str| {
        let signature = Signature::from_bytes(line.as_bytes()).map_err(|_| NoteError::Form)?;
        Ok(hint(signature.name(), signature.id()))
    };
    lines.lines().map(read).collect()
}

/// The cosignatures under a note that verify with one of the witnesses' keys. All others are left out: a note may have lines of
/// keys one does not know.
pub fn cosignatures(note: &str, witnesses: &[VerifierKey]) -> Vec<Cosignature> {
    let Ok(parsed) = Note::from_bytes(note.as_bytes()) else {
        return Vec::new();
    };
    let by = |witness: &VerifierKey| {
        let known = VerifierList::new(vec![Box::new(witness.clone())]);
        let (verified, _) = parsed.verify(&known).ok()?;
        let signature = verified.into_iter().next()?;
        let (time, _) = signature.signature().split_first_chunk()?;
        let time = Timestamp::from_second(i64::try_from(u64::from_be_bytes(*time)).ok()?).ok()?;
        let line = String::from_utf8(signature.to_bytes()).ok()?;
        let witness = witness.name.clone();
        Some(Cosignature { witness, time, line })
    };
    let witnesses = witnesses.iter().filter(|key| key.kind == KeyKind::Cosignature);
    witnesses.filter_map(by).collect()
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
        assert!(open(note, &key).unwrap().starts_with("If you think"));
        assert!(
            text.replace("c74f", "c74e").parse::<VerifierKey>().is_err(),
            "the hash must be the key's"
        );
    }

    #[test]
    fn a_key_is_not_named_by_what_a_note_could_not_hold() {
        for name in ["", "a b", "a+b", "a\nb", "a\u{7f}b", "a\u{a0}b"] {
            assert!(Signer::from_seed(name, &[7; 32]).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_witness_is_believed_with_its_time_and_no_other() {
        let log = Signer::from_seed("t/ledger/platform", &[7; 32]).unwrap();
        let note = sign(b"t/ledger/platform\n1\nAAA=\n", &[&log]).unwrap();
        let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let witness = VerifierKey::new("witness.example/w1", KeyKind::Cosignature, public).unwrap();
        assert_eq!(witness.to_string().parse(), Ok(witness.clone()));
        let line = |signed: u64, said: u64| {
            let message = format!("cosignature/v1\ntime {signed}\nt/ledger/platform\n1\nAAA=\n");
            let signature = [&said.to_be_bytes(), pair.sign(message.as_bytes()).as_ref()].concat();
            let line = Signature::new("witness.example/w1".into(), witness.key_id(), signature).unwrap();
            format!(
                "{}{}",
                String::from_utf8(note.clone()).unwrap(),
                String::from_utf8(line.to_bytes()).unwrap()
            )
        };
        let of = |note: &str| cosignatures(note, std::slice::from_ref(&witness));
        let [seen] = of(&line(1_679_315_147, 1_679_315_147)).try_into().unwrap();
        assert_eq!(seen.time, Timestamp::from_second(1_679_315_147).unwrap());
        assert_eq!(of(&line(1_679_315_147, 1_679_315_148)), []);
        assert!(
            open(&line(1, 1), log.verifier()).is_ok(),
            "the log's own signature holds beside it"
        );
        // The same key bytes sign nothing as a log.
        let other = VerifierKey::new("witness.example/w1", KeyKind::Note, witness.public).unwrap();
        assert!(matches!(open(&line(1, 1), &other), Err(NoteError::Unsigned(_))));
    }
}

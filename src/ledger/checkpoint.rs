//! Checkpoints: a log's size and the root of its tree, signed ([C2SP tlog-checkpoint](https://c2sp.org/tlog-checkpoint)).
//!
//! A tree alone cannot tell that its newest records were cut off. So at least once a second the log states, under its key, how
//! long it is and what the root of its tree is; the key's name is the log's origin, so a checkpoint of one log never stands for
//! another. Whoever keeps one elsewhere can later show that the log was rewritten, whoever held the key.

use tlog_tiles::Hash;

use super::note::{self, NoteError, Signer, VerifierKey};
use super::record::LogId;
use crate::ids::Digest;

/// What a checkpoint says, once its signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's origin, which is its key's name.
    pub origin: String,
    /// How many records the log has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The checkpoint as a note with the log's signature.
    ///
    /// # Errors
    ///
    /// [`NoteError::Signer`] where the cryptographic library fails.
    pub fn sign(size: u64, root: &Digest, signer: &Signer) -> Result<String, NoteError> {
        let text = Self::text(signer.verifier().name(), size, root)?;
        String::from_utf8(note::sign(&text, &[signer])?).map_err(|_| NoteError::Form)
    }

    /// The lines that are signed.
    pub(super) fn text(origin: &str, size: u64, root: &Digest) -> Result<Vec<u8>, NoteError> {
        let checkpoint = tlog_tiles::Checkpoint::new(origin, size, Hash(*root.as_bytes()), "");
        Ok(checkpoint.map_err(|_| NoteError::Form)?.to_bytes())
    }

    /// For how many records it names which root.
    pub fn names(&self) -> (u64, Digest) {
        (self.size, self.root)
    }

    /// Opens a note signed by `key`.
    ///
    /// # Errors
    ///
    /// A note of another form or another log, or without a good signature by `key`.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, NoteError> {
        let checkpoint = Self::parse(&note::open(note, key)?)?;
        if checkpoint.origin != key.name() {
            let expected = key.name().to_owned();
            let found = checkpoint.origin;
            return Err(NoteError::Origin { expected, found });
        }
        Ok(checkpoint)
    }

    /// What a note claims before anything is verified: its origin selects the key.
    ///
    /// # Errors
    ///
    /// [`NoteError::Form`] where it is no checkpoint.
    pub fn claimed(note: &str) -> Result<Self, NoteError> {
        Self::parse(&note::claimed(note)?)
    }

    /// Which log a note claims to be of, before anything is verified.
    ///
    /// # Errors
    ///
    /// It is no checkpoint, or of no log.
    pub fn claimed_log(note: &str) -> Result<LogId, NoteError> {
        log_of(&Self::claimed(note)?.origin)
    }

    pub(super) fn parse(text: &str) -> Result<Self, NoteError> {
        let read = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).map_err(|_| NoteError::Form)?;
        let (origin, size) = (read.origin().to_owned(), read.size());
        let root = Digest::from_bytes(read.hash().0);
        // One spelling only, and no further lines: these logs write none.
        let possible = i64::try_from(size).is_ok();
        match possible && Self::text(&origin, size, &root)? == text.as_bytes() {
            true => Ok(Self { origin, size, root }),
            false => Err(NoteError::Form),
        }
    }
}

/// Which log an origin names.
pub(super) fn log_of(origin: &str) -> Result<LogId, NoteError> {
    let log = origin.rsplit_once("/ledger/").and_then(|(_, log)| log.parse().ok());
    log.ok_or_else(|| NoteError::NoLog {
        origin: origin.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(name: &str) -> Signer {
        Signer::from_seed(name, &[7; 32]).unwrap()
    }

    #[test]
    fn a_signed_checkpoint_opens_with_its_own_key_only() {
        let signer = signer("tidegate.example/ledger/platform");
        let root = Digest::of(b"root");
        let note = Checkpoint::sign(42, &root, &signer).unwrap();
        let key: VerifierKey = signer.verifier().to_string().parse().unwrap();
        let checkpoint = Checkpoint::open(&note, &key).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (42, root));
        let other = Signer::from_seed("tidegate.example/ledger/platform", &[8; 32]).unwrap();
        assert!(matches!(
            Checkpoint::open(&note, other.verifier()),
            Err(NoteError::Unsigned(_))
        ));
    }

    #[test]
    fn any_changed_byte_of_a_note_is_refused() {
        let signer = signer("t/ledger/platform");
        let note = Checkpoint::sign(7, &Digest::of(b"x"), &signer).unwrap();
        for at in 0..note.len() {
            for bit in 0..8 {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                if let Ok(changed) = String::from_utf8(bytes) {
                    assert!(Checkpoint::open(&changed, signer.verifier()).is_err(), "{changed}");
                }
            }
        }
    }

    #[test]
    fn a_checkpoint_has_one_spelling() {
        let signer = signer("t/ledger/platform");
        let root = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let open = |text: String| {
            let note = String::from_utf8(note::sign(text.as_bytes(), &[&signer]).unwrap()).unwrap();
            Checkpoint::open(&note, signer.verifier())
        };
        assert_eq!(open(format!("t/ledger/platform\n7\n{root}\n")).unwrap().size, 7);
        for text in [
            format!("t/ledger/platform\n07\n{root}\n"),
            format!("t/ledger/platform\n+7\n{root}\n"),
            format!("t/ledger/platform\n7\n{root}\nmore\n"),
            format!("t/ledger/platform\n18446744073709551616\n{root}\n"),
            format!("t/ledger/platform\n9223372036854775808\n{root}\n"),
            "t/ledger/platform\n7\nAAAA\n".to_owned(),
            "t/ledger/platform\n7\n".to_owned(),
        ] {
            assert_eq!(open(text.clone()), Err(NoteError::Form), "{text}");
        }
        let other = open(format!("t/ledger/other\n7\n{root}\n"));
        assert!(matches!(other, Err(NoteError::Origin { .. })));
    }
}

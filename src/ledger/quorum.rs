//! Whose cosignatures a checkpoint must bear, and how many of them.
//!
//! A witness vouches for one thing: that each checkpoint of a log it cosigned goes on from the one before. Who trusts that so many
//! out of some witnesses do not all lie together knows that no other history of the log bears as many of their cosignatures. Which
//! witnesses count is for whoever trusts them to say; nothing here takes a key out of the note it is to judge.

use super::note::{Cosignature, KeyKind, NoteError, VerifierKey, cosignatures};

/// Why some keys are no quorum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// There is none.
    #[error("no witness is given")]
    Empty,
    /// A key that signs notes, as a log's does.
    #[error(
        "`{0}` is not the key of a witness: expected one of the type `cosignature/v1` (c2sp.org/tlog-cosignature, Ed25519)"
    )]
    Kind(Box<VerifierKey>),
    /// One key twice, whatever it is called: it would count twice.
    #[error("`{0}` and `{1}` are the same key: a witness counts once")]
    Twice(Box<VerifierKey>, Box<VerifierKey>),
    /// More than there are, or none.
    #[error("{needed} of {given} witnesses cannot be needed: at least 1, and at most all")]
    Needed {
        /// How many are needed.
        needed: usize,
        /// How many are given.
        given: usize,
    },
}

/// So many of these witnesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    keys: Vec<VerifierKey>,
    needed: usize,
}

impl Quorum {
    /// So many of `keys`; all where it is not said how many.
    ///
    /// # Errors
    ///
    /// [`QuorumError`].
    pub fn new(keys: Vec<VerifierKey>, needed: Option<usize>) -> Result<Self, QuorumError> {
        if let Some(key) = keys.iter().find(|key| key.kind() != KeyKind::Cosignature) {
            return Err(QuorumError::Kind(Box::new(key.clone())));
        }
        for (at, key) in keys.iter().enumerate() {
            if let Some(before) = keys.iter().take(at).find(|before| before.is_pair_of(key)) {
                return Err(QuorumError::Twice(Box::new(before.clone()), Box::new(key.clone())));
            }
        }
        let given = keys.len();
        let needed = needed.unwrap_or(given);
        match (given, needed) {
            (0, _) => Err(QuorumError::Empty),
            (_, needed) if (1..=given).contains(&needed) => Ok(Self { keys, needed }),
            (_, needed) => Err(QuorumError::Needed { needed, given }),
        }
    }

    /// The witnesses' keys.
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// How many of them must have cosigned.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// The cosignatures under a note, where there are enough. The log's own signature is not looked at.
    ///
    /// # Errors
    ///
    /// [`NoteError::Uncosigned`].
    pub fn met(&self, note: &str) -> Result<Vec<Cosignature>, NoteError> {
        let found = cosignatures(note, &self.keys);
        match found.len() >= self.needed {
            true => Ok(found),
            false => Err(NoteError::Uncosigned {
                found: found.len(),
                needed: self.needed,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::Checkpoint;
    use super::super::note::Signer;
    use super::super::tests::Cosigner;
    use super::*;
    use crate::ids::Digest;

    #[test]
    fn a_quorum_is_of_different_witnesses_and_of_no_more_than_there_are() {
        let [one, two] = [1, 2].map(|number| Cosigner::new(&format!("w{number}.example"), number).key().clone());
        let log = Signer::from_seed("t/ledger/platform", &[7; 32]).unwrap();
        let renamed = Cosigner::new("another.example", 1).key().clone();
        assert_eq!(Quorum::new(vec![], None), Err(QuorumError::Empty));
        let kind = QuorumError::Kind(Box::new(log.verifier().clone()));
        assert_eq!(Quorum::new(vec![one.clone(), log.verifier().clone()], None), Err(kind));
        let twice = QuorumError::Twice(Box::new(one.clone()), Box::new(renamed.clone()));
        assert_eq!(
            Quorum::new(vec![one.clone(), two.clone(), renamed], Some(1)),
            Err(twice)
        );
        for needed in [0, 3] {
            let error = QuorumError::Needed { needed, given: 2 };
            assert_eq!(Quorum::new(vec![one.clone(), two.clone()], Some(needed)), Err(error));
        }
        assert_eq!(Quorum::new(vec![one, two], None).unwrap().needed(), 2);
    }

    #[test]
    fn as_many_as_are_needed_must_have_cosigned_this_very_checkpoint() {
        let signer = Signer::from_seed("t/ledger/platform", &[7; 32]).unwrap();
        let note = |size| Checkpoint::sign(size, &Digest::of(b"root"), &signer).unwrap();
        let [one, two, stranger] = [1, 2, 3].map(|number| Cosigner::new(&format!("w{number}.example"), number));
        let keys = vec![one.key().clone(), two.key().clone()];
        let (any, all) = (
            Quorum::new(keys.clone(), Some(1)).unwrap(),
            Quorum::new(keys, None).unwrap(),
        );
        let with = |lines: &[String]| note(7) + &lines.concat();
        let [by_one, by_two] = [&one, &two].map(|by| by.line(&note(7), 1_700_000_000));
        assert!(any.met(&with(&[])).is_err());
        assert_eq!(
            any.met(&with(std::slice::from_ref(&by_two))).unwrap()[0].witness,
            "w2.example"
        );
        let (found, needed) = (1, 2);
        assert_eq!(
            all.met(&with(std::slice::from_ref(&by_one))),
            Err(NoteError::Uncosigned { found, needed })
        );
        assert_eq!(all.met(&with(&[by_one.clone(), by_two])).unwrap().len(), 2);
        let repeated = all.met(&with(&[by_one.clone(), by_one.clone()]));
        assert!(repeated.is_err(), "one witness twice is one");
        let foreign = stranger.line(&note(7), 1);
        assert!(
            any.met(&with(&[foreign])).is_err(),
            "whoever else cosigned does not count"
        );
        let other = one.line(&note(8), 1);
        assert!(any.met(&with(&[other])).is_err(), "of another checkpoint");
    }
}

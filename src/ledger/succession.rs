//! How another key comes to sign a log, and how whoever knows an old one comes to trust it.
//!
//! A log outlives any key. When its key is changed, the old key says so itself, once and for good: it signs the checkpoint of that
//! moment with two further lines, which name it and the key that follows. The new key signs the same, so that nobody's key is named
//! who does not have it:
//!
//! ```text
//! tidegate.example/ledger/BPNL000000000DWF
//! 42
//! BuMwEPgWUc/yq4aBXPv8dZNMjxYYhqHw1QyrdXyHbJk=
//! tidegate-key-from tidegate.example/ledger/BPNL000000000DWF+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW
//! tidegate-key-to tidegate.example/ledger/BPNL000000000DWF+5b1d41c0+AcGAhvGJVdMy1eqGDR+b+WxP4rbAJtDAKb7dLqpjSb1V
//!
//! — tidegate.example/ledger/BPNL000000000DWF x08go/ZJkuBS9UG/…      the key that goes
//! — tidegate.example/ledger/BPNL000000000DWF Wx1BwMVXlOxnaOMr…      the one that comes
//! ```
//!
//! This note is the next record of the log, number 42 here, so that it is proved like any other; and it is served beside the
//! checkpoint, so that nobody has to read the log to find it. From then on the new key signs. Whoever noted the old one follows the
//! notes from it, however many changes there were, and arrives at the key that signs today. What an old key signs beyond the size at
//! which it was followed counts for nothing: it may have been changed because somebody stole it.
//!
//! Further lines in a checkpoint are what [C2SP tlog-checkpoint](https://c2sp.org/tlog-checkpoint) has for such things, so tools that know
//! nothing of them still verify the note.

use super::checkpoint::Checkpoint;
use super::note::{self, NoteError, Signer, VerifierKey};
use crate::ids::Digest;

const FROM: &str = "tidegate-key-from ";
const TO: &str = "tidegate-key-to ";

/// A change of a log's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The key that signs what the log had.
    pub from: VerifierKey,
    /// The key that signs from here on.
    pub to: VerifierKey,
    /// How many records the log had. The record of that number tells of the change.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
    /// The note that says so.
    pub note: String,
}

impl KeyChange {
    /// The change as a note that both keys sign.
    pub(super) fn sign(size: u64, root: &Digest, from: &Signer, to: &Signer) -> Result<String, NoteError> {
        let mut text =
            String::from_utf8(Checkpoint::text(from.verifier().name(), size, root)?).map_err(|_| NoteError::Form)?;
        text.push_str(&format!("{FROM}{}\n{TO}{}\n", from.verifier(), to.verifier()));
        String::from_utf8(note::sign(text.as_bytes(), &[from, to])?).map_err(|_| NoteError::Form)
    }

    /// Opens a note that both keys it names signed. Whether the first is to be trusted is for who opens it to say.
    ///
    /// # Errors
    ///
    /// It is no such note, or one of them did not sign it.
    pub fn open(note: &str) -> Result<Self, NoteError> {
        let claimed = Self::parse(&note::claimed(note)?, note).ok_or(NoteError::KeyChange)?;
        note::open(note, &claimed.from)?;
        note::open(note, &claimed.to)?;
        Ok(claimed)
    }

    fn parse(text: &str, note: &str) -> Option<Self> {
        let (checkpoint, keys) = text.split_at(text.find(FROM)?);
        let (from, to) = keys.strip_prefix(FROM)?.strip_suffix('\n')?.split_once('\n')?;
        let from: VerifierKey = from.parse().ok()?;
        let to: VerifierKey = to.strip_prefix(TO)?.parse().ok()?;
        let Checkpoint { origin, size, root } = Checkpoint::parse(checkpoint).ok()?;
        // A key that follows itself would say nothing, and of another log's key this log says nothing.
        let sound = size > 0 && from.name() == origin && to.name() == origin && !from.is_pair_of(&to);
        sound.then(|| Self {
            from,
            to,
            size,
            root,
            note: note.to_owned(),
        })
    }
}

/// The keys of a log, the first one first: each vouched for by the one before and by the one after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHistory {
    changes: Vec<KeyChange>,
    current: VerifierKey,
}

impl KeyHistory {
    /// The keys of a log of which one is `known`, by `notes`, the changes of its key in their order.
    ///
    /// # Errors
    ///
    /// One of them is no change, was not signed by both keys, or does not go on from the one before; or none is of the known key.
    pub fn of(known: &VerifierKey, notes: &[String]) -> Result<Self, NoteError> {
        let changes = notes.iter().map(|note| KeyChange::open(note));
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        let follows = |pair: &[KeyChange]| match pair {
            [before, after] => before.to == after.from && before.size < after.size,
            _ => true,
        };
        if !changes.windows(2).all(follows) {
            return Err(NoteError::KeyChange);
        }
        let current = changes.last().map_or(known, |change| &change.to).clone();
        let history = Self { changes, current };
        match history.has(known) {
            true => Ok(history),
            false => Err(NoteError::Unrelated(known.hint())),
        }
    }

    /// One key that never was changed.
    pub fn unchanged(key: &VerifierKey) -> Self {
        let (changes, current) = (Vec::new(), key.clone());
        Self { changes, current }
    }

    /// Without the changes that a log of so many records cannot tell of.
    pub(super) fn within(&self, size: u64) -> Self {
        let changes = self.changes.iter().filter(|change| change.size < size);
        Self {
            changes: changes.cloned().collect(),
            current: self.current.clone(),
        }
    }

    /// The same changes, but another key in the place of the last.
    pub(super) fn signed_by(self, key: VerifierKey) -> Self {
        let (changes, current) = (self.changes, key);
        Self { changes, current }
    }

    /// Whether a key signs the log, or did.
    pub fn has(&self, key: &VerifierKey) -> bool {
        self.current == *key || self.changes.iter().any(|change| change.from == *key)
    }

    /// The key that signed the log first.
    pub fn first(&self) -> &VerifierKey {
        self.changes.first().map_or(&self.current, |change| &change.from)
    }

    /// The key that signs it now.
    pub fn current(&self) -> &VerifierKey {
        &self.current
    }

    /// The changes, the first one first.
    pub fn changes(&self) -> &[KeyChange] {
        &self.changes
    }

    /// Opens a checkpoint that one of the keys signed while it was the log's.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::open`]; one that a key signed after another had followed it.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        self.opened(note).map(|(checkpoint, _)| checkpoint)
    }

    /// As [`open`](Self::open), with the key that signed it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn opened(&self, note: &str) -> Result<(Checkpoint, &VerifierKey), NoteError> {
        for change in &self.changes {
            match Checkpoint::open(note, &change.from) {
                Ok(checkpoint) if checkpoint.size <= change.size => return Ok((checkpoint, &change.from)),
                Ok(checkpoint) => {
                    return Err(NoteError::Followed {
                        key: change.from.hint(),
                        until: change.size,
                        size: checkpoint.size,
                    });
                }
                Err(NoteError::Unsigned(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((Checkpoint::open(note, &self.current)?, &self.current))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "tidegate.example/ledger/platform";

    fn signer(seed: u8) -> Signer {
        Signer::from_seed(ORIGIN, &[seed; 32]).unwrap()
    }

    fn change(size: u64, from: &Signer, to: &Signer) -> String {
        KeyChange::sign(size, &Digest::of(b"root"), from, to).unwrap()
    }

    #[test]
    fn whoever_knows_any_of_the_keys_comes_to_the_last() {
        let [a, b, c] = [1, 2, 3].map(signer);
        let notes = [change(42, &a, &b), change(50, &b, &c)];
        for key in [&a, &b, &c] {
            let history = KeyHistory::of(key.verifier(), &notes).unwrap();
            assert_eq!((history.first(), history.current()), (a.verifier(), c.verifier()));
        }
        let stranger = KeyHistory::of(signer(9).verifier(), &notes);
        assert!(matches!(stranger, Err(NoteError::Unrelated(_))));
        let alone = KeyHistory::of(a.verifier(), &[]).unwrap();
        assert_eq!((alone.first(), alone.current()), (a.verifier(), a.verifier()));
    }

    #[test]
    fn a_change_takes_both_keys_and_goes_on_from_the_one_before() {
        let [a, b, c] = [1, 2, 3].map(signer);
        let good = change(42, &a, &b);
        assert_eq!(KeyChange::open(&good).unwrap().size, 42);
        let lines: Vec<&str> = good.lines().collect();
        for gone in [5 + 1, 5 + 2] {
            let mut lines = lines.clone();
            lines.remove(gone);
            let note = lines.join("\n") + "\n";
            assert!(KeyChange::open(&note).is_err(), "without line {gone}");
        }
        assert!(KeyChange::open(&good.replace("\n42\n", "\n43\n")).is_err());
        assert!(
            KeyChange::open(&change(0, &a, &b)).is_err(),
            "an empty log has no key to change"
        );
        assert!(KeyChange::open(&change(42, &a, &a)).is_err(), "the same key");
        // Another log's key is not this one's to name.
        let other = Signer::from_seed("tidegate.example/ledger/BPNL00000000000A", &[2; 32]).unwrap();
        assert!(KeyChange::open(&change(42, &a, &other)).is_err());
        // Neither from a key that never was, nor from one that was followed before, nor back in time.
        let from = |second: String| KeyHistory::of(a.verifier(), &[good.clone(), second]);
        assert!(from(change(50, &c, &signer(4))).is_err());
        assert!(from(change(50, &a, &c)).is_err());
        assert!(from(change(42, &b, &c)).is_err());
        assert!(from(change(43, &b, &c)).is_ok());
        assert!(from("no note".to_owned()).is_err());
    }

    #[test]
    fn what_a_key_signs_after_it_was_followed_counts_for_nothing() {
        let [a, b] = [1, 2].map(signer);
        let history = KeyHistory::of(a.verifier(), &[change(42, &a, &b)]).unwrap();
        let note = |size, by: &Signer| Checkpoint::sign(size, &Digest::of(b"root"), by).unwrap();
        assert_eq!(history.open(&note(42, &a)).unwrap().size, 42);
        assert_eq!(history.open(&note(43, &b)).unwrap().size, 43);
        assert!(matches!(
            history.open(&note(43, &a)),
            Err(NoteError::Followed {
                until: 42,
                size: 43,
                ..
            })
        ));
        assert!(matches!(
            history.open(&note(43, &signer(9))),
            Err(NoteError::Unsigned(_))
        ));
    }
}

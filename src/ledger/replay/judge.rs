//! What one record comes to: the same for whoever brings it, from wherever and in whatever order.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::answers::{Answer, Answers, Why};
use super::evaluate::{Made, Parts, again, compared, spelled};
use super::kept::Kept;
use super::told::Told;
use super::{Memory, Outcome, Selection};
use crate::bundle::Bundle;
use crate::ids::Digest;
use crate::ledger::LedgerError;
use crate::ledger::private::Asked;
use crate::ledger::read::{Reader, Withheld};
use crate::ledger::record::{Engine, LogId, Read};
use crate::question::Supplement;

/// A decision made again, and the recorded bundle it was made under; none where it was another.
type Under = (Made, Option<Arc<Bundle>>);

/// All that judges records: which are asked for, under what they are decided again, and what is kept to do so.
pub(super) struct Judge {
    pub(super) select: Selection,
    pub(super) against: Option<Bundle>,
    pub(super) kept: Kept,
    answers: Answers,
    /// What runs here, as records spell it.
    pub(super) running: String,
}

impl Judge {
    /// For threads of the runtime this is called in.
    pub(super) fn new(reader: Reader, select: Selection, against: Option<Bundle>, memory: Memory) -> Self {
        if let Some(bundle) = &against {
            memory.bound(bundle);
        }
        Self {
            select,
            against,
            kept: Kept::new(reader, memory),
            answers: Answers::new(memory.answers()),
            running: running(),
        }
    }

    /// Looks at the bytes of a record, which are what is signed at that place: the decision it is, and whether it is asked for, as far
    /// as the record alone tells. Of what is no decision, whether it is within the times that are asked for.
    ///
    /// # Errors
    ///
    /// Why it cannot be the record at its place.
    pub(super) fn seen<'r>(&self, at: (LogId, u64), bytes: &'r [u8]) -> Result<(Option<Told<'r>>, bool), String> {
        let read = match Read::of(bytes) {
            Ok(read) if (read.log(), read.seq()) == at => read,
            Ok(read) => {
                let (seq, log) = (read.seq(), read.log());
                return Err(format!("record {} says that it is record {seq} of `{log}`", at.1));
            }
            Err(error) => return Err(format!("record {} is malformed: {error}", at.1)),
        };
        let spans = self.select.spans(read.time());
        let told = Told::of(read);
        // Who asked is private, and is looked at only where it is asked for.
        let fits = |told: &Told<'_>| self.select.principal.is_some() || self.select.fits(told, String::new);
        let fits = spans && told.as_ref().is_none_or(fits);
        Ok((told, fits))
    }

    /// Whether a decision that may be asked for is, now that it is known what it was asked with.
    pub(super) fn takes(&self, told: &Told<'_>, asked: Option<&[u8]>) -> bool {
        self.select.principal.is_none() || self.select.fits(told, || asker(told, asked))
    }

    /// What comes of a decision that was asked with that, or why it is not to be had. `met` is told the question's key.
    pub(super) fn outcome(
        &self,
        told: &Told<'_>,
        asked: &Result<Bytes, Withheld>,
        met: impl FnOnce(&Digest),
    ) -> Result<Outcome, LedgerError> {
        Ok(match asked {
            Err(why) => Outcome::NotReplayable { cause: why.to_string() },
            Ok(asked) => {
                let key = told.key();
                met(&key);
                self.answer(told, &key, asked)?.compared(told)
            }
        })
    }

    /// The answer to a question, which is made once for all that are equal to it.
    pub(super) fn answer(&self, told: &Told<'_>, key: &Digest, asked: &[u8]) -> Result<Answer, LedgerError> {
        if let Some(answer) = self.answers.get(key) {
            return Ok(answer);
        }
        let answer = match self.made(told, asked)? {
            Ok((made, _)) => spelled(&made.decision).map_err(|why| Answer::NotReplayable(Why::anywhere(why))),
            Err(answer) => Err(answer),
        };
        let answer = match answer {
            Ok(text) => Answer::Decision(self.answers.shared(text)),
            Err(answer) => answer,
        };
        self.answers.put(key, &answer);
        Ok(answer)
    }

    /// What the policies say of a decision as it is made now.
    pub(super) fn explained(&self, told: &Told<'_>, asked: &[u8]) -> Result<Vec<String>, LedgerError> {
        let Ok((made, bundle)) = self.made(told, asked)? else {
            return Ok(Vec::new());
        };
        let bundle = bundle.as_deref().or(self.against.as_ref());
        Ok(bundle.map(|bundle| made.explained(bundle)).unwrap_or_default())
    }

    /// Makes a decision again, with what belongs to it out of the ledger; what comes of it where that cannot be.
    pub(super) fn made(&self, told: &Told<'_>, asked: &[u8]) -> Result<Result<Under, Answer>, LedgerError> {
        let kept = &self.kept;
        let slice = match kept.slice(told.log, &told.private)? {
            Ok(slice) => slice,
            Err(why) => return Ok(Err(Answer::NotReplayable(why))),
        };
        let mut terms = BTreeMap::new();
        for digest in &told.terms {
            match kept.terms(*digest)? {
                Ok(known) => terms.insert(*digest, Supplement::clone(&known)),
                Err(why) => return Ok(Err(Answer::NotReplayable(why))),
            };
        }
        let bundle = match self.against {
            Some(_) => None,
            None => match kept.bundle(told.bundle)? {
                Ok(bundle) => Some(bundle),
                Err(why) => return Ok(Err(Answer::BundleMissing(why))),
            },
        };
        let slice = &slice;
        let parts = Parts { asked, slice, terms };
        let made = match (bundle.as_deref(), &self.against) {
            (Some(recorded), _) => again(recorded, told, parts),
            (None, Some(other)) => again(other, told, parts),
            (None, None) => Err("there is no bundle to decide under".to_owned()),
        };
        let made = made.map(|made| (made, bundle));
        Ok(made.map_err(|why| Answer::NotReplayable(Why::anywhere(why))))
    }
}

/// What runs here, as records spell it.
pub(super) fn running() -> String {
    serde_json::to_string(&Engine::running()).unwrap_or_default()
}

impl Answer {
    /// What comes of a decision that has this answer now.
    pub(super) fn compared(&self, told: &Told<'_>) -> Outcome {
        match self {
            Self::Decision(now) => compared(told, now),
            Self::BundleMissing(why) => Outcome::BundleMissing {
                cause: why.text.to_string(),
            },
            Self::NotReplayable(why) => Outcome::NotReplayable {
                cause: why.text.to_string(),
            },
        }
    }
}

/// Who asked: a person by name, where what is private in the record can be read.
fn asker(told: &Told<'_>, asked: Option<&[u8]>) -> String {
    let asked: Option<Asked> = asked.and_then(|asked| serde_json::from_slice(asked).ok());
    let person = asked.and_then(|asked| asked.people.get(told.principal.as_ref()).cloned());
    person.unwrap_or_else(|| told.principal.to_string())
}

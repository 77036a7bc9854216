//! One recorded decision made again, from values alone.
//!
//! This is all that replay does with a decision, and it needs neither the ledger nor a thread of its own: whoever reads rows of
//! [segments](crate::ledger::segment) by other means, on many machines, makes each again with [`make`] and gets the line that
//! `tidegate replay` would print.

use std::collections::BTreeMap;

use super::told::Told;
use super::{Class, Outcome, Replayed};
use crate::bundle::Bundle;
use crate::cedar::{self, Ground};
use crate::decision::Decision;
use crate::engine;
use crate::ids::Digest;
use crate::ledger::private::{Asked, Mask};
use crate::ledger::record::{Read, RecordError};
use crate::question::{Entity, Question, Supplement, read_entities};

/// An entity slice, parsed once for all the questions that have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    digest: Digest,
    bytes: usize,
    entities: Vec<Entity>,
}

impl Slice {
    /// Reads a slice from its canonical JSON, which was held to its commitment.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn of(bytes: &[u8]) -> Result<Self, String> {
        let json = crate::json::parse(bytes).map_err(|error| error.to_string())?;
        let entities = read_entities(&json, "/entities").map_err(|error| error.to_string())?;
        let digest = Digest::of(bytes);
        let bytes = bytes.len();
        Ok(Self {
            digest,
            bytes,
            entities,
        })
    }

    /// How long its JSON is.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a decision is made again from, but for its bundle. Each part was held to what the record commits to, so together they are the
/// question that was asked, or none.
#[derive(Clone, Debug)]
pub struct Parts<'p> {
    /// What [`Private::asked`](crate::ledger::record::Private::asked) commits to.
    pub asked: &'p [u8],
    /// What [`Private::entities`](crate::ledger::record::Private::entities) commits to.
    pub slice: &'p Slice,
    /// The terms and access rules the record names.
    pub terms: BTreeMap<Digest, Supplement>,
}

/// A decision made again.
pub(super) struct Made {
    question: Question,
    mask: Mask,
    /// With people as the record names them.
    pub(super) decision: Decision,
}

/// Makes a decision again under a bundle.
///
/// # Errors
///
/// Why the question cannot be put together.
pub(super) fn again(bundle: &Bundle, told: &Told<'_>, parts: Parts<'_>) -> Result<Made, String> {
    let asked: Asked = serde_json::from_slice(parts.asked).map_err(|error| error.to_string())?;
    let mask = Mask::of(&asked.people);
    let (principal, resource) = (mask.unmasked(&told.principal), mask.unmasked(&told.resource));
    let context = asked.context.get().as_bytes();
    let entities = parts.slice.entities.clone();
    let question = Question::from_parts(principal, &told.action, resource, context, entities, parts.terms);
    let question = question.map_err(|error| error.to_string())?;
    let decision = mask.decision(engine::decide_slice(bundle, &question, parts.slice.digest));
    Ok(Made {
        question,
        mask,
        decision,
    })
}

impl Made {
    /// What the policies that determine the decision say; where none does, what the nearest one that would permit lacks.
    pub(super) fn explained(&self, bundle: &Bundle) -> Vec<String> {
        let explanation = cedar::explain(&bundle.index, &bundle.schema, &self.question);
        let grounds = explanation.grounds(&self.decision.cedar.policies).into_iter();
        let told = grounds.map(|ground| match ground {
            Ground::Policy(policy) => format!("`{}`: {}", policy.policy, policy.why),
            Ground::Lacking(policy, clause) => {
                format!("`{}` would permit, but not met: {}", policy.policy, clause.text)
            }
        });
        told.map(|text| self.mask.text(text)).collect()
    }
}

/// How a decision made again, as canonical JSON, compares with what was recorded.
pub(super) fn compared(told: &Told<'_>, now: &str) -> Outcome {
    if told.decision == now {
        return Outcome::Same;
    }
    let decisions =
        serde_json::from_str::<Decision>(&told.decision).and_then(|was| Ok((was, serde_json::from_str(now)?)));
    match decisions {
        Ok((was, now)) => match Class::of(&was, &now) {
            Some(class) => Outcome::Changed {
                class,
                was: Box::new(was),
                now: Box::new(now),
            },
            None => Outcome::Same,
        },
        Err(error) => Outcome::NotReplayable {
            cause: error.to_string(),
        },
    }
}

/// Makes the decision of a record again. `parts` and `bundle` are what belongs to it, or why it is not to be had. Nothing where the record
/// is no decision.
///
/// The result's JSON is one line, and the same wherever and whenever it is made.
///
/// # Errors
///
/// The bytes are no record.
pub fn make<'p>(
    record: &[u8],
    parts: impl FnOnce(&Told<'_>) -> Result<Parts<'p>, String>,
    bundle: Result<&Bundle, String>,
) -> Result<Option<Replayed>, RecordError> {
    let Some(told) = Told::of(Read::of(record)?) else {
        return Ok(None);
    };
    let outcome = match (parts(&told), bundle) {
        (Err(cause), _) => Outcome::NotReplayable { cause },
        (_, Err(cause)) => Outcome::BundleMissing { cause },
        (Ok(parts), Ok(bundle)) => match again(bundle, &told, parts).and_then(|made| spelled(&made.decision)) {
            Ok(now) => compared(&told, &now),
            Err(cause) => Outcome::NotReplayable { cause },
        },
    };
    Ok(Some(Replayed::new(&told, outcome)))
}

/// A decision as canonical JSON.
pub(super) fn spelled(decision: &Decision) -> Result<String, String> {
    serde_json::to_string(decision).map_err(|error| error.to_string())
}

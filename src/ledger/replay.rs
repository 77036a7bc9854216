//! Recorded decisions, made again.
//!
//! Each decision of the ledger is put back together from what was stored with it: the question from its context, its entity
//! slice and its terms; the bundle from its manifest and files. [`engine::decide`], the very function
//! that decided then, decides again, and the two decisions are compared in full: effect, both layers' answers, determining
//! policies and errors. Under the recorded bundle they must be equal; under another one, the difference is what the change
//! of policy would have meant for real requests.
//!
//! Nothing is believed on the way: a record, a body or a bundle that is not what its digest says is not replayed but counted,
//! with the cause.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::private::{Asked, Mask};
use super::read::{Cursor, Reader, Stored};
use super::record::Decided;
use super::{Event, LedgerError, LogId};
use crate::bundle::{Bundle, Source};
use crate::contract::Terms;
use crate::decision::Decision;
use crate::engine;
use crate::ids::{Digest, RecordId};
use crate::question::{Part, Question};

/// How many entity slices are kept parsed.
const KEPT: usize = 4_096;

/// Which decisions to make again, and under what.
#[derive(Debug, Default)]
pub struct Plan {
    /// Only records from this instant on.
    pub since: Option<Timestamp>,
    /// Only records before this instant.
    pub until: Option<Timestamp>,
    /// This bundle in place of the recorded ones.
    pub against: Option<Bundle>,
}

/// What came of one decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome")]
pub enum Outcome {
    /// The same, in every part.
    Same,
    /// Another decision, or the same for other reasons.
    Changed {
        /// As recorded.
        was: Box<Decision>,
        /// As decided now.
        now: Box<Decision>,
    },
    /// The recorded bundle is not kept whole, or does not load.
    BundleMissing {
        /// Why.
        cause: String,
    },
    /// The question cannot be put back together.
    NotReplayable {
        /// Why.
        cause: String,
    },
}

/// One decision made again.
#[derive(Clone, Debug, Serialize)]
pub struct Replayed {
    /// Its log.
    pub log: LogId,
    /// Its number in the log.
    pub seq: u64,
    /// Its id.
    pub id: RecordId,
    /// What was asked, in short.
    pub asked: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of all.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Decisions made again.
    pub decisions: u64,
    /// Of these, the same.
    pub same: u64,
    /// Changed.
    pub changed: u64,
    /// Without their bundle.
    pub bundle_missing: u64,
    /// Not to be put back together.
    pub not_replayable: u64,
    /// Records that are not decisions.
    pub other_records: u64,
}

impl Summary {
    fn count(&mut self, outcome: &Outcome) {
        self.decisions += 1;
        match outcome {
            Outcome::Same => self.same += 1,
            Outcome::Changed { .. } => self.changed += 1,
            Outcome::BundleMissing { .. } => self.bundle_missing += 1,
            Outcome::NotReplayable { .. } => self.not_replayable += 1,
        }
    }

    /// Whether every decision was made again and came out the same.
    pub fn holds(&self) -> bool {
        self.same == self.decisions
    }
}

/// What is fetched once and used for many decisions. All of it is named by digest, so none of it can be stale.
#[derive(Default)]
struct Kept {
    bundles: HashMap<Digest, Result<Arc<Bundle>, String>>,
    terms: HashMap<Digest, Arc<Terms>>,
    entities: HashMap<Digest, Part>,
}

/// Makes the decisions of the ledger in `dir` again. `each` is told of every one that did not come out the same, `progress`
/// of how many were made so far.
///
/// # Errors
/// There is no ledger, or it is damaged; `verify` says where.
pub async fn replay(
    dir: &Path,
    plan: &Plan,
    mut each: impl FnMut(&Replayed),
    mut progress: impl FnMut(u64),
) -> Result<Summary, LedgerError> {
    let mut reader = Reader::open(dir).await?;
    let mut kept = Kept::default();
    let mut summary = Summary::default();
    for log in reader.logs().await? {
        let mut cursor = Cursor::new(log, 0);
        while let Some(stored) = cursor.next(&mut reader).await? {
            let time = stored.record.time.timestamp();
            if plan.since.is_some_and(|since| time < since) || plan.until.is_some_and(|until| time >= until) {
                continue;
            }
            let Event::Decision(decided) = &stored.record.event else {
                summary.other_records += 1;
                continue;
            };
            let outcome = again(&mut reader, &mut kept, plan, &stored, decided).await?;
            summary.count(&outcome);
            if outcome != Outcome::Same {
                let asked = format!("{} {} {}", decided.principal, decided.action, decided.resource);
                each(&Replayed {
                    log,
                    seq: stored.record.seq,
                    id: stored.record.id,
                    asked,
                    outcome,
                });
            }
            progress(summary.decisions);
        }
    }
    Ok(summary)
}

async fn again(
    reader: &mut Reader,
    kept: &mut Kept,
    plan: &Plan,
    stored: &Stored,
    decided: &Decided,
) -> Result<Outcome, LedgerError> {
    let (question, mask) = match question(reader, kept, stored, decided).await? {
        Ok(question) => question,
        Err(cause) => return Ok(Outcome::NotReplayable { cause }),
    };
    let now = match &plan.against {
        Some(bundle) => engine::decide(bundle, &question),
        None => match bundle(reader, kept, decided.bundle).await {
            Ok(bundle) => engine::decide(&bundle, &question),
            Err(cause) => return Ok(Outcome::BundleMissing { cause }),
        },
    };
    // As the record names people.
    let now = mask.decision(now);
    if now == decided.decision {
        return Ok(Outcome::Same);
    }
    Ok(Outcome::Changed {
        was: Box::new(decided.decision.clone()),
        now: Box::new(now),
    })
}

/// The question that was asked, and how its people are named in the record. What is put together is held to the record's
/// commitments part by part, so it is that question, or none.
async fn question(
    reader: &mut Reader,
    kept: &mut Kept,
    stored: &Stored,
    decided: &Decided,
) -> Result<Result<(Question, Mask), String>, LedgerError> {
    let asked = match &stored.asked {
        Some(Ok(asked)) => asked,
        Some(Err(why)) => return Ok(Err(why.to_string())),
        None => return Ok(Err("it is no decision".to_owned())),
    };
    if !kept.entities.contains_key(&decided.private.entities) {
        let bytes = match reader.slice(stored.record.log, &decided.private).await? {
            Ok(bytes) => bytes,
            Err(why) => return Ok(Err(format!("the entity slice: {why}"))),
        };
        if kept.entities.len() >= KEPT {
            kept.entities.clear();
        }
        kept.entities.insert(decided.private.entities, Part::of(bytes));
    }
    for digest in &decided.terms {
        if !kept.terms.contains_key(digest) {
            let bytes = match reader.body(*digest).await {
                Ok(bytes) => bytes,
                Err(error) => return Ok(Err(error.to_string())),
            };
            match Terms::from_normal_form(&bytes) {
                Ok(terms) => kept.terms.insert(*digest, Arc::new(terms)),
                Err(error) => return Ok(Err(error.to_string())),
            };
        }
    }
    Ok(assembled(kept, asked, decided))
}

fn assembled(kept: &Kept, asked: &[u8], decided: &Decided) -> Result<(Question, Mask), String> {
    let asked: Asked = serde_json::from_slice(asked).map_err(|error| error.to_string())?;
    let mask = Mask::of(&asked.people);
    let terms = decided
        .terms
        .iter()
        .filter_map(|digest| Some((*digest, Arc::clone(kept.terms.get(digest)?))));
    let entities = kept.entities.get(&decided.private.entities);
    let entities = entities.ok_or("the entity slice is not kept")?;
    let context = Part::of(asked.context.get().as_bytes().to_vec());
    let (principal, resource) = (mask.unmasked(&decided.principal), mask.unmasked(&decided.resource));
    let terms: BTreeMap<_, _> = terms.collect();
    let question = Question::from_parts(principal, &decided.action, resource, &context, entities, terms);
    Ok((question.map_err(|error| error.to_string())?, mask))
}

async fn bundle(reader: &mut Reader, kept: &mut Kept, digest: Digest) -> Result<Arc<Bundle>, String> {
    if let Some(known) = kept.bundles.get(&digest) {
        return known.clone();
    }
    let loaded = load(reader, digest).await.map(Arc::new);
    kept.bundles.insert(digest, loaded.clone());
    loaded
}

async fn load(reader: &mut Reader, digest: Digest) -> Result<Bundle, String> {
    let manifest = reader.body(digest).await.map_err(|error| error.to_string())?;
    let mut files: HashMap<Digest, Arc<[u8]>> = HashMap::new();
    for file in Source::named_by(&manifest).map_err(|error| error.to_string())? {
        let bytes = reader.body(file).await.map_err(|error| error.to_string())?;
        files.insert(file, bytes.into());
    }
    let source = Source::archived(&manifest, |file| files.get(&file).cloned()).map_err(|error| error.to_string())?;
    Bundle::load(source).map_err(|error| error.to_string())
}

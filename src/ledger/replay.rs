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

mod select;
mod summary;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

pub use self::select::{NoShare, Selection, Share};
pub use self::summary::{Changes, Class, Counts, Summary, Unverified};

use super::private::{Asked, Mask};
use super::read::{Cursor, Reader, Stored};
use super::record::{Decided, Engine};
use super::{Event, LedgerError, LogId, verify};
use crate::bundle::{Bundle, Source};
use crate::cedar::{self, Ground};
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
    /// Which.
    pub select: Selection,
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
        /// How it differs.
        class: Class,
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
    /// What the policies that determine the decision now say, or what the nearest one that would permit lacks; given for the first
    /// changed ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

/// How many changed decisions are explained.
const EXPLAINED: u64 = 20;

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
/// Each log is verified first, up to its signed root; one that is not whole is named and left out, and the others go on.
///
/// # Errors
/// There is no ledger, or it cannot be read.
pub async fn replay(
    dir: &Path,
    plan: &Plan,
    each: impl FnMut(&Replayed),
    progress: impl FnMut(u64),
) -> Result<Summary, LedgerError> {
    replay_from(Reader::open(dir).await?, plan, each, progress).await
}

/// As [`replay`], of a ledger that is open.
///
/// # Errors
/// It cannot be read.
pub async fn replay_from(
    mut reader: Reader,
    plan: &Plan,
    mut each: impl FnMut(&Replayed),
    mut progress: impl FnMut(u64),
) -> Result<Summary, LedgerError> {
    let mut kept = Kept::default();
    let mut summary = Summary::default();
    let engine = Engine::running();
    for log in reader.logs().await?.into_iter().filter(|log| plan.select.reads(*log)) {
        let tree = verify::tree(&mut reader, log).await?;
        summary.verified.1 += tree.records;
        if let Some(why) = tree.wrong {
            let records = tree.records;
            summary.unverified.push(Unverified { log, records, why });
            continue;
        }
        summary.verified.0 += tree.signed;
        let mut cursor = Cursor::new(log, 0);
        while let Some(stored) = cursor.next(&mut reader).await? {
            if !plan.select.spans(&stored.record) {
                continue;
            }
            let Event::Decision(decided) = &stored.record.event else {
                summary.other_records += 1;
                continue;
            };
            if !plan.select.fits(&stored.record, decided, || asker(&stored, decided)) {
                continue;
            }
            let explain = summary.changed < EXPLAINED;
            let replayed = again(&mut reader, &mut kept, plan, &stored, decided, explain).await?;
            summary.count(decided, stored.record.time, &engine, &replayed);
            if replayed.outcome != Outcome::Same {
                each(&replayed);
            }
            progress(summary.decisions);
        }
    }
    Ok(summary)
}

/// Who asked: a person by name, where what is private in the record can be read.
fn asker(stored: &Stored, decided: &Decided) -> String {
    let asked = stored.asked.as_ref().and_then(|asked| asked.as_ref().ok());
    let asked: Option<Asked> = asked.and_then(|asked| serde_json::from_slice(asked).ok());
    let person = asked.and_then(|asked| asked.people.get(&decided.principal).cloned());
    person.unwrap_or_else(|| decided.principal.clone())
}

async fn again(
    reader: &mut Reader,
    kept: &mut Kept,
    plan: &Plan,
    stored: &Stored,
    decided: &Decided,
    explain: bool,
) -> Result<Replayed, LedgerError> {
    let record = &stored.record;
    let (outcome, why) = outcome(reader, kept, plan, stored, decided, explain).await?;
    Ok(Replayed {
        log: record.log,
        seq: record.seq,
        id: record.id,
        asked: format!("{} {} {}", decided.principal, decided.action, decided.resource),
        outcome,
        why,
    })
}

async fn outcome(
    reader: &mut Reader,
    kept: &mut Kept,
    plan: &Plan,
    stored: &Stored,
    decided: &Decided,
    explain: bool,
) -> Result<(Outcome, Vec<String>), LedgerError> {
    let (question, mask) = match question(reader, kept, stored, decided).await? {
        Ok(question) => question,
        Err(cause) => return Ok((Outcome::NotReplayable { cause }, Vec::new())),
    };
    let recorded = match &plan.against {
        Some(_) => None,
        None => match bundle(reader, kept, decided.bundle).await {
            Ok(bundle) => Some(bundle),
            Err(cause) => return Ok((Outcome::BundleMissing { cause }, Vec::new())),
        },
    };
    let Some(bundle) = recorded.as_deref().or(plan.against.as_ref()) else {
        let cause = "there is no bundle to decide under".to_owned();
        return Ok((Outcome::BundleMissing { cause }, Vec::new()));
    };
    // As the record names people.
    let now = mask.decision(engine::decide(bundle, &question));
    let Some(class) = Class::of(&decided.decision, &now) else {
        return Ok((Outcome::Same, Vec::new()));
    };
    let why = match explain {
        true => explained(bundle, &question, &now, &mask),
        false => Vec::new(),
    };
    let was = Box::new(decided.decision.clone());
    let now = Box::new(now);
    Ok((Outcome::Changed { class, was, now }, why))
}

/// What the policies that determine a decision say; where none does, what the nearest one that would permit lacks.
fn explained(bundle: &Bundle, question: &Question, now: &Decision, mask: &Mask) -> Vec<String> {
    let explanation = cedar::explain(&bundle.index, &bundle.schema, question);
    let grounds = explanation.grounds(&now.cedar.policies).into_iter();
    let told = grounds.map(|ground| match ground {
        Ground::Policy(policy) => format!("`{}`: {}", policy.policy, policy.why),
        Ground::Lacking(policy, clause) => format!("`{}` would permit, but not met: {}", policy.policy, clause.text),
    });
    told.map(|text| mask.text(text)).collect()
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

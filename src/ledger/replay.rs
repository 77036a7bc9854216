//! Recorded decisions, made again.
//!
//! Each decision of the ledger is put back together from what was stored with it: the question from its context, its entity
//! slice and its terms; the bundle from its manifest and files. [`engine::decide`](crate::engine::decide), the very function
//! that decided then, decides again, and the two decisions are compared in full: effect, both layers' answers, determining
//! policies and errors. Under the recorded bundle they must be equal; under another one, the difference is what the change
//! of policy would have meant for real requests.
//!
//! ```text
//! survey   each log's tiles are held to its signed root, each segment to its manifest     (Survey)
//! read     segments by row group where there are some, else the store by 256 records      (this module)
//! work     on every core: records held to the tiles, opened, evaluated once each, counted (Worker)
//! merge    counts are added up; what is listed is ordered by log and number               (Part)
//! ```
//!
//! Nothing is believed on the way: a record, a body or a bundle that is not what its digest says is not replayed but counted,
//! with the cause. What comes of a record depends on that record alone, and parts are merged in a way that knows no order; so the
//! result is the same, byte for byte, whatever the number of threads, whether records come from segments or from the store, and when
//! shares of the work are done apart ([`Shard`]), or rows are read by another engine altogether ([`apart`]).

mod answers;
pub mod apart;
mod differing;
mod distinct;
mod evaluate;
mod judge;
mod kept;
mod part;
mod plan;
mod pool;
mod select;
mod summary;
mod survey;
mod told;
mod work;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::evaluate::{Parts, Slice, make};
pub use self::part::{NotAPart, Part};
use self::plan::Memory;
pub use self::plan::{NoShard, Plan, Shard};
use self::pool::{Feed, Stopped};
pub use self::select::{NoShare, Selection, Share};
pub use self::summary::{Changes, Class, Counts, Summary, Unverified};
use self::survey::Survey;
pub use self::told::Told;
use self::work::{Counted, Shared, Work, Worker};
use super::read::Reader;
use super::segment::{self, Damaged};
use super::tile::WIDTH;
use super::{LedgerError, LogId};
use crate::decision::Decision;
use crate::ids::RecordId;

/// What came of one decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Outcome {
    /// Why it was not made again, where it was not.
    fn cause(&self) -> Option<&str> {
        match self {
            Self::BundleMissing { cause } | Self::NotReplayable { cause } => Some(cause),
            Self::Same | Self::Changed { .. } => None,
        }
    }
}

/// One decision made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

impl Replayed {
    fn new(told: &Told<'_>, outcome: Outcome) -> Self {
        Self {
            log: told.log,
            seq: told.seq,
            id: told.id,
            asked: format!("{} {} {}", told.principal, told.action, told.resource),
            outcome,
            why: Vec::new(),
        }
    }
}

/// How many changed decisions are explained: the first by log and number.
const EXPLAINED: usize = 20;

/// How many decisions that did not come out the same are listed: the first by log and number. All are counted.
pub const LISTED: usize = 10_000;

/// How often it is told how far replay has come.
const TICK: Duration = Duration::from_millis(100);

/// How many times its packed size a group takes in memory.
const UNPACKED: usize = 12;

/// How far replay has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many records were done with.
    pub done: u64,
    /// How many there are in all.
    pub total: u64,
}

/// What replay came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replay {
    /// All of it, counted.
    pub summary: Summary,
    /// The first [`LISTED`] decisions that did not come out the same, by log and number.
    pub differing: Vec<Replayed>,
}

/// Makes the decisions of the ledger in `dir` again, and tells `progress` how far it has come.
///
/// Each log is verified first, up to its signed root; one that is not whole is named and left out, and the others go on. So do those
/// beside a segment that is damaged.
///
/// # Errors
/// There is no ledger, or it cannot be read.
pub async fn replay(dir: &Path, plan: Plan, progress: impl FnMut(Progress)) -> Result<Replay, LedgerError> {
    Ok(part(Reader::open(dir).await?, dir, plan, progress).await?.whole())
}

/// Makes the share of the decisions again that the plan's [`Shard`] names: what others have done is [merged](Part::merge) with it.
/// `dir` is the data directory, wherever the ledger itself lies.
///
/// # Errors
///
/// As [`replay`].
pub async fn part(
    mut reader: Reader,
    dir: &Path,
    plan: Plan,
    mut progress: impl FnMut(Progress),
) -> Result<Part, LedgerError> {
    let root = root(dir, &plan);
    let hands = (plan.threads(), plan.memory());
    let survey = Survey::of(&mut reader, &plan, &root).await?;
    let shared = Arc::new(Shared::new(reader, plan, survey));
    let counted = made(&shared, &root, hands, &mut progress).await?;
    Ok(shared.gather(counted))
}

/// Where the segments are.
fn root(dir: &Path, plan: &Plan) -> PathBuf {
    plan.segments.clone().unwrap_or_else(|| dir.join(segment::DIRECTORY))
}

/// Makes all that was surveyed again, on so many threads.
async fn made(
    shared: &Arc<Shared>,
    root: &Path,
    (threads, memory): (usize, Memory),
    progress: &mut impl FnMut(Progress),
) -> Result<Vec<Counted>, LedgerError> {
    let hands = Arc::clone(shared);
    let work = pool::run(
        threads,
        memory.flight(),
        async |feed| give_out(shared, root, feed).await,
        move |take| {
            let mut worker = Worker::new(&hands);
            while let Some(work) = take.next() {
                worker.work(work)?;
            }
            Ok(worker.done())
        },
    );
    tokio::pin!(work);
    let mut ticks = tokio::time::interval(TICK);
    let total = shared.survey.total;
    let counted = loop {
        tokio::select! {
            counted = &mut work => break counted?,
            _ = ticks.tick() => progress(Progress { done: shared.done.load(Ordering::Relaxed), total }),
        }
    };
    progress(Progress { done: total, total });
    Ok(counted)
}

/// Gives out all there is to be done: the row groups of segments, then what of each log is in none.
async fn give_out(shared: &Shared, root: &Path, feed: &Feed<Work>) -> Result<Result<(), Stopped>, LedgerError> {
    let mut units = 0_u64;
    let mut mine = || {
        units += 1;
        shared.shard.takes(units - 1)
    };
    for place in &shared.survey.places {
        let path = place.below(root, "parquet");
        let opened = segment::manifest(root, place)
            .and_then(|manifest| Ok((manifest, segment::open(&path).map_err(|why| Damaged::new(place, why))?)));
        let (manifest, opened) = match opened {
            Ok(opened) => opened,
            Err(damaged) => {
                shared.damaged(damaged);
                continue;
            }
        };
        for group in opened.groups {
            let rows = usize::try_from(group.rows).unwrap_or(0);
            let expected: Vec<_> = manifest.rows_from(group.before).take(rows).collect();
            let wanted = shared.judge.select.may_fit(group.time, group.action.as_ref())
                && expected.iter().any(|(log, _)| shared.survey.logs.contains_key(log));
            if !mine() {
                continue;
            }
            if !wanted {
                shared.done.fetch_add(group.rows, Ordering::Relaxed);
                continue;
            }
            let bytes = usize::try_from(group.bytes).unwrap_or(usize::MAX);
            let (place, path, index) = (place.clone(), path.clone(), group.index);
            let work = Work::Rows {
                place,
                path,
                index,
                expected,
            };
            if feed.put(work, bytes).await.is_err() {
                return Ok(Err(Stopped));
            }
        }
    }
    for (log, roots) in &shared.survey.logs {
        for number in 0.. {
            let first = number * WIDTH;
            let full = first + WIDTH <= roots.signed();
            if full && (shared.survey.covered.has_all(*log, first, first + WIDTH - 1) || !mine()) {
                continue;
            }
            let group = shared.judge.kept.reader().await.packed(*log, number, true).await?;
            if !full && group.is_empty() {
                break;
            }
            // Of what is in no full group, which has no end that is known beforehand, each looks at all.
            if !full && !mine() {
                continue;
            }
            let bytes = group.bytes().saturating_mul(UNPACKED);
            if feed.put(Work::Group(group), bytes).await.is_err() {
                return Ok(Err(Stopped));
            }
        }
    }
    Ok(Ok(()))
}

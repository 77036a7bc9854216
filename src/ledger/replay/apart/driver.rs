//! What is done where the report is made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::part::Part;
use super::super::survey::Survey;
use super::super::work::{Shared, Work, Worker};
use super::super::{Memory, Plan, Progress, made, root};
use super::{Archived, NotApart, Tally, Task, VERSION, mark};
use crate::ids::Digest;
use crate::ledger::LedgerError;
use crate::ledger::read::Reader;
use crate::ledger::record::{Engine, LogId};
use crate::ledger::segment::{Manifest, Place, manifest, open, placed};
use crate::ledger::tile::WIDTH;

/// A replay of which another engine does the segments it can.
pub struct Driver {
    shared: Shared,
    root: PathBuf,
    hands: (usize, Memory),
    /// What the engine does; the survey has the rest.
    away: BTreeMap<Place, Manifest>,
}

impl Driver {
    /// Looks at everything that the plan reads, as [`part`](super::super::part) does. `dir` is the data directory, wherever the ledger
    /// itself lies. A share of the work is not for this.
    ///
    /// # Errors
    ///
    /// As [`replay`](super::super::replay).
    pub async fn open(mut reader: Reader, dir: &Path, plan: Plan) -> Result<Self, LedgerError> {
        let (root, hands) = (root(dir, &plan), (plan.threads(), plan.memory()));
        let survey = Survey::of(&mut reader, &plan, &root).await?;
        let mut driver = Self {
            shared: Shared::new(reader, plan, survey),
            root,
            hands,
            away: BTreeMap::new(),
        };
        for place in std::mem::take(&mut driver.shared.survey.places) {
            match driver.given_away(&place) {
                Some(manifest) => drop(driver.away.insert(place, manifest)),
                None => driver.shared.survey.places.push(place),
            }
        }
        Ok(driver)
    }

    /// The manifest of a segment whose rows another engine may read: some of it can be asked for, and the columns by which rows are
    /// told apart there name just the records of the manifest. What is not so is told by whoever does the segment here.
    fn given_away(&self, place: &Place) -> Option<Manifest> {
        let path = place.below(&self.root, "parquet");
        let manifest = manifest(&self.root, place).ok()?;
        let groups = open(&path).ok()?.groups;
        let mut wanted = false;
        for group in groups {
            let rows = usize::try_from(group.rows).ok()?;
            let expected: Vec<_> = manifest.rows_from(group.before).take(rows).collect();
            wanted |= self.shared.judge.select.may_fit(group.time, group.action.as_ref())
                && expected
                    .iter()
                    .any(|(log, _)| self.shared.survey.logs.contains_key(log));
            if !placed(&path, group.index, &expected).unwrap_or(false) {
                return None;
            }
        }
        wanted.then_some(manifest)
    }

    /// The segments the engine reads, as paths below their directory.
    pub fn segments(&self) -> impl Iterator<Item = String> + '_ {
        self.away.keys().map(Place::to_string)
    }

    /// How many rows these have.
    pub fn rows(&self) -> u64 {
        self.away.values().map(|manifest| manifest.rows).sum()
    }

    /// What is asked of those who evaluate.
    pub fn task(&self) -> Task {
        let logs = self.shared.survey.logs.iter();
        Task {
            against: self.shared.judge.against.as_ref().map(Archived::packed),
            engine: Engine::running(),
            logs: logs
                .map(|(log, roots)| (*log, (roots.signed(), roots.digest())))
                .collect(),
            select: self.shared.judge.select.clone(),
            v: VERSION,
        }
    }

    /// Takes back the segments in which a row is not as it should be. Where there was one, the engine must be asked anew, for what is
    /// left.
    ///
    /// # Errors
    ///
    /// A row is named that no segment has.
    pub fn takes_back(&mut self, tally: &Tally) -> Result<bool, NotApart> {
        for (log, seq) in &tally.irregular {
            let has = |manifest: &Manifest| {
                let ranges = manifest
                    .logs
                    .iter()
                    .filter(|logs| logs.log == *log)
                    .flat_map(|logs| &logs.ranges);
                ranges.into_iter().any(|[first, last]| first <= seq && seq <= last)
            };
            if let Some(place) = self
                .away
                .iter()
                .find(|(_, manifest)| has(manifest))
                .map(|(place, _)| place.clone())
            {
                self.away.remove(&place);
                self.shared.survey.places.push(place);
            } else if !self.shared.survey.covered.has(*log, *seq) {
                return Err(NotApart::wrong(format!("record {seq} of `{log}` is in no segment")));
            }
        }
        Ok(!tally.irregular.is_empty())
    }

    /// Does the rest, and puts it together with what the engine came to.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read; what came back is not what was given out.
    pub async fn finish(self, tally: Tally, mut progress: impl FnMut(Progress)) -> Result<Part, NotApart> {
        let (rows, sum) = self.expected().await?;
        if (rows, sum) != (tally.rows, tally.sum) || !tally.irregular.is_empty() {
            let (expected, found) = (rows, tally.rows);
            return Err(NotApart::Incomplete { expected, found });
        }
        let Self {
            shared,
            root,
            hands,
            away,
        } = self;
        let shared = Arc::new(shared);
        shared.done.fetch_add(rows, Ordering::Relaxed);
        let counted = made(&shared, &root, hands, &mut progress).await?;
        let mut part = shared.gather(counted);
        part.add(tally.summary, tally.differing, tally.distinct);
        let which = part.unexplained();
        if !which.is_empty() {
            let explained = tokio::task::spawn_blocking(move || {
                let work = work_of(&which, &root, &away);
                Worker::explain(&shared, which, work)
            });
            let ended = |error: tokio::task::JoinError| LedgerError::Ended {
                why: error.to_string().into(),
            };
            part.explain(explained.await.map_err(ended)??);
        }
        Ok(part)
    }

    /// How many rows the engine should have read of logs that are whole, and what their marks add up to.
    async fn expected(&self) -> Result<(u64, u64), LedgerError> {
        let mut reader = self.shared.judge.kept.reader().await;
        let (mut rows, mut sum) = (0, 0_u64);
        let mut last: Option<(LogId, u64, Vec<Digest>)> = None;
        for (log, seq) in self.away.values().flat_map(|manifest| manifest.rows_from(0)) {
            let Some(roots) = self.shared.survey.logs.get(&log) else {
                continue;
            };
            let number = seq / WIDTH;
            if last.as_ref().is_none_or(|(of, at, _)| (*of, *at) != (log, number)) {
                let hashes = roots.hashes(&mut reader, number).await?.unwrap_or_default();
                last = Some((log, number, hashes));
            }
            let hashes = last
                .as_ref()
                .map(|(_, _, hashes)| hashes.as_slice())
                .unwrap_or_default();
            let leaf = usize::try_from(seq % WIDTH).ok().and_then(|within| hashes.get(within));
            rows += 1;
            sum = sum.wrapping_add(leaf.map_or(0, mark));
        }
        Ok((rows, sum))
    }
}

/// The row groups that have those records.
fn work_of(which: &BTreeSet<(LogId, u64)>, root: &Path, away: &BTreeMap<Place, Manifest>) -> Vec<Work> {
    let mut work = Vec::new();
    for (place, manifest) in away {
        let path = place.below(root, "parquet");
        for group in open(&path).map(|opened| opened.groups).unwrap_or_default() {
            let rows = usize::try_from(group.rows).unwrap_or(0);
            let expected: Vec<_> = manifest.rows_from(group.before).take(rows).collect();
            if expected.iter().any(|at| which.contains(at)) {
                work.push(Work::Rows {
                    place: place.clone(),
                    path: path.clone(),
                    index: group.index,
                    expected,
                });
            }
        }
    }
    work
}

//! What is done where the report is made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::part::Part;
use super::super::survey::Survey;
use super::super::work::{Looked, Shared, Work, Worker};
use super::super::{Memory, Plan, Progress, made, root};
use super::{Archived, NotApart, Signed, Tally, Task, VERSION};
use crate::ids::Digest;
use crate::ledger::LedgerError;
use crate::ledger::read::Reader;
use crate::ledger::record::{Engine, LogId};
use crate::ledger::segment::{Covered, Manifest, Place, manifest, open, placed};
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

    /// The segments the engine reads, as paths below their directory, and how many rows each has. They may be read in any order and in
    /// any company; what comes of each adds up.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = (String, u64)> + '_ {
        self.away
            .iter()
            .map(|(place, manifest)| (place.to_string(), manifest.rows))
    }

    /// What is asked of those who evaluate. `program` is the SHA-256 of the program that runs here.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn task(&self, program: Digest) -> Result<Task, LedgerError> {
        let mut reader = self.shared.judge.kept.reader().await;
        let mut logs = BTreeMap::new();
        for (log, roots) in &self.shared.survey.logs {
            let months = reader.months(*log).await?.into_iter();
            let months = months.map(|(period, key)| (period, key.err().map(|why| why.to_string())));
            let signed = Signed {
                digest: roots.digest(),
                months: months.collect(),
                size: roots.signed(),
            };
            logs.insert(*log, signed);
        }
        Ok(Task {
            against: self.shared.judge.against.as_ref().map(Archived::packed),
            engine: Engine::running(),
            logs,
            program,
            select: self.shared.judge.select.clone(),
            v: VERSION,
        })
    }

    /// Takes back the segments in which a row is not as it should be, or a question could not be answered for something that was lacking
    /// where it was asked. Where there was one, the engine must be asked anew, for what is left. Each time there is less of it.
    ///
    /// # Errors
    ///
    /// A row is named, and no segment that was given out has it.
    pub fn takes_back(&mut self, tally: &Tally) -> Result<bool, NotApart> {
        let named = tally.irregular();
        let Some((log, seq)) = named.first() else {
            return Ok(false);
        };
        let has = |manifest: &Manifest| {
            manifest.logs.iter().any(|logs| {
                let mut ranges = logs.ranges.iter();
                ranges.any(|[first, last]| {
                    first <= last && named.range((logs.log, *first)..=(logs.log, *last)).next().is_some()
                })
            })
        };
        let (back, away): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.away)
            .into_iter()
            .partition(|(_, manifest)| has(manifest));
        self.away = away;
        if back.is_empty() {
            return Err(NotApart::wrong(format!(
                "record {seq} of `{log}` came back as one that is not as it should be, and is in no segment that was given out"
            )));
        }
        self.shared.survey.places.extend(back.into_keys());
        Ok(true)
    }

    /// Does the rest, and puts it together with what the engine came to.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read; what came back is not what was given out, or not what comes of it here.
    pub async fn finish(self, tally: Tally, mut progress: impl FnMut(Progress)) -> Result<Part, NotApart> {
        self.holds(self.away.values(), &tally).await?;
        if let Some((log, seq)) = tally.irregular().first() {
            return Err(NotApart::wrong(format!(
                "record {seq} of `{log}` came back as one that is not as it should be"
            )));
        }
        let mut given = Covered::default();
        self.away.values().for_each(|manifest| given.add_all(manifest));
        tally.fits(&given)?;
        let Self {
            shared,
            root,
            hands,
            away,
        } = self;
        let shared = Arc::new(shared);
        shared.done.fetch_add(tally.rows, Ordering::Relaxed);
        let counted = made(&shared, &root, hands, &mut progress).await?;
        let mut part = shared.gather(counted);
        let causes = tally.causes;
        part.add(tally.summary, tally.differing.clone(), tally.distinct);
        let mut explained = part.unexplained();
        explained.retain(|(log, seq)| given.has(*log, *seq));
        let which: BTreeSet<_> = explained.iter().chain(causes.values()).copied().collect();
        if which.is_empty() {
            return Ok(part);
        }
        let looked = tokio::task::spawn_blocking(move || {
            let work = work_of(&which, &root, &away);
            let looked = Worker::look(&shared, which, work)?;
            match shared.wrong() {
                Some(why) => Err(NotApart::wrong(format!("what was read is not there any more: {why}"))),
                None => Ok(looked),
            }
        });
        let looked: Looked = looked.await.map_err(LedgerError::ended)??;
        let other = |(log, seq): &(LogId, u64)| {
            NotApart::wrong(format!(
                "record {seq} of `{log}` came out otherwise than it does here: nothing is reported; run the same program everywhere"
            ))
        };
        for at in &explained {
            let here = looked.get(at).map(|(outcome, _)| outcome);
            if here.is_none() || here != tally.differing.outcome(*at) {
                return Err(other(at));
            }
        }
        for (cause, at) in &causes {
            if looked.get(at).and_then(|(outcome, _)| outcome.cause()) != Some(cause.as_str()) {
                return Err(other(at));
            }
        }
        let said = looked.into_iter().map(|(at, (_, why))| (at, why));
        part.explain(said.filter(|(at, _)| explained.contains(at)).collect());
        Ok(part)
    }

    /// Holds what came of those segments to what is signed of their records: each was counted, and once. Of rows that are named as not
    /// being as they should be, nothing can be held: [`takes_back`](Self::takes_back) is next.
    ///
    /// # Errors
    ///
    /// [`NotApart::Incomplete`]; the store's.
    pub async fn adds_up(&self, segments: &[String], tally: &Tally) -> Result<(), NotApart> {
        if !tally.irregular().is_empty() {
            return Ok(());
        }
        let segments: BTreeSet<&str> = segments.iter().map(String::as_str).collect();
        let asked = self.away.iter();
        let asked = asked.filter(|(place, _)| segments.contains(place.to_string().as_str()));
        self.holds(asked.map(|(_, manifest)| manifest), tally).await
    }

    async fn holds(&self, asked: impl Iterator<Item = &Manifest>, tally: &Tally) -> Result<(), NotApart> {
        let (expected, sum) = self.expected(asked).await?;
        match (expected, sum) == (tally.rows, tally.sum) {
            true => Ok(()),
            false => Err(NotApart::Incomplete {
                expected,
                found: tally.rows,
            }),
        }
    }

    /// How many rows the engine should have read of logs that are whole, and what their marks add up to.
    async fn expected(&self, asked: impl Iterator<Item = &Manifest>) -> Result<(u64, u64), LedgerError> {
        let mut reader = self.shared.judge.kept.reader().await;
        let (mut rows, mut sum) = (0, 0_u64);
        let mut last: Option<(LogId, u64, Vec<Digest>)> = None;
        for (log, seq) in asked.flat_map(|manifest| manifest.rows_from(0)) {
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
            sum = sum.wrapping_add(leaf.map_or(0, |leaf| leaf.prefix()));
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

//! What each thread does: records are held to what is signed, opened, and made again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::data_type::AsBytes as _;

use super::differing::Differing;
use super::distinct::Distinct;
use super::judge::Judge;
use super::kept::lock;
use super::part::Part;
use super::survey::Survey;
use super::told::Told;
use super::{Outcome, Plan, Replayed, Shard, Summary, Unverified};
use crate::ids::Digest;
use crate::ledger::LedgerError;
use crate::ledger::read::{Group, Reader, Withheld, opened};
use crate::ledger::record::{LogId, Private};
use crate::ledger::segment::{self, Damaged, Place, Privates};
use crate::ledger::tile::WIDTH;
use crate::ledger::tree::{Tree, leaf_hash};

/// Some records to be made again.
pub(super) enum Work {
    /// Out of a segment.
    Rows {
        place: Place,
        path: PathBuf,
        /// The row group.
        index: usize,
        /// Which records its rows should be.
        expected: Vec<(LogId, u64)>,
    },
    /// Out of the store.
    Group(Group),
}

/// What all threads share.
pub(super) struct Shared {
    pub(super) judge: Judge,
    pub(super) shard: Shard,
    pub(super) survey: Survey,
    /// How many records were done with.
    pub(super) done: AtomicU64,
    differing: Mutex<Differing>,
    /// What was found wrong on the way.
    damaged: Mutex<Vec<Damaged>>,
    unverified: Mutex<BTreeMap<LogId, String>>,
}

impl Shared {
    pub(super) fn new(reader: Reader, plan: Plan, survey: Survey) -> Self {
        let memory = plan.memory();
        Self {
            judge: Judge::new(reader, plan.select, plan.against, memory),
            shard: plan.shard,
            survey,
            done: AtomicU64::new(0),
            differing: Mutex::default(),
            damaged: Mutex::default(),
            unverified: Mutex::default(),
        }
    }

    /// Notes that a segment is not what it should be.
    pub(super) fn damaged(&self, damaged: Damaged) {
        let mut all = lock(&self.damaged);
        // One of each segment says enough: the same one, whoever found which first.
        match all.iter_mut().find(|known| known.segment == damaged.segment) {
            Some(known) if damaged.why < known.why => *known = damaged,
            Some(_) => {}
            None => all.push(damaged),
        }
    }

    fn unverified(&self, log: LogId, why: String) {
        let mut all = lock(&self.unverified);
        let known = all.entry(log).or_insert_with(|| why.clone());
        if why < *known {
            *known = why;
        }
    }

    /// What was found wrong since it was gathered, in words.
    pub(super) fn wrong(&self) -> Option<String> {
        let damaged = lock(&self.damaged);
        let damaged = damaged
            .first()
            .map(|damaged| format!("segment `{}`: {}", damaged.segment, damaged.why));
        let unverified = lock(&self.unverified);
        let unverified = unverified.iter().next().map(|(log, why)| format!("log `{log}`: {why}"));
        damaged.or(unverified)
    }

    /// All that came of it.
    pub(super) fn gather(&self, counted: Vec<Counted>) -> Part {
        let mut distinct = Distinct::default();
        let mut summary = Summary::default();
        for tally in counted {
            summary.merge(tally.summary);
            distinct.merge(tally.distinct);
        }
        summary.damaged.append(&mut lock(&self.damaged));
        for (log, why) in std::mem::take(&mut *lock(&self.unverified)) {
            let records = 0;
            summary.unverified.push(Unverified { log, records, why });
        }
        let differing = std::mem::take(&mut *lock(&self.differing));
        Part::new(
            self.shard,
            self.survey.work,
            self.survey.summary.clone(),
            summary,
            differing,
            distinct,
        )
    }
}

/// What one thread came to.
#[derive(Default)]
pub(super) struct Counted {
    summary: Summary,
    distinct: Distinct,
}

/// One thread.
pub(super) struct Worker<'s> {
    shared: &'s Shared,
    counted: Counted,
    /// The signed hashes looked at last.
    hashes: Option<(LogId, u64, Option<Vec<Digest>>)>,
    /// Where nothing is counted, and some decisions are looked at again: which, and what came of each so far.
    looks: Option<(BTreeSet<(LogId, u64)>, Looked)>,
}

/// What came of some decisions, and what the policies say of those that changed.
pub(super) type Looked = BTreeMap<(LogId, u64), (Outcome, Vec<String>)>;

impl<'s> Worker<'s> {
    pub(super) fn new(shared: &'s Shared) -> Self {
        Self {
            shared,
            counted: Counted::default(),
            hashes: None,
            looks: None,
        }
    }

    pub(super) fn done(self) -> Counted {
        self.counted
    }

    /// Looks again at those of some decisions that are in the work.
    pub(super) fn look(
        shared: &'s Shared,
        which: BTreeSet<(LogId, u64)>,
        work: impl IntoIterator<Item = Work>,
    ) -> Result<Looked, LedgerError> {
        let mut worker = Self {
            looks: Some((which, Looked::new())),
            ..Self::new(shared)
        };
        work.into_iter().try_for_each(|work| worker.work(work))?;
        Ok(worker.looks.map(|(_, looked)| looked).unwrap_or_default())
    }

    pub(super) fn work(&mut self, work: Work) -> Result<(), LedgerError> {
        match work {
            Work::Rows {
                place,
                path,
                index,
                expected,
            } => {
                let rows = expected.len() as u64;
                match segment::rows(&path, index) {
                    Ok(stored) if stored.len() == expected.len() => self.rows(&place, &stored, &expected)?,
                    Ok(_) => self
                        .shared
                        .damaged(Damaged::new(&place, "its rows are not those that its footer names")),
                    Err(why) => self.shared.damaged(Damaged::new(&place, why)),
                }
                self.shared.done.fetch_add(rows, Ordering::Relaxed);
                Ok(())
            }
            Work::Group(group) => self.group(group),
        }
    }

    fn rows(
        &mut self,
        place: &Place,
        stored: &[segment::Stored],
        expected: &[(LogId, u64)],
    ) -> Result<(), LedgerError> {
        let mut privates = Privates::default();
        for (row, (stored, at)) in stored.iter().zip(expected).enumerate() {
            if !self.shared.survey.logs.contains_key(&at.0) {
                continue;
            }
            let bytes = stored.record.as_bytes();
            if self.signed(*at)? != Some(leaf_hash(bytes)) {
                let why = format!("record {} of `{}` is not what is signed", at.1, at.0);
                self.shared.damaged(Damaged::new(place, why));
                continue;
            }
            let sealed = stored.private.as_ref().map(|sealed| sealed.as_bytes());
            let kept = &self.shared.judge.kept;
            // The first of a run is opened for those after it, whether it is wanted or not.
            let open = |private: &Private| {
                let key = kept.key(at.0, private.period)?;
                Ok(privates.next(row, *at, private, sealed, &key))
            };
            self.record(*at, bytes, sealed.is_some(), open)?;
        }
        Ok(())
    }

    /// The leaf hash that is signed for a record.
    fn signed(&mut self, (log, seq): (LogId, u64)) -> Result<Option<Digest>, LedgerError> {
        let number = seq / WIDTH;
        if self
            .hashes
            .as_ref()
            .is_none_or(|(of, at, _)| (*of, *at) != (log, number))
        {
            let hashes = match self.shared.survey.logs.get(&log) {
                Some(roots) => {
                    let kept = &self.shared.judge.kept;
                    kept.read(async |reader| roots.hashes(reader, number).await)?
                }
                None => None,
            };
            self.hashes = Some((log, number, hashes));
        }
        let hashes = self.hashes.as_ref().and_then(|(_, _, hashes)| hashes.as_ref());
        Ok(hashes.and_then(|hashes| hashes.get(usize::try_from(seq % WIDTH).ok()?).copied()))
    }

    fn group(&mut self, group: Group) -> Result<(), LedgerError> {
        let (log, number) = (group.log, group.number);
        let rows = match group.rows() {
            Ok(rows) => rows,
            Err(error) => {
                self.shared.unverified(log, error.to_string());
                return Ok(());
            }
        };
        // They were held to what is signed before, in the same view of the store; it is the file that could have changed since.
        let known = self.shared.survey.logs.get(&log).and_then(|roots| roots.group(number));
        if let Some((width, root)) = known {
            let width = usize::try_from(width).unwrap_or(usize::MAX);
            let leaves = rows.iter().take(width).map(|row| leaf_hash(&row.bytes));
            if leaves.collect::<Tree>().root() != root {
                let why = format!("the records from {} on were changed while it was read", number * WIDTH);
                self.shared.unverified(log, why);
                return Ok(());
            }
        }
        let count = rows.len() as u64;
        for row in rows {
            let Ok(seq) = u64::try_from(row.seq) else { continue };
            if self.shared.survey.covered.has(log, seq) {
                continue;
            }
            let kept = &self.shared.judge.kept;
            let open = |private: &Private| {
                let key = kept.key(log, private.period)?;
                Ok(opened(&key, private, row.sealed))
            };
            self.record((log, seq), &row.bytes, false, open)?;
        }
        self.shared.done.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    /// One record, which is what is signed. `open` opens what is private in it, and is asked to where that `must` be.
    fn record(
        &mut self,
        at: (LogId, u64),
        bytes: &[u8],
        must: bool,
        open: impl FnOnce(&Private) -> Result<Result<Bytes, Withheld>, LedgerError>,
    ) -> Result<(), LedgerError> {
        let judge = &self.shared.judge;
        let (told, fits) = match judge.seen(at, bytes) {
            Ok(seen) => seen,
            Err(why) => {
                self.shared.unverified(at.0, why);
                return Ok(());
            }
        };
        let Some(told) = told else {
            self.counted.summary.other_records += u64::from(fits);
            return Ok(());
        };
        if let Some((which, looked)) = &mut self.looks {
            let wanted = which.contains(&at);
            if !must && !wanted {
                return Ok(());
            }
            let asked = open(&told.private)?;
            if wanted {
                let outcome = judge.outcome(&told, &asked, |_| {})?;
                let why = match (&outcome, &asked) {
                    (Outcome::Changed { .. }, Ok(asked)) => judge.explained(&told, asked)?,
                    _ => Vec::new(),
                };
                looked.insert(at, (outcome, why));
            }
            return Ok(());
        }
        if !fits && !must {
            return Ok(());
        }
        let asked = open(&told.private)?;
        if fits && judge.takes(&told, asked.as_deref().ok()) {
            self.decision(&told, asked)?;
        }
        Ok(())
    }

    fn decision(&mut self, told: &Told<'_>, asked: Result<Bytes, Withheld>) -> Result<(), LedgerError> {
        let (at, judge) = ((told.log, told.seq), &self.shared.judge);
        let outcome = judge.outcome(told, &asked, |key| self.counted.distinct.add(key))?;
        self.counted.summary.count(told, &judge.running, &outcome);
        if outcome == Outcome::Same {
            return Ok(());
        }
        let changed = matches!(outcome, Outcome::Changed { .. });
        let (explains, lists) = {
            let mut differing = lock(&self.shared.differing);
            (changed && differing.explains(at), differing.lists(at))
        };
        if lists {
            let mut replayed = Replayed::new(told, outcome);
            if let (true, Ok(asked)) = (explains, &asked) {
                replayed.why = judge.explained(told, asked)?;
            }
            lock(&self.shared.differing).add(replayed);
        }
        Ok(())
    }
}

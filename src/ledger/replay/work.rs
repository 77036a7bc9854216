//! What each thread does: records are held to what is signed, opened, and made again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use parquet::data_type::AsBytes as _;

use super::answers::{Answer, Answers};
use super::differing::Differing;
use super::distinct::Distinct;
use super::evaluate::{Made, Parts, again, compared, spelled};
use super::kept::{Kept, lock};
use super::part::Part;
use super::survey::Survey;
use super::told::Told;
use super::{Outcome, Plan, Replayed, Summary, Unverified};
use crate::bundle::Bundle;
use crate::ids::Digest;
use crate::ledger::LedgerError;
use crate::ledger::private::Asked;
use crate::ledger::read::{Group, Reader, Withheld, opened};
use crate::ledger::record::{Engine, LogId, Private, Read};
use crate::ledger::segment::{self, Damaged, Place, Privates};
use crate::ledger::tile::WIDTH;
use crate::ledger::tree::{Tree, leaf_hash};

/// A decision made again, and the recorded bundle it was made under; none where it was another.
type Under = (Made, Option<Arc<Bundle>>);

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
    pub(super) plan: Plan,
    pub(super) survey: Survey,
    pub(super) kept: Kept,
    /// How many records were done with.
    pub(super) done: AtomicU64,
    answers: Answers,
    differing: Mutex<Differing>,
    /// What runs here, as records spell it.
    running: String,
    /// What was found wrong on the way.
    damaged: Mutex<Vec<Damaged>>,
    unverified: Mutex<BTreeMap<LogId, String>>,
}

impl Shared {
    pub(super) fn new(reader: Reader, plan: Plan, survey: Survey) -> Self {
        let memory = plan.memory();
        Self {
            plan,
            survey,
            kept: Kept::new(reader, memory),
            done: AtomicU64::new(0),
            answers: Answers::new(memory.answers()),
            differing: Mutex::default(),
            running: serde_json::to_string(&Engine::running()).unwrap_or_default(),
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

    /// All that came of it.
    pub(super) fn gather(&self, tallies: Vec<Tally>) -> Part {
        let mut distinct = Distinct::default();
        let mut summary = Summary::default();
        for tally in tallies {
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
            self.plan.shard,
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
pub(super) struct Tally {
    summary: Summary,
    distinct: Distinct,
}

/// One thread.
pub(super) struct Worker<'s> {
    shared: &'s Shared,
    tally: Tally,
    /// The signed hashes looked at last.
    hashes: Option<(LogId, u64, Option<Vec<Digest>>)>,
}

impl<'s> Worker<'s> {
    pub(super) fn new(shared: &'s Shared) -> Self {
        Self {
            shared,
            tally: Tally::default(),
            hashes: None,
        }
    }

    pub(super) fn done(self) -> Tally {
        self.tally
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
            let kept = &self.shared.kept;
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
                Some(roots) => self
                    .shared
                    .kept
                    .read(async |reader| roots.hashes(reader, number).await)?,
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
            let kept = &self.shared.kept;
            let open = |private: &Private| {
                let key = kept.key(log, private.period)?;
                Ok(opened(&key, private, row.sealed).map(Vec::from))
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
        open: impl FnOnce(&Private) -> Result<Result<Vec<u8>, Withheld>, LedgerError>,
    ) -> Result<(), LedgerError> {
        let select = &self.shared.plan.select;
        let read = match Read::of(bytes) {
            Ok(read) if (read.log(), read.seq()) == at => read,
            Ok(read) => {
                let why = format!(
                    "record {} says that it is record {} of `{}`",
                    at.1,
                    read.seq(),
                    read.log()
                );
                self.shared.unverified(at.0, why);
                return Ok(());
            }
            Err(error) => {
                self.shared
                    .unverified(at.0, format!("record {} is malformed: {error}", at.1));
                return Ok(());
            }
        };
        let spans = select.spans(read.time());
        let Some(told) = Told::of(read) else {
            self.tally.summary.other_records += u64::from(spans);
            return Ok(());
        };
        // Who asked is private, and is looked at only where it is asked for.
        let named = select.principal.is_some();
        let fits = spans && (named || select.fits(&told, String::new));
        if !fits && !must {
            return Ok(());
        }
        let asked = open(&told.private)?;
        if fits && (!named || select.fits(&told, || asker(&told, asked.as_deref().ok()))) {
            self.decision(&told, asked)?;
        }
        Ok(())
    }

    fn decision(&mut self, told: &Told<'_>, asked: Result<Vec<u8>, Withheld>) -> Result<(), LedgerError> {
        let at = (told.log, told.seq);
        let outcome = match &asked {
            Err(why) => Outcome::NotReplayable { cause: why.to_string() },
            Ok(asked) => {
                let key = told.key();
                self.tally.distinct.add(&key);
                let answer = match self.shared.answers.get(&key) {
                    Some(answer) => answer,
                    None => {
                        let answer = self.answer(told, asked)?;
                        self.shared.answers.put(&key, &answer);
                        answer
                    }
                };
                match answer {
                    Answer::Decision(now) => compared(told, &now),
                    Answer::BundleMissing(why) => Outcome::BundleMissing { cause: why.to_string() },
                    Answer::NotReplayable(why) => Outcome::NotReplayable { cause: why.to_string() },
                }
            }
        };
        self.tally.summary.count(told, &self.shared.running, &outcome);
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
            if let (true, Ok(asked)) = (explains, &asked)
                && let Ok((made, bundle)) = self.made(told, asked)?
            {
                let bundle = bundle.as_deref().or(self.shared.plan.against.as_ref());
                replayed.why = bundle.map(|bundle| made.explained(bundle)).unwrap_or_default();
            }
            lock(&self.shared.differing).add(replayed);
        }
        Ok(())
    }

    fn answer(&self, told: &Told<'_>, asked: &[u8]) -> Result<Answer, LedgerError> {
        let answer = match self.made(told, asked)? {
            Ok((made, _)) => spelled(&made.decision).map_err(Answer::not_replayable),
            Err(answer) => Err(answer),
        };
        Ok(match answer {
            Ok(text) => Answer::Decision(self.shared.answers.shared(text)),
            Err(answer) => answer,
        })
    }

    /// Makes a decision again, with what belongs to it out of the ledger; what comes of it where that cannot be.
    fn made(&self, told: &Told<'_>, asked: &[u8]) -> Result<Result<Under, Answer>, LedgerError> {
        let kept = &self.shared.kept;
        let slice = match kept.slice(told.log, &told.private)? {
            Ok(slice) => slice,
            Err(why) => return Ok(Err(Answer::not_replayable(why))),
        };
        let mut terms = BTreeMap::new();
        for digest in &told.terms {
            match kept.terms(*digest)? {
                Ok(known) => terms.insert(*digest, known),
                Err(why) => return Ok(Err(Answer::not_replayable(why))),
            };
        }
        let bundle = match self.shared.plan.against {
            Some(_) => None,
            None => match kept.bundle(told.bundle)? {
                Ok(bundle) => Some(bundle),
                Err(why) => return Ok(Err(Answer::BundleMissing(why.into()))),
            },
        };
        let slice = &slice;
        let parts = Parts { asked, slice, terms };
        let made = match (bundle.as_deref(), &self.shared.plan.against) {
            (Some(recorded), _) => again(recorded, told, parts),
            (None, Some(other)) => again(other, told, parts),
            (None, None) => Err("there is no bundle to decide under".to_owned()),
        };
        Ok(made.map(|made| (made, bundle)).map_err(Answer::not_replayable))
    }
}

impl Answer {
    fn not_replayable(why: String) -> Self {
        Self::NotReplayable(why.into())
    }
}

/// Who asked: a person by name, where what is private in the record can be read.
fn asker(told: &Told<'_>, asked: Option<&[u8]>) -> String {
    let asked: Option<Asked> = asked.and_then(|asked| serde_json::from_slice(asked).ok());
    let person = asked.and_then(|asked| asked.people.get(told.principal.as_ref()).cloned());
    person.unwrap_or_else(|| told.principal.to_string())
}

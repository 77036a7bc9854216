//! What is verified before anything is made again: every log that is read, and every segment's file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::pool::{self, Stopped};
use super::{Plan, Summary, Unverified};
use crate::ids::Digest;
use crate::ledger::keys::Vouching;
use crate::ledger::read::{Group, Reader};
use crate::ledger::record::{Engine, LogId};
use crate::ledger::roots::Roots;
use crate::ledger::segment::{Covered, Damaged, Place, intact, manifest, open, places};
use crate::ledger::tile::WIDTH;
use crate::ledger::tree::leaf_hash;
use crate::ledger::{LedgerError, verify};

/// What there is, and is believed.
pub(super) struct Survey {
    /// The logs that are whole.
    pub(super) logs: BTreeMap<LogId, Roots>,
    /// The segments that are.
    pub(super) places: Vec<Place>,
    /// Which records these have.
    pub(super) covered: Covered,
    /// How many records the logs have.
    pub(super) total: u64,
    /// What names it and what is to be made of it.
    pub(super) work: Digest,
    /// What of it stands in the summary.
    pub(super) summary: Summary,
}

/// A group that is in no segment, to be held to what is signed for it.
struct Check {
    group: Group,
    /// The hashes that are signed; what is beyond has been vouched for, where the ledger's secret is at hand.
    signed: Vec<Digest>,
    vouching: Option<Arc<Vouching>>,
}

/// What checking came to.
#[derive(Default)]
struct Checked {
    /// Records that are not signed yet.
    unsigned: BTreeMap<LogId, u64>,
    /// Logs of which something is not as it should be.
    wrong: BTreeSet<LogId>,
}

impl Survey {
    /// Looks at everything that the plan reads.
    pub(super) async fn of(reader: &mut Reader, plan: &Plan, root: &Path) -> Result<Self, LedgerError> {
        let mut survey = Self {
            logs: BTreeMap::new(),
            places: Vec::new(),
            covered: Covered::default(),
            total: 0,
            work: Digest::ZERO,
            summary: Summary::default(),
        };
        survey.segments(plan, root).await?;
        survey.logs(reader, plan).await?;
        survey.summary.settle();
        survey.work = survey.named(plan, root);
        Ok(survey)
    }

    /// What those who do shares of the work must have in common, as a digest.
    fn named(&self, plan: &Plan, root: &Path) -> Digest {
        let against = plan.against.as_ref().map(|bundle| bundle.digest);
        let mut text = format!(
            "{:?}\n{against:?}\n{:?}\n{}\n",
            plan.select,
            Engine::running(),
            self.total
        );
        for (log, roots) in &self.logs {
            let last = roots.signed().checked_sub(1).and_then(|last| roots.group(last / WIDTH));
            text.push_str(&format!("{log} {} {last:?}\n", roots.signed()));
        }
        for place in &self.places {
            let sha256 = manifest(root, place).map(|manifest| manifest.sha256).ok();
            text.push_str(&format!("{place:?} {sha256:?}\n"));
        }
        Digest::of(text.as_bytes())
    }

    /// Holds every segment's file to its manifest.
    async fn segments(&mut self, plan: &Plan, root: &Path) -> Result<(), LedgerError> {
        let all = places(root)?;
        let directory = root.to_owned();
        let given = all.clone();
        let found = pool::run(
            plan.threads(),
            usize::MAX,
            async |feed| {
                for place in given {
                    if feed.put(place, 1).await.is_err() {
                        return Ok(Err(Stopped));
                    }
                }
                Ok(Ok(()))
            },
            move |take| {
                let mut damaged = Vec::new();
                while let Some(place) = take.next() {
                    if let Err(found) = whole(&directory, &place) {
                        damaged.push((place, found));
                    }
                }
                Ok(damaged)
            },
        );
        let damaged: Vec<(Place, Damaged)> = found.await?.into_iter().flatten().collect();
        let unusable: BTreeSet<Place> = damaged.iter().map(|(place, _)| place.clone()).collect();
        self.summary.damaged = damaged.into_iter().map(|(_, damaged)| damaged).collect();
        for place in all.into_iter().filter(|place| !unusable.contains(place)) {
            match manifest(root, &place) {
                Ok(manifest) if self.covered.overlaps(&manifest) => {
                    let why = "records that it has are in an earlier segment as well";
                    self.summary.damaged.push(Damaged::new(&place, why));
                }
                Ok(manifest) => {
                    self.covered.add_all(&manifest);
                    self.places.push(place);
                }
                Err(damaged) => self.summary.damaged.push(damaged),
            }
        }
        Ok(())
    }

    /// Holds every log's tiles to its signed root, and what of it is in no segment to its tiles.
    async fn logs(&mut self, reader: &mut Reader, plan: &Plan) -> Result<(), LedgerError> {
        let all = reader.logs().await?.into_iter().filter(|log| plan.select.reads(*log));
        let all: Vec<LogId> = all.collect();
        let mut wrong = BTreeMap::new();
        let checked = pool::run(
            plan.threads(),
            plan.memory().flight(),
            async |feed| {
                for log in &all {
                    let roots = match Roots::of(reader, *log).await? {
                        Ok(roots) => roots,
                        Err(why) => {
                            wrong.insert(*log, why);
                            continue;
                        }
                    };
                    let vouching = reader.vouching(*log)?.map(Arc::new);
                    for number in 0.. {
                        let first = number * WIDTH;
                        let full = first + WIDTH <= roots.signed();
                        if full && self.covered.has_all(*log, first, first + WIDTH - 1) {
                            continue;
                        }
                        let signed = roots.hashes(reader, number).await?.unwrap_or_default();
                        let group = reader.packed(*log, number, false).await?;
                        if !full && signed.is_empty() && group.is_empty() {
                            break;
                        }
                        let bytes = group.bytes().saturating_mul(super::UNPACKED);
                        let vouching = vouching.clone();
                        let check = Check {
                            group,
                            signed,
                            vouching,
                        };
                        if feed.put(check, bytes).await.is_err() {
                            return Ok(Err(Stopped));
                        }
                    }
                    self.logs.insert(*log, roots);
                }
                Ok(Ok(()))
            },
            |take| {
                let mut checked = Checked::default();
                while let Some(check) = take.next() {
                    checked.check(check);
                }
                Ok(checked)
            },
        );
        let mut unsigned: BTreeMap<LogId, u64> = BTreeMap::new();
        for checked in checked.await? {
            for log in checked.wrong {
                wrong
                    .entry(log)
                    .or_insert_with(|| "its records are not what is signed".to_owned());
            }
            for (log, count) in checked.unsigned {
                *unsigned.entry(log).or_default() += count;
            }
        }
        for (log, why) in wrong {
            self.logs.remove(&log);
            // Who looks at all of it tells more.
            let tree = verify::tree(reader, log).await?;
            let (records, why) = (tree.records, tree.wrong.unwrap_or(why));
            self.summary.verified.1 += records;
            self.summary.unverified.push(Unverified { log, records, why });
        }
        for (log, roots) in &self.logs {
            let records = roots.signed() + unsigned.get(log).copied().unwrap_or(0);
            self.total += records;
            self.summary.verified.0 += roots.signed();
            self.summary.verified.1 += records;
        }
        Ok(())
    }
}

impl Checked {
    fn check(&mut self, check: Check) {
        let (log, first) = (check.group.log, check.group.number * WIDTH);
        let Ok(rows) = check.group.rows() else {
            self.wrong.insert(log);
            return;
        };
        let mut sound = rows.len() >= check.signed.len();
        for ((at, row), seq) in rows.iter().enumerate().zip(first..) {
            let hash = leaf_hash(&row.bytes);
            let vouched = || match (&row.mac, &check.vouching) {
                (Some(mac), Some(vouching)) => vouching.holds(seq, &hash, mac),
                _ => true,
            };
            let expected = check.signed.get(at).copied().or(row.hash);
            sound &= row.seq == seq.cast_signed() && expected == Some(hash) && row.hash == Some(hash) && vouched();
        }
        if !sound {
            self.wrong.insert(log);
        }
        let beyond = rows.len().saturating_sub(check.signed.len());
        *self.unsigned.entry(log).or_default() += beyond as u64;
    }
}

/// Holds a segment's file to its manifest, and its rows to what that says of them, as far as the footer tells.
fn whole(root: &Path, place: &Place) -> Result<(), Damaged> {
    let manifest = manifest(root, place)?;
    let path = place.below(root, "parquet");
    let damaged = |why| Damaged::new(place, why);
    intact(&path, &manifest).map_err(damaged)?;
    let rows: u64 = open(&path)
        .map_err(damaged)?
        .groups
        .iter()
        .map(|group| group.rows)
        .sum();
    match rows == manifest.rows {
        true => Ok(()),
        false => Err(damaged(format!(
            "it has {rows} rows, its manifest says {}",
            manifest.rows
        ))),
    }
}

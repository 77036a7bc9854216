//! Holding segments to the logs they are of: every row to the signed root, and every column to its record.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use parquet::data_type::AsBytes as _;
use serde::Serialize;

use super::manifest::{Damaged, Manifest, Place, intact, manifest, places};
use super::open::{RowGroup, Values, column, open, rows};
use super::row::Privates;
use super::schema::{Column, Columns};
use crate::ids::Digest;
use crate::ledger::error::LedgerError;
use crate::ledger::read::{Reader, Withheld};
use crate::ledger::record::LogId;
use crate::ledger::roots::Roots;
use crate::ledger::tile::WIDTH;
use crate::ledger::tree::leaf_hash;

/// How many findings of one segment are told.
const MAX_FINDINGS: usize = 20;

/// What holding segments to their logs has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentsReport {
    /// How many segments there are.
    pub segments: u64,
    /// How many of their rows hold.
    pub rows: u64,
    /// What is wrong, by segment.
    pub findings: Vec<Damaged>,
}

impl SegmentsReport {
    /// Whether nothing is wrong.
    pub fn ok(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Holds the segments below `root` to the ledger in `dir`. What is wrong with one keeps no other from being looked at.
///
/// # Errors
///
/// There is no ledger, or it or the directory cannot be read.
pub async fn verify(
    dir: &Path,
    root: &Path,
    mut progress: impl FnMut(u64) + Send,
) -> Result<SegmentsReport, LedgerError> {
    let mut reader = Reader::open(dir).await?;
    let mut logs = Logs::default();
    let mut report = SegmentsReport::default();
    for place in places(root)? {
        report.segments += 1;
        let mut found = Vec::new();
        match manifest(root, &place) {
            Err(damaged) => report.findings.push(damaged),
            Ok(manifest) => {
                let rows = segment(&mut reader, &mut logs, root, &place, &manifest, &mut found).await?;
                report.rows += rows;
                progress(report.rows);
            }
        }
        let more = found.len().saturating_sub(MAX_FINDINGS);
        found.truncate(MAX_FINDINGS);
        found.extend((more > 0).then(|| format!("and {more} more")));
        report
            .findings
            .extend(found.into_iter().map(|why| Damaged::new(&place, why)));
    }
    Ok(report)
}

/// What is known of the logs.
#[derive(Default)]
struct Logs {
    roots: HashMap<LogId, Result<Roots, String>>,
    /// The hashes looked at last.
    hashes: Option<(LogId, u64, Vec<Digest>)>,
}

impl Logs {
    /// The leaf hash that is signed for a record; why there is none.
    async fn hash(&mut self, reader: &mut Reader, log: LogId, seq: u64) -> Result<Result<Digest, String>, LedgerError> {
        let roots = match self.roots.entry(log) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(entry) => entry.insert(Roots::of(reader, log).await?),
        };
        let roots = match roots {
            Ok(roots) => roots,
            Err(why) => return Ok(Err(format!("the log `{log}` does not verify: {why}"))),
        };
        let number = seq / WIDTH;
        if self
            .hashes
            .as_ref()
            .is_none_or(|(of, at, _)| (*of, *at) != (log, number))
        {
            let hashes = roots.hashes(reader, number).await?.unwrap_or_default();
            self.hashes = Some((log, number, hashes));
        }
        let hashes = self.hashes.as_ref().map(|(_, _, hashes)| hashes);
        let hash = hashes.and_then(|hashes| hashes.get(usize::try_from(seq % WIDTH).ok()?).copied());
        Ok(hash.ok_or_else(|| format!("record {seq} of `{log}` is not signed")))
    }
}

/// Looks at one segment; how many of its rows hold.
async fn segment(
    reader: &mut Reader,
    logs: &mut Logs,
    root: &Path,
    place: &Place,
    manifest: &Manifest,
    found: &mut Vec<String>,
) -> Result<u64, LedgerError> {
    let path = place.below(root, "parquet");
    let opened = intact(&path, manifest).and_then(|()| open(&path));
    let opened = match opened {
        Ok(opened) => opened,
        Err(why) => {
            found.push(why);
            return Ok(0);
        }
    };
    let total: u64 = opened.groups.iter().map(|group| group.rows).sum();
    if total != manifest.rows {
        found.push(format!("it has {total} rows, its manifest says {}", manifest.rows));
    }
    let mut sound = 0;
    for group in &opened.groups {
        sound += row_group(reader, logs, &path, manifest, group, found).await?;
    }
    Ok(sound)
}

async fn row_group(
    reader: &mut Reader,
    logs: &mut Logs,
    path: &Path,
    manifest: &Manifest,
    group: &RowGroup,
    found: &mut Vec<String>,
) -> Result<u64, LedgerError> {
    let stored = match rows(path, group.index) {
        Ok(stored) => stored,
        Err(why) => {
            found.push(why);
            return Ok(0);
        }
    };
    let (mut sound, mut parsed, mut privates) = (0, Vec::new(), Privates::default());
    for ((row, stored), expected) in stored.iter().enumerate().zip(manifest.rows_from(group.before)) {
        let number = group.before + row as u64;
        let bytes = stored.record.as_bytes();
        let columns = match Columns::of(bytes) {
            Ok(columns) => columns,
            Err(error) => {
                found.push(format!("row {number}: {error}"));
                continue;
            }
        };
        let place = (columns.log, columns.seq);
        let wrong = match logs.hash(reader, expected.0, expected.1).await? {
            _ if place != expected => Some(format!(
                "row {number} is record {} of `{}`, not record {} of `{}`",
                place.1, place.0, expected.1, expected.0
            )),
            Err(why) => Some(format!("row {number}: {why}")),
            Ok(hash) if hash != leaf_hash(bytes) => {
                Some(format!("row {number}: record {} of `{}` was changed", place.1, place.0))
            }
            Ok(_) => None,
        };
        if let Some(private) = columns.private() {
            let key = reader.key(place.0, private.period).await?;
            let sealed = stored.private.as_ref().map(|sealed| sealed.as_bytes());
            // What was not to be had as the segment was written is told by the log's own verification.
            if let Err(why @ Withheld::Changed) = privates.next(row, place, &private, sealed, &key) {
                found.push(format!("row {number}: record {} of `{}`: {why}", place.1, place.0));
            }
        }
        sound += u64::from(wrong.is_none());
        found.extend(wrong);
        parsed.push(columns);
    }
    if parsed.len() == stored.len() {
        found.extend(
            Column::ALL
                .into_iter()
                .filter_map(|column| held(path, group, column, &parsed)),
        );
    }
    Ok(sound)
}

/// Holds a column to the records of its rows; what is wrong with it.
fn held(path: &Path, group: &RowGroup, which: Column, rows: &[Columns]) -> Option<String> {
    if matches!(which, Column::Record | Column::Private) {
        return None;
    }
    let wrong = match column(path, group.index, which) {
        Err(why) => return Some(why),
        Ok(Values::Numbers(values)) => {
            let wrong = rows
                .iter()
                .zip(&values)
                .position(|(row, value)| row.number(which) != Some(*value));
            wrong.or((values.len() != rows.len()).then_some(values.len()))
        }
        Ok(Values::Bytes(values)) => {
            let same = |row: &Columns, value: &Option<_>| {
                let value: &Option<parquet::data_type::ByteArray> = value;
                row.bytes(which) == value.as_ref().map(|value| value.as_bytes())
            };
            let wrong = rows.iter().zip(&values).position(|(row, value)| !same(row, value));
            wrong.or((values.len() != rows.len()).then_some(values.len()))
        }
    };
    wrong.map(|row| {
        let number = group.before + row as u64;
        format!(
            "row {number}: the column `{}` is not what its record says",
            which.name()
        )
    })
}

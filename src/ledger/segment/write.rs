//! Making segments of what is signed and whose hour is over.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::Hour;
use super::file::{Row, Writing};
use super::manifest::{Covered, Damaged, manifest, places};
use super::schema::Columns;
use crate::ledger::error::LedgerError;
use crate::ledger::read::{self, Reader, Sealed, Withheld, opened};
use crate::ledger::record::{LogId, Read};
use crate::ledger::tile::WIDTH;
use crate::ledger::tree::leaf_hash;
use crate::ledger::{keys, place};

/// How many hours are written side by side: all of them are open at once.
const HOURS: i64 = 24;

/// How much may wait in memory to be written, in bytes.
const WAITING: usize = 64 * 1024 * 1024;

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// How many segments it wrote.
    pub segments: u64,
    /// How many rows these have.
    pub rows: u64,
    /// How many bytes their files have.
    pub bytes: u64,
    /// Of how many of their rows what is private was not to be had.
    pub withheld: u64,
    /// Logs of which nothing more was written, and why.
    pub damaged: BTreeMap<LogId, String>,
    /// Segments there were that cannot be used: what they have is written anew.
    pub unusable: Vec<Damaged>,
}

/// Writes segments below `out` of what the ledger in `dir` has signed and no segment has yet, for all hours that are over at `now`.
/// Tells `progress` how many rows were written so far.
///
/// # Errors
///
/// There is no ledger, or it cannot be read; its secret is not beside it, for what is private is sealed anew; another run is under
/// way; `out` cannot be written.
pub async fn write(dir: &Path, out: &Path, now: Timestamp, progress: impl FnMut(u64)) -> Result<Written, LedgerError> {
    write_from(Reader::open(dir).await?, dir, out, now, progress).await
}

/// As [`write()`], of a ledger that lies elsewhere; its keys are in `dir`.
///
/// # Errors
///
/// As [`write()`].
pub async fn write_from(
    mut reader: Reader,
    dir: &Path,
    out: &Path,
    now: Timestamp,
    mut progress: impl FnMut(u64),
) -> Result<Written, LedgerError> {
    if !reader.has_secret() {
        let path = dir.join("keys/ledger.seed");
        let why = "it is not there, and what is private in records cannot be put into segments without it".to_owned();
        return Err(LedgerError::Key { path, why });
    }
    keys::make_private_dir(out)?;
    let _lock = place::lock(out.join("lock"))?;
    let (mut covered, mut written) = (Covered::default(), Written::default());
    for place in places(out)? {
        match manifest(out, &place) {
            Ok(manifest) => covered.add_all(&manifest),
            Err(damaged) => written.unusable.push(damaged),
        }
    }
    let mut scans = Vec::new();
    for log in reader.logs().await? {
        let signed = reader.log(log).await?.size.unwrap_or(0).cast_unsigned();
        scans.push(Scan::new(log, covered.first_open(log, 0), signed));
    }
    let over = Hour::of(now);
    loop {
        // What each log has next, so that hours that are far apart are not open together.
        let mut first: Option<Hour> = None;
        for scan in &mut scans {
            if let Some(hour) = scan.hour(&mut reader, &covered, over, &mut written).await? {
                first = Some(first.map_or(hour, |first| first.min(hour)));
            }
        }
        let Some(first) = first else { break };
        let mut hours = Hours::new(out);
        for scan in &mut scans {
            while let Some(hour) = scan.hour(&mut reader, &covered, over, &mut written).await? {
                if hour >= first.after(HOURS) {
                    break;
                }
                let Some(row) = scan.take(&mut reader, &mut written).await? else {
                    continue;
                };
                hours.push(hour, row)?;
                written.rows += 1;
                if written.rows.is_multiple_of(1_000) {
                    progress(written.rows);
                }
            }
        }
        hours.finish(&mut written)?;
    }
    progress(written.rows);
    Ok(written)
}

/// The segments that are written side by side.
struct Hours<'o> {
    out: &'o Path,
    open: BTreeMap<Hour, Writing>,
}

impl<'o> Hours<'o> {
    fn new(out: &'o Path) -> Self {
        let open = BTreeMap::new();
        Self { out, open }
    }

    fn push(&mut self, hour: Hour, row: Row) -> Result<(), LedgerError> {
        if !self.open.contains_key(&hour) {
            self.open.insert(hour, Writing::begin(self.out, hour)?);
        }
        if let Some(writing) = self.open.get_mut(&hour) {
            writing.push(self.out, row)?;
        }
        let waiting: usize = self.open.values().map(Writing::waiting).sum();
        match self.open.values_mut().max_by_key(|writing| writing.waiting()) {
            Some(most) if waiting > WAITING => most.flush(self.out),
            _ => Ok(()),
        }
    }

    fn finish(self, written: &mut Written) -> Result<(), LedgerError> {
        for writing in self.open.into_values() {
            let manifest = writing.finish(self.out)?;
            written.segments += 1;
            written.bytes += manifest.bytes;
        }
        Ok(())
    }
}

/// A place in a log, moving forward over what is not written yet.
struct Scan {
    log: LogId,
    next: u64,
    signed: u64,
    /// The rows of the group that `next` is in, from `next` on, in reverse.
    rows: Vec<read::Row>,
    /// Its time's hour, where that was looked at.
    peeked: Option<Hour>,
}

impl Scan {
    fn new(log: LogId, next: u64, signed: u64) -> Self {
        Self {
            log,
            next,
            signed,
            rows: Vec::new(),
            peeked: None,
        }
    }

    /// The hour of the next record that is to be written; nothing at the end. Those whose hour is not over are passed by: another
    /// run finds them.
    async fn hour(
        &mut self,
        reader: &mut Reader,
        covered: &Covered,
        over: Hour,
        written: &mut Written,
    ) -> Result<Option<Hour>, LedgerError> {
        while self.peeked.is_none() {
            let open = covered.first_open(self.log, self.next);
            if open > self.next {
                self.skip_to(open);
            }
            if self.next >= self.signed || written.damaged.contains_key(&self.log) {
                return Ok(None);
            }
            match self.peek(reader).await? {
                Ok(hour) if hour < over => self.peeked = Some(hour),
                Ok(_) => self.skip_to(self.next + 1),
                Err(why) => {
                    written.damaged.insert(self.log, why);
                    return Ok(None);
                }
            }
        }
        Ok(self.peeked)
    }

    fn skip_to(&mut self, seq: u64) {
        self.next = seq;
        self.peeked = None;
        while self.rows.last().is_some_and(|row| row.seq < seq.cast_signed()) {
            self.rows.pop();
        }
    }

    /// The hour of the next record; why it cannot be told.
    async fn peek(&mut self, reader: &mut Reader) -> Result<Result<Hour, String>, LedgerError> {
        if self.rows.is_empty() {
            let rows = match reader.group(self.log, self.next / WIDTH).await {
                Ok(rows) => rows,
                Err(error @ LedgerError::Bundle { .. }) => return Ok(Err(error.to_string())),
                Err(error) => return Err(error),
            };
            self.rows = rows.into_iter().rev().collect();
            self.skip_to(self.next);
        }
        let next = self.next;
        let Some(row) = self.rows.last().filter(|row| row.seq == next.cast_signed()) else {
            return Ok(Err(format!("record {next} is missing")));
        };
        if row.hash != Some(leaf_hash(&row.bytes)) {
            return Ok(Err(format!("record {next} was changed")));
        }
        Ok(match Read::of(&row.bytes) {
            Ok(read) if (read.log(), read.seq()) != (self.log, next) => Err(format!(
                "record {next} says that it is record {} of `{}`",
                read.seq(),
                read.log()
            )),
            Ok(read) => Ok(Hour::of(read.time().timestamp())),
            Err(error) => Err(format!("record {next}: {error}")),
        })
    }

    /// Takes the record that was looked at.
    async fn take(&mut self, reader: &mut Reader, written: &mut Written) -> Result<Option<Row>, LedgerError> {
        let Some(row) = self.rows.pop() else { return Ok(None) };
        (self.next, self.peeked) = (self.next + 1, None);
        let Ok(columns) = Columns::of(&row.bytes) else {
            return Ok(None);
        };
        let private = match columns.private() {
            None => None,
            Some(private) => {
                let key = reader.key(self.log, private.period).await?;
                let sealed: Sealed = row.sealed;
                match (&key, opened(&key, &private, sealed)) {
                    (Ok(key), Ok(content)) => Some((Arc::clone(key), content.into())),
                    (Err(Withheld::Erased(_)), _) => {
                        written.withheld += 1;
                        None
                    }
                    // It may be had again: another run puts it into a further part.
                    _ => {
                        written.withheld += 1;
                        return Ok(None);
                    }
                }
            }
        };
        let record = row.bytes.into();
        Ok(Some(Row {
            columns,
            record,
            private,
        }))
    }
}

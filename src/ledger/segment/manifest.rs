//! What is said of a segment beside it, and which records a directory of segments has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sync_dir;
use crate::ids::Digest;
use crate::ledger::error::LedgerError;
use crate::ledger::record::{LogId, RecordTime};

/// The version of manifests written here.
pub(super) const VERSION: u8 = 1;

/// The greatest size of a manifest in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What a segment has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The file's size in bytes.
    pub bytes: u64,
    /// The time of its earliest record.
    pub first: RecordTime,
    /// The time of its latest record.
    pub last: RecordTime,
    /// Which records of which logs it has, in the order of its rows.
    pub logs: Vec<LogRanges>,
    /// How many rows it has.
    pub rows: u64,
    /// The SHA-256 of the file.
    pub sha256: Digest,
    /// The version of this format.
    pub v: u8,
}

/// Records of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogRanges {
    /// The log.
    pub log: LogId,
    /// The numbers of the first and the last of each run of consecutive records, ascending.
    pub ranges: Vec<[u64; 2]>,
}

impl Manifest {
    /// Whether what it says of rows fits together.
    fn is_sound(&self) -> bool {
        let rows = |logs: &LogRanges| {
            let mut from = 0_u64;
            logs.ranges.iter().try_fold(0_u64, |rows, [first, last]| {
                let sound = *first >= from && first <= last;
                from = last.checked_add(2)?;
                sound.then(|| rows.checked_add(last - first + 1)).flatten()
            })
        };
        let total = self
            .logs
            .iter()
            .try_fold(0_u64, |total, logs| total.checked_add(rows(logs)?));
        let sorted = self.logs.is_sorted_by(|one, other| one.log < other.log);
        self.v == VERSION && total == Some(self.rows) && sorted && self.rows > 0
    }

    /// The log and the number of each row, from row `from` on.
    pub(in crate::ledger) fn rows_from(&self, from: u64) -> impl Iterator<Item = (LogId, u64)> + '_ {
        let ranges = self
            .logs
            .iter()
            .flat_map(|logs| logs.ranges.iter().map(|range| (logs.log, *range)));
        let mut left = from;
        ranges.flat_map(move |(log, [first, last])| {
            let skipped = left.min(last - first + 1);
            left -= skipped;
            (first + skipped..=last).map(move |seq| (log, seq))
        })
    }
}

/// A segment by its path below the directory of segments, without the extension: `2026-11-26/13-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The directory of the day.
    day: String,
    /// The file's name without extension.
    name: String,
}

impl Place {
    /// The segment of an hour: its first, or a further part.
    pub(super) fn of(hour: super::Hour, part: u32) -> Self {
        let hour = hour.to_string();
        let (day, name) = hour.split_once('/').unwrap_or((&hour, ""));
        let name = match part {
            0 => name.to_owned(),
            _ => format!("{name}-{part}"),
        };
        Self {
            day: day.to_owned(),
            name,
        }
    }

    /// Its path below a directory of segments, with that extension.
    pub fn below(&self, root: &Path, extension: &str) -> PathBuf {
        root.join(&self.day).join(format!("{}.{extension}", self.name))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}.parquet", self.day, self.name)
    }
}

/// A segment that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Damaged {
    /// Its file, below the directory of segments.
    pub segment: String,
    /// What is wrong with it.
    pub why: String,
}

impl Damaged {
    pub(in crate::ledger) fn new(place: &Place, why: impl ToString) -> Self {
        let (segment, why) = (place.to_string(), why.to_string());
        Self { segment, why }
    }
}

/// The segments of a directory, in the order of their hours: whatever has a manifest. A directory that is not there has none.
///
/// # Errors
///
/// The directory cannot be read.
pub fn places(root: &Path) -> Result<Vec<Place>, LedgerError> {
    let mut all = Vec::new();
    for day in names(root)?.into_iter().filter(|day| is_day(day)) {
        let files = names(&root.join(&day))?;
        let named = files.iter().filter_map(|file| file.strip_suffix(".json"));
        all.extend(named.filter(|name| is_part(name)).map(|name| {
            let (day, name) = (day.clone(), name.to_owned());
            Place { day, name }
        }));
    }
    // Parts of an hour in their order, the tenth behind the ninth.
    all.sort_by_cached_key(|place| {
        let (hour, part) = place.name.split_once('-').unwrap_or((&place.name, "0"));
        (
            place.day.clone(),
            hour.to_owned(),
            part.parse::<u32>().unwrap_or(u32::MAX),
        )
    });
    Ok(all)
}

/// Whether that is a day, as `2026-11-26`.
fn is_day(name: &str) -> bool {
    name.parse::<jiff::civil::Date>()
        .is_ok_and(|day| day.to_string() == name)
}

/// Whether that is an hour, as `13`, or a further part of one, as `13-1`.
fn is_part(name: &str) -> bool {
    let (hour, part) = name.split_once('-').unwrap_or((name, "1"));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    hour.len() == 2 && number(hour) && number(part)
}

fn names(directory: &Path) -> Result<BTreeSet<String>, LedgerError> {
    let failed = |error| LedgerError::io("read", directory)(error);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(BTreeSet::new());
        }
        Err(error) => return Err(failed(error)),
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
    names
        .collect::<std::io::Result<Vec<_>>>()
        .map(|names| names.into_iter().flatten().collect())
        .map_err(failed)
}

/// The manifest of a segment. The segment's file is not looked at.
///
/// # Errors
///
/// It cannot be read, or says what cannot be.
pub fn manifest(root: &Path, place: &Place) -> Result<Manifest, Damaged> {
    read(&place.below(root, "json")).map_err(|why| Damaged::new(place, why))
}

fn read(path: &Path) -> Result<Manifest, String> {
    let mut text = Vec::new();
    let file = ordinary(path).map_err(|error| format!("its manifest cannot be read: {error}"))?;
    let read = file.take(MAX_BYTES).read_to_end(&mut text);
    read.map_err(|error| format!("its manifest cannot be read: {error}"))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| format!("its manifest is none: {error}"))?;
    match manifest.is_sound() {
        true => Ok(manifest),
        false => Err("its manifest contradicts itself".to_owned()),
    }
}

/// Opens a file that is one: what never ends is not read.
fn ordinary(path: &Path) -> std::io::Result<fs::File> {
    match fs::metadata(path)?.is_file() {
        true => fs::File::open(path),
        false => Err(std::io::Error::new(ErrorKind::InvalidInput, "it is no ordinary file")),
    }
}

/// Holds a segment's file to its manifest.
///
/// # Errors
///
/// What is wrong with it.
pub(in crate::ledger) fn intact(path: &Path, manifest: &Manifest) -> Result<(), String> {
    let found = ordinary(path).and_then(Digest::of_read);
    let (found, bytes) = found.map_err(|error| format!("it cannot be read: {error}"))?;
    match bytes == manifest.bytes && found == manifest.sha256 {
        true => Ok(()),
        false => Err(format!(
            "it was changed: its {bytes} bytes do not give the hash of its manifest, {}",
            manifest.sha256
        )),
    }
}

/// Puts a manifest beside its segment, so that it becomes one.
pub(super) fn put(root: &Path, place: &Place, manifest: &Manifest) -> Result<(), LedgerError> {
    let (path, fresh) = (place.below(root, "json"), place.below(root, "json.new"));
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(manifest)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        path.parent().map_or(Ok(()), sync_dir)
    };
    write().map_err(LedgerError::io("write", &path))
}

/// Which records of each log are in segments.
#[derive(Clone, Debug, Default)]
pub(in crate::ledger) struct Covered(BTreeMap<LogId, BTreeMap<u64, u64>>);

impl Covered {
    /// Adds what a segment has.
    pub(in crate::ledger) fn add_all(&mut self, manifest: &Manifest) {
        for logs in &manifest.logs {
            for [first, last] in &logs.ranges {
                self.add(logs.log, *first, *last);
            }
        }
    }

    /// Whether any record that a segment has is in one already.
    pub(in crate::ledger) fn overlaps(&self, manifest: &Manifest) -> bool {
        let within = |ranges: &BTreeMap<u64, u64>, [first, last]: &[u64; 2]| {
            let before = ranges.range(..=last).next_back();
            before.is_some_and(|(_, to)| to >= first)
        };
        manifest.logs.iter().any(|logs| {
            let known = self.0.get(&logs.log);
            known.is_some_and(|known| logs.ranges.iter().any(|range| within(known, range)))
        })
    }

    /// Adds a run, joined with those it touches.
    pub(in crate::ledger) fn add(&mut self, log: LogId, first: u64, last: u64) {
        let ranges = self.0.entry(log).or_default();
        let (mut first, mut last) = (first, last);
        while let Some((from, to)) = ranges
            .range(..=last.saturating_add(1))
            .next_back()
            .map(|(from, to)| (*from, *to))
            && to.saturating_add(1) >= first
        {
            ranges.remove(&from);
            (first, last) = (first.min(from), last.max(to));
        }
        ranges.insert(first, last);
    }

    /// Whether a record is in one.
    pub(in crate::ledger) fn has(&self, log: LogId, seq: u64) -> bool {
        self.has_all(log, seq, seq)
    }

    /// Whether all of a run are.
    pub(in crate::ledger) fn has_all(&self, log: LogId, first: u64, last: u64) -> bool {
        let ranges = self.0.get(&log);
        let range = ranges.and_then(|ranges| ranges.range(..=first).next_back());
        range.is_some_and(|(_, to)| *to >= last)
    }

    /// The first record of a log, from that one on, that is in none.
    pub(in crate::ledger) fn first_open(&self, log: LogId, from: u64) -> u64 {
        let ranges = self.0.get(&log);
        let range = ranges.and_then(|ranges| ranges.range(..=from).next_back());
        range
            .filter(|(_, to)| **to >= from)
            .map_or(from, |(_, to)| to.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn log(name: &str) -> LogId {
        name.parse().unwrap()
    }

    proptest! {
        /// What was added is covered, in whatever order, and nothing else.
        #[test]
        fn what_is_added_is_covered(runs in prop::collection::vec((0_u64..60, 0_u64..6), 0..20)) {
            let (mut covered, mut plain) = (Covered::default(), BTreeSet::new());
            for (first, more) in runs {
                covered.add(LogId::Platform, first, first + more);
                plain.extend(first..=first + more);
            }
            for seq in 0..70 {
                prop_assert_eq!(covered.has(LogId::Platform, seq), plain.contains(&seq));
                let open = (seq..).find(|seq| !plain.contains(seq)).unwrap();
                prop_assert_eq!(covered.first_open(LogId::Platform, seq), open);
                for last in seq..70 {
                    let all = (seq..=last).all(|seq| plain.contains(&seq));
                    prop_assert_eq!(covered.has_all(LogId::Platform, seq, last), all);
                }
            }
            prop_assert!(!covered.has(log("BPNL00000000000A"), 0));
        }
    }

    #[test]
    fn what_has_no_name_of_a_segment_is_none() {
        assert!(is_day("2026-11-26") && is_part("13") && is_part("00-12"));
        for name in [
            "",
            "keys",
            "2026-11",
            "2026-13-01",
            "2026-11-26T00",
            "20261126",
            "+002026-11-26",
        ] {
            assert!(!is_day(name), "{name}");
        }
        for name in ["", "1", "123", "13-", "13-a", "ab", "13-1-2", "13.json"] {
            assert!(!is_part(name), "{name}");
        }
    }

    #[test]
    fn rows_are_counted_through_the_logs() {
        let time = RecordTime::new("2026-11-26T13:00:00Z".parse().unwrap());
        let logs = vec![
            LogRanges {
                log: LogId::Platform,
                ranges: vec![[3, 4], [7, 7]],
            },
            LogRanges {
                log: log("BPNL00000000000A"),
                ranges: vec![[0, 1]],
            },
        ];
        let sha256 = Digest::of(b"");
        let manifest = Manifest {
            bytes: 1,
            first: time,
            last: time,
            logs,
            rows: 5,
            sha256,
            v: 1,
        };
        assert!(manifest.is_sound());
        let rows = |from| manifest.rows_from(from).map(|(_, seq)| seq).collect::<Vec<_>>();
        assert_eq!(rows(0), [3, 4, 7, 0, 1]);
        assert_eq!(rows(2), [7, 0, 1]);
        assert_eq!(rows(4), [1]);
        assert!(rows(5).is_empty());
        assert!(
            !Manifest {
                rows: 6,
                ..manifest.clone()
            }
            .is_sound()
        );
        let mut twice = manifest.clone();
        twice.logs[0].ranges = vec![[3, 4], [4, 4]];
        assert!(!twice.is_sound());
    }
}

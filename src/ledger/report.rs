//! What verifying a ledger found, for people and for programs.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::note::{Cosignature, VerifierKey};
use super::record::{LogId, RecordTime};
use super::segment::SegmentsReport;
use crate::ids::Digest;

/// The most findings listed per log; more are counted.
const MAX_FINDINGS: usize = 1_000;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A record's bytes no longer give the hash they were written with.
    Changed,
    /// A record is whole, but the hash stored beside it was changed.
    HashChanged,
    /// Records were exchanged together with the hashes stored for them.
    Replaced,
    /// Records are gone from within a log.
    Missing,
    /// Records stand in each other's places.
    Reordered,
    /// The newest records are gone: the checkpoint names more than there are.
    Cut,
    /// Records stand beyond what the checkpoint names: they are not signed yet. A warning.
    Unsigned,
    /// What vouches for a record that is in no bundle yet was changed, or is another's.
    Unvouched,
    /// A checkpoint kept elsewhere signs other records than are there.
    Forked,
    /// Records are whole, but a tile of hashes over them was changed.
    Tile,
    /// A record is not one, or contradicts itself.
    Malformed,
    /// The row of a record, or the file, cannot be read.
    Unreadable,
    /// A body that a record names is not stored.
    BodyMissing,
    /// A body does not have the digest it is stored under.
    BodyChanged,
    /// Something private that a record commits to is not there, nor told to be erased.
    PrivateMissing,
    /// Something private is not what a record commits to.
    PrivateChanged,
    /// Something private was not looked at. A warning.
    PrivateUnseen,
    /// A log's checkpoint is missing or not signed by its key.
    Checkpoint,
    /// No checkpoint of a log is cosigned by enough of the witnesses given.
    Uncosigned,
    /// A log's key is missing or not the one expected.
    Key,
    /// A log was opened but is gone, or is there without having been opened.
    Opening,
    /// A record tells that answers left whose records are missing: the tenant lets answers leave ahead of them. A warning.
    Gap,
    /// A record was written at an earlier time than the one before: the clock was set back. A warning.
    TimeBackwards,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The first record concerned; absent where it concerns the log as a whole.
    pub seq: Option<u64>,
    /// What is wrong.
    pub kind: FindingKind,
    /// The same in plain words.
    pub message: String,
}

/// Findings in the order of their records, bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) list: Vec<Finding>,
    pub(super) more: u64,
}

impl Findings {
    pub(super) fn add(&mut self, kind: FindingKind, seq: Option<u64>, message: impl Into<String>) {
        if self.list.len() < MAX_FINDINGS {
            let message = message.into();
            self.list.push(Finding { seq, kind, message });
        } else {
            self.more += 1;
        }
    }

    pub(super) fn sort(&mut self) {
        self.list
            .sort_by_key(|finding| (finding.seq.unwrap_or(u64::MAX), finding.kind));
    }
}

/// How much of a log witnesses vouch for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cosigned {
    /// How many records the checkpoint names that they cosigned.
    pub size: u64,
    /// Who, and when they saw it.
    pub by: Vec<Cosignature>,
}

impl fmt::Display for Cosigned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.by.iter().map(|by| format!("{} ({})", by.witness, by.time));
        let by: Vec<_> = by.collect();
        write!(formatter, "{} cosigned by {}", self.size, by.join(", "))
    }
}

/// What was found in one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogReport {
    /// The log.
    pub log: LogId,
    /// Whether nothing is wrong; warnings do not count.
    pub ok: bool,
    /// How many records are stored.
    pub records: u64,
    /// The time of the first record.
    pub first: Option<RecordTime>,
    /// The time of the last record.
    pub last: Option<RecordTime>,
    /// How many records its checkpoint signs.
    pub size: u64,
    /// The root of the tree over them, as the checkpoint signs it.
    pub root: Option<Digest>,
    /// The newest checkpoint that enough of the witnesses given cosigned; absent where none are given.
    pub cosigned: Option<Cosigned>,
    /// The key that signs its checkpoints.
    pub verifier_key: Option<VerifierKey>,
    /// In how many records what was private was erased.
    pub erased: u64,
    /// What is wrong, by the first record concerned.
    pub findings: Vec<Finding>,
    /// How many findings were left off the list.
    pub more_findings: u64,
    /// What is worth a look but does not break the log.
    pub warnings: Vec<Finding>,
}

impl LogReport {
    /// Of a log of which nothing could be read, and why.
    pub(super) fn unread(log: LogId, kind: FindingKind, message: String) -> Self {
        let seq = None;
        Self {
            log,
            ok: false,
            records: 0,
            first: None,
            last: None,
            size: 0,
            root: None,
            cosigned: None,
            verifier_key: None,
            erased: 0,
            findings: vec![Finding { seq, kind, message }],
            more_findings: 0,
            warnings: Vec::new(),
        }
    }

    /// The first bad record's number, where a finding names one.
    pub fn first_bad(&self) -> Option<u64> {
        self.findings.iter().filter_map(|finding| finding.seq).min()
    }
}

/// What verifying a ledger found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing is wrong in any log nor in the store.
    pub ok: bool,
    /// The platform's log first, then the tenants' by BPNL.
    pub logs: Vec<LogReport>,
    /// How many bodies are stored.
    pub bodies: u64,
    /// What is wrong beyond any one log.
    pub findings: Vec<Finding>,
    /// What was found of segments, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<SegmentsReport>,
}

impl Report {
    /// The report as JSON, for programs.
    ///
    /// # Errors
    ///
    /// None in practice: every field serialises.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// How many records all logs have.
    pub fn records(&self) -> u64 {
        self.logs.iter().map(|log| log.records).sum()
    }
}

/// The report as text, for people: one line per log, and one per finding under it.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for log in &self.logs {
            let verdict = match log.first_bad() {
                _ if log.ok => "ok".to_owned(),
                Some(seq) => format!("BROKEN at record {seq}"),
                None => "BROKEN".to_owned(),
            };
            let mut span = String::new();
            if let (Some(first), Some(last)) = (log.first, log.last) {
                write!(span, ", {first} to {last}")?;
            }
            if log.erased > 0 {
                write!(span, "; what is private was erased in {} of them", log.erased)?;
            }
            if let Some(cosigned) = &log.cosigned {
                write!(span, "; {cosigned}")?;
            }
            let plural = if log.records == 1 { "" } else { "s" };
            writeln!(
                formatter,
                "{:16}  {verdict}: {} record{plural}{span}",
                log.log.as_str(),
                log.records
            )?;
            for finding in &log.findings {
                writeln!(formatter, "    {}", finding.message)?;
            }
            if log.more_findings > 0 {
                writeln!(formatter, "    and {} more", log.more_findings)?;
            }
            for warning in &log.warnings {
                writeln!(formatter, "    warning: {}", warning.message)?;
            }
        }
        for finding in &self.findings {
            writeln!(formatter, "{}", finding.message)?;
        }
        if let Some(segments) = &self.segments {
            let (count, rows) = (segments.segments, segments.rows);
            let verdict = if segments.ok() { "ok" } else { "BROKEN" };
            writeln!(formatter, "{:16}  {verdict}: {count} segments, {rows} rows", "segments")?;
            for found in &segments.findings {
                writeln!(formatter, "    `{}`: {}", found.segment, found.why)?;
            }
        }
        let (logs, records, verdict) = (self.logs.len(), self.records(), if self.ok { "ok" } else { "BROKEN" });
        writeln!(
            formatter,
            "{verdict}: {logs} logs, {records} records, {} bodies",
            self.bodies
        )
    }
}

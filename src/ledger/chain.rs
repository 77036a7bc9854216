//! Whether a log's rows are the records that were written, all of them and in their order.
//!
//! Rows come in by ascending number, each with the hash stored beside it. What is wrong with one often shows only in the
//! next, so judgement is passed at the end. How the ways to tamper are told apart, for record 17:
//!
//! | what is seen | what it means |
//! |---|---|
//! | its bytes do not give its stored hash, and record 18 names the stored hash | the bytes were changed |
//! | the same, but record 18 names what the bytes give | only the stored hash was changed |
//! | the same, but another row's stored hash is what the bytes give | the contents of rows were exchanged |
//! | bytes and stored hash agree, record 18 names another | both were replaced |
//! | bytes and stored hash agree, but the bytes say they are record 30 | rows were reordered, or renumbered after a removal |
//! | no such row | it was removed |
//!
//! A chain rewritten from record 17 to its end agrees with itself; then the checkpoint names another head, and only a
//! checkpoint kept elsewhere can say where it began.

use std::collections::{BTreeMap, HashSet};

use super::checkpoint::Checkpoint;
use super::record::{LogId, Record, RecordTime, leaf_hash};
use super::report::{FindingKind, Findings};
use crate::ids::Digest;

/// The most rows judged together at the end; beyond these, a row that does not give its hash counts as changed.
const MAX_SUSPECTS: usize = 10_000;

/// A row whose bytes do not give its stored hash.
struct Suspect {
    seq: u64,
    computed: Digest,
    stored: Option<Digest>,
    /// The hash that the next record, or the checkpoint, names.
    named: Option<Digest>,
}

/// The row before the one at hand.
struct Prior {
    seq: u64,
    stored: Option<Digest>,
    suspect: bool,
    /// Whether it says it is the record its number says.
    placed: bool,
}

/// Sound records that stand under another number than their own.
#[derive(Default)]
struct Displaced {
    count: u64,
    /// The number of the first such row, and the record's own.
    first: Option<(u64, u64)>,
    /// The last such record's own number.
    last: u64,
    /// Not what a removal with renumbering gives, where all later records move up.
    mixed: bool,
}

/// What a log's rows show, once all are in.
pub(super) struct Chain {
    pub(super) records: u64,
    pub(super) first: Option<RecordTime>,
    pub(super) last: Option<RecordTime>,
    pub(super) head: Option<Digest>,
    pub(super) findings: Findings,
    pub(super) warnings: Findings,
}

/// Takes a log's rows one by one.
pub(super) struct ChainCheck {
    log: LogId,
    next: u64,
    prior: Option<Prior>,
    suspects: Vec<Suspect>,
    displaced: Displaced,
    /// Heads that checkpoints kept elsewhere name, by the size they name.
    known: BTreeMap<u64, Digest>,
    seen: Chain,
}

impl ChainCheck {
    pub(super) fn new(log: LogId, known: BTreeMap<u64, Digest>) -> Self {
        let (findings, warnings) = (Findings::default(), Findings::default());
        let seen = Chain {
            records: 0,
            first: None,
            last: None,
            head: None,
            findings,
            warnings,
        };
        let (suspects, displaced) = (Vec::new(), Displaced::default());
        Self {
            log,
            next: 0,
            prior: None,
            suspects,
            displaced,
            known,
            seen,
        }
    }

    /// The number the next row should have.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Takes the next row. Returns its record where its bytes give its hash, so that what it names can be checked too.
    pub(super) fn row(&mut self, seq: i64, stored: &[u8], bytes: &[u8]) -> Option<Record> {
        let Ok(seq) = u64::try_from(seq) else {
            let message = format!("a record stands under the impossible number {seq}");
            self.seen.findings.add(FindingKind::Malformed, None, message);
            return None;
        };
        self.gap(seq);
        self.next = seq.saturating_add(1);
        self.seen.records += 1;
        let computed = leaf_hash(bytes);
        let stored = <[u8; 32]>::try_from(stored).ok().map(Digest::from_bytes);
        self.seen.head = Some(computed);
        self.compare_known(seq, computed);
        let parsed = Record::parse(bytes);
        let suspect = stored != Some(computed);
        let placed = suspect || parsed.as_ref().map_or(true, |record| record.seq == seq);
        if suspect {
            self.suspect(Suspect {
                seq,
                computed,
                stored,
                named: None,
            });
        }
        let record = match parsed {
            Ok(record) if !suspect => {
                self.record(seq, &record);
                Some(record)
            }
            Err(error) if !suspect => {
                let message = format!("record {seq} is malformed: {error}");
                self.seen.findings.add(FindingKind::Malformed, Some(seq), message);
                None
            }
            _ => None,
        };
        self.prior = Some(Prior {
            seq,
            stored,
            suspect,
            placed,
        });
        record
    }

    /// Says that the rows from here on cannot be read, for `why`.
    pub(super) fn unreadable(&mut self, why: &str) {
        let seq = self.next;
        let message = format!("record {seq} cannot be read: {why}");
        self.seen.findings.add(FindingKind::Unreadable, Some(seq), message);
    }

    /// Passes judgement. `checkpoint` is the log's own, where its signature holds and all rows could be read.
    pub(super) fn finish(mut self, checkpoint: Option<&Checkpoint>) -> Chain {
        let renumbered = self.judge_displaced();
        if let Some(checkpoint) = checkpoint {
            self.compare_end(checkpoint, renumbered);
        }
        self.judge_suspects();
        for size in self.known.keys().filter(|size| **size > self.next) {
            let message = format!(
                "a checkpoint kept elsewhere names {size} records, but there are {}",
                self.next
            );
            self.seen.findings.add(FindingKind::Cut, Some(self.next), message);
        }
        self.seen.findings.sort();
        self.seen
    }

    fn gap(&mut self, seq: u64) {
        if seq > self.next {
            let message = match (self.next, seq - 1) {
                (from, to) if from == to => format!("record {from} is missing"),
                (from, to) => format!("records {from} to {to} are missing"),
            };
            self.seen.findings.add(FindingKind::Missing, Some(self.next), message);
            self.prior = None;
        }
    }

    fn compare_known(&mut self, seq: u64, computed: Digest) {
        if let Some(head) = self.known.get(&seq.saturating_add(1))
            && *head != computed
        {
            let message = format!("record {seq} is not the one that a checkpoint kept elsewhere names as {head}");
            self.seen.findings.add(FindingKind::Replaced, Some(seq), message);
        }
    }

    fn suspect(&mut self, suspect: Suspect) {
        if self.suspects.len() < MAX_SUSPECTS {
            self.suspects.push(suspect);
        } else {
            self.changed(&suspect);
        }
    }

    /// Checks a record whose bytes give its stored hash: its place, its predecessor, its log and its time.
    fn record(&mut self, seq: u64, record: &Record) {
        let findings = &mut self.seen.findings;
        if record.log != self.log {
            let message = format!("record {seq} belongs to the log `{}`", record.log);
            findings.add(FindingKind::Malformed, Some(seq), message);
        }
        if record.seq != seq {
            self.displace(seq, record.seq);
            return;
        }
        self.displaced.mixed |= self.displaced.count > 0;
        match &self.prior {
            None if seq == 0 && record.previous != Digest::ZERO => {
                findings.add(FindingKind::Malformed, Some(0), "record 0 names a record before it");
            }
            Some(prior) if prior.suspect => {
                if let Some(suspect) = self.suspects.last_mut().filter(|suspect| suspect.seq == prior.seq) {
                    suspect.named = Some(record.previous);
                }
            }
            Some(prior) if prior.placed && prior.stored != Some(record.previous) => {
                let (was, named) = (prior.seq, record.previous);
                let message = format!("record {was} was replaced: record {seq} follows one of hash {named}");
                findings.add(FindingKind::Replaced, Some(was), message);
            }
            _ => {}
        }
        self.time(seq, record);
    }

    fn time(&mut self, seq: u64, record: &Record) {
        let within = record.id.0.get_timestamp().map(|time| time.to_unix());
        let millis = within.map(|(seconds, nanos)| seconds * 1000 + u64::from(nanos) / 1_000_000);
        if millis != Some(record.time.unix_millis()) {
            let message = format!("record {seq} is malformed: the time in its id is not its time");
            self.seen.findings.add(FindingKind::Malformed, Some(seq), message);
        }
        if let Some(last) = self.seen.last.filter(|last| *last > record.time) {
            let message = format!("record {seq} of {} was written after one of {last}", record.time);
            self.seen.warnings.add(FindingKind::TimeBackwards, Some(seq), message);
        }
        self.seen.first.get_or_insert(record.time);
        self.seen.last = Some(record.time);
    }

    fn displace(&mut self, seq: u64, own: u64) {
        let displaced = &mut self.displaced;
        displaced.mixed |= own < seq || (displaced.count > 0 && own <= displaced.last);
        displaced.first.get_or_insert((seq, own));
        displaced.count += 1;
        displaced.last = own;
    }

    /// Reports records under other numbers than their own; returns the number after the last one's own where they were
    /// renumbered after a removal.
    fn judge_displaced(&mut self) -> Option<u64> {
        let (seq, own) = self.displaced.first.filter(|_| !self.displaced.mixed)?;
        let message = match own - seq {
            1 => format!("record {seq} is missing and those after it were renumbered"),
            _ => format!(
                "records {seq} to {} are missing and those after them were renumbered",
                own - 1
            ),
        };
        self.seen.findings.add(FindingKind::Missing, Some(seq), message);
        self.displaced.first = None;
        Some(self.displaced.last.saturating_add(1))
    }

    fn compare_end(&mut self, checkpoint: &Checkpoint, renumbered: Option<u64>) {
        let (next, size) = (self.next, checkpoint.size);
        let findings = &mut self.seen.findings;
        if size > next && renumbered != Some(size) {
            let message = match size - next {
                1 => format!("the newest record the checkpoint names, {next}, is missing"),
                _ => format!(
                    "the newest records the checkpoint names, {next} to {}, are missing",
                    size - 1
                ),
            };
            findings.add(FindingKind::Cut, Some(next), message);
        } else if size < next {
            let message = format!("the checkpoint names {size} records, but there are others from {size} on");
            findings.add(FindingKind::Unsigned, Some(size), message);
        }
        let Some(prior) = self
            .prior
            .as_ref()
            .filter(|prior| prior.seq.checked_add(1) == Some(size))
        else {
            return;
        };
        if prior.suspect {
            if let Some(suspect) = self.suspects.last_mut().filter(|suspect| suspect.seq == prior.seq) {
                suspect.named = Some(checkpoint.head);
            }
        } else if prior.placed && prior.stored != Some(checkpoint.head) {
            let (was, head) = (prior.seq, checkpoint.head);
            let message = format!("record {was} was replaced: the checkpoint names {head} as its hash");
            findings.add(FindingKind::Replaced, Some(was), message);
        }
    }

    fn judge_suspects(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        let stored: HashSet<Digest> = suspects.iter().filter_map(|suspect| suspect.stored).collect();
        // A record renumbered by a mixed displacement and one whose content moved are the same finding.
        let mut moved: Vec<u64> = self.displaced.first.iter().map(|(seq, _)| *seq).collect();
        let mut count = self.displaced.count;
        for suspect in &suspects {
            if suspect.named == Some(suspect.computed) {
                let seq = suspect.seq;
                let message = format!("the stored hash of record {seq} was changed; the record itself is whole");
                self.seen.findings.add(FindingKind::HashChanged, Some(seq), message);
            } else if stored.contains(&suspect.computed) {
                moved.push(suspect.seq);
                count += 1;
            } else {
                self.changed(suspect);
            }
        }
        if let Some(from) = moved.iter().min() {
            let message = format!(
                "records from {from} on are not in the order they were written: {count} stand in another's place"
            );
            self.seen.findings.add(FindingKind::Reordered, Some(*from), message);
        }
    }

    fn changed(&mut self, suspect: &Suspect) {
        let seq = suspect.seq;
        let message = match suspect.stored {
            Some(stored) => format!("record {seq} was changed: its bytes no longer give the hash {stored}"),
            None => format!("record {seq} was changed: what is stored beside it is not a hash"),
        };
        self.seen.findings.add(FindingKind::Changed, Some(seq), message);
    }
}

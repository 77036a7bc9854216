//! Whether a log's rows are the records that were signed, all of them and in their order.
//!
//! Rows come in by ascending number, each with the hash stored beside it, and after each group of 256 the hash that the tile above
//! has for it. What is right shows only at the end, when the signed root is compared with the one that the records give and with
//! the one that the tiles above give:
//!
//! | what gives the signed root | record 17 does not give its stored hash | no record disagrees, the tile above does |
//! |---|---|---|
//! | the records | the stored hash was changed | the tile above was changed |
//! | the tiles above | the record was changed | records were replaced together with their hashes |
//! | neither | the record was changed, as far as one can tell | records were replaced, as far as one can tell |
//!
//! Rows that give their hash but say they are another record were moved, or renumbered after a removal; rows that are not there are
//! missing.

use std::collections::{BTreeMap, HashSet};

use super::super::checkpoint::Checkpoint;
use super::super::record::{Event, LogId, Mode, Named, RecordTime};
use super::super::report::{Finding, FindingKind, Findings};
use super::super::succession::KeyHistory;
use super::super::tile::WIDTH;
use super::super::tree::Tree;
use super::keys::KeyChanges;
use super::looked::{Contents, Looked, Opening};
use crate::ids::Digest;
use crate::registry::Bound;

/// The most rows judged together at the end; beyond these, a row that does not give its hash counts as changed.
const MAX_SUSPECTS: usize = 10_000;

/// A row whose bytes do not give its stored hash.
struct Suspect {
    seq: u64,
    computed: Digest,
    stored: Option<Digest>,
}

/// A perfect subtree about which what is stored disagrees.
struct Doubt {
    from: u64,
    width: u64,
    /// What its records give; nothing where some are not there.
    computed: Option<Digest>,
    /// What the tile above has for it.
    above: Option<Digest>,
    /// The tile above, as it is named to people.
    tile: String,
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

/// What gives the signed root.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    Records,
    Above,
    Neither,
}

/// What a log's rows show, once all are in.
pub(super) struct Seen {
    pub(super) records: u64,
    pub(super) first: Option<RecordTime>,
    pub(super) last: Option<RecordTime>,
    pub(super) findings: Findings,
    pub(super) warnings: Findings,
}

/// Takes a log's rows one by one.
pub(super) struct LogCheck {
    log: LogId,
    next: u64,
    /// Over what the records give, whole from the first on; nothing once one is not there.
    tree: Option<Tree>,
    /// The roots that checkpoints, the log's own and those kept elsewhere, name for sizes.
    named: BTreeMap<u64, Digest>,
    /// Those of them that the records give.
    given: HashSet<u64>,
    /// What records must tell of changes of the log's key; nothing where that is not looked at.
    key_changes: Option<KeyChanges>,
    suspects: Vec<Suspect>,
    doubts: Vec<Doubt>,
    /// Records of which nothing says that this ledger wrote them there with the hash stored for them.
    unvouched: Vec<u64>,
    /// Tiles of hashes that are not whole, by the first record under each.
    torn: Vec<(u64, String)>,
    displaced: Displaced,
    seen: Seen,
}

impl LogCheck {
    /// A log whose keys, where these are given, must have changed as its records tell.
    pub(super) fn new(log: LogId, named: BTreeMap<u64, Digest>, keys: Option<&KeyHistory>) -> Self {
        let (findings, warnings) = (Findings::default(), Findings::default());
        let seen = Seen {
            records: 0,
            first: None,
            last: None,
            findings,
            warnings,
        };
        let mut check = Self {
            log,
            next: 0,
            tree: Some(Tree::default()),
            named,
            given: HashSet::new(),
            key_changes: keys.map(KeyChanges::of),
            suspects: Vec::new(),
            doubts: Vec::new(),
            unvouched: Vec::new(),
            torn: Vec::new(),
            displaced: Displaced::default(),
            seen,
        };
        check.compare();
        check
    }

    /// The number the next row should have.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Takes the next row. Returns, where its bytes give the hash stored for it, what it names, so that this can be checked too.
    pub(super) fn row(&mut self, seq: u64, stored: Option<Digest>, looked: Looked) -> Option<(Named, Opening)> {
        let computed = looked.computed;
        self.gap(seq);
        self.next = seq.saturating_add(1);
        self.seen.records += 1;
        if let Some(tree) = &mut self.tree {
            tree.push(computed);
        }
        self.compare();
        if stored != Some(computed) {
            self.suspect(Suspect { seq, computed, stored });
            return None;
        }
        match looked.contents {
            Ok(contents) => {
                self.record(seq, &contents);
                Some((contents.named, looked.private))
            }
            Err(error) => {
                let message = format!("record {seq} is malformed: {error}");
                self.seen.findings.add(FindingKind::Malformed, Some(seq), message);
                None
            }
        }
    }

    /// Says what the records of a perfect subtree give, what their stored hashes give, and what the tile above has for it.
    pub(super) fn subtree(&mut self, from: u64, width: u64, [computed, above]: [Option<Digest>; 2], tile: &str) {
        if computed.is_none() || computed != above {
            let tile = tile.to_owned();
            self.doubts.push(Doubt {
                from,
                width,
                computed,
                above,
                tile,
            });
        }
    }

    /// Says that what vouches for a record does not.
    pub(super) fn unvouched(&mut self, seq: u64) {
        if self.unvouched.len() < MAX_SUSPECTS {
            self.unvouched.push(seq);
        }
    }

    /// Says that the tile with the hashes of the 256 records from `from` on is not whole.
    pub(super) fn torn(&mut self, from: u64, tile: &str) {
        self.torn.push((from, tile.to_owned()));
    }

    /// Says that the rows from here to `end` cannot be read, for `why`.
    pub(super) fn unreadable(&mut self, end: u64, why: &str) {
        let (from, last) = (self.next, end.saturating_sub(1));
        let message = match from == last {
            true => format!("record {from} cannot be read: {why}"),
            false => format!("records {from} to {last} cannot be read: {why}"),
        };
        self.seen.findings.add(FindingKind::Unreadable, Some(from), message);
        self.tree = None;
        self.next = end;
    }

    /// Passes judgement. `checkpoint` is the log's own, where its signature holds; `above` what the tiles above give for it.
    pub(super) fn finish(mut self, checkpoint: Option<&Checkpoint>, above: Option<Digest>) -> Seen {
        let renumbered = self.judge_displaced();
        let truth = match checkpoint {
            Some(checkpoint) if self.given.contains(&checkpoint.size) => Truth::Records,
            Some(checkpoint) if above == Some(checkpoint.root) => Truth::Above,
            _ => Truth::Neither,
        };
        if let Some(checkpoint) = checkpoint {
            self.compare_end(checkpoint, renumbered);
        }
        self.judge_suspects(truth);
        self.judge_unvouched(truth);
        self.judge_torn(truth);
        self.judge_doubts(truth);
        self.judge_key_changes();
        if let Some(checkpoint) = checkpoint.filter(|_| truth != Truth::Records && self.seen.findings.list.is_empty()) {
            let size = checkpoint.size;
            let message = format!(
                "the records do not give the root the checkpoint signs for the first {size}, though each gives its hash: \
                 some were replaced together with all hashes over them"
            );
            self.seen.findings.add(FindingKind::Replaced, None, message);
        }
        self.compare_elsewhere(checkpoint);
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
            self.tree = None;
        }
    }

    fn compare(&mut self) {
        if let Some(tree) = &self.tree
            && let Some(root) = self.named.get(&tree.size())
            && *root == tree.root()
        {
            self.given.insert(tree.size());
        }
    }

    fn compare_elsewhere(&mut self, own: Option<&Checkpoint>) {
        let own = own.map(|checkpoint| checkpoint.size);
        let ungiven = |size: &&u64| Some(**size) != own && !self.given.contains(size);
        for size in self.named.keys().filter(ungiven) {
            let what = match self.key_changes.as_ref().is_some_and(|changes| changes.names(*size)) {
                true => "a change of the log's key",
                false => "a checkpoint kept elsewhere",
            };
            let (kind, seq, message) = match *size > self.next {
                true => {
                    let next = self.next;
                    let message = format!("{what} names {size} records, but there are {next}");
                    (FindingKind::Cut, Some(next), message)
                }
                false => {
                    let message = format!("the first {size} records are not those that {what} signs");
                    (FindingKind::Forked, None, message)
                }
            };
            self.seen.findings.add(kind, seq, message);
        }
    }

    fn suspect(&mut self, suspect: Suspect) {
        if self.suspects.len() < MAX_SUSPECTS {
            self.suspects.push(suspect);
        } else {
            self.changed(&suspect);
        }
    }

    /// Checks a record whose bytes give its stored hash: its place, its log and its time.
    fn record(&mut self, seq: u64, record: &Contents) {
        if record.log != self.log {
            let message = format!("record {seq} belongs to the log `{}`", record.log);
            self.seen.findings.add(FindingKind::Malformed, Some(seq), message);
        }
        if record.seq != seq {
            self.displace(seq, record.seq);
            return;
        }
        self.displaced.mixed |= self.displaced.count > 0;
        self.time(seq, record);
        let Named::Event(record) = &record.named else { return };
        if let (Event::KeyChanged(changed), Some(changes)) = (&record.event, &mut self.key_changes)
            && changed.log == self.log
            && let Some(message) = changes.told(seq, &changed.change)
        {
            self.seen.findings.add(FindingKind::Key, Some(seq), message);
        }
        if let Event::Gap(gap) = &record.event {
            let (most, missing) = (if gap.exact { "" } else { "up to " }, gap.missing);
            let message = format!(
                "record {seq} tells of {most}{missing} answers that left ahead of their records, which are missing"
            );
            self.seen.warnings.add(FindingKind::Gap, Some(seq), message);
        }
    }

    fn time(&mut self, seq: u64, record: &Contents) {
        let time = record.time;
        let within = record.id.0.get_timestamp().map(|time| time.to_unix());
        let millis = within.map(|(seconds, nanos)| seconds * 1000 + u64::from(nanos) / 1_000_000);
        if millis != Some(time.unix_millis()) {
            let message = format!("record {seq} is malformed: the time in its id is not its time");
            self.seen.findings.add(FindingKind::Malformed, Some(seq), message);
        }
        if let Some(last) = self.seen.last.filter(|last| *last > time) {
            // One whose answer left ahead of it has the answer's time, which is not much earlier.
            let back = last.timestamp().duration_since(time.timestamp()).unsigned_abs();
            if record.mode == Some(Mode::Bounded) && back <= 2 * Bound::MAX_AGE {
                return;
            }
            let message = format!("record {seq} of {time} was written after one of {last}");
            self.seen.warnings.add(FindingKind::TimeBackwards, Some(seq), message);
        }
        self.seen.first.get_or_insert(time);
        self.seen.last = Some(time);
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
        if size > next && renumbered != Some(size) {
            let message = match size - next {
                1 => format!("the newest record the checkpoint names, {next}, is missing"),
                _ => format!(
                    "the newest records the checkpoint names, {next} to {}, are missing",
                    size - 1
                ),
            };
            self.seen.findings.add(FindingKind::Cut, Some(next), message);
        } else if size < next {
            let message = format!(
                "records from {size} on are not signed yet; the service signs them within a second, or as it starts"
            );
            self.seen.warnings.add(FindingKind::Unsigned, Some(size), message);
        }
    }

    fn judge_suspects(&mut self, truth: Truth) {
        let suspects = std::mem::take(&mut self.suspects);
        let stored: HashSet<Digest> = suspects.iter().filter_map(|suspect| suspect.stored).collect();
        // A record renumbered by a mixed displacement and one whose content moved are the same finding.
        let mut moved: Vec<u64> = self.displaced.first.iter().map(|(seq, _)| *seq).collect();
        let mut count = self.displaced.count;
        for suspect in &suspects {
            let doubted = self.doubts.iter().any(|doubt| doubt.holds(suspect.seq));
            if truth == Truth::Records || (truth == Truth::Above && !doubted) {
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

    /// Whether something found already explains that those records are not what was signed: something about one of them, or that
    /// records before were moved or removed.
    fn explained(&self, records: std::ops::RangeInclusive<u64>) -> bool {
        let explains = |finding: &Finding| match finding.kind {
            FindingKind::Missing | FindingKind::Reordered | FindingKind::Cut => {
                finding.seq.is_some_and(|seq| seq <= *records.end())
            }
            FindingKind::Tile => false,
            _ => finding.seq.is_some_and(|seq| records.contains(&seq)),
        };
        self.seen.findings.list.iter().any(explains)
    }

    fn judge_unvouched(&mut self, truth: Truth) {
        for seq in std::mem::take(&mut self.unvouched) {
            let doubted = truth != Truth::Records && self.doubts.iter().any(|doubt| doubt.holds(seq));
            if self.explained(seq..=seq) {
                continue;
            }
            let (kind, message) = match doubted {
                true => (
                    FindingKind::Replaced,
                    format!("record {seq} was replaced together with its hash"),
                ),
                false => (
                    FindingKind::Unvouched,
                    format!(
                        "nothing vouches for record {seq}: it, or what vouched for it, was changed before it came into a bundle"
                    ),
                ),
            };
            self.seen.findings.add(kind, Some(seq), message);
        }
    }

    fn judge_torn(&mut self, truth: Truth) {
        for (from, tile) in std::mem::take(&mut self.torn) {
            let whole = truth == Truth::Records || !self.doubts.iter().any(|doubt| doubt.holds(from));
            let to = from + WIDTH - 1;
            let rest = if whole {
                format!("; the records {from} to {to} are whole")
            } else {
                String::new()
            };
            let message = format!("`{tile}` is missing or torn{rest}");
            self.seen.findings.add(FindingKind::Tile, Some(from), message);
        }
    }

    fn judge_doubts(&mut self, truth: Truth) {
        for doubt in std::mem::take(&mut self.doubts) {
            let (from, to) = (doubt.from, doubt.from + doubt.width - 1);
            match truth {
                Truth::Records => {
                    let message = format!(
                        "`{}` was changed: its hash of the records {from} to {to}, which are whole",
                        doubt.tile
                    );
                    self.seen.findings.add(FindingKind::Tile, Some(from), message);
                }
                _ if self.explained(from..=to) => {}
                _ if doubt.computed.is_none() || doubt.above.is_none() => {}
                _ => {
                    let message =
                        format!("of the records {from} to {to}, at least one was replaced together with its hash");
                    self.seen.findings.add(FindingKind::Replaced, Some(from), message);
                }
            }
        }
    }

    fn judge_key_changes(&mut self) {
        for (seq, message) in self.key_changes.iter().flat_map(KeyChanges::untold).collect::<Vec<_>>() {
            if !self.explained(seq..=seq) {
                self.seen.findings.add(FindingKind::Key, Some(seq), message);
            }
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

    /// Notes something about the log.
    pub(super) fn find(&mut self, kind: FindingKind, seq: Option<u64>, message: impl Into<String>) {
        self.seen.findings.add(kind, seq, message);
    }
}

impl Doubt {
    fn holds(&self, seq: u64) -> bool {
        (self.from..self.from + self.width).contains(&seq)
    }
}

//! Whether what a record's digests and commitments name is there and unchanged.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::super::error::LedgerError;
use super::super::period::Period;
use super::super::private;
use super::super::read::{Reader, Withheld};
use super::super::record::{Event, LogId, Named};
use super::super::report::{Finding, FindingKind, Findings};
use super::looked::Opening;
use crate::ids::Digest;

/// How many missing or changed bodies are told apart per log.
const MAX_BODY_FINDINGS: usize = 1_000;

/// How many commitments of slices known to be stored are remembered.
const MAX_PRESENT: usize = 100_000;

/// What was found of a log's private parts.
pub(super) struct Private {
    /// In how many records it was erased.
    pub(super) erased: u64,
    /// That it was not looked at.
    pub(super) warning: Option<Finding>,
}

/// Holds what is private in a log to what its records commit to.
pub(super) struct PrivateCheck {
    log: LogId,
    /// Months whose keys are gone, with the first record of each that needs it and how many do.
    gone: BTreeMap<Period, (u64, u64)>,
    /// Months of which a record says that they were erased.
    told: BTreeSet<Period>,
    unseen: u64,
    found: Findings,
    /// Slices that records name, and the first that does, until they are looked for.
    named: HashMap<Digest, u64>,
    present: HashSet<Digest>,
}

impl PrivateCheck {
    pub(super) fn new(log: LogId) -> Self {
        Self {
            log,
            gone: BTreeMap::new(),
            told: BTreeSet::new(),
            unseen: 0,
            found: Findings::default(),
            named: HashMap::new(),
            present: HashSet::new(),
        }
    }

    pub(super) async fn record(
        &mut self,
        reader: &mut Reader,
        seq: u64,
        named: &Named,
        found: Opening,
    ) -> Result<(), LedgerError> {
        let private = match named {
            Named::Decision(_, private) => private,
            Named::Event(record) => {
                if let Event::Erased(erased) = &record.event {
                    self.told.extend(&erased.periods);
                }
                return Ok(());
            }
        };
        let opened = match found {
            Opening::Tried(tried) => tried,
            Opening::Left(sealed) => reader.asked(self.log, private, sealed).await?.map(drop),
        };
        match opened {
            Ok(()) => {}
            Err(Withheld::Erased(period)) => {
                self.gone.entry(period).or_insert((seq, 0)).1 += 1;
                return Ok(());
            }
            Err(Withheld::NoSecret) => self.unseen += 1,
            Err(why @ (Withheld::Missing | Withheld::NoKey(_))) => {
                self.found
                    .add(FindingKind::PrivateMissing, Some(seq), format!("record {seq}: {why}"));
            }
            Err(why @ Withheld::Changed) => {
                self.found
                    .add(FindingKind::PrivateChanged, Some(seq), format!("record {seq}: {why}"));
            }
        }
        let slice = private.entities;
        if !self.present.contains(&slice) {
            self.named.entry(slice).or_insert(seq);
        }
        Ok(())
    }

    /// Looks for the slices that were named.
    pub(super) async fn present(&mut self, reader: &mut Reader) -> Result<(), LedgerError> {
        let named: Vec<Digest> = self.named.keys().copied().collect();
        let found = reader.present_slices(self.log, &named).await?;
        for (slice, seq) in std::mem::take(&mut self.named) {
            if !found.contains(&slice) {
                let message = format!("record {seq} names the entity slice {slice}, which is missing");
                self.found.add(FindingKind::PrivateMissing, Some(seq), message);
            }
        }
        if self.present.len() > MAX_PRESENT {
            self.present.clear();
        }
        self.present.extend(found);
        Ok(())
    }

    /// Opens every slice that is stored.
    pub(super) async fn slices(&mut self, reader: &mut Reader, about: &mut Findings) -> Result<(), LedgerError> {
        let mut after = Vec::new();
        loop {
            let page = reader.slices(self.log, &after).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.commitment.clone();
            for slice in page {
                let commitment = <[u8; 32]>::try_from(slice.commitment.as_slice())
                    .ok()
                    .map(Digest::from_bytes);
                let period = slice.period.parse::<Period>().ok();
                let (Some(commitment), Some(period)) = (commitment, period) else {
                    about.add(
                        FindingKind::PrivateChanged,
                        None,
                        "an entity slice is stored under what is no commitment or no month",
                    );
                    continue;
                };
                let opened = match reader.key(self.log, period).await? {
                    Err(Withheld::NoSecret) => continue,
                    Err(_) => false,
                    Ok(key) => private::open_slice(&key, &commitment, &slice.content).is_ok(),
                };
                if !opened {
                    let message = format!(
                        "the entity slice {commitment} was changed: it does not open, or is not what is committed to"
                    );
                    about.add(FindingKind::PrivateChanged, None, message);
                }
            }
        }
    }

    /// Reports what was found.
    pub(super) fn report(self, about: &mut Findings) -> Private {
        about.list.extend(self.found.list);
        about.more += self.found.more;
        let mut erased = 0;
        for (period, (seq, count)) in self.gone {
            erased += count;
            if !self.told.contains(&period) {
                let message = format!(
                    "the key of {period} is gone, which record {seq} needs, but no record tells that it was erased"
                );
                about.add(FindingKind::PrivateMissing, Some(seq), message);
            }
        }
        let warning = (self.unseen > 0).then(|| Finding {
            seq: None,
            kind: FindingKind::PrivateUnseen,
            message: format!(
                "what is private in {} records was not looked at: the ledger's secret is not at hand",
                self.unseen
            ),
        });
        Private { erased, warning }
    }
}

/// Missing and changed bodies of a log, one finding per body however many records name it.
#[derive(Default)]
pub(super) struct BodyFindings {
    found: HashMap<Digest, (FindingKind, u64, u64)>,
    more: u64,
}

impl BodyFindings {
    pub(super) fn add(&mut self, kind: FindingKind, digest: Digest, seq: u64) {
        if self.found.len() >= MAX_BODY_FINDINGS && !self.found.contains_key(&digest) {
            self.more += 1;
            return;
        }
        self.found.entry(digest).or_insert((kind, seq, 0)).2 += 1;
    }

    pub(super) fn report(self, about: &mut Findings) {
        for (digest, (kind, seq, count)) in self.found {
            let what = if kind == FindingKind::BodyMissing {
                "is missing"
            } else {
                "was changed"
            };
            let also = match count {
                1 => String::new(),
                _ => format!(", and so do {} more", count - 1),
            };
            about.add(
                kind,
                Some(seq),
                format!("record {seq} names the body {digest}, which {what}{also}"),
            );
        }
        about.more += self.more;
    }
}

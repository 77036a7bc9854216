//! Whether what a record's digests name is there and unchanged.

use std::collections::HashMap;

use super::super::record::{Event, Record};
use super::super::report::{FindingKind, Findings};
use crate::ids::Digest;

/// How many missing or changed bodies are told apart per log.
const MAX_BODY_FINDINGS: usize = 1_000;

/// Holds the context in a record's row to the digest the record names; returns that digest, which is then accounted for.
pub(super) fn check_context(seq: u64, record: &Record, context: Option<&[u8]>, about: &mut Findings) -> Option<Digest> {
    let (Event::Decision(decided), Some(context)) = (&record.event, context) else {
        return None;
    };
    let actual = Digest::of(context);
    if actual != decided.context {
        let message = format!(
            "the context of record {seq} was changed: it has digest {actual}, not {}",
            decided.context
        );
        about.add(FindingKind::BodyChanged, Some(seq), message);
    }
    Some(decided.context)
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

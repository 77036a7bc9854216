//! What a decision's record tells, as far as replay needs it.

use std::borrow::Cow;

use crate::ids::{Digest, RecordId};
use crate::ledger::record::{Event, LogId, Private, Read, RecordTime};

/// A recorded decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<'r> {
    /// The Cedar action's entity id.
    pub action: Cow<'r, str>,
    /// The bundle that answered.
    pub bundle: Digest,
    /// The answer, as canonical JSON.
    pub decision: Cow<'r, str>,
    /// What evaluated the question, as canonical JSON.
    pub engine: Cow<'r, str>,
    /// The record's id.
    pub id: RecordId,
    /// Its log.
    pub log: LogId,
    /// Who asked; a person by pseudonym.
    pub principal: Cow<'r, str>,
    /// What is not in the record.
    pub private: Private,
    /// The Cedar resource's entity id.
    pub resource: Cow<'r, str>,
    /// Its number in the log.
    pub seq: u64,
    /// The terms of the agreements in the question.
    pub terms: Vec<Digest>,
    /// When it was written.
    pub time: RecordTime,
}

impl<'r> Told<'r> {
    /// What a record tells; nothing where it is no decision.
    pub fn of(read: Read<'r>) -> Option<Self> {
        match read {
            Read::Line(line) => Some(Self {
                action: line.action.get(),
                bundle: line.bundle,
                decision: Cow::Borrowed(line.decision),
                engine: Cow::Borrowed(line.engine),
                id: line.id,
                log: line.log,
                principal: line.principal.get(),
                private: line.private,
                resource: line.resource.get(),
                seq: line.seq,
                terms: line.terms().collect(),
                time: line.time,
            }),
            Read::Record(record) => {
                let Event::Decision(decided) = record.event else {
                    return None;
                };
                Some(Self {
                    action: decided.action.into(),
                    bundle: decided.bundle,
                    decision: serde_json::to_string(&decided.decision).ok()?.into(),
                    engine: serde_json::to_string(&decided.engine).ok()?.into(),
                    id: record.id,
                    log: record.log,
                    principal: decided.principal.into(),
                    private: decided.private,
                    resource: decided.resource.into(),
                    seq: record.seq,
                    terms: decided.terms.into_iter().collect(),
                    time: record.time,
                })
            }
        }
    }

    /// The partner that asked, where one did.
    pub(super) fn partner(&self) -> Option<&str> {
        self.principal.strip_prefix("Partner::\"")?.strip_suffix('"')
    }

    /// What the decision follows from, by digest: two decisions with the same key had the same question, and the same bundle. The
    /// commitments are to one content only, and the same within a log and month.
    pub(super) fn key(&self) -> Digest {
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(self.private.asked.as_bytes());
        bytes.extend_from_slice(self.private.entities.as_bytes());
        bytes.extend_from_slice(self.bundle.as_bytes());
        for term in &self.terms {
            bytes.extend_from_slice(term.as_bytes());
        }
        let period = self.private.period.to_string();
        for text in [
            self.log.as_str(),
            &period,
            &self.action,
            &self.principal,
            &self.resource,
        ] {
            // Each after its length, so that no two sets of texts run together to the same.
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        Digest::of(&bytes)
    }
}

//! What came of decisions made again, counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Outcome;
use super::told::Told;
use crate::decision::{Decision, Effect};
use crate::ledger::record::{Engine, LogId, RecordTime};
use crate::ledger::segment::Damaged;

/// How a decision differs from the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It was allowed and is denied.
    AllowToDeny,
    /// It was denied and is allowed.
    DenyToAllow,
    /// Policies come to an error that did not, or no longer do.
    Errors,
    /// The same decision, for other reasons: other policies, or another answer of the IAM layer.
    OtherReasons,
}

impl Class {
    /// How `now` differs from `was`; nothing where it does not.
    pub fn of(was: &Decision, now: &Decision) -> Option<Self> {
        if was == now {
            return None;
        }
        Some(match (was.effect, now.effect) {
            (Effect::Allow, Effect::Deny) => Self::AllowToDeny,
            (Effect::Deny, Effect::Allow) => Self::DenyToAllow,
            _ if was.cedar.errors != now.cedar.errors => Self::Errors,
            _ => Self::OtherReasons,
        })
    }

    /// All of them.
    pub const ALL: [Self; 4] = [Self::AllowToDeny, Self::DenyToAllow, Self::Errors, Self::OtherReasons];

    /// The class as programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllowToDeny => "allow-to-deny",
            Self::DenyToAllow => "deny-to-allow",
            Self::Errors => "errors",
            Self::OtherReasons => "other-reasons",
        }
    }

    /// The class in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowToDeny => "allow -> deny",
            Self::DenyToAllow => "deny -> allow",
            Self::Errors => "other errors",
            Self::OtherReasons => "other reasons",
        }
    }
}

/// Counts by class, of decisions that have something in common.
pub type Counts = BTreeMap<Class, u64>;

/// What changed, by what the decisions have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Changes {
    /// All.
    pub total: Counts,
    /// By log: a tenant's, or the platform's.
    pub by_log: BTreeMap<LogId, Counts>,
    /// By the partner that asked.
    pub by_partner: BTreeMap<String, Counts>,
    /// By Cedar action.
    pub by_action: BTreeMap<String, Counts>,
    /// By policy: one that determines the decision now and did not, or did and no longer does.
    pub by_policy: BTreeMap<String, Counts>,
}

impl Changes {
    fn count(&mut self, told: &Told<'_>, class: Class, was: &Decision, now: &Decision) {
        let count = |counts: &mut Counts| *counts.entry(class).or_default() += 1;
        count(&mut self.total);
        count(self.by_log.entry(told.log).or_default());
        if let Some(partner) = told.partner() {
            count(self.by_partner.entry(partner.to_owned()).or_default());
        }
        count(self.by_action.entry(told.action.to_string()).or_default());
        let (before, after) = (&was.cedar.policies, &now.cedar.policies);
        let differing = before.iter().filter(|policy| !after.contains(policy));
        for policy in differing.chain(after.iter().filter(|policy| !before.contains(policy))) {
            count(self.by_policy.entry(policy.clone()).or_default());
        }
    }

    fn merge(&mut self, other: Self) {
        add(&mut self.total, other.total);
        add_each(&mut self.by_log, other.by_log);
        add_each(&mut self.by_partner, other.by_partner);
        add_each(&mut self.by_action, other.by_action);
        add_each(&mut self.by_policy, other.by_policy);
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, other: BTreeMap<K, u64>) {
    for (key, count) in other {
        *counts.entry(key).or_default() += count;
    }
}

fn add_each<K: Ord>(counts: &mut BTreeMap<K, Counts>, other: BTreeMap<K, Counts>) {
    for (key, other) in other {
        add(counts.entry(key).or_default(), other);
    }
}

/// A log that was not believed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unverified {
    /// The log.
    pub log: LogId,
    /// How many records it has.
    pub records: u64,
    /// The first thing that is wrong with it.
    pub why: String,
}

/// What came of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Decisions made again.
    pub decisions: u64,
    /// Of these, the same.
    pub same: u64,
    /// Changed.
    pub changed: u64,
    /// Without their bundle.
    pub bundle_missing: u64,
    /// Not to be put back together.
    pub not_replayable: u64,
    /// How many distinct questions those were that could be put together.
    pub distinct: u64,
    /// Whether that is exact: of many, it is so to within about a hundredth.
    pub distinct_exact: bool,
    /// Records that are not decisions.
    pub other_records: u64,
    /// The time of the first decision made again, and of the last.
    pub window: Option<(RecordTime, RecordTime)>,
    /// How many records were held to a signed root before they were believed, and how many were read.
    pub verified: (u64, u64),
    /// Logs that do not verify; nothing of them was made again.
    pub unverified: Vec<Unverified>,
    /// Segments that are not what they should be. Where one was found so at once, its records were read from the store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
    /// Decisions that another version answered, by that version.
    pub other_engines: BTreeMap<String, u64>,
    /// What changed.
    pub changes: Changes,
    /// Why decisions were not made again, with how many.
    pub causes: BTreeMap<String, u64>,
}

impl Summary {
    /// Counts a decision; `running` is what evaluates now, as records spell it.
    pub(super) fn count(&mut self, told: &Told<'_>, running: &str, outcome: &Outcome) {
        self.decisions += 1;
        self.spans(told.time, told.time);
        if told.engine != running
            && let Ok(Engine { cedar, tidegate }) = serde_json::from_str(&told.engine)
        {
            *self
                .other_engines
                .entry(format!("Tidegate {tidegate}, Cedar {cedar}"))
                .or_default() += 1;
        }
        let mut cause = |cause: &String| *self.causes.entry(cause.clone()).or_default() += 1;
        match outcome {
            Outcome::Same => self.same += 1,
            Outcome::Changed { class, was, now } => {
                self.changed += 1;
                self.changes.count(told, *class, was, now);
            }
            Outcome::BundleMissing { cause: why } => {
                self.bundle_missing += 1;
                cause(why);
            }
            Outcome::NotReplayable { cause: why } => {
                self.not_replayable += 1;
                cause(why);
            }
        }
    }

    fn spans(&mut self, first: RecordTime, last: RecordTime) {
        let (from, to) = self.window.unwrap_or((first, last));
        self.window = Some((from.min(first), to.max(last)));
    }

    /// Takes the counts of other decisions along. In which order parts are taken makes no difference.
    pub(super) fn merge(&mut self, other: Self) {
        self.decisions += other.decisions;
        self.same += other.same;
        self.changed += other.changed;
        self.bundle_missing += other.bundle_missing;
        self.not_replayable += other.not_replayable;
        self.other_records += other.other_records;
        if let Some((first, last)) = other.window {
            self.spans(first, last);
        }
        add(&mut self.other_engines, other.other_engines);
        self.changes.merge(other.changes);
        add(&mut self.causes, other.causes);
        self.unverified.extend(other.unverified);
        self.damaged.extend(other.damaged);
        self.settle();
    }

    /// Puts what is listed into its order, each once.
    pub(super) fn settle(&mut self) {
        self.unverified.sort();
        self.unverified
            .dedup_by(|next, first| next.log == first.log && next.records == first.records);
        self.damaged.sort();
        self.damaged.dedup_by(|next, first| next.segment == first.segment);
    }

    /// Whether every decision was made again and came out the same, and every log and segment read was whole.
    pub fn holds(&self) -> bool {
        self.same == self.decisions && self.unverified.is_empty() && self.damaged.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{CedarAnswer, IamAnswer};

    fn decision(decision: Effect, policies: &[&str], errors: &[&str]) -> Decision {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let cedar = CedarAnswer {
            decision,
            errors: texts(errors),
            policies: texts(policies),
        };
        let reason = "no AWS call".to_owned();
        Decision::join(cedar, IamAnswer::NotApplicable { reason })
    }

    #[test]
    fn a_change_is_classed_by_what_matters_most() {
        let allow = decision(Effect::Allow, &["a"], &[]);
        let deny = decision(Effect::Deny, &["b"], &[]);
        assert_eq!(Class::of(&allow, &allow), None);
        assert_eq!(Class::of(&allow, &deny), Some(Class::AllowToDeny));
        assert_eq!(Class::of(&deny, &allow), Some(Class::DenyToAllow));
        assert_eq!(
            Class::of(&deny, &decision(Effect::Deny, &[], &[])),
            Some(Class::OtherReasons)
        );
        let error = decision(Effect::Deny, &["b"], &["policy `c`: no such attribute"]);
        assert_eq!(Class::of(&deny, &error), Some(Class::Errors));
        assert_eq!(Class::of(&error, &deny), Some(Class::Errors));
        assert_eq!(Class::of(&allow, &error), Some(Class::AllowToDeny));
    }
}

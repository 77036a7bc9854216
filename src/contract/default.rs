//! What nobody wrote down: the terms a framework agreement brings along, and whom data is for where nothing is said.

use super::condition::{Says, for_itself, hands_out, versions, within};
use super::normal::{Normal, Rule};
use super::operand::{Group, Operand, Operator};
use super::{Kind, Moment};

/// Days of the default year. 365, so that in a leap year the gate closes a day early rather than late.
pub(super) const YEAR: u32 = 365;

/// A term that holds though no constraint says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// Data is provided for a year.
    ProvisionYear,
    /// The right to use lasts a year.
    UsageYear,
    /// Versions are those of the day of signing.
    SameVersions,
    /// The data is for the partner itself.
    OwnUse,
}

impl Unwritten {
    /// The operand that would replace it, and what it would say, as far as the profile has words for it.
    pub(super) fn as_if_written(self) -> (Operand, Operator, Option<String>) {
        match self {
            Self::ProvisionYear => (
                Operand::DataProvisioningEndDurationDays,
                Operator::Eq,
                Some(YEAR.to_string()),
            ),
            Self::UsageYear => (Operand::DataUsageEndDurationDays, Operator::Eq, Some(YEAR.to_string())),
            Self::SameVersions => (Operand::VersionChanges, Operator::Eq, None),
            Self::OwnUse => (Operand::AffiliatesBpnl, Operator::IsAnyOf, None),
        }
    }

    /// Whether the framework agreement brings it.
    pub(super) fn of_framework(self) -> bool {
        self != Self::OwnUse
    }

    /// What it says at a moment.
    pub(super) fn says(self, moment: Moment) -> Says {
        if !hands_out(moment) {
            return Says::Nothing;
        }
        match self {
            Self::ProvisionYear | Self::UsageYear => within(YEAR),
            Self::SameVersions => versions(moment, "full", "models"),
            Self::OwnUse => for_itself(None),
        }
    }

    /// What it demands, in plain words that complete "granted if …".
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::ProvisionYear => "data is provided for one year (365 days) from signing, and it has not passed",
            Self::UsageYear => "the right to use lasts one year (365 days) from signing, and it has not passed",
            Self::SameVersions => "API, asset and aspect model have the very versions they had at signing",
            Self::OwnUse => "the data is for the partner that asks, for nothing lets it pass on to others",
        }
    }
}

/// The unwritten terms of a permission, in the order they are shown.
pub(super) fn of_permission(normal: &Normal, rule: &Rule) -> Vec<Unwritten> {
    let mut terms = Vec::new();
    if normal.kind == Kind::Access {
        return terms;
    }
    if rule.names(Operand::FrameworkAgreement) {
        if normal.obligations.is_empty() {
            terms.push(Unwritten::ProvisionYear);
        }
        if !rule.answers(Group::UsageEnd) {
            terms.push(Unwritten::UsageYear);
        }
        if !rule.names(Operand::VersionChanges) {
            terms.push(Unwritten::SameVersions);
        }
    }
    if !rule.names(Operand::AffiliatesBpnl) && !rule.names(Operand::AffiliatesRegion) {
        terms.push(Unwritten::OwnUse);
    }
    terms
}

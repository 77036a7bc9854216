//! What a constraint means: its operand, operator and values, read into one type that can hold nothing the operand does not
//! take.

use std::collections::BTreeSet;

use super::error::{Fault, shown};
use super::operand::{FRAMEWORKS, Operand, Operator, Place, Spelled, Takes, listed};
use super::value::{Bound, End, bound, count, end_date, framework};
use super::words::is_hidden;
use super::{Class, Profile};
use crate::ids::Bpnl;

/// Values in one list; the longest lists in use are of partners.
const MAX_VALUES: usize = 256;
/// Bytes of one text; the longest purposes in use have 40.
const MAX_TEXT: usize = 256;

/// Which of the three parts of a constraint is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Operand,
    Operator,
    Value,
}

/// One constraint, normalised. Its meaning is that of its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Constraint {
    /// The partner's membership credential says `active`.
    Membership,
    /// The partner proves this framework agreement, as `name:version`.
    Framework(String),
    /// The partner is (`listed`) or is not one of these.
    Partner { listed: bool, partners: BTreeSet<Bpnl> },
    /// The partner is (`listed`) or is not in one of these groups of the provider's.
    Group { listed: bool, groups: BTreeSet<String> },
    /// Each of these contracts is on record with the partner.
    Contracts(BTreeSet<String>),
    /// The purpose of the request is one of these.
    Purpose(BTreeSet<String>),
    /// The data is for one of these companies, or for the partner itself.
    Affiliates(BTreeSet<Bpnl>),
    /// The data is for an affiliate in one of these regions, or for the partner itself.
    Regions(BTreeSet<String>),
    /// Data is handed out once.
    Once,
    /// Versions may change, major ones may not.
    MinorChanges,
    /// Nobody else uses the asset.
    Exclusive,
    /// Until when it may be used.
    UsageEnd(End),
    /// Until when it is provided.
    ProvisioningEnd(End),
    /// How now compares with an instant.
    InForce { operator: Operator, bound: Bound },
    /// The parties are bound to it, and no machine can tell whether they keep to it.
    Recorded {
        operand: Operand,
        operator: Operator,
        values: BTreeSet<String>,
    },
}

impl Constraint {
    /// Reads one constraint of a text in `profile` at `place`.
    pub(super) fn read(
        profile: Profile,
        place: Place,
        spelled: &Spelled,
        operator: &str,
        values: &[String],
    ) -> Result<Self, (Part, Fault)> {
        let operand = Operand::named(spelled, profile).map_err(|fault| (Part::Operand, fault))?;
        let stands = operand.stands(place, spelled.is_legacy());
        stands.map_err(|fault| (Part::Operand, fault))?;
        let (operator, single) = read_operator(operand, operator, profile, spelled.is_legacy())?;
        let sound = (1..=MAX_VALUES).contains(&values.len()) && (!single || values.len() == 1);
        let read = sound.then(|| Self::with(operand, operator, values)).flatten();
        read.ok_or_else(|| {
            let number = if single { "" } else { "1 to 256 of: " };
            let found = match values {
                [] => "[]".to_owned(),
                some => shown(&some.join(", ")),
            };
            let fault = Fault::Value {
                operand: operand.name(),
                found,
                expected: match operand.entry().takes {
                    Takes::Framework if profile == Profile::Cx2509 => frameworks(),
                    takes => format!("{number}{takes}"),
                },
            };
            (Part::Value, fault)
        })
    }

    /// The constraint, if the operand takes these values.
    fn with(operand: Operand, operator: Operator, values: &[String]) -> Option<Self> {
        let first = values.first()?;
        let listed = operator == Operator::IsAnyOf;
        Some(match operand {
            Operand::Membership => names(operand, values).map(|_| Self::Membership)?,
            Operand::FrameworkAgreement => Self::Framework(framework(first)?),
            Operand::BusinessPartnerNumber => {
                let partners = partners(values)?;
                Self::Partner { listed, partners }
            }
            Operand::BusinessPartnerGroup => {
                let groups = names(operand, values)?;
                Self::Group { listed, groups }
            }
            Operand::ContractReference => Self::Contracts(names(operand, values)?),
            Operand::UsagePurpose => Self::Purpose(names(operand, values)?),
            Operand::AffiliatesBpnl => Self::Affiliates(partners(values)?),
            Operand::AffiliatesRegion => Self::Regions(names(operand, values)?),
            Operand::DataFrequency if first == "cx.dataFrequency.once:1" => Self::Once,
            Operand::VersionChanges if first == "cx.versionChanges.minor:1" => Self::MinorChanges,
            Operand::ExclusiveUsage => names(operand, values).map(|_| Self::Exclusive)?,
            Operand::DataUsageEndDate => Self::UsageEnd(End::Date(end_date(first)?)),
            Operand::DataUsageEndDurationDays => Self::UsageEnd(End::Days(count(first)?)),
            Operand::DataProvisioningEndDate => Self::ProvisioningEnd(End::Date(end_date(first)?)),
            Operand::DataProvisioningEndDurationDays => Self::ProvisioningEnd(End::Days(count(first)?)),
            Operand::InForceDate => {
                let bound = bound(first)?;
                Self::InForce { operator, bound }
            }
            Operand::DataFrequency
            | Operand::VersionChanges
            | Operand::DataUsageEndDefinition
            | Operand::ConfidentialInformationMeasures
            | Operand::ConfidentialInformationSharing
            | Operand::ContractTermination
            | Operand::JurisdictionLocation
            | Operand::JurisdictionLocationReference
            | Operand::Liability
            | Operand::ManagedLegalEntityBpnl
            | Operand::ManagedLegalEntityRegion
            | Operand::Precedence
            | Operand::UsageRestriction
            | Operand::Warranty
            | Operand::WarrantyDefinition
            | Operand::WarrantyDurationMonths => {
                let values = names(operand, values)?;
                Self::Recorded {
                    operand,
                    operator,
                    values,
                }
            }
        })
    }

    /// Why a text may not say so, though it is understood: for it would not be understood by everyone as it is here. Terms that are on
    /// record keep the meaning they were recorded with, so this is not asked of a normal form.
    pub(super) fn misleads(&self, profile: Profile) -> Option<Fault> {
        match self {
            Self::Framework(name) if profile == Profile::Cx2509 && !FRAMEWORKS.contains(&name.as_str()) => {
                Some(Fault::Value {
                    operand: self.operand().name(),
                    found: shown(name),
                    expected: frameworks(),
                })
            }
            Self::Group { groups: names, .. }
            | Self::Contracts(names)
            | Self::Purpose(names)
            | Self::Recorded { values: names, .. } => {
                let operand = self.operand();
                let of_texts = matches!(operand.entry().takes, Takes::Texts { .. });
                let fault = |name: &String| {
                    let why = no_name(name, operand == Operand::BusinessPartnerGroup)?;
                    let found = shown(name);
                    Some(Fault::Name { found, why })
                };
                names.iter().filter(|_| of_texts).find_map(fault)
            }
            _ => None,
        }
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Self::Recorded { .. } => Class::Recorded,
            _ => Class::Decided,
        }
    }

    pub(super) fn operand(&self) -> Operand {
        match self {
            Self::Membership => Operand::Membership,
            Self::Framework(_) => Operand::FrameworkAgreement,
            Self::Partner { .. } => Operand::BusinessPartnerNumber,
            Self::Group { .. } => Operand::BusinessPartnerGroup,
            Self::Contracts(_) => Operand::ContractReference,
            Self::Purpose(_) => Operand::UsagePurpose,
            Self::Affiliates(_) => Operand::AffiliatesBpnl,
            Self::Regions(_) => Operand::AffiliatesRegion,
            Self::Once => Operand::DataFrequency,
            Self::MinorChanges => Operand::VersionChanges,
            Self::Exclusive => Operand::ExclusiveUsage,
            Self::UsageEnd(End::Date(_)) => Operand::DataUsageEndDate,
            Self::UsageEnd(End::Days(_)) => Operand::DataUsageEndDurationDays,
            Self::ProvisioningEnd(End::Date(_)) => Operand::DataProvisioningEndDate,
            Self::ProvisioningEnd(End::Days(_)) => Operand::DataProvisioningEndDurationDays,
            Self::InForce { .. } => Operand::InForceDate,
            Self::Recorded { operand, .. } => *operand,
        }
    }

    pub(super) fn operator(&self) -> Operator {
        match self {
            Self::Partner { listed: false, .. } | Self::Group { listed: false, .. } => Operator::IsNoneOf,
            Self::Partner { .. } | Self::Group { .. } => Operator::IsAnyOf,
            Self::Purpose(_) | Self::Affiliates(_) | Self::Regions(_) => Operator::IsAnyOf,
            Self::Contracts(_) => Operator::IsAllOf,
            Self::InForce { operator, .. } | Self::Recorded { operator, .. } => *operator,
            Self::Membership
            | Self::Framework(_)
            | Self::Once
            | Self::MinorChanges
            | Self::Exclusive
            | Self::UsageEnd(_)
            | Self::ProvisioningEnd(_) => Operator::Eq,
        }
    }

    /// The right operand: one value where the operator takes one, otherwise sorted and each once.
    pub(super) fn values(&self) -> Vec<String> {
        match self {
            Self::Membership => vec!["active".to_owned()],
            Self::Framework(name) => vec![name.clone()],
            Self::Partner { partners, .. } | Self::Affiliates(partners) => {
                partners.iter().map(Bpnl::to_string).collect()
            }
            Self::Group { groups: names, .. }
            | Self::Contracts(names)
            | Self::Purpose(names)
            | Self::Regions(names)
            | Self::Recorded { values: names, .. } => names.iter().cloned().collect(),
            Self::Once => vec!["cx.dataFrequency.once:1".to_owned()],
            Self::MinorChanges => vec!["cx.versionChanges.minor:1".to_owned()],
            Self::Exclusive => vec!["cx.exclusiveUsage.dataConsumer:1".to_owned()],
            Self::UsageEnd(end) | Self::ProvisioningEnd(end) => vec![end.text()],
            Self::InForce { bound, .. } => vec![bound.to_string()],
        }
    }
}

/// The operator, and whether it takes one value only.
fn read_operator(
    operand: Operand,
    text: &str,
    profile: Profile,
    legacy: bool,
) -> Result<(Operator, bool), (Part, Fault)> {
    let allowed = operand.operators(profile);
    let found = match text {
        // Older connectors wrote these of a partner or a group.
        "eq" if legacy => return Ok((Operator::IsAnyOf, true)),
        "in" | "isPartOf" if legacy => Some(Operator::IsAnyOf),
        _ => Operator::named(text).filter(|operator| allowed.contains(operator)),
    };
    let found = found.ok_or_else(|| {
        let mut names: Vec<_> = allowed.iter().map(|operator| operator.name()).collect();
        if legacy {
            names.extend(["eq", "in"]);
        }
        let fault = Fault::Operator {
            operand: operand.name(),
            found: shown(text),
            expected: listed(&names),
        };
        (Part::Operator, fault)
    })?;
    // The profile of 2405 says `eq` where that of 25.09 has a list of one.
    let list = allowed.iter().copied().find(|operator| operator.takes_list());
    match list {
        Some(list) if found == Operator::Eq => Ok((list, true)),
        _ => Ok((found, !found.takes_list())),
    }
}

/// Each text once, if the operand takes them all; numbers as they are written in digits.
fn names(operand: Operand, values: &[String]) -> Option<BTreeSet<String>> {
    let sound = |value: &String| match operand.entry().takes {
        Takes::Listed(known) => known.contains(&value.as_str()),
        Takes::Texts { .. } => (1..=MAX_TEXT).contains(&value.len()),
        Takes::Count => count(value).is_some(),
        Takes::Partners => value.parse::<Bpnl>().is_ok(),
        Takes::Framework => framework(value).is_some(),
        Takes::Date => end_date(value).is_some(),
        Takes::Bound => bound(value).is_some(),
    };
    values.iter().all(sound).then(|| values.iter().cloned().collect())
}

fn partners(values: &[String]) -> Option<BTreeSet<Bpnl>> {
    values.iter().map(|value| value.parse().ok()).collect()
}

/// The framework agreements of the profile of 25.09, for a message.
fn frameworks() -> String {
    format!(
        "{}; any other is of the profile of 2405, and so must be the whole text",
        listed(FRAMEWORKS)
    )
}

/// Why a text is not the one name of a group that it is taken for; none if it is.
pub fn no_group(text: &str) -> Option<&'static str> {
    no_name(text, true)
}

/// Why a text is not the one name it is taken for.
fn no_name(text: &str, group: bool) -> Option<&'static str> {
    if text.trim() != text {
        return Some("there is white space around it");
    }
    if text.starts_with(['[', '{']) {
        return Some("it begins as JSON does, and stands as a text");
    }
    // Connectors keep the groups of a partner as one text and part it there.
    if group && text.contains(',') {
        return Some("there is a comma in it");
    }
    if group && text.contains(is_hidden) {
        return Some("there is a character in it that nobody sees");
    }
    None
}

//! The left operands: where each may stand, what it takes, what it means. Everything about one operand is in this file, but
//! for its Cedar, which stands in `compile`.
//!
//! To add an operand: a variant of [`Operand`] and its lines below, a variant of [`Constraint`], its Cedar or the decision
//! that it is only recorded, and a line in the independent evaluator of the tests.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::error::{Fault, shown};
use super::value::{end_date, framework};
use super::{Class, Kind, Profile};
use crate::ids::Bpnl;

/// Values in one list; the longest purposes in use have 40 bytes, the longest lists are of partners.
const MAX_VALUES: usize = 256;
const MAX_PURPOSE: usize = 256;

/// For messages: the operands of [`Operand::ALL`].
const KNOWN: &str =
    "`Membership`, `FrameworkAgreement`, `UsagePurpose`, `BusinessPartnerNumber` and `DataUsageEndDate`";

/// Operands of the Catena-X profile 25.09 (and 26.09) whose class is [`Class::Refused`] for now.
pub(super) const NOT_YET: [&str; 25] = [
    "AffiliatesBpnl",
    "AffiliatesRegion",
    "BusinessPartnerGroup",
    "ConfidentialInformationMeasures",
    "ConfidentialInformationSharing",
    "ContractReference",
    "ContractTermination",
    "DataFrequency",
    "DataProvisioningEndDate",
    "DataProvisioningEndDurationDays",
    "DataUsageEndDefinition",
    "DataUsageEndDurationDays",
    "ExclusiveUsage",
    "JurisdictionLocation",
    "JurisdictionLocationReference",
    "Liability",
    "ManagedLegalEntityBpnl",
    "ManagedLegalEntityRegion",
    "Precedence",
    "UsageRestriction",
    "VersionChanges",
    "Warranty",
    "WarrantyDefinition",
    "WarrantyDuration",
    "WarrantyDurationMonths",
];

/// A left operand that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Membership,
    FrameworkAgreement,
    UsagePurpose,
    BusinessPartnerNumber,
    DataUsageEndDate,
}

/// The operators the understood operands take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    IsAnyOf,
    IsNoneOf,
}

impl Operator {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::IsAnyOf => "isAnyOf",
            Self::IsNoneOf => "isNoneOf",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Eq, Self::IsAnyOf, Self::IsNoneOf]
            .into_iter()
            .find(|operator| operator.name() == name)
    }
}

/// Where a constraint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) prohibition: bool,
}

impl Place {
    fn name(self) -> &'static str {
        match (self.kind, self.prohibition) {
            (Kind::Access, false) => "a permission of an access policy",
            (Kind::Access, true) => "a prohibition of an access policy",
            (Kind::Usage, false) => "a permission of a usage policy",
            (Kind::Usage, true) => "a prohibition of a usage policy",
        }
    }
}

/// Which of the three parts of a constraint is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Operand,
    Operator,
    Value,
}

impl Operand {
    pub(super) const ALL: [Self; 5] = [
        Self::Membership,
        Self::FrameworkAgreement,
        Self::UsagePurpose,
        Self::BusinessPartnerNumber,
        Self::DataUsageEndDate,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Membership => "Membership",
            Self::FrameworkAgreement => "FrameworkAgreement",
            Self::UsagePurpose => "UsagePurpose",
            Self::BusinessPartnerNumber => "BusinessPartnerNumber",
            Self::DataUsageEndDate => "DataUsageEndDate",
        }
    }

    /// What becomes of a constraint on this operand.
    pub(super) fn class(self) -> Class {
        Class::Decided
    }

    /// The operand of that name, if a text in `profile` may use it.
    pub(super) fn named(name: &str, profile: Profile) -> Result<Self, Fault> {
        let found = Self::ALL.into_iter().find(|operand| operand.name() == name);
        let old = [Self::Membership, Self::FrameworkAgreement, Self::UsagePurpose];
        match found {
            Some(operand) if profile == Profile::Cx2509 || old.contains(&operand) => Ok(operand),
            _ => Err(match NOT_YET.into_iter().find(|known| *known == name) {
                Some(found) => Fault::NotYet { found, known: KNOWN },
                None => Fault::Operand {
                    found: shown(name),
                    known: if profile == Profile::Cx2509 {
                        KNOWN
                    } else {
                        "`Membership`, `FrameworkAgreement` and `UsagePurpose` of the profile of 2405"
                    },
                },
            }),
        }
    }

    /// Whether the operand has a meaning at `place`, and if not, what to do instead.
    ///
    /// The profile lists none of them for prohibitions and `BusinessPartnerNumber` for access policies only. Where the meaning
    /// is plain and is enforced here at each moment, Tidegate takes them there as well.
    fn stands(self, place: Place) -> Result<(), Fault> {
        let mend = match (self, place.kind, place.prohibition) {
            (Self::UsagePurpose, Kind::Access, _) => "move it to the usage policy",
            (Self::DataUsageEndDate, Kind::Access, _) => {
                "nothing is used under an access policy; move it to the usage policy"
            }
            (Self::DataUsageEndDate, Kind::Usage, true) => "put the date into each permission",
            (Self::FrameworkAgreement, _, true) => "put it into each permission",
            _ => return Ok(()),
        };
        Err(Fault::NotHere {
            operand: self.name(),
            place: place.name(),
            mend,
        })
    }

    /// Which operators it takes, and the same for a message.
    fn operators(self, profile: Profile) -> (&'static [Operator], &'static str) {
        match self {
            Self::Membership | Self::FrameworkAgreement | Self::DataUsageEndDate => (&[Operator::Eq], "`eq`"),
            Self::UsagePurpose if profile == Profile::Cx2405 => {
                (&[Operator::Eq, Operator::IsAnyOf], "`eq` or `isAnyOf`")
            }
            Self::UsagePurpose => (&[Operator::IsAnyOf], "`isAnyOf`"),
            Self::BusinessPartnerNumber => (&[Operator::IsAnyOf, Operator::IsNoneOf], "`isAnyOf` or `isNoneOf`"),
        }
    }

    /// What it takes as right operand, for a message.
    fn expected(self) -> &'static str {
        match self {
            Self::Membership => "`active`",
            Self::FrameworkAgreement => "one `name:version` such as `DataExchangeGovernance:1.0`",
            Self::UsagePurpose => {
                "1 to 256 different purposes of at most 256 bytes, such as `cx.pcf.base:1` (exactly one with `eq`)"
            }
            Self::BusinessPartnerNumber => "1 to 256 BPNLs, each `BPNL` and twelve of 0-9 A-Z",
            Self::DataUsageEndDate => "one date-time with zone from 1970 to 9998, such as `2027-06-30T23:59:59Z`",
        }
    }
}

/// One constraint, normalised. Its meaning is that of its words; it cannot hold a value its operand does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Constraint {
    /// The partner's membership credential says `active`.
    Membership,
    /// The partner proves this framework agreement, as `name:version`.
    Framework(String),
    /// The purpose of the request is one of these.
    Purpose(BTreeSet<String>),
    /// The partner is (`listed`) or is not one of these.
    Partner { listed: bool, partners: BTreeSet<Bpnl> },
    /// The second of the request is this whole second or an earlier one.
    UsageEnd(Timestamp),
}

impl Constraint {
    /// Reads one constraint of a text in `profile` at `place`.
    pub(super) fn read(
        profile: Profile,
        place: Place,
        operand: &str,
        operator: &str,
        values: &[String],
    ) -> Result<Self, (Part, Fault)> {
        let operand = Operand::named(operand, profile).map_err(|fault| (Part::Operand, fault))?;
        operand.stands(place).map_err(|fault| (Part::Operand, fault))?;
        let (allowed, expected) = operand.operators(profile);
        let operator = Operator::named(operator)
            .filter(|operator| allowed.contains(operator))
            .ok_or_else(|| {
                let found = shown(operator);
                let operand = operand.name();
                (
                    Part::Operator,
                    Fault::Operator {
                        operand,
                        found,
                        expected,
                    },
                )
            })?;
        Self::with(operand, operator, values).ok_or_else(|| {
            let fault = Fault::Value {
                operand: operand.name(),
                found: shown(&values.join(", ")),
                expected: operand.expected(),
            };
            (Part::Value, fault)
        })
    }

    /// The constraint, if the operand takes these values.
    fn with(operand: Operand, operator: Operator, values: &[String]) -> Option<Self> {
        let single = match values {
            [value] => Some(value.as_str()),
            _ => None,
        };
        if !(1..=MAX_VALUES).contains(&values.len()) || (operator == Operator::Eq && single.is_none()) {
            return None;
        }
        Some(match operand {
            Operand::Membership => single.filter(|value| *value == "active").map(|_| Self::Membership)?,
            Operand::FrameworkAgreement => Self::Framework(framework(single?)?),
            Operand::UsagePurpose => {
                let sound = values.iter().all(|purpose| (1..=MAX_PURPOSE).contains(&purpose.len()));
                sound.then(|| Self::Purpose(values.iter().cloned().collect()))?
            }
            Operand::BusinessPartnerNumber => Self::Partner {
                listed: operator == Operator::IsAnyOf,
                partners: values.iter().map(|value| value.parse().ok()).collect::<Option<_>>()?,
            },
            Operand::DataUsageEndDate => Self::UsageEnd(end_date(single?)?),
        })
    }

    pub(super) fn operand(&self) -> Operand {
        match self {
            Self::Membership => Operand::Membership,
            Self::Framework(_) => Operand::FrameworkAgreement,
            Self::Purpose(_) => Operand::UsagePurpose,
            Self::Partner { .. } => Operand::BusinessPartnerNumber,
            Self::UsageEnd(_) => Operand::DataUsageEndDate,
        }
    }

    pub(super) fn operator(&self) -> Operator {
        match self {
            Self::Membership | Self::Framework(_) | Self::UsageEnd(_) => Operator::Eq,
            Self::Purpose(_) | Self::Partner { listed: true, .. } => Operator::IsAnyOf,
            Self::Partner { listed: false, .. } => Operator::IsNoneOf,
        }
    }

    /// The right operand: one value for `eq`, otherwise sorted and each once.
    pub(super) fn values(&self) -> Vec<String> {
        match self {
            Self::Membership => vec!["active".to_owned()],
            Self::Framework(name) => vec![name.clone()],
            Self::Purpose(purposes) => purposes.iter().cloned().collect(),
            Self::Partner { partners, .. } => partners.iter().map(Bpnl::to_string).collect(),
            Self::UsageEnd(end) => vec![end.to_string()],
        }
    }

    /// What it demands, in plain words that complete "granted if …", control characters escaped.
    pub(super) fn reason(&self) -> String {
        let list = || {
            let values = self.values();
            let quoted: Vec<_> = values
                .iter()
                .map(|value| format!("`{}`", value.escape_debug()))
                .collect();
            quoted.join(", ")
        };
        match self {
            Self::Membership => "the partner proves an active Catena-X membership".to_owned(),
            Self::Framework(name) => format!("the partner proves that it accepted the framework agreement `{name}`"),
            Self::Purpose(_) => format!("the purpose of the request is one of {}", list()),
            Self::Partner { listed: true, .. } => format!("the partner is one of {}", list()),
            Self::Partner { listed: false, .. } => format!("the partner is none of {}", list()),
            Self::UsageEnd(end) => {
                format!("it is not later than {end}, the last second of the right to use")
            }
        }
    }
}

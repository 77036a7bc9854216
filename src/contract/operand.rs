//! The left operands: what each is called, where it may stand, what it takes. All of that is data, in [`table`]; what a
//! constraint means once it is read is in [`super::constraint`].
//!
//! To add an operand: a variant of [`Operand`], its entry in the table, what becomes of it in `constraint`, its legal text in
//! `legal`, its Cedar in `condition` or the decision that it is only recorded, and a line in the independent evaluator of the
//! tests. The compiler names every place but the last.

mod table;

use std::fmt;

pub(super) use self::table::FRAMEWORKS;

use super::error::{Fault, shown};
use super::{Kind, Profile};

/// A left operand that is understood. All but the last are of the Catena-X profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    AffiliatesBpnl,
    AffiliatesRegion,
    BusinessPartnerGroup,
    BusinessPartnerNumber,
    ConfidentialInformationMeasures,
    ConfidentialInformationSharing,
    ContractReference,
    ContractTermination,
    DataFrequency,
    DataProvisioningEndDate,
    DataProvisioningEndDurationDays,
    DataUsageEndDate,
    DataUsageEndDefinition,
    DataUsageEndDurationDays,
    ExclusiveUsage,
    FrameworkAgreement,
    JurisdictionLocation,
    JurisdictionLocationReference,
    Liability,
    ManagedLegalEntityBpnl,
    ManagedLegalEntityRegion,
    Membership,
    Precedence,
    UsagePurpose,
    UsageRestriction,
    VersionChanges,
    Warranty,
    WarrantyDefinition,
    WarrantyDurationMonths,
    /// Of the Eclipse Dataspace Connector.
    InForceDate,
}

/// What the table says of one operand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// The releases whose profile has it; none for what is no operand of Catena-X.
    pub(super) releases: &'static [Release],
    /// Where the profile of 25.09 lets it stand.
    pub(super) places: &'static [Place],
    /// Where it is taken besides, for its meaning is plain there and is enforced at each moment.
    pub(super) beyond: &'static [Place],
    /// The operators it takes in the profile of 25.09.
    pub(super) operators: &'static [Operator],
    /// The operators it takes in the profile of 2405; none if that profile does not have it. One that stands for another
    /// comes after it: the normal form has the first that takes a list.
    pub(super) old: &'static [Operator],
    pub(super) takes: Takes,
    /// Which question it answers where only one answer may be given.
    pub(super) group: Option<Group>,
}

/// A release of the profile that adds or drops operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    R2509,
    R2609,
}

/// A question that one text answers once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// How long the provider warrants.
    Warranty,
    /// When the right to use ends.
    UsageEnd,
    /// When the data is no longer provided.
    ProvisioningEnd,
}

/// What an operand takes as right operand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    /// Values of a list that is written down.
    Listed(&'static [&'static str]),
    /// Texts of the parties' own, each up to 256 bytes.
    Texts {
        such_as: &'static str,
    },
    /// `name:version`.
    Framework,
    Partners,
    /// A date-time with a zone, to the second.
    Date,
    /// A number of days or months.
    Count,
    /// A date-time, or a time from the signing on.
    Bound,
}

/// The operators the understood operands take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    IsAnyOf,
    IsAllOf,
    IsNoneOf,
    Gt,
    Gteq,
    Lt,
    Lteq,
}

impl Operator {
    const ALL: [Self; 8] = [
        Self::Eq,
        Self::IsAnyOf,
        Self::IsAllOf,
        Self::IsNoneOf,
        Self::Gt,
        Self::Gteq,
        Self::Lt,
        Self::Lteq,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::IsAnyOf => "isAnyOf",
            Self::IsAllOf => "isAllOf",
            Self::IsNoneOf => "isNoneOf",
            Self::Gt => "gt",
            Self::Gteq => "gteq",
            Self::Lt => "lt",
            Self::Lteq => "lteq",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.name() == name)
    }

    /// Whether it compares with a list; the others compare with one value.
    pub(super) fn takes_list(self) -> bool {
        matches!(self, Self::IsAnyOf | Self::IsAllOf | Self::IsNoneOf)
    }
}

/// Which list of a policy a rule stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Permission,
    Prohibition,
    Obligation,
}

impl Sort {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Prohibition => "prohibition",
            Self::Obligation => "obligation",
        }
    }
}

/// Where a constraint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) sort: Sort,
}

impl Place {
    pub(super) fn name(self) -> &'static str {
        match (self.kind, self.sort) {
            (Kind::Access, Sort::Permission) => "a permission of an access policy",
            (Kind::Access, Sort::Prohibition) => "a prohibition of an access policy",
            (Kind::Access, Sort::Obligation) => "an obligation of an access policy",
            (Kind::Usage, Sort::Permission) => "a permission of a usage policy",
            (Kind::Usage, Sort::Prohibition) => "a prohibition of a usage policy",
            (Kind::Usage, Sort::Obligation) => "an obligation of a usage policy",
        }
    }
}

/// The vocabulary a name was spelled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// None.
    Bare,
    /// The Catena-X policy profile.
    Catena,
    /// The Eclipse Dataspace Connector's, into which it also puts every name that came to it bare.
    Edc,
    /// That of the older Tractus-X connectors.
    Tractus,
}

/// A left operand as a text names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spelled {
    pub(super) space: Space,
    pub(super) name: String,
}

impl Spelled {
    pub(super) fn bare(name: String) -> Self {
        Self {
            space: Space::Bare,
            name,
        }
    }

    /// Whether it is one of the two operands that older connectors had in a vocabulary of their own.
    pub(super) fn is_legacy(&self) -> bool {
        self.space == Space::Tractus
    }
}

impl Operand {
    pub(super) fn name(self) -> &'static str {
        self.entry().name
    }

    /// The operand that `spelled` names, if a text in `profile` may use it.
    pub(super) fn named(spelled: &Spelled, profile: Profile) -> Result<Self, Fault> {
        let found = Self::ALL.into_iter().find(|operand| operand.name() == spelled.name);
        let found = found.filter(|operand| operand.is_in(spelled.space) && operand.is_of(profile));
        found.ok_or_else(|| Fault::Operand {
            found: shown(&spelled.name),
            mend: mend(spelled, profile),
        })
    }

    fn is_in(self, space: Space) -> bool {
        match space {
            Space::Bare | Space::Edc => true,
            Space::Catena => self != Self::InForceDate,
            Space::Tractus => matches!(self, Self::BusinessPartnerNumber | Self::BusinessPartnerGroup),
        }
    }

    /// The name to give in a message; with the vocabulary where Catena-X's is not meant.
    fn in_full(self) -> &'static str {
        match self {
            Self::InForceDate => "edc:inForceDate",
            other => other.name(),
        }
    }

    fn is_of(self, profile: Profile) -> bool {
        !self.operators(profile).is_empty()
    }

    /// Whether it may stand at `place`.
    pub(super) fn stands(self, place: Place, legacy: bool) -> Result<(), Fault> {
        let Entry { places, beyond, .. } = self.entry();
        let beyond = if legacy { &[] } else { beyond };
        if places.contains(&place) || beyond.contains(&place) {
            return Ok(());
        }
        let places: Vec<_> = places.iter().map(|place| place.name()).collect();
        Err(Fault::NotHere {
            operand: self.name(),
            place: place.name(),
            belongs: places.join(" or "),
        })
    }

    /// Which operators it takes.
    pub(super) fn operators(self, profile: Profile) -> &'static [Operator] {
        let Entry { operators, old, .. } = self.entry();
        match profile {
            Profile::Cx2509 => operators,
            Profile::Cx2405 => old,
        }
    }
}

impl fmt::Display for Takes {
    /// What to give, for a message.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(values) => write!(formatter, "{}", listed(values)),
            Self::Texts { such_as } => write!(formatter, "texts of 1 to 256 bytes, such as `{such_as}`"),
            Self::Framework => formatter.write_str("one `name:version` such as `DataExchangeGovernance:1.0`"),
            Self::Partners => formatter.write_str("BPNLs, each `BPNL` and twelve of 0-9 A-Z"),
            Self::Date => formatter.write_str("one date-time with zone from 1970 to 9998, such as `2027-06-30T23:59:59Z`"),
            Self::Count => formatter.write_str("one whole number from 1 to 999999999, such as `365`"),
            Self::Bound => formatter.write_str(
                "one date-time with zone from 1970 to 9998, such as `2027-06-30T23:59:59Z`, or a time from signing on, such as \
                 `contractAgreement+30d` (`s`, `m`, `h` or `d`)",
            ),
        }
    }
}

/// Names in backticks, with `or` between them.
pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(" or ")
}

/// What to do about a name that is no operand of `profile`, or none in its vocabulary.
fn mend(Spelled { space, name }: &Spelled, profile: Profile) -> String {
    let known: Vec<_> = Operand::ALL
        .into_iter()
        .filter(|operand| operand.is_of(profile))
        .collect();
    if let Some(operand) = known
        .iter()
        .find(|operand| operand.name() == name && !operand.is_in(*space))
    {
        return format!("it is not of that vocabulary; write `{}`", operand.in_full());
    }
    let lower = name.to_ascii_lowercase();
    let close = |operand: &&Operand| {
        let known = operand.name().to_ascii_lowercase();
        lower.len() > 4 && (known.starts_with(&lower) || lower.ends_with(&known))
    };
    match (known.iter().find(close), profile) {
        (Some(operand), _) => format!("did you mean `{}`?", operand.in_full()),
        (None, Profile::Cx2509) => {
            "`docs/policies.md` lists those of the Catena-X profile of 25.09 and 26.09".to_owned()
        }
        (None, Profile::Cx2405) => {
            let names: Vec<_> = known.iter().map(|operand| operand.name()).collect();
            format!("the profile of 2405 has {}", listed(&names))
        }
    }
}

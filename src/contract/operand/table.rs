//! The table of operands. Test `table` holds it equal to `fixtures/odrl/left-operands.json`, in both directions.

use super::Group::{ProvisioningEnd, UsageEnd, Warranty};
use super::Operator::{Eq, Gt, Gteq, IsAllOf, IsAnyOf, IsNoneOf, Lt, Lteq};
use super::Release::{R2509, R2609};
use super::{Entry, Operand, Operator, Place, Release, Sort, Takes};
use crate::contract::Kind;

const BOTH: &[Release] = &[R2509, R2609];
const ANY_OR_NONE: &[Operator] = &[IsAnyOf, IsNoneOf];

const ACCESS: Place = place(Kind::Access, Sort::Permission);
const ACCESS_FORBIDS: Place = place(Kind::Access, Sort::Prohibition);
const USAGE: Place = place(Kind::Usage, Sort::Permission);
const USAGE_FORBIDS: Place = place(Kind::Usage, Sort::Prohibition);
const USAGE_OBLIGES: Place = place(Kind::Usage, Sort::Obligation);

const fn place(kind: Kind, sort: Sort) -> Place {
    Place { kind, sort }
}

const REGIONS: &[&str] = &[
    "cx.region.all:1",
    "cx.region.europe:1",
    "cx.region.northAmerica:1",
    "cx.region.southAmerica:1",
    "cx.region.africa:1",
    "cx.region.asia:1",
    "cx.region.oceania:1",
    "cx.region.antarctica:1",
];

/// The framework agreements of the profile of 25.09. The older one has more, and lists none of them.
pub(in crate::contract) const FRAMEWORKS: &[&str] = &["DataExchangeGovernance:1.0"];

const fn texts(such_as: &'static str) -> Takes {
    Takes::Texts { such_as }
}

/// An operand of usage permissions that takes one value: what most of them are.
const fn usage(name: &'static str, takes: Takes) -> Entry {
    Entry {
        name,
        releases: BOTH,
        places: &[USAGE],
        beyond: &[],
        operators: &[Eq],
        old: &[],
        takes,
        group: None,
    }
}

/// A list of something, in usage permissions.
const fn any_of(name: &'static str, takes: Takes) -> Entry {
    Entry {
        operators: &[IsAnyOf],
        ..usage(name, takes)
    }
}

/// One of the answers to a question that is answered once.
const fn only(group: super::Group, entry: Entry) -> Entry {
    Entry {
        group: Some(group),
        ..entry
    }
}

impl Operand {
    pub(in crate::contract) const ALL: [Self; 30] = [
        Self::AffiliatesBpnl,
        Self::AffiliatesRegion,
        Self::BusinessPartnerGroup,
        Self::BusinessPartnerNumber,
        Self::ConfidentialInformationMeasures,
        Self::ConfidentialInformationSharing,
        Self::ContractReference,
        Self::ContractTermination,
        Self::DataFrequency,
        Self::DataProvisioningEndDate,
        Self::DataProvisioningEndDurationDays,
        Self::DataUsageEndDate,
        Self::DataUsageEndDefinition,
        Self::DataUsageEndDurationDays,
        Self::ExclusiveUsage,
        Self::FrameworkAgreement,
        Self::JurisdictionLocation,
        Self::JurisdictionLocationReference,
        Self::Liability,
        Self::ManagedLegalEntityBpnl,
        Self::ManagedLegalEntityRegion,
        Self::Membership,
        Self::Precedence,
        Self::UsagePurpose,
        Self::UsageRestriction,
        Self::VersionChanges,
        Self::Warranty,
        Self::WarrantyDefinition,
        Self::WarrantyDurationMonths,
        Self::InForceDate,
    ];

    /// What is written about it.
    pub(in crate::contract) const fn entry(self) -> Entry {
        match self {
            // --- who it is ------------------------------------------------------------------------------------------
            Self::Membership => Entry {
                places: &[ACCESS, USAGE],
                beyond: &[ACCESS_FORBIDS, USAGE_FORBIDS],
                old: &[Eq],
                ..usage("Membership", Takes::Listed(&["active"]))
            },
            Self::FrameworkAgreement => Entry {
                places: &[ACCESS, USAGE],
                old: &[Eq],
                ..usage("FrameworkAgreement", Takes::Framework)
            },
            Self::BusinessPartnerNumber => Entry {
                places: &[ACCESS],
                beyond: &[ACCESS_FORBIDS, USAGE, USAGE_FORBIDS],
                operators: ANY_OR_NONE,
                ..usage("BusinessPartnerNumber", Takes::Partners)
            },
            Self::BusinessPartnerGroup => Entry {
                places: &[ACCESS],
                operators: ANY_OR_NONE,
                ..usage("BusinessPartnerGroup", texts("gold-suppliers"))
            },
            Self::ContractReference => Entry {
                operators: &[IsAllOf],
                old: &[IsAllOf, Eq],
                ..usage("ContractReference", texts("Contract-4711"))
            },
            // --- what for, and for whom -----------------------------------------------------------------------------
            Self::UsagePurpose => Entry {
                beyond: &[USAGE_FORBIDS],
                old: &[IsAnyOf, Eq],
                ..any_of("UsagePurpose", texts("cx.pcf.base:1"))
            },
            Self::AffiliatesBpnl => Entry {
                places: &[USAGE, USAGE_FORBIDS],
                ..any_of("AffiliatesBpnl", Takes::Partners)
            },
            Self::AffiliatesRegion => Entry {
                places: &[USAGE, USAGE_FORBIDS],
                ..any_of("AffiliatesRegion", Takes::Listed(REGIONS))
            },
            Self::ManagedLegalEntityBpnl => Entry {
                releases: &[R2509],
                ..any_of("ManagedLegalEntityBpnl", Takes::Partners)
            },
            Self::ManagedLegalEntityRegion => Entry {
                releases: &[R2509],
                ..any_of("ManagedLegalEntityRegion", Takes::Listed(REGIONS))
            },
            Self::ExclusiveUsage => usage("ExclusiveUsage", Takes::Listed(&["cx.exclusiveUsage.dataConsumer:1"])),
            Self::UsageRestriction => Entry {
                places: &[USAGE_FORBIDS],
                operators: &[IsAllOf],
                ..usage(
                    "UsageRestriction",
                    Takes::Listed(&[
                        "cx.thirdParty.forbidden:1",
                        "cx.manipulation.forbidden:1",
                        "cx.derivations.forbidden:1",
                        "cx.extraordinaryAnalytics.forbidden:1",
                        "cx.dataProviderRemoval.forbidden:1",
                    ]),
                )
            },
            // --- how often, of which version ------------------------------------------------------------------------
            Self::DataFrequency => usage(
                "DataFrequency",
                Takes::Listed(&["cx.dataFrequency.once:1", "cx.dataFrequency.unlimited:1"]),
            ),
            Self::VersionChanges => usage(
                "VersionChanges",
                Takes::Listed(&["cx.versionChanges.minor:1", "cx.versionChanges.major:1"]),
            ),
            // --- how long -------------------------------------------------------------------------------------------
            Self::DataUsageEndDate => only(UsageEnd, usage("DataUsageEndDate", Takes::Date)),
            Self::DataUsageEndDurationDays => only(UsageEnd, usage("DataUsageEndDurationDays", Takes::Count)),
            Self::DataUsageEndDefinition => only(
                UsageEnd,
                usage(
                    "DataUsageEndDefinition",
                    Takes::Listed(&["cx.dataUsageEnd.unlimited:1"]),
                ),
            ),
            Self::DataProvisioningEndDate => only(
                ProvisioningEnd,
                Entry {
                    places: &[USAGE_OBLIGES],
                    ..usage("DataProvisioningEndDate", Takes::Date)
                },
            ),
            Self::DataProvisioningEndDurationDays => only(
                ProvisioningEnd,
                Entry {
                    places: &[USAGE_OBLIGES],
                    ..usage("DataProvisioningEndDurationDays", Takes::Count)
                },
            ),
            Self::InForceDate => Entry {
                releases: &[],
                operators: &[Gt, Gteq, Lt, Lteq, Eq],
                old: &[Gt, Gteq, Lt, Lteq, Eq],
                ..usage("inForceDate", Takes::Bound)
            },
            // --- what only a court could judge ----------------------------------------------------------------------
            Self::ConfidentialInformationMeasures => usage(
                "ConfidentialInformationMeasures",
                Takes::Listed(&["cx.confidentiality.measures:1"]),
            ),
            Self::ConfidentialInformationSharing => any_of(
                "ConfidentialInformationSharing",
                Takes::Listed(&["cx.sharing.affiliates:1", "cx.sharing.managedLegalEntity:1"]),
            ),
            Self::ContractTermination => usage(
                "ContractTermination",
                Takes::Listed(&["cx.data.deletion:1", "cx.data.keeping:1"]),
            ),
            Self::Warranty => usage(
                "Warranty",
                Takes::Listed(&[
                    "cx.warranty.none:1",
                    "cx.warranty.contractReference:1",
                    "cx.warranty.dataQualityIssues:1",
                ]),
            ),
            Self::WarrantyDefinition => only(
                Warranty,
                usage("WarrantyDefinition", Takes::Listed(&["cx.warranty.contractEndDate:1"])),
            ),
            Self::WarrantyDurationMonths => only(Warranty, usage("WarrantyDurationMonths", Takes::Count)),
            Self::Liability => usage(
                "Liability",
                Takes::Listed(&["cx.grossNegligence:1", "cx.slightNegligence:1"]),
            ),
            Self::JurisdictionLocation => usage("JurisdictionLocation", texts("Munich, Germany")),
            Self::JurisdictionLocationReference => usage(
                "JurisdictionLocationReference",
                Takes::Listed(&["cx.location.dataConsumer:1", "cx.location.contractReference:1"]),
            ),
            Self::Precedence => usage(
                "Precedence",
                Takes::Listed(&["cx.precedence.contractReference:1", "cx.precedence.rcAgreement:1"]),
            ),
        }
    }
}

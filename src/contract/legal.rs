//! What the parties agreed on, in our own short words, after the legal texts of the Catena-X ODRL profile of 25.09 (the
//! `$comment`s of its schemas). They help people to read a decision; what binds the parties is the profile's own text.

use super::constraint::Constraint;
use super::operand::{Operand, Sort};

/// Where the texts come from.
pub(super) const SOURCE: &str = "Catena-X ODRL profile 25.09 (CX-0152), in short; the profile's own text binds";

/// The legal text of a constraint, one sentence for each value that has a text of its own.
pub(super) fn legal(constraint: &Constraint, sort: Sort) -> Vec<&'static str> {
    let operand = constraint.operand();
    let values = constraint.values();
    let each = values.iter().filter_map(|value| of_value(operand, value));
    of_operand(operand, sort).into_iter().chain(each).collect()
}

/// The text of an operand that means the same with every value.
fn of_operand(operand: Operand, sort: Sort) -> Option<&'static str> {
    Some(match operand {
        Operand::FrameworkAgreement => {
            "Both parties accept the Data Exchange Governance of Catena-X. Unless they agree otherwise, the data is provided for \
             one year and may be used for one year, not exclusively, for the agreed purposes; and only with the API version, asset \
             version and aspect model version of the time of signing, so that a change of any of them needs a new agreement."
        }
        Operand::ContractReference => {
            "The parties base the agreement on contracts that exist between them, named by references that both understand."
        }
        Operand::AffiliatesBpnl if sort == Sort::Prohibition => {
            "The consumer may not let the companies named here use the data, unless the parties agreed on that elsewhere."
        }
        Operand::AffiliatesBpnl => {
            "The consumer may let the affiliated companies named here use the data, and answers for it that they keep to the agreement."
        }
        Operand::AffiliatesRegion if sort == Sort::Prohibition => {
            "The consumer may not let its affiliated companies with their seat in these regions use the data, unless the parties \
             agreed on that elsewhere."
        }
        Operand::AffiliatesRegion => {
            "The consumer may let its affiliated companies with their registered office in these regions use the data, and answers \
             for it that they keep to the agreement."
        }
        Operand::ManagedLegalEntityBpnl => {
            "The consumer may let the companies named here, which it manages (CX-0074), use the data, and answers for it that they \
             keep to the agreement."
        }
        Operand::ManagedLegalEntityRegion => {
            "The consumer may let companies that it manages (CX-0074), with their registered office in these regions, use the data, \
             and answers for it that they keep to the agreement."
        }
        Operand::ExclusiveUsage => {
            "The consumer alone may use the data for the agreed purposes; the provider may still use it for its own."
        }
        Operand::DataUsageEndDate | Operand::DataUsageEndDurationDays => {
            "The right to use ends then, and the agreement with it, without notice. From then on the consumer may not use the data \
             and deletes it, unless it has the same data under another agreement that is valid."
        }
        Operand::DataUsageEndDefinition => "The data may be used without an end, for the agreed purposes.",
        Operand::DataProvisioningEndDate | Operand::DataProvisioningEndDurationDays => {
            "The provider makes the data available from signing until then."
        }
        Operand::WarrantyDurationMonths => {
            "The provider answers for defects of quality and of title for this number of months."
        }
        Operand::WarrantyDefinition => {
            "The provider answers for defects of quality and of title until the agreement ends."
        }
        Operand::JurisdictionLocation => "Disputes go to the competent court of the place named here, and no other.",
        Operand::ConfidentialInformationMeasures => {
            "The consumer protects confidential information by all technical and organisational measures that are appropriate, and \
             tells the provider without delay if it was disclosed."
        }
        Operand::UsagePurpose => {
            "The consumer may use the data for the purposes named here. What a purpose of Catena-X covers is written in the \
             profile; what any other covers, the parties agree on themselves."
        }
        _ => return None,
    })
}

/// The text of one value.
fn of_value(operand: Operand, value: &str) -> Option<&'static str> {
    Some(match (operand, value) {
        (Operand::UsagePurpose, "cx.pcf.base:1") => {
            "`cx.pcf.base:1`: to send and receive footprints of products and what belongs to them, to check whether they are \
             plausible and valid, and to compute the consumer's own footprints from them."
        }
        (Operand::DataFrequency, "cx.dataFrequency.once:1") => {
            "The agreement covers an exchange that takes place once. (The profile's text also speaks of exchanges in sequence; \
             Tidegate takes the value at its word.)"
        }
        (Operand::DataFrequency, _) => {
            "The agreement covers similar data exchanged many times, within the agreed use case."
        }
        (Operand::VersionChanges, "cx.versionChanges.minor:1") => {
            "The agreement covers the major versions of API, asset and aspect model of the time of signing; a change of one of these \
             needs a new agreement, a change of a minor version does not."
        }
        (Operand::VersionChanges, _) => "The agreement covers every version of API, asset and aspect model.",
        (Operand::ConfidentialInformationSharing, "cx.sharing.affiliates:1") => {
            "Confidential information may go to affiliated companies as far as the provider expressly allowed it, if they and their \
             staff are bound to confidentiality and only those see it who need to."
        }
        (Operand::ConfidentialInformationSharing, _) => {
            "Confidential information may go to companies the consumer manages, as far as they are named, if they and their staff are \
             bound to confidentiality and only those see it who need to."
        }
        (Operand::ContractTermination, "cx.data.deletion:1") => {
            "When the right to use or the agreement ends, the consumer deletes the data and all copies and confirms it on request; it \
             may keep one copy as long as it needs it as evidence."
        }
        (Operand::ContractTermination, _) => {
            "When the right to use or the agreement ends, the consumer may keep the data and use it further within the purpose and \
             the other conditions, protected from others."
        }
        (Operand::Warranty, "cx.warranty.none:1") => {
            "The provider does not answer for defects of quality or of title, unless it concealed one by fraud."
        }
        (Operand::Warranty, "cx.warranty.contractReference:1") => {
            "The provider answers for defects of quality and of title as the referenced contract says."
        }
        (Operand::Warranty, _) => {
            "If the data falls short of the agreed quality in substance, data of that quality may be demanded, the contract ended \
             where that fails, and damages claimed as far as liability goes."
        }
        (Operand::Liability, "cx.grossNegligence:1") => "The provider is liable for intent and gross negligence only.",
        (Operand::Liability, _) => {
            "For ordinary negligence the provider is liable up to what the referenced contract says; where the law binds, for a \
             guarantee and for bodily injury, without that limit."
        }
        (Operand::JurisdictionLocationReference, "cx.location.dataConsumer:1") => {
            "Disputes go to the competent court of the consumer's registered office, and no other."
        }
        (Operand::JurisdictionLocationReference, _) => {
            "Disputes go to the court the referenced contract names, and no other."
        }
        (Operand::Precedence, "cx.precedence.contractReference:1") => {
            "Where this agreement and the referenced contract differ, the contract holds."
        }
        (Operand::Precedence, _) => "Where this agreement and the referenced contract differ, this agreement holds.",
        (Operand::UsageRestriction, "cx.thirdParty.forbidden:1") => {
            "The consumer may not make the data available to others, reproduce, spread or show it in public, unless agreed otherwise."
        }
        (Operand::UsageRestriction, "cx.manipulation.forbidden:1") => {
            "The consumer may not change the data or part it from its metadata, unless agreed otherwise."
        }
        (Operand::UsageRestriction, "cx.derivations.forbidden:1") => {
            "The consumer may not make new works out of the data, unless agreed otherwise."
        }
        (Operand::UsageRestriction, "cx.extraordinaryAnalytics.forbidden:1") => {
            "The consumer may not draw parts of a database again and again in a way that defeats its ordinary use or harms the \
             provider unduly, unless agreed otherwise."
        }
        (Operand::UsageRestriction, "cx.dataProviderRemoval.forbidden:1") => {
            "The consumer may not take out what names the provider in the data or its metadata, unless agreed otherwise."
        }
        _ => return None,
    })
}

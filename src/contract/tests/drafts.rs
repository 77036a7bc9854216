//! Random contract texts before they are spelled, and random requests close to their borders.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::oracle::{Agreement, Ask, DAY, Versions};
use crate::contract::Moment;

pub(super) const PARTNERS: [&str; 3] = ["BPNL00000000C3EF", "BPNL00000003CRHK", "BPNLZZZZZZZZZZZZ"];
const FRAMEWORKS: [&str; 2] = ["DataExchangeGovernance:1.0", "Pcf:1.0"];
const PURPOSES: [&str; 4] = [
    "cx.pcf.base:1",
    "cx.quality.base:1",
    "say \"hi\"\n\\",
    "Zweck ✓ \u{202e}\u{0}",
];
const ENDS: [&str; 3] = ["2026-12-31T23:59:59Z", "2027-06-30T23:59:59Z", "2027-03-01T00:00:00Z"];
const DAYS: [&str; 4] = ["1", "30", "365", "730"];
const BOUNDS: [&str; 6] = [
    "2027-03-01T00:00:00Z",
    "2027-06-30T23:59:59.5Z",
    "contractAgreement+86400s",
    "contractAgreement+2592000s",
    "contractAgreement+0s",
    "contractAgreement+-86400s",
];
const GROUPS: [&str; 3] = ["gold", "ecu-suppliers", "\"]||true"];
const CONTRACTS: [&str; 3] = ["ContractID250620197", "AGB9832", "\\"];
const REGIONS: [&str; 3] = ["cx.region.all:1", "cx.region.europe:1", "cx.region.asia:1"];
const FREQUENCIES: [&str; 2] = ["cx.dataFrequency.once:1", "cx.dataFrequency.unlimited:1"];
const RESTRICTIONS: [&str; 2] = ["cx.thirdParty.forbidden:1", "cx.manipulation.forbidden:1"];
const CHANGES: [&str; 2] = ["cx.versionChanges.minor:1", "cx.versionChanges.major:1"];
const VERSIONS: [&str; 4] = ["1.2.0", "1.3.0", "2.0.0", "10.0.0"];

/// Everything that is only recorded, and the values it takes.
const RECORDED: [(&str, &str, &[&str]); 13] = [
    (
        "ConfidentialInformationMeasures",
        "eq",
        &["cx.confidentiality.measures:1"],
    ),
    (
        "ConfidentialInformationSharing",
        "isAnyOf",
        &["cx.sharing.affiliates:1", "cx.sharing.managedLegalEntity:1"],
    ),
    (
        "ContractTermination",
        "eq",
        &["cx.data.deletion:1", "cx.data.keeping:1"],
    ),
    ("JurisdictionLocation", "eq", &["Munich", "\"]); permit("]),
    (
        "JurisdictionLocationReference",
        "eq",
        &["cx.location.dataConsumer:1", "cx.location.contractReference:1"],
    ),
    ("Liability", "eq", &["cx.grossNegligence:1", "cx.slightNegligence:1"]),
    ("ManagedLegalEntityBpnl", "isAnyOf", &PARTNERS),
    ("ManagedLegalEntityRegion", "isAnyOf", &REGIONS),
    (
        "Precedence",
        "eq",
        &["cx.precedence.contractReference:1", "cx.precedence.rcAgreement:1"],
    ),
    (
        "Warranty",
        "eq",
        &["cx.warranty.none:1", "cx.warranty.dataQualityIssues:1"],
    ),
    ("WarrantyDefinition", "eq", &["cx.warranty.contractEndDate:1"]),
    ("WarrantyDurationMonths", "eq", &["6", "12"]),
    ("DataUsageEndDefinition", "eq", &["cx.dataUsageEnd.unlimited:1"]),
];

/// A constraint, before it is spelled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Atom {
    pub(super) operand: &'static str,
    pub(super) operator: &'static str,
    pub(super) values: BTreeSet<&'static str>,
}

pub(super) type Rules = Vec<Vec<Atom>>;

/// A policy, before it is spelled.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) access: bool,
    pub(super) old: bool,
    pub(super) permissions: Rules,
    pub(super) prohibitions: Rules,
    pub(super) obligations: Rules,
}

impl Draft {
    /// What it means: sets of rules of constraints.
    pub(super) fn meaning(&self) -> impl PartialEq + use<> {
        let set = |rules: &Rules| -> BTreeSet<BTreeSet<Atom>> {
            rules.iter().map(|rule| rule.iter().cloned().collect()).collect()
        };
        let rules = [&self.permissions, &self.prohibitions, &self.obligations].map(set);
        (self.access, self.old, rules)
    }
}

fn one(operand: &'static str, operator: &'static str, values: &'static [&'static str]) -> BoxedStrategy<Atom> {
    select(values)
        .prop_map(move |value| Atom {
            operand,
            operator,
            values: [value].into(),
        })
        .boxed()
}

fn many(operand: &'static str, operator: &'static str, values: &'static [&'static str]) -> BoxedStrategy<Atom> {
    subsequence(values, 1..=2.min(values.len()))
        .prop_map(move |values| Atom {
            operand,
            operator,
            values: values.into_iter().collect(),
        })
        .boxed()
}

fn recorded() -> BoxedStrategy<Atom> {
    let all = RECORDED.map(|(operand, operator, values)| match operator {
        "eq" => one(operand, operator, values),
        _ => many(operand, operator, values),
    });
    proptest::strategy::Union::new(all).boxed()
}

/// The profile of 25.09 has one framework agreement, the older one is open.
fn framework(old: bool) -> BoxedStrategy<Atom> {
    let all: &[&str] = if old { &FRAMEWORKS } else { &FRAMEWORKS[..1] };
    one("FrameworkAgreement", "eq", all)
}

/// A constraint that may stand in a permission.
fn permitting(access: bool, old: bool) -> BoxedStrategy<Atom> {
    let membership = one("Membership", "eq", &["active"]);
    let framework = framework(old);
    let mut choices = vec![membership, framework];
    if !old {
        choices.push(many("BusinessPartnerNumber", "isAnyOf", &PARTNERS));
        choices.push(many("BusinessPartnerNumber", "isNoneOf", &PARTNERS));
    }
    if access {
        choices.push(many("BusinessPartnerGroup", "isAnyOf", &GROUPS));
        choices.push(many("BusinessPartnerGroup", "isNoneOf", &GROUPS));
        return proptest::strategy::Union::new(choices).boxed();
    }
    choices.push(many("UsagePurpose", "isAnyOf", &PURPOSES));
    choices.push(many("ContractReference", "isAllOf", &CONTRACTS));
    for operator in ["gt", "gteq", "lt", "lteq", "eq"] {
        choices.push(one("inForceDate", operator, &BOUNDS));
    }
    if !old {
        choices.push(many("AffiliatesBpnl", "isAnyOf", &PARTNERS));
        choices.push(many("AffiliatesRegion", "isAnyOf", &REGIONS));
        choices.push(one("DataFrequency", "eq", &FREQUENCIES));
        choices.push(one("VersionChanges", "eq", &CHANGES));
        choices.push(one("ExclusiveUsage", "eq", &["cx.exclusiveUsage.dataConsumer:1"]));
        choices.push(one("DataUsageEndDate", "eq", &ENDS));
        choices.push(one("DataUsageEndDurationDays", "eq", &DAYS));
        choices.extend(std::iter::repeat_with(recorded).take(3));
    }
    proptest::strategy::Union::new(choices).boxed()
}

/// A constraint that may stand in a prohibition.
fn forbidding(access: bool, old: bool) -> BoxedStrategy<Atom> {
    let mut choices = vec![one("Membership", "eq", &["active"])];
    if !access {
        choices.push(many("UsagePurpose", "isAnyOf", &PURPOSES));
    }
    if !old {
        choices.push(many("BusinessPartnerNumber", "isAnyOf", &PARTNERS));
        choices.push(many("BusinessPartnerNumber", "isNoneOf", &PARTNERS));
    }
    if !old && !access {
        choices.push(many("AffiliatesBpnl", "isAnyOf", &PARTNERS));
        choices.push(many("AffiliatesRegion", "isAnyOf", &REGIONS));
        choices.push(many("UsageRestriction", "isAllOf", &RESTRICTIONS));
    }
    proptest::strategy::Union::new(choices).boxed()
}

/// Of constraints that answer one question, the first.
fn without_contradiction(rule: Vec<Atom>) -> Vec<Atom> {
    let mut asked = BTreeSet::new();
    let group = |atom: &Atom| match atom.operand {
        operand if operand.starts_with("DataUsageEnd") => Some("use"),
        "WarrantyDefinition" | "WarrantyDurationMonths" => Some("warranty"),
        _ => None,
    };
    rule.into_iter()
        .filter(|atom| group(atom).is_none_or(|group| asked.insert(group)))
        .collect()
}

/// Any policy the compiler takes.
pub(super) fn drafts() -> impl Strategy<Value = Draft> {
    select(vec![(true, false), (false, false), (false, false), (false, true)]).prop_flat_map(|(access, old)| {
        let needed = (framework(old), many("UsagePurpose", "isAnyOf", &PURPOSES));
        let permission = (needed, prop::collection::vec(permitting(access, old), 0..6));
        let permission = permission.prop_map(move |((framework, purpose), mut rule)| {
            if !access && !old {
                rule.extend([framework, purpose]);
            }
            without_contradiction(rule)
        });
        let prohibition = prop::collection::vec(forbidding(access, old), 0..3);
        let ends = prop_oneof![
            one("DataProvisioningEndDate", "eq", &ENDS),
            one("DataProvisioningEndDurationDays", "eq", &DAYS),
        ];
        let obligations = prop::collection::vec(ends.prop_map(|end| vec![end]), 0..=usize::from(!access && !old));
        (
            prop::collection::vec(permission, 1..3),
            prop::collection::vec(prohibition, 0..2),
            obligations,
        )
            .prop_map(move |(permissions, prohibitions, obligations)| Draft {
                access,
                old,
                permissions,
                prohibitions,
                obligations,
            })
    })
}

fn some<T: std::fmt::Debug + Clone + 'static>(of: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<T>> {
    proptest::option::weighted(0.8, of).boxed()
}

fn list(of: &'static [&'static str]) -> BoxedStrategy<Option<Vec<String>>> {
    let lists = subsequence(of, 0..=of.len());
    some(lists.prop_map(|list| list.into_iter().map(str::to_owned).collect()))
}

fn versions() -> impl Strategy<Value = Option<Versions>> {
    let version = || select(VERSIONS.to_vec());
    some((version(), version(), some(version())).prop_map(|(api, asset, model)| Versions { api, asset, model }))
}

/// Milliseconds of an instant close to a border a text of [`drafts`] has, and of a signing before it.
fn times() -> impl Strategy<Value = (i64, i64)> {
    let end = select([ENDS.as_slice(), &["2027-06-30T23:59:59.5Z"]].concat());
    let end = end.prop_map(|end| end.parse::<Timestamp>().unwrap().as_millisecond());
    let near = || select(vec![-DAY, -1000, -1, 0, 1, 499, 500, 501, 999, 1000, 1001]);
    let since = select(vec![0, 1, 30, 180, 365, 730]);
    // Signed a whole number of days ago, give or take a little, so that what counts from signing on is close to its end.
    (end, near(), near(), since).prop_map(|(end, at, off, days)| (end + at, end + at - days * DAY + off))
}

/// Requests that lie close to every border the texts of [`drafts`] have; about half of the facts favour the partner.
pub(super) fn asks() -> impl Strategy<Value = Ask> {
    let partner = || select(PARTNERS.to_vec()).prop_map(str::to_owned);
    let who = (
        partner(),
        prop::bool::weighted(0.9),
        prop::collection::vec(prop::bool::weighted(0.9), 2),
        select(PURPOSES.to_vec()),
    );
    let region = some(select(vec![
        "cx.region.europe:1",
        "cx.region.asia:1",
        "cx.region.africa:1",
    ]));
    let recipient = proptest::option::weighted(0.5, (partner(), region.prop_map(|region| region.map(str::to_owned))));
    let known = (list(&GROUPS), list(&CONTRACTS), list(&PARTNERS), recipient);
    let signed = some((
        select(VERSIONS.to_vec()),
        select(VERSIONS.to_vec()),
        subsequence(VERSIONS.to_vec(), 0..=4),
    ));
    // What is in force is often what was in force: otherwise hardly anything would be granted.
    let same = prop::bool::weighted(0.7);
    let in_force = (versions(), signed, same, some(select(vec![0_i64, 0, 1, 7])));
    let when = (times(), 0..8, proptest::option::weighted(0.3, partner()));
    (select(Moment::ALL.to_vec()), who, known, in_force, when).prop_map(
        |(moment, (partner, active, has, purpose), (groups, contracts, affiliates, recipient), in_force, when)| {
            let ((now, signed_at), agreement, exclusive) = when;
            let (mut versions, signed, same, uses) = in_force;
            if let (true, Some(now), Some((api, asset, models))) = (same, &mut versions, &signed) {
                (now.api, now.asset) = (api, asset);
                now.model = models.first().copied().or(now.model);
            }
            let frameworks = FRAMEWORKS.iter().zip(has).filter(|(_, has)| *has);
            Ask {
                moment,
                partner,
                membership: if active { "active" } else { "Active" }.to_owned(),
                frameworks: frameworks.map(|(name, _)| (*name).to_owned()).collect(),
                groups,
                contracts,
                affiliates,
                purpose: purpose.to_owned(),
                now,
                agreement: match agreement {
                    0 => Agreement::None,
                    1 => Agreement::Others(signed_at),
                    _ => Agreement::These(signed_at),
                },
                recipient,
                uses,
                versions,
                signed,
                exclusive,
            }
        },
    )
}

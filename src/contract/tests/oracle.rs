//! A second opinion: reads the canonical JSON and decides in plain Rust, from the words of the profile, sharing no code with the
//! compiler.

use jiff::Timestamp;
use serde_json::Value;

use crate::contract::Moment;

/// Milliseconds of a day.
pub(super) const DAY: i64 = 24 * 3600 * 1000;

/// One request, as far as a contract looks at it. What is `None` is not known.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) moment: Moment,
    pub(super) partner: String,
    pub(super) membership: String,
    pub(super) frameworks: Vec<String>,
    pub(super) groups: Option<Vec<String>>,
    pub(super) contracts: Option<Vec<String>>,
    pub(super) affiliates: Option<Vec<String>>,
    pub(super) purpose: String,
    /// Milliseconds since 1970.
    pub(super) now: i64,
    pub(super) agreement: Agreement,
    /// Whom the data is for, and the region of its registered office.
    pub(super) recipient: Option<(String, Option<String>)>,
    /// How often data was handed out before.
    pub(super) uses: Option<i64>,
    /// What is in force now.
    pub(super) versions: Option<Versions>,
    /// What was in force at signing: API, asset and models.
    pub(super) signed: Option<(Version, Version, Vec<Version>)>,
    /// Who has the asset for itself.
    pub(super) exclusive: Option<String>,
}

/// A version, such as `1.2.0`.
pub(super) type Version = &'static str;

/// The versions of a request.
#[derive(Clone, Debug)]
pub(super) struct Versions {
    pub(super) api: Version,
    pub(super) asset: Version,
    pub(super) model: Option<Version>,
}

/// What the offer or the agreement of a request says about its terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// It names these terms; signed at these milliseconds since 1970.
    These(i64),
    /// It names others.
    Others(i64),
    /// There is no agreement on record (of an offer: it names others).
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Permit,
    Forbid,
    Silent,
}

pub(super) fn major(version: Version) -> i64 {
    version.split('.').next().unwrap().parse().unwrap()
}

/// What terms say to a request.
pub(super) fn verdict(form: &Value, ask: &Ask) -> Verdict {
    let Agreement::These(signed) = ask.agreement else {
        return Verdict::Silent;
    };
    let usage = form["kind"] == "usage";
    let has_say = match ask.moment {
        Moment::Discover => !usage,
        Moment::Negotiate => true,
        Moment::Transfer | Moment::Access => usage,
    };
    if !has_say {
        return Verdict::Silent;
    }
    let obligations = form["obligations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let judge = Judge {
        ask,
        usage,
        signed,
        hands_out: matches!(ask.moment, Moment::Transfer | Moment::Access),
        provision_is_written: !obligations.is_empty(),
    };
    let rules = |key: &str| form[key].as_array().unwrap().iter();
    let granted = rules("permissions").any(|rule| judge.grants(&Rule::of(rule)));
    let refused = rules("prohibitions").any(|rule| judge.refuses(&Rule::of(rule)));
    let over = judge.hands_out && obligations.iter().any(|rule| judge.is_over(&Rule::of(rule)));
    let gate = !usage && ask.moment == Moment::Negotiate;
    match (granted, refused || over) {
        (_, true) => Verdict::Forbid,
        (true, false) if gate => Verdict::Silent,
        (true, false) => Verdict::Permit,
        (false, false) if gate => Verdict::Forbid,
        (false, false) => Verdict::Silent,
    }
}

/// The constraints of a rule: operand, operator, values.
struct Rule<'a>(Vec<(&'a str, &'a str, Vec<&'a str>)>);

impl<'a> Rule<'a> {
    fn of(rule: &'a Value) -> Self {
        let constraint = |constraint: &'a Value| {
            let text = |key: &str| constraint[key].as_str().unwrap();
            let values = constraint["value"].as_array().unwrap().iter();
            (
                text("operand"),
                text("operator"),
                values.map(|value| value.as_str().unwrap()).collect(),
            )
        };
        Self(rule["constraints"].as_array().unwrap().iter().map(constraint).collect())
    }

    fn has(&self, operand: &str) -> bool {
        self.0.iter().any(|constraint| constraint.0.starts_with(operand))
    }
}

struct Judge<'a> {
    ask: &'a Ask,
    usage: bool,
    signed: i64,
    hands_out: bool,
    provision_is_written: bool,
}

impl Judge<'_> {
    /// All that is written holds, and all that goes without saying.
    fn grants(&self, rule: &Rule<'_>) -> bool {
        let written = rule
            .0
            .iter()
            .all(|(operand, operator, values)| self.is_met(operand, operator, values));
        let unwritten = !self.usage || !self.hands_out || {
            let framework = rule.has("FrameworkAgreement");
            let year = self.ask.now - self.signed < 365 * DAY;
            let provided = !framework || self.provision_is_written || year;
            let used = !framework || rule.has("DataUsageEnd") || year;
            let versions = !framework || rule.has("VersionChanges") || self.same_versions(|version| version.to_owned());
            let itself = rule.has("Affiliates") || self.is_for_itself();
            provided && used && versions && itself
        };
        written && unwritten
    }

    fn is_for_itself(&self) -> bool {
        let recipient = self.ask.recipient.as_ref();
        recipient.is_none_or(|(recipient, _)| *recipient == self.ask.partner)
    }

    /// Whether what is in force now is what was in force then, as far as `part` looks.
    fn same_versions<T: PartialEq>(&self, part: impl Fn(Version) -> T) -> bool {
        let (Some(now), Some((api, asset, models))) = (&self.ask.versions, &self.ask.signed) else {
            return false;
        };
        let model = match now.model {
            _ if self.ask.moment == Moment::Transfer => true,
            Some(model) => models.iter().any(|signed| part(signed) == part(model)),
            None => false,
        };
        part(now.api) == part(api) && part(now.asset) == part(asset) && model
    }

    fn is_met(&self, operand: &str, operator: &str, values: &[&str]) -> bool {
        let ask = self.ask;
        let first = *values.first().unwrap();
        let time_of_use = |met: bool| !self.hands_out || met;
        let holds = |list: &Option<Vec<String>>, any: bool| {
            let hit = |list: &Vec<String>| values.iter().any(|value| list.iter().any(|known| known == value));
            list.as_ref().is_some_and(|list| hit(list) == any)
        };
        match (operand, operator) {
            ("Membership", "eq") => ask.membership == first,
            ("FrameworkAgreement", "eq") => ask.frameworks.iter().any(|framework| framework == first),
            ("UsagePurpose", "isAnyOf") => values.contains(&ask.purpose.as_str()),
            ("BusinessPartnerNumber", "isAnyOf") => values.contains(&ask.partner.as_str()),
            ("BusinessPartnerNumber", "isNoneOf") => !values.contains(&ask.partner.as_str()),
            ("BusinessPartnerGroup", "isAnyOf") => holds(&ask.groups, true),
            ("BusinessPartnerGroup", "isNoneOf") => holds(&ask.groups, false),
            ("ContractReference", "isAllOf") => ask.contracts.as_ref().is_some_and(|known| {
                let mut values = values.iter();
                values.all(|value| known.iter().any(|known| known == value))
            }),
            ("AffiliatesBpnl", "isAnyOf") => time_of_use(
                self.is_for_itself()
                    || ask
                        .recipient
                        .as_ref()
                        .is_some_and(|(recipient, _)| values.contains(&recipient.as_str())),
            ),
            ("AffiliatesRegion", "isAnyOf") => time_of_use(self.is_for_itself() || self.is_for_affiliate_in(values)),
            ("DataFrequency", "eq") if first == "cx.dataFrequency.once:1" => time_of_use(ask.uses == Some(0)),
            ("VersionChanges", "eq") if first == "cx.versionChanges.minor:1" => time_of_use(self.same_versions(major)),
            ("ExclusiveUsage", "eq") => {
                let judged = self.hands_out || ask.moment == Moment::Negotiate;
                !judged || ask.exclusive.as_ref().is_none_or(|to| *to == ask.partner)
            }
            ("DataUsageEndDate", "eq") => time_of_use(ask.now.div_euclid(1000) <= second(first)),
            ("DataUsageEndDurationDays", "eq") => {
                time_of_use(ask.now < self.signed + first.parse::<i64>().unwrap() * DAY)
            }
            ("inForceDate", operator) => time_of_use(compares(ask.now, operator, self.bound(first))),
            (operand, _) => {
                assert!(RECORDED.contains(&operand), "{operand}");
                true
            }
        }
    }

    fn is_for_affiliate_in(&self, regions: &[&str]) -> bool {
        let Some((recipient, region)) = &self.ask.recipient else {
            return false;
        };
        let affiliates = self.ask.affiliates.as_ref();
        let affiliate = affiliates.is_some_and(|affiliates| affiliates.contains(recipient));
        let everywhere = regions.contains(&"cx.region.all:1");
        affiliate && (everywhere || region.as_ref().is_some_and(|region| regions.contains(&region.as_str())))
    }

    /// A prohibition holds if all of it that can be decided does; one of which nothing can be decided never does.
    fn refuses(&self, rule: &Rule<'_>) -> bool {
        let decided: Vec<_> = rule
            .0
            .iter()
            .filter(|constraint| !RECORDED.contains(&constraint.0))
            .collect();
        let only_recorded = decided.is_empty() && !rule.0.is_empty();
        let holds = |(operand, operator, values): &&(&str, &str, Vec<&str>)| match *operand {
            "AffiliatesBpnl" => {
                // Who is named neither asks nor is given anything.
                let recipient = self.ask.recipient.as_ref().filter(|_| self.hands_out);
                let named = |company: &str| values.contains(&company);
                named(&self.ask.partner) || recipient.is_some_and(|(recipient, _)| named(recipient))
            }
            "AffiliatesRegion" => {
                let elsewhere = |region: &Option<String>| {
                    let everywhere = values.contains(&"cx.region.all:1");
                    !everywhere && region.as_ref().is_some_and(|region| !values.contains(&region.as_str()))
                };
                let recipient = self.ask.recipient.as_ref().filter(|_| self.hands_out);
                recipient.is_some_and(|(recipient, region)| *recipient != self.ask.partner && !elsewhere(region))
            }
            _ => self.is_met(operand, operator, values),
        };
        !only_recorded && decided.iter().all(holds)
    }

    fn is_over(&self, rule: &Rule<'_>) -> bool {
        rule.0.iter().all(|(operand, _, values)| match *operand {
            "DataProvisioningEndDate" => self.ask.now.div_euclid(1000) > second(values[0]),
            "DataProvisioningEndDurationDays" => self.ask.now >= self.signed + values[0].parse::<i64>().unwrap() * DAY,
            other => panic!("{other}"),
        })
    }

    fn bound(&self, text: &str) -> i64 {
        match text.strip_prefix("contractAgreement+") {
            Some(seconds) => self.signed + seconds.trim_end_matches('s').parse::<i64>().unwrap() * 1000,
            None => text.parse::<Timestamp>().unwrap().as_millisecond(),
        }
    }
}

fn second(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

fn compares(a: i64, operator: &str, b: i64) -> bool {
    match operator {
        "gt" => a > b,
        "gteq" => a >= b,
        "lt" => a < b,
        "lteq" => a <= b,
        "eq" => a == b,
        other => panic!("{other}"),
    }
}

/// Operands of which nothing is decided, whatever their value, or whatever of their values is left.
const RECORDED: [&str; 16] = [
    "ConfidentialInformationMeasures",
    "ConfidentialInformationSharing",
    "ContractTermination",
    "DataFrequency",
    "DataUsageEndDefinition",
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
    "WarrantyDurationMonths",
];

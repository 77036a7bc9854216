//! A second opinion: reads the canonical JSON and decides in plain Rust, sharing no code with the compiler.

use jiff::Timestamp;
use serde_json::Value;

use crate::contract::Moment;

/// One request, as far as a contract looks at it.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) moment: Moment,
    pub(super) partner: String,
    pub(super) membership: String,
    pub(super) frameworks: Vec<String>,
    pub(super) purpose: String,
    /// Milliseconds since 1970.
    pub(super) now: i64,
    pub(super) agreement: Agreement,
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
    let any = |key: &str| {
        let rules = form[key].as_array().unwrap();
        rules.iter().any(|rule| applies(rule, ask, usage, signed))
    };
    match (any("permissions"), any("prohibitions")) {
        (_, true) => Verdict::Forbid,
        (true, false) if !usage && ask.moment == Moment::Negotiate => Verdict::Silent,
        (true, false) => Verdict::Permit,
        (false, false) if !usage && ask.moment == Moment::Negotiate => Verdict::Forbid,
        (false, false) => Verdict::Silent,
    }
}

fn applies(rule: &Value, ask: &Ask, usage: bool, signed: i64) -> bool {
    let dates = matches!(ask.moment, Moment::Transfer | Moment::Access);
    let constraints = rule["constraints"].as_array().unwrap();
    constraints.iter().all(|constraint| {
        let values: Vec<_> = constraint["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_str().unwrap())
            .collect();
        match (
            constraint["operand"].as_str().unwrap(),
            constraint["operator"].as_str().unwrap(),
        ) {
            ("Membership", "eq") => ask.membership == values[0],
            ("FrameworkAgreement", "eq") => {
                let year = 365 * 24 * 3600 * 1000;
                let in_time = !usage || !dates || ask.now - signed < year;
                in_time && ask.frameworks.iter().any(|framework| framework == values[0])
            }
            ("UsagePurpose", "isAnyOf") => values.contains(&ask.purpose.as_str()),
            ("BusinessPartnerNumber", "isAnyOf") => values.contains(&ask.partner.as_str()),
            ("BusinessPartnerNumber", "isNoneOf") => !values.contains(&ask.partner.as_str()),
            ("DataUsageEndDate", "eq") => {
                let end: Timestamp = values[0].parse().unwrap();
                !dates || ask.now.div_euclid(1000) <= end.as_second()
            }
            other => panic!("{other:?}"),
        }
    })
}

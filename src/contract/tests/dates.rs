//! Dates: when an agreement ends by its terms, and what nobody wrote down.

use jiff::Timestamp;

use super::{constraint, odrl, terms, usage};
use crate::contract::Terms;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A usage policy with `permission` and, if not empty, `obligation` among its constraints.
fn with(permission: &str, obligation: &str) -> Terms {
    let text = usage(permission);
    let obligation = if obligation.is_empty() {
        String::new()
    } else {
        format!(r#"{{"action":"use","constraint":{obligation}}}"#)
    };
    terms(&format!(
        r#"{},"obligation":[{obligation}]}}"#,
        text.strip_suffix('}').unwrap()
    ))
}

#[test]
fn an_agreement_ends_at_the_earliest_of_its_dates_and_the_latest_of_its_permissions() {
    let signed = at("2026-03-01T12:00:00Z");
    let usage = terms(&odrl("dev/pcf-usage.json"));
    assert_eq!(usage.usage_ends(signed), Some(at("2027-03-01T12:00:00Z")));
    let until = terms(&odrl("dev/pcf-usage-until.json"));
    assert_eq!(until.usage_ends(signed), Some(at("2027-03-01T12:00:00Z")));
    assert_eq!(
        until.usage_ends(at("2026-12-01T00:00:00Z")),
        Some(at("2027-07-01T00:00:00Z"))
    );
    assert_eq!(terms(&odrl("dev/pcf-access.json")).usage_ends(signed), None);
    let two = odrl("dev/pcf-usage-until.json").replace(
        r#""permission": ["#,
        r#""permission": [{"action":"use","constraint":[
           {"leftOperand":"FrameworkAgreement","operator":"eq","rightOperand":"DataExchangeGovernance:1.0"},
           {"leftOperand":"DataUsageEndDate","operator":"eq","rightOperand":"2027-08-01T00:00:00+02:00"},
           {"leftOperand":"UsagePurpose","operator":"isAnyOf","rightOperand":["cx.quality.base:1"]}]},"#,
    );
    let two = terms(&two);
    assert_eq!(
        two.usage_ends(at("2026-12-01T00:00:00Z")),
        Some(at("2027-07-31T22:00:01Z"))
    );
    assert_eq!(
        two.purposes().unwrap().into_iter().collect::<Vec<_>>(),
        ["cx.pcf.base:1", "cx.quality.base:1"]
    );
}

#[test]
fn each_written_end_takes_the_place_of_its_own_default_year_only() {
    let signed = at("2026-03-01T12:00:00Z");
    let unlimited = constraint("DataUsageEndDefinition", "eq", r#""cx.dataUsageEnd.unlimited:1""#);
    let used = |days: u32| constraint("DataUsageEndDurationDays", "eq", &format!("{days}"));
    let provided = |days: u32| constraint("DataProvisioningEndDurationDays", "eq", &format!("\"{days}\""));
    let until = constraint("DataProvisioningEndDate", "eq", r#""2026-04-01T00:00:00+02:00""#);
    let year = Some(at("2027-03-01T12:00:00Z"));
    for (permission, obligation, expected) in [
        (String::new(), String::new(), year),
        // Use without an end is of no help while provision ends with the unwritten year.
        (unlimited.clone(), String::new(), year),
        (used(730), String::new(), year),
        (used(30), String::new(), Some(at("2026-03-31T12:00:00Z"))),
        (String::new(), provided(730), year),
        (String::new(), provided(1), Some(at("2026-03-02T12:00:00Z"))),
        (unlimited.clone(), provided(730), Some(at("2028-02-29T12:00:00Z"))),
        (used(800), until, Some(at("2026-03-31T22:00:01Z"))),
        (used(800), provided(730), Some(at("2028-02-29T12:00:00Z"))),
        (used(999_999_999), provided(999_999_999), None),
    ] {
        let terms = with(&permission, &obligation);
        assert_eq!(terms.usage_ends(signed), expected, "{permission} {obligation}");
    }
}

#[test]
fn an_end_of_force_is_an_end() {
    let signed = at("2026-03-01T12:00:00Z");
    for (operator, value, expected) in [
        ("lt", r#""contractAgreement+2d""#, "2026-03-03T12:00:00Z"),
        ("lteq", r#""contractAgreement+48h""#, "2026-03-03T12:00:00.001Z"),
        ("eq", r#""contractAgreement+0s""#, "2026-03-01T12:00:00.001Z"),
        ("lt", r#""contractAgreement+-60m""#, "2026-03-01T11:00:00Z"),
        ("lteq", r#""2026-05-01T00:00:00.25+02:00""#, "2026-04-30T22:00:00.251Z"),
        // A beginning of force ends nothing.
        ("gt", r#""contractAgreement+2d""#, "2027-03-01T12:00:00Z"),
        ("gteq", r#""2026-05-01T00:00:00Z""#, "2027-03-01T12:00:00Z"),
    ] {
        let terms = with(&constraint("inForceDate", operator, value), "");
        assert_eq!(terms.usage_ends(signed), Some(at(expected)), "{operator} {value}");
    }
}

#[test]
fn what_goes_without_saying_is_shown_as_such_and_what_is_replaced_is_not() {
    let defaults = |terms: &Terms| -> Vec<&'static str> {
        let defaults = terms.constraints().into_iter().filter(|clause| clause.by_default);
        defaults.map(|clause| clause.operand).collect()
    };
    let (provided, used) = ("DataProvisioningEndDurationDays", "DataUsageEndDurationDays");
    let (versions, itself) = ("VersionChanges", "AffiliatesBpnl");
    assert_eq!(
        defaults(&terms(&odrl("dev/pcf-usage.json"))),
        [provided, used, versions, itself]
    );
    assert_eq!(
        defaults(&terms(&odrl("dev/pcf-usage-until.json"))),
        [provided, versions, itself]
    );
    assert_eq!(defaults(&terms(&odrl("dev/pcf-access.json"))), [""; 0]);
    let one = |operand: &str, operator: &str, value: &str| with(&constraint(operand, operator, value), "");
    let major = one("VersionChanges", "eq", r#""cx.versionChanges.major:1""#);
    assert_eq!(defaults(&major), [provided, used, itself]);
    let europe = one("AffiliatesRegion", "isAnyOf", r#""cx.region.europe:1""#);
    assert_eq!(defaults(&europe), [provided, used, versions]);
    let obliged = with("", &constraint("DataProvisioningEndDurationDays", "eq", "30"));
    assert_eq!(defaults(&obliged), [used, versions, itself]);
}

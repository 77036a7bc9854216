//! The official samples of profile 25.09 and the texts of dev mode: which are accepted, and why the others are not.

use super::{access, assert_valid, odrl, terms, usage};
use crate::contract::{Class, Kind, Moment, Profile, Terms, render_table};

/// The error of a text that must be refused.
fn refusal(name: &str, text: &str) -> String {
    match Terms::from_odrl(text) {
        Ok(terms) => panic!("{name} is accepted:\n{}", terms.cedar_text()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_constraint_samples_are_decided_or_refused_by_name() {
    let decided_in_usage = [
        "data-usage-end-date",
        "framework-agreement",
        "membership",
        "usage-purpose",
        "business-partner-number",
    ];
    let decided_in_access = ["framework-agreement", "membership", "business-partner-number"];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/odrl/cx-25.09");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix("-constraint-sample.json") else {
            continue;
        };
        count += 1;
        let constraint = odrl(&format!("cx-25.09/{file}"));
        for (text, decided) in [
            (usage(&constraint), decided_in_usage.as_slice()),
            (access(&constraint), &decided_in_access),
        ] {
            if decided.contains(&name) {
                assert_valid(&terms(&text));
            } else {
                let error = refusal(name, &text);
                let by_operand = error.contains(".leftOperand: left operand `");
                assert!(by_operand, "{name} is refused for another reason: {error}");
            }
        }
    }
    assert_eq!(count, 29);
}

#[test]
fn the_policy_samples_are_accepted_or_refused_for_their_first_undecided_rule() {
    let obligation = "$.obligation[0]: none of the operands this version decides makes an obligation";
    let reference = "left operand `ContractReference` of the Catena-X profile cannot be decided yet";
    for (name, expected) in [
        ("cx-25.09/usage-policy-sample.json", obligation),
        ("cx-25.09/usage-policy-individual-constraints-sample.json", obligation),
        ("cx-25.09/usage-policy-comprehensive-sample.json", obligation),
        ("cx-2405/example_usage_policy.json", reference),
        ("cx-2405/example_usage_policy_expanded.json", reference),
    ] {
        let error = refusal(name, &odrl(name));
        assert!(error.contains(expected), "{name}: {error}");
    }
    let access = terms(&odrl("cx-25.09/access-policy.json"));
    assert_eq!(access.kind(), Kind::Access);
    assert_eq!(access.policies(Moment::Discover).policies().count(), 1);
    assert_eq!(access.policies(Moment::Negotiate).policies().count(), 1);
    assert_eq!(access.policies(Moment::Transfer).policies().count(), 0);
    assert_eq!(access.policies(Moment::Access).policies().count(), 0);
}

#[test]
fn the_old_profiles_two_spellings_are_the_same_terms_once_what_is_undecided_is_taken_out() {
    let without = |name: &str, key: &str| {
        let mut json: serde_json::Value = serde_json::from_str(&odrl(name)).unwrap();
        let rule = if json.is_array() { &mut json[0] } else { &mut json };
        let long = |short: &str| format!("{key}{short}");
        let mut constraint = &mut rule[long("permission")][0][long("constraint")];
        if constraint.is_array() {
            constraint = &mut constraint[0];
        }
        constraint[long("and")].as_array_mut().unwrap().remove(1);
        terms(&json.to_string())
    };
    let compact = without("cx-2405/example_usage_policy.json", "");
    let expanded = without(
        "cx-2405/example_usage_policy_expanded.json",
        "http://www.w3.org/ns/odrl/2/",
    );
    assert_eq!(compact, expanded);
    assert_eq!(compact.profile(), Profile::Cx2405);
    assert_eq!(
        compact.purposes().unwrap().into_iter().collect::<Vec<_>>(),
        ["cx.core.industrycore:1"]
    );
}

/// CX-0136 2.2.1, 2.1.2.7.2 writes one text where CX-0152 wants a list; both are the same terms.
#[test]
fn the_rule_of_cx_0136_is_accepted_and_is_that_of_dev_mode() {
    let scalar = r#"{"permission":{"action":"use","constraint":{"and":[
        {"leftOperand":"FrameworkAgreement","operator":"eq","rightOperand":"DataExchangeGovernance:1.0"},
        {"leftOperand":"Membership","operator":"eq","rightOperand":"active"},
        {"leftOperand":"UsagePurpose","operator":"isAnyOf","rightOperand":"cx.pcf.base:1"}]}}}"#;
    assert_eq!(terms(scalar), terms(&odrl("dev/pcf-usage.json")));
}

#[test]
fn the_dev_texts_compile_to_what_was_reviewed() {
    for name in ["pcf-access", "pcf-usage", "pcf-usage-until", "quality-usage"] {
        let terms = terms(&odrl(&format!("dev/{name}.json")));
        assert_valid(&terms);
        let shown = format!(
            "{}\n{}\n\n{}",
            render_table(&terms),
            String::from_utf8_lossy(terms.canonical()),
            terms.cedar_text()
        );
        insta::assert_snapshot!(name, shown);
    }
}

#[test]
fn an_agreement_ends_at_the_earliest_of_its_dates_and_the_latest_of_its_permissions() {
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
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
fn the_default_year_is_shown_as_such_and_the_one_replaced_is_not() {
    let defaults = |name: &str| -> Vec<&'static str> {
        let clauses = terms(&odrl(name)).constraints();
        assert!(clauses.iter().all(|clause| clause.class == Class::Decided));
        let defaults = clauses.into_iter().filter(|clause| clause.by_default);
        defaults.map(|clause| clause.operand).collect()
    };
    let (provided, used) = ("DataProvisioningEndDurationDays", "DataUsageEndDurationDays");
    assert_eq!(defaults("dev/pcf-usage.json"), [provided, used]);
    assert_eq!(defaults("dev/pcf-usage-until.json"), [provided]);
    assert_eq!(defaults("dev/pcf-access.json"), [""; 0]);
}

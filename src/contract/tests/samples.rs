//! The official samples of the profile and the texts of dev mode: what becomes of each, and why some are refused.

use std::collections::BTreeMap;

use super::{assert_valid, odrl, terms};
use crate::contract::{Class, Kind, Moment, Profile, Terms, render_table};

/// The error of a text that must be refused.
fn refusal(name: &str, text: &str) -> String {
    match Terms::from_odrl(text) {
        Ok(terms) => panic!("{name} is accepted:\n{}", terms.cedar_text()),
        Err(error) => error.to_string(),
    }
}

/// A policy with `constraint` in a rule of that sort, and whatever else such a policy must have.
fn around(place: &str, constraint: &str) -> String {
    let rule = |action: &str| format!(r#"{{"action":"{action}","constraint":[{constraint}]}}"#);
    let usage =
        |more: &str, rules: &str| super::usage(more).strip_suffix('}').unwrap().to_owned() + &format!(",{rules}}}");
    match place {
        "access.permission" => super::access(constraint),
        "usage.permission" => super::usage(constraint),
        "usage.prohibition" => usage("", &format!(r#""prohibition":[{}]"#, rule("use"))),
        "usage.obligation" => usage("", &format!(r#""obligation":[{}]"#, rule("use"))),
        other => panic!("{other}"),
    }
}

const PLACES: [&str; 4] = [
    "access.permission",
    "usage.permission",
    "usage.prohibition",
    "usage.obligation",
];

/// What becomes of each official sample of a constraint, and where it may stand: `a` in a permission of an access policy, `u` in
/// one of a usage policy, `p` in a prohibition, `o` in an obligation. Membership and partner in prohibitions, and the partner
/// in usage permissions, are beyond what the profile lists.
const CONSTRAINTS: [(&str, Class, &str); 29] = [
    ("affiliates-bpnl", Class::Decided, "up"),
    ("affiliates-region", Class::Decided, "up"),
    ("business-partner-group", Class::Decided, "a"),
    ("business-partner-number", Class::Decided, "aup"),
    ("confidential-information-measures", Class::Recorded, "u"),
    ("confidential-information-sharing", Class::Recorded, "u"),
    ("contract-reference", Class::Decided, "u"),
    // `cx.data.keeping` without `:1` fails its own official schema, too.
    ("contract-termination", Class::Refused, ""),
    ("data-frequency", Class::Decided, "u"),
    ("data-provisioning-end-date", Class::Decided, "o"),
    ("data-provisioning-end-duration-days", Class::Decided, "o"),
    ("data-usage-end-date", Class::Decided, "u"),
    ("data-usage-end-definition", Class::Recorded, "u"),
    ("data-usage-end-duration-days", Class::Decided, "u"),
    ("exclusive-usage", Class::Decided, "u"),
    ("framework-agreement", Class::Decided, "au"),
    ("jurisdiction-location", Class::Recorded, "u"),
    ("jurisdiction-location-reference", Class::Recorded, "u"),
    ("liability", Class::Recorded, "u"),
    ("managed-legal-entity-bpnl", Class::Recorded, "u"),
    ("managed-legal-entity-region", Class::Recorded, "u"),
    ("membership", Class::Decided, "aup"),
    ("precedence", Class::Recorded, "u"),
    ("usage-purpose", Class::Decided, "up"),
    ("usage-restriction", Class::Recorded, "p"),
    ("version-changes", Class::Decided, "u"),
    ("warranty", Class::Recorded, "u"),
    ("warranty-definition", Class::Recorded, "u"),
    ("warranty-duration", Class::Recorded, "u"),
];

#[test]
fn each_constraint_sample_is_decided_recorded_or_refused_where_the_profile_says() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/odrl/cx-25.09");
    let mut expected: BTreeMap<_, _> = CONSTRAINTS.map(|(name, class, places)| (name, (class, places))).into();
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix("-constraint-sample.json") else {
            continue;
        };
        let (class, places) = expected.remove(name).unwrap_or_else(|| panic!("{name} is not listed"));
        let sample = odrl(&format!("cx-25.09/{file}"));
        let json: serde_json::Value = serde_json::from_str(&sample).unwrap();
        for (place, letter) in PLACES.into_iter().zip(["a", "u", "p", "o"]) {
            let text = around(place, &sample);
            if !places.contains(letter) {
                let error = refusal(name, &text);
                let expected = if letter == "u" && places.is_empty() {
                    "is no value"
                } else {
                    ".leftOperand: left operand"
                };
                assert!(error.contains(expected), "{name} in {place}: {error}");
                continue;
            }
            let terms = terms(&text);
            assert_valid(&terms);
            let clauses = terms.constraints();
            let clause = clauses.iter().find(|clause| {
                !clause.by_default && json["leftOperand"] == clause.operand && place.ends_with(clause.rule)
            });
            let clause = clause.unwrap_or_else(|| panic!("{name} in {place} is dropped"));
            assert_eq!(clause.class, class, "{name} in {place}");
        }
    }
    assert!(expected.is_empty(), "no such samples: {expected:?}");
}

#[test]
fn the_policy_samples_are_accepted_or_refused_for_the_value_that_is_no_value() {
    for (name, expected) in [
        (
            "cx-25.09/usage-policy-sample.json",
            "$.permission[0].constraint[0].and[2].rightOperand: `cx.dataUsageEnd.unlimited` is no value for \
             `DataUsageEndDefinition`; give `cx.dataUsageEnd.unlimited:1`",
        ),
        (
            "cx-25.09/usage-policy-comprehensive-sample.json",
            "$.prohibition[0].constraint[0].and[0].rightOperand: `ExtraordinaryAnalyticsForbiddenRightOperand, \
             DataProviderRemovalForbiddenRightOp…` is no value for `UsageRestriction`; give 1 to 256 of: ",
        ),
    ] {
        let error = refusal(name, &odrl(name));
        assert!(error.contains(expected), "{name}: {error}");
    }
    let access = terms(&odrl("cx-25.09/access-policy.json"));
    assert_eq!(access.kind(), Kind::Access);
    let policies = Moment::ALL.map(|moment| access.policies(moment).policies().count());
    assert_eq!(policies, [1, 1, 0, 0]);
}

/// The official text with its two defects mended: the values of `UsageRestriction` are the names of definitions in the schema.
pub(super) fn comprehensive() -> String {
    odrl("cx-25.09/usage-policy-comprehensive-sample.json")
        .replace(
            "ExtraordinaryAnalyticsForbiddenRightOperand",
            "cx.extraordinaryAnalytics.forbidden:1",
        )
        .replace(
            "DataProviderRemovalForbiddenRightOperand",
            "cx.dataProviderRemoval.forbidden:1",
        )
}

#[test]
fn the_whole_usage_policies_compile_to_what_was_reviewed() {
    let unlimited =
        odrl("cx-25.09/usage-policy-sample.json").replace("dataUsageEnd.unlimited", "dataUsageEnd.unlimited:1");
    for (name, text) in [
        ("usage-policy-sample", unlimited),
        (
            "usage-policy-individual",
            odrl("cx-25.09/usage-policy-individual-constraints-sample.json"),
        ),
        ("usage-policy-comprehensive", comprehensive()),
    ] {
        let terms = terms(&text);
        assert_valid(&terms);
        insta::assert_snapshot!(name, shown(&terms));
    }
}

#[test]
fn the_old_profiles_two_spellings_are_the_same_terms() {
    let compact = terms(&odrl("cx-2405/example_usage_policy.json"));
    let expanded = terms(&odrl("cx-2405/example_usage_policy_expanded.json"));
    assert_eq!(compact, expanded);
    assert_valid(&compact);
    assert_eq!(compact.profile(), Profile::Cx2405);
    assert_eq!(
        compact.purposes().unwrap().into_iter().collect::<Vec<_>>(),
        ["cx.core.industrycore:1"]
    );
    insta::assert_snapshot!("example-usage-policy-2405", shown(&compact));
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

/// A text that was understood before more operands were keeps its name.
#[test]
fn the_digests_of_the_dev_texts_are_those_of_the_first_version() {
    for (name, digest) in [
        (
            "pcf-access",
            "sha256:89e8f0e84bd9c5ced04d183299fbea8ce7057e39d2feab3c7a6ccfbb73657810",
        ),
        ("pcf-usage", "sha256:9c9c3df73a0317a7"),
        (
            "pcf-usage-until",
            "sha256:b2f8edb732d236f4c956aee523d3d04df95638c6a124b99f458c585be123a388",
        ),
    ] {
        let found = terms(&odrl(&format!("dev/{name}.json"))).digest().to_string();
        assert!(found.starts_with(digest), "{name}: {found}");
    }
}

fn shown(terms: &Terms) -> String {
    format!(
        "{}\n{}\n\n{}",
        render_table(terms),
        String::from_utf8_lossy(terms.canonical()),
        terms.cedar_text()
    )
}

#[test]
fn the_dev_texts_compile_to_what_was_reviewed() {
    for name in ["pcf-access", "pcf-usage", "pcf-usage-until", "quality-usage"] {
        let terms = terms(&odrl(&format!("dev/{name}.json")));
        assert_valid(&terms);
        insta::assert_snapshot!(name, shown(&terms));
    }
}

//! How terms differ.

use proptest::prelude::*;

use super::drafts::drafts;
use super::spelling::Coin;
use super::{access, constraint, normal, odrl, terms, usage};
use crate::contract::Difference;
use crate::contract::difference::differences;
use crate::contract::explain::clauses;
use crate::contract::normal::Normal;

/// The differences of two texts, as people read them.
fn diff(a: &str, b: &str) -> String {
    let told: Vec<_> = terms(a)
        .differences(&terms(b))
        .iter()
        .map(ToString::to_string)
        .collect();
    told.join("\n")
}

fn purpose(text: &str) -> String {
    usage("").replace("cx.pcf.base:1", text)
}

#[test]
fn a_value_that_differs_is_named_with_what_came_and_went() {
    let a = usage(&constraint(
        "AffiliatesRegion",
        "isAnyOf",
        r#"["cx.region.europe:1","cx.region.asia:1"]"#,
    ));
    let b = usage(&constraint(
        "AffiliatesRegion",
        "isAnyOf",
        r#"["cx.region.asia:1","cx.region.africa:1"]"#,
    ));
    let [
        Difference::Changed {
            path,
            path_in_b,
            added,
            removed,
            ..
        },
    ] = &terms(&a).differences(&terms(&b))[..]
    else {
        panic!("{}", diff(&a, &b));
    };
    assert_eq!(
        (path.as_str(), path_in_b.as_str()),
        ("$.permissions[0].constraints[0]", "$.permissions[0].constraints[0]")
    );
    assert_eq!(
        (added.as_slice(), removed.as_slice()),
        (
            ["cx.region.africa:1".to_owned()].as_slice(),
            ["cx.region.europe:1".to_owned()].as_slice()
        )
    );
}

#[test]
fn what_only_one_has_is_named_where_it_stands() {
    let until = odrl("dev/pcf-usage-until.json");
    let without = odrl("dev/pcf-usage.json");
    assert_eq!(
        diff(&without, &until),
        "$.permissions[0].constraints[0] of the second\n  + DataUsageEndDate eq 2027-06-30T23:59:59Z"
    );
    assert_eq!(
        diff(&until, &without),
        "$.permissions[0].constraints[0] of the first\n  - DataUsageEndDate eq 2027-06-30T23:59:59Z"
    );
    assert_eq!(diff(&until, &until), "");
}

#[test]
fn the_kind_the_profile_and_the_list_of_a_rule_are_told_apart() {
    let kinds = diff(&access(""), &usage(""));
    assert!(kinds.starts_with("kind of policy\n  - access\n  + usage"), "{kinds}");
    let old = r#"{"@context":{"cx-policy":"https://w3id.org/catenax/policy/"},"permission":{"action":"use"}}"#;
    let profiles = diff(&usage(""), old);
    assert!(
        profiles.starts_with("profile\n  - https://w3id.org/catenax/2025/9/policy/\n  + "),
        "{profiles}"
    );
    let open = usage("");
    let forbids = format!(
        r#"{},"prohibition":[{{"action":"use"}}]}}"#,
        open.strip_suffix('}').unwrap()
    );
    assert_eq!(
        diff(&open, &forbids),
        "rule at $.prohibitions[0] of the second\n  + no constraint: it applies to every partner"
    );
}

/// Both grant for two purposes; one says so in one rule, the other in two.
#[test]
fn the_same_constraints_in_other_rules_are_other_terms() {
    let (pcf, quality) = (purpose("cx.pcf.base:1"), purpose("cx.quality.base:1"));
    let rule = |text: &str| {
        text.strip_prefix(r#"{"permission":["#)
            .unwrap()
            .strip_suffix("]}")
            .unwrap()
            .to_owned()
    };
    let two = format!(r#"{{"permission":[{},{}]}}"#, rule(&pcf), rule(&quality));
    assert_eq!(
        diff(&pcf, &two),
        "rule at $.permissions[1] of the second\n  + FrameworkAgreement eq DataExchangeGovernance:1.0\n  \
         + UsagePurpose isAnyOf cx.quality.base:1"
    );
    let one = pcf.replace(r#""cx.pcf.base:1""#, r#""cx.pcf.base:1","cx.quality.base:1""#);
    let told = diff(&one, &two);
    assert!(
        told.contains("- UsagePurpose isAnyOf cx.pcf.base:1, cx.quality.base:1"),
        "{told}"
    );
    assert!(told.contains("rule at $.permissions[1] of the second"), "{told}");
}

/// Of several rules, those that are most alike are taken for one.
#[test]
fn rules_are_paired_by_what_they_share() {
    let until = constraint("DataUsageEndDate", "eq", r#""2027-06-30T23:59:59Z""#);
    let rule = |text: String| {
        text.strip_prefix(r#"{"permission":["#)
            .unwrap()
            .strip_suffix("]}")
            .unwrap()
            .to_owned()
    };
    let policy = |a: String, b: String| format!(r#"{{"permission":[{},{}]}}"#, rule(a), rule(b));
    let a = policy(purpose("a"), usage(&until).replace("cx.pcf.base:1", "b"));
    let b = policy(purpose("c"), usage(&until).replace("cx.pcf.base:1", "d"));
    let told = diff(&a, &b);
    assert_eq!(told.matches("UsagePurpose").count(), 4, "{told}");
    assert!(
        told.contains("- UsagePurpose isAnyOf a\n  + UsagePurpose isAnyOf c"),
        "{told}"
    );
    assert!(!told.contains("DataUsageEndDate"), "{told}");
}

/// What a difference says, applied to the one side, is what the other side has.
fn lines(normal: &Normal) -> Vec<String> {
    let written = clauses(normal).into_iter().filter(|clause| !clause.by_default);
    let mut lines: Vec<_> = written
        .map(|clause| {
            let value = clause.value.join(", ");
            format!(
                "{} {} {} {}",
                clause.rule,
                clause.operand,
                clause.operator,
                value.escape_debug()
            )
        })
        .collect();
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn there_is_a_difference_exactly_if_the_digests_differ(a in drafts(), b in drafts(), seed: u64) {
        let [a, b] = [a, b].map(|draft| normal(&Coin(seed).spell(&draft)));
        prop_assert_eq!(differences(&a, &b).is_empty(), a.canonical() == b.canonical());
        prop_assert!(differences(&a, &a).is_empty());
    }

    /// Taken away what was removed and added what was added, the constraints of one are those of the other.
    #[test]
    fn the_differences_make_one_of_the_other(a in drafts(), b in drafts(), seed: u64) {
        let [a, b] = [a, b].map(|draft| normal(&Coin(seed).spell(&draft)));
        let (mut ours, mut theirs) = (lines(&a), lines(&b));
        let take = |from: &mut Vec<String>, path: &str, text: &str| {
            let sort = path.trim_start_matches("$.").split("s[").next().unwrap();
            let line = format!("{sort} {text}");
            let at = from.iter().position(|known| *known == line);
            from.remove(at.unwrap_or_else(|| panic!("{line} is not there: {from:?}")));
        };
        for difference in differences(&a, &b) {
            match difference {
                Difference::Kind { .. } | Difference::Profile { .. } => {}
                Difference::Added { path, constraint } => take(&mut theirs, &path, &constraint),
                Difference::Removed { path, constraint } => take(&mut ours, &path, &constraint),
                Difference::Changed { path, path_in_b, from, to, .. } => {
                    take(&mut ours, &path, &from);
                    take(&mut theirs, &path_in_b, &to);
                }
                Difference::RuleAdded { path, constraints } => {
                    constraints.iter().for_each(|constraint| take(&mut theirs, &path, constraint));
                }
                Difference::RuleRemoved { path, constraints } => {
                    constraints.iter().for_each(|constraint| take(&mut ours, &path, constraint));
                }
            }
        }
        prop_assert_eq!(ours, theirs);
    }
}

//! How terms differ.

use proptest::prelude::*;

use super::drafts::drafts;
use super::spelling::Coin;
use super::{access, constraint, normal, odrl, terms, usage};
use crate::contract::Difference;
use crate::contract::explain::clauses;
use crate::contract::normal::Normal;
use crate::contract::source::NORMAL;
use crate::contract::words::all_quoted;

fn differences(a: &Normal, b: &Normal) -> Vec<Difference> {
    crate::contract::difference::differences((a, NORMAL), (b, NORMAL))
}

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
        (
            "$.permission[0].constraint[0].and[2]",
            "$.permission[0].constraint[0].and[2]"
        )
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
        "$.permission[0].constraint[0].and[3] of the second\n  + DataUsageEndDate eq \"2027-06-30T23:59:59Z\""
    );
    assert_eq!(
        diff(&until, &without),
        "$.permission[0].constraint[0].and[3] of the first\n  - DataUsageEndDate eq \"2027-06-30T23:59:59Z\""
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
        "rule at $.prohibition[0] of the second\n  + no constraint: it applies to every partner"
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
        "rule at $.permission[1] of the second\n  + FrameworkAgreement eq \"DataExchangeGovernance:1.0\"\n  \
         + UsagePurpose isAnyOf \"cx.quality.base:1\""
    );
    let one = pcf.replace(r#""cx.pcf.base:1""#, r#""cx.pcf.base:1","cx.quality.base:1""#);
    let told = diff(&one, &two);
    assert!(
        told.contains(r#"- UsagePurpose isAnyOf "cx.pcf.base:1", "cx.quality.base:1""#),
        "{told}"
    );
    assert!(told.contains("rule at $.permission[1] of the second"), "{told}");
}

/// "Became unconstrained" must not look like one constraint less.
#[test]
fn a_rule_that_applies_to_everyone_is_no_other_rule_with_less_in_it() {
    let forbids = |constraint: &str| {
        let open = usage("");
        let open = open.strip_suffix('}').unwrap();
        format!(r#"{open},"prohibition":[{{"action":"use","constraint":[{constraint}]}}]}}"#)
    };
    let one = forbids(&constraint(
        "UsageRestriction",
        "isAllOf",
        r#""cx.thirdParty.forbidden:1""#,
    ));
    let removed = "rule at $.prohibition[0] of the first\n  - UsageRestriction isAllOf \"cx.thirdParty.forbidden:1\"";
    let added = "rule at $.prohibition[0] of the second\n  + no constraint: it applies to every partner";
    assert_eq!(diff(&one, &forbids("")), format!("{removed}\n{added}"));
    let member = access(&constraint("Membership", "eq", r#""active""#));
    let told = diff(&member, &access(""));
    assert!(told.contains("+ no constraint: it applies to every partner"), "{told}");
}

/// Different constraints look different, whatever is in their values.
#[test]
fn one_value_with_a_comma_is_not_two_values() {
    let with = |values: &str| usage(&constraint("ContractReference", "isAllOf", values));
    let told = diff(&with(r#"["a, b"]"#), &with(r#"["a","b"]"#));
    assert!(
        told.ends_with("- ContractReference isAllOf \"a, b\"\n  + ContractReference isAllOf \"a\", \"b\""),
        "{told}"
    );
    let told = diff(&with(r#"["a\", \"b"]"#), &with(r#"["a","b"]"#));
    assert!(told.contains(r#"- ContractReference isAllOf "a\", \"b""#), "{told}");
}

/// What agreements name beside their terms is told apart from the terms.
#[test]
fn the_same_terms_between_others_are_the_same_terms_and_another_agreement() {
    let rules = usage("");
    let rules = rules.strip_prefix('{').unwrap();
    let between = |who: &str, what: &str| {
        terms(&format!(
            r#"{{"@type":"Agreement","assigner":"BPNL000000000DWF","assignee":"{who}","target":"{what}",{rules}"#
        ))
    };
    let (a, b) = (between("BPNL00000000C3EF", "pcf"), between("did:web:weser", "pcf"));
    assert_eq!(a, b);
    assert!(a.differences(&b).is_empty());
    let [other] = &a.other_parties(&b)[..] else { panic!() };
    assert_eq!(
        other.to_string(),
        "`assignee`\n  - \"BPNL00000000C3EF\"\n  + \"did:web:weser\""
    );
    assert!(a.other_parties(&between("BPNL00000000C3EF", "pcf")).is_empty());
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
        told.contains("- UsagePurpose isAnyOf \"a\"\n  + UsagePurpose isAnyOf \"c\""),
        "{told}"
    );
    assert!(!told.contains("DataUsageEndDate"), "{told}");
}

/// What a difference says, applied to the one side, is what the other side has.
fn lines(normal: &Normal) -> Vec<String> {
    let written = clauses(normal, NORMAL).into_iter().filter(|clause| !clause.by_default);
    let mut lines: Vec<_> = written
        .map(|clause| {
            let value = all_quoted(&clause.value);
            format!("{} {} {} {value}", clause.rule, clause.operand, clause.operator)
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

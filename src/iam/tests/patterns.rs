//! Laws that hold for every pattern and text.

use proptest::prelude::*;

use super::anybody;
use crate::iam::context::Scope;
use crate::iam::pattern::Pattern;
use crate::iam::template::Dialect;
use crate::iam::{Context, Params};

const TEMPLATE: Dialect = Dialect {
    variables: true,
    parameters: true,
    session: false,
};

fn matches(pattern: &str, text: &str) -> bool {
    let pattern = Pattern::compile(pattern, TEMPLATE, true).unwrap();
    let (request, params) = (anybody(Context::new()), Params::new());
    pattern.matches(text, &Scope::new(&request, &params))
}

/// The definition, straight from the guide: exponential, and plainly right.
fn oracle(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), None) => oracle(rest, text),
        (Some(('*', rest)), Some((_, tail))) => oracle(rest, text) || oracle(pattern, tail),
        (Some((wanted, rest)), Some((found, tail))) => (*wanted == '?' || wanted == found) && oracle(rest, tail),
        _ => false,
    }
}

fn by_oracle(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    oracle(&pattern, &text)
}

proptest! {
    #[test]
    fn the_matcher_agrees_with_the_definition(pattern in "[ab/ä*?]{0,10}", text in "[ab/ä]{0,10}") {
        prop_assert_eq!(matches(&pattern, &text), by_oracle(&pattern, &text));
    }

    #[test]
    fn a_pattern_of_literals_matches_only_itself(pattern in "[abc/:-]{0,6}", text in "[abc/:-]{0,6}") {
        prop_assert!(matches(&pattern, &pattern));
        prop_assert_eq!(matches(&pattern, &text), pattern == text);
    }

    #[test]
    fn a_star_takes_anything_between(head in "[ab/]{0,4}", tail in "[ab/]{0,4}", middle in "[abc*?/:]{0,6}") {
        let pattern = format!("{head}*{tail}");
        let text = format!("{head}{middle}{tail}");
        prop_assert!(matches(&pattern, &text));
        prop_assert_eq!(matches(&pattern.replace('*', "**"), &text), matches(&pattern, &text));
    }

    #[test]
    fn what_fills_a_parameter_or_variable_is_literal(value in "[ab*?${}]{1,5}", text in "[ab*?${}]{0,7}", head in "[ab*?]{0,3}") {
        let request = anybody(Context::new().with("aws:PrincipalTag/tenant", value.as_str()));
        let params = Params::new().with("bpnl", value.as_str());
        // The value's own wildcards, escaped one by one, in a pattern without placeholders.
        let escaped: String = value.chars().map(|c| match c {
            '*' | '?' | '$' => format!("${{{c}}}"),
            other => other.to_string(),
        }).collect();
        let plain = Dialect { parameters: false, ..TEMPLATE };
        let expected = Pattern::compile(&format!("{head}{escaped}*"), plain, true).unwrap();
        let expected = expected.matches(&text, &Scope::new(&request, &params));
        for placeholder in ["{bpnl}", "${aws:PrincipalTag/tenant}"] {
            let pattern = Pattern::compile(&format!("{head}{placeholder}*"), TEMPLATE, true).unwrap();
            let got = pattern.matches(&text, &Scope::new(&request, &params));
            prop_assert_eq!(got, expected);
        }
    }

    #[test]
    fn pieces_between_stars_are_found_as_the_definition_says(
        pieces in prop::collection::vec("[ab?]{0,3}", 0..5),
        text in "[ab]{0,12}",
        value in "[ab*]{0,2}",
    ) {
        let (pattern, params) = (pieces.join("*"), Params::new().with("x", value.as_str()));
        prop_assert_eq!(matches(&pattern, &text), by_oracle(&pattern, &text));
        // A parameter between two stars, alone or beside other text, is searched for as if it were written out.
        let request = anybody(Context::new());
        let open = Pattern::compile(&pieces.join("*{x}*"), TEMPLATE, true).unwrap();
        let literal = value.replace('*', "${*}");
        let filled = Pattern::compile(&pieces.join(&format!("*{literal}*")), TEMPLATE, true).unwrap();
        let scope = Scope::new(&request, &params);
        prop_assert_eq!(open.matches(&text, &scope), filled.matches(&text, &scope));
        let open = Pattern::compile(&pieces.join("*a{x}?*"), TEMPLATE, true).unwrap();
        let filled = Pattern::compile(&pieces.join(&format!("*a{literal}?*")), TEMPLATE, true).unwrap();
        prop_assert_eq!(open.matches(&text, &scope), filled.matches(&text, &scope));
    }

    #[test]
    fn letter_case_is_ignored_over_the_whole_value(text in "[aAbBäÄß-]{0,6}", other in "[aAbBäÄß-]{1,6}") {
        let (request, params) = (anybody(Context::new().with("a:b", other.as_str())), Params::new());
        for written in [other.as_str(), "${a:b}"] {
            let pattern = Pattern::compile(written, TEMPLATE, false).unwrap();
            let held = pattern.equals_ignoring_case(&text, &Scope::new(&request, &params));
            prop_assert_eq!(held, text.eq_ignore_ascii_case(&other));
        }
    }

    #[test]
    fn long_hostile_patterns_finish(stars in 1..60_usize, length in 0..400_usize) {
        let (pattern, text) = ("*a".repeat(stars), "a".repeat(length) + "b");
        prop_assert!(!matches(&pattern, &text));
    }
}

#[test]
fn a_pattern_of_64_kib_costs_one_pass() {
    let half = 32 * 1024;
    let pattern = "*a".repeat(half);
    assert!(matches(&pattern, &"a".repeat(2 * half)));
    assert!(matches(&pattern, &"ba".repeat(half)));
    assert!(!matches(&pattern, &"ba".repeat(half - 1)));
    assert!(!matches(&pattern, &"a".repeat(half - 1)));
    assert!(!matches(&format!("{pattern}?b*"), &"a".repeat(2 * half)));
    assert!(matches(&"*?".repeat(half), &"ä".repeat(half)));
    assert!(!matches(&"*?".repeat(half), &"ä".repeat(half - 1)));
}

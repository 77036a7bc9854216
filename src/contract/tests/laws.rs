//! What holds for all contract texts.

use proptest::prelude::*;
use serde_json::Value;

use super::drafts::{asks, drafts};
use super::oracle::{self, Agreement, Ask};
use super::spelling::Coin;
use super::{assert_valid, normal, odrl, terms, world};
use crate::contract::{ContractError, Moment, Terms};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn order_spelling_ids_and_repetition_do_not_change_the_terms(draft in drafts(), seeds: [u64; 2]) {
        let [a, b] = seeds.map(|seed| Coin(seed).spell(&draft));
        prop_assert_eq!(normal(&a).canonical(), normal(&b).canonical(), "\n{}\n{}", a, b);
    }

    #[test]
    fn two_texts_have_one_digest_exactly_if_they_mean_the_same(a in drafts(), b in drafts(), seed: u64) {
        let same = a.meaning() == b.meaning();
        let form = |draft| normal(&Coin(seed).spell(draft)).canonical();
        prop_assert_eq!(form(&a) == form(&b), same);
    }

    #[test]
    fn cedar_says_what_the_normal_form_says(draft in drafts(), seed: u64, asks in prop::collection::vec(asks(), 12)) {
        let terms = terms(&Coin(seed).spell(&draft));
        let form: Value = serde_json::from_slice(terms.canonical()).unwrap();
        for ask in asks {
            let expected = oracle::verdict(&form, &ask);
            let actual = world::verdict(&terms, &ask);
            prop_assert_eq!(actual, expected, "{:?}\n{}", ask, terms.cedar_text());
        }
    }

    #[test]
    fn every_compiled_set_is_valid_and_reads_back_from_its_normal_form(draft in drafts(), seed: u64) {
        let terms = terms(&Coin(seed).spell(&draft));
        assert_valid(&terms);
        let again = Terms::from_normal_form(terms.canonical()).unwrap();
        prop_assert_eq!(&again, &terms);
        prop_assert_eq!(again.cedar_text(), terms.cedar_text());
        prop_assert_eq!(again.constraints(), terms.without_source().constraints());
    }

    #[test]
    fn the_dates_shown_are_the_dates_decided(draft in drafts(), seed: u64, ask in asks()) {
        let terms = terms(&Coin(seed).spell(&draft));
        if let Agreement::These(signed) = ask.agreement {
            let signed = jiff::Timestamp::from_millisecond(signed).unwrap();
            let ended = terms.usage_ends(signed).is_some_and(|end| end.as_millisecond() <= ask.now);
            let verdict = world::verdict(&terms, &Ask { moment: Moment::Access, ..ask });
            prop_assert!(!(ended && verdict == oracle::Verdict::Permit));
        }
    }

    #[test]
    fn bytes_are_a_normal_form_only_if_their_digest_is_that_of_the_terms(
        draft in drafts(), seed: u64, at: prop::sample::Index, byte: u8
    ) {
        let terms = terms(&Coin(seed).spell(&draft));
        let mut bytes = terms.canonical().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = Terms::from_normal_form(&bytes) {
            prop_assert_eq!(read.digest(), crate::ids::Digest::of(&bytes));
        }
    }

    #[test]
    fn no_text_makes_the_compiler_panic(cut in any::<prop::sample::Index>(), junk in ".{0,12}", seed: u64, draft in drafts()) {
        let mut text = Coin(seed).spell(&draft);
        let at = (0..=cut.index(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let _ = Terms::from_odrl(text.get(..at).unwrap());
        text.insert_str(at, &junk);
        if let Ok(terms) = Terms::from_odrl(&text) {
            prop_assert_eq!(&Terms::from_normal_form(terms.canonical()).unwrap(), &terms);
        }
    }
}

/// Puts `change` at each place of a JSON value in turn and hands over the whole.
fn at_each_place(json: &Value, change: &dyn Fn(&Value) -> Option<Value>, check: &mut dyn FnMut(&str, Value)) {
    fn walk(
        whole: &Value,
        pointer: &str,
        change: &dyn Fn(&Value) -> Option<Value>,
        check: &mut dyn FnMut(&str, Value),
    ) {
        let here = whole.pointer(pointer).unwrap().clone();
        if let Some(changed) = change(&here) {
            let mut copy = whole.clone();
            *copy.pointer_mut(pointer).unwrap() = changed;
            check(pointer, copy);
        }
        let keys: Vec<_> = match &here {
            Value::Object(members) => members
                .keys()
                .map(|key| key.replace('~', "~0").replace('/', "~1"))
                .collect(),
            Value::Array(items) => (0..items.len()).map(|index| index.to_string()).collect(),
            _ => Vec::new(),
        };
        for key in keys {
            walk(whole, &format!("{pointer}/{key}"), change, check);
        }
    }
    walk(json, "", change, check);
}

#[test]
fn nothing_added_anywhere_is_ignored() {
    let policy: Value = serde_json::from_str(&odrl("dev/pcf-usage-until.json")).unwrap();
    let add = |value: &Value| {
        let mut object = value.as_object()?.clone();
        object.insert("surprise".to_owned(), Value::Null);
        Some(Value::Object(object))
    };
    let mut places = 0;
    at_each_place(&policy, &add, &mut |pointer, changed| {
        places += 1;
        let error = Terms::from_odrl(&changed.to_string()).unwrap_err();
        assert!(error.to_string().contains("`surprise`"), "{pointer}: {error}");
    });
    assert_eq!(places, 7);
}

#[test]
fn no_text_is_replaced_by_an_unknown_one_without_being_refused_or_named_in_the_digest() {
    let policy: Value = serde_json::from_str(&odrl("dev/pcf-usage-until.json")).unwrap();
    let original = terms(&policy.to_string()).digest();
    let replace = |value: &Value| value.as_str().map(|_| Value::from("surprise"));
    let mut accepted = Vec::new();
    at_each_place(&policy, &replace, &mut |pointer, changed| {
        if let Ok(terms) = Terms::from_odrl(&changed.to_string()) {
            accepted.push((pointer.to_owned(), terms.digest() == original));
        }
    });
    // Only an id is set aside, and a purpose is any text.
    let purpose = "/permission/0/constraint/0/and/2/rightOperand/0".to_owned();
    assert_eq!(accepted, [("/@id".to_owned(), true), (purpose, false)]);
}

#[test]
fn a_normal_form_in_another_spelling_is_refused() {
    let terms = terms(&odrl("dev/pcf-usage.json"));
    let text = String::from_utf8(terms.canonical().to_vec()).unwrap();
    let check = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        Terms::from_normal_form(text.replacen(from, to, 1).as_bytes()).unwrap_err()
    };
    assert_eq!(check("{", "{ "), ContractError::NotCanonical);
    assert_eq!(check("active", "\\u0061ctive"), ContractError::NotCanonical);
    assert!(matches!(check("terms/1", "terms/2"), ContractError::NotJson { .. }));
    assert!(matches!(
        check("\"kind\"", "\"kind\":\"usage\",\"kind\""),
        ContractError::NotJson { .. }
    ));
    assert!(matches!(check("active", "passive"), ContractError::Refused { .. }));
    assert!(matches!(
        check("\"usage\"", "\"access\""),
        ContractError::Refused { .. }
    ));
}

#[test]
fn terms_can_be_shared_between_threads() {
    fn check<T: Send + Sync>(_: &T) {}
    check(&terms(&odrl("dev/pcf-usage.json")));
}

/// The comparison of Cedar with the second opinion is worth what it reaches: every operand that decides must be seen in texts that
/// grant and in texts that do not, and every moment with each verdict it has.
#[test]
fn random_requests_reach_every_verdict_of_every_operand() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..2000 {
        let draft = drafts().new_tree(&mut runner).unwrap().current();
        let form = normal(&Coin(seed).spell(&draft)).canonical().unwrap();
        let form: Value = serde_json::from_slice(&form).unwrap();
        for _ in 0..6 {
            let ask = asks().new_tree(&mut runner).unwrap().current();
            let verdict = format!("{:?}", oracle::verdict(&form, &ask));
            seen.insert(format!("{} {verdict}", ask.moment));
            let rules = [&draft.permissions, &draft.prohibitions, &draft.obligations];
            for atom in rules.into_iter().flatten().flatten() {
                seen.insert(format!("{} {verdict}", atom.operand));
            }
        }
    }
    let mut missing = Vec::new();
    let mut need = |what: &str, verdicts: &[&str]| {
        let all = verdicts.iter().map(|verdict| format!("{what} {verdict}"));
        missing.extend(all.filter(|line| !seen.contains(line)));
    };
    for moment in Moment::ALL {
        need(moment.as_str(), &["Permit", "Silent", "Forbid"]);
    }
    for operand in crate::contract::operand::Operand::ALL {
        need(operand.name(), &["Permit", "Silent"]);
    }
    for operand in [
        "DataProvisioningEndDate",
        "DataProvisioningEndDurationDays",
        "AffiliatesBpnl",
        "AffiliatesRegion",
    ] {
        need(operand, &["Forbid"]);
    }
    assert!(missing.is_empty(), "never reached: {missing:?}");
}

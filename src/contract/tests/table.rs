//! The table of operands against `fixtures/odrl/left-operands.json`, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::odrl;
use crate::contract::Kind;
use crate::contract::operand::{Entry, FRAMEWORKS, Operand, Place, Release, Sort, Takes};

/// What the profile says of each operand, by name.
fn profile() -> BTreeMap<String, Value> {
    let file: Value = serde_json::from_str(&odrl("left-operands.json")).unwrap();
    let operands = file["operands"].as_array().unwrap().iter();
    operands
        .map(|operand| (operand["leftOperand"].as_str().unwrap().to_owned(), operand.clone()))
        .collect()
}

fn texts(list: &Value) -> BTreeSet<&str> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|text| text.as_str().unwrap()).collect()
}

fn place(place: &Place) -> &'static str {
    match (place.kind, place.sort) {
        (Kind::Access, Sort::Permission) => "access.permission",
        (Kind::Access, Sort::Prohibition) => "access.prohibition",
        (Kind::Access, Sort::Obligation) => "access.obligation",
        (Kind::Usage, Sort::Permission) => "usage.permission",
        (Kind::Usage, Sort::Prohibition) => "usage.prohibition",
        (Kind::Usage, Sort::Obligation) => "usage.obligation",
    }
}

#[test]
fn it_has_the_operands_of_the_profile_and_one_of_the_connectors() {
    let profile = profile();
    let ours: BTreeSet<_> = Operand::ALL.iter().map(|operand| operand.name()).collect();
    assert_eq!(ours.len(), Operand::ALL.len(), "a name stands twice");
    let theirs: BTreeSet<_> = profile.keys().map(String::as_str).chain(["inForceDate"]).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn each_stands_where_the_profile_has_it_takes_its_operators_and_belongs_to_its_releases() {
    let profile = profile();
    for operand in Operand::ALL {
        let Some(theirs) = profile.get(operand.name()) else {
            continue;
        };
        let Entry {
            name,
            releases,
            places,
            beyond,
            operators,
            ..
        } = operand.entry();
        let ours: BTreeSet<_> = places.iter().map(place).collect();
        assert_eq!(ours, texts(&theirs["rules"]), "{name}");
        assert!(beyond.iter().all(|place| !places.contains(place)), "{name}");
        let ours: BTreeSet<_> = operators.iter().map(|operator| operator.name()).collect();
        assert_eq!(ours, texts(&theirs["operators"]), "{name}");
        let takes_list = operators.iter().all(|operator| operator.takes_list());
        assert_eq!(takes_list, theirs["rightOperand"]["cardinality"] == "array", "{name}");
        let releases = releases.iter().map(|release| match release {
            Release::R2509 => "25.09",
            Release::R2609 => "26.09",
        });
        assert_eq!(releases.collect::<BTreeSet<_>>(), texts(&theirs["profiles"]), "{name}");
    }
}

#[test]
fn each_takes_the_values_of_the_profile() {
    for (name, theirs) in profile() {
        let operand = Operand::ALL.into_iter().find(|operand| operand.name() == name).unwrap();
        let right = &theirs["rightOperand"];
        let open = right["open"]["pattern"].as_str().or(right["open"]["type"].as_str());
        let values = texts(&right["values"]);
        match operand.entry().takes {
            Takes::Listed(ours) => {
                assert_eq!(ours.iter().copied().collect::<BTreeSet<_>>(), values, "{name}");
                assert_eq!(open, None, "{name}");
            }
            // Purposes have known values besides, which are texts like any other.
            Takes::Texts { .. } => assert_eq!(open, Some("string"), "{name}"),
            Takes::Partners => assert_eq!(open, Some("^BPNL[0-9A-Z]{12}$"), "{name}"),
            Takes::Date => assert!(open.unwrap().contains(r"\d{4}-\d{2}-\d{2}T"), "{name}"),
            Takes::Count => {
                assert_eq!(open, Some("^[1-9][0-9]*$"), "{name}");
                assert_eq!(right["open_25_09"]["type"], "integer", "{name}");
            }
            // Those of the older profile are open.
            Takes::Framework => assert_eq!(FRAMEWORKS.iter().copied().collect::<BTreeSet<_>>(), values, "{name}"),
            Takes::Bound => panic!("{name} is no operand of the profile"),
        }
    }
}

#[test]
fn what_excludes_what_and_what_must_be_there_is_as_in_the_profile() {
    let file: Value = serde_json::from_str(&odrl("left-operands.json")).unwrap();
    let theirs: BTreeSet<_> = file["at_most_one_of"].as_array().unwrap().iter().map(texts).collect();
    let mut ours = BTreeMap::<String, BTreeSet<_>>::new();
    for operand in Operand::ALL {
        if let Some(group) = operand.entry().group {
            ours.entry(format!("{group:?}")).or_default().insert(operand.name());
        }
    }
    assert_eq!(ours.into_values().collect::<BTreeSet<_>>(), theirs);
    assert_eq!(texts(&file["logical"]), ["and"].into());
    let mandatory = texts(&file["mandatory_in_usage_permission"]);
    assert_eq!(mandatory, ["FrameworkAgreement", "UsagePurpose"].into());
}

/// The older profile has four operands, and the connector's own.
#[test]
fn the_older_profile_has_its_own() {
    let has = |operand: &Operand| !operand.entry().old.is_empty();
    let old: Vec<_> = Operand::ALL.into_iter().filter(has).map(Operand::name).collect();
    let expected = [
        "ContractReference",
        "FrameworkAgreement",
        "Membership",
        "UsagePurpose",
        "inForceDate",
    ];
    assert_eq!(old, expected);
}

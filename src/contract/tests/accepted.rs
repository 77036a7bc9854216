//! Rows of what is taken and what is not, one operand, operator, value and place at a time: our own rows in the manner of the
//! reference connector's end to end test of policy definitions, made from `fixtures/odrl/left-operands.json`.

use serde_json::Value;

use super::{constraint, odrl};
use crate::contract::operand::{Operand, Operator};
use crate::contract::{Class, Profile, Terms};

const PLACES: [&str; 6] = [
    "access.permission",
    "access.prohibition",
    "access.obligation",
    "usage.permission",
    "usage.prohibition",
    "usage.obligation",
];

/// Places the profile does not list and Tidegate takes all the same, for the meaning is plain and it is enforced.
const BEYOND: [(&str, &str); 6] = [
    ("Membership", "access.prohibition"),
    ("Membership", "usage.prohibition"),
    ("BusinessPartnerNumber", "access.prohibition"),
    ("BusinessPartnerNumber", "usage.permission"),
    ("BusinessPartnerNumber", "usage.prohibition"),
    ("UsagePurpose", "usage.prohibition"),
];

/// A policy with one constraint more than such a policy needs, at `place`.
pub(super) fn policy(place: &str, constraint: &str) -> String {
    let (kind, sort) = place.split_once('.').unwrap();
    let action = if kind == "access" { "access" } else { "use" };
    let rule = |constraint: &str| format!(r#"{{"action":"{action}","constraint":[{constraint}]}}"#);
    if sort == "permission" {
        return match kind {
            "access" => super::access(constraint),
            _ => super::usage(constraint),
        };
    }
    let permission = match kind {
        "access" => super::access(""),
        _ => super::usage(""),
    };
    format!(
        r#"{},"{sort}":[{}]}}"#,
        permission.strip_suffix('}').unwrap(),
        rule(constraint)
    )
}

fn operands() -> Vec<Value> {
    let file: Value = serde_json::from_str(&odrl("left-operands.json")).unwrap();
    file["operands"].as_array().unwrap().clone()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|text| text.as_str().unwrap())
        .collect()
}

/// Right operands the profile gives an operand: each of its known values, or one of its open shape.
fn values(operand: &Value) -> Vec<String> {
    let right = &operand["rightOperand"];
    let mut values: Vec<_> = texts(&right["values"]).into_iter().map(str::to_owned).collect();
    match right["open"]["pattern"].as_str() {
        Some(pattern) if pattern.starts_with("^BPNL") => values.push("BPNL012345678910".to_owned()),
        Some(pattern) if pattern.contains('T') => values.push("2027-10-04T12:30:00+02:00".to_owned()),
        Some(_) => values.push("42".to_owned()),
        None if right["open"]["type"] == "string" => values.push("anything at all".to_owned()),
        None => {}
    }
    values
}

fn spelled(operand: &Value, value: &str) -> String {
    let text = Value::from(value).to_string();
    if operand["rightOperand"]["cardinality"] == "array" {
        format!("[{text}]")
    } else {
        text
    }
}

#[test]
fn each_operand_is_taken_where_the_profile_has_it_with_each_of_its_operators_and_values() {
    let mut rows = 0;
    for operand in operands() {
        let name = operand["leftOperand"].as_str().unwrap();
        let iri = operand["iri"].as_str().unwrap();
        for place in texts(&operand["rules"]) {
            for operator in texts(&operand["operators"]) {
                for value in values(&operand) {
                    for left in [name, iri] {
                        let text = policy(place, &constraint(left, operator, &spelled(&operand, &value)));
                        let read = Terms::from_odrl(&text);
                        let terms = read.unwrap_or_else(|error| panic!("{place} {name} {operator} {value}: {error}"));
                        let clauses = terms.constraints();
                        let found = clauses.iter().find(|clause| {
                            clause.operand == name && !clause.by_default && place.ends_with(clause.rule)
                        });
                        let found = found.unwrap_or_else(|| panic!("{place} {name} {operator} {value} is dropped"));
                        assert_ne!(found.class, Class::Refused);
                        rows += 1;
                    }
                }
            }
        }
    }
    assert_eq!(rows, 202);
}

#[test]
fn each_operand_is_refused_in_every_other_place() {
    let mut rows = 0;
    for operand in operands() {
        let name = operand["leftOperand"].as_str().unwrap();
        let operator = texts(&operand["operators"])[0];
        let value = values(&operand).remove(0);
        for place in PLACES {
            if texts(&operand["rules"]).contains(&place) {
                continue;
            }
            let read = Terms::from_odrl(&policy(place, &constraint(name, operator, &spelled(&operand, &value))));
            if BEYOND.contains(&(name, place)) {
                assert!(read.is_ok(), "{place} {name}");
            } else {
                let error = read.unwrap_err().to_string();
                assert!(
                    error.contains(&format!("left operand `{name}` has no meaning in ")),
                    "{place}: {error}"
                );
                rows += 1;
            }
        }
    }
    assert_eq!(rows, 29 * 6 - 33 - BEYOND.len());
}

#[test]
fn each_operand_is_refused_with_every_other_operator() {
    for operand in operands() {
        let name = operand["leftOperand"].as_str().unwrap();
        let value = spelled(&operand, &values(&operand)[0]);
        let place = texts(&operand["rules"])[0];
        let all = [
            "eq", "neq", "gt", "gteq", "lt", "lteq", "isAnyOf", "isAllOf", "isNoneOf", "isPartOf", "hasPart", "isA",
            "in",
        ];
        for operator in all {
            if texts(&operand["operators"]).contains(&operator) {
                continue;
            }
            let read = Terms::from_odrl(&policy(place, &constraint(name, operator, &value)));
            let error = read.unwrap_err().to_string();
            assert!(
                error.contains(&format!("does not take the operator `{operator}`")),
                "{name}: {error}"
            );
        }
    }
}

#[test]
fn each_operand_is_refused_with_a_value_it_does_not_take() {
    for operand in operands() {
        let name = operand["leftOperand"].as_str().unwrap();
        let operator = texts(&operand["operators"])[0];
        let place = texts(&operand["rules"])[0];
        let value = values(&operand).remove(0);
        let text = |text: &str| Value::from(text).to_string();
        let mut wrong = vec![
            text(""),
            "[]".to_owned(),
            "null".to_owned(),
            "true".to_owned(),
            "1.5".to_owned(),
            "{}".to_owned(),
        ];
        if operand["rightOperand"]["open"]["type"] == "string" && operand["rightOperand"]["open"]["pattern"].is_null() {
            wrong.push(text(&"x".repeat(257)));
        } else {
            wrong.extend([text("surprise"), text(&format!("{value} "))]);
            // Which framework agreements there are is open; one in other letters is another one.
            if name != "FrameworkAgreement" {
                wrong.extend(
                    [value.to_lowercase(), value.to_uppercase()]
                        .iter()
                        .map(|value| text(value)),
                );
            }
            wrong.retain(|wrong| *wrong != text(&value));
        }
        if operand["rightOperand"]["cardinality"] == "scalar" {
            wrong.push(format!("[{0},{0}]", text(&value)));
        }
        if operand["rightOperand"]["open_25_09"]["type"] == "integer" {
            wrong.extend(
                [
                    "0",
                    "-1",
                    "012",
                    "1e3",
                    "1000000000",
                    "9223372036854775808",
                    r#"{"@value":1.0}"#,
                    r#"{"@value":"042","@type":"xsd:integer"}"#,
                    r#"{"@value":"+42","@type":"xsd:integer"}"#,
                    r#"{"@value":"42","@type":"xsd:decimal"}"#,
                ]
                .map(str::to_owned),
            );
            wrong.extend(["0", "-1", "007", "+7", " 7", "7d", "1.0", "1000000000", "٣"].map(text));
        } else {
            wrong.push("7".to_owned());
        }
        for wrong in wrong {
            let read = Terms::from_odrl(&policy(place, &constraint(name, operator, &wrong)));
            let error = read
                .map(|terms| panic!("{name} {wrong}\n{}", terms.cedar_text()))
                .map_err(|error: crate::contract::ContractError| error.to_string());
            let error = error.unwrap_err();
            let not_json = wrong == "012" && error.contains("is not JSON");
            assert!(not_json || error.contains(".rightOperand"), "{name} {wrong}: {error}");
        }
    }
}

/// A number, its digits, either as a JSON-LD value, and a list of one are the same.
#[test]
fn a_number_is_the_same_in_each_spelling() {
    let policy = |value: &str| policy("usage.permission", &constraint("DataUsageEndDurationDays", "eq", value));
    let digests = [
        "42",
        r#""42""#,
        "[42]",
        r#"{"@value":42}"#,
        r#"{"@value":"42"}"#,
        r#"{"@list":["42"]}"#,
    ]
    .into_iter()
    .chain([
        r#"{"@value":42,"@type":"xsd:integer"}"#,
        r#"{"@type":"http://www.w3.org/2001/XMLSchema#integer","@value":42}"#,
        r#"{"@value":"42","@type":"http://www.w3.org/2001/XMLSchema#integer"}"#,
        r#"[{"@type":"xsd:positiveInteger","@value":"42"}]"#,
        r#""[{\"@value\":42}]""#,
    ])
    .map(|value| super::terms(&policy(value)).digest());
    let digests: std::collections::BTreeSet<_> = digests.collect();
    assert_eq!(digests.len(), 1);
}

#[test]
fn one_question_is_answered_once() {
    let two = |place: &str, a: &str, b: &str| Terms::from_odrl(&policy(place, &format!("{a},{b}")));
    let date = |text: &str| constraint("DataUsageEndDate", "eq", &format!("\"{text}\""));
    let (soon, late) = (date("2027-01-01T00:00:00Z"), date("2028-01-01T00:00:00Z"));
    let days = constraint("DataUsageEndDurationDays", "eq", "30");
    let unlimited = constraint("DataUsageEndDefinition", "eq", r#""cx.dataUsageEnd.unlimited:1""#);
    let months = constraint("WarrantyDurationMonths", "eq", "6");
    let contract = constraint("WarrantyDefinition", "eq", r#""cx.warranty.contractEndDate:1""#);
    for (a, b) in [
        (&soon, &late),
        (&soon, &days),
        (&days, &unlimited),
        (&unlimited, &soon),
        (&months, &contract),
    ] {
        for (a, b) in [(a, b), (b, a)] {
            let error = two("usage.permission", a, b).unwrap_err().to_string();
            assert!(
                error.contains("$.permission[0].constraint[0].and[3].leftOperand: `"),
                "{error}"
            );
            assert!(error.contains("keep one of them"), "{error}");
        }
    }
    // Said twice is said once, in whatever spelling.
    assert!(two("usage.permission", &soon, &date("2027-01-01T01:00:00+01:00")).is_ok());
    // Whether there is a warranty and for how long are two questions.
    let none = constraint("Warranty", "eq", r#""cx.warranty.none:1""#);
    assert!(two("usage.permission", &none, &months).is_ok());
    let provided = constraint("DataProvisioningEndDurationDays", "eq", "30");
    let until = constraint("DataProvisioningEndDate", "eq", r#""2027-01-01T00:00:00Z""#);
    assert!(two("usage.obligation", &provided, &until).is_err());
    let rules = [&provided, &until].map(|end| format!(r#"{{"action":"use","constraint":{end}}}"#));
    let text = super::usage("");
    let text = format!(
        r#"{},"obligation":[{}]}}"#,
        text.strip_suffix('}').unwrap(),
        rules.join(",")
    );
    let error = Terms::from_odrl(&text).unwrap_err().to_string();
    assert!(error.starts_with("$.obligation[1]: `DataProvisioningEnd"), "{error}");
}

/// What each profile has for an operand, counted so that nothing is taken by accident.
#[test]
fn the_table_is_as_large_as_it_was_when_it_was_read() {
    let old = |operand: &Operand| operand.operators(Profile::Cx2405).len();
    let operators: usize = Operand::ALL.iter().map(old).sum();
    assert_eq!(operators, 11);
    let lists = Operand::ALL.iter().flat_map(|operand| operand.entry().operators);
    assert_eq!(lists.filter(|operator| **operator == Operator::IsNoneOf).count(), 2);
}

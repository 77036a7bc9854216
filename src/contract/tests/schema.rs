//! What is accepted, compared with the official JSON Schema of CX-0152 of 26.09, over its samples and thousands of changes to
//! them. The two differ on purpose; each difference must be of a class in `fixtures/odrl/schema-26.09-differences.json`, and
//! each class must occur.
//!
//! Where Tidegate takes what the schema refuses, the class brings a change that puts the text into the spelling of 26.09 without
//! changing its terms, or takes out what 26.09 lacks; the schema must then accept it. Where Tidegate refuses what the schema
//! takes, the class is told by the fault.

mod repair;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::{Draft, Registry, Resource, Validator};
use serde_json::{Value, json};

use super::{constraint, odrl, samples};
use crate::contract::normal::of_text;
use crate::contract::{ContractError, Fault};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/odrl/schema-26.09");
    let mut schemas = Vec::new();
    read_schemas(&folder, &mut schemas);
    assert_eq!(schemas.len(), 31);
    let mut registry = Registry::new();
    for schema in &schemas {
        let id = schema["$id"].as_str().unwrap();
        let resource = Resource::from_contents(schema.clone());
        registry = registry.add(id, resource).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let policy = schemas.iter().find(|schema| schema["title"] == "CatenaXPolicySchema");
    let options = jsonschema::options()
        .with_draft(Draft::Draft201909)
        .with_registry(&registry);
    options.build(policy.unwrap()).unwrap()
});

fn read_schemas(folder: &Path, into: &mut Vec<Value>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_schemas(&path, into);
        } else {
            into.push(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap());
        }
    }
}

/// The classes on file: name, and why Tidegate differs there.
fn listed() -> BTreeMap<String, String> {
    serde_json::from_str(&odrl("schema-26.09-differences.json")).unwrap()
}

/// The class of what Tidegate refuses and the schema takes.
fn class_of_refusal(error: &ContractError) -> Result<&'static str, String> {
    let ContractError::Refused { fault, .. } = error else {
        return Err(error.to_string());
    };
    Ok(match fault {
        Fault::Mandatory { .. } => "mandatory-operand-missing",
        Fault::NoPermission => "no-permission",
        Fault::UnknownKey { .. } => "unknown-key",
        Fault::Context { .. } => "unknown-context",
        Fault::UnknownProfile { .. } => "unknown-profile",
        Fault::MixedProfiles { .. } => "mixed-profiles",
        Fault::Type { .. } => "unknown-type",
        Fault::Name { .. } => "no-single-name",
        Fault::AtMostOne { .. } => "contradiction-out-of-sight",
        Fault::Value { operand, .. } if operand.contains("Date") => "no-such-date",
        Fault::Value { .. } => "value-out-of-bounds",
        Fault::Shape { .. } => "shape-not-looked-at",
        other => return Err(format!("no class explains why we refuse it: {other}")),
    })
}

/// Compares on one text; gives the classes that explain a difference.
fn compare(text: &Value) -> Result<Vec<&'static str>, String> {
    let ours = of_text(&text.to_string(), None);
    match (ours, SCHEMA.is_valid(text)) {
        (Ok(_), true) | (Err(_), false) => Ok(Vec::new()),
        (Err(error), true) => class_of_refusal(&error).map(|class| vec![class]),
        (Ok(_), false) => {
            let (repaired, used) = repair::repair(text.clone(), |text| SCHEMA.is_valid(text));
            let problem = SCHEMA.iter_errors(&repaired).next().map(|error| error.to_string());
            match problem {
                Some(problem) => Err(format!(
                    "no class explains why the schema refuses it: {problem}\n{text}\n{repaired}"
                )),
                None => Ok(used),
            }
        }
    }
}

/// The official samples, each constraint in a policy around it, and texts with everything the compiler takes besides.
fn seeds() -> Vec<Value> {
    let parse = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let mut seeds = vec![
        parse(&odrl("cx-25.09/access-policy.json")),
        parse(&odrl("cx-25.09/usage-policy-sample.json")),
        parse(&odrl("cx-25.09/usage-policy-individual-constraints-sample.json")),
        parse(&odrl("cx-25.09/usage-policy-comprehensive-sample.json")),
        parse(&samples::comprehensive()),
        parse(&odrl("cx-2405/example_usage_policy.json")),
    ];
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/odrl/cx-25.09");
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        if !file.ends_with("-constraint-sample.json") {
            continue;
        }
        for place in [
            "access.permission",
            "usage.permission",
            "usage.prohibition",
            "usage.obligation",
        ] {
            let text = super::accepted::policy(place, &odrl(&format!("cx-25.09/{file}")));
            if place != "usage.permission" && of_text(&text, None).is_err() {
                continue;
            }
            let mut text = parse(&text);
            text["@id"] = json!("some-id");
            seeds.push(text);
        }
    }
    let policy = |more: &str| {
        let mut text = parse(&super::usage(more));
        text["@id"] = json!("some-id");
        text
    };
    let days = constraint("DataUsageEndDurationDays", "eq", "\"30\"");
    let unlimited = constraint("DataUsageEndDefinition", "eq", "\"cx.dataUsageEnd.unlimited:1\"");
    seeds.push(policy(&format!(r#"{days},{{"and":[{unlimited}]}}"#)));
    let old = odrl("cx-2405/example_usage_policy.json");
    seeds.push(parse(&old.replace("DataExchangeGovernance:1.0", "Quality:1.0")));
    let mut mixed = policy("");
    mixed["@context"] = json!(["https://w3id.org/catenax/2025/9/policy/context.jsonld"]);
    mixed["profile"] = json!("cx-policy:profile2405");
    seeds.push(mixed);
    let (membership, group) = (
        constraint("Membership", "eq", "\"active\""),
        constraint("BusinessPartnerGroup", "isAnyOf", "[\"gold\"]"),
    );
    seeds.push(parse(&super::access(&format!("{membership},{group}"))));
    seeds
}

/// JSON pointers to each value in a text.
fn pointers(text: &Value) -> Vec<String> {
    fn walk(value: &Value, pointer: &str, into: &mut Vec<String>) {
        into.push(pointer.to_owned());
        match value {
            Value::Object(members) => members
                .iter()
                .for_each(|(key, value)| walk(value, &format!("{pointer}/{key}"), into)),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.for_each(|(index, value)| walk(value, &format!("{pointer}/{index}"), into));
            }
            _ => {}
        }
    }
    let mut pointers = Vec::new();
    walk(text, "", &mut pointers);
    pointers
}

/// Changes of one value: what a writer may get wrong, or spell otherwise.
fn changes(value: &Value) -> Vec<Value> {
    let mut changed = vec![
        json!("surprise"),
        json!(7),
        json!([]),
        json!({}),
        json!(""),
        Value::Null,
    ];
    match value {
        Value::String(text) => {
            changed.extend([
                json!([text]),
                json!([text, text]),
                json!({"@value": text}),
                json!({"@id": text}),
            ]);
            changed.extend([
                json!(format!("{text} ")),
                json!(format!("https://w3id.org/catenax/2025/9/policy/{text}")),
            ]);
            changed.extend([json!(text.replace("-10-04T", "-13-04T")), json!("9".repeat(12))]);
            changed.extend(["eq", "isAnyOf", "isAllOf", "isNoneOf", "access", "use"].map(|word| json!(word)));
        }
        Value::Array(items) => {
            changed.extend(items.first().cloned());
            changed.push(json!([items.clone(), items.clone()].concat()));
            changed.push(json!([value.clone()]));
            changed.push(json!([{"and": items}]));
            changed.extend((0..items.len()).map(|index| {
                let mut fewer = items.clone();
                fewer.remove(index);
                json!(fewer)
            }));
        }
        Value::Object(members) => {
            changed.push(json!([value]));
            changed.push(json!({"or": [value]}));
            changed.extend(members.keys().map(|key| {
                let mut fewer = members.clone();
                fewer.remove(key);
                json!(fewer)
            }));
            let add = |key: &str, value: Value| {
                let mut more = members.clone();
                more.insert(key.to_owned(), value);
                json!(more)
            };
            changed.push(add("surprise", json!(1)));
            changed.push(add("uid", json!("x")));
            changed.push(add("prohibition", json!([{"action": "use"}])));
            changed.push(add("profile", json!("https://w3id.org/catenax/2025/9/policy/")));
        }
        _ => {}
    }
    changed.into_iter().filter(|changed| changed != value).collect()
}

#[test]
fn every_difference_from_the_official_schema_has_a_reason_on_file_and_every_reason_a_difference() {
    let (mut seen, mut unexplained, mut texts) = (BTreeSet::new(), BTreeSet::new(), 0);
    let mut compare = |text: &Value| match compare(text) {
        Ok(classes) => seen.extend(classes),
        Err(problem) => drop(unexplained.insert(problem)),
    };
    for seed in seeds() {
        compare(&seed);
        for pointer in pointers(&seed) {
            for changed in changes(seed.pointer(&pointer).unwrap()) {
                let mut text = seed.clone();
                *text.pointer_mut(&pointer).unwrap() = changed;
                texts += 1;
                compare(&text);
            }
        }
    }
    let few: Vec<_> = unexplained.iter().take(10).map(String::as_str).collect();
    assert!(
        few.is_empty(),
        "{} texts, among them\n{}",
        unexplained.len(),
        few.join("\n")
    );
    assert!(texts > 20_000, "{texts}");
    let listed = listed();
    let listed: BTreeSet<_> = listed.keys().map(String::as_str).collect();
    assert_eq!(seen, listed);
}

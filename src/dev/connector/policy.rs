//! Policies between contract text and message: one spelling on the wire, and whether two spellings mean the same.
//!
//! A policy is published in whatever spelling its author likes. The protocol's schemas want one: ODRL's terms bare, lists as
//! arrays, nothing empty, every operand by its full name so that a peer needs no context to read it. [`wire`] gives that
//! spelling. It changes no meaning, and the tests hold it to that for every sample we have: the terms before and after have
//! the same digest.
//!
//! A consumer must send back the policy it was offered, and gets it once more in the agreement. Connectors compare such texts
//! by their JSON and fail on order or arrays, without telling where. Here both are read as terms: [`same`] compares their
//! meaning and names the constraint that differs.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::message::put;
use crate::contract::{ContractError, Difference, Profile, Terms};
use crate::ids::Bpnl;

const ODRL: &str = "http://www.w3.org/ns/odrl/2/";
/// Prefixes of operands that do not depend on the profile.
const PREFIXES: [(&str, &str); 2] = [
    ("tx:", "https://w3id.org/tractusx/v0.0.1/ns/"),
    ("edc:", "https://w3id.org/edc/v0.0.1/ns/"),
];

/// The rules of a contract text in the spelling of the wire, without what names it or its parties.
///
/// # Errors
/// The text is no contract Tidegate understands; with the place and how to mend it.
pub fn wire(odrl: &str) -> Result<Map<String, Value>, ContractError> {
    let profile = Terms::from_odrl(odrl)?.profile();
    // What compiles is JSON.
    let text: Value = serde_json::from_str(odrl).unwrap_or_default();
    let mut policy = Map::new();
    for (key, value) in members(only(&text)) {
        match key {
            "permission" | "prohibition" | "obligation" => {
                let rules: Vec<_> = items(value).into_iter().map(|rule| wire_rule(rule, profile)).collect();
                if !rules.is_empty() {
                    policy.insert(key.to_owned(), Value::Array(rules));
                }
            }
            "profile" => {
                policy.insert(key.to_owned(), json!(named(&text_of(value), profile)));
            }
            _ => {}
        }
    }
    Ok(policy)
}

/// An offer of a catalog.
pub fn offer(id: &str, rules: &Map<String, Value>) -> Value {
    let mut offer = rules.clone();
    offer.insert("@type".into(), json!("Offer"));
    offer.insert("@id".into(), json!(id));
    Value::Object(offer)
}

/// An offer as a request for a contract names it: with its asset.
pub fn requested(id: &str, asset: &str, rules: &Map<String, Value>) -> Value {
    let mut offer = offer(id, rules);
    put(&mut offer, "target", json!(asset));
    offer
}

/// What an agreement says beside its rules.
#[derive(Clone, Debug)]
pub struct Agreed<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it is about.
    pub asset: &'a str,
    /// Who provides.
    pub provider: Bpnl,
    /// Who consumes.
    pub consumer: Bpnl,
    /// When it was made.
    pub at: Timestamp,
}

impl Agreed<'_> {
    /// The agreement with the rules of the offer it follows from.
    pub fn with(&self, rules: &Map<String, Value>) -> Value {
        let mut agreement = rules.clone();
        agreement.insert("@type".into(), json!("Agreement"));
        agreement.insert("@id".into(), json!(self.id));
        agreement.insert("target".into(), json!(self.asset));
        agreement.insert("assigner".into(), json!(self.provider));
        agreement.insert("assignee".into(), json!(self.consumer));
        agreement.insert("timestamp".into(), json!(format!("{:.3}", self.at)));
        Value::Object(agreement)
    }
}

/// Whether a policy that came back means what was offered.
///
/// # Errors
/// A sentence that names the constraint in which they differ, or says that the policy is not understood.
pub fn same(offered: &Value, returned: &Value) -> Result<(), String> {
    let read = |what: &str, policy: &Value| {
        Terms::from_odrl(&policy.to_string()).map_err(|error| format!("the policy {what} is not understood: {error}"))
    };
    let (offered, returned) = (read("offered", offered)?, read("sent back", returned)?);
    let differences = offered.differences(&returned);
    if differences.is_empty() {
        return Ok(());
    }
    let told: Vec<_> = differences.iter().map(told).collect();
    Err(format!(
        "the policy sent back is not the one offered: {}",
        told.join("; ")
    ))
}

/// A difference in half a sentence about the policy that came back.
fn told(difference: &Difference) -> String {
    let rule = |constraints: &[String]| match constraints {
        [] => "a rule without constraint".to_owned(),
        all => format!("a rule of `{}`", all.join("`, `")),
    };
    match difference {
        Difference::Kind { a, b } => format!("it is {b}, not {a}"),
        Difference::Profile { a, b } => format!("it is in the profile `{}`, not `{}`", b.namespace(), a.namespace()),
        Difference::Added { constraint, .. } => format!("it adds `{constraint}`"),
        Difference::Removed { constraint, .. } => format!("it lacks `{constraint}`"),
        Difference::Changed { from, to, .. } => format!("it has `{to}` for `{from}`"),
        Difference::RuleAdded { constraints, .. } => format!("it adds {}", rule(constraints)),
        Difference::RuleRemoved { constraints, .. } => format!("it lacks {}", rule(constraints)),
    }
}

fn wire_rule(rule: &Value, profile: Profile) -> Value {
    let mut out = Map::new();
    for (key, value) in members(rule) {
        match key {
            "action" => {
                out.insert(key.to_owned(), json!(odrl_name(&text_of(value))));
            }
            "constraint" => {
                let all: Vec<_> = items(value)
                    .into_iter()
                    .map(|one| wire_constraint(one, profile))
                    .collect();
                if !all.is_empty() {
                    out.insert(key.to_owned(), Value::Array(all));
                }
            }
            _ => {}
        }
    }
    Value::Object(out)
}

fn wire_constraint(constraint: &Value, profile: Profile) -> Value {
    let mut out = Map::new();
    for (key, value) in members(constraint) {
        let value = match key {
            "and" => Value::Array(
                items(value)
                    .into_iter()
                    .map(|one| wire_constraint(one, profile))
                    .collect(),
            ),
            "leftOperand" => json!(named(&text_of(value), profile)),
            "operator" => json!(odrl_name(&text_of(value))),
            "rightOperand" => wire_operand(value),
            _ => continue,
        };
        out.insert(key.to_owned(), value);
    }
    Value::Object(out)
}

/// A right operand: a text where one was written, else an array of texts.
fn wire_operand(value: &Value) -> Value {
    match value {
        Value::Array(_) => Value::Array(items(value).into_iter().map(|one| json!(text_of(one))).collect()),
        Value::Object(members) if members.contains_key("@list") || members.contains_key("@set") => {
            Value::Array(items(value).into_iter().map(|one| json!(text_of(one))).collect())
        }
        single => json!(text_of(single)),
    }
}

/// The members of an object, ODRL's names without prefix or namespace.
fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(key, value)| (odrl_name(key), value))
}

fn odrl_name(text: &str) -> &str {
    text.strip_prefix(ODRL)
        .or_else(|| text.strip_prefix("odrl:"))
        .unwrap_or(text)
}

/// A name of the Catena-X vocabulary in full.
fn named(text: &str, profile: Profile) -> String {
    for (prefix, namespace) in PREFIXES {
        if let Some(name) = text.strip_prefix(prefix) {
            return format!("{namespace}{name}");
        }
    }
    let name = text.strip_prefix("cx-policy:").unwrap_or(text);
    if name.contains(':') {
        name.to_owned()
    } else {
        format!("{}{name}", profile.namespace())
    }
}

/// The one element of an array of one, or the value itself.
fn only(value: &Value) -> &Value {
    match value {
        Value::Array(list) => list.first().unwrap_or(value),
        other => other,
    }
}

/// The elements of an array, `@list` or `@set`; anything else counts as its own only element.
fn items(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => match list.as_slice() {
            [only @ Value::Object(members)] if members.contains_key("@list") || members.contains_key("@set") => {
                items(only)
            }
            all => all.iter().collect(),
        },
        Value::Object(members) => match members.get("@list").or_else(|| members.get("@set")) {
            Some(inner) => items(inner),
            None => vec![value],
        },
        other => vec![other],
    }
}

/// The text of a name or literal in any of its spellings; of a number, its digits.
fn text_of(value: &Value) -> String {
    match only(value) {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Object(members) => members
            .get("@value")
            .or_else(|| members.get("@id"))
            .map(text_of)
            .unwrap_or_default(),
        _ => String::new(),
    }
}

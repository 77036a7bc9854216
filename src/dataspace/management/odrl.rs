//! Contract texts between a connector and Tidegate.
//!
//! A connector without Catena-X's contexts can read neither their names nor their prefixes, so a policy is sent with full
//! IRIs. What comes back is spelled by the connector's version: prefixed with `odrl:`, or plain; the contract reader takes
//! either. A policy's own `@id` is made anew at each reading and means nothing.

use serde_json::{Map, Value, json};

/// The names of the policy profile of 25.09.
const PROFILE: &str = "https://w3id.org/catenax/2025/9/policy/";
/// The names of the profiles of 2405 and 2408.
const OLD_PROFILE: &str = "https://w3id.org/catenax/policy/";
/// The kinds of rules.
const RULES: [&str; 3] = ["permission", "prohibition", "obligation"];

/// A policy as a connector takes it: only its rules, and in them the profile's names as IRIs.
///
/// # Errors
/// The text is not a JSON object.
pub fn for_connector(odrl: &str) -> Result<Value, serde_json::Error> {
    let text: Map<String, Value> = serde_json::from_str(odrl)?;
    let old = is_old(&text);
    let mut policy = Map::from_iter([("@type".to_owned(), json!("Set"))]);
    for rule in RULES {
        let rules = text.get(rule).or_else(|| text.get(&format!("odrl:{rule}"))).cloned();
        policy.insert(
            rule.to_owned(),
            whole(
                rules.unwrap_or_else(|| json!([])),
                if old { OLD_PROFILE } else { PROFILE },
            ),
        );
    }
    Ok(Value::Object(policy))
}

fn is_old(text: &Map<String, Value>) -> bool {
    let profile = text.get("profile").and_then(Value::as_str).unwrap_or_default();
    let context = text.get("@context").map(Value::to_string).unwrap_or_default();
    profile.contains("profile24") || context.contains("\"https://w3id.org/catenax/policy/\"")
}

/// The same with every operand and action of the profile as an IRI.
fn whole(value: Value, profile: &str) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| whole(item, profile)).collect(),
        Value::Object(members) => {
            let iri = |name: &str, value: Value| match (name.trim_start_matches("odrl:"), value) {
                ("leftOperand", Value::String(operand)) => Value::String(operand_iri(&operand, profile)),
                ("action", Value::String(action)) if action == "access" || action == "cx-policy:access" => {
                    Value::String(format!("{profile}access"))
                }
                (_, value) => whole(value, profile),
            };
            members
                .into_iter()
                .map(|(name, value)| (name.clone(), iri(&name, value)))
                .collect()
        }
        other => other,
    }
}

fn operand_iri(operand: &str, profile: &str) -> String {
    match operand.split_once(':') {
        None => format!("{profile}{operand}"),
        Some(("cx-policy", name)) => format!("{profile}{name}"),
        Some(_) => operand.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Terms;

    #[test]
    fn what_is_sent_means_what_was_written() {
        for text in [
            include_str!("../../../fixtures/odrl/dev/pcf-access.json"),
            include_str!("../../../fixtures/odrl/dev/pcf-usage.json"),
            include_str!("../../../fixtures/odrl/dev/pcf-usage-until.json"),
        ] {
            let sent = for_connector(text).unwrap();
            let digest = |text: &str| Terms::from_odrl(text).unwrap().digest();
            assert_eq!(digest(&sent.to_string()), digest(text));
            let shown = sent.to_string();
            assert!(
                !shown.contains("@context") && !shown.contains("\"leftOperand\":\"Membership\""),
                "{shown}"
            );
        }
    }
}

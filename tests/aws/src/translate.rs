//! What has to be said otherwise for the emulator to understand it.
//!
//! Two features of IAM that the bundle's documents are built on are missing in the emulator; with the documents as they are, it
//! would deny a tenant everything. So they are attached in other words, which AWS would answer alike for the tenants at hand:
//!
//! - **policy variables.** A statement with `${aws:PrincipalTag/bpnl}` becomes one statement for each tenant, with the tenant in the
//!   variable's place and the condition that the tag is this tenant's, and one more for sessions without the tag.
//! - **the ARN of a session's principal.** Where a condition compares `aws:PrincipalArn` with a role, the sessions of that role are
//!   added, for that is the ARN the emulator gives the key.
//!
//! Both are in `fixtures/emulator-differences.json`, each with a question that is asked in the documents' own words. When the
//! emulator learns one, that class explains nothing any more, the run fails, and the translation can go.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::Failure;

/// The tag that names the tenant, as a variable.
const VARIABLE: &str = "${aws:PrincipalTag/bpnl}";
const TAG: &str = "aws:PrincipalTag/bpnl";
/// In the variable's place where there is no tag: AWS lets such a pattern match nothing, and nothing has this name.
const NO_TAG: &str = "nobody";
const PRINCIPAL: &str = "aws:PrincipalArn";

/// Says a document so that the emulator understands it, for sessions with one of these tags.
///
/// # Errors
/// The text is no policy document.
pub fn for_emulator(document: &str, tags: &BTreeSet<String>) -> Result<String, Failure> {
    let mut document: Value = serde_json::from_str(document)?;
    let statements = document.get_mut("Statement").ok_or("a document without statements")?;
    let list = match statements.take() {
        Value::Array(list) => list,
        one => vec![one],
    };
    let list = list.iter().flat_map(|statement| of_each_tag(statement, tags));
    *statements = Value::Array(list.map(with_sessions).collect());
    Ok(document.to_string())
}

fn of_each_tag(statement: &Value, tags: &BTreeSet<String>) -> Vec<Value> {
    let text = statement.to_string();
    if !text.contains(VARIABLE) {
        return vec![statement.clone()];
    }
    let one = |value: &str, operator: &str, wanted: &str| {
        let mut filled: Value = serde_json::from_str(&text.replace(VARIABLE, value)).ok()?;
        let statement = filled.as_object_mut()?;
        let sid = statement.get("Sid").and_then(Value::as_str).unwrap_or_default();
        let sid = format!("{sid}{value}");
        statement.insert("Sid".to_owned(), json!(sid));
        let conditions = statement.entry("Condition").or_insert_with(|| json!({}));
        let tests = conditions.as_object_mut()?.entry(operator).or_insert_with(|| json!({}));
        tests.as_object_mut()?.insert(TAG.to_owned(), json!(wanted));
        Some(filled)
    };
    let tagged = tags.iter().filter_map(|tag| one(tag, "StringEquals", tag));
    tagged.chain(one(NO_TAG, "Null", "true")).collect()
}

fn with_sessions(mut statement: Value) -> Value {
    let operators = statement.get_mut("Condition").and_then(Value::as_object_mut);
    let tests = operators
        .into_iter()
        .flat_map(Map::values_mut)
        .filter_map(Value::as_object_mut);
    for test in tests {
        if let Some(roles) = test.get_mut(PRINCIPAL) {
            let own = match roles.take() {
                Value::Array(list) => list,
                one => vec![one],
            };
            let sessions = own.iter().filter_map(Value::as_str).map(session_of);
            let sessions: Vec<_> = sessions.map(Value::String).collect();
            *roles = own.into_iter().chain(sessions).collect();
        }
    }
    statement
}

/// The sessions of a role: `arn:aws:sts::…:assumed-role/{role}/*`.
fn session_of(role: &str) -> String {
    let sts = role
        .replacen(":iam:", ":sts:", 1)
        .replacen(":role/", ":assumed-role/", 1);
    format!("{sts}/*")
}

//! What stands in a template's place: all that a role's policies grant as one document, and what is meant where there is none.

use serde_json::{Value as Json, json};

use super::Export;
use super::export::Role;

/// All that a role's policies grant, as one document.
pub(super) fn granted(role: &Role, export: &Export) -> Result<String, String> {
    let unknown = everything();
    let inline = role.inline.iter().map(|(name, text)| (name.as_str(), text));
    let attached = role.attached.iter().map(|arn| {
        let name = arn.rsplit('/').next().unwrap_or(arn);
        (name, export.managed.get(arn).unwrap_or(&unknown))
    });
    let all: Vec<_> = inline.chain(attached).collect();
    let [(name, text), more @ ..] = all.as_slice() else {
        return Ok(json!({
            "Version": "2012-10-17",
            "Statement": [{"Sid": "None", "Effect": "Deny", "Action": "*", "Resource": "*"}],
        })
        .to_string());
    };
    let mut whole: Json = serde_json::from_str(text).map_err(|error| format!("`{name}`: {error}"))?;
    for (name, text) in more {
        let other: Json = serde_json::from_str(text).map_err(|error| format!("`{name}`: {error}"))?;
        if other.get("Version") != whole.get("Version") {
            return Err(format!(
                "`{name}` is of another version of the policy language than the role's other policies"
            ));
        }
        let added = statements(&other).into_iter().enumerate();
        let added = added.map(|(at, statement)| named(name, at, statement));
        let all: Vec<_> = statements(&whole).into_iter().chain(added).collect();
        if let Some(members) = whole.as_object_mut() {
            members.insert("Statement".to_owned(), Json::Array(all));
        }
    }
    Ok(whole.to_string())
}

fn statements(document: &Json) -> Vec<Json> {
    match document.get("Statement") {
        Some(Json::Array(statements)) => statements.clone(),
        Some(statement) => vec![statement.clone()],
        None => Vec::new(),
    }
}

/// A statement of a second policy: its Sid need not be other than those of the first, and answers are told by it.
fn named(policy: &str, at: usize, mut statement: Json) -> Json {
    let sid = statement.get("Sid").and_then(Json::as_str).unwrap_or_default();
    let sid = match sid {
        "" => format!("{policy}{at}"),
        sid => format!("{policy}{sid}"),
    };
    let sid: String = sid.chars().filter(char::is_ascii_alphanumeric).collect();
    if let Some(members) = statement.as_object_mut() {
        members.insert("Sid".to_owned(), Json::String(sid));
    }
    statement
}

/// A policy that allows all: what keeps nothing out.
pub(super) fn everything() -> String {
    let statement = json!({"Sid": "Unbounded", "Effect": "Allow", "Action": "*", "Resource": "*"});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

/// A resource's policy that says nothing, in place of none.
pub(super) fn nothing(action: &str) -> String {
    let statement = json!({"Sid": "NoPolicy", "Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

//! `ContextEntries`: condition keys with their values and types.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::error::SimulateError;
use super::input::{Reader, shown};
use crate::iam::context::Context;
use crate::iam::json::{Node, Value};
use crate::iam::pattern::is_condition_key;
use crate::iam::value::{Number, date};

/// The types of AWS's `ContextKeyTypeEnum` without `List`, and what their values look like.
const TYPES: [(&str, &str); 6] = [
    ("string", "a text"),
    ("numeric", "a number such as `10` or `-1.5`"),
    ("boolean", "`true` or `false`"),
    ("ip", "one address such as `203.0.113.7` or `2001:db8::1`"),
    ("binary", "base64 with padding"),
    ("date", "a date such as `2026-01-31T12:00:00Z`, or seconds since 1970"),
];

pub(super) fn read<'n>(reader: &Reader<'n>, node: &'n Node) -> Result<Context<'n>, SimulateError> {
    let mut context = Context::new();
    for node in reader.list("ContextEntries", node)? {
        let entry = Entry::read(reader, node)?;
        if context.iter().any(|(known, _)| known.eq_ignore_ascii_case(entry.key)) {
            let key = shown(entry.key);
            let message =
                format!("the context key `{key}` stands twice (case does not count); merge its values into one entry");
            return Err(reader.wrong(node, message));
        }
        context = match (is_multivalued(entry.key), entry.values.as_slice()) {
            (false, &[value]) => context.with(entry.key, value),
            _ => context.with_many(entry.key, entry.values),
        };
    }
    Ok(context)
}

struct Entry<'n> {
    key: &'n str,
    values: Vec<&'n str>,
}

/// Whether AWS knows the key as one of several values, which no policy variable can stand for (IAM User Guide, "Global condition
/// keys", value type). Of any other key a list with one value is that value.
fn is_multivalued(key: &str) -> bool {
    const KEYS: [&str; 8] = [
        "aws:CalledVia",
        "aws:PrincipalOrgPaths",
        "aws:PrincipalServiceNamesList",
        "aws:ResourceOrgPaths",
        "aws:SourceOrgPaths",
        "aws:TagKeys",
        "cognito-identity.amazonaws.com:amr",
        "sts:TransitiveTagKeys",
    ];
    KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
}

impl<'n> Entry<'n> {
    fn read(reader: &Reader<'n>, node: &'n Node) -> Result<Self, SimulateError> {
        let Value::Object(members) = &node.value else {
            let message =
                "an entry of `ContextEntries` is an object with ContextKeyName, ContextKeyValues, ContextKeyType";
            return Err(reader.wrong(node, message));
        };
        let (mut key, mut values, mut kind) = (None, None, None);
        for member in members {
            let slot = match member.key.as_str() {
                "ContextKeyName" => &mut key,
                "ContextKeyValues" => &mut values,
                "ContextKeyType" => &mut kind,
                other => {
                    let known = "ContextKeyName, ContextKeyValues, ContextKeyType";
                    let message = format!("`{}` is not a member of a context entry; known: {known}", shown(other));
                    return Err(reader.wrong(&member.node, message));
                }
            };
            *slot = Some(&member.node);
        }
        let need = |found: Option<&'n Node>, name| {
            found.ok_or_else(|| reader.wrong(node, format!("the context entry lacks `{name}`; add it")))
        };
        let key_node = need(key, "ContextKeyName")?;
        let key = reader.string("`ContextKeyName`", key_node)?;
        if !is_condition_key(key) || key.len() > 256 {
            let message = format!(
                "`{}` is not a condition key; write `prefix:name`, such as `s3:prefix`",
                shown(key)
            );
            return Err(reader.wrong(key_node, message));
        }
        let values_node = need(values, "ContextKeyValues")?;
        let nodes = reader.list("ContextKeyValues", values_node)?;
        let values: Vec<&str> = nodes
            .iter()
            .map(|node| scalar(reader, node))
            .collect::<Result<_, _>>()?;
        let list = match kind {
            Some(kind) => check(reader, key, kind, nodes, &values)?,
            None => true,
        };
        if values.is_empty() && !list {
            let message = format!("the context key `{}` has no value; leave the entry out", shown(key));
            return Err(reader.wrong(values_node, message));
        }
        Ok(Self { key, values })
    }
}

/// A value, which AWS takes as a string.
fn scalar<'n>(reader: &Reader<'n>, node: &'n Node) -> Result<&'n str, SimulateError> {
    node.scalar()
        .ok_or_else(|| reader.wrong(node, "a value in `ContextKeyValues` must be a string"))
}

/// Holds each value to the type, and says whether that is a list: only a list may be empty. Several values are taken of either.
fn check<'n>(
    reader: &Reader<'n>,
    key: &str,
    kind: &'n Node,
    nodes: &[Node],
    values: &[&str],
) -> Result<bool, SimulateError> {
    let name = reader.string("`ContextKeyType`", kind)?;
    let (base, list) = name.strip_suffix("List").map_or((name, false), |base| (base, true));
    let Some((_, form)) = TYPES.iter().find(|(known, _)| *known == base) else {
        let known: Vec<String> = TYPES.iter().map(|(known, _)| format!("{known}, {known}List")).collect();
        let message = format!(
            "`{}` is not a `ContextKeyType`; known: {}",
            shown(name),
            known.join(", ")
        );
        return Err(reader.wrong(kind, message));
    };
    for (node, value) in nodes.iter().zip(values) {
        if !is_of(base, value) {
            let message = format!("`{}` of the context key `{}` is not {form}", shown(value), shown(key));
            return Err(reader.wrong(node, message));
        }
    }
    Ok(list)
}

fn is_of(kind: &str, value: &str) -> bool {
    match kind {
        "numeric" => Number::parse(value).is_some(),
        "boolean" => value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
        "ip" => value.parse::<IpAddr>().is_ok(),
        "binary" => BASE64.decode(value).is_ok(),
        "date" => date(value).is_some(),
        _ => true,
    }
}

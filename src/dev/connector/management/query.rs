//! EDC's query: which of a list, from where, how many.

use std::cmp::Ordering;

use serde_json::Value;

use super::{EDC, Fault, member};

/// How many a query gives that does not say.
const LIMIT: u64 = 50;

/// What of `all` a query (`QuerySpec`) asks for; null asks for the first page. Criteria compare a member of the object with `=`, `in` or `like`.
pub(in crate::dev::connector) fn select(all: Vec<Value>, query: &Value) -> Result<Value, Fault> {
    let number = |name: &str, otherwise: u64| match member(query, name) {
        None | Some(Value::Null) => Ok(otherwise),
        Some(value) => value
            .as_u64()
            .ok_or_else(|| Fault::invalid(format!("`{name}` is not a number of things"))),
    };
    let (offset, limit) = (number("offset", 0)?, number("limit", LIMIT)?);
    if limit == 0 {
        return Err(Fault::invalid("`limit` must be at least 1"));
    }
    let criteria = match member(query, "filterExpression") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().map(Criterion::read).collect::<Result<_, _>>()?,
        Some(one) => vec![Criterion::read(one)?],
    };
    let mut found: Vec<_> = all
        .into_iter()
        .filter(|object| criteria.iter().all(|criterion| criterion.holds(object)))
        .collect();
    if let Some(name) = member(query, "sortField").and_then(Value::as_str) {
        let field = |object: &Value| object.get(name).cloned().unwrap_or_default();
        found.sort_by(|one, other| order(&field(one), &field(other)));
    }
    if member(query, "sortOrder").and_then(Value::as_str) == Some("DESC") {
        found.reverse();
    }
    let taken = found.into_iter().skip(usize::try_from(offset).unwrap_or(usize::MAX));
    Ok(Value::Array(
        taken.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect(),
    ))
}

/// The order of two members: numbers by value, texts by letters; what is neither counts as equal.
fn order(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Value::String(one), Value::String(other)) => one.cmp(other),
        _ => Ordering::Equal,
    }
}

/// One condition of a query.
struct Criterion<'q> {
    left: &'q str,
    operator: &'q str,
    right: &'q Value,
}

impl<'q> Criterion<'q> {
    fn read(value: &'q Value) -> Result<Self, Fault> {
        let left = super::text(value, "operandLeft")?;
        let left = left.strip_prefix(EDC).unwrap_or(left);
        let operator = super::text(value, "operator")?;
        if !["=", "in", "like"].contains(&operator) {
            return Err(Fault::invalid(format!(
                "the operator `{operator}` is not known; use `=`, `in` or `like`"
            )));
        }
        let right = member(value, "operandRight").ok_or_else(|| Fault::invalid("`operandRight` is missing"))?;
        Ok(Self { left, operator, right })
    }

    fn holds(&self, object: &Value) -> bool {
        let name = match self.left {
            "id" => "@id",
            // How EDC names the agreement of a negotiation in queries.
            "contractAgreement.id" => "contractAgreementId",
            other => other,
        };
        let Some(found) = object.get(name) else { return false };
        // A thing is compared by its name.
        let found = found.get("@id").unwrap_or(found);
        match (self.operator, self.right) {
            ("in", Value::Array(list)) => list.contains(found),
            ("like", Value::String(pattern)) => {
                let found = found.as_str().unwrap_or_default();
                match pattern.strip_suffix('%') {
                    Some(prefix) => found.starts_with(prefix),
                    None => found == pattern,
                }
            }
            (_, right) => found == right,
        }
    }
}

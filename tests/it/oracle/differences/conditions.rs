//! Operators that are read differently.

use jiff::Timestamp;
use serde_json::Value;

use super::{Keys, Known, each_condition, parts};

/// A set under a plain operator: any value for a positive one, all for a negated one, as with the set operator for it.
pub fn plain_operators(question: &mut Value) {
    let keys = Keys::of(question);
    each_condition(question, |_, operator, key, values| {
        let (set, name, _) = parts(operator);
        if !set.is_empty() || name == "Null" || !matches!(keys.get(key), Known::Set) {
            return Some((operator.to_owned(), values));
        }
        let set = if name.contains("Not") {
            "ForAllValues"
        } else {
            "ForAnyValue"
        };
        Some((format!("{set}:{operator}"), values))
    });
}

/// With `IfExists`, a condition on a key that is absent holds, whatever the operator.
pub fn any_value_if_exists(question: &mut Value) {
    let keys = Keys::of(question);
    each_condition(question, |_, operator, key, values| {
        let (set, _, if_exists) = parts(operator);
        let holds = set == "ForAnyValue" && if_exists && matches!(keys.get(key), Known::Absent);
        (!holds).then(|| (operator.to_owned(), values))
    });
}

/// One address as the network of one that it is.
pub fn addresses(question: &mut Value) {
    each_condition(question, |_, operator, _, values| {
        let network = |text: String| match text.contains('/') {
            true => text,
            false if text.contains(':') => format!("{text}/128"),
            false => format!("{text}/32"),
        };
        let is_ip = operator.contains("IpAddress");
        let values = if is_ip {
            values.into_iter().map(network).collect()
        } else {
            values
        };
        Some((operator.to_owned(), values))
    });
}

/// All addresses as two halves.
pub fn all_addresses(question: &mut Value) {
    each_condition(question, |_, operator, _, values| {
        let halves = |text: String| match text.as_str() {
            "0.0.0.0/0" => vec!["0.0.0.0/1".to_owned(), "128.0.0.0/1".to_owned()],
            _ => vec![text],
        };
        let is_ip = operator.contains("IpAddress");
        let values = if is_ip {
            values.into_iter().flat_map(halves).collect()
        } else {
            values
        };
        Some((operator.to_owned(), values))
    });
}

/// Seconds since 1970 as the date they are.
pub fn seconds(question: &mut Value) {
    let spelt = |text: String| match text.parse() {
        Ok(seconds) => Timestamp::from_second(seconds).unwrap().to_string(),
        Err(_) => text,
    };
    each_condition(question, |_, operator, _, values| {
        let is_date = parts(operator).1.starts_with("Date");
        let values = if is_date {
            values.into_iter().map(spelt).collect()
        } else {
            values
        };
        Some((operator.to_owned(), values))
    });
    for entry in question["ContextEntries"].as_array_mut().into_iter().flatten() {
        if entry["ContextKeyType"] == "date" {
            let value = &mut entry["ContextKeyValues"][0];
            *value = spelt(value.as_str().unwrap().to_owned()).into();
        }
    }
}

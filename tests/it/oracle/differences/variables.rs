//! Policy variables: which policies have them, and what one without a value does.

use serde_json::{Value, json};

use super::{Keys, Known, each_condition, each_statement, parts, texts};

/// A text and an ARN that no request holds.
const NEVER: &str = "never";
const NEVER_ARN: &str = "arn:never:never:never:never:never";

/// `${…}` in a policy without variables is plain text. No request here holds such a text, so a pattern with it is as good as
/// one that matches nothing.
pub fn before_2012(question: &mut Value) {
    let plain = |text: &String, never: &str| {
        if text.contains("${") {
            never.to_owned()
        } else {
            text.clone()
        }
    };
    each_statement(question, |variables, statement| {
        for name in ["Resource", "NotResource"] {
            if !variables && statement.get(name).is_some() {
                let replaced: Vec<String> = texts(&statement[name])
                    .iter()
                    .map(|text| plain(text, "arn:aws:never:::never"))
                    .collect();
                if replaced != texts(&statement[name]) {
                    statement[name] = json!(replaced);
                }
            }
        }
    });
    each_condition(question, |variables, operator, _, values| {
        let never = if parts(operator).1.starts_with("Arn") {
            NEVER_ARN
        } else {
            NEVER
        };
        let values = if variables {
            values
        } else {
            values.iter().map(|text| plain(text, never)).collect()
        };
        Some((operator.to_owned(), values))
    });
}

/// `${*}` is a star; where a star means nothing else, it may as well stand there itself.
pub fn escapes(question: &mut Value) {
    each_condition(question, |variables, operator, _, values| {
        let literal = parts(operator).1.starts_with("String") && !operator.contains("Like");
        let unescaped = |text: &String| text.replace("${*}", "*").replace("${?}", "?").replace("${$}", "$");
        let values = if literal && variables {
            values.iter().map(unescaped).collect()
        } else {
            values
        };
        Some((operator.to_owned(), values))
    });
}

/// The names of the variables in a text, with whether each has a default.
fn names(text: &str) -> Vec<(&str, bool)> {
    let pieces = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    pieces
        .map(|(inside, _)| {
            inside
                .split_once(',')
                .map_or((inside.trim(), false), |(name, _)| (name.trim(), true))
        })
        .filter(|(name, _)| !["*", "?", "$"].contains(name))
        .collect()
}

/// Whether a variable in the text has no value, so that it matches nothing.
fn lacks_a_value(text: &str, keys: &Keys) -> bool {
    names(text)
        .iter()
        .any(|(name, default)| !default && !matches!(keys.get(name), Known::One(_)))
}

/// A pattern without a value matches no resource, so that `NotResource` may go without it.
pub fn not_resource(question: &mut Value) {
    let keys = Keys::of(question);
    each_statement(question, |variables, statement| {
        if !variables || statement.get("NotResource").is_none() {
            return;
        }
        let all = texts(&statement["NotResource"]);
        let kept: Vec<&String> = all.iter().filter(|text| !lacks_a_value(text, &keys)).collect();
        if kept.is_empty() {
            statement.as_object_mut().unwrap().remove("NotResource");
            statement["Resource"] = json!("*");
        } else if kept.len() < all.len() {
            statement["NotResource"] = json!(kept);
        }
    });
}

/// Nothing is equal to or like a value that is not there, so that a negated operator may go without it. Without any, it
/// says of a key at most that it be present.
pub fn negated(question: &mut Value) {
    let keys = Keys::of(question);
    each_condition(question, |variables, operator, key, values| {
        let (set, name, _) = parts(operator);
        let text = name.starts_with("String") || name.starts_with("Arn");
        if !variables || !text || !name.contains("Not") {
            return Some((operator.to_owned(), values));
        }
        let kept: Vec<String> = values.into_iter().filter(|text| !lacks_a_value(text, &keys)).collect();
        if !kept.is_empty() {
            return Some((operator.to_owned(), kept));
        }
        let absent = matches!(keys.get(key), Known::Absent);
        (set == "ForAnyValue" && absent).then(|| (operator.to_owned(), vec![NEVER.to_owned()]))
    });
}

/// Variables of ARN operators, filled in; one without a value makes an ARN that matches nothing.
pub fn arns(question: &mut Value) {
    let keys = Keys::of(question);
    each_condition(question, |variables, operator, _, values| {
        if !variables || !parts(operator).1.starts_with("Arn") {
            return Some((operator.to_owned(), values));
        }
        let filled = |text: String| {
            if lacks_a_value(&text, &keys) {
                return NEVER_ARN.to_owned();
            }
            let replace = |text: String, (name, _): &(&str, bool)| match keys.get(name) {
                Known::One(value) => text.replace(&format!("${{{name}}}"), value),
                _ => text,
            };
            names(&text.clone()).iter().fold(text, replace)
        };
        Some((operator.to_owned(), values.into_iter().map(filled).collect()))
    });
}

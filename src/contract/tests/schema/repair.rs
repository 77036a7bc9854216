//! Changes that make a text of Tidegate's one of 26.09's.

use serde_json::{Value, json};

type Repair = fn(&mut Value);

/// The classes of what Tidegate takes and the schema refuses, each with what makes its point go away.
const REPAIRS: [(&str, Repair); 16] = [
    ("whole-array", |text| {
        if let Value::Array(items) = text
            && let [only] = items.as_slice()
        {
            *text = only.clone();
        }
    }),
    ("id-left-out", |text| {
        if let Some(members) = text.as_object_mut() {
            members.entry("@id").or_insert(json!("some-id"));
        }
    }),
    ("ids-and-types-in-a-constraint", |text| {
        each_constraint(text, &|constraint| {
            for key in ["@id", "uid", "@type"] {
                constraint.remove(key);
            }
        });
    }),
    ("expanded-spelling", |text| compact(text)),
    ("empty-list-of-rules", |text| {
        each_list(text, &|list| list.as_array().is_none_or(|rules| !rules.is_empty()));
    }),
    ("object-for-a-list", |text| {
        each_object(text, &|members| {
            for key in ["permission", "prohibition", "obligation", "constraint", "and"] {
                if let Some(value) = members.get_mut(key)
                    && value.is_object()
                {
                    *value = json!([value]);
                }
            }
        });
    }),
    ("whole-number", |text| {
        each_constraint(text, &|constraint| {
            if let Some(number) = constraint.get("rightOperand").and_then(Value::as_i64) {
                constraint.insert("rightOperand".to_owned(), json!(number.to_string()));
            }
        });
    }),
    ("scalar-or-list", |text| {
        each_constraint(text, &|constraint| {
            let takes_list = ["isAnyOf", "isAllOf", "isNoneOf"]
                .iter()
                .any(|name| constraint.get("operator") == Some(&json!(name)));
            let Some(right) = constraint.get_mut("rightOperand") else {
                return;
            };
            match right {
                Value::String(_) if takes_list => *right = json!([right]),
                Value::Array(items) if !takes_list && items.len() == 1 => *right = items.remove(0),
                _ => {}
            }
        });
    }),
    ("said-twice", |text| {
        each_object(text, &|members| {
            for value in members.values_mut() {
                if let Value::Array(items) = value {
                    let mut once: Vec<Value> = Vec::new();
                    for item in items.drain(..) {
                        if !once.contains(&item) {
                            once.push(item);
                        }
                    }
                    *items = once;
                }
            }
        });
    }),
    ("operand-beyond-its-places", |text| {
        each_rule(text, &["prohibition"], &|constraint| {
            !matches!(
                left(constraint),
                "Membership" | "BusinessPartnerNumber" | "UsagePurpose"
            )
        });
        each_rule(text, &["permission"], &|constraint| {
            left(constraint) != "BusinessPartnerNumber"
        });
    }),
    ("dropped-by-26-09", |text| {
        each_rule(text, &["permission"], &|constraint| {
            !left(constraint).starts_with("ManagedLegalEntity")
        });
    }),
    ("another-framework-agreement", |text| {
        each_constraint(text, &|constraint| {
            if left(&Value::Object(constraint.clone())) == "FrameworkAgreement" {
                constraint.insert("rightOperand".to_owned(), json!("DataExchangeGovernance:1.0"));
            }
        });
    }),
    ("operator-of-2405", |text| {
        each_constraint(text, &|constraint| {
            let list = match left(&Value::Object(constraint.clone())) {
                "UsagePurpose" => "isAnyOf",
                "ContractReference" => "isAllOf",
                _ => return,
            };
            if constraint.get("operator") == Some(&json!("eq")) {
                constraint.insert("operator".to_owned(), json!(list));
                let right = constraint.remove("rightOperand");
                constraint.insert("rightOperand".to_owned(), json!([right]));
            }
        });
    }),
    ("and-in-an-obligation", |text| {
        if let Some(Value::Array(rules)) = text.get_mut("obligation") {
            for rule in rules {
                while let Some(inner) = rule["constraint"][0].get_mut("and").map(Value::take) {
                    rule["constraint"] = inner;
                }
            }
        }
    }),
    ("constraints-without-and", |text| {
        each_object(text, &|members| {
            if let Some(Value::Array(items)) = members.get_mut("constraint")
                && items.len() > 1
            {
                *items = vec![json!({"and": items.clone()})];
            }
        });
    }),
    ("rule-without-constraints", |text| {
        each_list(text, &|list| {
            let bare = |rule: &Value| rule["constraint"].as_array().is_none_or(Vec::is_empty);
            !list.as_array().is_some_and(|rules| rules.iter().all(bare))
        });
        each_object(text, &|members| {
            for key in ["permission", "prohibition"] {
                if let Some(Value::Array(rules)) = members.get_mut(key) {
                    rules.truncate(1);
                }
            }
        });
    }),
];

/// Applies what is needed, in order, until the text is `sound`; gives the classes whose change changed anything.
pub(super) fn repair(mut text: Value, sound: impl Fn(&Value) -> bool) -> (Value, Vec<&'static str>) {
    let mut used = Vec::new();
    for (class, change) in REPAIRS {
        if sound(&text) {
            break;
        }
        let before = text.clone();
        change(&mut text);
        if text != before {
            used.push(class);
        }
    }
    (text, used)
}

fn left(constraint: &Value) -> &str {
    constraint["leftOperand"].as_str().unwrap_or_default()
}

fn each_object(value: &mut Value, change: &dyn Fn(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            change(members);
            members.values_mut().for_each(|value| each_object(value, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| each_object(value, change)),
        _ => {}
    }
}

fn each_constraint(text: &mut Value, change: &dyn Fn(&mut serde_json::Map<String, Value>)) {
    each_object(text, &|members| {
        if members.contains_key("leftOperand") || members.contains_key("and") {
            change(members);
        }
    });
}

/// Keeps the lists of rules that `keep` wants.
fn each_list(text: &mut Value, keep: &dyn Fn(&Value) -> bool) {
    if let Some(members) = text.as_object_mut() {
        for sort in ["permission", "prohibition", "obligation"] {
            if members.get(sort).is_some_and(|list| !keep(list)) {
                members.remove(sort);
            }
        }
    }
}

/// Keeps the constraints that `keep` wants in the rules of these sorts, and no rule that is left without any.
fn each_rule(text: &mut Value, sorts: &[&str], keep: &dyn Fn(&Value) -> bool) {
    fn prune(list: &mut Value, keep: &dyn Fn(&Value) -> bool) {
        if let Value::Array(items) = list {
            items.retain(|item| item.get("leftOperand").is_none() || keep(item));
            for item in items.iter_mut() {
                if let Some(and) = item.get_mut("and") {
                    prune(and, keep);
                }
            }
            items.retain(|item| {
                item.get("and")
                    .and_then(Value::as_array)
                    .is_none_or(|and| !and.is_empty())
            });
        }
    }
    for sort in sorts {
        let Some(Value::Array(rules)) = text.get_mut(*sort) else {
            continue;
        };
        for rule in rules.iter_mut() {
            if let Some(constraint) = rule.get_mut("constraint") {
                prune(constraint, keep);
            }
        }
        rules.retain(|rule| rule["constraint"].as_array().is_none_or(|list| !list.is_empty()));
        if rules.is_empty()
            && let Some(members) = text.as_object_mut()
        {
            members.remove(*sort);
        }
    }
}

/// Values without `@value` and `@id`, names without prefix and namespace.
fn compact(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let single = ["@value", "@id"]
                .iter()
                .find_map(|key| (members.len() == 1).then(|| members.get(*key)).flatten());
            if let Some(inner) = single {
                *value = inner.clone();
                return compact(value);
            }
            for key in members.keys().cloned().collect::<Vec<_>>() {
                if let Some(mut member) = members.remove(&key) {
                    compact(&mut member);
                    let list_of_one = ["@id", "profile", "action", "operator", "leftOperand"].contains(&key.as_str());
                    if let (true, Value::Array(items)) = (list_of_one, &member)
                        && let [only] = items.as_slice()
                    {
                        member = only.clone();
                    }
                    members.insert(key, member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(compact),
        Value::String(text) => {
            for prefix in ["https://w3id.org/catenax/2025/9/policy/", "cx-policy:", "odrl:"] {
                if let Some(name) = text
                    .strip_prefix(prefix)
                    .filter(|name| !name.is_empty() && !name.contains('.'))
                {
                    *text = name.to_owned();
                    return;
                }
            }
        }
        _ => {}
    }
}

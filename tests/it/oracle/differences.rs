//! Where the other evaluator is known to differ, and how to put a question so that it reads it as AWS's documentation does.
//!
//! A class of differences is no excuse for a case that merely looks like it. Each has a rewriting: the same question, spelt
//! so that the point the class is about cannot matter. A difference is explained by a class only if the other evaluator,
//! asked the rewritten question, gives our answer, and ours is the same for both spellings.

mod conditions;
mod principals;
mod requests;
mod variables;

use serde_json::Value;

/// A class: its name in `fixtures/oracle-differences.json`, and its rewriting.
pub struct Class {
    pub name: &'static str,
    rewrite: fn(&mut Value),
}

/// In the order the rewritings are applied.
pub const CLASSES: &[Class] = &[
    Class {
        name: "variables-before-2012",
        rewrite: variables::before_2012,
    },
    Class {
        name: "escape-under-a-literal-operator",
        rewrite: variables::escapes,
    },
    Class {
        name: "not-resource-without-a-value",
        rewrite: variables::not_resource,
    },
    Class {
        name: "negated-operator-without-a-value",
        rewrite: variables::negated,
    },
    Class {
        name: "variable-in-an-arn-operator",
        rewrite: variables::arns,
    },
    Class {
        name: "star-in-the-request",
        rewrite: requests::stars,
    },
    Class {
        name: "set-under-a-plain-operator",
        rewrite: conditions::plain_operators,
    },
    Class {
        name: "any-value-if-exists",
        rewrite: conditions::any_value_if_exists,
    },
    Class {
        name: "address-of-the-other-family",
        rewrite: conditions::addresses,
    },
    Class {
        name: "network-of-all-addresses",
        rewrite: conditions::all_addresses,
    },
    Class {
        name: "seconds-since-1970",
        rewrite: conditions::seconds,
    },
    Class {
        name: "not-principal",
        rewrite: principals::not_principal,
    },
    Class {
        name: "user-behind-a-federated-session",
        rewrite: principals::user_behind_a_session,
    },
    Class {
        name: "root-user",
        rewrite: principals::root,
    },
    Class {
        name: "root-user-takes-a-role-on",
        rewrite: principals::root_takes_a_role_on,
    },
    Class {
        name: "grant-to-a-session-itself",
        rewrite: principals::direct_grant,
    },
    Class {
        name: "web-identity-provider",
        rewrite: principals::provider,
    },
];

/// The question as these classes spell it, if that is another question at all for each of them.
pub fn rewritten(question: &Value, classes: &[&Class]) -> Option<Value> {
    let mut question = question.clone();
    each_policy(&mut question, |policy| {
        statements(policy);
    });
    for class in classes {
        let before = question.clone();
        (class.rewrite)(&mut question);
        if question == before {
            return None;
        }
    }
    Some(question)
}

const LISTS: [&str; 3] = [
    "PolicyInputList",
    "SessionPolicyInputList",
    "PermissionsBoundaryPolicyInputList",
];
const LEVELS: [&str; 2] = ["ServiceControlPolicyInputLists", "ResourceControlPolicyInputLists"];

/// Visits every policy of a question.
fn each_policy(question: &mut Value, mut visit: impl FnMut(&mut Value)) {
    for name in LISTS {
        items(&mut question[name]).iter_mut().for_each(&mut visit);
    }
    for name in LEVELS {
        for level in items(&mut question[name]) {
            items(level).iter_mut().for_each(&mut visit);
        }
    }
    if question["ResourcePolicy"].is_object() {
        visit(&mut question["ResourcePolicy"]);
    }
    // Indexing makes what is not there; nothing was there.
    question.as_object_mut().unwrap().retain(|_, value| !value.is_null());
}

/// Visits every statement, with whether its policy has variables.
fn each_statement(question: &mut Value, mut visit: impl FnMut(bool, &mut Value)) {
    each_policy(question, |policy| {
        let variables = policy["Version"] == "2012-10-17";
        policy.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        match &mut policy["Statement"] {
            Value::Array(statements) => statements.iter_mut().for_each(|statement| visit(variables, statement)),
            statement => visit(variables, statement),
        }
    });
}

/// Rebuilds every condition: gives the operator, key and values that stand in its place, if any do.
fn each_condition(
    question: &mut Value,
    mut rebuild: impl FnMut(bool, &str, &str, Vec<String>) -> Option<(String, Vec<String>)>,
) {
    each_statement(question, |variables, statement| {
        let Some(blocks) = statement.get("Condition").and_then(Value::as_object) else {
            return;
        };
        let mut rebuilt: Vec<(String, String, Vec<String>)> = Vec::new();
        for (operator, keys) in blocks {
            for (key, values) in keys.as_object().unwrap() {
                if let Some((operator, values)) = rebuild(variables, operator, key, texts(values)) {
                    rebuilt.push((operator, key.clone(), values));
                }
            }
        }
        let mut condition = Value::Object(serde_json::Map::new());
        for (operator, key, values) in rebuilt {
            // One operator names a key once; a clash would lose a condition.
            let clash = condition.get(&operator).is_some_and(|block| block.get(&key).is_some());
            if clash {
                return;
            }
            condition[&operator][&key] = match values.as_slice() {
                [value] => value.as_str().into(),
                values => values.into(),
            };
        }
        if condition.as_object().unwrap().is_empty() {
            statement.as_object_mut().unwrap().remove("Condition");
        } else {
            statement["Condition"] = condition;
        }
    });
}

/// The statements of a policy, which may be one without a list.
fn statements(policy: &mut Value) -> &mut Vec<Value> {
    let found = &mut policy["Statement"];
    if found.is_object() {
        *found = Value::Array(vec![found.take()]);
    }
    found.as_array_mut().unwrap()
}

fn items(value: &mut Value) -> &mut [Value] {
    value.as_array_mut().map_or(&mut [], Vec::as_mut_slice)
}

/// The texts of a value that is one or a list.
fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => vec![text(value)],
    }
}

/// What a request knows of a condition key.
enum Known {
    Absent,
    One(String),
    Set,
}

/// The keys of a request, those that AWS derives among them.
struct Keys(Vec<(String, Known)>);

impl Keys {
    fn of(question: &Value) -> Self {
        let mut keys = Vec::new();
        for entry in question["ContextEntries"].as_array().into_iter().flatten() {
            let set = entry["ContextKeyType"]
                .as_str()
                .is_some_and(|kind| kind.ends_with("List"));
            let known = if set {
                Known::Set
            } else {
                Known::One(texts(&entry["ContextKeyValues"])[0].clone())
            };
            keys.push((entry["ContextKeyName"].as_str().unwrap().to_lowercase(), known));
        }
        let caller = question["CallerArn"].as_str().unwrap_or_default();
        let segments: Vec<&str> = caller.splitn(6, ':').collect();
        if let [_, partition, service, _, account, resource] = segments.as_slice()
            && !resource.contains("-provider/")
        {
            let role = resource
                .strip_prefix("assumed-role/")
                .and_then(|rest| rest.split('/').next());
            let arn = match (service, role) {
                (&"sts", Some(role)) => format!("arn:{partition}:iam::{account}:role/{role}"),
                _ => caller.to_owned(),
            };
            keys.push(("aws:principalarn".to_owned(), Known::One(arn)));
            keys.push(("aws:principalaccount".to_owned(), Known::One((*account).to_owned())));
        }
        keys.push(("aws:resourceaccount".to_owned(), Known::One(owner(question))));
        Self(keys)
    }

    fn get(&self, key: &str) -> &Known {
        let found = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(key));
        found.map_or(&Known::Absent, |(_, known)| known)
    }
}

/// The account of the resource.
fn owner(question: &Value) -> String {
    let account = |arn: &str| arn.split(':').nth(4).unwrap_or_default().to_owned();
    let shown = account(question["ResourceArns"][0].as_str().unwrap());
    if !shown.is_empty() {
        return shown;
    }
    let said = question["ResourceOwner"].as_str().map(str::to_owned);
    said.unwrap_or_else(|| account(question["CallerArn"].as_str().unwrap_or_default()))
}

/// An operator's name, taken apart: set prefix, name, whether `IfExists` stands behind it.
fn parts(operator: &str) -> (&str, &str, bool) {
    let (set, rest) = operator.split_once(':').unwrap_or(("", operator));
    match rest.strip_suffix("IfExists") {
        Some(name) => (set, name, true),
        None => (set, rest, false),
    }
}

//! Who is meant, and what reaches them.

use serde_json::{Value, json};

use super::{each_statement, items, statements, texts};

fn caller(question: &Value) -> String {
    question["CallerArn"].as_str().unwrap().to_owned()
}

fn everything() -> Value {
    json!({ "Effect": "Allow", "Action": "*", "Resource": "*" })
}

/// All that a principal is known by: account, and role and session, or user.
fn names(caller: &str) -> Vec<String> {
    let segments: Vec<&str> = caller.splitn(6, ':').collect();
    let &[arn, partition, _, _, account, resource] = segments.as_slice() else {
        return vec![caller.to_owned()];
    };
    let root = format!("{arn}:{partition}:iam::{account}:root");
    let mut names = vec![root.clone()];
    if let Some(session) = resource.strip_prefix("assumed-role/") {
        let role = session.split('/').next().unwrap();
        names.push(format!("{arn}:{partition}:iam::{account}:role/{role}"));
    }
    if caller != root {
        names.push(caller.to_owned());
    }
    names
}

/// `NotPrincipal` spares only whom it names in full; a statement that spares nobody is about everyone.
pub fn not_principal(question: &mut Value) {
    let names = names(&caller(question));
    each_statement(question, |_, statement| {
        let Some(listed) = statement.get("NotPrincipal").map(|found| texts(&found["AWS"])) else {
            return;
        };
        if !names.iter().all(|name| listed.contains(name)) {
            statement.as_object_mut().unwrap().remove("NotPrincipal");
            statement["Principal"] = json!("*");
        }
    });
}

fn takes_a_role_on(question: &Value) -> bool {
    question["ActionNames"][0]
        .as_str()
        .unwrap()
        .to_lowercase()
        .starts_with("sts:")
}

/// The root user needs no policy: as good as one with a policy that allows everything.
pub fn root(question: &mut Value) {
    if caller(question).ends_with(":root") && !takes_a_role_on(question) {
        question["PolicyInputList"] = json!([{ "Version": "2012-10-17", "Statement": [everything()] }]);
    }
}

/// The root user takes no role on, whatever the role trusts: as good as a role that trusts nobody.
pub fn root_takes_a_role_on(question: &mut Value) {
    if caller(question).ends_with(":root") && takes_a_role_on(question) {
        only_denials(&mut question["ResourcePolicy"]);
    }
}

fn only_denials(policy: &mut Value) {
    let statements = statements(policy);
    statements.retain(|statement| statement["Effect"] == "Deny");
    if statements.is_empty() {
        statements.push(json!({ "Effect": "Deny", "Principal": { "AWS": "arn:aws:iam::000000000000:root" }, "Action": "sts:TagSession" }));
    }
}

/// What a resource's policy grants to the session itself, or to everyone, no silent session policy takes away. The caller's
/// own policies must not be what allows.
pub fn direct_grant(question: &mut Value) {
    let who = caller(question);
    let names_caller = |statement: &Value| {
        let named = &statement["Principal"];
        let listed = if named.is_object() {
            texts(&named["AWS"])
        } else {
            texts(named)
        };
        statement["Effect"] == "Allow" && listed.iter().any(|name| *name == who || name == "*")
    };
    let granted = question["ResourcePolicy"]["Statement"]
        .as_array()
        .is_some_and(|all| all.iter().any(names_caller));
    if !granted || question.get("SessionPolicyInputList").is_none() {
        return;
    }
    for policy in items(&mut question["SessionPolicyInputList"]) {
        statements(policy).push(everything());
    }
    for policy in items(&mut question["PolicyInputList"]) {
        let statements = statements(policy);
        statements.retain(|statement| statement["Effect"] == "Deny");
        statements.push(json!({ "Effect": "Deny", "Action": "never:Never", "Resource": "*" }));
    }
}

/// A provider of web identities has no policies of its own, whatever its name. The other evaluator knows so of Cognito, whose
/// name looks like a service's: as good as the same question with the two names exchanged.
pub fn provider(question: &mut Value) {
    const COGNITO: &str = "cognito-identity.amazonaws.com";
    let who = caller(question);
    if who != "accounts.google.com" && !who.contains("-provider/") {
        return;
    }
    question["CallerArn"] = COGNITO.into();
    each_statement(question, |_, statement| {
        if let Some(named) = statement.pointer_mut("/Principal/Federated") {
            if *named == who {
                *named = COGNITO.into();
            } else if *named == COGNITO {
                *named = who.as_str().into();
            }
        }
    });
}

/// A session of `GetFederationToken` speaks for the user who made it, whom its ARN does not show: a denial of any user of the
/// account may mean it.
pub fn user_behind_a_session(question: &mut Value) {
    let who = caller(question);
    let Some((head, _)) = who.split_once(":federated-user/") else {
        return;
    };
    let users = format!("{}:user/", head.replace(":sts:", ":iam:"));
    each_statement(question, |_, statement| {
        if statement["Effect"] != "Deny"
            || !statement["Principal"]["AWS"].is_string() && !statement["Principal"]["AWS"].is_array()
        {
            return;
        }
        let mut named = texts(&statement["Principal"]["AWS"]);
        if named.iter().any(|name| name.starts_with(&users)) && !named.contains(&who) {
            named.push(who.clone());
            statement["Principal"]["AWS"] = json!(named);
        }
    });
}

//! Random requests of the simulator over small alphabets, so that elements match often and for many reasons.

use serde_json::{Map, Value, json};

use super::conditions;
use super::dice::Dice;

const OWN: &str = "111122223333";
const FOREIGN: &str = "999988887777";

const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/acme/anna";
const OTHER_SESSION: &str = "arn:aws:sts::111122223333:assumed-role/acme/bert";
const ROLE: &str = "arn:aws:iam::111122223333:role/acme";
const OTHER_ROLE: &str = "arn:aws:iam::111122223333:role/globex";
const USER: &str = "arn:aws:iam::111122223333:user/anna";
const FEDERATED_USER: &str = "arn:aws:sts::111122223333:federated-user/fritz";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const FOREIGN_ROOT: &str = "arn:aws:iam::999988887777:root";
const SERVICE: &str = "lambda.amazonaws.com";
const COGNITO: &str = "cognito-identity.amazonaws.com";
const GOOGLE: &str = "accounts.google.com";
const OIDC: &str = "arn:aws:iam::111122223333:oidc-provider/idp.example.com";

/// What a request is about: an action, resources of its kind, and patterns for both.
struct Kind {
    actions: &'static [&'static str],
    resources: &'static [&'static str],
    action_patterns: &'static [&'static str],
    patterns: &'static [&'static str],
}

const OBJECTS: Kind = Kind {
    actions: &["s3:GetObject", "s3:PutObject", "S3:getobject"],
    resources: &[
        "arn:aws:s3:::pcf/acme/a",
        "arn:aws:s3:::pcf/acm*/a",
        "arn:aws:s3:::pcf/acme2/a",
        "arn:aws:s3:::pcf/globex/a",
        "arn:aws:s3:::pcf/globex/acme/a",
        "arn:aws:s3:::pcf/ACME/a",
    ],
    action_patterns: &[
        "s3:GetObject",
        "s3:Get*",
        "s3:*",
        "*",
        "S3:GETOBJECT",
        "s3:?etObject",
        "s3:PutObject",
        "s3:Put*",
        "sqs:*",
    ],
    patterns: &[
        "*",
        "arn:aws:s3:::*",
        "arn:aws:s3:::pcf/*",
        "arn:aws:s3:::pcf/acme/*",
        "arn:aws:s3:::pcf/acme*",
        "arn:aws:s3:::pcf/acm?/a",
        "arn:aws:s3:::pcf/*/a",
        "arn:aws:s3:::pcf/globex/a",
        "arn:aws:s3:::pcf/${aws:PrincipalTag/tenant}/*",
        "arn:aws:s3:::pcf/${aws:PrincipalTag/tenant, 'acme'}/*",
        "arn:aws:s3:::pcf/${aws:TagKeys}/*",
        "arn:aws:s3:::pcf/${*}/a",
        "arn:*:s3:::pcf/acme/a",
    ],
};

const SECRETS: Kind = Kind {
    actions: &["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
    resources: &[
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:pcf/acme/k-AbCdEf",
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:pcf/globex/k-AbCdEf",
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:pcf/acme/k-AbCdEf",
        "arn:aws:secretsmanager:eu-central-1:999988887777:secret:pcf/acme/k-AbCdEf",
    ],
    action_patterns: &[
        "secretsmanager:GetSecretValue",
        "secretsmanager:Get*",
        "secretsmanager:*",
        "*",
        "SecretsManager:getsecretvalue",
        "secretsmanager:*Secret",
        "s3:*",
    ],
    patterns: &[
        "*",
        "arn:aws:secretsmanager:*:111122223333:secret:pcf/acme/*",
        "arn:aws:secretsmanager:eu-central-1:*:secret:pcf/*",
        "arn:aws:secretsmanager:eu-*-?:111122223333:secret:*",
        "arn:aws:secretsmanager:*:*:secret:pcf/acme/k-??????",
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:pcf/acme/k",
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:pcf/${aws:PrincipalTag/tenant}/*",
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:pcf/${aws:ResourceTag/tenant}/*",
    ],
};

/// Actions that no resource can be named for.
const LISTS: Kind = Kind {
    actions: &["secretsmanager:ListSecrets", "s3:ListAllMyBuckets"],
    resources: &["*"],
    action_patterns: &[
        "secretsmanager:ListSecrets",
        "secretsmanager:List*",
        "s3:List*",
        "*",
        "s3:GetObject",
    ],
    patterns: &[
        "*",
        "*",
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:pcf/*",
        "arn:aws:s3:::*",
    ],
};

/// One random request.
pub fn question(dice: &mut Dice) -> Value {
    if dice.chance(20) { trust(dice) } else { access(dice) }
}

fn access(dice: &mut Dice) -> Value {
    let kind = dice.one(&[&OBJECTS, &OBJECTS, &SECRETS, &LISTS]);
    let lists = kind.resources == ["*"];
    let caller = match dice.below(40) {
        0..=24 => SESSION,
        25..=28 => ROLE,
        29..=32 => USER,
        33..=35 => FEDERATED_USER,
        36 => ROOT,
        37 | 38 => SERVICE,
        _ => "*",
    };
    // Services and the anonymous have no policies of their own, and without a resource there is no other.
    let caller = if lists && [SERVICE, "*"].contains(&caller) {
        SESSION
    } else {
        caller
    };
    let bare = [ROOT, SERVICE, "*"].contains(&caller);
    let mut question = json!({
        "PolicyInputList": if bare { Vec::new() } else { policies(dice, kind, 2) },
        "ActionNames": [dice.one(kind.actions)],
        "ResourceArns": [dice.one(kind.resources)],
        "ResourceOwner": if !lists && dice.chance(25) { FOREIGN } else { OWN },
        "CallerArn": caller,
        "ContextEntries": conditions::entries(dice, false),
    });
    if !lists && (bare || dice.chance(50)) {
        question["ResourcePolicy"] = resource_policy(dice, kind);
    }
    ceilings(dice, kind, &mut question);
    question
}

/// Who takes a role on.
fn trust(dice: &mut Dice) -> Value {
    const KIND: Kind = Kind {
        actions: &["sts:AssumeRole"],
        resources: &[OTHER_ROLE, "arn:aws:iam::999988887777:role/globex"],
        action_patterns: &["sts:AssumeRole", "sts:*", "*", "sts:Assume*", "STS:assumerole", "s3:*"],
        patterns: &[
            "*",
            OTHER_ROLE,
            "arn:aws:iam::*:role/globex",
            "arn:aws:iam::111122223333:role/g*",
            "arn:aws:iam::111122223333:role/acme",
        ],
    };
    let web = dice.chance(40);
    let caller = if web {
        dice.one(&[COGNITO, COGNITO, COGNITO, GOOGLE, OIDC])
    } else {
        dice.one(&[SESSION, SESSION, SESSION, ROLE, USER, ROOT, SERVICE])
    };
    let action = match (web, dice.chance(20)) {
        (_, true) => "sts:TagSession",
        (true, false) => "sts:AssumeRoleWithWebIdentity",
        (false, false) => "sts:AssumeRole",
    };
    let bare = web || [ROOT, SERVICE].contains(&caller);
    let statements: Vec<Value> = (0..=dice.below(2)).map(|_| trust_statement(dice, web)).collect();
    let mut question = json!({
        "PolicyInputList": if bare { Vec::new() } else { policies(dice, &KIND, 2) },
        "ActionNames": [action],
        "ResourceArns": [dice.one(KIND.resources)],
        "CallerArn": caller,
        "ContextEntries": conditions::entries(dice, true),
        "ResourcePolicy": document(dice, statements),
    });
    if !bare {
        ceilings(dice, &KIND, &mut question);
    }
    question
}

fn trust_statement(dice: &mut Dice, web: bool) -> Value {
    let principals = if web {
        json!({ "Federated": dice.one(&[COGNITO, COGNITO, GOOGLE, OIDC]) })
    } else {
        principal(dice)
    };
    let actions = dice.some(
        &[
            "sts:AssumeRole",
            "sts:AssumeRoleWithWebIdentity",
            "sts:TagSession",
            "sts:*",
            "sts:Assume*",
        ],
        3,
    );
    let mut statement = json!({ "Effect": effect(dice, 15), "Principal": principals, "Action": actions });
    conditions::add(dice, &mut statement, true);
    statement
}

/// Boundary, session, organization.
fn ceilings(dice: &mut Dice, kind: &Kind, question: &mut Value) {
    let caller = question["CallerArn"].as_str().unwrap().to_owned();
    if [SESSION, ROLE, USER].contains(&&*caller) && dice.chance(25) {
        question["PermissionsBoundaryPolicyInputList"] = policies(dice, kind, 1).into();
    }
    if [SESSION, FEDERATED_USER].contains(&&*caller) && dice.chance(30) {
        question["SessionPolicyInputList"] = policies(dice, kind, 1).into();
    }
    if !["*", SERVICE].contains(&&*caller) && dice.chance(20) {
        let levels: Vec<Value> = (0..=dice.below(2)).map(|_| control(dice, kind)).collect();
        question["ServiceControlPolicyInputLists"] = levels.into();
    }
    if dice.chance(15) {
        let mut denial = statement(dice, kind);
        denial["Effect"] = "Deny".into();
        denial["Principal"] = "*".into();
        // Only AWS's own may say `*`, and none `NotAction`.
        denial.as_object_mut().unwrap().remove("NotAction");
        let action = question["ActionNames"][0].as_str().unwrap();
        denial["Action"] = format!("{}:*", action.split_once(':').unwrap().0.to_lowercase()).into();
        let policy = json!({ "Version": "2012-10-17", "Statement": [denial] });
        question["ResourceControlPolicyInputLists"] = json!([[], [policy]]);
    }
}

/// The service control policies of one level.
fn control(dice: &mut Dice, kind: &Kind) -> Value {
    let full = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] });
    if dice.chance(50) {
        let mut denial = statement(dice, kind);
        denial["Effect"] = "Deny".into();
        return json!([full, { "Version": "2012-10-17", "Statement": [denial] }]);
    }
    if dice.chance(50) {
        json!([full])
    } else {
        policies(dice, kind, 1).into()
    }
}

fn policies(dice: &mut Dice, kind: &Kind, most: usize) -> Vec<Value> {
    let one = |dice: &mut Dice| {
        let mut statements: Vec<Value> = (0..=dice.below(3)).map(|_| statement(dice, kind)).collect();
        if dice.chance(25) {
            statements.push(json!({ "Sid": "Everything", "Effect": "Allow", "Action": "*", "Resource": "*" }));
        }
        document(dice, statements)
    };
    (0..=dice.below(most)).map(|_| one(dice)).collect()
}

fn document(dice: &mut Dice, statements: Vec<Value>) -> Value {
    let version = dice.one(&[
        "",
        "2008-10-17",
        "2012-10-17",
        "2012-10-17",
        "2012-10-17",
        "2012-10-17",
        "2012-10-17",
        "2012-10-17",
    ]);
    let mut policy = Map::new();
    if !version.is_empty() {
        policy.insert("Version".to_owned(), version.into());
    }
    let mut statements = Value::from(statements);
    if version != "2012-10-17" {
        // As plain text this is no ARN, and we refuse it.
        let text = statements
            .to_string()
            .replace("\"${aws:PrincipalArn}\"", "\"arn:aws:s3:::pcf\"");
        statements = serde_json::from_str(&text).unwrap();
    }
    if let Some([only]) = statements.as_array().map(Vec::as_slice)
        && dice.chance(30)
    {
        statements = only.clone();
    }
    policy.insert("Statement".to_owned(), statements);
    policy.into()
}

fn effect(dice: &mut Dice, denials: usize) -> &'static str {
    if dice.chance(denials) { "Deny" } else { "Allow" }
}

fn statement(dice: &mut Dice, kind: &Kind) -> Value {
    let mut statement = json!({ "Effect": effect(dice, 20) });
    let (actions, resources) = (dice.some(kind.action_patterns, 2), dice.some(kind.patterns, 2));
    statement[if dice.chance(12) { "NotAction" } else { "Action" }] = one_or_many(&actions);
    statement[if dice.chance(12) { "NotResource" } else { "Resource" }] = one_or_many(&resources);
    conditions::add(dice, &mut statement, false);
    statement
}

pub fn one_or_many(texts: &[&str]) -> Value {
    match texts {
        [text] => json!(text),
        texts => json!(texts),
    }
}

fn resource_policy(dice: &mut Dice, kind: &Kind) -> Value {
    let one = |dice: &mut Dice| {
        let mut statement = statement(dice, kind);
        if statement["Effect"] == "Deny" && dice.chance(30) {
            statement["NotPrincipal"] =
                json!({ "AWS": dice.some(&[SESSION, ROLE, ROOT, OTHER_SESSION, USER, FOREIGN_ROOT], 4) });
        } else {
            statement["Principal"] = principal(dice);
        }
        statement
    };
    let statements = (0..=dice.below(2)).map(|_| one(dice)).collect();
    document(dice, statements)
}

fn principal(dice: &mut Dice) -> Value {
    match dice.below(10) {
        0 => json!("*"),
        1 => json!({ "AWS": "*" }),
        2 => json!({ "AWS": OWN }),
        3 => json!({ "Service": SERVICE }),
        _ => {
            let names = [
                SESSION,
                SESSION,
                ROLE,
                ROLE,
                ROOT,
                USER,
                FEDERATED_USER,
                OTHER_SESSION,
                OTHER_ROLE,
                FOREIGN_ROOT,
                FOREIGN,
            ];
            json!({ "AWS": one_or_many(&dice.some(&names, 2)) })
        }
    }
}

//! Conditions and the keys they look at.

use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::generate::one_or_many;

/// A condition key: its type, what policies compare it with, and what requests hold.
struct Key {
    name: &'static str,
    kind: &'static str,
    patterns: &'static [&'static str],
    values: &'static [&'static str],
}

const fn key(
    name: &'static str,
    kind: &'static str,
    patterns: &'static [&'static str],
    values: &'static [&'static str],
) -> Key {
    Key {
        name,
        kind,
        patterns,
        values,
    }
}

const TENANTS: &[&str] = &["acme", "globex", "ACME", "*", "acm?"];
const TENANT_PATTERNS: &[&str] = &[
    "acme",
    "globex",
    "ac*",
    "acm?",
    "*",
    "${aws:PrincipalTag/tenant}",
    "${aws:ResourceTag/tenant}",
    "${aws:PrincipalTag/absent, 'acme'}",
    "${aws:TagKeys}",
    "${*}",
];
const ARNS: &[&str] = &[
    "arn:aws:s3:::pcf",
    "arn:aws:sns:eu-central-1:111122223333:topic",
    "arn:aws:sns:eu-central-1:111122223333:topic:more",
];
const NUMBERS: &[&str] = &["5", "10", "10.5", "-1"];
const DATES: &[&str] = &[
    "2026-01-31T12:00:00Z",
    "2026-01-31",
    "2026-01-31T13:00:00+01:00",
    "1769860800",
    "2026-02-01T00:00:00Z",
];
const ADDRESSES: &[&str] = &["203.0.113.7", "203.0.113.8", "10.1.2.3", "2001:db8::1"];

const KEYS: &[Key] = &[
    key("aws:PrincipalTag/tenant", "string", TENANT_PATTERNS, TENANTS),
    key("aws:ResourceTag/tenant", "string", TENANT_PATTERNS, TENANTS),
    key(
        "s3:prefix",
        "string",
        &["acme/", "acme/*", "*", "", "${aws:PrincipalTag/tenant}/*"],
        &["acme/", "acme/x", "globex/", "acme2"],
    ),
    key("AWS:principaltag/TENANT", "string", TENANT_PATTERNS, &[]),
    key(
        "aws:TagKeys",
        "stringList",
        &["tenant", "env", "t*", "${aws:PrincipalTag/tenant}"],
        &["tenant", "env", "x", "acme"],
    ),
    key("s3:max-keys", "numeric", NUMBERS, NUMBERS),
    key("aws:CurrentTime", "date", DATES, DATES),
    key(
        "aws:SecureTransport",
        "boolean",
        &["true", "false", "True"],
        &["true", "false"],
    ),
    key(
        "aws:SourceIp",
        "ip",
        &[
            "203.0.113.7",
            "203.0.113.0/24",
            "10.0.0.0/8",
            "0.0.0.0/0",
            "2001:db8::/32",
            "2001:db8::1",
        ],
        ADDRESSES,
    ),
    key(
        "aws:SourceArn",
        "arn",
        &[
            "arn:aws:s3:::pcf",
            "arn:aws:s3:::*",
            "arn:aws:sns:*:111122223333:*",
            "arn:*:sns:eu-central-1:*:topic",
            "${aws:PrincipalArn}",
            "arn:aws:sns:*:${aws:PrincipalAccount}:topic",
        ],
        ARNS,
    ),
    key(
        "aws:PrincipalArn",
        "arn",
        &[
            "arn:aws:iam::111122223333:role/acme",
            "arn:aws:iam::*:role/*",
            "arn:aws:iam::111122223333:user/anna",
            "arn:aws:sts::111122223333:assumed-role/acme/*",
        ],
        &[],
    ),
    key(
        "aws:PrincipalAccount",
        "string",
        &["111122223333", "999988887777", "1111*"],
        &[],
    ),
    key(
        "aws:ResourceAccount",
        "string",
        &["111122223333", "999988887777", "${aws:PrincipalAccount}"],
        &[],
    ),
    key("x:digest", "binary", &["QUJD", "QUJE", ""], &["QUJD", "QUJE"]),
];

/// What trust policies look at besides.
const TRUST: &[Key] = &[
    key(
        "cognito-identity.amazonaws.com:aud",
        "string",
        &["eu-central-1:own", "eu-central-1:*", "*"],
        &["eu-central-1:own", "eu-central-1:evil"],
    ),
    key(
        "cognito-identity.amazonaws.com:amr",
        "stringList",
        &["authenticated", "unauthenticated", "auth*"],
        &["authenticated", "unauthenticated", "graph.facebook.com"],
    ),
    key(
        "sts:ExternalId",
        "string",
        &["42", "4?", "${aws:PrincipalTag/tenant}"],
        &["42", "43"],
    ),
];

fn pick(dice: &mut Dice, trust: bool) -> &'static Key {
    if trust && dice.chance(70) {
        return &TRUST[dice.below(TRUST.len())];
    }
    &KEYS[dice.below(KEYS.len())]
}

fn operators(kind: &str) -> &'static [&'static str] {
    match kind {
        "numeric" => &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        "date" => &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        "boolean" => &["Bool"],
        "ip" => &["IpAddress", "NotIpAddress"],
        "arn" => &[
            "ArnEquals",
            "ArnLike",
            "ArnNotEquals",
            "ArnNotLike",
            "StringLike",
            "StringEquals",
        ],
        "binary" => &["BinaryEquals"],
        _ => &[
            "StringEquals",
            "StringNotEquals",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
            "StringLike",
            "StringNotLike",
        ],
    }
}

/// Puts up to two conditions into a statement.
pub fn add(dice: &mut Dice, statement: &mut Value, trust: bool) {
    let count = if dice.chance(50) { 0 } else { 1 + dice.below(2) };
    let mut blocks: Map<String, Value> = Map::new();
    for _ in 0..count {
        let key = pick(dice, trust);
        let (operator, values) = if dice.chance(8) {
            ("Null".to_owned(), json!(dice.one(&["true", "false"])))
        } else {
            let name = dice.one(operators(key.kind));
            let set = match (key.kind == "stringList", dice.below(10)) {
                (true, 0..=3) | (false, 0) => "ForAllValues:",
                (true, 4..=7) | (false, 1) => "ForAnyValue:",
                _ => "",
            };
            let exists = if dice.chance(15) { "IfExists" } else { "" };
            (format!("{set}{name}{exists}"), one_or_many(&dice.some(key.patterns, 2)))
        };
        let block = blocks.entry(operator).or_insert_with(|| json!({}));
        // The same key in another case is the same key, and stands once.
        let block = block.as_object_mut().unwrap();
        block.retain(|known, _| !known.eq_ignore_ascii_case(key.name));
        block.insert(key.name.to_owned(), values);
    }
    if count > 0 {
        statement["Condition"] = blocks.into();
    }
}

/// The keys a request holds.
pub fn entries(dice: &mut Dice, trust: bool) -> Value {
    let more = if trust { TRUST } else { &[] };
    let mut entries = Vec::new();
    for key in KEYS.iter().chain(more).filter(|key| !key.values.is_empty()) {
        if dice.chance(35) {
            continue;
        }
        let kind = if key.kind == "arn" { "string" } else { key.kind };
        let values = if kind == "stringList" {
            dice.some(key.values, 3)
        } else {
            vec![dice.one(key.values)]
        };
        entries.push(json!({ "ContextKeyName": key.name, "ContextKeyValues": values, "ContextKeyType": kind }));
    }
    entries.into()
}

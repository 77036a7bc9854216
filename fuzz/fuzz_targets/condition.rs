//! Any condition and context: never a panic, and an operator without a set prefix says the opposite of its negation.

#![no_main]

use libfuzzer_sys::{arbitrary::Arbitrary, fuzz_target};
use serde_json::json;
use tidegate::decision::IamDecision;
use tidegate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate};

/// Operators and their negations, where they have one.
const OPERATORS: [(&str, Option<&str>); 19] = [
    ("StringEquals", Some("StringNotEquals")),
    ("StringEqualsIgnoreCase", Some("StringNotEqualsIgnoreCase")),
    ("StringLike", Some("StringNotLike")),
    ("NumericEquals", Some("NumericNotEquals")),
    ("NumericLessThan", None),
    ("NumericLessThanEquals", None),
    ("NumericGreaterThan", None),
    ("NumericGreaterThanEquals", None),
    ("DateEquals", Some("DateNotEquals")),
    ("DateLessThan", None),
    ("DateLessThanEquals", None),
    ("DateGreaterThan", None),
    ("DateGreaterThanEquals", None),
    ("Bool", None),
    ("BinaryEquals", None),
    ("IpAddress", Some("NotIpAddress")),
    ("ArnLike", Some("ArnNotLike")),
    ("ArnEquals", Some("ArnNotEquals")),
    ("Null", None),
];

#[derive(Arbitrary, Debug)]
struct Case<'c> {
    operator: u8,
    set: u8,
    if_exists: bool,
    key: &'c str,
    values: Vec<&'c str>,
    context: Vec<(&'c str, Vec<&'c str>)>,
    /// The condition block as text, tried as it is.
    block: &'c str,
}

fn holds(block: &str, context: &[(&str, Vec<&str>)]) -> Option<bool> {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement":
            {{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {block}}}}}"#
    );
    let document = Document::parse_deployed("fuzz", &text, DocumentKind::Identity).ok()?;
    let context = context.iter().fold(Context::new(), |context, (key, values)| match values.as_slice() {
        [one] => context.with(*key, *one),
        many => context.with_many(*key, many.iter().copied()),
    });
    let request = Request {
        principal: Principal::parse("arn:aws:iam::111122223333:user/u").expect("a principal"),
        action: "a:b",
        resource: "*",
        resource_account: "111122223333",
        context,
    };
    let layers = Layers {
        identity: &[&document],
        ..Layers::default()
    };
    Some(evaluate(&request, &layers, &Params::new()).decision == IamDecision::Allowed)
}

fuzz_target!(|case: Case<'_>| {
    holds(case.block, &case.context);
    let (operator, negation) = OPERATORS[usize::from(case.operator) % OPERATORS.len()];
    // The key is often in the context, so that its values are looked at.
    let key = match case.context.first() {
        Some((key, _)) if case.set & 0x80 != 0 => key,
        _ => case.key,
    };
    let block = |name: &str| json!({ name: { key: case.values } }).to_string();
    let set = ["", "", "ForAllValues:", "ForAnyValue:"][usize::from(case.set & 3)];
    let if_exists = if case.if_exists { "IfExists" } else { "" };
    let held = holds(&block(&format!("{set}{operator}{if_exists}")), &case.context);
    if set.is_empty() && !case.if_exists
        && let Some(negation) = negation
    {
        assert_eq!(holds(&block(negation), &case.context), held.map(|held| !held), "{case:?}");
    }
});

//! Any pattern and text: small ones are matched as the definition says, and long ones in bounded time (libFuzzer's own
//! limit is the judge).

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use tidegate::decision::IamDecision;
use tidegate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate};

/// How long the long ones get, in bytes.
const LONG: usize = 64 * 1024;

/// Whether a `StringLike` with this pattern holds of the text; none if the pattern is refused.
fn like(pattern: &str, text: &str) -> Option<bool> {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": {"StringLike": {"x:k": pattern}},
        },
    });
    let document = Document::parse_deployed("fuzz", &policy.to_string(), DocumentKind::Identity).ok()?;
    let request = Request {
        principal: Principal::parse("arn:aws:iam::111122223333:user/u").expect("a principal"),
        action: "a:b",
        resource: "*",
        resource_account: "111122223333",
        context: Context::new().with("x:k", text),
    };
    let layers = Layers {
        identity: &[&document],
        ..Layers::default()
    };
    Some(evaluate(&request, &layers, &Params::new()).decision == IamDecision::Allowed)
}

/// The definition, by a table: which heads of the text the pattern so far matches.
fn naive(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut heads = vec![false; text.len() + 1];
    heads[0] = true;
    for wanted in pattern.chars() {
        let before = heads.clone();
        for (at, head) in heads.iter_mut().enumerate() {
            *head = match wanted {
                '*' => before[..=at].contains(&true),
                _ => at > 0 && before[at - 1] && (wanted == '?' || wanted == text[at - 1]),
            };
        }
    }
    heads[text.len()]
}

fuzz_target!(|pair: (&str, &str)| {
    let (pattern, text) = pair;
    if pattern.len() <= 64 && text.len() <= 64 && !pattern.contains("${") {
        assert_eq!(like(pattern, text), Some(naive(pattern, text)), "{pattern:?} on {text:?}");
    }
    if !pattern.is_empty() && !text.is_empty() {
        like(&pattern.repeat(LONG / pattern.len()), &text.repeat(LONG / text.len()));
    }
});

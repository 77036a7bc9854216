//! What the corpus asks of AWS, with the deployed documents in force, as requests any other evaluator can be asked.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate::iam::evaluate;
use tidegate::iam::simulate::{request_document, simulate};
use tidegate::parity::each_aws_request;

use crate::corpus::{BUNDLE, CORPUS};

/// Every request the corpus comes to, and the cases that cannot be put into a request: their session policy cannot be rendered, so
/// that AWS would never have seen it. Each document must mean what it was made from.
pub fn questions() -> (Vec<Value>, BTreeSet<String>) {
    let mut questions = Vec::new();
    let mut unrendered = BTreeSet::new();
    let asked = each_aws_request(&BUNDLE, &CORPUS, |id, request, layers, params| {
        let Ok(mut document) = request_document(request, layers, params) else {
            unrendered.insert(id.to_owned());
            return;
        };
        read_policies(&mut document);
        let said = simulate(&document.to_string()).unwrap_or_else(|error| panic!("{id}: {error}\n{document}"));
        let own = evaluate(request, layers, params).decision;
        assert_eq!(said.decisions().collect::<Vec<_>>(), [own], "{id}: {document}");
        questions.push(document);
    });
    asked.unwrap();
    (questions, unrendered)
}

/// Policies as objects in place of texts, which is how differences look at them.
fn read_policies(document: &mut Value) {
    fn read(value: &mut Value) {
        match value {
            Value::String(text) => *value = serde_json::from_str(text).unwrap(),
            Value::Array(policies) => policies.iter_mut().for_each(read),
            _ => {}
        }
    }
    let members = document.as_object_mut().unwrap();
    let policies = members.iter_mut().filter(|(name, _)| name.contains("Policy"));
    policies.for_each(|(_, value)| read(value));
}

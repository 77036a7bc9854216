//! Whether two policy documents say the same, however they are written.

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Whether the document that is deployed says what it should. IAM gives documents back percent-encoded (RFC 3986), other services as
/// they were put.
pub(super) fn says(deployed: &str, wanted: &str) -> bool {
    let decoded = percent_decode_str(deployed).decode_utf8().ok();
    let read = |text: &str| serde_json::from_str::<Value>(text).ok().map(settled);
    let wanted = read(wanted);
    wanted.is_some() && (read(deployed) == wanted || decoded.and_then(|text| read(&text)) == wanted)
}

/// With lists in order and lists of one as the one: in a policy neither means anything.
fn settled(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(settled).collect();
            items.sort_by_key(Value::to_string);
            match <[Value; 1]>::try_from(items) {
                Ok([one]) => one,
                Err(items) => Value::Array(items),
            }
        }
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| (name, settled(value)))
                .collect(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_document_is_written_does_not_matter_and_what_it_says_does() {
        let wanted = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*"}]}"#;
        let other = r#"{"Statement":{"Resource":["*"],"Action":["s3:PutObject","s3:GetObject"],"Effect":"Allow"},"Version":"2012-10-17"}"#;
        assert!(says(other, wanted));
        let encoded: String =
            percent_encoding::utf8_percent_encode(other, percent_encoding::NON_ALPHANUMERIC).to_string();
        assert!(says(&encoded, wanted));
        assert!(!says(&other.replace("s3:PutObject", "s3:*"), wanted));
        assert!(!says(&other.replace("Allow", "Deny"), wanted));
        assert!(!says("no document", wanted) && !says("", ""));
    }
}

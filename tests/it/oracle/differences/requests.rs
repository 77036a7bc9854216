//! What the request itself says.

use serde_json::Value;

/// A star in a resource's ARN is a letter.
pub fn stars(question: &mut Value) {
    for resource in question["ResourceArns"].as_array_mut().into_iter().flatten() {
        if let Some(text) = resource.as_str().filter(|text| *text != "*") {
            *resource = text.replace('*', "x").into();
        }
    }
}

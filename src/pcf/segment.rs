//! Texts of companies as segments of paths, and as values of forms.

use std::fmt::Write as _;

/// A text as one segment of a path or one value of a form: all but letters, digits and `-._~` is encoded, so no reader finds a border in it.
pub fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Into a string, which takes everything.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

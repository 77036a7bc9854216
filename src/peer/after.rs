//! How long a system asks to be left alone: `Retry-After` (RFC 9110, section 10.2.3), in seconds or until an instant.

use jiff::{SignedDuration, Timestamp};

/// The wait that is asked for; nothing where it does not read.
pub fn wait(text: &str, now: Timestamp) -> Option<SignedDuration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // What is too long for a number is too long to wait as well.
        return Some(SignedDuration::from_secs(text.parse().unwrap_or(i64::MAX)));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(until.timestamp().duration_since(now).max(SignedDuration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let now: Timestamp = "2026-11-06T08:49:00Z".parse().unwrap();
        let seconds = |text| wait(text, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Fri, 06 Nov 2026 08:49:37 GMT"), Some(37));
        assert_eq!(seconds("Fri, 06 Nov 2026 08:48:37 GMT"), Some(0));
        assert_eq!(seconds("99999999999999999999"), Some(i64::MAX));
        for none in ["", "-1", "1.5", "soon", "2026-11-06T08:49:37Z"] {
            assert_eq!(seconds(none), None, "{none}");
        }
    }
}

//! Request bodies of `application/x-www-form-urlencoded` and HTTP Basic credentials, read strictly.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::oauth::OAuthError;

/// The greatest length of a body, in bytes.
const MAX_BODY: usize = 8 * 1024;

/// The fields of a token request. No field may stand there twice (RFC 6749 section 3.2).
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a body.
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`]: it is too long, no form, or has a field twice.
    pub fn parse(body: &str) -> Result<Self, OAuthError> {
        if body.len() > MAX_BODY {
            return Err(OAuthError::InvalidRequest("the body is longer than 8 KiB"));
        }
        let malformed = OAuthError::InvalidRequest("the body is not a form");
        let mut fields = BTreeMap::new();
        for pair in body.split('&') {
            let (name, value) = pair.split_once('=').ok_or(malformed)?;
            let (name, value) = (decoded(name).ok_or(malformed)?, decoded(value).ok_or(malformed)?);
            if fields.insert(name, value).is_some() {
                return Err(OAuthError::InvalidRequest("a field stands in the body twice"));
            }
        }
        Ok(Self(fields))
    }

    /// The value of a field. One without a value counts as absent (RFC 6749 section 3.2).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of a field that must be there.
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`] with `problem`.
    pub fn need(&self, name: &str, problem: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::InvalidRequest(problem))
    }
}

/// The client id and secret of an `Authorization: Basic` header (RFC 6749 section 2.3.1, RFC 7617).
pub fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || credentials.len() > MAX_BODY {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decoded(id)?, decoded(secret)?))
}

/// A form's value without its `+` and `%XX`, or nothing where these are malformed.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut one = [0];
                hex::decode_to_slice([rest.next()?, rest.next()?], &mut one).ok()?;
                let [byte] = one;
                byte
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded_once() {
        let form = Form::parse("a=1&b=x%20y+z%2B&empty=&%C3%A4=%25").unwrap();
        assert_eq!(form.get("a"), Some("1"));
        assert_eq!(form.get("b"), Some("x y z+"));
        assert_eq!(form.get("empty"), None);
        assert_eq!(form.get("ä"), Some("%"));
    }

    #[test]
    fn a_form_with_two_readings_is_refused() {
        let long = format!("a={}", "x".repeat(MAX_BODY));
        for bad in [
            "",
            "a",
            "a=1&a=2",
            "a=1&%61=2",
            "a=%",
            "a=%2",
            "a=%zz",
            "a=%ff",
            "a=1&&b=2",
            "&a=1",
            long.as_str(),
        ] {
            assert!(matches!(Form::parse(bad), Err(OAuthError::InvalidRequest(_))), "{bad}");
        }
    }

    #[test]
    fn basic_credentials_are_read_as_rfc_6749_writes_them() {
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(basic(&header("id:a%3Ab")), Some(("id".to_owned(), "a:b".to_owned())));
        assert_eq!(
            basic(&header("id:").to_lowercase().replace("awq6", "aWQ6")),
            Some(("id".to_owned(), String::new()))
        );
        for bad in [
            "",
            "Basic",
            "Basic ",
            "Basic !",
            "Bearer aWQ6",
            "Basic  aWQ6",
            "Basic aWQ6\n",
            "Basic aWQ",
            "Basic aWQ=",
        ] {
            assert_eq!(basic(bad), None, "{bad:?}");
        }
    }
}

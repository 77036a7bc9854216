//! The query of a request, read whole. A parameter that stands twice or does not decode is an error that names it; so is one that is
//! not known, but for the PCF API: its later versions may add parameters, and whoever sends one of those must not fail for it. A
//! name that is a known one in another case is a mistake there, too: what it says would be passed over in silence.

use std::str::FromStr;

use crate::http::problem::{Kind, Problem};
use crate::pcf::MESSAGE;

/// The parameters of a query, decoded, each at most once.
#[derive(Debug)]
pub(in crate::http) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Reads `raw`, in which only the parameters `known` may stand.
    ///
    /// # Errors
    /// 400, naming the parameter.
    pub(in crate::http) fn read(raw: Option<&str>, known: &[&'static str]) -> Result<Self, Problem> {
        Self::read_with(raw, known, |_| false)
    }

    /// Reads the parameters `known` of `raw`, and passes over others.
    ///
    /// # Errors
    /// 400, naming the parameter.
    pub(in crate::http) fn read_known(raw: Option<&str>, known: &[&'static str]) -> Result<Self, Problem> {
        let is_another = |name: &str| {
            let meant = decoded(name).unwrap_or_else(|| name.to_owned());
            !known.iter().any(|known| known.eq_ignore_ascii_case(&meant))
        };
        Self::read_with(raw, known, is_another)
    }

    fn read_with(
        raw: Option<&str>,
        known: &[&'static str],
        passed_over: impl Fn(&str) -> bool,
    ) -> Result<Self, Problem> {
        let mut read: Vec<(&'static str, String)> = Vec::new();
        for pair in raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = known.iter().find(|known| **known == name) else {
                if passed_over(name) {
                    continue;
                }
                let expected = known.join("`, `");
                let detail = format!("a query parameter is not known here; `{expected}` are, spelled just so");
                return Err(Problem::with(Kind::Query, detail));
            };
            if read.iter().any(|(other, _)| other == name) {
                return Err(wrong(name, "stands more than once"));
            }
            let value = decoded(value).ok_or_else(|| wrong(name, "is not percent-encoded UTF-8"))?;
            read.push((name, value));
        }
        Ok(Self(read))
    }

    /// The value of a parameter, where it stands.
    pub(in crate::http) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a parameter, read as what it is to be.
    ///
    /// # Errors
    /// 400, naming the parameter and what is expected; never with the value that was sent.
    pub(in crate::http) fn parsed<T: FromStr<Err: std::fmt::Display>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, Problem> {
        let parse = |text: &str| text.parse().map_err(|error| wrong(name, &format!("is {error}")));
        self.text(name).map(parse).transpose()
    }

    /// `message`: words for a person.
    ///
    /// # Errors
    /// 400: it is too long, or holds control characters other than line breaks and tabs.
    pub(in crate::http) fn message(&self) -> Result<Option<String>, Problem> {
        let Some(text) = self.text("message") else {
            return Ok(None);
        };
        if text.chars().count() > MESSAGE {
            return Err(wrong("message", &format!("has more than {MESSAGE} characters")));
        }
        if text
            .chars()
            .any(|letter| letter.is_control() && !"\n\r\t".contains(letter))
        {
            return Err(wrong("message", "holds a control character"));
        }
        Ok(Some(text.to_owned()))
    }

    /// A parameter that is `true` or `false`, and `false` where it does not stand.
    ///
    /// # Errors
    /// 400: it is something else.
    pub(in crate::http) fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(wrong(name, "is neither `true` nor `false`")),
        }
    }
}

/// What is wrong with the parameter `name`.
pub(super) fn wrong(name: &'static str, problem: &str) -> Problem {
    Problem::with(Kind::Query, format!("`{name}` {problem}")).parameter(name)
}

/// The text a form-encoded value stands for: `+` is a space, `%` begins two hexadecimal digits.
pub(in crate::http) fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let mut decoded = [0];
                hex::decode_to_slice(digits, &mut decoded).ok()?;
                u8::from_ne_bytes(decoded)
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["message", "update", "requestId"];

    #[test]
    fn a_value_is_what_the_client_encoded() {
        for (sent, meant) in [
            ("", ""),
            ("a", "a"),
            ("No%20offset+included%2C%20please%21", "No offset included, please!"),
            ("%C3%A4%e2%82%ac", "ä€"),
            ("a=b", "a=b"),
            ("%2B", "+"),
            (
                "urn%3Asamm%3Aio.catenax.pcf%3A9.0.0%23Pcf",
                "urn:samm:io.catenax.pcf:9.0.0#Pcf",
            ),
        ] {
            let query = Query::read(Some(&format!("message={sent}")), &KNOWN).unwrap();
            assert_eq!(query.text("message"), Some(meant), "{sent}");
        }
        assert_eq!(Query::read(None, &KNOWN).unwrap().text("message"), None);
        assert_eq!(Query::read(Some("&&"), &KNOWN).unwrap().text("message"), None);
        assert_eq!(Query::read(Some("message"), &KNOWN).unwrap().text("message"), Some(""));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for bad in [
            "messages=a",
            "Message=a",
            "m%65ssage=a",
            "=a",
            "message=a&message=a",
            "message=%",
            "message=%4",
            "message=%zz",
            "message=%+1",
            "message=%ff",
            "message=%C3",
        ] {
            assert!(Query::read(Some(bad), &KNOWN).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_later_version_may_add_is_passed_over_and_what_is_misspelled_is_not() {
        let read = |raw: &str| Query::read_known(Some(raw), &KNOWN);
        for raw in [
            "message=a&later=1",
            "later=1&later=2&message=a",
            "%zz=1&message=a",
            "=x&message=a",
            "later&message=a",
            "messages=b&message=a",
        ] {
            assert_eq!(read(raw).unwrap().text("message"), Some("a"), "{raw}");
        }
        for bad in [
            "Message=a",
            "requestid=1",
            "m%65ssage=a",
            "%4Dessage=a",
            "message=a&message=a",
            "message=a&MESSAGE=a",
            "message=%zz",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_and_messages_have_their_bounds() {
        let read = |raw: &str| Query::read(Some(raw), &KNOWN).unwrap();
        assert!(!read("").flag("update").unwrap());
        assert!(!read("update=false").flag("update").unwrap());
        assert!(read("update=true").flag("update").unwrap());
        for bad in ["update=", "update=1", "update=True", "update"] {
            assert!(read(bad).flag("update").is_err(), "{bad}");
        }
        let message = |text: &str| read(&format!("message={text}")).message();
        assert_eq!(message(&"%C3%A4".repeat(250)).unwrap(), Some("ä".repeat(250)));
        assert!(message(&"a".repeat(251)).is_err());
        assert_eq!(message("a%0A%09b").unwrap().as_deref(), Some("a\n\tb"));
        for bad in ["%00", "%1B", "%7F"] {
            assert!(message(bad).is_err(), "{bad}");
        }
    }
}

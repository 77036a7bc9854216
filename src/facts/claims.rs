//! The claims of a token, read strictly.
//!
//! A claim may stand there once; a JSON value of another type than the claim's is neither absent nor converted; members
//! whose names are spelled with escapes are the same members. The payload must be an object: an array of values in the
//! order of our fields is not.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::TokenError;

/// The greatest length of an array: a Cognito user can be in as many groups.
const MAX_TEXTS: usize = 100;

/// A JSON string, borrowed from its document where it has no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A JSON value, as far as a claim may have it.
#[derive(Debug, Default)]
pub(super) enum ClaimValue<'a> {
    /// The member is not there.
    #[default]
    Absent,
    /// A string.
    Text(Cow<'a, str>),
    /// A whole number that fits.
    Integer(i64),
    /// An array of strings and nothing else.
    Texts(Vec<Cow<'a, str>>),
    /// Anything else, `null` among it: never what a claim should be.
    Other,
}

impl ClaimValue<'_> {
    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the member is not there.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// The claims that are read; all others pass unseen.
#[derive(Debug, Default)]
pub(super) struct Claims<'a> {
    pub(super) iss: ClaimValue<'a>,
    pub(super) token_use: ClaimValue<'a>,
    pub(super) aud: ClaimValue<'a>,
    pub(super) sub: ClaimValue<'a>,
    pub(super) client_id: ClaimValue<'a>,
    pub(super) scope: ClaimValue<'a>,
    pub(super) username: ClaimValue<'a>,
    pub(super) groups: ClaimValue<'a>,
    pub(super) jti: ClaimValue<'a>,
    pub(super) exp: ClaimValue<'a>,
    pub(super) iat: ClaimValue<'a>,
    pub(super) nbf: ClaimValue<'a>,
    duplicate: bool,
}

impl<'a> Claims<'a> {
    /// Reads a payload.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, TokenError> {
        let claims: Self = serde_json::from_slice(payload).map_err(|_| TokenError::Claims)?;
        if claims.duplicate {
            Err(TokenError::DuplicateClaim)
        } else {
            Ok(claims)
        }
    }

    fn slot(&mut self, name: &str) -> Option<&mut ClaimValue<'a>> {
        Some(match name {
            "iss" => &mut self.iss,
            "token_use" => &mut self.token_use,
            "aud" => &mut self.aud,
            "sub" => &mut self.sub,
            "client_id" => &mut self.client_id,
            "scope" => &mut self.scope,
            "username" => &mut self.username,
            "cognito:groups" => &mut self.groups,
            "jti" => &mut self.jti,
            "exp" => &mut self.exp,
            "iat" => &mut self.iat,
            "nbf" => &mut self.nbf,
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Claims<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor)
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = Claims<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Claims<'de>, A::Error> {
        let mut claims = Claims::default();
        while let Some(Text(name)) = members.next_key()? {
            if let Some(slot) = claims.slot(&name) {
                let repeated = !slot.is_absent();
                *slot = members.next_value()?;
                claims.duplicate |= repeated;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(claims)
    }
}

impl<'de> Deserialize<'de> for ClaimValue<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = ClaimValue<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<ClaimValue<'de>, E> {
        Ok(ClaimValue::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ClaimValue<'de>, E> {
        Ok(ClaimValue::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<ClaimValue<'de>, E> {
        Ok(ClaimValue::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<ClaimValue<'de>, E> {
        Ok(i64::try_from(number).map_or(ClaimValue::Other, ClaimValue::Integer))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<ClaimValue<'de>, E> {
        Ok(ClaimValue::Other)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<ClaimValue<'de>, E> {
        Ok(ClaimValue::Other)
    }

    fn visit_unit<E: de::Error>(self) -> Result<ClaimValue<'de>, E> {
        Ok(ClaimValue::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ClaimValue<'de>, A::Error> {
        let mut texts = Vec::new();
        let mut sound = true;
        while let Some(item) = items.next_element()? {
            match item {
                ClaimValue::Text(text) if texts.len() < MAX_TEXTS => texts.push(text),
                _ => sound = false,
            }
        }
        Ok(if sound {
            ClaimValue::Texts(texts)
        } else {
            ClaimValue::Other
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<ClaimValue<'de>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(ClaimValue::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_type_is_neither_absent_nor_converted() {
        for value in [
            "null",
            "true",
            "1.0",
            "1e3",
            "{}",
            "{\"a\":1}",
            "18446744073709551615",
            "-0.0",
        ] {
            let json = format!(r#"{{"exp":{value},"cognito:groups":{{"a":[1]}}}}"#);
            let claims = Claims::parse(json.as_bytes()).unwrap();
            assert!(matches!(claims.exp, ClaimValue::Other), "{value}");
            assert!(matches!(claims.groups, ClaimValue::Other));
            assert!(claims.iat.is_absent());
        }
    }

    #[test]
    fn a_claim_that_is_read_stands_there_once() {
        for twice in [
            r#"{"iss":"a","iss":"a"}"#,
            r#"{"iss":"a","iss":"a","sub":"b"}"#,
            r#"{"iss":"a","\u0069ss":"b"}"#,
            r#"{"exp":null,"exp":1}"#,
            r#"{"cognito:groups":null,"cognito:groups":[]}"#,
        ] {
            assert_eq!(
                Claims::parse(twice.as_bytes()).unwrap_err(),
                TokenError::DuplicateClaim,
                "{twice}"
            );
        }
        assert!(Claims::parse(br#"{"foo":1,"foo":2}"#).is_ok());
    }

    #[test]
    fn a_payload_is_one_json_object() {
        let deep = "[".repeat(4000);
        for bad in [
            "",
            "[]",
            "null",
            "{} {}",
            "{\"iss\":",
            "\u{feff}{}",
            r#"["a","access"]"#,
            deep.as_str(),
            "{'a':1}",
        ] {
            assert_eq!(Claims::parse(bad.as_bytes()).unwrap_err(), TokenError::Claims, "{bad}");
        }
        assert_eq!(Claims::parse(b"{\"iss\":\"\xff\"}").unwrap_err(), TokenError::Claims);
    }

    #[test]
    fn groups_are_texts_and_not_too_many() {
        let read = |groups: &str| {
            let json = format!(r#"{{"cognito:groups":{groups}}}"#);
            match Claims::parse(json.as_bytes()).unwrap().groups {
                ClaimValue::Texts(texts) => Some(texts.len()),
                _ => None,
            }
        };
        assert_eq!(read(r#"["auditor","\u0061b"]"#), Some(2));
        assert_eq!(read("[]"), Some(0));
        assert_eq!(read("\"auditor\""), None);
        assert_eq!(read(r#"["a",1]"#), None);
        assert_eq!(read(&format!("[{}\"x\"]", "\"x\",".repeat(MAX_TEXTS))), None);
    }
}

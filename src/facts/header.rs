//! The header of a token (RFC 7515 section 4): what it must say, and what it may not.
//!
//! A header may carry keys (`jwk`) or point to some (`jku`, `x5u`, `x5c`). They are a stranger's and never looked at; the
//! one thing taken from a header is the name of a key that the tenant's own set must hold.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::claims::{ClaimValue, Text};
use super::error::TokenError;

/// The greatest number of members in a header. Cognito's have two.
const MAX_MEMBERS: usize = 16;

/// The key id of a sound header.
pub(super) fn key_id(json: &[u8]) -> Result<Cow<'_, str>, TokenError> {
    let header: Header<'_> = serde_json::from_slice(json).map_err(|_| TokenError::Header)?;
    if header.unsound {
        return Err(TokenError::Header);
    }
    if header.extended {
        return Err(TokenError::Extension);
    }
    if header.algorithm.text() != Some("RS256") {
        return Err(TokenError::Algorithm);
    }
    if !header.kind.is_absent() && !matches!(header.kind.text(), Some("JWT" | "at+jwt")) {
        return Err(TokenError::Type);
    }
    match header.key_id {
        ClaimValue::Text(key_id) => Ok(key_id),
        _ => Err(TokenError::KeyId),
    }
}

/// What is read of a header.
#[derive(Default)]
struct Header<'a> {
    algorithm: ClaimValue<'a>,
    kind: ClaimValue<'a>,
    key_id: ClaimValue<'a>,
    /// It has a member that changes how the token is to be read.
    extended: bool,
    /// It has too many members or one of them twice.
    unsound: bool,
}

impl<'de> Deserialize<'de> for Header<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Header<'de>, A::Error> {
        let mut header = Header::default();
        let mut seen: Vec<Cow<'de, str>> = Vec::with_capacity(4);
        while let Some(Text(name)) = members.next_key()? {
            if header.unsound || seen.len() == MAX_MEMBERS || seen.contains(&name) {
                header.unsound = true;
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            match name.as_ref() {
                "alg" => header.algorithm = members.next_value()?,
                "typ" => header.kind = members.next_value()?,
                "kid" => header.key_id = members.next_value()?,
                other => {
                    header.extended |= matches!(other, "crit" | "zip" | "enc" | "b64");
                    members.next_value::<IgnoredAny>()?;
                }
            }
            seen.push(name);
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<&str, TokenError>) {
        let found = key_id(json.as_bytes());
        assert_eq!(found.as_deref().map_err(|error| *error), expected, "{json}");
    }

    #[test]
    fn the_headers_of_cognito_and_of_rfc_9068_are_read() {
        check(r#"{"kid":"a+/=","alg":"RS256"}"#, Ok("a+/="));
        check(r#"{"alg":"RS256","kid":"k","typ":"JWT"}"#, Ok("k"));
        check(
            r#" {"alg":"RS256","kid":"k","typ":"at+jwt","jku":"https://x"} "#,
            Ok("k"),
        );
        check(r#"{"\u0061lg":"RS256","kid":"k"}"#, Ok("k"));
    }

    #[test]
    fn every_other_header_is_refused() {
        for not_an_object in [
            "",
            "[]",
            "null",
            "\"x\"",
            "{",
            "{} x",
            r#"["RS256","JWT","k"]"#,
            "\u{feff}{}",
        ] {
            check(not_an_object, Err(TokenError::Header));
        }
        check(r#"{"alg":"RS256","kid":"k","kid":"k"}"#, Err(TokenError::Header));
        check(r#"{"alg":"RS256","kid":"k","\u006bid":"k"}"#, Err(TokenError::Header));
        check(r#"{"alg":"RS256","kid":"k","x":1,"x":1}"#, Err(TokenError::Header));
        let many: String = (0..MAX_MEMBERS).map(|n| format!(r#","x{n}":0"#)).collect();
        check(
            &format!(r#"{{"alg":"RS256","kid":"k"{many}}}"#),
            Err(TokenError::Header),
        );
        for algorithm in [
            "none", "None", "rs256", "HS256", "RS384", "PS256", "ES256", "", "RS256 ",
        ] {
            check(
                &format!(r#"{{"alg":"{algorithm}","kid":"k"}}"#),
                Err(TokenError::Algorithm),
            );
        }
        check(r#"{"alg":["RS256"],"kid":"k"}"#, Err(TokenError::Algorithm));
        check(r#"{"kid":"k"}"#, Err(TokenError::Algorithm));
        for extension in ["crit", "zip", "enc", "b64"] {
            let json = format!(r#"{{"alg":"RS256","kid":"k","{extension}":null}}"#);
            check(&json, Err(TokenError::Extension));
        }
        for kind in ["\"jwt\"", "\"JWE\"", "\"id+jwt\"", "null", "1", "\"\""] {
            check(
                &format!(r#"{{"alg":"RS256","kid":"k","typ":{kind}}}"#),
                Err(TokenError::Type),
            );
        }
        check(r#"{"alg":"RS256"}"#, Err(TokenError::KeyId));
        check(r#"{"alg":"RS256","kid":5}"#, Err(TokenError::KeyId));
        check(r#"{"alg":"RS256","kid":null}"#, Err(TokenError::KeyId));
    }
}

//! Decentralized identifiers of companies: `did:web` alone, which is what the data space uses (CX-0049).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::IdError;

/// The greatest length, in bytes.
const MAX: usize = 256;

/// A company's `did:web` identifier: a host in lower case, perhaps a port (its colon spelled `%3A`), perhaps a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Did(Arc<str>);

impl Did {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where its document is (the method's specification, section 3.2: Read). `https`, but `http` for a host on this machine where
    /// `loopback` allows that; a development setup has no certificates.
    pub fn document(&self, loopback: bool) -> String {
        let rest = self.0.strip_prefix(PREFIX).unwrap_or_default();
        let mut parts = rest.split(':');
        let host = parts.next().unwrap_or_default().replace(PORT, ":");
        let name = host.split(':').next().unwrap_or_default();
        let here = loopback && matches!(name, "localhost" | "127.0.0.1");
        let scheme = if here { "http" } else { "https" };
        let path: String = parts.map(|part| format!("/{part}")).collect();
        let folder = if path.is_empty() { "/.well-known" } else { &path };
        format!("{scheme}://{host}{folder}/did.json")
    }
}

const PREFIX: &str = "did:web:";
/// How the colon before a port is spelled.
const PORT: &str = "%3A";

impl FromStr for Did {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let sound = text.len() <= MAX && text.strip_prefix(PREFIX).is_some_and(is_place);
        if sound {
            Ok(Self(text.into()))
        } else {
            let expected = "`did:web:`, a host in lower case, perhaps `%3A` and a port, perhaps `:` and a path";
            Err(IdError::new("a company's DID", expected, text))
        }
    }
}

fn is_place(text: &str) -> bool {
    let mut parts = text.split(':');
    let host = parts.next().unwrap_or_default();
    let (name, port) = match host.split_once(PORT) {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let segment = |segment: &str| {
        segment.bytes().any(|byte| byte != b'.')
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    name.split('.').all(label)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        && parts.all(segment)
}

impl fmt::Display for Did {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

text_serde!(Did);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_where_the_method_says() {
        for (did, document) in [
            ("did:web:weser.example", "https://weser.example/.well-known/did.json"),
            (
                "did:web:wallet.example:BPNL00000000C3EF",
                "https://wallet.example/BPNL00000000C3EF/did.json",
            ),
            (
                "did:web:wallet.example%3A8443:user:alice",
                "https://wallet.example:8443/user/alice/did.json",
            ),
        ] {
            let read: Did = did.parse().unwrap();
            assert_eq!(
                (read.document(false), read.document(true)),
                (document.into(), document.into())
            );
        }
        let here: Did = "did:web:localhost%3A8083".parse().unwrap();
        assert_eq!(here.document(false), "https://localhost:8083/.well-known/did.json");
        assert_eq!(here.document(true), "http://localhost:8083/.well-known/did.json");
    }

    #[test]
    fn nothing_but_a_place_is_a_did() {
        let long = format!("did:web:{}", "a".repeat(MAX));
        for wrong in [
            "",
            "did:web:",
            "did:key:z6Mk",
            "DID:web:a",
            "did:web:A.example",
            "did:web:a..b",
            "did:web:a/b",
            "did:web:a%3A",
            "did:web:a%3A0",
            "did:web:a%3a80",
            "did:web:a%3A99999",
            "did:web:a:..",
            "did:web:a:",
            "did:web:a:b:",
            "did:web:a%2F..",
            "did:web:u@a",
            "did:web:a#k",
            "did:web:a?x",
            "did:web:a b",
            &long,
        ] {
            assert!(wrong.parse::<Did>().is_err(), "{wrong}");
        }
    }
}

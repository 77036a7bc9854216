//! Identifiers, parsed once at the rim and never bare strings afterwards.
//!
//! Each type accepts exactly one spelling: what is parsed is what is compared, printed, stored and put into an ARN. None of
//! them accepts a path separator, a wildcard, white space or a character outside ASCII, so an identifier can stand in an
//! object key, an IAM pattern or a log line without escaping.
//!
//! ```
//! use tidegate::ids::Bpnl;
//! let bpnl: Bpnl = "BPNL000000000DWF".parse().unwrap();
//! assert_eq!(bpnl.to_string(), "BPNL000000000DWF");
//! assert!("bpnl000000000dwf".parse::<Bpnl>().is_err()); // one spelling only
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not the identifier it was taken for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not {what}; expected {expected}")]
pub struct IdError {
    what: &'static str,
    expected: &'static str,
    /// The text with control characters escaped and cut to 80 characters.
    shown: String,
}

impl IdError {
    fn new(what: &'static str, expected: &'static str, text: &str) -> Self {
        let mut shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
        if text.chars().nth(80).is_some() {
            shown.push('…');
        }
        Self { what, expected, shown }
    }
}

/// Serialises as the identifier's one spelling and parses it back with the same rule.
macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

mod did;
mod digest;
mod group;

pub use did::Did;
pub use digest::Digest;
pub use group::{GroupNames, TenantGroup};

/// A Business Partner Number of a legal entity: `^BPNL[0-9A-Z]{12}$` (Catena-X CX-0010).
///
/// The check digits of CX-0010 are not enforced: the standards' own examples do not satisfy them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bpnl([u8; 16]);

impl Bpnl {
    /// The number as text.
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever stored; an empty string is the unreachable alternative to a panic.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Bpnl {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::new("a BPNL", "`BPNL` and twelve of 0-9 A-Z, 16 characters in all", text);
        let bytes: [u8; 16] = text.as_bytes().try_into().map_err(|_| wrong())?;
        let tail = bytes.strip_prefix(b"BPNL").ok_or_else(wrong)?;
        if !tail
            .iter()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        {
            return Err(wrong());
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Bpnl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Bpnl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

text_serde!(Bpnl);

/// A company on the platform, keyed by its [`Bpnl`]; never by name or slug.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub Bpnl);

impl TenantId {
    /// The tenant's BPNL as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for TenantId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Declares a short ASCII identifier: allowed first characters, allowed other characters, greatest length.
macro_rules! token_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $max:literal, $rest:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether a text is one.
            pub fn fits(text: &str) -> bool {
                let bytes = text.as_bytes();
                // Whether any is another is asked once, at the end: a ledger's records are full of ids.
                let may = |all, byte: &u8| all & (byte.is_ascii_alphanumeric() | $rest.contains(byte));
                (1..=$max).contains(&bytes.len())
                    && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
                    && bytes.iter().fold(true, may)
                    && !bytes.windows(2).any(|pair| pair == b"..")
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                match Self::fits(text) {
                    true => Ok(Self(text.into())),
                    false => Err(IdError::new($what, $expected, text)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        text_serde!($name);
    };
}

token_id!(
    /// The `id` of a footprint document: the file name of its object.
    PcfId, "a footprint id", "1 to 64 of A-Z a-z 0-9 `-`, first a letter or digit (a UUID fits)", 64, b"-"
);
token_id!(
    /// A product's identifier as it stands in object keys; a URN such as `urn:gtin:4712345060507` fits.
    ProductId, "a product id", "1 to 128 of A-Z a-z 0-9 `.` `_` `:` `-`, first a letter or digit, no `..`", 128, b"._:-"
);
token_id!(
    /// The id of a contract agreement, as the connectors gave it.
    AgreementId, "an agreement id", "1 to 128 of A-Z a-z 0-9 `.` `_` `:` `=` `-`, first a letter or digit, no `..`", 128, b"._:=-"
);
token_id!(
    /// The id of an asset in the provider's connector.
    AssetId, "an asset id", "1 to 128 of A-Z a-z 0-9 `.` `_` `:` `-`, first a letter or digit, no `..`", 128, b"._:-"
);
token_id!(
    /// The id of a data flow: the connector's id of the transfer process.
    FlowId, "a data flow's id", "1 to 128 of A-Z a-z 0-9 `.` `_` `:` `-`, first a letter or digit, no `..`", 128, b"._:-"
);
token_id!(
    /// The id of a contract offer.
    OfferId, "an offer id", "1 to 128 of A-Z a-z 0-9 `.` `_` `:` `=` `-`, first a letter or digit, no `..`", 128, b"._:=-"
);
token_id!(
    /// The name of a secret below its tenant's path.
    SecretName, "a secret name", "1 to 64 of A-Z a-z 0-9 `_` `-`, first a letter or digit", 64, b"_-"
);
token_id!(
    /// What Secrets Manager appends to a secret's name in its ARN, after a dash.
    SecretSuffix, "what Secrets Manager appends to a secret's name", "six of A-Z a-z 0-9", 6, b""
);
token_id!(
    /// A person of a tenant: the user name its identity provider vouches for.
    UserName, "a user name", "1 to 128 of A-Z a-z 0-9 `.` `_` `@` `+` `-`, first a letter or digit, no `..`", 128, b"._@+-"
);
token_id!(
    /// A person's role within their company: the name of a Cognito group.
    CompanyRole, "a company role", "1 to 64 of A-Z a-z 0-9 `_` `-`, first a letter or digit", 64, b"_-"
);
token_id!(
    /// Someone of the platform's staff.
    OperatorName, "an operator's name", "1 to 64 of A-Z a-z 0-9 `.` `_` `@` `+` `-`, first a letter or digit, no `..`", 64, b"._@+-"
);
token_id!(
    /// What someone of the platform's staff is there for; what that permits is in the policies.
    OperatorRole, "an operator's role", "1 to 64 of A-Z a-z 0-9 `_` `-`, first a letter or digit", 64, b"_-"
);
token_id!(
    /// An OAuth2 client id.
    ClientId, "a client id", "1 to 128 of A-Z a-z 0-9 `.` `_` `-`, first a letter or digit, no `..`", 128, b"._-"
);
token_id!(
    /// A supplier system of a tenant, as the tenant calls it.
    IntegrationId, "an integration's id", "1 to 64 of A-Z a-z 0-9 `.` `_` `-`, first a letter or digit, no `..`", 64, b"._-"
);
token_id!(
    /// A caller's own id of its request, echoed and recorded; made by Tidegate when the caller sends none.
    RequestId, "a request id", "1 to 64 of A-Z a-z 0-9 `.` `_` `-`, first a letter or digit, no `..`", 64, b"._-"
);

impl PcfId {
    /// What stands for a footprint that is not there and has no id, told apart from others by what it was asked for.
    pub fn unknown(asked: Digest) -> Self {
        let digits: String = asked.to_string().chars().skip("sha256:".len()).take(32).collect();
        Self(format!("unknown-{digits}").into())
    }
}

impl RequestId {
    /// An id for a request that came without one: a UUID of version 7.
    #[expect(clippy::new_without_default, reason = "every call gives another id")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().to_string().into())
    }
}

/// A version as connectors and documents write it: one to four numbers with dots between, `1.2.0`, `10.0.0`, `1.1`.
///
/// `1.1` and `1.1.0` are two versions: they are compared as they are written, for nobody says that they mean the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    full: Arc<str>,
    major: u32,
}

impl Version {
    /// The version as it is written.
    pub fn full(&self) -> &str {
        &self.full
    }

    /// Its first number.
    pub fn major(&self) -> u32 {
        self.major
    }
}

impl FromStr for Version {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let expected =
            "one to four numbers of at most nine digits, without leading zeros, with dots between, such as `1.2.0`";
        let wrong = || IdError::new("a version", expected, text);
        let number = |part: &str| {
            let digits = (1..=9).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            let sound = digits && (part == "0" || !part.starts_with('0'));
            sound.then(|| part.parse::<u32>().ok()).flatten()
        };
        let numbers: Option<Vec<u32>> = text.split('.').map(number).collect();
        match numbers.as_deref() {
            Some([major, rest @ ..]) if rest.len() < 4 => Ok(Self {
                full: text.into(),
                major: *major,
            }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.full)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.full)
    }
}

text_serde!(Version);

/// The id of one ledger record: a UUID of version 7, so that ids sort by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(pub uuid::Uuid);

impl fmt::Display for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bpnl_has_one_spelling() {
        for good in ["BPNL000000000DWF", "BPNL00000003CRHK", "BPNLZZZZZZZZZZZZ"] {
            assert_eq!(good.parse::<Bpnl>().unwrap().as_str(), good);
        }
        let lookalikes = [
            "",
            "BPNL",
            "bpnl000000000dwf",
            "BPNL000000000DW",
            "BPNL000000000DWFX",
            " BPNL00000000DWF",
            "BPNL000000000DW\0",
            "BPNL00000000ＤWF",
            "ВPNL000000000DWF",
            "BPNL0000000000W٣",
            "BPNS000000000DWF",
            "BPNL00000000-DWF",
        ];
        for bad in lookalikes {
            assert!(bad.parse::<Bpnl>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn token_ids_refuse_what_could_change_a_path_or_a_pattern() {
        for bad in [
            "", "..", ".", "a/b", "a\\b", "a*", "a?", "a b", "a\0", "a%2e", "${a}", "{bpnl}", "ä", "-a", "a..b",
        ] {
            assert!(bad.parse::<ProductId>().is_err(), "{bad:?}");
            assert!(bad.parse::<PcfId>().is_err(), "{bad:?}");
            assert!(bad.parse::<SecretName>().is_err(), "{bad:?}");
            assert!(bad.parse::<AgreementId>().is_err(), "{bad:?}");
        }
        assert!("urn:gtin:4712345060507".parse::<ProductId>().is_ok());
        assert!("3893bb5d-da16-4dc1-9185-11d97476c254".parse::<PcfId>().is_ok());
    }

    #[test]
    fn a_version_has_one_spelling_and_a_first_number() {
        for (good, major) in [
            ("1.2.0", 1),
            ("10.0.0", 10),
            ("1.1", 1),
            ("0", 0),
            ("0.10.20.999999999", 0),
        ] {
            let version: Version = good.parse().unwrap();
            assert_eq!((version.full(), version.major()), (good, major));
        }
        for bad in [
            "",
            ".",
            "1.",
            ".1",
            "01.2",
            "1.02",
            "1..2",
            "1.2.3.4.5",
            "v1.2",
            "1.2-rc",
            "1 .2",
            "-1",
            "+1.0",
            "1000000000",
            "١.٢",
        ] {
            assert!(bad.parse::<Version>().is_err(), "{bad:?}");
        }
        assert_ne!("1.1".parse::<Version>().unwrap(), "1.1.0".parse().unwrap());
    }

    #[test]
    fn a_footprint_that_is_not_there_has_an_id_all_the_same() {
        let unknown = PcfId::unknown(Digest::of(b""));
        assert_eq!(unknown.as_str(), "unknown-e3b0c44298fc1c149afbf4c8996fb924");
        assert_eq!(unknown.as_str().parse::<PcfId>().unwrap(), unknown);
        assert_ne!(unknown, PcfId::unknown(Digest::of(b"a")));
    }

    #[test]
    fn an_error_shows_control_characters_escaped_and_cut() {
        let error = format!("{}\n{}", "\u{7}", "x".repeat(200)).parse::<Bpnl>().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("\\u{7}\\n") && text.contains('…'), "{text}");
    }
}

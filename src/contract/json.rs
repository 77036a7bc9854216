//! JSON as it was written: every member of every object is kept, so that a key given twice is seen and refused.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::{ContractError, Fault, Path, shown};

/// Greatest length of a contract text in bytes. The longest official sample has 4.5 KB.
pub(super) const MAX_TEXT: usize = 64 * 1024;
const MAX_DEPTH: usize = 32;

/// One JSON value.
#[derive(Debug)]
pub(super) enum Json {
    Null,
    Bool,
    /// The number, if it is whole and has no more than 64 bits; no term of a contract is a fraction.
    Number(Option<i64>),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a text: bounded, without repeated keys.
    pub(super) fn read(text: &str) -> Result<Self, ContractError> {
        if text.len() > MAX_TEXT {
            return Err(ContractError::TooLarge {
                bytes: text.len(),
                limit: MAX_TEXT,
            });
        }
        if text.starts_with('\u{feff}') {
            return Err(ContractError::not_json(
                "it begins with a byte order mark (U+FEFF); save it without one",
            ));
        }
        let json: Self = serde_json::from_str(text).map_err(|error| ContractError::not_json(&error.to_string()))?;
        json.check(&Path::root(), MAX_DEPTH)?;
        Ok(json)
    }

    fn check(&self, path: &Path, depth: usize) -> Result<(), ContractError> {
        let deeper = || {
            depth
                .checked_sub(1)
                .ok_or_else(|| path.refuse(Fault::TooDeep { limit: MAX_DEPTH }))
        };
        match self {
            Self::Null | Self::Bool | Self::Number(_) | Self::Text(_) => Ok(()),
            Self::List(items) => {
                let depth = deeper()?;
                let mut items = items.iter().enumerate();
                items.try_for_each(|(index, item)| item.check(&path.at(index), depth))
            }
            Self::Object(members) => {
                let depth = deeper()?;
                let mut seen = BTreeSet::new();
                for (key, value) in members {
                    if !seen.insert(key) {
                        return Err(path.key(key).refuse(Fault::DuplicateKey { key: shown(key) }));
                    }
                    value.check(&path.key(key), depth)?;
                }
                Ok(())
            }
        }
    }

    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number(Some(_)) => "a number",
            Self::Number(None) => "a number that is not whole or too great",
            Self::Text(_) => "a text",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(Some(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(i64::try_from(number).ok()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

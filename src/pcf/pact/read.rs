//! Reading a document of the aspect model, member by member.
//!
//! From 9.0.0 on each node is a list of objects. One that has two entries says two things, and which of them counts nobody knows; so
//! a node is read only where it has exactly one.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::values::{Decimal, instant};
use super::{Underivable, missing};

/// A node of a document.
#[derive(Clone, Copy)]
pub(super) struct Node<'d>(Option<&'d Value>);

impl<'d> Node<'d> {
    pub(super) fn root(document: &'d Value) -> Self {
        Self(Some(document))
    }

    /// The one node below `name`.
    pub(super) fn below(self, name: &str) -> Self {
        let found = self.0.and_then(|value| value.get(name));
        Self(match found {
            Some(Value::Array(items)) => match items.as_slice() {
                [only] => Some(only),
                _ => None,
            },
            other => other,
        })
    }

    fn get(self, name: &str) -> Option<&'d Value> {
        self.0?.get(name)
    }

    /// A text, where it is there and not empty.
    pub(super) fn text(self, name: &str) -> Option<&'d str> {
        let text = self.get(name)?.as_str()?;
        (!text.trim().is_empty()).then_some(text)
    }

    /// A text that must be there.
    pub(super) fn need(self, name: &str, member: &'static str) -> Result<&'d str, Underivable> {
        self.text(name).ok_or_else(|| missing(member))
    }

    /// The texts of a list; or the one text, where it is no list.
    pub(super) fn texts(self, name: &str) -> Vec<&'d str> {
        match self.get(name) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => vec![text.as_str()],
            _ => Vec::new(),
        }
    }

    /// The texts `inner` of the objects of a list.
    pub(super) fn texts_below(self, name: &str, inner: &str) -> Vec<&'d str> {
        self.nodes(name).filter_map(|node| node.text(inner)).collect()
    }

    /// The objects of a list.
    pub(super) fn nodes(self, name: &str) -> impl Iterator<Item = Self> {
        let items = self.get(name).and_then(Value::as_array);
        items.into_iter().flatten().map(|item| Self(Some(item)))
    }

    /// A number.
    pub(super) fn number(self, name: &str) -> Option<Decimal> {
        match self.get(name)? {
            Value::Number(number) => Decimal::of(number),
            _ => None,
        }
    }

    /// A number that must be there.
    pub(super) fn need_number(self, name: &str, member: &'static str) -> Result<Decimal, Underivable> {
        self.number(name).ok_or_else(|| missing(member))
    }

    /// A truth value.
    pub(super) fn flag(self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    /// An instant that must be there.
    pub(super) fn need_instant(self, name: &str, member: &'static str) -> Result<Timestamp, Underivable> {
        instant(member, self.need(name, member)?)
    }

    /// An instant that may be there; one that cannot be read is not passed over, for its absence says something else.
    pub(super) fn instant(self, name: &str, member: &'static str) -> Result<Option<Timestamp>, Underivable> {
        self.text(name).map(|text| instant(member, text)).transpose()
    }
}

/// The members that PACT leaves open, as far as a document has them.
#[derive(Default)]
pub(super) struct Open(Map<String, Value>);

impl Open {
    pub(super) fn put(&mut self, member: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(member.to_owned(), value.into());
        }
    }

    /// Takes over numbers: PACT's name, and the node's.
    pub(super) fn numbers(&mut self, node: Node<'_>, names: &[(&str, &str)]) {
        for (member, name) in names {
            self.put(member, node.number(name).map(|number| number.to_string()));
        }
    }

    /// The quality of the data, where all three indicators are there.
    pub(super) fn quality(&mut self, node: Node<'_>) {
        const INDICATORS: [&str; 3] = ["technologicalDQR", "geographicalDQR", "temporalDQR"];
        let read = INDICATORS.map(|name| Some((name.to_owned(), Value::from(node.number(name)?.to_string()))));
        let all: Option<Map<String, Value>> = read.into_iter().collect();
        self.put("dqi", all);
    }

    /// The databases of secondary data, where there are any.
    pub(super) fn sources(&mut self, sources: Vec<(String, String)>) {
        let told = sources.into_iter().map(|(name, version)| {
            let members = [("name".to_owned(), name.into()), ("version".to_owned(), version.into())];
            Value::Object(Map::from_iter(members))
        });
        let told: Vec<Value> = told.collect();
        self.put("secondaryEmissionFactorSources", (!told.is_empty()).then_some(told));
    }

    pub(super) fn into_members(self) -> Map<String, Value> {
        self.0
    }
}

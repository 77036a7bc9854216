//! The normal form: typed, sorted, each rule once; and its canonical JSON, whose SHA-256 names the rules.
//!
//! ```json
//! {"accessRules":[{"from":"2026-01-01T00:00:00Z","mandatory":[{"name":"manufacturerPartId","value":"401765"}],
//!  "names":["manufacturerPartId"],"reader":"BPNL00000000C3EF","semanticIds":["urn:samm:io.catenax.pcf:9.0.0#Pcf"]}],
//!  "form":"tidegate.rules/1"}
//! ```
//!
//! It is stored in decision records and read back for replay, so a change of it is a new `form`, never an edit of this one.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{PUBLIC_NAMES, PUBLIC_READABLE, RuleError};
use crate::ids::Bpnl;

/// Greatest length of a text, in bytes.
pub const MAX_TEXT: usize = 64 * 1024;
/// Greatest length of a stored normal form: more than any text of the greatest length can become.
const MAX_NORMAL: usize = 2 * MAX_TEXT;
/// Most rules of a company, and most values in one list of a rule.
pub(super) const MAX_RULES: usize = 256;
pub(super) const MAX_VALUES: usize = 64;
/// Longest name or value, in characters (AAS: `Identifier` has 2,000).
pub(super) const LONGEST: usize = 2_000;

const FORM: &str = "tidegate.rules/1";
/// What every normal form begins with, and nothing else that is kept by its digest does.
pub(super) const BEGINNING: &[u8] = b"{\"accessRules\":";

/// A specific asset id of a twin (AAS, IDTA-01001): a name such as `manufacturerPartId`, and a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecificAssetId {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// For whom a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) enum Reader {
    /// Everybody.
    Everyone,
    /// One company.
    Partner(Bpnl),
}

impl FromStr for Reader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            PUBLIC_READABLE => Ok(Self::Everyone),
            text => text
                .parse()
                .map(Self::Partner)
                .map_err(|error| format!("{error}, or `{PUBLIC_READABLE}`")),
        }
    }
}

impl TryFrom<String> for Reader {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Reader> for String {
    fn from(reader: Reader) -> Self {
        match reader {
            Reader::Everyone => PUBLIC_READABLE.to_owned(),
            Reader::Partner(bpnl) => bpnl.to_string(),
        }
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => formatter.write_str("everybody"),
            Self::Partner(bpnl) => bpnl.fmt(formatter),
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Rule {
    /// The first instant at which it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Timestamp>,
    /// What a twin must have.
    pub(super) mandatory: BTreeSet<SpecificAssetId>,
    /// The names of specific asset ids it shows.
    pub(super) names: BTreeSet<String>,
    /// For whom it is.
    pub(super) reader: Reader,
    /// The semantic ids of the submodels it shows.
    pub(super) semantic_ids: BTreeSet<String>,
    /// The last instant at which it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<Timestamp>,
}

impl Rule {
    /// The names it shows: to everybody, only those that everybody may know.
    pub(super) fn shown_names(&self) -> impl Iterator<Item = &str> {
        let all = self.names.iter().map(String::as_str);
        all.filter(|name| self.reader != Reader::Everyone || PUBLIC_NAMES.contains(name))
    }

    /// The names it lists in vain.
    pub(super) fn hidden_names(&self) -> impl Iterator<Item = &str> {
        let shown: BTreeSet<&str> = self.shown_names().collect();
        let all = self.names.iter().map(String::as_str);
        all.filter(move |name| !shown.contains(name))
    }

    /// Names that it shows with any value.
    pub(super) fn free_names(&self) -> impl Iterator<Item = &str> {
        self.shown_names()
            .filter(|name| self.mandatory.iter().all(|id| id.name != *name))
    }

    /// Ids that it shows with just this value.
    pub(super) fn bound_ids(&self) -> impl Iterator<Item = &SpecificAssetId> {
        let shown: BTreeSet<&str> = self.shown_names().collect();
        self.mandatory.iter().filter(move |id| shown.contains(id.name.as_str()))
    }

    /// Holds what a rule of any spelling must hold; the member that does not, and what is wrong with it.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let texts = self.names.iter().chain(&self.semantic_ids);
        let pairs = self.mandatory.iter().flat_map(|id| [&id.name, &id.value]);
        texts
            .chain(pairs)
            .try_for_each(|text| check_text(text))
            .map_err(|problem| ("", problem))?;
        for (member, count) in [
            ("mandatory", self.mandatory.len()),
            ("names", self.names.len()),
            ("semanticIds", self.semantic_ids.len()),
        ] {
            if !(1..=MAX_VALUES).contains(&count) {
                return Err((member, format!("expected 1 to {MAX_VALUES} values")));
            }
        }
        for (member, instant) in [("from", self.from), ("to", self.to)] {
            instant
                .map_or(Ok(()), check_instant)
                .map_err(|problem| (member, problem))?;
        }
        check_period(self.from, self.to).map_err(|problem| ("to", problem))
    }
}

/// A name or a value of a rule.
pub(super) fn check_text(text: &str) -> Result<(), String> {
    match (text.trim().is_empty(), text.chars().count() > LONGEST) {
        (true, _) => Err("it is empty; give a text".to_owned()),
        (_, true) => Err(format!("it is longer than {LONGEST} characters")),
        _ => Ok(()),
    }
}

/// An instant as Cedar has them: to the millisecond, in a year of four digits.
pub(super) fn check_instant(instant: Timestamp) -> Result<(), String> {
    if instant.subsec_nanosecond() % 1_000_000 != 0 {
        return Err("instants have milliseconds here; this one has finer parts".to_owned());
    }
    match instant.to_string().starts_with('-') {
        true => Err("it is before the year 0".to_owned()),
        false => Ok(()),
    }
}

pub(super) fn check_period(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<(), String> {
    match (from, to) {
        (Some(from), Some(to)) if from >= to => {
            Err("`validTo` is not after `validFrom`, so the rule never counts".to_owned())
        }
        _ => Ok(()),
    }
}

/// All rules of a company, in order, each once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Normal {
    #[serde(rename = "accessRules")]
    rules: Vec<Rule>,
    form: String,
}

impl Normal {
    /// The normal form of these rules.
    pub(super) fn of(mut rules: Vec<Rule>) -> Self {
        rules.sort();
        rules.dedup();
        Self {
            rules,
            form: FORM.to_owned(),
        }
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(super) fn canonical(&self) -> Result<Vec<u8>, RuleError> {
        serde_json_canonicalizer::to_vec(self).map_err(|error| RuleError::NotJson(error.to_string()))
    }

    pub(super) fn from_canonical(bytes: &[u8]) -> Result<Self, RuleError> {
        if bytes.len() > MAX_NORMAL {
            return Err(RuleError::TooLarge { bytes: bytes.len() });
        }
        let read: Self = crate::json::read(bytes).map_err(|error| RuleError::NotJson(error.to_string()))?;
        for (index, rule) in read.rules.iter().enumerate() {
            rule.check().map_err(|(member, problem)| RuleError::Refused {
                pointer: format!("/accessRules/{index}/{member}"),
                problem,
            })?;
        }
        let normal = Self::of(read.rules);
        match read.form == FORM && normal.canonical()? == bytes {
            true => Ok(normal),
            false => Err(RuleError::NotCanonical),
        }
    }
}

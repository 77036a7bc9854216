//! What a contract text says beside its terms: whom and what it names, and where each of its parts stands.
//!
//! Texts that mean the same share their terms, and these they do not. So terms that were read from a text know them, and terms
//! that are kept for many texts, or read back from their normal form, do not.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::error::{ContractError, Fault, Path, shown};
use super::operand::Sort;
use super::words::quoted;

/// What a text may name beside its terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What it is about.
    Target,
    /// Who provides.
    Assigner,
    /// Who consumes.
    Assignee,
}

impl Role {
    /// The key in ODRL.
    pub fn key(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Assigner => "assigner",
            Self::Assignee => "assignee",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.key())
    }
}

/// Whom and what a text names. Companies stand in it as connectors name them: by BPNL or by DID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parties(BTreeMap<Role, (String, Path)>);

impl Parties {
    /// What stands there as `role`.
    pub fn named(&self, role: Role) -> Option<&str> {
        self.0.get(&role).map(|(name, _)| name.as_str())
    }

    /// All that is named.
    pub fn iter(&self) -> impl Iterator<Item = (Role, &str)> {
        self.0.iter().map(|(role, (name, _))| (*role, name.as_str()))
    }

    /// Holds what the text names as `role`, if it names any, to what it must be: `expected`, in words.
    ///
    /// # Errors
    /// It names another.
    pub fn check(
        &self,
        role: Role,
        expected: impl fmt::Display,
        is: impl FnOnce(&str) -> bool,
    ) -> Result<(), ContractError> {
        match self.0.get(&role) {
            Some((name, path)) if !is(name) => Err(path.refuse(Fault::OtherParty {
                key: role.key(),
                found: shown(name),
                expected: expected.to_string(),
            })),
            _ => Ok(()),
        }
    }

    /// Takes in what stands at `path`; all of a text must name the same.
    pub(super) fn add(&mut self, role: Role, name: &str, path: &Path) -> Result<(), ContractError> {
        let known = self.0.entry(role).or_insert_with(|| (name.to_owned(), path.clone()));
        match known.0 == name {
            true => Ok(()),
            false => Err(path.refuse(Fault::Party { key: role.key() })),
        }
    }

    /// Where `role` was first named.
    pub(super) fn place(&self, role: Role) -> Option<&Path> {
        self.0.get(&role).map(|(_, path)| path)
    }
}

/// What two texts name otherwise. Agreements on the same terms are two agreements all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherParty {
    /// As what.
    pub role: Role,
    /// What the one names, if it names any.
    pub a: Option<String>,
    /// What the other names.
    pub b: Option<String>,
}

/// For people, as differences of terms are.
impl fmt::Display for OtherParty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &Option<String>| match name {
            Some(name) => quoted(name),
            None => "none".to_owned(),
        };
        write!(
            formatter,
            "`{}`\n  - {}\n  + {}",
            self.role,
            shown(&self.a),
            shown(&self.b)
        )
    }
}

/// What the texts that terms were read from name otherwise.
pub(super) fn other_parties(a: Option<&Parties>, b: Option<&Parties>) -> Vec<OtherParty> {
    let roles = [Role::Target, Role::Assigner, Role::Assignee].into_iter();
    let compared = roles.map(|role| {
        let [a, b] = [a, b].map(|parties| parties.and_then(|parties| parties.named(role)).map(str::to_owned));
        OtherParty { role, a, b }
    });
    compared.filter(|party| party.a != party.b).collect()
}

/// Where the rules of a text and their constraints stand in it, in the order of the normal form. What stands there more than
/// once has the place where it stands first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) permissions: Vec<RulePlace>,
    pub(super) prohibitions: Vec<RulePlace>,
    pub(super) obligations: Vec<RulePlace>,
}

/// Where a rule and its constraints stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RulePlace {
    pub(super) rule: Path,
    pub(super) constraints: Vec<Path>,
}

/// What is known of a text beside its terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) parties: Parties,
    pub(super) places: Places,
}

/// How the parts of terms are named: by their places in the text where one is known, by those in the normal form otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming<'a>(pub(super) Option<&'a Places>);

/// The names of the normal form.
pub(super) const NORMAL: Naming<'static> = Naming(None);

impl Naming<'_> {
    pub(super) fn rule(self, sort: Sort, index: usize) -> String {
        match self.place(sort, index) {
            Some(place) => place.rule.to_string(),
            None => format!("$.{}s[{index}]", sort.name()),
        }
    }

    pub(super) fn constraint(self, sort: Sort, rule: usize, index: usize) -> String {
        let place = self.place(sort, rule).and_then(|place| place.constraints.get(index));
        match place {
            Some(place) => place.to_string(),
            None => format!("$.{}s[{rule}].constraints[{index}]", sort.name()),
        }
    }

    fn place(&self, sort: Sort, index: usize) -> Option<&RulePlace> {
        let places = self.0?;
        let rules = match sort {
            Sort::Permission => &places.permissions,
            Sort::Prohibition => &places.prohibitions,
            Sort::Obligation => &places.obligations,
        };
        rules.get(index)
    }
}

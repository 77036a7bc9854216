//! The normal form: typed, sorted, each thing said once; and its canonical JSON, whose SHA-256 names the terms.
//!
//! ```json
//! {"form":"tidegate.terms/1","kind":"usage","permissions":[{"constraints":[{"operand":"Membership","operator":"eq",
//!  "value":["active"]}]}],"profile":"https://w3id.org/catenax/2025/9/policy/","prohibitions":[]}
//! ```
//!
//! It is stored in decision records and read back for replay, so a change of it is a new `form`, never an edit of this one.

use serde::{Deserialize, Serialize};

use super::error::{ContractError, Fault, Path};
use super::json::Json;
use super::odrl::{Document, RawConstraint, RawRule};
use super::operand::{Constraint, Operand, Part, Place};
use super::{Kind, Profile};

/// Greatest length of a stored normal form: more than any text of the greatest length can become.
const MAX_NORMAL: usize = 2 * super::json::MAX_TEXT;
const FORM: &str = "tidegate.terms/1";
/// Rules of one sort in a text, and constraints in one rule; the longest official sample has 1 and 17.
const MAX_RULES: usize = 16;
const MAX_CONSTRAINTS: usize = 32;

/// Terms, normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Normal {
    pub(super) kind: Kind,
    pub(super) profile: Profile,
    /// At least one; any of them grants.
    pub(super) permissions: Vec<Rule>,
    /// Any of them refuses.
    pub(super) prohibitions: Vec<Rule>,
}

/// A rule: it applies if all its constraints hold, always if it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) constraints: Vec<Constraint>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NormalJson {
    form: String,
    kind: Kind,
    permissions: Vec<RuleJson>,
    profile: Profile,
    prohibitions: Vec<RuleJson>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct RuleJson {
    constraints: Vec<ConstraintJson>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct ConstraintJson {
    operand: String,
    operator: String,
    value: Vec<String>,
}

impl Normal {
    /// Gives the rules of a text their meaning.
    pub(super) fn of(document: &Document) -> Result<Self, ContractError> {
        let rules = |raw: &[RawRule], prohibition| {
            let place = Place {
                kind: document.kind,
                prohibition,
            };
            if let Some(extra) = raw.get(MAX_RULES) {
                let (what, limit) = ("rules of one sort", MAX_RULES);
                return Err(extra.path.refuse(Fault::TooMany { what, limit }));
            }
            let read = raw.iter().map(|rule| Rule::of(rule, document.profile, place));
            let mut rules = read.collect::<Result<Vec<_>, _>>()?;
            rules.sort_by_cached_key(Rule::json);
            rules.dedup();
            Ok(rules)
        };
        Ok(Self {
            kind: document.kind,
            profile: document.profile,
            permissions: rules(&document.permissions, false)?,
            prohibitions: rules(&document.prohibitions, true)?,
        })
    }

    /// Reads canonical JSON back. Everything is checked as in a contract text; any other spelling of the same is refused.
    pub(super) fn from_canonical(bytes: &[u8]) -> Result<Self, ContractError> {
        if bytes.len() > MAX_NORMAL {
            return Err(ContractError::TooLarge {
                bytes: bytes.len(),
                limit: MAX_NORMAL,
            });
        }
        let json: NormalJson =
            serde_json::from_slice(bytes).map_err(|error| ContractError::not_json(&error.to_string()))?;
        if json.form != FORM {
            return Err(ContractError::not_json(&format!(
                "its `form` is not `{FORM}`, the only one known"
            )));
        }
        if json.permissions.is_empty() {
            return Err(Path::root().key("permissions").refuse(Fault::NoPermission));
        }
        let document = Document {
            kind: json.kind,
            profile: json.profile,
            permissions: raw_rules(json.permissions, "permissions"),
            prohibitions: raw_rules(json.prohibitions, "prohibitions"),
        };
        let normal = Self::of(&document)?;
        if normal.canonical()? == bytes {
            Ok(normal)
        } else {
            Err(ContractError::NotCanonical)
        }
    }

    /// The canonical JSON (RFC 8785).
    pub(super) fn canonical(&self) -> Result<Vec<u8>, ContractError> {
        let json = NormalJson {
            form: FORM.to_owned(),
            kind: self.kind,
            permissions: self.permissions.iter().map(Rule::json).collect(),
            profile: self.profile,
            prohibitions: self.prohibitions.iter().map(Rule::json).collect(),
        };
        serde_json_canonicalizer::to_vec(&json).map_err(|error| ContractError::not_json(&error.to_string()))
    }
}

impl Rule {
    fn of(raw: &RawRule, profile: Profile, place: Place) -> Result<Self, ContractError> {
        if let Some(extra) = raw.constraints.get(MAX_CONSTRAINTS) {
            let (what, limit) = ("constraints in one rule", MAX_CONSTRAINTS);
            return Err(extra.operand.0.refuse(Fault::TooMany { what, limit }));
        }
        let mut constraints = Vec::new();
        for RawConstraint {
            operand,
            operator,
            values,
        } in &raw.constraints
        {
            let read = Constraint::read(profile, place, &operand.1, &operator.1, &values.1);
            constraints.push(read.map_err(|(part, fault)| match part {
                Part::Operand => operand.0.refuse(fault),
                Part::Operator => operator.0.refuse(fault),
                Part::Value => values.0.refuse(fault),
            })?);
        }
        constraints.sort_by_cached_key(json_of);
        constraints.dedup();
        let rule = Self { constraints };
        rule.check_mandatory(&raw.path, profile, place)?;
        Ok(rule)
    }

    /// CX-0152 demands a framework agreement and a purpose of every usage permission; without them it would grant far more
    /// than its author can have meant.
    fn check_mandatory(&self, path: &Path, profile: Profile, place: Place) -> Result<(), ContractError> {
        if place.prohibition || place.kind == Kind::Access || profile == Profile::Cx2405 {
            return Ok(());
        }
        let missing = [Operand::FrameworkAgreement, Operand::UsagePurpose]
            .into_iter()
            .find(|operand| !self.names(*operand));
        match missing {
            Some(operand) => Err(path.refuse(Fault::Mandatory {
                operand: operand.name(),
            })),
            None => Ok(()),
        }
    }

    /// Whether a constraint of the rule is on `operand`.
    pub(super) fn names(&self, operand: Operand) -> bool {
        self.constraints
            .iter()
            .any(|constraint| constraint.operand() == operand)
    }

    fn json(&self) -> RuleJson {
        RuleJson {
            constraints: self.constraints.iter().map(json_of).collect(),
        }
    }
}

fn json_of(constraint: &Constraint) -> ConstraintJson {
    ConstraintJson {
        operand: constraint.operand().name().to_owned(),
        operator: constraint.operator().name().to_owned(),
        value: constraint.values(),
    }
}

fn raw_rules(rules: Vec<RuleJson>, key: &str) -> Vec<RawRule> {
    let at = Path::root().key(key);
    let rules = rules.into_iter().enumerate();
    rules
        .map(|(index, rule)| {
            let path = at.at(index);
            let constraints = rule.constraints.into_iter().enumerate();
            let constraints = constraints.map(|(index, constraint)| {
                let path = path.key("constraints").at(index);
                RawConstraint {
                    operand: (path.key("operand"), constraint.operand),
                    operator: (path.key("operator"), constraint.operator),
                    values: (path.key("value"), constraint.value),
                }
            });
            RawRule {
                constraints: constraints.collect(),
                path: path.clone(),
            }
        })
        .collect()
}

/// The rules of a contract text, normalised.
pub(super) fn of_text(text: &str) -> Result<Normal, ContractError> {
    Normal::of(&super::odrl::read(&Json::read(text)?)?)
}

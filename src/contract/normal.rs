//! The normal form: typed, sorted, each thing said once; and its canonical JSON, whose SHA-256 names the terms.
//!
//! ```json
//! {"form":"tidegate.terms/1","kind":"usage","permissions":[{"constraints":[{"operand":"Membership","operator":"eq",
//!  "value":["active"]}]}],"profile":"https://w3id.org/catenax/2025/9/policy/","prohibitions":[]}
//! ```
//!
//! It is stored in decision records and read back for replay, so a change of it is a new `form`, never an edit of this one.
//! `obligations` stands in it only where there are any: terms of before they were understood have none, and keep their bytes.

use serde::{Deserialize, Serialize};

use super::constraint::{Constraint, Part};
use super::error::{ContractError, Fault, Path};
use super::json::Json;
use super::odrl::{Document, RawConstraint, RawRule};
use super::operand::{Group, Operand, Place, Sort, Spelled};
use super::source::{Parties, Places, RulePlace, Source};
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
    /// Each bounds how long data is provided.
    pub(super) obligations: Vec<Rule>,
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    obligations: Vec<RuleJson>,
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
    /// Gives the rules of a text their meaning, and says where each of them stands in the text.
    pub(super) fn of(document: &Document) -> Result<(Self, Places), ContractError> {
        let rules = |raw: &[RawRule], sort| -> Result<(Vec<Rule>, Vec<RulePlace>), ContractError> {
            if let Some(extra) = raw.get(MAX_RULES) {
                let (what, limit) = ("rules of one sort", MAX_RULES);
                return Err(extra.path.refuse(Fault::TooMany { what, limit }));
            }
            let read = raw.iter().map(|rule| Rule::of(rule, document, sort));
            let mut rules = read.collect::<Result<Vec<_>, _>>()?;
            // Stable, so that of what stands there twice the first place is kept.
            rules.sort_by_cached_key(|(rule, _)| rule.json());
            rules.dedup_by(|later, earlier| later.0 == earlier.0);
            Ok(rules.into_iter().unzip())
        };
        let (permissions, permitting) = rules(&document.permissions, Sort::Permission)?;
        let (prohibitions, prohibiting) = rules(&document.prohibitions, Sort::Prohibition)?;
        let (obligations, obliging) = rules(&document.obligations, Sort::Obligation)?;
        check_one_end(&document.obligations, &obligations)?;
        let normal = Self {
            kind: document.kind,
            profile: document.profile,
            permissions,
            prohibitions,
            obligations,
        };
        let places = Places {
            permissions: permitting,
            prohibitions: prohibiting,
            obligations: obliging,
        };
        Ok((normal, places))
    }

    /// The rules of one sort.
    pub(super) fn rules(&self, sort: Sort) -> &[Rule] {
        match sort {
            Sort::Permission => &self.permissions,
            Sort::Prohibition => &self.prohibitions,
            Sort::Obligation => &self.obligations,
        }
    }

    /// Reads canonical JSON back. Everything that has a meaning is read as in a contract text, though a new text might not say it any
    /// more; any other spelling of the same is refused.
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
            on_record: true,
            kind: json.kind,
            profile: json.profile,
            parties: Parties::default(),
            permissions: raw_rules(json.permissions, "permissions"),
            prohibitions: raw_rules(json.prohibitions, "prohibitions"),
            obligations: raw_rules(json.obligations, "obligations"),
        };
        let (normal, _) = Self::of(&document)?;
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
            obligations: self.obligations.iter().map(Rule::json).collect(),
            permissions: self.permissions.iter().map(Rule::json).collect(),
            profile: self.profile,
            prohibitions: self.prohibitions.iter().map(Rule::json).collect(),
        };
        serde_json_canonicalizer::to_vec(&json).map_err(|error| ContractError::not_json(&error.to_string()))
    }
}

impl Rule {
    fn of(raw: &RawRule, document: &Document, sort: Sort) -> Result<(Self, RulePlace), ContractError> {
        let Document { kind, profile, .. } = *document;
        let place = Place { kind, sort };
        if let Some(extra) = raw.constraints.get(MAX_CONSTRAINTS) {
            let (what, limit) = ("constraints in one rule", MAX_CONSTRAINTS);
            return Err(extra.operand.0.refuse(Fault::TooMany { what, limit }));
        }
        let mut constraints: Vec<(Constraint, Path)> = Vec::new();
        for raw in &raw.constraints {
            let constraint = read(raw, profile, place)?;
            let misleads = constraint.misleads(profile).filter(|_| !document.on_record);
            if let Some(fault) = misleads {
                return Err(raw.values.0.refuse(fault));
            }
            if let Some((other, _)) = constraints.iter().find(|(other, _)| excludes(&constraint, other)) {
                return Err(raw.operand.0.refuse(at_most_one(&constraint, other)));
            }
            constraints.push((constraint, raw.path.clone()));
        }
        if constraints.is_empty() && place.sort == Sort::Obligation {
            return Err(raw.path.refuse(Fault::EmptyObligation));
        }
        constraints.sort_by_cached_key(|(constraint, _)| json_of(constraint));
        constraints.dedup_by(|later, earlier| later.0 == earlier.0);
        let (constraints, places) = constraints.into_iter().unzip();
        let rule = Self { constraints };
        rule.check_mandatory(&raw.path, profile, place)?;
        let place = RulePlace {
            rule: raw.path.clone(),
            constraints: places,
        };
        Ok((rule, place))
    }

    /// CX-0152 demands a framework agreement and a purpose of every usage permission; without them it would grant far more
    /// than its author can have meant.
    fn check_mandatory(&self, path: &Path, profile: Profile, place: Place) -> Result<(), ContractError> {
        if place.sort != Sort::Permission || place.kind == Kind::Access || profile == Profile::Cx2405 {
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

    /// Whether a constraint of the rule answers the question of `group`.
    pub(super) fn answers(&self, group: Group) -> bool {
        let mut constraints = self.constraints.iter();
        constraints.any(|constraint| constraint.operand().entry().group == Some(group))
    }

    /// Whether a constraint of the rule is on `operand`.
    pub(super) fn names(&self, operand: Operand) -> bool {
        self.position(operand).is_some()
    }

    /// Which constraint of the rule is the first on `operand`.
    pub(super) fn position(&self, operand: Operand) -> Option<usize> {
        let mut constraints = self.constraints.iter();
        constraints.position(|constraint| constraint.operand() == operand)
    }

    fn json(&self) -> RuleJson {
        RuleJson {
            constraints: self.constraints.iter().map(json_of).collect(),
        }
    }
}

fn read(raw: &RawConstraint, profile: Profile, place: Place) -> Result<Constraint, ContractError> {
    let RawConstraint {
        operand,
        operator,
        values,
        ..
    } = raw;
    let read = Constraint::read(profile, place, &operand.1, &operator.1, &values.1);
    read.map_err(|(part, fault)| match part {
        Part::Operand => operand.0.refuse(fault),
        Part::Operator => operator.0.refuse(fault),
        Part::Value => values.0.refuse(fault),
    })
}

/// Whether two constraints answer one question differently.
fn excludes(one: &Constraint, other: &Constraint) -> bool {
    let group = one.operand().entry().group;
    group.is_some() && group == other.operand().entry().group && one != other
}

fn at_most_one(one: &Constraint, other: &Constraint) -> Fault {
    Fault::AtMostOne {
        found: one.operand().name(),
        other: other.operand().name(),
    }
}

/// All obligations of a text are about one thing, the end of provision, so they may give one answer only.
fn check_one_end(raw: &[RawRule], rules: &[Rule]) -> Result<(), ContractError> {
    let mut ends = rules.iter().flat_map(|rule| &rule.constraints);
    match (ends.next(), ends.next(), raw.last()) {
        (Some(one), Some(other), Some(at)) => Err(at.path.refuse(at_most_one(other, one))),
        _ => Ok(()),
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
                    path: path.clone(),
                    operand: (path.key("operand"), Spelled::bare(constraint.operand)),
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

/// The rules of a contract text, normalised, and what it says beside them. `wanted` is the kind of policy that it must be.
pub(super) fn of_text(text: &str, wanted: Option<Kind>) -> Result<(Normal, Source), ContractError> {
    let document = super::odrl::read(&Json::read(text)?, wanted)?;
    let (normal, places) = Normal::of(&document)?;
    let parties = document.parties;
    Ok((normal, Source { parties, places }))
}

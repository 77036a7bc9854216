//! Why a contract text is refused, where, and how to mend it.

use std::fmt;

use super::Kind;
use super::words::visible;

/// Why a contract text or a stored normal form has not become [`Terms`](super::Terms). Nothing is granted in any case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// The text is longer than what is read at all.
    #[error("the contract text has {bytes} bytes; at most {limit} are read, so leave out what is not a term")]
    TooLarge {
        /// Length of the text in bytes.
        bytes: usize,
        /// Greatest length in bytes.
        limit: usize,
    },
    /// The text is not one JSON value (RFC 8259) in UTF-8.
    #[error("the contract text is not JSON: {detail}; check it with a JSON parser")]
    NotJson {
        /// What the parser said, with line and column.
        detail: String,
    },
    /// Something in the text is not understood, or understood and not allowed.
    #[error("{path}: {fault}")]
    Refused {
        /// Where it stands, as a JSON path (RFC 9535).
        path: String,
        /// What is wrong and how to mend it.
        fault: Fault,
    },
    /// A stored normal form reads back as terms, but is not their one canonical spelling.
    #[error("the normal form is not canonical JSON of itself; store exactly the bytes `Terms::canonical` gave")]
    NotCanonical,
    /// Cedar refuses what was compiled: a defect of the compiler, met by granting nothing.
    #[error("the compiled policy `{id}` is not Cedar: {detail}; this is a defect of Tidegate, report it with the text")]
    NotCedar {
        /// The policy's id.
        id: String,
        /// What Cedar said.
        detail: String,
    },
}

impl ContractError {
    /// What a JSON parser said; it may quote the text.
    pub(super) fn not_json(said: &str) -> Self {
        let said: String = said.chars().take(200).collect();
        let detail = visible(&said, '`');
        Self::NotJson { detail }
    }
}

/// What is wrong at one place of a contract text. The message says how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each message is its documentation; the fields are what it shows"
)]
pub enum Fault {
    #[error("`{key}` is given twice; keep one, for readers differ on which of the two counts")]
    DuplicateKey { key: String },
    #[error("nested deeper than {limit} levels; flatten nested `and`s into one list")]
    TooDeep { limit: usize },
    #[error("more than {limit} {what}; divide the contract")]
    TooMany { what: &'static str, limit: usize },
    #[error("unknown key `{key}`; known here are {known}, and nothing else is ever ignored")]
    UnknownKey { key: String, known: &'static str },
    #[error("{found} where {expected} belongs")]
    Shape {
        expected: &'static str,
        found: &'static str,
    },
    #[error("`{key}` is missing; add it")]
    Missing { key: &'static str },
    #[error("unknown JSON-LD context `{entry}`; use the ODRL, Dataspace Protocol and Catena-X policy contexts")]
    Context { entry: String },
    #[error(
        "unknown policy profile `{value}`; use `https://w3id.org/catenax/2025/9/policy/` or `cx-policy:profile2405`"
    )]
    UnknownProfile { value: String },
    #[error(
        "this belongs to another version of the Catena-X policy profile than {other}; write all of it in one version"
    )]
    MixedProfiles { other: String },
    #[error("unknown type `{found}`; here it is {expected}")]
    Type { found: String, expected: &'static str },
    #[error("`{key}` differs from the policy's other `{key}`; make one contract for each")]
    Party { key: &'static str },
    #[error("`{key}` is `{found}`, and must be {expected}")]
    OtherParty {
        key: &'static str,
        found: String,
        expected: String,
    },
    #[error(
        "`assignee` says for whom the rules are, which only an `Agreement` does; in a policy or an offer write it as a constraint \
         of the access policy, such as `BusinessPartnerNumber` `isAnyOf` `[\"BPNL…\"]`"
    )]
    Assignee,
    #[error("unknown action `{found}`; use `use` for a usage policy or `access` for an access policy")]
    Action { found: String },
    #[error("{}", other_kind(*wanted))]
    OtherKind { wanted: Kind },
    #[error("one text holds both `use` and `access` rules; make a usage policy and an access policy of it")]
    MixedActions,
    #[error("`{found}` is not allowed, only `and` is; write each alternative as a permission of its own")]
    Logical { found: String },
    #[error("unknown left operand `{found}`; {mend}")]
    Operand { found: String, mend: String },
    #[error("left operand `{operand}` has no meaning in {place}; it belongs into {belongs}")]
    NotHere {
        operand: &'static str,
        place: &'static str,
        belongs: String,
    },
    #[error("left operand `{operand}` does not take the operator `{found}`; use {expected}")]
    Operator {
        operand: &'static str,
        found: String,
        expected: String,
    },
    #[error("`{found}` is no value for `{operand}`; give {expected}")]
    Value {
        operand: &'static str,
        found: String,
        expected: String,
    },
    #[error(
        "`{found}` may be read as another name or as several: {why}; write a JSON array, each name in it as it is on record"
    )]
    Name { found: String, why: &'static str },
    #[error("`{found}` and `{other}` say when the same thing ends, and may differ; keep one of them")]
    AtMostOne { found: &'static str, other: &'static str },
    #[error(
        "`{key}` cannot be enforced here and is never ignored; take it out, or write its condition as a constraint"
    )]
    Duty { key: String },
    #[error(
        "an obligation without an end can be neither watched nor enforced; give it a `DataProvisioningEndDate` or a \
         `DataProvisioningEndDurationDays`, or take it out"
    )]
    EmptyObligation,
    #[error("this is not a policy but an object around one; give the policy under `{key}` alone")]
    Wrapped { key: String },
    #[error("there is no permission, so nothing could ever be granted; add a rule under `permission`")]
    NoPermission,
    #[error("a usage permission must name `{operand}` (CX-0152); add such a constraint")]
    Mandatory { operand: &'static str },
}

fn other_kind(wanted: Kind) -> &'static str {
    match wanted {
        Kind::Access => {
            "the action `use` makes this a usage policy, and an access policy belongs here; write who may see the offer as a policy \
             of its own, with the action `access`"
        }
        Kind::Usage => {
            "the action `access` makes this an access policy, and a usage policy belongs here; write the conditions of use as a \
             policy of its own, with the action `use`"
        }
    }
}

/// A JSON path under construction, as RFC 9535 writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn root() -> Self {
        Self("$".to_owned())
    }

    /// The member `key` of the object here.
    pub(super) fn key(&self, key: &str) -> Self {
        let plain = (1..=80).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        Self(if plain {
            format!("{self}.{key}")
        } else {
            format!("{self}['{}']", cut(key, '\''))
        })
    }

    /// The element `index` of the array here.
    pub(super) fn at(&self, index: usize) -> Self {
        Self(format!("{self}[{index}]"))
    }

    pub(super) fn refuse(&self, fault: Fault) -> ContractError {
        ContractError::Refused {
            path: self.0.clone(),
            fault,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A caller's text fit for a message, between backticks: hidden characters escaped, cut to 80 characters.
pub(crate) fn shown(text: &str) -> String {
    cut(text, '`')
}

fn cut(text: &str, quote: char) -> String {
    let start: String = text.chars().take(80).collect();
    let mut shown = visible(&start, quote);
    if text.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}

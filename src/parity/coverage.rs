//! What the matrix must show: every kind of request the schema allows, and of each layer both answers.
//!
//! A matrix that has no secret in it says nothing about secrets, and nobody misses them. So every kind of request (principal,
//! action, resource) must be shown in some world by an actor and a resource of those kinds; Cedar must allow one and deny one;
//! and where AWS is asked at all, it must allow one and deny one too. What cannot be shown stands in
//! `matrix-exemptions.json`, with the reason:
//!
//! ```json
//! [{"principal": "Partner", "action": "access", "resource": "Footprint", "lacks": "iam-denied",
//!   "reason": "the matrix draws only requests carried by the owner's own connector …"}]
//! ```
//!
//! The list is held from both sides: a gap that is not exempt fails, and so does an exemption that excuses no gap, or names
//! what the schema does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::case::ExpectIam;
use super::finding::{Finding, Rule};
use super::matrix::{Environment, Matrix};
use crate::decision::{Effect, IamDecision};

/// What the matrix may fail to show of a kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lack {
    /// No world has both an actor and a resource of these kinds.
    Any,
    /// Cedar allows none.
    CedarAllow,
    /// Cedar denies none.
    CedarDeny,
    /// AWS is asked and allows none.
    IamAllowed,
    /// AWS is asked and denies none.
    IamDenied,
}

impl fmt::Display for Lack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Any => "no world has both an actor and a resource of these kinds",
            Self::CedarAllow => "Cedar allows it nowhere",
            Self::CedarDeny => "Cedar denies it nowhere",
            Self::IamAllowed => "AWS is asked and allows it nowhere",
            Self::IamDenied => "AWS is asked and denies it nowhere",
        })
    }
}

/// A gap that is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// The principal's type.
    pub principal: String,
    /// The action.
    pub action: String,
    /// The resource's type.
    pub resource: String,
    /// What need not be shown.
    pub lacks: Lack,
    /// Why.
    pub reason: String,
}

/// What the matrices of all worlds show.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    /// How many kinds of request the schema allows.
    pub environments: usize,
    /// How many of them are shown.
    pub shown: usize,
    /// The gaps that are exempt.
    pub exempt: Vec<Exemption>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Holds `matrices`, of all worlds together, and `exemptions` against what the schema allows.
pub fn coverage(schema: &BTreeSet<Environment>, matrices: &[Matrix], exemptions: &[Exemption]) -> Coverage {
    let seen = seen(matrices);
    let none = BTreeSet::new();
    let mut gaps: BTreeSet<([&str; 3], Lack)> = BTreeSet::new();
    for environment in schema {
        let (principal, action, resource) = environment;
        let spelled = [principal.as_str(), action.as_str(), resource.as_str()];
        let lacks = lacks(seen.get(environment).unwrap_or(&none));
        gaps.extend(lacks.into_iter().map(|lack| (spelled, lack)));
    }
    let known = |exemption: &Exemption| {
        schema.iter().any(|(principal, action, resource)| {
            [principal.as_str(), action.as_str(), resource.as_str()] == spelled(exemption)
        })
    };
    let mut findings = Vec::new();
    let mut exempt = Vec::new();
    for exemption in exemptions {
        let [principal, action, resource] = spelled(exemption);
        let request = format!("{principal} > {action} > {resource}");
        if !known(exemption) {
            let message = format!("matrix-exemptions.json: the schema does not allow `{request}` to be asked");
            findings.push(Finding::new(Rule::UnknownExemption, message));
        } else if gaps.remove(&(spelled(exemption), exemption.lacks)) {
            exempt.push(exemption.clone());
        } else {
            let twice = exempt
                .iter()
                .any(|other: &Exemption| spelled(other) == spelled(exemption) && other.lacks == exemption.lacks);
            let why = if twice {
                "is exempt twice"
            } else {
                "need not be exempt, for it is not so"
            };
            let message = format!("matrix-exemptions.json: `{request}` {why}: {}", exemption.lacks);
            findings.push(Finding::new(Rule::StaleExemption, message));
        }
    }
    findings.extend(gaps.iter().map(|([principal, action, resource], lack)| {
        let message = format!("the matrix does not cover `{principal} > {action} > {resource}`: {lack}");
        Finding::new(Rule::Uncovered, message)
    }));
    Coverage {
        environments: schema.len(),
        shown: schema
            .iter()
            .filter(|environment| seen.contains_key(environment))
            .count(),
        exempt,
        findings,
    }
}

fn spelled(exemption: &Exemption) -> [&str; 3] {
    [&exemption.principal, &exemption.action, &exemption.resource].map(String::as_str)
}

/// An answer of a layer, as far as coverage cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    CedarAllow,
    CedarDeny,
    IamAllowed,
    IamDenied,
}

fn seen(matrices: &[Matrix]) -> BTreeMap<Environment, BTreeSet<Answer>> {
    let mut seen: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (table, _, _, cell) in matrices.iter().flat_map(Matrix::cells) {
        let answers = seen.entry(table.environment).or_default();
        answers.extend(cell.answers.cedar.decision().map(|decision| match decision {
            Effect::Allow => Answer::CedarAllow,
            Effect::Deny => Answer::CedarDeny,
        }));
        if let ExpectIam::Asked(asked) = &cell.answers.iam {
            answers.insert(match asked.decision {
                IamDecision::Allowed => Answer::IamAllowed,
                IamDecision::ExplicitDeny | IamDecision::ImplicitDeny => Answer::IamDenied,
            });
        }
    }
    seen
}

fn lacks(seen: &BTreeSet<Answer>) -> Vec<Lack> {
    if seen.is_empty() {
        return vec![Lack::Any];
    }
    let asked = seen.contains(&Answer::IamAllowed) || seen.contains(&Answer::IamDenied);
    let wanted = [
        (true, Answer::CedarAllow, Lack::CedarAllow),
        (true, Answer::CedarDeny, Lack::CedarDeny),
        (asked, Answer::IamAllowed, Lack::IamAllowed),
        (asked, Answer::IamDenied, Lack::IamDenied),
    ];
    let missing = wanted
        .into_iter()
        .filter(|(wanted, answer, _)| *wanted && !seen.contains(answer));
    missing.map(|(_, _, lack)| lack).collect()
}

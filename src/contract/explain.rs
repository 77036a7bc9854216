//! Terms for showing: each constraint with what becomes of it and why, what nobody wrote down, and the dates that follow.

use jiff::Timestamp;
use serde::Serialize;

use super::condition::{Says, says};
use super::constraint::Constraint;
use super::default::{self, Unwritten, YEAR};
use super::legal::legal;
use super::normal::{Normal, Rule};
use super::operand::{Operand, Operator, Sort};
use super::source::{NORMAL, Naming};
use super::value::End;
use super::words::{clause, reason};
use super::{Class, Kind, Moment};

/// One constraint of terms, for showing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clause {
    /// Where it stands in the normal form, as a JSON path; a default stands with what brings it.
    pub path: String,
    /// Where it stands in the text the terms were read from; none where they were read from no text, or are kept for many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Which list of the policy it stands in: `permission`, `prohibition` or `obligation`.
    pub rule: &'static str,
    /// The left operand, by its ODRL name. Of a default, the operand that would replace it.
    pub operand: &'static str,
    /// The operator, by its ODRL name.
    pub operator: &'static str,
    /// The right operand; empty for a default the profile has no word for.
    pub value: Vec<String>,
    /// What becomes of it.
    pub class: Class,
    /// Whether nobody wrote it down.
    pub by_default: bool,
    /// Where it has a say.
    pub moments: Vec<Moment>,
    /// What it demands, in plain words; of a prohibition or an obligation, when it forbids; of what is recorded, why it
    /// decides nothing.
    pub reason: String,
    /// What the parties agreed on with it, in our own short words after the legal text of the profile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub legal: Vec<&'static str>,
}

/// What binds the parties and decides nothing: shown with each decision under the terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Where it stands in the normal form, as a JSON path.
    pub path: String,
    /// The constraint on one line, such as `Warranty eq cx.warranty.none:1`, with `prohibited:` before it in a prohibition.
    pub clause: String,
    /// What the parties agreed on with it, in our own short words.
    pub text: String,
}

const SORTS: [Sort; 3] = [Sort::Permission, Sort::Prohibition, Sort::Obligation];

/// Each rule, with its list and its number in it.
pub(super) fn rules(normal: &Normal) -> impl Iterator<Item = (Sort, usize, &Rule)> {
    SORTS.into_iter().flat_map(move |sort| {
        let rules = normal.rules(sort).iter().enumerate();
        rules.map(move |(index, rule)| (sort, index, rule))
    })
}

/// All constraints, in the order of the normal form, each followed by the defaults it brings.
pub(super) fn clauses(normal: &Normal, naming: Naming<'_>) -> Vec<Clause> {
    rules(normal).flat_map(|rule| of_rule(normal, naming, rule)).collect()
}

/// The constraints of one rule.
pub(super) fn of_rule(normal: &Normal, naming: Naming<'_>, (sort, number, rule): (Sort, usize, &Rule)) -> Vec<Clause> {
    let unwritten = match sort {
        Sort::Permission => default::of_permission(normal, rule),
        Sort::Prohibition | Sort::Obligation => Vec::new(),
    };
    let source = |path: String| naming.0.is_some().then_some(path);
    let mut clauses = Vec::new();
    for (index, constraint) in rule.constraints.iter().enumerate() {
        let place = Place {
            path: NORMAL.constraint(sort, number, index),
            source: source(naming.constraint(sort, number, index)),
        };
        clauses.push(of_constraint(normal.kind, sort, place.clone(), constraint));
        if matches!(constraint, Constraint::Framework(_)) {
            let brought = unwritten.iter().filter(|term| term.of_framework());
            clauses.extend(brought.map(|term| of_unwritten(*term, place.clone())));
        }
    }
    let place = Place {
        path: NORMAL.rule(sort, number),
        source: source(naming.rule(sort, number)),
    };
    let others = unwritten.iter().filter(|term| !term.of_framework());
    clauses.extend(others.map(|term| of_unwritten(*term, place.clone())));
    clauses
}

/// Where something stands in the normal form, and in the text if that is known.
#[derive(Clone)]
struct Place {
    path: String,
    source: Option<String>,
}

fn of_constraint(kind: Kind, sort: Sort, Place { path, source }: Place, constraint: &Constraint) -> Clause {
    Clause {
        path,
        source,
        rule: sort.name(),
        operand: constraint.operand().name(),
        operator: constraint.operator().name(),
        value: constraint.values(),
        class: constraint.class(),
        by_default: false,
        moments: moments(kind, |moment| matches!(says(constraint, sort, moment), Says::If(_))),
        reason: reason(constraint, sort),
        legal: legal(constraint, sort),
    }
}

fn of_unwritten(term: Unwritten, Place { path, source }: Place) -> Clause {
    let (operand, operator, value) = term.as_if_written();
    Clause {
        path,
        source,
        rule: Sort::Permission.name(),
        operand: operand.name(),
        operator: operator.name(),
        value: value.into_iter().collect(),
        class: Class::Decided,
        by_default: true,
        moments: moments(Kind::Usage, |moment| term.says(moment) != Says::Nothing),
        reason: term.reason().to_owned(),
        legal: Vec::new(),
    }
}

/// The moments at which terms of this kind are judged and something `has_say`.
fn moments(kind: Kind, has_say: impl Fn(Moment) -> bool) -> Vec<Moment> {
    let judged = |moment: &Moment| match kind {
        Kind::Access => matches!(moment, Moment::Discover | Moment::Negotiate),
        Kind::Usage => *moment != Moment::Discover,
    };
    let all = Moment::ALL.into_iter().filter(judged);
    all.filter(|moment| has_say(*moment)).collect()
}

/// What is only recorded, in the order of the normal form.
pub(super) fn notices(normal: &Normal) -> Vec<Notice> {
    let of_rule = |(sort, number, rule): (Sort, usize, &Rule)| -> Vec<Notice> {
        let constraints = rule.constraints.iter().enumerate();
        let recorded = constraints.filter(|(_, constraint)| constraint.class() == Class::Recorded);
        let notices = recorded.map(|(index, constraint)| Notice {
            path: NORMAL.constraint(sort, number, index),
            clause: match sort {
                Sort::Permission | Sort::Obligation => clause(constraint),
                Sort::Prohibition => format!("prohibited: {}", clause(constraint)),
            },
            text: legal(constraint, sort).join(" "),
        });
        notices.collect()
    };
    rules(normal).flat_map(of_rule).collect()
}

/// The first instant at which the dates of usage terms grant nothing more; none if they never end.
pub(super) fn ends(normal: &Normal, signed_at: Timestamp) -> Option<Timestamp> {
    let permissions = normal.permissions.iter().map(|rule| rule.ends(normal, signed_at));
    // The permission that lasts longest counts, and one without an end lasts for ever; an obligation bounds them all.
    let used = permissions.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten();
    let obligations = normal.obligations.iter().flat_map(|rule| &rule.constraints);
    let provided = obligations.filter_map(|constraint| match constraint {
        Constraint::ProvisioningEnd(end) => end.after(signed_at),
        _ => None,
    });
    used.into_iter().chain(provided).min()
}

impl Rule {
    /// The first instant at which the permission's dates fail for good, for an agreement signed at `signed_at`.
    fn ends(&self, normal: &Normal, signed_at: Timestamp) -> Option<Timestamp> {
        let own = self.constraints.iter().filter_map(|constraint| match constraint {
            Constraint::UsageEnd(end) => end.after(signed_at),
            Constraint::InForce { operator, bound } => {
                let bound = bound.instant(signed_at)?;
                let next = bound.checked_add(jiff::SignedDuration::from_millis(1)).ok();
                match operator {
                    Operator::Lt => Some(bound),
                    Operator::Lteq | Operator::Eq => next,
                    _ => None,
                }
            }
            _ => None,
        });
        let yearly = default::of_permission(normal, self)
            .iter()
            .any(|term| matches!(term, Unwritten::ProvisionYear | Unwritten::UsageYear));
        let year = yearly.then(|| End::Days(YEAR).after(signed_at)).flatten();
        own.chain(year).min()
    }
}

/// Whether a usage permission of the terms names `operand` with a decided constraint.
pub(super) fn decides(normal: &Normal, operand: Operand) -> bool {
    let mut constraints = normal.permissions.iter().flat_map(|rule| &rule.constraints);
    constraints.any(|constraint| constraint.operand() == operand && constraint.class() == Class::Decided)
}

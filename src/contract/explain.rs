//! Terms for showing: each constraint with what becomes of it and why, what nobody wrote down, and the dates that follow.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::condition::{Says, says};
use super::constraint::Constraint;
use super::default::{self, Unwritten, YEAR};
use super::legal::{SOURCE, legal};
use super::normal::{Normal, Rule};
use super::operand::{Operand, Operator, Sort};
use super::value::End;
use super::words::{clause, reason};
use super::{Class, Kind, Moment, Terms};

/// One constraint of terms, for showing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clause {
    /// Where it stands in the normal form, as a JSON path; a default stands with what brings it.
    pub path: String,
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

/// Each rule, with its sort and its path.
fn rules(normal: &Normal) -> impl Iterator<Item = (Sort, String, &Rule)> {
    SORTS.into_iter().flat_map(move |sort| {
        let rules = normal.rules(sort).iter().enumerate();
        rules.map(move |(index, rule)| (sort, format!("$.{}s[{index}]", sort.name()), rule))
    })
}

/// All constraints, in the order of the normal form, each followed by the defaults it brings.
pub(super) fn clauses(normal: &Normal) -> Vec<Clause> {
    rules(normal)
        .flat_map(|(sort, path, rule)| of_rule(normal, sort, &path, rule))
        .collect()
}

fn of_rule(normal: &Normal, sort: Sort, rule_path: &str, rule: &Rule) -> Vec<Clause> {
    let unwritten = match sort {
        Sort::Permission => default::of_permission(normal, rule),
        Sort::Prohibition | Sort::Obligation => Vec::new(),
    };
    let mut clauses = Vec::new();
    for (index, constraint) in rule.constraints.iter().enumerate() {
        let path = format!("{rule_path}.constraints[{index}]");
        clauses.push(of_constraint(normal.kind, sort, path.clone(), constraint));
        if matches!(constraint, Constraint::Framework(_)) {
            let brought = unwritten.iter().filter(|term| term.of_framework());
            clauses.extend(brought.map(|term| of_unwritten(*term, &path)));
        }
    }
    let others = unwritten.iter().filter(|term| !term.of_framework());
    clauses.extend(others.map(|term| of_unwritten(*term, rule_path)));
    clauses
}

fn of_constraint(kind: Kind, sort: Sort, path: String, constraint: &Constraint) -> Clause {
    Clause {
        path,
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

fn of_unwritten(term: Unwritten, path: &str) -> Clause {
    let (operand, operator, value) = term.as_if_written();
    Clause {
        path: path.to_owned(),
        rule: Sort::Permission.name(),
        operand: operand.name(),
        operator: operator.name(),
        value: value.into_iter().collect(),
        class: Class::Decided,
        by_default: true,
        moments: moments(Kind::Usage, |moment| term.says(moment) != Says::Nothing),
        reason: if term.of_framework() {
            format!(
                "{}; the framework agreement has it so unless agreed otherwise",
                term.reason()
            )
        } else {
            term.reason().to_owned()
        },
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
    let of_rule = |(sort, path, rule): (Sort, String, &Rule)| -> Vec<Notice> {
        let constraints = rule.constraints.iter().enumerate();
        let recorded = constraints.filter(|(_, constraint)| constraint.class() == Class::Recorded);
        let notices = recorded.map(|(index, constraint)| Notice {
            path: format!("{path}.constraints[{index}]"),
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

/// A table of [`Terms::constraints`] for people: of each its facts, its reason and its legal text.
pub fn render_table(terms: &Terms) -> String {
    let mut table = format!(
        "{} terms {}\nprofile {}\n",
        terms.kind(),
        terms.digest(),
        terms.profile().namespace()
    );
    // Writing to a string cannot fail.
    for (_, path, rule) in rules(&terms.normal) {
        if rule.constraints.is_empty() {
            let _ = writeln!(table, "\n{path}\n  has no constraint: it applies to every partner");
        }
    }
    let clauses = terms.constraints();
    for clause in &clauses {
        render(&mut table, clause);
    }
    if clauses.iter().any(|clause| !clause.legal.is_empty()) {
        let _ = writeln!(table, "\nlegal: {SOURCE}");
    }
    table
}

fn render(table: &mut String, clause: &Clause) {
    let class = match clause.class {
        Class::Decided => "decided",
        Class::Recorded => "recorded",
        Class::Refused => "refused",
    };
    let origin = if clause.by_default { ", by default" } else { "" };
    let moments: Vec<_> = clause.moments.iter().map(|moment| moment.as_str()).collect();
    let moments = match moments.as_slice() {
        [] => String::new(),
        some => format!(", at {}", some.join(", ")),
    };
    let value = match clause.value.as_slice() {
        [] => "(nothing said)".to_owned(),
        some => some.join(", ").escape_debug().to_string(),
    };
    let Clause {
        path,
        operand,
        operator,
        reason,
        ..
    } = clause;
    let _ = writeln!(
        table,
        "\n{path}\n  {operand} {operator} {value}\n  {class}{origin}{moments}\n  {reason}"
    );
    for text in &clause.legal {
        let _ = writeln!(table, "  legal: {text}");
    }
}

/// Whether a usage permission of the terms names `operand` with a decided constraint.
pub(super) fn decides(normal: &Normal, operand: Operand) -> bool {
    let mut constraints = normal.permissions.iter().flat_map(|rule| &rule.constraints);
    constraints.any(|constraint| constraint.operand() == operand && constraint.class() == Class::Decided)
}

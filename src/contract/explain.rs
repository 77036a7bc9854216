//! Terms in plain words: each constraint with what becomes of it and why, and the dates that follow.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::compile::hands_out;
use super::normal::{Normal, Rule};
use super::operand::{Constraint, Operand};
use super::{Class, Kind, Moment, Terms};

/// One constraint of terms, for showing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clause {
    /// Where it stands in the normal form, as a JSON path; a default stands with the constraint that brings it.
    pub path: String,
    /// The left operand, by its ODRL name. Of a default, the operand that would replace it.
    pub operand: &'static str,
    /// The operator, by its ODRL name.
    pub operator: &'static str,
    /// The right operand.
    pub value: Vec<String>,
    /// What becomes of it.
    pub class: Class,
    /// Whether nobody wrote it down and the framework agreement brings it.
    pub by_default: bool,
    /// Where it has a say.
    pub moments: Vec<Moment>,
    /// What it demands, in plain words; of a prohibition, what must not be.
    pub reason: String,
}

/// All constraints, in the order of the normal form.
pub(super) fn clauses(normal: &Normal) -> Vec<Clause> {
    let rules = |rules: &[Rule], key: &str| -> Vec<Clause> {
        let rules = rules.iter().enumerate();
        rules
            .flat_map(|(index, rule)| of_rule(normal.kind, rule, &format!("$.{key}[{index}]")))
            .collect()
    };
    let mut clauses = rules(&normal.permissions, "permissions");
    clauses.extend(rules(&normal.prohibitions, "prohibitions"));
    clauses
}

fn of_rule(kind: Kind, rule: &Rule, rule_path: &str) -> Vec<Clause> {
    let mut clauses = Vec::new();
    for (index, constraint) in rule.constraints.iter().enumerate() {
        let path = format!("{rule_path}.constraints[{index}]");
        let framework = matches!(constraint, Constraint::Framework(_)) && rule.has_default_year(kind);
        clauses.push(Clause {
            path: path.clone(),
            operand: constraint.operand().name(),
            operator: constraint.operator().name(),
            value: constraint.values(),
            class: constraint.operand().class(),
            by_default: false,
            moments: moments(kind, matches!(constraint, Constraint::UsageEnd(_))),
            reason: constraint.reason(),
        });
        if framework {
            clauses.push(default_year(
                &path,
                "DataProvisioningEndDurationDays",
                "data is provided",
            ));
            if !rule.names(Operand::DataUsageEndDate) {
                clauses.push(default_year(
                    &path,
                    "DataUsageEndDurationDays",
                    "the right to use lasts",
                ));
            }
        }
    }
    clauses
}

fn moments(kind: Kind, dates: bool) -> Vec<Moment> {
    let has_say = |moment: &Moment| match kind {
        Kind::Access => !hands_out(*moment),
        Kind::Usage => hands_out(*moment) || (!dates && *moment == Moment::Negotiate),
    };
    Moment::ALL.into_iter().filter(has_say).collect()
}

fn default_year(path: &str, operand: &'static str, what: &str) -> Clause {
    Clause {
        path: path.to_owned(),
        operand,
        operator: "eq",
        value: vec!["365".to_owned()],
        class: Class::Decided,
        by_default: true,
        moments: moments(Kind::Usage, true),
        reason: format!(
            "{what} for one year (365 days) from signing, as the framework agreement has it unless agreed otherwise"
        ),
    }
}

impl Rule {
    /// Whether the default year of a framework agreement bounds this rule.
    pub(super) fn has_default_year(&self, kind: Kind) -> bool {
        kind == Kind::Usage && self.names(Operand::FrameworkAgreement)
    }

    /// The first instant at which the rule's dates fail, for an agreement signed at `signed_at`.
    pub(super) fn ends(&self, kind: Kind, signed_at: Timestamp) -> Option<Timestamp> {
        let own = self.constraints.iter().filter_map(|constraint| match constraint {
            Constraint::UsageEnd(end) => end.checked_add(SignedDuration::from_secs(1)).ok(),
            _ => None,
        });
        let year = SignedDuration::from_hours(365 * 24);
        let default = self.has_default_year(kind).then(|| signed_at.checked_add(year).ok());
        own.chain(default.flatten()).min()
    }
}

/// A table of [`Terms::constraints`] for people: one line of facts and one of reason for each.
pub fn render_table(terms: &Terms) -> String {
    let kind = match terms.kind() {
        Kind::Access => "access",
        Kind::Usage => "usage",
    };
    let mut table = format!(
        "{kind} terms {}\nprofile {}\n",
        terms.digest(),
        terms.profile().namespace()
    );
    for (sort, rules) in [
        ("permissions", &terms.normal.permissions),
        ("prohibitions", &terms.normal.prohibitions),
    ] {
        let unbound = rules.iter().position(|rule| rule.constraints.is_empty());
        if let Some(index) = unbound {
            let _ = writeln!(
                table,
                "\n$.{sort}[{index}]\n  has no constraint: it applies to every partner"
            );
        }
    }
    for clause in terms.constraints() {
        let class = match clause.class {
            Class::Decided => "decided",
            Class::Recorded => "recorded",
            Class::Refused => "refused",
        };
        let origin = if clause.by_default { ", by default" } else { "" };
        let moments: Vec<_> = clause.moments.iter().map(|moment| moment.as_str()).collect();
        let value = clause.value.join(", ");
        let value = value.escape_debug();
        // Writing to a string cannot fail.
        let _ = write!(
            table,
            "\n{}\n  {} {} {value}\n  {class}{origin}, at {}\n  {}\n",
            clause.path,
            clause.operand,
            clause.operator,
            moments.join(", "),
            clause.reason,
        );
    }
    table
}

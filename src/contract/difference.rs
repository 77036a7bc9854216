//! How two terms differ: which constraints one has and the other has not, and which compare with other values.
//!
//! Rules have no names, so they are paired: those that are equal first, then those that share most constraints. What is left
//! of a pair is told constraint by constraint, what has no partner as a whole rule.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::constraint::Constraint;
use super::normal::{Normal, Rule};
use super::operand::Sort;
use super::source::Naming;
use super::words::clause;
use super::{Kind, Profile};

/// One way in which terms `b` differ from terms `a`. Paths are those of the texts the terms were read from; where they were read
/// from none, those of the normal form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "difference", rename_all = "camelCase")]
pub enum Difference {
    /// One is an access policy, the other a usage policy.
    Kind {
        /// Of `a`.
        a: Kind,
        /// Of `b`.
        b: Kind,
    },
    /// They are written in different versions of the Catena-X profile.
    Profile {
        /// Of `a`.
        a: Profile,
        /// Of `b`.
        b: Profile,
    },
    /// `b` has a constraint that `a` has not.
    #[serde(rename_all = "camelCase")]
    Added {
        /// Where it stands in `b`.
        path: String,
        /// The constraint on one line.
        constraint: String,
    },
    /// `a` has a constraint that `b` has not.
    Removed {
        /// Where it stands in `a`.
        path: String,
        /// The constraint on one line.
        constraint: String,
    },
    /// Both constrain one operand, and differ in operator or value.
    #[serde(rename_all = "camelCase")]
    Changed {
        /// Where it stands in `a`.
        path: String,
        /// Where it stands in `b`.
        path_in_b: String,
        /// The constraint of `a` on one line.
        from: String,
        /// The constraint of `b` on one line.
        to: String,
        /// Values only `b` compares with.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        added: Vec<String>,
        /// Values only `a` compares with.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        removed: Vec<String>,
    },
    /// `b` has a rule that has no counterpart in `a`.
    RuleAdded {
        /// Where it stands in `b`.
        path: String,
        /// Its constraints, each on one line; none for a rule that always applies.
        constraints: Vec<String>,
    },
    /// `a` has a rule that has no counterpart in `b`.
    RuleRemoved {
        /// Where it stands in `a`.
        path: String,
        /// Its constraints, each on one line; none for a rule that always applies.
        constraints: Vec<String>,
    },
}

/// A rule with its path and those of its constraints.
struct Placed<'a> {
    rule: &'a Rule,
    path: String,
    paths: Vec<String>,
}

/// All differences; none exactly if the terms are the same.
pub(super) fn differences((a, in_a): (&Normal, Naming<'_>), (b, in_b): (&Normal, Naming<'_>)) -> Vec<Difference> {
    let mut found = Vec::new();
    if a.kind != b.kind {
        found.push(Difference::Kind { a: a.kind, b: b.kind });
    }
    if a.profile != b.profile {
        found.push(Difference::Profile {
            a: a.profile,
            b: b.profile,
        });
    }
    for sort in [Sort::Permission, Sort::Prohibition, Sort::Obligation] {
        let (mut ours, mut theirs) = (placed(a, in_a, sort), placed(b, in_b, sort));
        ours.retain(|placed| !b.rules(sort).contains(placed.rule));
        theirs.retain(|placed| !a.rules(sort).contains(placed.rule));
        while let Some((our, their)) = closest(&ours, &theirs) {
            of_rules(&ours.remove(our), &theirs.remove(their), &mut found);
        }
        let clauses = |rule: &Rule| rule.constraints.iter().map(clause).collect();
        found.extend(
            ours.into_iter()
                .map(|Placed { rule, path, .. }| Difference::RuleRemoved {
                    path,
                    constraints: clauses(rule),
                }),
        );
        found.extend(
            theirs
                .into_iter()
                .map(|Placed { rule, path, .. }| Difference::RuleAdded {
                    path,
                    constraints: clauses(rule),
                }),
        );
    }
    found
}

fn placed<'a>(normal: &'a Normal, naming: Naming<'_>, sort: Sort) -> Vec<Placed<'a>> {
    let rules = normal.rules(sort).iter().enumerate();
    let placed = rules.map(|(index, rule)| Placed {
        rule,
        path: naming.rule(sort, index),
        paths: (0..rule.constraints.len())
            .map(|constraint| naming.constraint(sort, index, constraint))
            .collect(),
    });
    placed.collect()
}

/// The two rules that share most: operands, and of these most equal constraints. None if nothing is left to pair. A rule without
/// constraints is like none with some: told as what it lacks, that it applies to everyone would look like a little less.
fn closest(ours: &[Placed<'_>], theirs: &[Placed<'_>]) -> Option<(usize, usize)> {
    let pairs = ours.iter().enumerate().flat_map(|(our, a)| {
        let theirs = theirs.iter().enumerate();
        let theirs = theirs.filter(|(_, b)| a.rule.constraints.is_empty() == b.rule.constraints.is_empty());
        theirs.map(move |(their, b)| (likeness(a.rule, b.rule), our, their))
    });
    // Of equally close pairs, the first.
    let best = pairs.max_by_key(|(likeness, our, their)| (*likeness, usize::MAX - our, usize::MAX - their))?;
    Some((best.1, best.2))
}

fn likeness(a: &Rule, b: &Rule) -> (usize, usize) {
    let equal = a
        .constraints
        .iter()
        .filter(|constraint| b.constraints.contains(constraint));
    let operand = a.constraints.iter().filter(|constraint| b.names(constraint.operand()));
    (operand.count(), equal.count())
}

/// The differences of two rules that are taken for one.
fn of_rules(a: &Placed<'_>, b: &Placed<'_>, found: &mut Vec<Difference>) {
    let only = |this: &Placed<'_>, other: &Rule| -> Vec<(String, Constraint)> {
        let constraints = this.paths.iter().zip(&this.rule.constraints);
        let only = constraints.filter(|(_, constraint)| !other.constraints.contains(constraint));
        only.map(|(path, constraint)| (path.clone(), constraint.clone()))
            .collect()
    };
    let (ours, mut theirs) = (only(a, b.rule), only(b, a.rule));
    for (path, from) in ours {
        let counterpart = theirs.iter().position(|(_, to)| to.operand() == from.operand());
        match counterpart.map(|index| theirs.remove(index)) {
            Some((path_in_b, to)) => found.push(changed(path, path_in_b, &from, &to)),
            None => found.push(Difference::Removed {
                path,
                constraint: clause(&from),
            }),
        }
    }
    found.extend(theirs.into_iter().map(|(path, constraint)| Difference::Added {
        path,
        constraint: clause(&constraint),
    }));
}

fn changed(path: String, path_in_b: String, from: &Constraint, to: &Constraint) -> Difference {
    let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) =
        (from.values().into_iter().collect(), to.values().into_iter().collect());
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect();
    Difference::Changed {
        path,
        path_in_b,
        from: clause(from),
        to: clause(to),
        added: only(&theirs, &ours),
        removed: only(&ours, &theirs),
    }
}

/// For people: `-` stands before what only `a` has, `+` before what only `b` has.
impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = |formatter: &mut fmt::Formatter<'_>, sign: char, path: &str, constraints: &[String]| {
            write!(formatter, "rule at {path}")?;
            if constraints.is_empty() {
                write!(formatter, "\n  {sign} no constraint: it applies to every partner")?;
            }
            constraints
                .iter()
                .try_for_each(|constraint| write!(formatter, "\n  {sign} {constraint}"))
        };
        match self {
            Self::Kind { a, b } => write!(formatter, "kind of policy\n  - {a}\n  + {b}"),
            Self::Profile { a, b } => write!(formatter, "profile\n  - {}\n  + {}", a.namespace(), b.namespace()),
            Self::Added { path, constraint } => write!(formatter, "{path} of the second\n  + {constraint}"),
            Self::Removed { path, constraint } => write!(formatter, "{path} of the first\n  - {constraint}"),
            Self::Changed {
                path,
                path_in_b,
                from,
                to,
                ..
            } => {
                write!(formatter, "{path}")?;
                if path != path_in_b {
                    write!(formatter, " of the first, {path_in_b} of the second")?;
                }
                write!(formatter, "\n  - {from}\n  + {to}")
            }
            Self::RuleAdded { path, constraints } => {
                rule(formatter, '+', &format!("{path} of the second"), constraints)
            }
            Self::RuleRemoved { path, constraints } => {
                rule(formatter, '-', &format!("{path} of the first"), constraints)
            }
        }
    }
}

//! Terms on paper: as a table for people, and as Cedar with the places of the text it was compiled from.

use std::fmt::Write as _;

use super::explain::{of_rule, rules};
use super::legal::SOURCE;
use super::normal::Rule;
use super::operand::{Operand, Sort};
use super::source::Naming;
use super::words::{all_quoted, quoted};
use super::{Class, Clause, Terms, compile};

/// Columns of a line.
const WIDTH: usize = 120;
/// What stands before a fact of a constraint: an indentation, and its label.
const INDENT: usize = 12;

/// A table of [`Terms::constraints`] for people: rule by rule what grants and what refuses, and of each constraint its class, its
/// reason and its legal text.
pub fn render_table(terms: &Terms) -> String {
    let mut table = format!(
        "{} terms {}\nprofile {}\npaths are those of {}; rules are numbered as in the names of policies\n",
        terms.kind(),
        terms.digest(),
        terms.profile().namespace(),
        paths_of(terms.naming())
    );
    // Writing to a string cannot fail.
    for (role, name) in terms.parties().into_iter().flat_map(|parties| parties.iter()) {
        let _ = writeln!(table, "{role} {}, which is no part of the terms", quoted(name));
    }
    let alternatives = terms.normal.permissions.len();
    if alternatives > 1 {
        let _ = writeln!(table, "\nAny one of these {alternatives} permissions grants.");
    }
    let mut legal = false;
    for (sort, number, rule) in rules(&terms.normal) {
        let place = terms.naming().rule(sort, number);
        let _ = writeln!(table, "\n{} {number} at {place}: {}", sort.name(), heading(sort, rule));
        if rule.constraints.is_empty() {
            table.push_str("\n  has no constraint: it applies to every partner\n");
        }
        let clauses = of_rule(&terms.normal, terms.naming(), (sort, number, rule));
        let (unwritten, written): (Vec<_>, Vec<_>) = clauses.into_iter().partition(|clause| clause.by_default);
        for clause in &written {
            render(&mut table, clause);
            legal |= !clause.legal.is_empty();
        }
        // What the framework agreement brings, then what holds under any.
        let own_use = |clause: &&Clause| clause.operand == Operand::AffiliatesBpnl.name();
        let (others, brought): (Vec<_>, Vec<_>) = unwritten.iter().partition(own_use);
        if !brought.is_empty() {
            table.push_str("\n  and, by default, for the framework agreement has it so unless agreed otherwise:\n");
            brought.into_iter().for_each(|clause| render(&mut table, clause));
        }
        if !others.is_empty() {
            table.push_str("\n  and, by default, for nothing is written about it:\n");
            others.into_iter().for_each(|clause| render(&mut table, clause));
        }
    }
    if legal {
        let _ = writeln!(table, "\nlegal texts: {SOURCE}");
    }
    table
}

/// The policies as [`Terms::cedar_text`] has them, but for the paths, and what the paths are of.
pub(super) fn cedar(terms: &Terms) -> String {
    format!(
        "// Paths are those of {}. The normal form, by which policies and rules are counted:\n// {}\n{}",
        paths_of(terms.naming()),
        String::from_utf8_lossy(terms.canonical()),
        compile::text(&terms.normal, terms.digest(), terms.naming())
    )
}

fn paths_of(naming: Naming<'_>) -> &'static str {
    match naming.0 {
        Some(_) => "the text as it was given",
        None => "the normal form",
    }
}

/// What a rule is for.
fn heading(sort: Sort, rule: &Rule) -> &'static str {
    match sort {
        Sort::Permission if rule.constraints.is_empty() => "granted always",
        Sort::Permission => "granted only if everything holds that is decided here",
        Sort::Prohibition if rule.constraints.is_empty() => "refused always",
        Sort::Prohibition if rule.only_recorded() => "binds the parties and refuses nothing, for no machine can tell",
        Sort::Prohibition => "refused if everything holds that is decided here, whatever is permitted",
        Sort::Obligation => "refused, whatever is permitted, once it holds that",
    }
}

fn render(table: &mut String, clause: &Clause) {
    let class = match clause.class {
        Class::Decided => "decided",
        Class::Recorded => "recorded",
        Class::Refused => "refused",
    };
    let moments: Vec<_> = clause.moments.iter().map(|moment| moment.as_str()).collect();
    let class = match moments.as_slice() {
        [] => class.to_owned(),
        some => format!("{class}, at {}", some.join(", ")),
    };
    let value = match clause.value.as_slice() {
        [] => "(nothing said)".to_owned(),
        some => all_quoted(some),
    };
    let Clause {
        path,
        source,
        operand,
        operator,
        reason,
        legal,
        by_default,
        ..
    } = clause;
    // Writing to a string cannot fail.
    let _ = writeln!(table, "\n  {operand} {operator} {value}");
    if !by_default {
        fact(table, "path", source.as_ref().unwrap_or(path));
    }
    fact(table, "class", &class);
    fact(table, "reason", reason);
    legal.iter().for_each(|text| fact(table, "legal", text));
}

/// A labelled text, in lines that fit; a word that is too long for one has one to itself.
fn fact(table: &mut String, label: &str, text: &str) {
    let mut line = format!("    {label:<8}");
    let mut used = INDENT;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > INDENT && used + 1 + length > WIDTH {
            line.push('\n');
            line.extend(std::iter::repeat_n(' ', INDENT));
            used = INDENT;
        } else if used > INDENT {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
    }
    table.push_str(&line);
    table.push('\n');
}

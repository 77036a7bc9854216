//! The matrix as text and as JSON.
//!
//! A cell of the text is two characters, and a third where the layers contradict each other without a listed reason:
//!
//! | first: Cedar | second: IAM | third |
//! |---|---|---|
//! | `A` allow, `d` deny, `!` deny because a policy failed to evaluate | `+` allowed, `-` denied, `.` not asked | `?` |
//!
//! so the request goes through exactly where a cell is `A+` or `A.`; `A-` is a layer contradicting the other.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;
use serde_json::{Value, json};

use super::super::case::{ExpectCedar, ExpectIam};
use super::super::finding::{Finding, Verdict};
use super::super::matrix::{Cell, Matrix, Table};
use super::super::survey::Survey;
use super::Style;
use crate::decision::{Effect, IamDecision};
use crate::question::EntityRef;

pub(super) fn text(survey: &Survey, style: Style) -> String {
    let mut out = String::new();
    for matrix in &survey.matrices {
        let _ = writeln!(out, "{}", world(matrix, style));
    }
    for (world, request, finding) in survey.mismatches() {
        let _ = writeln!(out, "{}\n  {finding}\n", style.bad(&format!("{world}: {request}")));
    }
    for finding in &survey.coverage.findings {
        let _ = writeln!(out, "{}\n  {finding}\n", style.bad(finding.rule.as_str()));
    }
    let summary = survey.summary();
    let summary = if survey.holds() { summary } else { style.bad(&summary) };
    let _ = writeln!(out, "{summary} (bundle {})", survey.bundle);
    out
}

impl fmt::Display for Matrix {
    /// The tables as text, for a file.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&world(self, Style::default()))
    }
}

/// The tables of one world. What stands here changes only with who may do what.
pub(super) fn world(matrix: &Matrix, style: Style) -> String {
    let mut out = format!("world {} at {} for {}\n", matrix.world, matrix.now, matrix.purpose);
    out.push_str(
        "first letter Cedar: A allow, d deny, ! failed to evaluate; second IAM: + allowed, - denied, . not asked\n",
    );
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for shown in &matrix.tables {
        let (principal, action, resource) = shown.environment;
        // Actions that are answered alike share a table.
        tables
            .entry(format!("{principal} > {resource}\n{}", table(shown, style)))
            .or_default()
            .push(action.to_string());
    }
    for (table, actions) in tables {
        let (title, body) = table.split_once('\n').unwrap_or((&table, ""));
        let _ = write!(out, "\n## {title}: {}\n{body}", actions.join(", "));
    }
    out
}

fn table(table: &Table, style: Style) -> String {
    let mut out = String::new();
    for (index, resource) in table.resources.iter().enumerate() {
        let _ = writeln!(out, "{:>3} {}", index + 1, resource.id);
    }
    let mut lines = Vec::new();
    let mut first: Option<(&EntityRef, String)> = None;
    for row in &table.rows {
        let cells: String = row
            .cells
            .iter()
            .map(|cell| format!(" {}", letters(cell, style)))
            .collect();
        let named = match &row.agreement {
            Some(agreement) => format!("{} @ {}", row.label, agreement.id),
            None => row.label.clone(),
        };
        // What naming an agreement does not change is said once, in the row without one.
        if row.agreement.is_none() {
            first = Some((&row.actor, cells.clone()));
        } else if first
            .as_ref()
            .is_some_and(|(actor, plain)| **actor == row.actor && *plain == cells)
        {
            continue;
        }
        lines.push((named, cells));
    }
    let names = lines.iter().map(|(label, _)| label.chars().count());
    let width = names.max().unwrap_or_default();
    let numbers: String = (1..=table.resources.len())
        .map(|number| format!(" {number:>3}"))
        .collect();
    let _ = writeln!(out, "{:width$}{numbers}", "");
    for (label, cells) in lines {
        let _ = writeln!(out, "{label:width$}{}", cells.trim_end());
    }
    out
}

/// Three characters wide.
fn letters(cell: &Cell, style: Style) -> String {
    let cedar = match &cell.answers.cedar {
        ExpectCedar::Asked(asked) if asked.decision == Effect::Allow => 'A',
        ExpectCedar::Asked(asked) if asked.errors == 0 => 'd',
        ExpectCedar::Asked(_) | ExpectCedar::Unasked(_) => '!',
    };
    let iam = match &cell.answers.iam {
        ExpectIam::Unasked(_) => '.',
        ExpectIam::Asked(asked) if asked.decision == IamDecision::Allowed => '+',
        ExpectIam::Asked(_) => '-',
    };
    match cell.finding {
        None => format!(" {cedar}{iam}"),
        Some(_) => style.bad(&format!("{cedar}{iam}?")),
    }
}

/// A cell for programs.
#[derive(Serialize)]
struct CellText<'c> {
    actor: Value,
    action: &'static str,
    resource: Value,
    agreement: Option<Value>,
    cedar: &'c ExpectCedar,
    iam: &'c ExpectIam,
    effect: Effect,
    verdict: Verdict,
    divergences: Vec<&'c str>,
    finding: Option<&'c Finding>,
}

pub(super) fn json(survey: &Survey) -> String {
    let worlds = survey.matrices.iter().map(|matrix| {
        let cells = matrix.cells().map(|(table, row, resource, cell)| CellText {
            actor: reference(&row.actor),
            action: table.environment.1.as_str(),
            resource: reference(resource),
            agreement: row.agreement.as_ref().map(reference),
            cedar: &cell.answers.cedar,
            iam: &cell.answers.iam,
            effect: cell.effect,
            verdict: cell.verdict,
            divergences: cell.divergences.iter().map(String::as_str).collect(),
            finding: cell.finding.as_ref(),
        });
        json!({
            "world": matrix.world,
            "now": matrix.now,
            "purpose": matrix.purpose,
            "cells": cells.collect::<Vec<_>>(),
        })
    });
    let document = json!({
        "bundle": survey.bundle,
        "holds": survey.holds(),
        "worlds": worlds.collect::<Vec<_>>(),
        "coverage": survey.coverage,
    });
    format!("{document:#}\n")
}

fn reference(reference: &EntityRef) -> Value {
    json!({"type": reference.kind.as_str(), "id": &*reference.id})
}

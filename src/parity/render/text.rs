//! The report for a terminal: a row for each case, failures in full, totals by theme, one line in the end.

use std::fmt::Write as _;

use super::super::finding::Verdict;
use super::super::report::{Outcome, Report, Totals};
use super::{Style, answers};

/// Longer names push their own row aside; a table as wide as the longest has no room for the reasons.
const NAME: usize = 40;
const VERDICT: usize = 20;
/// The least room for the reason, however narrow the terminal.
const WHY: usize = 24;

pub(super) fn report(report: &Report, style: Style) -> String {
    let mut out = String::new();
    if !report.cases.is_empty() {
        line(
            &mut out,
            style,
            Style::default(),
            ["case", "cedar", "iam", "layers", "why"],
        );
    }
    for outcome in &report.cases {
        row(&mut out, outcome, style);
    }
    for outcome in report.failures() {
        failure(&mut out, outcome, style);
    }
    for problem in &report.problems {
        let _ = write!(out, "\n{}\n  {problem}\n", style.bad(problem.rule.as_str()));
    }
    if !report.cases.is_empty() {
        totals(&mut out, report);
    }
    let summary = report.summary();
    let summary = if report.holds() { summary } else { style.bad(&summary) };
    let _ = write!(out, "\n{summary} (bundle {})\n", report.bundle);
    out
}

fn row(out: &mut String, outcome: &Outcome, style: Style) {
    let (cedar, iam, verdict) = answers(outcome);
    let colour = Style {
        colour: style.colour && outcome.verdict == Verdict::Mismatch,
        ..style
    };
    line(out, style, colour, [&outcome.id(), &cedar, iam, &verdict, &outcome.why]);
}

fn line(out: &mut String, style: Style, mark: Style, [name, cedar, iam, verdict, why]: [&str; 5]) {
    let answers = format!("{name:<NAME$}  {cedar:<5}  {iam:<12}  ");
    let verdict = shortened(verdict, VERDICT);
    let used = answers.chars().count() + VERDICT + 2;
    let padding = " ".repeat(VERDICT.saturating_sub(verdict.chars().count()) + 2);
    let why = shortened(why, style.width.saturating_sub(used).max(WHY));
    // Colour is put around the word alone, for it has no width.
    let marked = if mark.colour { mark.bad(&verdict) } else { verdict };
    let _ = writeln!(out, "{answers}{marked}{padding}{why}");
}

/// At most `room` characters on one line, with `…` where something is left out.
fn shortened(text: &str, room: usize) -> String {
    let mut flat = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let head: String = flat.by_ref().take(room).collect();
    if flat.next().is_none() {
        return head;
    }
    let mut head: String = head.chars().take(room.saturating_sub(1)).collect();
    head.truncate(head.trim_end().len());
    head + "…"
}

fn failure(out: &mut String, outcome: &Outcome, style: Style) {
    let _ = write!(out, "\n{}\n  why: {}\n", style.bad(&outcome.id()), outcome.why);
    for finding in &outcome.findings {
        let _ = writeln!(out, "  {finding}");
    }
    for error in &outcome.errors {
        let _ = writeln!(out, "  {error}");
    }
}

fn totals(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "\n{:<16}{:>6}  | cedar{:>6}{:>6}{:>6}  | iam{:>9}{:>8}{:>6}  |{:>7}",
        "theme", "cases", "allow", "deny", "n/a", "allowed", "denied", "n/a", "failed"
    );
    for (theme, outcomes) in report.themes() {
        columns(out, theme, Totals::of(outcomes));
    }
    columns(out, "all", report.totals);
}

fn columns(out: &mut String, name: &str, totals: Totals) {
    let Totals {
        cases,
        failed,
        cedar_allow,
        cedar_deny,
        cedar_not_applicable,
        iam_allowed,
        iam_denied,
        iam_not_applicable,
        ..
    } = totals;
    let _ = writeln!(
        out,
        "{name:<16}{cases:>6}  |{cedar_allow:>12}{cedar_deny:>6}{cedar_not_applicable:>6}  \
         |{iam_allowed:>13}{iam_denied:>8}{iam_not_applicable:>6}  |{failed:>7}"
    );
}

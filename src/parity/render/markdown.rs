//! For a comment on a change: what is wrong first, all the rest folded away.

use std::fmt::Write as _;

use super::super::report::{Report, Totals};
use super::super::survey::Survey;
use super::{Style, answers, matrix};

pub(super) fn report(report: &Report) -> String {
    let mut out = format!("### {}\n\nBundle `{}`\n", report.summary(), report.bundle);
    for outcome in report.failures() {
        let _ = write!(out, "\n**{}**: {}\n\n", outcome.id(), escaped(&outcome.why));
        for finding in &outcome.findings {
            let _ = writeln!(out, "- `{}` {}", finding.rule, escaped(&finding.message));
        }
        for error in &outcome.errors {
            let _ = writeln!(out, "- {}", escaped(error));
        }
    }
    if !report.problems.is_empty() {
        out.push('\n');
    }
    for problem in &report.problems {
        let _ = writeln!(out, "- `{}` {}", problem.rule, escaped(&problem.message));
    }
    out.push_str("\n| theme | cases | Cedar allow | deny | n/a | IAM allowed | denied | n/a | failed |\n");
    out.push_str("|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (theme, outcomes) in report.themes() {
        totals(&mut out, theme, Totals::of(outcomes));
    }
    totals(&mut out, "all", report.totals);
    let _ = write!(
        out,
        "\n<details><summary>All {} cases</summary>\n\n",
        report.cases.len()
    );
    out.push_str("| case | Cedar | IAM | layers | why |\n|---|---|---|---|---|\n");
    for outcome in &report.cases {
        let (cedar, iam, verdict) = answers(outcome);
        let verdict = if outcome.findings.is_empty() {
            verdict
        } else {
            format!("**{verdict}**")
        };
        let _ = writeln!(
            out,
            "| {} | {cedar} | {iam} | {verdict} | {} |",
            outcome.id(),
            escaped(&outcome.why)
        );
    }
    out.push_str("\n</details>\n");
    out
}

fn totals(out: &mut String, name: &str, totals: Totals) {
    let _ = writeln!(
        out,
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
        totals.cases,
        totals.cedar_allow,
        totals.cedar_deny,
        totals.cedar_not_applicable,
        totals.iam_allowed,
        totals.iam_denied,
        totals.iam_not_applicable,
        totals.failed
    );
}

pub(super) fn survey(survey: &Survey) -> String {
    let mut out = format!("### {}\n\nBundle `{}`\n\n", survey.summary(), survey.bundle);
    for (world, request, finding) in survey.mismatches() {
        let _ = writeln!(
            out,
            "- **{world}**: {}: `{}` {}",
            escaped(&request),
            finding.rule,
            escaped(&finding.message)
        );
    }
    for finding in &survey.coverage.findings {
        let _ = writeln!(out, "- `{}` {}", finding.rule, escaped(&finding.message));
    }
    for world in &survey.matrices {
        // A fence longer than any run of backticks a world could hold in one of its names.
        let fence = "`".repeat(1 + longest_run(&matrix::world(world, Style::default()), '`').max(2));
        let _ = write!(
            out,
            "\n<details><summary>World {}</summary>\n\n{fence}text\n{}{fence}\n\n</details>\n",
            escaped(&world.world),
            matrix::world(world, Style::default())
        );
    }
    out
}

fn longest_run(text: &str, wanted: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for letter in text.chars() {
        run = if letter == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Keeps what a case says from becoming markup. What stands in backticks is shown as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            letter if letter.is_control() => out.push(' '),
            '*' | '_' | '[' | ']' | '|' | '\\' | '@' => out.extend(['\\', letter]),
            letter => out.push(letter),
        }
    }
    out
}

//! JUnit XML: a suite for each theme or table, a test for each case or cell.

use std::fmt::Write as _;

use super::super::finding::Finding;
use super::super::report::Report;
use super::super::survey::Survey;

/// A suite: its name, and its tests with what failed.
struct Suite {
    name: String,
    tests: Vec<(String, Option<String>)>,
}

pub(super) fn report(report: &Report) -> String {
    let mut suites = Vec::new();
    for (theme, outcomes) in report.themes() {
        let tests = outcomes.iter().map(|outcome| {
            let lines = outcome.findings.iter().map(|finding| finding.message.as_str());
            let lines: Vec<_> = lines.chain(outcome.errors.iter().map(String::as_str)).collect();
            let failure = (!outcome.findings.is_empty()).then(|| format!("{}\n{}", outcome.why, lines.join("\n")));
            (outcome.name.clone(), failure)
        });
        suites.push(Suite {
            name: theme.to_owned(),
            tests: tests.collect(),
        });
    }
    suites.extend(problems("divergences", &report.problems));
    document("tidegate check", &suites)
}

pub(super) fn survey(survey: &Survey) -> String {
    let mut suites = Vec::new();
    for matrix in &survey.matrices {
        for table in &matrix.tables {
            let (principal, action, resource) = table.environment;
            let mut tests = Vec::new();
            for row in &table.rows {
                for (thing, cell) in table.resources.iter().zip(&row.cells) {
                    let mut name = format!("{} {action} {}", row.actor.id, thing.id);
                    if let Some(agreement) = &row.agreement {
                        let _ = write!(name, " under {}", agreement.id);
                    }
                    tests.push((name, cell.finding.as_ref().map(|finding| finding.message.clone())));
                }
            }
            suites.push(Suite {
                name: format!("{}: {principal} {action} {resource}", matrix.world),
                tests,
            });
        }
    }
    suites.extend(problems("coverage", &survey.coverage.findings));
    document("tidegate matrix", &suites)
}

fn problems(name: &str, findings: &[Finding]) -> Option<Suite> {
    let tests = findings.iter().enumerate().map(|(index, finding)| {
        let name = format!("{} {}", finding.rule, index + 1);
        (name, Some(finding.message.clone()))
    });
    (!findings.is_empty()).then(|| Suite {
        name: name.to_owned(),
        tests: tests.collect(),
    })
}

fn document(name: &str, suites: &[Suite]) -> String {
    let failed = |suite: &Suite| suite.tests.iter().filter(|(_, failure)| failure.is_some()).count();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{name}\" tests=\"{}\" failures=\"{}\">\n",
        suites.iter().map(|suite| suite.tests.len()).sum::<usize>(),
        suites.iter().map(failed).sum::<usize>()
    );
    for suite in suites {
        let class = escaped(&suite.name);
        let _ = writeln!(
            out,
            "  <testsuite name=\"{class}\" tests=\"{}\" failures=\"{}\">",
            suite.tests.len(),
            failed(suite)
        );
        for (name, failure) in &suite.tests {
            test(&mut out, &class, name, failure.as_deref());
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn test(out: &mut String, class: &str, name: &str, failure: Option<&str>) {
    let _ = write!(out, "    <testcase classname=\"{class}\" name=\"{}\"", escaped(name));
    match failure {
        None => out.push_str("/>\n"),
        Some(text) => {
            let first = text.lines().next().unwrap_or_default();
            let (first, text) = (escaped(first), escaped(text));
            let _ = write!(
                out,
                ">\n      <failure message=\"{first}\">{text}</failure>\n    </testcase>\n"
            );
        }
    }
}

/// XML 1.0 has no way at all to spell most control characters, so those become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' => out.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

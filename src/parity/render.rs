//! A report as text, JSON, JUnit and Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use super::report::{Outcome, Report, Totals};

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A short table and every failure in full, for a terminal.
    Text,
    /// The whole report, for programs.
    Json,
    /// JUnit XML, for the test pages of a build server.
    Junit,
    /// As text, for a comment on a change.
    Markdown,
}

/// A text that names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such format; use `text`, `json`, `junit` or `markdown`")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Ok(match text {
            "text" => Self::Text,
            "json" => Self::Json,
            "junit" => Self::Junit,
            "markdown" => Self::Markdown,
            _ => return Err(UnknownFormat),
        })
    }
}

impl Report {
    /// The report in `format`, with a line end at its end.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            // A report holds nothing that does not serialise.
            Format::Json => serde_json::to_string_pretty(self).unwrap_or_default() + "\n",
            Format::Junit => self.junit(),
            Format::Markdown => self.markdown(),
        }
    }

    fn themes(&self) -> BTreeMap<&str, Vec<&Outcome>> {
        let mut themes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for outcome in &self.cases {
            themes.entry(outcome.theme.as_str()).or_default().push(outcome);
        }
        themes
    }

    fn summary(&self) -> String {
        let Totals { cases, failed, .. } = self.totals;
        match (cases, failed, self.problems.len()) {
            (0, ..) => "there are no cases".to_owned(),
            (_, 0, 0) => format!("{cases} cases, all hold"),
            (_, _, 0) => format!("{cases} cases, {failed} do not hold"),
            (_, _, problems) => {
                format!("{cases} cases, {failed} do not hold; {problems} problems with the list of divergences")
            }
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let mut row = |name: &str, totals: Totals| {
            let Totals {
                cases,
                cedar_allow,
                cedar_deny,
                iam_allowed,
                iam_denied,
                iam_not_applicable,
                failed,
                ..
            } = totals;
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "{name:<16}{cases:>6}{cedar_allow:>8}{cedar_deny:>6}{iam_allowed:>10}{iam_denied:>7}{iam_not_applicable:>5}\
                 {failed:>8}"
            );
        };
        let header = format!(
            "{:<16}{:>6}{:>8}{:>6}{:>10}{:>7}{:>5}{:>8}\n{:<16}{:>6}{:>8}{:>6}{:>10}{:>7}{:>5}\n",
            "", "", "cedar", "", "iam", "", "", "", "theme", "cases", "allow", "deny", "allowed", "denied", "n/a"
        );
        let header = header.replacen("n/a\n", "n/a  failed\n", 1);
        for (theme, outcomes) in self.themes() {
            row(theme, Totals::of(outcomes));
        }
        row("all", self.totals);
        let mut out = header + &out;
        for outcome in self.failures() {
            let _ = write!(out, "\n{}/{}\n  why: {}\n", outcome.theme, outcome.name, outcome.why);
            for line in outcome.findings.iter().chain(&outcome.errors) {
                let _ = writeln!(out, "  {line}");
            }
        }
        for problem in &self.problems {
            let _ = write!(out, "\n{problem}\n");
        }
        let _ = write!(out, "\n{} (bundle {})\n", self.summary(), self.bundle);
        out
    }

    fn markdown(&self) -> String {
        let mut out = format!("### {}\n\nBundle `{}`\n\n", self.summary(), self.bundle);
        out.push_str("| theme | cases | Cedar allow | deny | IAM allowed | denied | n/a | failed |\n");
        out.push_str("|---|--:|--:|--:|--:|--:|--:|--:|\n");
        for (theme, outcomes) in self.themes() {
            let totals = Totals::of(outcomes);
            let _ = writeln!(
                out,
                "| {theme} | {} | {} | {} | {} | {} | {} | {} |",
                totals.cases,
                totals.cedar_allow,
                totals.cedar_deny,
                totals.iam_allowed,
                totals.iam_denied,
                totals.iam_not_applicable,
                totals.failed
            );
        }
        for outcome in self.failures() {
            let _ = write!(
                out,
                "\n**{}/{}**: {}\n\n",
                outcome.theme,
                outcome.name,
                escaped_markdown(&outcome.why)
            );
            for line in outcome.findings.iter().chain(&outcome.errors) {
                let _ = writeln!(out, "- {}", escaped_markdown(line));
            }
        }
        if !self.problems.is_empty() {
            out.push('\n');
        }
        for problem in &self.problems {
            let _ = writeln!(out, "- {}", escaped_markdown(problem));
        }
        out
    }

    fn junit(&self) -> String {
        let Totals { cases, failed, .. } = self.totals;
        let failed = failed + self.problems.len();
        let cases = cases + self.problems.len();
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tidegate check\" tests=\"{cases}\" failures=\"{failed}\">\n"
        );
        for (theme, outcomes) in self.themes() {
            let totals = Totals::of(outcomes.iter().copied());
            suite(&mut out, theme, totals.cases, totals.failed);
            for outcome in outcomes {
                let lines: Vec<_> = outcome
                    .findings
                    .iter()
                    .chain(&outcome.errors)
                    .map(String::as_str)
                    .collect();
                let failure = (!outcome.findings.is_empty()).then(|| format!("{}\n{}", outcome.why, lines.join("\n")));
                test(&mut out, theme, &outcome.name, failure.as_deref());
            }
            out.push_str("  </testsuite>\n");
        }
        if !self.problems.is_empty() {
            let theme = "divergences";
            suite(&mut out, theme, self.problems.len(), self.problems.len());
            for (index, problem) in self.problems.iter().enumerate() {
                test(&mut out, theme, &format!("problem {}", index + 1), Some(problem));
            }
            out.push_str("  </testsuite>\n");
        }
        out.push_str("</testsuites>\n");
        out
    }
}

fn suite(out: &mut String, name: &str, tests: usize, failures: usize) {
    let _ = writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\">",
        escaped_xml(name)
    );
}

fn test(out: &mut String, theme: &str, name: &str, failure: Option<&str>) {
    let _ = write!(
        out,
        "    <testcase classname=\"{}\" name=\"{}\"",
        escaped_xml(theme),
        escaped_xml(name)
    );
    match failure {
        None => out.push_str("/>\n"),
        Some(text) => {
            let first = text.lines().next().unwrap_or_default();
            let (first, text) = (escaped_xml(first), escaped_xml(text));
            let _ = write!(
                out,
                ">\n      <failure message=\"{first}\">{text}</failure>\n    </testcase>\n"
            );
        }
    }
}

/// XML 1.0 has no way at all to spell most control characters, so those become U+FFFD.
fn escaped_xml(text: &str) -> String {
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

/// Keeps what a case says from becoming markup.
fn escaped_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '\n' => out.push(' '),
            '*' | '_' | '[' | ']' | '|' | '\\' | '@' => out.extend(['\\', letter]),
            letter => out.push(letter),
        }
    }
    out
}

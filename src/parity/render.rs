//! Reports and matrices, as text and for programs. Each format has a file; none looks at anything but what it prints.

mod junit;
mod markdown;
mod matrix;
mod sarif;
mod text;

use std::collections::BTreeMap;
use std::str::FromStr;

use super::finding::Verdict;
use super::report::{Outcome, Report, Totals};
use super::survey::Survey;

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table and every failure in full, for a terminal.
    Text,
    /// The whole report, for programs.
    Json,
    /// JUnit XML, for the test pages of a build server.
    Junit,
    /// SARIF 2.1.0, for code review: what is wrong, each at its file.
    Sarif,
    /// As text, for a comment on a change.
    Markdown,
}

/// A text that names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such format; use `text`, `json`, `junit`, `sarif` or `markdown`")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Ok(match text {
            "text" => Self::Text,
            "json" => Self::Json,
            "junit" => Self::Junit,
            "sarif" => Self::Sarif,
            "markdown" => Self::Markdown,
            _ => return Err(UnknownFormat),
        })
    }
}

/// Where text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// How many characters a line has room for.
    pub width: usize,
    /// Whether what is wrong is coloured.
    pub colour: bool,
}

impl Default for Style {
    /// A file or a log.
    fn default() -> Self {
        Self {
            width: 120,
            colour: false,
        }
    }
}

impl Style {
    /// Marks what is wrong.
    pub(super) fn bad(self, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[1;31m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

impl Report {
    /// The report in `format`, with a line end at its end; text as for a file.
    pub fn render(&self, format: Format) -> String {
        self.render_for(format, Style::default())
    }

    /// As [`Report::render`], text for where it is read.
    pub fn render_for(&self, format: Format, style: Style) -> String {
        match format {
            Format::Text => text::report(self, style),
            // A report holds nothing that does not serialise.
            Format::Json => serde_json::to_string_pretty(self).unwrap_or_default() + "\n",
            Format::Junit => junit::report(self),
            Format::Sarif => sarif::report(self),
            Format::Markdown => markdown::report(self),
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
        let Totals {
            cases,
            generated,
            failed,
            ..
        } = self.totals;
        let count = |verdict| self.cases.iter().filter(|outcome| outcome.verdict == verdict).count();
        let split = format!(
            "{} agree, {} listed, {} n/a",
            count(Verdict::Agree),
            count(Verdict::Listed),
            count(Verdict::NotApplicable)
        );
        let mut counted = number(cases, "case");
        if generated > 0 {
            counted.push_str(&format!(" ({generated} generated)"));
        }
        match (cases, failed, self.problems.len()) {
            (0, ..) => "there are no cases".to_owned(),
            (_, 0, 0) => format!("{}, all hold: {split}", counted),
            (_, _, 0) => format!("{}, {failed} failed; {split}", counted),
            (_, _, problems) => format!(
                "{}, {failed} failed; {} with the list of divergences; {split}",
                counted,
                number(problems, "problem")
            ),
        }
    }
}

impl Survey {
    /// The matrices in `format`, with a line end at its end.
    pub fn render(&self, format: Format) -> String {
        self.render_for(format, Style::default())
    }

    /// As [`Survey::render`], text for where it is read.
    pub fn render_for(&self, format: Format, style: Style) -> String {
        match format {
            Format::Text => matrix::text(self, style),
            Format::Json => matrix::json(self),
            Format::Junit => junit::survey(self),
            Format::Sarif => sarif::survey(self),
            Format::Markdown => markdown::survey(self),
        }
    }

    fn summary(&self) -> String {
        let cells: usize = self.matrices.iter().map(|matrix| matrix.cells().count()).sum();
        let wrong = self.count(Verdict::Mismatch);
        let coverage = &self.coverage;
        format!(
            "{cells} cells, {}; all worlds show {} of {} kinds of request, with {} and {}",
            number(wrong, "unlisted contradiction"),
            coverage.shown,
            coverage.environments,
            number(coverage.exempt.len(), "exemption"),
            number(coverage.findings.len(), "finding")
        )
    }
}

/// A count with its noun, in the plural where it is not one.
fn number(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

impl Verdict {
    /// The word for a table.
    fn word(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Listed => "listed",
            Self::NotApplicable => "n/a",
            Self::Mismatch => "MISMATCH",
        }
    }
}

/// The cells of a case's row: what Cedar says, what AWS says, how they stand to each other.
fn answers(outcome: &Outcome) -> (String, &'static str, String) {
    let cedar = outcome.got.cedar.decision();
    let cedar = cedar.map_or_else(|| "n/a".to_owned(), |decision| decision.to_string());
    let iam = outcome.got.iam.word();
    let verdict = match outcome.verdict {
        Verdict::Listed => format!("listed: {}", outcome.divergences.join(", ")),
        verdict => verdict.word().to_owned(),
    };
    (cedar, iam, verdict)
}

/// The file of a case, below the bundle's root.
fn file_of(outcome: &Outcome) -> String {
    format!("fixtures/corpus/{}/{}.json", outcome.theme, outcome.name)
}

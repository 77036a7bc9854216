//! The report, for people and for programs.

use std::fmt::Write as _;

use super::Report;
use super::meaning::{Consequence, Effects, Variant};
use crate::parity::Style;
use crate::parity::case::ExpectIam;

/// How many cases of one variant are told in full as text; JSON has all.
const SHOWN: usize = 20;

impl Report {
    /// As text, with a line end at its end: each finding with how to mend it, then what the documents come to, and one line in the end.
    pub fn text(&self, style: Style) -> String {
        let mut out = String::new();
        for finding in &self.findings {
            let _ = writeln!(
                out,
                "{}  {finding}\n  {}\n",
                style.bad(finding.rule.as_str()),
                finding.mend
            );
        }
        for variant in self.variants.iter().filter(|variant| !variant.consequences.is_empty()) {
            told(&mut out, variant, style);
        }
        for note in &self.notes {
            let _ = writeln!(out, "note  {note}");
        }
        if !self.notes.is_empty() {
            out.push('\n');
        }
        let consequences: usize = self.variants.iter().map(|variant| variant.consequences.len()).sum();
        let summary = match (self.is_empty(), self.holds()) {
            (true, _) => "there is no role of the platform in the file".to_owned(),
            (false, true) => format!(
                "{} as the bundle says; {} of the corpus, asked of {}, all hold",
                number(self.roles.len(), "role"),
                number(self.asked, "case"),
                match self.variants.len() {
                    1 => "1 set of documents".to_owned(),
                    count => format!("{count} sets of documents"),
                },
            ),
            (false, false) => style.bad(&format!(
                "{} in {}; {} of the corpus broken by what is deployed",
                number(self.findings.len(), "finding"),
                number(self.roles.len(), "role"),
                number(consequences, "case"),
            )),
        };
        let _ = writeln!(out, "{summary} (bundle {})", self.bundle);
        out
    }

    /// The whole report as JSON, with a line end at its end.
    pub fn json(&self) -> String {
        // A report holds nothing that does not serialise.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

/// The cases that are answered otherwise and the walls that would stand open; those in which only other statements decide are counted.
fn told(out: &mut String, variant: &Variant, style: Style) {
    let _ = writeln!(out, "{}: what it comes to", style.bad(&variant.of.join(", ")));
    let grave = |consequence: &&Consequence| consequence.effects != Effects::Statements;
    let told: Vec<_> = variant.consequences.iter().filter(grave).collect();
    for consequence in told.iter().take(SHOWN) {
        let Consequence {
            case,
            why,
            cedar,
            bundle,
            deployed,
            findings,
            ..
        } = consequence;
        let cedar = cedar.map_or_else(|| "n/a".to_owned(), |cedar| cedar.to_string());
        let _ = writeln!(
            out,
            "  {case}: cedar {cedar}, iam {} by the bundle, {} as deployed\n    why: {why}",
            answer(bundle),
            answer(deployed),
        );
        for finding in findings {
            let _ = writeln!(out, "    {finding}");
        }
    }
    let more = told.len().saturating_sub(SHOWN);
    if more > 0 {
        let _ = writeln!(out, "  and {} more; `--format json` has all", number(more, "case"));
    }
    let other = variant.consequences.len().saturating_sub(told.len());
    if other > 0 {
        let _ = writeln!(
            out,
            "  {} answered as before, but by other statements",
            number(other, "case")
        );
    }
    out.push('\n');
}

fn answer(answer: &ExpectIam) -> String {
    match answer {
        ExpectIam::Unasked(_) => "n/a".to_owned(),
        ExpectIam::Asked(asked) => {
            let statements: Vec<_> = asked.statements.iter().map(String::as_str).collect();
            match statements.is_empty() {
                true => asked.decision.to_string(),
                false => format!("{} ({})", asked.decision, statements.join(", ")),
            }
        }
    }
}

fn number(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

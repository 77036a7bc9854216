//! SARIF 2.1.0 (OASIS): each finding at the file that is to be looked at, for tools of code review.
//!
//! Paths are relative to the bundle's directory. Where everything holds, the list of results is empty, which a tool takes to
//! mean that what it showed before is mended.

use serde_json::{Value, json};

use super::super::finding::{Finding, Rule};
use super::super::report::Report;
use super::super::survey::Survey;
use super::file_of;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A finding, the file to look at, and what in it the finding is about.
struct Located<'f> {
    finding: &'f Finding,
    file: String,
    about: String,
}

pub(super) fn report(report: &Report) -> String {
    let mut found = Vec::new();
    for outcome in &report.cases {
        found.extend(outcome.findings.iter().map(|finding| Located {
            finding,
            file: file_of(outcome),
            about: outcome.id(),
        }));
    }
    found.extend(report.problems.iter().map(|finding| Located {
        finding,
        file: "fixtures/divergences.json".to_owned(),
        about: finding.message.clone(),
    }));
    document(&found)
}

pub(super) fn survey(survey: &Survey) -> String {
    let mut found: Vec<_> = survey
        .mismatches()
        .map(|(world, request, finding)| Located {
            finding,
            file: format!("fixtures/worlds/{world}.json"),
            about: request,
        })
        .collect();
    found.extend(survey.coverage.findings.iter().map(|finding| Located {
        finding,
        file: "fixtures/matrix-exemptions.json".to_owned(),
        about: finding.message.clone(),
    }));
    document(&found)
}

fn document(found: &[Located<'_>]) -> String {
    let rules: Vec<_> = Rule::ALL.iter().map(|rule| describe(*rule)).collect();
    let results: Vec<_> = found.iter().map(result).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "tidegate",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn describe(rule: Rule) -> Value {
    let (wrong, mend) = rule.help();
    json!({
        "id": rule.as_str(),
        "shortDescription": {"text": wrong},
        "help": {"text": mend},
        "defaultConfiguration": {"level": "error"},
    })
}

fn result(found: &Located<'_>) -> Value {
    let Located { finding, file, about } = found;
    let place = Rule::ALL.iter().position(|rule| *rule == finding.rule);
    let text = match finding.message.contains(about.as_str()) {
        true => finding.message.clone(),
        false => format!("{about}: {}", finding.message),
    };
    json!({
        "ruleId": finding.rule.as_str(),
        "ruleIndex": place,
        "level": "error",
        "message": {"text": text},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": file},
                "region": {"startLine": 1},
            },
            "logicalLocations": [{"fullyQualifiedName": about}],
        }],
        // The same finding of the same case is the same, whatever its message says of the rest.
        "partialFingerprints": {"ruleAndPlace/v1": format!("{} {about}", finding.rule)},
    })
}

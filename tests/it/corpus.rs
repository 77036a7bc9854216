//! The corpus holds on the built-in bundle, and is good enough to be worth holding.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tidegate::bundle::{Bundle, Source};
use tidegate::contract::Terms;
use tidegate::decision::Effect;
use tidegate::parity::{self, Corpus, Finding, Format, Rule, Survey, Verdict, World};
use tidegate::question::Action;

mod agreement;
mod canonical;
mod isolation;
mod law;
mod mutants;
mod questions;
mod reach;
mod role_mapping;
mod sessions;
mod walls;
mod worlds;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

pub static BUNDLE: LazyLock<Bundle> =
    LazyLock::new(|| Bundle::load(Source::built_in()).unwrap_or_else(|error| panic!("{}", error.render())));

pub static CORPUS: LazyLock<Corpus> =
    LazyLock::new(|| parity::load(&root().join("fixtures")).unwrap_or_else(|error| panic!("{error}")));

fn world() -> &'static World {
    CORPUS.worlds.get("exchange").unwrap()
}

#[test]
fn every_case_holds_on_the_built_in_bundle() {
    let report = parity::run(&BUNDLE, &CORPUS);
    assert!(!report.is_empty());
    assert!(report.holds(), "{}", report.render(Format::Text));
}

/// The matrices of all worlds.
static SURVEY: LazyLock<Survey> = LazyLock::new(|| parity::survey(&BUNDLE, &CORPUS));

#[test]
fn the_layers_contradict_each_other_nowhere_in_the_matrix_without_a_listed_reason() {
    assert!(SURVEY.count(Verdict::Agree) > 300 && SURVEY.count(Verdict::Listed) > 100);
    let wrong: Vec<_> = SURVEY
        .mismatches()
        .map(|(world, request, finding)| format!("{world}: {request}: {finding}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_matrix_shows_every_kind_of_request_and_of_each_layer_both_answers() {
    let coverage = &SURVEY.coverage;
    let wrong: Vec<_> = coverage.findings.iter().map(Finding::to_string).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        coverage.shown, coverage.environments,
        "what is not shown at all is no matrix"
    );
    // The list is the only thing that holds these up: each exemption taken out is a gap.
    let schema = parity::environments(&BUNDLE);
    for left_out in 0..CORPUS.exemptions.len() {
        let mut fewer = CORPUS.exemptions.clone();
        fewer.remove(left_out);
        let findings = parity::coverage(&schema, &SURVEY.matrices, &fewer).findings;
        assert_eq!(findings.len(), 1, "{:?}", CORPUS.exemptions[left_out]);
    }
}

#[test]
fn no_kind_of_resource_can_vanish_from_the_worlds_unnoticed() {
    let schema = parity::environments(&BUNDLE);
    let kinds: BTreeSet<_> = schema.iter().map(|(.., resource)| *resource).collect();
    assert!(kinds.len() >= 11);
    for kind in kinds {
        let mut matrices = SURVEY.matrices.clone();
        for matrix in &mut matrices {
            matrix.tables.retain(|table| table.environment.2 != kind);
        }
        let findings = parity::coverage(&schema, &matrices, &CORPUS.exemptions).findings;
        assert!(findings.iter().any(|finding| finding.rule == Rule::Uncovered), "{kind}");
    }
}

#[test]
fn the_matrices_are_those_that_were_read_and_accepted() {
    let golden = root().join("tests/it/golden");
    let mut known = BTreeSet::new();
    for matrix in &SURVEY.matrices {
        let path = golden.join(format!("matrix-{}.txt", matrix.world));
        let got = matrix.to_string();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(&golden).unwrap();
            std::fs::write(&path, &got).unwrap();
        }
        same_lines(&got, &path);
        known.insert(path);
    }
    for file in std::fs::read_dir(golden).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            !name.starts_with("matrix-") || known.contains(&path),
            "{name} is of a world that is no more; remove it"
        );
    }
}

fn same_lines(got: &str, path: &Path) {
    let accepted = std::fs::read_to_string(path).unwrap_or_default();
    for (number, (got, accepted)) in got.lines().zip(accepted.lines()).enumerate() {
        assert_eq!(
            got,
            accepted,
            "line {} of {}; if that is meant: UPDATE_GOLDEN=1",
            number + 1,
            path.display()
        );
    }
    assert_eq!(
        got.lines().count(),
        accepted.lines().count(),
        "lines were added to or taken out of {}; if meant: UPDATE_GOLDEN=1",
        path.display()
    );
}

#[test]
fn people_thought_of_cases_in_every_theme() {
    const THEMES: [&str; 17] = [
        "own",
        "cross-tenant",
        "sibling-prefix",
        "suffix",
        "list-prefix",
        "wildcard",
        "variable",
        "tag",
        "boundary",
        "session",
        "trust",
        "chaining",
        "confused-deputy",
        "cross-account",
        "condition-absence",
        "contract",
        "lifecycle",
    ];
    let report = parity::run(&BUNDLE, &CORPUS);
    let thought = |theme: Option<&str>| {
        let cases = report.cases.iter().filter(|case| !case.generated);
        cases
            .filter(|case| theme.is_none_or(|theme| case.theme == theme))
            .count()
    };
    assert!(thought(None) >= 600, "{}", thought(None));
    for theme in THEMES {
        assert!(thought(Some(theme)) >= 10, "{theme}: {}", thought(Some(theme)));
    }
}

#[test]
fn every_policy_determines_a_case() {
    let report = parity::run(&BUNDLE, &CORPUS);
    let uncovered = parity::uncovered(&BUNDLE, &report);
    assert!(uncovered.is_empty(), "no case is determined by {uncovered:?}");
}

#[test]
fn every_statement_of_every_iam_document_determines_a_case() {
    let report = parity::run(&BUNDLE, &CORPUS);
    let determining = report.determining();
    for document in BUNDLE.account.documents() {
        for statement in document.statements() {
            let name = format!("{}#{}", document.name(), statement.label());
            assert!(determining.contains(name.as_str()), "no case is determined by {name}");
        }
    }
}

#[test]
fn every_action_is_allowed_in_one_case_and_denied_in_another() {
    let with = |effect| -> BTreeSet<Action> {
        let cases = CORPUS
            .cases
            .iter()
            .filter(|case| case.expect.cedar.decision() == Some(effect));
        cases.map(|case| case.question.action).collect()
    };
    let all: BTreeSet<_> = Action::ALL.iter().copied().collect();
    assert_eq!(with(Effect::Allow), all);
    assert_eq!(with(Effect::Deny), all);
}

#[test]
fn the_example_in_the_documentation_is_the_case_it_names() {
    let page = std::fs::read_to_string(root().join("src/parity.rs")).unwrap();
    let block = page.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let block: String = block.lines().map(|line| line.trim_start_matches("//!")).collect();
    let shown: serde_json::Value = serde_json::from_str(&block).unwrap();
    let file = std::fs::read(root().join("fixtures/corpus/exchange/agreement-retired.json")).unwrap();
    assert_eq!(shown, serde_json::from_slice::<serde_json::Value>(&file).unwrap());
}

#[test]
fn contract_texts_the_worlds_share_with_others_are_the_same() {
    let files = [
        ("pcf-access", "dev/pcf-access.json"),
        ("pcf-usage", "dev/pcf-usage.json"),
        ("pcf-usage-until", "dev/pcf-usage-until.json"),
        ("quality-usage", "dev/quality-usage.json"),
        ("official-access", "cx-25.09/access-policy.json"),
    ];
    for (name, file) in files {
        let text = std::fs::read_to_string(root().join("fixtures/odrl").join(file)).unwrap();
        let digest = Terms::from_odrl(&text).unwrap().digest();
        let mut found = 0;
        for world in CORPUS.worlds.values() {
            for (_, terms) in world.terms().filter(|(known, _)| *known == name) {
                assert_eq!(terms.digest(), digest, "{name} in {}", world.name());
                found += 1;
            }
        }
        assert!(found > 0, "{name}");
    }
}

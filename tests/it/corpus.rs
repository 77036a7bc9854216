//! The corpus holds on the built-in bundle, and is good enough to be worth holding.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tidegate::bundle::{Bundle, Source};
use tidegate::contract::Terms;
use tidegate::decision::Effect;
use tidegate::parity::{self, Corpus, Format, World};
use tidegate::question::Action;

mod mutants;
mod properties;
mod reach;
mod walls;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

static BUNDLE: LazyLock<Bundle> =
    LazyLock::new(|| Bundle::load(Source::built_in()).unwrap_or_else(|error| panic!("{}", error.render())));

static CORPUS: LazyLock<Corpus> =
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

#[test]
fn the_matrix_is_the_one_that_was_read_and_accepted() {
    let path = root().join("tests/it/golden/matrix.txt");
    let got = parity::matrix(&BUNDLE, world());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &got).unwrap();
    }
    let accepted = std::fs::read_to_string(&path).unwrap_or_default();
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
        "lines were added or taken out; if meant: UPDATE_GOLDEN=1"
    );
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
fn contract_texts_the_world_shares_with_others_are_the_same() {
    let files = [
        ("pcf-access", "dev/pcf-access.json"),
        ("pcf-usage", "dev/pcf-usage.json"),
        ("pcf-usage-until", "dev/pcf-usage-until.json"),
        ("quality-usage", "dev/quality-usage.json"),
        ("official-access", "cx-25.09/access-policy.json"),
    ];
    for (name, file) in files {
        let text = std::fs::read_to_string(root().join("fixtures/odrl").join(file)).unwrap();
        let (_, terms) = world().terms().find(|(known, _)| *known == name).unwrap();
        assert_eq!(terms.digest(), Terms::from_odrl(&text).unwrap().digest(), "{name}");
    }
}

//! Holding a law against random questions; what breaks it is written out as a case of the corpus.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use tidegate::decision::Effect;
use tidegate::engine::decide;
use tidegate::parity::{self, Corpus, Environment, Expect, Listed, World};
use tidegate::question::Question;

use super::questions::{ENVIRONMENTS, question};
use super::worlds::any_world;
use super::{BUNDLE, CORPUS, root};

/// The divergences that cases of the corpus show.
pub(super) static LISTED: LazyLock<Listed> = LazyLock::new(|| Listed::of(&CORPUS));

/// What broke a law: why, the smallest question found, and the file it was written to.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) reason: String,
    pub(super) question: Question,
    pub(super) case: Result<PathBuf, String>,
}

/// Tries a law on `cases` random questions of the exchange world. `law` says whether the question put it to the test at all; a
/// law that is never put to the test holds of nothing.
pub(super) fn law(cases: u32, at_least: u32, law: impl Fn(&Question) -> Result<bool, TestCaseError>) {
    law_of(&ENVIRONMENTS, cases, at_least, law);
}

/// As [`law`], over questions of `kinds` only.
pub(super) fn law_of(
    kinds: &[Environment],
    cases: u32,
    at_least: u32,
    law: impl Fn(&Question) -> Result<bool, TestCaseError>,
) {
    hold(tried(Just(exchange()), kinds, cases, law), cases, at_least);
}

/// As [`law_of`], over questions of random worlds.
pub(super) fn law_of_any_world(
    kinds: &[Environment],
    cases: u32,
    at_least: u32,
    law: impl Fn(&Question) -> Result<bool, TestCaseError>,
) {
    hold(tried(any_world(), kinds, cases, law), cases, at_least);
}

fn hold(tried: Result<u32, Box<Broken>>, cases: u32, at_least: u32) {
    match tried {
        Ok(tested) => {
            // Seen with `--nocapture`: a law that is put to the test ever more rarely wants another generator.
            println!(
                "{}: put to the test {tested} times of {cases}, wanted {at_least}",
                test_name()
            );
            assert!(tested >= at_least, "put to the test only {tested} times of {cases}");
        }
        Err(broken) => match broken.case {
            Ok(path) => panic!(
                "{}\nthe smallest question found is a case now: {}\nmove it to fixtures/corpus/ and say there what each \
                 layer must answer",
                broken.reason,
                path.display()
            ),
            Err(reason) => panic!(
                "{}\n{reason}\n{}",
                broken.reason,
                String::from_utf8_lossy(&broken.question.to_json())
            ),
        },
    }
}

/// Tries a law, and gives how often it was put to the test.
pub(super) fn tried(
    worlds: impl Strategy<Value = Arc<World>>,
    kinds: &[Environment],
    cases: u32,
    law: impl Fn(&Question) -> Result<bool, TestCaseError>,
) -> Result<u32, Box<Broken>> {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    };
    let tested = Cell::new(0);
    let run = TestRunner::new(config).run(&question(worlds, kinds), |question| {
        tested.set(tested.get() + u32::from(law(&question)?));
        Ok(())
    });
    match run {
        Ok(()) => Ok(tested.get()),
        Err(TestError::Fail(reason, question)) => {
            let reason = reason.to_string();
            let case = written_out(&question, &reason);
            Err(Box::new(Broken { reason, question, case }))
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

fn test_name() -> String {
    let thread = std::thread::current();
    let name = thread.name().and_then(|name| name.rsplit("::").next());
    name.unwrap_or("law").to_owned()
}

/// Writes the question as a case over the exchange world that expects what the layers say today. The name is that of the test.
fn written_out(question: &Question, reason: &str) -> Result<PathBuf, String> {
    let test = test_name();
    let name = format!("found-{}", test.replace('_', "-"));
    let why = format!(
        "broke the law `{}`: {}",
        test.replace('_', " "),
        reason.replace('\n', "; ")
    );
    let decision = decide(&BUNDLE, question);
    let world = exchange();
    let classes = LISTED.explain(question.principal.kind, &Expect::of(&decision, &world));
    let tags: BTreeSet<_> = classes
        .into_iter()
        .flatten()
        .map(|class| format!("diverges:{class}"))
        .chain([parity::GENERATED.to_owned()])
        .collect();
    let text =
        parity::write_case(&world, question, &decision, &name, &why, &tags).map_err(|error| error.to_string())?;
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus/found");
    let path = directory.join(name + ".json");
    let written = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&path, text));
    written.map(|()| path).map_err(|error| error.to_string())
}

pub(super) fn exchange() -> Arc<World> {
    Arc::clone(CORPUS.worlds.get("exchange").unwrap())
}

pub(super) fn allowed(question: &Question) -> bool {
    decide(&BUNDLE, question).effect == Effect::Allow
}

/// The corpus as it stands, with one more case.
fn corpus_with(name: &str, case: &[u8]) -> Corpus {
    let world = std::fs::read(root().join("fixtures/worlds/exchange.json")).unwrap();
    let divergences = std::fs::read(root().join("fixtures/divergences.json")).unwrap();
    let case_path = format!("corpus/found/{name}");
    let files = [
        ("worlds/exchange.json", world.as_slice()),
        ("divergences.json", divergences.as_slice()),
        (case_path.as_str(), case),
    ];
    Corpus::read(files).unwrap_or_else(|error| panic!("{error}"))
}

/// Breaks a law that does not hold, and holds the case that is written to the question that broke it.
fn break_and_read_back(law: impl Fn(&Question) -> Result<bool, TestCaseError>) {
    let broken = tried(any_world(), &ENVIRONMENTS, 3_000, law).unwrap_err();
    let path = broken.case.unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let corpus = corpus_with(name, &std::fs::read(&path).unwrap());
    let [case] = corpus.cases.as_slice() else {
        panic!("one case")
    };
    assert_eq!(case.question.canonical().digest, broken.question.canonical().digest);
    assert_eq!(decide(&BUNDLE, &case.question), decide(&BUNDLE, &broken.question));
    assert!(case.why.contains("broke the law `what breaks a law"), "{}", case.why);
    // It holds as it is written: what is wrong with the answer is for a person to say.
    let report = parity::run(&BUNDLE, &corpus);
    assert_eq!(report.failures().count(), 0, "{}", report.render(parity::Format::Text));
}

#[test]
fn what_breaks_a_law_by_being_allowed_is_a_case_of_the_corpus() {
    break_and_read_back(|question| {
        prop_assert!(!allowed(question), "everything is refused");
        Ok(true)
    });
}

#[test]
fn what_breaks_a_law_by_the_layers_disagreeing_is_a_case_of_the_corpus() {
    break_and_read_back(|question| {
        let wider = parity::disagreement(&decide(&BUNDLE, question));
        prop_assert_eq!(wider, None, "the layers never disagree");
        Ok(true)
    });
}

#[test]
fn what_breaks_a_law_with_something_missing_is_a_case_of_the_corpus() {
    break_and_read_back(|question| {
        let answer = decide(&BUNDLE, question).cedar;
        prop_assert!(answer.errors.is_empty(), "every question can be evaluated");
        Ok(true)
    });
}

#[test]
fn every_random_question_can_be_asked_by_a_case() {
    let world = exchange();
    let tested = tried(any_world(), &ENVIRONMENTS, 300, |question| {
        let decision = decide(&BUNDLE, question);
        let text = parity::write_case(&world, question, &decision, "case", "any question", &BTreeSet::new());
        prop_assert!(text.is_ok(), "{:?}", text);
        Ok(true)
    });
    assert_eq!(tested.map_err(|broken| broken.reason), Ok(300));
}

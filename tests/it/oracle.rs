//! A second opinion: `@cloud-copilot/iam-simulate`, an evaluator by other people, is asked what we are asked.
//!
//! It needs node and npm, so these tests run only when asked for: `cargo test --test it oracle:: -- --ignored`. The other
//! evaluator is pinned in `tests/oracle/package-lock.json`, runs in a process of its own and is no part of the program.
//!
//! Each difference is either our mistake or one of the classes of `fixtures/oracle-differences.json`, each with the sentence
//! of AWS's documentation that settles it.

mod conditions;
mod deployed;
mod dice;
mod differences;
mod generate;
mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use tidegate::iam::simulate::simulate;

use crate::simulate::{Form, further, seeds};
use differences::{CLASSES, Class, rewritten};

/// One class of `fixtures/oracle-differences.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    class: String,
    /// What the other evaluator does.
    theirs: String,
    /// The sentence that settles it.
    aws: String,
    /// Where it stands.
    page: String,
    /// Further cases of the evaluator that differ so and cannot be put otherwise.
    #[serde(default)]
    cases: Vec<String>,
}

fn entries() -> Vec<Entry> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/oracle-differences.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn ours(question: &Value) -> String {
    let answer = simulate(&question.to_string()).unwrap_or_else(|error| panic!("{error}\n{question}"));
    let decisions: Vec<_> = answer.decisions().collect();
    assert_eq!(decisions.len(), 1, "one question at a time");
    decisions[0].to_string()
}

/// A question on which the two differ.
struct Difference<'q> {
    question: &'q Value,
    ours: String,
    theirs: String,
}

/// Asks both; gives where they differ.
fn differences(questions: &[Value]) -> Vec<Difference<'_>> {
    let ours: Vec<String> = questions.iter().map(ours).collect();
    let asked = questions.iter().zip(ours).zip(node::ask(questions));
    let both = asked.map(|((question, ours), theirs)| Difference { question, ours, theirs });
    both.filter(|asked| asked.ours != asked.theirs).collect()
}

/// The choices of `size` classes.
fn choices(size: usize) -> Vec<Vec<&'static Class>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let grow = |chosen: Vec<&'static Class>| {
        let last = chosen
            .last()
            .map(|last| CLASSES.iter().position(|class| class.name == last.name).unwrap());
        let from = last.map_or(0, |last| last + 1);
        CLASSES[from..]
            .iter()
            .map(move |next| [chosen.as_slice(), &[next]].concat())
    };
    choices(size - 1).into_iter().flat_map(grow).collect()
}

/// Finds for each difference the smallest set of classes that explains it; counts how often each class was needed, and gives
/// the differences that nothing explains.
fn explain<'q>(mut open: Vec<Difference<'q>>) -> (BTreeMap<&'static str, usize>, Vec<Difference<'q>>) {
    let mut needed: BTreeMap<&'static str, usize> = BTreeMap::new();
    for size in 1..=5 {
        let mut asked: Vec<(usize, Vec<&'static Class>, Value)> = Vec::new();
        for (index, difference) in open.iter().enumerate() {
            let of_it = choices(size).into_iter().filter_map(|classes| {
                let question = rewritten(difference.question, &classes)?;
                Some((index, classes, question))
            });
            asked.extend(of_it);
        }
        let answers = node::ask(asked.iter().map(|(_, _, question)| question));
        let mut explained = vec![false; open.len()];
        for ((index, classes, question), answer) in asked.iter().zip(answers) {
            if !explained[*index] && answer == open[*index].ours && ours(question) == answer {
                explained[*index] = true;
                classes
                    .iter()
                    .for_each(|class| *needed.entry(class.name).or_default() += 1);
            }
        }
        let mut done = explained.into_iter();
        open.retain(|_| !done.next().unwrap());
    }
    (needed, open)
}

fn check_explained(questions: &[Value]) -> BTreeMap<&'static str, usize> {
    let differences = differences(questions);
    let count = differences.len();
    let (needed, open) = explain(differences);
    println!("{} questions, {count} differences: {needed:#?}", questions.len());
    let mut shown = String::new();
    for Difference { question, ours, theirs } in &open {
        writeln!(shown, "we say {ours}, the other {theirs}: {question}").unwrap();
    }
    assert!(
        open.is_empty(),
        "{} differences that nothing explains:\n{shown}",
        open.len()
    );
    needed
}

#[test]
#[ignore = "needs node and npm"]
fn random_questions_get_the_same_answer_or_a_documented_one() {
    let mut dice = dice::Dice::new(20_261_121);
    let questions: Vec<Value> = (0..20_000).map(|_| generate::question(&mut dice)).collect();
    let needed = check_explained(&questions);
    for entry in entries()
        .iter()
        .filter(|entry| CLASSES.iter().any(|class| class.name == entry.class))
    {
        assert!(
            needed.contains_key(&*entry.class),
            "`{}` explains nothing any more; remove it",
            entry.class
        );
    }
}

#[test]
#[ignore = "needs node and npm"]
fn the_isolation_cases_get_the_same_answer_or_a_documented_one() {
    let questions: Vec<Value> = seeds(Form::Object)
        .into_iter()
        .map(|(_, _, question)| question)
        .collect();
    check_explained(&questions);
}

#[test]
#[ignore = "needs node and npm"]
fn the_further_cases_get_the_same_answer_or_a_documented_one() {
    let entries = entries();
    let listed: BTreeSet<&str> = entries
        .iter()
        .flat_map(|entry| &entry.cases)
        .map(String::as_str)
        .collect();
    let (named, others): (Vec<_>, Vec<_>) = further(Form::Object)
        .into_iter()
        .partition(|(name, ..)| listed.contains(name.as_str()));
    assert_eq!(named.len(), listed.len(), "a case that is listed is gone");
    let questions = |cases: Vec<(String, &str, Value)>| cases.into_iter().map(|(.., question)| question).collect();
    let questions: (Vec<Value>, Vec<Value>) = (questions(named), questions(others));
    let healed = questions.0.len() - differences(&questions.0).len();
    assert_eq!(healed, 0, "cases that are listed no longer differ");
    check_explained(&questions.1);
}

/// The cases about a session policy that cannot be rendered, which no other evaluator can be asked.
const UNRENDERED: [&str; 3] = [
    "session/filled-with-nothing",
    "session/filled-with-stars",
    "suffix/question-marks-for-a-suffix",
];

#[test]
#[ignore = "needs node and npm"]
fn the_corpus_gets_the_same_answer_or_a_documented_one() {
    let (questions, unrendered) = deployed::questions();
    assert!(questions.len() >= 700, "{}", questions.len());
    let unrendered: Vec<_> = unrendered.iter().map(String::as_str).collect();
    assert_eq!(unrendered, UNRENDERED);
    check_explained(&questions);
}

#[test]
fn every_class_of_differences_is_documented_and_known() {
    let entries = entries();
    // One without a way to put the question otherwise lists its cases.
    let rewritten = |entry: &&Entry| entry.cases.is_empty() || CLASSES.iter().any(|class| class.name == entry.class);
    let documented = entries.iter().filter(rewritten);
    let documented: Vec<&str> = documented.map(|entry| entry.class.as_str()).collect();
    let known: Vec<&str> = CLASSES.iter().map(|class| class.name).collect();
    assert_eq!(documented, known);
    for Entry {
        class,
        theirs,
        aws,
        page,
        ..
    } in &entries
    {
        let said = theirs.len() > 20 && aws.len() > 10 && page.contains(", \"");
        assert!(
            said,
            "`{class}` says what the other does, quotes a sentence and names its page"
        );
    }
}

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::engine;
use crate::question::{Entity, EntityKind, EntityRef, Question, Value as Attribute};

/// The world and a question of it: a viewer reads a footprint.
fn drawn() -> (Arc<World>, Question) {
    let corpus = one(&case()).unwrap();
    let [case] = corpus.cases.as_slice() else {
        panic!("one case")
    };
    (Arc::clone(&case.world), case.question.clone())
}

fn written(world: &Arc<World>, question: &Question) -> Result<String, Inexpressible> {
    let decision = engine::decide(&BUNDLE, question);
    write_case(world, question, &decision, "found", "it was found", &BTreeSet::new())
}

/// Writes the question as a case, reads that as a corpus, and holds the two against each other.
fn check(change: impl FnOnce(&mut Question)) -> Value {
    let (world, mut question) = drawn();
    change(&mut question);
    let text = written(&world, &question).unwrap();
    let corpus = read(&[("corpus/some/found.json", text.clone())]).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let case = &corpus.cases[0];
    assert_eq!(case.question.canonical().digest, question.canonical().digest, "{text}");
    let report = run(&BUNDLE, &corpus);
    let wrong = |finding: &&Finding| matches!(finding.rule, Rule::CedarAnswer | Rule::IamAnswer);
    assert_eq!(report.cases[0].findings.iter().find(wrong), None);
    serde_json::from_str(&text).unwrap()
}

fn position(question: &Question, kind: EntityKind) -> usize {
    question
        .entities
        .iter()
        .position(|entity| entity.uid.kind == kind)
        .unwrap()
}

#[test]
fn a_question_of_the_world_is_written_as_it_would_be_by_hand() {
    let text = check(|_| {});
    assert_eq!(text["question"], case()["question"]);
    assert_eq!(text["expect"]["iam"], case()["expect"]["iam"]);
}

#[test]
fn what_differs_from_the_world_stands_in_the_case() {
    let text = check(|question| {
        let user = position(question, EntityKind::User);
        question.entities[user]
            .attrs
            .insert("enabled".into(), Attribute::Bool(false));
    });
    assert_eq!(text["question"]["entities"].as_array().unwrap().len(), 1);
    assert_eq!(text["question"]["without"], Value::Null);
    // Of another company, which has to come along.
    check(|question| {
        let user = position(question, EntityKind::User);
        let other = EntityRef::new(EntityKind::Tenant, "BPNL00000000TWNA");
        question.entities[user]
            .attrs
            .insert("tenant".into(), other.clone().into());
        question.entities.push(Entity {
            uid: other,
            attrs: [("state".to_owned(), Attribute::from("active"))].into(),
            parents: BTreeSet::new(),
        });
        question.entities.sort_by(|left, right| left.uid.cmp(&right.uid));
    });
}

#[test]
fn what_the_question_lacks_is_left_out() {
    for kind in [
        EntityKind::User,
        EntityKind::Tenant,
        EntityKind::Footprint,
        EntityKind::Asset,
    ] {
        let text = check(|question| {
            let at = position(question, kind);
            let gone = question.entities.remove(at);
            if kind == EntityKind::Footprint {
                // Nothing else leads to its asset.
                question.entities.retain(|entity| entity.uid.kind != EntityKind::Asset);
            }
            assert_eq!(gone.uid.kind, kind);
        });
        assert!(text["question"]["without"].is_array(), "{kind}: {text}");
    }
    // Somebody no world knows.
    check(|question| {
        question.principal = EntityRef::new(EntityKind::User, "nobody");
        question.entities.retain(|entity| entity.uid.kind != EntityKind::User);
    });
}

#[test]
fn a_question_that_no_case_can_ask_is_refused() {
    let (world, question) = drawn();
    let mut stray = question.clone();
    stray.entities.push(Entity {
        uid: EntityRef::new(EntityKind::Tenant, "BPNL00000000TWNA"),
        attrs: BTreeMap::new(),
        parents: BTreeSet::new(),
    });
    let error = written(&world, &stray).unwrap_err().to_string();
    assert!(error.contains("the question does not reach it"), "{error}");
    let mut more = question.clone();
    let (_, terms) = world.terms().next().unwrap();
    more.terms.insert(terms.digest(), terms.clone());
    assert!(
        written(&world, &more)
            .unwrap_err()
            .to_string()
            .contains("nothing in it leads to")
    );
    let decision = engine::decide(&BUNDLE, &question);
    let error = write_case(&world, &question, &decision, "found", " ", &BTreeSet::new()).unwrap_err();
    assert!(error.to_string().contains("`why` is empty"), "{error}");
}

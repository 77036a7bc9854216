//! Laws of a question's spelling and digest.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegate::question::{EntityKind, EntityRef, Question, Value};

use super::law::law;
use super::questions::with;

#[test]
fn a_question_reads_back_and_its_digest_knows_no_order() {
    law(300, 300, |question| {
        let digest = question.canonical().digest;
        let text = question.to_json();
        let again = Question::from_json(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&again, question);
        prop_assert_eq!(again.canonical().digest, digest);
        let mut document: serde_json::Value = serde_json::from_slice(&text).unwrap();
        for list in ["entities", "terms"] {
            let list = document[list].as_array_mut().unwrap();
            list.reverse();
            let half = list.len() / 2;
            list.rotate_left(half);
        }
        let shuffled = Question::from_json(&serde_json::to_vec_pretty(&document).unwrap()).unwrap();
        prop_assert_eq!(shuffled.canonical().digest, digest);
        Ok(true)
    });
}

#[test]
fn whatever_changes_in_a_question_changes_its_digest() {
    law(300, 200, |question| {
        let mut changes = vec![question.clone()];
        for (at, entity) in question.entities.iter().enumerate() {
            for name in entity.attrs.keys() {
                changes.push(with(question, &entity.uid, name, Value::from("something else")));
                let mut dropped = question.clone();
                dropped.entities[at].attrs.remove(name);
                changes.push(dropped);
            }
            let mut parent = question.clone();
            parent.entities[at]
                .parents
                .insert(EntityRef::new(EntityKind::CompanyRole, "something else"));
            changes.push(parent);
        }
        for name in question.context.keys() {
            let mut changed = question.clone();
            changed.context.insert(name.clone(), Value::Long(1));
            changes.push(changed);
        }
        if !question.terms.is_empty() {
            let mut changed = question.clone();
            changed.terms.pop_first();
            changes.push(changed);
        }
        let digests: BTreeSet<_> = changes
            .iter()
            .map(|changed| changed.canonical().digest.to_string())
            .collect();
        prop_assert_eq!(digests.len(), changes.len(), "two questions with one digest");
        Ok(changes.len() > 3)
    });
}

//! A question as the file of a case: what was found by chance, or by a proof, is kept as a case.
//!
//! A case is drawn from a world of the corpus. What the question holds otherwise than that world stands in the case itself:
//! changed or further entities under `entities`, those the question lacks under `without`. So a question from any world at
//! all can be written over any world that has its contract terms.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::case::{self, Expect};
use super::world::World;
use crate::decision::Decision;
use crate::question::{Entity, EntityRef, Question, Value};

/// A question that no case over this world can ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no case over the world `{world}` can ask this question: {reason}")]
pub struct Inexpressible {
    world: String,
    reason: String,
}

/// The file of a case.
#[derive(Serialize)]
struct CaseText<'t> {
    name: &'t str,
    why: &'t str,
    tags: &'t BTreeSet<String>,
    world: &'t str,
    question: QuestionText,
    expect: Expect,
}

#[derive(Serialize)]
struct QuestionText {
    principal: Json,
    action: Json,
    resource: Json,
    context: Json,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entities: Vec<Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without: Vec<Json>,
}

/// Writes `question` as the file of a case of `world` that expects what `decision` says. The file is read again before it is
/// given out: it asks the very question, by digest.
///
/// # Errors
/// Where no case can ask the question: it holds entities that nothing in it leads to, or terms that the world does not have
/// or that none of its entities names; or the name or the reason is not one a case may have.
pub fn write_case(
    world: &Arc<World>,
    question: &Question,
    decision: &Decision,
    name: &str,
    why: &str,
    tags: &BTreeSet<String>,
) -> Result<String, Inexpressible> {
    let inexpressible = |reason: String| Inexpressible {
        world: world.name().to_owned(),
        reason,
    };
    let text = CaseText {
        name,
        why,
        tags,
        world: world.name(),
        question: spelled(world, question).map_err(inexpressible)?,
        expect: Expect::of(decision, world),
    };
    let text = serde_json::to_string_pretty(&text).map_err(|error| inexpressible(error.to_string()))? + "\n";
    let worlds = [(world.name().to_owned(), Arc::clone(world))].into();
    let read = case::read("written", name, text.as_bytes(), &worlds).map_err(inexpressible)?;
    if read.question.canonical().digest == question.canonical().digest {
        Ok(text)
    } else {
        let reason = "it holds entities or terms that nothing in it leads to, or terms the world does not have";
        Err(inexpressible(reason.to_owned()))
    }
}

fn spelled(world: &World, question: &Question) -> Result<QuestionText, String> {
    let mut document: Json = serde_json::from_slice(&question.to_json()).map_err(|error| error.to_string())?;
    put_names(world, &mut document);
    let all = match document.get_mut("entities").map(Json::take) {
        Some(Json::Array(all)) => all,
        _ => Vec::new(),
    };
    // As the world has it already, an entity need not be said again.
    let differs = |entity: &Entity| world.entity(&entity.uid) != Some(entity);
    let mut entities: Vec<_> = question
        .entities
        .iter()
        .zip(all)
        .filter(|(entity, _)| differs(entity))
        .map(|(_, text)| text)
        .collect();
    // Who is named and is nowhere must be made up first, to be left out.
    for missing in named(question).filter(|uid| question.entity(uid).is_none() && !world.knows(uid)) {
        entities.push(json!({"uid": reference(missing), "attrs": {}}));
    }
    let drawn = world.with(question.entities.iter().cloned()).question(
        question.principal.clone(),
        question.action,
        question.resource.clone(),
        question.context.clone(),
    );
    let drawn = drawn.entities.iter().map(|entity| &entity.uid);
    let unknown = named(question).filter(|uid| !world.knows(uid));
    let without: BTreeSet<_> = drawn
        .chain(unknown)
        .filter(|uid| question.entity(uid).is_none())
        .collect();
    let mut take = |name: &str| document.get_mut(name).map(Json::take).unwrap_or_default();
    Ok(QuestionText {
        principal: take("principal"),
        action: take("action"),
        resource: take("resource"),
        context: take("context"),
        entities,
        without: without.into_iter().map(reference).collect(),
    })
}

/// The entities a question names itself.
fn named(question: &Question) -> impl Iterator<Item = &EntityRef> {
    let in_context = question.context.values().filter_map(|value| match value {
        Value::Entity(uid) => Some(uid),
        _ => None,
    });
    let named: BTreeSet<_> = [&question.principal, &question.resource]
        .into_iter()
        .chain(in_context)
        .collect();
    named.into_iter()
}

fn reference(uid: &EntityRef) -> Json {
    json!({"type": uid.kind.as_str(), "id": &*uid.id})
}

/// Spells types without their namespace and digests by the names of their terms, as cases do; leaves out empty parents.
fn put_names(world: &World, value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(|item| put_names(world, item)),
        Json::Object(members) => put_names_in(world, members),
        _ => {}
    }
}

fn put_names_in(world: &World, members: &mut Map<String, Json>) {
    if members.get("parents") == Some(&json!([])) {
        members.remove("parents");
    }
    for (name, member) in members.iter_mut() {
        let Json::String(text) = &*member else {
            put_names(world, member);
            continue;
        };
        let terms = world.terms().find(|(_, terms)| terms.digest().to_string() == *text);
        if let Some((terms, _)) = terms {
            *member = json!({"__terms": terms});
        } else if let ("type", Some(kind)) = (name.as_str(), text.strip_prefix("Tidegate::")) {
            *member = Json::String(kind.to_owned());
        }
    }
}

//! The JSON spelling of a question: Cedar's own format for entities and contexts, in canonical form when written.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::Question;
use super::supplement::{Supplement, SupplementError};
use super::value::{Action, Entity, EntityKind, EntityRef, UnknownName, Value};
use crate::ids::Digest;

/// Why a document is not a question.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// The text is not JSON, or names a member twice.
    #[error("not a JSON document: {0}")]
    Json(#[from] serde_json::Error),
    /// A member is missing, unknown or of the wrong type.
    #[error("at `{at}`: {problem}")]
    Shape {
        /// JSON pointer to the place.
        at: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A name the schema does not have.
    #[error("at `{at}`: {source}")]
    Name {
        /// JSON pointer to the place.
        at: String,
        /// Which name.
        source: UnknownName,
    },
    /// Terms that do not compile.
    #[error("at `{at}`: {source}")]
    Terms {
        /// JSON pointer to the place.
        at: String,
        /// What is wrong with them.
        source: Box<SupplementError>,
    },
}

fn shape(at: &str, problem: impl Into<String>) -> QuestionError {
    QuestionError::Shape {
        at: if at.is_empty() { "/".into() } else { at.into() },
        problem: problem.into(),
    }
}

// --- writing --------------------------------------------------------------------------------------------------------

/// Spells an instant as every document of Tidegate does: UTC, with milliseconds.
pub fn spell_time(instant: Timestamp) -> String {
    const PRINTER: jiff::fmt::temporal::DateTimePrinter =
        jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3));
    PRINTER.timestamp_to_string(&instant)
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing to a Vec cannot fail, and serde_json's escapes are those of RFC 8785.
    let _ = serde_json::to_writer(out, text);
}

fn write_list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut Vec<u8>, T)) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        each(out, item);
    }
}

fn write_ref(out: &mut Vec<u8>, reference: &EntityRef) {
    out.extend_from_slice(b"{\"id\":");
    write_string(out, &reference.id);
    out.extend_from_slice(b",\"type\":\"Tidegate::");
    out.extend_from_slice(reference.kind.as_str().as_bytes());
    out.extend_from_slice(b"\"}");
}

fn write_record(out: &mut Vec<u8>, members: &BTreeMap<String, Value>) {
    out.push(b'{');
    write_list(out, members, |out, (name, value)| {
        write_string(out, name);
        out.push(b':');
        write_value(out, value);
    });
    out.push(b'}');
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Long(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::String(text) => write_string(out, text),
        Value::DateTime(instant) => {
            out.extend_from_slice(b"{\"__extn\":{\"arg\":");
            write_string(out, &spell_time(*instant));
            out.extend_from_slice(b",\"fn\":\"datetime\"}}");
        }
        Value::Entity(reference) => {
            out.extend_from_slice(b"{\"__entity\":");
            write_ref(out, reference);
            out.push(b'}');
        }
        Value::Set(items) => {
            out.push(b'[');
            write_list(out, items, write_value);
            out.push(b']');
        }
        Value::Record(members) => write_record(out, members),
    }
}

/// The context as canonical JSON.
pub(super) fn context_bytes(context: &BTreeMap<String, Value>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write_record(&mut out, context);
    out
}

/// The entity slice as canonical JSON.
pub(super) fn entities_bytes(entities: &[Entity]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2048);
    out.push(b'[');
    write_list(&mut out, entities, |out, entity| {
        out.extend_from_slice(b"{\"attrs\":");
        write_record(out, &entity.attrs);
        out.extend_from_slice(b",\"parents\":[");
        write_list(out, &entity.parents, write_ref);
        out.extend_from_slice(b"],\"uid\":");
        write_ref(out, &entity.uid);
        out.push(b'}');
    });
    out.push(b']');
    out
}

/// The digest of a question from the digests of its parts.
pub(super) fn question_digest(question: &Question, context: Digest, entities: Digest) -> Digest {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"action\":");
    write_string(&mut out, question.action.as_str());
    out.extend_from_slice(b",\"context\":");
    write_string(&mut out, &context.to_string());
    out.extend_from_slice(b",\"entities\":");
    write_string(&mut out, &entities.to_string());
    out.extend_from_slice(b",\"principal\":");
    write_ref(&mut out, &question.principal);
    out.extend_from_slice(b",\"resource\":");
    write_ref(&mut out, &question.resource);
    out.extend_from_slice(b",\"terms\":[");
    write_list(&mut out, question.terms.keys(), |out, digest| {
        write_string(out, &digest.to_string())
    });
    out.extend_from_slice(b"]}");
    Digest::of(&out)
}

impl Question {
    /// The whole question as one canonical JSON document, such as `tidegate explain` reads.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4096);
        out.extend_from_slice(b"{\"action\":");
        write_string(&mut out, self.action.as_str());
        out.extend_from_slice(b",\"context\":");
        write_record(&mut out, &self.context);
        out.extend_from_slice(b",\"entities\":");
        out.extend_from_slice(&entities_bytes(&self.entities));
        out.extend_from_slice(b",\"principal\":");
        write_ref(&mut out, &self.principal);
        out.extend_from_slice(b",\"resource\":");
        write_ref(&mut out, &self.resource);
        out.extend_from_slice(b",\"terms\":[");
        write_list(&mut out, self.terms.values(), |out, terms| {
            out.extend_from_slice(terms.canonical())
        });
        out.extend_from_slice(b"]}");
        out
    }

    /// Reads a question from the document [`Question::to_json`] writes; any spelling of the same JSON will do, entities in
    /// any order. `terms` holds normal forms.
    ///
    /// # Errors
    /// Names the place and what was expected there. Unknown members, repeated members and repeated entities are refused.
    pub fn from_json(text: &[u8]) -> Result<Self, QuestionError> {
        let document = crate::json::parse(text)?;
        let members = object(&document, "")?;
        only(
            members,
            "",
            &["action", "context", "entities", "principal", "resource", "terms"],
        )?;
        let mut terms = BTreeMap::new();
        if let Some(list) = members.get("terms") {
            for (index, normal_form) in array(list, "/terms")?.iter().enumerate() {
                let at = format!("/terms/{index}");
                let bytes = serde_json_canonicalizer::to_vec(normal_form)?;
                let read = Supplement::from_normal_form(&bytes).map_err(|source| QuestionError::Terms {
                    at,
                    source: Box::new(source),
                })?;
                terms.insert(read.digest(), read);
            }
        }
        Ok(Self {
            principal: reference(member(members, "", "principal")?, "/principal")?,
            action: action(member(members, "", "action")?)?,
            resource: reference(member(members, "", "resource")?, "/resource")?,
            context: record(member(members, "", "context")?, "/context")?,
            entities: read_entities(member(members, "", "entities")?, "/entities")?,
            terms,
        })
    }

    /// Puts a question together again from its stored parts: the context as canonical JSON, the entities read from theirs by
    /// [`read_entities`].
    ///
    /// # Errors
    /// As [`Question::from_json`].
    pub fn from_parts(
        principal: &str,
        action: &str,
        resource: &str,
        context: &[u8],
        entities: Vec<Entity>,
        terms: BTreeMap<Digest, Supplement>,
    ) -> Result<Self, QuestionError> {
        Ok(Self {
            principal: spelled_reference(principal, "/principal")?,
            action: action.parse().map_err(|source| QuestionError::Name {
                at: "/action".into(),
                source,
            })?,
            resource: spelled_reference(resource, "/resource")?,
            context: record(&crate::json::parse(context)?, "/context")?,
            entities,
            terms,
        })
    }
}

// --- reading --------------------------------------------------------------------------------------------------------

fn object<'a>(value: &'a Json, at: &str) -> Result<&'a Map<String, Json>, QuestionError> {
    value.as_object().ok_or_else(|| shape(at, "expected an object"))
}

fn array<'a>(value: &'a Json, at: &str) -> Result<&'a Vec<Json>, QuestionError> {
    value.as_array().ok_or_else(|| shape(at, "expected an array"))
}

fn text<'a>(value: &'a Json, at: &str) -> Result<&'a str, QuestionError> {
    value.as_str().ok_or_else(|| shape(at, "expected a string"))
}

fn member<'a>(members: &'a Map<String, Json>, at: &str, name: &str) -> Result<&'a Json, QuestionError> {
    members
        .get(name)
        .ok_or_else(|| shape(at, format!("the member `{name}` is missing")))
}

fn only(members: &Map<String, Json>, at: &str, known: &[&str]) -> Result<(), QuestionError> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let known = known.join("`, `");
            Err(shape(
                at,
                format!("unknown member `{}`; known are `{known}`", name.escape_debug()),
            ))
        }
    }
}

fn action(value: &Json) -> Result<Action, QuestionError> {
    let at = "/action";
    // Cedar spells an action as an entity; the bare name is what people write.
    let name = match value {
        Json::Object(members) => {
            only(members, at, &["id", "type"])?;
            text(member(members, at, "id")?, at)?
        }
        other => text(other, at)?,
    };
    name.parse()
        .map_err(|source| QuestionError::Name { at: at.into(), source })
}

/// Reads `{"type": "Tidegate::Tenant", "id": "…"}`.
pub fn reference(value: &Json, at: &str) -> Result<EntityRef, QuestionError> {
    let members = object(value, at)?;
    only(members, at, &["id", "type"])?;
    let kind: EntityKind = text(member(members, at, "type")?, at)?
        .parse()
        .map_err(|source| QuestionError::Name { at: at.into(), source })?;
    Ok(EntityRef::new(kind, text(member(members, at, "id")?, at)?))
}

/// Reads the text [`EntityRef`] prints: `Tenant::"…"`.
fn spelled_reference(spelled: &str, at: &str) -> Result<EntityRef, QuestionError> {
    let (kind, quoted) = spelled
        .split_once("::\"")
        .ok_or_else(|| shape(at, "expected a reference such as `Tenant::\"…\"`"))?;
    let id = quoted
        .strip_suffix('"')
        .ok_or_else(|| shape(at, "the reference does not end in a quotation mark"))?;
    let kind = kind
        .parse()
        .map_err(|source| QuestionError::Name { at: at.into(), source })?;
    if id.contains(['"', '\\']) {
        return Err(shape(
            at,
            "an id of a recorded reference holds no quotation mark and no backslash",
        ));
    }
    Ok(EntityRef::new(kind, id))
}

/// Reads a context or an attribute record.
pub fn record(value: &Json, at: &str) -> Result<BTreeMap<String, Value>, QuestionError> {
    object(value, at)?
        .iter()
        .map(|(name, value)| Ok((name.clone(), read_value(value, &format!("{at}/{name}"))?)))
        .collect()
}

fn read_value(value: &Json, at: &str) -> Result<Value, QuestionError> {
    Ok(match value {
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Long(
            number
                .as_i64()
                .ok_or_else(|| shape(at, "expected a whole number of 64 bits"))?,
        ),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::Set(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| read_value(item, &format!("{at}/{index}")))
                .collect::<Result<BTreeSet<_>, _>>()?,
        ),
        Json::Object(members) if members.contains_key("__entity") => {
            only(members, at, &["__entity"])?;
            Value::Entity(reference(member(members, at, "__entity")?, at)?)
        }
        Json::Object(members) if members.contains_key("__extn") => {
            only(members, at, &["__extn"])?;
            read_time(member(members, at, "__extn")?, at)?
        }
        Json::Object(_) => Value::Record(record(value, at)?),
        Json::Null => return Err(shape(at, "null has no meaning here; leave the member out")),
    })
}

fn read_time(value: &Json, at: &str) -> Result<Value, QuestionError> {
    let members = object(value, at)?;
    only(members, at, &["arg", "fn"])?;
    if text(member(members, at, "fn")?, at)? != "datetime" {
        return Err(shape(at, "the only extension value in the schema is `datetime`"));
    }
    let spelled = text(member(members, at, "arg")?, at)?;
    let instant: Timestamp = spelled
        .parse()
        .map_err(|_| shape(at, "expected an instant such as `2026-11-21T06:00:00.000Z`"))?;
    if instant.subsec_nanosecond() % 1_000_000 != 0 {
        return Err(shape(
            at,
            "Cedar's datetime has milliseconds; this instant has finer parts",
        ));
    }
    Ok(Value::DateTime(instant))
}

/// Reads a list of entities, in any order; sorted and each once afterwards.
pub fn read_entities(value: &Json, at: &str) -> Result<Vec<Entity>, QuestionError> {
    let mut entities = Vec::new();
    for (index, item) in array(value, at)?.iter().enumerate() {
        let at = format!("{at}/{index}");
        let members = object(item, &at)?;
        only(members, &at, &["attrs", "parents", "uid"])?;
        let mut parents = BTreeSet::new();
        if let Some(list) = members.get("parents") {
            for parent in array(list, &at)? {
                parents.insert(reference(parent, &at)?);
            }
        }
        let attrs = match members.get("attrs") {
            Some(attrs) => record(attrs, &format!("{at}/attrs"))?,
            None => BTreeMap::new(),
        };
        entities.push(Entity {
            uid: reference(member(members, &at, "uid")?, &format!("{at}/uid"))?,
            attrs,
            parents,
        });
    }
    entities.sort_by(|left, right| left.uid.cmp(&right.uid));
    if let Some(pair) = entities.array_windows().find(|[left, right]| left.uid == right.uid) {
        return Err(shape(at, format!("the entity {} stands twice", pair[0].uid)));
    }
    Ok(entities)
}

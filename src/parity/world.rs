//! A world: the entities and contract terms that cases are drawn from.
//!
//! A world file holds entities in Cedar's JSON format, as a question spells them, and contract texts and access rules by name. Where an
//! attribute is the digest of such a text, the file names it: `{"__terms": "pcf-usage"}`. A question drawn from a world holds
//! the entities that can be reached from its principal, resource and context, and the terms whose digests stand in those.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::contract::Terms;
use crate::ids::{Digest, Version};
use crate::question::{Action, Entity, EntityKind, EntityRef, Question, Supplement, Value, read_entities};
use crate::twin::AccessRules;

/// Companies, people, things and contracts to ask about.
#[derive(Clone, Debug)]
pub struct World {
    name: String,
    now: Timestamp,
    purpose: String,
    versions: VersionsFile,
    terms: BTreeMap<String, Supplement>,
    entities: BTreeMap<EntityRef, Entity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorldFile {
    name: String,
    /// What the world is for; read by people only.
    #[serde(rename = "why")]
    _why: String,
    now: Timestamp,
    purpose: String,
    versions: VersionsFile,
    terms: Vec<TermsFile>,
    entities: Vec<Json>,
}

/// What is in force in the world, of every asset.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionsFile {
    api: Version,
    asset: Version,
    model: Version,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TermsFile {
    name: String,
    /// A contract.
    odrl: Option<Json>,
    /// The access rules of a company's digital twins.
    #[serde(rename = "accessRules")]
    access_rules: Option<Json>,
}

impl TermsFile {
    fn compile(&self) -> Result<Supplement, String> {
        match (&self.odrl, &self.access_rules) {
            (Some(text), None) => {
                let terms = Terms::from_odrl(&text.to_string()).map_err(|error| error.to_string())?;
                Ok(Supplement::Terms(Arc::new(terms)))
            }
            (None, Some(text)) => {
                let rules = AccessRules::from_json(&text.to_string()).map_err(|error| error.to_string())?;
                Ok(Supplement::Rules(Arc::new(rules)))
            }
            _ => Err("give one of `odrl` and `accessRules`".to_owned()),
        }
    }
}

impl World {
    /// Reads a world file; `name` is the file's name without its ending and must be the world's own.
    ///
    /// # Errors
    /// What is wrong, in a sentence: the text, a contract that does not compile, an entity of no such kind, a reference to an
    /// entity the world does not hold (roles aside, which have no entity).
    pub fn read(name: &str, text: &[u8]) -> Result<Self, String> {
        let file: WorldFile = crate::json::read(text).map_err(|error| error.to_string())?;
        if file.name != name {
            return Err(format!("its name is `{}`; it must be that of the file", file.name));
        }
        let mut terms = BTreeMap::new();
        for file in file.terms {
            let compiled = file
                .compile()
                .map_err(|error| format!("the terms `{}`: {error}", file.name))?;
            let name = file.name;
            if terms
                .values()
                .any(|known: &Supplement| known.digest() == compiled.digest())
            {
                return Err(format!("the terms `{name}` stand under another name already"));
            }
            if terms.insert(name.clone(), compiled).is_some() {
                return Err(format!("the terms `{name}` stand twice"));
            }
        }
        let mut world = Self {
            name: file.name,
            now: file.now,
            purpose: file.purpose,
            versions: file.versions,
            terms,
            entities: BTreeMap::new(),
        };
        let entities = world.entities_of(Json::Array(file.entities), "/entities")?;
        world.entities = entities
            .into_iter()
            .map(|entity| (entity.uid.clone(), entity))
            .collect();
        for entity in world.entities.values() {
            if let Some(missing) = references(entity).into_iter().find(|reference| !world.knows(reference)) {
                return Err(format!("{} names {missing}, which the world does not hold", entity.uid));
            }
        }
        Ok(world)
    }

    /// The world's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The instant the world is shown at.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The purpose partners ask with where a case names none: a Catena-X usage purpose.
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// The versions in force for every asset, as the context of `action` has them where a case names none; none where it has no
    /// place for them.
    pub fn versions(&self, action: Action) -> Option<Value> {
        let VersionsFile { api, asset, model } = &self.versions;
        let model = match action {
            Action::Access | Action::Submit => Some(model),
            Action::Transfer => None,
            _ => return None,
        };
        let members = [("api", Some(api)), ("asset", Some(asset)), ("model", model)];
        let members = members
            .into_iter()
            .filter_map(|(name, version)| Some((name.to_owned(), version?.into())));
        Some(Value::Record(members.collect()))
    }

    /// Every entity, by reference.
    pub fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.entities.values()
    }

    /// The entities of one kind, by reference.
    pub fn of_kind(&self, kind: EntityKind) -> impl Iterator<Item = &Entity> {
        self.entities.values().filter(move |entity| entity.uid.kind == kind)
    }

    /// One entity.
    pub fn entity(&self, reference: &EntityRef) -> Option<&Entity> {
        self.entities.get(reference)
    }

    /// The contract terms and access rules by the names the world gives them.
    pub fn terms(&self) -> impl Iterator<Item = (&str, &Supplement)> {
        self.terms.iter().map(|(name, terms)| (name.as_str(), terms))
    }

    /// Whether a reference leads to something. A role's name is all there is of it.
    pub fn knows(&self, reference: &EntityRef) -> bool {
        matches!(reference.kind, EntityKind::CompanyRole | EntityKind::OperatorRole)
            || self.entities.contains_key(reference)
    }

    /// The same world with `entities` in place of those it holds under the same references.
    #[must_use]
    pub fn with(&self, entities: impl IntoIterator<Item = Entity>) -> Self {
        let mut changed = self.clone();
        changed
            .entities
            .extend(entities.into_iter().map(|entity| (entity.uid.clone(), entity)));
        changed
    }

    /// The question of `principal` doing `action` to `resource`, with the slice of this world it can reach.
    pub fn question(
        &self,
        principal: EntityRef,
        action: Action,
        resource: EntityRef,
        context: BTreeMap<String, Value>,
    ) -> Question {
        let mut pending = vec![principal.clone(), resource.clone()];
        context.values().for_each(|value| collect(value, &mut pending));
        let mut slice = BTreeMap::new();
        while let Some(next) = pending.pop() {
            if let (false, Some(entity)) = (slice.contains_key(&next), self.entities.get(&next)) {
                pending.extend(references(entity));
                slice.insert(next, entity.clone());
            }
        }
        let entities: Vec<_> = slice.into_values().collect();
        let named: BTreeSet<Digest> = entities
            .iter()
            .flat_map(|entity| entity.attrs.values())
            .filter_map(digest)
            .collect();
        let terms = self.terms.values().filter(|terms| named.contains(&terms.digest()));
        let terms = terms.map(|terms| (terms.digest(), terms.clone())).collect();
        Question {
            principal,
            action,
            resource,
            context,
            entities,
            terms,
        }
    }

    /// Reads entities as this world spells them.
    pub(super) fn entities_of(&self, mut list: Json, at: &str) -> Result<Vec<Entity>, String> {
        self.put_digests(&mut list)?;
        read_entities(&list, at).map_err(|error| error.to_string())
    }

    fn put_digests(&self, value: &mut Json) -> Result<(), String> {
        match value {
            Json::Array(items) => items.iter_mut().try_for_each(|item| self.put_digests(item)),
            Json::Object(members) => match members.get("__terms") {
                None => members.values_mut().try_for_each(|member| self.put_digests(member)),
                Some(name) => {
                    let terms = name.as_str().and_then(|name| self.terms.get(name));
                    let terms = terms.ok_or_else(|| format!("the world has no terms named {name}"))?;
                    *value = Json::String(terms.digest().to_string());
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }

    /// A policy id as a case spells it, with the name of the terms or access rules where the compiled policy has their digest.
    pub fn spelled(&self, policy: &str) -> String {
        let found = self.terms.iter().find_map(|(name, terms)| {
            let prefix = terms.prefix();
            let (kind, rest) = (prefix.split('/').next()?, policy.strip_prefix(&prefix)?);
            Some(format!("{kind}/{name}/{rest}"))
        });
        found.unwrap_or_else(|| policy.to_owned())
    }
}

fn digest(value: &Value) -> Option<Digest> {
    match value {
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn references(entity: &Entity) -> Vec<EntityRef> {
    let mut found: Vec<_> = entity.parents.iter().cloned().collect();
    entity.attrs.values().for_each(|value| collect(value, &mut found));
    found
}

fn collect(value: &Value, found: &mut Vec<EntityRef>) {
    match value {
        Value::Entity(reference) => found.push(reference.clone()),
        Value::Set(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Record(members) => members.values().for_each(|member| collect(member, found)),
        Value::Bool(_) | Value::Long(_) | Value::String(_) | Value::DateTime(_) => {}
    }
}

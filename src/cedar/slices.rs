//! Entities as Cedar takes them, kept between requests ([decision 14](../../docs/decisions/0014-what-is-remembered.md)).
//!
//! Requests under one agreement share their slice, which is kept whole under the digest of its canonical bytes. Requests under another
//! agreement of the same tenant differ from them in one entity, the agreement; so entities are kept one by one as well, each translated and
//! held against the schema once, and a slice that was not met before is put together from them. All that is kept follows from
//! its key alone, so it cannot be stale; it belongs to one schema, so to one bundle.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::{Entities, Schema};
use cedar_policy_core::ast;
use cedar_policy_core::entities::{self as core, NoEntitiesSchema, Schema as _, TCComputation};
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::CoreSchema;

use super::translate::{TranslateError, entity, misfit};
use crate::ids::Digest;
use crate::question::Entity;

/// How much a generation holds, unless it is told otherwise.
const GENERATION: usize = 8_192;

/// Translated slices and entities.
#[derive(Debug, Default)]
pub(super) struct Slices {
    whole: Kept<Digest, Entities>,
    single: Kept<Entity, ast::Entity>,
}

impl Slices {
    /// The slice of those entities, which has that digest in canonical form.
    pub(super) fn slice(
        &self,
        digest: Digest,
        entities: &[Entity],
        schema: &Schema,
    ) -> Result<Arc<Entities>, TranslateError> {
        self.whole.get(&digest, || self.assemble(entities, schema))
    }

    /// Keeps at most about so many slices, and as many entities.
    pub(super) fn keep(&self, most: usize) {
        let generation = (most / 2).clamp(1, GENERATION);
        self.whole.generation.store(generation, Ordering::Relaxed);
        self.single.generation.store(generation, Ordering::Relaxed);
    }

    /// What `Entities::from_entities` does, with each entity checked against the schema by itself.
    fn assemble(&self, entities: &[Entity], schema: &Schema) -> Result<Entities, TranslateError> {
        let all = Extensions::all_available();
        let schema = CoreSchema::new(schema.as_ref());
        let checked = entities
            .iter()
            .map(|entity| self.single.get(entity, || check(entity, &schema)))
            .collect::<Result<Vec<_>, _>>()?;
        let slice = core::Entities::new()
            .add_entities(checked, None::<&NoEntitiesSchema>, TCComputation::ComputeNow, all)
            .map_err(misfit)?;
        // The schema's own hierarchy, which is closed already and has nothing to do with the slice's.
        let actions = schema.action_entities();
        let slice = slice.add_entities(
            actions,
            None::<&NoEntitiesSchema>,
            TCComputation::AssumeAlreadyComputed,
            all,
        );
        slice.map(Into::into).map_err(misfit)
    }
}

/// Translates an entity and holds it against the schema.
fn check(single: &Entity, schema: &CoreSchema<'_>) -> Result<ast::Entity, TranslateError> {
    let translated = entity(single)?;
    let translated: &ast::Entity = translated.as_ref();
    let checker = core::conformance::EntitySchemaConformanceChecker::new(schema, Extensions::all_available());
    let checked = checker.validate_entity(translated);
    checked.map_err(|error| misfit(error.into()))?;
    Ok(translated.clone())
}

/// Pure results by what they follow from. What was not asked for during a whole generation is dropped.
#[derive(Debug)]
struct Kept<K, V> {
    kept: RwLock<Generations<K, V>>,
    generation: AtomicUsize,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, Arc<V>>,
    old: HashMap<K, Arc<V>>,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self {
            kept: RwLock::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
            }),
            generation: AtomicUsize::new(GENERATION),
        }
    }
}

impl<K: Clone + Eq + Hash, V> Kept<K, V> {
    fn get<E>(&self, key: &K, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.young.get(key) {
            return Ok(Arc::clone(known));
        }
        let known = kept.old.get(key).cloned();
        drop(kept);
        let known = match known {
            Some(known) => known,
            None => Arc::new(make()?),
        };
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.young.len() >= self.generation.load(Ordering::Relaxed) {
            kept.old = std::mem::take(&mut kept.young);
        }
        kept.young.insert(key.clone(), Arc::clone(&known));
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_kept_and_what_is_not_is_forgotten() {
        let kept = Kept::<usize, usize>::default();
        let made = std::cell::Cell::new(0);
        let get = |key: usize| {
            let make = || {
                made.set(made.get() + 1);
                Ok::<_, ()>(key * 2)
            };
            assert_eq!(*kept.get(&key, make).unwrap(), key * 2);
        };
        (0..GENERATION).for_each(get);
        (0..GENERATION).for_each(get);
        assert_eq!(made.get(), GENERATION);
        // A second generation; of the first, one is asked for.
        (GENERATION..2 * GENERATION).for_each(get);
        get(0);
        assert_eq!(made.get(), 2 * GENERATION);
        (2 * GENERATION..3 * GENERATION).for_each(get);
        get(0);
        assert_eq!(made.get(), 3 * GENERATION, "it was asked for in the last generation");
        get(1);
        assert_eq!(made.get(), 3 * GENERATION + 1);
        assert!(kept.get(&usize::MAX, || Err(())).is_err());
    }
}

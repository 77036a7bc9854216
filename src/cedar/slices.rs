//! Entities as Cedar takes them, kept between requests ([decision 14](../../docs/decisions/0014-what-is-remembered.md)).
//!
//! Requests under one agreement share their slice, which is kept whole under the digest of its canonical bytes. Requests under another
//! agreement of the same tenant differ from them in one entity, the agreement; so entities are kept one by one as well, each translated and
//! held against the schema once, and a slice that was not met before is put together from them. All that is kept follows from
//! its key alone, so it cannot be stale; it belongs to one schema, so to one bundle.
//!
//! What is asked for once may never be asked for again: of a batch that is handed in, each footprint is another. So a thing is kept from the
//! second time on. Of the first time only a hash is noted, which takes eight bytes where a slice takes ten thousand.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hash, RandomState};
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

/// Pure results by what they follow from, of what was asked for at least twice. What was not asked for during a whole generation is
/// dropped.
#[derive(Debug)]
struct Kept<K, V> {
    kept: RwLock<Generations<K, V>>,
    generation: AtomicUsize,
    hasher: RandomState,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, Arc<V>>,
    old: HashMap<K, Arc<V>>,
    /// Hashes of what was asked for once, in this generation and the one before. Two that are alike have something kept too early.
    once: HashSet<u64>,
    once_before: HashSet<u64>,
}

impl<K, V> Generations<K, V> {
    /// Notes that it was asked for; returns whether it was before.
    fn met(&mut self, hash: u64, generation: usize) -> bool {
        if self.once.contains(&hash) || self.once_before.contains(&hash) {
            return true;
        }
        if self.once.len() >= generation {
            self.once_before = std::mem::take(&mut self.once);
        }
        self.once.insert(hash);
        false
    }
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self {
            kept: RwLock::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
                once: HashSet::new(),
                once_before: HashSet::new(),
            }),
            generation: AtomicUsize::new(GENERATION),
            hasher: RandomState::new(),
        }
    }
}

impl<K: Clone + Eq + Hash, V> Kept<K, V> {
    fn get<E>(&self, key: &K, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.young.get(key) {
            return Ok(Arc::clone(known));
        }
        let old = kept.old.get(key).cloned();
        drop(kept);
        let is_old = old.is_some();
        let known = match old {
            Some(known) => known,
            None => Arc::new(make()?),
        };
        let (hash, generation) = (self.hasher.hash_one(key), self.generation.load(Ordering::Relaxed));
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if !is_old && !kept.met(hash, generation) {
            return Ok(known);
        }
        if kept.young.len() >= generation {
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
        let twice = |keys: std::ops::Range<usize>| {
            keys.clone().for_each(get);
            keys.for_each(get);
        };
        twice(0..GENERATION);
        assert_eq!(made.get(), 2 * GENERATION, "what is asked for once is not kept");
        (0..GENERATION).for_each(get);
        assert_eq!(made.get(), 2 * GENERATION);
        // A second generation; of the first, one is asked for.
        twice(GENERATION..2 * GENERATION);
        get(0);
        assert_eq!(made.get(), 4 * GENERATION);
        twice(2 * GENERATION..3 * GENERATION);
        get(0);
        assert_eq!(made.get(), 6 * GENERATION, "it was asked for in the last generation");
        get(1);
        assert_eq!(made.get(), 6 * GENERATION + 1);
        // Of many that are asked for once each, none is kept.
        (3 * GENERATION..9 * GENERATION).for_each(get);
        assert_eq!(kept.kept.read().unwrap().young.len(), 2, "but two from above");
        assert!(kept.get(&usize::MAX, || Err(())).is_err());
    }
}

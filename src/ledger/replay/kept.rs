//! What is fetched once and used for many decisions: bundles, terms, entity slices, and the keys of months.
//!
//! All of it is named by digest or commitment, so none of it can be stale. It is shared by all threads, and bounded: what was not asked
//! for during a whole generation is dropped.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use super::Memory;
use super::answers::Why;
use super::evaluate::Slice;
use crate::bundle::{Bundle, Source};
use crate::ids::Digest;
use crate::ledger::LedgerError;
use crate::ledger::period::Period;
use crate::ledger::read::{Key, Reader};
use crate::ledger::record::{LogId, Private};
use crate::question::Supplement;

/// How many bundles are kept: each some megabytes, and a log seldom goes back to one.
const BUNDLES: usize = 8;

/// How many keys of months are kept.
const KEYS: usize = 16_384;

/// What a slice costs when it is kept, as a multiple of its bytes.
const PARSED: usize = 8;

/// What terms cost, compiled, as a multiple of their bytes.
const COMPILED: usize = 64;

/// Values by what names them, up to a cost.
pub(super) struct Cache<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    cost: usize,
    most: usize,
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    /// One that holds about so much.
    pub(super) fn new(most: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            cost: 0,
            most: most / 2,
        }
    }

    /// What is kept under a name; `cost` is what keeping it costs.
    pub(super) fn get(&mut self, key: &K, cost: impl FnOnce(&V) -> usize) -> Option<V> {
        if let Some(known) = self.young.get(key) {
            return Some(known.clone());
        }
        let known = self.old.remove(key)?;
        self.put(key.clone(), known.clone(), cost(&known));
        Some(known)
    }

    pub(super) fn put(&mut self, key: K, value: V, cost: usize) {
        if self.cost + cost > self.most {
            self.old = std::mem::take(&mut self.young);
            self.cost = 0;
        }
        if self.young.insert(key, value).is_none() {
            self.cost += cost;
        }
    }
}

type Shared<K, V> = Mutex<Cache<K, Result<Arc<V>, Why>>>;

/// The ledger as threads share it, and what was fetched of it.
pub(super) struct Kept {
    handle: Handle,
    reader: tokio::sync::Mutex<Reader>,
    bundles: Shared<Digest, Bundle>,
    terms: Shared<Digest, Supplement>,
    slices: Shared<(LogId, Period, Digest), Slice>,
    keys: Mutex<Cache<(LogId, Period), Key>>,
    memory: Memory,
}

fn fallible<V>(cost: impl Fn(&V) -> usize) -> impl Fn(&Result<Arc<V>, Why>) -> usize {
    move |value| value.as_ref().map_or_else(|why| why.text.len(), |value| cost(value)) + 128
}

impl Kept {
    /// For threads of the runtime this is called in.
    pub(super) fn new(reader: Reader, memory: Memory) -> Self {
        Self {
            handle: Handle::current(),
            reader: tokio::sync::Mutex::new(reader),
            bundles: Mutex::new(Cache::new(2 * BUNDLES)),
            terms: Mutex::new(Cache::new(memory.terms())),
            slices: Mutex::new(Cache::new(memory.slices())),
            keys: Mutex::new(Cache::new(2 * KEYS)),
            memory,
        }
    }

    /// The ledger, for whoever reads it in turn.
    pub(super) async fn reader(&self) -> tokio::sync::MutexGuard<'_, Reader> {
        self.reader.lock().await
    }

    /// Reads from the ledger. The thread waits, also where it is one that runs tasks, as those of another engine are.
    pub(super) fn read<T>(
        &self,
        read: impl AsyncFnOnce(&mut Reader) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        tokio::task::block_in_place(|| {
            self.handle.block_on(async {
                let mut reader = self.reader.lock().await;
                read(&mut reader).await
            })
        })
    }

    /// The key of a month.
    pub(super) fn key(&self, log: LogId, period: Period) -> Result<Key, LedgerError> {
        let known = lock(&self.keys).get(&(log, period), |_| 1);
        if let Some(known) = known {
            return Ok(known);
        }
        let key = self.read(async |reader| reader.key(log, period).await)?;
        lock(&self.keys).put((log, period), key.clone(), 1);
        Ok(key)
    }

    /// The entity slice a record commits to; why it is not to be had.
    pub(super) fn slice(&self, log: LogId, private: &Private) -> Result<Result<Arc<Slice>, Why>, LedgerError> {
        let name = (log, private.period, private.entities);
        let cost = fallible(|slice: &Slice| slice.bytes() * PARSED);
        let known = lock(&self.slices).get(&name, &cost);
        if let Some(known) = known {
            return Ok(known);
        }
        let fetched = self.read(async |reader| reader.slice(log, private).await)?;
        let slice = fetched.map_err(|why| Why::here(format!("the entity slice: {why}")));
        let slice = slice.and_then(|bytes| Slice::of(&bytes).map_err(Why::anywhere));
        let slice = slice.map(Arc::new);
        let cost = cost(&slice);
        lock(&self.slices).put(name, slice.clone(), cost);
        Ok(slice)
    }

    /// The terms or access rules of that digest; why they are not to be had.
    pub(super) fn terms(&self, digest: Digest) -> Result<Result<Arc<Supplement>, Why>, LedgerError> {
        let cost = fallible(|terms: &Supplement| terms.canonical().len() * COMPILED);
        let known = lock(&self.terms).get(&digest, &cost);
        if let Some(known) = known {
            return Ok(known);
        }
        let terms = self.body(digest)?;
        let terms = terms.and_then(|bytes| {
            let terms = Supplement::from_normal_form(&bytes);
            terms.map_err(|error| Why::anywhere(error.to_string()))
        });
        let terms = terms.map(Arc::new);
        let cost = cost(&terms);
        lock(&self.terms).put(digest, terms.clone(), cost);
        Ok(terms)
    }

    /// The bundle of that digest, as it is kept beside the logs; why it is not to be had.
    pub(super) fn bundle(&self, digest: Digest) -> Result<Result<Arc<Bundle>, Why>, LedgerError> {
        // Held while it loads, so that no two threads load it.
        let mut bundles = lock(&self.bundles);
        if let Some(known) = bundles.get(&digest, |_| 1) {
            return Ok(known);
        }
        let bundle = self.load(digest)?.map(Arc::new);
        if let Ok(bundle) = &bundle {
            self.memory.bound(bundle);
        }
        bundles.put(digest, bundle.clone(), 1);
        Ok(bundle)
    }

    fn body(&self, digest: Digest) -> Result<Result<Vec<u8>, Why>, LedgerError> {
        match self.read(async |reader| reader.body(digest).await) {
            Ok(body) => Ok(Ok(body)),
            Err(error @ LedgerError::Body { .. }) => Ok(Err(Why::here(error.to_string()))),
            Err(error) => Err(error),
        }
    }

    fn load(&self, digest: Digest) -> Result<Result<Bundle, Why>, LedgerError> {
        let manifest = match self.body(digest)? {
            Ok(manifest) => manifest,
            Err(why) => return Ok(Err(why)),
        };
        let named = match Source::named_by(&manifest) {
            Ok(named) => named,
            Err(error) => return Ok(Err(Why::anywhere(error.to_string()))),
        };
        let mut files: HashMap<Digest, Arc<[u8]>> = HashMap::new();
        for file in named {
            match self.body(file)? {
                Ok(bytes) => files.insert(file, bytes.into()),
                Err(why) => return Ok(Err(why)),
            };
        }
        let source = Source::archived(&manifest, |file| files.get(&file).cloned());
        let source = source.map_err(|error| Why::anywhere(error.to_string()));
        Ok(source.and_then(|source| Bundle::load(source).map_err(|error| Why::anywhere(error.to_string()))))
    }
}

pub(super) fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_kept_and_the_rest_is_forgotten() {
        let mut cache = Cache::<u32, u32>::new(20);
        for key in 0..10 {
            cache.put(key, key, 1);
        }
        assert_eq!(cache.get(&0, |_| 1), Some(0));
        // A second generation; of the first, one was asked for in it.
        cache.put(10, 10, 1);
        assert_eq!(cache.get(&0, |_| 1), Some(0));
        for key in 11..20 {
            cache.put(key, key, 1);
        }
        assert_eq!((cache.get(&0, |_| 1), cache.get(&1, |_| 1)), (Some(0), None));
        // What is greater than all that may be kept is kept until the next.
        cache.put(99, 99, 1_000);
        assert_eq!(cache.get(&99, |_| 1_000), Some(99));
        assert!(cache.young.len() + cache.old.len() <= 20);
    }
}

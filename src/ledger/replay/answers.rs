//! Distinct questions are evaluated once.
//!
//! The answer to a question is kept under all it follows from ([`Told::key`](super::Told)), for as long as there is room: what was not
//! asked for during a whole generation is dropped and made anew. What each record says is compared with its answer one by one, and
//! what is private in each is opened and held to its commitments all the same, so that what comes of a record does not depend on
//! which records were read before it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::kept::{Cache, lock};
use crate::ids::Digest;

/// Into how many parts they are divided, so that threads seldom wait for each other.
const PARTS: usize = 64;

/// What one answer costs, in bytes: its key and its place. The texts themselves are few, and shared.
const COST: usize = 112;

/// How many different texts are shared.
const TEXTS: usize = 4_096;

/// What comes of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The decision as canonical JSON, with people as records name them.
    Decision(Arc<str>),
    /// There is no bundle to decide under, and why.
    BundleMissing(Why),
    /// It cannot be put together, and why.
    NotReplayable(Why),
}

/// Why something is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Why {
    pub(super) text: Arc<str>,
    /// Whether it is for what this copy of the ledger lacks, or has otherwise than it was written. If not, it follows from contents that
    /// were held to their digests, and is so wherever they are.
    pub(super) here: bool,
}

impl Why {
    /// For what this copy of the ledger lacks.
    pub(super) fn here(text: impl Into<Arc<str>>) -> Self {
        let (text, here) = (text.into(), true);
        Self { text, here }
    }

    /// For what the contents are.
    pub(super) fn anywhere(text: impl Into<Arc<str>>) -> Self {
        let (text, here) = (text.into(), false);
        Self { text, here }
    }
}

/// Answers by their question's key.
pub(super) struct Answers {
    parts: Vec<Mutex<Cache<Digest, Answer>>>,
    texts: Mutex<HashSet<Arc<str>>>,
}

impl Answers {
    /// As many as fit into so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let part = || Mutex::new(Cache::new(bytes / COST / PARTS));
        Self {
            parts: (0..PARTS).map(|_| part()).collect(),
            texts: Mutex::default(),
        }
    }

    fn part(&self, key: &Digest) -> Option<&Mutex<Cache<Digest, Answer>>> {
        let place = key.prefix() % PARTS as u64;
        self.parts.get(usize::try_from(place).unwrap_or(0))
    }

    pub(super) fn get(&self, key: &Digest) -> Option<Answer> {
        lock(self.part(key)?).get(key, |_| 1)
    }

    pub(super) fn put(&self, key: &Digest, answer: &Answer) {
        if let Some(part) = self.part(key) {
            lock(part).put(*key, answer.clone(), 1);
        }
    }

    /// A text that is shared with all that are equal to it.
    pub(super) fn shared(&self, text: String) -> Arc<str> {
        let mut texts = lock(&self.texts);
        if let Some(known) = texts.get(text.as_str()) {
            return Arc::clone(known);
        }
        if texts.len() >= TEXTS {
            texts.clear();
        }
        let text: Arc<str> = text.into();
        texts.insert(Arc::clone(&text));
        text
    }
}

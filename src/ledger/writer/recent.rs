//! What is known to be stored already.

use std::collections::HashSet;

use crate::ids::Digest;

/// How many digests of stored bodies are remembered, in each of two generations.
const MAX_RECENT: usize = 32_768;

/// Digests of bodies and commitments of slices known to be stored. Forgetting one costs an ignored INSERT; remembering a wrong one
/// would lose a body, so they enter only after their transaction is durable.
#[derive(Default)]
pub(super) struct Recent {
    young: HashSet<Digest>,
    old: HashSet<Digest>,
}

impl Recent {
    pub(super) fn contains(&self, digest: &Digest) -> bool {
        self.young.contains(digest) || self.old.contains(digest)
    }

    pub(super) fn insert(&mut self, digest: Digest) {
        if self.young.len() >= MAX_RECENT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest);
    }
}

//! Contract texts, compiled once each.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::contract::{ContractError, Terms};
use crate::ids::Digest;

/// Compiles contract texts: one text once, and texts that mean the same into one shared value, however many agreements bear
/// them.
///
/// A pool that lives long is given terms ([`TermsPool::share`]) and keeps none that nobody else holds.
#[derive(Debug, Default)]
pub struct TermsPool {
    texts: HashMap<Digest, Arc<Terms>>,
    terms: HashMap<Digest, Weak<Terms>>,
    /// How many terms there may be before those that nobody holds are looked for.
    most: usize,
}

impl TermsPool {
    /// The terms of an ODRL text. The pool keeps them, for the next time it meets the text.
    ///
    /// # Errors
    /// The text does not compile.
    pub fn compile(&mut self, odrl: &str) -> Result<Arc<Terms>, ContractError> {
        let text = Digest::of(odrl.as_bytes());
        if let Some(known) = self.texts.get(&text) {
            return Ok(Arc::clone(known));
        }
        let shared = self.share(Terms::from_odrl(odrl)?);
        self.texts.insert(text, Arc::clone(&shared));
        Ok(shared)
    }

    /// The one value of the terms of that digest, where anybody holds it.
    pub(super) fn known(&self, digest: &Digest) -> Option<Arc<Terms>> {
        self.terms.get(digest).and_then(Weak::upgrade)
    }

    /// The one value of these terms. What was known of the text they were read from is not kept, for another text may mean the same.
    pub fn share(&mut self, terms: Terms) -> Arc<Terms> {
        let digest = terms.digest();
        if let Some(known) = self.terms.get(&digest).and_then(Weak::upgrade) {
            return known;
        }
        if self.terms.len() >= self.most {
            self.terms.retain(|_, terms| terms.strong_count() > 0);
            self.most = 2 * self.terms.len() + 1_024;
        }
        let shared = Arc::new(terms.without_source());
        self.terms.insert(digest, Arc::downgrade(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: &str = include_str!("../../fixtures/odrl/dev/pcf-usage.json");

    #[test]
    fn texts_that_mean_the_same_share_one_value_and_what_nobody_holds_is_let_go() {
        let mut pool = TermsPool::default();
        let first = pool.compile(USAGE).unwrap();
        let spelled_otherwise = format!(" {USAGE}");
        assert!(Arc::ptr_eq(&pool.compile(&spelled_otherwise).unwrap(), &first));
        let mut pool = TermsPool::default();
        let held = pool.share(Terms::from_odrl(USAGE).unwrap());
        assert!(Arc::ptr_eq(&pool.share(Terms::from_odrl(USAGE).unwrap()), &held));
        let gone = Arc::downgrade(&held);
        drop(held);
        assert!(gone.upgrade().is_none());
        assert_eq!(Arc::strong_count(&pool.share(Terms::from_odrl(USAGE).unwrap())), 1);
    }
}

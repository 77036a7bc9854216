//! Contract texts, compiled once each.

use std::collections::HashMap;
use std::sync::Arc;

use crate::contract::{ContractError, Terms};
use crate::ids::Digest;

/// Compiles contract texts: one text once, and texts that mean the same into one shared value, however many agreements bear
/// them.
#[derive(Debug, Default)]
pub struct TermsPool {
    texts: HashMap<Digest, Arc<Terms>>,
    terms: HashMap<Digest, Arc<Terms>>,
}

impl TermsPool {
    /// The terms of an ODRL text.
    ///
    /// # Errors
    /// The text does not compile.
    pub fn compile(&mut self, odrl: &str) -> Result<Arc<Terms>, ContractError> {
        let text = Digest::of(odrl.as_bytes());
        if let Some(known) = self.texts.get(&text) {
            return Ok(Arc::clone(known));
        }
        let read = Terms::from_odrl(odrl)?;
        let shared = Arc::clone(self.terms.entry(read.digest()).or_insert_with(|| Arc::new(read)));
        self.texts.insert(text, Arc::clone(&shared));
        Ok(shared)
    }
}

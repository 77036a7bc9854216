//! Contract texts, compiled once each.

use std::collections::HashMap;
use std::sync::Arc;

use crate::contract::{ContractError, Terms};
use crate::ids::Digest;

/// A contract text and what it means.
#[derive(Clone, Debug)]
pub struct Contract {
    /// The text, byte for byte.
    pub odrl: Arc<str>,
    /// Its normal form, compiled.
    pub terms: Arc<Terms>,
}

/// Compiles contract texts: one text once, and texts that mean the same into one shared value, however many agreements bear
/// them. Equal texts are kept once as well.
#[derive(Debug, Default)]
pub struct TermsPool {
    texts: HashMap<Digest, Contract>,
    terms: HashMap<Digest, Arc<Terms>>,
}

impl TermsPool {
    /// The terms of an ODRL text, with the text.
    ///
    /// # Errors
    /// The text does not compile.
    pub fn compile(&mut self, odrl: &str) -> Result<Contract, ContractError> {
        let text = Digest::of(odrl.as_bytes());
        if let Some(known) = self.texts.get(&text) {
            return Ok(known.clone());
        }
        let read = Terms::from_odrl(odrl)?;
        let terms = Arc::clone(self.terms.entry(read.digest()).or_insert_with(|| Arc::new(read)));
        let contract = Contract {
            odrl: odrl.into(),
            terms,
        };
        self.texts.insert(text, contract.clone());
        Ok(contract)
    }
}

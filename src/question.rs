//! The question: everything an answer may depend on, frozen.
//!
//! A [`Question`] holds the principal, the action, the resource, the context (with the time) and the entity slice: the
//! entities a policy can reach from those three. Nothing else reaches the evaluators; they read no clock, no store and no
//! header. A question therefore has a canonical spelling and a digest, can be kept, and can be answered again years later.
//!
//! # Worked example
//!
//! A partner asks for a footprint. The front has verified the token of the supplier's connector and looked up the agreement
//! the request names; [`ask`] builds the question from those facts:
//!
//! ```text
//! principal  Tidegate::Partner::"BPNL00000000C3EF"
//! action     Tidegate::Action::"access"
//! resource   Tidegate::Footprint::"BPNL000000000DWF/3893bb5d-da16-4dc1-9185-11d97476c254"
//! context    now, purpose = "cx.pcf.base:1", connector, agreement
//! entities   the footprint with its asset, the tenant with its state, the partner with its verified credentials,
//!            the connector, the agreement with its parties, asset, terms digest, state and signing time
//! terms      the normalised ODRL the agreement's digest stands for; of a digital twin, its company's access rules
//! ```
//!
//! The JSON spelling is Cedar's own entity and context format, so a question can be read, written by hand, kept in the
//! corpus and given to Cedar's tools. [`Question::canonical`] is that JSON in canonical form (RFC 8785).

pub mod ask;
mod json;
mod supplement;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::contract::Notice;
use crate::ids::Digest;

pub use json::{QuestionError, read_entities, record, reference, spell_time};
pub use supplement::{Supplement, SupplementError, lookup, moment};
pub use value::{Action, Entity, EntityKind, EntityRef, Value};

/// All that an answer may depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Who asks.
    pub principal: EntityRef,
    /// What they want to do.
    pub action: Action,
    /// To what.
    pub resource: EntityRef,
    /// The circumstances; always holds `now`.
    pub context: BTreeMap<String, Value>,
    /// The entities a policy can reach, each once, sorted by reference.
    pub entities: Vec<Entity>,
    /// The contract terms and access rules whose digests the entities name.
    pub terms: BTreeMap<Digest, Supplement>,
}

/// The parts of a question as they are stored: each in canonical JSON, with its digest.
#[derive(Clone, Debug)]
pub struct Canonical {
    /// The context.
    pub context: Part,
    /// The entity slice.
    pub entities: Part,
    /// Digest of the question: of its principal, action, resource and the digests of the parts.
    pub digest: Digest,
}

/// Canonical bytes and their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// SHA-256 of `bytes`.
    pub digest: Digest,
    /// Canonical JSON (RFC 8785).
    pub bytes: Arc<[u8]>,
}

impl Part {
    /// Takes bytes that are canonical already.
    pub fn of(bytes: Vec<u8>) -> Self {
        Self {
            digest: Digest::of(&bytes),
            bytes: bytes.into(),
        }
    }
}

impl Question {
    /// The entity `reference` names, where the slice holds it.
    pub fn entity(&self, reference: &EntityRef) -> Option<&Entity> {
        self.entities
            .binary_search_by(|entity| entity.uid.cmp(reference))
            .ok()
            .and_then(|index| self.entities.get(index))
    }

    /// What the contracts it is about say that no machine can judge: to be shown with the decision.
    pub fn notices(&self) -> Vec<Notice> {
        self.terms.values().flat_map(Supplement::notices).collect()
    }

    /// The canonical parts and the digest of the whole. Two questions have the same digest exactly when no policy can tell
    /// them apart by construction: same principal, action, resource, context, entities and terms.
    pub fn canonical(&self) -> Canonical {
        let context = Part::of(json::context_bytes(&self.context));
        let entities = Part::of(json::entities_bytes(&self.entities));
        let digest = json::question_digest(self, context.digest, entities.digest);
        Canonical {
            context,
            entities,
            digest,
        }
    }
}

//! Taking footprints in: what a supplier system hands in, and what is fetched from one, goes the same way.
//!
//! ```text
//! bytes -> is it a footprint of its model? -> what does it say of itself? -> may this system store it here? -> stored -> indexed
//! ```
//!
//! 1. **Read.** The bytes are JSON in which no member stands twice, of a version of the aspect model that is taken
//!    ([`crate::ingest::Claims`]), and valid in that version's own schema ([`Models`]). Errors bear JSON pointers and never values.
//! 2. **Decided.** Cedar and IAM are asked `writeFootprint` of each document by itself: of the system, the company the document names as
//!    its owner, and its products. That the system may hand in at all (`ingest`) was asked before anything was read.
//! 3. **Stored.** That the footprint changes is noted ([`PcfStore::note_changes`]), then its bytes go into the vault through a session for
//!    that one object, then it is in the index. A crash in between loses nothing: what was handed in and not answered is handed in again.
//!
//! The same bytes once more are the same version: decided and recorded as any, but nothing is written. Other bytes are the next version, and
//! those they take the place of are kept. Documents are refused one by one;
//! of those that come together, the sound ones are stored whatever becomes of the others.
//!
//! # Worked example
//!
//! A system of Elbe Polymers that is there for `urn:elbe.example:resin` hands in three lines: a footprint of a resin, one of a solvent, and half a
//! document. The first is stored as version 1. The second is denied by `ingest/own-products`, and the record of that names
//! the system and the footprint. The third is no JSON: nothing was asked about it, for there is nothing to ask about. The
//! answer has three lines that say so, by the numbers of the lines that were sent.

pub mod read;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;

pub use self::read::{Read, Unfit};
use crate::decide::{Gate, Permit, Refusal};
use crate::ids::{AssetId, TenantId};
use crate::ledger::record::Request;
use crate::pcf::{Models, PcfStore};
use crate::question::ask::{self, SystemFacts};
use crate::registry::store::RegistryStore;
use crate::registry::{Footprint, TenantWorld};
use crate::vault::{OpenError, Vault};

/// What takes footprints in.
#[derive(Clone, Copy, Debug)]
pub struct Intake<'a> {
    /// Decides and records.
    pub gate: &'a Gate,
    /// Where the bytes go.
    pub vault: &'a Vault,
    /// The index.
    pub registry: &'a RegistryStore,
    /// Where changes are noted.
    pub pcf: &'a PcfStore,
    /// The schemas.
    pub models: &'a Arc<Models>,
}

/// Who hands in, and what is the same of all documents that come together.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The system.
    pub system: SystemFacts<'a>,
    /// Its tenant and all that is its own, as it is when the documents come.
    pub world: &'a TenantWorld,
    /// The assets they become part of.
    pub assets: &'a BTreeSet<AssetId>,
    /// The request they came with, or the run that fetched them.
    pub request: &'a Request,
    /// The time.
    pub now: Timestamp,
}

/// A document that was taken.
#[derive(Debug)]
pub struct Taken {
    /// What the index has of it, its version among it.
    pub footprint: Footprint,
    /// Whether it differs from what was there: a new version.
    pub changed: bool,
    /// The decision.
    pub permit: Permit,
}

/// Why a document was not taken.
#[derive(Debug)]
pub enum Refused {
    /// It is not a footprint that can be stored; nothing was asked about it.
    Unfit(Unfit),
    /// Policy says no.
    Denied(Refusal),
    /// The system is not on record any more.
    Gone,
    /// The decision could not be recorded.
    Unrecorded,
    /// Policy says yes, and it could not be stored.
    Failed(Permit, Failure),
}

/// A document that was permitted and is not stored yet.
#[derive(Debug)]
struct Permitted {
    footprint: Footprint,
    document: Vec<u8>,
    permit: Permit,
}

/// What failed after an allow.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The vault; the ledger knows of it where AWS refused.
    #[error(transparent)]
    Vault(#[from] OpenError),
    /// That the footprint changes could not be noted, so it was not stored.
    #[error("a change could not be noted, so the footprint was not taken: {0}")]
    Noting(String),
    /// A document before it, of the same footprint, could not be stored; so it is not known which version this one is.
    #[error("a document before it, of the same footprint, could not be stored; hand both in again")]
    Before,
    /// It is stored and not in the index; handing it in again mends that.
    #[error("the footprint is stored but not in the index; handing it in again mends that: {0}")]
    Index(String),
}

/// Documents that were asked about together and are not stored yet.
#[derive(Debug)]
pub struct Decided {
    tenant: TenantId,
    now: Timestamp,
    documents: Vec<Result<Permitted, Refused>>,
}

/// What became of a document.
pub type Outcome = Result<Taken, Refused>;

impl Intake<'_> {
    /// Takes documents in that came together; gives what became of each, in their order. Several with one id are versions of one footprint,
    /// one after the other.
    pub async fn take(&self, sender: &Sender<'_>, documents: Vec<Read>) -> Vec<Outcome> {
        self.store(self.decide(sender, documents).await).await
    }

    /// The first half of [`Intake::take`]: each document is asked about. Those that follow can be, while these are stored; what a document
    /// changes is looked at when it is stored.
    pub async fn decide(&self, sender: &Sender<'_>, documents: Vec<Read>) -> Decided {
        let decided = documents.into_iter().map(|read| self.decide_one(sender, read));
        Decided {
            tenant: sender.world.tenant.id,
            now: sender.now,
            documents: join_all(decided).await,
        }
    }

    async fn decide_one(&self, sender: &Sender<'_>, read: Read) -> Result<Permitted, Refused> {
        let sound = read.map_err(Refused::Unfit)?;
        let tenant = sender.world.tenant.id;
        let mut assets = sender.assets.clone();
        let before = sender.world.footprints.get(&sound.claims.id);
        assets.extend(before.into_iter().flat_map(|before| before.assets.iter().cloned()));
        let footprint = sound.claims.footprint(tenant, assets, &sound.document);
        let question = ask::write_footprint(&sender.system, &footprint, sender.now);
        let recorded = self.gate.decide(question, Some(tenant), sender.request).await;
        let recorded = recorded.map_err(|_| Refused::Unrecorded)?;
        Ok(Permitted {
            permit: recorded.permit().map_err(Refused::Denied)?,
            footprint,
            document: sound.document,
        })
    }
}

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
//! 3. **Stored.** That the footprint changes is noted ([`PcfStore::note_change`]), then its bytes go into the vault through a session for
//!    that one object, then it is in the index. A crash in between loses nothing: what was handed in and not answered is handed in again.
//!
//! The same bytes once more are the same version: decided and recorded as any, but nothing is written. Documents are refused one by one;
//! of those that come together, the sound ones are stored whatever becomes of the others.
//!
//! # Worked example
//!
//! A system of Elbe Polymers that is there for `urn:elbe.example:resin` hands in three lines: a footprint of a resin, one of a solvent, and half a
//! document. The first is stored as version 1. The second is denied by `ingest/own-products`, and the record of that names
//! the system and the footprint. The third is no JSON: nothing was asked about it, for there is nothing to ask about. The
//! answer has three lines that say so, by the numbers of the lines that were sent.

pub mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;

pub use self::read::{Read, Unfit};
use crate::decide::{Gate, Permit, Refusal};
use crate::ids::{AssetId, PcfId};
use crate::ledger::record::Request;
use crate::pcf::{Change, Models, PcfStore};
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
    /// What the index has of it.
    pub footprint: Footprint,
    /// Whether it differs from what was there.
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
    /// The decision could not be recorded.
    Unrecorded,
    /// Policy says yes, and it could not be stored.
    Failed(Permit, Failure),
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
    /// It is stored and not in the index; handing it in again mends that.
    #[error("the footprint is stored but not in the index; handing it in again mends that: {0}")]
    Index(String),
}

/// What became of a document.
pub type Outcome = Result<Taken, Refused>;

/// A document that was permitted.
struct Permitted {
    /// Which of those that came together.
    place: usize,
    footprint: Footprint,
    document: Vec<u8>,
    permit: Permit,
    changed: bool,
    /// Whether it is there already, with all that is known of it: then nothing is written.
    known: bool,
}

impl Intake<'_> {
    /// Takes documents in that came together; gives what became of each, in their order.
    pub async fn take(&self, sender: &Sender<'_>, documents: Vec<Read>) -> Vec<Outcome> {
        let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
        let mut waiting: Vec<(usize, Read)> = documents.into_iter().enumerate().collect();
        let mut known = BTreeMap::new();
        // Of documents with the same id each comes after the one before it is stored: they are versions of one footprint.
        while !waiting.is_empty() {
            let (wave, later) = first_of_each(waiting);
            waiting = later;
            for (place, outcome) in self.take_distinct(sender, wave, &mut known).await {
                outcomes.insert(place, outcome);
            }
        }
        outcomes.into_values().collect()
    }

    /// Takes documents in no two of which have the same id. `known` has what was stored of them before, where the sender's world cannot
    /// know of it.
    async fn take_distinct(
        &self,
        sender: &Sender<'_>,
        documents: Vec<(usize, Read)>,
        known: &mut BTreeMap<PcfId, Footprint>,
    ) -> Vec<(usize, Outcome)> {
        let decided = documents.into_iter().map(|(place, read)| {
            let before = read.as_ref().ok().and_then(|sound| {
                let id = &sound.claims.id;
                known
                    .get(id)
                    .or_else(|| sender.world.footprints.get(id).map(AsRef::as_ref))
                    .cloned()
            });
            self.decide(sender, place, read, before)
        });
        let mut outcomes = Vec::new();
        let mut permitted = Vec::new();
        for decided in join_all(decided).await {
            match decided {
                Ok(one) => permitted.push(one),
                Err((place, refused)) => outcomes.push((place, Err(refused))),
            }
        }
        let stored = self.store(permitted, sender.now).await;
        for (place, outcome) in &stored {
            if let Ok(taken) = outcome {
                known.insert(taken.footprint.id.clone(), taken.footprint.clone());
            }
            debug_assert!(
                outcomes.iter().all(|(other, _)| other != place),
                "a document has one outcome"
            );
        }
        outcomes.extend(stored);
        outcomes
    }

    async fn decide(
        &self,
        sender: &Sender<'_>,
        place: usize,
        read: Read,
        before: Option<Footprint>,
    ) -> Result<Permitted, (usize, Refused)> {
        let sound = read.map_err(|unfit| (place, Refused::Unfit(unfit)))?;
        let tenant = sender.world.tenant.id;
        let mut assets = sender.assets.clone();
        let before = before.as_ref();
        assets.extend(before.into_iter().flat_map(|before| before.assets.iter().cloned()));
        let footprint = sound.claims.footprint(tenant, assets, &sound.document);
        let question = ask::write_footprint(&sender.system, &footprint, sender.now);
        let recorded = self.gate.decide(question, Some(tenant), sender.request).await;
        let recorded = recorded.map_err(|_| (place, Refused::Unrecorded))?;
        let permit = recorded.permit().map_err(|refusal| (place, Refused::Denied(refusal)))?;
        Ok(Permitted {
            place,
            changed: before.is_none_or(|before| before.digest != footprint.digest),
            known: before.is_some_and(|before| *before == footprint),
            footprint,
            document: sound.document,
            permit,
        })
    }

    async fn store(&self, permitted: Vec<Permitted>, now: Timestamp) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::new();
        for one in permitted {
            let place = one.place;
            outcomes.push((place, self.store_one(one, now).await));
        }
        outcomes
    }

    async fn store_one(&self, one: Permitted, now: Timestamp) -> Outcome {
        let Permitted {
            footprint,
            document,
            permit,
            changed,
            known,
            ..
        } = one;
        if known {
            return Ok(Taken {
                footprint,
                changed,
                permit,
            });
        }
        if changed {
            let change = Change {
                tenant: footprint.tenant,
                pcf: footprint.id.clone(),
                digest: footprint.digest,
                at: now,
            };
            if let Err(error) = self.pcf.note_change(&change).await {
                return Err(Refused::Failed(permit, Failure::Noting(error.to_string())));
            }
        }
        let put = match self.vault.session_for(&permit) {
            Ok(session) => session
                .put_object(&footprint.product, &footprint.id, document)
                .await
                .map_err(OpenError::from),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = put {
            error.tell(self.gate, &permit).await;
            return Err(Refused::Failed(permit, error.into()));
        }
        if let Err(error) = self.registry.put_footprint(footprint.clone()).await {
            return Err(Refused::Failed(permit, Failure::Index(error.to_string())));
        }
        if changed {
            self.pcf.changed();
        }
        Ok(Taken {
            footprint,
            changed,
            permit,
        })
    }
}

/// The first of each id, and the others; what has none is among the first.
fn first_of_each(documents: Vec<(usize, Read)>) -> (Vec<(usize, Read)>, Vec<(usize, Read)>) {
    let mut seen = BTreeSet::new();
    documents.into_iter().partition(|(_, read)| match read {
        Ok(sound) => seen.insert(sound.claims.id.clone()),
        Err(_) => true,
    })
}

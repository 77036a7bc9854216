//! From permits to what is stored: noted, put, indexed; each step once for all that came together.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::{Decided, Failure, Intake, Outcome, Permitted, Refused, Taken};
use crate::ids::{Digest, PcfId, TenantId};
use crate::pcf::Change;
use crate::registry::store::Indexed;
use crate::vault::{ObjectPut, OpenError};

/// A document on its way into the vault and the index.
struct Storing {
    permitted: Permitted,
    /// Whether its bytes are others than those that are there when its turn comes.
    changes: bool,
    failure: Option<Failure>,
}

/// A document that was refused, or is being stored.
enum Step {
    Refused(Refused),
    Storing(Box<Storing>),
}

impl Intake<'_> {
    /// The second half of [`Intake::take`]: stores what was permitted, and gives what became of everything.
    pub async fn store(&self, decided: Decided) -> Vec<Outcome> {
        let Decided { tenant, now, documents } = decided;
        // One after the other for each tenant: what is in the vault last is what is in the index last.
        let turn = self.pcf.turn(tenant, tenant.0).await;
        let mut steps = self.steps(tenant, documents);
        self.note(tenant, now, &mut steps).await;
        self.put(&mut steps).await;
        let outcomes = self.index(now, steps).await;
        drop(turn);
        if outcomes
            .iter()
            .any(|outcome| outcome.as_ref().is_ok_and(|taken| taken.changed))
        {
            self.pcf.changed();
        }
        outcomes
    }

    /// What each document is to what is there by the time its turn comes.
    fn steps(&self, tenant: TenantId, documents: Vec<Result<Permitted, Refused>>) -> Vec<Step> {
        // As it is now: others may have been stored since these were read.
        let registry = self.registry.current();
        let world = registry.tenant(tenant);
        let mut last: HashMap<PcfId, Digest> = HashMap::new();
        let step = |decided: Result<Permitted, Refused>| {
            let permitted = match decided {
                Ok(permitted) => permitted,
                Err(refused) => return Step::Refused(refused),
            };
            let footprint = &permitted.footprint;
            let there = || {
                world
                    .and_then(|world| world.footprints.get(&footprint.id))
                    .map(|there| there.digest)
            };
            let before = last.get(&footprint.id).copied().or_else(there);
            last.insert(footprint.id.clone(), footprint.digest);
            Step::Storing(Box::new(Storing {
                changes: before != Some(footprint.digest),
                permitted,
                failure: None,
            }))
        };
        documents.into_iter().map(step).collect()
    }

    async fn note(&self, tenant: TenantId, now: Timestamp, steps: &mut [Step]) {
        let change = |storing: &&mut Storing| Change {
            tenant,
            pcf: storing.permitted.footprint.id.clone(),
            digest: storing.permitted.footprint.digest,
            at: now,
        };
        let changes: Vec<_> = changing(steps).map(|storing| change(&storing)).collect();
        if let Err(error) = self.pcf.note_changes(&changes).await {
            let told = error.to_string();
            changing(steps).for_each(|storing| storing.failure = Some(Failure::Noting(told.clone())));
        }
    }

    async fn put(&self, steps: &mut [Step]) {
        let mut puts = Vec::new();
        for storing in changing(steps) {
            let Permitted {
                footprint,
                document,
                permit,
            } = &mut storing.permitted;
            match self.vault.session_for(permit) {
                Ok(session) => puts.push(ObjectPut {
                    session,
                    product: footprint.product.clone(),
                    pcf: footprint.id.clone(),
                    bytes: std::mem::take(document),
                }),
                Err(error) => storing.failure = Some(OpenError::from(error).into()),
            }
        }
        let put = self.vault.put_objects(puts).await;
        for (storing, put) in changing(steps).zip(put) {
            if let Err(error) = put {
                let error = OpenError::from(error);
                error.tell(self.gate, &storing.permitted.permit).await;
                storing.failure = Some(error.into());
            }
        }
        let mut missing = HashSet::new();
        for step in steps {
            let Step::Storing(storing) = step else { continue };
            let id = &storing.permitted.footprint.id;
            if storing.failure.is_some() {
                missing.insert(id.clone());
            } else if missing.contains(id) {
                storing.failure = Some(Failure::Before);
            }
        }
    }

    async fn index(&self, now: Timestamp, steps: Vec<Step>) -> Vec<Outcome> {
        let stored = steps.iter().filter_map(|step| match step {
            Step::Storing(storing) if storing.failure.is_none() => Some(storing.permitted.footprint.clone()),
            _ => None,
        });
        let stored: Vec<_> = stored.collect();
        let indexed = self.registry.put_footprints(&stored, now).await;
        let (indexed, problem) = match indexed {
            Ok(indexed) => (indexed, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let mut indexed = indexed.into_iter();
        let outcome = |step: Step| match step {
            Step::Refused(refused) => Err(refused),
            Step::Storing(storing) => storing.outcome(&mut indexed, problem.as_deref()),
        };
        steps.into_iter().map(outcome).collect()
    }
}

impl Storing {
    fn outcome(self, indexed: &mut impl Iterator<Item = Indexed>, problem: Option<&str>) -> Outcome {
        let Permitted {
            mut footprint, permit, ..
        } = self.permitted;
        if let Some(failure) = self.failure {
            return Err(Refused::Failed(permit, failure));
        }
        let Some(Indexed { version, is_new }) = indexed.next() else {
            let problem = problem.unwrap_or("it does not say what became of it").to_owned();
            return Err(Refused::Failed(permit, Failure::Index(problem)));
        };
        footprint.version = version;
        Ok(Taken {
            footprint,
            changed: is_new,
            permit,
        })
    }
}

/// Those whose bytes are to be written, and could be so far.
fn changing(steps: &mut [Step]) -> impl Iterator<Item = &mut Storing> {
    steps.iter_mut().filter_map(|step| match step {
        Step::Storing(storing) if storing.changes && storing.failure.is_none() => Some(&mut **storing),
        _ => None,
    })
}

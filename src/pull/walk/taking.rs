//! What is on a page, taken in.

use super::{Halt, Walk};
use crate::ids::PcfId;
use crate::intake::{Refused, Sender, read};
use crate::pull::document::{self, Entry, Listed as Kind, Without};
use crate::pull::run::{Listed, Told};
use crate::pull::store::MOST_REFUSALS;

/// How many documents are taken in together: between two such chunks the registry is looked at anew.
const CHUNK: usize = 256;

/// An entry whose document is to be taken.
struct Waiting {
    place: u64,
    id: Option<PcfId>,
    document: Vec<u8>,
}

impl Walk<'_> {
    /// Takes in what is on a page; gives what of it was not taken, as far as a run tells of that one by one.
    ///
    /// # Errors
    /// Something failed that may be well the next time: the page has to be fetched again then.
    pub(super) async fn take(&mut self, kind: Kind, items: Vec<String>) -> Result<Vec<Listed>, Halt> {
        let mut listed = Vec::new();
        let mut waiting = Vec::new();
        for (place, item) in (0..).zip(items) {
            match document::of(kind, item) {
                Ok(Entry { document, id }) => waiting.push(Waiting { place, id, document }),
                Err(Without { id, reason }) => {
                    let reason = reason.to_owned();
                    self.refuse(
                        &mut listed,
                        place,
                        Told {
                            id,
                            reason,
                            record: None,
                        },
                    );
                }
            }
        }
        let mut rest = waiting.into_iter().peekable();
        while rest.peek().is_some() {
            let chunk: Vec<_> = rest.by_ref().take(CHUNK).collect();
            self.take_chunk(chunk, &mut listed).await?;
        }
        Ok(listed)
    }

    async fn take_chunk(&mut self, chunk: Vec<Waiting>, listed: &mut Vec<Listed>) -> Result<(), Halt> {
        let intake = self.puller.intake;
        let (named, documents): (Vec<_>, Vec<_>) = chunk
            .into_iter()
            .map(|waiting| ((waiting.place, waiting.id), waiting.document))
            .unzip();
        let reads = read::read_all(intake.models, documents).await;
        let claimed: Vec<Option<PcfId>> = reads
            .iter()
            .map(|read| read.as_ref().ok().map(|sound| sound.claims.id.clone()))
            .collect();
        // As it is now: what came on record since the chunk before counts.
        let on = self.on_record()?;
        let sender = Sender {
            system: on.facts(),
            world: &on.world,
            assets: &on.integration.assets,
            request: &self.request,
            now: self.puller.clock.now(),
        };
        let outcomes = intake.take(&sender, reads).await;
        for (((place, id), claimed), outcome) in named.into_iter().zip(claimed).zip(outcomes) {
            let id = claimed.or(id);
            let told = match outcome {
                Ok(taken) => {
                    let count = match taken.changed {
                        true => &mut self.counts.taken,
                        false => &mut self.counts.unchanged,
                    };
                    *count = count.saturating_add(1);
                    continue;
                }
                Err(Refused::Unfit(unfit)) => Told {
                    id,
                    reason: unfit.to_string(),
                    record: None,
                },
                Err(Refused::Denied(refusal)) => Told {
                    id,
                    reason: refusal.told(),
                    record: Some(refusal.record()),
                },
                Err(Refused::Gone) => return Err(Halt::gone()),
                Err(Refused::Unrecorded) => return Err(Halt::failed("a decision could not be recorded")),
                Err(Refused::Failed(permit, failure)) => {
                    let record = permit.record();
                    tracing::error!(%record, error = %failure, "a footprint that was fetched was not taken after an allow");
                    let problem = format!("a footprint could not be stored (record {record}); it is fetched again");
                    return Err(Halt::failed(problem));
                }
            };
            self.refuse(listed, place, told);
        }
        Ok(())
    }

    fn refuse(&mut self, listed: &mut Vec<Listed>, place: u64, told: Told) {
        if self.counts.refused < MOST_REFUSALS {
            let page = self.counts.pages.saturating_add(1);
            listed.push(Listed { page, place, told });
        }
        self.counts.refused = self.counts.refused.saturating_add(1);
    }
}

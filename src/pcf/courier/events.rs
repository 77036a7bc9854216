//! Events for partners' PACT hosts: footprints they asked for, and that there are new ones.
//!
//! | event | when | what is decided at each attempt |
//! |---|---|---|
//! | `PublishedEvent` | footprints of the tenant changed | `access`, for each of them: a partner is told of what it could fetch at that instant |
//! | `RequestFulfilledEvent` | the partner asked, and footprints fit that are granted | `access`, for each of them |
//! | `RequestRejectedEvent` | the partner asked, and none is granted that fits | nothing: nothing is handed out |
//!
//! They go to the address that the tenant's own people put on record for the partner, never to one that an event names: whoever holds a
//! partner's client could else have footprints sent wherever it likes, and Tidegate call whatever address. What is looked at and not granted leaves no record,
//! as in a list ([decision 55](../../../docs/decisions/0055-pact.md)).
//!
//! # Worked example
//!
//! Weser's host sends `RequestCreatedEvent` `r-1` for one product and gets 200. Seconds later the attempt finds two footprints of it: one
//! under an agreement in force, one under an agreement that was retired. `access` to the first is decided and recorded, the document is read,
//! told in PACT's words, counted as handed out, and goes to Weser's host as `RequestFulfilledEvent`. The host is down; the attempt in half a
//! minute asks `access` anew, counts nothing a second time, and sends the event under the same id. Had the agreement ended meanwhile, Weser
//! would have got `RequestRejectedEvent` with `NotFound`, which is also what it gets for a product that there is none of.

use jiff::Timestamp;
use metrics::counter;
use serde_json::value::RawValue;

use super::hosts::Host;
use super::{Attempt, Courier, world_of};
use crate::decide::{Permit, Recorded};
use crate::decision::Effect;
use crate::ids::{ClientId, Digest, PcfId, RecordId};
use crate::pcf::exchange::{Delivery, Requested};
use crate::pcf::model::Model;
use crate::pcf::pact::{self, MOST_IN_EVENT, ProductFootprint, Refused, Sent, Underivable};
use crate::peer::Again;
use crate::question::ask::{self, ExchangeFacts, Via};
use crate::registry::store::Turn;
use crate::registry::{Agreement, Footprint, Registry, TenantState, TenantWorld};
use crate::telemetry;

/// The greatest event, in bytes of the footprints in it.
const MOST_BYTES: usize = 16 << 20;

/// The right to one footprint under one agreement.
struct Granted<'w> {
    permit: Permit,
    agreement: &'w Agreement,
    turn: Turn,
}

/// What is answered to a request.
enum Answer {
    Footprints(Vec<Box<RawValue>>),
    Refused(Refused),
}

/// Notes that a footprint which may be handed out cannot be told in PACT's words.
pub fn note_untold(footprint: &Footprint, recorded: &Recorded, untold: &Underivable) {
    counter!(telemetry::PACT_UNTOLD, "member" => untold.member).increment(1);
    tracing::warn!(
        tenant = %footprint.tenant, pcf = %footprint.id, record = %recorded.record(), problem = %untold,
        "a footprint that may be handed out has none in PACT's words"
    );
}

impl Courier<'_> {
    /// Tells of footprints that changed.
    pub(super) async fn publish(&self, delivery: &Delivery, changed: &[(PcfId, Digest)]) -> Attempt {
        self.published(delivery, changed)
            .await
            .unwrap_or_else(|attempt| attempt)
    }

    /// Answers a request.
    pub(super) async fn fulfil(&self, delivery: &Delivery, requested: &Requested) -> Attempt {
        self.fulfilled(delivery, requested)
            .await
            .unwrap_or_else(|attempt| attempt)
    }

    async fn published(&self, delivery: &Delivery, changed: &[(PcfId, Digest)]) -> Result<Attempt, Attempt> {
        let (registry, host) = self.called(delivery).await?;
        let world = world_of(&registry, delivery)?;
        let client = world
            .pact_client_of(delivery.partner, self.clock.now())
            .ok_or_else(|| {
                let problem = "the partner has no client of this company's that is good now, so it could fetch nothing";
                Attempt::later(problem, None)
            })?;
        let facts = self.pact_facts(&registry, world, delivery, &client);
        let (mut ids, mut record) = (Vec::new(), None);
        let mut refused = None;
        for (pcf, digest) in changed {
            let current = world
                .footprints
                .get(pcf)
                .filter(|footprint| footprint.digest == *digest);
            let Some(footprint) = current.filter(|footprint| pact::is_id(&footprint.id)) else {
                continue;
            };
            let agreements = world.agreements_on(footprint, Some(delivery.partner));
            match self.grant(&facts, footprint, &agreements, None).await? {
                Some(granted) => {
                    record = Some(granted.permit.record());
                    if self.told(footprint, &granted.permit).await?.is_some() {
                        ids.push(pcf.clone());
                    }
                }
                None => refused = Some((footprint, agreements.first().copied())),
            }
        }
        if ids.is_empty() {
            let none = "a newer version took the place of each, or they have none in PACT's words";
            let Some((footprint, agreement)) = refused.filter(|_| record.is_none()) else {
                return Err(Attempt::failed(none, record));
            };
            // So that there is a record of why nothing was told.
            let permit = self.decide(&facts, &footprint.id, Some(footprint), agreement).await?;
            return Err(Attempt::later("policy changed in between", Some(permit.record())));
        }
        Ok(self.send(host, delivery, &Sent::Published(&ids), record).await)
    }

    async fn fulfilled(&self, delivery: &Delivery, requested: &Requested) -> Result<Attempt, Attempt> {
        let (registry, host) = self.called(delivery).await?;
        let world = world_of(&registry, delivery)?;
        if !world.has_pact_client(delivery.partner, &requested.client, self.clock.now()) {
            let problem = format!(
                "the client `{}`, which asked, is not on record any more",
                requested.client
            );
            return Err(Attempt::failed(problem, None));
        }
        let facts = self.pact_facts(&registry, world, delivery, &requested.client);
        let mut record = None;
        let answer = self.answered(&facts, delivery, requested, &mut record).await?;
        let request = requested.event.as_str();
        let sent = match &answer {
            Answer::Footprints(footprints) => Sent::Fulfilled { request, footprints },
            Answer::Refused(why) => Sent::Rejected { request, why: *why },
        };
        Ok(self.send(host, delivery, &sent, record).await)
    }

    /// The host, and what is known once it can be called: finding it may have taken a while.
    async fn called(&self, delivery: &Delivery) -> Result<(std::sync::Arc<Registry>, Host), Attempt> {
        let registry = self.registry.current();
        let world = world_of(&registry, delivery)?;
        // Policy would have nothing told, and that would be told as if there were nothing.
        if world.tenant.state != TenantState::Active {
            return Err(Attempt::later("the company is not active on this platform", None));
        }
        let host = self.host(world, delivery).await?;
        Ok((self.registry.current(), host))
    }

    /// What is handed out, decided, recorded and counted; `record` is that of the last decision.
    async fn answered(
        &self,
        facts: &ExchangeFacts<'_>,
        delivery: &Delivery,
        requested: &Requested,
        record: &mut Option<RecordId>,
    ) -> Result<Answer, Attempt> {
        let candidates = pact::candidates(facts.world, delivery.partner, &requested.filter, None);
        let mut open = Vec::new();
        for (footprint, agreements) in &candidates {
            if self.foreseen(facts, footprint, agreements, requested).await? {
                open.push((footprint, agreements));
            }
            if open.len() > MOST_IN_EVENT {
                return Ok(Answer::Refused(Refused::TooMuch));
            }
        }
        let mut noted = requested.clone();
        let (mut footprints, mut bytes) = (Vec::new(), 0_usize);
        for (footprint, agreements) in open {
            let Some(granted) = self.grant(facts, footprint, agreements, Some(requested)).await? else {
                continue;
            };
            *record = Some(granted.permit.record());
            let Some((model, told, document)) = self.told(footprint, &granted.permit).await? else {
                continue;
            };
            if !requested.filter.fits(&told) {
                continue;
            }
            let whole = told.whole(model, &document);
            let whole = whole.map_err(|_| Attempt::failed("the footprint cannot be written", *record))?;
            bytes = bytes.saturating_add(whole.get().len());
            if bytes > MOST_BYTES {
                return Ok(Answer::Refused(Refused::TooMuch));
            }
            footprints.push(whole);
            self.count_one(delivery, &mut noted, granted, &footprint.id).await?;
        }
        if footprints.is_empty() {
            return Ok(Answer::Refused(Refused::Nothing));
        }
        if noted.counted != requested.counted {
            self.note(delivery, &noted, *record).await?;
        }
        Ok(Answer::Footprints(footprints))
    }

    /// Counts that a footprint is handed out, if no attempt before counted it. Where the terms count, it is noted with the delivery at once.
    async fn count_one(
        &self,
        delivery: &Delivery,
        noted: &mut Requested,
        granted: Granted<'_>,
        pcf: &PcfId,
    ) -> Result<(), Attempt> {
        let Granted {
            permit,
            agreement,
            turn,
        } = granted;
        if !noted.counted.insert((agreement.id.clone(), pcf.clone())) {
            return Ok(());
        }
        let counts = turn.uses().is_some();
        let record = Some(permit.record());
        // In this order: after a crash between the two, a use is counted that was none, never the other way round.
        turn.count().await.map_err(|error| {
            tracing::error!(record = %permit.record(), %error, "a use could not be counted, so nothing is handed out");
            Attempt::later("the use could not be counted", record)
        })?;
        match counts {
            true => self.note(delivery, noted, record).await,
            false => Ok(()),
        }
    }

    async fn note(&self, delivery: &Delivery, noted: &Requested, record: Option<RecordId>) -> Result<(), Attempt> {
        self.store.hands_out(delivery, noted.clone()).await.map_err(|error| {
            tracing::error!(number = delivery.number, %error, "what is handed out could not be noted, so it is not");
            Attempt::later("what is handed out could not be noted", record)
        })
    }

    fn pact_facts<'f>(
        &self,
        registry: &'f Registry,
        world: &'f TenantWorld,
        delivery: &Delivery,
        client: &'f ClientId,
    ) -> ExchangeFacts<'f> {
        ExchangeFacts {
            via: Via::PactClient(client),
            ..self.facts(registry, world, delivery.partner, client)
        }
    }

    /// Whether one of the agreements grants the footprint now. Nothing is recorded, so nothing may follow from it but what to ask.
    async fn foreseen(
        &self,
        facts: &ExchangeFacts<'_>,
        footprint: &Footprint,
        agreements: &[&Agreement],
        requested: &Requested,
    ) -> Result<bool, Attempt> {
        for agreement in agreements {
            if self
                .allows(facts, footprint, agreement, Some(requested))
                .await?
                .is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The right under that agreement, and what the question is to say of uses, where it is foreseen that it would be granted.
    async fn allows(
        &self,
        facts: &ExchangeFacts<'_>,
        footprint: &Footprint,
        agreement: &Agreement,
        requested: Option<&Requested>,
    ) -> Result<Option<(Turn, Option<u64>)>, Attempt> {
        let Some(turn) = self.turn(Some(agreement)).await? else {
            return Ok(None);
        };
        let before = requested.is_some_and(|requested| {
            let handed = (agreement.id.clone(), footprint.id.clone());
            requested.counted.contains(&handed)
        });
        let uses = turn.uses().map(|uses| uses.saturating_sub(u64::from(before)));
        let facts = ExchangeFacts { uses, ..facts.clone() };
        let question = ask::access(&facts, &footprint.id, Some(footprint), Some(agreement));
        Ok(match self.gate.foresee(&question) {
            Effect::Allow => Some((turn, uses)),
            Effect::Deny => None,
        })
    }

    /// The first of the agreements under which the footprint is granted, decided and recorded. Where none grants it, nothing is recorded.
    async fn grant<'w>(
        &self,
        facts: &ExchangeFacts<'_>,
        footprint: &Footprint,
        agreements: &[&'w Agreement],
        requested: Option<&Requested>,
    ) -> Result<Option<Granted<'w>>, Attempt> {
        for agreement in agreements {
            let Some((turn, uses)) = self.allows(facts, footprint, agreement, requested).await? else {
                continue;
            };
            let facts = ExchangeFacts { uses, ..facts.clone() };
            let permit = self
                .decide(&facts, &footprint.id, Some(footprint), Some(agreement))
                .await?;
            return Ok(Some(Granted {
                permit,
                agreement,
                turn,
            }));
        }
        Ok(None)
    }

    /// The footprint in PACT's words, and its document; nothing where it has none.
    async fn told(
        &self,
        footprint: &Footprint,
        permit: &Permit,
    ) -> Result<Option<(Model, ProductFootprint, Vec<u8>)>, Attempt> {
        let document = self.document(permit, footprint).await?;
        match pact::told(self.models, footprint, &document) {
            Ok((model, told)) => Ok(Some((model, told, document))),
            Err(untold) => {
                note_untold(footprint, permit, &untold);
                Ok(None)
            }
        }
    }

    async fn send(&self, mut host: Host, delivery: &Delivery, sent: &Sent<'_>, record: Option<RecordId>) -> Attempt {
        let now: Timestamp = self.clock.now();
        let id = format!("urn:uuid:{}", delivery.exchange);
        let event = sent.event(&id, &self.hosts.source(delivery.tenant), now);
        let url = host.url.clone();
        let missed = match host.peer.post(&url, pact::MEDIA, event, now).await {
            Ok(()) => {
                self.hosts.keep(host);
                return Attempt::done(record);
            }
            Err(missed) => missed,
        };
        match missed.again {
            Again::Gone => Attempt::failed(missed.problem, record),
            Again::Later(after) => {
                self.hosts.keep(host);
                Attempt {
                    after,
                    ..Attempt::later(missed.problem, record)
                }
            }
            // Other credentials, another certificate, another address: whoever puts that on record in time has the event sent.
            Again::Never | Again::Unauthorized => Attempt::later(missed.problem, record),
        }
    }
}

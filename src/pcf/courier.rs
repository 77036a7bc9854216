//! One attempt at one delivery.
//!
//! ```text
//! way to the partner -> access decided and recorded -> document read -> held against its schema -> sent
//! ```
//!
//! The way comes first, for finding it can take as long as a negotiation: the decision is to be about the instant at which the
//! footprint leaves. It is asked anew in every attempt, whatever was decided when the partner asked; without a permit nothing is
//! read and nothing is sent. Before it is sent, the use is counted and noted with the delivery, so that a second attempt at the
//! same delivery is not a second use.
//!
//! # Worked example
//!
//! Weser asked for a footprint on Monday and got 202. On Tuesday its agreement was retired. The attempt on Wednesday finds the way
//! to Weser, asks `access` and is refused by `exchange/agreement-in-force`: the refusal is in the ledger, the delivery ends as
//! failed with that reason, and no document was opened.

mod events;
mod hosts;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

pub use self::events::note_untold;
pub use self::hosts::Hosts;
use super::carrier::{Carrier, Parcel, Reply};
use super::choose::{choose, nameless};
use super::exchange::{Asked, Delivery, Errand, State, Wanted};
use super::model::{Models, is_valid};
use super::retry;
use super::road::{Endpoint, Goal, Road};
use super::store::{Change, PcfStore, PcfStoreError, Spread};
use crate::clock::Clock;
use crate::decide::{Gate, Permit};
use crate::ids::{Bpnl, ClientId, Digest, PcfId, RecordId, RequestId};
use crate::ledger::record::Request;
use crate::question::ask::{self, ExchangeFacts, Via};
use crate::registry::store::RegistryStore;
use crate::registry::store::Turn;
use crate::registry::{Agreement, Footprint, Registry, TenantWorld};
use crate::vault::{OpenError, Vault};

/// All that an attempt needs.
#[derive(Clone, Copy)]
pub struct Courier<'a> {
    /// Decides and records.
    pub gate: &'a Gate,
    /// What the platform knows.
    pub registry: &'a RegistryStore,
    /// Where documents lie.
    pub vault: &'a Vault,
    /// The queue.
    pub store: &'a PcfStore,
    /// What documents are held against.
    pub models: &'a Models,
    /// Finds partners.
    pub road: &'a dyn Road,
    /// Sends.
    pub carrier: &'a Carrier,
    /// Partners' PACT hosts.
    pub hosts: &'a Hosts,
    /// The time.
    pub clock: &'a Clock,
    /// What the exchange is for, as contracts spell it.
    pub purpose: &'static str,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The state of the delivery after it.
    pub state: State,
    /// What was wrong, where something was.
    pub problem: Option<String>,
    /// The record of its decision, where it came to one.
    pub record: Option<RecordId>,
    /// How long the partner asked to be left alone.
    pub after: Option<SignedDuration>,
}

impl Attempt {
    fn done(record: Option<RecordId>) -> Self {
        Self {
            state: State::Answered,
            problem: None,
            record,
            after: None,
        }
    }

    fn failed(problem: impl Into<String>, record: Option<RecordId>) -> Self {
        Self {
            state: State::Failed,
            problem: Some(problem.into()),
            record,
            after: None,
        }
    }

    fn later(problem: impl Into<String>, record: Option<RecordId>) -> Self {
        Self {
            state: State::Open,
            problem: Some(problem.into()),
            record,
            after: None,
        }
    }

    fn of(reply: Reply, record: Option<RecordId>) -> Self {
        match reply {
            Reply::Taken => Self::done(record),
            Reply::Later(problem) => Self::later(problem, record),
            Reply::Refused(status) => Self::later(
                format!("the partner's endpoint answered {status} to the token of its own connector"),
                record,
            ),
            Reply::Never(status) => Self::failed(
                format!("the partner's endpoint will not take it: it answered {status}"),
                record,
            ),
        }
    }
}

/// A document that may be handed out now.
struct Permitted {
    document: Vec<u8>,
    record: RecordId,
    /// The right to hand data out under the agreement, kept until it was.
    turn: Option<Turn>,
}

/// How long a change that was noted may take to come about: far longer than a request may.
const COMES_ABOUT: SignedDuration = SignedDuration::from_secs(60);

/// How many changes are made into deliveries in one transaction, and in how many of these at once.
const PAGE: u32 = 1_000;
const PAGES: usize = 10;

/// To whom a change is to be told, once it has come about, or to nobody if it never will.
fn come_about(registry: &Registry, change: Change, now: Timestamp) -> Option<Spread> {
    let world = registry.tenant(change.tenant);
    let footprint = world.and_then(|world| world.footprints.get(&change.pcf));
    let footprint = footprint.filter(|footprint| footprint.digest == change.digest);
    let (told, partners) = match (world, footprint) {
        (Some(world), Some(footprint)) => {
            let agreements = world.agreements_on(footprint, None).into_iter();
            let all: BTreeSet<Bpnl> = agreements.map(|agreement| agreement.consumer).collect();
            all.into_iter()
                .partition(|partner| world.told_through(*partner).is_some())
        }
        _ if now.duration_since(change.at) > COMES_ABOUT => Default::default(),
        _ => return None,
    };
    Some(Spread { change, partners, told })
}

impl Courier<'_> {
    /// Makes changes that have come about into deliveries, one for each partner with an agreement in force on the footprint. A
    /// change that has not come about for a while never will: the footprint was not stored. No more are made at once than
    /// `PAGES` pages; where there are more, whoever waits for something to deliver is woken.
    ///
    /// # Errors
    /// The queue could not be read or written.
    pub async fn spread(&self) -> Result<(), PcfStoreError> {
        let (mut last, mut is_any) = (None, false);
        for _ in 0..PAGES {
            let page = self.store.changes(last.as_ref(), PAGE).await?;
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            let (registry, now) = (self.registry.current(), self.clock.now());
            last = page.last().cloned();
            let spread: Vec<_> = page
                .into_iter()
                .filter_map(|change| come_about(&registry, change, now))
                .collect();
            if !spread.is_empty() {
                self.store.spread(&spread, now).await?;
                is_any = true;
            }
            if is_last {
                return Ok(());
            }
        }
        // Those that have not come about yet are looked at again soon enough.
        if is_any {
            self.store.changed();
        }
        Ok(())
    }

    /// Makes one attempt and notes how it ended.
    ///
    /// # Errors
    /// The end could not be noted: the delivery is made again.
    pub async fn deliver(&self, delivery: &Delivery, dice: u32) -> Result<Attempt, PcfStoreError> {
        let mut attempt = self.attempt(delivery).await;
        let now = self.clock.now();
        let asked = attempt.after.unwrap_or_default().min(retry::LONGEST);
        let wait = retry::wait(delivery.attempts.saturating_add(1), dice).map(|wait| wait.max(asked));
        let next = wait.and_then(|wait| now.checked_add(wait).ok());
        match (attempt.state, next) {
            (State::Open, Some(next)) => {
                let problem = attempt.problem.as_deref().unwrap_or_default();
                self.store.postpone(delivery, next, problem, attempt.record).await?;
            }
            (State::Open, None) => {
                attempt.state = State::Dead;
                self.end(delivery, &attempt, now).await?;
            }
            _ => self.end(delivery, &attempt, now).await?,
        }
        Ok(attempt)
    }

    async fn end(&self, delivery: &Delivery, attempt: &Attempt, now: Timestamp) -> Result<(), PcfStoreError> {
        let problem = attempt.problem.as_deref();
        self.store
            .end(delivery, attempt.state, problem, attempt.record, now)
            .await
    }

    async fn attempt(&self, delivery: &Delivery) -> Attempt {
        match &delivery.errand {
            Errand::Publish(changed) => self.publish(delivery, changed).await,
            Errand::Fulfil(requested) => self.fulfil(delivery, requested).await,
            Errand::Answer(_) | Errand::Update(..) | Errand::Request(_) => self.through_connectors(delivery).await,
        }
    }

    async fn through_connectors(&self, delivery: &Delivery) -> Attempt {
        let registry = self.registry.current();
        let world = match world_of(&registry, delivery) {
            Ok(world) => world,
            Err(attempt) => return attempt,
        };
        let Some(partner) = registry.partner(delivery.partner) else {
            return Attempt::later(
                "nothing is on record about the partner, nor where its connector is",
                None,
            );
        };
        let asset = delivery.errand.asset();
        let goal = Goal { partner, asset };
        let to = match self.road.find(world, goal).await {
            Ok(to) => to,
            Err(error) => return Attempt::later(error.to_string(), None),
        };
        let (reply, record) = match &delivery.errand {
            Errand::Request(wanted) => (self.ask(&to, delivery, wanted).await, None),
            errand => match self.permitted(delivery, errand).await {
                Ok(permitted) => {
                    if let Err(attempt) = self.count(delivery, permitted.turn, permitted.record).await {
                        return attempt;
                    }
                    (
                        self.hand_out(&to, delivery, permitted.document).await,
                        Some(permitted.record),
                    )
                }
                Err(attempt) => return attempt,
            },
        };
        if let Reply::Refused(_) = reply {
            self.road.lost(world, goal).await;
        }
        Attempt::of(reply, record)
    }

    /// Counts that the document is handed out, before it is: once for a delivery, however many attempts it takes.
    async fn count(&self, delivery: &Delivery, turn: Option<Turn>, record: RecordId) -> Result<(), Attempt> {
        let Some(turn) = turn.filter(|_| !delivery.used) else {
            return Ok(());
        };
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%record, %error, "a use could not be counted, so nothing is handed out");
            Attempt::later("the use could not be counted", Some(record))
        };
        // In this order: after a crash between the two, a use is counted that was none, never the other way round.
        turn.count().await.map_err(|error| failed(&error))?;
        self.store.uses(delivery).await.map_err(|error| failed(&error))
    }

    async fn ask(&self, to: &Endpoint, delivery: &Delivery, wanted: &Wanted) -> Reply {
        self.carrier.request(parcel(to, delivery), wanted).await
    }

    async fn hand_out(&self, to: &Endpoint, delivery: &Delivery, document: Vec<u8>) -> Reply {
        let parcel = parcel(to, delivery);
        match &delivery.errand {
            Errand::Answer(asked) => self.carrier.answer(parcel, asked, document).await,
            _ => self.carrier.update(parcel, document).await,
        }
    }

    /// The document of the errand, if it may be handed out at this instant.
    async fn permitted(&self, delivery: &Delivery, errand: &Errand) -> Result<Permitted, Attempt> {
        // Looked up anew: finding the way may have taken a while.
        let registry = self.registry.current();
        let world = world_of(&registry, delivery)?;
        match errand {
            Errand::Answer(asked) => self.answer(&registry, world, delivery, asked).await,
            Errand::Update(pcf, digest) => self.update(&registry, world, delivery, (pcf, *digest)).await,
            Errand::Request(_) | Errand::Publish(_) | Errand::Fulfil(_) => {
                Err(Attempt::failed("this is not handed out through connectors", None))
            }
        }
    }

    async fn answer(
        &self,
        registry: &Registry,
        world: &TenantWorld,
        delivery: &Delivery,
        asked: &Asked,
    ) -> Result<Permitted, Attempt> {
        let agreement = world.agreements.get(&asked.agreement).map(AsRef::as_ref);
        let found = agreement.map(|agreement| choose(world, &agreement.asset, &asked.parts, &asked.model));
        let found = found.unwrap_or_default();
        let turn = self.turn(agreement).await?;
        let mut facts = self.facts(registry, world, delivery.partner, &asked.connector);
        facts.uses = before(delivery, turn.as_ref());
        facts.recipient = asked
            .recipient
            .map(|company| (company, registry.partner(company).map(AsRef::as_ref)));
        let nameless = || nameless(&asked.parts);
        let id = found
            .footprint()
            .map_or_else(nameless, |footprint| footprint.id.clone());
        let permit = self.decide(&facts, &id, found.footprint(), agreement).await?;
        let Some(footprint) = found.answer else {
            let problem = format!("there is no footprint of the version {} any more", asked.model);
            return Err(Attempt::failed(problem, Some(permit.record())));
        };
        self.read(permit, footprint, turn).await
    }

    async fn update(
        &self,
        registry: &Registry,
        world: &TenantWorld,
        delivery: &Delivery,
        (pcf, digest): (&PcfId, Digest),
    ) -> Result<Permitted, Attempt> {
        let current = world.footprints.get(pcf).filter(|footprint| footprint.digest == digest);
        let Some(footprint) = current else {
            return Err(Attempt::failed(
                "a newer version took its place, and is delivered by itself",
                None,
            ));
        };
        let no_connector = || Attempt::later("the company has no connector on record", None);
        let connector = world.tenant.identity.connectors.first().ok_or_else(no_connector)?;
        let mut refused = None;
        for agreement in world.agreements_on(footprint, Some(delivery.partner)) {
            let turn = self.turn(Some(agreement)).await?;
            let mut facts = self.facts(registry, world, delivery.partner, connector);
            facts.uses = before(delivery, turn.as_ref());
            match self.decide(&facts, pcf, Some(footprint), Some(agreement)).await {
                Ok(permit) => return self.read(permit, footprint, turn).await,
                Err(attempt) => refused = Some(attempt),
            }
        }
        let none = || Attempt::failed("the partner has no agreement in force on it any more", None);
        Err(refused.unwrap_or_else(none))
    }

    /// The right to hand data out under the agreement, once.
    async fn turn(&self, agreement: Option<&Agreement>) -> Result<Option<Turn>, Attempt> {
        let Some(agreement) = agreement else { return Ok(None) };
        self.registry.turn(agreement).await.map(Some).map_err(|error| {
            tracing::error!(agreement = %agreement.id, %error, "how often data was handed out cannot be read");
            Attempt::later("how often data was handed out cannot be read", None)
        })
    }

    /// Who the question is about, at this instant.
    fn facts<'f>(
        &self,
        registry: &'f Registry,
        world: &'f TenantWorld,
        partner: Bpnl,
        connector: &'f ClientId,
    ) -> ExchangeFacts<'f> {
        ExchangeFacts {
            now: self.clock.now(),
            world,
            via: Via::Connector(connector),
            partner,
            known: registry.partner(partner).map(AsRef::as_ref),
            purpose: self.purpose,
            recipient: None,
            api: None,
            uses: None,
        }
    }

    /// Asks `access` and records the decision.
    async fn decide(
        &self,
        facts: &ExchangeFacts<'_>,
        pcf: &PcfId,
        footprint: Option<&Footprint>,
        agreement: Option<&Agreement>,
    ) -> Result<Permit, Attempt> {
        let question = ask::access(facts, pcf, footprint, agreement);
        let request = Request {
            id: RequestId::new(),
            traceparent: None,
        };
        let recorded = self.gate.decide(question, Some(facts.world.tenant.id), &request).await;
        let recorded = recorded.map_err(|_| Attempt::later("the decision could not be recorded", None))?;
        recorded
            .permit()
            .map_err(|refusal| Attempt::failed(refusal.told(), Some(refusal.record())))
    }

    /// The document the permit is for.
    async fn document(&self, permit: &Permit, footprint: &Footprint) -> Result<Vec<u8>, Attempt> {
        let opened = async {
            let session = self.vault.session_for(permit)?;
            Ok::<_, OpenError>(session.get_object(&footprint.product, &footprint.id).await?)
        };
        match opened.await {
            Ok(object) => Ok(object.bytes),
            Err(error) => {
                error.tell(self.gate, permit).await;
                let record = Some(permit.record());
                Err(Attempt::later("the footprint could not be read", record))
            }
        }
    }

    /// Reads the document the permit is for, and holds it against its schema.
    async fn read(&self, permit: Permit, footprint: &Footprint, turn: Option<Turn>) -> Result<Permitted, Attempt> {
        let record = permit.record();
        let document = self.document(&permit, footprint).await?;
        if !is_valid(self.models, footprint, &document) {
            let problem = format!(
                "the footprint is not valid in its own version of the model, {}",
                footprint.model
            );
            return Err(Attempt::failed(problem, Some(record)));
        }
        Ok(Permitted { document, record, turn })
    }
}

/// The company whose delivery it is, and all that is its own.
fn world_of<'r>(registry: &'r Registry, delivery: &Delivery) -> Result<&'r TenantWorld, Attempt> {
    let world = registry.tenant(delivery.tenant).map(AsRef::as_ref);
    world.ok_or_else(|| Attempt::failed("the company is not on this platform any more", None))
}

fn parcel<'a>(to: &'a Endpoint, delivery: &Delivery) -> Parcel<'a> {
    Parcel {
        to,
        from: delivery.tenant,
        exchange: delivery.exchange,
    }
}

/// How often data was handed out before this delivery, where the terms count.
fn before(delivery: &Delivery, turn: Option<&Turn>) -> Option<u64> {
    let uses = turn.and_then(Turn::uses)?;
    Some(uses.saturating_sub(u64::from(delivery.used)))
}

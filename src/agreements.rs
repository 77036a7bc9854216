//! The life of agreements: they come on record, and they end.
//!
//! Every change takes the same way: first it is written to the tenant's log, then to the registry, where the next request sees it,
//! and then everyone who listens is told ([`AgreementChange`]), so that tokens can be ended and connectors be signalled. So no
//! decision is made under an agreement of which the ledger does not tell, and where a change cannot be recorded it does not
//! happen. That an agreement is going to end is noted beforehand, so that an ending which is cut short, by a crash or a full disk, is
//! done to its end by the next start ([`Book::settle`]).
//!
//! Nothing of what was agreed changes in an agreement's life, and none is ever removed:
//!
//! ```text
//!            put                 retire
//! (nothing) -----> active ---------------> retired
//!                    |
//!                    |  its end has passed
//!                    +-------------------> expired
//! ```
//!
//! # Worked example
//!
//! Anna of Elbe retires agreement `a-1`. Policy is asked whether she may (`retireAgreement`), and the decision is recorded. Then
//! the log of Elbe tells that `a-1` is retired, by whom, why and under which decision; then `a-1` is retired in the registry. A
//! request of Weser that was being decided meanwhile may still be answered with data; the next one is refused by
//! `exchange/agreement-in-force`. If the registry's file or the log could not be written, Anna gets an error and `a-1` stays in force.
//! If the log tells of it and then the machine stops, `a-1` is retired when the service is up again; the log may then tell of it twice.
//!
//! An agreement whose end has passed grants nothing by its own terms, at every request. That it is put on record as expired, a little
//! later, is for those who listen and for whoever reads the list.

mod cause;
mod keep;
#[cfg(test)]
mod tests;

pub use cause::Cause;
pub use keep::{Upkeep, keep, write_uses};

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use metrics::counter;
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use crate::ids::{AgreementId, Digest, TenantId};
use crate::ledger::record::AgreementEvent;
use crate::ledger::{Entry, Event, Ledger, LedgerError, LogId, RecordTime, What};
use crate::registry::store::{Ending, RegistryError, RegistryStore};
use crate::registry::{Agreement, AgreementState, NewAgreement};
use crate::telemetry;

/// How many changes are recorded and written together.
const CHUNK: usize = 256;

/// How many changes a listener may be behind before it misses some.
const BEHIND: usize = 1_024;

/// Why an agreement that is past its end is put on record as expired.
const PAST_ITS_END: &str = "the end that its terms name has passed";

/// Why an agreement ends that is put once more, in another state.
const TOLD_SO: &str = "it is over for whoever put it on record";

/// That an agreement came on record or ended. A listener that was too slow for the channel has missed changes
/// (`RecvError::Lagged`) and must look into the registry for the states that count now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementChange {
    /// The tenant that provides.
    pub tenant: TenantId,
    /// The agreement.
    pub agreement: AgreementId,
    /// The state it came into.
    pub state: AgreementState,
    /// Why it ended; none where it came on record.
    pub reason: Option<Arc<str>>,
}

/// Why an agreement does not change as asked.
#[derive(Debug, thiserror::Error)]
pub enum AgreementError {
    /// The change could not be recorded, so it does not happen.
    #[error("the change could not be recorded: {0}")]
    Ledger(#[from] LedgerError),
    /// The registry refuses it, or could not be written.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is no such agreement.
    #[error("the agreement `{id}` of {provider} is not on record")]
    NotOnRecord {
        /// The tenant.
        provider: TenantId,
        /// The id.
        id: AgreementId,
    },
}

/// What came of retiring an agreement.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The state it is in now.
    pub state: AgreementState,
    /// Whether it was in force before.
    pub changed: bool,
}

/// When an agreement ends by its terms, and which.
type End = (Timestamp, TenantId, AgreementId);

/// The agreements of all tenants, as far as they change.
#[derive(Debug)]
pub struct Book {
    registry: RegistryStore,
    ledger: Ledger,
    changes: broadcast::Sender<AgreementChange>,
    /// Held while agreements change: each change sees the one before.
    changing: tokio::sync::Mutex<()>,
    /// What other processes change. Held by whoever passes it on.
    others: tokio::sync::Mutex<broadcast::Receiver<Arc<Agreement>>>,
    /// The ends to come, the next first. Of agreements that were retired since, too.
    ends: Mutex<BTreeSet<End>>,
}

impl Book {
    /// Takes charge of the agreements of `registry`.
    pub fn new(registry: RegistryStore, ledger: Ledger) -> Self {
        // First: what comes in between is then heard of twice, rather than not at all.
        let others = tokio::sync::Mutex::new(registry.others());
        let ends = Mutex::new(ends(&registry));
        Self {
            registry,
            ledger,
            changes: broadcast::Sender::new(BEHIND),
            others,
            ends,
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// What changes from now on.
    pub fn changes(&self) -> broadcast::Receiver<AgreementChange> {
        self.changes.subscribe()
    }

    /// Puts an agreement on record; returns whether it was not there before. To put the same again is no change, but for one that
    /// is in force here and put as over: it ends. What is over stays over. Which versions it was signed under may be told later.
    ///
    /// # Errors
    /// It cannot come on record ([`RegistryStore::examine`] says when), or it cannot be recorded or written.
    pub async fn put(&self, new: NewAgreement, cause: &Cause, now: Timestamp) -> Result<bool, AgreementError> {
        self.put_all(vec![new], cause, now).await.map(|count| count > 0)
    }

    /// Puts agreements on record, in their order; returns how many were not there before.
    ///
    /// # Errors
    /// As [`Book::put`], for the first that fails; some before it may be on record by then.
    pub async fn put_all(
        &self,
        new: Vec<NewAgreement>,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<usize, AgreementError> {
        let _changing = self.changing.lock().await;
        let mut count = 0;
        let mut chunk: Vec<(Arc<Agreement>, NewAgreement)> = Vec::new();
        let mut ids = HashSet::new();
        for new in new {
            let key = (new.provider, new.id.clone());
            // What stands twice meets itself on record.
            if chunk.len() >= CHUNK || ids.contains(&key) {
                count += self.take_in(std::mem::take(&mut chunk), cause, now).await?;
                ids.clear();
            }
            match self.registry.examine(&new).await? {
                Some(agreement) => {
                    ids.insert(key);
                    chunk.push((Arc::new(agreement), new));
                }
                None => {
                    self.overtake(&new, cause, now).await?;
                    if self.registry.tell_signed(&new).await? {
                        tracing::info!(tenant = %new.provider, agreement = %new.id, "which versions an agreement was signed under is on record now");
                    }
                }
            }
        }
        count += self.take_in(chunk, cause, now).await?;
        Ok(count)
    }

    /// Ends an agreement that is in force here and over for whoever puts it. It never goes the other way.
    async fn overtake(&self, new: &NewAgreement, cause: &Cause, now: Timestamp) -> Result<(), AgreementError> {
        let in_force = |known: &Arc<Agreement>| known.state == AgreementState::Active;
        let over = new.state != AgreementState::Active;
        match self.held(new.provider, &new.id).filter(in_force).filter(|_| over) {
            Some(known) => self.end(vec![known], new.state, TOLD_SO, cause, now).await,
            None => Ok(()),
        }
    }

    async fn take_in(
        &self,
        examined: Vec<(Arc<Agreement>, NewAgreement)>,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<usize, AgreementError> {
        let entries = examined.iter().map(|(agreement, new)| {
            let odrl = Some(Digest::of(new.odrl.as_bytes()));
            entry(agreement, agreement.state, None, odrl, cause)
        });
        self.record(entries.collect()).await?;
        self.registry.insert_agreements(&examined, now).await?;
        for (agreement, _) in &examined {
            self.ends().extend(end_of(agreement));
            self.tell(agreement, agreement.state, None);
        }
        Ok(examined.len())
    }

    /// Ends an agreement by its provider's will. One that has ended before stays as it is.
    ///
    /// # Errors
    /// It is not on record; or the change cannot be noted or recorded, and then the agreement stays in force.
    pub async fn retire(
        &self,
        provider: TenantId,
        id: &AgreementId,
        reason: &str,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<Ended, AgreementError> {
        let _changing = self.changing.lock().await;
        let known = self.held(provider, id).ok_or_else(|| AgreementError::NotOnRecord {
            provider,
            id: id.clone(),
        })?;
        if known.state != AgreementState::Active {
            return Ok(Ended {
                state: known.state,
                changed: false,
            });
        }
        self.end(vec![known], AgreementState::Retired, reason, cause, now)
            .await?;
        Ok(Ended {
            state: AgreementState::Retired,
            changed: true,
        })
    }

    /// Puts on record which agreements are past the end their terms name; returns how many.
    ///
    /// # Errors
    /// A change cannot be recorded or written; what is left is found again the next time.
    pub async fn expire(&self, now: Timestamp) -> Result<usize, AgreementError> {
        let mut count = 0;
        loop {
            let _changing = self.changing.lock().await;
            let due = self.due(now);
            if due.is_empty() {
                return Ok(count);
            }
            let past = due.iter().filter_map(|(_, provider, id)| self.held(*provider, id));
            let past: Vec<_> = past.filter(|agreement| has_ended(agreement, now)).collect();
            count += past.len();
            self.end(past, AgreementState::Expired, PAST_ITS_END, &Cause::time(), now)
                .await?;
            let mut ends = self.ends();
            due.iter().for_each(|end| {
                ends.remove(end);
            });
        }
    }

    /// The next ends that have passed at `now`.
    fn due(&self, now: Timestamp) -> Vec<End> {
        let ends = self.ends();
        let passed = ends.iter().take_while(|(end, ..)| *end <= now);
        passed.take(CHUNK).cloned().collect()
    }

    async fn end(
        &self,
        agreements: Vec<Arc<Agreement>>,
        state: AgreementState,
        reason: &str,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<(), AgreementError> {
        let endings = agreements.iter().map(|agreement| Ending {
            provider: agreement.provider,
            id: agreement.id.clone(),
            state,
            reason: reason.to_owned(),
            at: now,
            by: cause.by.clone(),
            decision: cause.decision,
        });
        let endings: Vec<_> = endings.collect();
        self.registry.intend(&endings).await?;
        if let Err(error) = self.finish(&agreements, &endings).await {
            if let Err(error) = self.registry.forgo(&endings).await {
                tracing::error!(%error, "agreements that were to end could not be kept in force; they will end");
            }
            return Err(error);
        }
        Ok(())
    }

    /// Ends what is intended to end: in the ledger, in the registry, for those who listen.
    ///
    /// # Errors
    /// The ledger; nothing has ended then.
    async fn finish(&self, agreements: &[Arc<Agreement>], endings: &[Ending]) -> Result<(), AgreementError> {
        let pairs = || agreements.iter().zip(endings);
        let entries = pairs().map(|(agreement, ending)| {
            let cause = Cause {
                by: ending.by.clone(),
                decision: ending.decision,
            };
            entry(agreement, ending.state, Some(&ending.reason), None, &cause)
        });
        self.record(entries.collect()).await?;
        if let Err(error) = self.registry.end_agreements(endings).await {
            // Ended all the same, and noted as intended: it is written again later.
            tracing::error!(%error, "the ends of agreements could not be written to the registry; that is tried again");
        }
        for (agreement, ending) in pairs() {
            self.tell(agreement, ending.state, Some(ending.reason.as_str().into()));
        }
        Ok(())
    }

    /// Does to its end what was cut short: by a crash before now, or by a file that could not be written. Returns how many
    /// agreements it was about.
    ///
    /// # Errors
    /// The registry's file or the ledger; what is left is found again the next time.
    pub async fn settle(&self) -> Result<usize, AgreementError> {
        let _changing = self.changing.lock().await;
        let endings = self.registry.intended().await?;
        for ending in &endings {
            let held = self.held(ending.provider, &ending.id);
            match held.filter(|agreement| agreement.state == AgreementState::Active) {
                Some(agreement) => self.finish(&[agreement], std::slice::from_ref(ending)).await?,
                // Ended in memory already, or never on record.
                None => self.registry.end_agreements(std::slice::from_ref(ending)).await?,
            }
        }
        Ok(endings.len())
    }

    /// Records all of `entries`, side by side, for what waits together is made durable together.
    async fn record(&self, entries: Vec<Entry>) -> Result<(), LedgerError> {
        let mut appending = JoinSet::new();
        for entry in entries {
            let ledger = self.ledger.clone();
            appending.spawn(async move { ledger.append(entry).await });
        }
        let mut all = Ok(());
        while let Some(appended) = appending.join_next().await {
            // A task that did not end by itself recorded nothing that anyone could rely on.
            let appended = appended.unwrap_or(Err(LedgerError::Closed));
            all = all.and(appended.map(drop));
        }
        all
    }

    /// Tells of an agreement that another process put on record or ended. The ledger has been told by whoever did.
    fn pass_on(&self, agreement: &Arc<Agreement>) {
        self.ends().extend(end_of(agreement));
        self.announce(agreement, agreement.state, None);
    }

    /// Looks at all agreements, for some that others changed were missed.
    fn look_at_all(&self) {
        *self.ends() = ends(&self.registry);
    }

    fn tell(&self, agreement: &Agreement, state: AgreementState, reason: Option<Arc<str>>) {
        counter!(telemetry::AGREEMENT_CHANGES, "state" => state.as_str()).increment(1);
        self.announce(agreement, state, reason);
    }

    fn announce(&self, agreement: &Agreement, state: AgreementState, reason: Option<Arc<str>>) {
        // Nobody need listen.
        let _ = self.changes.send(AgreementChange {
            tenant: agreement.provider,
            agreement: agreement.id.clone(),
            state,
            reason,
        });
    }

    fn held(&self, provider: TenantId, id: &AgreementId) -> Option<Arc<Agreement>> {
        self.registry.current().tenant(provider)?.agreements.get(id).cloned()
    }

    fn ends(&self) -> std::sync::MutexGuard<'_, BTreeSet<End>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ends to come of all agreements.
fn ends(registry: &RegistryStore) -> BTreeSet<End> {
    let current = registry.current();
    let agreements = current.tenants().flat_map(|world| world.agreements.values());
    agreements.filter_map(end_of).collect()
}

/// When an agreement that is in force ends, where its terms say so.
fn end_of(agreement: &Arc<Agreement>) -> Option<End> {
    let end = agreement.terms.usage_ends(agreement.signed_at)?;
    let active = agreement.state == AgreementState::Active;
    active.then(|| (end, agreement.provider, agreement.id.clone()))
}

fn has_ended(agreement: &Arc<Agreement>, now: Timestamp) -> bool {
    end_of(agreement).is_some_and(|(end, ..)| end <= now)
}

fn entry(
    agreement: &Agreement,
    state: AgreementState,
    reason: Option<&str>,
    odrl: Option<Digest>,
    cause: &Cause,
) -> Entry {
    let terms = &agreement.terms;
    let event = AgreementEvent {
        agreement: agreement.id.clone(),
        asset: agreement.asset.clone(),
        by: cause.by.clone(),
        consumer: agreement.consumer,
        decision: cause.decision,
        odrl,
        provider: agreement.provider,
        reason: reason.map(str::to_owned),
        signed_at: RecordTime::new(agreement.signed_at),
        state,
        terms: terms.digest(),
    };
    Entry {
        log: LogId::Tenant(agreement.provider),
        what: What::Event(Event::Agreement(Box::new(event))),
        bodies: vec![(terms.digest(), Arc::clone(terms.canonical()))],
    }
}

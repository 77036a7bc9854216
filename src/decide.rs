//! The spine: a question goes in, and what comes out has been recorded.
//!
//! ```text
//! request -> authenticated facts -> question -> decision (cedar AND iam) -> ledger -> response
//! ```
//!
//! [`Gate::decide`] asks [`engine::decide`] under the bundle in force, appends the decision to the ledger and only then
//! returns. A [`Recorded`] can be made nowhere else, a [`Permit`] only from a `Recorded` that allows, and the vault opens a
//! session only for a permit. So an answer that was not recorded, or data that was not permitted, is not a mistake one could
//! make in a handler: it does not compile. Where the ledger cannot take the record there is no answer (503).

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use metrics::{counter, gauge, histogram};

use crate::bundle::{Bundle, BundleError, Live};
use crate::clock::Clock;
use crate::decision::{Decision, Effect, IamAnswer};
use crate::engine;
use crate::ids::{Digest, RecordId, TenantId};
use crate::ledger::private::Plain;
use crate::ledger::record::{Activation, Decided, Diverged, Engine, Mode, Request, Start};
use crate::ledger::{Entry, Event, Ledger, LedgerError, LogId, Receipt, What};
use crate::question::{Action, Canonical, Question};
use crate::registry::Guarantee;
use crate::registry::store::RegistryStore;
use crate::shadow::Shadow;
use crate::telemetry;

/// How many characters of what is wrong with a refused bundle are recorded; the log has it all.
const MAX_REFUSAL: usize = 4_000;

/// The bundle in force and the ledger, joined.
#[derive(Debug)]
pub struct Gate {
    live: Live,
    ledger: Ledger,
    /// Says when a tenant's answers may leave.
    registry: RegistryStore,
    /// A candidate bundle that is asked along.
    shadow: Option<Shadow>,
    engine: Engine,
}

/// A decision that is in the ledger: durably or, where its tenant chose so, on the way within a bound.
#[derive(Debug)]
pub struct Recorded {
    decision: Decision,
    question: Question,
    bundle: Arc<Bundle>,
    receipt: Receipt,
}

/// Proof that a question was decided with allow and recorded.
#[derive(Debug)]
pub struct Permit(Box<Recorded>);

/// A recorded deny.
#[derive(Debug)]
pub struct Refusal(Box<Recorded>);

/// A decision as it is to be recorded.
struct Made<'a> {
    question: &'a Question,
    parts: Canonical,
    decision: &'a Decision,
    mode: Mode,
}

impl Gate {
    /// Joins a bundle in force with a ledger and records both: that the service starts, and under which bundle.
    ///
    /// # Errors
    /// The ledger cannot take the records, so no decision could be recorded either.
    pub async fn open(live: Live, ledger: Ledger, registry: RegistryStore) -> Result<Self, LedgerError> {
        // An alert is written against each of these; they exist from the start, at zero.
        for action in Action::ALL {
            counter!(telemetry::DISAGREEMENTS, "action" => action.as_str()).absolute(0);
        }
        let engine = Engine::running();
        let start = Event::Start(Start { engine: engine.clone() });
        ledger.append(Entry::event(LogId::Platform, start)).await?;
        let gate = Self {
            live,
            ledger,
            registry,
            shadow: None,
            engine,
        };
        gate.record_activation(&gate.live.current(), None).await?;
        Ok(gate)
    }

    /// This gate with a candidate bundle that is asked along.
    #[must_use]
    pub fn with_shadow(mut self, candidate: Bundle, clock: Clock) -> Self {
        self.shadow = Some(Shadow::start(candidate, self.ledger.clone(), clock));
        self
    }

    /// Puts on record what is to be, and closes the ledger.
    pub async fn close(&self) {
        if let Some(shadow) = &self.shadow {
            shadow.close().await;
        }
        self.ledger.close().await;
    }

    /// The bundle in force, and whether a newer one was refused.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What would be decided now. It is not recorded, so it is good for one thing: to choose what to ask. Whatever is answered or
    /// handed out follows from [`Gate::decide`].
    pub fn foresee(&self, question: &Question) -> Effect {
        engine::decide(&self.live.current(), question).effect
    }

    /// Decides `question` and records the decision in the log of `tenant`, or the platform's where it is no tenant's.
    ///
    /// # Errors
    /// The ledger cannot take the record; there is no answer then.
    pub async fn decide(
        &self,
        question: Question,
        tenant: Option<TenantId>,
        request: &Request,
    ) -> Result<Recorded, LedgerError> {
        let bundle = self.live.current();
        let started = Instant::now();
        let canonical = question.canonical();
        let decision = engine::decide_canonical(&bundle, &question, &canonical);
        histogram!(telemetry::DECIDE_SECONDS).record(started.elapsed());
        count(&question, &decision);
        if decision.layers_disagree() {
            tracing::error!(
                request = %request.id,
                action = %question.action,
                resource = %question.resource,
                cedar = %decision.cedar.decision,
                iam = ?decision.iam,
                "the layers disagree: Cedar allows what AWS would refuse"
            );
        }
        let guarantee = self.guarantee(tenant);
        let made = Made {
            question: &question,
            parts: canonical,
            decision: &decision,
            mode: guarantee.into(),
        };
        let entry = self.entry(&bundle, made, tenant, request);
        let deciding = Instant::now();
        let receipt = self.ledger.record(entry, guarantee).await;
        histogram!(telemetry::RECORD_SECONDS).record(deciding.elapsed());
        match receipt {
            Ok(receipt) => {
                if let Some(shadow) = &self.shadow {
                    shadow.see(&question, &decision, receipt.id());
                }
                Ok(Recorded {
                    decision,
                    question,
                    bundle,
                    receipt,
                })
            }
            Err(error) => {
                counter!(telemetry::UNRECORDED).increment(1);
                tracing::error!(request = %request.id, error = %error, "the decision could not be recorded; there is no answer");
                Err(error)
            }
        }
    }

    /// Puts on record, in the log of the decision, that AWS refused what was permitted. The caller has failed already: where this
    /// cannot be recorded either, the program's own log tells of both.
    pub async fn diverged(&self, log: LogId, divergence: Diverged) {
        counter!(telemetry::AWS_REFUSALS, "action" => divergence.action.clone()).increment(1);
        let Diverged {
            action,
            code,
            decision,
            message,
            request,
            resource,
        } = &divergence;
        let request = request.as_deref();
        tracing::error!(%decision, action, resource, code, message, request, "AWS refuses what both layers allow");
        if let Err(error) = self
            .ledger
            .append(Entry::event(log, Event::Divergence(divergence)))
            .await
        {
            tracing::error!(%error, "that AWS refuses it could not be recorded");
        }
    }

    /// When answers about what is `tenant`'s may leave.
    fn guarantee(&self, tenant: Option<TenantId>) -> Guarantee {
        let registry = self.registry.current();
        let world = tenant.and_then(|tenant| registry.tenant(tenant));
        world.map_or(Guarantee::Strict, |world| world.tenant.ledger)
    }

    fn entry(&self, bundle: &Bundle, made: Made<'_>, tenant: Option<TenantId>, request: &Request) -> Entry {
        let Made {
            question,
            parts,
            decision,
            mode,
        } = made;
        let terms = question.terms.values();
        let bodies = terms
            .map(|terms| (terms.digest(), Arc::clone(terms.canonical())))
            .collect();
        let decided = Decided {
            action: question.action.as_str().to_owned(),
            bundle: bundle.digest,
            decision: decision.clone(),
            engine: self.engine.clone(),
            mode,
            principal: question.principal.to_string(),
            private: Plain {
                context: parts.context.bytes,
                entities: (parts.entities.digest, parts.entities.bytes),
            },
            request: request.clone(),
            resource: question.resource.to_string(),
            tenant,
            terms: question.terms.keys().copied().collect(),
        };
        Entry {
            log: tenant.map_or(LogId::Platform, LogId::Tenant),
            what: What::Decision(Box::new(decided)),
            bodies,
        }
    }

    /// Loads what is on disk and puts it in force if it loads; records either, unless its files could not even be read.
    /// Returns whether the bundle in force changed.
    ///
    /// # Errors
    /// What is wrong with the candidate, or with the ledger. The bundle in force stays either way.
    pub async fn reload(&self, now: Timestamp) -> Result<bool, ReloadError> {
        let current = self.live.current();
        let candidate = match self.live.candidate() {
            Ok(Some(candidate)) if candidate.digest != current.digest => candidate,
            Ok(_) => {
                self.live.settled();
                gauge!(telemetry::BUNDLE_REFUSED).set(0.0);
                return Ok(false);
            }
            Err(error) => {
                self.live.refuse(error.to_string(), now);
                gauge!(telemetry::BUNDLE_REFUSED).set(1.0);
                self.record_refusal(&error, current.digest).await?;
                return Err(error.into());
            }
        };
        // Recorded first: no decision may name a bundle whose activation the ledger does not tell of.
        self.record_activation(&candidate, Some(&current)).await?;
        self.live.activate(candidate, now);
        gauge!(telemetry::BUNDLE_REFUSED).set(0.0);
        Ok(true)
    }

    async fn record_refusal(&self, error: &BundleError, in_force: Digest) -> Result<(), LedgerError> {
        let Some(bundle) = error.digest else { return Ok(()) };
        let event = Event::Activation(Activation {
            bundle,
            previous: Some(in_force),
            refused: Some(error.to_string().chars().take(MAX_REFUSAL).collect()),
        });
        let entry = Entry::event(LogId::Platform, event);
        self.ledger.append(entry).await.map(drop)
    }

    async fn record_activation(&self, bundle: &Bundle, previous: Option<&Bundle>) -> Result<(), LedgerError> {
        let event = Event::Activation(Activation {
            bundle: bundle.digest,
            previous: previous.map(|bundle| bundle.digest),
            refused: None,
        });
        let bodies = bundle.parts().map(|part| (part.digest, part.bytes)).collect();
        self.ledger
            .append(Entry {
                log: LogId::Platform,
                what: What::Event(event),
                bodies,
            })
            .await?;
        counter!(telemetry::BUNDLE_ACTIVATIONS).increment(1);
        Ok(())
    }
}

/// Why the bundle on disk is not the one in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It does not load.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Its activation could not be recorded.
    #[error("the activation could not be recorded: {0}")]
    Ledger(#[from] LedgerError),
}

fn count(question: &Question, decision: &Decision) {
    let outcome = match (decision.effect, decision.cedar.errors.is_empty()) {
        (Effect::Allow, _) => "allow",
        (Effect::Deny, true) => "deny",
        (Effect::Deny, false) => "error",
    };
    counter!(telemetry::DECISIONS, "action" => question.action.as_str(), "outcome" => outcome).increment(1);
    let cedar = match decision.cedar.decision {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    };
    counter!(telemetry::LAYER_ANSWERS, "layer" => "cedar", "answer" => cedar).increment(1);
    let iam = match &decision.iam {
        IamAnswer::Evaluated { decision, .. } => decision.as_str(),
        IamAnswer::NotApplicable { .. } => "notApplicable",
    };
    counter!(telemetry::LAYER_ANSWERS, "layer" => "iam", "answer" => iam).increment(1);
    if decision.layers_disagree() {
        counter!(telemetry::DISAGREEMENTS, "action" => question.action.as_str()).increment(1);
    }
    let errors = decision.cedar.errors.len();
    if errors > 0 {
        counter!(telemetry::POLICY_ERRORS).increment(errors as u64);
    }
}

impl Recorded {
    /// The permit, where the decision is allow.
    ///
    /// # Errors
    /// The recorded deny.
    pub fn permit(self) -> Result<Permit, Refusal> {
        match self.decision.effect {
            Effect::Allow => Ok(Permit(Box::new(self))),
            Effect::Deny => Err(Refusal(Box::new(self))),
        }
    }

    /// The decision.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The record of it.
    pub fn record(&self) -> RecordId {
        self.receipt.id()
    }

    /// The bundle it was made under.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// What was asked.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Where it stands in the ledger.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }
}

impl Refusal {
    /// Why policy does not permit it, for the company's own people.
    pub fn told(&self) -> String {
        let policies = &self.decision.cedar.policies;
        match policies.is_empty() {
            true => "policy does not permit it: nothing does".to_owned(),
            false => format!("policy does not permit it: {}", policies.join(", ")),
        }
    }
}

impl std::ops::Deref for Permit {
    type Target = Recorded;

    fn deref(&self) -> &Recorded {
        &self.0
    }
}

impl std::ops::Deref for Refusal {
    type Target = Recorded;

    fn deref(&self) -> &Recorded {
        &self.0
    }
}

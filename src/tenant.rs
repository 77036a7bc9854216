//! Companies come onto the platform and leave it.
//!
//! What stands for a tenant stands in several places: a record here, a log and its key, and in AWS a role, groups, app clients, secrets
//! and a prefix. All of it is made by [`Office::onboard`] and unmade by [`Office::offboard`], in steps.
//!
//! # Nothing half-made answers
//!
//! The first thing a tenant gets is a record in the state `onboarding`; policies permit nothing to or for a tenant in that state
//! (`guardrails/active-tenants-only`), and no token is taken at its endpoints, for none of its app clients is on record. The last step
//! puts the clients on record and makes the tenant active. Between the two anything may fail, or the machine may stop: the next run
//! looks at each thing and makes what is missing, or the tenant is offboarded, which takes away what is there.
//!
//! # What is looked at and what is made are one thing
//!
//! Each kind of thing has one function that compares what is there with what should be and tells every difference ([`Difference`]).
//! Told to mend, it mends each as it finds it. So `show`, which only looks, cannot call sound what `onboard` would change.
//!
//! A thing that bears the right name but is not Tidegate's, such as a role without the tenant's tag, is never taken over: that is a
//! conflict, which a person must settle.
//!
//! # Written down before and after
//!
//! A run begins with a decision: policy is asked whether this operator may (`onboardTenant`, `offboardTenant`), and its record names
//! the run. Each step is recorded in the tenant's own log as begun before it is made, and as done, kept or failed after.
//!
//! # Leaving
//!
//! Offboarding begins with what revokes and ends with what only tidies up. First the tenant is suspended: from then on Cedar refuses
//! everything, whoever holds what. Then its tokens: all issued before now are refused for ever, also after a return. Then AWS: a deny
//! for all sessions issued before now ([`revocation`]). Only then are agreements retired and clients, groups, secrets and role deleted.
//! Secrets are deleted without a way back, so that a company that returns gets new ones. What stays is what must: the ledger with its
//! key, the record, agreements and footprints that were handed out, which nobody reaches any more.
//!
//! # Worked example
//!
//! ```text
//! $ tidegate tenant onboard BPNL000000000DWF --name 'Dwarf Works' --config tidegate.toml
//!   record    the tenant is on record as `onboarding`
//!   role      made `tidegate-tenant-BPNL000000000DWF` with boundary, trust and policy
//!   groups    made BPNL000000000DWF.admin, BPNL000000000DWF.auditor, …
//!   …
//!   activate  the tenant is active
//! ```
//!
//! Between `groups` and the next step the machine stops. Its log ends with `mapping` begun. Nothing answers for the tenant. The same
//! command again keeps role and groups and goes on from there.

#[cfg(feature = "provision")]
pub mod aws;
pub mod batch;
mod journal;
mod offboard;
mod onboard;
pub mod revocation;
pub mod wanted;

use std::collections::BTreeSet;
use std::fmt;

use crate::agreements::Book;
use crate::clock::Clock;
use crate::decide::Gate;
use crate::ids::{OperatorName, OperatorRole, RecordId, TenantId};
use crate::ledger::LedgerError;
use crate::ledger::record::Progress;
use crate::registry::TenantState;
use crate::registry::store::{RegistryError, RegistryStore};

pub use self::onboard::{Newcomer, Onboarded};

/// Someone of the platform's staff, and what they are there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Their name.
    pub name: OperatorName,
    /// Their roles; what each may do is in the policies.
    pub roles: BTreeSet<OperatorRole>,
}

/// What is wrong with something that is not there.
#[cfg_attr(
    not(feature = "provision"),
    expect(dead_code, reason = "only AWS has things that are missing")
)]
const MISSING: &str = "is missing";

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// What, such as "role `tidegate-tenant-BPNL000000000DWF`".
    pub thing: String,
    /// What is wrong with it, such as "is missing".
    pub problem: String,
}

impl Difference {
    /// A difference of `thing`.
    pub fn new(thing: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            thing: thing.into(),
            problem: problem.into(),
        }
    }
}

impl Difference {
    /// What was done about it.
    fn mended(&self) -> String {
        match self.problem.as_str() {
            MISSING => format!("{} is made", self.thing),
            problem => format!("{} {problem}: mended", self.thing),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.thing, self.problem)
    }
}

/// Whether differences are told only, or mended too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Told only.
    Look,
    /// Mended, and told as what was done.
    Mend,
}

/// How far a step of a run has come; for whoever watches.
#[derive(Clone, Debug)]
pub struct Told<'t> {
    /// The tenant.
    pub tenant: TenantId,
    /// The step.
    pub step: &'static str,
    /// How far.
    pub progress: Progress,
    /// What was done, or what is wrong.
    pub what: &'t str,
}

/// Told of each step. Where it answers `false`, the run stops there, as it would if the machine did.
pub type Watch<'w> = &'w mut (dyn FnMut(&Told<'_>) -> bool + Send);

/// Why a tenant did not come or go.
#[derive(Debug, thiserror::Error)]
pub enum PassageError {
    /// Policy does not permit it.
    #[error("{operator} may not: {why} (record {record})")]
    Denied {
        /// Who asked.
        operator: OperatorName,
        /// What policy says.
        why: String,
        /// The record of the refusal.
        record: RecordId,
    },
    /// The tenant's state does not allow it.
    #[error("{tenant} is {}: {why}", state.as_str())]
    State {
        /// The tenant.
        tenant: TenantId,
        /// Its state.
        state: TenantState,
        /// What follows from it.
        why: &'static str,
    },
    /// There is no such tenant.
    #[error("{0} is not on record")]
    Unknown(TenantId),
    /// A step failed. What came before it stands; the next run goes on from there.
    #[error("step `{step}`: {why}")]
    Step {
        /// The step.
        step: &'static str,
        /// What is wrong, and how to mend it.
        why: String,
    },
    /// Whoever watches stopped it.
    #[error("stopped before step `{0}`; run it again to go on from there")]
    Stopped(&'static str),
    /// The ledger takes no record, so nothing is done.
    #[error("it could not be recorded: {0}")]
    Ledger(#[from] LedgerError),
    /// The registry cannot be written.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// What it takes to have tenants come and go.
#[derive(Clone, Copy)]
pub struct Office<'o> {
    /// Decides and records.
    pub gate: &'o Gate,
    /// The tenants' records.
    pub registry: &'o RegistryStore,
    /// Their agreements.
    pub agreements: &'o Book,
    /// What is to be in AWS; none where the platform is not there.
    #[cfg(feature = "provision")]
    pub aws: Option<&'o aws::Provision>,
    /// Who has it done.
    pub operator: &'o Operator,
    /// The URL the service is reached under.
    pub base_url: &'o str,
    /// The time.
    pub clock: &'o Clock,
}

#[cfg(test)]
mod tests;

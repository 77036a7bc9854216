//! The exchange endpoint of one tenant: what its partners ask for, carried by the tenant's own connector.
//!
//! Each request becomes a [`Caller`]: from whichever token it came, it says which connector carried it, which company asks, and
//! under which agreement. What is believed of it, and why, stands there. The **tenant** is that of the route, which picked the
//! verifier; the **purpose** is fixed, for the endpoint has just one: exchange of footprints.

mod caller;
mod query;
mod request;
mod submit;
mod token;
mod value;

use axum::http::HeaderName;
use jiff::Timestamp;

pub use caller::{Caller, EDC_AGREEMENT, EDC_BPN, Errand, RECIPIENT};
pub(super) use query::{Query, decoded};
pub(super) use request::{request, request_by_product};
pub(super) use submit::{submit, submit_by_product};
pub(super) use token::token;
pub(super) use value::footprint;

use super::decided::reasons;
use super::problem::{Problem, Reason};
use crate::decide::Recorded;
use crate::question::ask::{ExchangeFacts, Via};
use crate::registry::{Agreement, Registry, TenantWorld};

/// The header in which an answer names the record of its decision.
pub const RECORD: HeaderName = HeaderName::from_static("tidegate-record");
/// What the exchange of footprints is for, as contracts spell it (Catena-X policy profile, UsagePurpose).
pub const PURPOSE: &str = "cx.pcf.base:1";
/// The scope of a connector's token.
pub const SCOPE: &str = "pcf.read";

impl Caller {
    /// What a question is made of, as far as it is about who asks. No question can be made that the caller's token does not cover.
    ///
    /// # Errors
    /// As [`Caller::covers`].
    fn facts<'a>(
        &'a self,
        registry: &'a Registry,
        world: &'a TenantWorld,
        asked: &Errand<'_>,
        now: Timestamp,
    ) -> Result<ExchangeFacts<'a>, Problem> {
        self.covers(asked, now)?;
        Ok(ExchangeFacts {
            now,
            world,
            via: Via::Connector(&self.connector),
            partner: self.partner,
            known: self
                .known
                .as_ref()
                .or_else(|| registry.partner(self.partner).map(AsRef::as_ref)),
            purpose: PURPOSE,
            recipient: self
                .recipient
                .map(|company| (company, registry.partner(company).map(AsRef::as_ref))),
            api: None,
            uses: None,
        })
    }

    /// The agreement the caller names, where it is on record with this tenant.
    fn agreement<'w>(&self, world: &'w TenantWorld) -> Option<&'w Agreement> {
        world.agreements.get(&self.agreement).map(AsRef::as_ref)
    }

    /// The reasons, for whom the agreement itself names; nothing for anyone else.
    fn told(&self, recorded: &Recorded, agreement: Option<&Agreement>) -> Vec<Reason> {
        match agreement {
            Some(agreement) if agreement.consumer == self.partner => reasons(recorded),
            _ => Vec::new(),
        }
    }
}

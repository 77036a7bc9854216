//! Tidegate as a tenant's data plane: what the tenant's own control plane says of data flows.
//!
//! `prepare` and `start` begin a flow, the other messages say what becomes of it. They are believed because the tenant's own
//! verifier accepted the caller's token: a connector's client, with the scope `dataflows`. What they bring about is bounded by
//! that: a connector can only speak of its own tenant's flows, and a `start` is answered with a token only after policy
//! permitted the transfer.
//!
//! **Which tenant** a message is for is in the path, or in the host. For peers whose data plane address has no place for
//! it, a message without it is for the tenant it names as `participantId`; one that names none, for the tenant that has a
//! flow of that id. Either way that tenant's verifier decides whether the caller may speak for it: naming another's
//! flow is met with a verifier that does not accept the token.
//!
//! # A start
//!
//! 1. The message is read ([`signaling`](crate::dataspace::signaling)); `participantId` must be the tenant, `counterPartyId` a BPNL.
//! 2. The agreement is looked up in the tenant's world. Where it is not on record, the tenant's connector is asked for it, and it
//!    goes on record if it is between these two, about this asset, and compiles (`record`).
//! 3. What the control plane verified of the partner becomes facts about it ([`claims`](crate::dataspace::claims)).
//! 4. `transfer` is asked and recorded. A deny is a 403 whose `detail` says why: the control plane keeps it as the transfer's
//!    error. It may show it to the partner as well, so it says no more than the partner may know.
//! 5. A token is made for this flow, five minutes long at most, and a refresh token (`grant`). The flow goes on record as
//!    started, and the answer carries the address.

mod agreed;
mod begin;
mod connectors;
mod end;
mod grant;
mod received;
mod record;
mod tell;
mod turns;
mod verbs;

pub use begin::{prepare, prepare_shared, start, start_shared};
pub use connectors::follow;
pub use end::watch;
pub(in crate::http) use grant::Granting;
pub use verbs::{check, signal, signal_shared, status, status_shared};

use axum::http::HeaderMap;

use super::App;
use super::problem::{Kind, Problem};
use crate::dataspace::flow::{Flow, FlowError, State};
use crate::facts::{ClientKind, MachineToken};
use crate::ids::TenantId;
use crate::ledger::record::{Flowed, Request};
use crate::ledger::{Entry, Event, LogId};

/// The scope of a control plane's token.
pub const SCOPE: &str = "dataflows";

impl App {
    /// The control plane whose token the request carries.
    async fn control_plane(&self, headers: &HeaderMap, tenant: TenantId) -> Result<MachineToken, Problem> {
        self.machine(headers, tenant, ClientKind::Connector, SCOPE, self.clock.now())
            .await
    }

    /// Records that a flow stands somewhere else now, in its tenant's log.
    ///
    /// # Errors
    /// 503: it could not be recorded, and must not be done.
    pub(super) async fn record_flow(
        &self,
        flow: &Flow,
        state: State,
        reason: Option<&str>,
        request: Option<&Request>,
    ) -> Result<(), Problem> {
        let event = Event::Flow(Flowed {
            agreement: flow.agreement.clone(),
            asset: flow.asset.clone(),
            flow: flow.id.clone(),
            partner: flow.partner,
            reason: reason.map(|reason| reason.chars().take(500).collect()),
            request: request.cloned(),
            state: state.as_str().to_owned(),
        });
        let entry = Entry::event(LogId::Tenant(flow.tenant), event);
        let appended = self.gate.ledger().append(entry).await;
        appended.map(drop).map_err(|error| {
            tracing::error!(flow = %flow.id, error = %error, "a change of a data flow could not be recorded; it is not made");
            Problem::with(Kind::Unrecorded, "nothing is done that cannot be recorded; try again")
        })
    }
}

/// That a message does not read. Control planes keep the answer and may show it to the partner, and an address has tokens in it: so what stands
/// in the wrong place is not repeated, only where.
fn unread(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let repeats = ["invalid type", "invalid value", "unknown variant"];
    let detail = if repeats.iter().any(|start| text.starts_with(start)) {
        let (line, column) = (error.line(), error.column());
        format!("what stands before line {line}, column {column} is not of the type the protocol has there")
    } else {
        text
    };
    Problem::with(Kind::Body, detail)
}

/// What became of a change to a flow, as an answer.
pub(in crate::http) fn failed(error: FlowError) -> Problem {
    match error {
        FlowError::Unknown => Problem::with(Kind::NotFound, "there is no such data flow"),
        FlowError::Exists => Problem::with(
            Kind::Conflict,
            "there is a data flow of that `processId` already; begin another",
        ),
        FlowError::Overtaken => Problem::with(Kind::Conflict, error.to_string()),
        FlowError::Misfit(misfit) => Problem::with(Kind::Flow, misfit.to_string()),
        FlowError::Database(_) | FlowError::Tables(_) | FlowError::Row(..) => {
            tracing::error!(error = %error, "the data flows cannot be read or changed");
            Problem::new(Kind::Internal)
        }
    }
}

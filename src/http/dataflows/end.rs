//! Flows that Tidegate ends by itself: their agreement was retired or has lapsed.
//!
//! What a flow's token is worth is decided at each request, so nothing waits for this. It tells the connectors: the tenant's
//! own ends its transfer, and by the protocol the partner's does too. Telling them ([`tell`](super::tell)) goes on beside the
//! ending: a connector that does not answer holds up neither the end of a flow nor another connector's signal.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::broadcast::error::RecvError;

use super::tell::tell;
use crate::dataspace::flow::{Flow, FlowError, Side, State, Verb};
use crate::http::{App, Shared};
use crate::registry::{AgreementState, TenantWorld};

/// How often flows are held against their agreements although nothing changed: terms end by time.
const SWEEP: Duration = Duration::from_secs(5);
/// Ends what lost its agreement, and tells the connectors; runs until it is aborted.
pub async fn watch(app: Shared) {
    tokio::select! {
        () = follow_changes(&app) => {}
        () = tell(&app) => {}
    }
}

async fn follow_changes(app: &App) {
    let mut changes = app.agreements.changes();
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            changed = changes.recv() => match changed {
                Ok(change) if change.state == AgreementState::Active => {}
                // What was missed is in the registry.
                Ok(_) | Err(RecvError::Lagged(_)) => app.end_lapsed().await,
                // Who tells of changes ends with the program.
                Err(RecvError::Closed) => return,
            },
            _ = sweep.tick() => app.end_lapsed().await,
        }
    }
}

impl App {
    /// Ends every flow whose agreement grants nothing any more.
    async fn end_lapsed(&self) {
        match self.dataspace.flows.settle().await {
            Ok(0) => {}
            Ok(count) => tracing::warn!(
                count,
                "data flows that ended and could not be written are in the file now"
            ),
            Err(error) => {
                tracing::error!(error = %error, "data flows that ended are still not in the file; they are over all the same")
            }
        }
        let (now, registry) = (self.clock.now(), self.registry.current());
        for flow in self.dataspace.flows.all_live() {
            let Some(world) = registry.tenant(flow.tenant) else {
                continue;
            };
            let Some(reason) = lapsed(&flow, world, now) else {
                continue;
            };
            if let Err(error) = self.end(&flow, reason, now).await {
                tracing::error!(tenant = %flow.tenant, flow = %flow.id, error = %error, "a data flow without an agreement could not be ended");
            }
        }
    }

    /// Ends a flow, records that, and has its connector told.
    pub(in crate::http) async fn end(&self, flow: &Flow, reason: &str, now: Timestamp) -> Result<(), FlowError> {
        if self
            .record_flow(flow, State::Terminated, Some(reason), None)
            .await
            .is_err()
        {
            // Told of in the log; no token of it is worth anything meanwhile, for the agreement is not.
            return Ok(());
        }
        self.dataspace
            .flows
            .note_signal(flow.tenant, &flow.id, reason, now)
            .await?;
        self.dataspace
            .flows
            .change(flow.tenant, &flow.id, |flow| flow.apply(Verb::Terminate))
            .await?;
        tracing::info!(tenant = %flow.tenant, flow = %flow.id, reason, "a data flow was ended");
        Ok(())
    }
}

/// Why a flow has lost its agreement, in words for both connectors; nothing where it has not.
fn lapsed(flow: &Flow, world: &TenantWorld, now: Timestamp) -> Option<&'static str> {
    if flow.side == Side::Consumer {
        return None;
    }
    let agreement = world.agreements.get(&flow.agreement)?;
    match agreement.state {
        AgreementState::Retired => Some("the agreement was retired"),
        AgreementState::Expired => Some("the agreement has expired"),
        AgreementState::Active if !agreement.in_force(now) => Some("the agreement's terms have ended"),
        AgreementState::Active => None,
    }
}

//! Flows that Tidegate ends by itself: their agreement was retired or has lapsed.
//!
//! What a flow's token is worth is decided at each request, so nothing waits for this. It tells the connectors: the tenant's
//! own ends its transfer, and by the protocol the partner's does too. A signal that does not arrive is sent again, after
//! a second, then two, four and so on up to ten minutes, for a day.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use metrics::counter;
use tokio::sync::broadcast::error::RecvError;

use crate::dataspace::flow::{Flow, FlowError, Side, Signal, State, Verb};
use crate::dataspace::management::Ending;
use crate::http::{App, Shared};
use crate::registry::{AgreementState, TenantWorld};
use crate::telemetry;

/// How often flows are held against their agreements although nothing changed: terms end by time.
const SWEEP: Duration = Duration::from_secs(5);
/// How often signals that are due are looked for.
const LOOK: Duration = Duration::from_millis(500);
/// How often a signal is tried before it is given up: about a day.
const MAX_TRIES: u32 = 150;

/// Ends what lost its agreement, and tells the connectors; runs until it is aborted.
pub async fn watch(app: Shared) {
    let mut changes = app.agreements.changes();
    let mut sweep = tokio::time::interval(SWEEP);
    let mut look = tokio::time::interval(LOOK);
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
            _ = look.tick() => app.send_signals().await,
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
    async fn end(&self, flow: &Flow, reason: &str, now: Timestamp) -> Result<(), FlowError> {
        if self
            .record_flow(flow, State::Terminated, Some(reason), None)
            .await
            .is_err()
        {
            // Told of in the log; no token of it is worth anything meanwhile, for the agreement is not.
            return Ok(());
        }
        self.dataspace.flows.note_signal(flow, reason, now).await?;
        let ended = self
            .dataspace
            .flows
            .change(flow.tenant, &flow.id, |flow| flow.apply(Verb::Terminate))
            .await?;
        tracing::info!(tenant = %flow.tenant, flow = %flow.id, reason, "a data flow was ended");
        if ended.0.side == Side::Consumer {
            self.drop_received(flow).await;
        }
        Ok(())
    }

    async fn send_signals(&self) {
        let now = self.clock.now();
        let due = match self.dataspace.flows.due_signals(now).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(error = %error, "the signals to connectors cannot be read");
                return;
            }
        };
        for signal in due {
            let again = self.send_signal(&signal, now).await;
            if let Err(error) = self.dataspace.flows.signal_tried(&signal, again).await {
                tracing::error!(error = %error, "a signal to a connector could not be noted");
            }
        }
    }

    /// Sends one signal; gives when to try again, or nothing where it is done with.
    async fn send_signal(&self, signal: &Signal, now: Timestamp) -> Option<Timestamp> {
        let registry = self.registry.current();
        let world = registry.tenant(signal.tenant)?;
        let Some(management) = self.management(world).await else {
            tracing::info!(tenant = %signal.tenant, flow = %signal.flow, "no connector is on record to tell that a data flow was ended");
            return None;
        };
        match management.ended(&signal.flow, Ending::Failed(&signal.reason)).await {
            Ok(()) => {
                counter!(telemetry::SIGNALS, "outcome" => "told").increment(1);
                None
            }
            Err(error) if signal.tries + 1 >= MAX_TRIES => {
                counter!(telemetry::SIGNALS, "outcome" => "given-up").increment(1);
                tracing::error!(tenant = %signal.tenant, flow = %signal.flow, error = %error, "the connector could not be told that a data flow was ended");
                None
            }
            Err(error) => {
                counter!(telemetry::SIGNALS, "outcome" => "failed").increment(1);
                tracing::warn!(tenant = %signal.tenant, flow = %signal.flow, tries = signal.tries, error = %error, "the connector is told again later");
                let wait = 1_i64.checked_shl(signal.tries.min(10)).unwrap_or(600).min(600);
                Some(now + SignedDuration::from_secs(wait))
            }
        }
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

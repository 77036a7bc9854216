//! Telling connectors which flows ended here.
//!
//! What is to be told stands in a table and is told until it is, for a day. Each tenant's connector is told by itself
//! ([`Turns`]); one that is silent is not asked the same for each of its flows in turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use metrics::counter;

use super::turns::Turns;
use crate::dataspace::flow::{Side, Signal};
use crate::dataspace::management::{Ending, Management};
use crate::http::{App, Shared};
use crate::ids::TenantId;
use crate::telemetry;

/// How often signals that are due are looked for.
const LOOK: Duration = Duration::from_millis(500);
/// How often a signal is tried before it is given up: about a day.
const MAX_TRIES: u32 = 150;
/// How long a connector may take for the signals it is told at one time.
const BUDGET: Duration = Duration::from_secs(60);

/// Tells connectors what they have to be told; runs until it is dropped.
pub(super) async fn tell(app: &Shared) {
    let mut turns = Turns::new(Duration::ZERO);
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = turns.over() => {}
            _ = look.tick() => match app.dataspace.flows.due_signals(app.clock.now()).await {
                Ok(due) => {
                    for (tenant, signals) in by_tenant(due) {
                        if turns.is_due(tenant) {
                            let app = Arc::clone(app);
                            turns.give(tenant, async move { app.send_signals(tenant, signals).await });
                        }
                    }
                }
                Err(error) => tracing::error!(error = %error, "the signals to connectors cannot be read"),
            },
        }
    }
}

fn by_tenant(due: Vec<Signal>) -> BTreeMap<TenantId, Vec<Signal>> {
    let mut all: BTreeMap<TenantId, Vec<Signal>> = BTreeMap::new();
    for signal in due {
        all.entry(signal.tenant).or_default().push(signal);
    }
    all
}

impl App {
    /// Sends a tenant's signals; whether its connector spoke to us.
    async fn send_signals(&self, tenant: TenantId, signals: Vec<Signal>) -> bool {
        let registry = self.registry.current();
        let management = match registry.tenant(tenant) {
            Some(world) => self.management(world).await,
            None => None,
        };
        let management = management.map(|management| management.within(BUDGET));
        let mut speaks = true;
        for signal in signals {
            let again = match &management {
                // It would be silent to this one too.
                Some(_) if !speaks => later(&signal, self.clock.now()),
                Some(management) => {
                    let (again, spoke) = self.send_signal(management, &signal).await;
                    speaks = spoke;
                    again
                }
                None => {
                    tracing::info!(%tenant, flow = %signal.flow, "no connector is on record to tell that a data flow was ended");
                    None
                }
            };
            if let Err(error) = self.dataspace.flows.signal_tried(&signal, again).await {
                tracing::error!(error = %error, "a signal to a connector could not be noted");
            }
        }
        speaks
    }

    /// Sends one signal; gives when to try again, or nothing where it is done with, and whether the connector spoke to us.
    async fn send_signal(&self, management: &Management, signal: &Signal) -> (Option<Timestamp>, bool) {
        let (tenant, flow) = (signal.tenant, &signal.flow);
        let known = self.dataspace.flows.find(tenant, flow).await;
        let ended = match known.map(|flow| flow.side) {
            Ok(Side::Provider) => management.ended(flow, Ending::Failed(&signal.reason)).await,
            // A consumer's transfer has no data plane that could fail; one that is not on record is of that kind.
            _ => management.terminate(flow, &signal.reason).await,
        };
        let Err(error) = ended else {
            counter!(telemetry::SIGNALS, "outcome" => "told").increment(1);
            return (None, true);
        };
        let again = later(signal, self.clock.now());
        if again.is_none() {
            tracing::error!(%tenant, %flow, error = %error, "the connector could not be told that a data flow was ended");
        } else {
            tracing::warn!(%tenant, %flow, tries = signal.tries, error = %error, "the connector is told again later");
        }
        (again, !error.is_silence())
    }
}

/// When a signal that failed is tried again, if it is: after a second, two, four and so on up to ten minutes.
fn later(signal: &Signal, now: Timestamp) -> Option<Timestamp> {
    if signal.tries + 1 >= MAX_TRIES {
        counter!(telemetry::SIGNALS, "outcome" => "given-up").increment(1);
        return None;
    }
    counter!(telemetry::SIGNALS, "outcome" => "failed").increment(1);
    let wait = (1_i64 << signal.tries.min(10)).min(600);
    Some(now + SignedDuration::from_secs(wait))
}

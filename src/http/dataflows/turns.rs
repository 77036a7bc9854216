//! Whose turn it is: work for many tenants' connectors side by side, so that none of them holds up another.
//!
//! A tenant has one piece of work under way at a time, and so many have at once. One whose work failed waits longer each time, and in
//! a queue apart from those whose work does well: however many connectors are silent, the others' turn comes no later for that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::ids::TenantId;

/// How many pieces of work go on at once, in each of the two queues.
const AT_ONCE: usize = 16;

/// How long a tenant waits for its next turn at most after its work failed.
const LONGEST: Duration = Duration::from_secs(60);

/// The turns of all tenants at one kind of work.
pub(super) struct Turns {
    under_way: JoinSet<bool>,
    tenants: HashMap<Id, TenantId>,
    standing: HashMap<TenantId, Standing>,
    well: Arc<Semaphore>,
    ailing: Arc<Semaphore>,
    waits: Waits,
}

/// How long a tenant waits for its next turn.
#[derive(Clone, Copy, Debug)]
struct Waits {
    /// After its work did well.
    well: Duration,
    /// After it failed for the first time; twice as long each time after that.
    failed: Duration,
    /// At most.
    longest: Duration,
}

/// How one tenant stands.
#[derive(Clone, Copy, Debug)]
struct Standing {
    busy: bool,
    /// How often its work failed since it last did well.
    failures: u32,
    due: Instant,
}

impl Turns {
    /// Turns with that pause after work that did well.
    pub(super) fn new(pause: Duration) -> Self {
        Self::with(Waits {
            well: pause,
            failed: pause.max(Duration::from_secs(1)),
            longest: LONGEST,
        })
    }

    fn with(waits: Waits) -> Self {
        Self {
            under_way: JoinSet::new(),
            tenants: HashMap::new(),
            standing: HashMap::new(),
            well: Arc::new(Semaphore::new(AT_ONCE)),
            ailing: Arc::new(Semaphore::new(AT_ONCE)),
            waits,
        }
    }

    /// Whether work for the tenant can begin.
    pub(super) fn is_due(&self, tenant: TenantId) -> bool {
        let standing = self.standing.get(&tenant);
        standing.is_none_or(|standing| !standing.busy && standing.due <= Instant::now())
    }

    /// Nothing that was is held against the tenant any more: its connector is another.
    pub(super) fn forgive(&mut self, tenant: TenantId) {
        if let Some(standing) = self.standing.get_mut(&tenant) {
            standing.failures = 0;
            standing.due = Instant::now();
        }
    }

    /// Does work for a tenant that is due, as soon as there is a place; the work says whether it did well.
    pub(super) fn give(&mut self, tenant: TenantId, work: impl Future<Output = bool> + Send + 'static) {
        let standing = self.standing.entry(tenant).or_insert(Standing {
            busy: false,
            failures: 0,
            due: Instant::now(),
        });
        standing.busy = true;
        let queue = Arc::clone(if standing.failures == 0 {
            &self.well
        } else {
            &self.ailing
        });
        let task = self.under_way.spawn(async move {
            // Nobody closes the queue.
            let _place = queue.acquire_owned().await;
            work.await
        });
        self.tenants.insert(task.id(), tenant);
    }

    /// Waits until some work is over, and notes how it went. Where none is under way, that is never.
    pub(super) async fn over(&mut self) {
        let Some(over) = self.under_way.join_next_with_id().await else {
            return std::future::pending().await;
        };
        let (id, well) = match over {
            Ok((id, well)) => (id, well),
            Err(error) => {
                tracing::error!(%error, "work for a connector panicked; this is a defect");
                (error.id(), false)
            }
        };
        let standing = self
            .tenants
            .remove(&id)
            .and_then(|tenant| self.standing.get_mut(&tenant));
        let Some(standing) = standing else { return };
        standing.busy = false;
        standing.failures = if well { 0 } else { standing.failures.saturating_add(1) };
        standing.due = Instant::now() + self.waits.after(standing.failures);
    }
}

impl Waits {
    /// The wait after work that failed so often in a row.
    fn after(&self, failures: u32) -> Duration {
        match failures {
            0 => self.well,
            failures => {
                let times = 1 << (failures - 1).min(16);
                self.failed.saturating_mul(times).min(self.longest)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENT: Duration = Duration::from_millis(100);

    fn tenant(number: usize) -> TenantId {
        format!("BPNL{number:012}").parse().unwrap()
    }

    fn turns() -> Turns {
        Turns::with(Waits {
            well: Duration::from_millis(50),
            failed: Duration::from_millis(1),
            longest: Duration::from_millis(1),
        })
    }

    #[tokio::test]
    async fn silent_ones_hold_up_nobody_else_for_longer_than_once() {
        let mut turns = turns();
        let begun = Instant::now();
        // More of them than there are places: the first round of all is the worst.
        for number in 0..40 {
            turns.give(tenant(number), async {
                tokio::time::sleep(SILENT).await;
                false
            });
            assert!(!turns.is_due(tenant(number)), "it has its turn");
        }
        for _ in 0..40 {
            turns.over().await;
        }
        assert!(begun.elapsed() >= 3 * SILENT);
        // From then on they wait among themselves.
        tokio::time::sleep(Duration::from_millis(2)).await;
        for number in 0..40 {
            assert!(turns.is_due(tenant(number)));
            turns.give(tenant(number), std::future::pending());
        }
        turns.give(tenant(100), async { true });
        tokio::time::timeout(Duration::from_secs(5), turns.over())
            .await
            .unwrap();
        assert!(!turns.is_due(tenant(100)), "not before its pause is over");
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(turns.is_due(tenant(100)));
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_and_a_new_connector_is_not_held_responsible() {
        let mut turns = Turns::new(Duration::from_secs(5));
        let one = tenant(1);
        turns.give(one, async { panic!("a defect") });
        turns.over().await;
        assert!(!turns.is_due(one));
        turns.forgive(one);
        assert!(turns.is_due(one));
    }

    #[test]
    fn who_fails_waits_longer_each_time() {
        for (pause, expected) in [(5, [5, 5, 10, 20, 40, 60, 60]), (0, [0, 1, 2, 4, 8, 16, 32])] {
            let turns = Turns::new(Duration::from_secs(pause));
            let waits = [0, 1, 2, 3, 4, 5, 6].map(|failures| turns.waits.after(failures).as_secs());
            assert_eq!(waits, expected);
        }
        assert_eq!(Turns::new(Duration::ZERO).waits.after(u32::MAX), LONGEST);
    }
}

//! Not too many calls at once.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::aws::Service;

/// What a service that was not called for so long has saved up may be called at once.
const SAVED: Duration = Duration::from_secs(1);

/// Lets so many calls a second through to each service, and as many at once after a second without any: the bucket of tokens by which
/// AWS counts administrative calls of an account, kept as one instant (the generic cell rate algorithm). AWS refuses what is beyond;
/// the SDK would try that again, but three times only.
pub(super) struct Pace {
    apart: Duration,
    /// When the last call to a service would have come, were they all spread evenly.
    next: Mutex<HashMap<Service, Instant>>,
}

impl Pace {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            apart: Duration::from_secs(1) / rate.max(1),
            next: Mutex::default(),
        }
    }

    /// Returns when it is this call's turn.
    pub(super) async fn turn(&self, service: Service) {
        let turn = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let full = now.checked_sub(SAVED).unwrap_or(now);
            let even = next.get(&service).copied().unwrap_or(full).max(full) + self.apart;
            next.insert(service, even);
            even
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_of_calls_goes_at_once_and_then_they_are_apart_and_other_services_do_not_wait() {
        let (pace, began) = (Pace::new(20), Instant::now());
        for _ in 0..20 {
            pace.turn(Service::Iam).await;
        }
        let at_once = began.elapsed();
        for _ in 0..4 {
            pace.turn(Service::Iam).await;
        }
        let paced = began.elapsed();
        assert!(paced >= Duration::from_millis(190), "{paced:?}");
        assert!(at_once < paced, "{at_once:?} of {paced:?}");
        let next = pace.next.lock().await;
        assert!(
            !next.contains_key(&Service::S3),
            "what was not asked for has no turn to wait for"
        );
    }
}

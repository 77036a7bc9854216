//! Not too many calls at once.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::aws::Service;

/// Lets at most so many calls a second through to each service. AWS counts administrative calls by service and account, and
/// refuses the rest; the SDK would try these again, but three times only.
pub(super) struct Pace {
    apart: Duration,
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
            let turn = next.get(&service).copied().unwrap_or(now).max(now);
            next.insert(service, turn + self.apart);
            turn
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_to_one_service_are_apart_and_others_do_not_wait() {
        let (pace, began) = (Pace::new(50), Instant::now());
        for _ in 0..6 {
            pace.turn(Service::Iam).await;
        }
        assert!(began.elapsed() >= Duration::from_millis(100));
        let next = pace.next.lock().await;
        assert!(
            !next.contains_key(&Service::S3),
            "what was not asked for has no turn to wait for"
        );
    }
}

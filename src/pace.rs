//! Not too many calls at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Lets so many calls a second through to each of those who are called: a bucket of tokens for each, kept as one instant (the generic
/// cell rate algorithm).
#[derive(Debug)]
pub(crate) struct Pace<K> {
    apart: Duration,
    /// How long one is not called who may then be called as often at once as ever.
    saved: Duration,
    /// When the last call would have come, were they all spread evenly.
    next: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> Pace<K> {
    /// So many calls a second, and `at_once` of them without a wait between after some time without any.
    pub(crate) fn new(rate: u32, at_once: u32) -> Self {
        let apart = Duration::from_secs(1) / rate.max(1);
        Self {
            apart,
            saved: apart * at_once.saturating_sub(1),
            next: Mutex::default(),
        }
    }

    /// Returns when it is this call's turn.
    pub(crate) async fn turn(&self, to: K) {
        let turn = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let full = now.checked_sub(self.saved).unwrap_or(now);
            let even = next.get(&to).map_or(full, |last| (*last + self.apart).max(full));
            next.insert(to, even);
            even
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_saved_goes_at_once_and_then_calls_are_apart_and_others_do_not_wait() {
        let (pace, began) = (Pace::new(20, 20), Instant::now());
        for _ in 0..20 {
            pace.turn("iam").await;
        }
        let at_once = began.elapsed();
        for _ in 0..5 {
            pace.turn("iam").await;
        }
        let paced = began.elapsed();
        assert!(paced >= Duration::from_millis(190), "{paced:?}");
        assert!(at_once < paced, "{at_once:?} of {paced:?}");
        let next = pace.next.lock().await;
        assert!(
            !next.contains_key("s3"),
            "what was not asked for has no turn to wait for"
        );
    }

    #[tokio::test]
    async fn with_nothing_saved_up_every_call_is_apart_from_the_one_before() {
        let (pace, began) = (Pace::new(20, 1), Instant::now());
        pace.turn(()).await;
        let first = began.elapsed();
        for _ in 0..4 {
            pace.turn(()).await;
        }
        let paced = began.elapsed();
        assert!(paced >= Duration::from_millis(190), "{paced:?}");
        assert!(first < paced, "{first:?} of {paced:?}");
    }
}

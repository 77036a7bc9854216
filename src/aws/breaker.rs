//! A circuit breaker: a service that does not answer is left alone for a moment.
//!
//! Requests that wait for a dead service hold connections, memory and callers. After [`FAILURES`] calls in a row that got no answer
//! the breaker is open: calls fail at once. After [`PAUSE`] one call is let through; if it gets an answer, whatever that is, the
//! breaker is closed again, if not, it stays open for another pause. A refusal is an answer: only silence and faults count.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many calls in a row get no answer before the service is left alone.
pub const FAILURES: u32 = 5;

/// How long it is left alone.
pub const PAUSE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
enum State {
    /// Calls go through; so many in a row got no answer.
    Closed(u32),
    /// No call goes through until then.
    Open(Instant),
    /// One call is on its way to see, since then.
    Probing(Instant),
}

/// What is known of one service.
#[derive(Debug)]
pub struct Breaker(Mutex<State>);

impl Default for Breaker {
    fn default() -> Self {
        Self(Mutex::new(State::Closed(0)))
    }
}

impl Breaker {
    /// Whether a call may be made now. Where it may, [`Breaker::trying`] must follow.
    pub fn admits(&self, now: Instant) -> bool {
        let mut state = self.state();
        match *state {
            State::Closed(_) => true,
            State::Open(until) if now >= until => {
                *state = State::Probing(now);
                true
            }
            // A probe nobody heard of again must not keep the service away for ever.
            State::Probing(since) if now.saturating_duration_since(since) >= 4 * PAUSE => {
                *state = State::Probing(now);
                true
            }
            State::Open(_) | State::Probing(_) => false,
        }
    }

    /// A call on its way.
    pub fn trying(&self) -> Trying<'_> {
        Trying(self)
    }

    fn ended(&self, answered: bool, now: Instant) {
        let mut state = self.state();
        *state = match (*state, answered) {
            (_, true) => State::Closed(0),
            (State::Closed(failures), false) if failures + 1 < FAILURES => State::Closed(failures + 1),
            (State::Closed(_) | State::Probing(_), false) => State::Open(now + PAUSE),
            // Calls that began before the breaker opened.
            (open @ State::Open(_), false) => open,
        };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that was admitted. Dropped without an end it counts for nothing.
#[derive(Debug)]
pub struct Trying<'b>(&'b Breaker);

impl Trying<'_> {
    /// Notes whether the service answered.
    pub fn ended(self, answered: bool, now: Instant) {
        self.0.ended(answered, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, times: u32, now: Instant) {
        for _ in 0..times {
            assert!(breaker.admits(now));
            breaker.trying().ended(false, now);
        }
    }

    #[test]
    fn a_service_that_does_not_answer_is_left_alone_and_then_tried_once() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        fail(&breaker, FAILURES, now);
        assert!(!breaker.admits(now));
        let later = now + PAUSE;
        assert!(breaker.admits(later), "one goes to see");
        assert!(!breaker.admits(later), "and only one");
        breaker.trying().ended(false, later);
        assert!(!breaker.admits(later + PAUSE / 2), "it still does not answer");
        assert!(breaker.admits(later + PAUSE));
        breaker.trying().ended(true, later + PAUSE);
        assert!(
            breaker.admits(later + PAUSE) && breaker.admits(later + PAUSE),
            "it answers again"
        );
    }

    #[test]
    fn an_answer_in_between_counts_from_the_start() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        fail(&breaker, FAILURES - 1, now);
        breaker.trying().ended(true, now);
        fail(&breaker, FAILURES - 1, now);
        assert!(breaker.admits(now));
    }

    #[test]
    fn a_probe_that_was_given_up_is_followed_by_another() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        fail(&breaker, FAILURES, now);
        assert!(breaker.admits(now + PAUSE));
        assert!(!breaker.admits(now + 2 * PAUSE));
        assert!(breaker.admits(now + 5 * PAUSE));
    }

    #[test]
    fn calls_that_began_before_do_not_prolong_the_pause() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        fail(&breaker, FAILURES, now);
        breaker.trying().ended(false, now + PAUSE / 2);
        assert!(breaker.admits(now + PAUSE));
    }
}

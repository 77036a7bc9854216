//! The only reader of wall time.
//!
//! Everything that decides takes time as a parameter, so that a decision can be made again from its record. The rim of the
//! program (HTTP, command line) reads the clock once per request through [`Clock`] and passes the instant inwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// A source of the current instant: the system's clock, or one that a test sets by hand.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's wall clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `at` until [`Clock::set`] moves it.
    pub fn fixed(at: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(at.as_millisecond()))))
    }

    /// Moves a fixed clock; the system's clock cannot be moved and ignores this.
    pub fn set(&self, at: Timestamp) {
        if let Some(cell) = &self.0 {
            cell.store(at.as_millisecond(), Ordering::SeqCst);
        }
    }

    /// The current instant, cut to whole milliseconds: the precision of Cedar's `datetime` and of every record.
    pub fn now(&self) -> Timestamp {
        let millisecond = match &self.0 {
            Some(cell) => cell.load(Ordering::SeqCst),
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
            None => Timestamp::now().as_millisecond(),
        };
        Timestamp::from_millisecond(millisecond).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_by_hand() {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let clock = Clock::fixed(start);
        assert_eq!(clock.now(), start);
        let later = Timestamp::from_second(1_700_000_100).unwrap();
        clock.clone().set(later);
        assert_eq!(clock.now(), later);
    }

    #[test]
    fn the_system_clock_has_whole_milliseconds() {
        assert_eq!(Clock::system().now().subsec_nanosecond() % 1_000_000, 0);
    }
}

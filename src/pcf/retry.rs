//! When a delivery that failed is tried again: exponential, with jitter, and not for ever.
//!
//! The waits double from [`FIRST`] up to [`LONGEST`]; each is a random part between half of that and all of it, so that a partner
//! who comes back is not met by everyone at once. After [`ATTEMPTS`] attempts, about a day and a half, the delivery is given up and
//! lies with the dead letters.

use jiff::SignedDuration;

/// The wait after the first attempt, before jitter.
pub const FIRST: SignedDuration = SignedDuration::from_secs(15);

/// The longest wait, before jitter.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(4);

/// After how many attempts a delivery is given up.
pub const ATTEMPTS: u32 = 20;

/// How long to wait after the attempt of that number, counted from 1; nothing where it was the last. `dice` is a random number.
pub fn wait(attempt: u32, dice: u32) -> Option<SignedDuration> {
    let waits = Waits {
        first: FIRST,
        longest: LONGEST,
        attempts: ATTEMPTS,
    };
    waits.after(attempt, dice)
}

/// Waits between attempts at something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The wait after the first attempt, before jitter.
    pub first: SignedDuration,
    /// The longest wait, before jitter.
    pub longest: SignedDuration,
    /// After how many attempts it is given up.
    pub attempts: u32,
}

impl Waits {
    /// How long to wait after the attempt of that number, counted from 1; nothing where it was the last. `dice` is a random number.
    pub fn after(&self, attempt: u32, dice: u32) -> Option<SignedDuration> {
        if attempt >= self.attempts {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(20);
        let whole = (self.first.as_millis() << doublings).min(self.longest.as_millis());
        let half = whole / 2;
        let waited = half + half * i128::from(dice) / i128::from(u32::MAX);
        Some(SignedDuration::from_millis(i64::try_from(waited).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_wait_lies_between_half_and_all_of_its_bound(attempt in 1..ATTEMPTS, dice: u32) {
            let bound = |dice| wait(attempt, dice).unwrap();
            let waited = bound(dice);
            prop_assert!(bound(0) <= waited && waited <= bound(u32::MAX));
            prop_assert!(bound(u32::MAX) <= LONGEST);
            prop_assert!(bound(0) >= SignedDuration::from_millis(7_500));
        }

        #[test]
        fn waits_do_not_shrink(attempt in 1..ATTEMPTS - 1, dice: u32) {
            prop_assert!(wait(attempt, dice) <= wait(attempt + 1, dice));
        }

        #[test]
        fn the_last_attempt_is_the_last(beyond in ATTEMPTS.., dice: u32) {
            prop_assert_eq!(wait(beyond, dice), None);
        }
    }

    #[test]
    fn a_partner_has_more_than_a_day_to_come_back() {
        let least: SignedDuration = (1..ATTEMPTS).filter_map(|attempt| wait(attempt, 0)).sum();
        let most: SignedDuration = (1..ATTEMPTS).filter_map(|attempt| wait(attempt, u32::MAX)).sum();
        assert!(least > SignedDuration::from_hours(18), "{least:?}");
        assert!(most < SignedDuration::from_hours(48), "{most:?}");
    }
}

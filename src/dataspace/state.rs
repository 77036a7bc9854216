//! How tenants' connectors stand, for the operator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};

use crate::ids::{AgreementId, Digest, TenantId};
use crate::registry::ConnectorSettings;

/// How many agreements of a connector wait at most.
const MOST_WAITING: usize = 1_000;
/// How long an agreement waits before it is given up.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
/// How long after an agreement was looked at it is looked at again, the first time and at most.
const FIRST_PAUSE: i64 = 5;
const LONGEST_PAUSE: i64 = 600;

/// How one connector stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorState {
    /// Which connector that is. Of another one nothing is known yet.
    pub at: Option<ConnectorSettings>,
    /// The offers it was found to have, by the digest of what makes them.
    pub published: Option<Digest>,
    /// When it was last found registered and published to.
    pub settled: Option<Timestamp>,
    /// From when on agreements are asked for the next time.
    pub followed: Option<Timestamp>,
    /// The agreements of before that which are not on record yet.
    pub waiting: Waiting,
    /// The agreements retired here of which the connector was told.
    pub told: BTreeSet<AgreementId>,
    /// What is wrong.
    pub problem: Option<String>,
}

/// Agreements at a connector that are not on record yet: not final there, or not to be brought on record for now. Each is looked at
/// again in its own time, twice as long after each look, so that none keeps the others from being read once and for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting(BTreeMap<AgreementId, Wait>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wait {
    since: Timestamp,
    looked: u32,
    next: Timestamp,
}

/// What becomes of an agreement that is not on record yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Postponed {
    /// It waits from now on.
    First,
    /// It goes on waiting.
    Again,
    /// It has waited long enough: it is not looked at any more.
    GivenUp,
    /// Too many wait already, so it must be found anew.
    Full,
}

impl Waiting {
    /// Whether the agreement waits.
    pub fn has(&self, agreement: &AgreementId) -> bool {
        self.0.contains_key(agreement)
    }

    /// Those to look at, the longest overdue first.
    pub fn due(&self, now: Timestamp) -> Vec<AgreementId> {
        let mut due: Vec<_> = self.0.iter().filter(|(_, wait)| wait.next <= now).collect();
        due.sort_by_key(|(_, wait)| wait.next);
        due.into_iter().map(|(agreement, _)| agreement.clone()).collect()
    }

    /// Has the agreement wait.
    pub fn postpone(&mut self, agreement: &AgreementId, now: Timestamp) -> Postponed {
        let Some(wait) = self.0.get_mut(agreement) else {
            if self.0.len() >= MOST_WAITING {
                return Postponed::Full;
            }
            let wait = Wait {
                since: now,
                looked: 0,
                next: now + SignedDuration::from_secs(FIRST_PAUSE),
            };
            self.0.insert(agreement.clone(), wait);
            return Postponed::First;
        };
        if now.duration_since(wait.since) >= LONGEST {
            self.0.remove(agreement);
            return Postponed::GivenUp;
        }
        wait.looked = wait.looked.saturating_add(1);
        let pause = FIRST_PAUSE.saturating_mul(1 << wait.looked.min(16)).min(LONGEST_PAUSE);
        wait.next = now + SignedDuration::from_secs(pause);
        Postponed::Again
    }

    /// The agreement waits no longer.
    pub fn done(&mut self, agreement: &AgreementId) {
        self.0.remove(agreement);
    }
}

/// How all connectors stand. Forgotten with the process: everything is looked at again after a start.
#[derive(Debug, Default)]
pub struct Connectors(RwLock<BTreeMap<TenantId, ConnectorState>>);

impl Connectors {
    /// How the connector of `tenant` stands.
    pub fn state(&self, tenant: TenantId) -> ConnectorState {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&tenant).cloned().unwrap_or_default()
    }

    /// Notes how the connector of `tenant` stands.
    pub fn set(&self, tenant: TenantId, state: ConnectorState) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(tenant, state);
    }

    /// What is wrong with those that are not as they should be.
    pub fn problems(&self) -> Vec<(TenantId, String)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let problems = all
            .iter()
            .filter_map(|(tenant, state)| Some((*tenant, state.problem.clone()?)));
        problems.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreement(number: usize) -> AgreementId {
        format!("a-{number}").parse().unwrap()
    }

    #[test]
    fn what_waits_is_looked_at_less_and_less_and_given_up_after_a_day() {
        let mut waiting = Waiting::default();
        let begin = Timestamp::UNIX_EPOCH;
        let one = agreement(1);
        assert_eq!(waiting.postpone(&one, begin), Postponed::First);
        let (mut now, mut looks) = (begin, 0);
        let last = loop {
            now += SignedDuration::from_secs(1);
            if waiting.due(now).is_empty() {
                continue;
            }
            looks += 1;
            match waiting.postpone(&one, now) {
                Postponed::Again => {}
                other => break other,
            }
        };
        assert_eq!(last, Postponed::GivenUp);
        assert!((140..170).contains(&looks), "{looks}");
        assert!(now.duration_since(begin) < SignedDuration::from_hours(25));
        assert!(!waiting.has(&one));
    }

    #[test]
    fn only_so_many_wait_and_the_longest_overdue_is_first() {
        let mut waiting = Waiting::default();
        let now = |second| Timestamp::from_second(second).unwrap();
        for number in 0..MOST_WAITING {
            let second = i64::try_from(MOST_WAITING - number).unwrap();
            assert_eq!(waiting.postpone(&agreement(number), now(second)), Postponed::First);
        }
        assert_eq!(waiting.postpone(&agreement(MOST_WAITING), now(0)), Postponed::Full);
        assert_eq!(waiting.due(now(5_000))[0], agreement(MOST_WAITING - 1));
        waiting.done(&agreement(0));
        assert_eq!(waiting.postpone(&agreement(MOST_WAITING), now(0)), Postponed::First);
    }
}

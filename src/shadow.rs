//! A candidate bundle that answers along: what it would have said to real requests, before it is put in force.
//!
//! `serve --shadow DIR` loads a second bundle. Each question is answered under the bundle in force and recorded as ever; after
//! that the same question goes to the candidate, aside from the request, and the two decisions are compared as
//! [`replay`](crate::ledger::replay) does. Nothing of it reaches an answer. How many questions the candidate was asked, how many of
//! them it answered otherwise, and some of those by their record's id are put on record each hour and as the service stops, in the
//! platform's log; the candidate's files are kept beside the log. Where the machine has no room for it, questions are left out and
//! counted: a shadow never makes an answer wait.
//!
//! # Worked example
//!
//! A candidate forbids what one supplier's partner may fetch now. Of 12,000 questions of an hour 40 are that one; the record `shadow` says
//! `"asked": 12000, "changed": {"allow-to-deny": 40}` and names the records of the first of them. `tidegate replay --against DIR` then
//! explains each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::counter;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior};

use crate::bundle::Bundle;
use crate::clock::Clock;
use crate::decision::Decision;
use crate::engine;
use crate::ids::RecordId;
use crate::ledger::record::{MAX_SHADOW_IDS, RecordTime, Shadowed};
use crate::ledger::replay::Class;
use crate::ledger::{Entry, Event, Ledger, LogId, What};
use crate::question::Question;
use crate::telemetry;

/// How many questions may wait for the candidate.
const QUEUE: usize = 1024;

/// How often what was seen is put on record.
const EVERY: Duration = Duration::from_secs(3600);

/// A question, how it was answered, and the record of that.
struct Seen {
    question: Question,
    decision: Decision,
    record: RecordId,
}

/// The way to a candidate.
#[derive(Clone, Debug)]
pub struct Shadow {
    queue: mpsc::Sender<Seen>,
    left_out: Arc<AtomicU64>,
    end: Arc<Notify>,
}

impl Shadow {
    /// Asks `candidate` along from here on. Must be called within a tokio runtime.
    pub fn start(candidate: Bundle, ledger: Ledger, clock: Clock) -> Self {
        for class in Class::ALL {
            counter!(telemetry::SHADOW_CHANGES, "class" => class.name()).absolute(0);
        }
        let (queue, seen) = mpsc::channel(QUEUE);
        let left_out = Arc::<AtomicU64>::default();
        let end = Arc::<Notify>::default();
        let run = Run {
            candidate,
            ledger,
            left_out: Arc::clone(&left_out),
            counts: Counts::new(RecordTime::new(clock.now())),
            clock,
        };
        tokio::spawn(run.run(seen, Arc::clone(&end)));
        Self { queue, left_out, end }
    }

    /// Shows it a question that was answered and recorded. Never waits.
    pub fn see(&self, question: &Question, decision: &Decision, record: RecordId) {
        match self.queue.try_reserve() {
            Ok(place) => place.send(Seen {
                question: question.clone(),
                decision: decision.clone(),
                record,
            }),
            Err(_) => drop(self.left_out.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Lets it finish with what it was shown, and puts that on record.
    pub async fn close(&self) {
        self.end.notify_one();
        self.queue.closed().await;
    }
}

/// What was seen since it was last put on record.
struct Counts {
    since: RecordTime,
    asked: u64,
    changed: BTreeMap<Class, u64>,
    records: BTreeSet<RecordId>,
}

impl Counts {
    fn new(since: RecordTime) -> Self {
        Self {
            since,
            asked: 0,
            changed: BTreeMap::new(),
            records: BTreeSet::new(),
        }
    }

    fn count(&mut self, class: Option<Class>, record: RecordId) {
        self.asked += 1;
        let Some(class) = class else { return };
        *self.changed.entry(class).or_default() += 1;
        if self.records.len() < MAX_SHADOW_IDS {
            self.records.insert(record);
        }
    }
}

struct Run {
    candidate: Bundle,
    ledger: Ledger,
    left_out: Arc<AtomicU64>,
    counts: Counts,
    clock: Clock,
}

impl Run {
    async fn run(mut self, mut seen: mpsc::Receiver<Seen>, end: Arc<Notify>) {
        let mut hour = tokio::time::interval_at(Instant::now() + EVERY, EVERY);
        hour.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = end.notified() => break,
                _ = hour.tick() => self.record().await,
                next = seen.recv() => match next {
                    Some(next) => {
                        self.compare(&next);
                        // Requests go first.
                        tokio::task::yield_now().await;
                    }
                    None => break,
                },
            }
        }
        // What was shown before the end is still asked; then the channel is dropped, which `close` waits for.
        while let Ok(next) = seen.try_recv() {
            self.compare(&next);
            tokio::task::yield_now().await;
        }
        self.record().await;
    }

    fn compare(&mut self, seen: &Seen) {
        let now = engine::decide(&self.candidate, &seen.question);
        let class = Class::of(&seen.decision, &now);
        counter!(telemetry::SHADOW_ASKED).increment(1);
        if let Some(class) = class {
            counter!(telemetry::SHADOW_CHANGES, "class" => class.name()).increment(1);
        }
        self.counts.count(class, seen.record);
    }

    /// Puts what was seen on record. What cannot be is told with the next.
    async fn record(&mut self) {
        let left_out = self.left_out.load(Ordering::Relaxed);
        if self.counts.asked == 0 && left_out == 0 {
            return;
        }
        let now = RecordTime::new(self.clock.now());
        let counts = &self.counts;
        let changed = counts.changed.iter();
        let event = Event::Shadow(Shadowed {
            asked: counts.asked,
            bundle: self.candidate.digest,
            changed: changed
                .map(|(class, count)| (class.name().to_owned(), *count))
                .collect(),
            left_out,
            records: counts.records.clone(),
            since: counts.since,
        });
        let bodies = self.candidate.parts().map(|part| (part.digest, part.bytes)).collect();
        let entry = Entry {
            log: LogId::Platform,
            what: What::Event(event),
            bodies,
        };
        match self.ledger.append(entry).await {
            Ok(_) => {
                self.left_out.fetch_sub(left_out, Ordering::Relaxed);
                self.counts = Counts::new(now);
            }
            Err(error) => tracing::warn!(%error, "what the shadow bundle would have decided is not on record yet"),
        }
    }
}

//! Which witness is asked for which log, and when: values in, values out. Time is a parameter, counted from any beginning.
//!
//! Cosignatures count together only under one checkpoint. So each log has a *round*: one checkpoint, the newest as the round began,
//! which every witness is asked to cosign. A round makes place for the next, of the newest checkpoint then, once it has its quorum
//! or cannot come to one just now, and at least a second after it began.
//!
//! A witness that fails (down, slow, answering nonsense) rests, and then is asked for one log at a time until it answers; its queue
//! waits. One that refuses a log (it does not know it, say) is asked for that log again later, and for all others as before.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::super::record::LogId;
use super::super::signed::Note;

/// How many logs one witness is asked for at once.
const PLACES: usize = 16;

/// How long a round of a log takes at least, and how long a witness is not asked for a log again.
const PACE: Duration = Duration::from_secs(1);

/// How long a witness that failed rests, at first and at most.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long a witness is not asked for a log that it refused, at first and at most.
const REFUSED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// A point in time.
pub(super) type Moment = Duration;

/// A witness, by its place in the configuration.
pub(super) type Place = usize;

/// A witness to ask for a log.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    pub(super) log: LogId,
    pub(super) witness: Place,
    /// What it saw of the log, where that is known.
    pub(super) saw: Option<u64>,
    pub(super) note: Arc<Note>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Its cosignature, verified.
    Cosigned(String),
    /// It does not cosign this log; what it saw of it, where it said so.
    Refused(Option<u64>),
    /// It does not work.
    Failed,
}

/// A checkpoint with enough cosignatures; told again where one more comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) log: LogId,
    pub(super) size: u64,
    pub(super) note: String,
}

/// Pauses that double, up to a bound.
#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    failures: u32,
    until: Moment,
}

impl Pause {
    fn longer(&mut self, (least, most): (Duration, Duration), now: Moment, share: f64) {
        let whole = least.saturating_mul(1 << self.failures.min(16)).min(most);
        self.failures = self.failures.saturating_add(1);
        // Between a half and the whole of it: whoever failed together does not come back together.
        self.until = now + whole.mul_f64(0.5 + share / 2.0);
    }
}

#[derive(Debug, Default)]
struct Desk {
    queue: VecDeque<LogId>,
    busy: usize,
    rest: Pause,
}

impl Desk {
    fn has_place(&self, now: Moment) -> bool {
        let places = if self.rest.failures > 0 { 1 } else { PLACES };
        self.busy < places && now >= self.rest.until
    }
}

#[derive(Clone, Debug, Default)]
struct Seat {
    saw: Option<u64>,
    /// The size it is asked for now.
    busy: Option<u64>,
    queued: bool,
    /// When it may be asked again, a second after it was asked last.
    next: Moment,
    refused: Pause,
}

#[derive(Debug)]
struct Round {
    note: Arc<Note>,
    began: Moment,
    /// By the witnesses' places.
    lines: BTreeMap<Place, String>,
    /// When the log first grew beyond it.
    grown: Option<Moment>,
}

impl Round {
    fn new(note: &Arc<Note>, now: Moment) -> Self {
        let note = Arc::clone(note);
        Self {
            note,
            began: now,
            lines: BTreeMap::new(),
            grown: None,
        }
    }
}

/// A log of which something is left to cosign.
#[derive(Debug)]
struct Open {
    newest: Arc<Note>,
    /// Since when the log has had a checkpoint without its quorum.
    waiting: Option<Moment>,
    round: Round,
    seats: Vec<Seat>,
    /// When it is looked at again.
    due: Option<Moment>,
}

/// All logs of which something is left to cosign, and the witnesses.
#[derive(Debug)]
pub(super) struct Rounds {
    needed: usize,
    desks: Vec<Desk>,
    logs: HashMap<LogId, Open>,
    due: BTreeSet<(Moment, LogId)>,
    random: u64,
}

impl Rounds {
    /// So many of so many witnesses; `seed` sets how pauses differ.
    pub(super) fn new(needed: usize, witnesses: usize, seed: u64) -> Self {
        Self {
            needed,
            desks: std::iter::repeat_with(Desk::default).take(witnesses).collect(),
            logs: HashMap::new(),
            due: BTreeSet::new(),
            random: seed,
        }
    }

    /// A log was signed.
    pub(super) fn grown(&mut self, log: LogId, note: Arc<Note>, now: Moment) {
        let seats = self.desks.len();
        match self.logs.get_mut(&log) {
            Some(open) if open.newest.size >= note.size => return,
            Some(open) => {
                open.newest = note;
                open.waiting.get_or_insert(now);
                open.round.grown.get_or_insert(now);
            }
            None => {
                let open = Open {
                    round: Round::new(&note, now),
                    newest: note,
                    waiting: Some(now),
                    seats: vec![Seat::default(); seats],
                    due: None,
                };
                self.logs.insert(log, open);
            }
        }
        self.consider(log, now);
    }

    /// Whom to ask next, if there is anyone to ask now.
    pub(super) fn next(&mut self, now: Moment) -> Option<Sending> {
        while let Some((_, log)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.remind(log, None);
            self.consider(log, now);
        }
        for witness in 0..self.desks.len() {
            while let Some(desk) = self.desks.get_mut(witness).filter(|desk| desk.has_place(now)) {
                let Some(log) = desk.queue.pop_front() else { break };
                if let Some(sending) = take(&mut self.logs, log, witness, now) {
                    desk.busy += 1;
                    return Some(sending);
                }
            }
        }
        None
    }

    /// When there may be someone to ask, where nothing happens before.
    pub(super) fn due(&self) -> Option<Moment> {
        let resting = |desk: &&Desk| !desk.queue.is_empty() && desk.busy == 0;
        let rests = self.desks.iter().filter(resting).map(|desk| desk.rest.until);
        rests.chain(self.due.first().map(|(at, _)| *at)).min()
    }

    /// A witness answered.
    pub(super) fn answered(&mut self, sending: &Sending, answer: Answer, now: Moment) -> Option<Reached> {
        let (share, second) = (self.share(), self.share());
        let needed = self.needed;
        if let Some(desk) = self.desks.get_mut(sending.witness) {
            desk.busy = desk.busy.saturating_sub(1);
            match answer {
                Answer::Cosigned(_) | Answer::Refused(_) => desk.rest = Pause::default(),
                // Of those that were under way as it began to fail, one counts.
                Answer::Failed if now >= desk.rest.until => desk.rest.longer(REST, now, share),
                Answer::Failed => {}
            }
        }
        let open = self.logs.get_mut(&sending.log)?;
        let seat = open.seats.get_mut(sending.witness)?;
        seat.busy = None;
        let mut reached = None;
        match answer {
            Answer::Cosigned(line) => {
                (seat.saw, seat.refused) = (Some(sending.note.size), Pause::default());
                if open.round.note == sending.note {
                    open.round.lines.insert(sending.witness, line);
                    reached = (open.round.lines.len() >= needed).then(|| open.reached(sending.log));
                }
            }
            Answer::Refused(saw) => {
                seat.saw = saw.or(seat.saw);
                seat.refused.longer(REFUSED, now, second);
            }
            Answer::Failed => seat.refused.longer(REST, now, second),
        }
        self.consider(sending.log, now);
        reached
    }

    /// For how long the log that has waited longest has had a checkpoint without its quorum.
    pub(super) fn lag(&self, now: Moment) -> Option<Duration> {
        let first = self.logs.values().filter_map(|open| open.waiting).min();
        first.map(|since| now.saturating_sub(since))
    }

    /// How many logs have a checkpoint without its quorum.
    pub(super) fn waiting(&self) -> usize {
        self.logs.values().filter(|open| open.waiting.is_some()).count()
    }

    /// Begins the next round of a log where it is time, and queues it for those who are to be asked.
    fn consider(&mut self, log: LogId, now: Moment) {
        let Some(open) = self.logs.get_mut(&log) else { return };
        let (pace, settled) = (open.round.began + PACE, open.is_settled(self.needed, &self.desks));
        let mut behind = open.newest.size > open.round.note.size;
        if behind && settled && now >= pace {
            open.round = Round::new(&open.newest, now);
            behind = false;
        }
        let pace = open.round.began + PACE;
        let mut next = (behind && settled).then_some(pace);
        if !behind && open.round.lines.len() == open.seats.len() {
            // Nothing is left to do; but who was asked just now is still not to be asked again.
            let asked = open.seats.iter().map(|seat| seat.next).fold(pace, Moment::max);
            if now >= asked {
                self.remind(log, None);
                self.logs.remove(&log);
                return;
            }
            next = Some(asked);
        }
        for (witness, (seat, desk)) in open.seats.iter_mut().zip(&mut self.desks).enumerate() {
            if open.round.lines.contains_key(&witness) || seat.busy.is_some() || seat.queued {
                continue;
            }
            let from = seat.refused.until.max(seat.next);
            if now >= from {
                seat.queued = true;
                desk.queue.push_back(log);
            } else {
                next = Some(next.map_or(from, |next| next.min(from)));
            }
        }
        self.remind(log, next);
    }

    /// Sets when a log is looked at again.
    fn remind(&mut self, log: LogId, next: Option<Moment>) {
        let Some(open) = self.logs.get_mut(&log) else { return };
        if let Some(before) = std::mem::replace(&mut open.due, next) {
            self.due.remove(&(before, log));
        }
        self.due.extend(next.map(|at| (at, log)));
    }

    /// A number from 0 up to 1 (splitmix64).
    fn share(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = mixed ^ (mixed >> 31);
        f64::from(u32::try_from(mixed >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }
}

impl Open {
    /// Whether its round has its quorum, or cannot come to one just now.
    fn is_settled(&self, needed: usize, desks: &[Desk]) -> bool {
        let lines = self.round.lines.len();
        let coming = |(seat, desk): &(&Seat, &Desk)| {
            seat.busy == Some(self.round.note.size) || (seat.queued && desk.rest.failures == 0)
        };
        lines >= needed || lines + self.seats.iter().zip(desks).filter(coming).count() < needed
    }

    /// Its round has its quorum.
    fn reached(&mut self, log: LogId) -> Reached {
        self.waiting = self.round.grown;
        let lines = self.round.lines.values().map(String::as_str);
        let note = std::iter::once(self.round.note.text.as_str()).chain(lines).collect();
        let size = self.round.note.size;
        Reached { log, size, note }
    }
}

/// What is sent to a witness for a log, where there still is something.
fn take(logs: &mut HashMap<LogId, Open>, log: LogId, witness: Place, now: Moment) -> Option<Sending> {
    let open = logs.get_mut(&log)?;
    let seat = open.seats.get_mut(witness)?;
    seat.queued = false;
    if open.round.lines.contains_key(&witness) {
        return None;
    }
    (seat.busy, seat.next) = (Some(open.round.note.size), now + PACE);
    let (saw, note) = (seat.saw, Arc::clone(&open.round.note));
    Some(Sending {
        log,
        witness,
        saw,
        note,
    })
}

#[cfg(test)]
mod tests;

//! The laws of rounds, held against witnesses that answer, refuse and fail at any time.

use proptest::prelude::*;

use super::*;

const LOGS: [&str; 3] = ["platform", "BPNL00000000000A", "BPNL00000000000B"];

fn log(number: usize) -> LogId {
    LOGS[number % LOGS.len()].parse().unwrap()
}

fn note(size: u64) -> Arc<Note> {
    let text = format!("{size}\n");
    Arc::new(Note { size, text })
}

fn ms(count: u64) -> Moment {
    Duration::from_millis(count)
}

/// Takes all that can be asked now.
fn asked(rounds: &mut Rounds, now: Moment) -> Vec<Sending> {
    std::iter::from_fn(|| rounds.next(now)).collect()
}

fn sizes(sendings: &[Sending]) -> Vec<(Place, u64)> {
    sendings
        .iter()
        .map(|sending| (sending.witness, sending.note.size))
        .collect()
}

fn line(sending: &Sending) -> Answer {
    Answer::Cosigned(format!("{} of {}\n", sending.witness, sending.note.size))
}

#[test]
fn a_checkpoint_is_reached_once_enough_cosigned_it_and_told_again_with_each_that_follows() {
    let mut rounds = Rounds::new(2, 3, 1);
    rounds.grown(log(0), note(7), ms(0));
    let all = asked(&mut rounds, ms(0));
    assert_eq!(sizes(&all), [(0, 7), (1, 7), (2, 7)]);
    assert_eq!(rounds.lag(ms(400)), Some(ms(400)));
    assert_eq!(rounds.answered(&all[2], line(&all[2]), ms(10)), None);
    let reached = rounds.answered(&all[0], line(&all[0]), ms(20)).unwrap();
    assert_eq!((reached.size, reached.note.as_str()), (7, "7\n0 of 7\n2 of 7\n"));
    assert_eq!((rounds.lag(ms(400)), rounds.waiting()), (None, 0));
    let more = rounds.answered(&all[1], line(&all[1]), ms(30)).unwrap();
    assert_eq!(more.note, "7\n0 of 7\n1 of 7\n2 of 7\n");
}

#[test]
fn a_log_that_grows_all_the_time_is_sent_once_a_second_and_its_newest_checkpoint_only() {
    let mut rounds = Rounds::new(1, 1, 1);
    let mut sent = Vec::new();
    for tick in 0..300 {
        let now = ms(tick * 10);
        rounds.grown(log(0), note(tick + 1), now);
        for sending in asked(&mut rounds, now) {
            sent.push(sending.note.size);
            rounds.answered(&sending, line(&sending), now);
        }
    }
    assert_eq!(sent, [1, 101, 201]);
}

#[test]
fn a_witness_that_is_down_keeps_no_log_from_the_others_and_signs_the_newest_once_it_is_back() {
    let mut rounds = Rounds::new(2, 2, 1);
    let (mut now, mut size) = (ms(0), 0);
    let mut tries = 0;
    while now < ms(60_000) {
        size += 1;
        rounds.grown(log(0), note(size), now);
        for sending in asked(&mut rounds, now) {
            match sending.witness {
                0 => assert_eq!(rounds.answered(&sending, line(&sending), now), None),
                _ => {
                    tries += 1;
                    rounds.answered(&sending, Answer::Failed, now);
                }
            }
        }
        now += ms(500);
    }
    assert!((5..12).contains(&tries), "it is left alone longer each time: {tries}");
    assert_eq!(rounds.lag(now), Some(ms(60_000)));
    // From now on it answers.
    let mut reached = None;
    while reached.is_none() && now < ms(200_000) {
        for sending in asked(&mut rounds, now) {
            reached = rounds.answered(&sending, line(&sending), now).or(reached);
        }
        now += ms(500);
    }
    assert_eq!(reached.unwrap().size, size);
    assert_eq!(rounds.waiting(), 0);
}

#[test]
fn a_witness_that_comes_late_into_a_round_is_not_asked_again_within_a_second() {
    let mut rounds = Rounds::new(1, 2, 1);
    let mut late = Vec::new();
    for tick in 0..600 {
        let now = ms(tick * 10);
        rounds.grown(log(0), note(tick + 1), now);
        for sending in asked(&mut rounds, now) {
            let answer = match sending.witness {
                1 => {
                    late.push(now);
                    if late.len() == 1 {
                        Answer::Failed
                    } else {
                        line(&sending)
                    }
                }
                _ => line(&sending),
            };
            rounds.answered(&sending, answer, now);
        }
    }
    assert!(late.len() > 4, "{late:?}");
    assert!(late.windows(2).all(|pair| pair[1] >= pair[0] + PACE), "{late:?}");
}

#[test]
fn a_witness_that_was_the_last_to_cosign_is_not_asked_again_within_a_second() {
    let mut rounds = Rounds::new(1, 1, 1);
    rounds.grown(log(0), note(1), ms(0));
    let first = asked(&mut rounds, ms(0));
    rounds.answered(&first[0], Answer::Refused(None), ms(0));
    let again = asked(&mut rounds, ms(6_000));
    rounds.answered(&again[0], line(&again[0]), ms(6_000));
    rounds.grown(log(0), note(2), ms(6_000));
    assert!(asked(&mut rounds, ms(6_999)).is_empty());
    assert_eq!(sizes(&asked(&mut rounds, ms(7_000))), [(0, 2)]);
}

#[test]
fn a_witness_that_is_down_is_asked_for_one_log_at_a_time() {
    let mut rounds = Rounds::new(1, 1, 1);
    for number in 0..3 {
        rounds.grown(log(number), note(1), ms(0));
    }
    let all = asked(&mut rounds, ms(0));
    assert_eq!(all.len(), 3);
    for sending in &all {
        rounds.answered(sending, Answer::Failed, ms(1));
    }
    assert!(asked(&mut rounds, ms(2)).is_empty());
    // Three that were under way failed; that is one failure of the witness.
    let due = rounds.due().unwrap();
    assert!((ms(500)..=ms(1_001)).contains(&due), "{due:?}");
    let probe = asked(&mut rounds, ms(1_001));
    assert_eq!(probe.len(), 1);
    rounds.answered(&probe[0], line(&probe[0]), ms(1_002));
    assert_eq!(
        asked(&mut rounds, ms(3_000)).len(),
        2,
        "it answers again: all that wait"
    );
}

#[test]
fn a_log_that_a_witness_does_not_know_is_asked_for_again_later_and_keeps_no_other_waiting() {
    let mut rounds = Rounds::new(1, 1, 1);
    rounds.grown(log(0), note(1), ms(0));
    let first = asked(&mut rounds, ms(0));
    rounds.answered(&first[0], Answer::Refused(None), ms(0));
    rounds.grown(log(1), note(1), ms(1));
    rounds.grown(log(0), note(2), ms(1));
    let next = asked(&mut rounds, ms(1));
    assert_eq!(next.iter().map(|sending| sending.log).collect::<Vec<_>>(), [log(1)]);
    assert!(asked(&mut rounds, ms(2_000)).is_empty());
    let later = asked(&mut rounds, ms(5_001));
    assert_eq!(sizes(&later), [(0, 2)], "the newest");
}

#[test]
fn two_witnesses_with_long_queues_still_meet_under_one_checkpoint() {
    // Each answers one at a time and takes 700 ms for it, while three logs grow all the time.
    let mut rounds = Rounds::new(2, 2, 1);
    let mut working: [Option<(Moment, Sending)>; 2] = [None, None];
    let mut waiting: [VecDeque<Sending>; 2] = Default::default();
    let mut reached = BTreeMap::new();
    for tick in 0..2_000 {
        let now = ms(tick * 20);
        for number in 0..3 {
            rounds.grown(log(number), note(tick + 1), now);
        }
        asked(&mut rounds, now)
            .into_iter()
            .for_each(|sending| waiting[sending.witness].push_back(sending));
        for (working, waiting) in working.iter_mut().zip(&mut waiting) {
            if let Some((_, sending)) = working.take_if(|(until, _)| *until <= now)
                && let Some(found) = rounds.answered(&sending, line(&sending), now)
            {
                *reached.entry(found.log).or_insert(0) += 1;
            }
            if working.is_none() {
                *working = waiting.pop_front().map(|sending| (now + ms(700), sending));
            }
        }
    }
    assert!(
        reached.len() == 3 && reached.values().all(|count| *count > 8),
        "{reached:?}"
    );
}

#[test]
fn a_hundred_thousand_logs_have_their_turn_with_few_under_way_at_once() {
    let mut rounds = Rounds::new(2, 2, 1);
    let each = |number: u32| format!("BPNL{number:012}").parse().unwrap();
    for number in 0..100_000 {
        rounds.grown(each(number), note(1), ms(0));
    }
    let (mut reached, mut under_way) = (0, VecDeque::new());
    loop {
        under_way.extend(asked(&mut rounds, ms(1)));
        assert!(under_way.len() <= 2 * PLACES);
        let Some(sending) = under_way.pop_front() else { break };
        reached += usize::from(rounds.answered(&sending, line(&sending), ms(1)).is_some());
    }
    assert_eq!((reached, rounds.waiting()), (100_000, 0));
    // And none is kept in memory once its second is over.
    assert!(asked(&mut rounds, ms(2_000)).is_empty() && rounds.logs.is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Grows(usize),
    Answers(prop::sample::Index, u8),
    Passes(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..LOGS.len()).prop_map(Step::Grows),
        (any::<prop::sample::Index>(), 0_u8..4).prop_map(|(which, how)| Step::Answers(which, how)),
        (0_u64..3_000).prop_map(Step::Passes),
    ]
}

/// What must hold whatever happens.
#[derive(Default)]
struct Laws {
    under_way: Vec<Sending>,
    sent: HashMap<(LogId, Place), (u64, Moment)>,
}

impl Laws {
    fn ask(&mut self, rounds: &mut Rounds, now: Moment) {
        for sending in asked(rounds, now) {
            let (log, witness, size) = (sending.log, sending.witness, sending.note.size);
            let twice = |other: &Sending| (other.log, other.witness) == (log, witness);
            assert!(!self.under_way.iter().any(twice), "asked twice at once");
            if let Some((before, then)) = self.sent.insert((log, witness), (size, now)) {
                assert!(before <= size, "an older checkpoint after a newer one");
                assert!(now >= then + PACE, "asked for a log twice within a second");
            }
            self.under_way.push(sending);
            let busy = self.under_way.iter().filter(|other| other.witness == witness).count();
            assert!(busy <= PLACES, "too many at once");
        }
    }

    fn answer(rounds: &mut Rounds, needed: usize, sending: &Sending, answer: Answer, now: Moment) {
        if let Some(reached) = rounds.answered(sending, answer, now) {
            let lines: Vec<_> = reached.note.lines().collect();
            assert_eq!(lines[0], reached.size.to_string());
            assert!(lines.len() > needed, "{lines:?}");
            let of = format!("of {}", reached.size);
            assert!(
                lines[1..].iter().all(|line| line.ends_with(&of)),
                "lines of one checkpoint: {lines:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_witnesses_do_the_laws_hold_and_once_they_answer_all_is_cosigned(
        needed in 1_usize..=3, seed in any::<u64>(), steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut rounds = Rounds::new(needed, 3, seed);
        let (mut laws, mut now, mut size) = (Laws::default(), ms(0), 0);
        for step in steps {
            match step {
                Step::Grows(number) => {
                    size += 1;
                    rounds.grown(log(number), note(size), now);
                }
                Step::Passes(by) => now += ms(by),
                Step::Answers(which, how) if !laws.under_way.is_empty() => {
                    let at = which.index(laws.under_way.len());
                    let sending = laws.under_way.swap_remove(at);
                    let answer = match how {
                        0 => Answer::Failed,
                        1 => Answer::Refused(Some(sending.note.size)),
                        _ => line(&sending),
                    };
                    Laws::answer(&mut rounds, needed, &sending, answer, now);
                }
                Step::Answers(..) => {}
            }
            laws.ask(&mut rounds, now);
        }
        // From now on everyone answers, and nothing grows.
        for _ in 0..200 {
            for sending in std::mem::take(&mut laws.under_way) {
                let answer = line(&sending);
                Laws::answer(&mut rounds, needed, &sending, answer, now);
            }
            laws.ask(&mut rounds, now);
            if let (true, Some(due)) = (laws.under_way.is_empty(), rounds.due()) {
                now = now.max(due);
                laws.ask(&mut rounds, now);
            }
        }
        prop_assert_eq!(rounds.waiting(), 0);
        prop_assert!(rounds.logs.is_empty() && rounds.due.is_empty(), "nothing is left: {:?}", rounds);
    }
}

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_600_000 + second).unwrap()
}

pub(super) fn flow(id: &str, side: Side) -> Flow {
    Flow::new(Beginning {
        tenant: "BPNL000000000DWF".parse().unwrap(),
        id: id.parse().unwrap(),
        side,
        partner: "BPNL00000000C3EF".parse().unwrap(),
        agreement: "a-1".parse().unwrap(),
        asset: "asset-1".parse().unwrap(),
        profile: "HttpData-PULL".into(),
        connector: "connector".parse().unwrap(),
        dialect: Dialect::Dps,
        begun_by: Digest::of(id.as_bytes()),
        begun_at: at(0),
    })
}

fn issued(number: i64) -> Issued {
    Issued {
        id: format!("{number:02x}"),
        expires: at(number + 300),
    }
}

#[test]
fn the_table_of_states() {
    use State::{Completed, Prepared, Started, Suspended, Terminated};
    let table = [
        // started, suspend, resume, terminate, completed
        (Prepared, [Some(Started), None, None, Some(Terminated), None]),
        (
            Started,
            [
                Some(Started),
                Some(Suspended),
                Some(Started),
                Some(Terminated),
                Some(Completed),
            ],
        ),
        (
            Suspended,
            [None, Some(Suspended), Some(Started), Some(Terminated), None],
        ),
        (Completed, [None, None, None, None, Some(Completed)]),
        (Terminated, [None, None, None, Some(Terminated), None]),
    ];
    for (from, row) in table {
        for (verb, to) in Verb::ALL.into_iter().zip(row) {
            let mut flow = flow("f", Side::Provider);
            flow.state = from;
            let before = flow.clone();
            match to {
                Some(to) => {
                    assert_eq!(flow.apply(verb), Ok(from != to), "{from:?} {verb:?}");
                    assert_eq!(flow.state, to, "{from:?} {verb:?}");
                }
                None => {
                    assert_eq!(flow.apply(verb), Err(Misfit { verb, state: from }));
                    assert_eq!(flow, before, "what does not fit changes nothing");
                }
            }
        }
    }
    assert_eq!(table.map(|(state, _)| state), State::ALL);
}

#[test]
fn a_refresh_token_is_good_until_the_one_given_for_it_is_used() {
    let mut flow = flow("f", Side::Provider);
    let first = flow.first_refresh();
    let worth = |flow: &Flow| [0, 1, 2, 3].map(|number| flow.worth(first + number));
    assert!(flow.renews(first));
    assert_eq!(flow.next_refresh(), first + 1);
    // The answer was lost, or two asked at once: the same is given again.
    assert!(flow.renews(first));
    assert_eq!(flow.next_refresh(), first + 1);
    assert_eq!(worth(&flow), [Worth::Good, Worth::Good, Worth::Nothing, Worth::Nothing]);
    assert!(flow.renews(first + 1));
    assert_eq!(worth(&flow), [Worth::Spent, Worth::Good, Worth::Good, Worth::Nothing]);
    assert!(!flow.renews(first), "the new one was used");
    assert!(!flow.renews(first + 3), "it was never given");
    assert!(flow.renews(first + 1) && flow.renews(first + 2));
    // A break ends none, for EDC 0.18 does not pass on what is given after it; but nothing is renewed in it.
    flow.apply(Verb::Suspend).unwrap();
    assert_eq!(worth(&flow), [Worth::Nothing; 4]);
    flow.apply(Verb::Resume).unwrap();
    assert_eq!(worth(&flow), [Worth::Spent, Worth::Spent, Worth::Good, Worth::Good]);
    assert_eq!(
        flow.next_refresh(),
        first + 3,
        "what is given after it is none that was used"
    );
    flow.end_tokens();
    assert_eq!(worth(&flow), [Worth::Nothing; 4]);
    assert!(flow.first_refresh() > first + 3 && flow.renews(flow.first_refresh()));
}

#[test]
fn tokens_past_their_end_are_not_kept_and_no_more_than_a_few() {
    let mut flow = flow("f", Side::Provider);
    for number in 0..1000 {
        assert!(flow.issue(issued(number), at(number)));
        assert!(flow.tokens.len() <= MAX_TOKENS);
    }
    assert!(!flow.accepts(&issued(999 - MAX_TOKENS as i64).id) && flow.accepts(&issued(999).id));
    assert!(flow.issue(issued(5000), at(5000)));
    assert_eq!(flow.tokens.len(), 1);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Say(Verb),
    Issue,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        proptest::sample::select(&Verb::ALL[..]).prop_map(Step::Say),
        Just(Step::Issue),
    ]
}

proptest! {
    /// Whatever is said in whatever order: a token is good only while its flow has been started without a break since it was issued,
    /// and a refresh token only while its flow is started.
    #[test]
    fn no_order_of_messages_leaves_a_good_token_with_a_flow_that_is_not_started(
        consumer: bool, steps in proptest::collection::vec(step(), 0..40)
    ) {
        let mut flow = flow("f", if consumer { Side::Consumer } else { Side::Provider });
        // Those that may still be good: all that were issued since the flow last left STARTED.
        let mut alive: Vec<String> = Vec::new();
        let mut every: Vec<String> = Vec::new();
        // The refresh tokens that were given, and those that were when the flow ended.
        let (mut refresh, mut ended): (Vec<u64>, Vec<u64>) = Default::default();
        for (number, step) in (0_i64..).zip(&steps) {
            match step {
                Step::Say(verb) => { let _ = flow.apply(*verb); }
                Step::Issue => {
                    let token = issued(number);
                    let taken = flow.issue(token.clone(), at(number));
                    prop_assert_eq!(taken, flow.state == State::Started);
                    every.push(token.id.clone());
                    if taken {
                        alive.push(token.id);
                        let oldest = alive.len().saturating_sub(MAX_TOKENS);
                        alive.drain(..oldest);
                        refresh.push(flow.first_refresh());
                    }
                }
            }
            if flow.state != State::Started {
                alive.clear();
            }
            if flow.state.is_final() {
                ended.append(&mut refresh);
            }
            if flow.state != State::Started {
                prop_assert_eq!(flow.worth(flow.first_refresh()), Worth::Nothing);
            }
            for id in &every {
                prop_assert_eq!(flow.accepts(id), alive.contains(id), "{} after {:?}", id, &steps);
            }
            for number in &ended {
                prop_assert_eq!(flow.worth(*number), Worth::Nothing, "{} after {:?}", number, &steps);
            }
        }
    }

    /// What is over stays over.
    #[test]
    fn a_final_state_is_final(steps in proptest::collection::vec(step(), 0..20)) {
        for last in [Verb::Terminate, Verb::Completed] {
            let mut flow = flow("f", Side::Provider);
            flow.apply(last).unwrap();
            let state = flow.state;
            for step in &steps {
                match step {
                    Step::Say(verb) => { let _ = flow.apply(*verb); }
                    Step::Issue => prop_assert!(!flow.issue(issued(1), at(1))),
                }
                prop_assert_eq!(flow.state, state);
            }
        }
    }
}

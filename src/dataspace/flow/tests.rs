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
    let [a, b, c] = ["a", "b", "c"].map(|text| Digest::of(text.as_bytes()));
    assert!(flow.issue(issued(1), a, at(1)));
    assert!(flow.renews(a) && flow.issue(issued(2), b, at(2)));
    // The answer with `b` was lost: `a` is good again, and what it gives takes the place of `b`.
    assert!(flow.renews(a) && flow.issue(issued(3), c, at(3)));
    assert!(!flow.renews(b));
    assert!(flow.renews(c));
    assert!(!flow.renews(a), "the new one was used");
    assert!(flow.renews(c));
}

#[test]
fn tokens_past_their_end_are_not_kept() {
    let mut flow = flow("f", Side::Provider);
    for number in 0..1000 {
        assert!(flow.issue(issued(number), Digest::ZERO, at(number)));
    }
    assert!(flow.tokens.len() <= 301, "{}", flow.tokens.len());
    assert!(!flow.accepts("00") && flow.accepts(&issued(999).id));
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
    /// Whatever is said in whatever order: a token is good only while its flow has been started without a break since it was issued.
    #[test]
    fn no_order_of_messages_leaves_a_good_token_with_a_flow_that_is_not_started(
        consumer: bool, steps in proptest::collection::vec(step(), 0..40)
    ) {
        let mut flow = flow("f", if consumer { Side::Consumer } else { Side::Provider });
        // Those that may still be good: all that were issued since the flow last left STARTED.
        let mut alive: Vec<String> = Vec::new();
        let mut every: Vec<String> = Vec::new();
        for (number, step) in (0_i64..).zip(&steps) {
            match step {
                Step::Say(verb) => { let _ = flow.apply(*verb); }
                Step::Issue => {
                    let token = issued(number);
                    let taken = flow.issue(token.clone(), Digest::of(token.id.as_bytes()), at(number));
                    prop_assert_eq!(taken, flow.state == State::Started);
                    every.push(token.id.clone());
                    if taken { alive.push(token.id); }
                }
            }
            if flow.state != State::Started { alive.clear(); }
            for id in &every {
                prop_assert_eq!(flow.accepts(id), alive.contains(id), "{} after {:?}", id, &steps);
                let renews = flow.clone().renews(Digest::of(id.as_bytes()));
                prop_assert!(!renews || alive.contains(id));
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
                    Step::Issue => prop_assert!(!flow.issue(issued(1), Digest::ZERO, at(1))),
                }
                prop_assert_eq!(flow.state, state);
            }
        }
    }
}

//! The two state machines against the protocol's pictures, and what no sequence of messages may do.

use proptest::prelude::*;

use crate::dev::connector::course::{Course, Machine, Role};
use crate::dev::connector::negotiation::{Negotiation, NegotiationStep as Step};
use crate::dev::connector::transfer::{Transfer, TransferStep};

const ROLES: [Role; 2] = [Role::Consumer, Role::Provider];

#[test]
fn a_negotiation_goes_only_where_the_protocol_lets_it() {
    use Negotiation::{Accepted, Agreed, Finalized, Offered, Requested, Terminated, Verified};
    use Role::{Consumer, Provider};
    let mut legal = vec![
        (None, Consumer, Step::Request, Requested),
        (None, Provider, Step::Offer, Offered),
        (Some(Requested), Provider, Step::Offer, Offered),
        (Some(Requested), Provider, Step::Agree, Agreed),
        (Some(Offered), Consumer, Step::Request, Requested),
        (Some(Offered), Consumer, Step::Accept, Accepted),
        (Some(Accepted), Provider, Step::Agree, Agreed),
        (Some(Agreed), Consumer, Step::Verify, Verified),
        (Some(Verified), Provider, Step::Finalize, Finalized),
    ];
    for state in [Requested, Offered, Accepted, Agreed, Verified] {
        legal.extend(ROLES.map(|role| (Some(state), role, Step::Terminate, Terminated)));
    }
    let states = [None].into_iter().chain(Negotiation::ALL.map(Some));
    for at in states {
        for by in ROLES {
            for step in Step::ALL {
                let expected = legal
                    .iter()
                    .find(|(from, who, what, _)| (*from, *who, *what) == (at, by, step));
                let expected = expected.map(|(_, _, _, to)| *to);
                assert_eq!(Negotiation::after(at, by, step), expected, "{at:?} {by:?} {step}");
            }
        }
    }
}

#[test]
fn a_transfer_goes_only_where_the_protocol_lets_it() {
    use Role::{Consumer, Provider};
    use Transfer::{Completed, Requested, Started, Suspended, Terminated};
    use TransferStep::{Complete, Request, Start, Suspend, Terminate};
    let mut legal = vec![
        (None, Consumer, Request, Requested),
        (Some(Requested), Provider, Start, Started),
    ];
    for by in ROLES {
        legal.push((Some(Suspended), by, Start, Started));
        legal.push((Some(Started), by, Suspend, Suspended));
        legal.push((Some(Started), by, Complete, Completed));
        legal.extend([Requested, Started, Suspended].map(|state| (Some(state), by, Terminate, Terminated)));
    }
    let states = [None].into_iter().chain(Transfer::ALL.map(Some));
    for at in states {
        for by in ROLES {
            for step in TransferStep::ALL {
                let expected = legal
                    .iter()
                    .find(|(from, who, what, _)| (*from, *who, *what) == (at, by, step));
                let expected = expected.map(|(_, _, _, to)| *to);
                assert_eq!(Transfer::after(at, by, step), expected, "{at:?} {by:?} {step}");
            }
        }
    }
}

#[test]
fn an_answer_may_overtake_the_acknowledgement_it_implies() {
    let mut provider = Course::default();
    provider.receive(Role::Consumer, Step::Request).unwrap();
    let agreed = provider.send(Role::Provider, Step::Agree).unwrap();
    assert_eq!(
        provider.state(),
        Some(Negotiation::Requested),
        "not agreed before the other side said so"
    );
    assert_eq!(
        provider.receive(Role::Consumer, Step::Verify),
        Ok(Negotiation::Verified)
    );
    assert!(
        !provider.acknowledge(agreed),
        "the acknowledgement comes late and changes nothing"
    );
    assert_eq!(provider.state(), Some(Negotiation::Verified));
}

#[test]
fn a_message_that_was_refused_leaves_no_trace_and_an_illegal_one_changes_nothing() {
    let mut course = Course::default();
    course.receive(Role::Consumer, Step::Request).unwrap();
    let agreed = course.send(Role::Provider, Step::Agree).unwrap();
    course.withdraw(agreed);
    let before = course;
    let illegal = course.receive(Role::Consumer, Step::Verify).unwrap_err();
    assert_eq!(
        illegal.to_string(),
        "a ContractAgreementVerificationMessage of the consumer is not legal in the state REQUESTED"
    );
    assert_eq!(course, before);
    assert_eq!(
        course.receive(Role::Consumer, Step::Terminate),
        Ok(Negotiation::Terminated)
    );
    let over = course;
    for by in ROLES {
        for step in Step::ALL {
            assert!(course.receive(by, step).is_err() && course.send(by, step).is_err());
        }
    }
    assert_eq!(course, over);
}

/// Something that happens to one side of a negotiation.
#[derive(Clone, Copy, Debug)]
enum Event {
    Received(Step),
    Sent(Step),
    Acknowledged,
    Withdrawn,
}

fn event() -> impl Strategy<Value = Event> {
    let step = prop::sample::select(&Step::ALL[..]);
    prop_oneof![
        4 => step.clone().prop_map(Event::Received),
        4 => step.prop_map(Event::Sent),
        2 => Just(Event::Acknowledged),
        1 => Just(Event::Withdrawn),
    ]
}

proptest! {
    #[test]
    fn nothing_is_final_without_an_agreement_sent_and_verified(
        provider in any::<bool>(),
        events in prop::collection::vec(event(), 0..60),
    ) {
        let role = if provider { Role::Provider } else { Role::Consumer };
        let mut course: Course<Negotiation> = Course::default();
        let (mut last, mut taken) = (None, Vec::new());
        for event in events {
            let state = course.state();
            match event {
                Event::Received(step) => {
                    if course.receive(role.other(), step).is_ok() {
                        taken.push((role.other(), step));
                    }
                }
                Event::Sent(step) => {
                    if let Ok(state) = course.send(role, step) {
                        taken.push((role, step));
                        last = Some(state);
                    }
                }
                Event::Acknowledged => drop(last.map(|state| course.acknowledge(state))),
                Event::Withdrawn => {
                    if let Some(state) = last {
                        course.withdraw(state);
                    }
                }
            }
            // What is over stays as it is.
            if state.is_some_and(Negotiation::is_over) {
                prop_assert_eq!(course.state(), state);
            }
        }
        if course.state() == Some(Negotiation::Finalized) {
            let place = |by, step| taken.iter().position(|told| *told == (by, step));
            let (agreed, verified) = (place(Role::Provider, Step::Agree), place(Role::Consumer, Step::Verify));
            let finalized = taken.iter().rposition(|told| *told == (Role::Provider, Step::Finalize));
            prop_assert!(agreed.is_some() && agreed < verified && verified < finalized, "{:?}", taken);
        }
    }

    /// Two sides over a line that keeps order and delays at will: what one has finalized, the other verified or finalized.
    #[test]
    fn two_sides_never_end_apart_on_a_sound_line(choices in prop::collection::vec((any::<bool>(), 0..7usize), 0..80)) {
        let mut sides: [Course<Negotiation>; 2] = Default::default();
        for (side, step) in choices {
            let (role, own, other) = if side { (Role::Provider, 1, 0) } else { (Role::Consumer, 0, 1) };
            let step = Step::ALL[step];
            let Ok(sent) = sides[own].send(role, step) else { continue };
            match sides[other].receive(role, step) {
                Ok(state) => {
                    prop_assert_eq!(state, sent);
                    sides[own].acknowledge(sent);
                }
                Err(_) => sides[own].withdraw(sent),
            }
            prop_assert_eq!(sides[0], sides[1]);
        }
    }
}

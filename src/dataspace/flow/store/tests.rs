//! Flows are at rest what they were, end for good, and are changed by one at a time; in either place.

use super::super::tests::flow;
use super::super::{Issued, Side, Verb, Worth};
use super::*;
use crate::database::tests::{Home, On, on_both};
use crate::ids::Digest;

on_both!(
    flows_survive_a_restart_and_are_their_tenants_own,
    what_ended_is_over_for_good_though_it_could_not_be_written,
    an_id_is_one_flow_for_good,
    an_address_goes_with_its_flow,
    a_signal_waits_until_it_is_done,
    a_change_of_what_another_process_changed_changes_nothing,
    what_ended_here_is_written_over_what_another_process_wrote,
);

async fn open(home: &Home) -> FlowStore {
    FlowStore::open(home.place()).await.unwrap()
}

/// Takes on the token `aa`.
fn issue_aa(flow: &mut Flow) -> Result<bool, Misfit> {
    let (id, expires) = ("aa".to_owned(), flow.begun_at);
    Ok(flow.issue(Issued { id, expires }, flow.begun_at))
}

async fn flows_survive_a_restart_and_are_their_tenants_own(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let begun = store.begin(flow("f", Side::Provider)).await.unwrap();
    let (tenant, id) = (begun.tenant, begun.id.clone());
    assert!(store.change(tenant, &id, issue_aa).await.unwrap().1);
    drop(store);
    let store = open(&home).await;
    assert!(store.live(tenant, &id).unwrap().accepts("aa"));
    let other: TenantId = "BPNL00000000B2CD".parse().unwrap();
    assert!(store.live(other, &id).is_none());
    assert!(matches!(store.find(other, &id).await, Err(FlowError::Unknown)));
    store
        .change(tenant, &id, |flow| flow.apply(Verb::Terminate))
        .await
        .unwrap();
    assert!(store.live(tenant, &id).is_none());
    assert_eq!(store.find(tenant, &id).await.unwrap().state, State::Terminated);
    let store = open(&home).await;
    assert!(
        store.live(tenant, &id).is_none(),
        "what is over is over after a restart"
    );
}

async fn what_ended_is_over_for_good_though_it_could_not_be_written(on: On) {
    // The tokens may end while the flow goes on.
    for verb in [Some(Verb::Terminate), Some(Verb::Suspend), None] {
        let home = Home::new(on).await;
        let store = open(&home).await;
        let begun = store.begin(flow("f", Side::Provider)).await.unwrap();
        let (tenant, id) = (begun.tenant, begun.id.clone());
        assert!(store.change(tenant, &id, issue_aa).await.unwrap().1);
        home.edit(FILE, "ALTER TABLE flow RENAME TO gone").await;
        let end = |flow: &mut Flow| match verb {
            Some(verb) => flow.apply(verb).map(drop),
            None => {
                flow.end_tokens();
                Ok(())
            }
        };
        let ended = store.change(tenant, &id, end).await;
        assert!(matches!(ended, Err(FlowError::Database(_))));
        let check_ended = |seen: &Flow| {
            assert_eq!(seen.state == State::Started, verb.is_none(), "{verb:?}");
            assert!(!seen.accepts("aa"), "{verb:?}");
            assert!((0..2).all(|number| seen.worth(number) == Worth::Nothing), "{verb:?}");
        };
        check_ended(&store.find(tenant, &id).await.unwrap());
        assert!(store.live(tenant, &id).is_none_or(|flow| !flow.accepts("aa")));
        let taken = store.change(tenant, &id, issue_aa).await.map(|(_, taken)| taken);
        assert!(!matches!(taken, Ok(true)), "no token is taken on");
        assert!(store.settle().await.is_err());
        home.edit(FILE, "ALTER TABLE gone RENAME TO flow").await;
        assert_eq!(store.settle().await.unwrap(), 1);
        assert_eq!(store.settle().await.unwrap(), 0);
        let store = open(&home).await;
        check_ended(&store.find(tenant, &id).await.unwrap());
    }
}

async fn an_id_is_one_flow_for_good(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let first = store.begin(flow("f", Side::Provider)).await.unwrap();
    assert_eq!(store.begin(flow("f", Side::Provider)).await.unwrap(), first);
    let mut other = flow("f", Side::Provider);
    other.begun_by = Digest::ZERO;
    assert!(matches!(store.begin(other.clone()).await, Err(FlowError::Exists)));
    store
        .change(first.tenant, &first.id, |flow| flow.apply(Verb::Terminate))
        .await
        .unwrap();
    assert!(matches!(store.begin(other).await, Err(FlowError::Exists)));
    let again = store.begin(flow("f", Side::Provider)).await.unwrap();
    assert_eq!(again.state, State::Terminated, "a repetition does not start it again");
}

async fn an_address_goes_with_its_flow(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let begun = store.begin(flow("f", Side::Consumer)).await.unwrap();
    let (tenant, id) = (begun.tenant, begun.id.clone());
    assert_eq!(store.address(tenant, &id).await.unwrap(), None);
    store.keep_address(tenant, &id, "first").await.unwrap();
    store.keep_address(tenant, &id, "second").await.unwrap();
    let kept = open(&home).await.address(tenant, &id).await.unwrap();
    assert_eq!(kept.as_deref(), Some("second"));
    let other: TenantId = "BPNL00000000B2CD".parse().unwrap();
    assert_eq!(store.address(other, &id).await.unwrap(), None);
    let unknown = store.keep_address(other, &id, "theirs").await;
    assert!(matches!(unknown, Err(FlowError::Unknown)));
    for verb in [Verb::Started, Verb::Suspend] {
        store.change(tenant, &id, |flow| flow.apply(verb)).await.unwrap();
    }
    assert!(store.address(tenant, &id).await.unwrap().is_some(), "it may be resumed");
    store
        .change(tenant, &id, |flow| flow.apply(Verb::Terminate))
        .await
        .unwrap();
    assert_eq!(store.address(tenant, &id).await.unwrap(), None);
    let late = store.keep_address(tenant, &id, "third").await;
    assert!(matches!(late, Err(FlowError::Unknown)), "one that is over takes none");
}

async fn a_signal_waits_until_it_is_done(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let begun = store.begin(flow("f", Side::Provider)).await.unwrap();
    let at = |second: i64| begun.begun_at + jiff::SignedDuration::from_secs(second);
    store
        .note_signal(begun.tenant, &begun.id, "retired", at(1))
        .await
        .unwrap();
    store
        .note_signal(begun.tenant, &begun.id, "expired", at(0))
        .await
        .unwrap();
    assert!(store.due_signals(at(0)).await.unwrap().is_empty());
    let due = store.due_signals(at(1)).await.unwrap();
    assert_eq!((due.len(), due[0].reason.as_str(), due[0].tries), (1, "retired", 0));
    store.signal_tried(&due[0], Some(at(5))).await.unwrap();
    assert!(store.due_signals(at(4)).await.unwrap().is_empty());
    let due = store.due_signals(at(5)).await.unwrap();
    assert_eq!(due[0].tries, 1);
    store.signal_tried(&due[0], None).await.unwrap();
    assert!(store.due_signals(at(500)).await.unwrap().is_empty());
}

async fn a_change_of_what_another_process_changed_changes_nothing(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let begun = store.begin(flow("f", Side::Provider)).await.unwrap();
    let (tenant, id) = (begun.tenant, begun.id.clone());
    let other = open(&home).await;
    other
        .change(tenant, &id, |flow| flow.apply(Verb::Terminate))
        .await
        .unwrap();
    // Known here as it was: a token is asked for, and is not taken on.
    assert!(store.live(tenant, &id).is_some());
    let taken = store.change(tenant, &id, issue_aa).await;
    assert!(matches!(taken, Err(FlowError::Overtaken)));
    assert!(store.live(tenant, &id).is_none(), "it is seen now as it is");
    assert_eq!(store.find(tenant, &id).await.unwrap().state, State::Terminated);
    assert_eq!(store.settle().await.unwrap(), 0);
    // One that only the other has begun is one flow, too.
    let second = other.begin(flow("g", Side::Provider)).await.unwrap();
    assert_eq!(store.begin(flow("g", Side::Provider)).await.unwrap(), second);
    let mut third = flow("g", Side::Provider);
    third.begun_by = Digest::ZERO;
    assert!(matches!(store.begin(third).await, Err(FlowError::Exists)));
}

async fn what_ended_here_is_written_over_what_another_process_wrote(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let begun = store.begin(flow("f", Side::Provider)).await.unwrap();
    let (tenant, id) = (begun.tenant, begun.id.clone());
    let other = open(&home).await;
    assert!(other.change(tenant, &id, issue_aa).await.unwrap().1);
    let ended = store.change(tenant, &id, |flow| flow.apply(Verb::Terminate)).await;
    assert!(matches!(ended, Err(FlowError::Overtaken)));
    assert!(store.live(tenant, &id).is_none(), "it grants nothing meanwhile");
    assert_eq!(store.settle().await.unwrap(), 1);
    let stored = open(&home).await.find(tenant, &id).await.unwrap();
    assert_eq!((stored.state, stored.accepts("aa")), (State::Terminated, false));
}

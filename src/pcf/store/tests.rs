//! What was accepted is delivered, and what was crossed off is not, wherever the process ends; in either place.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::database::tests::{Home, On, on_both};
use crate::ids::{Bpnl, Digest, RecordId, TenantId};
use crate::pcf::exchange::{Answerable, Asked, Delivery, Errand, ExchangeId, Form, Incoming, Received, State, Wanted};
use crate::pcf::model::Model;
use crate::pcf::part::Parts;

const ELBE: &str = "BPNL000000000DWF";
const ISAR: &str = "BPNL00000000B2CD";
const WESER: &str = "BPNL00000000C3EF";

fn tenant(text: &str) -> TenantId {
    text.parse().unwrap()
}

fn bpnl(text: &str) -> Bpnl {
    text.parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn record() -> RecordId {
    RecordId(uuid::Uuid::now_v7())
}

fn parts(part: &str) -> Parts {
    Parts::new(Some(part.parse().unwrap()), None).unwrap()
}

fn asked(exchange: ExchangeId, part: &str) -> Incoming {
    Incoming {
        tenant: tenant(ELBE),
        partner: bpnl(WESER),
        exchange,
        asked: Asked {
            parts: parts(part),
            model: "9.0.0".parse().unwrap(),
            message: Some("please".into()),
            form: Form::FootprintExchange,
            agreement: "a-1".parse().unwrap(),
            connector: "edc".parse().unwrap(),
            recipient: None,
        },
    }
}

fn received(exchange: ExchangeId, bytes: &[u8]) -> Received {
    Received {
        tenant: tenant(ELBE),
        partner: bpnl(ISAR),
        pcf: "p-1".parse().unwrap(),
        product: "urn:x:1".parse().unwrap(),
        model: Model::V9,
        digest: Digest::of(bytes),
        exchange: Some(exchange),
        message: None,
        record: record(),
    }
}

async fn open(on: On) -> (Home, PcfStore) {
    let home = Home::new(on).await;
    let store = PcfStore::open(home.place()).await.unwrap();
    (home, store)
}

/// The store as it is found after the process that had it was gone at this very point.
async fn reopened(home: &Home, store: PcfStore) -> PcfStore {
    drop(store);
    PcfStore::open(home.place()).await.unwrap()
}

async fn due(store: &PcfStore, seconds: i64) -> Vec<Delivery> {
    store.due(at(seconds), 100).await.unwrap()
}

on_both!(
    a_request_is_taken_once_and_its_id_stands_for_no_other,
    an_answered_request_stays_answered_and_one_that_ended_can_be_asked_again,
    a_delivery_that_was_not_crossed_off_is_found_again_as_it_was,
    a_change_is_lost_neither_before_nor_after_it_comes_about,
    many_changes_are_noted_and_spread_as_they_would_be_one_by_one,
    only_the_partner_that_was_asked_answers_and_once,
    deliveries_are_told_page_by_page_latest_first,
    a_request_that_two_processes_take_is_taken_once,
    what_ended_is_not_ended_or_put_off_again_by_another_process,
    a_way_is_kept_as_it_was_found_last,
);

async fn a_request_is_taken_once_and_its_id_stands_for_no_other(on: On) {
    let (home, store) = open(on).await;
    let exchange = ExchangeId::new();
    let request = asked(exchange, "1");
    assert_eq!(store.take(&request, record(), at(0)).await.unwrap(), Taken::Queued);
    let store = reopened(&home, store).await;
    assert_eq!(store.take(&request, record(), at(1)).await.unwrap(), Taken::Known);
    assert_eq!(
        store.take(&asked(exchange, "2"), record(), at(1)).await.unwrap(),
        Taken::Conflict
    );
    // Another partner's id, or another tenant's, is another id.
    let mut other = request.clone();
    other.partner = bpnl(ISAR);
    assert_eq!(store.take(&other, record(), at(2)).await.unwrap(), Taken::Queued);
    let mut other = request.clone();
    other.tenant = tenant(ISAR);
    assert_eq!(store.take(&other, record(), at(3)).await.unwrap(), Taken::Queued);

    let queue = due(&store, 3).await;
    assert_eq!(queue.len(), 3);
    assert_eq!(
        (queue[0].tenant, queue[0].partner, queue[0].exchange),
        (tenant(ELBE), bpnl(WESER), exchange)
    );
    assert_eq!(queue[0].errand, Errand::Answer(request.asked.clone()));
    assert_eq!(due(&store, -1).await, []);
}

async fn an_answered_request_stays_answered_and_one_that_ended_can_be_asked_again(on: On) {
    let (_home, store) = open(on).await;
    let exchange = ExchangeId::new();
    let request = asked(exchange, "1");
    let state = || async { store.incoming(tenant(ELBE), bpnl(WESER), exchange).await.unwrap() };
    assert_eq!(state().await, None);
    for ended in [State::Failed, State::Dead, State::Answered] {
        assert_eq!(store.take(&request, record(), at(0)).await.unwrap(), Taken::Queued);
        assert_eq!(state().await, Some(State::Open));
        let queue = due(&store, 0).await;
        let [delivery] = queue.as_slice() else {
            panic!("{queue:?}")
        };
        store
            .end(delivery, ended, Some("why"), Some(record()), at(1))
            .await
            .unwrap();
        assert_eq!(state().await, Some(ended));
        assert_eq!(due(&store, 9).await, []);
    }
    assert_eq!(store.take(&request, record(), at(2)).await.unwrap(), Taken::Known);
    assert_eq!(due(&store, 9).await, []);
}

async fn a_delivery_that_was_not_crossed_off_is_found_again_as_it_was(on: On) {
    let (home, store) = open(on).await;
    store
        .take(&asked(ExchangeId::new(), "1"), record(), at(0))
        .await
        .unwrap();
    let [first] = due(&store, 0).await.try_into().unwrap();
    let store = reopened(&home, store).await;
    assert_eq!(due(&store, 0).await, std::slice::from_ref(&first));

    store.uses(&first).await.unwrap();
    store.postpone(&first, at(60), "no answer", None).await.unwrap();
    let store = reopened(&home, store).await;
    assert_eq!(due(&store, 59).await, []);
    let [again] = due(&store, 60).await.try_into().unwrap();
    assert_eq!((again.exchange, again.attempts, again.used), (first.exchange, 1, true));

    store
        .end(&again, State::Dead, Some("gave up"), None, at(61))
        .await
        .unwrap();
    let store = reopened(&home, store).await;
    assert_eq!(due(&store, 1_000_000).await, []);
    assert_eq!(store.depth().await.unwrap(), (0, 1));
    let page = Page {
        state: Some(State::Dead),
        before: None,
        limit: 10,
    };
    let [letter] = store.deliveries(tenant(ELBE), page).await.unwrap().try_into().unwrap();
    assert_eq!(
        (letter.state, letter.delivery.attempts, letter.next),
        (State::Dead, 2, at(61))
    );
    assert_eq!(letter.problem.as_deref(), Some("gave up"));
    assert_eq!(store.deliveries(tenant(ISAR), page).await.unwrap(), []);
}

fn change() -> Change {
    Change {
        tenant: tenant(ELBE),
        pcf: "p-1".parse().unwrap(),
        digest: Digest::of(b"new"),
        at: at(0),
    }
}

fn spread(change: &Change, partners: &[&str]) -> Spread {
    Spread {
        told: Default::default(),
        change: change.clone(),
        partners: partners.iter().map(|partner| bpnl(partner)).collect(),
    }
}

async fn many_changes_are_noted_and_spread_as_they_would_be_one_by_one(on: On) {
    let (home, store) = open(on).await;
    let (_other_home, single) = open(on).await;
    let numbered = |number: i64| Change {
        pcf: format!("p-{}", number % 97).parse().unwrap(),
        digest: Digest::of(&number.to_be_bytes()),
        at: at(number / 3),
        ..change()
    };
    let mut noted: Vec<Change> = (0..150).map(numbered).collect();
    // The same again counts as noted last.
    noted.push(Change {
        at: at(99),
        ..numbered(7)
    });
    store.note_changes(&noted).await.unwrap();
    for change in &noted {
        single.note_change(change).await.unwrap();
    }
    store.note_changes(&[]).await.unwrap();
    let store = reopened(&home, store).await;
    let paged = async |store: &PcfStore| {
        let (mut all, mut last): (Vec<Change>, _) = (Vec::new(), None);
        loop {
            let page = store.changes(last.as_ref(), 40).await.unwrap();
            let Some(end) = page.last() else { return all };
            last = Some(end.clone());
            all.extend(page);
        }
    };
    let all = paged(&store).await;
    assert_eq!((all.len(), paged(&single).await), (150, all.clone()));
    assert!(all.is_sorted_by_key(|change| change.at));
    assert_eq!(all.last().unwrap().at, at(99));
    // Some are told to two, some to one, some to nobody.
    let partners = [WESER, ISAR];
    let spreads: Vec<_> = (0..)
        .zip(&all)
        .map(|(place, change)| spread(change, &partners[..place % 3]))
        .collect();
    store.spread(&spreads, at(200)).await.unwrap();
    for spread in &spreads {
        single.spread(std::slice::from_ref(spread), at(200)).await.unwrap();
    }
    // Those crossed off are not told again, though they are among others.
    let more = numbered(1_000);
    store.note_change(&more).await.unwrap();
    single.note_change(&more).await.unwrap();
    let again: Vec<_> = spreads.iter().cloned().chain([spread(&more, &[ISAR])]).collect();
    store.spread(&again, at(201)).await.unwrap();
    single.spread(&again, at(201)).await.unwrap();
    let store = reopened(&home, store).await;
    assert_eq!(paged(&store).await, []);
    let told = async |store: &PcfStore| {
        let page = Page {
            state: None,
            before: None,
            limit: 1_000,
        };
        let letters = store.deliveries(tenant(ELBE), page).await.unwrap();
        let told = letters
            .into_iter()
            .map(|letter| (letter.delivery.partner, letter.delivery.errand, letter.at));
        told.collect::<Vec<_>>()
    };
    let (many, one) = (told(&store).await, told(&single).await);
    assert_eq!((many.len(), many), (151, one));
}

async fn a_change_is_lost_neither_before_nor_after_it_comes_about(on: On) {
    let (home, store) = open(on).await;
    let change = change();
    store.note_change(&change).await.unwrap();
    // The process is gone before the footprint is stored, or after.
    let store = reopened(&home, store).await;
    assert_eq!(store.changes(None, 9).await.unwrap(), std::slice::from_ref(&change));
    assert_eq!(due(&store, 9).await, []);
    let spread = spread(&change, &[WESER, ISAR]);
    store.spread(&[spread], at(1)).await.unwrap();
    let store = reopened(&home, store).await;
    assert_eq!(store.changes(None, 9).await.unwrap(), []);
    let queue = due(&store, 1).await;
    assert_eq!(queue.len(), 2);
    assert!(
        queue
            .iter()
            .all(|delivery| delivery.errand == Errand::Update(change.pcf.clone(), change.digest))
    );
    assert_ne!(queue[0].exchange, queue[1].exchange);
}

async fn only_the_partner_that_was_asked_answers_and_once(on: On) {
    let (home, store) = open(on).await;
    let exchange = ExchangeId::new();
    let wanted = Wanted {
        parts: parts("1"),
        model: "9.0.0".parse().unwrap(),
        message: None,
        asset: None,
    };
    store
        .want(tenant(ELBE), bpnl(ISAR), exchange, &wanted, record(), at(0))
        .await
        .unwrap();
    let answerable = |who: &'static str, partner: &'static str, store: PcfStore| async move {
        (
            store.answerable(tenant(who), bpnl(partner), exchange).await.unwrap(),
            store,
        )
    };
    let (found, store) = answerable(ELBE, ISAR, store).await;
    assert_eq!(found, Answerable::Open);
    let (found, store) = answerable(ELBE, WESER, store).await;
    assert_eq!(found, Answerable::Unknown, "a partner that was not asked");
    let (found, store) = answerable(ISAR, ISAR, store).await;
    assert_eq!(found, Answerable::Unknown, "another tenant's request");
    assert_eq!(
        store
            .answerable(tenant(ELBE), bpnl(ISAR), ExchangeId::new())
            .await
            .unwrap(),
        Answerable::Unknown
    );
    // The request waits to be sent; its answer makes that idle.
    assert_eq!(due(&store, 0).await[0].errand, Errand::Request(wanted));
    store
        .receive(&received(exchange, b"document"), true, at(1))
        .await
        .unwrap();
    assert_eq!(due(&store, 1).await, []);
    let store = reopened(&home, store).await;
    let (found, store) = answerable(ELBE, ISAR, store).await;
    assert_eq!(found, Answerable::Answered(Digest::of(b"document")));
    let kept = |partner| store.received(tenant(ELBE), bpnl(partner), "p-1");
    assert_eq!(kept(ISAR).await.unwrap(), Some(Digest::of(b"document")));
    assert_eq!(kept(WESER).await.unwrap(), None);
}

async fn deliveries_are_told_page_by_page_latest_first(on: On) {
    let (_home, store) = open(on).await;
    for number in 0..5 {
        let request = asked(ExchangeId::new(), &number.to_string());
        store
            .take(&request, record(), at(0) + SignedDuration::from_secs(number))
            .await
            .unwrap();
    }
    let page = |before, limit| Page {
        state: None,
        before,
        limit,
    };
    let numbers = |letters: Vec<crate::pcf::exchange::Letter>| {
        letters.iter().map(|letter| letter.delivery.number).collect::<Vec<_>>()
    };
    let first = numbers(store.deliveries(tenant(ELBE), page(None, 3)).await.unwrap());
    assert_eq!(first, [5, 4, 3]);
    let rest = numbers(
        store
            .deliveries(tenant(ELBE), page(first.last().copied(), 3))
            .await
            .unwrap(),
    );
    assert_eq!(rest, [2, 1]);
    let dead = Page {
        state: Some(State::Dead),
        ..page(None, 3)
    };
    assert_eq!(store.deliveries(tenant(ELBE), dead).await.unwrap(), []);
}

async fn a_request_that_two_processes_take_is_taken_once(on: On) {
    let (home, store) = open(on).await;
    let other = PcfStore::open(home.place()).await.unwrap();
    for number in 0..8 {
        let request = asked(ExchangeId::new(), &number.to_string());
        let (one, two) = tokio::join!(
            store.take(&request, record(), at(0)),
            other.take(&request, record(), at(0)),
        );
        let mut taken = [one.unwrap(), two.unwrap()];
        taken.sort_by_key(|taken| *taken == Taken::Known);
        assert_eq!(taken, [Taken::Queued, Taken::Known]);
    }
    assert_eq!(store.depth().await.unwrap(), (8, 0));
    // A change is spread once.
    let change = change();
    store.note_change(&change).await.unwrap();
    let spread = [spread(&change, &[ISAR])];
    let (one, two) = tokio::join!(store.spread(&spread, at(1)), other.spread(&spread, at(1)),);
    one.unwrap();
    two.unwrap();
    assert_eq!(store.depth().await.unwrap(), (9, 0));
}

async fn what_ended_is_not_ended_or_put_off_again_by_another_process(on: On) {
    let (home, store) = open(on).await;
    let exchange = ExchangeId::new();
    store.take(&asked(exchange, "1"), record(), at(0)).await.unwrap();
    let other = PcfStore::open(home.place()).await.unwrap();
    let [mine] = due(&store, 0).await.try_into().unwrap();
    let [theirs] = due(&other, 0).await.try_into().unwrap();
    store
        .end(&mine, State::Answered, None, Some(record()), at(1))
        .await
        .unwrap();
    other.postpone(&theirs, at(2), "no answer", None).await.unwrap();
    other
        .end(&theirs, State::Dead, Some("a NUL \0 of theirs"), None, at(3))
        .await
        .unwrap();
    assert_eq!(due(&store, 9).await, []);
    let state = other.incoming(tenant(ELBE), bpnl(WESER), exchange).await.unwrap();
    assert_eq!(state, Some(State::Answered));
    // What a partner says is kept, whatever it is.
    store
        .take(&asked(ExchangeId::new(), "2"), record(), at(4))
        .await
        .unwrap();
    let [next] = due(&store, 4).await.try_into().unwrap();
    other
        .end(&next, State::Dead, Some("a NUL \0 of theirs"), None, at(5))
        .await
        .unwrap();
    let page = Page {
        state: Some(State::Dead),
        before: None,
        limit: 10,
    };
    let [letter] = store.deliveries(tenant(ELBE), page).await.unwrap().try_into().unwrap();
    assert_eq!(letter.problem.as_deref(), Some("a NUL \u{fffd} of theirs"));
}

async fn a_way_is_kept_as_it_was_found_last(on: On) {
    let (home, store) = open(on).await;
    let asset = "pcf".parse().unwrap();
    let ends = [
        (tenant(ELBE), bpnl(WESER), Some(&asset)),
        (tenant(ELBE), bpnl(WESER), None),
    ];
    let found = |agreement: &str, until| Paved {
        agreement: agreement.parse().unwrap(),
        agreed: at(0),
        version: Some("1.3.0".into()),
        flow: Some("f".parse().unwrap()),
        until: at(until),
    };
    store.pave(ends[0], &found("a-1", 5)).await.unwrap();
    store.pave(ends[0], &found("a-2", 7)).await.unwrap();
    let store = reopened(&home, store).await;
    assert_eq!(store.paved(ends[0]).await.unwrap(), Some(found("a-2", 7)));
    assert_eq!(store.paved(ends[1]).await.unwrap(), None);
    assert_eq!(store.worn(at(6)).await.unwrap(), []);
    assert_eq!(store.worn(at(7)).await.unwrap().len(), 1);
    store.lose(ends[0]).await.unwrap();
    let lost = Paved {
        flow: None,
        ..found("a-2", 7)
    };
    assert_eq!(store.paved(ends[0]).await.unwrap(), Some(lost));
    assert_eq!(store.worn(at(9)).await.unwrap(), []);
}

//! A run goes on where it was, the next one asks from where the last came to its end, and nothing of an address can be read; in either
//! place.

use jiff::SignedDuration;

use super::*;
use crate::database::tests::{Home, On, on_both};
use crate::ids::Digest;
use crate::pull::run::{Cause, is_due};
use crate::vault::VaultKey;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn elbe() -> TenantId {
    "BPNL000000000DWF".parse().unwrap()
}

async fn open(home: &Home, key: &VaultKey) -> PullStore {
    let seal = Arc::new(Seal::new(key, "addresses").unwrap());
    PullStore::open(home.place(), seal).await.unwrap()
}

async fn begin(store: &PullStore, source: &str, whole: bool, now: i64) -> Option<Run> {
    let integration = "sap".parse().unwrap();
    let beginning = Beginning {
        tenant: elbe(),
        integration: &integration,
        source: Digest::of(source.as_bytes()),
        cause: Cause::Schedule,
        whole,
    };
    let key = store.begin(beginning, at(now)).await.unwrap()?;
    let under_way = store.under_way().await.unwrap();
    under_way.into_iter().find(|run| run.key == key)
}

async fn end(store: &PullStore, run: &Run, state: RunState, now: i64) {
    let end = End {
        state,
        problem: (state != RunState::Complete).then(|| "a\0b".to_owned()),
        again: None,
    };
    store.end(&run.key, &end, at(now)).await.unwrap();
}

fn page(number: u32) -> Url {
    format!("https://a.example/list?page={number}&sig=token-of-the-list")
        .parse()
        .unwrap()
}

fn counts(pages: u64) -> Counts {
    Counts {
        pages,
        taken: 2,
        unchanged: 1,
        refused: 1,
    }
}

on_both!(
    a_run_goes_on_at_the_page_that_was_in_hand,
    a_system_has_one_run_at_a_time,
    the_next_run_asks_from_where_the_last_came_to_its_end,
    a_run_that_failed_is_gone_on_with_and_no_other_is,
    old_runs_are_forgotten_but_for_the_last_that_came_to_its_end,
);

async fn a_run_goes_on_at_the_page_that_was_in_hand(on: On) {
    let (home, key) = (Home::new(on).await, VaultKey::random().unwrap());
    let store = open(&home, &key).await;
    let run = begin(&store, "a", false, 0).await.unwrap();
    assert_eq!((run.cursor.clone(), run.counts), (None, Counts::default()));
    let told = Told {
        id: Some("p-1".parse().unwrap()),
        reason: "no\0".to_owned(),
        record: Some(RecordId(uuid::Uuid::now_v7())),
    };
    let listed = Listed {
        page: 1,
        place: 3,
        told,
    };
    let refusals = [listed.clone()];
    store
        .advance(&run.key, &counts(1), &refusals, Some(&page(2)))
        .await
        .unwrap();
    // Twice, as after a crash between the two that are one.
    store
        .advance(&run.key, &counts(1), &refusals, Some(&page(2)))
        .await
        .unwrap();
    drop(store);

    let store = open(&home, &key).await;
    let under_way = store.under_way().await.unwrap();
    assert_eq!(under_way.len(), 1);
    assert_eq!(under_way[0].cursor, Some(page(2)));
    assert_eq!(under_way[0].counts, counts(1));
    end(&store, &run, RunState::Complete, 9).await;
    end(&store, &run, RunState::Failed, 10).await;
    store.advance(&run.key, &counts(5), &[], Some(&page(5))).await.unwrap();
    let told = store.runs(elbe(), &run.key.integration, 10).await.unwrap();
    let (ended, refusals) = &told[0];
    assert_eq!(
        (ended.state, ended.ended, ended.counts),
        (RunState::Complete, Some(at(9)), counts(1))
    );
    assert_eq!(refusals[0].told.reason, "no\u{fffd}");
    assert_eq!((refusals.len(), &refusals[0].told.id), (1, &listed.told.id));

    if on == On::Sqlite {
        let file = std::fs::read(home.dir().join(FILE)).unwrap();
        let log = std::fs::read(home.dir().join(format!("{FILE}-wal"))).unwrap_or_default();
        for bytes in [file, log] {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("token-of-the-list"), "an address stands in the clear");
        }
    }
}

async fn a_system_has_one_run_at_a_time(on: On) {
    let (home, key) = (Home::new(on).await, VaultKey::random().unwrap());
    let (store, other) = (open(&home, &key).await, open(&home, &key).await);
    let run = begin(&store, "a", false, 0).await.unwrap();
    for store in [&store, &other] {
        assert!(begin(store, "b", true, 1).await.is_none());
    }
    let last = store.last().await.unwrap();
    let ((tenant, _), last) = &last[0];
    assert_eq!((*tenant, last.running), (elbe(), true));
    assert!(!is_due(Some(last), 60, at(3_600)));
    end(&store, &run, RunState::Complete, 2).await;
    let last = store.last().await.unwrap()[0].1;
    assert!(!is_due(Some(&last), 60, at(59)));
    assert!(is_due(Some(&last), 60, at(60)));
    let rests = Last {
        again: at(100).checked_add(SignedDuration::ZERO).ok(),
        ..last
    };
    assert!(!is_due(Some(&rests), 60, at(99)));
    assert!(is_due(Some(&rests), 60, at(100)));
    assert!(is_due(None, 60, at(0)));
    assert_eq!(begin(&other, "a", false, 60).await.unwrap().key.number, 2);
}

async fn the_next_run_asks_from_where_the_last_came_to_its_end(on: On) {
    let (home, key) = (Home::new(on).await, VaultKey::random().unwrap());
    let store = open(&home, &key).await;
    let first = begin(&store, "a", false, 0).await.unwrap();
    assert_eq!((first.since, first.mark), (None, at(0)));
    end(&store, &first, RunState::Complete, 50).await;
    let second = begin(&store, "a", false, 100).await.unwrap();
    assert_eq!(
        (second.since, second.mark),
        (Some(at(0)), at(100)),
        "from when it began"
    );
    end(&store, &second, RunState::Stopped, 110).await;
    let third = begin(&store, "a", false, 200).await.unwrap();
    assert_eq!(third.since, Some(at(0)), "one that was stopped came to no end");
    end(&store, &third, RunState::Complete, 210).await;
    for (source, whole, since) in [("a", true, None), ("b", false, None), ("a", false, Some(at(200)))] {
        let run = begin(&store, source, whole, 300).await.unwrap();
        assert_eq!(run.since, since, "{source} {whole}");
        end(&store, &run, RunState::Stopped, 301).await;
    }
}

async fn a_run_that_failed_is_gone_on_with_and_no_other_is(on: On) {
    let (home, key) = (Home::new(on).await, VaultKey::random().unwrap());
    let store = open(&home, &key).await;
    for (ended, source, whole, goes_on) in [
        (RunState::Failed, "a", false, true),
        (RunState::Failed, "b", false, false),
        (RunState::Failed, "a", true, false),
        (RunState::Stopped, "a", false, false),
        (RunState::Complete, "a", false, false),
    ] {
        let run = begin(&store, "a", true, 10).await.unwrap();
        store.advance(&run.key, &counts(1), &[], Some(&page(2))).await.unwrap();
        end(&store, &run, ended, 20).await;
        let next = begin(&store, source, whole, 30).await.unwrap();
        let what = format!("{ended} {source} {whole}");
        assert_eq!(next.cursor, goes_on.then(|| page(2)), "{what}");
        assert_eq!(next.mark, if goes_on { at(10) } else { at(30) }, "{what}");
        assert_eq!(next.counts, Counts::default(), "{what}");
        end(&store, &next, RunState::Stopped, 40).await;
    }
    // What was sealed with another key is no address any more; the run begins at the first page.
    let run = begin(&store, "a", true, 50).await.unwrap();
    store.advance(&run.key, &counts(1), &[], Some(&page(2))).await.unwrap();
    let store = open(&home, &VaultKey::random().unwrap()).await;
    assert_eq!(store.under_way().await.unwrap()[0].cursor, None);
}

async fn old_runs_are_forgotten_but_for_the_last_that_came_to_its_end(on: On) {
    let (home, key) = (Home::new(on).await, VaultKey::random().unwrap());
    let store = open(&home, &key).await;
    let complete = begin(&store, "a", false, 0).await.unwrap();
    end(&store, &complete, RunState::Complete, 1).await;
    for number in 0..KEPT + 5 {
        let run = begin(&store, "a", false, 10 + number).await.unwrap();
        assert_eq!(run.since, Some(at(0)));
        end(&store, &run, RunState::Stopped, 10 + number).await;
    }
    let kept = store.runs(elbe(), &complete.key.integration, 1_000).await.unwrap();
    let numbers: Vec<_> = kept.iter().map(|(run, _)| run.key.number).collect();
    let latest = KEPT + 6;
    let expected: Vec<_> = (latest - KEPT + 1..=latest).rev().chain([1]).collect();
    assert_eq!(numbers, expected);
}

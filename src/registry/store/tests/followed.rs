//! Several that change one registry: nothing is lost, what is checked is what is stored, and each sees what the others did.

use std::time::Duration;

use tokio::task::JoinSet;

use super::*;
use crate::database::args;
use crate::ids::AssetId;
use crate::registry::{Footprint, FootprintStatus};

on_both!(
    what_another_process_changed_is_in_memory_after_a_look,
    what_is_written_is_checked_against_what_others_wrote,
    what_ended_here_stays_ended_whatever_others_write,
    offers_that_another_process_took_out_are_out,
    whoever_counts_on_a_number_that_is_no_more_hands_nothing_out,
    a_change_that_does_not_come_to_its_end_changes_nothing,
    an_older_state_in_the_place_of_the_registry_is_told,
    the_same_again_is_not_written,
);
on_both!(flavor = "multi_thread"; all_that_several_write_at_once_is_there, a_follower_sees_a_change, several_that_start_at_once_make_the_tables_once);

fn id(text: &str) -> AgreementId {
    text.parse().unwrap()
}

/// A version of the footprint with bytes of its own.
pub(super) fn other_bytes(name: &str, number: usize) -> Footprint {
    Footprint {
        digest: crate::ids::Digest::of(&number.to_be_bytes()),
        ..footprint(name, number as u64)
    }
}

pub(super) fn footprint(name: &str, length: u64) -> Footprint {
    Footprint {
        id: name.parse().unwrap(),
        version: Footprint::FIRST,
        tenant: provider(),
        owner: provider().0,
        product: "urn:x:1".parse().unwrap(),
        model: "9.0.0".parse().unwrap(),
        status: FootprintStatus::Active,
        products: Default::default(),
        created: None,
        valid_from: None,
        valid_until: None,
        assets: ["pcf".parse::<AssetId>().unwrap()].into(),
        digest: crate::ids::Digest::of(name.as_bytes()),
        length,
    }
}

/// All that is in memory, spelled alike wherever it is alike.
pub(super) fn seen(store: &RegistryStore) -> String {
    let registry = store.current();
    let mut worlds: Vec<_> = registry.tenants().collect();
    worlds.sort_by_key(|world| world.tenant.id);
    let mut told = String::new();
    for world in worlds {
        let mut agreements: Vec<_> = world.agreements.values().map(|agreement| spelled(agreement)).collect();
        agreements.sort();
        let mut rest: Vec<_> = world.assets.values().map(|one| format!("{one:?}")).collect();
        rest.extend(world.footprints.values().map(|one| format!("{one:?}")));
        rest.extend(world.relations.values().map(|one| format!("{one:?}")));
        rest.extend(world.offers.keys().map(|one| format!("{one:?}")));
        rest.sort();
        told += &format!("{:?}\n{agreements:#?}\n{rest:#?}\n", world.tenant);
    }
    told
}

async fn what_another_process_changed_is_in_memory_after_a_look(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    put(&store, agreement("a-1")).await;
    let other = reopen(&home).await;
    let mut turned = store.others();
    assert!(!store.catch_up().await.unwrap(), "nothing changed");
    put(&other, agreement("a-2")).await;
    end(&other, "a-1").await.unwrap();
    other.put_footprint(footprint("p-1", 1), now()).await.unwrap();
    other.put_footprint(footprint("p-1", 2), now()).await.unwrap();
    let mut renamed = world();
    renamed.tenant.name = "Elbe Polymers".into();
    let mut second = world();
    second.tenant.id = "BPNL00000000B2CD".parse().unwrap();
    second.tenant.identity.resource_server = second.tenant.id.to_string();
    other.seed(&[renamed, second], &[]).await.unwrap();
    // Whoever took the registry before sees it as it was.
    let before = store.current();
    assert_ne!(seen(&store), seen(&other));
    assert!(store.catch_up().await.unwrap());
    assert_eq!(seen(&store), seen(&other));
    assert_eq!(before.tenants().count(), 1);
    assert!(!store.catch_up().await.unwrap(), "it was seen already");
    assert_eq!(seen(&reopen(&home).await), seen(&other));
    let mut states: Vec<_> = std::iter::from_fn(|| turned.try_recv().ok())
        .map(|agreement| (agreement.id.to_string(), agreement.state))
        .collect();
    states.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [("a-1", AgreementState::Retired), ("a-2", AgreementState::Active)];
    assert_eq!(states, expected.map(|(id, state)| (id.to_owned(), state)));
    // Terms are shared with those that were there.
    let [one, two] = ["a-1", "a-2"].map(|name| store.held(provider(), &id(name)).unwrap());
    assert!(Arc::ptr_eq(&one.terms, &two.terms));
}

async fn all_that_several_write_at_once_is_there(on: On) {
    const EACH: usize = 12;
    let home = Home::new(on).await;
    let stores = [open(&home).await, reopen(&home).await, reopen(&home).await];
    let mut writing = JoinSet::new();
    for (number, store) in stores.iter().enumerate() {
        let store = store.clone();
        writing.spawn(async move {
            for place in 0..EACH {
                put(&store, agreement(&format!("a-{number}-{place}"))).await;
                store
                    .put_footprint(footprint(&format!("p-{number}-{place}"), 1), now())
                    .await
                    .unwrap();
                // All write this one.
                store
                    .put_footprint(other_bytes("p", number * EACH + place), now())
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(written) = writing.join_next().await {
        written.unwrap();
    }
    for store in &stores {
        store.catch_up().await.unwrap();
        let registry = store.current();
        let world = registry.tenant(provider()).unwrap();
        assert_eq!(world.agreements.len(), 3 * EACH);
        assert_eq!(world.footprints.values().count(), 3 * EACH + 1);
        // Whoever wrote it, each version of the one that all write is there, once.
        let shared = world.footprints.get(&"p".parse().unwrap()).unwrap();
        let older = store
            .history(provider(), &shared.id, shared.version, 100)
            .await
            .unwrap();
        let numbers: Vec<_> = older.iter().rev().map(|old| old.footprint.version).collect();
        assert_eq!(numbers, (1..shared.version).collect::<Vec<_>>());
        assert_eq!(shared.version as usize, 3 * EACH);
    }
    let all = [
        seen(&stores[0]),
        seen(&stores[1]),
        seen(&stores[2]),
        seen(&reopen(&home).await),
    ];
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
}

async fn what_is_written_is_checked_against_what_others_wrote(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let other = reopen(&home).await;
    // Both look, and find nothing in the way; then one writes.
    let mine = Arc::new(store.examine(&agreement("a-1")).await.unwrap().unwrap());
    let theirs = NewAgreement {
        odrl: QUALITY.into(),
        ..agreement("a-1")
    };
    put(&other, theirs.clone()).await;
    let written = store.insert_agreements(&[(mine, agreement("a-1"))], now()).await;
    let said = written.unwrap_err().to_string();
    assert!(said.contains("on record with another text"), "{said}");
    // It is not only refused: what is on record is in memory now.
    assert!(store.examine(&theirs).await.unwrap().is_none());
    // The same by both is one.
    let (new, again) = (agreement("a-2"), agreement("a-2"));
    let examined = Arc::new(store.examine(&new).await.unwrap().unwrap());
    put(&other, again).await;
    store.insert_agreements(&[(examined, new)], now()).await.unwrap();
    assert_eq!(seen(&store), seen(&other));
    // A tenant that only the other knows of.
    let mut second = world();
    second.tenant.id = "BPNL00000000B2CD".parse().unwrap();
    second.tenant.identity.resource_server = second.tenant.id.to_string();
    other.seed(std::slice::from_ref(&second), &[]).await.unwrap();
    let mut made = footprint("p-1", 1);
    made.tenant = second.tenant.id;
    store.put_footprint(made, now()).await.unwrap();
}

async fn what_ended_here_stays_ended_whatever_others_write(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let bare = NewAgreement {
        signed: None,
        ..agreement("a-1")
    };
    put(&store, bare).await;
    let other = reopen(&home).await;
    // Ended in memory, as where it could not be written.
    store.end_in_memory(&ending("a-1"));
    assert!(other.tell_signed(&agreement("a-1")).await.unwrap());
    assert!(store.catch_up().await.unwrap());
    let held = store.held(provider(), &id("a-1")).unwrap();
    assert_eq!((held.state, held.signed.is_some()), (AgreementState::Retired, true));
    // Both end it, each in its own way: the first stays.
    let expired = Ending {
        state: AgreementState::Expired,
        reason: "the end that its terms name has passed".into(),
        ..ending("a-1")
    };
    other.end_agreements(&[expired]).await.unwrap();
    end(&store, "a-1").await.unwrap();
    let listed = reopen(&home).await.list_agreements(provider(), None, 1).await.unwrap();
    let [listed] = listed.as_slice() else {
        panic!("{listed:?}")
    };
    assert_eq!(listed.agreement.state, AgreementState::Expired);
    assert!(listed.reason.as_deref().unwrap().contains("has passed"));
}

async fn offers_that_another_process_took_out_are_out(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let access = include_str!("../../../../fixtures/odrl/dev/pcf-access.json");
    let mut pool = TermsPool::default();
    let mut offering = world();
    for name in ["o-1", "o-2"] {
        let mut reader = crate::registry::OfferReader::new(&mut pool);
        let read = reader.read(
            name.parse().unwrap(),
            &offering.tenant,
            "pcf".parse().unwrap(),
            (access, USAGE),
        );
        let offer = read.unwrap();
        offering.offers.insert_mut(offer.id.clone(), Arc::new(offer));
    }
    store.seed(std::slice::from_ref(&offering), &[]).await.unwrap();
    let other = reopen(&home).await;
    let offers = |store: &RegistryStore| store.current().tenant(provider()).unwrap().offers.size();
    assert_eq!((offers(&store), offers(&other)), (2, 2));
    offering.offers.remove_mut(&"o-1".parse().unwrap());
    other.seed(std::slice::from_ref(&offering), &[]).await.unwrap();
    store.catch_up().await.unwrap();
    assert_eq!((offers(&store), offers(&other)), (1, 1));
    other.seed(&[world()], &[]).await.unwrap();
    store.catch_up().await.unwrap();
    assert_eq!((offers(&store), offers(&other)), (0, 0));
}

async fn whoever_counts_on_a_number_that_is_no_more_hands_nothing_out(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let new = NewAgreement {
        odrl: once().into(),
        ..agreement("a-1")
    };
    let counted = put(&store, new).await;
    let other = reopen(&home).await;
    let (one, two) = (store.turn(&counted).await.unwrap(), other.turn(&counted).await.unwrap());
    assert_eq!((one.uses(), two.uses()), (Some(0), Some(0)));
    two.count().await.unwrap();
    assert!(matches!(one.count().await, Err(RegistryError::Overtaken { .. })));
    assert_eq!(store.turn(&counted).await.unwrap().uses(), Some(1));
}

async fn a_change_that_does_not_come_to_its_end_changes_nothing(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    put(&store, agreement("a-1")).await;
    let (before, other) = (seen(&store), reopen(&home).await);
    // The process is gone after some statements: its transaction goes with it.
    let mut edit = store.edit().await.unwrap();
    let (document, version) = (rows::to_json(&footprint("p-1", 1)), edit.version());
    let sql = "INSERT INTO footprint (tenant, id, document, version) VALUES ($1, $2, $3, $4)";
    let values = args![PROVIDER, "p-1", &document, version];
    edit.transaction().run(sql, values).await.unwrap();
    let sql = "UPDATE agreement SET state = 'retired'";
    edit.transaction().run(sql, args![]).await.unwrap();
    drop(edit);
    for store in [&store, &other, &reopen(&home).await] {
        store.catch_up().await.unwrap();
        assert_eq!(seen(store), before);
    }
    // Nor does one that fails half way: the second has an id that is on record.
    let clash = NewAgreement {
        odrl: QUALITY.into(),
        ..agreement("a-1")
    };
    let [new, old] = [agreement("a-2"), clash].map(|new| {
        let terms = Arc::new(Terms::from_odrl(&new.odrl).unwrap());
        (Arc::new(new.on(terms)), new)
    });
    assert!(store.insert_agreements(&[new, old], now()).await.is_err());
    assert_eq!((seen(&store), seen(&reopen(&home).await)), (before.clone(), before));
}

async fn an_older_state_in_the_place_of_the_registry_is_told(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    put(&store, agreement("a-1")).await;
    home.edit(FILE, "UPDATE version SET number = 0").await;
    assert!(matches!(store.catch_up().await, Err(RegistryError::Rewound { .. })));
    let written = store.put_footprint(footprint("p-1", 1), now()).await;
    assert!(matches!(written, Err(RegistryError::Rewound { .. })));
}

async fn the_same_again_is_not_written(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let other = reopen(&home).await;
    other.seed(&[world()], &[]).await.unwrap();
    assert!(
        !store.catch_up().await.unwrap(),
        "a second start with the same document changes nothing"
    );
}

async fn a_follower_sees_a_change(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let other = reopen(&home).await;
    let mut current = store.subscribe();
    // On PostgreSQL it is told; in a file it looks.
    let period = match on {
        On::Sqlite => Duration::from_millis(50),
        On::Postgres => Duration::from_secs(3_600),
    };
    let following = tokio::spawn({
        let store = store.clone();
        async move { store.follow(period).await }
    });
    for name in ["a-1", "a-2", "a-3"] {
        put(&other, agreement(name)).await;
        let seen = current.wait_for(|registry| {
            let world = registry.tenant(provider()).unwrap();
            world.agreements.get(&id(name)).is_some()
        });
        let seen = tokio::time::timeout(Duration::from_secs(20), seen).await;
        assert!(seen.expect("it is not seen").is_ok());
    }
    following.abort();
}

async fn several_that_start_at_once_make_the_tables_once(on: On) {
    let home = Home::new(on).await;
    let mut starting = JoinSet::new();
    for number in 0..4 {
        let place = home.place().clone();
        starting.spawn(async move {
            let store = RegistryStore::open(&place).await.unwrap();
            store.seed(&[world()], &[]).await.unwrap();
            put(&store, agreement(&format!("a-{number}"))).await;
        });
    }
    while let Some(started) = starting.join_next().await {
        started.unwrap();
    }
    let store = reopen(&home).await;
    assert_eq!(store.current().tenant(provider()).unwrap().agreements.len(), 4);
}

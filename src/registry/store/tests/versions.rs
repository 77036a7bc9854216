//! Other bytes are the next version, the same bytes are the same one; and what was is in the history, once, in either place.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::followed::{footprint, other_bytes, seen};
use super::*;
use crate::ids::PcfId;
use crate::registry::{Footprint, FootprintStatus};

on_both!(
    each_document_with_other_bytes_is_the_next_version_and_the_one_before_is_kept,
    the_same_bytes_again_are_the_same_version_and_nothing_is_written,
    of_a_batch_all_is_taken_in_or_nothing,
    a_version_that_does_not_read_is_told,
);

fn pcf(id: &str) -> PcfId {
    id.parse().unwrap()
}

fn held(store: &RegistryStore, id: &str) -> Arc<Footprint> {
    let registry = store.current();
    Arc::clone(registry.tenant(provider()).unwrap().footprints.get(&pcf(id)).unwrap())
}

async fn history(store: &RegistryStore, id: &str) -> Vec<Superseded> {
    store.history(provider(), &pcf(id), u32::MAX, 1_000).await.unwrap()
}

fn indexed(version: u32, is_new: bool) -> Indexed {
    Indexed { version, is_new }
}

async fn each_document_with_other_bytes_is_the_next_version_and_the_one_before_is_kept(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let first = store.put_footprint(other_bytes("p-1", 1), now()).await.unwrap();
    assert_eq!(first, indexed(1, true));
    assert_eq!(history(&store, "p-1").await, []);
    // What is said of the version is not believed.
    let claimed = Footprint {
        version: 9,
        status: FootprintStatus::Deprecated,
        ..other_bytes("p-1", 2)
    };
    let later = now() + 1.hour();
    assert_eq!(store.put_footprint(claimed, later).await.unwrap(), indexed(2, true));
    // Bytes that were there before come back as a version of their own.
    let batch = [
        other_bytes("p-1", 1),
        other_bytes("p-2", 1),
        other_bytes("p-1", 3),
        other_bytes("p-1", 3),
    ];
    let put = store.put_footprints(&batch, later).await.unwrap();
    assert_eq!(
        put,
        [indexed(3, true), indexed(1, true), indexed(4, true), indexed(4, false)]
    );
    close(store).await;
    let store = reopen(&home).await;
    assert_eq!((held(&store, "p-1").version, held(&store, "p-2").version), (4, 1));
    assert_eq!(held(&store, "p-1").digest, batch[2].digest);
    let told: Vec<_> = history(&store, "p-1").await;
    let told: Vec<_> = told
        .iter()
        .map(|old| {
            (
                old.footprint.version,
                old.footprint.digest,
                old.footprint.status,
                old.superseded_at,
            )
        })
        .collect();
    let (active, deprecated) = (FootprintStatus::Active, FootprintStatus::Deprecated);
    let (one, two) = (other_bytes("p-1", 1).digest, other_bytes("p-1", 2).digest);
    assert_eq!(
        told,
        [
            (3, one, active, later),
            (2, two, deprecated, later),
            (1, one, active, later)
        ]
    );
    assert_eq!(history(&store, "p-2").await, []);
    // Page by page, and of no other tenant.
    let page = store.history(provider(), &pcf("p-1"), 3, 1).await.unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!(page[0].footprint.version, 2);
    let stranger = "BPNL00000000B2CD".parse().unwrap();
    assert_eq!(store.history(stranger, &pcf("p-1"), u32::MAX, 9).await.unwrap(), []);
}

async fn the_same_bytes_again_are_the_same_version_and_nothing_is_written(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    store.put_footprint(footprint("p-1", 1), now()).await.unwrap();
    let other = reopen(&home).await;
    let again = store
        .put_footprints(&[footprint("p-1", 1), footprint("p-1", 1)], now())
        .await;
    assert_eq!(again.unwrap(), [indexed(1, false), indexed(1, false)]);
    assert!(store.put_footprints(&[], now()).await.unwrap().is_empty());
    assert!(!other.catch_up().await.unwrap(), "nothing was written");
    // They become part of another asset: that is known from then on, and no version.
    let mut more = footprint("p-1", 1);
    more.assets.insert("pcf2".parse().unwrap());
    assert_eq!(store.put_footprint(more, now()).await.unwrap(), indexed(1, false));
    assert!(other.catch_up().await.unwrap());
    assert_eq!((held(&other, "p-1").assets.len(), held(&other, "p-1").version), (2, 1));
    assert_eq!(history(&other, "p-1").await, []);
}

async fn of_a_batch_all_is_taken_in_or_nothing(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    store.put_footprint(other_bytes("p-1", 1), now()).await.unwrap();
    let before = seen(&store);
    let mut stranger = other_bytes("p-1", 2);
    stranger.tenant = "BPNL00000000B2CD".parse().unwrap();
    let put = store.put_footprints(&[other_bytes("p-1", 2), stranger], now()).await;
    assert!(matches!(put, Err(RegistryError::NoSuchTenant(_))));
    // A row of the history is in the way: the new version is not taken in without the old one being kept.
    let kept = "INSERT INTO history (tenant, pcf, number, document) VALUES ('BPNL000000000DWF', 'p-1', 1, '{}')";
    let kept = match on {
        On::Sqlite => kept.to_owned(),
        On::Postgres => kept.replace("INTO history", "INTO tidegate_registry.history"),
    };
    home.edit(FILE, &kept).await;
    let put = store
        .put_footprints(&[other_bytes("p-2", 2), other_bytes("p-1", 2)], now())
        .await;
    assert!(matches!(put, Err(RegistryError::Database(_))));
    for store in [store, reopen(&home).await] {
        assert_eq!(seen(&store), before);
    }
}

async fn a_version_that_does_not_read_is_told(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let batch = [other_bytes("p-1", 1), other_bytes("p-1", 2)];
    store.put_footprints(&batch, now()).await.unwrap();
    let sql = match on {
        On::Sqlite => "UPDATE history SET document = '{}'",
        On::Postgres => "UPDATE tidegate_registry.history SET document = '{}'",
    };
    home.edit(FILE, sql).await;
    let read = store.history(provider(), &pcf("p-1"), u32::MAX, 9).await;
    let said = read.unwrap_err().to_string();
    assert!(
        said.contains("the version of the footprint `p-1` does not read"),
        "{said}"
    );
}

/// Everything there is of all versions.
async fn everything(store: &RegistryStore) -> (String, BTreeMap<u8, Vec<Superseded>>) {
    let mut all = BTreeMap::new();
    for id in 0..100 {
        all.insert(id, history(store, &format!("p-{id}")).await);
    }
    (seen(store), all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_leave_what_the_same_one_by_one_would_leave(
        puts in prop::collection::vec((0..100_u8, 0..3_usize), 1..160),
        cuts in prop::collection::vec(1..90_usize, 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let of = |(id, bytes): &(u8, usize)| {
            // Few ids come often, many seldom.
            let id = if *bytes == 0 { id % 5 } else { *id };
            other_bytes(&format!("p-{id}"), *bytes)
        };
        let puts: Vec<_> = puts.iter().map(of).collect();
        let (many, one, told) = runtime.block_on(async {
            let homes = [Home::new(On::Sqlite).await, Home::new(On::Sqlite).await];
            let [many, one] = [open(&homes[0]).await, open(&homes[1]).await];
            let (mut told, mut left) = ([Vec::new(), Vec::new()], puts.as_slice());
            for cut in cuts.iter().cycle() {
                let (batch, rest) = left.split_at((*cut).min(left.len()));
                told[0].extend(many.put_footprints(batch, now()).await.unwrap());
                left = rest;
                if left.is_empty() { break }
            }
            for put in &puts {
                told[1].push(one.put_footprint(put.clone(), now()).await.unwrap());
            }
            let many = [everything(&many).await, everything(&reopen(&homes[0]).await).await];
            (many, everything(&one).await, told)
        });
        prop_assert_eq!(&told[0], &told[1]);
        prop_assert_eq!(&many[0], &one);
        prop_assert_eq!(&many[1], &one);
        for (id, history) in &one.1 {
            let numbers: Vec<_> = history.iter().rev().map(|old| old.footprint.version as usize).collect();
            prop_assert_eq!(numbers, (1..=history.len()).collect::<Vec<_>>(), "p-{}", id);
        }
    }
}

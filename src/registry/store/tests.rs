//! What is put into the registry is what is there after the next start, and what was agreed never changes; in either place.

mod followed;
mod measured;
mod texts;
mod twins;
mod versions;

use std::sync::Arc;

use jiff::{Timestamp, ToSpan};

use super::*;
use crate::database::tests::{Home, On, on_both};
use crate::ids::Digest;
use crate::registry::{AgreementState, Asset, Identity, NewAgreement, Signed, Tenant, TenantState};

const PROVIDER: &str = "BPNL000000000DWF";
const USAGE: &str = include_str!("../../../fixtures/odrl/dev/pcf-usage.json");
const QUALITY: &str = include_str!("../../../fixtures/odrl/dev/quality-usage.json");

fn now() -> Timestamp {
    "2026-11-21T06:00:00Z".parse().unwrap()
}

fn provider() -> TenantId {
    PROVIDER.parse().unwrap()
}

fn world() -> TenantWorld {
    let mut world = TenantWorld::new(Tenant {
        id: provider(),
        name: "Elbe".into(),
        state: TenantState::Active,
        identity: Identity {
            issuer: "https://issuer.example".into(),
            jwks: "https://issuer.example/jwks".into(),
            resource_server: PROVIDER.into(),
            connectors: Default::default(),
            integrations: Default::default(),
            user_clients: Default::default(),
            not_before: None,
            groups: Default::default(),
        },
        disabled_users: Default::default(),
        connector: None,
        ledger: Default::default(),
        secrets: Default::default(),
    });
    let asset = Asset {
        id: "pcf".parse().unwrap(),
        api: "1.3.0".parse().unwrap(),
        version: "1.0".parse().unwrap(),
    };
    world.assets.insert_mut(asset.id.clone(), Arc::new(asset));
    world
}

fn agreement(id: &str) -> NewAgreement {
    NewAgreement {
        id: id.parse().unwrap(),
        provider: provider(),
        consumer: "BPNL00000000C3EF".parse().unwrap(),
        asset: "pcf".parse().unwrap(),
        state: AgreementState::Active,
        signed_at: now() - 24.hours(),
        signed: Some(Signed {
            api: "1.3.0".parse().unwrap(),
            asset: "1.0".parse().unwrap(),
            models: ["9.0.0".parse().unwrap()].into(),
        }),
        claims: Some(r#"{"membership":"active"}"#.into()),
        odrl: USAGE.into(),
    }
}

on_both!(
    an_agreement_is_after_the_next_start_what_it_was_before,
    agreements_on_the_same_terms_share_them_before_and_after_a_start,
    what_was_agreed_does_not_change_under_the_same_id,
    a_document_taken_in_again_leaves_agreements_as_they_are,
    what_is_ended_is_ended_in_memory_though_it_cannot_be_written,
    a_list_goes_on_where_it_ended_and_shows_what_was_counted_and_not_yet_written,
    where_the_terms_count_one_at_a_time_has_a_turn_and_what_it_counts_is_durable,
    what_does_not_read_is_refused_with_the_place,
);

/// The registry, with a tenant.
async fn open(home: &Home) -> RegistryStore {
    let store = reopen(home).await;
    store.seed(&[world()], &[]).await.unwrap();
    store
}

/// The registry as it is found.
async fn reopen(home: &Home) -> RegistryStore {
    RegistryStore::open(home.place()).await.unwrap()
}

async fn put(store: &RegistryStore, new: NewAgreement) -> Arc<Agreement> {
    let examined = Arc::new(store.examine(&new).await.unwrap().expect("it is not on record yet"));
    let put = store.insert_agreements(&[(Arc::clone(&examined), new)], now()).await;
    put.unwrap();
    examined
}

async fn close(store: RegistryStore) {
    store.tables.close().await;
}

/// Everything of an agreement, to compare.
fn spelled(agreement: &Agreement) -> String {
    format!("{agreement:?}")
}

async fn an_agreement_is_after_the_next_start_what_it_was_before(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let whole = put(&store, agreement("a-1")).await;
    let bare = NewAgreement {
        signed: None,
        claims: None,
        odrl: QUALITY.into(),
        state: AgreementState::Retired,
        ..agreement("a-2")
    };
    let bare = put(&store, bare).await;
    close(store).await;
    let store = reopen(&home).await;
    for known in [&whole, &bare] {
        let read = store.held(provider(), &known.id).unwrap();
        assert_eq!(spelled(&read), spelled(known));
    }
    let papers = store.papers(provider(), &whole.id).await.unwrap().unwrap();
    assert_eq!(papers.odrl, USAGE);
    assert_eq!(papers.claims.as_deref(), Some(r#"{"membership":"active"}"#));
    let papers = store.papers(provider(), &bare.id).await.unwrap().unwrap();
    assert_eq!((papers.odrl.as_str(), papers.claims), (QUALITY, None));
    assert_eq!(store.papers(provider(), &"a-3".parse().unwrap()).await.unwrap(), None);
}

async fn agreements_on_the_same_terms_share_them_before_and_after_a_start(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let spelled_otherwise = NewAgreement {
        odrl: format!("  {USAGE}\n").into(),
        ..agreement("a-2")
    };
    let (one, other) = (
        put(&store, agreement("a-1")).await,
        put(&store, spelled_otherwise).await,
    );
    assert!(Arc::ptr_eq(&one.terms, &other.terms));
    close(store).await;
    let store = reopen(&home).await;
    let [one, other] = ["a-1", "a-2"].map(|id| store.held(provider(), &id.parse().unwrap()).unwrap());
    assert!(Arc::ptr_eq(&one.terms, &other.terms));
    assert!(Arc::ptr_eq(
        one.signed.as_ref().unwrap(),
        other.signed.as_ref().unwrap()
    ));
    // One that comes in later shares them too.
    let later = put(&store, agreement("a-3")).await;
    assert!(Arc::ptr_eq(&one.terms, &later.terms));
}

async fn what_was_agreed_does_not_change_under_the_same_id(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    put(&store, agreement("a-1")).await;
    // The same again is no change, whatever state it is in by now, and what is told of its signing later.
    let again = NewAgreement {
        state: AgreementState::Retired,
        signed: None,
        claims: None,
        ..agreement("a-1")
    };
    assert!(store.examine(&again).await.unwrap().is_none());
    type Change = fn(NewAgreement) -> NewAgreement;
    let changes: [(&str, Change); 5] = [
        ("consumer", |new| NewAgreement {
            consumer: "BPNL00000000D4GH".parse().unwrap(),
            ..new
        }),
        ("asset", |new| NewAgreement {
            asset: "pcf2".parse().unwrap(),
            ..new
        }),
        ("time of signing", |new| NewAgreement {
            signed_at: new.signed_at + 1.millisecond(),
            ..new
        }),
        ("text", |new| NewAgreement {
            odrl: QUALITY.into(),
            ..new
        }),
        // The same terms in another spelling are not the text that was agreed.
        ("text", |new| NewAgreement {
            odrl: format!("{USAGE} ").into(),
            ..new
        }),
    ];
    for (what, change) in changes {
        let error = store.examine(&change(agreement("a-1"))).await.unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&format!("on record with another {what}")), "{said}");
    }
    let stranger = NewAgreement {
        provider: "BPNL00000000B2CD".parse().unwrap(),
        ..agreement("a-1")
    };
    assert!(matches!(
        store.examine(&stranger).await,
        Err(RegistryError::NoSuchTenant(_))
    ));
    let unknown = NewAgreement {
        odrl: "{}".into(),
        ..agreement("a-2")
    };
    assert!(matches!(
        store.examine(&unknown).await,
        Err(RegistryError::Terms { .. })
    ));
}

async fn a_document_taken_in_again_leaves_agreements_as_they_are(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    put(&store, agreement("a-1")).await;
    end(&store, "a-1").await.unwrap();
    let mut renamed = world();
    renamed.tenant.name = "Elbe Polymers".into();
    let asset = Asset {
        id: "other".parse().unwrap(),
        api: "1.2.0".parse().unwrap(),
        version: "2.0".parse().unwrap(),
    };
    renamed.assets = [(asset.id.clone(), Arc::new(asset))].into_iter().collect();
    store.seed(&[renamed], &[]).await.unwrap();
    let seen = |store: &RegistryStore| {
        let registry = store.current();
        let world = registry.tenant(provider()).unwrap();
        let state = world.agreements.get(&"a-1".parse().unwrap()).unwrap().state;
        (world.tenant.name.clone(), world.assets.size(), state)
    };
    let expected = ("Elbe Polymers".to_owned(), 2, AgreementState::Retired);
    assert_eq!(seen(&store), expected);
    close(store).await;
    let store = reopen(&home).await;
    assert_eq!(seen(&store), expected);
}

fn ending(id: &str) -> Ending {
    Ending {
        provider: provider(),
        id: id.parse().unwrap(),
        state: AgreementState::Retired,
        reason: "moved to another platform".into(),
        at: now(),
        by: "operator".into(),
        decision: None,
    }
}

async fn end(store: &RegistryStore, id: &str) -> Result<(), RegistryError> {
    store.end_agreements(&[ending(id)]).await
}

async fn what_is_ended_is_ended_in_memory_though_it_cannot_be_written(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    put(&store, agreement("a-1")).await;
    let before = store.current();
    close(store.clone()).await;
    assert!(matches!(end(&store, "a-1").await, Err(RegistryError::Database(_))));
    let id = "a-1".parse().unwrap();
    assert_eq!(store.held(provider(), &id).unwrap().state, AgreementState::Retired);
    // Whoever took the registry before sees it as it was.
    let before = before.tenant(provider()).unwrap().agreements.get(&id).unwrap().state;
    assert_eq!(before, AgreementState::Active);
    let store = reopen(&home).await;
    assert_eq!(store.held(provider(), &id).unwrap().state, AgreementState::Active);
    end(&store, "a-1").await.unwrap();
    assert_eq!(store.intended().await.unwrap(), []);
    close(store).await;
    let store = reopen(&home).await;
    assert_eq!(store.held(provider(), &id).unwrap().state, AgreementState::Retired);
}

async fn a_list_goes_on_where_it_ended_and_shows_what_was_counted_and_not_yet_written(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let ids = ["a-1", "a-10", "a-2", "b"];
    for id in ids.iter().rev() {
        put(&store, agreement(id)).await;
    }
    end(&store, "a-2").await.unwrap();
    let used = store.held(provider(), &"a-10".parse().unwrap()).unwrap();
    let uses = async || {
        let listed = store.list_agreements(provider(), None, 10).await.unwrap();
        listed.iter().map(|listed| listed.uses).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let turn = store.turn(&used).await.unwrap();
        assert_eq!(turn.uses(), None);
        turn.count().await.unwrap();
    }
    // A turn that was not used counts nothing.
    drop(store.turn(&used).await.unwrap());
    assert_eq!(uses().await, [0, 2, 0, 0]);
    store.write_uses().await.unwrap();
    store.write_uses().await.unwrap();
    assert_eq!(uses().await, [0, 2, 0, 0]);
    store.turn(&used).await.unwrap().count().await.unwrap();
    assert_eq!(uses().await, [0, 3, 0, 0]);
    let mut seen: Vec<(String, Option<String>)> = Vec::new();
    let mut after = None;
    loop {
        let page = store.list_agreements(provider(), after.as_ref(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.agreement.id.clone());
        seen.extend(
            page.into_iter()
                .map(|listed| (listed.agreement.id.to_string(), listed.reason)),
        );
    }
    let expected = ids.map(|id| {
        (
            id.to_owned(),
            (id == "a-2").then(|| "moved to another platform".to_owned()),
        )
    });
    assert_eq!(seen, expected);
    close(store).await;
    // What was not written is lost; nothing else is.
    let store = reopen(&home).await;
    let listed = store.list_agreements(provider(), None, 10).await.unwrap();
    assert_eq!(
        listed.iter().map(|listed| listed.uses).collect::<Vec<_>>(),
        [0, 2, 0, 0]
    );
}

/// The usage contract, with data once and no more.
fn once() -> String {
    let before = r#"{
              "leftOperand": "Membership","#;
    let once = r#"{"leftOperand": "DataFrequency", "operator": "eq", "rightOperand": "cx.dataFrequency.once:1"}"#;
    USAGE.replacen(before, &format!("{once}, {before}"), 1)
}

async fn where_the_terms_count_one_at_a_time_has_a_turn_and_what_it_counts_is_durable(on: On) {
    let home = Home::new(on).await;
    let store = open(&home).await;
    let new = NewAgreement {
        odrl: once().into(),
        ..agreement("a-1")
    };
    let counted = put(&store, new).await;
    assert!(counted.terms.counts_uses());
    // Given back unused, it counts nothing.
    let unused = store.turn(&counted).await.unwrap();
    assert_eq!(unused.uses(), Some(0));
    drop(unused);
    let first = store.turn(&counted).await.unwrap();
    assert_eq!(first.uses(), Some(0));
    let mut second = std::pin::pin!(store.turn(&counted));
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut second).await;
    assert!(early.is_err(), "two have a turn at once");
    // Under another agreement nobody waits.
    let other = NewAgreement {
        odrl: once().into(),
        ..agreement("a-2")
    };
    let other = put(&store, other).await;
    assert_eq!(store.turn(&other).await.unwrap().uses(), Some(0));
    first.count().await.unwrap();
    assert_eq!(second.await.unwrap().uses(), Some(1));
    // Not only written down: it is there though the process ends now.
    let other = reopen(&home).await;
    assert_eq!(other.turn(&counted).await.unwrap().uses(), Some(1));
    // What cannot be counted is an error: then nothing is handed out.
    let turn = store.turn(&counted).await.unwrap();
    close(store.clone()).await;
    assert!(turn.count().await.is_err());
    assert!(store.turn(&counted).await.is_err());
}

async fn what_does_not_read_is_refused_with_the_place(on: On) {
    let edits = [
        ("UPDATE agreement SET state = 'Active'", "there is no state `Active`"),
        (
            "UPDATE agreement SET terms = 'sha256:0'",
            "its terms sha256:0 are not there",
        ),
        (
            "UPDATE agreement SET signed_at = 'yesterday'",
            "the agreement `a-1` does not read",
        ),
        ("UPDATE agreement SET signed = '{\"api\":\"1\"}'", "missing field"),
        ("UPDATE agreement SET asset = '../pcf'", "is not an asset id"),
        (
            "UPDATE terms SET normal = replace(normal, 'cx.pcf.base:1', 'cx.pcf.base:2')",
            "have the digest",
        ),
        (
            "UPDATE terms SET normal = normal || ' '",
            "has terms that do not compile",
        ),
        ("DELETE FROM tenant", "is not a tenant"),
        ("PRAGMA user_version = 9", "have the format 9; this version reads 6"),
    ];
    for (sql, expected) in edits {
        let home = Home::new(on).await;
        let store = open(&home).await;
        put(&store, agreement("a-1")).await;
        close(store).await;
        let (sql, expected) = match (on, sql) {
            (On::Sqlite, _) => (sql.to_owned(), expected),
            (On::Postgres, "PRAGMA user_version = 9") => (
                "UPDATE tidegate_registry.format SET format = 9".to_owned(),
                "have the format 9; this version reads 4",
            ),
            (On::Postgres, _) => (
                format!("ALTER TABLE agreement DROP CONSTRAINT agreement_terms_fkey; {sql}"),
                expected,
            ),
        };
        home.edit(FILE, &sql).await;
        let said = RegistryStore::open(home.place()).await.unwrap_err().to_string();
        assert!(said.contains(expected), "{sql}: {said}");
    }
}

/// A file as version 1 of the format had it, with two agreements.
const BEFORE: &str = "
    DROP INDEX tenant_version; DROP INDEX tenant_offers; DROP INDEX partner_version; DROP INDEX footprint_version;
    DROP INDEX asset_version; DROP INDEX relation_version; DROP INDEX agreement_version; DROP TABLE version; DROP TABLE history; DROP TABLE integration; DROP TABLE twin_rules;
    ALTER TABLE tenant DROP COLUMN version; ALTER TABLE tenant DROP COLUMN offers; ALTER TABLE partner DROP COLUMN version;
    ALTER TABLE footprint DROP COLUMN version; ALTER TABLE asset DROP COLUMN version; ALTER TABLE relation DROP COLUMN version;
    ALTER TABLE agreement DROP COLUMN version; PRAGMA user_version = 1;";

#[tokio::test]
async fn a_file_of_the_format_before_is_brought_up_to_date_with_all_that_is_in_it() {
    let home = Home::new(On::Sqlite).await;
    let store = open(&home).await;
    put(&store, agreement("a-1")).await;
    put(&store, agreement("a-2")).await;
    end(&store, "a-2").await.unwrap();
    close(store).await;
    home.edit(FILE, BEFORE).await;
    let store = reopen(&home).await;
    let state = |id: &str| store.held(provider(), &id.parse().unwrap()).unwrap().state;
    assert_eq!(
        ["a-1", "a-2"].map(state),
        [AgreementState::Active, AgreementState::Retired]
    );
    put(&store, agreement("a-3")).await;
}

#[tokio::test]
async fn a_file_of_the_first_format_keeps_all_but_its_agreements() {
    let home = Home::new(On::Sqlite).await;
    close(open(&home).await).await;
    home.edit(FILE, BEFORE).await;
    home.edit(
        FILE,
        "DROP TABLE agreement; DROP TABLE terms; DROP TABLE asset; DROP TABLE relation; PRAGMA user_version = 0;
         CREATE TABLE agreement (provider TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL, odrl TEXT NOT NULL,
           PRIMARY KEY (provider, id)) STRICT;
         INSERT INTO agreement VALUES ('BPNL000000000DWF', 'a-1', '{}', '{}');",
    )
    .await;
    let store = reopen(&home).await;
    assert!(store.current().tenant(provider()).unwrap().agreements.is_empty());
    store.seed(&[world()], &[]).await.unwrap();
    put(&store, agreement("a-1")).await;
}

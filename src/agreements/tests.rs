//! What changes is first in the ledger, then in the registry, then told; and what cannot be recorded does not change.

use std::path::Path;

use jiff::ToSpan;
use tokio::sync::broadcast::error::TryRecvError;

use super::*;
use crate::clock::Clock;
use crate::database::Place;
use crate::ledger::read::{Cursor, Reader};
use crate::ledger::verify::verify;
use crate::ledger::{LedgerKeys, Options};
use crate::registry::{Identity, Tenant, TenantState, TenantWorld};

const USAGE: &str = include_str!("../../fixtures/odrl/dev/pcf-usage.json");
/// Use ends 2027-06-30T23:59:59Z.
const UNTIL: &str = include_str!("../../fixtures/odrl/dev/pcf-usage-until.json");

fn now() -> Timestamp {
    "2027-06-01T06:00:00Z".parse().unwrap()
}

fn provider() -> TenantId {
    "BPNL000000000DWF".parse().unwrap()
}

fn id(text: &str) -> AgreementId {
    text.parse().unwrap()
}

fn agreement(name: &str, odrl: &str) -> NewAgreement {
    NewAgreement {
        id: id(name),
        provider: provider(),
        consumer: "BPNL00000000C3EF".parse().unwrap(),
        asset: "pcf".parse().unwrap(),
        state: AgreementState::Active,
        signed_at: now() - (24 * 30).hours(),
        signed: None,
        claims: None,
        odrl: odrl.into(),
    }
}

struct Desk {
    book: Book,
    registry: RegistryStore,
    ledger: Ledger,
}

impl Desk {
    async fn open(directory: &Path) -> Self {
        let keys = LedgerKeys::from_seed(&[7; 32], "tidegate.test").unwrap();
        let ledger = Ledger::open(directory, keys, Clock::fixed(now()), Options::default());
        let ledger = ledger.await.unwrap();
        let registry = RegistryStore::open(&Place::Directory(directory.to_owned()))
            .await
            .unwrap();
        let world = TenantWorld::new(Tenant {
            id: provider(),
            name: "Elbe".into(),
            state: TenantState::Active,
            identity: Identity {
                issuer: "https://issuer.example".into(),
                jwks: "https://issuer.example/jwks".into(),
                resource_server: provider().to_string(),
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
        registry.seed(&[world], &[]).await.unwrap();
        Self {
            book: Book::new(registry.clone(), ledger.clone()),
            registry,
            ledger,
        }
    }

    fn state(&self, name: &str) -> Option<AgreementState> {
        let registry = self.registry.current();
        let held = registry.tenant(provider()).unwrap().agreements.get(&id(name))?;
        Some(held.state)
    }

    async fn put(&self, new: NewAgreement) -> Result<bool, AgreementError> {
        self.book.put(new, &Cause::operator(), now()).await
    }

    async fn retire(&self, name: &str) -> Result<Ended, AgreementError> {
        let cause = Cause::operator();
        self.book
            .retire(provider(), &id(name), "moved away", &cause, now())
            .await
    }
}

/// What the tenant's log tells of agreements: id, state, by whom, reason.
async fn told(directory: &Path) -> Vec<(String, AgreementState, String, Option<String>)> {
    let mut reader = Reader::open(directory).await.unwrap();
    let mut cursor = Cursor::new(LogId::Tenant(provider()), 0);
    let mut told = Vec::new();
    while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
        if let Event::Agreement(event) = stored.record.event {
            told.push((event.agreement.to_string(), event.state, event.by, event.reason));
        }
    }
    told
}

#[tokio::test]
async fn a_life_is_told_in_full_by_the_ledger_and_to_whoever_listens() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(directory.path()).await;
    let mut listener = desk.book.changes();
    assert!(desk.put(agreement("a-1", USAGE)).await.unwrap());
    assert!(!desk.put(agreement("a-1", USAGE)).await.unwrap(), "the same again");
    assert!(desk.put(agreement("a-2", UNTIL)).await.unwrap());
    assert!(desk.retire("a-1").await.unwrap().changed);
    let again = desk.retire("a-1").await.unwrap();
    assert_eq!((again.state, again.changed), (AgreementState::Retired, false));
    let after = "2027-07-01T00:00:00Z".parse().unwrap();
    assert_eq!(desk.book.expire(now()).await.unwrap(), 0);
    assert_eq!(desk.book.expire(after).await.unwrap(), 1);
    assert_eq!(desk.book.expire(after).await.unwrap(), 0);
    let states = ["a-1", "a-2"].map(|name| desk.state(name).unwrap());
    assert_eq!(states, [AgreementState::Retired, AgreementState::Expired]);
    // What has expired stays expired.
    let late = desk.retire("a-2").await.unwrap();
    assert_eq!((late.state, late.changed), (AgreementState::Expired, false));
    assert!(matches!(
        desk.retire("a-3").await,
        Err(AgreementError::NotOnRecord { .. })
    ));

    desk.ledger.close().await;
    assert!(verify(directory.path()).await.unwrap().ok);
    let line = |name: &str, state, by: &str, reason: Option<&str>| {
        (name.to_owned(), state, by.to_owned(), reason.map(str::to_owned))
    };
    let expected = [
        line("a-1", AgreementState::Active, "operator", None),
        line("a-2", AgreementState::Active, "operator", None),
        line("a-1", AgreementState::Retired, "operator", Some("moved away")),
        line("a-2", AgreementState::Expired, "tidegate", Some(PAST_ITS_END)),
    ];
    assert_eq!(told(directory.path()).await, expected);
    let mut heard = Vec::new();
    while let Ok(change) = listener.try_recv() {
        assert_eq!(change.tenant, provider());
        heard.push((change.agreement.to_string(), change.state, change.reason));
    }
    assert_eq!(listener.try_recv(), Err(TryRecvError::Empty));
    let expected = expected.map(|(name, state, _, reason)| (name, state, reason.map(Arc::from)));
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_happen() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(directory.path()).await;
    desk.put(agreement("a-1", UNTIL)).await.unwrap();
    let mut listener = desk.book.changes();
    desk.ledger.close().await;
    let after = "2027-07-01T00:00:00Z".parse().unwrap();
    assert!(matches!(
        desk.put(agreement("a-2", USAGE)).await,
        Err(AgreementError::Ledger(_))
    ));
    assert!(matches!(desk.retire("a-1").await, Err(AgreementError::Ledger(_))));
    assert!(matches!(desk.book.expire(after).await, Err(AgreementError::Ledger(_))));
    assert_eq!(desk.state("a-1"), Some(AgreementState::Active));
    assert_eq!(desk.state("a-2"), None);
    assert_eq!(listener.try_recv(), Err(TryRecvError::Empty));
    // It is found again once it can be recorded.
    drop(desk);
    let desk = Desk::open(directory.path()).await;
    assert_eq!(desk.book.expire(after).await.unwrap(), 1);
    assert_eq!(desk.state("a-1"), Some(AgreementState::Expired));
}

#[tokio::test]
async fn more_than_one_chunk_comes_in_and_ends_each_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(directory.path()).await;
    let count = 2 * CHUNK + 3;
    let all: Vec<_> = (0..count)
        .map(|number| agreement(&format!("a-{number}"), UNTIL))
        .collect();
    // One stands twice, the same both times.
    let twice = all.iter().cloned().chain([all[5].clone()]).collect();
    let put = desk.book.put_all(twice, &Cause::operator(), now()).await.unwrap();
    assert_eq!(put, count);
    // Two of one name that are not the same: the first stays.
    let mut other = agreement("b", USAGE);
    other.asset = "pcf2".parse().unwrap();
    let conflict = vec![agreement("b", USAGE), other];
    let conflict = desk.book.put_all(conflict, &Cause::operator(), now()).await;
    assert!(matches!(
        conflict,
        Err(AgreementError::Registry(RegistryError::Conflict { what: "asset", .. }))
    ));
    for name in ["a-0", "a-300"] {
        desk.retire(name).await.unwrap();
    }
    let after = "2027-07-01T00:00:00Z".parse().unwrap();
    assert_eq!(desk.book.expire(after).await.unwrap(), count - 2);
    desk.ledger.close().await;
    let told = told(directory.path()).await;
    for state in [AgreementState::Active, AgreementState::Expired] {
        let names: HashSet<_> = told
            .iter()
            .filter(|line| line.1 == state)
            .map(|line| line.0.as_str())
            .collect();
        let all = told.iter().filter(|line| line.1 == state).count();
        assert_eq!(names.len(), all, "each is told once");
        assert_eq!(
            all,
            if state == AgreementState::Active {
                count + 1
            } else {
                count - 2
            }
        );
    }
}

#[tokio::test]
async fn what_is_put_once_more_as_over_ends_and_does_not_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(directory.path()).await;
    let over = NewAgreement {
        state: AgreementState::Retired,
        ..agreement("a-1", USAGE)
    };
    assert!(desk.put(agreement("a-1", USAGE)).await.unwrap());
    assert!(!desk.put(over.clone()).await.unwrap());
    assert_eq!(desk.state("a-1"), Some(AgreementState::Retired));
    assert!(!desk.put(agreement("a-1", USAGE)).await.unwrap());
    assert!(!desk.put(over).await.unwrap());
    assert_eq!(desk.state("a-1"), Some(AgreementState::Retired));
    desk.ledger.close().await;
    let states: Vec<_> = told(directory.path()).await.into_iter().map(|line| line.1).collect();
    assert_eq!(states, [AgreementState::Active, AgreementState::Retired]);
}

#[tokio::test]
async fn the_versions_of_signing_may_be_told_later_and_then_stay() {
    use crate::registry::Signed;
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(directory.path()).await;
    let under = |api: &str| NewAgreement {
        signed: Some(Signed {
            api: api.parse().unwrap(),
            asset: "1.0".parse().unwrap(),
            models: Default::default(),
        }),
        ..agreement("a-1", USAGE)
    };
    desk.put(agreement("a-1", USAGE)).await.unwrap();
    let api = |desk: &Desk| {
        let held = desk.book.held(provider(), &id("a-1")).unwrap();
        held.signed.as_ref().map(|signed| signed.api.full().to_owned())
    };
    assert_eq!(api(&desk), None);
    assert!(!desk.put(under("1.2.0")).await.unwrap());
    assert!(!desk.put(under("1.3.0")).await.unwrap());
    assert!(!desk.put(agreement("a-1", USAGE)).await.unwrap());
    assert_eq!(api(&desk).as_deref(), Some("1.2.0"));
    desk.ledger.close().await;
    drop(desk);
    let desk = Desk::open(directory.path()).await;
    assert_eq!(api(&desk).as_deref(), Some("1.2.0"));
}

/// What a retirement has written when it is cut short after the ledger: the intention and the record.
async fn cut_short(desk: &Desk, name: &str) -> Ending {
    let ending = Ending {
        provider: provider(),
        id: id(name),
        state: AgreementState::Retired,
        reason: "moved away".into(),
        at: now(),
        by: "operator".into(),
        decision: None,
    };
    desk.registry.intend(std::slice::from_ref(&ending)).await.unwrap();
    let agreement = desk.book.held(provider(), &id(name)).unwrap();
    let told = entry(&agreement, ending.state, Some(&ending.reason), None, &Cause::operator());
    desk.ledger.append(told).await.unwrap();
    ending
}

#[tokio::test]
async fn a_retirement_that_a_crash_cut_short_is_done_to_its_end_by_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(directory.path()).await;
    desk.put(agreement("a-1", USAGE)).await.unwrap();
    desk.put(agreement("a-2", USAGE)).await.unwrap();
    cut_short(&desk, "a-1").await;
    desk.ledger.close().await;
    drop(desk);
    let desk = Desk::open(directory.path()).await;
    let mut listener = desk.book.changes();
    assert_eq!(desk.state("a-1"), Some(AgreementState::Active));
    assert_eq!(desk.book.settle().await.unwrap(), 1);
    assert_eq!(desk.state("a-1"), Some(AgreementState::Retired));
    assert_eq!(desk.state("a-2"), Some(AgreementState::Active));
    assert_eq!(listener.try_recv().unwrap().agreement, id("a-1"));
    assert_eq!(desk.book.settle().await.unwrap(), 0);
    desk.ledger.close().await;
    drop(desk);
    let desk = Desk::open(directory.path()).await;
    assert_eq!(desk.state("a-1"), Some(AgreementState::Retired), "for good");
}

#[tokio::test]
async fn an_ending_that_could_not_be_written_is_written_later_and_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(directory.path()).await;
    desk.put(agreement("a-1", USAGE)).await.unwrap();
    let ending = cut_short(&desk, "a-1").await;
    // Ended in memory, as where the file could not be written.
    desk.registry
        .end_agreements(std::slice::from_ref(&ending))
        .await
        .unwrap();
    desk.registry.intend(&[ending]).await.unwrap();
    let again = desk.retire("a-1").await.unwrap();
    assert_eq!((again.state, again.changed), (AgreementState::Retired, false));
    assert_eq!(desk.book.settle().await.unwrap(), 1);
    assert_eq!(desk.book.settle().await.unwrap(), 0);
    desk.ledger.close().await;
    assert_eq!(told(directory.path()).await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_noted_or_recorded_stays_in_force_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(directory.path()).await;
    desk.put(agreement("a-1", USAGE)).await.unwrap();
    desk.ledger.close().await;
    assert!(matches!(desk.retire("a-1").await, Err(AgreementError::Ledger(_))));
    assert_eq!(desk.registry.intended().await.unwrap(), []);
    drop(desk);
    let desk = Desk::open(directory.path()).await;
    assert_eq!(desk.book.settle().await.unwrap(), 0);
    assert_eq!(desk.state("a-1"), Some(AgreementState::Active));
    let file = format!("sqlite://{}", directory.path().join("registry.sqlite").display());
    let pool = sqlx::SqlitePool::connect(&file).await.unwrap();
    sqlx::raw_sql("DROP TABLE ending").execute(&pool).await.unwrap();
    assert!(matches!(desk.retire("a-1").await, Err(AgreementError::Registry(_))));
    assert_eq!(desk.state("a-1"), Some(AgreementState::Active));
    desk.ledger.close().await;
    let told = told(directory.path()).await;
    assert!(told.iter().all(|line| line.1 == AgreementState::Active), "{told:?}");
}

#[tokio::test]
async fn of_two_who_retire_at_once_one_changes_it() {
    let directory = tempfile::tempdir().unwrap();
    let desk = Desk::open(directory.path()).await;
    desk.put(agreement("a-1", USAGE)).await.unwrap();
    let (one, other) = tokio::join!(desk.retire("a-1"), desk.retire("a-1"));
    assert_ne!(one.unwrap().changed, other.unwrap().changed);
    desk.ledger.close().await;
    assert_eq!(told(directory.path()).await.len(), 2);
}

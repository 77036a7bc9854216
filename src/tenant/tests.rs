//! Coming and going where the platform is not in AWS; with AWS it is held to an emulator by `tests/aws/run`.

use std::path::Path;

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::bundle::{Bundle, Live, Source};
use crate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate};
use crate::ledger::read::{Cursor, Reader};
use crate::ledger::record::{Passage, Step};
use crate::ledger::{Event, Ledger, LedgerKeys, LogId, Options};
use crate::registry::Identity;

fn now() -> Timestamp {
    "2026-11-27T09:00:00Z".parse().unwrap()
}

fn id() -> TenantId {
    "BPNL000000000DWF".parse().unwrap()
}

fn operator(role: &str) -> Operator {
    Operator {
        name: "ona".parse().unwrap(),
        roles: [role.parse().unwrap()].into(),
    }
}

fn newcomer() -> Newcomer {
    Newcomer {
        tenant: id(),
        name: "Dwarf Works".into(),
        identity: Some(Identity {
            issuer: "https://issuer.example".into(),
            jwks: "https://issuer.example/jwks".into(),
            resource_server: "https://tidegate.example/exchange/BPNL000000000DWF".into(),
            connectors: ["connector".parse().unwrap()].into(),
            integrations: Default::default(),
            user_clients: Default::default(),
            groups: Default::default(),
            not_before: None,
        }),
        connector: None,
    }
}

struct House {
    directory: TempDir,
    gate: Gate,
    registry: RegistryStore,
    agreements: Book,
    clock: Clock,
}

impl House {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(now());
        let keys = LedgerKeys::from_seed(&[7; 32], "tidegate.test").unwrap();
        let ledger = Ledger::open(directory.path(), keys, clock.clone(), Options::default())
            .await
            .unwrap();
        let registry = RegistryStore::open(&crate::database::Place::of(None, directory.path()))
            .await
            .unwrap();
        let live = Live::new(Bundle::load(Source::built_in()).unwrap(), None, now());
        let gate = Gate::open(live, ledger.clone(), registry.clone()).await.unwrap();
        Self {
            agreements: Book::new(registry.clone(), ledger),
            directory,
            gate,
            registry,
            clock,
        }
    }

    fn office<'h>(&'h self, operator: &'h Operator) -> Office<'h> {
        Office {
            gate: &self.gate,
            registry: &self.registry,
            agreements: &self.agreements,
            #[cfg(feature = "provision")]
            aws: None,
            operator,
            base_url: "https://tidegate.example",
            clock: &self.clock,
        }
    }

    fn state(&self) -> Option<TenantState> {
        Some(self.registry.current().tenant(id())?.tenant.state)
    }
}

/// The steps in the tenant's log.
async fn steps(directory: &Path) -> Vec<Step> {
    let mut reader = Reader::open(directory).await.unwrap();
    let mut cursor = Cursor::new(LogId::Tenant(id()), 0);
    let mut steps = Vec::new();
    while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
        if let Event::Step(step) = stored.record.event {
            steps.push(*step);
        }
    }
    steps
}

#[tokio::test]
async fn a_company_comes_in_recorded_steps_and_is_active_at_the_end() {
    let house = House::new().await;
    let ona = operator("onboarding");
    let came = house.office(&ona).onboard(&newcomer(), &mut |_| true).await.unwrap();
    assert_eq!(came, Onboarded::Active);
    assert_eq!(house.state(), Some(TenantState::Active));
    house.gate.close().await;
    let told: Vec<_> = steps(house.directory.path())
        .await
        .into_iter()
        .map(|step| (step.step, step.progress, step.passage, step.by))
        .collect();
    let by = "Operator::\"ona\"".to_owned();
    let expected = [
        ("record", Progress::Begun),
        ("record", Progress::Done),
        ("activate", Progress::Begun),
        ("activate", Progress::Done),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(step, progress)| (step.to_owned(), progress, Passage::Onboarding, by.clone()))
        .collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn whoever_policy_does_not_let_onboards_nobody_and_nothing_is_on_record() {
    let house = House::new().await;
    let sam = operator("security");
    let refused = house.office(&sam).onboard(&newcomer(), &mut |_| true).await;
    assert!(matches!(refused, Err(PassageError::Denied { .. })), "{refused:?}");
    assert_eq!(house.state(), None);
    house.gate.close().await;
    assert!(steps(house.directory.path()).await.is_empty());
}

#[tokio::test]
async fn a_run_that_stops_anywhere_leaves_nobody_active_and_the_next_one_finishes_it() {
    for stopped in ["record", "activate"] {
        let house = House::new().await;
        let ona = operator("onboarding");
        let mut until = |told: &Told<'_>| !(told.step == stopped && told.progress == Progress::Begun);
        let came = house.office(&ona).onboard(&newcomer(), &mut until).await;
        assert!(
            matches!(came, Err(PassageError::Stopped(step)) if step == stopped),
            "{came:?}"
        );
        assert_ne!(house.state(), Some(TenantState::Active));
        let came = house.office(&ona).onboard(&newcomer(), &mut |_| true).await.unwrap();
        assert_eq!(came, Onboarded::Active, "{stopped}");
        assert_eq!(
            house.office(&ona).onboard(&newcomer(), &mut |_| true).await.unwrap(),
            Onboarded::Already(Vec::new())
        );
    }
}

#[tokio::test]
async fn what_was_refused_when_a_company_left_is_refused_when_it_has_returned() {
    let house = House::new().await;
    let ona = operator("onboarding");
    let office = house.office(&ona);
    office.onboard(&newcomer(), &mut |_| true).await.unwrap();
    office.offboard(id(), &mut |_| true).await.unwrap();
    assert_eq!(house.state(), Some(TenantState::Offboarded));
    let identity = house.registry.current().tenant(id()).unwrap().tenant.identity.clone();
    assert_eq!(identity.not_before, Some(now()));
    assert!(identity.connectors.is_empty(), "no machine of it speaks any more");
    let again = office.offboard(id(), &mut |_| true).await;
    assert!(matches!(again, Err(PassageError::State { .. })), "{again:?}");

    office.onboard(&newcomer(), &mut |_| true).await.unwrap();
    let identity = house.registry.current().tenant(id()).unwrap().tenant.identity.clone();
    assert_eq!(identity.not_before, Some(now()), "tokens of before stay refused");
}

#[tokio::test]
async fn who_stops_a_company_and_who_lets_it_go_on_are_two() {
    let house = House::new().await;
    let (ona, sam) = (operator("onboarding"), operator("security"));
    house.office(&ona).onboard(&newcomer(), &mut |_| true).await.unwrap();
    house.office(&ona).suspend(id()).await.unwrap();
    assert_eq!(house.state(), Some(TenantState::Suspended));
    assert!(matches!(
        house.office(&ona).resume(id()).await,
        Err(PassageError::Denied { .. })
    ));
    let came = house.office(&ona).onboard(&newcomer(), &mut |_| true).await;
    assert!(
        matches!(came, Err(PassageError::State { .. })),
        "onboarding is no way around: {came:?}"
    );
    house.office(&sam).resume(id()).await.unwrap();
    assert_eq!(house.state(), Some(TenantState::Active));
}

#[test]
fn a_revocation_refuses_sessions_of_before_and_of_that_tenant_alone() {
    let text = revocation::document(id(), now());
    let deny = Document::parse_deployed("revocation", &text, DocumentKind::Identity).unwrap();
    let allow = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;
    let allow = Document::parse_deployed("all", allow, DocumentKind::Identity).unwrap();
    let allowed = |tenant: &str, issued: &str| {
        let request = Request {
            principal: Principal::session("arn:aws:iam::123456789012:role/tidegate-pool", "ada").unwrap(),
            action: "s3:GetObject",
            resource: "arn:aws:s3:::tidegate-footprints/x",
            resource_account: "123456789012",
            context: Context::new()
                .with("aws:PrincipalTag/bpnl", tenant)
                .with("aws:TokenIssueTime", issued),
        };
        let layers = Layers {
            identity: &[&allow, &deny],
            ..Layers::default()
        };
        evaluate(&request, &layers, &Params::new()).decision == crate::decision::IamDecision::Allowed
    };
    assert!(!allowed("BPNL000000000DWF", "2026-11-27T08:59:59Z"));
    assert!(allowed("BPNL000000000DWF", "2026-11-27T09:00:00Z"));
    assert!(
        allowed("BPNL00000003CRHK", "2026-11-27T08:00:00Z"),
        "others are not concerned"
    );
}

#[test]
fn the_role_of_a_company_that_returns_denies_the_sessions_of_before_for_as_long_as_they_live() {
    let bundle = Bundle::load(Source::built_in()).unwrap();
    let denied = |left: Option<&str>| {
        let left = left.map(|left| left.parse().unwrap());
        let wanted = wanted::Wanted::of(&bundle, (id(), left), "https://tidegate.example", now()).unwrap();
        wanted.role.unwrap().revocation
    };
    assert_eq!(denied(None), None, "it was never here");
    assert_eq!(denied(Some("2026-11-27T07:59:59Z")), None, "no session lives that long");
    let deny = denied(Some("2026-11-27T08:30:00Z")).unwrap();
    assert_eq!(
        deny,
        revocation::document(id(), "2026-11-27T08:30:00Z".parse().unwrap())
    );
}

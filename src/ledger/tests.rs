//! Tests of the ledger as a whole, and what they share.

mod appending;
mod crash;
mod erasing;
mod failing;
mod lines;
mod records;
mod rest;
mod segments;
mod tampering;
mod tiles;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::private::Plain;
use super::record::{Decided, Engine, Mode, Request};
use super::report::{FindingKind, LogReport};
use super::{Entry, Event, Ledger, LedgerKeys, LogId, Options, What};
use crate::clock::Clock;
use crate::decision::{CedarAnswer, Decision, Effect, IamAnswer, IamDecision};
use crate::ids::Digest;

pub(super) const SEED: [u8; 32] = [7; 32];

/// Two tenants.
pub(super) const TENANTS: [&str; 2] = ["BPNL00000000000A", "BPNL00000000000B"];

pub(super) fn keys() -> LedgerKeys {
    LedgerKeys::from_seed(&SEED, "tidegate.test").unwrap()
}

pub(super) fn clock() -> Clock {
    Clock::fixed("2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap())
}

/// The secret where a reader looks for it.
pub(super) fn put_secret(dir: &Path) {
    use std::io::Write;
    let path = dir.join("keys").join("ledger.seed");
    super::keys::make_private_dir(&dir.join("keys")).unwrap();
    let mut file = super::keys::private_file()
        .create(true)
        .truncate(true)
        .open(path)
        .unwrap();
    file.write_all(&SEED).unwrap();
}

pub(super) async fn open(dir: &Path) -> Ledger {
    put_secret(dir);
    Ledger::open(dir, keys(), clock(), Options::default()).await.unwrap()
}

pub(super) fn log(name: &str) -> LogId {
    name.parse().unwrap()
}

/// A body of some content and its digest.
pub(super) fn body(content: String) -> (Digest, Arc<[u8]>) {
    (Digest::of(content.as_bytes()), content.into_bytes().into())
}

/// A decision of ordinary size: the context its own, entities, terms and bundle shared.
pub(super) fn decision(name: &str, number: usize) -> Entry {
    let log = log(name);
    let (_, context) = body(format!(
        "{{\"number\":{number},\"of\":\"{name}\",\"pad\":\"{:300}\"}}",
        ""
    ));
    let [terms, bundle] = ["terms", "bundle"].map(|what| body(what.repeat(200)));
    let decided = Decided {
        action: "Tidegate::Action::\"readFootprint\"".into(),
        bundle: bundle.0,
        decision: Decision::join(
            CedarAnswer {
                decision: Effect::Allow,
                errors: vec![],
                policies: vec!["tenant-reads-own-footprints".into()],
            },
            IamAnswer::Evaluated {
                decision: IamDecision::Allowed,
                statements: vec!["tenant-role#ReadOwnFootprints".into()],
            },
        ),
        engine: Engine {
            cedar: "4.14.1".into(),
            tidegate: "0.1.0".into(),
        },
        mode: Mode::Strict,
        principal: format!("User::\"{name}/anna\""),
        private: Plain {
            context,
            entities: body("entities".repeat(200)),
        },
        request: Request {
            id: format!("request-{number}").parse().unwrap(),
            traceparent: None,
        },
        resource: format!("Tidegate::Footprint::\"{name}/urn:gtin:4712345060507/{number}\""),
        tenant: match log {
            LogId::Tenant(tenant) => Some(tenant),
            LogId::Platform => None,
        },
        terms: [terms.0].into(),
    };
    Entry {
        log,
        what: What::Decision(Box::new(decided)),
        bodies: vec![terms, bundle],
    }
}

/// A ledger of 42 records for the first tenant and 3 for the second, closed. Written once and copied.
pub(super) async fn written(dir: &Path) {
    static WRITTEN: tokio::sync::OnceCell<Vec<u8>> = tokio::sync::OnceCell::const_new();
    let bytes = WRITTEN.get_or_init(|| async {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path()).await;
        for (name, count) in [(TENANTS[0], 42), (TENANTS[1], 3)] {
            for number in 0..count {
                ledger.append(decision(name, number)).await.unwrap();
            }
        }
        ledger.close().await;
        std::fs::read(dir.path().join(super::FILE)).unwrap()
    });
    put_secret(dir);
    std::fs::write(dir.join(super::FILE), bytes.await).unwrap();
}

/// Runs SQL on the ledger's file as an intruder would.
pub(super) async fn edit(dir: &Path, sql: &str) {
    let options = SqliteConnectOptions::new().filename(dir.join(super::FILE));
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// What was found in a log, and where.
pub(super) fn found(report: &LogReport) -> Vec<(FindingKind, Option<u64>)> {
    report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.seq))
        .collect()
}

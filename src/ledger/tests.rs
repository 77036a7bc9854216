//! Tests of the ledger as a whole, and what they share.

mod ahead;
mod apart;
mod appending;
mod at;
mod crash;
mod erasing;
mod failing;
mod lease;
mod lines;
mod records;
mod rest;
mod rotating;
mod segments;
mod tampering;
mod tiles;
mod witnessed;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::private::Plain;
use super::record::{Decided, Engine, Mode, Request};
use super::report::{FindingKind, LogReport};
use super::{Entry, Event, FILE, Ledger, LedgerKeys, LogId, Options, What};
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

/// A ledger of 42 records for the first tenant and 3 for the second in `dir`, closed.
pub(super) async fn written(dir: &Path) {
    let at = at::At::written(at::On::Sqlite).await;
    put_secret(dir);
    std::fs::copy(at.dir().join(FILE), dir.join(FILE)).unwrap();
}

/// Runs SQL on the ledger's file as an intruder would.
pub(super) async fn edit(dir: &Path, sql: &str) {
    let options = SqliteConnectOptions::new().filename(dir.join(FILE));
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

/// A witness's key pair: what it takes to misbehave in any way.
pub(crate) struct Cosigner {
    pair: aws_lc_rs::signature::Ed25519KeyPair,
    key: super::note::VerifierKey,
}

impl Cosigner {
    pub(crate) fn new(name: &str, seed: u8) -> Self {
        use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
        use base64::Engine as _;
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let typed = [&[4], pair.public_key().as_ref()].concat();
        let id = signed_note::key_id(name, &typed);
        let typed = base64::engine::general_purpose::STANDARD.encode(typed);
        let key = format!("{name}+{id:08x}+{typed}").parse().unwrap();
        Self { pair, key }
    }

    pub(crate) fn key(&self) -> &super::note::VerifierKey {
        &self.key
    }

    /// The line by which it cosigns what a note says, at that time in seconds.
    pub(crate) fn line(&self, note: &str, time: u64) -> String {
        let (text, _) = note.rsplit_once("\n\n").unwrap();
        let message = format!("cosignature/v1\ntime {time}\n{text}\n");
        let signature = [&time.to_be_bytes(), self.pair.sign(message.as_bytes()).as_ref()].concat();
        let id = signed_note::Verifier::key_id(&self.key);
        let line = signed_note::Signature::new(self.key.name().to_owned(), id, signature).unwrap();
        String::from_utf8(line.to_bytes()).unwrap()
    }
}

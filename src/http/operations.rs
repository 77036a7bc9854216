//! Health, readiness and metrics.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use metrics::{counter, gauge};
use serde::Serialize;

use super::Shared;
use crate::ids::{Digest, TenantId};
use crate::question::spell_time;
use crate::telemetry;

/// `GET /healthz`
pub async fn health() -> &'static str {
    "ok\n"
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    bundle: Bundle,
    ledger: LedgerState,
    /// Connectors that are not as they should be. They make the service no less ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    connectors: Vec<ConnectorProblem>,
}

#[derive(Serialize)]
struct ConnectorProblem {
    tenant: TenantId,
    problem: String,
}

#[derive(Serialize)]
struct Bundle {
    digest: Digest,
    since: String,
    /// What kept the newest bundle on disk from being put in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
}

#[derive(Serialize)]
struct Refused {
    at: String,
    reason: String,
}

#[derive(Serialize)]
struct LedgerState {
    writable: bool,
    lag_records: u64,
}

/// `GET /readyz`: 200 while decisions can be made and recorded. A refused candidate is shown but does not make the service
/// unready: the last good bundle decides, and taking every replica out of service would deny everything.
pub async fn ready(State(app): State<Shared>) -> Response {
    let status = app.gate.live().status();
    let stats = app.gate.ledger().stats();
    let writable = app.gate.ledger().is_writable();
    let problems = app.dataspace.connectors.problems().into_iter();
    let connectors = problems.map(|(tenant, problem)| ConnectorProblem { tenant, problem });
    let body = Ready {
        connectors: connectors.collect(),
        ready: writable,
        bundle: Bundle {
            digest: status.digest,
            since: spell_time(status.since),
            refused: status.refused.map(|refusal| Refused {
                at: spell_time(refusal.at),
                reason: refusal.reason,
            }),
        },
        ledger: LedgerState {
            writable,
            lag_records: stats.lag(),
        },
    };
    let code = if writable {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(body)).into_response()
}

/// `GET /metrics`
pub async fn metrics(State(app): State<Shared>) -> Response {
    let stats = app.gate.ledger().stats();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; a lag of 2^52 records is not to be feared"
    )]
    gauge!(telemetry::LEDGER_LAG).set(stats.lag() as f64);
    counter!(telemetry::LEDGER_RECORDS).absolute(stats.durable);
    counter!(telemetry::LEDGER_COMMITS).absolute(stats.batches);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render()).into_response()
}

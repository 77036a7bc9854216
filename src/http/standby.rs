//! What a service answers while another process writes to the ledger: that it lives, and that it is not ready.

use axum::Json;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;

use super::Limits;
use super::operations::health;
use super::problem::{Kind, Problem};
use super::server::{accept, finish};
use crate::ledger::{Ledger, LedgerError};

const WHY: &str =
    "this process stands by: another one writes to the ledger; it takes over within seconds where that ends";

#[derive(Serialize)]
struct NotReady {
    ready: bool,
    reason: &'static str,
}

/// `GET /readyz` while standing by. Who writes instead is in the log, not in the answer.
async fn not_ready() -> Response {
    let (ready, reason) = (false, WHY);
    (StatusCode::SERVICE_UNAVAILABLE, Json(NotReady { ready, reason })).into_response()
}

async fn nothing() -> Problem {
    Problem::with(Kind::Unrecorded, WHY)
}

/// Answers so until this process writes to the ledger.
///
/// # Errors
/// The ledger was closed before.
pub async fn stand_by(ledger: &Ledger, listener: &TcpListener) -> Result<(), LedgerError> {
    let service = Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(not_ready))
        .fallback(nothing);
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "standing by");
    }
    let mut taken = Ok(());
    let open = accept(listener, &service, Limits::default(), None, async {
        taken = ledger.writing().await;
    });
    finish(open.await).await;
    taken
}

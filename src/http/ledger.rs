//! A company's log, for its admins and auditors: the checkpoint and tiles of [C2SP tlog-tiles](https://c2sp.org/tlog-tiles), so that
//! public tools can check it without us, and proofs that single records are in it.
//!
//! Whether a person may is asked of policy (`readLedger`), and each reading is itself recorded, in the platform's log: in the one that
//! is read, whoever follows it would never come to its end.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::caller::{tenant, user};
use super::decided::recorded_answer;
use super::problem::{Kind, Problem};
use super::{App, Shared};
use crate::decide::Permit;
use crate::ids::TenantId;
use crate::ledger::record::Request;
use crate::ledger::tile::TileId;
use crate::ledger::{LedgerError, LogId};
use crate::question::Action;
use crate::question::ask;

/// A checkpoint or a proof grows old at once; a tile never does. Neither is for caches that others share.
const CHANGES: HeaderValue = HeaderValue::from_static("private, no-cache");
const STAYS: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// `GET /ledger/{bpnl}/checkpoint`
pub async fn checkpoint(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, permit) = app.may_read(&headers, &bpnl, &request).await?;
    let note = app.logs.checkpoint(LogId::Tenant(id)).await;
    let note = found(note, &permit)?;
    Ok(answer(note, [TEXT, CHANGES], id, &permit))
}

/// `GET /ledger/{bpnl}/key-changes`
pub async fn key_changes(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, permit) = app.may_read(&headers, &bpnl, &request).await?;
    let notes = app.logs.key_changes(LogId::Tenant(id)).await;
    let notes = found(notes, &permit)?;
    Ok(answer(Json(notes), [JSON, CHANGES], id, &permit))
}

/// `GET /ledger/{bpnl}/tile/{…}`
pub async fn tile(
    State(app): State<Shared>,
    Path((bpnl, path)): Path<(String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, permit) = app.may_read(&headers, &bpnl, &request).await?;
    let tile: TileId = format!("tile/{path}")
        .parse()
        .map_err(|error| Problem::with(Kind::Path, format!("{error}")).after(&permit))?;
    let bytes = app.logs.tile(LogId::Tenant(id), tile).await;
    let bytes = found(bytes, &permit)?;
    Ok(answer(bytes, [BYTES, STAYS], id, &permit))
}

/// `GET /ledger/{bpnl}/inclusion/{index}`
pub async fn inclusion(
    State(app): State<Shared>,
    Path((bpnl, index)): Path<(String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, permit) = app.may_read(&headers, &bpnl, &request).await?;
    let index: u64 = index.parse().map_err(|_| {
        let detail = "expected the number of a record in its log, as the header `tidegate-log` gives it";
        Problem::with(Kind::Path, detail).after(&permit)
    })?;
    let proof = app.logs.inclusion(LogId::Tenant(id), index).await;
    let proof = found(proof, &permit)?;
    Ok(answer(proof.to_text(), [TEXT, CHANGES], id, &permit))
}

impl App {
    /// The permit of the person whose token the request carries, to read the log of the tenant of the route.
    async fn may_read(
        &self,
        headers: &HeaderMap,
        bpnl: &str,
        request: &Request,
    ) -> Result<(TenantId, Permit), Problem> {
        let registry = self.registry.current();
        let world = tenant(&registry, bpnl)?;
        let now = self.clock.now();
        let id = world.tenant.id;
        let person = self.person(headers, id, now).await?;
        let user = user(world, &person);
        let question = ask::ledger(&user, &world.tenant, Action::ReadLedger, now);
        let permit = self.permitted_on_platform(id, question, request).await?;
        Ok((id, permit))
    }
}

fn found<T>(read: Result<Option<T>, LedgerError>, permit: &Permit) -> Result<T, Problem> {
    let read = read.map_err(|error| {
        tracing::error!(record = %permit.record(), %error, "a log could not be read after an allow");
        Problem::with(Kind::Upstream, "the log cannot be read").after(permit)
    })?;
    read.ok_or_else(|| Problem::new(Kind::NotFound).after(permit))
}

fn answer(body: impl IntoResponse, [kind, caching]: [HeaderValue; 2], id: TenantId, permit: &Permit) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, caching);
    recorded_answer(response, id, permit)
}

//! A request to a partner, which its answer then finds open.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::caller::{Came, Entered};
use super::read_document;
use crate::http::Shared;
use crate::http::decided::recorded_answer;
use crate::http::problem::{Kind, Problem};
use crate::ids::{AssetId, Bpnl};
use crate::ledger::record::Request;
use crate::pcf::{ExchangeId, MESSAGE, Model, ModelError, PartId, Parts, Wanted};

/// A request to a partner, as the tenant's system puts it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wish {
    partner: Bpnl,
    manufacturer_part_id: Option<PartId>,
    customer_part_id: Option<PartId>,
    data_model_version: Option<String>,
    message: Option<String>,
    asset: Option<AssetId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    request_id: String,
}

/// `POST /ingest/{bpnl}/requests`: a request to a partner, which its answer then finds open.
pub async fn request(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    Extension(request): Extension<Request>,
    came: Came,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Entered { world, permit, .. } = app.let_in(&bpnl, &headers, &came, &request).await?;
    let (id, now) = (world.tenant.id, app.clock.now());
    let read = read_wish(&headers, body).await;
    let (partner, wanted) = read.map_err(|problem| problem.after(&permit))?;
    let exchange = ExchangeId::new();
    let kept = app.pcf.want(id, partner, exchange, &wanted, permit.record(), now).await;
    kept.map_err(|error| {
        tracing::error!(record = %permit.record(), error = %error, "a request could not be kept");
        Problem::new(Kind::Upstream).after(&permit)
    })?;
    let asked = Asked {
        request_id: exchange.to_string(),
    };
    let answer = (StatusCode::CREATED, Json(asked)).into_response();
    Ok(recorded_answer(answer, id, &permit))
}

async fn read_wish(headers: &HeaderMap, body: Body) -> Result<(Bpnl, Wanted), Problem> {
    let wrong = |problem: String| Problem::with(Kind::Document, problem);
    let text = read_document(headers, body).await?;
    let wish: Wish = crate::json::read(&text).map_err(|error| wrong(format!("not a request: {error}")))?;
    let parts = Parts::new(wish.manufacturer_part_id, wish.customer_part_id);
    let no_part = || wrong("one of `manufacturerPartId` and `customerPartId` must stand at least".into());
    let model = wish.data_model_version.as_deref().map_or(Ok(Model::V9), str::parse);
    let model: Model = model.map_err(|error: ModelError| wrong(format!("`dataModelVersion` is {error}")))?;
    if wish.message.as_ref().is_some_and(|text| text.chars().count() > MESSAGE) {
        return Err(wrong(format!("`message` has more than {MESSAGE} characters")));
    }
    let wanted = Wanted {
        parts: parts.ok_or_else(no_part)?,
        model: model.version().parse().map_err(|error| wrong(format!("{error}")))?,
        message: wish.message,
        asset: wish.asset,
    };
    Ok((wish.partner, wanted))
}

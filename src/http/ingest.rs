//! Supplier systems handing in footprints.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::caller::{one_header, tenant};
use super::decided::{recorded_answer, upstream};
use super::problem::{Kind, Problem};
use super::{App, Shared};
use crate::facts::ClientKind;
use crate::ids::{AssetId, Digest};
use crate::ingest::{Claims, DOCUMENT_LIMIT};
use crate::ledger::record::Request;
use crate::question::ask;
use crate::registry::{Footprint, TenantWorld};

/// The scope of a supplier system's token.
pub const SCOPE: &str = "pcf.write";

#[derive(Serialize)]
struct Stored<'a> {
    pcf_id: &'a str,
    product_id: &'a str,
    model: &'a str,
    digest: Digest,
}

/// `POST /ingest/{bpnl}/footprints[?asset={id}]`
pub async fn footprint(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    RawQuery(query): RawQuery,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let machine = app.machine(&headers, id, ClientKind::Integration, SCOPE, now).await?;

    let question = ask::ingest(&world.tenant, machine.client(), now);
    let permit = app.permitted(id, question, &request).await?;

    let taken = read_footprint(world, &headers, query.as_deref(), body).await;
    let (footprint, document) = taken.map_err(|problem| problem.after(permit.record()))?;
    let question = ask::write_footprint(&world.tenant, machine.client(), &footprint, now);
    let permit = app.permitted(id, question, &request).await?;
    let session = app
        .vault
        .session_for(&permit)
        .map_err(|error| upstream(error, &permit))?;
    let stored = session.put_object(&footprint.product, &footprint.id, document).await;
    stored.map_err(|error| upstream(error, &permit))?;
    let indexed = index(&app, footprint.clone()).await;
    indexed.map_err(|problem| problem.after(permit.record()))?;
    let body = Stored {
        pcf_id: footprint.id.as_str(),
        product_id: footprint.product.as_str(),
        model: footprint.model.full(),
        digest: footprint.digest,
    };
    Ok(recorded_answer(
        (StatusCode::CREATED, Json(body)).into_response(),
        id,
        &permit,
    ))
}

async fn index(app: &App, footprint: Footprint) -> Result<(), Problem> {
    app.registry.put_footprint(footprint).await.map_err(|error| {
        tracing::error!(error = %error, "the footprint is stored but not in the index; handing it in again mends that");
        Problem::new(Kind::Upstream)
    })
}

/// The document in the body, and what the index is to know of it.
async fn read_footprint(
    world: &TenantWorld,
    headers: &HeaderMap,
    query: Option<&str>,
    body: Body,
) -> Result<(Footprint, Vec<u8>), Problem> {
    let document = read_document(headers, body).await?;
    let claims = Claims::read(&document).map_err(|error| Problem::with(Kind::Document, error.to_string()))?;
    let footprint = claims.footprint(world.tenant.id, assets(world, &claims, query)?, &document);
    Ok((footprint, document))
}

async fn read_document(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
    let media = one_header(headers, &CONTENT_TYPE)?;
    if media.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Problem::with(Kind::MediaType, "expected `application/json`"));
    }
    read_body(body, DOCUMENT_LIMIT).await
}

/// The whole body, if it has at most `limit` bytes.
pub(super) async fn read_body(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    use http_body_util::{BodyExt, LengthLimitError, Limited};
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes().into()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Problem::with(
            Kind::TooLarge,
            format!("at most {limit} bytes are taken"),
        )),
        Err(_) => Err(Problem::with(Kind::Body, "the body broke off")),
    }
}

/// The assets the document becomes part of: those of the version before, and the one the request names.
fn assets(world: &TenantWorld, claims: &Claims, query: Option<&str>) -> Result<BTreeSet<AssetId>, Problem> {
    let mut assets = world
        .footprints
        .get(&claims.id)
        .map(|before| before.assets.clone())
        .unwrap_or_default();
    for pair in query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|pair| !pair.is_empty())
    {
        let Some(asset) = pair.strip_prefix("asset=") else {
            return Err(Problem::with(Kind::Path, "the only query parameter here is `asset`"));
        };
        assets.insert(
            asset
                .parse()
                .map_err(|error| Problem::with(Kind::Path, format!("{error}")))?,
        );
    }
    Ok(assets)
}

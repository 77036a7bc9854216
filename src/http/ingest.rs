//! Supplier systems handing in footprints, and asking partners for theirs.
//!
//! A footprint that is valid in its own version of the model and that differs from what was there is delivered to every partner
//! with an agreement in force on one of its assets. That it changes is noted before it does ([`crate::pcf::PcfStore::note_change`]),
//! so that a crash on the way costs nobody the update. One that is not valid is taken all the same, as it always was, and the answer
//! says what is wrong with it; the PCF API serves and delivers it to nobody.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::caller::{one_header, tenant};
use super::decided::recorded_answer;
use super::problem::{Kind, Problem};
use super::{App, Shared};
use crate::facts::ClientKind;
use crate::ids::{AssetId, Bpnl, Digest};
use crate::ingest::{Claims, DOCUMENT_LIMIT};
use crate::ledger::record::Request;
use crate::pcf::{Change, ExchangeId, Flaw, MESSAGE, Model, ModelError, Models, PartId, Parts, Wanted};
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
    /// What the schema of its model does not allow; nothing where it is valid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flaws: Vec<Flaw>,
}

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
    let (footprint, document) = taken.map_err(|problem| problem.after(&permit))?;
    let question = ask::write_footprint(&world.tenant, machine.client(), &footprint, now);
    let permit = app.permitted(id, question, &request).await?;
    let session = app.opened(app.vault.session_for(&permit), &permit).await?;
    let flaws = flaws(&app.models, &footprint, &document);
    let before = world.footprints.get(&footprint.id).map(|before| before.digest);
    let changed = flaws.is_empty() && before != Some(footprint.digest);
    if changed {
        let noted = note(&app, &footprint, now).await;
        noted.map_err(|problem| problem.after(&permit))?;
    }
    let stored = session.put_object(&footprint.product, &footprint.id, document).await;
    app.opened(stored, &permit).await?;
    let indexed = index(&app, footprint.clone(), now).await;
    indexed.map_err(|problem| problem.after(&permit))?;
    if changed {
        app.pcf.changed();
    }
    let body = Stored {
        flaws,
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

/// What is wrong with a document that can be taken, as far as its own model says.
fn flaws(models: &Models, footprint: &Footprint, document: &[u8]) -> Vec<Flaw> {
    let model = Model::of(&footprint.model);
    match (model, crate::json::parse(document)) {
        (Some(model), Ok(value)) => models.flaws(model, &value),
        // A document was read before it came here, so this is one that was.
        _ => Vec::new(),
    }
}

async fn note(app: &App, footprint: &Footprint, now: Timestamp) -> Result<(), Problem> {
    let change = Change {
        tenant: footprint.tenant,
        pcf: footprint.id.clone(),
        digest: footprint.digest,
        at: now,
    };
    app.pcf.note_change(&change).await.map_err(|error| {
        tracing::error!(error = %error, "a change could not be noted, so the footprint was not taken");
        Problem::new(Kind::Upstream)
    })
}

/// `POST /ingest/{bpnl}/requests`: a request to a partner, which its answer then finds open.
pub async fn request(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
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

async fn index(app: &App, footprint: Footprint, now: Timestamp) -> Result<(), Problem> {
    let indexed = app.registry.put_footprint(footprint, now).await;
    indexed.map(drop).map_err(|error| {
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

pub(super) async fn read_document(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
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

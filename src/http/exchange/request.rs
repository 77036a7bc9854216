//! A partner asks for a footprint and is told that it will come: the asynchronous way (PCF API 1.2.0 and 1.3.0).
//!
//! The footprint that would answer is looked for first, and `access` is decided on it, as if it were handed out now; so a partner
//! with no right to the answer is told so at once. With a permit, the request is durable and its answer in the queue before the 202
//! leaves. The answer itself is decided anew when it is delivered.
//!
//! # Worked example
//!
//! `GET /exchange/BPNL000000000DWF/footprintExchange/2daa49aa-…?manufacturerPartId=401765&dataModelVersion=urn%3Asamm%3A…%3A10.0.0`
//! from Elbe's connector for Weser, under agreement `a-1` on the asset `pcf-ethanol`. Of that asset's footprints the one of 10.0.0
//! whose document names 401765 is chosen, `access` to it is decided, the document is read and held against the schema of 10.0.0:
//! 202. Had Elbe only one of 9.0.0, `access` to that one would be decided; Weser, which may have it, is told with 422 that there is
//! 9.0.0. A company that may not is told with 403 no more than that.

use axum::Json;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::query::{Query, wrong};
use super::{Caller, Errand};
use crate::decide::{Permit, Recorded};
use crate::facts::edr::Operation;
use crate::http::caller::tenant;
use crate::http::decided::recorded_answer;
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ids::{PcfId, Version};
use crate::ledger::record::Request;
use crate::pcf::{
    Asked, ExchangeId, Form, Found, Incoming, Model, ModelError, PartId, Parts, PcfStoreError, State as Stand, Taken,
    choose, is_valid, nameless,
};
use crate::question::ask::{self, ExchangeFacts};
use crate::registry::store::Turn;
use crate::registry::{Footprint, Registry, TenantWorld};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    request_id: String,
    state: &'static str,
}

/// What is asked for, without who asks.
struct Wish {
    exchange: ExchangeId,
    parts: Parts,
    /// A version that is not served is one that there is no footprint of.
    model: Version,
    message: Option<String>,
    form: Form,
}

/// `GET /exchange/{bpnl}/footprintExchange/{requestId}?manufacturerPartId|customerPartId&message&dataModelVersion`
pub(in crate::http) async fn request(
    State(app): State<Shared>,
    Path((bpnl, exchange)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wish = || {
        let known = ["manufacturerPartId", "customerPartId", "message", "dataModelVersion"];
        let query = Query::read_known(query.as_deref(), &known)?;
        let none = || {
            wrong(
                "manufacturerPartId",
                "or `customerPartId` must stand: one of them at least",
            )
        };
        let parts = Parts::new(query.parsed("manufacturerPartId")?, query.parsed("customerPartId")?);
        Ok(Wish {
            exchange: exchange_id(&exchange)?,
            parts: parts.ok_or_else(none)?,
            model: model(&query)?,
            message: query.message()?,
            form: Form::FootprintExchange,
        })
    };
    take(&app, &bpnl, &request, &headers, wish).await
}

/// `GET /exchange/{bpnl}/productIds/{productId}?requestId&message&dataModelVersion`, deprecated: the product is the manufacturer's
/// part.
pub(in crate::http) async fn request_by_product(
    State(app): State<Shared>,
    Path((bpnl, product)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wish = || {
        let query = Query::read_known(query.as_deref(), &["requestId", "message", "dataModelVersion"])?;
        let exchange: Option<ExchangeId> = query.parsed("requestId")?;
        let part: PartId = product_id(&product)?;
        let parts = Parts::new(Some(part), None);
        Ok(Wish {
            exchange: exchange.ok_or_else(|| wrong("requestId", "is missing"))?,
            parts: parts.ok_or_else(|| wrong("productId", "is missing"))?,
            model: model(&query)?,
            message: query.message()?,
            form: Form::ProductIds,
        })
    };
    take(&app, &bpnl, &request, &headers, wish).await
}

/// The id of an exchange in a path.
pub(super) fn exchange_id(text: &str) -> Result<ExchangeId, Problem> {
    let parsed = text.parse();
    parsed.map_err(|error| Problem::with(Kind::Path, format!("`requestId` is {error}")).parameter("requestId"))
}

/// A product in a path.
pub(super) fn product_id(text: &str) -> Result<PartId, Problem> {
    let parsed = text.parse();
    parsed.map_err(|error| Problem::with(Kind::Path, format!("`productId` is {error}")).parameter("productId"))
}

/// The version asked for: 9.0.0 where none is named.
fn model(query: &Query) -> Result<Version, Problem> {
    let name = "dataModelVersion";
    let asked = query.text(name).map_or(Ok(Model::V9), str::parse);
    let wrong = |error: &dyn std::fmt::Display| wrong(name, &format!("is {error}"));
    match asked {
        Ok(model) => model.version().parse().map_err(|error| wrong(&error)),
        Err(ModelError::Unserved(version)) => Ok(version),
        Err(error @ ModelError::Urn) => Err(wrong(&error)),
    }
}

async fn take(
    app: &App,
    bpnl: &str,
    request: &Request,
    headers: &HeaderMap,
    wish: impl FnOnce() -> Result<Wish, Problem>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    // Who calls comes first: a stranger is told nothing of what is wrong with a request.
    let (registry, caller) = app.exchange_caller(headers, bpnl, now).await?;
    let world = tenant(&registry, bpnl)?;
    let wish = wish()?;
    let (found, permit) = decide(app, &registry, world, request, (&caller, &wish)).await?;
    let id = world.tenant.id;
    match found.answer {
        Some(footprint) => check(app, &permit, footprint)
            .await
            .map_err(|problem| problem.versions(others(&found)))?,
        None => return Err(none_of(&wish.model, &permit).versions(found.versions.iter().map(Version::to_string))),
    }
    answerable(&registry, world, &caller, &permit)?;
    let incoming = incoming(world, caller, wish);
    let failed = |error: PcfStoreError| {
        tracing::error!(record = %permit.record(), error = %error, "a request that was permitted could not be kept");
        Problem::new(Kind::Upstream).after(&permit)
    };
    let taken = app.pcf.take(&incoming, permit.record(), now).await.map_err(failed)?;
    if taken == Taken::Conflict {
        let detail = "`requestId` was used for another request before; take a new one";
        return Err(Problem::with(Kind::Conflict, detail)
            .parameter("requestId")
            .after(&permit));
    }
    let stands = app
        .pcf
        .incoming(id, incoming.partner, incoming.exchange)
        .await
        .map_err(failed)?;
    let accepted = Accepted {
        request_id: incoming.exchange.to_string(),
        state: stands.unwrap_or(Stand::Open).as_str(),
    };
    let answer = (StatusCode::ACCEPTED, Json(accepted)).into_response();
    Ok(recorded_answer(answer, id, &permit))
}

/// Holds that an answer could be sent: 202 promises one. What it takes is this platform's to put on record, so the partner is told that
/// there is no way, and the log what is missing.
fn answerable(registry: &Registry, world: &TenantWorld, caller: &Caller, permit: &Permit) -> Result<(), Problem> {
    let dsp = registry
        .partner(caller.partner)
        .and_then(|partner| partner.dsp.as_ref());
    let missing = match (dsp, &world.tenant.connector) {
        (Some(_), Some(_)) => return Ok(()),
        (None, _) => "the partner's connector: add `dsp` to its entry under `partners` of the world document",
        (_, None) => "the company's connector: add `connector` to its entry under `tenants` of the world document",
    };
    tracing::warn!(
        tenant = %world.tenant.id, partner = %caller.partner, record = %permit.record(), missing,
        "a request was not taken, for no answer could be sent"
    );
    let detail = "the footprint may be handed out, but this service does not know how to reach your connector, or has none of the \
                  company's to reach it by; the operator must put it on record";
    Err(Problem::with(Kind::Unanswerable, detail).after(permit))
}

/// What there is about the part, and the permit for the footprint that answers, or else for the newest of another version.
async fn decide<'w>(
    app: &App,
    registry: &Registry,
    world: &'w TenantWorld,
    request: &Request,
    (caller, wish): (&Caller, &Wish),
) -> Result<(Found<'w>, Permit), Problem> {
    let agreement = caller.agreement(world);
    let found = agreement.map(|agreement| choose(world, &agreement.asset, &wish.parts, &wish.model));
    let found = found.unwrap_or_default();
    let footprint = found.footprint();
    let id: PcfId = footprint.map_or_else(|| nameless(&wish.parts), |footprint| footprint.id.clone());
    let asked = Errand {
        operation: Operation::Read,
        pcf: footprint.map(|footprint| &footprint.id),
        product: footprint.map(|footprint| &footprint.product),
    };
    // Nothing is handed out before the answer is delivered, so nothing is counted.
    let turn = app.turn(agreement).await?;
    let facts = ExchangeFacts {
        uses: turn.as_ref().and_then(Turn::uses),
        ..caller.facts(registry, world, &asked, app.clock.now())?
    };
    let question = ask::access(&facts, &id, footprint, agreement);
    let told = |recorded: &Recorded| caller.told(recorded, agreement);
    let permit = app.permitted_telling(world.tenant.id, question, request, told).await?;
    Ok((found, permit))
}

/// Holds the document that would answer against the schema of its version.
async fn check(app: &App, permit: &Permit, footprint: &Footprint) -> Result<(), Problem> {
    let session = app.opened(app.vault.session_for(permit), permit).await?;
    let object = session.get_object(&footprint.product, &footprint.id).await;
    let object = app.opened(object, permit).await?;
    if is_valid(&app.models, footprint, &object.bytes) {
        return Ok(());
    }
    Err(none_of(&footprint.model, permit))
}

fn none_of(model: &Version, permit: &Permit) -> Problem {
    let detail = format!("there is no footprint of this part that is valid in the version {model} of the model");
    Problem::with(Kind::Model, detail).after(permit)
}

/// The versions there are, without that of the footprint that turned out not to be valid.
fn others(found: &Found<'_>) -> Vec<String> {
    let invalid = found.answer.map(|footprint| &footprint.model);
    let versions = found.versions.iter().filter(|version| Some(*version) != invalid);
    versions.map(Version::to_string).collect()
}

fn incoming(world: &TenantWorld, caller: Caller, wish: Wish) -> Incoming {
    Incoming {
        tenant: world.tenant.id,
        partner: caller.partner,
        exchange: wish.exchange,
        asked: Asked {
            parts: wish.parts,
            model: wish.model,
            message: wish.message,
            form: wish.form,
            agreement: caller.agreement,
            connector: caller.connector,
            recipient: caller.recipient,
        },
    }
}

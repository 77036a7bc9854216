//! A partner hands a footprint in: the answer to a request of the tenant's, or an update nobody asked for.
//!
//! The document is read and held against its schema first: what is none is nothing to decide about. Then `submit` is decided; a
//! partner hands in only what names it as owner, under an agreement on the tenant's own asset. Whether there is a request to answer
//! is looked at after that, so that a company with no right to hand anything in learns of no request. What is taken lies apart from
//! the tenant's own footprints, byte for byte, below the partner's number; it is in the vault before it is in the index, and both
//! before the 200 leaves.
//!
//! # Worked example
//!
//! Elbe asked Isar for a footprint under `2daa49aa-…`. Isar's connector negotiates Elbe's asset and puts the document to
//! `/exchange/BPNL000000000DWF/footprintExchange/2daa49aa-…`. It is a valid 9.0.0, it names Isar as owner, Elbe asked Isar: 200. The
//! same bytes again: 200, for Isar may not have got the first. Other bytes: 409. From Weser, whom Elbe did not ask: 404.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::query::{Query, wrong};
use super::request::{exchange_id, product_id};
use super::{Caller, Errand};
use crate::decide::{Permit, Recorded};
use crate::facts::edr::Operation;
use crate::http::caller::tenant;
use crate::http::decided::recorded_answer;
use crate::http::ingest::read_document;
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ids::{Digest, PcfId, TenantId};
use crate::intake::Unfit;
use crate::intake::read::read;
use crate::ledger::record::Request;
use crate::pcf::{Answerable, ExchangeId, Model, PcfStoreError, Received};
use crate::question::ask::{self, ExchangeFacts};
use crate::registry::Footprint;
use crate::registry::store::Turn;

/// What comes with a document.
struct Cover {
    /// The exchange it is part of.
    exchange: Option<ExchangeId>,
    /// Whether it answers a request.
    answers: bool,
    message: Option<String>,
}

/// What is told of a document that was taken.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    pcf_id: PcfId,
    digest: Digest,
}

/// A document as it was sent, and what it says of itself.
struct Sent {
    entry: Footprint,
    model: Model,
    document: Vec<u8>,
}

/// `PUT /exchange/{bpnl}/footprintExchange/{requestId}?message&update=false|true`
pub(in crate::http) async fn submit(
    State(app): State<Shared>,
    Path((bpnl, exchange)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let cover = || {
        let query = Query::read_known(query.as_deref(), &["message", "update"])?;
        Ok(Cover {
            exchange: Some(exchange_id(&exchange)?),
            answers: !query.flag("update")?,
            message: query.message()?,
        })
    };
    take(&app, &bpnl, &request, (&headers, body), cover).await
}

/// `PUT /exchange/{bpnl}/productIds/{productId}[?requestId]`, deprecated: with `requestId` an answer, without it an update.
pub(in crate::http) async fn submit_by_product(
    State(app): State<Shared>,
    Path((bpnl, product)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let cover = || {
        // Whether the document is about it is the document's to say; a name that is none is refused all the same.
        product_id(&product)?;
        let query = Query::read_known(query.as_deref(), &["requestId", "message", "update"])?;
        // Of the newer form. Passed over it could turn what is meant as one into the other.
        if query.text("update").is_some() {
            return Err(wrong(
                "update",
                "has no place in this form: `requestId` tells an answer from an update",
            ));
        }
        let exchange = query.parsed("requestId")?;
        Ok(Cover {
            exchange,
            answers: exchange.is_some(),
            message: query.message()?,
        })
    };
    take(&app, &bpnl, &request, (&headers, body), cover).await
}

async fn take(
    app: &App,
    bpnl: &str,
    request: &Request,
    (headers, body): (&HeaderMap, Body),
    cover: impl FnOnce() -> Result<Cover, Problem>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let (registry, caller) = app.exchange_caller(headers, bpnl, now).await?;
    let world = tenant(&registry, bpnl)?;
    let id = world.tenant.id;
    let cover = cover()?;
    let sent = app.sent(id, headers, body).await?;
    let agreement = caller.agreement(world);
    let asked = Errand {
        operation: Operation::Write,
        pcf: Some(&sent.entry.id),
        product: Some(&sent.entry.product),
    };
    // Nothing is handed out, so nothing is counted.
    let turn = app.turn(agreement).await?;
    let facts = ExchangeFacts {
        uses: turn.as_ref().and_then(Turn::uses),
        ..caller.facts(&registry, world, &asked, now)?
    };
    let question = ask::submit(&facts, &sent.entry, agreement);
    let told = |recorded: &Recorded| caller.told(recorded, agreement);
    let permit = app.permitted_telling(id, question, request, told).await?;
    let kept = app.keep(&permit, id, (&caller, cover), sent).await;
    let kept = kept.map_err(|problem| problem.after(&permit))?;
    Ok(recorded_answer(Json(kept).into_response(), id, &permit))
}

/// Why a document cannot be taken, with the first flaw in a sentence.
fn unfit(unfit: Unfit) -> Problem {
    match unfit {
        Unfit::Invalid { model, flaws } => {
            let first = flaws.first().map(ToString::to_string).unwrap_or_default();
            let detail = format!("the document is not valid in the version {model} of the model: {first}");
            Problem::with(Kind::Document, detail).flaws(flaws)
        }
        Unfit::Unread => {
            let detail = "the document is of no version of the model that is taken";
            Problem::with(Kind::Document, detail)
        }
        Unfit::Document(error) => Problem::with(Kind::Document, error.to_string()),
    }
}

impl App {
    /// The document in the body.
    async fn sent(&self, tenant: TenantId, headers: &HeaderMap, body: Body) -> Result<Sent, Problem> {
        let document = read_document(headers, body).await?;
        let sound = read(&self.models, document).map_err(unfit)?;
        Ok(Sent {
            entry: sound.claims.footprint(tenant, Default::default(), &sound.document),
            model: sound.model,
            document: sound.document,
        })
    }

    /// Puts the document where it belongs, if there is a request to answer or none is needed.
    async fn keep(
        &self,
        permit: &Permit,
        tenant: TenantId,
        (caller, cover): (&Caller, Cover),
        sent: Sent,
    ) -> Result<Kept, Problem> {
        let failed = |error: PcfStoreError| {
            tracing::error!(record = %permit.record(), error = %error, "a footprint that was permitted could not be indexed");
            Problem::new(Kind::Upstream)
        };
        // One at a time for each partner: of two different answers at once, the second must find the first.
        let _turn = self.pcf.turn(tenant, caller.partner).await;
        if let (true, Some(exchange)) = (cover.answers, cover.exchange) {
            match self
                .pcf
                .answerable(tenant, caller.partner, exchange)
                .await
                .map_err(failed)?
            {
                Answerable::Open => {}
                Answerable::Answered(digest) if digest == sent.entry.digest => {}
                Answerable::Answered(_) => {
                    let detail = "this request was answered before, with another document; send that one as an update";
                    return Err(Problem::with(Kind::Conflict, detail).parameter("requestId"));
                }
                Answerable::Unknown => {
                    let detail = "no request by this id waits for an answer of yours";
                    return Err(Problem::with(Kind::NotFound, detail).parameter("requestId"));
                }
            }
        }
        let session = self.opened(self.vault.session_for(permit), permit).await?;
        let stored = session
            .put_received(&caller.partner, &sent.entry.id, sent.document)
            .await;
        self.opened(stored, permit).await?;
        let received = Received {
            tenant,
            partner: caller.partner,
            pcf: sent.entry.id,
            product: sent.entry.product,
            model: sent.model,
            digest: sent.entry.digest,
            exchange: cover.exchange,
            message: cover.message,
            record: permit.record(),
        };
        let now = self.clock.now();
        self.pcf.receive(&received, cover.answers, now).await.map_err(failed)?;
        Ok(Kept {
            pcf_id: received.pcf,
            digest: received.digest,
        })
    }
}

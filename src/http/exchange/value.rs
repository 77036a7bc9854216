//! A footprint by its id: the synchronous way.

use axum::extract::{Extension, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::Errand;
use crate::decide::Recorded;
use crate::facts::edr::Operation;
use crate::http::Shared;
use crate::http::caller::tenant;
use crate::http::decided::{count, recorded_answer};
use crate::http::problem::{Kind, Problem};
use crate::ids::PcfId;
use crate::ledger::record::Request;
use crate::question::ask::{self, ExchangeFacts};
use crate::registry::store::Turn;

/// `GET /exchange/{bpnl}/pcf/{pcf_id}/submodel/$value`
pub(in crate::http) async fn footprint(
    State(app): State<Shared>,
    Path((bpnl, pcf)): Path<(String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let (registry, caller) = app.exchange_caller(&headers, &bpnl, now).await?;
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let pcf: PcfId = pcf
        .parse()
        .map_err(|error| Problem::with(Kind::Path, format!("{error}")))?;
    let agreement = caller.agreement(world);
    let footprint = world.footprints.get(&pcf);
    let asked = Errand {
        operation: Operation::Read,
        pcf: Some(&pcf),
        product: footprint.map(|footprint| &footprint.product),
    };
    // From here on nobody else is handed data under an agreement whose terms count, until this answer is made.
    let turn = app.turn(agreement).await?;
    let facts = ExchangeFacts {
        uses: turn.as_ref().and_then(Turn::uses),
        ..caller.facts(&registry, world, &asked, now)?
    };
    let question = ask::access(&facts, &pcf, footprint.map(AsRef::as_ref), agreement);
    let told = |recorded: &Recorded| caller.told(recorded, agreement);
    let permit = app.permitted_telling(id, question, &request, told).await?;
    let session = app.opened(app.vault.session_for(&permit), &permit).await?;
    let Some(footprint) = footprint else {
        return Err(Problem::new(Kind::NotFound).after(&permit));
    };
    let object = session.get_object(&footprint.product, &pcf).await;
    let object = app.opened(object, &permit).await?;
    count(turn, &permit).await?;
    let mut response = object.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(
        HeaderValue::from_str(&format!("\"{}\"", footprint.digest))
            .ok()
            .map(|value| (ETAG, value)),
    );
    Ok(recorded_answer(response, id, &permit))
}

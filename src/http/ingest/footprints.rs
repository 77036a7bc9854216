//! A footprint handed in by itself.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::caller::{Came, Proven};
use super::outcome::{Stored, problem};
use super::read_document;
use crate::http::Shared;
use crate::http::caller::tenant;
use crate::http::decided::recorded_answer;
use crate::http::problem::{Kind, Problem};
use crate::ids::AssetId;
use crate::intake::read::read_all;
use crate::intake::{Refused, Sender};
use crate::ledger::record::Request;
use crate::question::ask;

/// `POST /ingest/{bpnl}/footprints[?asset={id}]`
pub async fn hand_in(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    RawQuery(query): RawQuery,
    Extension(request): Extension<Request>,
    came: Came,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let proven = app.system(world, &headers, &came, now).await?;
    let system = proven.facts(&world.tenant);

    let permit = app.permitted(id, ask::ingest(&system, now), &request).await?;
    let after = |problem: Problem| problem.after(&permit);
    let document = read_document(&headers, body).await.map_err(after)?;
    let assets = assets(&proven, query.as_deref()).map_err(after)?;
    let sender = Sender {
        system,
        world,
        assets: &assets,
        request: &request,
        now,
    };
    let read = read_all(&app.models, vec![document]).await;
    let outcome = app.intake().take(&sender, read).await.pop();
    match outcome {
        Some(Ok(taken)) => {
            let answer = (StatusCode::CREATED, Json(Stored::from(&taken))).into_response();
            Ok(recorded_answer(answer, id, &taken.permit))
        }
        // What nothing was asked about follows the decision that the system may hand in at all.
        Some(Err(refused @ Refused::Unfit(_))) => Err(after(problem(refused, id))),
        Some(Err(refused)) => Err(problem(refused, id)),
        None => Err(Problem::new(Kind::Internal)),
    }
}

/// The assets the documents become part of: those the system's document names, or else those of the request.
pub(super) fn assets(proven: &Proven, query: Option<&str>) -> Result<BTreeSet<AssetId>, Problem> {
    let named = match proven {
        Proven::Integration(integration) => integration.assets.clone(),
        Proven::Client(_) => BTreeSet::new(),
    };
    let wrong = |detail: String| Problem::with(Kind::Path, detail);
    let pairs = query.into_iter().flat_map(|query| query.split('&'));
    let mut asked = BTreeSet::new();
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let asset = pair.strip_prefix("asset=");
        let asset = asset.ok_or_else(|| wrong("the only query parameter here is `asset`".to_owned()))?;
        asked.insert(asset.parse().map_err(|error| wrong(format!("{error}")))?);
    }
    if named.is_empty() {
        return Ok(asked);
    }
    match asked.difference(&named).next() {
        None => Ok(named),
        Some(other) => Err(wrong(format!(
            "`asset`: `{other}` is not among the assets of this integration's document"
        ))),
    }
}

//! Footprints handed in: one, or many in one body.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::arriving::{Arriving, Event, arrive};
use super::batch;
use super::caller::{Came, Entered, Proven};
use super::outcome::{Stored, problem};
use crate::decide::Permit;
use crate::http::decided::recorded_answer;
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ids::{AssetId, TenantId};
use crate::ingest::DOCUMENT_LIMIT;
use crate::intake::read::read_all;
use crate::intake::{Refused, Sender};
use crate::ledger::record::Request;
use crate::registry::TenantWorld;

/// What is the same of all documents of a request.
pub(super) struct Asked {
    pub(super) tenant: TenantId,
    pub(super) proven: Proven,
    pub(super) assets: BTreeSet<AssetId>,
    pub(super) request: Request,
}

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
    let Entered { world, proven, permit } = app.let_in(&bpnl, &headers, &came, &request).await?;
    let tenant = world.tenant.id;
    let after = |problem: Problem| problem.after(&permit);
    let assets = assets(&proven, query.as_deref()).map_err(after)?;
    let asked = Arc::new(Asked {
        tenant,
        proven,
        assets,
        request,
    });
    let mut events = match arrive(&headers, body, app.limits.request).await.map_err(after)? {
        Arriving::One(document) => return app.one(&world, &asked, document, &permit).await,
        Arriving::Events(events) => events,
    };
    // Many take as long as they take: their sender, their reader and the disk are watched by themselves.
    came.patience.ask();
    let Ok(_place) = app.batches.try_acquire() else {
        let detail = format!("{BATCHES} batches are being taken in; try again when one of them has ended");
        return Err(after(Problem::with(Kind::Busy, detail)));
    };
    match events.recv().await {
        Some(Event::One(Some(document))) => app.one(&world, &asked, document, &permit).await,
        Some(Event::One(None)) => {
            let detail = format!("the document has more than {DOCUMENT_LIMIT} bytes, or does not unpack");
            Err(after(Problem::with(Kind::TooLarge, detail)))
        }
        first => {
            let answer = batch::take(&app, &asked, first, events).await.map_err(after)?;
            Ok(recorded_answer(answer, tenant, &permit))
        }
    }
}

/// How many batches are taken in at once: each has a thread, and some chunks in memory.
pub const BATCHES: usize = 8;

impl App {
    /// Takes in one document, and answers.
    async fn one(
        &self,
        world: &TenantWorld,
        asked: &Asked,
        document: Vec<u8>,
        permit: &Permit,
    ) -> Result<Response, Problem> {
        let sender = Sender {
            system: asked.proven.facts(&world.tenant),
            world,
            assets: &asked.assets,
            request: &asked.request,
            now: self.clock.now(),
        };
        let read = read_all(&self.models, vec![document]).await;
        match self.intake().take(&sender, read).await.pop() {
            Some(Ok(taken)) => {
                let answer = (StatusCode::CREATED, Json(Stored::from(&taken))).into_response();
                Ok(recorded_answer(answer, asked.tenant, &taken.permit))
            }
            // What nothing was asked about follows the decision that the system may hand in at all.
            Some(Err(refused @ Refused::Unfit(_))) => Err(problem(refused, asked.tenant).after(permit)),
            Some(Err(refused)) => Err(problem(refused, asked.tenant)),
            None => Err(Problem::new(Kind::Internal)),
        }
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

//! `POST /exchange/{bpnl}/3/events`: what partners tell, and ask to be told later.
//!
//! Every event is read, decided and put on record with what it is about, and then answered truthfully:
//!
//! | event | decided as | answer |
//! |---|---|---|
//! | `Published`: the partner has new footprints | `announceFootprints` | 200: the tenant's log has the note. Tidegate fetches nothing from PACT endpoints of others |
//! | `RequestCreated`: the partner asks for footprints | `searchFootprints` | 200: an event will answer it ([`courier`](crate::pcf::Courier)), at the address on record for the partner. Where there is none, 400 `NotImplemented`: 200 would promise one |
//! | `RequestFulfilled`, `RequestRejected` | `announceFootprints` | 400: Tidegate asks nobody by events, so none of these answers anything |

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::PactCaller;
use crate::decide::Permit;
use crate::http::caller::{one_header, tenant};
use crate::http::decided::{reasons, recorded_answer};
use crate::http::ingest::read_body;
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ids::TenantId;
use crate::ingest::DOCUMENT_LIMIT;
use crate::ledger::record::Request;
use crate::pcf::pact::{Event, MEDIA, Told};
use crate::pcf::{ExchangeId, Requested, Taken};
use crate::question::{Action, ask};

/// `POST /exchange/{bpnl}/3/events`
pub(in crate::http) async fn events(
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
    let caller = app.pact_caller(&headers, world, now)?;
    let media = one_header(&headers, &CONTENT_TYPE)?;
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case(MEDIA) {
        return Err(Problem::with(Kind::MediaType, format!("an event comes as `{MEDIA}`")));
    }
    let body = read_body(body, DOCUMENT_LIMIT).await?;
    let event = Event::read(&body).map_err(|error| Problem::with(Kind::Body, error.to_string()))?;
    let action = match event.told {
        Told::Created(_) => Action::SearchFootprints,
        Told::Published(_) | Told::Fulfilled(_) | Told::Rejected(_) => Action::AnnounceFootprints,
    };
    let facts = caller.facts(&registry, world, now);
    let question = ask::pact(&facts, action, event.criteria());
    let question = question.ok_or_else(|| Problem::new(Kind::Internal))?;
    let permit = app.permitted_telling(id, question, &request, reasons).await?;
    let refused = |kind, detail| Err(Problem::with(kind, detail).after(&permit).about(id));
    match event.told {
        Told::Published(ids) => {
            tracing::info!(
                tenant = %id, partner = %caller.partner, footprints = ids.len(), record = %permit.record(),
                "a partner announced footprints"
            );
            let answer = (StatusCode::OK, [(CACHE_CONTROL, "no-store")]).into_response();
            Ok(recorded_answer(answer, id, &permit))
        }
        Told::Created(filter) if world.told_through(caller.partner).is_some() => {
            let requested = Requested {
                event: event.id,
                filter: *filter,
                client: caller.client.clone(),
                counted: BTreeSet::new(),
            };
            app.take_request((id, &caller), &event.source, requested, &permit, now)
                .await?;
            let answer = (StatusCode::OK, [(CACHE_CONTROL, "no-store")]).into_response();
            Ok(recorded_answer(answer, id, &permit))
        }
        Told::Created(_) => refused(
            Kind::Unsupported,
            "no address is on record here to which events for you go; ask the company for one, or `GET 3/footprints` with the same criteria",
        ),
        Told::Fulfilled(_) | Told::Rejected(_) => refused(
            Kind::Body,
            "`data.requestEventId` is of no request: this service makes none by events",
        ),
    }
}

impl App {
    /// Puts the answer to a request into the queue, once for each event.
    ///
    /// # Errors
    /// 400: the partner sent another request under the same id. 502: it cannot be written.
    async fn take_request(
        &self,
        (tenant, caller): (TenantId, &PactCaller),
        source: &str,
        requested: Requested,
        permit: &Permit,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let ends = (tenant, caller.partner, ExchangeId::of_event(source, &requested.event));
        match self.pcf.take_event(ends, requested, permit.record(), now).await {
            Ok(Taken::Queued | Taken::Known) => Ok(()),
            Ok(Taken::Conflict) => {
                let detail = "`id` is that of another event from the same `source`, with other criteria";
                Err(Problem::with(Kind::Body, detail).after(permit).about(tenant))
            }
            Err(error) => {
                tracing::error!(record = %permit.record(), %error, "a request could not be taken in");
                Err(Problem::new(Kind::Upstream).after(permit).about(tenant))
            }
        }
    }
}

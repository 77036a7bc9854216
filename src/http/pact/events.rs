//! `POST /exchange/{bpnl}/3/events`: what partners tell, and ask to be told later.
//!
//! Every event is read, decided and put on record with what it is about, and then answered truthfully:
//!
//! | event | decided as | answer |
//! |---|---|---|
//! | `Published`: the partner has new footprints | `announceFootprints` | 200: the tenant's log has the note. Tidegate fetches nothing from PACT endpoints of others |
//! | `RequestCreated`: the partner asks for footprints | `searchFootprints` | 400 `NotImplemented`: no event is sent back from here, and 200 would promise one. What is granted now is in the list |
//! | `RequestFulfilled`, `RequestRejected` | `announceFootprints` | 400: Tidegate asks nobody by events, so none of these answers anything |

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::http::Shared;
use crate::http::caller::{one_header, tenant};
use crate::http::decided::{reasons, recorded_answer};
use crate::http::ingest::read_body;
use crate::http::problem::{Kind, Problem};
use crate::ingest::DOCUMENT_LIMIT;
use crate::ledger::record::Request;
use crate::pcf::pact::{Event, Told};
use crate::question::{Action, ask};

/// The media type of an event.
const MEDIA: &str = "application/cloudevents+json";

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
        Told::Created(_) => refused(
            Kind::Unsupported,
            "requests are not answered by events here; ask `GET 3/footprints` with the same criteria for what is there now",
        ),
        Told::Fulfilled(_) | Told::Rejected(_) => refused(
            Kind::Body,
            "`data.requestEventId` is of no request: this service makes none by events",
        ),
    }
}

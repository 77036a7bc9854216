//! A company's supplier systems, for its people: which there are, and adding or changing one.
//!
//! Whether a person may is asked of policy (`listIntegrations`, `manageIntegration`) and recorded. A system is one document
//! ([`Integration`]), put whole; the next request it sends is judged by it. Nothing restarts, and nothing of the exchange is touched.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::read_body;
use crate::http::Shared;
use crate::http::caller::{tenant, user};
use crate::http::decided::{recorded_answer, unkept_answer};
use crate::http::problem::{Kind, Problem};
use crate::ids::{IntegrationId, TenantId};
use crate::ledger::record::Request;
use crate::question::ask;
use crate::registry::Integration;
use crate::registry::integration::MOST_BYTES;
use crate::registry::store::RegistryError;

#[derive(Serialize)]
struct ListAnswer<'a> {
    integrations: Vec<&'a Integration>,
}

#[derive(Serialize)]
struct PutAnswer<'a> {
    id: &'a IntegrationId,
    enabled: bool,
    /// Whether there was none of this id before.
    added: bool,
}

/// `GET /ingest/{bpnl}/integrations`
pub async fn list(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let person = app.person(&headers, id, now).await?;
    let question = ask::integrations(&user(world, &person), &world.tenant, now);
    let permit = app.permitted(id, question, &request).await?;
    let mut integrations: Vec<&Integration> = world.integrations.values().map(AsRef::as_ref).collect();
    integrations.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(recorded_answer(unkept_answer(ListAnswer { integrations }), id, &permit))
}

/// `PUT /ingest/{bpnl}/integrations/{id}`
pub async fn put(
    State(app): State<Shared>,
    Path((bpnl, name)): Path<(String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let person = app.person(&headers, id, now).await?;
    // What is asked depends on the document; who may not learns of no more than what is wrong with their own.
    let integration = read(id, &name, body).await?;
    let question = ask::integration(&user(world, &person), &world.tenant, &integration, now);
    let permit = app.permitted(id, question, &request).await?;
    let added = world.integrations.get(&integration.id).is_none();
    let put = app.registry.put_integration(&integration).await;
    put.map_err(|error| refused(error).after(&permit))?;
    let answer = PutAnswer {
        id: &integration.id,
        enabled: integration.enabled,
        added,
    };
    let status = if added { StatusCode::CREATED } else { StatusCode::OK };
    Ok(recorded_answer((status, Json(answer)).into_response(), id, &permit))
}

/// The document in the body; its tenant and its id are those of the path.
async fn read(tenant: TenantId, name: &str, body: Body) -> Result<Integration, Problem> {
    let wrong = |detail: String| Problem::with(Kind::Document, detail);
    let body = read_body(body, MOST_BYTES).await?;
    let integration = Integration::read(&body).map_err(|error| wrong(error.to_string()))?;
    if integration.tenant != tenant {
        let other = integration.tenant;
        return Err(wrong(format!("`/tenant` is {other}, and the path names {tenant}")));
    }
    if integration.id.as_str() != name {
        let other = &integration.id;
        return Err(wrong(format!("`/id` is `{other}`, and the path names another")));
    }
    Ok(integration)
}

fn refused(error: RegistryError) -> Problem {
    match error {
        RegistryError::Taken(taken) => Problem::with(Kind::Conflict, taken.to_string()),
        // Which company has it is not for another to know.
        RegistryError::Shared(_) => {
            let detail = "the client in `/push/oauth2` is known to the platform as another's; give the system a client of its own";
            Problem::with(Kind::Conflict, detail)
        }
        error => {
            tracing::error!(%error, "a supplier system could not be put on record");
            Problem::new(Kind::Upstream)
        }
    }
}

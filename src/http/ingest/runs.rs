//! What was fetched from a company's supplier systems, for its people: the reports of runs, and beginning one now.

use axum::Json;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::http::Shared;
use crate::http::caller::{tenant, user};
use crate::http::decided::{recorded_answer, unkept_answer};
use crate::http::exchange::Query;
use crate::http::problem::{Kind, Problem};
use crate::ids::{IntegrationId, RecordId};
use crate::ledger::record::Request;
use crate::pull::{Beginning, Cause, Counts, Listed, PullStoreError, Run, source};
use crate::question::{ask, spell_time};
use crate::registry::{Integration, TenantWorld};

/// How many runs are told at once.
const TOLD: u32 = 20;

#[derive(Serialize)]
struct ListAnswer {
    runs: Vec<ToldRun>,
}

#[derive(Serialize)]
struct ToldRun {
    number: i64,
    state: &'static str,
    cause: &'static str,
    began: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    /// From when on changes were asked for; everything was, where it does not stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(flatten)]
    counts: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Before when the system asked not to be asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<String>,
    /// The record of the decision that it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<RecordId>,
    /// The first of the entries that were not taken.
    refusals: Vec<ToldRefusal>,
}

#[derive(Serialize)]
struct ToldRefusal {
    page: u64,
    place: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcf_id: Option<String>,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<RecordId>,
}

impl ToldRun {
    fn of((run, refusals): (Run, Vec<Listed>)) -> Self {
        Self {
            number: run.key.number,
            state: run.state.as_str(),
            cause: run.cause.as_str(),
            began: spell_time(run.began),
            ended: run.ended.map(spell_time),
            since: run.since.map(spell_time),
            counts: run.counts,
            problem: run.problem,
            again: run.again.map(spell_time),
            record: run.record,
            refusals: refusals.into_iter().map(ToldRefusal::from).collect(),
        }
    }
}

impl From<Listed> for ToldRefusal {
    fn from(listed: Listed) -> Self {
        let Listed { page, place, told } = listed;
        Self {
            page,
            place,
            pcf_id: told.id.map(|id| id.to_string()),
            reason: told.reason,
            record: told.record,
        }
    }
}

#[derive(Serialize)]
struct BegunAnswer {
    number: i64,
}

/// The system of the path; none where there is none of the id.
fn named<'w>(world: &'w TenantWorld, name: &str) -> Option<&'w Integration> {
    let id: IntegrationId = name.parse().ok()?;
    world.integrations.get(&id).map(AsRef::as_ref)
}

fn unread(error: &PullStoreError) -> Problem {
    tracing::error!(%error, "the runs cannot be read or written");
    Problem::new(Kind::Upstream)
}

/// What is told of a system that is not there to whoever may see which there are.
fn no_such() -> Problem {
    let detail = "the company has no supplier system of that id with a document; `tidegate integration list` shows which there are";
    Problem::with(Kind::NotFound, detail)
}

/// `GET /ingest/{bpnl}/integrations/{id}/runs`
pub async fn list(
    State(app): State<Shared>,
    Path((bpnl, name)): Path<(String, String)>,
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
    let found = named(world, &name).ok_or_else(|| no_such().after(&permit))?;
    let runs = app.fetching.store.runs(id, &found.id, TOLD).await;
    let runs = runs.map_err(|error| unread(&error).after(&permit))?;
    let runs = runs.into_iter().map(ToldRun::of).collect();
    Ok(recorded_answer(unkept_answer(ListAnswer { runs }), id, &permit))
}

/// `POST /ingest/{bpnl}/integrations/{id}/runs?whole`
pub async fn begin(
    State(app): State<Shared>,
    Path((bpnl, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let person = app.person(&headers, id, now).await?;
    let whole: Option<bool> = Query::read(query.as_deref(), &["whole"])?.parsed("whole")?;
    let user = user(world, &person);
    let Some(integration) = named(world, &name) else {
        // Which there are, those learn who may see them.
        let question = ask::integrations(&user, &world.tenant, now);
        let permit = app.permitted(id, question, &request).await?;
        return Err(no_such().after(&permit));
    };
    let question = ask::integration(&user, &world.tenant, integration, now);
    let permit = app.permitted(id, question, &request).await?;
    let conflict = |detail: &str| Problem::with(Kind::Conflict, detail).after(&permit);
    if integration.pull.is_none() {
        return Err(conflict(
            "nothing is fetched from this integration: its document has no `pull`",
        ));
    }
    if !integration.enabled {
        return Err(conflict(
            "this integration is stopped: its document says that it is not `enabled`",
        ));
    }
    let beginning = Beginning {
        tenant: id,
        integration: &integration.id,
        source: source(integration),
        cause: Cause::Person,
        whole: whole.unwrap_or_default(),
    };
    let begun = app.fetching.store.begin(beginning, now).await;
    let begun = begun.map_err(|error| unread(&error).after(&permit))?;
    let key = begun.ok_or_else(|| conflict("a run of this integration is under way"))?;
    let answer = BegunAnswer { number: key.number };
    Ok(recorded_answer(
        (StatusCode::ACCEPTED, Json(answer)).into_response(),
        id,
        &permit,
    ))
}

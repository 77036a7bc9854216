//! A company's agreements, for its people: which there are, and ending one.
//!
//! Whether a person may is asked of policy about all agreements of the tenant of the route (`listAgreements`, `retireAgreement`);
//! which agreements there are is told only to whoever may know.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::caller::{tenant, user};
use super::decided::{recorded_answer, unkept_answer};
use super::exchange::Query;
use super::ingest::read_body;
use super::problem::{Kind, Problem};
use super::{App, Shared};
use crate::agreements::{AgreementError, Cause};
use crate::contract::Notice;
use crate::decide::Permit;
use crate::ids::{AgreementId, Bpnl, Digest};
use crate::ledger::record::Request;
use crate::question::ask;
use crate::question::{Action, spell_time};
use crate::registry::store::Listed;
use crate::registry::{Signed, TenantWorld};

/// How many agreements are listed at once unless asked otherwise, and at most.
const LIMIT: (u32, u32) = (100, 1_000);

/// How long a reason may be, in bytes.
const REASON: usize = 500;

#[derive(Serialize)]
struct ListAnswer<'a> {
    agreements: Vec<AgreementAnswer<'a>>,
    /// What to give as `after` for those that follow; absent where none do.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a AgreementId>,
}

#[derive(Serialize)]
struct AgreementAnswer<'a> {
    id: &'a AgreementId,
    consumer: Bpnl,
    asset: &'a str,
    state: &'static str,
    /// When it came into its state.
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    terms: Digest,
    signed: String,
    /// What was in force at signing.
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<&'a Signed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<String>,
    uses: u64,
    /// What binds the parties and decides nothing.
    notices: Vec<Notice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retire {
    reason: String,
}

#[derive(Serialize)]
struct RetireAnswer<'a> {
    id: &'a AgreementId,
    state: &'static str,
    /// Whether it was in force until now.
    changed: bool,
}

/// Where a list begins, and how long it may be.
struct Page {
    after: Option<AgreementId>,
    limit: u32,
}

impl Page {
    fn read(query: Option<&str>) -> Result<Self, Problem> {
        let query = Query::read(query, &["after", "limit"])?;
        let limit = query.parsed("limit")?.unwrap_or(LIMIT.0);
        if !(1..=LIMIT.1).contains(&limit) {
            let detail = format!("`limit` is not within 1 to {}", LIMIT.1);
            return Err(Problem::with(Kind::Query, detail).parameter("limit"));
        }
        Ok(Self {
            after: query.parsed("after")?,
            limit,
        })
    }
}

/// `GET /agreements/{bpnl}[?after={id}][&limit={number}]`
pub async fn list(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    RawQuery(query): RawQuery,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let permit = app
        .permitted_person(&headers, world, Action::ListAgreements, &request)
        .await?;
    let page = Page::read(query.as_deref()).map_err(|problem| problem.after(&permit))?;
    // One more than shown tells whether there are more.
    let listed = app.registry.list_agreements(id, page.after.as_ref(), page.limit + 1);
    let listed = listed.await.map_err(|error| {
        tracing::error!(record = %permit.record(), %error, "agreements could not be listed after an allow");
        Problem::with(Kind::Upstream, "the registry could not be read").after(&permit)
    })?;
    let shown = listed.get(..page.limit as usize).unwrap_or(&listed);
    let more = shown.len() < listed.len();
    let answer = ListAnswer {
        agreements: shown.iter().map(answer).collect(),
        next: shown.last().filter(|_| more).map(|listed| &listed.agreement.id),
    };
    Ok(recorded_answer(unkept_answer(answer), id, &permit))
}

/// `POST /agreements/{bpnl}/{id}/retire`
pub async fn retire(
    State(app): State<Shared>,
    Path((bpnl, agreement)): Path<(String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let permit = app
        .permitted_person(&headers, world, Action::RetireAgreement, &request)
        .await?;
    let after = |problem: Problem| problem.after(&permit);
    let agreement: AgreementId = agreement
        .parse()
        .map_err(|error| after(Problem::with(Kind::Path, format!("{error}"))))?;
    let body = read_body(body, app.limits.body).await.map_err(after)?;
    let reason = read_reason(&body).map_err(after)?;
    let ended = app
        .agreements
        .retire(id, &agreement, &reason, &Cause::permitted(&permit), app.clock.now())
        .await
        .map_err(|error| failed(&error, &permit))?;
    let answer = RetireAnswer {
        id: &agreement,
        state: ended.state.as_str(),
        changed: ended.changed,
    };
    Ok(recorded_answer(Json(answer).into_response(), id, &permit))
}

fn read_reason(body: &[u8]) -> Result<String, Problem> {
    let wrong = |detail: String| Problem::with(Kind::Body, detail);
    let Retire { reason } = crate::json::read(body).map_err(|error| wrong(error.to_string()))?;
    let sound = !reason.trim().is_empty() && reason.len() <= REASON && !reason.contains(char::is_control);
    match sound {
        true => Ok(reason),
        false => Err(wrong(format!("`reason`: expected one line of 1 to {REASON} bytes"))),
    }
}

impl App {
    /// The permit of the person whose token the request carries, to do `action` with the agreements of the tenant of the route.
    async fn permitted_person(
        &self,
        headers: &HeaderMap,
        world: &TenantWorld,
        action: Action,
        request: &Request,
    ) -> Result<Permit, Problem> {
        let now = self.clock.now();
        let person = self.person(headers, world.tenant.id, now).await?;
        let user = user(world, &person);
        let question = ask::agreements(&user, &world.tenant, action, now);
        self.permitted(world.tenant.id, question, request).await
    }
}

/// Why an agreement was not retired although the person may.
fn failed(error: &AgreementError, permit: &Permit) -> Problem {
    let problem = match error {
        AgreementError::NotOnRecord { .. } => return Problem::new(Kind::NotFound).after(permit),
        AgreementError::Ledger(_) => {
            let detail = "the change could not be recorded, so it did not happen; try again";
            Problem::with(Kind::Unrecorded, detail)
        }
        AgreementError::Registry(_) => {
            let detail = "that the agreement ends could not be written, so it is still in force; try again";
            Problem::with(Kind::Upstream, detail)
        }
    };
    tracing::error!(record = %permit.record(), %error, "an agreement could not be retired after an allow");
    problem.after(permit)
}

fn answer(listed: &Listed) -> AgreementAnswer<'_> {
    let agreement = &*listed.agreement;
    AgreementAnswer {
        id: &agreement.id,
        consumer: agreement.consumer,
        asset: agreement.asset.as_str(),
        state: agreement.state.as_str(),
        since: spell_time(listed.changed_at),
        reason: listed.reason.as_deref(),
        terms: agreement.terms.digest(),
        signed: spell_time(agreement.signed_at),
        versions: agreement.signed.as_deref(),
        ends: agreement.terms.usage_ends(agreement.signed_at).map(spell_time),
        uses: listed.uses,
        notices: agreement.terms.notices(),
    }
}

//! The access rules of a company's digital twins, for its people: which there are, and others in their place.
//!
//! Whether a person may is asked of policy first (`readAccessRules`, `writeAccessRules`). The rules are the text a registry takes; what of it
//! is not understood is refused, with its JSON pointer, and the rules that were there stay. New ones count from the next request on.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::decide::Permit;
use crate::http::caller::{tenant, user};
use crate::http::decided::{recorded_answer, unkept_answer};
use crate::http::ingest::read_body;
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ids::Digest;
use crate::ledger::record::Request;
use crate::pcf::Flaw;
use crate::question::Action;
use crate::question::ask;
use crate::registry::{TenantWorld, TwinRules};
use crate::twin::RuleError;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RulesAnswer<'a> {
    /// The name of what the rules say: decisions by them name it too.
    digest: Digest,
    /// How many there are.
    count: usize,
    /// The text.
    access_rules: &'a RawValue,
}

#[derive(Serialize)]
struct Written {
    /// The name of what the rules say.
    digest: Digest,
    /// How many there are.
    count: usize,
}

#[derive(Serialize)]
struct Removed {
    /// Whether there were any.
    changed: bool,
}

/// `GET /registry/{bpnl}/access-rules`
pub(in crate::http) async fn read(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let permit = app.ruling(&headers, world, Action::ReadAccessRules, &request).await?;
    let own = world
        .twin_rules
        .as_ref()
        .ok_or_else(|| Problem::new(Kind::NotFound).after(&permit))?;
    let text: &RawValue = serde_json::from_str(&own.text).map_err(|error| {
        tracing::error!(record = %permit.record(), %error, "access rules on record do not read after an allow");
        Problem::new(Kind::Internal).after(&permit)
    })?;
    let answer = RulesAnswer {
        digest: own.rules.digest(),
        count: own.rules.count(),
        access_rules: text,
    };
    Ok(recorded_answer(unkept_answer(answer), world.tenant.id, &permit))
}

/// `PUT /registry/{bpnl}/access-rules`
pub(in crate::http) async fn write(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let permit = app.ruling(&headers, world, Action::WriteAccessRules, &request).await?;
    let after = |problem: Problem| problem.after(&permit);
    let body = read_body(body, app.limits.body).await.map_err(after)?;
    let text = std::str::from_utf8(&body).map_err(|_| after(Problem::with(Kind::Body, "the body is not UTF-8")))?;
    let rules = TwinRules::read(id, text).map_err(|error| after(refused(error)))?;
    app.put_rules(world, Some(&rules), &permit).await?;
    let answer = Written {
        digest: rules.rules.digest(),
        count: rules.rules.count(),
    };
    Ok(recorded_answer(Json(answer).into_response(), id, &permit))
}

/// `DELETE /registry/{bpnl}/access-rules`
pub(in crate::http) async fn remove(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let permit = app.ruling(&headers, world, Action::WriteAccessRules, &request).await?;
    let changed = world.twin_rules.is_some();
    if changed {
        app.put_rules(world, None, &permit).await?;
    }
    let answer = Json(Removed { changed }).into_response();
    Ok(recorded_answer(answer, world.tenant.id, &permit))
}

fn refused(error: RuleError) -> Problem {
    let problem = Problem::with(Kind::Document, error.to_string());
    match error {
        RuleError::Refused { pointer, problem: what } => problem.flaws(vec![Flaw {
            at: pointer,
            problem: what,
        }]),
        _ => problem,
    }
}

impl App {
    /// The permit of the person whose token the request carries, to do `action` with the access rules of the tenant of the route.
    async fn ruling(
        &self,
        headers: &HeaderMap,
        world: &TenantWorld,
        action: Action,
        request: &Request,
    ) -> Result<Permit, Problem> {
        let now = self.clock.now();
        let person = self.person(headers, world.tenant.id, now).await?;
        let question = ask::access_rules(&user(world, &person), &world.tenant, action, now);
        self.permitted(world.tenant.id, question, request).await
    }

    async fn put_rules(&self, world: &TenantWorld, rules: Option<&TwinRules>, permit: &Permit) -> Result<(), Problem> {
        let put = self.registry.put_twin_rules(world.tenant.id, rules).await;
        put.map_err(|error| {
            tracing::error!(record = %permit.record(), %error, "access rules could not be written after an allow");
            let detail = "the access rules could not be written, so those from before still count; try again";
            Problem::with(Kind::Upstream, detail).after(permit)
        })
    }
}

//! Around every request: its id, its deadline, its panic guard, its metrics and its one log line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{counter, histogram};

use super::Shared;
use super::caller::{optional_header, request_facts};
use super::pact::{OwnHost, speaks, translate};
use super::path;
use super::problem::{Cause, Kind, Problem};
use super::routes;
use crate::decide::Recorded;
use crate::ids::{RecordId, TenantId};
use crate::ledger::LogId;
use crate::ledger::record::Request as Facts;
use crate::telemetry;

/// Where the decision stands in the ledger: the log and the record's number in it.
const TIDEGATE_LOG: HeaderName = HeaderName::from_static("tidegate-log");

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a handler adds to the log line of its request.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The tenant of the route, where that was said.
    pub tenant: Option<TenantId>,
    /// The record of the decision.
    pub record: RecordId,
    /// The log it is in, and its number there; absent where the answer leaves ahead of its record.
    pub place: Option<(LogId, u64)>,
    /// What was decided.
    pub effect: crate::decision::Effect,
}

impl Outcome {
    /// What the log line tells of a decision.
    pub fn of(recorded: &Recorded) -> Self {
        let (receipt, effect) = (recorded.receipt(), recorded.decision().effect);
        let place = receipt.seq().map(|seq| (receipt.log(), seq));
        let record = receipt.id();
        Self {
            tenant: None,
            record,
            place,
            effect,
        }
    }

    /// The same, about what is `tenant`'s.
    #[must_use]
    pub fn about(self, tenant: TenantId) -> Self {
        let tenant = Some(tenant);
        Self { tenant, ..self }
    }
}

/// That a request may take longer than others do: its handler watches by itself that it goes on.
#[derive(Clone, Debug, Default)]
pub struct Patience(Arc<AtomicBool>);

impl Patience {
    /// Asks for it.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The name of the route that answered, for the log line written outside the router.
#[derive(Clone, Copy, Debug)]
struct Route(&'static str);

/// Inside the router: notes which route was taken.
pub async fn note_route(matched: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let mut response = next.run(request).await;
    let taken =
        |route: &&'static routes::Route, path: &str| route.path == path && route.method.as_str() == method.as_str();
    let route = matched.and_then(|matched| routes::all().find(|route| taken(route, matched.as_str())));
    if let Some(route) = route {
        response.extensions_mut().insert(Route(route.name));
    }
    response
}

/// Outside the router.
pub async fn observe(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = known(request.method());
    let (facts, problem) = request_facts(request.headers());
    request.extensions_mut().insert(facts.clone());
    let settled = problem.map_or_else(|| settle_path(&app, &mut request), Err);
    let speaks_pact = speaks(request.uri().path());
    let mut response = match settled {
        Ok(()) => guarded(&app, request, next).await,
        Err(problem) => problem.into_response(),
    };
    if speaks_pact {
        response = translate(response);
    }
    if let Ok(value) = HeaderValue::from_str(facts.id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    let took = started.elapsed();
    let extensions = response.extensions_mut();
    let route = extensions.remove::<Route>().map_or("none", |route| route.0);
    let (outcome, cause) = (extensions.remove::<Outcome>(), extensions.remove::<Cause>());
    if let Some((log, index)) = outcome.and_then(|outcome| outcome.place)
        && let Ok(value) = HeaderValue::from_str(&format!("{log}/{index}"))
    {
        response.headers_mut().insert(TIDEGATE_LOG, value);
    }
    let status = response.status();
    histogram!(telemetry::REQUEST_SECONDS, "route" => route).record(took);
    let code = status.as_str().to_owned();
    counter!(telemetry::REQUESTS, "route" => route, "method" => method, "status" => code).increment(1);
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    log(
        &Line {
            facts: &facts,
            method,
            route,
            status: status.as_u16(),
            took_us,
        },
        outcome,
        cause,
    );
    response
}

/// The method as a label: an unknown one, which a stranger may make up, counts as `OTHER`.
fn known(method: &axum::http::Method) -> &'static str {
    let methods = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
    methods
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("OTHER")
}

/// What the log line of every request has.
struct Line<'a> {
    facts: &'a Facts,
    method: &'static str,
    route: &'static str,
    status: u16,
    took_us: u64,
}

fn log(line: &Line<'_>, outcome: Option<Outcome>, cause: Option<Cause>) {
    let Line {
        facts,
        method,
        route,
        status,
        took_us,
    } = *line;
    let request = facts.id.as_str();
    let trace = facts
        .traceparent
        .as_deref()
        .and_then(|trace| trace.split('-').nth(1))
        .unwrap_or_default();
    match (outcome, cause) {
        (
            Some(Outcome {
                tenant, record, effect, ..
            }),
            _,
        ) => tracing::info!(
            request, trace, method, route, status, took_us, tenant = tenant.as_ref().map(TenantId::as_str), record = %record,
            decision = %effect, "answered"
        ),
        (None, Some(Cause(cause))) => {
            tracing::info!(request, trace, method, route, status, took_us, cause, "refused");
        }
        (None, None) => tracing::info!(request, trace, method, route, status, took_us, "answered"),
    }
}

/// Puts the path into its one form, and a tenant's own host into the path.
fn settle_path(app: &Shared, request: &mut Request) -> Result<(), Problem> {
    let refused = |error: path::PathError| Problem::with(Kind::Path, error.to_string());
    let mut settled = path::canonical(request.uri().path()).map_err(refused)?;
    if let Some(base) = &app.base_host {
        let host = optional_header(request.headers(), &axum::http::header::HOST)?;
        let host = host.or_else(|| request.uri().host()).unwrap_or_default();
        if let Some(tenant) = path::tenant_of_host(host, base) {
            settled = path::below_host(tenant, &settled).ok_or(Problem::new(Kind::NotFound))?;
            let own = OwnHost(host.to_owned());
            request.extensions_mut().insert(own);
        }
    }
    if settled != request.uri().path() {
        let query = request
            .uri()
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        let whole: PathAndQuery = format!("{settled}{query}")
            .parse()
            .map_err(|_| Problem::new(Kind::Path))?;
        *request.uri_mut() = Uri::from(whole);
    }
    Ok(())
}

/// Runs the request to its end, its deadline or its panic.
///
/// In a task of its own, which a peer that hangs up and the deadline do not stop: what was recorded in the ledger is done as well,
/// whether or not anyone waits for the answer. A panic ends that task alone.
async fn guarded(app: &Shared, mut request: Request<Body>, next: Next) -> Response {
    let patience = Patience::default();
    request.extensions_mut().insert(patience.clone());
    let mut running = tokio::spawn(next.run(request));
    loop {
        match tokio::time::timeout(app.limits.request, &mut running).await {
            Ok(Ok(response)) => return response,
            Ok(Err(_)) => {
                tracing::error!("a handler panicked; this is a defect");
                return Problem::new(Kind::Internal).into_response();
            }
            Err(_) if patience.is_asked() => {}
            Err(_) => return Problem::new(Kind::Timeout).into_response(),
        }
    }
}

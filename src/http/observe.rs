//! Around every request: its id, its deadline, its panic guard, its metrics and its one log line.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{counter, histogram};

use super::Shared;
use super::caller::{optional_header, request_facts, unnamed_request};
use super::path;
use super::problem::{Kind, Problem};
use crate::ids::{RecordId, TenantId};
use crate::telemetry;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a handler adds to the log line of its request.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The tenant of the route.
    pub tenant: TenantId,
    /// The record of the decision.
    pub record: RecordId,
    /// What was decided.
    pub effect: crate::decision::Effect,
}

/// The name of the route that answered, for the log line written outside the router.
#[derive(Clone, Debug)]
struct Route(String);

/// Inside the router: notes which route was taken.
pub async fn note_route(matched: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(matched) = matched {
        response.extensions_mut().insert(Route(matched.as_str().to_owned()));
    }
    response
}

/// Outside the router.
pub async fn observe(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let (facts, refused) = match request_facts(request.headers()) {
        Ok(facts) => (facts, None),
        // A request is logged and counted, and its answer named, also where what it calls itself is no id.
        Err(problem) => match unnamed_request() {
            Ok(facts) => (facts, Some(problem)),
            Err(failed) => return failed.into_response(),
        },
    };
    let answer = async {
        if let Some(problem) = refused {
            return Err(problem);
        }
        request.extensions_mut().insert(facts.clone());
        settle_path(&app, &mut request)?;
        Ok::<_, Problem>(guarded(&app, request, next).await)
    };
    let mut response = answer.await.unwrap_or_else(IntoResponse::into_response);
    if let Ok(value) = HeaderValue::from_str(facts.id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    let took = started.elapsed();
    let route = response
        .extensions_mut()
        .remove::<Route>()
        .map_or_else(|| "none".to_owned(), |route| route.0);
    let status = response.status().as_u16();
    histogram!(telemetry::REQUEST_SECONDS, "route" => route.clone()).record(took);
    counter!(telemetry::REQUESTS, "route" => route.clone(), "method" => known(&method), "status" => status.to_string())
        .increment(1);
    log(
        &facts,
        &method,
        &route,
        status,
        took,
        response.extensions_mut().remove::<Outcome>(),
    );
    response
}

/// The method as a label: an unknown one, which a stranger may make up, counts as `OTHER`.
fn known(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

fn log(
    facts: &crate::ledger::record::Request,
    method: &axum::http::Method,
    route: &str,
    status: u16,
    took: std::time::Duration,
    outcome: Option<Outcome>,
) {
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let trace = facts
        .traceparent
        .as_deref()
        .and_then(|trace| trace.split('-').nth(1))
        .unwrap_or_default();
    match outcome {
        Some(Outcome { tenant, record, effect }) => tracing::info!(
            request = %facts.id, trace, method = %known(method), route, status, took_us,
            tenant = %tenant, record = %record, decision = %effect, "answered"
        ),
        None => tracing::info!(
            request = %facts.id, trace, method = %known(method), route, status, took_us, "answered"
        ),
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
async fn guarded(app: &Shared, request: Request<Body>, next: Next) -> Response {
    let run = AssertUnwindSafe(next.run(request));
    let guarded = CatchUnwind(Box::pin(run));
    match tokio::time::timeout(app.limits.request, guarded).await {
        Ok(Ok(response)) => response,
        Ok(Err(())) => {
            tracing::error!("a handler panicked; this is a defect");
            Problem::new(Kind::Internal).into_response()
        }
        Err(_) => Problem::new(Kind::Timeout).into_response(),
    }
}

/// A future that turns a panic into an error: one bad request must not end the connection of others.
struct CatchUnwind<F>(std::pin::Pin<Box<AssertUnwindSafe<F>>>);

impl<F: Future> Future for CatchUnwind<F> {
    type Output = Result<F::Output, ()>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        let inner = &mut self.0;
        match std::panic::catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => std::task::Poll::Ready(Err(())),
        }
    }
}

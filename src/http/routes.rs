//! The route table. The router, the API description and the test that tries every route as nobody, as a stranger and as
//! somebody are all made from it, so a route cannot be served without being described and tried.

use axum::Router;
use axum::routing::{MethodRouter, get, post, put};

use super::problem::{Kind, Problem};
use super::{Shared, access, credentials, dev_connector, dev_issuer, exchange, ingest, openapi, operations};

/// Who may call a route with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Anyone: it tells nothing of any tenant.
    Anyone,
    /// The tenant's own connector, with a machine token.
    Connector,
    /// A supplier system of the tenant, with a machine token.
    Integration,
    /// A person of the tenant, with a user token.
    Person,
}

/// The methods routes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// A stable name, for logs, metrics and the API description.
    pub name: &'static str,
    /// The method.
    pub method: Method,
    /// The path, with `{…}` for its variable parts.
    pub path: &'static str,
    /// Who may call it.
    pub caller: Caller,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The status of success.
    pub success: u16,
    /// The media type of success.
    pub answers: &'static str,
    /// Whether it exists in dev mode only.
    pub dev_only: bool,
    mount: fn() -> MethodRouter<Shared>,
}

const JSON: &str = "application/json";

const fn route(
    name: &'static str,
    method: Method,
    path: &'static str,
    caller: Caller,
    summary: &'static str,
    mount: fn() -> MethodRouter<Shared>,
) -> Route {
    Route {
        name,
        method,
        path,
        caller,
        summary,
        success: 200,
        answers: JSON,
        dev_only: false,
        mount,
    }
}

/// The one path a dev connector is mounted at: what lies below it is settled by the standards it speaks.
const fn connector_route(name: &'static str, method: Method, mount: fn() -> MethodRouter<Shared>) -> Route {
    Route {
        dev_only: true,
        ..route(
            name,
            method,
            "/dev/connectors/{bpnl}/{face}/{*path}",
            Caller::Anyone,
            "The dev connector of a company: Dataspace Protocol (`dsp`), operator (`management`), data plane (`signaling`).",
            mount,
        )
    }
}

/// Every route of the service.
pub const ROUTES: &[Route] = &[
    route(
        "exchange.footprint",
        Method::Get,
        "/exchange/{bpnl}/pcf/{pcf_id}/submodel/$value",
        Caller::Connector,
        "A footprint, byte for byte, for the partner and under the agreement the connector names.",
        || get(exchange::footprint),
    ),
    route(
        "access.evaluation",
        Method::Post,
        "/access/v1/evaluation",
        Caller::Connector,
        "Decide a moment of a contract for a partner: discover, negotiate, transfer or access (AuthZEN 1.0).",
        || post(access::evaluation),
    ),
    route(
        "credentials.session",
        Method::Post,
        "/credentials/{bpnl}/session",
        Caller::Person,
        "Temporary credentials of the own company's role.",
        || post(credentials::session),
    ),
    route(
        "credentials.secret",
        Method::Get,
        "/credentials/{bpnl}/secrets/{name}",
        Caller::Person,
        "The value of a secret of the own company.",
        || get(credentials::secret),
    ),
    Route {
        success: 201,
        ..route(
            "ingest.footprint",
            Method::Post,
            "/ingest/{bpnl}/footprints",
            Caller::Integration,
            "Hand in a footprint document of the own company.",
            || post(ingest::footprint),
        )
    },
    route(
        "operations.health",
        Method::Get,
        "/healthz",
        Caller::Anyone,
        "The process answers.",
        || get(operations::health),
    ),
    route(
        "operations.ready",
        Method::Get,
        "/readyz",
        Caller::Anyone,
        "Decisions can be made and recorded; which bundle is in force; whether a newer one was refused.",
        || get(operations::ready),
    ),
    Route {
        answers: "text/plain; version=0.0.4",
        ..route(
            "operations.metrics",
            Method::Get,
            "/metrics",
            Caller::Anyone,
            "Metrics for Prometheus.",
            || get(operations::metrics),
        )
    },
    route(
        "operations.openapi",
        Method::Get,
        "/openapi.json",
        Caller::Anyone,
        "This description.",
        || get(openapi::serve),
    ),
    Route {
        dev_only: true,
        ..route(
            "dev.jwks",
            Method::Get,
            "/dev/issuers/{bpnl}/.well-known/jwks.json",
            Caller::Anyone,
            "The keys of the tenant's embedded issuer.",
            || get(dev_issuer::jwks),
        )
    },
    Route {
        dev_only: true,
        ..route(
            "dev.token",
            Method::Post,
            "/dev/issuers/{bpnl}/oauth2/token",
            Caller::Anyone,
            "A token of the tenant's embedded issuer.",
            || post(dev_issuer::token),
        )
    },
    connector_route("dev.connector.get", Method::Get, || get(dev_connector::answer)),
    connector_route("dev.connector.post", Method::Post, || post(dev_connector::answer)),
    connector_route("dev.connector.put", Method::Put, || put(dev_connector::answer)),
];

/// The routes this service has: those of dev mode only where `dev` says so.
pub fn table(dev: bool) -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(move |route| dev || !route.dev_only)
}

/// The router over the table.
pub fn router(app: Shared) -> Router {
    let dev = !app.issuers.is_empty();
    table(dev)
        .fold(Router::new(), |router, route| router.route(route.path, (route.mount)()))
        .fallback(|| async { Problem::new(Kind::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::new(Kind::Method) })
        .with_state(app)
}

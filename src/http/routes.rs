//! The route table. The router, the API description and the test that tries every route as nobody, as a stranger and as
//! somebody are all made from it, so a route cannot be served without being described and tried.

mod dev;
mod ingest;
mod pact;
mod route;
mod table;
mod twin;

use axum::Router;

pub use self::route::{Caller, Carried, Method, Parameter, Route};
use super::Shared;
use super::problem::{Kind, Problem};

/// The parts of the table.
const PARTS: [&[Route]; 5] = [table::ROUTES, pact::ROUTES, ingest::ROUTES, twin::ROUTES, dev::ROUTES];

/// Every route there is.
pub fn all() -> impl Iterator<Item = &'static Route> {
    PARTS.into_iter().flatten()
}

/// The routes this service has: those of dev mode only where `dev` says so.
pub fn table(dev: bool) -> impl Iterator<Item = &'static Route> {
    all().filter(move |route| dev || !route.dev_only)
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

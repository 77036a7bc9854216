//! The route table. The router, the API description and the test that tries every route as nobody, as a stranger and as
//! somebody are all made from it, so a route cannot be served without being described and tried.

mod route;
mod table;
mod twin;

use axum::Router;

pub use self::route::{Caller, Carried, Method, Parameter, Route};
use super::Shared;
use super::problem::{Kind, Problem};

/// Every route of the service.
pub const ROUTES: &[Route] = &joined::<{ table::ROUTES.len() + twin::ROUTES.len() }>([table::ROUTES, twin::ROUTES]);

/// The routes of several tables as one.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses what is out of bounds"
)]
const fn joined<const ALL: usize>(tables: [&[Route]; 2]) -> [Route; ALL] {
    let mut all = [tables[0][0]; ALL];
    let (mut at, mut table) = (0, 0);
    while table < tables.len() {
        let mut row = 0;
        while row < tables[table].len() {
            all[at] = tables[table][row];
            (at, row) = (at + 1, row + 1);
        }
        table += 1;
    }
    all
}

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

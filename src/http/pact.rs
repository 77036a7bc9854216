//! The PACT endpoint of one tenant (PACT Technical Specifications 3.0): the same footprints under the same contracts, for partners that
//! have no connector.
//!
//! A partner comes by itself, with a client the tenant gave it ([`PactClient`](crate::registry::PactClient)): it shows the client's
//! secret at `auth/token` and gets a token for a quarter of an hour, which is good at this tenant's endpoint and nowhere else
//! ([`edr`](crate::facts::edr)). What it may have is what it would get at the exchange endpoint: `access` is asked for each footprint, under
//! an agreement that is on record between the two. Only what carried the request is another, and the question says so.
//!
//! # What is asked, and what is put on record
//!
//! A list is not a question that policy answers at once: it is one question (`searchFootprints`: may this client search here at all?),
//! and then `access` for every footprint there is. These are asked twice. First unrecorded, to find those that are granted: a record
//! of each footprint a partner did *not* get, at every list it asks for, would drown what the log is kept for. Then each that is
//! granted is decided and recorded as any access is, and only what that decision permits is opened. So whatever leaves, and
//! every document that is read, has its record, and so has the search with its criteria; see
//! [decision 55](../../docs/decisions/0055-pact.md).
//!
//! # What a stranger learns
//!
//! A footprint that is not there and one that has nothing to do with the partner get the same 404, as PACT wants it for the
//! former; both are decided and recorded. 403 is for footprints of an asset the partner has, or had, an agreement on: it knows of those.
//!
//! # Worked example
//!
//! Weser has Elbe's client `weser` and agreements on two assets, of which one was retired. `GET /exchange/BPNL000000000DWF/3/footprints`
//! gives the footprints of the other one, and leaves a record of the search and one for each of them. `GET …/3/footprints/{id}` of
//! a footprint of the retired one is 403, with the reason. With Isar's token either is 401, without looking at anything it says.

mod caller;
mod error;
mod events;
mod handing;
mod list;
mod one;
mod query;
mod token;

use axum::http::Uri;

pub(super) use self::caller::PactCaller;
pub(super) use self::error::{Spoken, speaks, translate};
pub(super) use self::events::events;
pub(super) use self::list::list;
pub(super) use self::one::one;
pub(super) use self::token::token;
use super::App;
use crate::ids::TenantId;

/// The host by which a request came, where it is the tenant's own.
#[derive(Clone, Debug)]
pub(super) struct OwnHost(pub(super) String);

impl App {
    /// Where a tenant's PACT endpoint is, as whoever came by that host reaches it. A host of the tenant's own was held against the one
    /// configured before, so it may stand in an address.
    fn pact_url(&self, tenant: TenantId, own: Option<&OwnHost>) -> String {
        let scheme = self
            .base_url
            .parse()
            .ok()
            .and_then(|base: Uri| base.scheme_str().map(str::to_owned));
        match (own, scheme) {
            (Some(OwnHost(host)), Some(scheme)) => format!("{scheme}://{host}"),
            _ => self.exchange_url(tenant),
        }
    }
}

//! `GET /exchange/{bpnl}/3/footprints`: the footprints that are granted to the partner, and fit its criteria.
//!
//! In the order of their ids, so a page begins where the one before ended, whatever came or went in between: the link to the next
//! page names the last id that was looked at.
//!
//! Criteria that the index can answer are looked up there. For the others the document is opened, which is an access and is recorded as
//! one, whether or not the document fits; therefore at most [`OPENED`] are opened for one page, which may have fewer footprints than
//! asked for then.

use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::header::LINK;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use serde_json::value::RawValue;

use super::OwnHost;
use super::handing::{Answer, Asking, Handed};
use super::query::{Listing, MOST};
use crate::http::caller::tenant;
use crate::http::decided::{reasons, recorded_answer, unkept_answer};
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ids::PcfId;
use crate::ledger::record::Request;
use crate::pcf::pact;
use crate::question::Action;
use crate::question::ask;

/// The most documents that are opened for one page.
const OPENED: usize = 2 * MOST;

/// A page of the list.
struct Page {
    data: Vec<Box<RawValue>>,
    /// Whether there are more.
    more: bool,
    /// The last footprint that was looked at.
    last: Option<PcfId>,
}

/// `GET /exchange/{bpnl}/3/footprints`
pub(in crate::http) async fn list(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    RawQuery(query): RawQuery,
    Extension(request): Extension<Request>,
    own: Option<Extension<OwnHost>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let caller = app.pact_caller(&headers, world, now)?;
    let listing = Listing::read(query.as_deref())?;
    let facts = caller.facts(&registry, world, now);
    let question = ask::pact(&facts, Action::SearchFootprints, listing.criteria());
    let question = question.ok_or_else(|| Problem::new(Kind::Internal))?;
    let permit = app.permitted_telling(id, question, &request, reasons).await?;
    let asking = Asking {
        registry: &registry,
        world,
        caller: &caller,
        request: &request,
        now,
    };
    let page = app.page(asking, &listing).await?;
    let mut response = unkept_answer(Answer { data: page.data });
    if page.more {
        let base = app.pact_url(id, own.as_ref().map(|Extension(own)| own));
        let link = format!(
            "<{base}/3/footprints?{}>; rel=\"next\"",
            listing.next(page.last.as_ref())
        );
        let link = HeaderValue::from_str(&link).map_err(|_| Problem::new(Kind::Internal).after(&permit))?;
        response.headers_mut().insert(LINK, link);
    }
    Ok(recorded_answer(response, id, &permit))
}

impl App {
    async fn page(&self, asking: Asking<'_>, listing: &Listing) -> Result<Page, Problem> {
        let after = listing.after.as_ref();
        let candidates = pact::candidates(asking.world, asking.caller.partner, &listing.filter, after);
        let (mut data, mut opened) = (Vec::new(), 0_usize);
        let mut last = listing.after.clone();
        let mut rest = candidates.iter();
        while data.len() < listing.limit && opened < OPENED {
            let Some((footprint, agreements)) = rest.next() else {
                break;
            };
            last = Some(footprint.id.clone());
            let Some(granted) = self.pact_granted(asking, footprint, agreements).await? else {
                continue;
            };
            opened += 1;
            if let (Handed::Out(told), _) = self.pact_handed(granted, footprint, &listing.filter).await? {
                data.push(told);
            }
        }
        // Only a footprint that is granted makes another page.
        for (footprint, agreements) in rest {
            for agreement in agreements {
                if self.pact_grants(asking, footprint, agreement).await?.is_some() {
                    let more = true;
                    return Ok(Page { data, more, last });
                }
            }
        }
        let more = false;
        Ok(Page { data, more, last })
    }
}

//! `GET /exchange/{bpnl}/3/footprints/{id}`: one footprint.

use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::handing::{Answer, Asking, Granted, Handed};
use crate::http::caller::tenant;
use crate::http::decided::{reasons, recorded_answer, unkept_answer};
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ids::{Bpnl, PcfId};
use crate::ledger::record::Request;
use crate::pcf::pact::Filter;
use crate::question::ask::{self, ExchangeFacts};
use crate::registry::store::Turn;
use crate::registry::{Agreement, Footprint, TenantWorld};

/// `GET /exchange/{bpnl}/3/footprints/{id}`
pub(in crate::http) async fn one(
    State(app): State<Shared>,
    Path((bpnl, pcf)): Path<(String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let caller = app.pact_caller(&headers, world, now)?;
    let pcf: PcfId = pcf
        .to_ascii_lowercase()
        .parse()
        .map_err(|error| Problem::with(Kind::Path, format!("{error}")))?;
    let asking = Asking {
        registry: &registry,
        world,
        caller: &caller,
        request: &request,
        now,
    };
    let footprint = world.footprints.get(&pcf).map(AsRef::as_ref);
    let granted = match footprint {
        Some(footprint) => {
            let agreements = world.agreements_on(footprint, Some(caller.partner));
            app.pact_granted(asking, footprint, &agreements).await?
        }
        None => None,
    };
    let granted = match granted {
        Some(granted) => granted,
        None => app.pact_refused(asking, &pcf, footprint).await?,
    };
    let Some(footprint) = footprint else {
        return Err(nothing().after(&granted.permit).about(id));
    };
    let (handed, permit) = app.pact_handed(granted, footprint, &Filter::default()).await?;
    let told = match handed {
        Handed::Out(told) => told,
        Handed::Untold(untold) => {
            return Err(Problem::with(Kind::NotFound, untold.to_string())
                .after(&permit)
                .about(id));
        }
        Handed::Unasked => return Err(nothing().after(&permit).about(id)),
    };
    Ok(recorded_answer(unkept_answer(Answer { data: told }), id, &permit))
}

/// What is said of a footprint that is not there, and of one the partner has nothing to do with.
fn nothing() -> Problem {
    Problem::with(Kind::NotFound, "there is no such footprint, or it is not for you")
}

impl App {
    /// The recorded refusal of a footprint that no agreement in force grants: with the reasons, where the partner has or had an
    /// agreement on an asset of it, and as if it were not there otherwise. The permit, where it is granted after all by now.
    async fn pact_refused(
        &self,
        asking: Asking<'_>,
        pcf: &PcfId,
        footprint: Option<&Footprint>,
    ) -> Result<Granted, Problem> {
        let Asking { world, caller, .. } = asking;
        let known = footprint.and_then(|footprint| latest(world, footprint, caller.partner));
        let turn = self.turn(known).await?;
        let facts = ExchangeFacts {
            uses: turn.as_ref().and_then(Turn::uses),
            ..caller.facts(asking.registry, world, asking.now)
        };
        let id = world.tenant.id;
        let question = ask::access(&facts, pcf, footprint, known);
        let recorded = self.decided(id, question, asking.request).await?;
        match recorded.permit() {
            Ok(permit) => Ok(Granted { permit, turn }),
            Err(refusal) if known.is_some() => Err(Problem::forbidden(&refusal, reasons(&refusal)).about(id)),
            Err(refusal) => Err(nothing().after(&refusal).about(id)),
        }
    }
}

/// The latest agreement of the partner on an asset of the footprint, in whatever state.
fn latest<'w>(world: &'w TenantWorld, footprint: &Footprint, partner: Bpnl) -> Option<&'w Agreement> {
    let on_it = |agreement: &&Agreement| agreement.consumer == partner && footprint.assets.contains(&agreement.asset);
    let all = world.agreements.values().map(AsRef::as_ref);
    all.filter(on_it)
        .max_by_key(|agreement| (agreement.signed_at, &agreement.id))
}

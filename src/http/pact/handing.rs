//! Handing out a footprint in PACT's words: granted, decided, recorded, read, told, counted.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::PactCaller;
use crate::decide::Permit;
use crate::decision::Effect;
use crate::http::App;
use crate::http::decided::count;
use crate::http::problem::{Kind, Problem};
use crate::ledger::record::Request;
use crate::pcf::note_untold;
use crate::pcf::pact::{self, Filter, Underivable};
use crate::question::ask::{self, ExchangeFacts};
use crate::registry::store::Turn;
use crate::registry::{Agreement, Footprint, Registry, TenantWorld};

/// Who asks whom, when, and by which request.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) registry: &'a Registry,
    pub(super) world: &'a TenantWorld,
    pub(super) caller: &'a PactCaller,
    pub(super) request: &'a Request,
    pub(super) now: Timestamp,
}

/// The right to one footprint under one agreement, decided and recorded.
pub(super) struct Granted {
    pub(super) permit: Permit,
    pub(super) turn: Option<Turn>,
}

/// What is answered: PACT's `data`. Footprints stand in it as they were told, which `serde_json::Value` would not leave them.
#[derive(Serialize)]
pub(super) struct Answer<T> {
    pub(super) data: T,
}

/// What became of a footprint that is granted.
pub(super) enum Handed {
    /// It is told so, and counted as handed out.
    Out(Box<RawValue>),
    /// It is none of those that are asked for; nothing was handed out.
    Unasked,
    /// It has no footprint in PACT's words.
    Untold(Underivable),
}

impl App {
    /// Whether the footprint is granted under the agreement now. Nothing is recorded, so nothing may follow from it but what to ask.
    pub(super) async fn pact_grants(
        &self,
        asking: Asking<'_>,
        footprint: &Footprint,
        agreement: &Agreement,
    ) -> Result<Option<Turn>, Problem> {
        let turn = self.turn(Some(agreement)).await?;
        let facts = ExchangeFacts {
            uses: turn.as_ref().and_then(Turn::uses),
            ..asking.caller.facts(asking.registry, asking.world, asking.now)
        };
        let question = ask::access(&facts, &footprint.id, Some(footprint), Some(agreement));
        match self.gate.foresee(&question) {
            Effect::Allow => Ok(turn),
            Effect::Deny => Ok(None),
        }
    }

    /// The first of the agreements under which the footprint is granted, decided and recorded. Where none grants it, nothing is
    /// recorded.
    pub(super) async fn pact_granted(
        &self,
        asking: Asking<'_>,
        footprint: &Footprint,
        agreements: &[&Agreement],
    ) -> Result<Option<Granted>, Problem> {
        for agreement in agreements {
            let Some(turn) = self.pact_grants(asking, footprint, agreement).await? else {
                continue;
            };
            let facts = ExchangeFacts {
                uses: turn.uses(),
                ..asking.caller.facts(asking.registry, asking.world, asking.now)
            };
            let question = ask::access(&facts, &footprint.id, Some(footprint), Some(agreement));
            let recorded = self.decided(asking.world.tenant.id, question, asking.request).await?;
            // The bundle in force may have changed in between.
            if let Ok(permit) = recorded.permit() {
                let turn = Some(turn);
                return Ok(Some(Granted { permit, turn }));
            }
        }
        Ok(None)
    }

    /// Reads a footprint that is granted and tells it, if it is one that is asked for; it counts as handed out only then.
    ///
    /// # Errors
    /// 502: it cannot be read, or not be counted.
    pub(super) async fn pact_handed(
        &self,
        granted: Granted,
        footprint: &Footprint,
        filter: &Filter,
    ) -> Result<(Handed, Permit), Problem> {
        let Granted { permit, turn } = granted;
        let session = self.opened(self.vault.session_for(&permit), &permit).await?;
        let object = session.get_object(&footprint.product, &footprint.id).await;
        let object = self.opened(object, &permit).await?;
        let (model, told) = match pact::told(&self.models, footprint, &object.bytes) {
            Ok(told) => told,
            Err(untold) => {
                note_untold(footprint, &permit, &untold);
                return Ok((Handed::Untold(untold), permit));
            }
        };
        if !filter.fits(&told) {
            return Ok((Handed::Unasked, permit));
        }
        let told = told.whole(model, &object.bytes);
        let told = told.map_err(|_| Problem::new(Kind::Internal).after(&permit))?;
        count(turn, &permit).await?;
        Ok((Handed::Out(told), permit))
    }
}

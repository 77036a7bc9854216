//! May a company reach a submodel? What a data plane asks a digital twin registry before it lets a request through, answered here.
//!
//! The registry of Tractus-X has `POST /submodel-descriptor/authorized`, and an extension of the connector's data plane asks it about
//! each request: the address asked for in the body, the company in `Edc-Bpn`. Path, shape and codes are the registry's, so the extension can be
//! pointed at Tidegate as it is. The answer follows from the same contracts as the answer at the address itself.
//!
//! **Who asks** is the company's own connector: the company is the one in the address, and its verifier must accept the token. Whoever
//! else asks learns nothing: an address of a company that is not here is answered as a token that is not good.
//!
//! **Allowed** (200) means two decisions, each asked of policy and recorded in that company's log:
//!
//! 1. `reachSubmodel`: the company's access rules show the partner the submodel of this version of the model, where it has such rules;
//! 2. `access`: an agreement of the partner grants the footprint, as it would at the exchange endpoint at this instant. Agreements are
//!    asked about from the latest on, until one grants.
//!
//! An address that names a part may mean several footprints; one that is granted is enough. At most [`MOST`] questions are asked. **All else
//! is refused** (403) in the same words: a footprint that is not there, one that is not granted, an address that is none of a submodel. The
//! record says which to the company's auditor. Nothing is handed out, so nothing is counted; where terms grant one use only, the answer
//! tells whether it is still to be had.
//!
//! # Worked example
//!
//! Weser fetches `https://tidegate.example/exchange/BPNL000000000DWF/pcf/3893…/submodel/$value` through Elbe's data plane, which asks with
//! its own token and `Edc-Bpn: BPNL00000000C3EF`. Elbe has no access rules, so the first question is permitted by
//! `twins/reach-without-rules`; the second is permitted by the terms of their agreement. 200, and `Tidegate-Record` names the record.

mod rules;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::caller::{id_header, tenant, token};
use super::decided::recorded_answer;
use super::exchange::{EDC_BPN, PURPOSE, SCOPE};
use super::ingest::read_body;
use super::problem::{Kind, Problem};
use super::{App, Shared};
use crate::decide::Recorded;
use crate::decision::Effect;
use crate::facts::ClientKind;
use crate::ids::{Bpnl, PcfId};
use crate::ledger::record::Request;
use crate::pcf::{Parts, nameless};
use crate::question::ask::{self, ExchangeFacts, LookupFacts, TwinFacts};
use crate::registry::store::Turn;
use crate::registry::{Agreement, Footprint, TenantWorld};
use crate::shell::{Address, Named, asset_ids, semantic_id};

pub(super) use self::rules::{read as read_rules, remove as remove_rules, write as write_rules};

/// The most questions that are asked about one address.
pub const MOST: usize = 16;

/// What is asked, as the registry spells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    submodel_endpoint_url: String,
}

/// The registry's answer has no body; who reads this one may tell it from another's.
#[derive(Serialize)]
struct Authorized {
    authorized: bool,
}

/// `POST /submodel-descriptor/authorized`
pub(super) async fn authorized(
    State(app): State<Shared>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    // Who has no token is told so, whatever it asks.
    token(&headers)?;
    let body = read_body(body, app.limits.body).await?;
    let asked: Asked = crate::json::read(&body).map_err(|error| Problem::with(Kind::Body, error.to_string()))?;
    let address = Address::read(&app.base_url, app.base_host.as_deref(), &asked.submodel_endpoint_url);
    // That an address is none of this service can be told by its form alone, which everybody knows.
    let address = address.ok_or_else(|| Problem::new(Kind::Forbidden))?;
    let registry = app.registry.current();
    // A company that is not there has no verifier, so no token is valid at it: the answer is the same.
    let world = tenant(&registry, address.tenant.as_str()).map_err(|_| Problem::unauthenticated(true))?;
    let id = world.tenant.id;
    let machine = app.machine(&headers, id, ClientKind::Connector, SCOPE, now).await?;
    let partner: Bpnl = id_header(&headers, &EDC_BPN)?;
    let facts = LookupFacts {
        now,
        world,
        connector: machine.client(),
        partner,
        known: registry.partner(partner).map(AsRef::as_ref),
    };
    let recorded = app.reached(&facts, &address.named, &request).await?;
    match recorded.decision().effect {
        Effect::Allow => {
            let answer = Json(Authorized { authorized: true }).into_response();
            Ok(recorded_answer(answer, id, &recorded))
        }
        Effect::Deny => Err(Problem::forbidden(&recorded, Vec::new()).about(id)),
    }
}

impl App {
    /// The decision that settles whether the partner reaches what the address names: an allow, or the last deny.
    ///
    /// # Errors
    /// 502: how often data was handed out cannot be read. 503: a decision could not be recorded.
    async fn reached(&self, facts: &LookupFacts<'_>, named: &Named, request: &Request) -> Result<Recorded, Problem> {
        let mut refused = None;
        let mut left = MOST;
        for footprint in meant(facts.world, named) {
            let decided = self.reached_by_rules(facts, footprint, request).await?;
            left = left.saturating_sub(1);
            if decided.decision().effect == Effect::Deny {
                refused = Some(decided);
            } else {
                for agreement in under(facts, footprint) {
                    let decided = self
                        .granted(facts, (&footprint.id, Some(footprint)), agreement, request)
                        .await?;
                    left = left.saturating_sub(1);
                    if decided.decision().effect == Effect::Allow {
                        return Ok(decided);
                    }
                    refused = Some(decided);
                    if left == 0 {
                        break;
                    }
                }
            }
            if left == 0 {
                tracing::warn!(tenant = %facts.world.tenant.id, "an address means more than is asked about; the rest is refused");
                break;
            }
        }
        match refused {
            Some(refused) => Ok(refused),
            // What is not there is asked about all the same: who asked for it is on record.
            None => self.granted(facts, (&missing(named), None), None, request).await,
        }
    }

    async fn reached_by_rules(
        &self,
        facts: &LookupFacts<'_>,
        footprint: &Footprint,
        request: &Request,
    ) -> Result<Recorded, Problem> {
        let twin = TwinFacts {
            product: &footprint.product,
            asset_ids: &asset_ids(footprint),
        };
        let question = ask::submodel(facts, twin, &footprint.id, &[semantic_id(&footprint.model)]);
        self.decided(facts.world.tenant.id, question, request).await
    }

    async fn granted(
        &self,
        facts: &LookupFacts<'_>,
        (pcf, footprint): (&PcfId, Option<&Footprint>),
        agreement: Option<&Agreement>,
        request: &Request,
    ) -> Result<Recorded, Problem> {
        // Nothing is handed out here, so nothing is counted.
        let turn = self.turn(agreement).await?;
        let facts = ExchangeFacts {
            uses: turn.as_ref().and_then(Turn::uses),
            ..facts.exchange(PURPOSE)
        };
        let question = ask::access(&facts, pcf, footprint, agreement);
        self.decided(facts.world.tenant.id, question, request).await
    }
}

/// The footprints an address may mean.
fn meant<'w>(world: &'w TenantWorld, named: &Named) -> Vec<&'w Footprint> {
    match named {
        Named::Footprint(pcf) => world.footprints.get(pcf).map(AsRef::as_ref).into_iter().collect(),
        Named::Part(part) => {
            let parts = Parts::new(Some(part.clone()), None);
            let found = world.footprints.ending_as(part.as_str()).map(AsRef::as_ref);
            let names = |footprint: &&Footprint| {
                parts
                    .as_ref()
                    .is_some_and(|parts| parts.name(footprint.product_names()))
            };
            found.filter(names).collect()
        }
    }
}

/// The agreements a footprint may be granted under; none where the partner has none.
fn under<'w>(facts: &LookupFacts<'w>, footprint: &Footprint) -> Vec<Option<&'w Agreement>> {
    let agreements = facts.world.agreements_on(footprint, Some(facts.partner));
    match agreements.is_empty() {
        true => vec![None],
        false => agreements.into_iter().map(Some).collect(),
    }
}

/// What stands in a question for what is not there.
fn missing(named: &Named) -> PcfId {
    match named {
        Named::Footprint(pcf) => pcf.clone(),
        Named::Part(part) => Parts::new(Some(part.clone()), None).as_ref().map_or_else(
            || PcfId::unknown(crate::ids::Digest::of(part.as_str().as_bytes())),
            nameless,
        ),
    }
}

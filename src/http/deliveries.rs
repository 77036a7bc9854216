//! What a tenant still has to deliver to partners, what was delivered, and what was given up; and the loop that delivers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use metrics::{counter, gauge};
use serde::Serialize;
use tokio::task::JoinSet;

use super::caller::{tenant, user};
use super::decided::recorded_answer;
use super::exchange::{PURPOSE, Query};
use super::problem::{Kind, Problem};
use super::{App, Shared};
use crate::ids::{Bpnl, TenantId};
use crate::ledger::record::Request;
use crate::pcf::{Courier, Delivery, Errand, Letter, Page, PcfStoreError, Road, State as Stand};
use crate::question::ask;
use crate::question::{Action, spell_time};
use crate::telemetry;

/// The most deliveries told at once.
const PAGE: u32 = 100;

/// How many deliveries are under way at once; each partner of a tenant has one at most.
const AT_ONCE: usize = 16;

/// How often ways to partners are looked at that nobody goes any more.
const WORN: Duration = Duration::from_secs(5);

/// How often the queue is looked at although nobody put anything in: deliveries come due by time.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Told {
    deliveries: Vec<ToldLetter>,
    /// The next page, where there is one: what to give as `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<i64>,
}

#[derive(Serialize)]
struct ToldLetter {
    number: i64,
    kind: &'static str,
    partner: Bpnl,
    request_id: String,
    state: &'static str,
    attempts: u32,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcf_id: Option<String>,
    /// The footprints that a partner is told of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pcf_ids: Vec<String>,
    /// The partner's event that is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
}

impl From<Letter> for ToldLetter {
    fn from(letter: Letter) -> Self {
        let Letter { delivery, state, .. } = letter;
        let next = spell_time(letter.next);
        let (next_attempt, ended) = match state {
            Stand::Open => (Some(next), None),
            _ => (None, Some(next)),
        };
        let (mut pcf_id, mut pcf_ids, mut event_id) = (None, Vec::new(), None);
        match &delivery.errand {
            Errand::Update(pcf, _) => pcf_id = Some(pcf.to_string()),
            Errand::Publish(changed) => pcf_ids = changed.iter().map(|(pcf, _)| pcf.to_string()).collect(),
            Errand::Fulfil(requested) => event_id = Some(requested.event.clone()),
            Errand::Answer(_) | Errand::Request(_) => {}
        }
        Self {
            number: delivery.number,
            kind: delivery.errand.as_str(),
            partner: delivery.partner,
            request_id: delivery.exchange.to_string(),
            state: state.as_str(),
            attempts: delivery.attempts,
            since: spell_time(letter.at),
            next_attempt,
            ended,
            problem: letter.problem,
            record: letter.record.map(|record| record.to_string()),
            pcf_id,
            pcf_ids,
            event_id,
        }
    }
}

/// `GET /agreements/{bpnl}/deliveries?state&before`
pub async fn list(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    RawQuery(query): RawQuery,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let person = app.person(&headers, id, now).await?;
    let user = user(world, &person);
    let query = Query::read(query.as_deref(), &["state", "before"])?;
    let page = Page {
        state: query.parsed("state")?,
        before: query.parsed("before")?,
        limit: PAGE,
    };
    let question = ask::agreements(&user, &world.tenant, Action::ListAgreements, now);
    let permit = app.permitted(id, question, &request).await?;
    let letters = app.pcf.deliveries(id, page).await.map_err(|error| {
        tracing::error!(record = %permit.record(), error = %error, "the deliveries cannot be read");
        Problem::new(Kind::Upstream).after(&permit)
    })?;
    let full = letters.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
    let before = letters.last().filter(|_| full).map(|letter| letter.delivery.number);
    let told = Told {
        deliveries: letters.into_iter().map(ToldLetter::from).collect(),
        before,
    };
    Ok(recorded_answer(Json(told).into_response(), id, &permit))
}

impl App {
    fn courier<'a>(&'a self, road: &'a dyn Road) -> Courier<'a> {
        Courier {
            gate: &self.gate,
            registry: &self.registry,
            vault: &self.vault,
            store: &self.pcf,
            models: &self.models,
            road,
            carrier: &self.carrier,
            hosts: &self.hosts,
            clock: &self.clock,
            purpose: PURPOSE,
        }
    }
}

/// Delivers for as long as it is not dropped, on the ways that `road` finds: [`App`] itself finds them through the tenants' own
/// connectors. What is under way when it is dropped is made again after the next start.
pub async fn deliver(app: Shared, road: Arc<dyn Road>) {
    let mut under_way = JoinSet::new();
    let mut busy: HashSet<(TenantId, Bpnl)> = HashSet::new();
    let mut worn = tokio::time::interval(WORN);
    loop {
        if let Err(error) = round(&app, &road, &mut under_way, &mut busy).await {
            tracing::error!(error = %error, "the queue of deliveries cannot be read");
        }
        tokio::select! {
            Some(done) = under_way.join_next(), if !under_way.is_empty() => match done {
                Ok(done) => drop(busy.remove(&done)),
                // Which one panicked is not known; none is busy once all are done.
                Err(error) => tracing::error!(error = %error, "a delivery panicked; this is a defect"),
            },
            () = app.pcf.woken() => {}
            () = tokio::time::sleep(LOOK) => {}
            _ = worn.tick() => app.leave_worn_ways(|tenant, partner| busy.contains(&(tenant, partner))).await,
        }
        if under_way.is_empty() {
            busy.clear();
        }
    }
}

/// Makes changes that have come about into deliveries, and sets out with those that are due.
async fn round(
    app: &Shared,
    road: &Arc<dyn Road>,
    under_way: &mut JoinSet<(TenantId, Bpnl)>,
    busy: &mut HashSet<(TenantId, Bpnl)>,
) -> Result<(), PcfStoreError> {
    app.courier(road.as_ref()).spread().await?;
    let due = app.pcf.due(app.clock.now(), 4 * AT_ONCE).await?;
    for delivery in due {
        let to = (delivery.tenant, delivery.partner);
        if under_way.len() >= AT_ONCE || !busy.insert(to) {
            continue;
        }
        let (app, road) = (Arc::clone(app), Arc::clone(road));
        under_way.spawn(async move {
            attempt(&app, road.as_ref(), &delivery).await;
            to
        });
    }
    let (open, dead) = app.pcf.depth().await?;
    for (state, count) in [(Stand::Open, open), (Stand::Dead, dead)] {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float; 2^52 deliveries are not to be feared"
        )]
        gauge!(telemetry::DELIVERIES_WAITING, "state" => state.as_str()).set(count as f64);
    }
    Ok(())
}

async fn attempt(app: &App, road: &dyn Road, delivery: &Delivery) {
    let mut dice = [0; 4];
    // Without dice every wait is the shortest.
    let _ = aws_lc_rs::rand::fill(&mut dice);
    let (tenant, partner, number) = (delivery.tenant, delivery.partner, delivery.number);
    let kind = delivery.errand.as_str();
    match app.courier(road).deliver(delivery, u32::from_ne_bytes(dice)).await {
        Ok(attempt) => {
            let outcome = match attempt.state {
                Stand::Answered => "delivered",
                Stand::Open => "postponed",
                Stand::Failed => "failed",
                Stand::Dead => "dead",
            };
            counter!(telemetry::DELIVERIES, "kind" => kind, "outcome" => outcome).increment(1);
            let record = attempt.record.map(|record| record.to_string()).unwrap_or_default();
            let problem = attempt.problem.unwrap_or_default();
            tracing::info!(%tenant, %partner, number, kind, outcome, record, problem, "delivery");
        }
        Err(error) => tracing::error!(%tenant, %partner, number, kind, error = %error, "a delivery could not be noted"),
    }
}

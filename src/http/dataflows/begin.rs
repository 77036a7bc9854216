//! `prepare` and `start`: a data flow begins.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State as Shares};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::grant::{Granted, Granting};
use super::{failed, unread};
use crate::dataspace::claims::credentials;
use crate::dataspace::flow::{Beginning, Dialect, Flow, FlowError, Side, State, Verb};
use crate::dataspace::signaling::legacy::{self, LegacyStart, Space};
use crate::dataspace::signaling::{Begin, Status};
use crate::http::caller::tenant;
use crate::http::decided::recorded_answer;
use crate::http::ingest::read_body;
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ids::{Bpnl, ClientId, Digest, TenantId};
use crate::ledger::record::Request;
use crate::registry::{Registry, TenantWorld};

/// `POST /dataflows/{bpnl}/prepare`
pub async fn prepare(
    Shares(app): Shares<Shared>,
    Path(bpnl): Path<String>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    app.begin(Some(bpnl), Side::Consumer, &request, &headers, body).await
}

/// `POST /dataflows/prepare`
pub async fn prepare_shared(
    Shares(app): Shares<Shared>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    app.begin(None, Side::Consumer, &request, &headers, body).await
}

/// `POST /dataflows/{bpnl}/start`
pub async fn start(
    Shares(app): Shares<Shared>,
    Path(bpnl): Path<String>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    app.begin(Some(bpnl), Side::Provider, &request, &headers, body).await
}

/// `POST /dataflows/start`
pub async fn start_shared(
    Shares(app): Shares<Shared>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    app.begin(None, Side::Provider, &request, &headers, body).await
}

/// The one member that says which tenant a message is for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Addressed {
    participant_id: String,
}

/// A message that was read and belongs to the tenant.
struct Message {
    begin: Begin,
    dialect: Dialect,
    /// Where the older language has its names.
    space: Space,
    partner: Bpnl,
    begun_by: Digest,
}

impl App {
    async fn begin(
        &self,
        bpnl: Option<String>,
        side: Side,
        request: &Request,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Problem> {
        let body = read_body(body, self.limits.body).await?;
        let registry = self.registry.current();
        let named = match bpnl {
            Some(bpnl) => bpnl,
            None => self.addressed(&registry, &body).ok_or_else(|| {
                // Nobody to verify the token: as if it had been refused.
                Problem::unauthenticated(headers.contains_key(axum::http::header::AUTHORIZATION))
            })?,
        };
        let world = tenant(&registry, &named)?;
        let machine = self.control_plane(headers, world.tenant.id).await?;
        let message = read(&body, world, &registry)?;
        match side {
            Side::Provider => self.started(&registry, world, machine.client(), message, request).await,
            Side::Consumer => self.prepared(world, machine.client(), message, request).await,
        }
    }

    /// The tenant that a message without one in its path is for.
    fn addressed(&self, registry: &Registry, body: &[u8]) -> Option<String> {
        let addressed: Addressed = serde_json::from_slice(body).ok()?;
        let named = addressed.participant_id;
        let tenant: Option<TenantId> = named.parse().ok();
        if tenant.is_some_and(|tenant| registry.tenant(tenant).is_some()) {
            return Some(named);
        }
        let mut tenants = registry.tenants().map(|world| &world.tenant);
        let found = tenants.find(|tenant| tenant.is_named(&named))?;
        Some(found.id.to_string())
    }

    async fn prepared(
        &self,
        world: &TenantWorld,
        client: &ClientId,
        message: Message,
        request: &Request,
    ) -> Result<Response, Problem> {
        let flow = message.flow(world.tenant.id, Side::Consumer, client, self.clock.now());
        match self.dataspace.flows.find(flow.tenant, &flow.id).await {
            Err(FlowError::Unknown) => self.record_flow(&flow, flow.state, None, Some(request)).await?,
            Err(error) => return Err(failed(error)),
            Ok(_) => {}
        }
        let flow = self.dataspace.flows.begin(flow).await.map_err(failed)?;
        Ok(Json(Status::of(&flow.id, flow.state)).into_response())
    }

    async fn started(
        &self,
        registry: &Registry,
        world: &TenantWorld,
        client: &ClientId,
        message: Message,
        request: &Request,
    ) -> Result<Response, Problem> {
        let now = self.clock.now();
        let id = world.tenant.id;
        let mut flow = message.flow(id, Side::Provider, client, now);
        let known = self.resumable(&flow, message.dialect).await?;
        let (agreement, why) = self
            .on_record(world, &message.begin.agreement_id, message.begin.claims.as_ref(), now)
            .await;
        flow.shown = credentials(message.begin.claims.as_ref(), message.partner);
        let partner = flow.partner(registry, now);
        let refresh = known
            .as_ref()
            .map_or(flow.first_refresh(), |known| known.next_refresh());
        let granting = Granting {
            agreement: agreement.as_deref(),
            why: why.as_deref(),
            ..Granting::of(world, &flow, partner.as_ref(), refresh, now)
        };
        let granted = self.grant(&granting, request).await?;
        if known.is_none_or(|known| known.state != State::Started) {
            self.record_flow(&flow, State::Started, None, Some(request)).await?;
        }
        let begun = self.dataspace.flows.begin(flow).await.map_err(failed)?;
        self.hand_out(&begun, granted, (message.dialect, message.space), now)
            .await
    }

    /// Has a flow that starts or goes on take on its token, and answers with the address, in the language of the message.
    pub(super) async fn hand_out(
        &self,
        flow: &Flow,
        granted: Granted,
        (dialect, space): (Dialect, Space),
        now: jiff::Timestamp,
    ) -> Result<Response, Problem> {
        let Granted {
            permit,
            address,
            issued,
            ..
        } = granted;
        let change = |flow: &mut Flow| {
            flow.apply(Verb::Resume)?;
            Ok(flow.issue(issued, now))
        };
        let changed = self.dataspace.flows.change(flow.tenant, &flow.id, change).await;
        let (flow, taken) = changed.map_err(failed)?;
        if !taken {
            return Err(failed(FlowError::Exists));
        }
        let answer = match dialect {
            Dialect::Dps => Json(Status::of(&flow.id, flow.state).at(address)).into_response(),
            Dialect::Legacy => Json(legacy::response(&address, space)).into_response(),
        };
        Ok(recorded_answer(answer, flow.tenant, &permit))
    }

    /// The flow that this message would begin, if there is one already: a repetition of the very message may be
    /// answered again while the flow is started, and in the older language a start of what is suspended resumes it.
    async fn resumable(&self, flow: &Flow, dialect: Dialect) -> Result<Option<Arc<Flow>>, Problem> {
        match self.dataspace.flows.find(flow.tenant, &flow.id).await {
            Err(FlowError::Unknown) => Ok(None),
            Err(error) => Err(failed(error)),
            Ok(known) => match (known.begun_by == flow.begun_by, known.state, dialect) {
                (true, State::Started, _) | (true, State::Suspended, Dialect::Legacy) => Ok(Some(known)),
                _ => Err(failed(FlowError::Exists)),
            },
        }
    }
}

impl Message {
    fn flow(&self, tenant: TenantId, side: Side, client: &ClientId, now: jiff::Timestamp) -> Flow {
        Flow::new(Beginning {
            tenant,
            id: self.begin.process_id.clone(),
            side,
            partner: self.partner,
            agreement: self.begin.agreement_id.clone(),
            asset: self.begin.dataset_id.clone(),
            profile: self.begin.profile.clone(),
            connector: client.clone(),
            dialect: self.dialect,
            begun_by: self.begun_by,
            begun_at: now,
        })
    }
}

/// Reads a message and holds it to be the tenant's.
fn read(body: &[u8], world: &TenantWorld, registry: &Registry) -> Result<Message, Problem> {
    let wrong = |error: serde_json::Error| unread(&error);
    let said: Value = crate::json::parse(body).map_err(wrong)?;
    let (begin, dialect, space) = if LegacyStart::is_one(&said) {
        let start: LegacyStart = serde_json::from_value(said).map_err(wrong)?;
        let space = start.space();
        (start.begin(world.tenant.id.as_str()), Dialect::Legacy, space)
    } else {
        let begin = crate::json::read::<Begin>(body).map_err(wrong)?;
        (begin, Dialect::Dps, Space::default())
    };
    if !world.tenant.is_named(&begin.participant_id) {
        return Err(Problem::with(Kind::Body, "`participantId` is not this tenant"));
    }
    if !begin.is_pull() {
        return Err(Problem::with(
            Kind::Body,
            "only transfers in which the consumer fetches are served: a profile that ends in `-pull`",
        ));
    }
    if begin.data_address.is_some() {
        return Err(Problem::with(
            Kind::Body,
            "`dataAddress` has no place in a transfer in which the consumer fetches",
        ));
    }
    let partner = registry.company(&begin.counter_party_id).ok_or_else(|| {
        Problem::with(
            Kind::Body,
            "`counterPartyId` is neither a BPNL nor the DID that is on record of one partner",
        )
    })?;
    let begun_by = identity(&begin);
    Ok(Message {
        begin,
        dialect,
        space,
        partner,
        begun_by,
    })
}

/// The digest of all that makes a message this one and no other. The parts are of parsed ids, and of texts with their length,
/// so no two messages run into one.
fn identity(begin: &Begin) -> Digest {
    let message = begin.message_id.as_deref().unwrap_or_default();
    let parts = [
        message,
        begin.process_id.as_str(),
        begin.agreement_id.as_str(),
        begin.dataset_id.as_str(),
        &begin.counter_party_id,
        &begin.profile,
    ];
    let text: String = parts.iter().map(|part| format!("{}:{part}\n", part.len())).collect();
    Digest::of(text.as_bytes())
}

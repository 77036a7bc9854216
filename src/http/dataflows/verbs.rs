//! What becomes of a flow, and where it stands.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State as Shares};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::grant::Granting;
use super::{failed, unread};
use crate::dataspace::flow::{Flow, Side, State, Verb};
use crate::dataspace::signaling::legacy::Space;
use crate::dataspace::signaling::{Ended, Started, Status};
use crate::http::caller::tenant;
use crate::http::ingest::read_body;
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ids::{FlowId, TenantId};
use crate::ledger::record::Request;

/// `POST /dataflows/{bpnl}/{id}/{verb}`
pub async fn signal(
    Shares(app): Shares<Shared>,
    Path((bpnl, id, verb)): Path<(String, String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let verb = verb_of(&verb)?;
    let registry = app.registry.current();
    let id_of_tenant = tenant(&registry, &bpnl)?.tenant.id;
    app.control_plane(&headers, id_of_tenant).await?;
    app.said(id_of_tenant, &flow_of(&id)?, verb, &request, body).await
}

/// `POST /dataflows/{id}/{verb}`
pub async fn signal_shared(
    Shares(app): Shares<Shared>,
    Path((id, verb)): Path<(String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let verb = verb_of(&verb)?;
    let (tenant, id) = app.spoken_for(&headers, &id).await?;
    app.said(tenant, &id, verb, &request, body).await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    data_flow_id: FlowId,
    state: State,
}

/// `GET /dataflows/{bpnl}/{id}/status`
pub async fn status(
    Shares(app): Shares<Shared>,
    Path((bpnl, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let registry = app.registry.current();
    let tenant = tenant(&registry, &bpnl)?.tenant.id;
    app.control_plane(&headers, tenant).await?;
    app.standing(tenant, &flow_of(&id)?).await
}

/// `GET /dataflows/{id}/status`
pub async fn status_shared(
    Shares(app): Shares<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, id) = app.spoken_for(&headers, &id).await?;
    app.standing(tenant, &id).await
}

/// `GET /dataflows/{bpnl}/check`: EDC up to 0.15 asks once a minute whether its data plane is there.
pub async fn check(Path(_): Path<String>) -> Response {
    Json(serde_json::json!({})).into_response()
}

fn verb_of(text: &str) -> Result<Verb, Problem> {
    let known = Verb::ALL.into_iter().find(|verb| verb.as_str() == text);
    known.ok_or(Problem::new(Kind::NotFound))
}

/// An id that is none is that of no flow.
fn flow_of(text: &str) -> Result<FlowId, Problem> {
    text.parse()
        .map_err(|_| Problem::with(Kind::NotFound, "there is no such data flow"))
}

impl App {
    /// The tenant with a flow of that id whose control plane the caller is. Where there is none, the token is not valid here,
    /// for there is no here.
    async fn spoken_for(&self, headers: &HeaderMap, id: &str) -> Result<(TenantId, FlowId), Problem> {
        let carried = headers.contains_key(axum::http::header::AUTHORIZATION);
        let nobody = || Problem::unauthenticated(carried).because("no-such-flow");
        let id: FlowId = id.parse().map_err(|_| nobody())?;
        let tenants = self.dataspace.flows.tenants_with(&id).await.map_err(failed)?;
        for tenant in tenants {
            if self.control_plane(headers, tenant).await.is_ok() {
                return Ok((tenant, id));
            }
        }
        Err(nobody())
    }

    async fn standing(&self, tenant: TenantId, id: &FlowId) -> Result<Response, Problem> {
        let flow = self.dataspace.flows.find(tenant, id).await.map_err(failed)?;
        let (data_flow_id, state) = (flow.id.clone(), flow.state);
        Ok(Json(Standing { data_flow_id, state }).into_response())
    }

    async fn said(
        &self,
        tenant: TenantId,
        id: &FlowId,
        verb: Verb,
        request: &Request,
        body: Body,
    ) -> Result<Response, Problem> {
        let body = read_body(body, self.limits.body).await?;
        let flow = self.dataspace.flows.find(tenant, id).await.map_err(failed)?;
        let (started, ended): (Started, Ended) = (read(&body)?, read(&body)?);
        let mut next = Flow::clone(&flow);
        let changes = next.apply(verb).map_err(|misfit| failed(misfit.into()))?;
        if verb == Verb::Resume && flow.side == Side::Provider {
            return self.resumed(&flow, request).await;
        }
        if changes {
            self.record_flow(&flow, next.state, ended.reason.as_deref(), Some(request))
                .await?;
        }
        if let Some(address) = started
            .data_address
            .filter(|_| flow.side == Side::Consumer && next.state == State::Started)
        {
            self.keep_received(&flow, &address).await?;
        }
        let (flow, _) = self
            .dataspace
            .flows
            .change(tenant, id, |flow| flow.apply(verb))
            .await
            .map_err(failed)?;
        Ok(Json(Status::of(&flow.id, flow.state)).into_response())
    }

    /// Goes on with a transfer, if policy permits it still, with a new token.
    async fn resumed(&self, flow: &Flow, request: &Request) -> Result<Response, Problem> {
        let now = self.clock.now();
        let registry = self.registry.current();
        let world = tenant(&registry, flow.tenant.as_str())?;
        let known = flow.partner(&registry, now);
        let granting = Granting::of(world, flow, known.as_ref(), flow.next_refresh(), now);
        let granted = self.grant(&granting, request).await?;
        if flow.state != State::Started {
            self.record_flow(flow, State::Started, None, Some(request)).await?;
        }
        self.hand_out(flow, granted, (flow.dialect, Space::default()), now)
            .await
    }
}

/// Reads what a message says; an empty body says nothing.
fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    crate::json::read(body).map_err(|error| unread(&error))
}

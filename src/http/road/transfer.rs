//! The transfer on the way to a partner: begun, entered, renewed, ended.
//!
//! How its address arrives depends on the connector. From EDC 0.18 on the control plane tells Tidegate, its data plane, with
//! `started`. Older ones, and Tractus-X, keep it in a store of their own, from which it is fetched; Tidegate then puts the flow on
//! record itself, so that it is one like any other.

use std::time::Duration;

use secrecy::SecretString;

use super::{GOOD, Sides, endpoint, no_way, until};
use crate::dataspace::flow::{Beginning, Dialect, Flow, FlowError, Side, State, Verb};
use crate::dataspace::management::{Handed, ManagementError};
use crate::dataspace::signaling::DataAddress;
use crate::http::App;
use crate::ids::{AgreementId, AssetId, Digest, FlowId, TenantId};
use crate::pcf::{Endpoint, Paved, RoadError};

/// How long the start of a transfer may take.
const TRANSFER: Duration = Duration::from_secs(30);

/// How long after its start a transfer's address may take to arrive, and how often it is looked for.
const ARRIVAL: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
const FETCH: Duration = Duration::from_millis(500);

/// What is told where a connector has no place to fetch addresses from.
const NO_STORE: &str = "the company's connector gives out no addresses of transfers (`GET …/edrs/{id}/dataaddress`): \
    a connector of version 3 of the management API needs EDC's extensions `edr-cache-api` and `edr-store-receiver`, which Tractus-X has; \
    one of version 4 needs Tidegate registered as its data plane";

/// Why a transfer gave no way.
#[derive(Debug)]
pub(super) enum Unentered {
    /// For a reason that lies in its agreement.
    Agreement(ManagementError),
    /// For any other.
    Else(RoadError),
}

impl From<ManagementError> for Unentered {
    fn from(error: ManagementError) -> Self {
        if error.is_of_the_agreement() {
            Self::Agreement(error)
        } else {
            Self::Else(error.into())
        }
    }
}

impl From<Unentered> for RoadError {
    fn from(unentered: Unentered) -> Self {
        match unentered {
            Unentered::Agreement(error) => error.into(),
            Unentered::Else(error) => error,
        }
    }
}

impl App {
    /// Starts a transfer under the agreement of the way, and waits for its address.
    ///
    /// # Errors
    /// Why there is none; what was begun is ended.
    pub(super) async fn enter(&self, sides: &Sides<'_>, paved: &Paved) -> Result<Endpoint, Unentered> {
        let agreement = &paved.agreement;
        let flow = sides.management.begin_transfer(&sides.party, agreement).await?;
        let entered = self.entered(sides, paved, &flow).await;
        if entered.is_err() {
            self.end_transfer(sides.ends.0, &flow, "the consumer got no address in time")
                .await;
        }
        entered
    }

    async fn entered(&self, sides: &Sides<'_>, paved: &Paved, flow: &FlowId) -> Result<Endpoint, Unentered> {
        let asset = sides.management.until_started(flow, TRANSFER).await?;
        let arrived = match sides.management.addresses().dialect() {
            Dialect::Dps => self.arrived(sides, flow).await,
            Dialect::Legacy => self.fetched(sides, &paved.agreement, (flow, asset)).await,
        };
        let address = arrived.map_err(Unentered::Else)?;
        self.pave(sides, paved, flow, &address).await.map_err(Unentered::Else)
    }

    /// Waits until the control plane has told where to fetch.
    async fn arrived(&self, sides: &Sides<'_>, flow: &FlowId) -> Result<DataAddress, RoadError> {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(address) = self.received(sides.ends.0, flow).await {
                return Ok(address);
            }
            if waited >= ARRIVAL {
                return Err(no_way(
                    "the transfer started, but its address did not arrive: the connector must have Tidegate as its data plane",
                ));
            }
            tokio::time::sleep(LOOK).await;
            waited += LOOK;
        }
    }

    /// Fetches the address from the connector's store, and puts the flow on record.
    async fn fetched(
        &self,
        sides: &Sides<'_>,
        agreement: &AgreementId,
        (flow, asset): (&FlowId, Option<AssetId>),
    ) -> Result<DataAddress, RoadError> {
        let mut waited = Duration::ZERO;
        let address = loop {
            match sides.management.handed(flow).await? {
                Handed::At(address) => break address,
                Handed::NoStore => return Err(no_way(NO_STORE)),
                Handed::NotYet if waited >= ARRIVAL => {
                    return Err(no_way("the transfer started, but the connector has no address of it"));
                }
                Handed::NotYet => {
                    tokio::time::sleep(FETCH).await;
                    waited += FETCH;
                }
            }
        };
        let connectors = &sides.world.tenant.identity.connectors;
        let no_client = || no_way("the company has no connector's client on record (`identity.connectors`)");
        let (tenant, partner, wanted) = sides.ends;
        let asset = match asset.as_ref().or(wanted) {
            Some(asset) => asset.clone(),
            None => "unknown".parse().map_err(no_way)?,
        };
        let flow = Flow::new(Beginning {
            tenant,
            id: flow.clone(),
            side: Side::Consumer,
            partner,
            agreement: agreement.clone(),
            asset,
            profile: "HttpData-PULL".into(),
            connector: connectors.first().ok_or_else(no_client)?.clone(),
            dialect: Dialect::Legacy,
            begun_by: Digest::of(flow.as_str().as_bytes()),
            begun_at: self.clock.now(),
        });
        self.take_on(&flow, &address).await?;
        Ok(address)
    }

    /// Puts a flow on record that no control plane told of, as started, with its address.
    async fn take_on(&self, flow: &Flow, address: &DataAddress) -> Result<(), RoadError> {
        let unrecorded = |_| no_way("the start of the transfer could not be recorded");
        let failed = |error: FlowError| {
            tracing::error!(tenant = %flow.tenant, flow = %flow.id, %error, "a transfer could not be put on record");
            no_way("the transfer could not be put on record")
        };
        self.record_flow(flow, State::Started, None, None)
            .await
            .map_err(unrecorded)?;
        let flow = self.dataspace.flows.begin(flow.clone()).await.map_err(failed)?;
        let unkept = |_| no_way("the address of the transfer could not be kept");
        self.keep_received(&flow, address).await.map_err(unkept)?;
        let started = self
            .dataspace
            .flows
            .change(flow.tenant, &flow.id, |flow| flow.apply(Verb::Started));
        started.await.map_err(failed)?;
        Ok(())
    }

    /// Another token for the transfer of the way, where one is to be had: from the connector's store, which may have renewed it, or from
    /// the partner itself.
    ///
    /// # Errors
    /// The connector is silent: then nothing is known, and nothing given up.
    pub(super) async fn renewed(&self, sides: &Sides<'_>, paved: &Paved) -> Result<Option<Endpoint>, RoadError> {
        let tenant = sides.ends.0;
        let Some(id) = &paved.flow else { return Ok(None) };
        let (Some(flow), Some(before)) = (self.dataspace.flows.live(tenant, id), self.received(tenant, id).await)
        else {
            return Ok(None);
        };
        let after = match sides.management.addresses().dialect() {
            Dialect::Legacy => match sides.management.handed(id).await {
                Ok(Handed::At(after)) if after.get("authorization") != before.get("authorization") => Some(after),
                Err(error) if error.is_silence() => return Err(error.into()),
                _ => None,
            },
            Dialect::Dps => self.renewed_by_partner(before).await,
        };
        let Some(after) = after else { return Ok(None) };
        if self.keep_received(&flow, &after).await.is_err() {
            return Ok(None);
        }
        self.pave(sides, paved, id, &after).await.map(Some)
    }

    async fn renewed_by_partner(&self, mut address: DataAddress) -> Option<DataAddress> {
        let refresh_token = SecretString::from(address.get("refreshToken")?.to_owned());
        let endpoint = address.get("refreshEndpoint")?.to_owned();
        let renewed = self.carrier.renew(&endpoint, &refresh_token).await?;
        let text = |secret: &SecretString| secrecy::ExposeSecret::expose_secret(secret).to_owned();
        address.put("authorization", text(&renewed.token));
        if let Some(next) = &renewed.refresh_token {
            address.put("refreshToken", text(next));
        }
        let good = renewed.expires_in.unwrap_or(GOOD);
        address.put("expiresIn", good.to_string());
        Some(address)
    }

    /// Notes that the way leads through that transfer, as long as its token is good.
    async fn pave(
        &self,
        sides: &Sides<'_>,
        paved: &Paved,
        flow: &FlowId,
        address: &DataAddress,
    ) -> Result<Endpoint, RoadError> {
        let good = address.get("expiresIn").and_then(|seconds| seconds.parse().ok());
        let paved = Paved {
            flow: Some(flow.clone()),
            until: until(self.clock.now(), good.unwrap_or(GOOD)),
            ..paved.clone()
        };
        self.pcf.pave(sides.ends, &paved).await.map_err(no_way)?;
        let started = self.dataspace.flows.started(sides.ends.0, flow);
        let gone = || no_way("the transfer was ended as soon as it had started");
        started.and_then(|_| endpoint(address, &paved)).ok_or_else(gone)
    }

    /// Ends a transfer on both sides; its connector is told until it has heard.
    pub(super) async fn end_transfer(&self, tenant: TenantId, id: &FlowId, reason: &str) {
        let now = self.clock.now();
        let ended = match self.dataspace.flows.find(tenant, id).await {
            Ok(flow) if flow.state.is_final() => Ok(()),
            Ok(flow) => self.end(&flow, reason, now).await,
            // No control plane told of it, and it never came so far as to be put on record.
            Err(FlowError::Unknown) => self.dataspace.flows.note_signal(tenant, id, reason, now).await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            tracing::error!(%tenant, flow = %id, %error, "a transfer that is of no more use could not be ended");
        }
    }
}

//! Who asks at the exchange endpoint, from whichever token carried the request.
//!
//! What is believed, and why:
//! - the **connector**, because the tenant's own verifier accepted its token: issuer, client id and scope are all this tenant's;
//! - the **partner** and the **agreement** (`Edc-Bpn`, `Edc-Contract-Agreement-Id`), only because the tenant's own connector
//!   says so, and only as far as the agreement on record with this tenant says the same. The connector's data plane sets both
//!   headers on the request to its backend; a consumer's own headers do not pass it;
//! - the **recipient** (`Tidegate-Recipient`), only as a claim of the partner against itself: that the data is for another
//!   company can narrow what a contract grants, never widen it.
//!
//! Or the partner comes by itself, with the token it was handed when its data flow started ([`edr`](crate::facts::edr)). Then
//! partner and agreement are those of the token, and the headers may repeat them. The token must be one of its flow's, the flow
//! started, and what the holder narrowed the token to must cover what is asked.
//!
//! # Worked example
//!
//! Elbe's connector asks at `/exchange/BPNL000000000DWF/…` with its token, `Edc-Bpn: BPNL00000000C3EF` and the id of an
//! agreement. The [`Caller`] is then: Elbe's connector, Weser, that agreement. The same request with a token of Isar's connector
//! is no caller at all, but one 401.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use metrics::counter;

use super::SCOPE;
use crate::facts::edr::{Edr, EdrError, Operation, Use};
use crate::facts::{ClientKind, bearer_or_bare};
use crate::http::App;
use crate::http::caller::{id_header, optional_id_header, tenant, token_as};
use crate::http::problem::{Kind, Problem};
use crate::ids::{AgreementId, Bpnl, ClientId, PcfId, ProductId};
use crate::registry::{AgreementState, Partner, Registry, TenantWorld};
use crate::telemetry;

/// The header in which the connector names the partner.
pub const EDC_BPN: HeaderName = HeaderName::from_static("edc-bpn");
/// The header in which the connector names the agreement.
pub const EDC_AGREEMENT: HeaderName = HeaderName::from_static("edc-contract-agreement-id");
/// The header in which the partner names the company the data is for, where that is another than itself.
pub const RECIPIENT: HeaderName = HeaderName::from_static("tidegate-recipient");

/// What a request asks for, as far as a token may be narrowed to it.
#[derive(Clone, Copy, Debug)]
pub struct Errand<'a> {
    /// What is done.
    pub operation: Operation,
    /// With which footprint, where the request names one.
    pub pcf: Option<&'a PcfId>,
    /// Of which product, where that is known.
    pub product: Option<&'a ProductId>,
}

/// A company that asks at a tenant's exchange endpoint, and what it asks under.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant's own client that carried the request, or that began the data flow its token is of.
    pub connector: ClientId,
    /// The company that asks.
    pub partner: Bpnl,
    /// What the credentials prove that were shown of the partner; the registry says it where there is none.
    pub known: Option<Partner>,
    /// The agreement it asks under; whether it is on record, and with whom, is for policy to say.
    pub agreement: AgreementId,
    /// The company the data is for, where the partner says it is another than itself.
    pub recipient: Option<Bpnl>,
    /// The token of a data flow that it came with; what its holder narrowed it to must cover what is asked.
    edr: Option<Edr>,
}

impl Caller {
    /// Whether the caller's token covers what is asked.
    ///
    /// # Errors
    /// 401: it was narrowed to something else. 503: that could not be found out in time.
    pub(super) fn covers(&self, asked: &Errand<'_>, now: Timestamp) -> Result<(), Problem> {
        let Some(edr) = &self.edr else { return Ok(()) };
        let used = Use {
            now,
            operation: asked.operation,
            pcf: asked.pcf,
            product: asked.product,
            recipient: self.recipient.unwrap_or(edr.grant().consumer),
        };
        edr.permits(&used).map_err(edr_refused)
    }
}

impl App {
    /// The caller of a request to that tenant's exchange endpoint, and what is on record by then. An agreement that the connector names
    /// and that is not on record yet is brought on record: partners fetch a moment after the two connectors agreed.
    ///
    /// # Errors
    /// 404 where there is no such tenant; 401 for every token that does not verify at it; 400 for headers that are missing, repeated or
    /// malformed.
    pub(super) async fn exchange_caller(
        &self,
        headers: &HeaderMap,
        bpnl: &str,
        now: Timestamp,
    ) -> Result<(Arc<Registry>, Caller), Problem> {
        let registry = self.registry.current();
        let world = tenant(&registry, bpnl)?;
        // A JWT has dots, a biscuit in base64url has none. Only the latter may stand there without a scheme.
        let token = token_as(headers, bearer_or_bare)?;
        if !token.contains('.') {
            let caller = self.edr_caller(token, headers, &registry, world, now)?;
            return Ok((registry, caller));
        }
        let machine = self
            .machine(headers, world.tenant.id, ClientKind::Connector, SCOPE, now)
            .await?;
        let (partner, agreement) = (id_header(headers, &EDC_BPN)?, id_header(headers, &EDC_AGREEMENT)?);
        self.on_record(world, &agreement, None, now).await;
        let caller = Caller {
            connector: machine.client().clone(),
            partner,
            known: None,
            agreement,
            recipient: optional_id_header(headers, &RECIPIENT)?,
            edr: None,
        };
        Ok((self.registry.current(), caller))
    }

    /// The caller who holds a token of a data flow.
    fn edr_caller(
        &self,
        token: &str,
        headers: &HeaderMap,
        registry: &Registry,
        world: &TenantWorld,
        now: Timestamp,
    ) -> Result<Caller, Problem> {
        let tenant = world.tenant.id;
        let verifier = self.dataspace.verifiers.of(tenant, &self.dataspace.keys);
        let verifier = verifier.map_err(|error| {
            tracing::error!(%tenant, %error, "the tokens of a tenant's data flows cannot be verified");
            Problem::new(Kind::Internal)
        })?;
        let edr = verifier.verify(token, now).map_err(edr_refused)?;
        let grant = edr.grant();
        let recipient: Option<Bpnl> = optional_id_header(headers, &RECIPIENT)?;
        let flow = grant
            .flow
            .parse()
            .ok()
            .and_then(|flow| self.dataspace.flows.live(tenant, &flow));
        let first = edr.revocation_ids();
        let good = flow.as_ref().filter(|flow| {
            let id = first.first().map(|id| hex::encode(id.as_bytes())).unwrap_or_default();
            let same = flow.agreement == grant.agreement && flow.partner == grant.consumer && flow.asset == grant.asset;
            same && flow.accepts(&id)
        });
        // A token whose flow is over is no good. But whoever signed an agreement may know that it was retired: then policy says
        // so, on record, and it can say nothing else of an agreement that is not in force.
        let retired = || {
            let agreement = world.agreements.get(&grant.agreement);
            agreement.is_some_and(|agreement| {
                agreement.state != AgreementState::Active && agreement.consumer == grant.consumer
            })
        };
        let connector = match good {
            Some(flow) => flow.connector.clone(),
            None if retired() => world
                .tenant
                .identity
                .connectors
                .first()
                .cloned()
                .ok_or_else(|| Problem::unauthenticated(true))?,
            None => return Err(edr_refused(EdrError::Flow)),
        };
        let (partner, agreement) = (
            optional_id_header(headers, &EDC_BPN)?,
            optional_id_header(headers, &EDC_AGREEMENT)?,
        );
        if agreement.is_some_and(|agreement: AgreementId| agreement != grant.agreement) {
            let detail = "the header `edc-contract-agreement-id` and the token are of two agreements";
            return Err(Problem::with(Kind::Header, detail));
        }
        // The log would name whoever the header names, and the token is another's.
        if partner.is_some_and(|partner: Bpnl| partner != grant.consumer) {
            let detail = "the header `edc-bpn` and the token are of two companies";
            return Err(Problem::with(Kind::Header, detail));
        }
        Ok(Caller {
            connector,
            partner: grant.consumer,
            known: good.and_then(|flow| flow.partner(registry, now)),
            agreement: grant.agreement.clone(),
            recipient,
            edr: Some(edr.clone()),
        })
    }
}

/// The one 401, or, where nothing was found wrong but time ran out, a 503.
fn edr_refused(error: EdrError) -> Problem {
    if error == EdrError::Timeout {
        counter!(telemetry::EDR_TIMEOUTS).increment(1);
        return Problem::with(Kind::Timeout, error.to_string());
    }
    counter!(telemetry::TOKEN_REFUSALS, "code" => error.code()).increment(1);
    Problem::unauthenticated(true).because(error.code())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;

    use super::*;

    /// A machine that stalled is no reason to take a token for a bad one: its holder would throw it away.
    #[test]
    fn a_token_that_could_not_be_judged_in_time_is_asked_for_again_and_any_other_is_refused() {
        let status = |error| edr_refused(error).into_response().status();
        assert_eq!(status(EdrError::Timeout), StatusCode::SERVICE_UNAVAILABLE);
        for refused in [
            EdrError::Narrowed,
            EdrError::Signature,
            EdrError::Expired,
            EdrError::Flow,
        ] {
            assert_eq!(status(refused), StatusCode::UNAUTHORIZED, "{refused:?}");
        }
    }
}

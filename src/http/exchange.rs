//! The exchange endpoint of one tenant: a partner's request for a footprint, carried by the tenant's own connector.
//!
//! What is believed, and why:
//! - the **tenant**, because it is in the route, and the route picked the verifier;
//! - the **connector**, because that verifier accepted its token: issuer, client id and scope are all this tenant's;
//! - the **partner** and the **agreement** (`Edc-Bpn`, `Edc-Contract-Agreement-Id`), only because the tenant's own connector
//!   says so, and only as far as the agreement on record with this tenant says the same;
//! - the **purpose**, because the endpoint has just one: exchange of footprints.
//!
//! `Edc-Bpn` and `Edc-Contract-Agreement-Id` are set by the connector's data plane on the request to its backend; a consumer's
//! own headers do not pass it.

use axum::extract::{Extension, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::caller::{id_header, tenant};
use super::decided::{reasons, recorded_answer, upstream};
use super::problem::{Kind, Problem, Reason};
use crate::decide::Recorded;
use crate::facts::ClientKind;
use crate::ids::{AgreementId, Bpnl, PcfId};
use crate::ledger::record::Request;
use crate::question::ask::{self, ExchangeFacts};
use crate::registry::Agreement;

/// The header in which the connector names the partner.
pub const EDC_BPN: HeaderName = HeaderName::from_static("edc-bpn");
/// The header in which the connector names the agreement.
pub const EDC_AGREEMENT: HeaderName = HeaderName::from_static("edc-contract-agreement-id");
/// The header in which an answer names the record of its decision.
pub const RECORD: HeaderName = HeaderName::from_static("tidegate-record");
/// What the exchange of footprints is for, as contracts spell it (Catena-X policy profile, UsagePurpose).
pub const PURPOSE: &str = "cx.pcf.base:1";
/// The scope of a connector's token.
pub const SCOPE: &str = "pcf.read";

/// `GET /exchange/{bpnl}/pcf/{pcf_id}/submodel/$value`
pub async fn footprint(
    State(app): State<Shared>,
    Path((bpnl, pcf)): Path<(String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let machine = app.machine(&headers, id, ClientKind::Connector, SCOPE, now).await?;
    let pcf: PcfId = pcf
        .parse()
        .map_err(|error| Problem::with(Kind::Path, format!("{error}")))?;
    let partner: Bpnl = id_header(&headers, &EDC_BPN)?;
    let agreement: AgreementId = id_header(&headers, &EDC_AGREEMENT)?;
    let agreement = world.agreements.get(&agreement);
    let footprint = world.footprints.get(&pcf);
    let facts = ExchangeFacts {
        now,
        tenant: &world.tenant,
        connector: machine.client(),
        partner,
        known: registry.partner(partner).map(AsRef::as_ref),
        purpose: PURPOSE,
    };
    let question = ask::access(&facts, &pcf, footprint.map(AsRef::as_ref), agreement.map(AsRef::as_ref));
    let told = |recorded: &Recorded| reasons_for(recorded, partner, agreement.map(AsRef::as_ref));
    let permit = app.permitted_telling(id, question, &request, told).await?;
    let session = app
        .vault
        .session_for(&permit)
        .map_err(|error| upstream(error, &permit))?;
    let Some(footprint) = footprint else {
        return Err(Problem::new(Kind::NotFound).after(permit.record()));
    };
    let object = session
        .get_object(&footprint.product, &pcf)
        .await
        .map_err(|error| upstream(error, &permit))?;
    let mut response = object.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(
        HeaderValue::from_str(&format!("\"{}\"", footprint.digest))
            .ok()
            .map(|value| (ETAG, value)),
    );
    Ok(recorded_answer(response, id, &permit))
}

/// Why policy said no, for a partner that the agreement itself names: whoever signed a contract may know which part of it
/// failed. Anyone else learns nothing.
fn reasons_for(recorded: &Recorded, partner: Bpnl, agreement: Option<&Agreement>) -> Vec<Reason> {
    match agreement {
        Some(agreement) if agreement.consumer == partner => reasons(recorded),
        _ => Vec::new(),
    }
}

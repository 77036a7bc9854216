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
//! # Worked example
//!
//! Elbe's connector asks at `/exchange/BPNL000000000DWF/…` with its token, `Edc-Bpn: BPNL00000000C3EF` and the id of an
//! agreement. The [`Caller`] is then: Elbe's connector, Weser, that agreement. The same request with a token of Isar's connector
//! is no caller at all, but one 401.

use axum::http::{HeaderMap, HeaderName};
use jiff::Timestamp;

use super::SCOPE;
use crate::facts::ClientKind;
use crate::http::App;
use crate::http::caller::{id_header, optional_id_header};
use crate::http::problem::Problem;
use crate::ids::{AgreementId, AssetId, Bpnl, ClientId};
use crate::registry::TenantWorld;

/// The header in which the connector names the partner.
pub const EDC_BPN: HeaderName = HeaderName::from_static("edc-bpn");
/// The header in which the connector names the agreement.
pub const EDC_AGREEMENT: HeaderName = HeaderName::from_static("edc-contract-agreement-id");
/// The header in which the partner names the company the data is for, where that is another than itself.
pub const RECIPIENT: HeaderName = HeaderName::from_static("tidegate-recipient");

/// A company that asks at a tenant's exchange endpoint, and what it asks under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The tenant's own client that carried the request.
    pub connector: ClientId,
    /// The company that asks.
    pub partner: Bpnl,
    /// The agreement it asks under; whether it is on record, and with whom, is for policy to say.
    pub agreement: AgreementId,
    /// The asset the token is bound to, where it is bound to one.
    pub asset: Option<AssetId>,
    /// The company the data is for, where the partner says it is another than itself.
    pub recipient: Option<Bpnl>,
}

impl App {
    /// The caller of a request to the exchange endpoint of `world`'s tenant.
    ///
    /// # Errors
    /// 401 for every token that does not verify at this tenant; 400 for headers that are missing, repeated or malformed.
    pub(super) async fn exchange_caller(
        &self,
        headers: &HeaderMap,
        world: &TenantWorld,
        now: Timestamp,
    ) -> Result<Caller, Problem> {
        let machine = self
            .machine(headers, world.tenant.id, ClientKind::Connector, SCOPE, now)
            .await?;
        Ok(Caller {
            connector: machine.client().clone(),
            partner: id_header(headers, &EDC_BPN)?,
            agreement: id_header(headers, &EDC_AGREEMENT)?,
            asset: None,
            recipient: optional_id_header(headers, &RECIPIENT)?,
        })
    }
}

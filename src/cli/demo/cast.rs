//! Who is who in the walk, and what stands on record about them before it begins.

use super::WalkError;
use super::client::ClientError;
use crate::dev::connector::Connector;
use crate::http::Shared;
use crate::http::exchange::PURPOSE;
use crate::ids::{AgreementId, Bpnl, TenantId};
use crate::registry::{Agreement, AgreementState, Footprint, TenantWorld};

/// The companies, by the names of the development world.
const SUPPLIER: &str = "BPNL000000000DWF";
const RIVAL: &str = "BPNL00000000B2CD";
const CONSUMER: &str = "BPNL00000000C3EF";
const LAPSED: &str = "BPNL00000000D4GH";

/// Who is who.
pub(super) struct Cast {
    /// Elbe Polymers, whose footprint it is.
    pub(super) supplier: TenantId,
    /// Isar Castings, another supplier.
    pub(super) rival: TenantId,
    /// Weser Motors, who may have it.
    pub(super) consumer: Bpnl,
    /// Oder Trading, whose membership was revoked.
    pub(super) lapsed: Bpnl,
    /// What is asked for.
    pub(super) footprint: Footprint,
    /// Another footprint of the supplier.
    pub(super) other: Footprint,
    /// One that is offered for a single use.
    pub(super) once: Footprint,
    /// Contracts on record that grant nothing, or not this: each under what is the matter with it.
    pub(super) old: Old,
}

/// Contracts of the supplier about the footprint's asset.
pub(super) struct Old {
    /// In force.
    pub(super) sound: AgreementId,
    /// Retired by the supplier.
    pub(super) retired: AgreementId,
    /// Past its end.
    pub(super) ended: AgreementId,
    /// For another purpose.
    pub(super) quality: AgreementId,
    /// With the company whose membership was revoked.
    pub(super) revoked: AgreementId,
}

impl Cast {
    /// Looks everybody up.
    pub(super) fn of(app: &Shared) -> Result<Self, WalkError> {
        let id = |text: &str| text.parse::<Bpnl>().map_err(|_| ClientError::World("its companies"));
        let (supplier, consumer, lapsed) = (TenantId(id(SUPPLIER)?), id(CONSUMER)?, id(LAPSED)?);
        let registry = app.registry.current();
        let world = registry.tenant(supplier).ok_or(ClientError::World("the supplier"))?;
        Ok(Self {
            supplier,
            rival: TenantId(id(RIVAL)?),
            consumer,
            lapsed,
            footprint: footprint(world, "pcf-ethanol")?,
            other: footprint(world, "pcf-resin")?,
            once: footprint(world, "pcf-solvent")?,
            old: old(world, app, consumer, lapsed)?,
        })
    }

    /// The connector of a company.
    pub(super) fn connector(app: &Shared, company: Bpnl) -> Result<&Connector, ClientError> {
        app.connectors.get(&company).ok_or(ClientError::World("a connector"))
    }
}

fn footprint(world: &TenantWorld, asset: &str) -> Result<Footprint, ClientError> {
    let mut all = world.footprints.values();
    let found = all.find(|footprint| footprint.assets.iter().any(|own| own.as_str() == asset));
    found
        .map(|footprint| Footprint::clone(footprint))
        .ok_or(ClientError::World("its footprints"))
}

fn old(world: &TenantWorld, app: &Shared, consumer: Bpnl, lapsed: Bpnl) -> Result<Old, ClientError> {
    let now = app.clock.now();
    let ended = |agreement: &Agreement| {
        let ends = agreement.terms.usage_ends(agreement.signed_at);
        ends.is_some_and(|ends| ends <= now)
    };
    let for_footprints = |agreement: &Agreement| {
        let purposes = agreement.terms.purposes();
        purposes.is_none_or(|purposes| purposes.contains(PURPOSE))
    };
    let active = |agreement: &Agreement| agreement.state == AgreementState::Active;
    Ok(Old {
        sound: pick(world, consumer, |agreement| {
            active(agreement) && for_footprints(agreement) && !ended(agreement)
        })?,
        retired: pick(world, consumer, |agreement| agreement.state == AgreementState::Retired)?,
        // By its state on record it may have been found to be past its end already.
        ended: pick(world, consumer, |agreement| {
            agreement.state != AgreementState::Retired && ended(agreement)
        })?,
        quality: pick(world, consumer, |agreement| !for_footprints(agreement))?,
        revoked: pick(world, lapsed, |_| true)?,
    })
}

/// The supplier's first agreement with `consumer` about ethanol that is as `wanted`.
fn pick(world: &TenantWorld, consumer: Bpnl, wanted: impl Fn(&Agreement) -> bool) -> Result<AgreementId, ClientError> {
    let mut own: Vec<_> = world.agreements.values().collect();
    own.sort_by(|left, right| left.id.cmp(&right.id));
    own.into_iter()
        .find(|agreement| {
            agreement.consumer == consumer && agreement.asset.as_str() == "pcf-ethanol" && wanted(agreement)
        })
        .map(|agreement| agreement.id.clone())
        .ok_or(ClientError::World("its agreements"))
}

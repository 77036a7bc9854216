//! What the platform knows: tenants, partners, assets, offers, agreements and footprints.
//!
//! A [`Registry`] is an immutable value. A request takes one and sees it unchanged to its end; a change makes a new one, which
//! shares all but the path to what changed, and swaps it in on a watch channel ([`store::RegistryStore`]). What a tenant owns is reached only through that tenant's
//! [`TenantWorld`], so a lookup cannot wander into another company's agreements or footprints: the tenant of the route picks
//! the world, and ids are looked up inside it.
//!
//! # Worked example
//!
//! `GET /exchange/BPNL000000000DWF/pcf/3893…/submodel/$value` with agreement `a-1`: the route's tenant picks the world of
//! `BPNL000000000DWF`; `3893…` and `a-1` are looked up there. An agreement of another supplier with the same id is simply
//! not there, whatever the header says.

mod agreement;
mod collection;
mod footprints;
mod guarantee;
pub mod integration;
mod model;
mod offer;
mod pact;
mod pool;
mod sharing;
pub mod store;
pub mod world;

use std::sync::Arc;

pub use agreement::{Agreement, AgreementState, NewAgreement, Signed};
pub use collection::Agreements;
pub use footprints::Footprints;
pub use guarantee::{Bound, Guarantee, NoBound};
pub use integration::{Integration, IntegrationError, Taken};
pub use model::{
    Asset, ConnectorSettings, Footprint, FootprintStatus, Identity, Map, Offer, Partner, Relation, Tenant, TenantState,
    TenantWorld, TwinRules,
};
pub use offer::{OfferError, OfferReader};
pub use pact::{Held, PactClient, drawn_secret};
pub use pool::TermsPool;
pub use sharing::{Known, Shared, apart};

use crate::ids::{Bpnl, Did, TenantId};

/// Everything the platform knows at one instant.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    tenants: Map<TenantId, Arc<TenantWorld>>,
    partners: Map<Bpnl, Arc<Partner>>,
}

impl Registry {
    /// The world of `tenant`, where that tenant is on the platform.
    pub fn tenant(&self, tenant: TenantId) -> Option<&Arc<TenantWorld>> {
        self.tenants.get(&tenant)
    }

    /// What is known of the company `bpnl` as a partner.
    pub fn partner(&self, bpnl: Bpnl) -> Option<&Arc<Partner>> {
        self.partners.get(&bpnl)
    }

    /// Every company that is known as a partner, in no order.
    pub fn partners(&self) -> impl Iterator<Item = &Arc<Partner>> {
        self.partners.values()
    }

    /// The company that `text` names as connectors do: by its BPNL, or by the DID that is on record of it.
    pub fn company(&self, text: &str) -> Option<Bpnl> {
        if let Ok(bpnl) = text.parse() {
            return Some(bpnl);
        }
        let did: Did = text.parse().ok()?;
        let mut named = self
            .partners
            .values()
            .filter(|partner| partner.did.as_ref() == Some(&did));
        // A DID on record of two companies names neither.
        named
            .next()
            .filter(|_| named.next().is_none())
            .map(|partner| partner.bpnl)
    }

    /// Every tenant, in no order.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<TenantWorld>> {
        self.tenants.values()
    }

    /// This registry with `world` in place of what its tenant had.
    #[must_use]
    pub fn with_tenant(&self, world: TenantWorld) -> Self {
        self.with([world], [])
    }

    /// This registry with `worlds` and `partners` in place of what was known of these companies.
    #[must_use]
    pub fn with(
        &self,
        worlds: impl IntoIterator<Item = TenantWorld>,
        partners: impl IntoIterator<Item = Partner>,
    ) -> Self {
        let mut next = self.clone();
        for world in worlds {
            next.tenants.insert_mut(world.tenant.id, Arc::new(world));
        }
        for partner in partners {
            next.partners.insert_mut(partner.bpnl, Arc::new(partner));
        }
        next
    }

    /// Collects a registry from its parts.
    pub fn new(tenants: Vec<TenantWorld>, partners: Vec<Partner>) -> Self {
        Self::default().with(tenants, partners)
    }
}

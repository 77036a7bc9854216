//! A registry as a document: what an operator writes down and the service takes in at start.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::model::{Agreement, AgreementState, Offer, Partner, Tenant, TenantWorld};
use super::pool::TermsPool;
use crate::contract::ContractError;
use crate::ids::{AgreementId, AssetId, Bpnl, OfferId, TenantId};

/// Tenants, partners, offers and agreements. Contracts stand in it as ODRL and are kept byte for byte.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldDocument {
    /// The companies on the platform.
    pub tenants: Vec<Tenant>,
    /// The companies that ask from outside.
    pub partners: Vec<Partner>,
    /// The tenants' catalogs.
    #[serde(default)]
    pub offers: Vec<OfferDocument>,
    /// The tenants' agreements.
    #[serde(default)]
    pub agreements: Vec<AgreementDocument>,
}

/// An entry of a catalog.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferDocument {
    /// Its id.
    pub id: OfferId,
    /// The tenant that offers.
    pub provider: TenantId,
    /// What is offered.
    pub asset: AssetId,
    /// The access policy.
    pub access: Box<RawValue>,
    /// The usage policy.
    pub usage: Box<RawValue>,
}

/// A finalized contract.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgreementDocument {
    /// Its id.
    pub id: AgreementId,
    /// The tenant that provides.
    pub provider: TenantId,
    /// The company that consumes.
    pub consumer: Bpnl,
    /// What it is about.
    pub asset: AssetId,
    /// In force, or why not.
    pub state: AgreementState,
    /// When it was finalized.
    pub signed_at: Timestamp,
    /// What was agreed.
    pub odrl: Box<RawValue>,
}

/// Why a document is not a world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// It does not parse.
    #[error("not a world: {0}")]
    Json(#[from] serde_json::Error),
    /// It names a tenant it does not have.
    #[error("the {what} `{id}` names the provider {provider}, which is not among the tenants")]
    Provider {
        /// The kind of thing.
        what: &'static str,
        /// Its id.
        id: String,
        /// The tenant it names.
        provider: TenantId,
    },
    /// A contract that does not compile.
    #[error("the {what} `{id}`: {source}")]
    Terms {
        /// The kind of thing.
        what: &'static str,
        /// Its id.
        id: String,
        /// What is wrong with it.
        source: Box<ContractError>,
    },
}

impl WorldDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// It does not parse, or a member stands twice.
    pub fn read(text: &[u8]) -> Result<Self, WorldError> {
        Ok(crate::json::read(text)?)
    }

    /// The worlds of its tenants, contracts compiled, each distinct one once.
    ///
    /// # Errors
    /// A contract that does not compile, or a provider that is not among the tenants.
    pub fn worlds(self) -> Result<(Vec<TenantWorld>, Vec<Partner>), WorldError> {
        let mut worlds: HashMap<TenantId, TenantWorld> = self
            .tenants
            .into_iter()
            .map(|tenant| (tenant.id, TenantWorld::new(tenant)))
            .collect();
        let mut compiled = TermsPool::default();
        let mut terms = |what: &'static str, id: &str, odrl: &RawValue| {
            compiled.compile(odrl.get()).map_err(|source| WorldError::Terms {
                what,
                id: id.to_owned(),
                source: Box::new(source),
            })
        };
        for agreement in self.agreements {
            let world = world(&mut worlds, "agreement", agreement.id.as_str(), agreement.provider)?;
            let agreement = Agreement {
                terms: terms("agreement", agreement.id.as_str(), &agreement.odrl)?,
                id: agreement.id,
                provider: agreement.provider,
                consumer: agreement.consumer,
                asset: agreement.asset,
                state: agreement.state,
                signed_at: agreement.signed_at,
                odrl: agreement.odrl.get().into(),
            };
            world.agreements.insert(agreement.id.clone(), Arc::new(agreement));
        }
        for offer in self.offers {
            let world = world(&mut worlds, "offer", offer.id.as_str(), offer.provider)?;
            let offer = Offer {
                access_terms: terms("offer", offer.id.as_str(), &offer.access)?,
                usage_terms: terms("offer", offer.id.as_str(), &offer.usage)?,
                id: offer.id,
                provider: offer.provider,
                asset: offer.asset,
                access_odrl: offer.access.get().into(),
                usage_odrl: offer.usage.get().into(),
            };
            world.offers.insert(offer.id.clone(), Arc::new(offer));
        }
        Ok((worlds.into_values().collect(), self.partners))
    }
}

fn world<'w>(
    worlds: &'w mut HashMap<TenantId, TenantWorld>,
    what: &'static str,
    id: &str,
    provider: TenantId,
) -> Result<&'w mut TenantWorld, WorldError> {
    worlds.get_mut(&provider).ok_or_else(|| WorldError::Provider {
        what,
        id: id.to_owned(),
        provider,
    })
}

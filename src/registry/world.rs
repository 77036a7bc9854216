//! A registry as a document: what an operator writes down and the service takes in at start.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::agreement::{Agreement, AgreementState, Signed};
use super::model::{Asset, Offer, Partner, Relation, Tenant, TenantWorld};
use super::pool::TermsPool;
use crate::contract::ContractError;
use crate::ids::{AgreementId, AssetId, Bpnl, OfferId, TenantId, Version};

/// Tenants, partners, assets, relations, offers and agreements. Contracts stand in it as ODRL and are kept byte for byte.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldDocument {
    /// The companies on the platform.
    pub tenants: Vec<Tenant>,
    /// The companies that ask from outside.
    pub partners: Vec<Partner>,
    /// The assets of the tenants' connectors.
    #[serde(default)]
    pub assets: Vec<AssetDocument>,
    /// What the tenants have on record about partners.
    #[serde(default)]
    pub relations: Vec<RelationDocument>,
    /// The tenants' catalogs.
    #[serde(default)]
    pub offers: Vec<OfferDocument>,
    /// The tenants' agreements.
    #[serde(default)]
    pub agreements: Vec<AgreementDocument>,
}

/// An asset of a tenant's connector.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetDocument {
    /// Its id.
    pub id: AssetId,
    /// The tenant whose it is.
    pub provider: TenantId,
    /// The version of the PCF API it is offered under.
    pub api: Version,
    /// Its own version.
    pub version: Version,
}

/// What a tenant has on record about a partner.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationDocument {
    /// The tenant whose record it is.
    pub provider: TenantId,
    /// The partner.
    pub partner: Bpnl,
    /// The groups the tenant has put it in.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// References of the bilateral contracts the two have.
    #[serde(default)]
    pub contracts: BTreeSet<String>,
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
    /// What was in force then.
    #[serde(default)]
    pub signed: Option<Signed>,
    /// What the consumer's verified credentials proved then.
    #[serde(default)]
    pub claims: Option<Box<RawValue>>,
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
        for AssetDocument {
            id,
            provider,
            api,
            version,
        } in self.assets
        {
            let world = world(&mut worlds, "asset", id.as_str(), provider)?;
            world
                .assets
                .insert_mut(id.clone(), Arc::new(Asset { id, api, version }));
        }
        for read in self.relations {
            let world = world(&mut worlds, "relation", read.partner.as_str(), read.provider)?;
            let relation = Relation {
                partner: read.partner,
                groups: read.groups,
                contracts: read.contracts,
            };
            world.relations.insert_mut(relation.partner, Arc::new(relation));
        }
        for agreement in self.agreements {
            let world = world(&mut worlds, "agreement", agreement.id.as_str(), agreement.provider)?;
            let contract = terms("agreement", agreement.id.as_str(), &agreement.odrl)?;
            world.agreements.insert(Arc::new(Agreement {
                id: agreement.id,
                provider: agreement.provider,
                consumer: agreement.consumer,
                asset: agreement.asset,
                state: agreement.state,
                signed_at: agreement.signed_at,
                signed: agreement.signed,
                claims: agreement.claims.map(|claims| claims.get().into()),
                odrl: contract.odrl,
                terms: contract.terms,
            }));
        }
        for offer in self.offers {
            let world = world(&mut worlds, "offer", offer.id.as_str(), offer.provider)?;
            let access = terms("offer", offer.id.as_str(), &offer.access)?;
            let usage = terms("offer", offer.id.as_str(), &offer.usage)?;
            let offer = Offer {
                id: offer.id,
                provider: offer.provider,
                asset: offer.asset,
                access_terms: access.terms,
                usage_terms: usage.terms,
                access_odrl: access.odrl,
                usage_odrl: usage.odrl,
            };
            world.offers.insert_mut(offer.id.clone(), Arc::new(offer));
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

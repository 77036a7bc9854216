//! A registry as a document: what an operator writes down and the service takes in at start.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::agreement::{AgreementState, NewAgreement, Signed};
use super::model::{Asset, Partner, Relation, Tenant, TenantWorld};
use super::offer::OfferReader;
use super::pact::{Held, PactClient, taken};
use super::pool::TermsPool;
use super::sharing::{Shared, apart};
use crate::contract::{ContractError, no_group};
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
    /// The clients with which the partner may come to the tenant's PACT endpoint, each with the digest of its secret. Where the
    /// member is missing, those that are on record stay; where it is empty, they go.
    #[serde(default)]
    pub pact: Option<Vec<PactClient>>,
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

/// What a document brings.
#[derive(Debug, Default)]
pub struct Seed {
    /// The worlds of its tenants, without agreements: these come on record one by one.
    pub worlds: Vec<TenantWorld>,
    /// The companies that ask from outside.
    pub partners: Vec<Partner>,
    /// The agreements. Their contracts compile.
    pub agreements: Vec<NewAgreement>,
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
    /// A group by a name that no policy can mean.
    #[error(
        "the relation `{partner}` of {provider} has the group {group:?}, which no policy can name: {why}; give each group a name of its own"
    )]
    Group {
        /// The tenant whose record it is.
        provider: TenantId,
        /// The partner.
        partner: Bpnl,
        /// The group.
        group: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A PACT client that is another partner's as well.
    #[error("the relation of a tenant: {0}")]
    Client(Held),
    /// Two of its tenants cannot be told apart.
    #[error(transparent)]
    Shared(#[from] Shared),
    /// A contract that does not compile, or is not what it stands for.
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

    /// What it brings.
    ///
    /// # Errors
    /// A contract that does not compile, a policy of an offer that is of the other kind or about another company or asset, a group that no
    /// policy can name, a provider that is not among the tenants, or two tenants whose people or machines could not be told apart.
    pub fn seed(self) -> Result<Seed, WorldError> {
        let tenants = self.tenants.into_iter();
        let mut building = Building {
            worlds: tenants.map(|tenant| (tenant.id, TenantWorld::new(tenant))).collect(),
            compiled: TermsPool::default(),
        };
        apart(building.worlds.values().map(|world| &world.tenant))?;
        self.assets.into_iter().try_for_each(|asset| building.asset(asset))?;
        self.relations
            .into_iter()
            .try_for_each(|relation| building.relation(relation))?;
        building.offers(self.offers)?;
        let agreements = self
            .agreements
            .into_iter()
            .map(|agreement| building.agreement(agreement));
        Ok(Seed {
            agreements: agreements.collect::<Result<_, _>>()?,
            worlds: building.worlds.into_values().collect(),
            partners: self.partners,
        })
    }
}

/// The worlds of a document under construction.
struct Building {
    worlds: HashMap<TenantId, TenantWorld>,
    compiled: TermsPool,
}

fn world_of<'w>(
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

impl Building {
    fn world(&mut self, what: &'static str, id: &str, provider: TenantId) -> Result<&mut TenantWorld, WorldError> {
        world_of(&mut self.worlds, what, id, provider)
    }

    fn asset(&mut self, read: AssetDocument) -> Result<(), WorldError> {
        let AssetDocument {
            id,
            provider,
            api,
            version,
        } = read;
        let world = self.world("asset", id.as_str(), provider)?;
        world
            .assets
            .insert_mut(id.clone(), Arc::new(Asset { id, api, version }));
        Ok(())
    }

    fn relation(&mut self, read: RelationDocument) -> Result<(), WorldError> {
        // A partner in a group nobody can name would be in none that `isNoneOf` names.
        let odd = read.groups.iter().find_map(|group| Some((group, no_group(group)?)));
        if let Some((group, why)) = odd {
            return Err(WorldError::Group {
                provider: read.provider,
                partner: read.partner,
                group: group.clone(),
                why,
            });
        }
        let world = self.world("relation", read.partner.as_str(), read.provider)?;
        if let Some(taken) = taken(world, read.partner, read.pact.as_deref().unwrap_or_default()) {
            return Err(WorldError::Client(taken));
        }
        let relation = Relation {
            partner: read.partner,
            groups: read.groups,
            contracts: read.contracts,
            pact: read.pact,
        };
        world.relations.insert_mut(relation.partner, Arc::new(relation));
        Ok(())
    }

    fn offers(&mut self, all: Vec<OfferDocument>) -> Result<(), WorldError> {
        let mut reader = OfferReader::new(&mut self.compiled);
        for read in all {
            let world = world_of(&mut self.worlds, "offer", read.id.as_str(), read.provider)?;
            let policies = (read.access.get(), read.usage.get());
            let offer = reader.read(read.id.clone(), &world.tenant, read.asset, policies);
            let offer = offer.map_err(|error| WorldError::Terms {
                what: error.what,
                id: read.id.to_string(),
                source: error.source,
            })?;
            world.offers.insert_mut(read.id, Arc::new(offer));
        }
        Ok(())
    }

    fn agreement(&mut self, read: AgreementDocument) -> Result<NewAgreement, WorldError> {
        let (what, id) = ("agreement", read.id.as_str());
        self.world(what, id, read.provider)?;
        let compiled = self.compiled.compile(read.odrl.get());
        compiled.map_err(|source| WorldError::Terms {
            what,
            id: id.to_owned(),
            source: Box::new(source),
        })?;
        Ok(NewAgreement {
            id: read.id,
            provider: read.provider,
            consumer: read.consumer,
            asset: read.asset,
            state: read.state,
            signed_at: read.signed_at,
            signed: read.signed,
            claims: read.claims.map(|claims| claims.get().into()),
            odrl: read.odrl.get().into(),
        })
    }
}

#[cfg(test)]
mod tests;

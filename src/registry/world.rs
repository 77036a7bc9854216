//! A registry as a document: what an operator writes down and the service takes in at start.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::agreement::{AgreementState, NewAgreement, Signed};
use super::model::{Asset, Offer, Partner, Relation, Tenant, TenantWorld};
use super::pool::TermsPool;
use crate::contract::{ContractError, Terms};
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

    /// What it brings.
    ///
    /// # Errors
    /// A contract that does not compile, or a provider that is not among the tenants.
    pub fn seed(self) -> Result<Seed, WorldError> {
        let tenants = self.tenants.into_iter();
        let mut building = Building {
            worlds: tenants.map(|tenant| (tenant.id, TenantWorld::new(tenant))).collect(),
            compiled: TermsPool::default(),
        };
        self.assets.into_iter().try_for_each(|asset| building.asset(asset))?;
        self.relations
            .into_iter()
            .try_for_each(|relation| building.relation(relation))?;
        self.offers.into_iter().try_for_each(|offer| building.offer(offer))?;
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

impl Building {
    fn world(&mut self, what: &'static str, id: &str, provider: TenantId) -> Result<&mut TenantWorld, WorldError> {
        self.worlds.get_mut(&provider).ok_or_else(|| WorldError::Provider {
            what,
            id: id.to_owned(),
            provider,
        })
    }

    fn terms(&mut self, what: &'static str, id: &str, odrl: &RawValue) -> Result<Arc<Terms>, WorldError> {
        self.compiled.compile(odrl.get()).map_err(|source| WorldError::Terms {
            what,
            id: id.to_owned(),
            source: Box::new(source),
        })
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
        let world = self.world("relation", read.partner.as_str(), read.provider)?;
        let relation = Relation {
            partner: read.partner,
            groups: read.groups,
            contracts: read.contracts,
        };
        world.relations.insert_mut(relation.partner, Arc::new(relation));
        Ok(())
    }

    fn offer(&mut self, read: OfferDocument) -> Result<(), WorldError> {
        let id = read.id.as_str();
        let access_terms = self.terms("offer", id, &read.access)?;
        let usage_terms = self.terms("offer", id, &read.usage)?;
        let world = self.world("offer", id, read.provider)?;
        let offer = Offer {
            access_terms,
            usage_terms,
            id: read.id,
            provider: read.provider,
            asset: read.asset,
            access_odrl: read.access.get().into(),
            usage_odrl: read.usage.get().into(),
        };
        world.offers.insert_mut(offer.id.clone(), Arc::new(offer));
        Ok(())
    }

    fn agreement(&mut self, read: AgreementDocument) -> Result<NewAgreement, WorldError> {
        let id = read.id.as_str();
        self.world("agreement", id, read.provider)?;
        self.terms("agreement", id, &read.odrl)?;
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
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn document() -> Value {
        let usage: Value = serde_json::from_str(include_str!("../../fixtures/odrl/dev/pcf-usage.json")).unwrap();
        let access: Value = serde_json::from_str(include_str!("../../fixtures/odrl/dev/pcf-access.json")).unwrap();
        let elbe = "BPNL000000000DWF";
        json!({
            "tenants": [{
                "id": elbe, "name": "Elbe", "state": "active",
                "identity": {"issuer": "https://i.example", "jwks": "https://i.example/jwks", "resource_server": elbe,
                    "connectors": [], "integrations": [], "user_clients": []},
                "connector": {"participant": elbe, "dsp": "https://c.example/dsp", "management": "https://c.example/m",
                    "signaling": "https://c.example/s", "secret": "connector-key"}
            }],
            "partners": [{
                "bpnl": "BPNL00000000C3EF", "name": "Weser", "membership": "active", "frameworks": [],
                "region": "cx.region.europe:1", "affiliates": ["BPNL00000000D4GH"], "dsp": "https://w.example/dsp"
            }],
            "assets": [{"id": "pcf", "provider": elbe, "api": "1.3.0", "version": "1.0"}],
            "relations": [{"provider": elbe, "partner": "BPNL00000000C3EF", "groups": ["gold"], "contracts": ["c-7"]}],
            "offers": [{"id": "o-1", "provider": elbe, "asset": "pcf", "access": access, "usage": usage}],
            "agreements": [{
                "id": "a-1", "provider": elbe, "consumer": "BPNL00000000C3EF", "asset": "pcf", "state": "active",
                "signed_at": "2026-11-01T00:00:00Z", "odrl": usage, "claims": {"membership": "active"},
                "signed": {"api": "1.3.0", "asset": "1.0", "models": ["9.0.0", "10.0.0"]}
            }]
        })
    }

    fn seed(document: &Value) -> Result<Seed, WorldError> {
        WorldDocument::read(document.to_string().as_bytes())?.seed()
    }

    #[test]
    fn a_document_brings_all_it_names_each_in_its_tenants_world() {
        let document = document();
        let Seed {
            worlds,
            partners,
            agreements,
        } = seed(&document).unwrap();
        let [world] = worlds.as_slice() else {
            panic!("one tenant")
        };
        let asset = world.assets.get(&"pcf".parse().unwrap()).unwrap();
        assert_eq!((asset.api.full(), asset.version.full()), ("1.3.0", "1.0"));
        let relation = world.relations.get(&"BPNL00000000C3EF".parse().unwrap()).unwrap();
        assert!(relation.groups.contains("gold") && relation.contracts.contains("c-7"));
        assert!(world.offers.contains_key(&"o-1".parse().unwrap()));
        let connector = world.tenant.connector.as_ref().unwrap();
        assert_eq!(
            connector.secret.as_ref().map(|name| name.as_str()),
            Some("connector-key")
        );
        assert_eq!(partners[0].affiliates.len(), 1);
        // Agreements come on record one by one, with their texts to the byte.
        assert!(world.agreements.is_empty());
        let [agreement] = agreements.as_slice() else {
            panic!("one agreement")
        };
        let text = document["agreements"][0]["odrl"].to_string();
        assert_eq!(&*agreement.odrl, text);
        assert_eq!(agreement.claims.as_deref(), Some(r#"{"membership":"active"}"#));
        assert_eq!(agreement.signed.as_ref().unwrap().models.len(), 2);
    }

    #[test]
    fn what_is_wrong_with_a_document_is_named() {
        type Change = fn(&mut Value);
        let wrong: [(&str, Change, &str); 6] = [
            (
                "an asset of nobody",
                |all| all["assets"][0]["provider"] = json!("BPNL00000000NNNN"),
                "the asset `pcf`",
            ),
            (
                "a relation of nobody",
                |all| all["relations"][0]["provider"] = json!("BPNL00000000NNNN"),
                "the relation",
            ),
            (
                "an agreement of nobody",
                |all| all["agreements"][0]["provider"] = json!("BPNL00000000NNNN"),
                "`a-1`",
            ),
            (
                "terms that are none",
                |all| all["agreements"][0]["odrl"] = json!({}),
                "the agreement `a-1`",
            ),
            (
                "a version that is none",
                |all| all["assets"][0]["api"] = json!("v1"),
                "not a version",
            ),
            (
                "a member nobody knows",
                |all| all["assets"][0]["type"] = json!("Pcf"),
                "unknown field",
            ),
        ];
        for (what, change, expected) in wrong {
            let mut document = document();
            change(&mut document);
            let said = seed(&document).unwrap_err().to_string();
            assert!(said.contains(expected), "{what}: {said}");
        }
    }
}

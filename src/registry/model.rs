//! The things a registry holds.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::agreement::{Agreement, Signed};
use super::collection::Agreements;
use super::footprints::Footprints;
use super::guarantee::Guarantee;
use super::integration::Integration;
use super::pact::PactClient;
use crate::contract::Terms;
use crate::ids::{
    AssetId, Bpnl, ClientId, Did, GroupNames, IntegrationId, OfferId, PcfId, ProductId, SecretName, SecretSuffix,
    TenantId, UserName, Version,
};
use crate::twin::{AccessRules, RuleError};

/// A map that shares all but the path to what changed with the map it was made from: a change costs the same however much is in
/// it, and a clone costs nothing.
pub type Map<K, V> = rpds::HashTrieMapSync<K, V>;

/// Where a tenant stands in its life on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TenantState {
    /// Being set up; nothing of it can be used yet.
    Onboarding,
    /// In use.
    Active,
    /// Stopped for a while.
    Suspended,
    /// Gone; kept for the record.
    Offboarded,
}

impl TenantState {
    /// The state as the Cedar schema spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Onboarding => "onboarding",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Offboarded => "offboarded",
        }
    }
}

/// Whose tokens a tenant's endpoints take. See [`crate::facts`] for what each member binds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The exact `iss` of the tenant's tokens.
    pub issuer: String,
    /// Where the issuer's keys are: an `https` URL, or a file path (dev mode and tests).
    pub jwks: String,
    /// The identifier of the tenant's OAuth2 resource server; scopes are `{resource_server}/{name}`.
    pub resource_server: String,
    /// Clients of the tenant's own connector.
    pub connectors: BTreeSet<ClientId>,
    /// Clients of the tenant's supplier systems.
    pub integrations: BTreeSet<ClientId>,
    /// Clients the tenant's people sign in through.
    pub user_clients: BTreeSet<ClientId>,
    /// Tokens issued before this instant are refused, whoever's they are: set when the tenant leaves, and it outlives its coming back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// How the groups of the tenant's people are named.
    #[serde(default, skip_serializing_if = "GroupNames::is_own")]
    pub groups: GroupNames,
}

/// The tenant's own connector, as Tidegate speaks to it and as others do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorSettings {
    /// The connector's id of the participant; normally the tenant's BPNL.
    pub participant: String,
    /// Where other connectors speak to it (Dataspace Protocol 2025-1): a URL.
    pub dsp: String,
    /// Its management API: a URL.
    pub management: String,
    /// Where it takes signals of its data plane: a URL.
    pub signaling: String,
    /// The tenant's secret that holds the key of the management API; none where it asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretName>,
}

/// A company on the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Its BPNL.
    pub id: TenantId,
    /// Its name, for people; never used to decide.
    pub name: String,
    /// Where it stands.
    pub state: TenantState,
    /// Whose tokens its endpoints take.
    pub identity: Identity,
    /// People who may no longer act, whatever their token says.
    #[serde(default)]
    pub disabled_users: HashSet<UserName>,
    /// Its connector, where Tidegate is to speak to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<ConnectorSettings>,
    /// When its answers may leave.
    #[serde(default, skip_serializing_if = "is_strict")]
    pub ledger: Guarantee,
    /// The secrets that onboarding made for it in AWS, each with the last part of its ARN.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<SecretName, SecretSuffix>,
}

fn is_strict(guarantee: &Guarantee) -> bool {
    *guarantee == Guarantee::Strict
}

impl Tenant {
    /// How connectors name it: as its own connector does where it has one, by its BPNL otherwise.
    pub fn participant(&self) -> &str {
        let connector = self.connector.as_ref();
        connector.map_or(self.id.as_str(), |connector| connector.participant.as_str())
    }

    /// Whether a connector means this tenant by `name`.
    pub fn is_named(&self, name: &str) -> bool {
        name == self.id.as_str() || name == self.participant()
    }
}

/// A company that asks from outside, and what its verified credentials prove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    /// Its BPNL.
    pub bpnl: Bpnl,
    /// Its name, for people; never used to decide.
    pub name: String,
    /// The status in its verified MembershipCredential (CX-0050): `active` or else.
    pub membership: String,
    /// The framework agreements its verified credentials prove, each as `name:version`.
    pub frameworks: BTreeSet<String>,
    /// The region of its registered office, such as `cx.region.europe:1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The companies on record as affiliated with it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub affiliates: BTreeSet<Bpnl>,
    /// Where its connector takes messages of other connectors (Dataspace Protocol 2025-1): a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dsp: Option<String>,
    /// Its DID. A company that has one on record may be named by it, and proves itself with its keys where it asks for tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub did: Option<Did>,
}

/// What a tenant has on record about a partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// The partner.
    pub partner: Bpnl,
    /// The groups the tenant has put it in.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// References of the bilateral contracts the two have.
    #[serde(default)]
    pub contracts: BTreeSet<String>,
    /// The clients with which the partner may come to the tenant's PACT endpoint by itself. Where nothing is said of them, those that
    /// are on record stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pact: Option<Vec<PactClient>>,
}

/// An asset of a tenant's connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// Its id.
    pub id: AssetId,
    /// The version of the PCF API it is offered under, such as `1.3.0`.
    pub api: Version,
    /// Its own version (`cx-common:version`).
    pub version: Version,
}

/// An entry of a tenant's catalog.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// The tenant that offers.
    pub provider: TenantId,
    /// What is offered.
    pub asset: AssetId,
    /// Who may see it: an access policy.
    pub access_terms: Arc<Terms>,
    /// What one agrees to: a usage policy.
    pub usage_terms: Arc<Terms>,
    /// The ODRL of the access policy, byte for byte.
    pub access_odrl: Arc<str>,
    /// The ODRL of the usage policy, byte for byte.
    pub usage_odrl: Arc<str>,
}

/// The status a footprint document gives itself, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FootprintStatus {
    /// In use.
    Active,
    /// Replaced or withdrawn by its owner.
    Deprecated,
}

impl FootprintStatus {
    /// The status as the Cedar schema spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deprecated => "deprecated",
        }
    }
}

/// A stored footprint: what the index knows of it without opening the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footprint {
    /// The document's own id.
    pub id: PcfId,
    /// Which document of this id it is, from 1: each with other bytes than the one before is the next.
    #[serde(default = "first")]
    pub version: u32,
    /// Under whose prefix it lies.
    pub tenant: TenantId,
    /// The company the document names as its own.
    pub owner: Bpnl,
    /// The product it is about, as it stands in the object key.
    pub product: ProductId,
    /// The version of the aspect model, such as `9.0.0`.
    pub model: Version,
    /// What the document says of itself.
    pub status: FootprintStatus,
    /// Every id the document has for its product: what a request may name it by.
    #[serde(default)]
    pub products: BTreeSet<String>,
    /// When the document says it was declared.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// From when on it says it is valid.
    #[serde(default)]
    pub valid_from: Option<Timestamp>,
    /// Until when.
    #[serde(default)]
    pub valid_until: Option<Timestamp>,
    /// The assets it is part of.
    pub assets: BTreeSet<AssetId>,
    /// SHA-256 of its bytes.
    pub digest: crate::ids::Digest,
    /// Its length in bytes.
    pub length: u64,
}

fn first() -> u32 {
    Footprint::FIRST
}

impl Footprint {
    /// The version of a document that took no other's place.
    pub const FIRST: u32 = 1;

    /// The ids its product goes by. Entries that an older version of Tidegate indexed have the one of the object's key only.
    pub fn product_names(&self) -> impl Iterator<Item = &str> + Clone {
        let key = self.products.is_empty().then(|| self.product.as_str());
        self.products.iter().map(String::as_str).chain(key)
    }

    /// What all ids of its product have in common: whole ids, and their beginnings up to a colon. A system that is there for one of
    /// these is there for every id the product goes by, not for one of them only.
    pub fn product_spaces(&self) -> BTreeSet<&str> {
        let own = std::iter::once(self.product.as_str());
        let shared = own.chain(self.product_names()).map(spaces);
        shared.reduce(|shared, next| &shared & &next).unwrap_or_default()
    }
}

/// A product id, and its beginnings up to a colon.
fn spaces(id: &str) -> BTreeSet<&str> {
    let beginnings = id.match_indices(':').filter_map(|(at, _)| id.get(..at));
    beginnings.chain([id]).collect()
}

/// The access rules of a tenant's digital twins.
#[derive(Clone, Debug)]
pub struct TwinRules {
    /// The text, byte for byte.
    pub text: Arc<str>,
    /// What it says.
    pub rules: Arc<AccessRules>,
}

impl TwinRules {
    /// Reads the rules of a tenant.
    ///
    /// # Errors
    /// The text is not understood, or says that it is another company's.
    pub fn read(tenant: TenantId, text: &str) -> Result<Self, RuleError> {
        let rules = AccessRules::from_json(text)?;
        rules.check_owner(tenant)?;
        Ok(Self {
            text: text.into(),
            rules: Arc::new(rules),
        })
    }
}

/// A tenant and all that is its own.
#[derive(Clone, Debug)]
pub struct TenantWorld {
    /// The tenant.
    pub tenant: Tenant,
    /// Its agreements, as provider.
    pub agreements: Agreements,
    /// The assets of its connector.
    pub assets: Map<AssetId, Arc<Asset>>,
    /// Its catalog.
    pub offers: Map<OfferId, Arc<Offer>>,
    /// Its footprints.
    pub footprints: Footprints,
    /// What it has on record about partners.
    pub relations: Map<Bpnl, Arc<Relation>>,
    /// Its supplier systems.
    pub integrations: Map<IntegrationId, Arc<Integration>>,
    /// By which access rules its twins are found; where it has none, its contracts alone say so.
    pub twin_rules: Option<Arc<TwinRules>>,
}

impl TenantWorld {
    /// A tenant that has nothing yet.
    pub fn new(tenant: Tenant) -> Self {
        Self {
            tenant,
            agreements: Agreements::default(),
            assets: Map::default(),
            offers: Map::default(),
            footprints: Footprints::default(),
            relations: Map::default(),
            integrations: Map::default(),
            twin_rules: None,
        }
    }

    /// The agreements on an asset of the footprint, of all partners or of this one, that are in force by their state; the latest first.
    pub fn agreements_on(&self, footprint: &Footprint, of: Option<Bpnl>) -> Vec<&Agreement> {
        let on_assets = footprint.assets.iter().flat_map(|asset| self.agreements.on(asset));
        let mut live: Vec<&Agreement> = on_assets
            .map(AsRef::as_ref)
            .filter(|agreement| of.is_none_or(|partner| agreement.consumer == partner))
            .collect();
        live.sort_by_key(|agreement| std::cmp::Reverse((agreement.signed_at, agreement.id.clone())));
        live
    }

    /// What is in force now for `asset`: what an agreement that is finalized now is signed under. None where the asset is not on
    /// record. Goes through all footprints.
    pub fn signed(&self, asset: &AssetId) -> Option<Signed> {
        let of_asset = |footprint: &&Arc<Footprint>| footprint.assets.contains(asset);
        let models = self.footprints.values().filter(of_asset);
        let models = models.map(|footprint| footprint.model.clone()).collect();
        self.assets.get(asset).map(|asset| Signed {
            api: asset.api.clone(),
            asset: asset.version.clone(),
            models,
        })
    }
}

//! The things a registry holds.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::contract::Terms;
use crate::ids::{AgreementId, AssetId, Bpnl, ClientId, OfferId, PcfId, ProductId, TenantId, UserName};

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
}

/// The state of an agreement on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgreementState {
    /// Finalized and in force.
    Active,
    /// Ended by the provider.
    Retired,
    /// Found past its end.
    Expired,
}

impl AgreementState {
    /// The state as the Cedar schema spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Expired => "expired",
        }
    }
}

/// A finalized contract of a tenant, as provider, with a partner.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// The connectors' id of it.
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
    /// The ODRL as it was agreed, byte for byte.
    pub odrl: Arc<str>,
    /// Its normal form, compiled; shared by all agreements with the same terms.
    pub terms: Arc<Terms>,
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
    /// Under whose prefix it lies.
    pub tenant: TenantId,
    /// The company the document names as its own.
    pub owner: Bpnl,
    /// The product it is about, as it stands in the object key.
    pub product: ProductId,
    /// The version of the aspect model, such as `9.0.0`.
    pub model: String,
    /// What the document says of itself.
    pub status: FootprintStatus,
    /// The assets it is part of.
    pub assets: BTreeSet<AssetId>,
    /// SHA-256 of its bytes.
    pub digest: crate::ids::Digest,
    /// Its length in bytes.
    pub length: u64,
}

/// A tenant and all that is its own.
#[derive(Clone, Debug)]
pub struct TenantWorld {
    /// The tenant.
    pub tenant: Tenant,
    /// Its agreements, as provider.
    pub agreements: HashMap<AgreementId, Arc<Agreement>>,
    /// Its catalog.
    pub offers: HashMap<OfferId, Arc<Offer>>,
    /// Its footprints.
    pub footprints: HashMap<PcfId, Arc<Footprint>>,
}

impl TenantWorld {
    /// A tenant that has nothing yet.
    pub fn new(tenant: Tenant) -> Self {
        Self {
            tenant,
            agreements: HashMap::new(),
            offers: HashMap::new(),
            footprints: HashMap::new(),
        }
    }
}

//! An agreement: what of it decides is held in memory, what only proves is read from the file when somebody asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::pool::TermsPool;
use crate::contract::{ContractError, Terms};
use crate::ids::{AgreementId, AssetId, Bpnl, TenantId, Version};

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

    /// The state the Cedar schema spells so.
    pub fn read(text: &str) -> Option<Self> {
        let all = [Self::Active, Self::Retired, Self::Expired];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

/// What was in force when an agreement was finalized. A framework agreement grants these versions and, unless its terms say
/// otherwise, no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The version of the PCF API the asset was offered under.
    pub api: Version,
    /// The version of the asset.
    pub asset: Version,
    /// The aspect models of the footprints the asset had.
    pub models: BTreeSet<Version>,
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
    /// What was in force then; none where nobody knows. Shared by agreements that were finalized alike.
    pub signed: Option<Arc<Signed>>,
    /// The normal form of what was agreed, compiled; shared by all agreements with the same terms.
    pub terms: Arc<Terms>,
}

/// An agreement that is to come on record, with its papers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAgreement {
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
    /// What was in force then ([`TenantWorld::signed`](super::TenantWorld::signed) says what is now); none where nobody knows.
    pub signed: Option<Signed>,
    /// What the consumer's verified credentials proved then, as JSON; none where nobody knows.
    pub claims: Option<Arc<str>>,
    /// The ODRL as it was agreed, byte for byte.
    pub odrl: Arc<str>,
}

impl NewAgreement {
    /// What of it decides.
    ///
    /// # Errors
    /// The text does not compile.
    pub fn compile(&self, pool: &mut TermsPool) -> Result<Agreement, ContractError> {
        Ok(self.on(pool.compile(&self.odrl)?))
    }

    /// What of it decides, its text compiled to `terms`.
    pub(super) fn on(&self, terms: Arc<Terms>) -> Agreement {
        Agreement {
            id: self.id.clone(),
            provider: self.provider,
            consumer: self.consumer,
            asset: self.asset.clone(),
            state: self.state,
            signed_at: self.signed_at,
            signed: self.signed.clone().map(Arc::new),
            terms,
        }
    }
}

impl Agreement {
    /// The agreement with its papers, as it came on record.
    pub fn with(&self, odrl: Arc<str>, claims: Option<Arc<str>>) -> NewAgreement {
        NewAgreement {
            id: self.id.clone(),
            provider: self.provider,
            consumer: self.consumer,
            asset: self.asset.clone(),
            state: self.state,
            signed_at: self.signed_at,
            signed: self.signed.as_deref().cloned(),
            claims,
            odrl,
        }
    }

    /// Whether it grants anything at `now` by its state and its dates. For indexes and lists: what a request gets is Cedar's
    /// to say.
    pub fn in_force(&self, now: Timestamp) -> bool {
        let ended = || self.terms.usage_ends(self.signed_at).is_some_and(|end| end <= now);
        self.state == AgreementState::Active && self.signed_at <= now && !ended()
    }
}

//! Agreements of a tenant: looked up by id, never scanned.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use rpds::RedBlackTreeSetSync;
use serde::{Deserialize, Serialize};

use super::model::Map;
use crate::contract::Terms;
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
    /// What was in force then; none where nobody knows.
    pub signed: Option<Signed>,
    /// What the consumer's verified credentials proved then, as JSON; none where nobody knows.
    pub claims: Option<Arc<str>>,
    /// The ODRL as it was agreed, byte for byte.
    pub odrl: Arc<str>,
    /// Its normal form, compiled; shared by all agreements with the same terms.
    pub terms: Arc<Terms>,
}

impl Agreement {
    /// Whether it grants anything at `now` by its state and its dates. For indexes and lists: what a request gets is Cedar's
    /// to say.
    pub fn in_force(&self, now: Timestamp) -> bool {
        let ended = || self.terms.usage_ends(self.signed_at).is_some_and(|end| end <= now);
        self.state == AgreementState::Active && self.signed_at <= now && !ended()
    }
}

/// The agreements of one tenant, by id; and by asset those active ones whose terms ask for exclusive usage, the earliest first.
#[derive(Clone, Debug, Default)]
pub struct Agreements {
    by_id: Map<AgreementId, Arc<Agreement>>,
    exclusive: Map<AssetId, RedBlackTreeSetSync<(Timestamp, AgreementId)>>,
}

impl Agreements {
    /// The agreement of this id.
    pub fn get(&self, id: &AgreementId) -> Option<&Arc<Agreement>> {
        self.by_id.get(id)
    }

    /// Every agreement, in no order.
    pub fn values(&self) -> impl Iterator<Item = &Arc<Agreement>> {
        self.by_id.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.size()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Takes in `agreement`, in place of what was on record under its id.
    pub fn insert(&mut self, agreement: Arc<Agreement>) {
        if let Some(before) = self.by_id.get(&agreement.id).cloned() {
            self.index(&before, |set, key| set.remove_mut(key));
        }
        if agreement.state == AgreementState::Active {
            self.index(&agreement, |set, key| {
                set.insert_mut(key.clone());
                true
            });
        }
        self.by_id.insert_mut(agreement.id.clone(), agreement);
    }

    fn index(
        &mut self,
        agreement: &Agreement,
        change: impl FnOnce(&mut RedBlackTreeSetSync<(Timestamp, AgreementId)>, &(Timestamp, AgreementId)) -> bool,
    ) {
        if !agreement.terms.exclusive() {
            return;
        }
        let mut set = self.exclusive.get(&agreement.asset).cloned().unwrap_or_default();
        if !change(&mut set, &(agreement.signed_at, agreement.id.clone())) {
            return;
        }
        if set.is_empty() {
            self.exclusive.remove_mut(&agreement.asset);
        } else {
            self.exclusive.insert_mut(agreement.asset.clone(), set);
        }
    }

    /// The earliest agreement in force on `asset` at `now` whose terms ask for exclusive usage.
    pub fn exclusive(&self, asset: &AssetId, now: Timestamp) -> Option<&Arc<Agreement>> {
        let active = self.exclusive.get(asset)?.iter();
        // In the order of signing, so after the first that is not signed yet none is.
        let mut signed = active.take_while(|(signed_at, _)| *signed_at <= now);
        signed.find_map(|(_, id)| self.by_id.get(id).filter(|agreement| agreement.in_force(now)))
    }
}

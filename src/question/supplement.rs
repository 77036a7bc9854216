//! The policies that a question brings along, for they are somebody's own and not the platform's.

use std::sync::Arc;

use cedar_policy::PolicySet;

use super::value::Action;
use crate::contract::{ContractError, Moment, Notice, Terms};
use crate::ids::Digest;
use crate::twin::{AccessRules, Lookup, RuleError};

/// A text that two companies agreed on or one laid down, compiled to policies. It is named by the digest of its normal form, which the
/// entities of the question name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Supplement {
    /// The terms of a contract.
    Terms(Arc<Terms>),
    /// The access rules of a company's digital twins.
    Rules(Arc<AccessRules>),
}

/// Bytes that are the normal form of no such text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SupplementError {
    /// Of no contract.
    #[error(transparent)]
    Terms(#[from] ContractError),
    /// Of no access rules.
    #[error(transparent)]
    Rules(#[from] RuleError),
}

impl Supplement {
    /// Reads back a normal form, for a replay.
    ///
    /// # Errors
    ///
    /// As [`Terms::from_normal_form`] or [`AccessRules::from_normal_form`], whichever it is one of.
    pub fn from_normal_form(bytes: &[u8]) -> Result<Self, SupplementError> {
        Ok(match AccessRules::is_normal_form(bytes) {
            true => Self::Rules(Arc::new(AccessRules::from_normal_form(bytes)?)),
            false => Self::Terms(Arc::new(Terms::from_normal_form(bytes)?)),
        })
    }

    /// Its name: SHA-256 of [`Supplement::canonical`].
    pub fn digest(&self) -> Digest {
        match self {
            Self::Terms(terms) => terms.digest(),
            Self::Rules(rules) => rules.digest(),
        }
    }

    /// The normal form as canonical JSON.
    pub fn canonical(&self) -> &Arc<[u8]> {
        match self {
            Self::Terms(terms) => terms.canonical(),
            Self::Rules(rules) => rules.canonical(),
        }
    }

    /// The policies that have a say where `action` is asked for; none where such a text has none at all.
    pub fn policies(&self, action: Action) -> Option<&PolicySet> {
        match self {
            Self::Terms(terms) => Some(terms.policies(moment(action)?)),
            Self::Rules(rules) => Some(rules.policies(lookup(action)?)),
        }
    }

    /// What the ids of its policies begin with.
    pub fn prefix(&self) -> String {
        let kind = match self {
            Self::Terms(_) => "terms",
            Self::Rules(_) => "rules",
        };
        let digits: String = self
            .digest()
            .to_string()
            .chars()
            .skip("sha256:".len())
            .take(16)
            .collect();
        format!("{kind}/{digits}/")
    }

    /// What it says that no machine can judge.
    pub fn notices(&self) -> Vec<Notice> {
        match self {
            Self::Terms(terms) => terms.notices(),
            Self::Rules(_) => Vec::new(),
        }
    }
}

/// The moment of a contract at which `action` is judged, if there is one. A contract says of what is handed in what it says of
/// what is handed out.
pub fn moment(action: Action) -> Option<Moment> {
    match action {
        Action::Discover => Some(Moment::Discover),
        Action::Negotiate => Some(Moment::Negotiate),
        Action::Transfer => Some(Moment::Transfer),
        Action::Access | Action::Submit => Some(Moment::Access),
        _ => None,
    }
}

/// What `action` looks up in a registry of digital twins, if anything.
pub fn lookup(action: Action) -> Option<Lookup> {
    match action {
        Action::ReadTwin => Some(Lookup::Twin),
        Action::ReadAssetId => Some(Lookup::AssetId),
        Action::ReachSubmodel => Some(Lookup::Submodel),
        _ => None,
    }
}

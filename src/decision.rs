//! The answer to a question: what each layer said, and what follows.
//!
//! The fields of every type here stand in alphabetical order and all maps are sorted, so that serialising one gives
//! canonical JSON (RFC 8785) directly; the ledger's tests hold that.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Allow or deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The request may go on.
    Allow,
    /// The request is refused.
    Deny,
}

impl fmt::Display for Effect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

/// What Cedar said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CedarAnswer {
    /// Allow only where a permit matched, no forbid did, and no policy failed to evaluate.
    pub decision: Effect,
    /// One message per policy that failed to evaluate, sorted. Cedar skips such a policy, even a forbid; here any makes the
    /// decision a deny.
    pub errors: Vec<String>,
    /// The ids of the policies that determined the decision, sorted.
    pub policies: Vec<String>,
}

/// What the IAM layer said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum IamAnswer {
    /// AWS was asked, as it would be asked by the operation.
    Evaluated {
        /// `allowed`, `explicitDeny` or `implicitDeny`, as AWS's policy simulator names them.
        decision: IamDecision,
        /// The statements that decided, as `document#sid`, sorted.
        statements: Vec<String>,
    },
    /// The action touches nothing in AWS, or there is no object to touch; the text says which.
    NotApplicable {
        /// Why AWS is not asked.
        reason: String,
    },
}

/// AWS's three answers, named as in `SimulateCustomPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IamDecision {
    /// Every layer in force allows.
    Allowed,
    /// A statement denies.
    ExplicitDeny,
    /// No statement denies, but a layer in force does not allow.
    ImplicitDeny,
}

impl IamDecision {
    /// The answer as AWS spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::ExplicitDeny => "explicitDeny",
            Self::ImplicitDeny => "implicitDeny",
        }
    }
}

impl fmt::Display for IamDecision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The decision: both layers' answers and what follows from them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What Cedar said.
    pub cedar: CedarAnswer,
    /// Allow only where both layers do.
    pub effect: Effect,
    /// What the IAM layer said.
    pub iam: IamAnswer,
}

impl Decision {
    /// Joins the layers: both must allow; a layer that is not applicable does not object.
    pub fn join(cedar: CedarAnswer, iam: IamAnswer) -> Self {
        let iam_allows = match &iam {
            IamAnswer::Evaluated { decision, .. } => *decision == IamDecision::Allowed,
            IamAnswer::NotApplicable { .. } => true,
        };
        let effect = if cedar.decision == Effect::Allow && iam_allows {
            Effect::Allow
        } else {
            Effect::Deny
        };
        Self { cedar, effect, iam }
    }

    /// Whether the layers contradict each other: Cedar allows what AWS would refuse. (AWS allowing what Cedar refuses is
    /// ordinary for contracts: a role can read its tenant's object, but no partner may see it without an agreement.)
    pub fn layers_disagree(&self) -> bool {
        self.cedar.decision == Effect::Allow && self.effect == Effect::Deny
    }
}

//! The whole of a sign-in: what the pool maps, asked of the role's trust policy.

use std::collections::BTreeMap;

use super::claims::IdToken;
use super::pool::{IdentityPool, NoRole};
use crate::decision::IamDecision;
use crate::iam::Account;
use crate::iam::account::Answer;

/// Someone who fetches credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Who it is; none for a guest.
    pub person: Option<Person>,
    /// How they go about it.
    pub call: Call,
}

/// Someone who signed in to the user pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their token. It says what was true when it was issued.
    pub token: IdToken,
    /// Whether they were deleted, or signed out everywhere, since the token was issued.
    pub signed_out: bool,
}

/// The two flows of an identity pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `GetCredentialsForIdentity`: the pool chooses the role.
    Enhanced {
        /// `CustomRoleArn`.
        custom_role: Option<String>,
    },
    /// `GetOpenIdToken` and `AssumeRoleWithWebIdentity`: the caller names the role, and no tags come of claims.
    Classic {
        /// The ARN.
        role: String,
    },
}

/// What a sign-in gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The ARN of the role they are of.
    pub role: String,
    /// The session's tags.
    pub tags: BTreeMap<String, String>,
}

/// Why a sign-in gives nothing, by the step that refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The pool has no guests.
    #[error("the identity pool has no guests")]
    Guests,
    /// The person was deleted or signed out, and the pool looks.
    #[error("the person was deleted or signed out since")]
    SignedOut,
    /// The classic flow is off.
    #[error("the identity pool has the classic flow off")]
    ClassicFlow,
    /// The mapping gives no role.
    #[error("the identity pool maps to no role: {0}")]
    NoRole(NoRole),
    /// The trust policy of the role does not allow it.
    #[error("the trust policy of `{role}` does not allow `{action}`: {}", answer.decision)]
    Trust {
        /// The role's ARN.
        role: String,
        /// The action that is refused.
        action: &'static str,
        /// What the trust policy says.
        answer: Answer,
    },
}

impl Refusal {
    /// The reason's stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Guests => "guests",
            Self::SignedOut => "signed-out",
            Self::ClassicFlow => "classic-flow",
            Self::NoRole(NoRole::CustomRole) => "custom-role",
            Self::NoRole(NoRole::Ambiguous) => "ambiguous",
            Self::NoRole(NoRole::NoDefaultRole) => "no-default-role",
            Self::NoRole(NoRole::TooManyRules) => "too-many-rules",
            Self::NoRole(NoRole::ListClaim) => "list-claim",
            Self::Trust { .. } => "trust",
        }
    }

    /// The role that was chosen, where it came that far.
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::Trust { role, .. } => Some(role),
            _ => None,
        }
    }
}

/// What the identity pool asks of STS, or lets the caller ask.
struct Asked {
    role: String,
    amr: &'static str,
    tags: BTreeMap<String, String>,
}

impl Account {
    /// The credentials that a sign-in at an identity pool of this account gives.
    ///
    /// # Errors
    /// The first step that refuses, in the order of the [module](super).
    pub fn sign_in(&self, pool: &IdentityPool, sign_in: &SignIn) -> Result<Credentials, Refusal> {
        let Asked { role, amr, tags } = asked(pool, sign_in)?;
        let tagging = (!tags.is_empty()).then_some("sts:TagSession");
        for action in ["sts:AssumeRoleWithWebIdentity"].into_iter().chain(tagging) {
            let answer = self.answer(&self.vouched_for(action, &role, amr, &tags), None);
            if answer.decision != IamDecision::Allowed {
                return Err(Refusal::Trust { role, action, answer });
            }
        }
        Ok(Credentials { role, tags })
    }
}

fn asked(pool: &IdentityPool, sign_in: &SignIn) -> Result<Asked, Refusal> {
    match &sign_in.person {
        None if !pool.allow_unauthenticated_identities => return Err(Refusal::Guests),
        Some(person) if person.signed_out && pool.server_side_token_check => return Err(Refusal::SignedOut),
        _ => {}
    }
    let amr = match sign_in.person {
        None => "unauthenticated",
        Some(_) => "authenticated",
    };
    let custom_role = match &sign_in.call {
        Call::Classic { .. } if !pool.allow_classic_flow => return Err(Refusal::ClassicFlow),
        Call::Classic { role } => {
            return Ok(Asked {
                role: role.clone(),
                amr,
                tags: BTreeMap::new(),
            });
        }
        Call::Enhanced { custom_role } => custom_role.as_deref(),
    };
    let Some(person) = &sign_in.person else {
        return match (custom_role, &pool.roles.unauthenticated) {
            (None, Some(role)) => Ok(Asked {
                role: role.clone(),
                amr,
                tags: BTreeMap::new(),
            }),
            (None, None) => Err(Refusal::NoRole(NoRole::NoDefaultRole)),
            (Some(_), _) => Err(Refusal::NoRole(NoRole::CustomRole)),
        };
    };
    let role = pool.role_for(&person.token, custom_role).map_err(Refusal::NoRole)?;
    let tags = pool.tags_for(&person.token);
    Ok(Asked { role, amr, tags })
}

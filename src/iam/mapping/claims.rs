//! The user pool's part: groups become claims of the ID token.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A group of a user pool (API of cognito-idp, `GroupType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `GroupName`.
    pub name: String,
    /// `RoleArn`: the role its people have.
    pub role: Option<String>,
    /// `Precedence`: 0 is the best, none the worst.
    pub precedence: Option<u32>,
}

/// What the ID token says of a person's roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleClaims {
    /// `cognito:roles`: the ARNs of all groups; absent where there are none.
    pub roles: BTreeSet<String>,
    /// `cognito:preferred_role`.
    pub preferred: Option<String>,
}

impl RoleClaims {
    /// The claims of a person in these groups: all their roles, and as the preferred one that of the groups of the best precedence,
    /// where these agree on one ("Adding groups to a user pool", on precedence). The order of the groups means nothing.
    pub fn of<'g>(groups: impl IntoIterator<Item = &'g Group>) -> Self {
        let mut by_rank: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
        for group in groups {
            if let Some(role) = &group.role {
                let rank = group.precedence.map_or(u64::MAX, u64::from);
                by_rank.entry(rank).or_default().insert(role);
            }
        }
        let mut best = by_rank.values().next().into_iter().flatten();
        let preferred = best.next().filter(|_| best.next().is_none());
        Self {
            preferred: preferred.map(|role| (*role).to_owned()),
            roles: by_rank.values().flatten().map(|role| (*role).to_owned()).collect(),
        }
    }
}

/// An ID token of the user pool, as far as the identity pool looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdToken {
    /// The claims that come of groups.
    pub roles: RoleClaims,
    /// All other claims that are texts, such as `custom:bpnl`.
    pub claims: BTreeMap<String, String>,
}

impl IdToken {
    /// A claim that is a text. `cognito:roles` is one, with commas.
    pub(super) fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "cognito:preferred_role" => self.roles.preferred.as_deref().map(Cow::Borrowed),
            "cognito:roles" if self.roles.roles.is_empty() => None,
            "cognito:roles" => {
                let roles: Vec<_> = self.roles.roles.iter().map(String::as_str).collect();
                Some(roles.join(",").into())
            }
            _ => self.claims.get(name).map(|value| value.as_str().into()),
        }
    }
}

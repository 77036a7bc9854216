//! The identity pool's part: claims become one role.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::claims::IdToken;

/// The most rules a provider's mapping may have (API of cognito-identity, `RulesConfigurationType`).
pub const MAX_RULES: usize = 25;

/// The claim that is a list.
const GROUPS: &str = "cognito:groups";

/// An identity pool with one provider, the user pool: what `CreateIdentityPool`, `SetIdentityPoolRoles` and
/// `SetPrincipalTagAttributeMap` say of it, in AWS's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct IdentityPool {
    /// Whether callers may take the pool's token to STS and name a role themselves.
    pub allow_classic_flow: bool,
    /// Whether there are guests.
    pub allow_unauthenticated_identities: bool,
    /// Whether the pool asks the user pool if the person was deleted or signed out everywhere.
    pub server_side_token_check: bool,
    /// The roles of whom no mapping gives one.
    #[serde(default)]
    pub roles: PoolRoles,
    /// How the user pool's people come to a role.
    pub role_mapping: RoleMapping,
    /// Session tags: key, and the claim whose value it gets.
    pub principal_tags: BTreeMap<String, String>,
}

/// `Roles` of `SetIdentityPoolRoles`: ARNs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolRoles {
    /// The default role of those who signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticated: Option<String>,
    /// The guests' role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unauthenticated: Option<String>,
}

/// `RoleMapping` of cognito-identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "Type", deny_unknown_fields)]
pub enum RoleMapping {
    /// The token's own `cognito:roles` and `cognito:preferred_role`.
    Token {
        /// Where they name no one role.
        #[serde(rename = "AmbiguousRoleResolution")]
        ambiguous: Ambiguous,
    },
    /// Rules over the token's claims.
    Rules {
        /// Where no rule matches.
        #[serde(rename = "AmbiguousRoleResolution")]
        ambiguous: Ambiguous,
        /// The rules.
        #[serde(rename = "RulesConfiguration")]
        configuration: Rules,
    },
}

/// `AmbiguousRoleResolution`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ambiguous {
    /// The pool's default role.
    AuthenticatedRole,
    /// None.
    Deny,
}

/// `RulesConfiguration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Rules {
    /// In order; the first that matches gives the role.
    pub rules: Vec<Rule>,
}

/// `MappingRule`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Rule {
    /// The claim that is looked at.
    pub claim: String,
    /// How its value is compared.
    pub match_type: MatchType,
    /// With what.
    pub value: String,
    /// The role of who matches.
    #[serde(rename = "RoleARN")]
    pub role: String,
}

/// `MatchType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchType {
    /// The claim is the value.
    Equals,
    /// The claim is there and is another.
    NotEqual,
    /// The claim begins with the value.
    StartsWith,
    /// The value is somewhere in the claim.
    Contains,
}

/// Why a token gets no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoRole {
    /// `CustomRoleArn` names a role the person may not choose.
    #[error("the role that was asked for is none of the person's")]
    CustomRole,
    /// No one role, and the pool denies then.
    #[error("the token names no one role, and the pool gives none then")]
    Ambiguous,
    /// No one role, and the pool's default role is not set.
    #[error("the token names no one role, and the pool has no default role")]
    NoDefaultRole,
    /// More rules than there may be; AWS takes no such mapping.
    #[error("the mapping has more than {MAX_RULES} rules")]
    TooManyRules,
    /// A rule about a list, of which the documentation does not say how it is compared.
    #[error("a rule is about `cognito:groups`, and how a list is compared is not documented")]
    ListClaim,
}

impl Rule {
    /// Whether the token matches. A claim that is not there matches nothing: neither `NotEqual`.
    fn matches(&self, token: &IdToken) -> bool {
        let value = self.value.as_str();
        token.claim(&self.claim).is_some_and(|claim| match self.match_type {
            MatchType::Equals => claim == value,
            MatchType::NotEqual => claim != value,
            MatchType::StartsWith => claim.starts_with(value),
            MatchType::Contains => claim.contains(value),
        })
    }
}

impl RoleMapping {
    /// What is done where there is no one role.
    pub fn ambiguous(&self) -> Ambiguous {
        match self {
            Self::Token { ambiguous } | Self::Rules { ambiguous, .. } => *ambiguous,
        }
    }

    /// The rules; none under Token mapping.
    pub fn rules(&self) -> &[Rule] {
        match self {
            Self::Token { .. } => &[],
            Self::Rules { configuration, .. } => &configuration.rules,
        }
    }
}

impl IdentityPool {
    /// The ARN of the role that a person's credentials are for. `custom` is `CustomRoleArn`, the caller's wish.
    ///
    /// # Errors
    /// Why there is none.
    pub fn role_for(&self, token: &IdToken, custom: Option<&str>) -> Result<String, NoRole> {
        let own: Vec<&str> = match &self.role_mapping {
            RoleMapping::Token { .. } => token.roles.roles.iter().map(String::as_str).collect(),
            RoleMapping::Rules { configuration, .. } => matching(&configuration.rules, token)?,
        };
        if let Some(custom) = custom {
            return match own.contains(&custom) {
                true => Ok(custom.to_owned()),
                false => Err(NoRole::CustomRole),
            };
        }
        let chosen = match &self.role_mapping {
            RoleMapping::Token { .. } => token.roles.preferred.as_deref(),
            RoleMapping::Rules { .. } => own.first().copied(),
        };
        match (chosen, self.role_mapping.ambiguous()) {
            (Some(role), _) => Ok(role.to_owned()),
            (None, Ambiguous::Deny) => Err(NoRole::Ambiguous),
            (None, Ambiguous::AuthenticatedRole) => self.roles.authenticated.clone().ok_or(NoRole::NoDefaultRole),
        }
    }

    /// The session tags a token gives. A claim that is not there gives none.
    pub fn tags_for(&self, token: &IdToken) -> BTreeMap<String, String> {
        let tag = |(key, claim): (&String, &String)| Some((key.clone(), token.claim(claim)?.into_owned()));
        self.principal_tags.iter().filter_map(tag).collect()
    }
}

/// The roles of the rules that match, in order.
fn matching<'r>(rules: &'r [Rule], token: &IdToken) -> Result<Vec<&'r str>, NoRole> {
    if rules.len() > MAX_RULES {
        return Err(NoRole::TooManyRules);
    }
    if rules.iter().any(|rule| rule.claim == GROUPS) {
        return Err(NoRole::ListClaim);
    }
    let matched = rules.iter().filter(|rule| rule.matches(token));
    Ok(matched.map(|rule| rule.role.as_str()).collect())
}

//! A tenant's groups in a user pool that tenants share, and the identity pool that maps them to roles.
//!
//! A tenant has a group for each company role, named `{bpnl}.{company role}` ([`TenantGroup`]). Which company roles there are is
//! said by the policies: whatever a policy of the bundle names is one. Which of them come with the tenant's IAM role is asked of
//! Cedar: those whose people, with that company role alone, may `assumeRole`. So a policy that is changed changes the groups, and
//! what people can fetch from AWS themselves is what they could fetch from Tidegate.
//!
//! Groups that carry the role have the best precedence, 0; the others follow by name and carry none. A person in several groups
//! of one tenant has one role to choose from, whichever groups these are; one in groups of two tenants has two that tie, and is
//! given neither.
//!
//! The identity pool maps by token and denies where the token names no one role. It has no guests, no default role and no classic
//! flow, looks whether a login is still good, and tags each session with the claim `custom:bpnl`. What comes of all this is in
//! [`crate::iam::mapping`].
//!
//! This stands above both layers and not in either: it takes the names of AWS from one and the answers of the other.
//!
//! # Worked example
//!
//! ```
//! # use tidegate::bundle::{Bundle, Source};
//! use tidegate::groups;
//! use tidegate::iam::Isolation;
//! # let bundle = Bundle::load(Source::built_in()).unwrap();
//! let now = "2026-11-21T09:00:00Z".parse().unwrap();
//! let groups = groups::of_tenant(&bundle, Isolation::Role, "BPNL000000000DWF".parse().unwrap(), now)?;
//! let shown: Vec<_> = groups.iter().map(|group| (group.name.as_str(), group.precedence, group.role.is_some())).collect();
//! assert_eq!(shown[0], ("BPNL000000000DWF.admin", Some(0), true));
//! assert!(shown[1..].iter().all(|(_, precedence, carries)| *precedence > Some(0) && !carries));
//! # Ok::<(), tidegate::groups::GroupsError>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::bundle::Bundle;
use crate::cedar;
use crate::decision::Effect;
use crate::iam::Isolation;
use crate::iam::mapping::{Ambiguous, Group, IdentityPool, PoolRoles, RoleMapping};
use crate::ids::{CompanyRole, GroupNames, IdError, TenantGroup, TenantId, UserName};
use crate::question::EntityKind;
use crate::question::ask::{self, UserFacts};
use crate::registry::{Guarantee, Identity, Tenant, TenantState};

/// The claim that says of which tenant a person is. People must not be able to change it.
pub const TENANT_CLAIM: &str = "custom:bpnl";

/// The session tag that is made of it.
const TENANT_TAG: &str = "bpnl";

/// Why a tenant's groups cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupsError {
    /// A policy names a company role that no group can be named after.
    #[error("a policy names a company role that no group can be named after: {0}; rename it in the policies")]
    Role(IdError),
    /// The name of the person who is asked about is none.
    #[error("{0}")]
    Person(IdError),
}

/// The company roles there are: all that a policy of the bundle names.
///
/// # Errors
/// [`GroupsError::Role`].
pub fn company_roles(bundle: &Bundle) -> Result<BTreeSet<CompanyRole>, GroupsError> {
    let kind = format!("Tidegate::{}", EntityKind::CompanyRole);
    let literals = bundle.policies.policies().flat_map(|policy| policy.entity_literals());
    literals
        .filter(|literal| literal.type_name().to_string() == kind)
        .map(|literal| literal.id().unescaped().parse().map_err(GroupsError::Role))
        .collect()
}

/// The groups that `tenant` should have: one for each company role, with the tenant's role on those whose people may take it on.
/// They come in order of precedence. `now` is when it is asked.
///
/// # Errors
/// See [`GroupsError`].
pub fn of_tenant(
    bundle: &Bundle,
    isolation: Isolation,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Vec<Group>, GroupsError> {
    let mut carrying = Vec::new();
    let mut others = Vec::new();
    for role in company_roles(bundle)? {
        match may_assume(bundle, tenant, &role, now)? {
            true => carrying.push(role),
            false => others.push(role),
        }
    }
    let name = |role: CompanyRole| TenantGroup { tenant, role }.to_string();
    let arn = bundle.account.names().role_arn(isolation, tenant);
    let first = carrying.into_iter().map(|role| Group {
        name: name(role),
        role: Some(arn.clone()),
        precedence: Some(0),
    });
    let rest = (1..).zip(others).map(|(precedence, role)| Group {
        name: name(role),
        role: None,
        precedence: Some(precedence),
    });
    Ok(first.chain(rest).collect())
}

/// The identity pool's settings. They are the same for all tenants, whichever way these are kept apart.
pub fn identity_pool() -> IdentityPool {
    IdentityPool {
        allow_classic_flow: false,
        allow_unauthenticated_identities: false,
        server_side_token_check: true,
        roles: PoolRoles::default(),
        role_mapping: RoleMapping::Token {
            ambiguous: Ambiguous::Deny,
        },
        principal_tags: BTreeMap::from([(TENANT_TAG.to_owned(), TENANT_CLAIM.to_owned())]),
    }
}

/// Whether a person of `tenant` with `role` and no other may take the tenant's role on. The tenant is taken to be active, for its
/// groups are made before it is, and the person to be nobody in particular.
fn may_assume(bundle: &Bundle, tenant: TenantId, role: &CompanyRole, now: Timestamp) -> Result<bool, GroupsError> {
    let name: UserName = "someone".parse().map_err(GroupsError::Person)?;
    let tenant = hypothetical(tenant);
    let roles = BTreeSet::from([role.clone()]);
    let person = UserFacts {
        tenant: &tenant,
        name: &name,
        roles: &roles,
    };
    let question = ask::assume_role(&person, &tenant, now);
    Ok(cedar::answer(&bundle.index, &bundle.schema, &question).decision == Effect::Allow)
}

/// An active tenant of which nothing else is known.
fn hypothetical(id: TenantId) -> Tenant {
    Tenant {
        id,
        name: String::new(),
        state: TenantState::Active,
        identity: Identity {
            issuer: String::new(),
            jwks: String::new(),
            resource_server: String::new(),
            connectors: BTreeSet::new(),
            integrations: BTreeSet::new(),
            user_clients: BTreeSet::new(),
            not_before: None,
            groups: GroupNames::Prefixed,
        },
        disabled_users: Default::default(),
        connector: None,
        ledger: Guarantee::Strict,
        secrets: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests;

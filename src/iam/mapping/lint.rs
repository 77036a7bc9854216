//! What in an identity pool's settings opens more than is meant, whoever signs in.

use std::collections::BTreeSet;

use super::pool::{Ambiguous, IdentityPool, MAX_RULES, MatchType, Rule};
use crate::iam::{AwsNames, OwnRole};
use crate::ids::TenantId;

/// The session tag that every trust policy of ours asks for.
const TENANT: &str = "bpnl";

/// What the settings themselves do not say.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The attributes that people can change themselves, through any app client of the user pool, as claims are named: `email`,
    /// `custom:bpnl`.
    pub writable: BTreeSet<String>,
    /// ARNs of roles that grant nothing.
    pub empty_roles: BTreeSet<String>,
}

/// Something that opens more than is meant. Rules are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// Callers may name any role themselves.
    #[error(
        "`AllowClassicFlow` is on: callers name their role themselves, and only trust policies stand between; turn it off"
    )]
    ClassicFlow,
    /// There are guests, or a role for them.
    #[error("the pool has guests, or a role for them: whoever has no account gets credentials; take both away")]
    Guests,
    /// Who signed out or was deleted keeps coming in.
    #[error(
        "`ServerSideTokenCheck` is off: who was deleted or signed out gets credentials until their token expires; turn it on"
    )]
    TokenCheckOff,
    /// Who is in no group gets a role that grants something.
    #[error(
        "whom no mapping gives a role gets `{role}`, which is not known to grant nothing; set `AmbiguousRoleResolution` to `Deny`"
    )]
    DefaultRole {
        /// The role's ARN.
        role: String,
    },
    /// People choose their own role.
    #[error(
        "rule {rule} goes by the claim `{claim}`, which people can change themselves; make it immutable or read-only to every app client"
    )]
    WritableClaim {
        /// Which rule.
        rule: usize,
        /// The claim.
        claim: String,
    },
    /// People choose whom their session acts for.
    #[error(
        "the session tag `{tag}` comes of the claim `{claim}`, which people can change themselves; make it immutable or read-only to every app client"
    )]
    WritableTag {
        /// The tag's key.
        tag: String,
        /// The claim.
        claim: String,
    },
    /// AWS does not take so many.
    #[error("the mapping has {0} rules, and there may be {MAX_RULES}; map by token instead")]
    TooManyRules(usize),
    /// A tenant's role for others than that tenant.
    #[error(
        "rule {rule} gives the role of {tenant} to whoever matches `{value}`; a rule for a tenant's role must equal that tenant's number"
    )]
    OtherTenant {
        /// Which rule.
        rule: usize,
        /// Whose role it gives.
        tenant: TenantId,
        /// The value it goes by.
        value: String,
    },
    /// A role that is no tenant's.
    #[error("rule {rule} gives `{role}`, which is no role that tenants' sessions have")]
    NoTenantRole {
        /// Which rule.
        rule: usize,
        /// The role's ARN.
        role: String,
    },
    /// No trust policy will admit anyone.
    #[error("no claim gives the session tag `{TENANT}`: every trust policy asks for it, so nobody gets credentials")]
    NoTenantTag,
}

impl Finding {
    /// The kind's stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ClassicFlow => "classic-flow",
            Self::Guests => "guests",
            Self::TokenCheckOff => "token-check-off",
            Self::DefaultRole { .. } => "default-role",
            Self::WritableClaim { .. } => "writable-claim",
            Self::WritableTag { .. } => "writable-tag",
            Self::TooManyRules(_) => "too-many-rules",
            Self::OtherTenant { .. } => "other-tenant",
            Self::NoTenantRole { .. } => "no-tenant-role",
            Self::NoTenantTag => "no-tenant-tag",
        }
    }
}

/// Looks an identity pool's settings over; what it finds first stands first.
pub fn lint(pool: &IdentityPool, names: &AwsNames, known: &Known) -> Vec<Finding> {
    let mut findings = Vec::new();
    if pool.allow_classic_flow {
        findings.push(Finding::ClassicFlow);
    }
    if pool.allow_unauthenticated_identities || pool.roles.unauthenticated.is_some() {
        findings.push(Finding::Guests);
    }
    if !pool.server_side_token_check {
        findings.push(Finding::TokenCheckOff);
    }
    if pool.role_mapping.ambiguous() == Ambiguous::AuthenticatedRole {
        let default = pool.roles.authenticated.iter();
        let granting = default.filter(|role| !known.empty_roles.contains(*role));
        findings.extend(granting.map(|role| Finding::DefaultRole { role: role.clone() }));
    }
    let rules = pool.role_mapping.rules();
    if rules.len() > MAX_RULES {
        findings.push(Finding::TooManyRules(rules.len()));
    }
    for (index, rule) in rules.iter().enumerate() {
        findings.extend(of_rule(index + 1, rule, names, known));
    }
    for (tag, claim) in &pool.principal_tags {
        if known.writable.contains(claim) {
            let (tag, claim) = (tag.clone(), claim.clone());
            findings.push(Finding::WritableTag { tag, claim });
        }
    }
    if !pool.principal_tags.contains_key(TENANT) {
        findings.push(Finding::NoTenantTag);
    }
    findings
}

fn of_rule(number: usize, rule: &Rule, names: &AwsNames, known: &Known) -> Vec<Finding> {
    let mut findings = Vec::new();
    if known.writable.contains(&rule.claim) {
        findings.push(Finding::WritableClaim {
            rule: number,
            claim: rule.claim.clone(),
        });
    }
    match names.own_role(&rule.role) {
        Some(OwnRole::Tenant(tenant)) if rule.match_type != MatchType::Equals || rule.value != tenant.as_str() => {
            findings.push(Finding::OtherTenant {
                rule: number,
                tenant,
                value: rule.value.clone(),
            });
        }
        Some(OwnRole::Tenant(_) | OwnRole::Pool) => {}
        _ => findings.push(Finding::NoTenantRole {
            rule: number,
            role: rule.role.clone(),
        }),
    }
    findings
}

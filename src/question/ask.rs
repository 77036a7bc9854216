//! From facts to questions: one function per thing that can be asked.
//!
//! Each takes what was verified (claims) and looked up (the registry) and returns the question with exactly the entities a
//! policy can reach. Here, and nowhere else, it is settled which fact becomes which attribute; no function decides anything.

mod exchange;
mod slice;
mod twin;

use std::collections::BTreeSet;

use jiff::Timestamp;

pub use self::exchange::{ExchangeFacts, access, offer, submit, transfer};
use self::slice::{Slice, owned};
pub use self::twin::{TwinFacts, access_rules, asset_id, submodel, twin};
use super::Question;
use super::value::{Action, EntityKind, EntityRef, Value};
use crate::ids::{ClientId, CompanyRole, OperatorName, OperatorRole, PcfId, SecretName, UserName};
use crate::registry::{Footprint, Tenant};

/// A person of a tenant, as their token proved them.
#[derive(Clone, Debug)]
pub struct UserFacts<'a> {
    /// The tenant whose verifier accepted the token, and its record.
    pub tenant: &'a Tenant,
    /// The user name the issuer vouches for.
    pub name: &'a UserName,
    /// The groups the issuer vouches for.
    pub roles: &'a BTreeSet<CompanyRole>,
}

fn plain(now: Timestamp) -> [(&'static str, Value); 1] {
    [("now", Value::DateTime(now))]
}

/// The Cedar entity id of an operator.
pub fn operator_id(name: &OperatorName) -> String {
    EntityRef::new(EntityKind::Operator, name.as_str()).to_string()
}

/// May this operator, who has these roles, do `action` with the tenant as a whole?
pub fn tenancy(
    operator: &OperatorName,
    roles: &BTreeSet<OperatorRole>,
    action: Action,
    tenant: &Tenant,
    now: Timestamp,
) -> Question {
    let mut slice = Slice::default();
    let roles = roles
        .iter()
        .map(|role| EntityRef::new(EntityKind::OperatorRole, role.as_str()));
    let roles: BTreeSet<_> = roles.collect();
    // Who is not an operator any more is not in the configuration.
    let enabled = [("enabled", Value::Bool(true))];
    let principal = slice.add(EntityKind::Operator, operator.as_str(), enabled, roles);
    let resource = slice.tenant(tenant);
    slice.ask(principal, action, resource, plain(now))
}

/// May this person take credentials of the role of the tenant of the route?
pub fn assume_role(user: &UserFacts<'_>, tenant: &Tenant, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let principal = slice.user(user);
    let owner = slice.tenant(tenant);
    let resource = slice.add(EntityKind::AwsRole, tenant.id.as_str(), [("tenant", owner.into())], []);
    slice.ask(principal, Action::AssumeRole, resource, plain(now))
}

/// May this person do `action` with the secret `name` of the tenant of the route? `suffix` is that of the secret's ARN,
/// where there is such a secret.
pub fn secret(
    user: &UserFacts<'_>,
    tenant: &Tenant,
    action: Action,
    name: &SecretName,
    suffix: Option<&str>,
    now: Timestamp,
) -> Question {
    let mut slice = Slice::default();
    let principal = slice.user(user);
    let owner = slice.tenant(tenant);
    let attrs = [("tenant", owner.into()), ("name", Value::from(name.as_str()))];
    let resource = slice.add(EntityKind::Secret, owned(tenant.id, name.as_str()), attrs, []);
    slice.set(&resource, "suffix", suffix.map(Value::from));
    slice.ask(principal, action, resource, plain(now))
}

/// May this supplier system of `tenant` hand in footprints at all?
pub fn ingest(tenant: &Tenant, client: &ClientId, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let owner = slice.tenant(tenant);
    let principal = integration(&mut slice, tenant, client);
    let resource = slice.add(
        EntityKind::FootprintStore,
        tenant.id.as_str(),
        [("tenant", owner.into())],
        [],
    );
    slice.ask(principal, Action::Ingest, resource, plain(now))
}

/// May this supplier system of `tenant` store this footprint under the tenant's prefix?
pub fn write_footprint(tenant: &Tenant, client: &ClientId, footprint: &Footprint, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let principal = integration(&mut slice, tenant, client);
    let resource = slice.footprint(tenant, &footprint.id, Some(footprint));
    slice.ask(principal, Action::WriteFootprint, resource, plain(now))
}

fn integration(slice: &mut Slice, tenant: &Tenant, client: &ClientId) -> EntityRef {
    let owner = slice.tenant(tenant);
    let attrs = [("tenant", owner.into()), ("enabled", Value::Bool(true))];
    slice.add(EntityKind::Integration, owned(tenant.id, client.as_str()), attrs, [])
}

/// May this person do `action` with one footprint of the tenant of the route?
pub fn footprint(
    user: &UserFacts<'_>,
    tenant: &Tenant,
    action: Action,
    pcf: &PcfId,
    found: Option<&Footprint>,
    now: Timestamp,
) -> Question {
    let mut slice = Slice::default();
    let principal = slice.user(user);
    let resource = slice.footprint(tenant, pcf, found);
    slice.ask(principal, action, resource, plain(now))
}

/// May this person see ([`Action::ListAgreements`]) or end ([`Action::RetireAgreement`]) agreements of the tenant of the route?
pub fn agreements(user: &UserFacts<'_>, tenant: &Tenant, action: Action, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let principal = slice.user(user);
    let owner = slice.tenant(tenant);
    let attrs = [("tenant", owner.into())];
    let resource = slice.add(EntityKind::AgreementStore, tenant.id.as_str(), attrs, []);
    slice.ask(principal, action, resource, plain(now))
}

/// May this person read ([`Action::ReadLedger`]) or replay the log of the tenant of the route?
pub fn ledger(user: &UserFacts<'_>, tenant: &Tenant, action: Action, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let principal = slice.user(user);
    let owner = slice.tenant(tenant);
    let resource = slice.add(EntityKind::Ledger, tenant.id.as_str(), [("tenant", owner.into())], []);
    slice.ask(principal, action, resource, plain(now))
}

//! From facts to questions: one function per thing that can be asked.
//!
//! Each takes what was verified (claims) and looked up (the registry) and returns the question with exactly the entities a
//! policy can reach. Here, and nowhere else, it is settled which fact becomes which attribute; no function decides anything.

mod exchange;
mod slice;
mod twin;

use std::collections::BTreeSet;

use jiff::Timestamp;

pub use self::exchange::{ExchangeFacts, Via, access, offer, pact, submit, transfer};
use self::slice::Slice;
pub use self::twin::{LookupFacts, TwinFacts, access_rules, asset_id, submodel, twin};
use super::Question;
use super::value::{Action, EntityKind, EntityRef, Value};
use crate::ids::{ClientId, CompanyRole, OperatorName, OperatorRole, PcfId, SecretName, UserName};
use crate::registry::{Footprint, Integration, Tenant};

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
    let resource = slice.secret(tenant, name, suffix);
    slice.ask(principal, action, resource, plain(now))
}

/// A supplier system of a tenant, as what it proved itself by is on record.
#[derive(Clone, Copy, Debug)]
pub struct SystemFacts<'a> {
    /// Whose it is.
    pub tenant: &'a Tenant,
    /// Which it is.
    pub system: System<'a>,
}

/// Which supplier system it is.
#[derive(Clone, Copy, Debug)]
pub enum System<'a> {
    /// One with a document.
    Integration(&'a Integration),
    /// A client that the tenant's identity names: it has no document, so it is there for all products.
    Client(&'a ClientId),
}

impl<'a> SystemFacts<'a> {
    /// Its id among its tenant's.
    pub fn id(&self) -> &'a str {
        match self.system {
            System::Integration(integration) => integration.id.as_str(),
            System::Client(client) => client.as_str(),
        }
    }

    /// Its document, where it has one.
    pub fn document(&self) -> Option<&'a Integration> {
        match self.system {
            System::Integration(integration) => Some(integration),
            System::Client(_) => None,
        }
    }
}

/// May this supplier system hand footprints in to its tenant at all?
pub fn ingest(system: &SystemFacts<'_>, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let tenant = system.tenant;
    let owner = slice.tenant(tenant);
    let principal = slice.system(system);
    let attrs = [("tenant", owner.into())];
    let resource = slice.add(EntityKind::FootprintStore, tenant.id.as_str(), attrs, []);
    slice.ask(principal, Action::Ingest, resource, plain(now))
}

/// May this supplier system store this footprint under its tenant's prefix?
pub fn write_footprint(system: &SystemFacts<'_>, footprint: &Footprint, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let principal = slice.system(system);
    let resource = slice.footprint(system.tenant, &footprint.id, Some(footprint));
    if system.document().is_some_and(|document| !document.products.is_empty()) {
        let spaces = footprint.product_spaces().into_iter().map(Value::from);
        slice.set(&resource, "productSpaces", Some(Value::Set(spaces.collect())));
    }
    slice.ask(principal, Action::WriteFootprint, resource, plain(now))
}

/// May this secret of the tenant be read to fetch footprints from this supplier system? `suffix` is that of the secret's ARN,
/// where there is such a secret.
pub fn fetch_secret(system: &SystemFacts<'_>, name: &SecretName, suffix: Option<&str>, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let principal = slice.system(system);
    let resource = slice.secret(system.tenant, name, suffix);
    slice.ask(principal, Action::ReadSecret, resource, plain(now))
}

/// May this person see which supplier systems the tenant of the route has?
pub fn integrations(user: &UserFacts<'_>, tenant: &Tenant, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let principal = slice.user(user);
    let owner = slice.tenant(tenant);
    let attrs = [("tenant", owner.into())];
    let resource = slice.add(EntityKind::IntegrationStore, tenant.id.as_str(), attrs, []);
    slice.ask(principal, Action::ListIntegrations, resource, plain(now))
}

/// May this person make this the supplier system of its id, in place of what there is under it?
pub fn integration(user: &UserFacts<'_>, tenant: &Tenant, integration: &Integration, now: Timestamp) -> Question {
    let mut slice = Slice::default();
    let principal = slice.user(user);
    let system = System::Integration(integration);
    let resource = slice.system(&SystemFacts { tenant, system });
    slice.ask(principal, Action::ManageIntegration, resource, plain(now))
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

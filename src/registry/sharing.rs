//! What tenants may share of an issuer, and what would make one's people or machines the other's.
//!
//! A tenant's verifier knows a token by its issuer, its client, and either a scope of the tenant's own resource server or the groups of
//! a person. Where two tenants have all of these in common, a token of one is as good at the other. So:
//!
//! - no two tenants have an issuer and a resource server in common, for then a scope is both's;
//! - no two have an issuer and a machine's client in common, for then what a machine does is both's;
//! - where two have an issuer and a client in common that people sign in through, both name their groups `{bpnl}.{company role}`
//!   ([`GroupNames::Prefixed`]): of a group `admin` nobody could tell whose admin it is.
//!
//! Issuers are compared as tokens are held to them: letter by letter.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::integration::Integration;
use super::model::{Tenant, TenantWorld};
use crate::ids::{ClientId, GroupNames, TenantId};

/// Two tenants that cannot be told apart, and by what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shared {
    /// One scope means both.
    #[error(
        "the tenants {one} and {other} have the issuer `{issuer}` and the resource server `{server}` in common, so that a scope would \
         open both; give each a resource server of its own (`identity.resource_server`)"
    )]
    ResourceServer {
        /// A tenant.
        one: TenantId,
        /// The other.
        other: TenantId,
        /// Their issuer.
        issuer: String,
        /// Their resource server.
        server: String,
    },
    /// A machine of both, or one's machine and the other's people.
    #[error(
        "the tenants {one} and {other} have the issuer `{issuer}` and the client `{client}` in common, and for one of them it is a \
         machine's; give each a client of its own (`identity.connectors`, `identity.integrations`)"
    )]
    Machine {
        /// A tenant.
        one: TenantId,
        /// The other.
        other: TenantId,
        /// Their issuer.
        issuer: String,
        /// The client.
        client: ClientId,
    },
    /// People sign in through one client, and their groups do not say of which tenant they are.
    #[error(
        "the tenants {one} and {other} have the issuer `{issuer}` and the people's client `{client}` in common, and the groups of one of \
         them do not say whose they are, so that an admin of one would be an admin of the other; name the groups \
         `{{bpnl}}.{{company role}}` and set `\"groups\": \"prefixed\"` in the `identity` of both, or give each a client of its own"
    )]
    People {
        /// A tenant.
        one: TenantId,
        /// The other.
        other: TenantId,
        /// Their issuer.
        issuer: String,
        /// The client.
        client: ClientId,
    },
}

/// What a client is to a tenant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Machine,
    People(GroupNames),
}

/// A tenant, and the clients of its supplier systems besides those its identity names.
#[derive(Clone, Debug)]
pub struct Known<'t> {
    tenant: &'t Tenant,
    systems: Vec<&'t ClientId>,
}

impl<'t> Known<'t> {
    /// A tenant with the supplier systems of a world.
    pub fn new(tenant: &'t Tenant, world: Option<&'t TenantWorld>) -> Self {
        let systems = world.into_iter().flat_map(|world| world.integrations.values());
        let systems = systems.filter_map(|integration| integration.client()).collect();
        Self { tenant, systems }
    }

    /// The same with a supplier system more.
    #[must_use]
    pub fn with(mut self, integration: &'t Integration) -> Self {
        self.systems.extend(integration.client());
        self
    }
}

impl<'t> From<&'t Tenant> for Known<'t> {
    fn from(tenant: &'t Tenant) -> Self {
        Self::new(tenant, None)
    }
}

impl<'t> From<&'t TenantWorld> for Known<'t> {
    fn from(world: &'t TenantWorld) -> Self {
        Self::new(&world.tenant, Some(world))
    }
}

/// Holds that no two of `tenants` could take a token for their own.
///
/// # Errors
/// The first two that could, in order of their numbers.
pub fn apart<'t, K: Into<Known<'t>>>(tenants: impl IntoIterator<Item = K>) -> Result<(), Shared> {
    let mut tenants: Vec<Known<'_>> = tenants.into_iter().map(Into::into).collect();
    tenants.sort_by_key(|known| known.tenant.id);
    let mut servers: HashMap<(&str, &str), TenantId> = HashMap::new();
    let mut clients: HashMap<(&str, &ClientId), (TenantId, Use)> = HashMap::new();
    for Known { tenant, systems } in &tenants {
        let (id, identity) = (tenant.id, &tenant.identity);
        let (issuer, server) = (identity.issuer.as_str(), identity.resource_server.as_str());
        if let Some(one) = servers.insert((issuer, server), id) {
            return Err(Shared::ResourceServer {
                one,
                other: id,
                issuer: issuer.to_owned(),
                server: server.to_owned(),
            });
        }
        let machines = identity.connectors.union(&identity.integrations);
        let machines = machines.chain(systems.iter().copied());
        let machines = machines.map(|client| (client, Use::Machine));
        let people = identity.user_clients.iter();
        let people = people.map(|client| (client, Use::People(identity.groups)));
        for (client, what) in machines.chain(people) {
            match clients.entry((issuer, client)) {
                Entry::Vacant(free) => drop(free.insert((id, what))),
                // A client that is both to one tenant is refused where the tenant's verifier is made.
                Entry::Occupied(known) if known.get().0 == id => {}
                Entry::Occupied(known) => together(*known.get(), (id, what), issuer, client)?,
            }
        }
    }
    Ok(())
}

/// Whether two tenants may have a client in common.
fn together(
    (one, its): (TenantId, Use),
    (other, others): (TenantId, Use),
    issuer: &str,
    client: &ClientId,
) -> Result<(), Shared> {
    let (issuer, client) = (issuer.to_owned(), client.clone());
    match (its, others) {
        (Use::People(GroupNames::Prefixed), Use::People(GroupNames::Prefixed)) => Ok(()),
        (Use::People(_), Use::People(_)) => Err(Shared::People {
            one,
            other,
            issuer,
            client,
        }),
        _ => Err(Shared::Machine {
            one,
            other,
            issuer,
            client,
        }),
    }
}

#[cfg(test)]
mod tests;

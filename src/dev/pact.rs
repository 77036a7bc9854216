//! The PACT clients of the development world: each company that has an agreement with a tenant has one there.
//!
//! Their secrets follow from the vault's key, so a restart finds the same ones, and `dev.json` is the only place where they stand.

use std::collections::BTreeSet;

use secrecy::SecretString;

use super::world::{DevError, DevTenant};
use crate::ids::{Bpnl, ClientId, TenantId};
use crate::registry::{PactClient, Relation, TenantWorld};
use crate::vault::VaultKey;

/// A client with its secret.
pub(super) struct DevClient {
    pub(super) tenant: TenantId,
    pub(super) partner: Bpnl,
    pub(super) client: ClientId,
    pub(super) secret: SecretString,
}

/// The clients of the companies that have agreements with `tenant`.
///
/// # Errors
/// No secret could be made.
pub(super) fn clients(tenant: &DevTenant, key: &VaultKey) -> Result<Vec<DevClient>, DevError> {
    let partners: BTreeSet<Bpnl> = tenant.agreements.iter().map(|agreement| agreement.consumer).collect();
    let made = partners.into_iter().map(|partner| {
        let id = format!("pact-{}", partner.as_str().to_ascii_lowercase());
        let secret = key.dev_secret(&format!("pact client of {partner} at {}", tenant.id));
        Ok(DevClient {
            tenant: tenant.id,
            partner,
            client: id.parse().map_err(DevError::from)?,
            secret: secret.ok_or_else(|| DevError("no secret of a PACT client could be made".into()))?,
        })
    });
    made.collect()
}

/// Puts the clients on record.
pub(super) fn fill(world: &mut TenantWorld, clients: &[DevClient]) {
    for made in clients {
        let held = world.relations.get(&made.partner).map(|held| Relation::clone(held));
        let relation = Relation {
            pact: Some(vec![PactClient::new(made.client.clone(), &made.secret)]),
            ..held.unwrap_or_else(|| Relation::with(made.partner))
        };
        world.relations.insert_mut(made.partner, relation.into());
    }
}

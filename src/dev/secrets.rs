//! The secrets of the development world's tenants.

use std::collections::HashMap;

use secrecy::SecretString;

use super::issuer::Issuer;
use super::world::DevTenant;
use crate::assemble::StartError;
use crate::ids::{SecretName, TenantId};
use crate::vault::{CONNECTOR_CLIENT, ClientCredentials, SessionScope, Vault, VaultError};

/// The secrets that a tenant lacks. Its connector's client is as onboarding would write it, and anew where the service moved since.
pub(super) async fn fill(
    tenant: &DevTenant,
    issuers: &HashMap<TenantId, Issuer>,
    vault: &Vault,
) -> Result<(), StartError> {
    let failed = StartError::of("the development world's secrets");
    for name in &tenant.secrets {
        let held = vault.session(tenant.id, SessionScope::SecretRead { name: name.clone() });
        let there = match held.get_secret(name).await {
            Ok(there) => Some(there),
            Err(VaultError::NotFound(_)) => None,
            Err(error) => return Err(failed(error)),
        };
        let wanted = client(tenant, name, issuers)?;
        let stands = match (&wanted, &there) {
            (None, there) => there.is_some(),
            (Some(_), None) => false,
            (Some(wanted), Some(there)) => {
                ClientCredentials::read(there).is_some_and(|there| there.token_endpoint == wanted.token_endpoint)
            }
        };
        if stands {
            continue;
        }
        let value = match wanted {
            Some(wanted) => wanted.write().map_err(&failed)?,
            None => SecretString::from(random_value()?),
        };
        let session = vault.session(tenant.id, SessionScope::SecretWrite { name: name.clone() });
        session.put_secret(name, value).await.map_err(&failed)?;
    }
    Ok(())
}

/// What the tenant's connector gets its token with, where that is the secret's purpose.
fn client(
    tenant: &DevTenant,
    name: &SecretName,
    issuers: &HashMap<TenantId, Issuer>,
) -> Result<Option<ClientCredentials>, StartError> {
    let Some(issuer) = issuers.get(&tenant.id).filter(|_| name.as_str() == CONNECTOR_CLIENT) else {
        return Ok(None);
    };
    let client = tenant
        .connector()
        .map_err(StartError::of("the development world's clients"))?;
    let secret = issuer.client_secret(&client).cloned();
    Ok(secret.map(|client_secret| ClientCredentials {
        token_endpoint: format!("{}/oauth2/token", issuer.settings().issuer),
        client_id: client.to_string(),
        client_secret,
    }))
}

/// A secret's value: 24 random bytes in hexadecimal.
pub(super) fn random_value() -> Result<String, StartError> {
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| StartError("the system's random generator failed".into()))?;
    Ok(hex::encode(bytes))
}

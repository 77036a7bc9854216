//! Gives every company of the development world its dev connector, set up as its operator would.
//!
//! A tenant's connector asks Tidegate before it shows or agrees to anything; what it offers, and that Tidegate is its data
//! plane, Tidegate tells it through its management API, as it does a real one. A company that is no tenant has a connector too,
//! so that it can ask, but nothing behind it. Contracts on record are known to both sides.

use std::collections::{BTreeMap, HashMap};

use secrecy::{ExposeSecret as _, SecretString};

use super::connector::gate::GateSettings;
use super::connector::{Client, Connector, DSP, MANAGEMENT, Made, SIGNALING, Settings};
use super::issuer::Issuer;
use super::world::{DevError, DevTenant, DevWorld};
use crate::clock::Clock;
use crate::ids::{Bpnl, TenantId};
use crate::registry::{ConnectorSettings, NewAgreement, Partner};

/// The secret of a tenant that holds its connector's API key.
pub const KEY_NAME: &str = "connector-api-key";

/// What connectors are made of, beside the world.
pub(super) struct Around<'a> {
    /// Where the service is.
    pub(super) base_url: &'a str,
    /// The tenants' issuers.
    pub(super) issuers: &'a HashMap<TenantId, Issuer>,
    /// The API keys of tenants' connectors.
    pub(super) keys: BTreeMap<TenantId, SecretString>,
    /// Every agreement, those too that come on record at this start.
    pub(super) agreements: &'a [NewAgreement],
    /// The time.
    pub(super) clock: &'a Clock,
}

/// A connector for each company.
///
/// # Errors
/// The world names something that is not there, or a contract on record does not read.
pub(super) fn connectors(world: &DevWorld, around: &Around<'_>) -> Result<HashMap<Bpnl, Connector>, DevError> {
    let mut connectors = HashMap::new();
    for tenant in &world.tenants {
        let settings = of_tenant(tenant, around)?;
        let connector = Connector::new(settings, around.clock.clone()).map_err(DevError::from)?;
        connectors.insert(tenant.id.0, connector);
    }
    for partner in &world.partners {
        if connectors.contains_key(&partner.bpnl) {
            continue;
        }
        let settings = Settings {
            participant: partner.bpnl,
            name: partner.name.clone(),
            root: root(around.base_url, partner.bpnl),
            api_key: SecretString::from(super::secrets::random_value().map_err(DevError::from)?),
            gate: None,
        };
        let connector = Connector::new(settings, around.clock.clone()).map_err(DevError::from)?;
        connectors.insert(partner.bpnl, connector);
    }
    for agreement in around.agreements {
        let made = Made {
            id: agreement.id.as_str(),
            asset: agreement.asset.as_str(),
            provider: agreement.provider.0,
            consumer: agreement.consumer,
            signed: agreement.signed_at,
            odrl: &agreement.odrl,
        };
        know(made, &connectors)?;
    }
    Ok(connectors)
}

/// How Tidegate reaches the dev connector of a tenant.
pub(super) fn settings(base_url: &str, tenant: TenantId) -> Result<ConnectorSettings, DevError> {
    let root = root(base_url, tenant.0);
    Ok(ConnectorSettings {
        participant: tenant.to_string(),
        dsp: format!("{root}{DSP}"),
        management: format!("{root}{MANAGEMENT}"),
        signaling: format!("{root}{SIGNALING}"),
        secret: Some(KEY_NAME.parse().map_err(DevError::from)?),
    })
}

/// Partners with the addresses of their dev connectors.
pub(super) fn reachable(partners: &[Partner], base_url: &str) -> Vec<Partner> {
    let with_address = |partner: &Partner| Partner {
        dsp: Some(format!("{}{DSP}", root(base_url, partner.bpnl))),
        did: None,
        ..partner.clone()
    };
    partners.iter().map(with_address).collect()
}

fn root(base_url: &str, company: Bpnl) -> String {
    format!("{base_url}/dev/connectors/{company}")
}

fn of_tenant(tenant: &DevTenant, around: &Around<'_>) -> Result<Settings, DevError> {
    let missing = |what: &str| DevError(format!("{} lacks {what}", tenant.id));
    let issuer = around.issuers.get(&tenant.id).ok_or_else(|| missing("an issuer"))?;
    let id = tenant.connector()?;
    let secret = issuer
        .client_secret(&id)
        .ok_or_else(|| missing("its connector's secret"))?;
    let client = Client {
        token_url: format!("{}/oauth2/token", issuer.settings().issuer),
        id: id.to_string(),
        secret: secret.clone(),
    };
    let key = around.keys.get(&tenant.id).ok_or_else(|| missing(KEY_NAME))?;
    Ok(Settings {
        participant: tenant.id.0,
        name: tenant.name.clone(),
        root: root(around.base_url, tenant.id.0),
        api_key: SecretString::from(key.expose_secret().to_owned()),
        gate: Some(GateSettings {
            evaluation: format!("{}/access/v1/evaluation", around.base_url),
            client,
        }),
    })
}

/// Puts a contract into both sides' connectors.
fn know(made: Made<'_>, connectors: &HashMap<Bpnl, Connector>) -> Result<(), DevError> {
    let sides = [made.provider, made.consumer];
    for side in sides.iter().filter_map(|side| connectors.get(side)) {
        side.know(made).map_err(DevError::from)?;
    }
    Ok(())
}

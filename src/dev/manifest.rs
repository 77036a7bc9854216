//! `dev.json`: everything a client of a service in dev mode needs, with nothing left to guess.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::ExposeSecret;
use serde::Serialize;

use super::connector::Connector;
use super::pact::DevClient;
use super::world::{DevError, DevTenant, DevWorld};
use crate::http::{App, exchange, ingest};
use crate::ids::{Digest, TenantId};
use crate::ledger::LogId;
use crate::question::spell_time;
use crate::registry::{Agreement, Asset, Signed, TenantWorld};

#[derive(Serialize)]
struct Manifest<'a> {
    base_url: &'a str,
    base_host: Option<&'a str>,
    tenants: Vec<TenantPart<'a>>,
    connectors: Vec<ConnectorPart<'a>>,
    agreements: Vec<AgreementPart<'a>>,
    ledger: Vec<LedgerPart>,
    /// Clients of partners at the tenants' PACT endpoints.
    pact: Vec<PactPart<'a>>,
}

#[derive(Serialize)]
struct PactPart<'a> {
    bpnl: TenantId,
    partner: String,
    /// What PACT's paths, `/3/…` and `/auth/token`, are below.
    url: String,
    client_id: &'a str,
    client_secret: &'a str,
}

#[derive(Serialize)]
struct TenantPart<'a> {
    bpnl: TenantId,
    name: &'a str,
    issuer: &'a str,
    token_url: String,
    client_id: String,
    client_secret: String,
    scope: String,
    exchange_url: String,
    dataflows_url: String,
    integration: ClientPart,
    users: Vec<UserPart<'a>>,
    secrets: Vec<&'a str>,
    assets: Vec<&'a Asset>,
    footprints: Vec<FootprintPart<'a>>,
}

#[derive(Serialize)]
struct ConnectorPart<'a> {
    bpnl: String,
    name: &'a str,
    dsp: String,
    management: String,
    api_key: String,
}

#[derive(Serialize)]
struct ClientPart {
    client_id: String,
    client_secret: String,
    scope: String,
}

#[derive(Serialize)]
struct UserPart<'a> {
    name: &'a str,
    role: &'a str,
    /// The form to post to `token_url`.
    token_grant: Grant<'a>,
}

#[derive(Serialize)]
struct Grant<'a> {
    grant_type: &'static str,
    client_id: String,
    username: &'a str,
    password: String,
}

#[derive(Serialize)]
struct FootprintPart<'a> {
    pcf_id: &'a str,
    product_id: &'a str,
    model: &'a str,
    asset: Vec<&'a str>,
    sha256: String,
}

#[derive(Serialize)]
struct AgreementPart<'a> {
    id: &'a str,
    provider: TenantId,
    consumer: String,
    asset: &'a str,
    pcf_id: Option<&'a str>,
    purpose: Option<String>,
    signed: String,
    versions: Option<&'a Signed>,
    ends: Option<String>,
    state: &'static str,
    terms: Digest,
}

#[derive(Serialize)]
struct LedgerPart {
    log: LogId,
    origin: String,
    public_key: String,
    path: String,
}

/// The text of `dev.json`.
pub(super) fn write(
    world: &DevWorld,
    app: &App,
    data: &Path,
    clients: &BTreeMap<TenantId, Vec<DevClient>>,
) -> Result<String, DevError> {
    let registry = app.registry.current();
    let missing = || DevError("a company of the world is not on the platform".into());
    let pairs = world.tenants.iter().map(|tenant| {
        let known = registry.tenant(tenant.id).ok_or_else(missing)?;
        Ok((tenant, &**known))
    });
    let pairs = pairs.collect::<Result<Vec<_>, DevError>>()?;
    let mut agreements = Vec::new();
    for (tenant, world) in &pairs {
        let mut own: Vec<_> = world.agreements.values().collect();
        own.sort_by(|left, right| left.id.cmp(&right.id));
        agreements.extend(
            own.into_iter()
                .map(|agreement| agreement_part(tenant, world, agreement)),
        );
    }
    let logs = std::iter::once(LogId::Platform).chain(world.tenants.iter().map(|tenant| LogId::Tenant(tenant.id)));
    let path = data.join(crate::ledger::FILE).display().to_string();
    let keys = crate::ledger::LedgerKeys::open(data, super::start::ORIGIN).map_err(DevError::from)?;
    let ledger = logs
        .map(|log| {
            let signer = keys.signer(log).map_err(DevError::from)?;
            let (origin, public_key) = (keys.origin(log), signer.verifier().to_string());
            Ok(LedgerPart {
                log,
                origin,
                public_key,
                path: path.clone(),
            })
        })
        .collect::<Result<_, DevError>>()?;
    let manifest = Manifest {
        base_url: &app.base_url,
        base_host: app.base_host.as_deref(),
        tenants: pairs
            .iter()
            .map(|(tenant, world)| tenant_part(tenant, world, app))
            .collect::<Result<_, _>>()?,
        connectors: connectors(app),
        agreements,
        ledger,
        pact: clients.values().flatten().map(|made| pact_part(made, app)).collect(),
    };
    serde_json::to_string_pretty(&manifest).map_err(DevError::from)
}

fn pact_part<'a>(made: &'a DevClient, app: &App) -> PactPart<'a> {
    PactPart {
        bpnl: made.tenant,
        partner: made.partner.to_string(),
        url: format!("{}/exchange/{}", app.base_url, made.tenant),
        client_id: made.client.as_str(),
        client_secret: made.secret.expose_secret(),
    }
}

/// The dev connectors, by BPNL.
fn connectors(app: &App) -> Vec<ConnectorPart<'_>> {
    let mut connectors: Vec<_> = app.connectors.values().collect();
    connectors.sort_by_key(|connector| connector.participant());
    connectors.into_iter().map(connector_part).collect()
}

fn connector_part(connector: &Connector) -> ConnectorPart<'_> {
    ConnectorPart {
        bpnl: connector.participant().to_string(),
        name: connector.name(),
        dsp: connector.dsp(),
        management: connector.management_url(),
        api_key: connector.api_key().expose_secret().to_owned(),
    }
}

fn tenant_part<'a>(tenant: &'a DevTenant, world: &'a TenantWorld, app: &App) -> Result<TenantPart<'a>, DevError> {
    let missing = || DevError("an issuer lacks a client or a person of its world".into());
    let issuer = app.issuers.get(&tenant.id).ok_or_else(missing)?;
    let secret = |client| {
        let secret = issuer.client_secret(client).ok_or_else(missing)?;
        Ok::<_, DevError>(secret.expose_secret().to_owned())
    };
    let (connector, integration) = (tenant.connector()?, tenant.integration()?);
    let user_client = tenant.user_client()?;
    let users = tenant.users.iter().map(|user| {
        let password = issuer.password(&user.name).ok_or_else(missing)?;
        Ok(UserPart {
            name: user.name.as_str(),
            role: user.roles.first().map_or("", |role| role.as_str()),
            token_grant: Grant {
                grant_type: "password",
                client_id: user_client.to_string(),
                username: user.name.as_str(),
                password: password.expose_secret().to_owned(),
            },
        })
    });
    let mut footprints: Vec<_> = world.footprints.values().collect();
    footprints.sort_by(|left, right| left.id.cmp(&right.id));
    let mut assets: Vec<_> = world.assets.values().map(AsRef::as_ref).collect();
    assets.sort_by(|left, right| left.id.cmp(&right.id));
    Ok(TenantPart {
        bpnl: tenant.id,
        name: &tenant.name,
        issuer: &world.tenant.identity.issuer,
        token_url: format!("{}/oauth2/token", world.tenant.identity.issuer),
        client_secret: secret(&connector)?,
        client_id: connector.to_string(),
        scope: format!("{}/{}", tenant.id, exchange::SCOPE),
        exchange_url: format!("{}/exchange/{}", app.base_url, tenant.id),
        dataflows_url: format!("{}/dataflows/{}", app.base_url, tenant.id),
        integration: ClientPart {
            client_secret: secret(&integration)?,
            client_id: integration.to_string(),
            scope: format!("{}/{}", tenant.id, ingest::SCOPE),
        },
        users: users.collect::<Result<_, DevError>>()?,
        assets,
        secrets: tenant.secrets.iter().map(|name| name.as_str()).collect(),
        footprints: footprints
            .into_iter()
            .map(|footprint| FootprintPart {
                pcf_id: footprint.id.as_str(),
                product_id: footprint.product.as_str(),
                model: footprint.model.full(),
                asset: footprint.assets.iter().map(|asset| asset.as_str()).collect(),
                sha256: hex::encode(footprint.digest.as_bytes()),
            })
            .collect(),
    })
}

fn agreement_part<'a>(tenant: &DevTenant, world: &'a TenantWorld, agreement: &'a Agreement) -> AgreementPart<'a> {
    let ends = agreement.terms.usage_ends(agreement.signed_at);
    AgreementPart {
        id: agreement.id.as_str(),
        provider: agreement.provider,
        consumer: agreement.consumer.to_string(),
        asset: agreement.asset.as_str(),
        pcf_id: tenant.footprint_of(world, &agreement.asset).map(|pcf| pcf.as_str()),
        purpose: agreement
            .terms
            .purposes()
            .and_then(|purposes| purposes.first().map(|purpose| (*purpose).to_owned())),
        signed: spell_time(agreement.signed_at),
        versions: agreement.signed.as_deref(),
        ends: ends.map(spell_time),
        state: agreement.state.as_str(),
        terms: agreement.terms.digest(),
    }
}

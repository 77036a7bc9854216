//! The development world: two suppliers and a consumer, with footprints, secrets, people, offers and agreements.
//!
//! It is written down in `fixtures/dev/world.json` and made real in a data directory: keys and secrets are generated there
//! and kept, agreements are dated relative to the start, footprints are handed to the vault through the same door as any
//! other. Nothing in it is known in advance to anyone who cannot read the directory; `dev.json` there says it all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::companies;
use super::issuer::{Issuer, IssuerSettings, MachineSettings};
use crate::facts::ClientKind;
use crate::http::{dataflows, exchange, ingest as ingest_http};
use crate::ids::{
    AgreementId, AssetId, Bpnl, ClientId, CompanyRole, GroupNames, PcfId, SecretName, TenantId, UserName,
};
use crate::ingest::Claims;
use crate::registry::{
    AgreementState, Asset, Footprint, Guarantee, Identity, NewAgreement, Offer, OfferReader, Partner, Relation, Tenant,
    TenantState, TenantWorld, TermsPool,
};

/// The world as it is written down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevWorld {
    /// Companies that ask from outside.
    pub partners: Vec<Partner>,
    /// Companies on the platform.
    pub tenants: Vec<DevTenant>,
}

/// A company of the world.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevTenant {
    /// Its BPNL.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// Its people.
    pub users: Vec<DevUser>,
    /// Its secrets, by name; values are random.
    pub secrets: Vec<SecretName>,
    /// The assets of its connector.
    pub assets: Vec<Asset>,
    /// What it has on record about partners.
    #[serde(default)]
    pub relations: Vec<Relation>,
    /// Who may see its offers: the file below `fixtures/odrl/dev`, without its ending, where it is not the usual one.
    #[serde(default)]
    pub access: Option<String>,
    /// The usage policies of offers on assets that have one of their own: files below `fixtures/odrl/dev`, without their ending.
    #[serde(default)]
    pub usage: BTreeMap<AssetId, String>,
    /// Its footprints.
    pub footprints: Vec<DevFootprint>,
    /// Its agreements, as provider.
    pub agreements: Vec<DevAgreement>,
}

/// A person.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevUser {
    /// The user name.
    pub name: UserName,
    /// The company roles.
    pub roles: BTreeSet<CompanyRole>,
}

/// A footprint and the asset it is part of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevFootprint {
    /// The file below `fixtures/pcf/dev`.
    pub file: String,
    /// The asset.
    pub asset: AssetId,
}

/// An agreement, dated relative to the start.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevAgreement {
    /// Its id.
    pub id: AgreementId,
    /// Who consumes.
    pub consumer: Bpnl,
    /// What it is about.
    pub asset: AssetId,
    /// The file below `fixtures/odrl/dev`, without its ending.
    pub terms: String,
    /// When it was signed.
    pub signed_days_ago: i64,
    /// When the right of use ends, where the terms have a date for that.
    pub ends_in_days: Option<i64>,
    /// Its state on record.
    pub state: AgreementState,
}

/// A footprint's entry in the index and its document.
pub type Handed = (Footprint, &'static str);

/// Why the development world cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the development world: {0}")]
pub struct DevError(pub String);

impl DevError {
    pub(crate) fn from(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

macro_rules! texts {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../fixtures/", $folder, "/", $name)))),+]
    };
}

const DOCUMENTS: &[(&str, &str)] = texts!["pcf/dev":
    "elbe-ethanol-10.0.0.json", "elbe-resin-9.0.0.json", "elbe-solvent-7.0.0.json",
    "isar-housing-9.0.0.json", "isar-bracket-7.0.0.json",
];

const CONTRACTS: &[(&str, &str)] = texts!["odrl/dev":
    "pcf-access.json", "pcf-members.json", "pcf-usage.json", "pcf-usage-once.json", "pcf-usage-until.json",
    "quality-usage.json",
];

/// The instant in `pcf-usage-until.json` that stands for the end of an agreement.
const END: &str = "2027-06-30T23:59:59Z";

/// The access policy of offers of a company that names none, and the usage policy of assets that have none of their own.
const OFFER: (&str, &str) = ("pcf-access", "pcf-usage");

fn text(texts: &'static [(&str, &str)], name: &str) -> Result<&'static str, DevError> {
    let found = texts.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, text)| *text)
        .ok_or_else(|| DevError(format!("no built-in file `{name}`")))
}

fn id<T: std::str::FromStr<Err = crate::ids::IdError>>(text: &str) -> Result<T, DevError> {
    text.parse().map_err(DevError::from)
}

impl DevWorld {
    /// The world built into the program.
    ///
    /// # Errors
    /// The built-in file does not parse: a defect.
    pub fn built_in() -> Result<Self, DevError> {
        crate::json::read(include_bytes!("../../fixtures/dev/world.json")).map_err(DevError::from)
    }
}

impl DevTenant {
    /// The client of the tenant's connector.
    pub fn connector(&self) -> Result<ClientId, DevError> {
        id(&format!("connector-{}", self.id.as_str().to_ascii_lowercase()))
    }

    /// The client of the tenant's supplier system.
    pub fn integration(&self) -> Result<ClientId, DevError> {
        id(&format!("erp-{}", self.id.as_str().to_ascii_lowercase()))
    }

    /// The client the tenant's people sign in through.
    pub fn user_client(&self) -> Result<ClientId, DevError> {
        id(&format!("web-{}", self.id.as_str().to_ascii_lowercase()))
    }

    /// Starts the tenant's own issuer, making its keys and secrets where there are none.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn issuer(&self, directory: &Path, base_url: &str) -> Result<Issuer, DevError> {
        let machine = |kind, scopes: &[&str]| MachineSettings {
            kind,
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        };
        let settings = IssuerSettings {
            tenant: self.id,
            issuer: format!("{base_url}/dev/issuers/{}", self.id),
            resource_server: self.id.to_string(),
            machines: BTreeMap::from([
                (
                    self.connector()?,
                    machine(ClientKind::Connector, &[exchange::SCOPE, dataflows::SCOPE]),
                ),
                (
                    self.integration()?,
                    machine(ClientKind::Integration, &[ingest_http::SCOPE]),
                ),
            ]),
            user_clients: BTreeSet::from([self.user_client()?]),
            users: self
                .users
                .iter()
                .map(|user| (user.name.clone(), user.roles.clone()))
                .collect(),
        };
        Issuer::create_or_load(directory, settings).map_err(DevError::from)
    }

    /// The tenant and all that is its own but its agreements, with the documents of its footprints.
    ///
    /// # Errors
    /// A built-in file that does not read: a defect.
    pub fn world(&self, base_url: &str) -> Result<(TenantWorld, Vec<Handed>), DevError> {
        let issuer = format!("{base_url}/dev/issuers/{}", self.id);
        let mut world = TenantWorld::new(Tenant {
            id: self.id,
            name: self.name.clone(),
            state: TenantState::Active,
            identity: Identity {
                jwks: format!("{issuer}/.well-known/jwks.json"),
                issuer,
                resource_server: self.id.to_string(),
                connectors: BTreeSet::from([self.connector()?]),
                integrations: BTreeSet::from([self.integration()?]),
                user_clients: BTreeSet::from([self.user_client()?]),
                not_before: None,
                groups: GroupNames::Own,
            },
            disabled_users: Default::default(),
            connector: Some(companies::settings(base_url, self.id)?),
            ledger: Guarantee::Strict,
            secrets: Default::default(),
        });
        for asset in &self.assets {
            world.assets.insert_mut(asset.id.clone(), Arc::new(asset.clone()));
        }
        for relation in &self.relations {
            world.relations.insert_mut(relation.partner, Arc::new(relation.clone()));
        }
        let mut terms = TermsPool::default();
        let mut offers = OfferReader::new(&mut terms);
        let mut documents = Vec::new();
        for written in &self.footprints {
            let document = text(DOCUMENTS, &written.file)?;
            let claims = Claims::read(document.as_bytes()).map_err(DevError::from)?;
            let assets = BTreeSet::from([written.asset.clone()]);
            let footprint = claims.footprint(self.id, assets, document.as_bytes());
            world.footprints.insert(Arc::new(footprint.clone()));
            documents.push((footprint, document));
        }
        for asset in &self.assets {
            let offer = self.offer(&asset.id, &world.tenant, &mut offers)?;
            world.offers.insert_mut(offer.id.clone(), Arc::new(offer));
        }
        Ok((world, documents))
    }

    fn offer(&self, asset: &AssetId, tenant: &Tenant, offers: &mut OfferReader<'_>) -> Result<Offer, DevError> {
        let access = text(
            CONTRACTS,
            &format!("{}.json", self.access.as_deref().unwrap_or(OFFER.0)),
        )?;
        let usage = self.usage.get(asset).map_or(OFFER.1, String::as_str);
        let usage = text(CONTRACTS, &format!("{usage}.json"))?;
        let id = id(&format!("offer-{asset}"))?;
        offers
            .read(id, tenant, asset.clone(), (access, usage))
            .map_err(DevError::from)
    }

    /// The agreements of the tenant, dated relative to `now` and signed under what its `world` has.
    ///
    /// # Errors
    /// A built-in file that does not read: a defect.
    pub fn agreements(&self, world: &TenantWorld, now: Timestamp) -> Result<Vec<NewAgreement>, DevError> {
        let agreements = self.agreements.iter();
        agreements.map(|written| written.agreement(world, now)).collect()
    }

    /// The footprint that is part of `asset`.
    pub fn footprint_of<'w>(&self, world: &'w TenantWorld, asset: &AssetId) -> Option<&'w PcfId> {
        world
            .footprints
            .values()
            .find(|footprint| footprint.assets.contains(asset))
            .map(|footprint| &footprint.id)
    }
}

impl DevAgreement {
    fn agreement(&self, world: &TenantWorld, now: Timestamp) -> Result<NewAgreement, DevError> {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        let odrl = text(CONTRACTS, &format!("{}.json", self.terms))?;
        let odrl = match self.ends_in_days {
            None => odrl.to_owned(),
            Some(ends) => {
                let end = now.checked_add(days(ends)).map_err(DevError::from)?;
                odrl.replace(END, &format!("{end:.0}"))
            }
        };
        Ok(NewAgreement {
            id: self.id.clone(),
            provider: world.tenant.id,
            consumer: self.consumer,
            asset: self.asset.clone(),
            state: self.state,
            signed_at: now.checked_sub(days(self.signed_days_ago)).map_err(DevError::from)?,
            signed: world.signed(&self.asset),
            claims: None,
            odrl: odrl.into(),
        })
    }
}

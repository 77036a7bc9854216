//! From the file to a registry, at start.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use sqlx::SqlitePool;

use super::RegistryError;
use super::rows::{from_json, id, wrong};
use crate::contract::Terms;
use crate::ids::{AgreementId, AssetId, Digest, TenantId};
use crate::registry::Registry;
use crate::registry::agreement::{Agreement, AgreementState, Signed};
use crate::registry::model::{Asset, Footprint, Partner, Relation, Tenant, TenantWorld};
use crate::registry::offer::OfferReader;
use crate::registry::pool::TermsPool;

/// How many agreements are read at once.
const PAGE: i64 = 20_000;

type Worlds = HashMap<TenantId, TenantWorld>;

/// The whole registry, without what stays in the file.
pub(super) async fn load(pool: &SqlitePool, compiled: &mut TermsPool) -> Result<Registry, RegistryError> {
    let mut worlds = Worlds::new();
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT id, document FROM tenant")
        .fetch_all(pool)
        .await?;
    for (key, document) in rows {
        let tenant: Tenant = from_json("tenant", &key, &document)?;
        worlds.insert(tenant.id, TenantWorld::new(tenant));
    }
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT id, document FROM partner")
        .fetch_all(pool)
        .await?;
    let partners = rows
        .iter()
        .map(|(key, document)| from_json("partner", key, document))
        .collect::<Result<Vec<Partner>, _>>()?;
    let footprints = "SELECT tenant, id, document FROM footprint";
    for_each(
        pool,
        &mut worlds,
        "footprint",
        footprints,
        |world, footprint: Footprint| {
            world.footprints.insert(Arc::new(footprint));
        },
    )
    .await?;
    let assets = "SELECT tenant, id, document FROM asset";
    for_each(pool, &mut worlds, "asset", assets, |world, asset: Asset| {
        world.assets.insert_mut(asset.id.clone(), Arc::new(asset));
    })
    .await?;
    let relations = "SELECT tenant, id, document FROM relation";
    for_each(pool, &mut worlds, "relation", relations, |world, relation: Relation| {
        world.relations.insert_mut(relation.partner, Arc::new(relation));
    })
    .await?;
    load_agreements(pool, &mut worlds, compiled).await?;
    load_offers(pool, &mut worlds, compiled).await?;
    Ok(Registry::new(worlds.into_values().collect(), partners))
}

fn world_of(worlds: &mut Worlds, tenant: TenantId) -> Result<&mut TenantWorld, RegistryError> {
    worlds.get_mut(&tenant).ok_or(RegistryError::NoSuchTenant(tenant))
}

/// Reads the rows of a table that holds tenants' things as documents.
async fn for_each<T: DeserializeOwned>(
    pool: &SqlitePool,
    worlds: &mut Worlds,
    what: &'static str,
    select: &'static str,
    mut take: impl FnMut(&mut TenantWorld, T),
) -> Result<(), RegistryError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(select).fetch_all(pool).await?;
    for (tenant, key, document) in rows {
        let read = from_json(what, &key, &document)?;
        take(world_of(worlds, id(what, &tenant)?)?, read);
    }
    Ok(())
}

/// A row of agreements, but for what stays in the file: its number, provider, id, consumer, asset, digest of the terms, time of
/// signing, what was in force then, state.
type Row = (
    i64,
    String,
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    String,
);

/// What many agreements have in common, kept once.
#[derive(Default)]
struct Shared {
    terms: HashMap<String, Arc<Terms>>,
    assets: HashMap<String, AssetId>,
    signed: HashMap<String, Arc<Signed>>,
}

async fn load_agreements(
    pool: &SqlitePool,
    worlds: &mut Worlds,
    compiled: &mut TermsPool,
) -> Result<(), RegistryError> {
    let mut shared = Shared::default();
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT digest, normal FROM terms")
        .fetch_all(pool)
        .await?;
    for (digest, normal) in rows {
        let terms = terms(&digest, &normal)?;
        shared.terms.insert(digest, compiled.share(terms));
    }
    let mut after = i64::MIN;
    loop {
        let page: Vec<Row> = sqlx::query_as(
            "SELECT rowid, provider, id, consumer, asset, terms, signed_at, signed, state FROM agreement
             WHERE rowid > ? ORDER BY rowid LIMIT ?",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(pool)
        .await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.0;
        for row in page {
            let agreement = shared.agreement(&row)?;
            world_of(worlds, agreement.provider)?
                .agreements
                .insert(Arc::new(agreement));
        }
    }
}

/// The terms a row of normal form holds; it must be the very bytes its digest names.
fn terms(digest: &str, normal: &str) -> Result<Terms, RegistryError> {
    let expected: Digest = id("terms", digest)?;
    let read = Terms::from_normal_form(normal.as_bytes()).map_err(|source| RegistryError::Terms {
        what: "normal form",
        id: digest.to_owned(),
        source: Box::new(source),
    })?;
    match read.digest() == expected {
        true => Ok(read),
        false => Err(wrong(
            "terms",
            digest,
            format!("they have the digest {}", read.digest()),
        )),
    }
}

impl Shared {
    fn agreement(&mut self, row: &Row) -> Result<Agreement, RegistryError> {
        let (_, provider, key, consumer, asset, terms, signed_at, signed, state) = row;
        let wrong = |problem: String| wrong("agreement", key, problem);
        let signed = signed.as_deref().map(|text| self.signed(key, text)).transpose()?;
        Ok(Agreement {
            id: id::<AgreementId>("agreement", key)?,
            provider: id("agreement", provider)?,
            consumer: id("agreement", consumer)?,
            asset: self.asset(asset)?,
            state: AgreementState::read(state).ok_or_else(|| wrong(format!("there is no state `{state}`")))?,
            signed_at: signed_at
                .parse()
                .map_err(|error: jiff::Error| wrong(error.to_string()))?,
            signed,
            terms: self
                .terms
                .get(terms)
                .cloned()
                .ok_or_else(|| wrong(format!("its terms {terms} are not there")))?,
        })
    }

    fn asset(&mut self, text: &str) -> Result<AssetId, RegistryError> {
        if let Some(known) = self.assets.get(text) {
            return Ok(known.clone());
        }
        let asset: AssetId = id("agreement", text)?;
        self.assets.insert(text.to_owned(), asset.clone());
        Ok(asset)
    }

    fn signed(&mut self, key: &str, text: &str) -> Result<Arc<Signed>, RegistryError> {
        if let Some(known) = self.signed.get(text) {
            return Ok(Arc::clone(known));
        }
        let signed = Arc::new(from_json::<Signed>("agreement", key, text)?);
        self.signed.insert(text.to_owned(), Arc::clone(&signed));
        Ok(signed)
    }
}

async fn load_offers(pool: &SqlitePool, worlds: &mut Worlds, compiled: &mut TermsPool) -> Result<(), RegistryError> {
    let rows: Vec<(String, String, String, String, String)> =
        sqlx::query_as("SELECT provider, id, asset, access_odrl, usage_odrl FROM offer")
            .fetch_all(pool)
            .await?;
    let mut reader = OfferReader::new(compiled);
    for (provider, key, asset, access, usage) in rows {
        let world = world_of(worlds, id("offer", &provider)?)?;
        let (name, asset) = (id("offer", &key)?, id("offer", &asset)?);
        let offer = reader.read(name, &world.tenant, asset, (&access, &usage));
        let offer = offer.map_err(|error| RegistryError::Terms {
            what: error.what,
            id: key,
            source: error.source,
        })?;
        world.offers.insert_mut(offer.id.clone(), Arc::new(offer));
    }
    Ok(())
}

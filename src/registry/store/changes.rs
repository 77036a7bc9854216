//! From rows to the registry: what is newer than a version, read, and put into what is in memory.
//!
//! A start reads all that is newer than nothing. After that, whoever follows reads what changed since; so what that costs depends on the
//! change, not on how much there is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;

use super::RegistryError;
use super::rows::{from_json, id, wrong};
use crate::contract::Terms;
use crate::database::{Transaction, args};
use crate::ids::{AgreementId, AssetId, Digest, TenantId};
use crate::registry::Registry;
use crate::registry::agreement::{Agreement, AgreementState, Signed};
use crate::registry::integration::Integration;
use crate::registry::model::{Asset, Footprint, Map, Partner, Relation, Tenant, TenantWorld, TwinRules};
use crate::registry::offer::OfferReader;
use crate::registry::pool::TermsPool;

/// Before the first version: everything is newer.
pub(super) const NOTHING: i64 = -1;

/// How many agreements are read at once.
const PAGE: i64 = 20_000;

/// What changed, as it is now.
#[derive(Debug, Default)]
pub(super) struct Changes {
    tenants: Vec<Tenant>,
    partners: Vec<Partner>,
    footprints: Vec<(TenantId, Arc<Footprint>)>,
    assets: Vec<(TenantId, Arc<Asset>)>,
    relations: Vec<(TenantId, Arc<Relation>)>,
    integrations: Vec<(TenantId, Arc<Integration>)>,
    agreements: Vec<Arc<Agreement>>,
    /// Those of a tenant that has none any more are none.
    twin_rules: Vec<(TenantId, Option<Arc<TwinRules>>)>,
    /// All offers of each of these tenants.
    offers: HashMap<TenantId, Vec<OfferRow>>,
}

/// Whether there are newer tenants, partners, footprints, assets, relations, agreements, offers, integrations, access rules.
type Newer = (bool, bool, bool, bool, bool, bool, bool, bool, bool);

/// Id, asset, and the texts of both policies.
type OfferRow = (String, String, String, String);

/// The version that the rows are of.
pub(super) async fn version(transaction: &mut Transaction) -> Result<i64, RegistryError> {
    let row = transaction
        .find::<(i64,)>("SELECT number FROM version", args![])
        .await?;
    Ok(row.ok_or(sqlx::Error::RowNotFound)?.0)
}

impl Changes {
    /// Reads what is newer than `since`.
    pub(super) async fn read(
        transaction: &mut Transaction,
        since: i64,
        compiled: &Mutex<TermsPool>,
    ) -> Result<Self, RegistryError> {
        let newer: Option<Newer> = transaction
            .find(
                // The greatest number is the end of an index.
                "SELECT coalesce((SELECT max(version) FROM tenant), -1) > $1, coalesce((SELECT max(version) FROM partner), -1) > $1,
                 coalesce((SELECT max(version) FROM footprint), -1) > $1, coalesce((SELECT max(version) FROM asset), -1) > $1,
                 coalesce((SELECT max(version) FROM relation), -1) > $1, coalesce((SELECT max(version) FROM agreement), -1) > $1,
                 coalesce((SELECT max(offers) FROM tenant), -1) > $1, coalesce((SELECT max(version) FROM integration), -1) > $1,
                 coalesce((SELECT max(version) FROM twin_rules), -1) > $1",
                args![since],
            )
            .await?;
        let (tenants, partners, footprints, assets, relations, agreements, offers, integrations, rules) =
            newer.unwrap_or_default();
        let mut changes = Self::default();
        if tenants {
            changes.tenants = documents(
                transaction,
                "tenant",
                "SELECT id, document FROM tenant WHERE version > $1",
                since,
            )
            .await?;
        }
        if partners {
            changes.partners = documents(
                transaction,
                "partner",
                "SELECT id, document FROM partner WHERE version > $1",
                since,
            )
            .await?;
        }
        if footprints {
            let sql = "SELECT tenant, id, document FROM footprint WHERE version > $1";
            changes.footprints = owned(transaction, "footprint", sql, since).await?;
        }
        if assets {
            let sql = "SELECT tenant, id, document FROM asset WHERE version > $1";
            changes.assets = owned(transaction, "asset", sql, since).await?;
        }
        if relations {
            let sql = "SELECT tenant, id, document FROM relation WHERE version > $1";
            changes.relations = owned(transaction, "relation", sql, since).await?;
        }
        if integrations {
            let sql = "SELECT tenant, id, document FROM integration WHERE version > $1";
            changes.integrations = owned(transaction, "integration", sql, since).await?;
        }
        if agreements {
            changes.agreements = read_agreements(transaction, since, compiled).await?;
        }
        if rules {
            changes.twin_rules = read_twin_rules(transaction, since).await?;
        }
        if offers {
            changes.offers = read_offers(transaction, since).await?;
        }
        Ok(changes)
    }

    /// The registry after these changes.
    ///
    /// # Errors
    /// Something is said of a tenant that is not there, or an offer does not read.
    pub(super) fn applied(&self, base: &Registry, compiled: &Mutex<TermsPool>) -> Result<Registry, RegistryError> {
        let mut worlds = Worlds {
            base,
            touched: HashMap::new(),
        };
        for tenant in &self.tenants {
            worlds.put(tenant);
        }
        for (tenant, footprint) in &self.footprints {
            worlds.of(*tenant)?.footprints.insert(Arc::clone(footprint));
        }
        for (tenant, asset) in &self.assets {
            worlds
                .of(*tenant)?
                .assets
                .insert_mut(asset.id.clone(), Arc::clone(asset));
        }
        for (tenant, relation) in &self.relations {
            worlds
                .of(*tenant)?
                .relations
                .insert_mut(relation.partner, Arc::clone(relation));
        }
        for (tenant, integration) in &self.integrations {
            worlds
                .of(*tenant)?
                .integrations
                .insert_mut(integration.id.clone(), Arc::clone(integration));
        }
        for (tenant, rules) in &self.twin_rules {
            worlds.of(*tenant)?.twin_rules.clone_from(rules);
        }
        for agreement in &self.agreements {
            worlds.of(agreement.provider)?.agreements.insert_forward(agreement);
        }
        let mut compiled = compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reader = OfferReader::new(&mut compiled);
        for (tenant, rows) in &self.offers {
            let world = worlds.of(*tenant)?;
            world.offers = read_all(rows, world, &mut reader)?;
        }
        Ok(base.with(worlds.touched.into_values(), self.partners.iter().cloned()))
    }

    /// Those of the agreements that are new to `base`, or come into another state.
    pub(super) fn turned(&self, base: &Registry) -> Vec<Arc<Agreement>> {
        let has_turned = |new: &&Arc<Agreement>| {
            let held = base
                .tenant(new.provider)
                .and_then(|world| world.agreements.get(&new.id));
            held.is_none_or(|held| held.state != new.state && held.state == AgreementState::Active)
        };
        self.agreements.iter().filter(has_turned).cloned().collect()
    }
}

/// The worlds that change.
struct Worlds<'b> {
    base: &'b Registry,
    touched: HashMap<TenantId, TenantWorld>,
}

impl Worlds<'_> {
    fn put(&mut self, tenant: &Tenant) {
        let known = self.base.tenant(tenant.id).map(|world| TenantWorld::clone(world));
        let mut world = known.unwrap_or_else(|| TenantWorld::new(tenant.clone()));
        world.tenant = tenant.clone();
        self.touched.insert(tenant.id, world);
    }

    fn of(&mut self, tenant: TenantId) -> Result<&mut TenantWorld, RegistryError> {
        match self.touched.entry(tenant) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                let known = self.base.tenant(tenant).ok_or(RegistryError::NoSuchTenant(tenant))?;
                Ok(place.insert(TenantWorld::clone(known)))
            }
        }
    }
}

async fn documents<T: DeserializeOwned>(
    transaction: &mut Transaction,
    what: &'static str,
    sql: &'static str,
    since: i64,
) -> Result<Vec<T>, RegistryError> {
    let rows: Vec<(String, String)> = transaction.fetch(sql, args![since]).await?;
    rows.iter()
        .map(|(key, document)| from_json(what, key, document))
        .collect()
}

/// Reads the rows of a table that holds tenants' things as documents.
async fn owned<T: DeserializeOwned>(
    transaction: &mut Transaction,
    what: &'static str,
    sql: &'static str,
    since: i64,
) -> Result<Vec<(TenantId, Arc<T>)>, RegistryError> {
    let rows: Vec<(String, String, String)> = transaction.fetch(sql, args![since]).await?;
    let read = |(tenant, key, document): &(String, String, String)| {
        Ok((id(what, tenant)?, Arc::new(from_json(what, key, document)?)))
    };
    rows.iter().map(read).collect()
}

async fn read_twin_rules(
    transaction: &mut Transaction,
    since: i64,
) -> Result<Vec<(TenantId, Option<Arc<TwinRules>>)>, RegistryError> {
    let sql = "SELECT tenant, document FROM twin_rules WHERE version > $1";
    let rows: Vec<(String, Option<String>)> = transaction.fetch(sql, args![since]).await?;
    let read = |(key, document): &(String, Option<String>)| {
        let tenant: TenantId = id("access rules", key)?;
        let rules = document.as_deref().map(|text| TwinRules::read(tenant, text));
        let rules = rules.transpose().map_err(|error| wrong("access rules", key, error))?;
        Ok((tenant, rules.map(Arc::new)))
    };
    rows.iter().map(read).collect()
}

/// A row of agreements, but for what stays in the table: its provider, id, consumer, asset, digest of the terms, time of signing, what
/// was in force then, state.
type Row = (String, String, String, String, String, String, Option<String>, String);

/// What many agreements have in common, kept once.
#[derive(Default)]
struct Shared {
    terms: HashMap<String, Arc<Terms>>,
    assets: HashMap<String, AssetId>,
    signed: HashMap<String, Arc<Signed>>,
}

async fn read_agreements(
    transaction: &mut Transaction,
    since: i64,
    compiled: &Mutex<TermsPool>,
) -> Result<Vec<Arc<Agreement>>, RegistryError> {
    let mut shared = Shared::default();
    let mut all = Vec::new();
    if since != NOTHING {
        let sql =
            "SELECT provider, id, consumer, asset, terms, signed_at, signed, state FROM agreement WHERE version > $1";
        let rows: Vec<Row> = transaction.fetch(sql, args![since]).await?;
        for row in rows {
            shared.find_terms(transaction, &row, compiled).await?;
            all.push(Arc::new(shared.agreement(&row)?));
        }
        return Ok(all);
    }
    let rows: Vec<(String, String)> = transaction.fetch("SELECT digest, normal FROM terms", args![]).await?;
    for (digest, normal) in rows {
        shared.add_terms(digest, &normal, compiled)?;
    }
    let mut after = (String::new(), String::new());
    loop {
        let page: Vec<Row> = transaction
            .fetch(
                "SELECT provider, id, consumer, asset, terms, signed_at, signed, state FROM agreement
                 WHERE (provider, id) > ($1, $2) ORDER BY provider, id LIMIT $3",
                args![&after.0, &after.1, PAGE],
            )
            .await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = (last.0.clone(), last.1.clone());
        for row in page {
            all.push(Arc::new(shared.agreement(&row)?));
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
    fn add_terms(&mut self, digest: String, normal: &str, compiled: &Mutex<TermsPool>) -> Result<(), RegistryError> {
        let terms = terms(&digest, normal)?;
        let mut compiled = compiled.lock().unwrap_or_else(PoisonError::into_inner);
        self.terms.insert(digest, compiled.share(terms));
        Ok(())
    }

    /// Finds the terms that a row names: with other agreements, or else in their table.
    async fn find_terms(
        &mut self,
        transaction: &mut Transaction,
        (_, key, _, _, digest, ..): &Row,
        compiled: &Mutex<TermsPool>,
    ) -> Result<(), RegistryError> {
        if self.terms.contains_key(digest) {
            return Ok(());
        }
        let known = digest.parse().ok().and_then(|digest: Digest| {
            let compiled = compiled.lock().unwrap_or_else(PoisonError::into_inner);
            compiled.known(&digest)
        });
        if let Some(known) = known {
            self.terms.insert(digest.clone(), known);
            return Ok(());
        }
        let found: Option<(String,)> = transaction
            .find("SELECT normal FROM terms WHERE digest = $1", args![digest])
            .await?;
        let missing = || wrong("agreement", key, format!("its terms {digest} are not there"));
        let (normal,) = found.ok_or_else(missing)?;
        self.add_terms(digest.clone(), &normal, compiled)
    }

    fn agreement(&mut self, row: &Row) -> Result<Agreement, RegistryError> {
        let (provider, key, consumer, asset, terms, signed_at, signed, state) = row;
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

/// All offers of the tenants whose offers changed; of one that offers nothing any more, none.
async fn read_offers(
    transaction: &mut Transaction,
    since: i64,
) -> Result<HashMap<TenantId, Vec<OfferRow>>, RegistryError> {
    let changed: Vec<(String,)> = transaction
        .fetch("SELECT id FROM tenant WHERE offers > $1", args![since])
        .await?;
    let mut offers = changed
        .iter()
        .map(|(tenant,)| Ok((id("offer", tenant)?, Vec::new())))
        .collect::<Result<HashMap<TenantId, _>, RegistryError>>()?;
    let sql =
        "SELECT o.provider, o.id, o.asset, o.access_odrl, o.usage_odrl FROM tenant t JOIN offer o ON o.provider = t.id
               WHERE t.offers > $1";
    // At a start not only those of tenants that are there: one of nobody's is told.
    let every = "SELECT provider, id, asset, access_odrl, usage_odrl FROM offer";
    let rows: Vec<(String, String, String, String, String)> = match since {
        NOTHING => transaction.fetch(every, args![]).await?,
        since => transaction.fetch(sql, args![since]).await?,
    };
    for (provider, key, asset, access, usage) in rows {
        let all: &mut Vec<OfferRow> = offers.entry(id("offer", &provider)?).or_default();
        all.push((key, asset, access, usage));
    }
    Ok(offers)
}

fn read_all(
    rows: &[OfferRow],
    world: &TenantWorld,
    reader: &mut OfferReader<'_>,
) -> Result<Map<crate::ids::OfferId, Arc<crate::registry::Offer>>, RegistryError> {
    let read = |(key, asset, access, usage): &OfferRow| {
        let (name, asset) = (id("offer", key)?, id("offer", asset)?);
        let offer = reader.read(name, &world.tenant, asset, (access, usage));
        let offer = offer.map_err(|error| RegistryError::Terms {
            what: error.what,
            id: key.clone(),
            source: error.source,
        })?;
        Ok((offer.id.clone(), Arc::new(offer)))
    };
    rows.iter().map(read).collect()
}

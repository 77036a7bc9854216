//! The registry at rest: one SQLite file, loaded whole at start, and every change written before it is seen.

use std::collections::HashMap;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::watch;

use super::Registry;
use super::agreement::{Agreement, AgreementState, Signed};
use super::model::{Asset, Footprint, Offer, Partner, Relation, Tenant, TenantWorld};
use super::pool::TermsPool;
use crate::contract::ContractError;
use crate::ids::{AssetId, Bpnl, IdError, TenantId};

/// The file below the data directory.
pub const FILE: &str = "registry.sqlite";

/// Why the registry cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The database.
    #[error("the registry `{FILE}`: {0}")]
    Database(#[from] sqlx::Error),
    /// A row that does not parse: the file was changed by hand, or by a newer version.
    #[error("the registry `{FILE}`: the {what} `{id}` does not read: {problem}")]
    Row {
        /// The kind of row.
        what: &'static str,
        /// Its id.
        id: String,
        /// What is wrong.
        problem: String,
    },
    /// A contract that does not compile.
    #[error("the {what} `{id}` has terms that do not compile: {source}")]
    Terms {
        /// The kind of row.
        what: &'static str,
        /// Its id.
        id: String,
        /// What is wrong with them.
        source: Box<ContractError>,
    },
    /// Something is said of a tenant that is not there.
    #[error("`{0}` is not a tenant of this platform")]
    NoSuchTenant(TenantId),
}

/// The part of an agreement that is not its text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgreementRow {
    consumer: Bpnl,
    asset: AssetId,
    state: AgreementState,
    signed_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed: Option<Signed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claims: Option<Arc<str>>,
}

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS tenant (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS partner (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS footprint (tenant TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (tenant, id)) STRICT;
CREATE TABLE IF NOT EXISTS agreement (provider TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
  odrl TEXT NOT NULL, PRIMARY KEY (provider, id)) STRICT;
CREATE TABLE IF NOT EXISTS asset (tenant TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (tenant, id)) STRICT;
CREATE TABLE IF NOT EXISTS relation (tenant TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (tenant, id)) STRICT;
CREATE TABLE IF NOT EXISTS offer (provider TEXT NOT NULL, id TEXT NOT NULL, asset TEXT NOT NULL,
  access_odrl TEXT NOT NULL, usage_odrl TEXT NOT NULL, PRIMARY KEY (provider, id)) STRICT;
";

/// The registry and the file it is kept in.
#[derive(Debug)]
pub struct RegistryStore {
    pool: SqlitePool,
    current: watch::Sender<Arc<Registry>>,
}

impl RegistryStore {
    /// Opens the registry in `directory`, making an empty one where there is none.
    ///
    /// # Errors
    /// The file cannot be opened, or something in it does not read.
    pub async fn open(directory: &Path) -> Result<Self, RegistryError> {
        let path = directory.join(FILE);
        // Made here and not by SQLite, which would let others read it.
        let made = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path);
        made.map_err(sqlx::Error::Io)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        // One connection: changes are rare and are made one after the other.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        let registry = load(&pool).await?;
        Ok(Self {
            pool,
            current: watch::Sender::new(Arc::new(registry)),
        })
    }

    /// The registry as it is now.
    pub fn current(&self) -> Arc<Registry> {
        Arc::clone(&self.current.borrow())
    }

    /// The registry as it is now and as it will change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Registry>> {
        self.current.subscribe()
    }

    /// Takes in everything of `worlds` and `partners`, in place of what was known of them.
    ///
    /// # Errors
    /// The database; nothing is taken in then.
    pub async fn seed(&self, worlds: &[TenantWorld], partners: &[Partner]) -> Result<(), RegistryError> {
        let mut transaction = self.pool.begin().await?;
        for partner in partners {
            sqlx::query("INSERT OR REPLACE INTO partner (id, document) VALUES (?, ?)")
                .bind(partner.bpnl.as_str())
                .bind(to_json(partner))
                .execute(&mut *transaction)
                .await?;
        }
        for world in worlds {
            let tenant = world.tenant.id.as_str();
            sqlx::query("INSERT OR REPLACE INTO tenant (id, document) VALUES (?, ?)")
                .bind(tenant)
                .bind(to_json(&world.tenant))
                .execute(&mut *transaction)
                .await?;
            for footprint in world.footprints.values() {
                insert_footprint(&mut transaction, footprint).await?;
            }
            for asset in world.assets.values() {
                insert(&mut transaction, "asset", tenant, asset.id.as_str(), &**asset).await?;
            }
            for relation in world.relations.values() {
                insert(
                    &mut transaction,
                    "relation",
                    tenant,
                    relation.partner.as_str(),
                    &**relation,
                )
                .await?;
            }
            for offer in world.offers.values() {
                sqlx::query("INSERT OR REPLACE INTO offer (provider, id, asset, access_odrl, usage_odrl) VALUES (?, ?, ?, ?, ?)")
                    .bind(tenant)
                    .bind(offer.id.as_str())
                    .bind(offer.asset.as_str())
                    .bind(&*offer.access_odrl)
                    .bind(&*offer.usage_odrl)
                    .execute(&mut *transaction)
                    .await?;
            }
            for agreement in world.agreements.values() {
                insert_agreement(&mut transaction, agreement).await?;
            }
        }
        transaction.commit().await?;
        self.current.send_replace(Arc::new(load(&self.pool).await?));
        Ok(())
    }

    /// Takes in one footprint, in place of the version before.
    ///
    /// # Errors
    /// The database, or a tenant that is not there; the footprint is not taken in then.
    pub async fn put_footprint(&self, footprint: Footprint) -> Result<(), RegistryError> {
        let mut connection = self.pool.acquire().await?;
        let current = self.current();
        let tenant = footprint.tenant;
        let world = current.tenant(tenant).ok_or(RegistryError::NoSuchTenant(tenant))?;
        insert_footprint(&mut connection, &footprint).await?;
        // The one connection is held, so no other change can come between reading the registry and replacing it.
        let mut world = TenantWorld::clone(world);
        world.footprints.insert_mut(footprint.id.clone(), Arc::new(footprint));
        self.current.send_replace(Arc::new(current.with_tenant(world)));
        Ok(())
    }

    /// Takes in one agreement, in place of what was on record under its id.
    ///
    /// # Errors
    /// The database, or a tenant that is not there; the agreement is not taken in then.
    pub async fn put_agreement(&self, agreement: Agreement) -> Result<Arc<Agreement>, RegistryError> {
        let mut connection = self.pool.acquire().await?;
        let current = self.current();
        let tenant = agreement.provider;
        let world = current.tenant(tenant).ok_or(RegistryError::NoSuchTenant(tenant))?;
        insert_agreement(&mut connection, &agreement).await?;
        let agreement = Arc::new(agreement);
        let mut world = TenantWorld::clone(world);
        world.agreements.insert(Arc::clone(&agreement));
        self.current.send_replace(Arc::new(current.with_tenant(world)));
        Ok(agreement)
    }
}

async fn insert_agreement(connection: &mut sqlx::SqliteConnection, agreement: &Agreement) -> Result<(), sqlx::Error> {
    let row = AgreementRow {
        consumer: agreement.consumer,
        asset: agreement.asset.clone(),
        state: agreement.state,
        signed_at: agreement.signed_at,
        signed: agreement.signed.clone(),
        claims: agreement.claims.clone(),
    };
    sqlx::query("INSERT OR REPLACE INTO agreement (provider, id, document, odrl) VALUES (?, ?, ?, ?)")
        .bind(agreement.provider.as_str())
        .bind(agreement.id.as_str())
        .bind(to_json(&row))
        .bind(&*agreement.odrl)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_footprint(connection: &mut sqlx::SqliteConnection, footprint: &Footprint) -> Result<(), sqlx::Error> {
    let (tenant, id) = (footprint.tenant.as_str(), footprint.id.as_str());
    insert(connection, "footprint", tenant, id, footprint).await
}

/// Writes a row of one of the tables that hold a tenant's things as documents.
async fn insert(
    connection: &mut sqlx::SqliteConnection,
    table: &'static str,
    tenant: &str,
    id: &str,
    document: &impl Serialize,
) -> Result<(), sqlx::Error> {
    let statement = format!("INSERT OR REPLACE INTO {table} (tenant, id, document) VALUES (?, ?, ?)");
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(tenant)
        .bind(id)
        .bind(to_json(document))
        .execute(connection)
        .await?;
    Ok(())
}

fn to_json(value: &impl Serialize) -> String {
    // Structs of strings, sets and enums always serialise.
    serde_json::to_string(value).unwrap_or_default()
}

fn from_json<T: DeserializeOwned>(what: &'static str, id: &str, text: &str) -> Result<T, RegistryError> {
    crate::json::read(text.as_bytes()).map_err(|error| row(what, id, error))
}

fn row(what: &'static str, id: &str, problem: impl ToString) -> RegistryError {
    RegistryError::Row {
        what,
        id: id.to_owned(),
        problem: problem.to_string(),
    }
}

fn id<T: FromStr<Err = IdError>>(what: &'static str, text: &str) -> Result<T, RegistryError> {
    text.parse().map_err(|error| row(what, text, error))
}

async fn load(pool: &SqlitePool) -> Result<Registry, RegistryError> {
    let mut worlds = HashMap::new();
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
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT id, document FROM footprint")
        .fetch_all(pool)
        .await?;
    for (key, document) in rows {
        let footprint: Footprint = from_json("footprint", &key, &document)?;
        let world = world_of(&mut worlds, footprint.tenant)?;
        world.footprints.insert_mut(footprint.id.clone(), Arc::new(footprint));
    }
    load_assets_and_relations(pool, &mut worlds).await?;
    let mut compiled = TermsPool::default();
    load_agreements(pool, &mut worlds, &mut compiled).await?;
    load_offers(pool, &mut worlds, &mut compiled).await?;
    Ok(Registry::new(worlds.into_values().collect(), partners))
}

fn world_of(worlds: &mut HashMap<TenantId, TenantWorld>, tenant: TenantId) -> Result<&mut TenantWorld, RegistryError> {
    worlds.get_mut(&tenant).ok_or(RegistryError::NoSuchTenant(tenant))
}

async fn load_assets_and_relations(
    pool: &SqlitePool,
    worlds: &mut HashMap<TenantId, TenantWorld>,
) -> Result<(), RegistryError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as("SELECT tenant, id, document FROM asset")
        .fetch_all(pool)
        .await?;
    for (tenant, key, document) in rows {
        let asset: Asset = from_json("asset", &key, &document)?;
        let world = world_of(worlds, id("asset", &tenant)?)?;
        world.assets.insert_mut(asset.id.clone(), Arc::new(asset));
    }
    let rows: Vec<(String, String, String)> = sqlx::query_as("SELECT tenant, id, document FROM relation")
        .fetch_all(pool)
        .await?;
    for (tenant, key, document) in rows {
        let relation: Relation = from_json("relation", &key, &document)?;
        let world = world_of(worlds, id("relation", &tenant)?)?;
        world.relations.insert_mut(relation.partner, Arc::new(relation));
    }
    Ok(())
}

async fn load_agreements(
    pool: &SqlitePool,
    worlds: &mut HashMap<TenantId, TenantWorld>,
    compiled: &mut TermsPool,
) -> Result<(), RegistryError> {
    let rows: Vec<(String, String, String, String)> =
        sqlx::query_as("SELECT provider, id, document, odrl FROM agreement")
            .fetch_all(pool)
            .await?;
    for (provider, key, document, odrl) in rows {
        let provider: TenantId = id("agreement", &provider)?;
        let read: AgreementRow = from_json("agreement", &key, &document)?;
        let contract = compiled.compile(&odrl).map_err(|source| RegistryError::Terms {
            what: "agreement",
            id: key.clone(),
            source: Box::new(source),
        })?;
        let agreement = Agreement {
            id: id("agreement", &key)?,
            provider,
            consumer: read.consumer,
            asset: read.asset,
            state: read.state,
            signed_at: read.signed_at,
            signed: read.signed,
            claims: read.claims,
            odrl: contract.odrl,
            terms: contract.terms,
        };
        world_of(worlds, provider)?.agreements.insert(Arc::new(agreement));
    }
    Ok(())
}

async fn load_offers(
    pool: &SqlitePool,
    worlds: &mut HashMap<TenantId, TenantWorld>,
    compiled: &mut TermsPool,
) -> Result<(), RegistryError> {
    let rows: Vec<(String, String, String, String, String)> =
        sqlx::query_as("SELECT provider, id, asset, access_odrl, usage_odrl FROM offer")
            .fetch_all(pool)
            .await?;
    for (provider, key, asset, access, usage) in rows {
        let provider: TenantId = id("offer", &provider)?;
        let failed = |source| RegistryError::Terms {
            what: "offer",
            id: key.clone(),
            source: Box::new(source),
        };
        let access = compiled.compile(&access).map_err(failed)?;
        let usage = compiled.compile(&usage).map_err(failed)?;
        let offer = Offer {
            id: id("offer", &key)?,
            provider,
            asset: id("offer", &asset)?,
            access_terms: access.terms,
            usage_terms: usage.terms,
            access_odrl: access.odrl,
            usage_odrl: usage.odrl,
        };
        world_of(worlds, provider)?
            .offers
            .insert_mut(offer.id.clone(), Arc::new(offer));
    }
    Ok(())
}

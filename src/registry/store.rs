//! The registry at rest: one SQLite file, loaded at start, and every change written before it is seen.
//!
//! In memory is what decides. What of an agreement only proves (its text and the claims at signing) and what only counts (how often
//! data was handed out) stays in the file; see [`RegistryStore::papers`] and [`RegistryStore::turn`].
//!
//! The one exception to "written before seen" leans to deny: an agreement that is ended is ended in memory even where the file
//! could not be written, and whoever ended it is told.

mod agreements;
mod endings;
mod load;
mod rows;
mod uses;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::watch;

pub use self::agreements::{Listed, Papers};
pub use self::endings::Ending;
pub use self::uses::Turn;
use self::uses::Uses;
use super::model::{Footprint, Partner, Tenant, TenantWorld};
use super::pool::TermsPool;
use super::sharing::{Shared, apart};
use super::{Agreement, Registry};
use crate::contract::{ContractError, Terms};
use crate::ids::{AgreementId, TenantId};

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
    /// The file was written by a newer version of the program.
    #[error("the registry `{FILE}` has the format {found}; this version reads {FORMAT}: use the version that wrote it")]
    Format {
        /// The format of the file.
        found: i64,
    },
    /// A contract that does not compile, or is not what it stands for.
    #[error("the {what} `{id}` has terms that do not compile: {source}")]
    Terms {
        /// The kind of row.
        what: &'static str,
        /// Its id.
        id: String,
        /// What is wrong with them.
        source: Box<ContractError>,
    },
    /// Two tenants cannot be told apart.
    #[error("the registry `{FILE}`: {0}")]
    Shared(#[from] Shared),
    /// Something is said of a tenant that is not there.
    #[error("`{0}` is not a tenant of this platform")]
    NoSuchTenant(TenantId),
    /// Another agreement is on record under the id.
    #[error(
        "the agreement `{id}` of {provider} is on record with another {what}; what was agreed cannot change, so give the new \
         agreement an id of its own"
    )]
    Conflict {
        /// The tenant that provides.
        provider: TenantId,
        /// The id.
        id: AgreementId,
        /// What is not the same.
        what: &'static str,
    },
}

/// The version of the file's format.
const FORMAT: i64 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS tenant (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS partner (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS footprint (tenant TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (tenant, id)) STRICT;
CREATE TABLE IF NOT EXISTS asset (tenant TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (tenant, id)) STRICT;
CREATE TABLE IF NOT EXISTS relation (tenant TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (tenant, id)) STRICT;
CREATE TABLE IF NOT EXISTS terms (digest TEXT PRIMARY KEY, normal TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS agreement (provider TEXT NOT NULL, id TEXT NOT NULL, consumer TEXT NOT NULL, asset TEXT NOT NULL,
  terms TEXT NOT NULL REFERENCES terms (digest), signed_at TEXT NOT NULL, signed TEXT, state TEXT NOT NULL,
  changed_at TEXT NOT NULL, reason TEXT, uses INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (provider, id)) STRICT;
CREATE TABLE IF NOT EXISTS papers (provider TEXT NOT NULL, id TEXT NOT NULL, claims TEXT, odrl TEXT NOT NULL,
  PRIMARY KEY (provider, id)) STRICT;
CREATE TABLE IF NOT EXISTS ending (provider TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (provider, id)) STRICT;
CREATE TABLE IF NOT EXISTS offer (provider TEXT NOT NULL, id TEXT NOT NULL, asset TEXT NOT NULL,
  access_odrl TEXT NOT NULL, usage_odrl TEXT NOT NULL, PRIMARY KEY (provider, id)) STRICT;
";

/// The registry and the file it is kept in. Clones share both.
#[derive(Clone, Debug)]
pub struct RegistryStore {
    pool: SqlitePool,
    current: watch::Sender<Arc<Registry>>,
    compiled: Arc<Mutex<TermsPool>>,
    uses: Arc<Uses>,
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
        // One connection: changes are made one after the other.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await?;
        settle_format(&pool).await?;
        let mut compiled = TermsPool::default();
        let registry = load::load(&pool, &mut compiled).await?;
        Ok(Self {
            pool,
            current: watch::Sender::new(Arc::new(registry)),
            compiled: Arc::new(Mutex::new(compiled)),
            uses: Arc::default(),
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

    /// Takes in everything of `worlds` but their agreements, and `partners`, in place of what was known under the same ids. What is
    /// not named stays, but for offers: what a tenant offers is what is named. An offer that stayed could be accepted by anyone.
    ///
    /// # Errors
    /// The database, or two tenants whose people or machines could not be told apart; nothing is taken in then.
    pub async fn seed(&self, worlds: &[TenantWorld], partners: &[Partner]) -> Result<(), RegistryError> {
        let mut transaction = self.pool.begin().await?;
        self.told_apart(worlds.iter().map(|world| &world.tenant))?;
        for partner in partners {
            rows::insert_partner(&mut transaction, partner).await?;
        }
        for world in worlds {
            rows::insert_world(&mut transaction, world).await?;
        }
        transaction.commit().await?;
        self.current.send_modify(|current| {
            let mut next = Registry::clone(current);
            partners
                .iter()
                .for_each(|partner| next = next.with_partner(partner.clone()));
            for world in worlds {
                let known = next.tenant(world.tenant.id).map(|known| TenantWorld::clone(known));
                next = next.with_tenant(merged(known, world));
            }
            *current = Arc::new(next);
        });
        Ok(())
    }

    /// Takes in a tenant's record, in place of what was known of it. What is the tenant's own stays.
    ///
    /// # Errors
    /// The database; the record is as it was then.
    pub async fn put_tenant(&self, tenant: Tenant) -> Result<(), RegistryError> {
        let mut connection = self.pool.acquire().await?;
        self.told_apart([&tenant])?;
        rows::insert_tenant(&mut connection, &tenant).await?;
        self.current.send_modify(|current| {
            let known = current.tenant(tenant.id).map(|known| TenantWorld::clone(known));
            let world = match known {
                Some(known) => TenantWorld { tenant, ..known },
                None => TenantWorld::new(tenant),
            };
            *current = Arc::new(current.with_tenant(world));
        });
        Ok(())
    }

    /// Holds that all tenants can be told apart once these are taken in.
    fn told_apart<'t>(&self, tenants: impl IntoIterator<Item = &'t Tenant>) -> Result<(), Shared> {
        let current = self.current();
        let new: HashMap<_, _> = tenants.into_iter().map(|tenant| (tenant.id, tenant)).collect();
        let staying = current.tenants().map(|world| &world.tenant);
        let staying = staying.filter(|tenant| !new.contains_key(&tenant.id));
        apart(staying.chain(new.values().copied()))
    }

    /// Takes in one footprint, in place of the version before.
    ///
    /// # Errors
    /// The database, or a tenant that is not there; the footprint is not taken in then.
    pub async fn put_footprint(&self, footprint: Footprint) -> Result<(), RegistryError> {
        // The one connection is held to the end, so that memory changes in the order in which the file does.
        let mut connection = self.pool.acquire().await?;
        let tenant = footprint.tenant;
        self.current()
            .tenant(tenant)
            .ok_or(RegistryError::NoSuchTenant(tenant))?;
        rows::insert_footprint(&mut connection, &footprint).await?;
        self.change(tenant, |world| {
            world.footprints.insert(Arc::new(footprint));
        });
        Ok(())
    }

    /// The one value of these terms, which all agreements that bear them share.
    fn share(&self, terms: Terms) -> Arc<Terms> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.share(terms)
    }

    /// Changes the world of `tenant` in memory, for the next request to see.
    fn change(&self, tenant: TenantId, change: impl FnOnce(&mut TenantWorld)) {
        self.current.send_modify(|current| {
            if let Some(world) = current.tenant(tenant) {
                let mut world = TenantWorld::clone(world);
                change(&mut world);
                *current = Arc::new(current.with_tenant(world));
            }
        });
    }

    /// Changes an agreement in memory, where it is on record.
    fn change_agreement(&self, provider: TenantId, id: &AgreementId, change: impl FnOnce(&mut Agreement)) {
        self.change(provider, |world| {
            if let Some(known) = world.agreements.get(id) {
                let mut next = Agreement::clone(known);
                change(&mut next);
                world.agreements.insert(Arc::new(next));
            }
        });
    }

    /// The agreement as it is in memory now.
    fn held(&self, provider: TenantId, id: &AgreementId) -> Option<Arc<Agreement>> {
        self.current().tenant(provider)?.agreements.get(id).cloned()
    }
}

/// What was known of a tenant with what a document says of it.
fn merged(known: Option<TenantWorld>, world: &TenantWorld) -> TenantWorld {
    let Some(mut next) = known else {
        return TenantWorld {
            agreements: Default::default(),
            ..world.clone()
        };
    };
    next.tenant = world.tenant.clone();
    for (id, asset) in &world.assets {
        next.assets.insert_mut(id.clone(), Arc::clone(asset));
    }
    next.offers = world.offers.clone();
    for footprint in world.footprints.values() {
        next.footprints.insert(Arc::clone(footprint));
    }
    for (id, relation) in &world.relations {
        next.relations.insert_mut(*id, Arc::clone(relation));
    }
    next
}

/// Makes the tables, or refuses a file of another format. Format 0 kept agreements in another shape, and only such as a
/// document brings at every start.
async fn settle_format(pool: &SqlitePool) -> Result<(), RegistryError> {
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(pool).await?;
    match found {
        FORMAT => {}
        0 => {
            sqlx::raw_sql("DROP TABLE IF EXISTS agreement; PRAGMA user_version = 1;")
                .execute(pool)
                .await?;
        }
        found => return Err(RegistryError::Format { found }),
    }
    sqlx::raw_sql(TABLES).execute(pool).await?;
    Ok(())
}

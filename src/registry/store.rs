//! The registry at rest: tables in a file or a database, loaded at start, and every change written before it is seen.
//!
//! In memory is what decides. What of an agreement only proves (its text and the claims at signing) and what only counts (how often
//! data was handed out) stays in the tables; see [`RegistryStore::papers`] and [`RegistryStore::turn`]. So do the versions of footprints
//! that others took the place of ([`RegistryStore::history`]).
//!
//! What is in memory is what rows say, one immutable value as of one version of the tables. A change takes its number first, which nobody
//! else can until it is committed; brings what is in memory up to that; is checked against it; writes; and has what it wrote read
//! back and swapped in as it commits (`edit`). What other processes change is read in the same way, when they say so or a while after
//! ([`RegistryStore::follow`]).
//!
//! The one exception to "written before seen" leans to deny: an agreement that is ended is ended in memory even where that could not be
//! written, and whoever ended it is told.
//!
//! # Worked example
//!
//! Two processes have the registry of version 7. One puts agreement `a-1` on record: it takes number 8, for which the other waits with
//! its own `a-1` under other terms; writes rows that bear 8, reads them back, commits. Now the other one has number 9, sees that it has
//! missed 8, reads what bears it, finds `a-1` on record under its eyes and gives up with a conflict; number 9 is taken back with it. The
//! next change is 9.

mod agreements;
mod changes;
mod edit;
mod endings;
mod layout;
mod rows;
mod uses;
mod versions;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{broadcast, watch};

pub use self::agreements::{Listed, Papers};
use self::changes::{Changes, NOTHING};
pub use self::endings::Ending;
pub use self::uses::Turn;
use self::uses::Uses;
pub use self::versions::{Indexed, Superseded};
use super::model::{Partner, Relation, Tenant, TenantWorld, TwinRules};
use super::pact::{PactClient, taken};
use super::pool::TermsPool;
use super::sharing::{Known, Shared, apart};
use super::{Agreement, AgreementState, Integration, Registry, Taken};
use crate::contract::{ContractError, Terms};
use crate::database::{Place, Tables, TablesError};
use crate::ids::{AgreementId, Bpnl, TenantId};

/// The file below the data directory.
pub const FILE: &str = "registry.sqlite";

/// Why the registry cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The database.
    #[error("the registry: {0}")]
    Database(#[from] sqlx::Error),
    /// The tables cannot be used.
    #[error("the tables of the registry: {0}")]
    Tables(#[from] TablesError),
    /// A row that does not parse: it was changed by hand, or by a newer version.
    #[error("the registry: the {what} `{id}` does not read: {problem}")]
    Row {
        /// The kind of row.
        what: &'static str,
        /// Its id.
        id: String,
        /// What is wrong.
        problem: String,
    },
    /// The tables are as they were before: somebody put an older state of them in place of the one that is in memory.
    #[error(
        "the registry went back from version {seen} to {found}: an older state was put in its place; start the service again"
    )]
    Rewound {
        /// The version in memory.
        seen: i64,
        /// The version of the tables.
        found: i64,
    },
    /// Another process handed out data under the agreement since its uses were read.
    #[error("the uses of the agreement `{id}` of {provider} were counted by another process meanwhile; ask again")]
    Overtaken {
        /// The tenant that provides.
        provider: TenantId,
        /// The id.
        id: AgreementId,
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
    /// A supplier system proves itself by what is another's.
    #[error(transparent)]
    Taken(#[from] Taken),
    /// A PACT client that is another partner's as well.
    #[error("{0}")]
    Client(super::pact::Held),
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

/// How many agreements that others changed a listener may be behind before it misses some.
const BEHIND: usize = 1_024;

/// The registry and the tables it is kept in. Clones share both.
#[derive(Clone, Debug)]
pub struct RegistryStore {
    tables: Tables,
    current: watch::Sender<Arc<Registry>>,
    compiled: Arc<Mutex<TermsPool>>,
    uses: Arc<Uses>,
    /// Which version is in memory. Held by who changes what is in memory because rows did.
    seen: Arc<tokio::sync::Mutex<i64>>,
    others: broadcast::Sender<Arc<Agreement>>,
}

impl RegistryStore {
    /// Opens the registry in `place`, making an empty one where there is none.
    ///
    /// # Errors
    /// The place cannot be used, or something in it does not read.
    pub async fn open(place: &Place) -> Result<Self, RegistryError> {
        let tables = Tables::open(place, &layout::LAYOUT).await?;
        let compiled = Mutex::new(TermsPool::default());
        let mut transaction = tables.look().await?;
        let seen = changes::version(&mut transaction).await?;
        let all = Changes::read(&mut transaction, NOTHING, &compiled).await?;
        drop(transaction);
        let registry = all.applied(&Registry::default(), &compiled)?;
        Ok(Self {
            tables,
            current: watch::Sender::new(Arc::new(registry)),
            compiled: Arc::new(compiled),
            uses: Arc::default(),
            seen: Arc::new(tokio::sync::Mutex::new(seen)),
            others: broadcast::Sender::new(BEHIND),
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

    /// The agreements that another process puts on record or ends from now on, once each is in memory.
    pub fn others(&self) -> broadcast::Receiver<Arc<Agreement>> {
        self.others.subscribe()
    }

    /// Takes in everything of `worlds` but their agreements and footprints, which have ways in of their own, and `partners`, in place of
    /// what was known under the same ids. What is not named stays, but for offers: what a tenant offers is what is named. An offer that stayed could be accepted by anyone. What
    /// is already so is not written.
    ///
    /// # Errors
    /// The database, an offer that does not read, or two tenants whose people or machines could not be told apart; nothing is taken in then.
    pub async fn seed(&self, worlds: &[TenantWorld], partners: &[Partner]) -> Result<(), RegistryError> {
        let mut edit = self.edit().await?;
        let known = self.current();
        self.told_apart(worlds.iter().map(|world| &world.tenant), None)?;
        let mut written = false;
        for partner in partners {
            let held = known.partner(partner.bpnl).map(AsRef::as_ref);
            written |= rows::put_partner(&mut edit, held, partner).await?;
        }
        for world in worlds {
            let held = known.tenant(world.tenant.id).map(AsRef::as_ref);
            written |= rows::put_world(&mut edit, held, world).await?;
        }
        match written {
            true => edit.commit().await,
            false => Ok(()),
        }
    }

    /// Takes in a tenant's record, in place of what was known of it. What is the tenant's own stays.
    ///
    /// # Errors
    /// The database; the record is as it was then.
    pub async fn put_tenant(&self, tenant: Tenant) -> Result<(), RegistryError> {
        let mut edit = self.edit().await?;
        self.told_apart([&tenant], None)?;
        rows::put_tenant(&mut edit, &tenant).await?;
        edit.commit().await
    }

    /// Takes in a supplier system, in place of what was known under its id.
    ///
    /// # Errors
    /// The database, a tenant that is not there, or a client, a certificate or a key that is another's already; nothing is taken in then.
    pub async fn put_integration(&self, integration: &Integration) -> Result<(), RegistryError> {
        let mut edit = self.edit().await?;
        let (current, tenant) = (self.current(), integration.tenant);
        let world = current.tenant(tenant).ok_or(RegistryError::NoSuchTenant(tenant))?;
        integration.fits(world)?;
        self.told_apart([&world.tenant], Some(integration))?;
        rows::put_integration(&mut edit, integration).await?;
        edit.commit().await
    }

    /// Holds that all tenants can be told apart once these are taken in, and a supplier system of one of them.
    fn told_apart<'t>(
        &self,
        tenants: impl IntoIterator<Item = &'t Tenant>,
        integration: Option<&Integration>,
    ) -> Result<(), Shared> {
        let current = self.current();
        let new: HashMap<_, _> = tenants.into_iter().map(|tenant| (tenant.id, tenant)).collect();
        let staying = current.tenants().filter(|world| !new.contains_key(&world.tenant.id));
        let staying = staying.map(|world| Known::from(&**world));
        let coming = new.values().map(|tenant| {
            let known = Known::new(tenant, current.tenant(tenant.id).map(AsRef::as_ref));
            match integration {
                Some(integration) => known.with(integration),
                None => known,
            }
        });
        apart(staying.chain(coming))
    }

    /// Gives a partner of `tenant` these PACT clients, in place of those it had; what else is on record about it stays. Of a client
    /// that is not among them no token is good any more.
    ///
    /// # Errors
    /// The database, a tenant that is not there, or a client that is another partner's; what was on record stays then.
    pub async fn put_pact_clients(
        &self,
        tenant: TenantId,
        partner: Bpnl,
        clients: Vec<PactClient>,
    ) -> Result<(), RegistryError> {
        let mut edit = self.edit().await?;
        let current = self.current();
        let world = current.tenant(tenant).ok_or(RegistryError::NoSuchTenant(tenant))?;
        if let Some(taken) = taken(world, partner, &clients) {
            return Err(RegistryError::Client(taken));
        }
        let held = world.relations.get(&partner).map(|held| Relation::clone(held));
        let relation = Relation {
            pact: Some(clients),
            ..held.unwrap_or_else(|| Relation::with(partner))
        };
        rows::put_relation(&mut edit, tenant, &relation).await?;
        edit.commit().await
    }

    /// Takes in the access rules of a tenant's digital twins in place of those before, or that it has none.
    ///
    /// # Errors
    /// The database, or a tenant that is not there; the rules are as they were then.
    pub async fn put_twin_rules(&self, tenant: TenantId, rules: Option<&TwinRules>) -> Result<(), RegistryError> {
        let mut edit = self.edit().await?;
        self.current()
            .tenant(tenant)
            .ok_or(RegistryError::NoSuchTenant(tenant))?;
        rows::put_twin_rules(&mut edit, tenant, rules.map(|rules| &*rules.text)).await?;
        edit.commit().await
    }

    /// The one value of these terms, which all agreements that bear them share.
    fn share(&self, terms: Terms) -> Arc<Terms> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.share(terms)
    }

    /// Ends an agreement in memory, where it is on record and in force.
    fn end_in_memory(&self, ending: &Ending) {
        self.current.send_modify(|current| {
            let Some(world) = current.tenant(ending.provider) else {
                return;
            };
            let known = world.agreements.get(&ending.id);
            if let Some(known) = known.filter(|known| known.state == AgreementState::Active) {
                let (mut world, state) = (TenantWorld::clone(world), ending.state);
                let ended = Agreement {
                    state,
                    ..Agreement::clone(known)
                };
                world.agreements.insert(Arc::new(ended));
                *current = Arc::new(current.with_tenant(world));
            }
        });
    }

    /// The agreement as it is in memory now.
    fn held(&self, provider: TenantId, id: &AgreementId) -> Option<Arc<Agreement>> {
        self.current().tenant(provider)?.agreements.get(id).cloned()
    }
}

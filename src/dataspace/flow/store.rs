//! Flows at rest, in tables of a file or a database, and those that are not over in memory as well: each request to the exchange
//! endpoint that carries a token looks its flow up.
//!
//! Changes are made one after the other. A change that leaves a flow without good tokens is seen before it is durable, any
//! other only after: whichever of the two fails, what remains is the refusal. It remains for good: what is seen and could not be
//! written is kept in memory, a flow that is over as well, until it is written ([`FlowStore::settle`]).
//!
//! One process at a time serves, for one writes to the ledger. Should one that was taken over from not know it yet, its change meets a
//! row of another version than it read: it changes nothing ([`FlowError::Overtaken`]), and what is in memory becomes what the row says,
//! but for what ended here, which stays ended and is written over it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::{Flow, Misfit, State};
use crate::database::{Layout, Place, Step, Tables, TablesError, args};
use crate::ids::{FlowId, TenantId};

/// The file below the data directory.
pub const FILE: &str = "dataspace.sqlite";

const LAYOUT: Layout = Layout {
    file: FILE,
    schema: "tidegate_dataspace",
    sqlite: &[
        Step::Sql(
            "
CREATE TABLE IF NOT EXISTS flow (tenant TEXT NOT NULL, id TEXT NOT NULL, agreement TEXT NOT NULL, over INTEGER NOT NULL,
  document TEXT NOT NULL, PRIMARY KEY (tenant, id)) STRICT;
CREATE INDEX IF NOT EXISTS flow_id ON flow (id);
CREATE TABLE IF NOT EXISTS signal (tenant TEXT NOT NULL, flow TEXT NOT NULL, reason TEXT NOT NULL, tries INTEGER NOT NULL,
  due INTEGER NOT NULL, PRIMARY KEY (tenant, flow)) STRICT;
",
        ),
        Step::Columns(&[("flow", "version", "INTEGER NOT NULL DEFAULT 0")]),
        Step::Columns(&[("flow", "address", "TEXT")]),
    ],
    postgres: &["
CREATE TABLE flow (tenant TEXT COLLATE \"C\" NOT NULL, id TEXT COLLATE \"C\" NOT NULL, agreement TEXT NOT NULL, over BOOLEAN NOT NULL,
  document TEXT NOT NULL, version BIGINT NOT NULL, address TEXT, PRIMARY KEY (tenant, id));
CREATE INDEX flow_id ON flow (id);
CREATE INDEX flow_live ON flow (tenant) WHERE NOT over;
CREATE TABLE signal (tenant TEXT COLLATE \"C\" NOT NULL, flow TEXT COLLATE \"C\" NOT NULL, reason TEXT NOT NULL, tries BIGINT NOT NULL,
  due BIGINT NOT NULL, PRIMARY KEY (tenant, flow));
"],
};

/// Why a flow cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The database.
    #[error("the flows: {0}")]
    Database(#[from] sqlx::Error),
    /// The tables cannot be used.
    #[error("the tables of the flows: {0}")]
    Tables(#[from] TablesError),
    /// Another process changed the flow since it was read here.
    #[error("another process changed the flow meanwhile; ask again")]
    Overtaken,
    /// A row that does not read.
    #[error("the flow `{0}` on record does not read: {1}")]
    Row(String, serde_json::Error),
    /// There is no such flow of this tenant.
    #[error("there is no such flow")]
    Unknown,
    /// There is one of that id already, and it was begun by something else.
    #[error("there is a flow of that id already")]
    Exists,
    /// What was said does not fit.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

type Key = (TenantId, FlowId);

/// A flow as JSON, and the version of its row.
type Row = (String, i64);

/// A flow in memory.
#[derive(Clone, Debug)]
struct Held {
    flow: Arc<Flow>,
    /// Whether its row is as it is here.
    written: bool,
    /// The version of the row that this comes from.
    version: i64,
}

/// The flows of all tenants. Each is reached through its tenant only.
#[derive(Debug)]
pub struct FlowStore {
    tables: Tables,
    /// Those that are not over, and those whose rows do not say yet that they are.
    held: RwLock<HashMap<Key, Held>>,
    turn: Mutex<()>,
}

/// A signal the control plane of a flow still has to get: the flow was ended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The flow's tenant.
    pub tenant: TenantId,
    /// The flow.
    pub flow: FlowId,
    /// Why it was ended.
    pub reason: String,
    /// How often it was tried.
    pub tries: u32,
}

impl FlowStore {
    /// Opens the flows in `place`, making an empty store where there is none.
    ///
    /// # Errors
    /// The place cannot be used, or something in it does not read.
    pub async fn open(place: &Place) -> Result<Self, FlowError> {
        let tables = Tables::open(place, &LAYOUT).await?;
        let sql = "SELECT document, version FROM flow WHERE NOT over";
        let rows: Vec<Row> = tables.look().await?.fetch(sql, args![]).await?;
        let held = |row| {
            let held = Held::of(row)?;
            Ok(((held.flow.tenant, held.flow.id.clone()), held))
        };
        let all = rows.iter().map(held).collect::<Result<_, FlowError>>()?;
        Ok(Self {
            tables,
            held: RwLock::new(all),
            turn: Mutex::new(()),
        })
    }

    /// A tenant's flow that is not over.
    pub fn live(&self, tenant: TenantId, id: &FlowId) -> Option<Arc<Flow>> {
        self.held(tenant, id)
            .map(|held| held.flow)
            .filter(|flow| !flow.state.is_final())
    }

    /// A tenant's flow in which data may be fetched now.
    pub fn started(&self, tenant: TenantId, id: &FlowId) -> Option<Arc<Flow>> {
        self.live(tenant, id).filter(|flow| flow.state == State::Started)
    }

    fn held(&self, tenant: TenantId, id: &FlowId) -> Option<Held> {
        let all = self.held.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&(tenant, id.clone())).cloned()
    }

    /// Every flow that is not over, in no order.
    pub fn all_live(&self) -> Vec<Arc<Flow>> {
        let all = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let flows = all.values().map(|held| &held.flow);
        flows.filter(|flow| !flow.state.is_final()).cloned().collect()
    }

    /// The tenants that have a flow of that id: for a message that names no tenant, whose verifiers may accept its token.
    ///
    /// # Errors
    /// The database.
    pub async fn tenants_with(&self, id: &FlowId) -> Result<Vec<TenantId>, FlowError> {
        let sql = "SELECT tenant FROM flow WHERE id = $1 ORDER BY tenant";
        let rows: Vec<(String,)> = self.tables.fetch(sql, args![id.as_str()]).await?;
        Ok(rows.into_iter().filter_map(|(tenant,)| tenant.parse().ok()).collect())
    }

    /// A tenant's flow, over or not.
    ///
    /// # Errors
    /// [`FlowError::Unknown`], or the database.
    pub async fn find(&self, tenant: TenantId, id: &FlowId) -> Result<Arc<Flow>, FlowError> {
        self.known(tenant, id).await.map(|held| held.flow)
    }

    /// A tenant's flow, over or not, with the version of its row.
    async fn known(&self, tenant: TenantId, id: &FlowId) -> Result<Held, FlowError> {
        match self.held(tenant, id) {
            Some(held) => Ok(held),
            None => self.stored(tenant, id).await,
        }
    }

    async fn stored(&self, tenant: TenantId, id: &FlowId) -> Result<Held, FlowError> {
        let sql = "SELECT document, version FROM flow WHERE tenant = $1 AND id = $2";
        let args = args![tenant.as_str(), id.as_str()];
        let row: Option<Row> = self.tables.find(sql, args).await?;
        Held::of(&row.ok_or(FlowError::Unknown)?)
    }

    /// Takes a new flow on. The same flow begun by the same message again is the one on record.
    ///
    /// # Errors
    /// [`FlowError::Exists`] where the id is another flow's, or the database.
    pub async fn begin(&self, flow: Flow) -> Result<Arc<Flow>, FlowError> {
        let _turn = self.turn.lock().await;
        let (id, flow) = (flow.id.clone(), Arc::new(flow));
        let known = match self.known(flow.tenant, &id).await {
            Err(FlowError::Unknown) if self.insert(&flow).await? => return Ok(flow),
            // Another process took it on in between.
            Err(FlowError::Unknown) => self.stored(flow.tenant, &id).await?,
            known => known?,
        };
        match known.flow.begun_by == flow.begun_by {
            true => Ok(known.flow),
            false => Err(FlowError::Exists),
        }
    }

    /// Changes a flow. What `change` refuses changes nothing.
    ///
    /// # Errors
    /// [`FlowError::Unknown`], [`FlowError::Overtaken`], what `change` says, or the database.
    pub async fn change<T>(
        &self,
        tenant: TenantId,
        id: &FlowId,
        change: impl FnOnce(&mut Flow) -> Result<T, Misfit>,
    ) -> Result<(Arc<Flow>, T), FlowError> {
        let _turn = self.turn.lock().await;
        let before = self.known(tenant, id).await?;
        let mut flow = Flow::clone(&before.flow);
        let out = change(&mut flow)?;
        if flow == *before.flow && before.written {
            return Ok((before.flow, out));
        }
        let (ends, version) = (flow.ends(&before.flow), before.version);
        let flow = Arc::new(flow);
        if ends {
            self.show(&flow, false, version);
        }
        if self.update(&flow, version).await? {
            return Ok((flow, out));
        }
        // Without its tokens it is kept as it is here, to be written over what the row says now.
        let stored = self.stored(tenant, id).await?;
        match ends || !before.written {
            true => self.show(&flow, false, stored.version),
            false => self.show(&stored.flow, true, stored.version),
        }
        Err(FlowError::Overtaken)
    }

    /// Writes what is seen and could not be written; returns how many flows that was about.
    ///
    /// # Errors
    /// The database still, or another process changed one meanwhile; then it is written the next time.
    pub async fn settle(&self) -> Result<usize, FlowError> {
        let _turn = self.turn.lock().await;
        let unwritten: Vec<_> = {
            let all = self.held.read().unwrap_or_else(PoisonError::into_inner);
            all.values().filter(|held| !held.written).cloned().collect()
        };
        for Held { flow, version, .. } in &unwritten {
            if !self.update(flow, *version).await? {
                let stored = self.stored(flow.tenant, &flow.id).await?;
                self.show(flow, false, stored.version);
                return Err(FlowError::Overtaken);
            }
        }
        Ok(unwritten.len())
    }

    /// Writes a new flow, and shows it; returns whether there was none of its id.
    async fn insert(&self, flow: &Arc<Flow>) -> Result<bool, FlowError> {
        let document = document(flow)?;
        let args = args![
            flow.tenant.as_str(),
            flow.id.as_str(),
            flow.agreement.as_str(),
            flow.state.is_final(),
            &document,
        ];
        let sql = "INSERT INTO flow (tenant, id, agreement, over, document, version) VALUES ($1, $2, $3, $4, $5, 0)
                   ON CONFLICT DO NOTHING";
        let new = self.tables.run(sql, args).await? > 0;
        if new {
            self.show(flow, true, 0);
        }
        Ok(new)
    }

    /// Writes a flow where its row is of this version, and shows it; returns whether it was.
    async fn update(&self, flow: &Arc<Flow>, version: i64) -> Result<bool, FlowError> {
        let (document, over) = (document(flow)?, flow.state.is_final());
        let args = args![over, &document, flow.tenant.as_str(), flow.id.as_str(), version];
        let sql = "UPDATE flow SET over = $1, document = $2, version = version + 1, address = CASE WHEN $1 THEN NULL ELSE address END
                   WHERE tenant = $3 AND id = $4 AND version = $5";
        let written = self.tables.run(sql, args).await? > 0;
        if written {
            self.show(flow, true, version + 1);
        }
        Ok(written)
    }

    fn show(&self, flow: &Arc<Flow>, written: bool, version: i64) {
        let mut all = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let key = (flow.tenant, flow.id.clone());
        if flow.state.is_final() && written {
            all.remove(&key);
        } else {
            let flow = Arc::clone(flow);
            let held = Held { flow, written, version };
            all.insert(key, held);
        }
    }

    /// Keeps the address that was handed out for a flow, sealed by whoever asks for it. It goes when the flow is over.
    ///
    /// # Errors
    /// [`FlowError::Unknown`]: there is no such flow, or it is over; or the database.
    pub async fn keep_address(&self, tenant: TenantId, id: &FlowId, sealed: &str) -> Result<(), FlowError> {
        let sql = "UPDATE flow SET address = $1 WHERE tenant = $2 AND id = $3 AND NOT over";
        let args = args![sealed, tenant.as_str(), id.as_str()];
        match self.tables.run(sql, args).await? {
            0 => Err(FlowError::Unknown),
            _ => Ok(()),
        }
    }

    /// The address that was handed out for a flow, as it was sealed.
    ///
    /// # Errors
    /// The database.
    pub async fn address(&self, tenant: TenantId, id: &FlowId) -> Result<Option<String>, FlowError> {
        let sql = "SELECT address FROM flow WHERE tenant = $1 AND id = $2";
        let row: Option<(Option<String>,)> = self.tables.find(sql, args![tenant.as_str(), id.as_str()]).await?;
        Ok(row.and_then(|(address,)| address))
    }

    /// Notes that a flow's control plane must be told.
    ///
    /// # Errors
    /// The database.
    pub async fn note_signal(
        &self,
        tenant: TenantId,
        flow: &FlowId,
        reason: &str,
        due: Timestamp,
    ) -> Result<(), FlowError> {
        let sql =
            "INSERT INTO signal (tenant, flow, reason, tries, due) VALUES ($1, $2, $3, 0, $4) ON CONFLICT DO NOTHING";
        let args = args![tenant.as_str(), flow.as_str(), reason, due.as_millisecond()];
        self.tables.run(sql, args).await?;
        Ok(())
    }

    /// The signals that are due: at most ten of each tenant, so that none keeps the others' back, and 1,000 in all.
    ///
    /// # Errors
    /// The database.
    pub async fn due_signals(&self, now: Timestamp) -> Result<Vec<Signal>, FlowError> {
        let sql = "SELECT tenant, flow, reason, tries FROM (SELECT tenant, flow, reason, tries, due,
                     row_number() OVER (PARTITION BY tenant ORDER BY due, flow) AS place FROM signal WHERE due <= $1) AS waiting
                   WHERE place <= 10 ORDER BY place, due LIMIT 1000";
        let rows: Vec<(String, String, String, i64)> = self.tables.fetch(sql, args![now.as_millisecond()]).await?;
        let read = |(tenant, flow, reason, tries): (String, String, String, i64)| {
            Some(Signal {
                tenant: tenant.parse().ok()?,
                flow: flow.parse().ok()?,
                reason,
                tries: u32::try_from(tries).ok()?,
            })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Notes that a signal was tried: done, or to be tried again at `again`.
    ///
    /// # Errors
    /// The database.
    pub async fn signal_tried(&self, signal: &Signal, again: Option<Timestamp>) -> Result<(), FlowError> {
        let (tenant, flow) = (signal.tenant.as_str(), signal.flow.as_str());
        match again {
            None => {
                let sql = "DELETE FROM signal WHERE tenant = $1 AND flow = $2";
                self.tables.run(sql, args![tenant, flow]).await?
            }
            Some(at) => {
                let sql = "UPDATE signal SET tries = tries + 1, due = $1 WHERE tenant = $2 AND flow = $3";
                self.tables.run(sql, args![at.as_millisecond(), tenant, flow]).await?
            }
        };
        Ok(())
    }
}

impl Held {
    fn of((document, version): &Row) -> Result<Self, FlowError> {
        Ok(Self {
            flow: Arc::new(read(document)?),
            written: true,
            version: *version,
        })
    }
}

fn document(flow: &Flow) -> Result<String, FlowError> {
    serde_json::to_string(flow).map_err(|error| FlowError::Row(flow.id.to_string(), error))
}

fn read(document: &str) -> Result<Flow, FlowError> {
    crate::json::read(document.as_bytes()).map_err(|error| FlowError::Row(document.chars().take(80).collect(), error))
}

#[cfg(test)]
mod tests;

//! Flows at rest, in one SQLite file, and those that are not over in memory as well: each request to the exchange endpoint
//! that carries a token looks its flow up.
//!
//! Changes are made one after the other. A change that leaves a flow without good tokens is seen before it is durable, any
//! other only after: whichever of the two fails, what remains is the refusal.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use sqlx::sqlite::SqlitePool;
use tokio::sync::Mutex;

use super::{Flow, Misfit, State};
use crate::dataspace::database;
use crate::ids::{AgreementId, FlowId, TenantId};

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS flow (tenant TEXT NOT NULL, id TEXT NOT NULL, agreement TEXT NOT NULL, over INTEGER NOT NULL,
  document TEXT NOT NULL, PRIMARY KEY (tenant, id)) STRICT;
CREATE INDEX IF NOT EXISTS flow_agreement ON flow (tenant, agreement) WHERE over = 0;
CREATE INDEX IF NOT EXISTS flow_id ON flow (id);
CREATE TABLE IF NOT EXISTS signal (tenant TEXT NOT NULL, flow TEXT NOT NULL, reason TEXT NOT NULL, tries INTEGER NOT NULL,
  due INTEGER NOT NULL, PRIMARY KEY (tenant, flow)) STRICT;
";

/// Why a flow cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The database.
    #[error("the flows: {0}")]
    Database(#[from] sqlx::Error),
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

/// The flows of all tenants. Each is reached through its tenant only.
#[derive(Debug)]
pub struct FlowStore {
    pool: SqlitePool,
    /// Those that are not over.
    live: RwLock<HashMap<Key, Arc<Flow>>>,
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
    /// Opens the flows in `directory`, making an empty store where there is none.
    ///
    /// # Errors
    /// The file cannot be opened, or something in it does not read.
    pub async fn open(directory: &Path) -> Result<Self, FlowError> {
        let pool = database::open(directory).await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        let rows: Vec<(String,)> = sqlx::query_as("SELECT document FROM flow WHERE over = 0")
            .fetch_all(&pool)
            .await?;
        let live = rows
            .iter()
            .map(|(document,)| read(document).map(|flow| ((flow.tenant, flow.id.clone()), Arc::new(flow))))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            pool,
            live: RwLock::new(live),
            turn: Mutex::new(()),
        })
    }

    /// A tenant's flow that is not over.
    pub fn live(&self, tenant: TenantId, id: &FlowId) -> Option<Arc<Flow>> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.get(&(tenant, id.clone())).cloned()
    }

    /// Every flow that is not over, in no order.
    pub fn all_live(&self) -> Vec<Arc<Flow>> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.values().cloned().collect()
    }

    /// The tenants that have a flow of that id: for a message that names no tenant, whose verifiers may accept its token.
    ///
    /// # Errors
    /// The database.
    pub async fn tenants_with(&self, id: &FlowId) -> Result<Vec<TenantId>, FlowError> {
        let rows: Vec<(String,)> = sqlx::query_as("SELECT tenant FROM flow WHERE id = ? ORDER BY tenant LIMIT 8")
            .bind(id.as_str())
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().filter_map(|(tenant,)| tenant.parse().ok()).collect())
    }

    /// A tenant's flow, over or not.
    ///
    /// # Errors
    /// [`FlowError::Unknown`], or the database.
    pub async fn find(&self, tenant: TenantId, id: &FlowId) -> Result<Arc<Flow>, FlowError> {
        if let Some(flow) = self.live(tenant, id) {
            return Ok(flow);
        }
        let row: Option<(String,)> = sqlx::query_as("SELECT document FROM flow WHERE tenant = ? AND id = ?")
            .bind(tenant.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let (document,) = row.ok_or(FlowError::Unknown)?;
        read(&document).map(Arc::new)
    }

    /// Takes a new flow on. The same flow begun by the same message again is the one on record.
    ///
    /// # Errors
    /// [`FlowError::Exists`] where the id is another flow's, or the database.
    pub async fn begin(&self, flow: Flow) -> Result<Arc<Flow>, FlowError> {
        let _turn = self.turn.lock().await;
        match self.find(flow.tenant, &flow.id).await {
            Ok(known) if known.begun_by == flow.begun_by => return Ok(known),
            Ok(_) => return Err(FlowError::Exists),
            Err(FlowError::Unknown) => {}
            Err(error) => return Err(error),
        }
        self.put(flow).await
    }

    /// Changes a flow. What `change` refuses changes nothing.
    ///
    /// # Errors
    /// [`FlowError::Unknown`], what `change` says, or the database.
    pub async fn change<T>(
        &self,
        tenant: TenantId,
        id: &FlowId,
        change: impl FnOnce(&mut Flow) -> Result<T, Misfit>,
    ) -> Result<(Arc<Flow>, T), FlowError> {
        let _turn = self.turn.lock().await;
        let before = self.find(tenant, id).await?;
        let mut flow = Flow::clone(&before);
        let out = change(&mut flow)?;
        if flow == *before {
            return Ok((before, out));
        }
        Ok((self.put(flow).await?, out))
    }

    /// The flows under an agreement that are not over.
    ///
    /// # Errors
    /// The database.
    pub async fn under(&self, tenant: TenantId, agreement: &AgreementId) -> Result<Vec<Arc<Flow>>, FlowError> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT id FROM flow WHERE tenant = ? AND agreement = ? AND over = 0 ORDER BY id")
                .bind(tenant.as_str())
                .bind(agreement.as_str())
                .fetch_all(&self.pool)
                .await?;
        let ids = rows.into_iter().filter_map(|(id,)| id.parse().ok());
        Ok(ids.filter_map(|id| self.live(tenant, &id)).collect())
    }

    async fn put(&self, flow: Flow) -> Result<Arc<Flow>, FlowError> {
        let flow = Arc::new(flow);
        if flow.state != State::Started {
            self.show(&flow);
        }
        let document = serde_json::to_string(&*flow).map_err(|error| FlowError::Row(flow.id.to_string(), error))?;
        sqlx::query("INSERT OR REPLACE INTO flow (tenant, id, agreement, over, document) VALUES (?, ?, ?, ?, ?)")
            .bind(flow.tenant.as_str())
            .bind(flow.id.as_str())
            .bind(flow.agreement.as_str())
            .bind(flow.state.is_final())
            .bind(document)
            .execute(&self.pool)
            .await?;
        self.show(&flow);
        Ok(flow)
    }

    fn show(&self, flow: &Arc<Flow>) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        let key = (flow.tenant, flow.id.clone());
        if flow.state.is_final() {
            live.remove(&key);
        } else {
            live.insert(key, Arc::clone(flow));
        }
    }

    /// Notes that a flow's control plane must be told.
    ///
    /// # Errors
    /// The database.
    pub async fn note_signal(&self, flow: &Flow, reason: &str, due: Timestamp) -> Result<(), FlowError> {
        sqlx::query("INSERT OR IGNORE INTO signal (tenant, flow, reason, tries, due) VALUES (?, ?, ?, 0, ?)")
            .bind(flow.tenant.as_str())
            .bind(flow.id.as_str())
            .bind(reason)
            .bind(due.as_millisecond())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The signals that are due: at most ten of each tenant, so that none keeps the others' back, and 1,000 in all.
    ///
    /// # Errors
    /// The database.
    pub async fn due_signals(&self, now: Timestamp) -> Result<Vec<Signal>, FlowError> {
        let rows: Vec<(String, String, String, u32)> =
            sqlx::query_as(
                "SELECT tenant, flow, reason, tries FROM (SELECT *, row_number() OVER (PARTITION BY tenant ORDER BY due) AS place
                 FROM signal WHERE due <= ?) WHERE place <= 10 ORDER BY place, due LIMIT 1000",
            )
                .bind(now.as_millisecond())
                .fetch_all(&self.pool)
                .await?;
        let read = |(tenant, flow, reason, tries): (String, String, String, u32)| {
            let (tenant, flow) = (tenant.parse().ok()?, flow.parse().ok()?);
            Some(Signal {
                tenant,
                flow,
                reason,
                tries,
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
        let query = match again {
            None => sqlx::query("DELETE FROM signal WHERE tenant = ? AND flow = ?")
                .bind(tenant)
                .bind(flow),
            Some(at) => sqlx::query("UPDATE signal SET tries = tries + 1, due = ? WHERE tenant = ? AND flow = ?")
                .bind(at.as_millisecond())
                .bind(tenant)
                .bind(flow),
        };
        query.execute(&self.pool).await?;
        Ok(())
    }
}

fn read(document: &str) -> Result<Flow, FlowError> {
    crate::json::read(document.as_bytes()).map_err(|error| FlowError::Row(document.chars().take(80).collect(), error))
}

#[cfg(test)]
mod tests {
    use super::super::tests::flow;
    use super::super::{Issued, Side, Verb};
    use super::*;
    use crate::ids::Digest;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Runtime::new().unwrap().block_on(future)
    }

    #[test]
    fn flows_survive_a_restart_and_are_their_tenants_own() {
        let dir = tempfile::tempdir().unwrap();
        block_on(async {
            let store = FlowStore::open(dir.path()).await.unwrap();
            let begun = store.begin(flow("f", Side::Provider)).await.unwrap();
            let (tenant, id) = (begun.tenant, begun.id.clone());
            let token = Issued {
                id: "aa".into(),
                expires: begun.begun_at,
            };
            let issue = |flow: &mut Flow| Ok(flow.issue(token.clone(), Digest::ZERO, begun.begun_at));
            assert!(store.change(tenant, &id, issue).await.unwrap().1);
            drop(store);
            let store = FlowStore::open(dir.path()).await.unwrap();
            assert!(store.live(tenant, &id).unwrap().accepts("aa"));
            let other: TenantId = "BPNL00000000B2CD".parse().unwrap();
            assert!(store.live(other, &id).is_none());
            assert!(matches!(store.find(other, &id).await, Err(FlowError::Unknown)));
            assert!(store.under(other, &begun.agreement).await.unwrap().is_empty());
            assert_eq!(store.under(tenant, &begun.agreement).await.unwrap().len(), 1);
            store
                .change(tenant, &id, |flow| flow.apply(Verb::Terminate))
                .await
                .unwrap();
            assert!(store.live(tenant, &id).is_none());
            assert_eq!(store.find(tenant, &id).await.unwrap().state, State::Terminated);
            assert!(store.under(tenant, &begun.agreement).await.unwrap().is_empty());
            let store = FlowStore::open(dir.path()).await.unwrap();
            assert!(
                store.live(tenant, &id).is_none(),
                "what is over is over after a restart"
            );
        });
    }

    #[test]
    fn an_id_is_one_flow_for_good() {
        let dir = tempfile::tempdir().unwrap();
        block_on(async {
            let store = FlowStore::open(dir.path()).await.unwrap();
            let first = store.begin(flow("f", Side::Provider)).await.unwrap();
            assert_eq!(store.begin(flow("f", Side::Provider)).await.unwrap(), first);
            let mut other = flow("f", Side::Provider);
            other.begun_by = Digest::ZERO;
            assert!(matches!(store.begin(other.clone()).await, Err(FlowError::Exists)));
            store
                .change(first.tenant, &first.id, |flow| flow.apply(Verb::Terminate))
                .await
                .unwrap();
            assert!(matches!(store.begin(other).await, Err(FlowError::Exists)));
            let again = store.begin(flow("f", Side::Provider)).await.unwrap();
            assert_eq!(again.state, State::Terminated, "a repetition does not start it again");
        });
    }

    #[test]
    fn a_signal_waits_until_it_is_done() {
        let dir = tempfile::tempdir().unwrap();
        block_on(async {
            let store = FlowStore::open(dir.path()).await.unwrap();
            let begun = store.begin(flow("f", Side::Provider)).await.unwrap();
            let at = |second: i64| begun.begun_at + jiff::SignedDuration::from_secs(second);
            store.note_signal(&begun, "retired", at(1)).await.unwrap();
            store.note_signal(&begun, "expired", at(0)).await.unwrap();
            assert!(store.due_signals(at(0)).await.unwrap().is_empty());
            let due = store.due_signals(at(1)).await.unwrap();
            assert_eq!((due.len(), due[0].reason.as_str(), due[0].tries), (1, "retired", 0));
            store.signal_tried(&due[0], Some(at(5))).await.unwrap();
            assert!(store.due_signals(at(4)).await.unwrap().is_empty());
            let due = store.due_signals(at(5)).await.unwrap();
            assert_eq!(due[0].tries, 1);
            store.signal_tried(&due[0], None).await.unwrap();
            assert!(store.due_signals(at(500)).await.unwrap().is_empty());
        });
    }
}

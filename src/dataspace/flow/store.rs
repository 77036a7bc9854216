//! Flows at rest, in one SQLite file, and those that are not over in memory as well: each request to the exchange endpoint
//! that carries a token looks its flow up.
//!
//! Changes are made one after the other. A change that leaves a flow without good tokens is seen before it is durable, any
//! other only after: whichever of the two fails, what remains is the refusal. It remains for good: what is seen and could not be
//! written is kept in memory, a flow that is over as well, until it is written ([`FlowStore::settle`]).

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use sqlx::sqlite::SqlitePool;
use tokio::sync::Mutex;

use super::{Flow, Misfit, State};
use crate::dataspace::database;
use crate::ids::{FlowId, TenantId};

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS flow (tenant TEXT NOT NULL, id TEXT NOT NULL, agreement TEXT NOT NULL, over INTEGER NOT NULL,
  document TEXT NOT NULL, PRIMARY KEY (tenant, id)) STRICT;
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

/// A flow in memory.
#[derive(Clone, Debug)]
struct Held {
    flow: Arc<Flow>,
    /// Whether the file has it as it is here.
    written: bool,
}

/// The flows of all tenants. Each is reached through its tenant only.
#[derive(Debug)]
pub struct FlowStore {
    pool: SqlitePool,
    /// Those that are not over, and those of which the file does not know that they are.
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
        let held = |flow: Flow| {
            let key = (flow.tenant, flow.id.clone());
            let (flow, written) = (Arc::new(flow), true);
            (key, Held { flow, written })
        };
        let all = rows
            .iter()
            .map(|(document,)| read(document).map(held))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            pool,
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
        let rows: Vec<(String,)> = sqlx::query_as("SELECT tenant FROM flow WHERE id = ? ORDER BY tenant")
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
        if let Some(held) = self.held(tenant, id) {
            return Ok(held.flow);
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
        let flow = Arc::new(flow);
        self.put(&flow).await?;
        Ok(flow)
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
        let written = self.held(tenant, id).is_none_or(|held| held.written);
        if flow == *before && written {
            return Ok((before, out));
        }
        let flow = Arc::new(flow);
        if flow.ends(&before) {
            self.show(&flow, false);
        }
        self.put(&flow).await?;
        Ok((flow, out))
    }

    /// Writes what is seen and could not be written; returns how many flows that was about.
    ///
    /// # Errors
    /// The database still.
    pub async fn settle(&self) -> Result<usize, FlowError> {
        let _turn = self.turn.lock().await;
        let unwritten: Vec<_> = {
            let all = self.held.read().unwrap_or_else(PoisonError::into_inner);
            let unwritten = all.values().filter(|held| !held.written);
            unwritten.map(|held| Arc::clone(&held.flow)).collect()
        };
        for flow in &unwritten {
            self.put(flow).await?;
        }
        Ok(unwritten.len())
    }

    async fn put(&self, flow: &Arc<Flow>) -> Result<(), FlowError> {
        let document = serde_json::to_string(&**flow).map_err(|error| FlowError::Row(flow.id.to_string(), error))?;
        sqlx::query("INSERT OR REPLACE INTO flow (tenant, id, agreement, over, document) VALUES (?, ?, ?, ?, ?)")
            .bind(flow.tenant.as_str())
            .bind(flow.id.as_str())
            .bind(flow.agreement.as_str())
            .bind(flow.state.is_final())
            .bind(document)
            .execute(&self.pool)
            .await?;
        self.show(flow, true);
        Ok(())
    }

    fn show(&self, flow: &Arc<Flow>, written: bool) {
        let mut all = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let key = (flow.tenant, flow.id.clone());
        if flow.state.is_final() && written {
            all.remove(&key);
        } else {
            let flow = Arc::clone(flow);
            all.insert(key, Held { flow, written });
        }
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
        sqlx::query("INSERT OR IGNORE INTO signal (tenant, flow, reason, tries, due) VALUES (?, ?, ?, 0, ?)")
            .bind(tenant.as_str())
            .bind(flow.as_str())
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
    use super::super::{Issued, Side, Verb, Worth};
    use super::*;
    use crate::ids::Digest;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Runtime::new().unwrap().block_on(future)
    }

    /// Takes on the token `aa`.
    fn issue_aa(flow: &mut Flow) -> Result<bool, Misfit> {
        let (id, expires) = ("aa".to_owned(), flow.begun_at);
        Ok(flow.issue(Issued { id, expires }, flow.begun_at))
    }

    #[test]
    fn flows_survive_a_restart_and_are_their_tenants_own() {
        let dir = tempfile::tempdir().unwrap();
        block_on(async {
            let store = FlowStore::open(dir.path()).await.unwrap();
            let begun = store.begin(flow("f", Side::Provider)).await.unwrap();
            let (tenant, id) = (begun.tenant, begun.id.clone());
            assert!(store.change(tenant, &id, issue_aa).await.unwrap().1);
            drop(store);
            let store = FlowStore::open(dir.path()).await.unwrap();
            assert!(store.live(tenant, &id).unwrap().accepts("aa"));
            let other: TenantId = "BPNL00000000B2CD".parse().unwrap();
            assert!(store.live(other, &id).is_none());
            assert!(matches!(store.find(other, &id).await, Err(FlowError::Unknown)));
            store
                .change(tenant, &id, |flow| flow.apply(Verb::Terminate))
                .await
                .unwrap();
            assert!(store.live(tenant, &id).is_none());
            assert_eq!(store.find(tenant, &id).await.unwrap().state, State::Terminated);
            let store = FlowStore::open(dir.path()).await.unwrap();
            assert!(
                store.live(tenant, &id).is_none(),
                "what is over is over after a restart"
            );
        });
    }

    #[test]
    fn what_ended_is_over_for_good_though_the_file_could_not_be_written() {
        // The tokens may end while the flow goes on.
        for verb in [Some(Verb::Terminate), Some(Verb::Suspend), None] {
            let dir = tempfile::tempdir().unwrap();
            block_on(async {
                let store = FlowStore::open(dir.path()).await.unwrap();
                let begun = store.begin(flow("f", Side::Provider)).await.unwrap();
                let (tenant, id) = (begun.tenant, begun.id.clone());
                assert!(store.change(tenant, &id, issue_aa).await.unwrap().1);
                sqlx::raw_sql("ALTER TABLE flow RENAME TO gone")
                    .execute(&store.pool)
                    .await
                    .unwrap();
                let end = |flow: &mut Flow| match verb {
                    Some(verb) => flow.apply(verb).map(drop),
                    None => {
                        flow.end_tokens();
                        Ok(())
                    }
                };
                let ended = store.change(tenant, &id, end).await;
                assert!(matches!(ended, Err(FlowError::Database(_))));
                let check_ended = |seen: &Flow| {
                    assert_eq!(seen.state == State::Started, verb.is_none(), "{verb:?}");
                    assert!(!seen.accepts("aa"), "{verb:?}");
                    assert!((0..2).all(|number| seen.worth(number) == Worth::Nothing), "{verb:?}");
                };
                check_ended(&store.find(tenant, &id).await.unwrap());
                assert!(store.live(tenant, &id).is_none_or(|flow| !flow.accepts("aa")));
                let taken = store.change(tenant, &id, issue_aa).await.map(|(_, taken)| taken);
                assert!(!matches!(taken, Ok(true)), "no token is taken on");
                assert!(store.settle().await.is_err());
                sqlx::raw_sql("ALTER TABLE gone RENAME TO flow")
                    .execute(&store.pool)
                    .await
                    .unwrap();
                assert_eq!(store.settle().await.unwrap(), 1);
                assert_eq!(store.settle().await.unwrap(), 0);
                let store = FlowStore::open(dir.path()).await.unwrap();
                check_ended(&store.find(tenant, &id).await.unwrap());
            });
        }
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
            store
                .note_signal(begun.tenant, &begun.id, "retired", at(1))
                .await
                .unwrap();
            store
                .note_signal(begun.tenant, &begun.id, "expired", at(0))
                .await
                .unwrap();
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

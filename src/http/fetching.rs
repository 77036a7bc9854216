//! The loop that has footprints fetched from suppliers' systems when it is time to.
//!
//! What is due is looked up in the registry as it is at that instant, so a system that is added, changed or stopped is seen at the next
//! look. A run that was under way when the process ended is gone on with like one that was just begun. Each run is a task of its own, that
//! waits for its supplier and for nobody else's; how many pages are in hand at once is bounded ([`Places`](crate::pull::Places)).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use metrics::counter;
use tokio::task::{Id, JoinSet};

use super::{App, Shared};
use crate::pull::{Beginning, Cause, End, Key, PullStoreError, Puller, Run, RunState, is_due, source};
use crate::registry::{Integration, Registry, TenantState};
use crate::telemetry;

/// How often is looked for what is due.
const LOOK: Duration = Duration::from_secs(1);

impl App {
    fn puller(&self) -> Puller<'_> {
        Puller {
            intake: self.intake(),
            fetching: &self.fetching,
            clock: &self.clock,
        }
    }
}

/// Fetches for as long as it is not dropped.
pub async fn fetch(app: Shared) {
    let mut under_way = JoinSet::new();
    let mut busy: HashMap<Id, Key> = HashMap::new();
    loop {
        if let Err(error) = round(&app, &mut under_way, &mut busy).await {
            tracing::error!(%error, "what is to be fetched cannot be looked up");
        }
        tokio::select! {
            Some(done) = under_way.join_next_with_id(), if !under_way.is_empty() => match done {
                Ok((task, ())) => drop(busy.remove(&task)),
                Err(error) => {
                    tracing::error!(%error, "a run panicked; this is a defect");
                    if let Some(key) = busy.remove(&error.id()) {
                        give_up(&app, &key).await;
                    }
                }
            },
            () = app.fetching.store.woken() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Begins runs that are due, and sets out with all that are under way.
async fn round(app: &Shared, under_way: &mut JoinSet<()>, busy: &mut HashMap<Id, Key>) -> Result<(), PullStoreError> {
    begin_due(app, app.clock.now()).await?;
    for run in app.fetching.store.under_way().await? {
        if busy.values().any(|key| *key == run.key) {
            continue;
        }
        let (app, key) = (Arc::clone(app), run.key.clone());
        let task = under_way.spawn(async move { go(&app, &run).await });
        busy.insert(task.id(), key);
    }
    Ok(())
}

/// The systems that footprints are fetched from, and how often.
fn fetched(registry: &Registry) -> Vec<(Arc<Integration>, u32)> {
    let active = registry
        .tenants()
        .filter(|world| world.tenant.state == TenantState::Active);
    let systems = active.flat_map(|world| world.integrations.values());
    let enabled = systems.filter(|system| system.enabled);
    enabled
        .filter_map(|system| Some((Arc::clone(system), system.pull.as_ref()?.every_seconds)))
        .collect()
}

async fn begin_due(app: &App, now: Timestamp) -> Result<(), PullStoreError> {
    let fetched = fetched(&app.registry.current());
    if fetched.is_empty() {
        return Ok(());
    }
    let last: HashMap<_, _> = app.fetching.store.last().await?.into_iter().collect();
    for (system, every_seconds) in fetched {
        let last = last.get(&(system.tenant, system.id.clone()));
        if !is_due(last, every_seconds, now) {
            continue;
        }
        let beginning = Beginning {
            tenant: system.tenant,
            integration: &system.id,
            source: source(&system),
            cause: Cause::Schedule,
            whole: false,
        };
        app.fetching.store.begin(beginning, now).await?;
    }
    Ok(())
}

async fn go(app: &App, run: &Run) {
    let Key {
        tenant,
        integration,
        number,
    } = &run.key;
    match app.puller().run(run).await {
        Ok(end) => {
            let state = end.state.as_str();
            counter!(telemetry::PULL_RUNS, "state" => state).increment(1);
            let problem = end.problem.unwrap_or_default();
            tracing::info!(%tenant, %integration, number, state, problem, "footprints were fetched");
        }
        Err(error) => {
            tracing::error!(%tenant, %integration, number, %error, "how far a run came could not be noted; it goes on");
            // It is found again at the next look.
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Ends a run that would panic again and again.
async fn give_up(app: &App, key: &Key) {
    let end = End {
        state: RunState::Failed,
        problem: Some("a defect of the program ended it".to_owned()),
        again: None,
    };
    counter!(telemetry::PULL_RUNS, "state" => end.state.as_str()).increment(1);
    if let Err(error) = app.fetching.store.end(key, &end, app.clock.now()).await {
        tracing::error!(%error, "the end of a run could not be noted");
    }
}

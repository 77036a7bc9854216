//! What a process that evaluates has at hand: a copy of the ledger, and an evaluator for each task it was asked lately.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::object_store::local::LocalFileSystem;
use tidegate::ledger::read::Reader;
use tidegate::ledger::replay::apart::{Evaluator, NotApart, Task};
use tokio::runtime::Handle;

/// Under what URL every process finds its own copy of the segments.
pub(crate) const SEGMENTS: &str = "segments://ledger/";

/// For how many tasks evaluators are kept.
const TASKS: usize = 2;

/// How often it is told how much was done.
const TICK: Duration = Duration::from_millis(200);

/// What a process that evaluates has at hand.
pub(crate) struct Site {
    data: PathBuf,
    memory: usize,
    handle: Handle,
    known: Mutex<Vec<(Vec<u8>, Arc<Evaluator>)>>,
    pub(crate) done: Done,
}

/// How many rows each function was asked about.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) told: AtomicU64,
    pub(crate) opened: AtomicU64,
    pub(crate) held: AtomicU64,
    pub(crate) decided: AtomicU64,
}

impl Site {
    /// With the ledger in that data directory, and so many bytes for what is kept between rows. It is made on the runtime that reads
    /// the ledger.
    pub(crate) fn new(data: PathBuf, memory: usize) -> Self {
        Self {
            data,
            memory,
            handle: Handle::current(),
            known: Mutex::default(),
            done: Done::default(),
        }
    }

    /// The evaluator for a task; on any thread, which waits while it is made.
    pub(crate) fn evaluator(&self, task: &[u8]) -> Result<Arc<Evaluator>> {
        // Held while it is made, so that no two threads make it.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, evaluator)) = known.iter().find(|(of, _)| of == task) {
            return Ok(Arc::clone(evaluator));
        }
        let made = tokio::task::block_in_place(|| {
            self.handle.block_on(async {
                let asked = Task::of_bytes(task)?;
                let reader = Reader::open(&self.data).await?;
                Evaluator::new(reader, &asked, self.memory)
            })
        });
        let evaluator = Arc::new(made.map_err(wrong)?);
        known.truncate(TASKS - 1);
        known.insert(0, (task.to_vec(), Arc::clone(&evaluator)));
        Ok(evaluator)
    }

    /// Says on standard error how much was done, whenever it is more.
    pub(crate) async fn tell(self: Arc<Self>) {
        let mut last = String::new();
        loop {
            tokio::time::sleep(TICK).await;
            let now = self.done.to_string();
            if now != last {
                eprintln!("{now}");
                last = now;
            }
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (told, opened, held, decided) = (
            count(&self.told),
            count(&self.opened),
            count(&self.held),
            count(&self.decided),
        );
        write!(
            formatter,
            "rows: told {told}, opened {opened}, held {held}, decided {decided}"
        )
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Site")
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// What went wrong in an evaluator, as the engine passes it on: it fails the query.
pub(crate) fn wrong(error: NotApart) -> DataFusionError {
    DataFusionError::Execution(error.to_string())
}

/// Has a process find its own copy of the segments under [`SEGMENTS`].
pub(crate) fn find_segments(env: &RuntimeEnv, directory: &std::path::Path) -> Result<()> {
    let store = LocalFileSystem::new_with_prefix(directory)?;
    let url = datafusion::datasource::listing::ListingTableUrl::parse(SEGMENTS)?;
    env.register_object_store(url.object_store().as_ref(), Arc::new(store));
    Ok(())
}

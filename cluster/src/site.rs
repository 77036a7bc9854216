//! What a process that evaluates has at hand: a copy of the ledger, and an evaluator for each task it was asked lately.

use std::fmt;
use std::fs::{File, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datafusion::error::DataFusionError;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::object_store::local::LocalFileSystem;
use tempfile::TempDir;
use tidegate::cli::Failure;
use tidegate::ids::Digest;
use tidegate::ledger::read::Reader;
use tidegate::ledger::replay::apart::{Evaluator, NotApart, Task};
use tokio::runtime::Handle;

/// Under what URL every process finds its own copy of the segments.
pub(crate) const SEGMENTS: &str = "segments://ledger/";

/// For how many tasks evaluators are kept.
const TASKS: usize = 2;

/// For how long an evaluator is kept that is not asked: it sees its ledger as it was when it was made, and for as long the store keeps
/// what has been changed since.
const IDLE: Duration = Duration::from_secs(60);

/// How often it is told how much was done.
const TICK: Duration = Duration::from_millis(200);

/// What a process that evaluates has at hand.
pub(crate) struct Site {
    data: PathBuf,
    memory: usize,
    program: Digest,
    handle: Handle,
    known: Mutex<Vec<Known>>,
    pub(crate) done: Done,
}

/// The evaluator for a task, and when it was asked for last.
struct Known {
    task: Vec<u8>,
    evaluator: Arc<Evaluator>,
    asked: Instant,
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
    ///
    /// # Errors
    ///
    /// The program that runs cannot be read.
    pub(crate) fn new(data: PathBuf, memory: usize) -> Result<Self, Failure> {
        Ok(Self {
            data,
            memory: memory / TASKS,
            program: program()?,
            handle: Handle::current(),
            known: Mutex::default(),
            done: Done::default(),
        })
    }

    /// The evaluator for a task; on any thread, which waits while it is made.
    pub(crate) fn evaluator(&self, task: &[u8]) -> Result<Arc<Evaluator>, DataFusionError> {
        // Held while it is made, so that no two threads make it.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.iter_mut().find(|known| known.task == task) {
            known.asked = Instant::now();
            return Ok(Arc::clone(&known.evaluator));
        }
        let made = tokio::task::block_in_place(|| {
            self.handle.block_on(async {
                let asked = Task::of_bytes(task)?;
                let reader = Reader::open(&self.data).await?;
                Evaluator::new(reader, &asked, self.program, self.memory)
            })
        });
        let evaluator = Arc::new(made.map_err(wrong)?);
        known.truncate(TASKS - 1);
        let first = Known {
            task: task.to_vec(),
            evaluator: Arc::clone(&evaluator),
            asked: Instant::now(),
        };
        known.insert(0, first);
        Ok(evaluator)
    }

    /// Says on standard error how much was done, whenever it is more, and lets go of what is not asked any more.
    pub(crate) async fn tell(self: Arc<Self>) {
        let mut last = String::new();
        loop {
            tokio::time::sleep(TICK).await;
            // Where one is made right now, that is looked at the next time.
            if let Ok(mut known) = self.known.try_lock() {
                known.retain(|known| known.asked.elapsed() < IDLE);
            }
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

/// What begins the message where a query fails for what would be the same the next time.
pub(crate) const FOR_GOOD: &str = "no answer: ";

/// What went wrong in an evaluator, as the engine passes it on: it fails the query.
pub(crate) fn wrong(error: NotApart) -> DataFusionError {
    DataFusionError::Execution(format!("{FOR_GOOD}{error}"))
}

/// The SHA-256 of the program that runs.
pub(crate) fn program() -> Result<Digest, Failure> {
    let read = std::env::current_exe().and_then(File::open).and_then(Digest::of_read);
    let failed = |error| Failure::failed(format!("cannot read the program that runs: {error}"));
    read.map(|(digest, _)| digest).map_err(failed)
}

/// A directory of this process alone, in another one or the system's for such. What is private lies in it in plain text, so nobody else
/// may enter it. It goes with the value, but stays where the process is killed.
pub(crate) fn own_directory(within: Option<&Path>) -> Result<TempDir, Failure> {
    let mut own = tempfile::Builder::new();
    let own = own
        .prefix("tidegate-cluster-")
        .permissions(Permissions::from_mode(0o700));
    let made = match within {
        Some(directory) => own.tempdir_in(directory),
        None => own.tempdir(),
    };
    made.map_err(|error| Failure::failed(format!("cannot make a directory to work in: {error}")))
}

/// Reads where to listen: an address that others can be told.
pub(crate) fn listening(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "expected one like 127.0.0.1:50050".to_owned())?;
    match address.ip().is_unspecified() {
        false => Ok(address),
        true => {
            Err("others are told this address, and this one names no machine: give that of one network card".to_owned())
        }
    }
}

/// Has a process find its own copy of the segments under [`SEGMENTS`].
pub(crate) fn find_segments(env: &RuntimeEnv, directory: &Path) -> Result<(), DataFusionError> {
    let store = LocalFileSystem::new_with_prefix(directory)?;
    let url = datafusion::datasource::listing::ListingTableUrl::parse(SEGMENTS)?;
    env.register_object_store(url.object_store().as_ref(), Arc::new(store));
    Ok(())
}

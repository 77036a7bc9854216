//! `tidegate-cluster executor`: does tasks, with a copy of the ledger at hand.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ballista_core::RuntimeProducer;
use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use clap::Args;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionConfig;
use tidegate::cli::{Exit, Failure, Outcome};
use tidegate::ledger::segment;

use crate::site::{Site, find_segments, listening};
use crate::{functions, tally};

/// The greatest message between the processes, in bytes: a tally is one.
pub(crate) const MESSAGE: u32 = 256 * 1024 * 1024;

/// How many seconds an executor waits for its scheduler as it starts.
const CONNECT: u16 = 30;

/// How much memory is taken unless told otherwise, in MiB.
const MEMORY: u32 = 1_024;

/// The least of it that is of any use, in MiB.
const LEAST: i64 = 512;

/// The least memory that a task sorts, joins and groups with, in bytes: with less, it may find no room for what it cannot put on disk.
const TASK: usize = 256 << 20;

/// What `executor` takes.
#[derive(Args, Debug)]
pub(crate) struct ExecutorArgs {
    /// Where the scheduler listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50050")]
    scheduler: SocketAddr,
    /// Where to listen for whoever fetches what it has done: the driver and all other executors, who are told this address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051", value_parser = listening)]
    listen: SocketAddr,
    /// The data directory: a copy of the ledger's store, and its keys
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where segments are [default: `segments` in the data directory]
    #[arg(long, value_name = "DIR")]
    segments: Option<PathBuf>,
    /// Where to put what goes from task to task, in a directory of its own that nobody else may enter and that is removed at the end
    /// [default: the system's directory for such]
    #[arg(long, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,
    /// How many tasks to do at a time [default: one for each core, as far as the memory reaches]
    #[arg(long, value_name = "COUNT")]
    tasks: Option<NonZeroUsize>,
    /// How much memory the engine may take to sort, join and group (three quarters; of this each task has its share, at least 256 MiB, and
    /// puts on disk what does not fit), and what is kept to evaluate (one quarter), in MiB. What is read and sent comes on top
    #[arg(long, value_name = "MIB", default_value_t = MEMORY, value_parser = clap::value_parser!(u32).range(LEAST..))]
    memory: u32,
}

/// What of so many MiB is for the engine, and what for evaluators; in bytes.
fn shares(memory: u32) -> (usize, usize) {
    let bytes = usize::try_from(memory).unwrap_or(usize::MAX).saturating_mul(1 << 20);
    (bytes / 4 * 3, bytes / 4)
}

/// How many tasks are done at a time with so many bytes for the engine.
///
/// # Errors
///
/// The memory does not reach for as many as are asked for.
fn tasks_with(engine: usize, asked: Option<NonZeroUsize>) -> Result<usize, Failure> {
    let most = (engine / TASK).max(1);
    let Some(asked) = asked.map(NonZeroUsize::get) else {
        return Ok(std::thread::available_parallelism().map_or(1, usize::from).min(most));
    };
    match asked <= most {
        true => Ok(asked),
        false => Err(Failure::invalid(format!(
            "a task takes {} MiB, and three quarters of --memory are {}: give --tasks {most} or less, or --memory {} or more",
            TASK >> 20,
            engine >> 20,
            (asked * (TASK >> 20)).div_ceil(3) * 4
        ))),
    }
}

/// Runs one, which works in a directory of its own.
pub(crate) async fn run(args: ExecutorArgs, work: &Path) -> Outcome {
    let (engine, evaluators) = shares(args.memory);
    let tasks = tasks_with(engine, args.tasks)?;
    let segments = args.segments.unwrap_or_else(|| args.data.join(segment::DIRECTORY));
    let site = Arc::new(Site::new(args.data, evaluators)?);
    let mut registry = BallistaFunctionRegistry::default();
    for function in functions::all(Some(&site)) {
        registry
            .scalar_functions
            .insert(function.name().to_owned(), Arc::new(function));
    }
    let count = tally::tally();
    registry
        .aggregate_functions
        .insert(count.name().to_owned(), Arc::new(count));
    let directory = work.to_owned();
    let runtime: RuntimeProducer = Arc::new(move |_: &SessionConfig| {
        let env = RuntimeEnvBuilder::new().with_temp_file_path(&directory).build()?;
        find_segments(&env, &segments)?;
        Ok(Arc::new(env))
    });
    let config = ExecutorProcessConfig {
        bind_host: args.listen.ip().to_string(),
        external_host: Some(args.listen.ip().to_string()),
        port: args.listen.port(),
        scheduler_host: args.scheduler.ip().to_string(),
        scheduler_port: args.scheduler.port(),
        scheduler_connect_timeout_seconds: CONNECT,
        vcores: tasks,
        task_scheduling_policy: TaskSchedulingPolicy::PullStaged,
        work_dir: work.to_str().map(str::to_owned),
        grpc_max_decoding_message_size: MESSAGE,
        grpc_max_encoding_message_size: MESSAGE,
        executor_heartbeat_interval_seconds: 1,
        memory_pool_size: u64::try_from(engine).ok(),
        override_function_registry: Some(Arc::new(registry)),
        override_runtime_producer: Some(runtime),
        ..ExecutorProcessConfig::default()
    };
    eprintln!(
        "executor listening on {}, for the scheduler on {}; {tasks} tasks at a time, in `{}`",
        args.listen,
        args.scheduler,
        work.display()
    );
    tokio::spawn(Arc::clone(&site).tell());
    let ended = start_executor_process(Arc::new(config)).await;
    eprintln!("{}", site.done);
    ended.map_err(Failure::failed)?;
    Ok(Exit::Holds)
}

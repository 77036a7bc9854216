//! `tidegate-cluster executor`: does tasks, with a copy of the ledger at hand.

use std::net::SocketAddr;
use std::path::PathBuf;
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

use crate::site::{Site, find_segments};
use crate::{functions, tally};

/// The greatest message between the processes, in bytes: a tally is one.
pub(crate) const MESSAGE: u32 = 256 * 1024 * 1024;

/// How many seconds an executor waits for its scheduler as it starts.
const CONNECT: u16 = 30;

/// How much memory is taken unless told otherwise, in MiB.
pub(crate) const MEMORY: u32 = 1_024;

/// What `executor` takes.
#[derive(Args, Debug)]
pub(crate) struct ExecutorArgs {
    /// Where the scheduler listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50050")]
    scheduler: SocketAddr,
    /// Where to listen for whoever fetches what it has done
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    listen: SocketAddr,
    /// The data directory: a copy of the ledger's store, and its keys
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where segments are [default: `segments` in the data directory]
    #[arg(long, value_name = "DIR")]
    segments: Option<PathBuf>,
    /// Where to put what goes from task to task, which is removed at the end [default: a directory below the system's for such]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// How many tasks to do at a time [default: one for each core]
    #[arg(long, value_name = "COUNT")]
    tasks: Option<usize>,
    /// How much memory may be taken for rows under way, and for what is kept to evaluate, in MiB
    #[arg(long, value_name = "MIB", default_value_t = MEMORY, value_parser = clap::value_parser!(u32).range(128..))]
    memory: u32,
}

/// What of so many MiB is for the engine, and what for evaluators; in bytes.
pub(crate) fn shares(memory: u32) -> (usize, usize) {
    let bytes = usize::try_from(memory).unwrap_or(usize::MAX).saturating_mul(1 << 20);
    (bytes / 4 * 3, bytes / 4)
}

pub(crate) async fn run(args: ExecutorArgs) -> Outcome {
    let (engine, evaluators) = shares(args.memory);
    let segments = args.segments.unwrap_or_else(|| args.data.join(segment::DIRECTORY));
    let site = Arc::new(Site::new(args.data, evaluators));
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
    let mut own = tempfile::Builder::new();
    let own = own.prefix("tidegate-executor-");
    let work = match &args.work {
        Some(directory) => own.tempdir_in(directory),
        None => own.tempdir(),
    };
    let work = work.map_err(|error| Failure::failed(format!("cannot make a directory to work in: {error}")))?;
    let directory = work.path().to_owned();
    let runtime: RuntimeProducer = Arc::new(move |_: &SessionConfig| {
        let env = RuntimeEnvBuilder::new().with_temp_file_path(&directory).build()?;
        find_segments(&env, &segments)?;
        Ok(Arc::new(env))
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let config = ExecutorProcessConfig {
        bind_host: args.listen.ip().to_string(),
        external_host: Some(args.listen.ip().to_string()),
        port: args.listen.port(),
        scheduler_host: args.scheduler.ip().to_string(),
        scheduler_port: args.scheduler.port(),
        scheduler_connect_timeout_seconds: CONNECT,
        vcores: args.tasks.unwrap_or(cores),
        task_scheduling_policy: TaskSchedulingPolicy::PullStaged,
        work_dir: work.path().to_str().map(str::to_owned),
        grpc_max_decoding_message_size: MESSAGE,
        grpc_max_encoding_message_size: MESSAGE,
        executor_heartbeat_interval_seconds: 1,
        memory_pool_size: u64::try_from(engine).ok(),
        override_function_registry: Some(Arc::new(registry)),
        override_runtime_producer: Some(runtime),
        ..ExecutorProcessConfig::default()
    };
    eprintln!(
        "executor listening on {}, for the scheduler on {}",
        args.listen, args.scheduler
    );
    tokio::spawn(Arc::clone(&site).tell());
    let ended = start_executor_process(Arc::new(config)).await;
    eprintln!("{}", site.done);
    ended.map_err(Failure::failed)?;
    Ok(Exit::Holds)
}

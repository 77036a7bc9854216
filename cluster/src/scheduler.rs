//! `tidegate-cluster scheduler`: plans queries and gives out their tasks.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::utils::default_session_builder;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use clap::Args;
use datafusion::execution::FunctionRegistry as _;
use datafusion::prelude::SessionConfig;
use tidegate::cli::{Exit, Failure, Outcome};

use crate::{executor, functions, site, tally};

/// After how many seconds without a word an executor is given up, and its tasks are run again elsewhere: one that is busy with all its
/// tasks speaks every five.
const SILENT: u64 = 15;

/// How many seconds tasks wait where no executor is left.
const ALONE: u64 = 60;

/// How many times a task, or a stage of tasks, may fail before the query does.
const TRIES: usize = 8;

/// What `scheduler` takes.
#[derive(Args, Debug)]
pub(crate) struct SchedulerArgs {
    /// Where to listen. Whoever reaches it can have executors read what they can: keep it on a trusted network
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50050", value_parser = site::listening)]
    listen: SocketAddr,
    /// The directory of segments, which is looked at for planning
    #[arg(long, value_name = "DIR")]
    segments: PathBuf,
}

pub(crate) async fn run(args: SchedulerArgs) -> Outcome {
    let segments = args.segments;
    let builder = move |config: SessionConfig| {
        let mut state = default_session_builder(config)?;
        for function in functions::all(None) {
            state.register_udf(Arc::new(function))?;
        }
        state.register_udaf(Arc::new(tally::tally()))?;
        site::find_segments(state.runtime_env(), &segments)?;
        Ok(state)
    };
    let config = SchedulerConfig {
        bind_host: args.listen.ip().to_string(),
        external_host: args.listen.ip().to_string(),
        bind_port: args.listen.port(),
        scheduling_policy: TaskSchedulingPolicy::PullStaged,
        executor_timeout_seconds: SILENT,
        expire_dead_executor_interval_seconds: 1,
        no_executors_grace_period_seconds: ALONE,
        task_max_failures: TRIES,
        stage_max_failures: TRIES,
        grpc_server_max_decoding_message_size: executor::MESSAGE,
        grpc_server_max_encoding_message_size: executor::MESSAGE,
        grpc_client_max_message_size: executor::MESSAGE,
        override_session_builder: Some(Arc::new(builder)),
        ..SchedulerConfig::default()
    };
    let cluster = BallistaCluster::new_from_config(&config)
        .await
        .map_err(Failure::failed)?;
    eprintln!("scheduler listening on {}", args.listen);
    start_server(cluster, args.listen, Arc::new(config))
        .await
        .map_err(Failure::failed)?;
    Ok(Exit::Holds)
}

//! Replay of recorded decisions on a cluster of Apache Ballista, whose engine is DataFusion.
//!
//! ```text
//! tidegate-cluster scheduler                                 plans, and gives out the work
//! tidegate-cluster executor --data DIR                       does it; as many as there are machines
//! tidegate-cluster replay --data DIR --scheduler ADDR        asks, and prints what `tidegate replay` prints, byte for byte
//! ```
//!
//! The query is in `query.rs`, and what evaluates in it is in `tidegate::ledger::replay::apart`: the same code that replay in one process
//! and the service run. Exit codes are those of `tidegate`.

mod executor;
mod functions;
mod query;
mod replay;
mod scheduler;
mod site;
mod stop;
mod tally;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidegate::cli::{Failure, Outcome, parse};
use tidegate::ledger::replay::apart::NotApart;
use tracing_subscriber::EnvFilter;

/// A decision makes and drops many small values; this allocator does that in less time than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plans are trees that the engine walks by recursion: more than a thread has by default.
const STACK: usize = 32 * 1024 * 1024;

/// Makes Tidegate's recorded decisions again on a distributed engine.
#[derive(Debug, Parser)]
#[command(name = "tidegate-cluster", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Plan queries and give out their tasks
    Scheduler(scheduler::SchedulerArgs),
    /// Do tasks, with a copy of the ledger's store, its keys and its segments
    Executor(executor::ExecutorArgs),
    /// Have recorded decisions made again, and print what `tidegate replay` prints
    Replay(replay::ReplayArgs),
}

fn main() -> ExitCode {
    let cli: Cli = match parse() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    let filter = EnvFilter::try_from_env("TIDEGATE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let hand = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || run(cli.role));
    let outcome = hand.map_err(Failure::failed).and_then(|hand| {
        hand.join()
            .unwrap_or_else(|_| Err(Failure::failed("it ended before its end")))
    });
    outcome
        .unwrap_or_else(|failure| failure.told("tidegate-cluster"))
        .into()
}

fn run(role: Role) -> Outcome {
    // Made before the runtime, so that it is removed after all that writes there has ended.
    let directory = match &role {
        Role::Executor(args) => Some(site::own_directory(args.work.as_deref())?),
        Role::Scheduler(_) | Role::Replay(_) => None,
    };
    let own = directory.as_ref().map_or(Path::new(""), |directory| directory.path());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build()
        .map_err(Failure::failed)?;
    runtime.block_on(async {
        match role {
            Role::Scheduler(args) => scheduler::run(args).await,
            Role::Executor(args) => executor::run(args, own).await,
            Role::Replay(args) => replay::run(args).await,
        }
    })
}

/// Why replay did not come to its end, as a command tells it.
fn failed(error: NotApart) -> Failure {
    match error {
        NotApart::Ledger(error) => tidegate::cli::replay::failure(&error),
        error => Failure::failed(error),
    }
}

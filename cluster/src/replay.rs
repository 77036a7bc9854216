//! `tidegate-cluster replay`: asks, and does what no engine is asked for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ballista::prelude::SessionContextExt as _;
use ballista_core::config::{BALLISTA_CLIENT_PULL, BALLISTA_SHUFFLE_SORT_BASED_MEMORY_LIMIT_PER_TASK_BYTES};
use ballista_core::extension::SessionConfigExt as _;
use clap::Args;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionContext;
use tidegate::cli::replay::{WhichArgs, failure, report};
use tidegate::cli::{Failure, Format, Outcome};
use tidegate::ledger::read::Reader;
use tidegate::ledger::replay::Part;
use tidegate::ledger::replay::apart::{Driver, NotApart, Tally};
use tidegate::ledger::segment;

use crate::executor::{LEAST, MEMORY, MESSAGE, shares, tasks_with};
use crate::site::{FOR_GOOD, Site, find_segments, program};
use crate::{failed, functions, query, tally};

/// What `replay` takes.
#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    which: WhichArgs,
    /// Where the scheduler of the cluster listens [default: no cluster, all is done in this process]
    #[arg(long, value_name = "ADDR")]
    scheduler: Option<SocketAddr>,
    /// How much memory may be taken, in MiB: where there is no cluster, three quarters for the engine to sort, join and group, which puts on
    /// disk what does not fit; and one quarter for what is kept to evaluate. What is read comes on top
    #[arg(long, value_name = "MIB", default_value_t = MEMORY, value_parser = clap::value_parser!(u32).range(LEAST..))]
    memory: u32,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How many bytes of what goes to the next tasks a task holds before they go to disk: apart from what the engine counts.
const SHUFFLED: u64 = 64 << 20;

/// How many times all is asked for. An engine that lost an executor may give what that had done twice (Ballista 55.0.0 does, where a stage
/// is run again while tasks that read it are under way), or fail, where another was just fetching from it; what it gives next, with one
/// executor less, is whole.
const TRIES: usize = 3;

/// Why there is no result.
enum NoPart {
    /// It may be there when it is asked for again.
    Lost(String),
    /// It will not be.
    Failed(Failure),
}

impl From<Failure> for NoPart {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<NotApart> for NoPart {
    fn from(error: NotApart) -> Self {
        match error {
            NotApart::Incomplete { .. } => Self::Lost(error.to_string()),
            error => Self::Failed(failed(error)),
        }
    }
}

/// Asks, and reports. What does not fit into memory goes to a directory of its own.
pub(crate) async fn run(args: ReplayArgs, own: &Path) -> Outcome {
    let mut tries = 1;
    loop {
        match part(&args, own).await {
            Ok(part) => return report(&part.whole(), args.format),
            Err(NoPart::Failed(failure)) => return Err(failure),
            Err(NoPart::Lost(why)) if tries >= TRIES => return Err(Failure::failed(why)),
            Err(NoPart::Lost(why)) => eprintln!("tidegate-cluster: {why}; asking again"),
        }
        tries += 1;
    }
}

async fn part(args: &ReplayArgs, own: &Path) -> std::result::Result<Part, NoPart> {
    let (engine, evaluators) = shares(args.memory);
    // One half is for what is done here without the engine.
    let evaluators = evaluators / 2;
    let mib = u32::try_from(evaluators >> 20).unwrap_or(u32::MAX);
    let plan = args.which.plan(None, mib)?;
    let tenant = plan.select.tenant;
    let segments = plan.segments.clone();
    let segments = segments.unwrap_or_else(|| args.data.join(segment::DIRECTORY));
    let reader = Reader::open(&args.data).await.map_err(|error| failure(&error))?;
    let driver = Driver::open(reader, &args.data, plan).await;
    let mut driver = driver.map_err(|error| failure(&error))?;
    let mut tally = Tally::default();
    if driver.rows() > 0 {
        let context = match args.scheduler {
            Some(scheduler) => remote(scheduler, driver.rows()).await,
            None => {
                let site = Site::new(args.data.clone(), evaluators)?;
                let tasks = tasks_with(engine, None)?;
                local(site, &segments, driver.rows(), (tasks, engine), own)
            }
        };
        let context = context.map_err(Failure::failed)?;
        let task = driver.task(program()?).await.map_err(|error| failure(&error))?;
        loop {
            let away: Vec<_> = driver.segments().collect();
            let count = away.len();
            let asked = query::ask(&context, away, &task, tenant, args.scheduler);
            tally = asked.await.map_err(|error| lost(&error, args.scheduler))?;
            if !driver.takes_back(&tally)? {
                break;
            }
            eprintln!(
                "tidegate-cluster: of {count} segments {} are done by this process: they have rows that are not as they should be, or an executor lacks what belongs to them",
                count - driver.segments().count()
            );
        }
    }
    Ok(driver.finish(tally, |_| {}).await?)
}

/// Whether a query that failed may do better: on a cluster, where it was not for what an evaluator said.
fn lost(error: &DataFusionError, scheduler: Option<SocketAddr>) -> NoPart {
    let why = error.to_string();
    match scheduler.is_some() && !why.contains(FOR_GOOD) {
        true => NoPart::Lost(why),
        false => NoPart::Failed(Failure::failed(why)),
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The engine in this process, with so much memory for so many tasks at a time, and a directory for what does not fit.
fn local(
    site: Site,
    segments: &Path,
    rows: u64,
    (tasks, memory): (usize, usize),
    spilled: &Path,
) -> Result<SessionContext> {
    let env = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(memory)))
        .with_temp_file_path(spilled)
        .build_arc()?;
    find_segments(&env, segments)?;
    let mut config = query::config(rows, tasks);
    config.options_mut().execution.target_partitions = tasks;
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_runtime_env(env)
        .build();
    Ok(with_functions(
        SessionContext::new_with_state(state),
        Some(&Arc::new(site)),
    ))
}

/// The engine on a cluster.
async fn remote(scheduler: SocketAddr, rows: u64) -> Result<SessionContext> {
    let config = query::config(rows, cores())
        .upgrade_for_ballista()
        .with_ballista_grpc_client_max_message_size(usize::try_from(MESSAGE).unwrap_or(usize::MAX))
        // The planner that changes plans as they run stands still where an executor is lost, in Ballista 55.0.0: the tasks it runs again
        // find no stage that takes what they did. And where one side of the join has no row, as when all is erased, it plans for ever.
        .with_ballista_adaptive_query_planner(false)
        // Who asks how far it is knows under what name it runs, and can end it.
        .set_bool(BALLISTA_CLIENT_PULL, true)
        .set_u64(BALLISTA_SHUFFLE_SORT_BASED_MEMORY_LIMIT_PER_TASK_BYTES, SHUFFLED)
        .with_ballista_job_name("replay");
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .build();
    let context = SessionContext::remote_with_state(&format!("df://{scheduler}"), state).await?;
    Ok(with_functions(context, None))
}

fn with_functions(context: SessionContext, site: Option<&Arc<Site>>) -> SessionContext {
    functions::all(site)
        .into_iter()
        .for_each(|function| context.register_udf(function));
    context.register_udaf(tally::tally());
    context
}

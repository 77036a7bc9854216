//! `tidegate-cluster replay`: asks, and does what no engine is asked for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ballista::prelude::SessionContextExt as _;
use ballista_core::extension::SessionConfigExt as _;
use clap::Args;
use datafusion::error::Result;
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

use crate::executor::{MEMORY, MESSAGE, shares};
use crate::site::{Site, find_segments};
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
    /// How much memory may be taken for rows under way, and for what is kept to evaluate, in MiB
    #[arg(long, value_name = "MIB", default_value_t = MEMORY, value_parser = clap::value_parser!(u32).range(128..))]
    memory: u32,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How many times all is asked for. An engine that lost an executor may give what that had done twice (Ballista 55.0.0 does, where a stage
/// is run again while tasks that read it are under way); what it gives next, with one executor less, is whole.
const TRIES: usize = 3;

pub(crate) async fn run(args: ReplayArgs) -> Outcome {
    for _ in 1..TRIES {
        match part(&args).await? {
            Err(error @ NotApart::Incomplete { .. }) => eprintln!("tidegate-cluster: {error}; asking again"),
            part => return report(&part.map_err(failed)?.whole(), args.format),
        }
    }
    report(&part(&args).await?.map_err(failed)?.whole(), args.format)
}

async fn part(args: &ReplayArgs) -> std::result::Result<std::result::Result<Part, NotApart>, Failure> {
    let (engine, evaluators) = shares(args.memory);
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
            None => local(
                Site::new(args.data.clone(), evaluators),
                &segments,
                driver.rows(),
                engine,
            ),
        };
        let context = context.map_err(Failure::failed)?;
        loop {
            let task = driver.task();
            let asked = query::ask(&context, driver.segments().collect(), &task, tenant);
            tally = asked.await.map_err(Failure::failed)?;
            if !driver.takes_back(&tally).map_err(failed)? {
                break;
            }
        }
    }
    Ok(driver.finish(tally, |_| {}).await)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The engine in this process.
fn local(site: Site, segments: &std::path::Path, rows: u64, memory: usize) -> Result<SessionContext> {
    let env = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(memory)))
        .build_arc()?;
    find_segments(&env, segments)?;
    let mut config = query::config(rows, cores());
    // One process does no more tasks at a time than it has cores.
    config.options_mut().execution.target_partitions = cores();
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
        // find no stage that takes what they did.
        .with_ballista_adaptive_query_planner(false)
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

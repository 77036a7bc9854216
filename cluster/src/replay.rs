//! `tidegate-cluster replay`: asks, and does what no engine is asked for.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use ballista::prelude::SessionContextExt as _;
use ballista_core::config::{BALLISTA_CLIENT_PULL, BALLISTA_SHUFFLE_SORT_BASED_MEMORY_LIMIT_PER_TASK_BYTES};
use ballista_core::extension::SessionConfigExt as _;
use clap::Args;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use tidegate::cli::replay::{WhichArgs, failure, report};
use tidegate::cli::{Failure, Format, Outcome};
use tidegate::ids::TenantId;
use tidegate::ledger::read::Reader;
use tidegate::ledger::replay::apart::{Driver, NotApart, Tally, Task};

use crate::executor::MESSAGE;
use crate::site::{FOR_GOOD, program};
use crate::stop::{STOPPED, Stop};
use crate::{failed, functions, query, tally};

/// What `replay` takes.
#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    which: WhichArgs,
    /// Where the scheduler listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50050")]
    scheduler: SocketAddr,
    /// How many rows the cluster is asked about at a time, in whole segments: what an executor is lost over is asked about again
    #[arg(long, value_name = "COUNT", default_value_t = query::AT_ONCE, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// How much memory may be taken for what is done by this process, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(16..))]
    memory: u32,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How many bytes of what goes to the next tasks a task holds before they go to disk: apart from what the engine counts.
const SHUFFLED: u64 = 64 << 20;

/// How many times a portion is asked about. An engine that lost an executor may give what that had done twice (Ballista 55.0.0 does, where
/// a stage is run again while tasks that read it are under way), or fail, where another was just fetching from it; what it gives next,
/// with one executor less, is whole.
const TRIES: usize = 3;

/// Why nothing came of a query.
enum NoTally {
    /// Something may, when it is asked again.
    Lost(String),
    /// Nothing will.
    Failed(Failure),
}

impl From<DataFusionError> for NoTally {
    fn from(error: DataFusionError) -> Self {
        let why = error.to_string();
        match why.contains(FOR_GOOD) {
            true => Self::Failed(Failure::failed(why)),
            false => Self::Lost(why),
        }
    }
}

impl From<NotApart> for NoTally {
    fn from(error: NotApart) -> Self {
        match error {
            NotApart::Incomplete { .. } => Self::Lost(error.to_string()),
            error => Self::Failed(failed(error)),
        }
    }
}

/// Asks, and reports.
pub(crate) async fn run(args: ReplayArgs) -> Outcome {
    let plan = args.which.plan(None, args.memory)?;
    let tenant = plan.select.tenant;
    let reader = Reader::open(&args.data).await.map_err(|error| failure(&error))?;
    let driver = Driver::open(reader, &args.data, plan).await;
    let mut driver = driver.map_err(|error| failure(&error))?;
    let task = driver.task(program()?).await.map_err(|error| failure(&error))?;
    let stop = Stop::listen().map_err(Failure::failed)?;
    let mut tally = Tally::default();
    let portions = query::portions(driver.segments(), args.rows);
    let count = portions.len();
    for (done, (segments, rows)) in portions.into_iter().enumerate() {
        if count > 1 {
            eprintln!("tidegate-cluster: {done} of {count} portions are done");
        }
        let asking = Asking {
            scheduler: args.scheduler,
            rows,
            task: &task,
            tenant,
            stop: &stop,
        };
        tally.merge(asking.about(&mut driver, segments).await?);
    }
    tokio::select! {
        part = driver.finish(tally, |_| {}) => report(&part.map_err(failed)?.whole(), args.format),
        () = stop.told() => Err(Failure::failed(STOPPED)),
    }
}

/// What is asked about a portion.
struct Asking<'a> {
    scheduler: SocketAddr,
    rows: u64,
    task: &'a Task,
    tenant: Option<TenantId>,
    stop: &'a Stop,
}

impl Asking<'_> {
    /// What comes of these segments, but for those that the driver takes back.
    async fn about(&self, driver: &mut Driver, mut segments: Vec<String>) -> Result<Tally, Failure> {
        while !segments.is_empty() {
            let tally = self.until_it_adds_up(driver, &segments).await?;
            if !driver.takes_back(&tally).map_err(failed)? {
                return Ok(tally);
            }
            let count = segments.len();
            let left: BTreeSet<String> = driver.segments().map(|(segment, _)| segment).collect();
            segments.retain(|segment| left.contains(segment));
            eprintln!(
                "tidegate-cluster: of {count} segments {} are done by this process: they have rows that are not as they should be, or an executor lacks what belongs to them",
                count - segments.len()
            );
        }
        Ok(Tally::default())
    }

    async fn until_it_adds_up(&self, driver: &Driver, segments: &[String]) -> Result<Tally, Failure> {
        let mut tries = 1;
        loop {
            match self.once(driver, segments).await {
                Ok(tally) => return Ok(tally),
                Err(NoTally::Failed(failure)) => return Err(failure),
                Err(NoTally::Lost(why)) if tries >= TRIES => return Err(Failure::failed(why)),
                Err(NoTally::Lost(why)) => eprintln!("tidegate-cluster: {why}; asking again"),
            }
            tries += 1;
        }
    }

    async fn once(&self, driver: &Driver, segments: &[String]) -> Result<Tally, NoTally> {
        let context = connected(self.scheduler, self.rows).await;
        let context = context.map_err(|error| NoTally::Failed(Failure::failed(error)))?;
        let asked = query::ask(&context, segments, self.task, self.tenant, self.scheduler, self.stop);
        let tally = asked.await?;
        tokio::select! {
            held = driver.adds_up(segments, &tally) => held?,
            () = self.stop.told() => return Err(NoTally::Failed(Failure::failed(STOPPED))),
        }
        Ok(tally)
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The engine, set for so many rows.
async fn connected(scheduler: SocketAddr, rows: u64) -> Result<SessionContext> {
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
    functions::all(None)
        .into_iter()
        .for_each(|function| context.register_udf(function));
    context.register_udaf(tally::tally());
    Ok(context)
}

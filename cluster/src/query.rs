//! What the engine is asked.
//!
//! Rows are read by the engine's own reader of Parquet. What is private stands in the first of a run of rows, so it is opened there
//! and joined to each; equal questions are grouped by their key and decided once; and the decisions are counted by an aggregate.
//!
//! A group has its rows along, rather than being joined to them again: the engine keeps no result of a part of a query that is used
//! twice, so all that was read and opened for the one would be read and opened for the other. So that a question that was asked very
//! often makes no group greater than memory, a group has no more than [`STRETCH`] consecutive records of a log.

use std::net::SocketAddr;
use std::sync::Arc;

use ballista_core::JobId;
use ballista_core::execution_plans::DistributedQueryExec;
use ballista_core::serde::protobuf::CancelJobParams;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::cast::as_binary_array;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use datafusion_proto::protobuf::LogicalPlanNode;
use tidegate::ids::TenantId;
use tidegate::ledger::replay::apart::{Tally, Task};

use crate::site::{FOR_GOOD, SEGMENTS, wrong};
use crate::stop::{STOPPED, Stop};

/// How many consecutive numbers of a log a group may be of.
const STRETCH: u32 = 8_192;

/// About how many rows a task has: of each the record and what it was asked with, a kilobyte or two. So a task does all in memory.
const ROWS: u64 = 8_192;

/// How many tasks a stage has at most: each leaves something for each task of the next. If one segment has more than [`ROWS`] for each
/// of them, they are greater.
const TASKS: usize = 1_024;

/// How many rows are asked about at once, unless told otherwise: as many as so many tasks do in memory.
pub(crate) const AT_ONCE: u64 = ROWS * TASKS as u64;

/// How many rows are handed on at once.
const BATCH: usize = 4_096;

/// The columns that are read. What else a segment has is there to be searched by.
fn columns() -> Schema {
    Schema::new(vec![
        Field::new("log", DataType::Utf8, false),
        Field::new("seq", DataType::Int64, false),
        Field::new("period", DataType::Utf8, true),
        Field::new("record", DataType::Binary, false),
        Field::new("private", DataType::Binary, true),
    ])
}

fn sql(tenant: Option<TenantId>) -> String {
    // The driver held this column to the manifest. A BPNL has letters and digits only.
    let of = tenant.map_or_else(|| "true".to_owned(), |tenant| format!("log = '{tenant}'"));
    format!(
        "WITH
           seen AS (
             SELECT log, seq, record, told($1, log, seq, record) AS note
             FROM segments WHERE {of}),
           parts AS (
             SELECT log, unnest(opened($1, log, seq, period, private)) AS part
             FROM segments WHERE private IS NOT NULL AND {of}),
           privates AS (
             SELECT log, get_field(part, 'seq') AS seq, get_field(part, 'asked') AS asked
             FROM parts),
           judged AS (
             SELECT seen.seq AS seq, record, note, asked, held($1, record, note, asked) AS held
             FROM seen LEFT JOIN privates ON seen.log = privates.log AND seen.seq = privates.seq
             WHERE note IS NOT NULL),
           questions AS (
             SELECT held, min(asked) AS asked,
                    array_agg(CASE WHEN starts_with(note, 'left ') THEN NULL ELSE record END) AS records
             FROM judged GROUP BY held, seq / {STRETCH}),
           answered AS (
             SELECT held, records, decided($1, held, records, asked) AS answer
             FROM questions)
         SELECT tally(held, records, answer) FROM answered"
    )
}

/// Puts segments together, in their order, so that no query has more than so many rows, but for those of one segment alone; and says how
/// many each has.
pub(crate) fn portions(segments: impl Iterator<Item = (String, u64)>, at_once: u64) -> Vec<(Vec<String>, u64)> {
    let mut portions: Vec<(Vec<String>, u64)> = Vec::new();
    for (segment, rows) in segments {
        match portions.last_mut().filter(|(_, before)| before + rows <= at_once) {
            Some((portion, before)) => {
                portion.push(segment);
                *before += rows;
            }
            None => portions.push((vec![segment], rows)),
        }
    }
    portions
}

/// How the engine is set for so many rows.
pub(crate) fn config(rows: u64, cores: usize) -> SessionConfig {
    let tasks = usize::try_from(rows.div_ceil(ROWS)).unwrap_or(usize::MAX);
    let mut config = SessionConfig::new()
        .with_target_partitions(tasks.clamp(cores.max(2), TASKS))
        .with_batch_size(BATCH)
        // Files are looked at by those who read them.
        .with_collect_statistics(false);
    let options = config.options_mut();
    options.execution.parquet.schema_force_view_types = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    // A hash join keeps one side in memory whatever there is of it; this one goes to disk.
    options.optimizer.prefer_hash_join = false;
    config
}

/// Asks the engine about those segments, as paths below their directory. Where this process is told to end, the query is ended there too.
pub(crate) async fn ask(
    context: &SessionContext,
    segments: &[String],
    task: &Task,
    tenant: Option<TenantId>,
    scheduler: SocketAddr,
    stop: &Stop,
) -> Result<Tally> {
    let files = segments
        .iter()
        .map(|segment| ListingTableUrl::parse(format!("{SEGMENTS}{segment}")));
    let files = files.collect::<Result<Vec<_>>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
    let table = ListingTableConfig::new_with_multi_paths(files)
        .with_listing_options(options)
        .with_schema(Arc::new(columns()));
    context.register_table("segments", Arc::new(ListingTable::try_new(table)?))?;
    let task = task.to_bytes().map_err(wrong)?;
    let asked = context.sql(&sql(tenant)).await?;
    let asked = asked.with_param_values(vec![ScalarValue::Binary(Some(task))])?;
    let running = Arc::new(asked.task_ctx());
    let plan = asked.create_physical_plan().await?;
    let batches = tokio::select! {
        batches = collect(Arc::clone(&plan), running) => batches?,
        () = stop.told() => {
            cancel(plan.as_ref(), scheduler).await;
            return Err(DataFusionError::Execution(format!("{FOR_GOOD}{STOPPED}")));
        }
    };
    let mut tally = Tally::default();
    for batch in batches {
        let column = batch.columns().first();
        let column = column.ok_or_else(|| DataFusionError::Execution("the query gave no column".to_owned()))?;
        for bytes in as_binary_array(column)?.iter().flatten() {
            tally.merge(Tally::of_bytes(bytes).map_err(wrong)?);
        }
    }
    Ok(tally)
}

/// Ends a query on the cluster, as far as it got there.
async fn cancel(plan: &dyn ExecutionPlan, scheduler: SocketAddr) {
    let ended = async || {
        let job = job(plan).ok_or_else(|| "it is not known there yet".to_owned())?;
        let client = SchedulerGrpcClient::connect(format!("http://{scheduler}")).await;
        let mut client = client.map_err(|error| error.to_string())?;
        let asked = CancelJobParams { job_id: job.into() };
        client.cancel_job(asked).await.map_err(|error| error.to_string())
    };
    match ended().await {
        Ok(_) => eprintln!("tidegate-cluster: the query ends at the scheduler too"),
        Err(error) => eprintln!("tidegate-cluster: the query may go on at the scheduler: {error}"),
    }
}

/// Under what name a query runs on a cluster.
fn job(plan: &dyn ExecutionPlan) -> Option<JobId> {
    match plan.downcast_ref::<DistributedQueryExec<LogicalPlanNode>>() {
        Some(there) => there.job_id(),
        None => plan.children().into_iter().find_map(|below| job(below.as_ref())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_query_has_more_rows_than_are_asked_about_at_once_but_for_a_great_segment() {
        let put = |rows: &[u64]| {
            let named = rows.iter().enumerate().map(|(hour, rows)| (hour.to_string(), *rows));
            portions(named, 10)
        };
        let portion = |hours: &[&str], rows| (hours.iter().map(ToString::to_string).collect::<Vec<_>>(), rows);
        assert_eq!(put(&[]), []);
        assert_eq!(put(&[4, 6, 1]), [portion(&["0", "1"], 10), portion(&["2"], 1)]);
        assert_eq!(
            put(&[5, 20, 5, 5]),
            [portion(&["0"], 5), portion(&["1"], 20), portion(&["2", "3"], 10)]
        );
    }
}

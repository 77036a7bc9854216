//! What the engine is asked.
//!
//! Rows are read by the engine's own reader of Parquet. What is private stands in the first of a run of rows, so it is opened there
//! and joined to each; equal questions are grouped by their key and decided once; and the decisions are counted by an aggregate.
//!
//! A group has its rows along, rather than being joined to them again: the engine keeps no result of a part of a query that is used
//! twice, so all that was read and opened for the one would be read and opened for the other. So that a question that was asked very
//! often makes no group greater than memory, a group has no more than [`STRETCH`] consecutive records of a log.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::cast::as_binary_array;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use tidegate::ids::TenantId;
use tidegate::ledger::replay::apart::{Tally, Task};

use crate::site::{SEGMENTS, wrong};

/// How many consecutive numbers of a log a group may be of.
const STRETCH: u32 = 65_536;

/// About how many rows a task has: of each the record and what it was asked with, a kilobyte or two.
const ROWS: u64 = 65_536;

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

/// How the engine is set for so many rows.
pub(crate) fn config(rows: u64, cores: usize) -> SessionConfig {
    let tasks = usize::try_from(rows.div_ceil(ROWS)).unwrap_or(usize::MAX);
    let mut config = SessionConfig::new()
        .with_target_partitions(tasks.clamp(cores.max(2), 1_024))
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

/// Asks the engine about those segments, as paths below their directory.
pub(crate) async fn ask(
    context: &SessionContext,
    segments: Vec<String>,
    task: &Task,
    tenant: Option<TenantId>,
) -> Result<Tally> {
    let files = segments
        .into_iter()
        .map(|segment| ListingTableUrl::parse(format!("{SEGMENTS}{segment}")));
    let files = files.collect::<Result<Vec<_>>>()?;
    if files.is_empty() {
        return Ok(Tally::default());
    }
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
    let table = ListingTableConfig::new_with_multi_paths(files)
        .with_listing_options(options)
        .with_schema(Arc::new(columns()));
    context.register_table("segments", Arc::new(ListingTable::try_new(table)?))?;
    let task = task.to_bytes().map_err(wrong)?;
    let asked = context.sql(&sql(tenant)).await?;
    let asked = asked.with_param_values(vec![ScalarValue::Binary(Some(task))])?;
    let mut tally = Tally::default();
    for batch in asked.collect().await? {
        let column = batch.columns().first();
        let column = column.ok_or_else(|| DataFusionError::Execution("the query gave no column".to_owned()))?;
        for bytes in as_binary_array(column)?.iter().flatten() {
            tally.merge(Tally::of_bytes(bytes).map_err(wrong)?);
        }
    }
    context.deregister_table("segments")?;
    Ok(tally)
}

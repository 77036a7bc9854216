//! `tidegate ledger segments`: the ledger by the hour, in columns.

use std::path::PathBuf;

use clap::Args;

use super::{DatabaseArgs, Exit, Format, Outcome, block_on, print, print_json, unreadable};
use crate::cli::replay::spinner;
use crate::clock::Clock;
use crate::ledger::read::Reader;
use crate::ledger::segment::{self, Written};

/// What `ledger segments` takes.
#[derive(Args, Debug)]
pub(in crate::cli) struct SegmentsArgs {
    /// The data directory; a service may be running on it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Where to write them [default: `segments` in the data directory]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: &SegmentsArgs) -> Outcome {
    let out = args.out.clone().unwrap_or_else(|| args.data.join(segment::DIRECTORY));
    let bar = spinner("rows written");
    let now = Clock::system().now();
    let place = args.database.place(&args.data)?;
    let written = block_on(async {
        let reader = Reader::open_beside(&place, &args.data).await?;
        segment::write_from(reader, &args.data, &out, now, |rows| bar.set_position(rows)).await
    })?;
    bar.finish_and_clear();
    let written = written.map_err(|error| unreadable(&error))?;
    match args.format {
        Format::Json => print_json(&written)?,
        Format::Text => print(&render(&written)),
    }
    Ok(match written.damaged.is_empty() && written.unusable.is_empty() {
        true => Exit::Holds,
        false => Exit::Finding,
    })
}

fn render(written: &Written) -> String {
    let Written {
        segments,
        rows,
        bytes,
        withheld,
        damaged,
        unusable,
    } = written;
    let mut lines = Vec::new();
    lines.extend(damaged.iter().map(|(log, why)| {
        format!("DAMAGED, so nothing more of it was written: {log}: {why}; run `tidegate ledger verify`")
    }));
    lines.extend(unusable.iter().map(|found| {
        let (segment, why) = (&found.segment, &found.why);
        format!("DAMAGED segment `{segment}`: {why}; what it had is written anew: remove it")
    }));
    if *withheld > 0 {
        lines.push(format!(
            "of {withheld} rows, what is private was not to be had: erased, missing or changed"
        ));
    }
    lines.push(format!("{segments} segments written: {rows} rows, {bytes} bytes"));
    lines.join("\n")
}

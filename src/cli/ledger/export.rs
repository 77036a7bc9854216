//! `tidegate ledger export`: evidence for an auditor.

use std::path::PathBuf;

use clap::Args;

use super::{DatabaseArgs, Exit, Format, Outcome, block_on, print, print_json, unreadable};
use crate::cli::replay::spinner;
use crate::clock::Clock;
use crate::ledger::evidence::{Contents, export};
use crate::ledger::read::Reader;
use crate::ledger::{LedgerError, LogId, Place, RecordTime};

/// What `ledger export` takes.
#[derive(Args, Debug)]
pub(in crate::cli) struct ExportArgs {
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A log: a BPNL, or `platform`; all where none is given (may be repeated)
    #[arg(long, value_name = "LOG")]
    log: Vec<LogId>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: &ExportArgs) -> Outcome {
    let bar = spinner("records read");
    let place = args.database.place(&args.data)?;
    let taken = block_on(take(args, &place, |count| bar.set_position(count)))?;
    bar.finish_and_clear();
    let (contents, bodies) = taken.map_err(|error| unreadable(&error))?;
    match args.format {
        Format::Json => print_json(&contents)?,
        Format::Text => {
            let lines = contents
                .logs
                .iter()
                .map(|part| format!("{:16}  {} records, {}\n", part.log.as_str(), part.size, part.root));
            let out = args.out.display();
            print(&format!(
                "{}{bodies} policies, schemas and terms\nevidence in {out}; `{out}/README.md` says how to check it",
                lines.collect::<String>()
            ));
        }
    }
    Ok(Exit::Holds)
}

async fn take(args: &ExportArgs, place: &Place, progress: impl FnMut(u64)) -> Result<(Contents, usize), LedgerError> {
    let mut reader = Reader::open_beside(place, &args.data).await?;
    let logs = match args.log.is_empty() {
        true => reader.logs().await?,
        false => args.log.clone(),
    };
    export(
        &mut reader,
        &logs,
        &args.out,
        RecordTime::new(Clock::system().now()),
        progress,
    )
    .await
}

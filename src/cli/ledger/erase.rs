//! `tidegate ledger erase`: retention.

use std::path::PathBuf;

use clap::Args;

use super::{DatabaseArgs, Exit, Outcome, block_on, print, unreadable};
use crate::clock::Clock;
use crate::ledger::period::Period;
use crate::ledger::read::Reader;
use crate::ledger::{By, Ledger, LedgerError, LedgerKeys, LogId, Options, Place};

/// What `ledger erase` takes.
#[derive(Args, Debug)]
pub(in crate::cli) struct EraseArgs {
    /// The data directory; no service may be running on it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
    /// The log: a BPNL, or `platform`
    #[arg(long, value_name = "LOG")]
    log: LogId,
    /// The first month that is kept, such as 2026-03; it must not lie ahead
    #[arg(long, value_name = "MONTH")]
    before: Period,
}

pub(super) fn run(args: &EraseArgs) -> Outcome {
    let place = args.database.place(&args.data)?;
    let (periods, index) = block_on(erase(args, &place))?.map_err(|error| unreadable(&error))?;
    let periods: Vec<_> = periods.iter().map(ToString::to_string).collect();
    print(&format!(
        "{}: what was private in {} is erased; record {index} tells of it",
        args.log,
        periods.join(", ")
    ));
    Ok(Exit::Holds)
}

async fn erase(args: &EraseArgs, place: &Place) -> Result<(Vec<Period>, u64), LedgerError> {
    let mut reader = Reader::open_beside(place, &args.data).await?;
    let kept = reader.periods(args.log).await?;
    let base = reader.base(args.log).await?;
    drop(reader);
    let keys = LedgerKeys::read(&args.data, &base)?;
    let keys = keys.ok_or_else(|| LedgerError::Key {
        path: args.data.join("keys/ledger.seed"),
        why: "it is not there, and no record can be signed without it".to_owned(),
    })?;
    let ledger = Ledger::open_at(place.clone(), keys, Clock::system(), Options::default()).await?;
    let erased = ledger.erase(args.log, args.before, By::operator()).await;
    ledger.close().await;
    let ahead = args.data.join(format!("{}-wal", crate::ledger::FILE));
    if erased.is_ok() && std::fs::metadata(ahead).is_ok_and(|ahead| ahead.len() > 0) {
        eprintln!(
            "somebody still reads an older state of the ledger: until they are done and the service has run, the erased keys lie in its file"
        );
    }
    if erased.is_ok() && matches!(place, Place::Postgres(_)) {
        eprintln!(
            "the database's write-ahead log and backups still hold the erased keys, wrapped, until they are overwritten or thrown away"
        );
    }
    let gone = kept.into_iter().filter(|period| *period < args.before);
    Ok((gone.collect(), erased?.seq))
}

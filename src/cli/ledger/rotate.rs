//! `tidegate ledger rotate-key`: another secret, and with it other keys of all logs.

use std::path::PathBuf;

use clap::Args;

use super::{DatabaseArgs, Exit, Outcome, block_on, print, unreadable};
use crate::cli::replay::bar;
use crate::clock::Clock;
use crate::ledger::By;
use crate::ledger::rotation::rotate;

/// What `ledger rotate-key` takes.
#[derive(Args, Debug)]
pub(in crate::cli) struct RotateArgs {
    /// The data directory; no service may be running on it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) fn run(args: &RotateArgs) -> Outcome {
    let place = args.database.place(&args.data)?;
    let bar = bar("logs");
    let progress = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let rotated = block_on(rotate(&place, &args.data, Clock::system(), By::operator(), progress))?;
    bar.finish_and_clear();
    let rotated = rotated.map_err(|error| unreadable(&error))?;
    for left in &rotated.left {
        eprintln!("left for the service as it starts: {left}");
    }
    print(&format!(
        "{} logs have a new key, and a record each that tells of it; the old secret is gone\n\
         the platform's key is now {}\n\
         whoever noted an old key goes on with it, and witnesses must be told the new ones\n\
         a backup of the store opens with the secret of its time only: take one now",
        rotated.logs, rotated.platform
    ));
    Ok(Exit::Holds)
}

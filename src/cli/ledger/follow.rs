//! `tidegate ledger follow`: a monitor of one log.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Exit, Failure, Outcome, PlaceArgs, WitnessArgs, block_on, key, print, unreadable};
use crate::ledger::LedgerError;
use crate::ledger::follow::{Kept, Seen, look};

/// What `ledger follow` takes.
#[derive(Args, Debug)]
pub(in crate::cli) struct FollowArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The log's public key
    #[arg(long, value_name = "KEY")]
    key: String,
    #[command(flatten)]
    witnesses: WitnessArgs,
    /// Where the last checkpoint is kept; made at the first look
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    every: u64,
    /// Look once
    #[arg(long)]
    once: bool,
}

pub(super) fn run(args: &FollowArgs) -> Outcome {
    let (published, key) = (args.place.published()?, key(&args.key)?);
    let witnesses = args.witnesses.quorum()?;
    let kept = Kept::new(&args.state);
    loop {
        let seen = block_on(look(&published, &key, witnesses.as_ref(), &kept))?;
        match seen {
            Ok(seen) => {
                if let Some(exit) = tell(args, seen)? {
                    return Ok(exit);
                }
            }
            // A log that cannot be reached for a while was not forked; what keeps coming back is told each time.
            Err(
                error @ (LedgerError::Fetch { .. }
                | LedgerError::Unpublished { .. }
                | LedgerError::Untrusted(_)
                | LedgerError::Damaged { .. }),
            ) if !args.once => {
                eprintln!("{error}")
            }
            Err(error) => return Err(unreadable(&error)),
        }
        if args.once {
            return Ok(Exit::Holds);
        }
        std::thread::sleep(Duration::from_secs(args.every.max(1)));
    }
}

fn tell(args: &FollowArgs, seen: Seen) -> Result<Option<Exit>, Failure> {
    match seen {
        Seen::First(now) => print(&format!("{}: {} records, {}; kept", now.origin, now.size, now.root)),
        Seen::Same(now) => print(&format!("{}: {} records, as before", now.origin, now.size)),
        Seen::Grown { from, to, key } => {
            print(&format!(
                "{}: grown from {from} to {} records, {}",
                to.origin, to.size, to.root
            ));
            if let Some(key) = key {
                print(&format!(
                    "{}: it is signed with `{key}` now, which the key that was given leads to",
                    to.origin
                ));
            }
        }
        Seen::SetBack { from, to } => {
            print(&format!(
                "SET BACK: {} showed {from} records and now shows {}; it is a copy that lags, or the newest are gone. What was kept stays.",
                to.origin, to.size
            ));
            return Ok(args.once.then_some(Exit::Finding));
        }
        Seen::Forked { kept, found, why } => {
            let mut evidence = args.state.clone().into_os_string();
            evidence.push(".forked");
            std::fs::write(&evidence, &found).map_err(Failure::failed)?;
            let file = evidence.display();
            print(&format!(
                "FORKED: {why}\n\nkept:\n{kept}\nfound, and written to {file}:\n{found}\nBoth are signed by the log's key: keep both files, they \
                 show it to anyone."
            ));
            return Ok(Some(Exit::Finding));
        }
    }
    Ok(None)
}

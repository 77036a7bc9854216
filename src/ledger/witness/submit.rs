//! Asking one witness for one log: from what it saw to the checkpoint at hand.

use super::super::checkpoint::Checkpoint;
use super::super::error::LedgerError;
use super::super::readers::Readers;
use super::Witness;
use super::client::{Client, Said, WitnessError};
use super::rounds::{Answer, Sending};

/// How often a witness may say that it saw something else: once where nobody but us asks it.
const ATTEMPTS: usize = 3;

/// Why a witness did not cosign.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The witness, or the way to it.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// It saw more of the log than there is.
    #[error(
        "it saw {saw} records of the log, which has {size}: the ledger was set back, or somebody else signs in the log's name"
    )]
    Ahead {
        /// What it saw.
        saw: u64,
        /// What there is.
        size: u64,
    },
    /// It saw something else under the same size.
    #[error("it saw another log of as many records, signed in the log's name")]
    Forked,
    /// It says something else each time.
    #[error("what it saw of the log changes while it is asked")]
    Unsettled,
    /// The ledger could not be read.
    #[error("the proof could not be made: {0}")]
    Ledger(#[from] LedgerError),
}

impl Trouble {
    /// What the metric calls it.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Witness(WitnessError::Unreachable(_) | WitnessError::Unavailable(_)) => "failed",
            Self::Witness(WitnessError::Refused { .. }) => "refused",
            Self::Witness(WitnessError::Worthless) => "worthless",
            Self::Witness(WitnessError::Inconsistent) | Self::Forked => "forked",
            Self::Ahead { .. } => "ahead",
            Self::Unsettled => "unsettled",
            Self::Ledger(_) => "unread",
        }
    }

    /// Whether it shows that the log's history is in doubt.
    pub(super) fn is_alarm(&self) -> bool {
        matches!(self.outcome(), "forked" | "ahead")
    }
}

/// Asks; gives what that means for the rounds, and why it came to nothing where it did.
pub(super) async fn submit(
    client: &Client,
    readers: &Readers,
    witness: &Witness,
    sending: &Sending,
) -> (Answer, Option<Trouble>) {
    let mut saw = None;
    match asked(client, readers, witness, sending, &mut saw).await {
        Ok(line) => (Answer::Cosigned(line), None),
        Err(trouble) => {
            let of_the_witness = matches!(trouble.outcome(), "failed" | "worthless");
            let answer = match of_the_witness {
                true => Answer::Failed,
                false => Answer::Refused(saw),
            };
            (answer, Some(trouble))
        }
    }
}

async fn asked(
    client: &Client,
    readers: &Readers,
    witness: &Witness,
    sending: &Sending,
    saw: &mut Option<u64>,
) -> Result<String, Trouble> {
    let checkpoint = Checkpoint::claimed(&sending.note.text).map_err(LedgerError::from)?;
    let size = checkpoint.size;
    let known = match sending.saw {
        Some(saw) => saw,
        None => {
            let stored = readers.seen_by(sending.log, &witness.key.hint()).await?;
            stored.unwrap_or(0)
        }
    };
    let mut old = known.min(size);
    for _ in 0..ATTEMPTS {
        let proof = readers.consistency(sending.log, old, &checkpoint).await?;
        match client.add(witness, old, &proof, &sending.note.text).await? {
            Said::Cosigned(cosignature) => return Ok(cosignature.line),
            // It checks the root only where the size is what it saw.
            Said::Saw(said) if old == size && said.is_none_or(|said| said == size) => return Err(Trouble::Forked),
            Said::Saw(None) => return Err(WitnessError::Worthless.into()),
            Said::Saw(Some(said)) if said > size => {
                // Another process may have signed meanwhile, in the place of this one: the store has what there is.
                let stored = readers.size(sending.log).await?;
                return Err(match stored >= said {
                    true => Trouble::Unsettled,
                    false => Trouble::Ahead { saw: said, size },
                });
            }
            Said::Saw(Some(said)) if said == old => return Err(WitnessError::Worthless.into()),
            Said::Saw(Some(said)) => {
                *saw = Some(said);
                old = said;
            }
        }
    }
    Err(Trouble::Unsettled)
}

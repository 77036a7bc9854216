//! Having checkpoints cosigned by witnesses ([C2SP tlog-witness](https://c2sp.org/tlog-witness)).
//!
//! A log that signs its own checkpoints can still show one history to its operator and another to an auditor, or be set back as a
//! whole. A witness, run by somebody else, remembers the last checkpoint of each log it was shown and cosigns a new one only with a
//! proof that it goes on from that. With a [`Quorum`] of them under a checkpoint, whoever trusts the witnesses needs to have kept
//! nothing to know that there is no other history as well vouched for.
//!
//! ```text
//! a log is signed ──> rounds: which witness is asked for which log, and when ──> one POST: old size, proof, checkpoint
//!                       │                                                            │ 409: it saw another size; once more from there
//!                       └─ enough lines under one checkpoint ──> kept, shown         └ 200: a line, held to the witness's key
//! ```
//!
//! - Nothing waits for a witness: records are durable, answered and signed as ever. What waits is publication: where witnesses are
//!   configured, only a checkpoint that enough of them cosigned is shown as the log's ([`Readers::cosigned_by`]).
//! - The newest checkpoint of a log is the one that is sent; none is queued behind another.
//! - What a witness answers is a stranger's. A line counts once it verifies with the key that was configured, over the very
//!   checkpoint that was sent; a size is taken as where to begin a proof, which the witness itself checks.
//! - A witness that saw more than the log has, or that cannot be shown to have seen its beginning, is the alarm all this is for:
//!   the store was set back, or somebody else signs in the log's name.
//!
//! [`Readers::cosigned_by`]: super::readers::Readers::cosigned_by

mod backlog;
mod client;
mod message;
mod rounds;
mod submit;
mod task;

pub use self::task::cosign;
use super::note::VerifierKey;
use super::quorum::{Quorum, QuorumError};

/// A witness that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its submission prefix: the URL below which `add-checkpoint` lies, without a slash at its end.
    pub url: String,
    /// The key it cosigns with.
    pub key: VerifierKey,
}

/// The witnesses that are asked, and how many of them must have cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnesses {
    list: Vec<Witness>,
    quorum: Quorum,
}

impl Witnesses {
    /// So many of `list`; all where it is not said how many.
    ///
    /// # Errors
    ///
    /// As [`Quorum::new`].
    pub fn new(list: Vec<Witness>, needed: Option<usize>) -> Result<Self, QuorumError> {
        let quorum = Quorum::new(list.iter().map(|witness| witness.key.clone()).collect(), needed)?;
        Ok(Self { list, quorum })
    }

    /// Whose cosignatures count.
    pub fn quorum(&self) -> &Quorum {
        &self.quorum
    }
}

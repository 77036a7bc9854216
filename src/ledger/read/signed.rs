//! What is signed of a log, and what follows from its tiles under that.

use super::Reader;
use crate::ids::Digest;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::error::LedgerError;
use crate::ledger::proof::{Claim, Inclusion, Tiles};
use crate::ledger::record::LogId;
use crate::ledger::store::RawSigned;

impl Reader {
    /// The newest checkpoint of a log that enough witnesses cosigned, as a signed note; it may name fewer records than the latest.
    /// `None` where there is none.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn cosigned(&mut self, log: LogId) -> Result<Option<String>, LedgerError> {
        Ok(self.stored_cosigned(log).await?.map(|(_, note)| note))
    }

    /// The same, and the size stored beside it.
    pub(in crate::ledger) async fn stored_cosigned(
        &mut self,
        log: LogId,
    ) -> Result<Option<(i64, String)>, LedgerError> {
        let stored = self.store.cosigned(log).await;
        stored.map_err(LedgerError::store("read a cosigned checkpoint"))
    }

    /// The checkpoints of the logs whose names come after that one.
    pub(in crate::ledger) async fn signed(&mut self, after: &str) -> Result<Vec<RawSigned>, LedgerError> {
        let page = self.store.signed(after).await;
        page.map_err(LedgerError::store("read the checkpoints"))
    }

    /// A proof that a record is in a log, under the newest checkpoint that witnesses cosigned, or under the latest where only that
    /// reaches as far; `None` where neither does.
    ///
    /// # Errors
    ///
    /// The store's; tiles that are damaged, a checkpoint that is none.
    pub async fn inclusion(&mut self, log: LogId, index: u64) -> Result<Option<Inclusion>, LedgerError> {
        let notes = [self.cosigned(log).await?, self.checkpoint(log).await?];
        self.included(log, index, notes).await
    }

    /// A proof that a record is in a log, under the first of these checkpoints that reaches as far.
    pub(in crate::ledger) async fn included(
        &mut self,
        log: LogId,
        index: u64,
        notes: [Option<String>; 2],
    ) -> Result<Option<Inclusion>, LedgerError> {
        for checkpoint in notes.into_iter().flatten() {
            let Checkpoint { size, root, .. } = Checkpoint::claimed(&checkpoint)?;
            if index < size {
                let proof = self.proof(log, Claim::Inclusion { index, size }, &root).await?;
                return Ok(Some(Inclusion {
                    index,
                    proof,
                    checkpoint,
                }));
            }
        }
        Ok(None)
    }

    /// A proof that a log's first `old` records are the beginning of what a checkpoint of it signs.
    pub(in crate::ledger) async fn consistency(
        &mut self,
        log: LogId,
        old: u64,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<Digest>, LedgerError> {
        let size = checkpoint.size;
        self.proof(log, Claim::Consistency { old, size }, &checkpoint.root)
            .await
    }

    async fn proof(&mut self, log: LogId, claim: Claim, root: &Digest) -> Result<Vec<Digest>, LedgerError> {
        let damaged = |error| LedgerError::Damaged {
            log,
            why: format!("{error}"),
        };
        let mut tiles = Tiles::new();
        for id in claim.tiles().map_err(damaged)? {
            tiles.extend(self.tile(log, id).await?.map(|bytes| (id, bytes)));
        }
        claim.prove(&tiles, root).map_err(damaged)
    }
}

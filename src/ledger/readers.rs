//! Readers for a service: a few connections, used in turn.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::checkpoint::Checkpoint;
use super::error::LedgerError;
use super::note;
use super::proof::Inclusion;
use super::quorum::Quorum;
use super::read::Reader;
use super::record::LogId;
use super::store::RawSigned;
use super::tile::TileId;
use crate::database::Place;
use crate::ids::Digest;

/// How many read at once.
const READERS: usize = 4;

/// Reads the public parts of a ledger beside its writer.
#[derive(Clone, Debug)]
pub struct Readers {
    shelf: Arc<Shelf>,
    /// Who must have cosigned what is shown.
    quorum: Option<Arc<Quorum>>,
}

#[derive(Debug)]
struct Shelf {
    place: Place,
    idle: Mutex<Vec<Reader>>,
    room: Semaphore,
}

impl Readers {
    pub(super) fn new(place: Place) -> Self {
        let (idle, room) = (Mutex::default(), Semaphore::new(READERS));
        let shelf = Arc::new(Shelf { place, idle, room });
        Self { shelf, quorum: None }
    }

    /// From here on shows no checkpoint but those that enough of these witnesses cosigned.
    #[must_use]
    pub fn cosigned_by(self, quorum: Quorum) -> Self {
        let (shelf, quorum) = (self.shelf, Some(Arc::new(quorum)));
        Self { shelf, quorum }
    }

    /// A log's latest checkpoint, or the newest that enough witnesses cosigned where these [are needed](Self::cosigned_by); `None`
    /// for a log without.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn checkpoint(&self, log: LogId) -> Result<Option<String>, LedgerError> {
        match &self.quorum {
            None => self.with(async |reader| reader.checkpoint(log).await).await,
            Some(quorum) => self.cosigned(log, quorum).await,
        }
    }

    /// The changes of a log's key as notes, the first one first; `None` for a log without a checkpoint.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn key_changes(&self, log: LogId) -> Result<Option<Vec<String>>, LedgerError> {
        self.with(async |reader| {
            let notes = reader.key_changes(log).await?;
            Ok(reader.checkpoint(log).await?.map(|_| notes))
        })
        .await
    }

    /// The newest checkpoint that enough of these witnesses cosigned. What is stored may have been cosigned by others.
    async fn cosigned(&self, log: LogId, quorum: &Quorum) -> Result<Option<String>, LedgerError> {
        let note = self.with(async |reader| reader.cosigned(log).await).await?;
        Ok(note.filter(|note| quorum.met(note).is_ok()))
    }

    /// What the witness whose lines have that [hint](super::note::VerifierKey::hint) saw of a log last, as far as it is stored.
    pub(super) async fn seen_by(&self, log: LogId, hint: &str) -> Result<Option<u64>, LedgerError> {
        let note = self.with(async |reader| reader.cosigned(log).await).await?;
        let by = |note: &String| note::hints(note).is_ok_and(|hints| hints.iter().any(|by| by == hint));
        let seen = note.filter(by).map(|note| Checkpoint::claimed(&note)).transpose()?;
        Ok(seen.map(|checkpoint| checkpoint.size))
    }

    /// How many records of a log are signed.
    pub(super) async fn size(&self, log: LogId) -> Result<u64, LedgerError> {
        let note = self.with(async |reader| reader.checkpoint(log).await).await?;
        let size = note.map(|note| Checkpoint::claimed(&note)).transpose()?;
        Ok(size.map_or(0, |checkpoint| checkpoint.size))
    }

    /// That a log's first `old` records are the beginning of what a checkpoint of it signs.
    pub(super) async fn consistency(
        &self,
        log: LogId,
        old: u64,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<Digest>, LedgerError> {
        self.with(async |reader| reader.consistency(log, old, checkpoint).await)
            .await
    }

    /// The checkpoints of the logs whose names come after that one.
    pub(super) async fn signed(&self, after: &str) -> Result<Vec<RawSigned>, LedgerError> {
        self.with(async |reader| reader.signed(after).await).await
    }

    /// A tile of a log; `None` where its checkpoint does not reach as far.
    ///
    /// # Errors
    ///
    /// As [`Reader::tile`].
    pub async fn tile(&self, log: LogId, tile: TileId) -> Result<Option<Vec<u8>>, LedgerError> {
        self.with(async |reader| reader.tile(log, tile).await).await
    }

    /// A proof that a record is in a log, under a cosigned checkpoint where witnesses are needed and one reaches as far, else under
    /// the latest; `None` where that does not reach as far either.
    ///
    /// # Errors
    ///
    /// As [`Reader::inclusion`].
    pub async fn inclusion(&self, log: LogId, index: u64) -> Result<Option<Inclusion>, LedgerError> {
        let cosigned = match &self.quorum {
            Some(quorum) => self.cosigned(log, quorum).await?,
            None => None,
        };
        self.with(async |reader| {
            let latest = reader.checkpoint(log).await?;
            reader.included(log, index, [cosigned, latest]).await
        })
        .await
    }

    async fn with<T>(&self, use_it: impl AsyncFnOnce(&mut Reader) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let shelf = &*self.shelf;
        let _room = shelf.room.acquire().await.map_err(|_| LedgerError::Closed)?;
        let idle = || shelf.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        // One whose store went away meanwhile is dropped, and the next is a new one.
        let fresh = match taken {
            Some(mut reader) => reader.refresh().await.is_ok().then_some(reader),
            None => None,
        };
        let mut reader = match fresh {
            Some(reader) => reader,
            // What is private is not served, so no key is needed.
            None => Reader::open_at(&shelf.place, None).await?,
        };
        let result = use_it(&mut reader).await;
        // One that failed is dropped, and with it whatever was wrong with its connection.
        if result.is_ok() && reader.look_away().await.is_ok() {
            idle().push(reader);
        }
        result
    }
}

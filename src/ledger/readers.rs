//! Readers for a service: a few connections, used in turn.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::checkpoint::Checkpoint;
use super::error::LedgerError;
use super::place::Place;
use super::proof::{Claim, Inclusion, Tiles};
use super::read::Reader;
use super::record::LogId;
use super::tile::TileId;

/// How many read at once.
const READERS: usize = 4;

/// Reads the public parts of a ledger beside its writer.
#[derive(Clone, Debug)]
pub struct Readers(Arc<Shelf>);

#[derive(Debug)]
struct Shelf {
    place: Place,
    idle: Mutex<Vec<Reader>>,
    room: Semaphore,
}

impl Readers {
    pub(super) fn new(place: Place) -> Self {
        let (idle, room) = (Mutex::default(), Semaphore::new(READERS));
        Self(Arc::new(Shelf { place, idle, room }))
    }

    /// A log's latest checkpoint; `None` for a log without.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn checkpoint(&self, log: LogId) -> Result<Option<String>, LedgerError> {
        self.with(async |reader| reader.checkpoint(log).await).await
    }

    /// A tile of a log; `None` where its checkpoint does not reach as far.
    ///
    /// # Errors
    ///
    /// As [`Reader::tile`].
    pub async fn tile(&self, log: LogId, tile: TileId) -> Result<Option<Vec<u8>>, LedgerError> {
        self.with(async |reader| reader.tile(log, tile).await).await
    }

    /// A proof that a record is in a log, under the latest checkpoint; `None` where that does not reach as far.
    ///
    /// # Errors
    ///
    /// As [`Reader::inclusion`].
    pub async fn inclusion(&self, log: LogId, index: u64) -> Result<Option<Inclusion>, LedgerError> {
        self.with(async |reader| reader.inclusion(log, index).await).await
    }

    async fn with<T>(&self, use_it: impl AsyncFnOnce(&mut Reader) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let shelf = &*self.0;
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

impl Reader {
    /// A proof that a record is in a log, under its latest checkpoint; `None` where that does not reach as far.
    ///
    /// # Errors
    ///
    /// The store's; tiles that are damaged, a checkpoint that is none.
    pub async fn inclusion(&mut self, log: LogId, index: u64) -> Result<Option<Inclusion>, LedgerError> {
        let Some(checkpoint) = self.checkpoint(log).await? else {
            return Ok(None);
        };
        let Checkpoint { size, root, .. } = Checkpoint::claimed(&checkpoint)?;
        let claim = Claim::Inclusion { index, size };
        let Ok(needed) = claim.tiles() else { return Ok(None) };
        let mut tiles = Tiles::new();
        for id in needed {
            tiles.extend(self.tile(log, id).await?.map(|bytes| (id, bytes)));
        }
        let damaged = |error| LedgerError::Damaged {
            log,
            why: format!("{error}"),
        };
        let proof = claim.prove(&tiles, &root).map_err(damaged)?;
        Ok(Some(Inclusion {
            index,
            proof,
            checkpoint,
        }))
    }
}

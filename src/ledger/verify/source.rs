//! Where a log that is verified is read from: the store it lies in, or what is published of it.

use async_trait::async_trait;

use super::super::error::LedgerError;
use super::super::keys::Vouching;
use super::super::published::Published;
use super::super::read::{Parts, Reader, Row, Sealed};
use super::super::record::LogId;
use super::super::tile::{self, Kind, TileId, WIDTH};
use super::looked::{Hands, Looked};
use crate::ids::Digest;

/// Where a log is read from.
#[async_trait]
pub(super) trait Source: Send + Sync {
    /// The records of one group of 256, as many as there are, each with the hash stored for it.
    async fn group(&mut self, number: u64) -> Result<Vec<Looked>, LedgerError>;

    /// The number of the first group, from that one on, of which anything is there.
    async fn next(&mut self, number: u64) -> Result<Option<u64>, LedgerError>;

    /// The hashes of a tile, as many as there are.
    async fn hashes(&mut self, level: u8, number: u64) -> Result<Vec<Digest>, LedgerError>;

    /// What vouches for records that are in no bundle yet, where the ledger's secret is at hand.
    fn vouching(&self) -> Result<Option<Vouching>, LedgerError>;
}

/// A log in its store.
pub(super) struct Stored<'r> {
    pub(super) reader: &'r mut Reader,
    pub(super) log: LogId,
    /// Whether what is private is looked at too.
    pub(super) private: bool,
    pub(super) hands: &'r mut Hands,
}

#[async_trait]
impl Source for Stored<'_> {
    async fn group(&mut self, number: u64) -> Result<Vec<Looked>, LedgerError> {
        let (log, private) = (self.log, self.private);
        self.hands.group(self.reader, log, number, private).await
    }

    async fn next(&mut self, number: u64) -> Result<Option<u64>, LedgerError> {
        self.reader.next_group(self.log, number).await
    }

    async fn hashes(&mut self, level: u8, number: u64) -> Result<Vec<Digest>, LedgerError> {
        self.reader.hashes(self.log, level, number).await
    }

    fn vouching(&self) -> Result<Option<Vouching>, LedgerError> {
        self.reader.vouching(self.log)
    }
}

/// What is published of a log, up to the size its checkpoint names.
pub(super) struct Tiles<'p> {
    pub(super) published: &'p Published,
    pub(super) log: LogId,
    pub(super) size: u64,
}

impl Tiles<'_> {
    async fn read(&self, kind: Kind, number: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        match TileId::widest(kind, number, self.size) {
            Some(id) => self.published.tile(id).await,
            None => Ok(None),
        }
    }

    /// How many records or hashes a tile has.
    fn width(&self, kind: Kind, number: u64) -> usize {
        TileId::widest(kind, number, self.size).map_or(0, |id| usize::from(id.width))
    }
}

#[async_trait]
impl Source for Tiles<'_> {
    async fn group(&mut self, number: u64) -> Result<Vec<Looked>, LedgerError> {
        let Some(bytes) = self.read(Kind::Entries, number).await? else {
            return Ok(Vec::new());
        };
        let log = self.log;
        // Not one more than its name says: whatever is published is signed.
        let records = tile::records(&bytes).filter(|records| records.len() == self.width(Kind::Entries, number));
        let records = records.ok_or(LedgerError::Bundle { log, number })?;
        let hashes = self.hashes(0, number).await?;
        let first = number.saturating_mul(WIDTH).cast_signed();
        let rows = (first..).zip(records).zip(0_usize..).map(|((seq, bytes), within)| Row {
            seq,
            hash: hashes.get(within).copied(),
            bytes: bytes::Bytes::copy_from_slice(bytes),
            mac: None,
            sealed: Sealed::Together(Parts::default()),
        });
        Ok(rows.map(|row| Looked::of(row, &[])).collect())
    }

    async fn next(&mut self, _: u64) -> Result<Option<u64>, LedgerError> {
        // Where one is missing, more may be, without end: the log is not whole, and that is told.
        Ok(None)
    }

    async fn hashes(&mut self, level: u8, number: u64) -> Result<Vec<Digest>, LedgerError> {
        let kind = Kind::Hashes { level };
        let bytes = self.read(kind, number).await?.unwrap_or_default();
        if bytes.len() != self.width(kind, number) * 32 {
            return Ok(Vec::new());
        }
        Ok(tile::hashes(&bytes).collect())
    }

    fn vouching(&self) -> Result<Option<Vouching>, LedgerError> {
        Ok(None)
    }
}

//! Reading a ledger: its logs in order, their tiles, and what their records name.
//!
//! A reader sees the ledger as of one instant, beside a running service as well as after a crash, and changes nothing. With the
//! ledger's secret beside the data it also opens what is private.
//!
//! ```no_run
//! # use tidegate::ledger::{LogId, read::{Cursor, Reader}, record::Event};
//! # async fn all(dir: &std::path::Path) -> Result<(), tidegate::ledger::LedgerError> {
//! let mut reader = Reader::open(dir).await?;
//! let mut cursor = Cursor::new(LogId::Platform, 0);
//! while let Some(stored) = cursor.next(&mut reader).await? {
//!     if let Event::Decision(decided) = &stored.record.event {
//!         let (asked, entities) = (stored.asked, reader.slice(LogId::Platform, &decided.private).await?);
//!     }
//! }
//! # Ok(()) }
//! ```

mod cursor;
mod find;
mod group;
mod signed;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

pub use self::cursor::{Cursor, Stored};
use self::group::Ahead;
pub(super) use self::group::{Group, Key, opened};
use super::error::LedgerError;
use super::keys::{LedgerKeys, Vouching};
use super::note::VerifierKey;
use super::period::Period;
use super::private;
use super::record::{LogId, Private};
use super::store::{RawLog, RawPeriod, RawSlice, Store};
use super::tile::{self, Kind, TileId, WIDTH};
use crate::database::Place;
use crate::ids::Digest;

/// The greatest size of a bundle before it was compressed: as many records as it can hold, each as great as one can be.
const MAX_BUNDLE: usize = 256 * (65_535 + 2);

/// How many keys of months are kept at hand.
const MAX_KEYS: usize = 4_096;

/// Why what is private in a record cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// It was erased.
    #[error("what is private in it was erased with the key of {0}")]
    Erased(Period),
    /// The ledger's secret is not at hand.
    #[error("what is private in it cannot be opened: the ledger's secret is not beside it")]
    NoSecret,
    /// The key of its month is gone or does not open.
    #[error("the key of {0} is not there or does not open with this ledger's secret")]
    NoKey(Period),
    /// It is not stored.
    #[error("what is private in it is missing")]
    Missing,
    /// It is not what the record commits to.
    #[error("what is private in it was changed: it does not open, or is not what the record commits to")]
    Changed,
}

/// A record's bytes and what stands beside them, before anything is believed of them.
pub(super) struct Row {
    pub(super) seq: i64,
    /// The hash stored for it.
    pub(super) hash: Option<Digest>,
    pub(super) bytes: Bytes,
    /// What vouches for it until it lies in a bundle.
    pub(super) mac: Option<Vec<u8>>,
    pub(super) sealed: Sealed,
}

/// A record's private part as it was found.
#[derive(Debug)]
pub(super) enum Sealed {
    /// Sealed by itself, under the key of that month.
    Alone(Option<(String, Vec<u8>)>),
    /// Out of those sealed together.
    Together(Parts),
}

/// A record's private part by the period it is of, or why it is not to be had.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    one: Option<Part>,
    /// Where it has more than one, which is hardly ever.
    more: Vec<Part>,
}

type Part = (Period, Result<Bytes, Withheld>);

impl Parts {
    fn push(&mut self, part: Part) {
        match &self.one {
            None => self.one = Some(part),
            Some(_) => self.more.push(part),
        }
    }

    /// The part of that period.
    fn of(self, period: Period) -> Option<Result<Bytes, Withheld>> {
        let mut parts = self.one.into_iter().chain(self.more);
        parts.find(|(of, _)| *of == period).map(|(_, part)| part)
    }
}

/// A ledger open for reading, as of the instant it was opened.
#[derive(Debug)]
pub struct Reader {
    store: Box<dyn Store>,
    secret: Option<LedgerKeys>,
    keys: HashMap<(LogId, Period), Key>,
    ahead: Ahead,
}

impl Reader {
    /// Opens the ledger in `dir`, with the secret in `dir` where it is there.
    ///
    /// # Errors
    ///
    /// There is none, its format is unknown, or the store refuses it; a secret that others may read.
    pub async fn open(dir: &Path) -> Result<Self, LedgerError> {
        Self::open_beside(&Place::Directory(dir.to_owned()), dir).await
    }

    /// Opens the ledger at a place, with the secret in `dir` where it is there.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_beside(place: &Place, dir: &Path) -> Result<Self, LedgerError> {
        // What is private, and all else that a reader opens, needs no base.
        let keys = LedgerKeys::read(dir, "reader")?;
        let mut reader = Self::open_at(place, keys.as_ref()).await?;
        let changing = reader.store.is_changing().await;
        match changing.map_err(LedgerError::store("read the ledger"))? {
            false => Ok(reader),
            true => Err(LedgerError::Changing),
        }
    }

    /// Opens the ledger at a place, with the keys that open what is private, where there are any.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_at(place: &Place, keys: Option<&LedgerKeys>) -> Result<Self, LedgerError> {
        let mut store = place.reader().await?;
        store.look().await.map_err(LedgerError::store("read the ledger"))?;
        let secret = keys.cloned();
        let (keys, ahead) = (HashMap::new(), Ahead::default());
        Ok(Self {
            store,
            secret,
            keys,
            ahead,
        })
    }

    /// Whether the ledger's secret is at hand.
    pub(super) fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// From here on sees the ledger as it is now.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn refresh(&mut self) -> Result<(), LedgerError> {
        self.keys.clear();
        self.ahead = Ahead::default();
        self.store.look().await.map_err(LedgerError::store("read the ledger"))
    }

    /// Sees nothing until it is [refreshed](Self::refresh).
    pub(super) async fn look_away(&mut self) -> Result<(), LedgerError> {
        self.ahead = Ahead::default();
        self.store
            .look_away()
            .await
            .map_err(LedgerError::store("read the ledger"))
    }

    /// What the store itself finds wrong with its structure; empty where it is sound.
    pub(super) async fn integrity(&mut self) -> Result<Vec<String>, LedgerError> {
        self.store
            .integrity()
            .await
            .map_err(LedgerError::store("check the ledger's file"))
    }

    /// The logs there are: the platform's first, then the tenants' by BPNL.
    ///
    /// # Errors
    ///
    /// The store's. Names that name no log are left out here; `verify` reports them.
    pub async fn logs(&mut self) -> Result<Vec<LogId>, LedgerError> {
        let names = self.log_names().await?;
        let logs: BTreeSet<LogId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        Ok(logs.into_iter().collect())
    }

    /// Every name under which something is stored.
    pub(super) async fn log_names(&mut self) -> Result<BTreeSet<String>, LedgerError> {
        self.store.names().await.map_err(LedgerError::store("list the logs"))
    }

    /// A log's latest checkpoint as a signed note: what to keep elsewhere. `None` for a log without.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn checkpoint(&mut self, log: LogId) -> Result<Option<String>, LedgerError> {
        Ok(self.log(log).await?.note)
    }

    /// The key that signs a log's checkpoints.
    ///
    /// # Errors
    ///
    /// There is no such log, or what is stored is no key.
    pub async fn verifier_key(&mut self, log: LogId) -> Result<VerifierKey, LedgerError> {
        let key = self.log(log).await?.verifier_key;
        Ok(key.ok_or(LedgerError::NoLog { log })?.parse()?)
    }

    /// The changes of a log's key as notes, the first one first; see [`succession`](super::succession).
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn key_changes(&mut self, log: LogId) -> Result<Vec<String>, LedgerError> {
        let notes = self.store.key_changes(log).await;
        notes.map_err(LedgerError::store("read the changes of a log's key"))
    }

    /// The first part of every log's origin, as this log has it.
    ///
    /// # Errors
    ///
    /// As [`verifier_key`](Self::verifier_key).
    pub async fn base(&mut self, log: LogId) -> Result<String, LedgerError> {
        let key = self.verifier_key(log).await?;
        let base = key.name().strip_suffix(&format!("/ledger/{log}"));
        Ok(base.ok_or(LedgerError::NoLog { log })?.to_owned())
    }

    pub(super) async fn log(&mut self, log: LogId) -> Result<RawLog, LedgerError> {
        self.store
            .log(log)
            .await
            .map_err(LedgerError::store("read a log's checkpoint"))
    }

    /// A tile of a log, as C2SP spells it. `None` where the log's checkpoint does not reach as far.
    ///
    /// # Errors
    ///
    /// The store's; a tile that should be there and is not, or not whole.
    pub async fn tile(&mut self, log: LogId, tile: TileId) -> Result<Option<Vec<u8>>, LedgerError> {
        let size = self.log(log).await?.size.unwrap_or(0).cast_unsigned();
        if TileId::widest(tile.kind, tile.number, size).is_none_or(|widest| widest.width < tile.width) {
            return Ok(None);
        }
        let width = usize::from(tile.width);
        let found = match tile.kind {
            Kind::Entries => {
                let rows = self.plain(log, tile.number).await?;
                let rows = rows.get(..width);
                rows.and_then(|rows| tile::bundle(rows.iter().map(|row| row.bytes.as_ref())))
            }
            Kind::Hashes { level } => {
                let hashes = self.hashes(log, level, tile.number).await?;
                let hashes = hashes.get(..width);
                hashes.map(|hashes| hashes.iter().flat_map(|hash| *hash.as_bytes()).collect())
            }
        };
        match found {
            Some(bytes) => Ok(Some(bytes)),
            None => {
                let why = format!("`{tile}` is not there, or not whole");
                Err(LedgerError::Damaged { log, why })
            }
        }
    }

    /// The stored hashes of a tile, as many as there are.
    pub(super) async fn hashes(&mut self, log: LogId, level: u8, number: u64) -> Result<Vec<Digest>, LedgerError> {
        let stored = self.store.tile(log, i64::from(level), number.cast_signed()).await;
        match stored.map_err(LedgerError::store("read a tile"))? {
            Some(bytes) => Ok(tile::hashes(&bytes).collect()),
            None if level == 0 => {
                let rows = self.tail(log, number).await?;
                Ok(rows.iter().map_while(|row| row.hash).collect())
            }
            None => Ok(Vec::new()),
        }
    }

    /// The number of the first group, from that one on, of which there is a bundle or a row.
    pub(super) async fn next_group(&mut self, log: LogId, number: u64) -> Result<Option<u64>, LedgerError> {
        let from = number.cast_signed();
        let bundle = self.store.next_bundle(log, from).await;
        let bundle = bundle.map_err(LedgerError::store("look for a bundle"))?;
        let row = self.store.rows(log, from.saturating_mul(WIDTH.cast_signed()), 1).await;
        let row = row.map_err(LedgerError::store("read a log"))?;
        let row = row.first().map(|row| row.seq / WIDTH.cast_signed());
        Ok(bundle
            .into_iter()
            .chain(row)
            .min()
            .and_then(|number| u64::try_from(number).ok()))
    }

    /// The numbers of the rows in no bundle: the one lowest below `below`, and the first at or beyond `from`.
    pub(super) async fn stray(&mut self, log: LogId, below: u64, from: u64) -> Result<[Option<i64>; 2], LedgerError> {
        let mut first = async |seq: i64| {
            let rows = self.store.rows(log, seq, 1).await;
            let rows = rows.map_err(LedgerError::store("read a log"))?;
            Ok::<_, LedgerError>(rows.first().map(|row| row.seq))
        };
        let lowest = first(i64::MIN).await?.filter(|seq| *seq < below.cast_signed());
        Ok([lowest, first(from.cast_signed()).await?])
    }

    /// What a decision's record commits to, out of what was found beside it.
    pub(super) async fn asked(
        &mut self,
        log: LogId,
        private: &Private,
        sealed: Sealed,
    ) -> Result<Result<Bytes, Withheld>, LedgerError> {
        let key = self.key(log, private.period).await?;
        Ok(opened(&key, private, sealed))
    }

    /// The entity slice a decision's record commits to.
    ///
    /// # Errors
    ///
    /// The store's; why it is withheld is no error.
    pub async fn slice(&mut self, log: LogId, private: &Private) -> Result<Result<Vec<u8>, Withheld>, LedgerError> {
        let key = match self.key(log, private.period).await? {
            Ok(key) => key,
            Err(why) => return Ok(Err(why)),
        };
        let stored = self.store.slice(log, &private.entities).await;
        let Some(stored) = stored.map_err(LedgerError::store("read an entity slice"))? else {
            return Ok(Err(Withheld::Missing));
        };
        let opened = private::open_slice(&key, &private.entities, &stored.content);
        Ok(opened.map_err(|_| Withheld::Changed))
    }

    /// What vouches for a log's newest records, where the ledger's secret is at hand.
    pub(super) fn vouching(&self, log: LogId) -> Result<Option<Vouching>, LedgerError> {
        let made = self.secret.as_ref().map(|secret| secret.vouching(log));
        Ok(made.transpose()?)
    }

    /// The key of a month.
    pub(super) async fn key(&mut self, log: LogId, period: Period) -> Result<Key, LedgerError> {
        if let Some(known) = self.keys.get(&(log, period)) {
            return Ok(known.clone());
        }
        let stored = self.store.period(log, &period.to_string()).await;
        let stored = stored.map_err(LedgerError::store("read the key of a month"))?;
        let key = match (stored, &self.secret) {
            (Some(RawPeriod::Erased), _) => Err(Withheld::Erased(period)),
            (_, None) => Err(Withheld::NoSecret),
            (None, Some(_)) => Err(Withheld::NoKey(period)),
            (Some(RawPeriod::Kept(wrapped)), Some(secret)) => {
                let key = secret.wrapping().unwrap(log, period, &wrapped);
                key.map(Arc::new).map_err(|_| Withheld::NoKey(period))
            }
        };
        if self.keys.len() >= MAX_KEYS {
            self.keys.clear();
        }
        self.keys.insert((log, period), key.clone());
        Ok(key)
    }

    /// The months of a log whose keys are kept.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn periods(&mut self, log: LogId) -> Result<Vec<Period>, LedgerError> {
        let kept = self.store.periods(log).await;
        let kept = kept.map_err(LedgerError::store("read the months of a log"))?;
        Ok(kept.iter().filter_map(|period| period.parse().ok()).collect())
    }

    /// The months of a log that have a key, or had one, each with its key or why it is not to be had.
    pub(super) async fn months(&mut self, log: LogId) -> Result<BTreeMap<Period, Key>, LedgerError> {
        let all = self.store.all_periods(log).await;
        let all = all.map_err(LedgerError::store("read the months of a log"))?;
        let mut months = BTreeMap::new();
        for period in all.iter().filter_map(|period| period.parse().ok()) {
            months.insert(period, self.key(log, period).await?);
        }
        Ok(months)
    }

    /// The body of a digest, held to it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Body`] where it is missing or was changed.
    pub async fn body(&mut self, digest: Digest) -> Result<Vec<u8>, LedgerError> {
        let found = self
            .store
            .body(&digest)
            .await
            .map_err(LedgerError::store("read a body"))?;
        let wrong = |why| LedgerError::Body { digest, why };
        let content = found.ok_or(wrong("is missing"))?;
        match Digest::of(&content) == digest {
            true => Ok(content),
            false => Err(wrong("was changed: its content has another digest")),
        }
    }

    /// The bodies beyond a digest.
    pub(super) async fn bodies(&mut self, after: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, LedgerError> {
        self.store
            .bodies(after)
            .await
            .map_err(LedgerError::store("read the bodies"))
    }

    /// Which of `digests` have a body.
    pub(super) async fn present(&mut self, digests: &[Digest]) -> Result<HashSet<Digest>, LedgerError> {
        self.store
            .present(digests)
            .await
            .map_err(LedgerError::store("look up bodies"))
    }

    /// The slices of a log beyond a commitment.
    pub(super) async fn slices(&mut self, log: LogId, after: &[u8]) -> Result<Vec<RawSlice>, LedgerError> {
        self.store
            .slices(log, after)
            .await
            .map_err(LedgerError::store("read the entity slices"))
    }

    /// Which of `commitments` have a slice in the log.
    pub(super) async fn present_slices(
        &mut self,
        log: LogId,
        commitments: &[Digest],
    ) -> Result<HashSet<Digest>, LedgerError> {
        let found = self.store.present_slices(log, commitments).await;
        found.map_err(LedgerError::store("look up entity slices"))
    }
}

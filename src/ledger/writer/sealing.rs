//! What is due once a second: full groups of records become bundles and tiles, and the log is signed as far as it is durable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::checkpoint::Checkpoint;
use super::super::error::LedgerError;
use super::super::pack::pack;
use super::super::period::Period;
use super::super::private;
use super::super::record::LogId;
use super::super::store::{NewBundle, NewCheckpoint, NewPrivate, NewTile, RawRow, Rows};
use super::super::tile::{self, WIDTH};
use super::super::tree::{Tree, leaf_hash};
use super::{Head, Writer};

/// When logs are signed.
#[derive(Clone, Copy, Debug)]
pub struct Signing {
    /// At the latest so long after a record is durable.
    pub every: Duration,
    /// Sooner where a log has so many records that are not signed.
    pub records: u64,
}

impl Default for Signing {
    fn default() -> Self {
        let (every, records) = (Duration::from_secs(1), 512);
        Self { every, records }
    }
}

/// The most logs one transaction signs.
const MAX_SIGNED: usize = 256;

impl Writer {
    /// Signs every log that has grown. What fails stays due.
    pub(super) async fn sign(&mut self) {
        while !self.unsigned.is_empty() {
            let logs: Vec<LogId> = self.unsigned.iter().take(MAX_SIGNED).copied().collect();
            if let Err(error) = self.sign_all(&logs).await {
                let what = "checkpoints could not be signed; their records are durable, and they are tried again";
                self.failed(&error, what).await;
                return self.due_anew();
            }
            for log in &logs {
                self.unsigned.remove(log);
            }
        }
        self.due = None;
    }

    async fn sign_all(&mut self, logs: &[LogId]) -> Result<(), LedgerError> {
        let mut rows = Rows::default();
        let mut tiled = Vec::new();
        for log in logs {
            match self.staged(*log).await {
                Ok((own, tree)) => {
                    rows.merge(own);
                    tiled.push((*log, tree));
                }
                // Whoever appends to it hears of it; the others are signed all the same.
                Err(LedgerError::Damaged { log, why }) => {
                    tracing::error!(%log, why, "a log is damaged; nothing more is appended to it, and it is not signed any more");
                    self.heads.remove(&log);
                    self.damaged.insert(log, why);
                }
                Err(error) => return Err(error),
            }
        }
        if tiled.is_empty() {
            return Ok(());
        }
        self.put(rows).await?;
        self.counters.recovered();
        for (log, tiled) in tiled {
            if let Some(head) = self.heads.get_mut(&log) {
                (head.tiled, head.signed) = (tiled, head.tree.size());
            }
        }
        Ok(())
    }

    /// What signs a log, and the tree of what lies in bundles then.
    async fn staged(&mut self, log: LogId) -> Result<(Rows, Tree), LedgerError> {
        self.load(log).await?;
        let mut rows = Rows::default();
        let head = self.heads.get(&log).ok_or(LedgerError::Closed)?;
        let (text, mut tiled, whole) = (Arc::clone(&head.text), head.tiled.clone(), head.tree.tiled());
        rows.checkpoints.extend(checkpoint(head)?);
        let mut growing = Growing::default();
        while tiled.size() < whole.size() {
            let number = tiled.size() / WIDTH;
            let group = self.group(log, number).await?;
            let mut hashes = Vec::new();
            for row in &group {
                let hash = leaf_hash(&row.record);
                tiled.push(hash);
                hashes.extend_from_slice(hash.as_bytes());
            }
            self.stage_tiles(log, number, hashes, &mut growing).await?;
            self.stage_bundle(log, &text, number, group, &mut rows).await?;
        }
        if tiled != whole {
            let why = "records were changed since they were written".to_owned();
            return Err(LedgerError::Damaged { log, why });
        }
        rows.tiles
            .extend(growing.0.into_iter().map(|((level, number), hashes)| NewTile {
                log: Arc::clone(&text),
                level,
                number,
                hashes,
            }));
        if tiled.size() > 0 {
            rows.bundled.push((text, tiled.size().cast_signed()));
        }
        Ok((rows, tiled))
    }

    /// The rows of one full group.
    async fn group(&mut self, log: LogId, number: u64) -> Result<Vec<RawRow>, LedgerError> {
        let (from, width) = ((number * WIDTH).cast_signed(), WIDTH.cast_signed());
        let rows = self.store().await?.rows(log, from, width).await;
        let rows = rows.map_err(|error| LedgerError::reading(log, "read a log", error))?;
        let dense = rows.len() as u64 == WIDTH && (from..).zip(&rows).all(|(seq, row)| row.seq == seq);
        match dense {
            true => Ok(rows),
            false => {
                let why = format!("of the records {from} to {}, not all are there", from + width - 1);
                Err(LedgerError::Damaged { log, why })
            }
        }
    }

    async fn stage_bundle(
        &mut self,
        log: LogId,
        text: &Arc<str>,
        number: u64,
        group: Vec<RawRow>,
        rows: &mut Rows,
    ) -> Result<(), LedgerError> {
        let entries = tile::bundle(group.iter().map(|row| row.record.as_slice()));
        let entries = entries.ok_or_else(|| LedgerError::Damaged {
            log,
            why: "a record is greater than any can be".to_owned(),
        })?;
        let entries = pack(&entries).map_err(LedgerError::pack)?;
        let (log_text, number_row) = (Arc::clone(text), number.cast_signed());
        rows.bundles.push(NewBundle {
            log: log_text,
            number: number_row,
            entries,
        });
        let mut parts: BTreeMap<String, Vec<(u8, Vec<u8>)>> = BTreeMap::new();
        for (within, row) in (0..=u8::MAX).zip(group) {
            if let (Some(period), Some(sealed)) = (row.period, row.private) {
                parts.entry(period).or_default().push((within, sealed));
            }
        }
        for (period, parts) in parts {
            let Some(content) = self.regroup(log, number, &period, parts).await? else {
                continue;
            };
            rows.privates.push(NewPrivate {
                log: Arc::clone(text),
                number: number.cast_signed(),
                period,
                content,
            });
        }
        Ok(())
    }

    /// Private parts that were sealed each by itself, sealed together. Nothing where their key was erased, and what does not open
    /// is left out: `verify` names it.
    async fn regroup(
        &mut self,
        log: LogId,
        number: u64,
        period: &str,
        parts: Vec<(u8, Vec<u8>)>,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        let damaged = |why: String| LedgerError::Damaged { log, why };
        let period: Period = period.parse().map_err(|error| damaged(format!("{error}")))?;
        let Some(key) = self.kept_key(log, period).await? else {
            return Ok(None);
        };
        let opened = parts
            .into_iter()
            .filter_map(|(within, sealed)| Some((within, private::alone(&key, &sealed).ok()?)));
        let opened: Vec<_> = opened.collect();
        let sealed = private::seal_group(&key, log, number, &opened).ok_or(LedgerError::Sealing)?;
        Ok(Some(sealed))
    }

    /// Puts a full tile of hashes in its place, and its hash into the tile above, and so on where that one is full too.
    async fn stage_tiles(
        &mut self,
        log: LogId,
        number: u64,
        hashes: Vec<u8>,
        growing: &mut Growing,
    ) -> Result<(), LedgerError> {
        let (mut level, mut number, mut hashes) = (0_i64, number, hashes);
        loop {
            let full = hashes.len() as u64 == WIDTH * 32;
            growing.0.insert((level, number.cast_signed()), hashes.clone());
            if !full {
                return Ok(());
            }
            let tree: Tree = tile::hashes(&hashes).collect();
            let (place, above) = (number % WIDTH, number / WIDTH);
            (level, number) = (level + 1, above);
            hashes = match growing.0.remove(&(level, above.cast_signed())) {
                Some(before) => before,
                None if place == 0 => Vec::new(),
                None => {
                    let before = self.store().await?.tile(log, level, above.cast_signed()).await;
                    let before = before.map_err(|error| LedgerError::reading(log, "read a tile", error))?;
                    before.unwrap_or_default()
                }
            };
            if hashes.len() as u64 != place * 32 {
                let (found, width) = (hashes.len() / 32, place);
                let why = format!("tile {above} of level {level} has {found} hashes instead of {width}");
                return Err(LedgerError::Damaged { log, why });
            }
            hashes.extend_from_slice(tree.root().as_bytes());
        }
    }
}

/// Tiles that are written, by level and number.
#[derive(Default)]
struct Growing(BTreeMap<(i64, i64), Vec<u8>>);

/// The checkpoint over all records of a log, where the stored one names fewer.
pub(super) fn checkpoint(head: &Head) -> Result<Option<NewCheckpoint>, LedgerError> {
    if head.tree.size() == head.signed {
        return Ok(None);
    }
    let note = Checkpoint::sign(head.tree.size(), &head.tree.root(), &head.signer)?;
    Ok(Some(NewCheckpoint {
        log: Arc::clone(&head.text),
        size: head.tree.size().cast_signed(),
        edge: head.tree.to_bytes(),
        note,
    }))
}

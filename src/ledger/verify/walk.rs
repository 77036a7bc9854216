//! Reading a log from its first record to its last, with the tiles over them.

use std::collections::BTreeMap;

use super::super::error::LedgerError;
use super::super::record::Named;
use super::super::report::FindingKind;
use super::super::tile::{Kind, TileId, WIDTH};
use super::super::tree::{Tree, root_of};
use super::damage;
use super::log::LogCheck;
use super::looked::{Looked, Opening};
use super::source::Source;
use crate::ids::Digest;

/// What the records of one group name, of those that give their hashes, each with what is private in it.
pub(super) type Sound = Vec<(u64, Named, Opening)>;

/// Walks a log.
pub(super) struct Walk {
    /// How many records are signed; nothing where no checkpoint holds.
    signed: Option<u64>,
    number: u64,
    /// Over the hashes that the tiles above have for full groups; nothing once one is not there.
    above: Option<Tree>,
    /// The edge of the tail, from the checkpoint or the stored hashes.
    tail: Vec<Digest>,
    levels: BTreeMap<u8, Level>,
    /// Whether groups were passed over that are not there: the levels above are not held to what is below any more.
    skipped: bool,
    done: bool,
}

/// A tile of a level above the records, as it fills.
#[derive(Default)]
struct Level {
    /// Which tile it is.
    number: Option<u64>,
    stored: Vec<Digest>,
    /// Over what the tiles below give.
    computed: Tree,
    /// Over what it has.
    held: Tree,
}

impl Walk {
    /// `tail` is the part of the stored edge that is over the records in no full tile.
    pub(super) fn new(signed: Option<u64>, tail: Vec<Digest>) -> Self {
        Self {
            signed,
            number: 0,
            above: Some(Tree::default()),
            tail,
            levels: BTreeMap::new(),
            skipped: false,
            done: false,
        }
    }

    /// How many records are signed.
    pub(super) fn signed(&self) -> u64 {
        self.signed.unwrap_or(0)
    }

    /// The root that the tiles above give, once all is read.
    pub(super) fn above(&self) -> Option<Digest> {
        let above = self.above.as_ref()?;
        Some(root_of(above.edge().chain(&self.tail)))
    }

    /// Reads the next group; nothing at the end.
    pub(super) async fn next(
        &mut self,
        source: &mut dyn Source,
        check: &mut LogCheck,
    ) -> Result<Option<Sound>, LedgerError> {
        let first = self.number * WIDTH;
        let full = self.signed.is_some_and(|signed| first + WIDTH <= signed);
        let within = self.signed.is_some_and(|signed| first < signed);
        if self.done {
            return Ok(None);
        }
        let rows = match source.group(self.number).await {
            Ok(rows) => rows,
            Err(error) => match damage(&error) {
                Some(why) => {
                    check.unreadable(first + WIDTH, &why);
                    match full {
                        true => self.full(source, check, first, &Hashes::new()).await?,
                        false => self.done = true,
                    }
                    self.number += 1;
                    return Ok(Some(Sound::new()));
                }
                None => return Err(error),
            },
        };
        if rows.is_empty() {
            // What is signed may be far more than there is.
            let next = source.next(self.number).await?.filter(|_| within);
            let Some(next) = next else {
                self.done = true;
                self.above = None;
                return Ok(None);
            };
            if next > self.number {
                (self.number, self.above, self.skipped) = (next, None, true);
                return Ok(Some(Sound::new()));
            }
        }
        vouched(source, check, &rows)?;
        let tiled = rows.iter().all(|row| row.bundled);
        let whole = rows.iter().all(|row| row.stored.is_some());
        if tiled && !whole {
            check.torn(first, &TileId::full(Kind::Hashes { level: 0 }, self.number).to_string());
        }
        let (hashes, sound) = take(check, first, rows, tiled && !whole);
        match full {
            true => self.full(source, check, first, &hashes).await?,
            false => self.ragged(check, first, &hashes),
        }
        self.number += 1;
        Ok(Some(sound))
    }

    async fn full(
        &mut self,
        source: &mut dyn Source,
        check: &mut LogCheck,
        first: u64,
        hashes: &Hashes,
    ) -> Result<(), LedgerError> {
        let whole = hashes.len() as u64 == WIDTH;
        let computed = whole.then(|| root_of_leaves(hashes.iter().map(|(computed, _)| *computed)));
        let (tile, above) = self.entry(source, 1, self.number).await?;
        check.subtree(first, WIDTH, [computed, above], &tile.to_string());
        match (&mut self.above, above) {
            (Some(tree), Some(above)) => tree.push(above),
            _ => self.above = None,
        }
        match self.skipped {
            true => Ok(()),
            false => self.roll(source, check, [computed, above]).await,
        }
    }

    /// Holds the tiles of levels above the first to those below them.
    async fn roll(
        &mut self,
        source: &mut dyn Source,
        check: &mut LogCheck,
        of: [Option<Digest>; 2],
    ) -> Result<(), LedgerError> {
        let (mut of, mut number, mut depth) = (of, self.number, 1_u8);
        loop {
            let level = self.level(depth);
            let [computed, above] = of.map(|hash| hash.unwrap_or(Digest::ZERO));
            level.computed.push(computed);
            level.held.push(above);
            if level.computed.size() < WIDTH {
                return Ok(());
            }
            of = [Some(level.computed.root()), Some(level.held.root())];
            (level.computed, level.held) = (Tree::default(), Tree::default());
            number /= WIDTH;
            depth += 1;
            let (tile, entry) = self.entry(source, depth, number).await?;
            if !of.contains(&entry) {
                let place = number % WIDTH;
                let message = format!("`{tile}` was changed: its hash {place} is not that of the tile below");
                check.find(FindingKind::Tile, None, message);
            }
            of = [of[0], entry];
        }
    }

    /// The records in no full tile: held to the checkpoint's edge, where there is one.
    fn ragged(&mut self, check: &mut LogCheck, first: u64, hashes: &Hashes) {
        let signed = self.signed.map_or(0, |signed| signed.saturating_sub(first));
        let signed = usize::try_from(signed).unwrap_or(0);
        let mut given = self.tail.clone().into_iter();
        let mut stored = Vec::new();
        let (mut from, mut left) = (0, signed);
        while left > 0 {
            // The greatest perfect subtree that fits.
            let width = 1 << left.ilog2();
            let leaves = hashes.get(from..from + width);
            let computed = leaves.map(|leaves| root_of_leaves(leaves.iter().map(|(computed, _)| *computed)));
            let held = leaves.and_then(|leaves| leaves.iter().map(|(_, stored)| *stored).collect::<Option<Vec<_>>>());
            let held = held.map(root_of_leaves);
            let above = given.next().or(held);
            check.subtree(first + from as u64, width as u64, [computed, above], "checkpoint");
            stored.extend(above);
            (from, left) = (from + width, left - width);
        }
        if self.signed.is_some_and(|signed| signed < first + WIDTH) && stored.len() == signed.count_ones() as usize {
            self.tail = stored;
        }
    }

    /// The tile of a level that has the hash of what is numbered so one level below, and that hash.
    async fn entry(
        &mut self,
        source: &mut dyn Source,
        depth: u8,
        number: u64,
    ) -> Result<(TileId, Option<Digest>), LedgerError> {
        let (place, tile) = (
            number % WIDTH,
            TileId::full(Kind::Hashes { level: depth }, number / WIDTH),
        );
        if self.level(depth).number != Some(tile.number) {
            let stored = source.hashes(depth, tile.number).await?;
            let level = self.level(depth);
            (level.stored, level.number) = (stored, Some(tile.number));
        }
        let stored = &self.level(depth).stored;
        Ok((tile, stored.get(usize::try_from(place).unwrap_or(usize::MAX)).copied()))
    }

    fn level(&mut self, level: u8) -> &mut Level {
        self.levels.entry(level).or_default()
    }
}

/// Holds rows in no bundle to what vouches for them, where the ledger's secret is at hand.
fn vouched(source: &dyn Source, check: &mut LogCheck, rows: &[Looked]) -> Result<(), LedgerError> {
    if rows.iter().all(|row| row.mac.is_none()) {
        return Ok(());
    }
    let Some(vouching) = source.vouching()? else {
        return Ok(());
    };
    for row in rows {
        if let (Some(mac), Some(hash), Ok(seq)) = (&row.mac, row.stored, u64::try_from(row.seq))
            && !vouching.holds(seq, &hash, mac)
        {
            check.unvouched(seq);
        }
    }
    Ok(())
}

/// What each record of a group gives, and what is stored for it: dense from the group's first on.
type Hashes = Vec<(Digest, Option<Digest>)>;

/// Where the tile of the hashes is `torn`, records are held to the tile above alone.
fn take(check: &mut LogCheck, first: u64, rows: Vec<Looked>, torn: bool) -> (Hashes, Sound) {
    let (mut hashes, mut sound) = (Hashes::new(), Sound::new());
    for row in rows {
        let Ok(seq) = u64::try_from(row.seq) else { continue };
        let dense = seq == first + hashes.len() as u64;
        let held = match torn {
            true => Some(row.computed),
            false => row.stored,
        };
        if dense {
            hashes.push((row.computed, row.stored));
        }
        if let Some((named, private)) = check.row(seq, held, row) {
            sound.push((seq, named, private));
        }
    }
    (hashes, sound)
}

fn root_of_leaves(leaves: impl IntoIterator<Item = Digest>) -> Digest {
    leaves.into_iter().collect::<Tree>().root()
}

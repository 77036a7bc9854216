//! Which hashes of records a log's checkpoint signs: the tiles over a log, held to the signed root before one of them is believed.
//!
//! Whoever has a record's bytes, from wherever, proves them by them: their leaf hash must stand at their place. One pass over the
//! tiles of level 0, 32 bytes a record, gives the root; kept of it is the root of each group of 256, an eighth of a byte a record,
//! and to this a tile is held when it is read again.

use super::checkpoint::Checkpoint;
use super::error::LedgerError;
use super::read::Reader;
use super::record::LogId;
use super::tile::WIDTH;
use super::tree::{Tree, root_of};
use crate::ids::Digest;

/// The hashes of a log's groups, held to its signed root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Roots {
    log: LogId,
    /// How many records are signed.
    signed: u64,
    /// The root over the signed hashes of each group.
    groups: Vec<Digest>,
}

impl Roots {
    /// Reads a log's tiles; why they do not give what its checkpoint signs, where they do not.
    ///
    /// # Errors
    ///
    /// The store's.
    pub(super) async fn of(reader: &mut Reader, log: LogId) -> Result<Result<Self, String>, LedgerError> {
        let raw = reader.log(log).await?;
        let key = raw.verifier_key.as_deref().and_then(|key| key.parse().ok());
        let (Some(key), Some(note)) = (key, raw.note) else {
            return Ok(Err("the log has no key that can be used, or no checkpoint".to_owned()));
        };
        let checkpoint = match Checkpoint::open(&note, &key) {
            Ok(checkpoint) => checkpoint,
            Err(error) => return Ok(Err(format!("the log's checkpoint does not hold: {error}"))),
        };
        let signed = checkpoint.size;
        let (mut groups, mut above, mut edge) = (Vec::new(), Tree::default(), Tree::default());
        for number in 0..signed.div_ceil(WIDTH) {
            let width = (signed - number * WIDTH).min(WIDTH);
            let hashes = signed_of(reader, log, number, width).await?;
            if hashes.len() as u64 != width {
                return Ok(Err(format!(
                    "of the records from {} on, not all hashes are there",
                    number * WIDTH
                )));
            }
            edge = hashes.into_iter().collect();
            groups.push(edge.root());
            if width == WIDTH {
                above.push(edge.root());
                edge = Tree::default();
            }
        }
        match root_of(above.edge().chain(edge.edge())) == checkpoint.root {
            true => Ok(Ok(Self { log, signed, groups })),
            false => Ok(Err(
                "its tiles do not give the root that its checkpoint signs".to_owned()
            )),
        }
    }

    /// As [`of`](Self::of), of the log as it was with so many records signed: it may have grown since.
    ///
    /// # Errors
    ///
    /// The store's.
    pub(super) async fn up_to(
        reader: &mut Reader,
        log: LogId,
        signed: u64,
    ) -> Result<Result<Self, String>, LedgerError> {
        let mut roots = match Self::of(reader, log).await? {
            Ok(roots) => roots,
            Err(why) => return Ok(Err(why)),
        };
        if roots.signed < signed {
            return Ok(Err(format!("it has {} signed records, not {signed}", roots.signed)));
        }
        let (whole, rest) = (signed / WIDTH, signed % WIDTH);
        let edge = match rest {
            0 => None,
            _ => roots.hashes(reader, whole).await?,
        };
        roots.groups.truncate(usize::try_from(whole).unwrap_or(usize::MAX));
        roots.signed = signed;
        match edge {
            Some(hashes) => {
                let rest = usize::try_from(rest).unwrap_or(usize::MAX);
                roots
                    .groups
                    .push(hashes.into_iter().take(rest).collect::<Tree>().root());
            }
            None if rest > 0 => return Ok(Err("its tiles changed while they were read".to_owned())),
            None => {}
        }
        Ok(Ok(roots))
    }

    /// What names the signed records: the same for two copies of a log with the same records, and for no others.
    pub(super) fn digest(&self) -> Digest {
        let groups = self.groups.iter().flat_map(|group| *group.as_bytes());
        Digest::of(&groups.collect::<Vec<u8>>())
    }

    /// How many records are signed.
    pub(super) fn signed(&self) -> u64 {
        self.signed
    }

    /// How many signed records a group has, and the root over their hashes.
    pub(super) fn group(&self, number: u64) -> Option<(u64, Digest)> {
        let root = self.groups.get(usize::try_from(number).ok()?)?;
        Some(((self.signed - number * WIDTH).min(WIDTH), *root))
    }

    /// The signed hashes of a group; nothing where there are none, or they are not any more what they were.
    ///
    /// # Errors
    ///
    /// The store's.
    pub(super) async fn hashes(&self, reader: &mut Reader, number: u64) -> Result<Option<Vec<Digest>>, LedgerError> {
        let Some((width, root)) = self.group(number) else {
            return Ok(None);
        };
        let hashes = signed_of(reader, self.log, number, width).await?;
        let tree: Tree = hashes.iter().copied().collect();
        Ok((tree.root() == root).then_some(hashes))
    }
}

async fn signed_of(reader: &mut Reader, log: LogId, number: u64, width: u64) -> Result<Vec<Digest>, LedgerError> {
    let mut hashes = reader.hashes(log, 0, number).await?;
    hashes.truncate(usize::try_from(width).unwrap_or(0));
    Ok(hashes)
}

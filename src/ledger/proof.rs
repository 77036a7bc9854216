//! Proofs over a log's tree: that a record is in it, and that one tree is the beginning of another (RFC 6962, sections 2.1.1 and
//! 2.1.2).
//!
//! A proof is made from a few tiles. What is needed is asked for first, so that whoever makes one can fetch tiles from wherever
//! they lie. As a file it is a [C2SP tlog-proof](https://c2sp.org/tlog-proof): it holds without the log, for ever.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! index 17
//! 6Gj2…                         the hashes on the way from record 17 to the root
//! 1bQ0…
//!
//! tidegate.example/ledger/BPNL000000000DWF
//! 42
//! BuMwEPgWUc/yq4aBXPv8dZNMjxYYhqHw1QyrdXyHbJk=
//!
//! — tidegate.example/ledger/BPNL000000000DWF lVgPQ0F…
//! ```

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tlog_tiles::{Error, Hash, HashReader, Tile};

use super::checkpoint::Checkpoint;
use super::note::{NoteError, VerifierKey};
use super::tile::{self, HEIGHT, Kind, MAX_LEVEL, TileId, WIDTH};
use super::tree::{Tree, hash, root_of};
use crate::ids::Digest;

/// The first line of a proof as a file.
const FIRST: &str = "c2sp.org/tlog-proof@v1";

/// Tiles by their names: hashes, each as C2SP spells them.
pub type Tiles = HashMap<TileId, Vec<u8>>;

/// Why there is no proof, or why it does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// There is nothing to prove it of.
    #[error("there is no record {index} among the first {size}")]
    Beyond {
        /// The record.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// A tile it needs is missing, too short, or not that of the tree.
    #[error("`{0}` is missing or damaged")]
    Tile(TileId),
    /// Not a proof of that form.
    #[error("not a proof; expected one that begins with `{FIRST}`")]
    Form,
    /// The checkpoint in it is not one.
    #[error("its checkpoint does not hold: {0}")]
    Note(#[from] NoteError),
    /// What it proves is something else.
    #[error("the proof does not hold: with the record it does not give the root that is signed")]
    DoesNotHold,
}

/// What to prove.
#[derive(Clone, Copy, Debug)]
pub enum Claim {
    /// That the record of that index is among the first `size`.
    Inclusion {
        /// The record.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// That the first `old` records are the beginning of the first `size`.
    Consistency {
        /// The smaller tree.
        old: u64,
        /// The greater.
        size: u64,
    },
}

impl Claim {
    /// The tiles that prove it, and those that show that these are the tree's.
    ///
    /// # Errors
    ///
    /// [`ProofError::Beyond`].
    pub fn tiles(self) -> Result<BTreeSet<TileId>, ProofError> {
        let asked = Asked::default();
        // Ends as soon as it has said which hashes it needs.
        let _ = self.proved(&asked)?;
        let asked = asked.0.into_inner();
        let mut tiles: BTreeSet<_> = edge(self.size()).collect();
        for mut id in asked.iter().filter_map(|index| self.tile(*index)) {
            while tiles.insert(id) {
                match above(id, self.size()) {
                    Some(above) => id = above,
                    None => break,
                }
            }
        }
        Ok(tiles)
    }

    /// The hashes that prove it, out of the tiles, which must be those of the tree of that root: a proof that then does not hold
    /// proves the contrary.
    ///
    /// # Errors
    ///
    /// [`ProofError::Beyond`] and [`ProofError::Tile`].
    pub fn prove(self, tiles: &Tiles, root: &Digest) -> Result<Vec<Digest>, ProofError> {
        authenticate(self.size(), root, tiles)?;
        let lacking = RefCell::new(None);
        let reader = Within {
            claim: self,
            tiles,
            lacking: &lacking,
        };
        match self.proved(&reader)? {
            Ok(proof) => Ok(proof),
            Err(_) => Err(lacking.into_inner().map_or(ProofError::DoesNotHold, ProofError::Tile)),
        }
    }

    fn size(self) -> u64 {
        match self {
            Self::Inclusion { size, .. } | Self::Consistency { size, .. } => size,
        }
    }

    fn proved(self, reader: &impl HashReader) -> Result<Result<Vec<Digest>, Error>, ProofError> {
        let proof = match self {
            Self::Inclusion { index, size } if index < size => tlog_tiles::prove_record(size, index, reader),
            // Of nothing, and of the tree itself, nothing is to be proved.
            Self::Consistency { old, size } if old == 0 || old == size => Ok(Vec::new()),
            Self::Consistency { old, size } if old < size => tlog_tiles::prove_tree(size, old, reader),
            Self::Inclusion { index, size } | Self::Consistency { old: index, size } => {
                return Err(ProofError::Beyond { index, size });
            }
        };
        Ok(proof.map(|hashes| hashes.iter().map(|hash| Digest::from_bytes(hash.0)).collect()))
    }

    fn tile(self, index: u64) -> Option<TileId> {
        let tile = Tile::from_index(HEIGHT, index);
        let level = tile.level();
        TileId::widest(Kind::Hashes { level }, tile.level_index(), self.size())
    }
}

/// The partial tiles of a tree, from the top: together they hold the hashes of its right edge.
fn edge(size: u64) -> impl Iterator<Item = TileId> {
    (0..=MAX_LEVEL).rev().filter_map(move |level| {
        let below = size
            .checked_shr(u32::from(HEIGHT) * (u32::from(level) + 1))
            .unwrap_or(0);
        TileId::widest(Kind::Hashes { level }, below, size).filter(|tile| !tile.is_full())
    })
}

/// The tile that has a full tile's hash.
fn above(id: TileId, size: u64) -> Option<TileId> {
    match id.kind {
        Kind::Hashes { level } if id.is_full() => {
            TileId::widest(Kind::Hashes { level: level + 1 }, id.number / WIDTH, size)
        }
        _ => None,
    }
}

/// Holds tiles to the root of the tree: those at its edge all together, every full one to the tile above it.
fn authenticate(size: u64, root: &Digest, tiles: &Tiles) -> Result<(), ProofError> {
    let hashes = |id: TileId| {
        let bytes = tiles.get(&id).filter(|bytes| bytes.len() == usize::from(id.width) * 32);
        Ok::<Vec<_>, ProofError>(tile::hashes(bytes.ok_or(ProofError::Tile(id))?).collect())
    };
    let mut whole = Vec::new();
    for id in edge(size) {
        whole.extend(Tree::from_iter(hashes(id)?).edge().copied());
    }
    if root_of(whole.iter()) != *root {
        return Err(edge(size).next().map_or(ProofError::DoesNotHold, ProofError::Tile));
    }
    for id in tiles.keys().filter(|id| id.is_full()) {
        let held = above(*id, size).map(&hashes).transpose()?;
        let held = held.and_then(|held| {
            held.get(usize::try_from(id.number % WIDTH).unwrap_or(usize::MAX))
                .copied()
        });
        if held != Some(Tree::from_iter(hashes(*id)?).root()) {
            return Err(ProofError::Tile(*id));
        }
    }
    Ok(())
}

/// Notes which hashes are asked for, and gives none.
#[derive(Default)]
struct Asked(RefCell<Vec<u64>>);

impl HashReader for Asked {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        self.0.borrow_mut().extend(indexes);
        Ok(vec![Hash([0; 32]); indexes.len()])
    }
}

struct Within<'t> {
    claim: Claim,
    tiles: &'t Tiles,
    lacking: &'t RefCell<Option<TileId>>,
}

impl HashReader for Within<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let read = |index: &u64| {
            let id = self.claim.tile(*index).ok_or(Error::InvalidTile)?;
            let bytes = self
                .tiles
                .get(&id)
                .filter(|bytes| bytes.len() == usize::from(id.width) * 32);
            let bytes = bytes.ok_or(Error::InvalidTile).inspect_err(|_| {
                self.lacking.replace(Some(id));
            })?;
            let Kind::Hashes { level } = id.kind else {
                return Err(Error::InvalidTile);
            };
            Tile::new(HEIGHT, level, id.number, u32::from(id.width), false).hash_at_index(bytes, *index)
        };
        indexes.iter().map(read).collect()
    }
}

fn hashes(proof: &[Digest]) -> Vec<Hash> {
    proof.iter().map(hash).collect()
}

/// Holds that a record of that leaf hash stands under `index` in a tree of that size and root.
///
/// # Errors
///
/// [`ProofError::DoesNotHold`].
pub fn check_inclusion(
    proof: &[Digest],
    index: u64,
    leaf: &Digest,
    size: u64,
    root: &Digest,
) -> Result<(), ProofError> {
    let checked = tlog_tiles::check_record(&hashes(proof), size, hash(root), index, hash(leaf));
    checked.map_err(|_| ProofError::DoesNotHold)
}

/// Holds that the tree of `old` records and that root is the beginning of the greater one.
///
/// # Errors
///
/// [`ProofError::DoesNotHold`].
pub fn check_consistency(proof: &[Digest], old: (u64, &Digest), new: (u64, &Digest)) -> Result<(), ProofError> {
    let holds = match (old.0, new.0) {
        (0, _) => proof.is_empty(),
        (old_size, new_size) if old_size == new_size => proof.is_empty() && old.1 == new.1,
        _ => tlog_tiles::check_tree(&hashes(proof), new.0, hash(new.1), old.0, hash(old.1)).is_ok(),
    };
    holds.then_some(()).ok_or(ProofError::DoesNotHold)
}

/// A proof of inclusion with the checkpoint it holds under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The record's number.
    pub index: u64,
    /// The hashes.
    pub proof: Vec<Digest>,
    /// The checkpoint, as a signed note.
    pub checkpoint: String,
}

impl Inclusion {
    /// The proof as a file.
    pub fn to_text(&self) -> String {
        let mut text = format!("{FIRST}\nindex {}\n", self.index);
        for hash in &self.proof {
            let _ = writeln!(text, "{}", STANDARD.encode(hash.as_bytes()));
        }
        text + "\n" + &self.checkpoint
    }

    /// Reads a proof as a file.
    ///
    /// # Errors
    ///
    /// [`ProofError::Form`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Form)?;
        let mut lines = head.lines();
        if lines.next() != Some(FIRST) {
            return Err(ProofError::Form);
        }
        let mut index = lines.next().ok_or(ProofError::Form)?;
        // Bytes of whoever made it; nothing here depends on them.
        if index.starts_with("extra ") {
            index = lines.next().ok_or(ProofError::Form)?;
        }
        let index = index.strip_prefix("index ").and_then(|index| index.parse().ok());
        let read = |line| {
            let bytes = STANDARD.decode(line).ok()?;
            Some(Digest::from_bytes(bytes.try_into().ok()?))
        };
        let proof: Option<Vec<_>> = lines.map(read).collect();
        Ok(Self {
            index: index.ok_or(ProofError::Form)?,
            proof: proof.ok_or(ProofError::Form)?,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Holds that a record of that leaf hash is in the log that `key` signs. Returns the checkpoint.
    ///
    /// # Errors
    ///
    /// [`ProofError::Note`] and [`ProofError::DoesNotHold`].
    pub fn check(&self, leaf: &Digest, key: &VerifierKey) -> Result<Checkpoint, ProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        check_inclusion(&self.proof, self.index, leaf, checkpoint.size, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::note::Signer;
    use super::super::tree::leaf_hash;
    use super::*;

    /// The tree of so many numbered leaves, and its tiles.
    fn log(size: u64) -> (Vec<Digest>, Digest, Tiles) {
        let leaves: Vec<_> = (0..size).map(|number| leaf_hash(&number.to_be_bytes())).collect();
        let mut tiles = Tiles::new();
        let mut level_hashes = leaves.clone();
        for level in 0..3 {
            for (number, chunk) in (0..).zip(level_hashes.chunks(256)) {
                let id = TileId::widest(Kind::Hashes { level }, number, size).unwrap();
                tiles.insert(id, chunk.iter().flat_map(|hash| *hash.as_bytes()).collect());
            }
            let full = level_hashes.chunks_exact(256);
            level_hashes = full.map(root).collect();
        }
        (leaves.clone(), root(&leaves), tiles)
    }

    fn root(leaves: &[Digest]) -> Digest {
        leaves.iter().copied().collect::<Tree>().root()
    }

    fn fetched(claim: Claim, tiles: &Tiles) -> Tiles {
        let needed = claim.tiles().unwrap();
        needed.iter().map(|id| (*id, tiles[id].clone())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Every record of any log is proved by the tiles that are asked for, and by no other record's proof.
        #[test]
        fn a_record_is_proved(size in 1_u64..1_500, which in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
            let (leaves, root, tiles) = log(size);
            let (index, other) = (which.index(leaves.len()), other.index(leaves.len()));
            let claim = Claim::Inclusion { index: index as u64, size };
            let proof = claim.prove(&fetched(claim, &tiles), &root).unwrap();
            check_inclusion(&proof, index as u64, &leaves[index], size, &root).unwrap();
            if other != index {
                prop_assert!(check_inclusion(&proof, index as u64, &leaves[other], size, &root).is_err());
                prop_assert!(check_inclusion(&proof, other as u64, &leaves[index], size, &root).is_err());
            }
        }

        /// Any beginning of a log is proved to be one, and no other tree is.
        #[test]
        fn a_beginning_is_proved(size in 1_u64..1_500, old in any::<prop::sample::Index>()) {
            let (leaves, new, tiles) = log(size);
            let old = old.index(leaves.len() + 1);
            let claim = Claim::Consistency { old: old as u64, size };
            let proof = claim.prove(&fetched(claim, &tiles), &new).unwrap();
            let before = root(&leaves[..old]);
            check_consistency(&proof, (old as u64, &before), (size, &new)).unwrap();
            if old > 0 {
                let mut forked = leaves[..old].to_vec();
                forked[old / 2] = leaf_hash(b"another");
                prop_assert!(check_consistency(&proof, (old as u64, &root(&forked)), (size, &new)).is_err());
            }
        }
    }

    #[test]
    fn a_tile_that_is_missing_is_named() {
        let (_, root, all) = log(600);
        let claim = Claim::Inclusion { index: 300, size: 600 };
        let needed = fetched(claim, &all);
        assert!(claim.prove(&needed, &root).is_ok());
        for id in needed.keys() {
            let mut tiles = needed.clone();
            tiles.remove(id);
            let lacking = claim.prove(&tiles, &root);
            assert!(matches!(lacking, Err(ProofError::Tile(_))), "{id}: {lacking:?}");
            // Nor is one believed that is another's, in any byte.
            let mut tiles = needed.clone();
            tiles.get_mut(id).unwrap()[40] ^= 1;
            let forged = claim.prove(&tiles, &root);
            assert!(matches!(forged, Err(ProofError::Tile(_))), "{id}: {forged:?}");
        }
        let beyond = Claim::Inclusion { index: 600, size: 600 };
        assert!(matches!(
            beyond.tiles(),
            Err(ProofError::Beyond { index: 600, size: 600 })
        ));
    }

    #[test]
    fn a_proof_as_a_file_reads_back_and_holds_by_itself() {
        let (leaves, root, tiles) = log(600);
        let signer = Signer::from_seed("t/ledger/platform", &[7; 32]).unwrap();
        let claim = Claim::Inclusion { index: 300, size: 600 };
        let inclusion = Inclusion {
            index: 300,
            proof: claim.prove(&fetched(claim, &tiles), &root).unwrap(),
            checkpoint: Checkpoint::sign(600, &root, &signer).unwrap(),
        };
        let text = inclusion.to_text();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex 300\n"), "{text}");
        let read = Inclusion::parse(&text).unwrap();
        assert_eq!(read, inclusion);
        assert_eq!(read.check(&leaves[300], signer.verifier()).unwrap().size, 600);
        assert!(matches!(
            read.check(&leaves[301], signer.verifier()),
            Err(ProofError::DoesNotHold)
        ));
        let extra = text.replace("index 300", "extra AAAA\nindex 300");
        assert_eq!(Inclusion::parse(&extra).unwrap(), inclusion);
        for wrong in [
            "",
            "c2sp.org/tlog-proof@v2\nindex 1\n\nx",
            "c2sp.org/tlog-proof@v1\n\nx",
            "c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx",
        ] {
            assert!(Inclusion::parse(wrong).is_err(), "{wrong}");
        }
    }
}

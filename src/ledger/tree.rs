//! The Merkle tree over a log's records (RFC 6962, section 2.1), kept as its right edge.
//!
//! A tree of `n` leaves is made of one perfect subtree for each bit set in `n`, the greatest first. Their hashes are all that
//! is needed to append and to tell the root, so a log of a thousand million records is held in memory by some thirty hashes:
//!
//! ```text
//! size 6 = 0b110        root = H(H(a,b,c,d), H(e,f))
//!
//!          *            edge = [ H(a,b,c,d), H(e,f) ]
//!        /   \
//!       *     *         push(g):  edge = [ H(a,b,c,d), H(e,f), g ]
//!      / \   / \        push(h):  edge = [ H(a,…,h) ]
//!     ab cd e   f
//! ```
//!
//! ```
//! # use tidegate::{ids::Digest, ledger::tree::{Tree, leaf_hash}};
//! let mut tree = Tree::default();
//! tree.push(leaf_hash(b"a record"));
//! assert_eq!((tree.size(), tree.root()), (1, leaf_hash(b"a record")));
//! ```

use aws_lc_rs::digest;
use tlog_tiles::{EMPTY_HASH, Hash, node_hash};

use super::tile::WIDTH;
use crate::ids::Digest;

/// The hash of a record as a leaf of the tree, `SHA-256(0x00 || bytes)`.
pub fn leaf_hash(bytes: &[u8]) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&[0]);
    context.update(bytes);
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Digest::from_bytes(out)
}

/// A digest as `tlog_tiles` spells it.
pub(super) fn hash(digest: &Digest) -> Hash {
    Hash(*digest.as_bytes())
}

/// The hash of the subtree over two subtrees, `SHA-256(0x01 || left || right)`.
pub(super) fn node(left: &Digest, right: &Digest) -> Digest {
    Digest::from_bytes(node_hash(hash(left), hash(right)).0)
}

/// The root of a tree with that edge; of none, the hash of nothing.
pub(super) fn root_of<'h>(edge: impl DoubleEndedIterator<Item = &'h Digest>) -> Digest {
    let mut subtrees = edge.rev();
    match subtrees.next() {
        None => Digest::from_bytes(EMPTY_HASH.0),
        Some(last) => subtrees.fold(*last, |right, left| node(left, &right)),
    }
}

/// A tree, by its right edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// The roots of the perfect subtrees, from left to right.
    edge: Vec<Digest>,
}

impl Tree {
    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut subtree = leaf;
        // Each trailing one in the size is a perfect subtree that the new one completes to a greater.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.edge.pop() {
                subtree = node(&left, &subtree);
            }
        }
        self.edge.push(subtree);
        self.size += 1;
    }

    /// The hash of the whole; of no leaves, the hash of nothing.
    pub fn root(&self) -> Digest {
        root_of(self.edge())
    }

    /// The roots of the perfect subtrees, from left to right.
    pub(super) fn edge(&self) -> std::slice::Iter<'_, Digest> {
        self.edge.iter()
    }

    /// The tree of the leaves that make full tiles: the same without its last up to 255 leaves.
    pub fn tiled(&self) -> Self {
        let size = self.size - self.size % WIDTH;
        let edge = self.edge.iter().take(size.count_ones() as usize).copied().collect();
        Self { size, edge }
    }

    /// The hashes of the edge, from left to right, 32 bytes each.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.edge.iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    /// The tree of so many leaves with that edge; nothing where a tree of that size has an edge of another length. Whether it is
    /// *the* tree of a log, only its [`root`](Self::root) tells.
    pub fn from_bytes(size: u64, edge: &[u8]) -> Option<Self> {
        let (hashes, []) = edge.as_chunks::<32>() else {
            return None;
        };
        let edge: Vec<_> = hashes.iter().copied().map(Digest::from_bytes).collect();
        let right = u64::try_from(edge.len()) == Ok(u64::from(size.count_ones()));
        right.then_some(Self { size, edge })
    }
}

impl FromIterator<Digest> for Tree {
    fn from_iter<I: IntoIterator<Item = Digest>>(leaves: I) -> Self {
        let mut tree = Self::default();
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6962, word for word.
    fn definition(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(split);
                node(&definition(left), &definition(right))
            }
        }
    }

    fn leaves(count: u64) -> Vec<Digest> {
        (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
    }

    #[test]
    fn at_every_size_the_root_is_what_the_rfc_defines() {
        let leaves = leaves(600);
        let mut tree = Tree::default();
        for (size, leaf) in leaves.iter().enumerate() {
            assert_eq!(tree.root(), definition(&leaves[..size]), "{size}");
            tree.push(*leaf);
        }
        assert_eq!(tree.size(), 600);
    }

    #[test]
    fn the_published_roots_of_certificate_transparency_are_found() {
        // The test data of the reference implementation of RFC 6962 (merkletree/test_vectors).
        let inputs = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Tree::default();
        for (input, root) in inputs.iter().zip(roots) {
            tree.push(leaf_hash(&hex::decode(input).unwrap()));
            assert_eq!(hex::encode(tree.root().as_bytes()), root);
        }
    }

    proptest! {
        /// What is written down of a tree is the tree: it goes on as if it had never been put away.
        #[test]
        fn a_tree_that_was_put_away_goes_on(before in 0_u64..700, after in 0_u64..300) {
            let leaves = leaves(before + after);
            let (first, rest) = leaves.split_at(usize::try_from(before).unwrap());
            let mut tree = Tree::default();
            first.iter().for_each(|leaf| tree.push(*leaf));
            let mut again = Tree::from_bytes(before, &tree.to_bytes()).unwrap();
            prop_assert_eq!(&again, &tree);
            rest.iter().for_each(|leaf| again.push(*leaf));
            prop_assert_eq!(again.root(), definition(&leaves));
        }

        /// Without what makes no full tile, a tree is the one of the leaves before.
        #[test]
        fn a_tree_without_its_tail_is_the_tree_of_before(size in 0_u64..1_100) {
            let mut trees = vec![Tree::default()];
            for leaf in leaves(size) {
                let mut next = trees.last().unwrap().clone();
                next.push(leaf);
                trees.push(next);
            }
            let full = usize::try_from(size - size % WIDTH).unwrap();
            prop_assert_eq!(&trees.last().unwrap().tiled(), &trees[full]);
        }

        /// An edge of another length than the size has is none.
        #[test]
        fn an_edge_of_another_length_is_refused(size in 0_u64..5_000, bytes in 0_usize..500) {
            let fits = bytes == 32 * usize::try_from(size.count_ones()).unwrap();
            prop_assert_eq!(Tree::from_bytes(size, &vec![7; bytes]).is_some(), fits);
        }
    }
}

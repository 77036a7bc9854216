//! Tiles: a log as a finite set of files that never change ([C2SP tlog-tiles](https://c2sp.org/tlog-tiles)).
//!
//! ```text
//! tile/0/000            the hashes of records 0 to 255, 32 bytes each
//! tile/0/001.p/17       those of records 256 to 272, while there are no more
//! tile/1/000.p/1        the root of tile/0/000
//! tile/entries/000      records 0 to 255 themselves, each after its length in two bytes
//! ```
//!
//! A tile of hashes stands for the whole subtree above them, so with one tile of each level anything can be proved. A partial
//! tile is the beginning of the full one that takes its place: whoever has the greater has the smaller.

use std::fmt;
use std::str::FromStr;

use crate::ids::Digest;

/// How many levels of the tree one tile spans.
pub const HEIGHT: u8 = 8;

/// How many hashes or records a full tile has.
pub const WIDTH: u64 = 1 << HEIGHT;

/// The greatest level a tile can have: beyond it no 64-bit size reaches.
pub const MAX_LEVEL: u8 = 7;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The records themselves.
    Entries,
    /// Hashes: of records at level 0, of full tiles of the level below at any other.
    Hashes {
        /// The level, from 0 to 7.
        level: u8,
    },
}

/// Names one tile of a log, full or partial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// What it holds.
    pub kind: Kind,
    /// Its number within its level.
    pub number: u64,
    /// How many hashes or records it has, from 1 to [`WIDTH`].
    pub width: u16,
}

/// A path that names no tile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no tile; expected `tile/<level>/<number>` or `tile/entries/<number>`, with `.p/<width>` where it is partial, as of c2sp.org/tlog-tiles"
)]
pub struct NoTile(String);

impl TileId {
    /// The full tile of that kind and number.
    pub fn full(kind: Kind, number: u64) -> Self {
        let width = 1 << HEIGHT;
        Self { kind, number, width }
    }

    /// The widest tile of that kind and number in a log of `size` records; nothing where it would be empty.
    pub fn widest(kind: Kind, number: u64, size: u64) -> Option<Self> {
        let level = match kind {
            Kind::Entries => 0,
            Kind::Hashes { level } => level,
        };
        let hashes = size.checked_shr(u32::from(HEIGHT) * u32::from(level)).unwrap_or(0);
        let width = hashes.saturating_sub(number.checked_mul(WIDTH)?).min(WIDTH);
        let width = u16::try_from(width).ok().filter(|width| *width > 0)?;
        Some(Self { kind, number, width })
    }

    /// Whether it has all it can ever have.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == WIDTH
    }

    /// All tiles of a log of `size` records, from left to right and from the records up.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        let kinds = std::iter::once(Kind::Entries).chain((0..=MAX_LEVEL).map(|level| Kind::Hashes { level }));
        kinds.flat_map(move |kind| (0..).map_while(move |number| Self::widest(kind, number, size)))
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Entries => formatter.write_str("tile/entries/")?,
            Kind::Hashes { level } => write!(formatter, "tile/{level}/")?,
        }
        // Three digits an element, so that no directory gets more than some thousand entries.
        let mut elements = vec![self.number % 1000];
        let mut rest = self.number / 1000;
        while rest > 0 {
            elements.push(rest % 1000);
            rest /= 1000;
        }
        for (place, element) in elements.iter().enumerate().rev() {
            match place {
                0 => write!(formatter, "{element:03}")?,
                _ => write!(formatter, "x{element:03}/")?,
            }
        }
        match self.is_full() {
            true => Ok(()),
            false => write!(formatter, ".p/{}", self.width),
        }
    }
}

impl FromStr for TileId {
    type Err = NoTile;

    fn from_str(text: &str) -> Result<Self, NoTile> {
        read(text)
            .filter(|tile| tile.to_string() == text)
            .ok_or_else(|| NoTile(text.escape_debug().take(80).collect()))
    }
}

/// Reads a path in any spelling; the caller holds it to the one there is.
fn read(text: &str) -> Option<TileId> {
    let (kind, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => Kind::Entries,
        level => Kind::Hashes {
            level: level.parse().ok().filter(|level| *level <= MAX_LEVEL)?,
        },
    };
    let (number, width) = match rest.split_once(".p/") {
        Some((number, width)) => (number, width.parse().ok().filter(|width| (1..=255).contains(width))?),
        None => (rest, 1 << HEIGHT),
    };
    let mut value = 0_u64;
    for element in number.split('/') {
        let digits: u64 = element
            .trim_start_matches('x')
            .parse()
            .ok()
            .filter(|digits| *digits < 1000)?;
        value = value.checked_mul(1000)?.checked_add(digits)?;
    }
    let number = value;
    Some(TileId { kind, number, width })
}

/// The hashes of a tile; what is left over of a torn one is none.
pub(super) fn hashes(bytes: &[u8]) -> impl Iterator<Item = Digest> {
    bytes.as_chunks().0.iter().copied().map(Digest::from_bytes)
}

/// Records as an entry bundle.
pub fn bundle<'r>(records: impl IntoIterator<Item = &'r [u8]>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for record in records {
        let length = u16::try_from(record.len()).ok()?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(record);
    }
    Some(bytes)
}

/// The records of an entry bundle; nothing where it was cut or has something behind its last record.
pub fn records(mut bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut records = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk() {
        let (record, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        records.push(record);
        bundle = rest;
    }
    bundle.is_empty().then_some(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tlog_tiles::Tile;

    use super::*;

    #[test]
    fn the_example_of_the_specification_has_the_tiles_it_says() {
        let tiles: Vec<_> = TileId::all(70_000).collect();
        let of = |kind| tiles.iter().filter(|tile| tile.kind == kind).collect::<Vec<_>>();
        let level = |level| of(Kind::Hashes { level });
        let width = |tiles: &[&TileId]| tiles.last().map(|tile| tile.width);
        assert_eq!((level(0).len(), width(&level(0))), (274, Some(112)));
        assert_eq!((level(1).len(), width(&level(1))), (2, Some(17)));
        assert_eq!((level(2).len(), width(&level(2))), (1, Some(1)));
        assert_eq!((level(3).len(), of(Kind::Entries).len()), (0, 274));
        let all: Vec<_> = TileId::all(256).map(|tile| tile.to_string()).collect();
        assert_eq!(all, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(TileId::all(0).count(), 0);
    }

    #[test]
    fn the_number_of_the_specification_is_spelled_as_it_says() {
        let tile = TileId::full(Kind::Entries, 1_234_067);
        assert_eq!(tile.to_string(), "tile/entries/x001/x234/067");
    }

    #[test]
    fn what_names_no_tile_is_refused() {
        for path in [
            "",
            "tile",
            "tile/",
            "tile/0/",
            "tile/8/000",
            "tile/63/000",
            "tile/64/000",
            "tile/255/000",
            "tile/256/000",
            "tile/00/000",
            "tile/-1/000",
            "tile/+1/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/000/",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/1/2",
            "tile/0/x000/001",
            "tile/0/001/234",
            "tile/0/x001/x234",
            "tile/0/xx01/234",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/data/000",
            "tile/entries/000.p/0",
            "tile/entries",
            "/tile/0/000",
            "tile/8/0/000",
            "tile/0/٠٠٠",
        ] {
            assert!(path.parse::<TileId>().is_err(), "{path}");
        }
    }

    fn some_tile() -> impl Strategy<Value = TileId> {
        let kind = prop_oneof![
            Just(Kind::Entries),
            (0..=MAX_LEVEL).prop_map(|level| Kind::Hashes { level })
        ];
        (kind, any::<u64>(), 0..64_u32, 1..=256_u16).prop_map(|(kind, number, shift, width)| TileId {
            kind,
            number: number >> shift,
            width,
        })
    }

    proptest! {
        /// A tile has one path, and a path one tile; `tlog_tiles` spells the same.
        #[test]
        fn a_path_reads_back(tile in some_tile()) {
            let path = tile.to_string();
            prop_assert_eq!(path.parse(), Ok(tile));
            let level = match tile.kind { Kind::Entries => 0, Kind::Hashes { level } => level };
            let theirs = Tile::new(HEIGHT, level, tile.number, u32::from(tile.width), tile.kind == Kind::Entries);
            prop_assert_eq!(theirs.path().replace("tile/8/", "tile/").replace("/data/", "/entries/"), path);
        }

        /// Nothing makes the parser panic.
        #[test]
        fn any_text_is_read_or_refused(text in "(tile|tile/[0-9a-z]{0,4})?/?[0-9x/.p]{0,40}") {
            let _ = text.parse::<TileId>();
        }

        /// Records read back from their bundle, and from no part of it.
        #[test]
        fn a_bundle_reads_back(sizes in prop::collection::vec(0_usize..300, 0..20)) {
            let all: Vec<_> = sizes.iter().map(|size| vec![b'x'; *size]).collect();
            let bytes = bundle(all.iter().map(Vec::as_slice)).unwrap();
            prop_assert_eq!(records(&bytes).unwrap(), all.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let whole: Vec<_> = (0..bytes.len()).filter(|end| records(&bytes[..*end]).is_some()).collect();
            prop_assert_eq!(whole.len(), all.len());
        }
    }

    #[test]
    fn a_record_longer_than_a_bundle_can_say_is_refused() {
        assert!(bundle([vec![0; 65_535].as_slice()]).is_some());
        assert!(bundle([vec![0; 65_536].as_slice()]).is_none());
    }
}

//! Packing with zstd and unpacking again, many times over: with one set of tables for each thread, and room for just what is there.
//! Tables that are made anew for each content cost more than to pack it.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

/// How hard it is tried to make things smaller: more would cost much and give little.
const LEVEL: i32 = 3;

thread_local! {
    static PACKING: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static TABLES: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Packs it.
///
/// # Errors
///
/// There is no memory for it.
pub(super) fn pack(content: &[u8]) -> std::io::Result<Vec<u8>> {
    PACKING.with_borrow_mut(|tables| match tables {
        Some(tables) => tables.compress(content),
        None => tables.insert(Compressor::new(LEVEL)?).compress(content),
    })
}

/// Unpacks what has at most so many bytes.
///
/// # Errors
///
/// It is not what was packed, or greater.
pub(super) fn unpack(packed: &[u8], most: usize) -> std::io::Result<Vec<u8>> {
    // What it says of itself is only how much room is made: more does not fit, and is refused.
    let said = get_frame_content_size(packed).ok().flatten();
    let room = said
        .and_then(|bytes| usize::try_from(bytes).ok())
        .unwrap_or(most)
        .min(most);
    TABLES.with_borrow_mut(|tables| match tables {
        Some(tables) => tables.decompress(packed, room),
        None => tables.insert(Decompressor::new()?).decompress(packed, room),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked_and_nothing_greater() {
        let content = b"a record is much like another; ".repeat(100);
        let packed = pack(&content).unwrap();
        // What was packed before leaves no trace.
        assert_eq!(packed, zstd::bulk::compress(&content, LEVEL).unwrap());
        assert_eq!(packed, pack(&content).unwrap());
        for _ in 0..2 {
            assert_eq!(unpack(&packed, content.len()).unwrap(), content);
            assert!(unpack(&packed, content.len() - 1).is_err());
            assert!(unpack(&packed[..packed.len() - 1], content.len()).is_err());
            assert!(unpack(b"not packed", 100).is_err());
        }
        assert_eq!(unpack(&zstd::bulk::compress(b"", 3).unwrap(), 0).unwrap(), b"");
        // A frame that does not say how great it is.
        let stream = zstd::stream::encode_all(content.as_slice(), 3).unwrap();
        assert_eq!(unpack(&stream, content.len()).unwrap(), content);
    }
}

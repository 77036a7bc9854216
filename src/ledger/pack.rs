//! Unpacking what was compressed with zstd, many times over: with one set of tables for each thread, and room for just what is there.

use std::cell::RefCell;

use zstd::bulk::Decompressor;
use zstd::zstd_safe::get_frame_content_size;

thread_local! {
    static TABLES: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
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
        let packed = zstd::bulk::compress(&content, 3).unwrap();
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

//! Digests: names of content.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::IdError;

/// A SHA-256 digest, spelled `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// Its beginning tells a digest from others as well as all of it does.
impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.prefix());
    }
}

impl Digest {
    /// All zeroes: what the first record of a log has in place of the previous record's hash.
    pub const ZERO: Self = Self([0; 32]);

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Self(out)
    }

    /// The digest of all that can be read, and how many bytes that is; no more of it than a part is held in memory.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn of_read(mut source: impl Read) -> io::Result<(Self, u64)> {
        let mut context = digest::Context::new(&digest::SHA256);
        let (mut buffer, mut bytes) = (vec![0; 256 * 1024], 0_u64);
        loop {
            let read = source.read(&mut buffer)?;
            let Some(read) = buffer.get(..read).filter(|read| !read.is_empty()) else {
                break;
            };
            context.update(read);
            bytes += read.len() as u64;
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.finish().as_ref());
        Ok((Self(out), bytes))
    }

    /// A digest from its 32 raw bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its first eight bytes, as a number: as good as random, and in the order of digests.
    pub fn prefix(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The 32 raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The value of a lower-case hexadecimal digit; 0xff for anything else.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0xff,
    }
}

impl FromStr for Digest {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::new("a digest", "`sha256:` and 64 lower-case hexadecimal digits", text);
        let digits = text.strip_prefix("sha256:").ok_or_else(wrong)?;
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
            return Err(wrong());
        };
        let pairs: &[[u8; 2]; 32] = pairs.try_into().map_err(|_| wrong())?;
        let mut out = [0; 32];
        // Whether any was no digit is asked once, at the end: a ledger's records are full of digests.
        let mut all = 0;
        for (byte, [high, low]) in out.iter_mut().zip(pairs) {
            let (high, low) = (nibble(*high), nibble(*low));
            all |= high | low;
            *byte = (high << 4) | (low & 0xf);
        }
        match all & 0x80 {
            0 => Ok(Self(out)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        // The buffer has exactly twice the digest's length, which is the only thing that could fail.
        let _ = hex::encode_to_slice(self.0, &mut digits);
        formatter.write_str("sha256:")?;
        formatter.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

text_serde!(Digest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_and_has_one_spelling() {
        let digest = Digest::of(b"");
        let spelled = digest.to_string();
        for byte in 0_u8..128 {
            let ((before, _), (_, after)) = (spelled.split_at(20), spelled.split_at(21));
            let changed = format!("{before}{}{after}", char::from(byte));
            let read = changed.parse::<Digest>();
            assert_eq!(
                read.is_ok(),
                byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
                "{changed}"
            );
            assert!(read.is_err() || read.unwrap().to_string() == changed);
        }
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse::<Digest>().unwrap(), digest);
        assert!(text.to_uppercase().parse::<Digest>().is_err());
        assert!(
            "sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
                .parse::<Digest>()
                .is_err()
        );
    }
}

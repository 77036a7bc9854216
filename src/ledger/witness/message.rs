//! The two messages of `add-checkpoint`, as text.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ids::Digest;

/// What is sent: what the witness is believed to have seen, the proof that the checkpoint goes on from there, and the checkpoint as a
/// signed note.
pub(super) fn request(old: u64, proof: &[Digest], note: &str) -> String {
    let mut text = format!("old {old}\n");
    for hash in proof {
        let _ = writeln!(text, "{}", STANDARD.encode(hash.as_bytes()));
    }
    text + "\n" + note
}

/// The size a witness says it saw, where it answers 409: a decimal in its one spelling, and a newline.
pub(super) fn size(body: &str) -> Option<u64> {
    let digits = body.strip_suffix('\n')?;
    let size: u64 = digits.parse().ok()?;
    (size.to_string() == digits).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_spelled_as_the_standard_has_it() {
        let proof = [Digest::from_bytes([0; 32]), Digest::from_bytes([255; 32])];
        let note = "t/ledger/platform\n7\nroot\n\n— t/ledger/platform AAAA\n";
        assert_eq!(
            request(5, &proof, note),
            format!(
                "old 5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n//////////////////////////////////////////8=\n\n{note}"
            )
        );
        assert_eq!(request(0, &[], note), format!("old 0\n\n{note}"));
    }

    #[test]
    fn a_size_has_one_spelling() {
        assert_eq!(size("0\n"), Some(0));
        assert_eq!(size("20852014\n"), Some(20_852_014));
        for wrong in [
            "",
            "\n",
            "7",
            "07\n",
            "+7\n",
            " 7\n",
            "7\n\n",
            "-1\n",
            "18446744073709551616\n",
            "seven\n",
        ] {
            assert_eq!(size(wrong), None, "{wrong:?}");
        }
    }
}

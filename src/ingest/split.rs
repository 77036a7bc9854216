//! From a stream of bytes to documents: the lines of NDJSON, or the elements of an array.
//!
//! What arrives is cut where one document ends and the next begins, and nothing else is looked at: whether a cut-out document is JSON
//! is for whoever reads it. So a batch of any size passes through memory one document at a time, and a broken line costs that line
//! alone. A broken array is another matter: where a bracket is missing nobody can say where the next element begins, so the batch ends
//! there, and what came before counts.
//!
//! ```
//! use tidegate::ingest::split::{Form, Piece, Splitter};
//!
//! let mut lines = Splitter::new(Form::Lines, 64);
//! let mut pieces = Vec::new();
//! lines.push(b"{\"id\":1}\n\n{\"id\"", &mut pieces).unwrap();
//! lines.push(b":2}", &mut pieces).unwrap();
//! lines.finish(&mut pieces).unwrap();
//! let text = |piece: &Piece| (piece.number, piece.document.clone().unwrap());
//! assert_eq!(text(&pieces[0]), (1, b"{\"id\":1}".to_vec()));
//! assert_eq!(text(&pieces[1]), (3, b"{\"id\":2}".to_vec()));
//! ```

/// How documents stand in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One line each (NDJSON, <https://github.com/ndjson/ndjson-spec>); empty lines count and are passed over.
    Lines,
    /// An array of them.
    Array,
}

/// A document that was cut out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its line, or which element of the array it is; the first is 1.
    pub number: u64,
    /// Its bytes without white space around them; none where they are more than are taken.
    pub document: Option<Vec<u8>>,
}

/// Why nobody can say where the next document begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// It does not begin as an array does.
    #[error("the body is not an array: `[` is missing at byte {0}")]
    Start(u64),
    /// An element is missing before a comma or the end.
    #[error("the array lacks an element at byte {0}: a comma too many")]
    Missing(u64),
    /// A bracket closes what was not opened.
    #[error("the array is broken at byte {0}: a bracket closes what was not opened")]
    Bracket(u64),
    /// Something stands after the array.
    #[error("something stands after the array, at byte {0}")]
    After(u64),
    /// The array has no end.
    #[error("the array breaks off: its end `]` is missing")]
    Open,
}

/// Where in a body we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In a line.
    Line,
    /// Before the array.
    Start,
    /// In an element of an array.
    Element { depth: u32, text: Text },
    /// After the array.
    End,
}

/// Whether a byte is part of a JSON string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    /// After a backslash.
    Escaped,
}

/// Cuts documents out of what arrives.
#[derive(Debug)]
pub struct Splitter {
    limit: usize,
    at: At,
    /// What of the present document has arrived.
    held: Vec<u8>,
    /// Whether the present document is longer than the limit, so that nothing of it is kept.
    is_long: bool,
    /// Whether white space was left out for which there was no room: if more comes after it, the document is longer than the limit.
    is_full: bool,
    number: u64,
    offset: u64,
}

impl Splitter {
    /// Cuts documents of at most `limit` bytes.
    pub fn new(form: Form, limit: usize) -> Self {
        let at = match form {
            Form::Lines => At::Line,
            Form::Array => At::Start,
        };
        Self {
            limit,
            at,
            held: Vec::new(),
            is_long: false,
            is_full: false,
            number: 1,
            offset: 0,
        }
    }

    /// Takes what arrived next.
    ///
    /// # Errors
    /// The array is broken; what was cut out before counts.
    pub fn push(&mut self, arrived: &[u8], pieces: &mut Vec<Piece>) -> Result<(), SplitError> {
        match self.at {
            At::Line => {
                self.lines(arrived, pieces);
                Ok(())
            }
            _ => self.elements(arrived, pieces),
        }
    }

    /// Nothing more arrives.
    ///
    /// # Errors
    /// There was nothing, or the array has no end.
    pub fn finish(mut self, pieces: &mut Vec<Piece>) -> Result<(), SplitError> {
        match self.at {
            At::Start => Err(SplitError::Start(self.offset)),
            At::Element { .. } => Err(SplitError::Open),
            At::End => Ok(()),
            At::Line => {
                self.cut(pieces);
                Ok(())
            }
        }
    }

    fn lines(&mut self, mut arrived: &[u8], pieces: &mut Vec<Piece>) {
        while let Some(end) = memchr::memchr(b'\n', arrived) {
            let (line, rest) = arrived.split_at(end);
            self.hold(line);
            self.cut(pieces);
            self.number += 1;
            arrived = rest.get(1..).unwrap_or_default();
        }
        self.hold(arrived);
    }

    /// Goes through the bytes of an array; what belongs to one element is held as a run, not byte by byte.
    fn elements(&mut self, arrived: &[u8], pieces: &mut Vec<Piece>) -> Result<(), SplitError> {
        let mut begin = 0;
        for (index, byte) in arrived.iter().enumerate() {
            let place = self.offset + index as u64;
            let At::Element { depth, text } = self.at else {
                self.at = beside(self.at, *byte, place)?;
                begin = index + 1;
                continue;
            };
            let ends = depth == 0 && text == Text::Outside && matches!(byte, b',' | b']');
            if !ends {
                self.at = step(depth, text, *byte).ok_or(SplitError::Bracket(place))?;
                continue;
            }
            self.hold(arrived.get(begin..index).unwrap_or_default());
            begin = index + 1;
            let is_last = *byte == b']';
            let is_there = self.cut(pieces);
            // `[]` is an array without elements; everywhere else an element must stand.
            let is_empty_array = is_last && self.number == 1;
            if !is_there && !is_empty_array {
                return Err(SplitError::Missing(place));
            }
            self.number += 1;
            if is_last {
                self.at = At::End;
            }
        }
        if let At::Element { .. } = self.at {
            self.hold(arrived.get(begin..).unwrap_or_default());
        }
        self.offset += arrived.len() as u64;
        Ok(())
    }

    /// Keeps more of the present document, as long as it is not too long. White space around it is not of it.
    fn hold(&mut self, more: &[u8]) {
        let more = if self.held.is_empty() {
            more.trim_ascii_start()
        } else {
            more
        };
        let room = self.limit.saturating_sub(self.held.len());
        let counted = more.trim_ascii_end().len();
        if self.is_long || counted > room || (self.is_full && counted > 0) {
            self.is_long = true;
            self.held = Vec::new();
            return;
        }
        self.is_full |= more.len() > room;
        self.held.extend(more.iter().take(room));
    }

    /// Hands out the present document; returns whether there was one.
    fn cut(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let mut held = std::mem::take(&mut self.held);
        held.truncate(held.trim_ascii_end().len());
        let is_long = std::mem::take(&mut self.is_long);
        self.is_full = false;
        if held.is_empty() && !is_long {
            return false;
        }
        pieces.push(Piece {
            number: self.number,
            document: (!is_long).then_some(held),
        });
        true
    }
}

const OUTSIDE: At = At::Element {
    depth: 0,
    text: Text::Outside,
};

/// Where one is after a byte of an element; nowhere where a bracket closes what was not opened.
fn step(depth: u32, text: Text, byte: u8) -> Option<At> {
    let (depth, text) = match (text, byte) {
        (Text::Escaped, _) => (depth, Text::Inside),
        (Text::Inside, b'\\') => (depth, Text::Escaped),
        (Text::Inside, b'"') => (depth, Text::Outside),
        (Text::Inside, _) => (depth, Text::Inside),
        (Text::Outside, b'"') => (depth, Text::Inside),
        (Text::Outside, b'{' | b'[') => (depth.checked_add(1)?, Text::Outside),
        (Text::Outside, b'}' | b']') => (depth.checked_sub(1)?, Text::Outside),
        (Text::Outside, _) => (depth, Text::Outside),
    };
    Some(At::Element { depth, text })
}

/// Where one is after a byte before an array or behind it.
fn beside(at: At, byte: u8, place: u64) -> Result<At, SplitError> {
    match (at, byte) {
        (at, byte) if is_space(byte) => Ok(at),
        (At::Start, b'[') => Ok(OUTSIDE),
        (At::Start, _) => Err(SplitError::Start(place)),
        _ => Err(SplitError::After(place)),
    }
}

/// White space of JSON (RFC 8259, section 2).
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 16;

    /// The number of a document and its text.
    type Cut = (u64, Option<String>);

    fn split(form: Form, parts: &[&[u8]]) -> (Vec<Cut>, Result<(), SplitError>) {
        let (mut splitter, mut pieces) = (Splitter::new(form, LIMIT), Vec::new());
        let mut end = Ok(());
        for part in parts {
            end = end.and_then(|()| splitter.push(part, &mut pieces));
        }
        let end = end.and_then(|()| splitter.finish(&mut pieces));
        let text = |piece: Piece| {
            (
                piece.number,
                piece.document.map(|bytes| String::from_utf8(bytes).unwrap()),
            )
        };
        (pieces.into_iter().map(text).collect(), end)
    }

    fn some(number: u64, text: &str) -> (u64, Option<String>) {
        (number, Some(text.to_owned()))
    }

    #[test]
    fn lines_are_counted_and_empty_ones_passed_over() {
        let (pieces, end) = split(Form::Lines, &[b"{}\r\n\n  {\"a\":1} \n\t\n7"]);
        assert_eq!(end, Ok(()));
        assert_eq!(pieces, [some(1, "{}"), some(3, "{\"a\":1}"), some(5, "7")]);
        assert_eq!(split(Form::Lines, &[]), (vec![], Ok(())));
    }

    #[test]
    fn an_element_ends_where_its_brackets_close_and_not_within_a_text() {
        let (pieces, end) = split(Form::Array, &[br#" [ {"a":"],}"} , [1,[2]], "\\\"," , 7 ] "#]);
        assert_eq!(end, Ok(()));
        let expected = [r#"{"a":"],}"}"#, "[1,[2]]", r#""\\\",""#, "7"];
        let numbered = expected.iter().zip(1..).map(|(text, number)| some(number, text));
        assert_eq!(pieces, numbered.collect::<Vec<_>>());
        assert_eq!(split(Form::Array, &[b"[ ]"]), (vec![], Ok(())));
    }

    #[test]
    fn what_is_too_long_costs_that_document_alone() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LIMIT));
        let (pieces, end) = split(Form::Lines, &[format!("{{}}\n{long}\n[]").as_bytes()]);
        assert_eq!((pieces, end), (vec![some(1, "{}"), (2, None), some(3, "[]")], Ok(())));
        let (pieces, end) = split(Form::Array, &[format!("[{{}},{long},[]]").as_bytes()]);
        assert_eq!((pieces, end), (vec![some(1, "{}"), (2, None), some(3, "[]")], Ok(())));
        // White space around a document is not of it, however much there is; within it, it is.
        let spaces = " ".repeat(3 * LIMIT);
        let (pieces, _) = split(
            Form::Lines,
            &[
                spaces.as_bytes(),
                b"{}",
                spaces.as_bytes(),
                b"\n",
                b"[",
                spaces.as_bytes(),
                b"]",
            ],
        );
        assert_eq!(pieces, [some(1, "{}"), (2, None)]);
    }

    #[test]
    fn a_broken_array_ends_where_it_breaks_and_what_came_before_counts() {
        for (body, number, error) in [
            ("", 0, SplitError::Start(0)),
            ("  {}", 0, SplitError::Start(2)),
            ("[1,2", 1, SplitError::Open),
            ("[1,[2]", 1, SplitError::Open),
            ("[1,\"2]", 1, SplitError::Open),
            ("[1,,2]", 1, SplitError::Missing(3)),
            ("[1,]", 1, SplitError::Missing(3)),
            ("[,1]", 0, SplitError::Missing(1)),
            ("[1,2}", 1, SplitError::Bracket(4)),
            ("[1] 2", 1, SplitError::After(4)),
            ("[1]]", 1, SplitError::After(3)),
        ] {
            let (pieces, end) = split(Form::Array, &[body.as_bytes()]);
            assert_eq!((pieces.len(), end), (number, Err(error)), "{body}");
        }
    }

    /// Documents without white space around them, of at most the limit.
    fn any_document() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("{}".to_owned()),
            Just("7".to_owned()),
            Just(r#"{"a":[1,"]"]}"#.to_owned()),
            Just(r#""\\\"[,""#.to_owned()),
            Just("\"\u{e4}\u{1f30d}\"".to_owned()),
            Just("[[],{}]".to_owned()),
        ]
    }

    /// The same bytes in parts of some sizes.
    fn cut<'b>(bytes: &'b [u8], sizes: &[usize]) -> Vec<&'b [u8]> {
        let (mut rest, mut parts) = (bytes, Vec::new());
        for size in sizes {
            let (part, after) = rest.split_at((*size).min(rest.len()));
            parts.push(part);
            rest = after;
        }
        parts.push(rest);
        parts
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_joined_is_cut_apart_again_however_it_arrives(
            documents in prop::collection::vec(any_document(), 0..6),
            sizes in prop::collection::vec(0..9_usize, 0..12),
        ) {
            let expected: Vec<_> = documents.iter().zip(1..).map(|(text, number)| some(number, text)).collect();
            let array = format!("[{}]", documents.join(" ,"));
            prop_assert_eq!(split(Form::Array, &cut(array.as_bytes(), &sizes)), (expected.clone(), Ok(())));
            let lines = documents.join("\n");
            prop_assert_eq!(split(Form::Lines, &cut(lines.as_bytes(), &sizes)), (expected, Ok(())));
        }

        #[test]
        fn of_any_bytes_no_more_is_held_than_one_document_and_how_they_arrive_makes_no_difference(
            bytes in prop::collection::vec(prop::sample::select(b"[]{},\"\\ \na1".to_vec()), 0..64),
            sizes in prop::collection::vec(0..9_usize, 0..12),
        ) {
            for form in [Form::Lines, Form::Array] {
                let whole = split(form, &[&bytes]);
                prop_assert_eq!(split(form, &cut(&bytes, &sizes)), whole.clone());
                prop_assert!(whole.0.iter().flat_map(|(_, text)| text).all(|text| text.len() <= LIMIT));
            }
        }
    }
}

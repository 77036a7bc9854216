//! Documents on their way in: one, or many in one body, packed or not.
//!
//! A document by itself is read whole. Many are never: a thread of their own unpacks what has arrived, cuts documents out and hands them
//! on by the chunk, and waits where the chunk before is not stored yet; so does the sender then, for nothing is read from the
//! connection meanwhile. So a body of a gigabyte takes the memory of a few chunks, and one of a kilobyte that unpacks to a terabyte takes
//! no more: it ends at [`MOST_BYTES`].

use std::io::Read;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::too_large;
use crate::http::caller::{one_header, optional_header};
use crate::http::problem::{Kind, Problem};
use crate::ingest::DOCUMENT_LIMIT;
use crate::ingest::split::{Form, Piece, SplitError, Splitter};

/// How many documents are handed on together, and how many bytes of them.
const CHUNK: (usize, usize) = (512, 8 << 20);

/// The most documents of one body, and the most bytes it may unpack to.
pub(super) const MOST_DOCUMENTS: u64 = 1_000_000;
pub(super) const MOST_BYTES: u64 = 4 << 30;

/// How much a packed body may ask its unpacker to remember, as a power of two: 8 MiB, what RFC 8878 (section 3.1.1.1.2) has every
/// unpacker support.
const WINDOW: u32 = 23;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

/// Why a body of many documents ended before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("{0}; documents before that were taken")]
    Split(#[from] SplitError),
    #[error("the body does not unpack, or broke off: {0}; documents before that were taken")]
    Read(String),
    #[error("the body has more than {MOST_DOCUMENTS} documents; send the others by themselves")]
    Documents,
    #[error("the body has more than {MOST_BYTES} bytes; send the others by themselves")]
    Bytes,
}

/// What comes out of a body.
#[derive(Debug)]
pub(super) enum Event {
    /// It is one document; none where that is longer than is taken.
    One(Option<Vec<u8>>),
    /// It has several; these are next.
    Pieces(Vec<Piece>),
    /// That was all, or why it ended.
    End(Result<(), Broken>),
}

/// A body that is being read.
#[derive(Debug)]
pub(super) enum Arriving {
    /// One document, whole.
    One(Vec<u8>),
    /// Whatever it is, it comes out here.
    Events(Receiver<Event>),
}

/// Begins to read a body. Nothing of it may stand still for longer than `patience`.
///
/// # Errors
/// 400, 413, 415: it is of another type than is taken, packed in another way, too long or broken.
pub(super) async fn arrive(headers: &HeaderMap, mut body: Body, patience: Duration) -> Result<Arriving, Problem> {
    let (lines, packing) = (is_lines(headers)?, packing(headers)?);
    let mut begun = Vec::new();
    if !lines && packing == Packing::None {
        loop {
            let Some(next) = frame(&mut body, patience).await.map_err(broken)? else {
                // All of it has been read, so it is no more than one.
                return whole(begun).map(Arriving::One);
            };
            let first = next.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
            begun.push(next);
            match first {
                Some(b'[') => break,
                Some(_) => return rest(begun, body, patience).await.map(Arriving::One),
                None if length(&begun) > DOCUMENT_LIMIT => return Err(too_large(DOCUMENT_LIMIT)),
                None => {}
            }
        }
    }
    let (more, arrived) = channel(4);
    let (out, events) = channel(1);
    tokio::spawn(forward(begun, body, patience, more));
    let form = lines.then_some(Form::Lines);
    tokio::task::spawn_blocking(move || unpack(arrived, packing, form, &out));
    Ok(Arriving::Events(events))
}

/// Whether the body is lines; it is JSON otherwise.
fn is_lines(headers: &HeaderMap) -> Result<bool, Problem> {
    let media = one_header(headers, &CONTENT_TYPE)?;
    match media
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
        .as_str()
    {
        "application/json" => Ok(false),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(true),
        _ => Err(Problem::with(
            Kind::MediaType,
            "expected `application/json`, for a document or an array of them, or `application/x-ndjson`, for one on each line",
        )),
    }
}

fn packing(headers: &HeaderMap) -> Result<Packing, Problem> {
    let encoding = optional_header(headers, &CONTENT_ENCODING)?;
    match encoding.map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        None | Some("identity") => Ok(Packing::None),
        // RFC 9110, section 8.4.1.3: the two are the same.
        Some("gzip" | "x-gzip") => Ok(Packing::Gzip),
        Some("zstd") => Ok(Packing::Zstd),
        Some(_) => Err(Problem::with(
            Kind::MediaType,
            "`Content-Encoding`: expected `gzip` or `zstd`",
        )),
    }
}

/// What arrives next; nothing where that was all.
async fn frame(body: &mut Body, patience: Duration) -> Result<Option<Bytes>, &'static str> {
    loop {
        let next = tokio::time::timeout(patience, body.frame()).await;
        match next.map_err(|_| "nothing came for a while")? {
            None => return Ok(None),
            Some(Err(_)) => return Err("the connection broke off"),
            // Trailers say nothing that counts.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn broken(why: &'static str) -> Problem {
    Problem::with(Kind::Body, format!("the body broke off: {why}"))
}

fn length(parts: &[Bytes]) -> usize {
    parts.iter().map(Bytes::len).sum()
}

fn whole(parts: Vec<Bytes>) -> Result<Vec<u8>, Problem> {
    match length(&parts) > DOCUMENT_LIMIT {
        true => Err(too_large(DOCUMENT_LIMIT)),
        false => Ok(parts.concat()),
    }
}

/// The whole of a document, of which some has arrived.
async fn rest(mut parts: Vec<Bytes>, mut body: Body, patience: Duration) -> Result<Vec<u8>, Problem> {
    let mut arrived = length(&parts);
    while arrived <= DOCUMENT_LIMIT {
        match frame(&mut body, patience).await.map_err(broken)? {
            Some(next) => {
                arrived += next.len();
                parts.push(next);
            }
            None => break,
        }
    }
    whole(parts)
}

/// Hands what arrives to the thread that unpacks it, as fast as that takes it.
async fn forward(begun: Vec<Bytes>, mut body: Body, patience: Duration, more: Sender<Result<Bytes, &'static str>>) {
    for part in begun {
        if more.send(Ok(part)).await.is_err() {
            return;
        }
    }
    loop {
        let next = frame(&mut body, patience).await;
        let (next, is_last) = match next {
            Ok(Some(next)) => (Ok(next), false),
            Ok(None) => return,
            Err(why) => (Err(why), true),
        };
        if more.send(next).await.is_err() || is_last {
            return;
        }
    }
}

/// What has arrived, as a reader on a thread that may wait.
struct Arrived {
    arrived: Receiver<Result<Bytes, &'static str>>,
    held: Bytes,
}

impl Read for Arrived {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.held.is_empty() {
            match self.arrived.blocking_recv() {
                None => return Ok(0),
                Some(next) => self.held = next.map_err(std::io::Error::other)?,
            }
        }
        let taken = self.held.split_to(self.held.len().min(buffer.len()));
        // As many as were taken fit.
        for (place, byte) in buffer.iter_mut().zip(&taken) {
            *place = *byte;
        }
        Ok(taken.len())
    }
}

/// On a thread of its own: unpacks, cuts, and hands on by the chunk, until all is done or nobody wants more.
fn unpack(arrived: Receiver<Result<Bytes, &'static str>>, packing: Packing, form: Option<Form>, out: &Sender<Event>) {
    let arrived = Arrived {
        arrived,
        held: Bytes::new(),
    };
    let mut reader: Box<dyn Read> = match packing {
        Packing::None => Box::new(arrived),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(arrived)),
        Packing::Zstd => match zstd::stream::read::Decoder::new(arrived) {
            Ok(mut decoder) => {
                if let Err(error) = decoder.window_log_max(WINDOW) {
                    let _ = out.blocking_send(Event::End(Err(Broken::Read(error.to_string()))));
                    return;
                }
                Box::new(decoder)
            }
            Err(error) => {
                let _ = out.blocking_send(Event::End(Err(Broken::Read(error.to_string()))));
                return;
            }
        },
    };
    let end = match form {
        Some(form) => cut(&mut reader, form, Vec::new(), out),
        None => match begin(&mut reader) {
            Ok((begun, true)) => cut(&mut reader, Form::Array, begun, out),
            Ok((begun, false)) => {
                // One document is handed on whole; nothing follows it.
                let _ = out.blocking_send(Event::One(collect(&mut reader, begun)));
                return;
            }
            Err(broken) => Err(broken),
        },
    };
    let _ = out.blocking_send(Event::End(end));
}

/// The body up to its first byte that is no white space, and whether an array begins there.
fn begin(reader: &mut dyn Read) -> Result<(Vec<u8>, bool), Broken> {
    let mut begun = Vec::new();
    let mut buffer = [0; 4096];
    while begun.len() <= DOCUMENT_LIMIT {
        let read = read(reader, &mut buffer)?;
        if read.is_empty() {
            break;
        }
        begun.extend_from_slice(read);
        if let Some(first) = begun.iter().find(|byte| !byte.is_ascii_whitespace()) {
            let is_array = *first == b'[';
            return Ok((begun, is_array));
        }
    }
    Ok((begun, false))
}

fn read<'b>(reader: &mut dyn Read, buffer: &'b mut [u8]) -> Result<&'b [u8], Broken> {
    let count = reader.read(buffer).map_err(|error| Broken::Read(error.to_string()))?;
    Ok(buffer.get(..count).unwrap_or_default())
}

/// The whole of a document of which some was read; none where it is too long or breaks off, which a document does not survive.
fn collect(reader: &mut dyn Read, mut begun: Vec<u8>) -> Option<Vec<u8>> {
    let most = (DOCUMENT_LIMIT + 1).saturating_sub(begun.len());
    reader.take(most as u64).read_to_end(&mut begun).ok()?;
    (begun.len() <= DOCUMENT_LIMIT).then_some(begun)
}

/// Cuts documents out of what is read, and hands them on by the chunk. Where nobody wants more it ends as if that were all.
fn cut(reader: &mut dyn Read, form: Form, begun: Vec<u8>, out: &Sender<Event>) -> Result<(), Broken> {
    let mut splitter = Splitter::new(form, DOCUMENT_LIMIT);
    let mut chunk = Chunk::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0_u64;
    let mut result = chunk.push(&mut splitter, &begun);
    while result.is_ok() {
        let arrived = match read(reader, &mut buffer) {
            Ok(arrived) => arrived,
            Err(broken) => {
                result = Err(broken);
                break;
            }
        };
        if arrived.is_empty() {
            result = splitter.finish(&mut chunk.pieces).map_err(Broken::from);
            break;
        }
        bytes += arrived.len() as u64;
        result = chunk.push(&mut splitter, arrived);
        if result.is_ok() && bytes > MOST_BYTES {
            result = Err(Broken::Bytes);
        }
        if chunk.is_full() && !chunk.send(out) {
            return Ok(());
        }
    }
    chunk.send(out);
    result
}

/// Documents that are handed on together.
#[derive(Default)]
struct Chunk {
    pieces: Vec<Piece>,
    /// Documents of this body so far.
    documents: u64,
}

impl Chunk {
    fn push(&mut self, splitter: &mut Splitter, arrived: &[u8]) -> Result<(), Broken> {
        let before = self.pieces.len();
        let split = splitter.push(arrived, &mut self.pieces);
        self.documents += (self.pieces.len() - before) as u64;
        if self.documents > MOST_DOCUMENTS {
            let over = usize::try_from(self.documents - MOST_DOCUMENTS).unwrap_or(usize::MAX);
            self.pieces.truncate(self.pieces.len().saturating_sub(over));
            return Err(Broken::Documents);
        }
        Ok(split?)
    }

    fn is_full(&self) -> bool {
        let bytes = self
            .pieces
            .iter()
            .filter_map(|piece| piece.document.as_ref())
            .map(Vec::len);
        self.pieces.len() >= CHUNK.0 || bytes.sum::<usize>() >= CHUNK.1
    }

    /// Hands on what is there; whether anybody wants more.
    fn send(&mut self, out: &Sender<Event>) -> bool {
        let mut rest = std::mem::take(&mut self.pieces);
        // What arrived at once may be more than a chunk: short lines by the thousand.
        while !rest.is_empty() {
            let next = rest.split_off(rest.len().min(CHUNK.0));
            if out.blocking_send(Event::Pieces(rest)).is_err() {
                return false;
            }
            rest = next;
        }
        true
    }
}

//! Many footprints in one body: each is taken or refused by itself, and the answer says of each what became of it.
//!
//! The answer is written once the body has been read, for a sender may not read before it has sent all. Until then what is to be told lies in
//! memory up to [`IN_MEMORY`], and in a file without a name beyond it.
//!
//! Whether the system is still one that may hand in is looked up for every chunk: one that is stopped while it sends is stopped there.

use std::io::{Read as _, Seek as _, Write as _};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use tempfile::SpooledTempFile;
use tokio::sync::mpsc::{Receiver, Sender as Sending, channel};
use tracing::Instrument as _;

use super::arriving::{Broken, Event};
use super::caller::Proven;
use super::footprints::Asked;
use super::outcome::{Stored, problem};
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ingest::split::Piece;
use crate::ingest::{DOCUMENT_LIMIT, DocumentError};
use crate::intake::read::{Read, Unfit, read_all};
use crate::intake::{Decided, Outcome, Sender};

/// How much of an answer is kept in memory.
const IN_MEMORY: usize = 1 << 20;

/// A line of the answer.
#[derive(Serialize)]
struct Line<T: Serialize> {
    /// Which line of the body, or which element of the array, the document was; the first is 1.
    line: u64,
    status: &'static str,
    #[serde(flatten)]
    told: T,
}

#[derive(Serialize)]
struct Refused<T: Serialize> {
    problem: T,
}

/// How many documents came out how.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    /// New, or other than what was there.
    stored: u64,
    /// The bytes that were there.
    unchanged: u64,
    refused: u64,
}

/// What is to be told.
struct Report {
    counts: Counts,
    lines: SpooledTempFile,
}

/// Documents that were looked at, with their lines.
type Looked = (Vec<u64>, Vec<Read>);

/// Documents that were decided, with their lines; nothing, where the system may hand in nothing any more.
type Found = (Vec<u64>, Option<Decided>);

/// Takes in what comes, and answers when all has come.
///
/// A chunk is decided while the one before it is stored and the one after it is looked at. None waits for one that has not come yet.
///
/// # Errors
/// 500: what is to be told can be kept nowhere.
pub(super) async fn take(
    app: &Shared,
    asked: &Arc<Asked>,
    first: Option<Event>,
    mut events: Receiver<Event>,
) -> Result<Response, Problem> {
    let (to_decide, looked) = channel(1);
    let (to_store, mut decided) = channel(1);
    let looking = async move {
        let mut next = look(app, first).await;
        loop {
            let pieces = match next {
                Next::Pieces(pieces) => pieces,
                Next::End(end) => return end,
            };
            if to_decide.send(pieces).await.is_err() {
                // Nobody takes it where the answer failed, and then that is told.
                return Ok(());
            }
            next = look(app, events.recv().await).await;
        }
    };
    // A task of its own: to decide is work for a processor, and what is stored meanwhile must not wait for it.
    let deciding = decide_each(Arc::clone(app), Arc::clone(asked), looked, to_store);
    let deciding = tokio::spawn(deciding.in_current_span());
    let storing = async move {
        let mut report = Report {
            counts: Counts::default(),
            lines: SpooledTempFile::new(IN_MEMORY),
        };
        while let Some((lines, decided)) = decided.recv().await {
            let outcomes = match decided {
                Some(decided) => app.intake().store(decided).await,
                None => lines.iter().map(|_| Err(crate::intake::Refused::Gone)).collect(),
            };
            report = report.tell(lines.into_iter().zip(outcomes).collect(), asked).await?;
        }
        Ok(report)
    };
    let (end, deciding, report) = tokio::join!(looking, deciding, storing);
    deciding.map_err(untold)?;
    report?.answer(end).await
}

enum Next {
    Pieces(Looked),
    End(Result<(), Broken>),
}

async fn look(app: &App, event: Option<Event>) -> Next {
    let pieces = match event {
        Some(Event::Pieces(pieces)) => pieces,
        Some(Event::End(end)) => return Next::End(end),
        Some(Event::One(_)) | None => return Next::End(Err(Broken::Read("its reader ended".to_owned()))),
    };
    let lines = pieces.iter().map(|piece| piece.number).collect();
    let is_long: Vec<bool> = pieces.iter().map(|piece| piece.document.is_none()).collect();
    let documents = pieces.into_iter().filter_map(|piece: Piece| piece.document).collect();
    let mut read = read_all(&app.models, documents).await.into_iter();
    let too_long = || Err(Unfit::Document(DocumentError::TooLarge(DOCUMENT_LIMIT + 1)));
    let all = is_long.into_iter().map(|is_long| match is_long {
        true => too_long(),
        false => read.next().unwrap_or(Err(Unfit::Unread)),
    });
    Next::Pieces((lines, all.collect()))
}

/// Asks about each chunk, until nobody wants to know any more.
async fn decide_each(app: Shared, asked: Arc<Asked>, mut looked: Receiver<Looked>, to_store: Sending<Found>) {
    while let Some((lines, read)) = looked.recv().await {
        let decided = decide(&app, &asked, read).await;
        if to_store.send((lines, decided)).await.is_err() {
            return;
        }
    }
}

/// Asks about a chunk; nothing, where the system may hand in nothing any more.
async fn decide(app: &App, asked: &Asked, read: Vec<Read>) -> Option<Decided> {
    let registry = app.registry.current();
    let world = registry.tenant(asked.tenant)?;
    let proven = asked.proven.now(world)?;
    let assets = match &proven {
        Proven::Integration(now) if !now.assets.is_empty() => &now.assets,
        _ => &asked.assets,
    };
    let sender = Sender {
        system: proven.facts(&world.tenant),
        world,
        assets,
        request: &asked.request,
        now: app.clock.now(),
    };
    Some(app.intake().decide(&sender, read).await)
}

fn untold(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "what became of a batch cannot be told");
    Problem::with(
        Kind::Internal,
        "what became of the documents cannot be told; hand them in again",
    )
}

impl Report {
    async fn tell(mut self, outcomes: Vec<(u64, Outcome)>, asked: &Asked) -> Result<Self, Problem> {
        let mut text = Vec::new();
        for (line, outcome) in outcomes {
            let is_first = self.counts.is_zero() && text.is_empty();
            text.extend_from_slice(if is_first { b"" } else { b",\n" });
            self.counts.line(&mut text, line, outcome, asked).map_err(untold)?;
        }
        let written = tokio::task::spawn_blocking(move || self.lines.write_all(&text).map(|()| self));
        written.await.map_err(untold)?.map_err(untold)
    }

    /// The answer: the counts and the lines; where the body broke, as members of the problem that says so (RFC 9457, section 3.2).
    async fn answer(mut self, end: Result<(), Broken>) -> Result<Response, Problem> {
        let told = self.lines.stream_position().map_err(untold)?;
        self.lines.rewind().map_err(untold)?;
        let counts = serde_json::to_value(self.counts).map_err(untold)?;
        let (status, media, mut head) = match end {
            Ok(()) => (StatusCode::OK, "application/json", Value::Object(Map::new())),
            Err(broken) => {
                let problem = Problem::with(Kind::Document, broken.to_string());
                let head = serde_json::to_value(problem.told()).map_err(untold)?;
                (StatusCode::UNPROCESSABLE_ENTITY, "application/problem+json", head)
            }
        };
        if let (Value::Object(head), Value::Object(counts)) = (&mut head, counts) {
            head.extend(counts);
        }
        let head = head.to_string();
        let head = format!("{},\"lines\":[\n", head.trim_end_matches('}'));
        let length = told + (head.len() + TAIL.len()) as u64;
        let parts = Parts::Head(head, self.lines);
        let stream = futures_util::stream::unfold(parts, |parts| async move { parts.next().await });
        let mut response = (status, Body::from_stream(stream)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

impl Counts {
    fn is_zero(self) -> bool {
        self.stored + self.unchanged + self.refused == 0
    }

    fn line(&mut self, text: &mut Vec<u8>, line: u64, outcome: Outcome, asked: &Asked) -> serde_json::Result<()> {
        match outcome {
            Ok(taken) => {
                let (count, status) = match taken.changed {
                    true => (&mut self.stored, "stored"),
                    false => (&mut self.unchanged, "unchanged"),
                };
                *count += 1;
                let told = Stored::from(&taken);
                serde_json::to_writer(text, &Line { line, status, told })
            }
            Err(refused) => {
                self.refused += 1;
                let problem = problem(refused, asked.tenant);
                let told = Refused {
                    problem: problem.told(),
                };
                let status = "refused";
                serde_json::to_writer(text, &Line { line, status, told })
            }
        }
    }
}

/// What an answer ends with.
const TAIL: &[u8] = b"\n]}\n";

/// What of the answer is still to be sent.
enum Parts {
    Head(String, SpooledTempFile),
    Lines(SpooledTempFile),
    Nothing,
}

impl Parts {
    async fn next(self) -> Option<(std::io::Result<Bytes>, Self)> {
        let mut lines = match self {
            Self::Head(head, lines) => return Some((Ok(head.into()), Self::Lines(lines))),
            Self::Lines(lines) => lines,
            Self::Nothing => return None,
        };
        let read = tokio::task::spawn_blocking(move || {
            let mut buffer = Vec::new();
            let part = std::io::Read::by_ref(&mut lines)
                .take(64 * 1024)
                .read_to_end(&mut buffer);
            part.map(|_| (buffer, lines))
        });
        match read.await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok((buffer, _)) if buffer.is_empty() => Some((Ok(Bytes::from_static(TAIL)), Self::Nothing)),
            Ok((buffer, lines)) => Some((Ok(buffer.into()), Self::Lines(lines))),
            Err(error) => Some((Err(error), Self::Nothing)),
        }
    }
}
